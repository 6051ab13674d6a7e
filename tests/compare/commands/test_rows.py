"""Tables that long commands add to row by row."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

# Behind the face: tables are read back and broken on purpose.
from tegum.compare.commands.rows import read_rows, write_rows
from tegum.compare.geometry import FreeRow, survey
from tegum.theory import best_packing

# Behind the face: the survey takes its atlas from here.
free_packings: Any = import_module("tegum.compare.geometry.free_packings")


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "free-packing.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="must have the columns dim, corners"):
        read_rows(tmp_path / "free-packing.csv", FreeRow)


def test_a_row_cut_short_is_searched_again_and_damage_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is in the row matters here, and not which of all polytopes is best.
    monkeypatch.setattr(free_packings, "best_packing", partial(best_packing, among=("axis", "digon", "triangle")))
    path = tmp_path / "free-packing.csv"
    (row, _), *_ = survey(3, dims=(2,), inverse_densities=(3.0,), starts=4, polished=1)
    write_rows(path, [row])
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[1][:20])
    assert read_rows(path, FreeRow) == [row]
    assert path.read_text() == whole
    path.write_text(whole + "2,x\n")
    with pytest.raises(ValueError, match=r"line 3 of .*isn't a row of this table: 2,x"):
        read_rows(path, FreeRow)
