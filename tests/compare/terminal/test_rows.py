"""Tables that long commands add to row by row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tegum.compare.geometry import FreeRow, survey

# Behind the face: tables are read back and broken on purpose.
from tegum.compare.terminal import read_rows, write_rows
from tegum.theory import best_packing
from tegum.theory.storage import UnverifiedWarning

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
    names, *_ = whole.split(",sha256\n")
    path.write_text(f"{names}\n2,x\n")
    with pytest.raises(ValueError, match=r"line 2 of .*isn't a row of this table: 2,x"):
        read_rows(path, FreeRow)


@dataclass(frozen=True)
class Measured:
    """A row of a small table."""

    name: str
    count: int
    value: float


MEASURED = [Measured("digon(1,2)", 3, 0.1), Measured('say "so"', -1, 1e-300), Measured("", 0, float("inf"))]


def table(folder: Path) -> Path:
    write_rows(folder / "measured.csv", MEASURED)
    return folder / "measured.csv"


@pytest.mark.parametrize(
    ("old", "new", "left", "told"),
    [
        pytest.param("digon(1,2)", "merged(1,2)", [1, 2], "1 damaged rows of", id="a word"),
        pytest.param("0.1,", "0.7,", [1, 2], "in line 2", id="a number"),
        pytest.param("-1,", "\0,", [0, 2], "in line 3", id="a zeroed byte"),
        pytest.param('"digon', "digon", [1, 2], "in line 2", id="a quotation mark"),
        pytest.param("-300", "-300\n", [0, 2], "2 damaged rows", id="an end of line more"),
        pytest.param("name,count", "name,coun", [0, 1, 2], "", id="the first line"),
        pytest.param("name,count,value,sha256\n", "", [1, 2], "", id="no first line"),
        pytest.param("0.1,", "0.10,", [0, 1, 2], "", id="another spelling"),
    ],
)
def test_damaged_rows_are_left_out_and_told(
    old: str, new: str, left: list[int], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path)
    whole = path.read_text()
    assert old in whole
    path.write_text(whole.replace(old, new, 1))
    assert read_rows(path, Measured) == [MEASURED[k] for k in left]
    said = capsys.readouterr().err
    assert told in said
    assert bool(said) == bool(told)
    # What is computed anew is added, and all is well again.
    for k in set(range(3)) - set(left):
        write_rows(path, [MEASURED[k]])
    assert sorted(path.read_text().split("\n")) == sorted(whole.split("\n")) or new == "0.10,"
    assert set(read_rows(path, Measured)) == set(MEASURED)


@pytest.mark.parametrize("cut", range(0, 24, 5))
def test_a_first_line_cut_short_is_written_again(cut: int, tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_text(path.read_text()[:cut])
    assert read_rows(path, Measured) == []
    write_rows(path, MEASURED)
    assert read_rows(path, Measured) == MEASURED


def test_a_table_of_the_former_format_is_read_with_a_warning_and_gets_checksums(tmp_path: Path) -> None:
    path = table(tmp_path)
    whole = path.read_text()
    former = "".join(f"{line.rpartition(',')[0]}\n" for line in whole.splitlines())
    path.write_text(former)
    with pytest.warns(UnverifiedWarning, match="is of a former format without checksums"):
        assert read_rows(path, Measured) == MEASURED
    assert path.read_text() == whole
    path.write_text(former.replace("count", "cou", 1))
    with pytest.raises(ValueError, match=r"with a damaged first line: make that name,count,value"):
        read_rows(path, Measured)
