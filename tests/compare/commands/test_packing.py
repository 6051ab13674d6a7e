"""`tegum packing`: at one density, along all, and optimised freely."""

from __future__ import annotations

import csv
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

# Behind the face: tables are read back and broken on purpose.
from tegum.compare.terminal import read_rows
from tegum.theory import best_packing
from tegum.theory.packing import packing_transitions
from tests.support.command_line import INTERRUPTED

packing: Any = import_module("tegum.theory.packing")
# Behind the face: its search is replaced by a small one.
packing_command: Any = import_module("tegum.compare.commands.packing")
# The face, where the command finds the survey, and the module, where the survey finds the atlas.
geometry: Any = import_module("tegum.compare.geometry")
# Behind the face: one row by itself.
free_packings: Any = import_module("tegum.compare.geometry.free_packings")

SMALL = ("axis", "digon", "triangle", "tetrahedron", "pentagon")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command know a few polytopes and a few densities only."""
    monkeypatch.setattr(packing, "best_packing", lambda *a, **k: best_packing(*a, among=SMALL, **k))
    monkeypatch.setattr(packing, "packing_transitions", lambda *a, **k: packing_transitions(*a, among=SMALL, **k))
    monkeypatch.setattr(packing_command, "FULL_POINTS", 5)


@pytest.mark.usefixtures("small")
def test_polytopes_at_a_density(tegum_: Any) -> None:
    found = tegum_("packing --density 0.6 --features 5 --hidden 3 --json").json()
    assert {one["name"] for one in found["polytopes"]} == set(SMALL)
    gains = [one["gain"] for one in found["polytopes"]]
    assert gains == sorted(gains, reverse=True)
    assert found["finite"]["copies"] == {"triangle": 1, "digon": 1}
    shown = tegum_("packing --density 0.6 --features 5 --hidden 3")
    assert shown.code == 0
    assert "5 features in 3 dimensions" in shown.out


@pytest.mark.usefixtures("small")
def test_transitions_are_printed_drawn_and_kept(tegum_: Any, tmp_path: Path) -> None:
    found = tegum_(f"packing --full --out {tmp_path / 'packing'} --json").json()
    assert found["transitions_located"]
    assert len(found["best"]) == 5
    assert [one["after"] for one in found["transitions"]] == ["triangle", "digon", "pentagon"]
    assert json.loads((tmp_path / "packing" / "packing.json").read_text()) == found
    assert (tmp_path / "packing" / "packing.png").stat().st_size > 10_000


@pytest.mark.usefixtures("small")
def test_by_default_few_densities_are_gone_through(tegum_: Any, tmp_path: Path) -> None:
    shown = tegum_(f"packing --out {tmp_path}")
    assert shown.code == 0
    assert "--full locates where it changes" in " ".join(shown.out.split())
    assert "first answer: at 1/(1−S) = 1.01 the " in shown.err
    found = json.loads((tmp_path / "packing.json").read_text())
    assert (found["transitions"], found["transitions_located"]) == ([], False)
    expected = [best_packing(1 / place, among=SMALL).best.name for place in found["inverse_densities"]]
    assert found["best"] == expected
    assert len(set(expected)) > 2


def test_full_is_refused_where_it_has_no_effect(tegum_: Any) -> None:
    tegum_("packing --density 0.5 --full").is_misuse("takes no --full")
    tegum_("certify --density 0.5 --full").is_misuse("takes no --full")
    tegum_("certify --density 0.5 --features 3 --hidden 2 --full --max-boxes 5").is_misuse("takes no --full")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the survey be short and know a few polytopes."""
    full = geometry.survey
    settings = {"dims": (2,), "inverse_densities": (2.0, 6.0), "starts": 6, "polished": 3}
    monkeypatch.setattr(geometry, "survey", lambda most, **k: full(most, **settings, **k))
    monkeypatch.setattr(free_packings, "best_packing", lambda density: best_packing(density, among=SMALL))


@pytest.mark.usefixtures("short")
def test_free_packings_are_kept_and_gone_on_with(tegum_: Any, tmp_path: Path) -> None:
    words = f"packing --free 4 --out {tmp_path} --json"
    assert tegum_(words).json()["searches"] == 4
    table = tmp_path / "free-packing.csv"
    first = table.read_text()
    lines = list(csv.DictReader(first.splitlines()))
    assert [(line["corners"], line["inverse_density"]) for line in lines] == [
        ("3", "2.0"),
        ("4", "2.0"),
        ("3", "6.0"),
        ("4", "6.0"),
    ]
    assert lines[1]["product"] == "2 digon"
    assert all(float(line["gain"]) >= float(line["product_gain"]) - 1e-9 for line in lines)
    # Half the table is there: the other half is searched again and comes out the same.
    table.write_text("".join(first.splitlines(keepends=True)[:3]))
    assert tegum_(words).code == 0
    assert table.read_text() == first
    assert (tmp_path / "free-packing.png").stat().st_size > 10_000


@pytest.mark.usefixtures("short")
def test_an_interrupted_search_says_what_is_kept(tegum_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    short = geometry.survey

    def stopped(most: int, **k: Any) -> Any:
        yield next(iter(short(most, **k)))
        raise KeyboardInterrupt

    monkeypatch.setattr(geometry, "survey", stopped)
    told = tegum_(f"packing --free 4 --out {tmp_path}")
    table = tmp_path / "free-packing.csv"
    assert told.code == INTERRUPTED
    assert told.last == f"tegum: interrupted: 1 searches are in {table}; the same command goes on from there"
    assert len(read_rows(table, geometry.FreeRow)) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("packing --features 5 --hidden 3", "needs --density, --features and --hidden together"),
        ("packing --density 0.5 --features 5", "needs --density, --features and --hidden together"),
        ("packing --density 1.5", "--density must lie in (0, 1), got 1.5; without it, all densities"),
        ("packing --density 0.5 --amplitude loud", "amplitude must be"),
        ("packing --free 4 --density 0.1", "takes no --density"),
        ("packing --free 4 --amplitude constant", "uniform amplitudes, takes no --amplitude"),
        ("packing --free 4 --out {}", "more features than dimensions"),
        ("packing --free 17 --out {}", "got up to 17 in 4; 16 at most"),
        ("packing --density 0.1 --features 0 --hidden 0", "n_features must be an integer of at least 1, got 0"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    tegum_(words.format(tmp_path)).is_misuse(message)
