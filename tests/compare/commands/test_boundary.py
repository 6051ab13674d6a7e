"""`tegum boundary`: curves of phases; special points, pieces and curves printed and drawn; other planes; bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Behind the face: options are read without tracing anything.
from tegum.compare.commands.boundary import PlaneOptions, asked_plane
from tegum.compare.terminal import ModelOptions
from tegum.theory import BoundaryMap, boundary_map
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import diagram_minima

RESIDUAL = 1e-9
PIXELS = 4


@pytest.fixture(scope="module")
def traced() -> BoundaryMap:
    """The map of four cells around the change from the axis to the pair."""
    return boundary_map(diagram_minima([0.4, 0.6], [0.3, 0.5]))


@pytest.fixture
def found(traced: BoundaryMap, monkeypatch: pytest.MonkeyPatch) -> tuple[BoundaryCurve, ...]:
    """All curves of the small map, which stands for the whole one."""

    def stand_in(**options: Any) -> BoundaryMap:
        assert options == {"plane": None, "n_features": 2, "n_hidden": 1}
        return traced

    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", stand_in)
    return traced.curves


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param(["axis(1) + drop(2)"], id="limit of stability"),
        pytest.param(["axis(1) + drop(2)", "digon(1,2)"], id="coexistence"),
        pytest.param(["digon(1,2)", "axis(1) + drop(2)"], id="coexistence, in the other order"),
    ],
)
def test_boundaries_are_printed_with_residual_and_error(
    tegum_: Any, found: tuple[BoundaryCurve, ...], phases: list[str]
) -> None:
    kind = ("stability", "coexistence")[len(phases) - 1]
    expected = [c for c in found if c.kind == kind and c.phases == tuple(sorted(phases))]
    printed = tegum_("boundary", *phases, "--json").json()["curves"]
    assert len(printed) == len(expected) > 0
    for entry, curve in zip(printed, expected, strict=True):
        assert entry["phases"] == sorted(phases)
        for name in ("kind", "mechanism", "status", "reason"):
            assert entry[name] == getattr(curve, name)
        for name in ("density", "importance", "residual", "error", "cheapest"):
            np.testing.assert_array_equal(entry[name], getattr(curve, name))
        assert max(entry["residual"]) <= RESIDUAL


@pytest.mark.usefixtures("found")
def test_boundaries_are_shown_in_a_table(tegum_: Any) -> None:
    shown = tegum_("boundary", "axis(1) + drop(2)")
    assert (shown.code, shown.err) == (0, "")
    assert "stability" in shown.out
    assert "kink" in shown.out


@pytest.mark.usefixtures("found")
def test_an_unknown_phase_is_named_with_the_known_ones(tegum_: Any) -> None:
    for phases in (["pentagon(1,2)"], ["digon(1,2)", "pentagon(1,2)"]):
        outcome = tegum_("boundary", *phases)
        outcome.is_misuse("got 'pentagon(1,2)'")
        assert "'digon(1,2)'" in outcome.err


@pytest.fixture
def command(tricritical_map: BoundaryMap, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tegum boundary` with a small map for the whole one, and the options that it was asked with."""
    asked: list[Any] = []

    def stand_in(**options: Any) -> BoundaryMap:
        asked.append(options)
        return tricritical_map

    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", stand_in)
    monkeypatch.setattr("tegum.compare.figures.boundaries.PIXELS", PIXELS)
    return asked


def test_all_boundaries_are_printed_as_json(tegum_: Any, command: list[Any], tricritical_map: BoundaryMap) -> None:
    printed = tegum_("boundary --json").json()
    assert command == [{"plane": None, "n_features": 2, "n_hidden": 1}]
    assert printed["axes"] == ["density", "importance"]
    assert len(printed["curves"]) == len(tricritical_map.curves)
    for entry, point in zip(printed["special_points"], tricritical_map.special_points, strict=True):
        assert (entry["kind"], entry["density"], entry["importance"]) == (point.kind, point.x, point.y)
        assert entry["residual"] <= 1e-10
        assert max(entry["error"]) <= 1e-8
    (tricritical,) = [p for p in printed["special_points"] if p["kind"] == "tricritical point"]
    assert tricritical["density"] == pytest.approx(0.8373195801, abs=1e-9)
    assert tricritical["exponents"]["order"] == pytest.approx(0.5, abs=1e-3)
    assert {s["transition"] for s in printed["segments"]} == {"first order", "continuous"}


@pytest.mark.usefixtures("command")
def test_all_boundaries_are_shown_in_tables(tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    shown = tegum_("boundary").out
    assert "tricritical point" in shown
    assert "0.8373195801" in shown
    assert "W jumps by" in shown
    assert "size ~ δ^" in shown


@pytest.mark.usefixtures("command")
def test_the_figure_is_written(tegum_: Any, tmp_path: Path) -> None:
    path = tmp_path / "boundaries.png"
    shown = tegum_(f"boundary --figure {path}")
    assert (shown.code, shown.err) == (0, "")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "boundaries.png" in shown.out.replace("\n", "")


def test_options_say_a_plane() -> None:
    assert asked_plane(PlaneOptions(), ModelOptions()).plane is None
    varying = PlaneOptions("importance=0.5:2", "interference-penalty=0:0.1")
    plane = asked_plane(varying, ModelOptions(features=3, hidden=2, density="0.2")).plane
    assert plane is not None
    assert plane.names == ("importance", "interference_penalty")
    model = plane.models(plane.position([0.7], [0.05]))
    np.testing.assert_allclose(model.densities(), 0.2)
    np.testing.assert_allclose(model.importances(), [[1, 1, 0.7]])
    assert plane.y.scale == "linear"
    own = asked_plane(PlaneOptions("density.2=0.1:0.5"), ModelOptions()).plane
    assert own is not None
    assert own.names == ("density[2]", "importance")
    penalised = asked_plane(PlaneOptions(), ModelOptions(interference_penalty="0.01")).plane
    assert penalised is not None
    assert penalised.names == ("density", "importance")
    np.testing.assert_allclose(penalised.models(penalised.box).interference_penalty, 0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--x", "sparsity=0:1"], "got 'sparsity'"),
        (["--x", "density"], "--x must be NAME=LOW:HIGH"),
        (["--y", "importance=1:two"], "--y must be NAME=LOW:HIGH"),
        (["--y", "importance=1:inf"], "--y must be NAME=LOW:HIGH"),
        (["--x", "density=0.1:2"], "density must lie in"),
        (["--x", "importance=1:2"], "two different parameters, got 'importance' twice"),
        (["--x", "density=0.1:1:cubic"], "must be one of log, linear"),
        (["--density", "1.5", "--x", "importance=1:2", "--y", "weight_penalty=0:1"], "density must lie in (0, 1]"),
        (["--interference-penalty", "-1"], "interference_penalty must be finite and not negative"),
        (["--density", "0.7"], "a plane of density and importance takes no --density"),
        (["--hidden", "2"], "fewer hidden dimensions than features"),
        (["--figure", "boundaries.txt"], "--figure must end in one of"),
        (["a", "--figure", "x.png"], "--figure draws all boundaries, so it takes no phases"),
        (["a", "b", "c"], "expected one or two phases"),
        (["--features", "5", "--hidden", "1"], "up to 4 features, got 5"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, words: list[str], message: str) -> None:
    tegum_("boundary", *words).is_misuse(message)
