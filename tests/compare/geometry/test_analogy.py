"""The script behind docs/analogy.md, at small size."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.theory import polytope
from tegum.theory.packing import packed

SCRIPT = Path(__file__).resolve().parents[3] / "docs" / "make_analogy.py"


@pytest.fixture(scope="module")
def analogy() -> Any:
    spec = spec_from_file_location("make_analogy", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_size_is_trained_compared_and_drawn(analogy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analogy, "DENSITIES", (0.1,))
    monkeypatch.setattr(analogy, "SIZES", {2: range(3, 5), 3: range(4, 5)})
    monkeypatch.setattr(analogy, "SHOWN", ((2, 3),))
    monkeypatch.setattr(analogy, "SHOWN_DENSITY", 0.1)
    rows = analogy.studied(3, 2, 4) + analogy.studied(4, 3, 4)
    small, large = rows
    assert (small["names"], large["names"]) == ("axis + digon", "axis + axis + digon")
    assert small["loss"] == pytest.approx(packed("digon", 0.1).loss, rel=1e-9)
    assert small["thomson_loss"] == pytest.approx(packed("triangle", 0.1).loss, rel=1e-9)
    assert small["freed_names"] == "triangle"
    # A triangle against a digon and an axis: one feature on each axis of the plane stays, the others move by 30°.
    apart = np.sqrt(2 * (2 - 2 * np.cos(np.pi / 6)) / 3)
    assert small["distance"] == pytest.approx(apart, abs=0.01)
    assert (large["interference"], large["thomson_interference"]) == (pytest.approx(0, abs=1e-12), pytest.approx(0))
    lines = analogy.table(rows).splitlines()
    assert len(lines) == 4
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    figure = analogy.figure_of(rows)
    titles = [axes.get_title(loc="center") or axes.get_title(loc="left") for axes in figure.axes]
    assert "k = 3, trained" in titles
    assert "k = 3, Thomson" in titles


@pytest.mark.slow
def test_packings_are_held_against_the_thomson_points(analogy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analogy, "PACKINGS", ("pentagon", "antiprism"))
    _, _, pentagon, antiprism = analogy.packings(0.1).splitlines()
    assert pentagon.startswith("| pentagon | 5/2 | 0 | 0.000 |")
    cells = [cell.strip() for cell in antiprism.strip("|").split("|")]
    # Between the heights of least interference and of least Coulomb energy lies the best, as near as they are.
    assert float(cells[3]) < 0.03
    assert float(cells[4].split(",")[0]) < polytope("antiprism").interference
    assert float(cells[7]) > 0
