"""`tegum packing`, and the figure of packings."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.theory import best_packing
from tegum.theory.packing import packing_transitions
from tests.support.command_line import run_tegum as run

packing_command: Any = import_module("tegum.compare.commands.packing")
packing_figure: Any = import_module("tegum.compare.figures.packing")
theory: Any = import_module("tegum.theory")

SMALL = ("axis", "digon", "triangle", "tetrahedron", "pentagon")
MISUSE = 2


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command know a few polytopes and a few densities only."""
    monkeypatch.setattr(theory, "best_packing", lambda *a, **k: best_packing(*a, among=SMALL, **k))
    monkeypatch.setattr(theory, "packing_transitions", lambda *a, **k: packing_transitions(*a, among=SMALL, **k))
    monkeypatch.setattr(packing_command, "POINTS", 5)


@pytest.mark.usefixtures("small")
def test_polytopes_at_a_density(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys, "packing --density 0.6 --features 5 --hidden 3 --json")
    found = json.loads(out)
    assert code == 0
    assert {one["name"] for one in found["polytopes"]} == set(SMALL)
    gains = [one["gain"] for one in found["polytopes"]]
    assert gains == sorted(gains, reverse=True)
    assert found["finite"]["copies"] == {"triangle": 1, "digon": 1}
    code, out, _ = run(monkeypatch, capsys, "packing --density 0.6 --features 5 --hidden 3")
    assert code == 0
    assert "5 features in 3 dimensions" in out


@pytest.mark.usefixtures("small")
def test_transitions_are_printed_drawn_and_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = run(monkeypatch, capsys, f"packing --out {tmp_path / 'packing'} --json")
    found = json.loads(out)
    assert code == 0
    assert [one["after"] for one in found["transitions"]] == ["triangle", "digon", "pentagon"]
    assert json.loads((tmp_path / "packing" / "packing.json").read_text()) == found
    assert (tmp_path / "packing" / "packing.png").stat().st_size > 10_000


def test_the_figure_names_what_is_best_and_when() -> None:
    packings, transitions = packing_transitions(np.array([1.1, 1.4, 2.0, 6.0, 9.0]), among=SMALL)
    figure = packing_figure.packing_figure(packings, transitions)
    upper, lower = figure.axes
    assert lower.get_xlabel() == "inverse feature density 1/(1−S)"
    shown = {text.get_text() for text in upper.get_legend().get_texts()}
    assert shown == {"tetrahedron", "triangle", "digon", "pentagon", "1 others"}
    assert {"tetrahedron", "triangle", "digon", "pentagon"} <= {text.get_text() for text in lower.texts}
    heights = lower.patches[0].get_data().values
    np.testing.assert_allclose(heights, [3 / 4, 2 / 3, 1 / 2, 2 / 5])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("packing --features 5 --hidden 3", "needs --density, --features and --hidden together"),
        ("packing --density 0.5 --features 5", "needs --density, --features and --hidden together"),
        ("packing --density 1.5", "density must lie in (0, 1)"),
        ("packing --density 0.5 --amplitude loud", "amplitude must be"),
    ],
)
def test_bad_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    code, out, err = run(monkeypatch, capsys, words)
    assert (code, out) == (MISUSE, "")
    assert message in err
    assert err.count("\n") == 1
