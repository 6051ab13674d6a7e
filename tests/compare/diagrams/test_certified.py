"""The certified diagram as a dataset and a command, and the one that is shipped."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tegum.theory.proofs.cells import DiagramCell, certified_cells
from tests.support.command_line import run_tegum as run

diagram: Any = import_module("tegum.compare.diagrams.certified")
figure: Any = import_module("tegum.compare.figures.certified")
rows_module: Any = import_module("tegum.compare.commands.rows")
SHIPPED = Path(__file__).resolve().parents[3] / "docs" / "certified-diagram.csv"
SMALL = "certified-diagram --cells 4 --divisions 0 --json"


@pytest.fixture(scope="module")
def shipped() -> list[Any]:
    return list(rows_module.read_rows(SHIPPED, diagram.CertifiedRow))


def test_the_shipped_dataset_covers_the_diagram_and_proves_what_was_promised(shipped: list[Any]) -> None:
    assert len(shipped) == 64 * 64
    areas = [
        np.log(row.density_high / row.density_low) * np.log(row.importance_high / row.importance_low) for row in shipped
    ]
    assert sum(areas) == pytest.approx(np.log(100) ** 2, rel=1e-12)
    assert len({(row.density_low, row.importance_low) for row in shipped}) == len(shipped)
    assert {row.phase for row in shipped} == {"", "digon(1,2)", "axis(1) + drop(2)", "drop(1) + axis(2)"}
    assert np.mean([row.phase != "" for row in shipped]) > 0.96


def test_shipped_cells_are_proved_again(shipped: list[Any]) -> None:
    column = [row for row in shipped if row.density_low == min(row.density_low for row in shipped)]
    column += [row for row in shipped[64 * 40 : 64 * 41] if row.divisions == 0]
    cells = [
        DiagramCell((row.density_low, row.density_high), (row.importance_low, row.importance_high)) for row in column
    ]
    proofs, _ = certified_cells(cells, divisions=0)
    assert [proof.phase for proof in proofs] == [row.phase for row in column]


def test_shipped_cells_without_a_proof_lie_along_the_boundary(shipped: list[Any]) -> None:
    """Beside every cell that isn't proved there are cells of two phases, or the edge of the plane."""
    phases = np.array([row.phase for row in shipped]).reshape(64, 64)
    for i, j in zip(*np.nonzero(phases == ""), strict=True):
        around = phases[max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5]
        assert len(set(around.ravel()) - {""}) >= 2


def test_the_command_resumes_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Boundaries only serve to be drawn, and take long.
    piece = SimpleNamespace(phases=("a", "b"), kind="first order", x=np.array([0.02, 0.5]), y=np.array([0.2, 5.0]))
    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", lambda: SimpleNamespace(segments=[piece]))
    code, out, _ = run(monkeypatch, capsys, f"{SMALL} --out {tmp_path}")
    assert code == 0
    account = json.loads(out)
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
    code, out, _ = run(monkeypatch, capsys, f"{SMALL} --out {tmp_path}")
    assert code == 0
    assert json.loads(out) == account
    assert len(calls) == 3
    assert sorted(set(table.read_text().splitlines())) == sorted(whole.splitlines())


@pytest.mark.parametrize(
    "other", ["--cells 2 --divisions 0", "--cells 4 --divisions 1", "--cells 4 --divisions 0 --penalty 1"]
)
def test_another_table_is_refused(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for column, _ in diagram.certified_columns(4, divisions=0) for row in column][:4]
    rows_module.write_rows(tmp_path / "certified-diagram.csv", rows)
    before = (tmp_path / "certified-diagram.csv").read_text()
    code, _, error = run(monkeypatch, capsys, f"certified-diagram {other} --out {tmp_path}")
    assert code == 2
    assert "another diagram" in error
    assert (tmp_path / "certified-diagram.csv").read_text() == before


def test_an_interruption_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    once = diagram.certified_columns
    calls: list[Any] = []

    def stopped(*arguments: Any, **options: Any) -> Any:
        for column in once(*arguments, **options):
            if calls:
                raise KeyboardInterrupt
            calls.append(column)
            yield column

    monkeypatch.setattr(diagram, "certified_columns", stopped)
    code, _, error = run(monkeypatch, capsys, f"{SMALL} --out {tmp_path}")
    assert code == 130
    assert "interrupted: 4 cells are in" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--cells 3", "cells must be an even number"),
        ("--penalty -1", "penalty must be a number, at least 0"),
        ("--divisions 7", "divisions must be an integer from 0 to 4"),
    ],
)
def test_bad_input_is_one_line(
    options: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(monkeypatch, capsys, f"certified-diagram {options} --out {tmp_path}")
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_cells_on_a_boundary_are_told() -> None:
    rows = [
        diagram.CertifiedRow(*(*density, *importance, 0.0, 0.0), *("", "", 0, 0, 1))
        for density, importance in (((0.1, 0.2), (0.5, 1.0)), ((0.1, 0.2), (1.0, 2.0)), ((0.4, 0.8), (1.0, 2.0)))
    ]
    piece = SimpleNamespace(x=np.array([0.15, 0.7]), y=np.array([1.5, 1.5]))
    assert diagram.crossed(rows, [piece]).tolist() == [False, True, True]
