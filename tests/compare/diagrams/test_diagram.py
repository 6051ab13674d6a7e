"""The phase diagram as a whole: one small run, what is kept of it, and what stays when a later stage stops."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.compare.diagrams import (
    CONTROLS,
    DiagramSettings,
    agreement,
    curves_of,
    load,
    minima_of,
    model_of,
    phase_diagram,
    save,
)
from tegum.compare.judgement import AT_A_SADDLE, IN
from tegum.compare.progress import InterruptedRunError
from tegum.empirical.runs import Optimisation, Sampling, TrainedModels
from tegum.empirical.training import train
from tegum.theory import IndependentFeatures, ToyModel, expected_loss, loss_gradient, phase
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.geometry import published_candidates
from tegum.theory.minima import SAME_LOSS, DiagramMinima, diagram_minima, global_minimum, plane_minima
from tegum.theory.models import Plane
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

# The package's attribute of this name is the function.
stages: Any = import_module("tegum.compare.diagrams.diagram")
# Behind the face: a run is stopped in the middle, and groups are made small.
training: Any = import_module("tegum.empirical.training.running")
# Behind the face: the layout itself is tested, part by part.
OUTCOMES: Any = import_module("tegum.compare.diagrams.dataset").OUTCOMES

SETTINGS = DiagramSettings(cells=4, seeds=2, steps=200, batch_size=64, device="cpu", controls=False)
GRADIENT_BAR = 1e-12
CURVE = BoundaryCurve(
    kind="coexistence",
    phases=("axis(1) + drop(2)", "digon(1,2)"),
    mechanism="first order",
    x=np.array([0.3, 0.4]),
    y=np.array([0.1, 0.2]),
    residual=np.zeros(2),
    error=np.zeros(2),
    cheapest=np.ones(2, dtype=bool),
    status="complete",
    reason="stands for the traced curves",
)


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """Take a census of each grid once, and put one curve in the place of the traced ones, which take half a minute."""
    known: dict[tuple[float, ...], DiagramMinima] = {}

    def once(plane: Plane, x: FloatArray, y: FloatArray, **options: Any) -> DiagramMinima:
        key = (plane.n_features, *x, *y)
        if key not in known:
            known[key] = plane_minima(plane, x, y, **options)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "plane_minima", once)
        patch.setattr(stages, "seed_diagram", lambda *sizes: sizes)
        patch.setattr(stages, "phase_boundaries", lambda _: (CURVE,))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "out"


@pytest.fixture(scope="module")
def reports() -> list[tuple[str, float]]:
    return []


@pytest.fixture(scope="module")
def dataset(folder: Path, reports: list[tuple[str, float]], _short: None) -> xr.Dataset:
    return phase_diagram(SETTINGS, out=folder, report=lambda stage, share: reports.append((stage, share)))


@pytest.fixture
def kept(dataset: xr.Dataset, folder: Path, tmp_path: Path) -> Path:
    """A copy of the finished run's folder."""
    assert "outcome" in dataset
    shutil.copytree(folder, tmp_path / "kept")
    return tmp_path / "kept"


def on_disk(folder: Path) -> xr.Dataset:
    return load(folder / stages.DATASET_NAME)


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("this stage was done before")


def fails(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a late failure")


# --- What a run holds --------------------------------------------------------------------------------------------


def test_the_axes_are_density_and_relative_importance_on_log_grids(dataset: xr.Dataset) -> None:
    np.testing.assert_allclose(dataset["density"], np.geomspace(0.01, 1, 4), rtol=tolerance("rounding"))
    np.testing.assert_allclose(dataset["importance"], np.geomspace(0.1, 10, 4), rtol=tolerance("rounding"))
    np.testing.assert_array_equal(dataset["seed"], [0, 1])
    sizes = {"density": 4, "importance": 4, "seed": 2, "hidden": 1, "feature": 2, "curve": 1, "point": 2}
    assert {name: dataset.sizes[name] for name in sizes} == sizes


def test_every_variable_has_its_dimensions(dataset: xr.Dataset) -> None:
    cell, run = ("density", "importance"), ("density", "importance", "seed")
    minimum = (*cell, "minimum")
    expected = {
        "minimum_weights": (*minimum, "hidden", "feature"),
        "minimum_bias": (*minimum, "feature"),
        "minimum_loss": minimum,
        "minimum_gradient_norm": minimum,
        "minimum_curvature": minimum,
        "minimum_eigenvalues": (*minimum, "parameter"),
        "minimum_phase": minimum,
        "minimum_degenerate": minimum,
        "published_phase": cell,
        "published_loss": cell,
        "trained_weights": (*run, "hidden", "feature"),
        "trained_bias": (*run, "feature"),
        "trained_loss": run,
        "trained_phase": run,
        "verdict": run,
        "nearest": run,
        "excess": run,
        "distance": run,
        "excess_allowed": run,
        "distance_allowed": run,
        "saddle_loss": run,
        "saddle_index": run,
        "saddle_phase": run,
        "polished_weights": (*run, "hidden", "feature"),
        "polished_bias": (*run, "feature"),
        "polished_loss": run,
        "polish_distance": run,
        "escapes": run,
        "outcome": run,
        "ended_in": run,
        "loss_history": ("record", *run),
        **{f"curve_{name}": ("curve", "point") for name in ("density", "importance", "residual", "error", "cheapest")},
    }
    assert {str(name): dataset[name].dims for name in dataset} == expected


def test_the_dataset_says_how_it_was_made(dataset: xr.Dataset) -> None:
    assert dataset.attrs["settings"] == SETTINGS.to_plain()
    assert (dataset.attrs["n_features"], dataset.attrs["n_hidden"]) == (2, 1)


def test_the_curves_are_kept(dataset: xr.Dataset) -> None:
    (curve,) = curves_of(dataset)
    np.testing.assert_array_equal(curve.density, CURVE.density)
    assert curve.phases == CURVE.phases


def test_training_is_compared_with_optimised_minima(dataset: xr.Dataset) -> None:
    model, there = model_of(dataset), dataset["minimum_phase"].values >= 0
    d_weights, d_bias = loss_gradient(
        model.take((..., np.newaxis)),
        np.where(there[..., None, None], dataset["minimum_weights"], 0),
        np.where(there[..., None], dataset["minimum_bias"], 0),
    )
    norms = np.sqrt((d_weights**2).sum(axis=(-1, -2)) + (d_bias**2).sum(axis=-1))
    assert there[..., 0].all()
    assert norms[there].max() <= GRADIENT_BAR
    assert dataset["minimum_gradient_norm"].values[there].max() <= GRADIENT_BAR
    strict = there & ~dataset["minimum_degenerate"].values
    assert (dataset["minimum_curvature"].values[strict] > 0).all()
    losses = np.where(there, dataset["minimum_loss"], np.inf)
    assert (np.diff(losses[..., :2], axis=-1) >= 0).all()


def test_the_fixed_candidate_of_superposition_is_no_minimum_anywhere(dataset: xr.Dataset) -> None:
    antipodal = next(c for c in published_candidates(2, 1) if c.phase == "digon(1,2)")
    model = model_of(dataset)
    _, d_bias = loss_gradient(model, np.array(antipodal.weights), np.zeros(2))
    # ∂L/∂b_i = −I_i p²/3.
    assert (d_bias < 0).all()
    assert np.abs(d_bias).min() > GRADIENT_BAR
    names = np.array(dataset.attrs["phases"])
    digon = names[dataset["published_phase"].values] == antipodal.phase
    assert digon.any()
    cheapest = dataset["minimum_loss"].values[..., 0]
    assert (cheapest < dataset["published_loss"].values)[digon].all()
    assert (cheapest <= dataset["published_loss"].values + tolerance("loss")).all()


def test_every_run_has_an_outcome_that_its_own_numbers_bear_out(dataset: xr.Dataset) -> None:
    outcome, which = np.array(OUTCOMES)[dataset["outcome"].values], dataset["ended_in"].values
    np.testing.assert_array_equal(outcome == "unexplained", which < 0)
    losses, names = dataset["minimum_loss"].values, np.array(dataset.attrs["phases"])
    for i, j, k in np.argwhere(which >= 0):
        reached = losses[i, j, which[i, j, k]]
        assert abs(dataset["polished_loss"].values[i, j, k] - reached) <= SAME_LOSS
        assert (outcome[i, j, k] == "global") == (reached == losses[i, j, 0])
        label = phase(dataset["polished_weights"].values[i, j, k], dataset["polished_bias"].values[i, j, k])
        assert names[dataset["trained_phase"].values[i, j, k]] == label
        assert names[dataset["minimum_phase"].values[i, j, which[i, j, k]]] == label
    assert sum(agreement(dataset).basins.values()) == 4 * 4 * 2


def test_every_run_has_a_verdict_that_its_own_numbers_bear_out(dataset: xr.Dataset) -> None:
    verdict, nearest = dataset["verdict"].values, dataset["nearest"].values
    inside = dataset["excess"].values <= dataset["excess_allowed"].values
    inside &= dataset["distance"].values <= dataset["distance_allowed"].values
    np.testing.assert_array_equal(verdict == IN, inside)
    saddle = verdict == AT_A_SADDLE
    np.testing.assert_array_equal(dataset["saddle_index"].values > 0, saddle)
    np.testing.assert_array_equal(np.isfinite(dataset["saddle_loss"].values), saddle)
    reached = np.take_along_axis(dataset["minimum_loss"].values, nearest, axis=-1)
    np.testing.assert_allclose(
        dataset["excess"], dataset["trained_loss"].values - reached, rtol=0, atol=tolerance("loss")
    )
    account = agreement(dataset).account
    # 200 steps are too few for all runs, and enough for some.
    assert 0 < account.in_a_minimum < account.runs == 4 * 4 * 2


def test_losses_of_the_runs_are_exact_and_polishing_lowers_them(dataset: xr.Dataset) -> None:
    model = model_of(dataset).take((..., np.newaxis))
    for side in ("trained", "polished"):
        losses = expected_loss(model, dataset[f"{side}_weights"].values, dataset[f"{side}_bias"].values)
        np.testing.assert_allclose(dataset[f"{side}_loss"], losses, rtol=0, atol=tolerance("loss"))
    assert (dataset["polished_loss"].values <= dataset["trained_loss"].values + tolerance("loss")).all()


def test_the_runs_are_those_of_the_trainer(dataset: xr.Dataset) -> None:
    again = train(
        model_of(dataset),
        seeds=2,
        steps=200,
        batch_size=64,
        learning_rate=SETTINGS.recipe.learning_rate,
        device="cpu",
        optimisation=Optimisation(schedule="cosine"),
        sampling=Sampling("stratified", "exact"),
    )
    np.testing.assert_array_equal(dataset["trained_weights"], again.weights)
    np.testing.assert_array_equal(dataset["trained_bias"], again.bias)
    np.testing.assert_array_equal(dataset["loss_history"], again.loss_history)


def test_what_is_on_disk_is_what_was_returned(dataset: xr.Dataset, folder: Path) -> None:
    found = on_disk(folder)
    assert set(found.variables) == set(dataset.variables)
    for name, variable in dataset.variables.items():
        np.testing.assert_array_equal(found[name], variable)
    assert found.attrs["settings"] == dataset.attrs["settings"]
    # No checkpoint is left of training that finished.
    assert [entry.name for entry in folder.iterdir()] == [stages.DATASET_NAME]


def test_the_stages_are_reported_in_order(dataset: xr.Dataset, reports: list[tuple[str, float]]) -> None:
    assert "outcome" in dataset
    order = list(dict.fromkeys(stage for stage, _ in reports))
    assert order == ["exact minima", "exact boundaries", "training", "judging"]
    shares = [share for stage, share in reports if stage == "training"]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train one control only."""
    monkeypatch.setattr("tegum.compare.diagrams.controls.CONTROLS", CONTROLS[:1])


@pytest.mark.usefixtures("few")
def test_controls_are_kept_beside_the_runs(tmp_path: Path) -> None:
    reports: list[str] = []
    settings = replace(SETTINGS, cells=2, steps=16, controls=True)
    dataset = phase_diagram(settings, out=tmp_path, report=lambda stage, _: reports.append(stage))
    assert list(dict.fromkeys(reports))[-2:] == ["judging", "controls"]
    assert list(dataset.attrs["controls"]) == [CONTROLS[0].name]
    assert on_disk(tmp_path).attrs["controls"] == dataset.attrs["controls"]
    control = agreement(on_disk(tmp_path)).controls[CONTROLS[0].name]
    assert (control.runs, control.in_a_minimum) == (4 * 4, 0)


@pytest.mark.usefixtures("few")
def test_controls_of_earlier_runs_are_not_said_of_later_ones(tmp_path: Path) -> None:
    settings = replace(SETTINGS, cells=2, steps=16, controls=True)
    phase_diagram(settings, out=tmp_path)
    later = phase_diagram(replace(settings, steps=8, controls=False), out=tmp_path)
    assert "controls" not in later.attrs
    assert "controls" not in on_disk(tmp_path).attrs
    assert later.attrs["settings"]["steps"] == 8


def test_ctrl_c_in_the_controls_keeps_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "control_accounts", pressed)
    with pytest.raises(InterruptedRunError, match="the runs are kept, without their controls"):
        phase_diagram(replace(SETTINGS, cells=2, steps=16, controls=True), out=tmp_path)
    assert agreement(on_disk(tmp_path)).controls == {}


# --- What is used again ------------------------------------------------------------------------------------------


def test_the_exact_part_is_used_again(kept: Path, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "plane_minima", forbidden)
    monkeypatch.setattr(stages, "phase_boundaries", forbidden)
    again = phase_diagram(SETTINGS, out=kept)
    assert set(again.variables) == set(dataset.variables)
    for name, variable in dataset.variables.items():
        np.testing.assert_array_equal(again[name], variable)


def test_other_training_goes_with_the_same_exact_part(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "plane_minima", forbidden)
    monkeypatch.setattr(stages, "phase_boundaries", forbidden)
    other = replace(SETTINGS, seeds=3, steps=16, objective="exact")
    again = phase_diagram(other, out=kept)
    assert again.sizes["seed"] == 3
    found = on_disk(kept)
    assert found.sizes["seed"] == 3
    assert found.attrs["settings"] == other.to_plain()


def test_another_grid_is_computed_anew(kept: Path) -> None:
    again = phase_diagram(replace(SETTINGS, cells=2, steps=16), out=kept)
    assert again["minimum_loss"].shape[:2] == (2, 2)
    fresh = diagram_minima(again["density"].values, again["importance"].values)
    losses = [[cell[0].loss for cell in row] for row in fresh.minima]
    np.testing.assert_array_equal(again["minimum_loss"][..., 0], losses)
    np.testing.assert_array_equal(on_disk(kept)["density"], again["density"])


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    phase_diagram(replace(SETTINGS, cells=2, steps=8))
    assert list(tmp_path.iterdir()) == []


def test_boundaries_are_looked_for_in_seeds_of_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def record(seeds: tuple[int, int]) -> tuple[BoundaryCurve, ...]:
        seen.append(seeds)
        return (CURVE,)

    monkeypatch.setattr(stages, "phase_boundaries", record)
    phase_diagram(replace(SETTINGS, cells=2, steps=0))
    assert seen == [(2, 1)]


# --- What stays when a stage stops -------------------------------------------------------------------------------


def exact_part_is_there(folder: Path, dataset: xr.Dataset) -> None:
    found = on_disk(folder)
    assert "outcome" not in found
    np.testing.assert_array_equal(found["minimum_loss"], dataset["minimum_loss"])
    np.testing.assert_array_equal(found["curve_density"], dataset["curve_density"])
    assert len(minima_of(found).minima) == 4


def test_an_interrupted_run_keeps_the_exact_part_and_goes_on(
    tmp_path: Path, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> TrainedModels:
        done = train(*arguments, **{**options, "session": None})
        return replace(done, status="interrupted", reason="stopped after 96 of 200 steps")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "train", interrupted)
        with pytest.raises(InterruptedRunError, match="stopped after 96 of 200 steps"):
            phase_diagram(SETTINGS, out=tmp_path)
    exact_part_is_there(tmp_path, dataset)
    monkeypatch.setattr(stages, "plane_minima", forbidden)
    again = phase_diagram(SETTINGS, out=tmp_path)
    np.testing.assert_array_equal(again["trained_weights"], dataset["trained_weights"])


def test_training_goes_on_from_where_ctrl_c_stopped_it(
    tmp_path: Path, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, presses = training.wait, iter([KeyboardInterrupt])

    def pressed_at_once(*arguments: Any, **options: Any) -> Any:
        for press in presses:
            raise press
        return wait(*arguments, **options)

    monkeypatch.setattr(training, "wait", pressed_at_once)
    with pytest.raises(InterruptedRunError, match=r"saved to .*training\.npz"):
        phase_diagram(SETTINGS, out=tmp_path)
    assert (tmp_path / stages.CHECKPOINT_NAME).exists()
    exact_part_is_there(tmp_path, dataset)
    again = phase_diagram(SETTINGS, out=tmp_path)
    np.testing.assert_array_equal(again["trained_weights"], dataset["trained_weights"])
    np.testing.assert_array_equal(again["outcome"], dataset["outcome"])
    assert not (tmp_path / stages.CHECKPOINT_NAME).exists()


def test_a_late_failure_keeps_the_exact_part(
    tmp_path: Path, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "trained_dataset", fails)
    with pytest.raises(RuntimeError, match="a late failure"):
        phase_diagram(SETTINGS, out=tmp_path)
    exact_part_is_there(tmp_path, dataset)


def test_a_failure_of_the_boundaries_keeps_the_minima(
    tmp_path: Path, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stages, "phase_boundaries", fails)
        with pytest.raises(RuntimeError, match="a late failure"):
            phase_diagram(SETTINGS, out=tmp_path)
    found = on_disk(tmp_path)
    assert "curve_density" not in found
    np.testing.assert_array_equal(found["minimum_loss"], dataset["minimum_loss"])
    monkeypatch.setattr(stages, "plane_minima", forbidden)
    again = phase_diagram(replace(SETTINGS, steps=0), out=tmp_path)
    np.testing.assert_array_equal(again["curve_density"], dataset["curve_density"])


def test_a_failure_in_a_second_run_keeps_the_first(
    kept: Path, dataset: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "trained_dataset", fails)
    with pytest.raises(RuntimeError, match="a late failure"):
        phase_diagram(replace(SETTINGS, steps=8), out=kept)
    found = on_disk(kept)
    np.testing.assert_array_equal(found["trained_weights"], dataset["trained_weights"])
    assert found.attrs["settings"] == SETTINGS.to_plain()


# --- What is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"cells": 1}, "cells must be an integer of at least 2, got 1", id="one cell"),
        pytest.param({"cells": 10**9}, "cells must be an integer from 2 to 1000, got", id="too many cells"),
        pytest.param({"cells": -4}, "cells must be an integer of at least 2, got -4", id="negative cells"),
        pytest.param({"seeds": 0}, "seeds must be an integer of at least 1, got 0", id="no seeds"),
        pytest.param({"steps": -1}, "steps must be an integer of at least 0, got -1", id="negative steps"),
        pytest.param({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0", id="empty batch"),
        pytest.param({"n_hidden": 2}, "fewer hidden .*, got n_hidden=2, n_features=2", id="m = n"),
        pytest.param({"n_hidden": 3}, "fewer hidden .*, got n_hidden=3, n_features=2", id="m > n"),
        pytest.param({"n_hidden": 0}, "fewer hidden .*, got n_hidden=0", id="no hidden dimension"),
        pytest.param({"n_features": 7}, "n_features must be an integer from 2 to 6, got 7", id="n = 7"),
        pytest.param({"n_features": 4, "traced": True}, "traced for up to 3 features, got 4", id="traced"),
        pytest.param(
            {"x": ("bias", 0, 1)}, "a parameter must be density, importance, .*, got 'bias'", id="no parameter"
        ),
        pytest.param({"objective": "mean"}, "objective must be one of sampled, exact, got 'mean'", id="objective"),
        pytest.param({"device": "abacus"}, "device must be 'auto', 'cpu' or 'cuda', got 'abacus'", id="device"),
        pytest.param({"device": "meta"}, "device must be 'auto', 'cpu' or 'cuda', got 'meta'", id="device of torch"),
        pytest.param({"learning_rate": 0.0}, r"learning_rate .* positive, got 0\.0", id="no learning"),
        pytest.param({"learning_rate": float("nan")}, "learning_rate .* finite.*, got nan", id="NaN learning rate"),
        pytest.param({"density": (0.0, 1.0)}, "density", id="no density"),
        pytest.param({"density": (0.1, 1.5)}, "density", id="density above 1"),
        pytest.param({"importance": (1.0, 1.0)}, "importance must run over a range low < high", id="empty range"),
        pytest.param({"importance": (1.0,)}, "importance", id="half a range"),
        pytest.param({"cells": 2.5}, r"cells must be an integer.*, got 2\.5", id="fraction of a cell"),
    ],
)
def test_impossible_settings_are_refused_at_the_door(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiagramSettings(**changes)


def test_a_diagram_covers_the_ranges_that_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    traced = []
    monkeypatch.setattr(stages, "seed_diagram", lambda n, m, plane: traced.append((n, m, plane)))
    monkeypatch.setattr(stages, "phase_boundaries", lambda _: ())
    seen = []
    settings = replace(SETTINGS, steps=2, density=(1e-3, 0.5), importance=(0.01, 100))
    dataset = phase_diagram(settings, out=tmp_path, on_minima=lambda exact: seen.append(set(exact)))
    assert dataset["density"].values == pytest.approx(np.geomspace(1e-3, 0.5, 4))
    assert dataset["importance"].values == pytest.approx(np.geomspace(0.01, 100, 4))
    assert dataset.attrs["settings"]["density"] == [1e-3, 0.5]
    # Curves are looked for in what is asked for and in the usual ranges.
    ((n, m, plane),) = traced
    assert (n, m, plane.x.low, plane.x.high, plane.y.low, plane.y.high) == (2, 1, 1e-3, 1.0, 0.01, 100.0)
    # The minima are there before anything is trained, and are those of the models at these places.
    assert len(seen) == 1
    assert "minimum_loss" in seen[0]
    assert "trained_loss" not in seen[0]
    model = ToyModel(2, 1, IndependentFeatures(1e-3), importance=(1.0, 0.01))
    assert dataset["minimum_loss"].values[0, 0, 0] == pytest.approx(global_minimum(model).loss, rel=1e-9)
    # It isn't trained again, and another range is another diagram.
    again = phase_diagram(settings, out=tmp_path, report=refuse_training)
    assert (again["trained_loss"] == load(tmp_path / stages.DATASET_NAME)["trained_loss"]).all()
    other = phase_diagram(replace(settings, density=(1e-2, 0.5)), out=tmp_path)
    assert other["density"].values[0] == 1e-2


def test_a_diagram_of_before_there_were_ranges_is_not_trained_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stages, "seed_diagram", lambda *_: None)
    monkeypatch.setattr(stages, "phase_boundaries", lambda _: ())
    settings = replace(SETTINGS, steps=2)
    dataset = phase_diagram(settings)
    for name in ("density", "importance"):
        del dataset.attrs["settings"][name]
    stages.save(dataset, tmp_path / stages.DATASET_NAME)
    phase_diagram(settings, out=tmp_path, report=refuse_training)


def refuse_training(stage: str, _: float) -> None:
    assert stage != "training"


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / stages.DATASET_NAME).mkdir()
    (tmp_path / stages.DATASET_NAME / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"expected a zarr store or nothing at"):
        phase_diagram(SETTINGS, out=tmp_path)
    assert (tmp_path / stages.DATASET_NAME / "notes.txt").read_text() == "mine"


def test_a_store_of_another_format_is_left_alone(tmp_path: Path) -> None:
    other = xr.Dataset({"a": ("x", np.ones(3))}, attrs={"format": "weather"})
    save(other, tmp_path / stages.DATASET_NAME)
    with pytest.raises(ValueError, match="expected a dataset of format 'tegum phase diagram 2', got 'weather'"):
        phase_diagram(SETTINGS, out=tmp_path)
    xr.testing.assert_identical(
        xr.open_zarr(tmp_path / stages.DATASET_NAME, consolidated=False).load()["a"], other["a"]
    )
