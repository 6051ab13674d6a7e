"""`tegum boundary` without phases: special points, pieces and curves printed and drawn; other planes; bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tegum.compare.commands.boundary import PlaneOptions, chosen_plane, print_segments, print_special_points
from tegum.compare.figures import boundary_figure
from tegum.compare.figures.boundaries import parameter_label
from tegum.theory import BoundaryMap, boundary_map
from tegum.theory.minima import diagram_minima
from tests.support.command_line import run_tegum

AXIS, DIGON = "axis(1) + drop(2)", "digon(1,2)"
DEFAULTS = PlaneOptions(None, None, 0.3, 1.0, 0.0)
PIXELS = 4


@pytest.fixture(scope="module")
def small() -> BoundaryMap:
    """The boundaries around the point where the continuous transition becomes a jump."""
    return boundary_map(diagram_minima([0.81, 0.84, 0.87], [0.87, 0.9, 0.93], starts=16))


@pytest.fixture
def command(small: BoundaryMap, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tegum boundary` with the small map for the whole one, and the options that it was asked with."""
    asked: list[Any] = []

    def stand_in(**options: Any) -> BoundaryMap:
        asked.append(options)
        return small

    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", stand_in)
    monkeypatch.setattr("tegum.compare.figures.boundaries.PIXELS", PIXELS)
    return asked


def test_all_boundaries_are_printed_as_json(
    command: list[Any], small: BoundaryMap, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_tegum(monkeypatch, capsys, "boundary --json")
    assert (code, err) == (0, "")
    assert command == [{"plane": None, "n_features": 2, "n_hidden": 1}]
    printed = json.loads(out)
    assert printed["axes"] == ["density", "importance"]
    assert len(printed["curves"]) == len(small.curves)
    for entry, point in zip(printed["special_points"], small.special_points, strict=True):
        assert (entry["kind"], entry["density"], entry["importance"]) == (point.kind, point.x, point.y)
        assert entry["residual"] <= 1e-10
        assert max(entry["error"]) <= 1e-8
    (tricritical,) = [p for p in printed["special_points"] if p["kind"] == "tricritical point"]
    assert tricritical["density"] == pytest.approx(0.8373195801, abs=1e-9)
    assert tricritical["exponents"]["order"] == pytest.approx(0.5, abs=1e-3)
    assert {s["transition"] for s in printed["segments"]} == {"first order", "continuous"}


def test_all_boundaries_are_shown_in_tables(
    small: BoundaryMap, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    print_special_points(small)
    print_segments(small)
    shown = capsys.readouterr().out
    assert "tricritical point" in shown
    assert "0.8373195801" in shown
    assert "W jumps by" in shown
    assert "size ~ δ^" in shown


@pytest.mark.usefixtures("command")
def test_the_figure_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep" / "boundaries.png"
    code, out, err = run_tegum(monkeypatch, capsys, f"boundary --figure {path}")
    assert (code, err) == (0, "")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "boundaries.png" in out.replace("\n", "")


def test_the_figure_shows_lines_points_and_names(small: BoundaryMap) -> None:
    figure: Figure = boundary_figure(small, pixels=PIXELS)
    axes = figure.axes[-1]
    assert axes.get_xlabel() == "feature density 1−S"
    styles = {str(line.get_linestyle()) for line in axes.get_lines() if len(np.atleast_1d(line.get_xdata())) > 1}
    assert {"-", "--"} <= styles
    named = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert {AXIS, DIGON, "first order", "continuous", "tricritical point"} <= named
    assert [text.get_text() for text in axes.texts] == ["1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("density[2]", "density 1−S of feature 2"),
        ("importance[1]", "importance of feature 1"),
        ("importance", "relative importance $I_3/I_1$"),
        ("interference_penalty", "interference penalty $\\lambda_I$"),
    ],
)
def test_parameters_have_names_on_axes(name: str, expected: str) -> None:
    assert parameter_label(name, 3) == expected


def test_options_say_a_plane() -> None:
    assert chosen_plane(DEFAULTS, 2, 1) is None
    plane = chosen_plane(PlaneOptions("importance=0.5:2", "interference_penalty=0:0.1", 0.2, 1.0, 0.0), 3, 2)
    assert plane is not None
    assert plane.names == ("importance", "interference_penalty")
    model = plane.models(plane.position([0.7], [0.05]))
    np.testing.assert_allclose(model.densities(), 0.2)
    np.testing.assert_allclose(model.importances(), [[1, 1, 0.7]])
    assert plane.y.scale == "linear"
    penalised = chosen_plane(PlaneOptions(None, None, 0.3, 1.0, 0.01), 2, 1)
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
        (["--density", "1.5", "--x", "importance=1:2", "--y", "weight_decay=0:1"], "density must lie in (0, 1]"),
        (["--penalty", "-1"], "interference_penalty must be finite and not negative"),
        (["--density", "0.7"], "density and importance both vary"),
        (["--hidden", "2"], "fewer hidden dimensions than features"),
        (["--figure", "boundaries.txt"], "--figure must end in one of"),
        (["a", "--figure", "x.png"], "--figure draws all boundaries, so it takes no phases"),
        (["a", "b", "c"], "expected one or two phases"),
        (["--features", "5", "--hidden", "1"], "up to 4 features, got 5"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_tegum(monkeypatch, capsys, " ".join(["boundary", *words]))
    assert (code, out) == (2, "")
    assert err.startswith("tegum: ")
    assert err.count("\n") == 1
    assert message in err
