"""`tegum certified-diagram`: a table that is gone on with, its figure, and what it refuses."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tegum.compare.diagrams import certified_columns

# Behind the face: tables are read back and broken on purpose.
from tegum.compare.terminal import write_rows
from tests.support.command_line import INTERRUPTED

diagrams: Any = import_module("tegum.compare.diagrams")
# Behind the face: one column is computed by itself.
diagram: Any = import_module("tegum.compare.diagrams.certified")
SMALL = "certified-diagram --cells 4 --divisions 0 --json"


def test_the_command_resumes_and_draws(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Boundaries only serve to be drawn, and take long.
    piece = SimpleNamespace(phases=("a", "b"), kind="first order", x=np.array([0.02, 0.5]), y=np.array([0.2, 5.0]))
    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", lambda: SimpleNamespace(segments=[piece]))
    account = tegum_(f"{SMALL} --out {tmp_path}").json()
    assert sum(account["cells"].values()) == 16
    assert (tmp_path / "certified-diagram.png").stat().st_size > 10_000
    table = tmp_path / "certified-diagram.csv"
    whole = table.read_text()
    lines = whole.splitlines(keepends=True)
    # A column and a half, cut in the middle of a row.
    table.write_text("".join(lines[:7]) + lines[7][:30])
    calls: list[int] = []
    once = diagram._column

    def counted(cells: Any, divisions: int) -> Any:
        calls.append(divisions)
        return once(cells, divisions)

    monkeypatch.setattr(diagram, "_column", counted)
    assert tegum_(f"{SMALL} --out {tmp_path}").json() == account
    assert len(calls) == 3
    assert sorted(set(table.read_text().splitlines())) == sorted(whole.splitlines())


@pytest.mark.parametrize(
    "other", ["--cells 2 --divisions 0", "--cells 4 --divisions 1", "--cells 4 --divisions 0 --interference-penalty 1"]
)
def test_another_table_is_refused(tegum_: Any, other: str, tmp_path: Path) -> None:
    rows = [row for column, _ in certified_columns(4, divisions=0) for row in column][:4]
    write_rows(tmp_path / "certified-diagram.csv", rows)
    before = (tmp_path / "certified-diagram.csv").read_text()
    tegum_(f"certified-diagram {other} --out {tmp_path}").is_misuse("another diagram")
    assert (tmp_path / "certified-diagram.csv").read_text() == before


def test_an_interruption_says_what_is_kept(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def stopped(*arguments: Any, **options: Any) -> Any:
        for column in certified_columns(*arguments, **options):
            if calls:
                raise KeyboardInterrupt
            calls.append(column)
            yield column

    monkeypatch.setattr(diagrams, "certified_columns", stopped)
    told = tegum_(f"{SMALL} --out {tmp_path}")
    assert told.code == INTERRUPTED
    table = tmp_path / "certified-diagram.csv"
    assert told.last == f"tegum: interrupted: 4 cells are in {table}; the same command goes on from there"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--cells 3", "cells must be an even number"),
        ("--cells 999999998", "at least 2 and at most 1000, got 999999998"),
        ("--interference-penalty -1", "interference_penalty must be finite and not negative"),
        ("--divisions 7", "divisions must be an integer from 0 to 4"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, options: str, message: str, tmp_path: Path) -> None:
    tegum_(f"certified-diagram {options} --out {tmp_path}").is_misuse(message)
