"""Tables: whole where they fit, and lines of "column: value" where they don't."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

# Behind the face: how commands print.
module: Any = import_module("tegum.compare.terminal.screen")

COLUMNS = ["phase", "loss", "weights", "status"]
ROWS = [
    ["axis(1) + dead(2)", "0.033333333333", "1.0000\n0.0000", "degenerate"],
    ["digon(1,2)", "0.003319483990", "1.0058\n-1.0058", "minimum"],
]


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 80, 200])
def test_no_number_is_cut_or_left_out_at_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    module.print_table("Minima", COLUMNS, ROWS)
    shown = capsys.readouterr().out
    assert all(len(line) <= width for line in shown.splitlines())
    for value in ("0.033333333333", "0.003319483990", "1.0058", "-1.0058", "0.0000", "degenerate", "digon(1,2)"):
        assert value in shown
    table = "phase:" not in shown
    assert table == (width >= 60)


def test_rows_of_a_narrow_screen_leave_out_what_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    module.print_table("Runs [x]", ["", "share", "note"], [["in a minimum that theory lists", "99.97 %", ""]])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["Runs [x]", "", "in a minimum that", "theory lists", "share: 99.97 %"]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["", "value"], [["mean loss of a feature", "1"], ["bound", "0.5 for 3 in 2 dimensions " + "x" * 33]]),
        (["", "phase", "loss"], [["weights given here", "digon(1,2) + digon(3,4) + " * 2, "0.5" * 5]]),
    ],
)
def test_short_names_stay_in_a_line_beside_long_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: list[str], rows: list[list[str]]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    module.print_table("Loss", columns, rows)
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert rows[0][0] in shown
