"""Basin shares: every seed is counted once, nowhere in a state that isn't there, and the same again."""

from __future__ import annotations

from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from tegum.compare.basins import BasinSettings, basin_plane, basin_shares, load_basins, wilson_interval
from tegum.compare.judgement import IN
from tegum.empirical.runs import Optimisation
from tegum.empirical.training import train
from tegum.theory import diagram_model, phase, polish
from tegum.theory.boundaries import BoundaryCurve, stability_limit
from tegum.theory.flow import gradient_flow, same_sign_share
from tegum.theory.minima import diagram_minima, plane_minima
from tests.support.tolerances import half_unit, tolerance

# Behind the face: stages are replaced, to stop a run between them.
stages: Any = import_module("tegum.compare.diagrams.diagram")
# Behind the face: runs and writing are replaced, to stop in the middle.
module: Any = import_module("tegum.compare.basins.shares")
# Behind the face: the figure is measured.
figures: Any = import_module("tegum.compare.figures.basins")

MISUSE = 2
# Share of flows counted for a minimum that rest in it.
FLOWS = 0.95
AXIS, MIRRORED, PAIR, MERGED = "axis(1) + drop(2)", "drop(1) + axis(2)", "digon(1,2)", "merged(1,2)"
SETTINGS = BasinSettings(
    density=(0.3, 0.8),
    importance=(0.25, 0.45, 0.7, 1.0, 4.0),
    initial_scale=(0.1,),
    seeds=16,
    steps=400,
    batch_size=64,
    learning_rate=5e-3,
    device="cpu",
)
SMALL = BasinSettings(density=(0.3, 0.8), importance=(0.5, 1.0), initial_scale=(1.0,), seeds=3, steps=40, device="cpu")


def no_curves(_: object) -> tuple[BoundaryCurve, ...]:
    return ()


def without_boundaries(patch: pytest.MonkeyPatch) -> None:
    """Search minima from fewer starts, and trace nothing."""
    patch.setattr(stages, "plane_minima", partial(plane_minima, starts=16))
    patch.setattr(stages, "seed_diagram", lambda *_: None)
    patch.setattr(stages, "phase_boundaries", no_curves)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the tracing of all boundaries, which has tests of its own."""
    without_boundaries(monkeypatch)


@pytest.fixture(scope="module")
def shares() -> xr.Dataset:
    with pytest.MonkeyPatch.context() as patch:
        without_boundaries(patch)
        return basin_shares(SETTINGS)


def test_every_run_is_counted_once(shares: xr.Dataset) -> None:
    assert shares["count"].dims == ("objective", "initial_scale", "density", "importance", "phase")
    assert (shares["count"].sum("phase") == SETTINGS.seeds).all()
    np.testing.assert_allclose(shares["share"].sum("phase"), 1, rtol=0, atol=tolerance("rounding"))
    assert (shares["share_low"] <= shares["share"]).all()
    assert (shares["share"] <= shares["share_high"]).all()
    for at in np.ndindex(shares["count"].shape[:-1]):
        names = Counter(shares["phase"].values[shares["ending"].values[at]].tolist())
        assert {n: c for n, c in zip(shares["phase"].values, shares["count"].values[at], strict=True) if c} == names


def test_flows_explain_themselves(shares: xr.Dataset) -> None:
    exact = shares["count"].sel(objective="exact")
    for name in ("unexplained", "diverged"):
        assert exact.sel(phase=name).sum() == 0


def test_runs_of_a_flow_are_in_the_minimum_that_they_are_counted_for(shares: xr.Dataset) -> None:
    """By their own weights: a flow comes to rest, 400 steps of training need not."""
    counted = ~np.isin(shares["phase"].values[shares["ending"].values], module.NOT_MINIMA)
    inside = shares["verdict"].values == IN
    assert inside[0][counted[0]].mean() >= FLOWS
    assert (shares["verdict"].values[0][~counted[0]] != IN).all()
    assert inside[1].mean() < inside[0].mean()
    for name in ("excess", "distance"):
        assert np.isfinite(shares[name]).all()
    assert np.median(shares["excess"].values[0]) < np.median(shares["excess"].values[1])


def test_no_seed_is_in_a_phase_outside_of_its_limits(shares: xr.Dataset) -> None:
    """Limits from other methods: a traced curve, and the formula of docs/boundaries.md."""
    p = 0.3
    (curve,) = [
        c for c in stability_limit(AXIS, diagram=diagram_minima([0.2, 0.4], [0.15, 0.5])) if c.mechanism == "kink"
    ]
    order = np.argsort(curve.density)
    lower = float(np.interp(p, curve.density[order], curve.importance[order]))
    upper = (5 + 8 * p - 9 * p**2) / (4 * (4 - 3 * p))
    importance = shares["importance"].values
    counts = shares["count"].sel(density=p)
    for name, there in {AXIS: importance < lower, MERGED: (importance > upper) & (importance < 1 / upper)}.items():
        found = counts.sel(phase=name)
        assert there.any()
        assert (~there).any()
        assert (found.values[..., ~there] == 0).all()
        assert (found.sel(objective="exact").values[..., there] > 0).all()
    between = (importance > lower) & (importance < upper)
    saddles = counts.sel(objective="exact", phase="saddle").values
    assert (saddles[..., between] > 0).all()


def test_exchanging_the_features_exchanges_the_shares(shares: xr.Dataset) -> None:
    exact = shares.sel(objective="exact", density=0.8)
    one, other = exact.sel(importance=0.25, phase=AXIS), exact.sel(importance=4.0, phase=MIRRORED)
    assert (one["share_low"].values <= other["share_high"].values).all()
    assert (other["share_low"].values <= one["share_high"].values).all()
    assert (one["count"].values > 0).all()
    # At equal importance neither is preferred: the counts' intervals overlap.
    equal = shares.sel(importance=1.0)
    low, high = (equal[f"share_{end}"].sel(phase=[AXIS, MIRRORED]).values for end in ("low", "high"))
    assert (low[..., 0] <= high[..., 1]).all()
    assert (low[..., 1] <= high[..., 0]).all()


def test_exchanged_starts_end_in_exchanged_states() -> None:
    weights = np.random.default_rng(5).normal(size=(8, 1, 2))
    model = diagram_model(2, 1, np.full(8, 0.5), 1.0)
    ends = gradient_flow(model, weights, np.zeros((8, 2)))
    mirrored = gradient_flow(model, weights[..., ::-1], np.zeros((8, 2)))
    np.testing.assert_allclose(ends.weights, mirrored.weights[..., ::-1], rtol=0, atol=tolerance("difference"))


def test_shares_of_small_weights_are_as_predicted(shares: xr.Dataset) -> None:
    """Seeds end in one of the same-sign states as often as the theory of small weights says."""
    for density, importance in ((0.3, 0.45), (0.3, 1.0)):
        cell = shares.sel(objective="exact", initial_scale=0.1, density=density, importance=importance)
        runs = int(cell["count"].sel(phase=[MERGED, "saddle"]).sum())
        low, high = wilson_interval(runs, SETTINGS.seeds)
        assert low <= same_sign_share(density, importance, 0.1) <= high


def test_an_interrupted_measurement_goes_on_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the same seeds give again is the same to the last bit.
    whole, runs, begun = basin_shares(SMALL), module._runs, []

    def fails_at_the_second(*words: Any) -> xr.Dataset:
        begun.append(words[2])
        if len(begun) > 1:
            raise OSError("no space left")
        return runs(*words)  # type: ignore[no-any-return]

    monkeypatch.setattr(module, "_runs", fails_at_the_second)
    with pytest.raises(OSError, match="no space left"):
        basin_shares(SMALL, out=tmp_path)
    assert load_basins(tmp_path / "basins.zarr")["done"].values.tolist() == [[True], [False]]
    monkeypatch.setattr(module, "_runs", runs)
    resumed = basin_shares(SMALL, out=tmp_path)
    assert resumed.equals(whole)
    assert load_basins(tmp_path / "basins.zarr").equals(whole)
    assert load_basins(tmp_path / "basins.zarr").attrs == whole.attrs
    with pytest.raises(ValueError, match="holds shares with the settings"):
        basin_shares(SETTINGS, out=tmp_path)


def test_runs_that_diverge_are_counted_as_such() -> None:
    settings = BasinSettings(
        density=(0.3, 0.8), importance=(0.5, 1.0), initial_scale=(1.0,), seeds=2, steps=20, learning_rate=1e30
    )
    counts = basin_shares(settings)["count"].sel(objective="sampled")
    assert (counts.sel(phase="diverged") == settings.seeds).all()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="doesn't exist"):
        load_basins(tmp_path / "nothing.zarr")
    module.write_zarr(xr.Dataset(attrs={"format": "another"}), tmp_path / "other.zarr")
    with pytest.raises(ValueError, match="got 'another'"):
        load_basins(tmp_path / "other.zarr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": (0.5,)}, "density must be at least 2"),
        ({"density": (0.5, 1.5)}, "density must lie in"),
        ({"importance": (1.0, 0.5)}, "importance must be"),
        ({"initial_scale": ()}, "initial_scale must be"),
        ({"initial_scale": (0.0,)}, "initial_scale must be"),
        ({"seeds": 0}, "seeds must be"),
        ({"steps": 1.5}, "steps must be"),
        ({"batch_size": True}, "batch_size must be"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"device": "abacus"}, "device must be"),
    ],
)
def test_settings_that_make_no_shares_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BasinSettings(**change)


@pytest.mark.parametrize(
    ("count", "total", "ends"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_intervals_are_those_published(count: int, total: int, ends: tuple[float, float]) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857, table I, method 3."""
    np.testing.assert_allclose(wilson_interval(count, total), ends, rtol=0, atol=half_unit(4))


@pytest.mark.parametrize(
    ("count", "total", "message"),
    [
        (3, 2, "counts must lie between 0 and their total, totals at 1 or more, got 3 of 2"),
        (-1, 2, "count must be finite and not negative, got -1"),
        (0, 0, "total must be a finite number at least 1, got 0"),
    ],
)
def test_counts_that_are_none_are_refused(count: int, total: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wilson_interval(count, total)


def test_the_plane_has_its_quadrants() -> None:
    plane = basin_plane(0.1, 0.8, extent=1.5, points=6)
    names = np.array(plane.attrs["phases"])[plane["ending"].values]
    x, y = plane["first_weight"].values, plane["second_weight"].values
    assert (names == np.where(np.outer(x, y) > 0, MERGED, PAIR)).all()
    with pytest.raises(ValueError, match="points must be an even"):
        basin_plane(0.1, 0.8, points=5)
    with pytest.raises(ValueError, match="extent must be finite and positive"):
        basin_plane(0.1, 0.8, extent=0.0)


def test_figures_show_every_objective_and_scale(shares: xr.Dataset) -> None:
    figure = figures.basins_figure(shares, [(0.3, 0.45), (0.8, 1.0)])
    assert isinstance(figure, Figure)
    texts = [axes.get_xlabel() for axes in figure.axes]
    assert texts.count("feature density 1−S") == 5
    assert sum(text.startswith("initial scale") for text in texts) == 2
    planes = [[basin_plane(0.3, 0.5, extent=extent, points=4)] for extent in (2.0, 0.02)]
    drawn = figures.planes_figure(planes)
    assert [axes.get_ylabel() for axes in drawn.axes] == ["initial $W_2$"] * 2
    # Both separatrices and their mirror images, each with a white edge.
    assert [len(axes.lines) for axes in drawn.axes] == [0, 8]


@pytest.mark.slow
def test_small_steps_of_plain_descent_end_where_the_flow_does() -> None:
    """On 25 cells, 64 seeds: all but one seed in a hundred, and halving the step changes as few."""
    density, importance = np.array([0.1, 0.2, 0.4, 0.6, 0.9]), np.array([0.25, 0.5, 0.8, 1.0, 2.0])
    model = diagram_model(2, 1, np.repeat(density, 5), np.tile(importance, 5))
    rows = np.repeat(np.arange(25), 64)

    def ends(weights: Any, bias: Any) -> list[str]:
        done = polish(model.take(rows), weights.reshape(-1, 1, 2), bias.reshape(-1, 2))
        labels = zip(done.weights, done.bias, done.escapes, strict=True)
        return ["saddle" if escapes else phase(w, b) for w, b, escapes in labels]

    start = train(model, seeds=64, objective="exact", steps=0)
    flow = gradient_flow(model.take(rows), start.weights.reshape(-1, 1, 2), start.bias.reshape(-1, 2))
    found = [ends(flow.weights, flow.bias)]
    for rate, steps in ((0.1, 6000), (0.05, 12000)):
        trained = train(
            model,
            seeds=64,
            objective="exact",
            learning_rate=rate,
            steps=steps,
            optimisation=Optimisation("sgd", momentum=0.0),
        )
        found.append(ends(trained.weights, trained.bias))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.mean([a == b for a, b in zip(found[one], found[other], strict=True)]) >= 0.99
