"""Recording during training: what is recorded, when, of which models, and that it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.empirical.files import load_models, save_models
from tegum.empirical.inputs import initial_weights
from tegum.empirical.recording import plateaus
from tegum.empirical.runs import METRICS, Optimisation, Recorder, TrainedModels
from tegum.empirical.training import train
from tegum.theory import (
    IndependentFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
    feature_dimensionality,
    feature_norms,
)
from tegum.theory.geometry import gram, superposition
from tests.support.training import arguments

GRID = diagram_model(2, 1, np.array([[0.05], [0.3]]), np.array([0.5, 1.0, 2.0]))
SOME = np.zeros((2, 3, 2), dtype=bool)
SOME[0, 1, :] = SOME[1, 2, 0] = True
PLACES = [[0, 1, 0], [0, 1, 1], [1, 2, 0]]
KINDS: dict[str, dict[str, Any]] = {
    "sampled": {"batch_size": 64},
    "exact": {"objective": "exact"},
    "lbfgs": {"objective": "exact", "optimiser": "lbfgs"},
}
EVERYTHING = [name for name in METRICS if name != "second"]


def run(kind: str, steps: int = 40, model: ToyModel = GRID, **options: Any) -> TrainedModels:
    return train(model, **arguments(**{"seeds": 2, "steps": steps} | KINDS[kind] | options))


@pytest.mark.parametrize("kind", KINDS)
def test_recording_changes_nothing(kind: str) -> None:
    plain, recorded = run(kind), run(kind, record=Recorder((0, 1, 7, 40), EVERYTHING, SOME))
    for name in ("weights", "bias", "loss", "loss_history", "steps"):
        np.testing.assert_array_equal(getattr(recorded, name), getattr(plain, name))
    assert plain.recorded is None


@pytest.mark.parametrize("kind", KINDS)
def test_records_are_the_states_of_shorter_runs(kind: str) -> None:
    steps = (0, 3, 10, 16, 33)
    series = run(kind, record=Recorder(steps, ("weights", "bias"), SOME)).recorded
    assert series is not None
    assert series.steps.tolist() == list(steps)
    assert series.models.tolist() == PLACES
    assert series.seeds.tolist() == [0, 1, 0]
    for place, count in enumerate(steps):
        shorter = run(kind, steps=count)
        np.testing.assert_array_equal(series["weights"][place], shorter.weights[SOME])
        np.testing.assert_array_equal(series["bias"][place], shorter.bias[SOME])


def test_each_metric_is_its_definition() -> None:
    trained = run("sampled", record=Recorder((0, 20), EVERYTHING))
    series = trained.recorded
    assert series is not None
    weights = series["weights"]
    np.testing.assert_array_equal(weights[0], np.tile(initial_weights([0, 1], 1, 2).astype(np.float32), (6, 1, 1)))
    for metric in (feature_dimensionality, feature_norms, gram, superposition):
        np.testing.assert_array_equal(series[metric.__name__], metric(weights))
    model = GRID.take(tuple(series.models.T[:-1]))
    np.testing.assert_array_equal(series["loss"], expected_loss(model, weights, series["bias"]))


def test_an_untied_model_has_a_second_matrix_to_record() -> None:
    model = ToyModel(2, 3, IndependentFeatures(0.3, amplitude="symmetric"))
    recorder = Recorder((0, 5, 20), ("second", "loss"))
    trained = run("sampled", 20, model, architecture="absolute_value", record=recorder)
    assert trained.recorded is not None
    assert trained.second is not None
    assert trained.recorded["second"].shape == (3, 2, 2, 3)
    np.testing.assert_array_equal(trained.recorded["second"][-1], trained.second)
    np.testing.assert_array_equal(trained.recorded["loss"][-1], trained.loss)


@pytest.mark.parametrize("kind", ["exact", "lbfgs"])
def test_a_model_that_has_converged_keeps_its_last_value(kind: str) -> None:
    # Adam's rate ends at zero, so that its gradients vanish early, and L-BFGS's anyway.
    rates: dict[str, Any] = {} if kind == "lbfgs" else {"learning_rate": 0.02}
    trained = run(kind, 400, tolerance=1e-3, record=Recorder(range(0, 401, 5), ("weights",)), **rates)
    series = trained.recorded
    assert series is not None
    assert trained.converged.any()
    for k, place in enumerate(series.models):
        end = trained.steps[tuple(place)]
        after = series["weights"][series.steps >= end, k]
        np.testing.assert_array_equal(after, np.broadcast_to(trained.weights[tuple(place)], after.shape))


def test_a_model_that_diverges_has_no_value_any_more() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.5), np.array([[1.0, 1.0], [1e30, 1e30]]))
    options: dict[str, Any] = {"optimiser": "sgd", "learning_rate": 0.01}
    series = run("sampled", 50, model, record=Recorder((0, 50), ("weights", "loss")), **options).recorded
    assert series is not None
    wild = series.models[:, 0] == 1
    assert np.isfinite(series["weights"][0]).all()
    assert np.isfinite(series["weights"][1, ~wild]).all()
    assert np.isnan(series["weights"][1, wild]).all()
    assert np.isnan(series["loss"][1, wild]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_recording_goes_on(tmp_path: Path, kind: str) -> None:
    steps = {"sampled": 100_000, "exact": 4_000, "lbfgs": 2_000}[kind]
    recorder = Recorder(range(0, steps + 1, steps // 10), ("weights",), SOME)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    checkpoint = tmp_path / "state.npz"
    first = run(kind, steps, record=recorder, checkpoint=checkpoint, on_progress=stop)
    assert first.status == "interrupted"
    assert first.recorded is not None
    assert np.isnan(first.recorded["weights"][-1]).any()
    with pytest.raises(ValueError, match="another run: expected record = "):
        run(kind, steps, record=Recorder((0,), ("bias",), SOME), checkpoint=checkpoint)
    second, whole = (run(kind, steps, record=recorder, checkpoint=at) for at in (checkpoint, None))
    assert second.recorded is not None
    assert whole.recorded is not None
    np.testing.assert_array_equal(second.recorded["weights"], whole.recorded["weights"])


def test_a_jump_is_found_between_its_plateaus() -> None:
    # From close to the saddle at W = 0 the first feature is stored after a wait.
    model = diagram_model(2, 1, 0.05, 0.3)
    recorder = Recorder(range(0, 12_001, 60), ("feature_norms",))
    trained = train(
        model,
        seeds=8,
        objective="exact",
        learning_rate=0.1,
        steps=12_000,
        optimisation=Optimisation("sgd", momentum=0.0, initial_scale=1e-5),
        record=recorder,
    )
    series = trained.recorded
    assert series is not None
    norms = series["feature_norms"]
    stored = norms[-1, :, 0] > 0.9
    assert stored.any()
    found = plateaus(series.steps, norms[:, stored, 0], smallest_jump=0.5)
    for one in found:
        assert [round(plateau.level) for plateau in one.plateaus] == [0, 1]
        (jump,) = one.jumps
        assert 0 < jump.step_before < jump.step_after < 12_000


def test_a_recording_is_a_labelled_dataset(tmp_path: Path) -> None:
    trained = run("exact", record=Recorder((0, 40), ("feature_dimensionality", "gram"), SOME))
    assert trained.recorded is not None
    dataset = trained.recorded.to_dataset()
    assert dataset["feature_dimensionality"].dims == ("step", "model", "feature")
    assert dataset["gram"].dims == ("step", "model", "feature", "other_feature")
    assert dataset["seed"].values.tolist() == [0, 1, 0]
    assert dataset["place_1"].values.tolist() == [1, 1, 2]
    # Files of trained models are those of a run that wasn't recorded.
    save_models(trained, tmp_path / "runs.safetensors", model=GRID)
    assert load_models(tmp_path / "runs.safetensors").recorded is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": ()}, "ascend from 0 or later"),
        ({"steps": (3, 1)}, "ascend from 0 or later"),
        ({"steps": (-1, 1)}, "steps must be finite and not negative, got -1"),
        ({"steps": (0.5,)}, "steps must be integers, got"),
        ({"steps": (1,), "metrics": ("charm",)}, "metrics must be some of weights, .*got"),
        ({"steps": (1,), "metrics": ("bias", "bias")}, "each once"),
        ({"steps": (1,), "metrics": ()}, "metrics must be some of"),
        ({"steps": (1,), "models": [0, 1]}, "models must be an array of truth values, got"),
    ],
    ids=str,
)
def test_bad_recorders_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recorder(**options)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Recorder((0, 41)), "at most steps = 40, got 41"),
        (Recorder((0,), models=np.ones((2, 3), dtype=bool)), r"shape \(\*batch_shape, seeds\) = \(2, 3, 2\), got"),
        (Recorder((0,), ("second",)), "needs an untied model"),
        ("weights", "must be a Recorder, got str"),
    ],
    ids=["steps", "models", "second", "type"],
)
def test_recorders_that_do_not_fit_the_run_are_named(record: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run("exact", record=record)


def test_a_metric_that_was_not_recorded_is_named() -> None:
    trained = run("exact", record=Recorder((0,), "bias"))
    assert trained.recorded is not None
    with pytest.raises(ValueError, match="was recorded, bias, got 'gram'"):
        trained.recorded["gram"]
