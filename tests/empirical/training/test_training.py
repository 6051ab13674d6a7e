"""Batched training: the published mistakes, reproducibility, resuming, faults."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tegum.empirical.groups import ExactGroup
from tegum.empirical.inputs import Inputs, initial_weights, input_table
from tegum.empirical.runs import Optimisation, Sampling, Session, TrainedModels
from tegum.empirical.training import resolve_device, train
from tegum.theory import (
    CorrelatedFeatures,
    IndependentFeatures,
    OneHotFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
    global_minimum,
    loss_gradient,
)
from tegum.theory.loss import linear_optimum
from tests.support.training import arguments

# Behind the package's face: what makes a device seem small.
running: Any = import_module("tegum.empirical.training.running")
# Behind the face: a group is stopped in the middle, and tables are handed to the compiled sampler.
groups: Any = import_module("tegum.empirical.groups.compiled")

SIGMAS = 5.0
FLOAT64_ROUNDING = 1e-12
EXACT_EXCESS = 1e-6
CPU = torch.device("cpu")


def inputs(density: list[float], *, samples: int) -> np.ndarray[Any, Any]:
    """Return one model's inputs, shape (n_features, samples)."""
    model = ToyModel(len(density), 1, IndependentFeatures([density]))
    table = input_table(model, batch_size=samples)
    drawn = Inputs(table, [5], len(density), samples, torch.float64, CPU).draw(torch.tensor(0))
    return np.asarray(drawn[0])


def quick(model: ToyModel, **options: Any) -> TrainedModels:
    return train(model, **arguments(**{"steps": 60, "batch_size": 64, "seeds": 2} | options))


LBFGS: dict[str, Any] = {"objective": "exact", "optimiser": "lbfgs"}
GRID = diagram_model(2, 1, np.array([[0.05], [0.3]]), np.array([0.5, 1.0, 2.0]))


# Mistake 1: an initial scale that counts the models of a batch as outputs.
@pytest.mark.parametrize("models", [1, 3, 400])
def test_initial_weights_of_a_seed_do_not_depend_on_the_batch(models: int) -> None:
    alone = initial_weights([7], 1, 2)
    assert np.array_equal(initial_weights([*range(100, 100 + models), 7], 1, 2)[-1], alone[0])


def test_initial_scale_is_that_of_one_matrix() -> None:
    drawn = initial_weights(range(20_000), 1, 2)
    expected = (2 / 3) ** 0.5
    assert drawn.std() == pytest.approx(expected, rel=SIGMAS / (2 * drawn.size) ** 0.5)


# Mistake 2: a mask that broadcasts over features, so that they always fire together.
def test_features_fire_independently() -> None:
    on = inputs([0.3, 0.1], samples=32_768) > 0
    count = on.shape[1]
    for rate, expected in ((on[0], 0.3), (on[1], 0.1), (on[0] & on[1], 0.03)):
        error = (expected * (1 - expected) / count) ** 0.5
        assert abs(rate.mean() - expected) < SIGMAS * error


def test_amplitudes_are_uniform_whatever_the_density() -> None:
    x = inputs([0.02, 1.0], samples=160_000)
    for feature in (0, 1):
        active = x[feature][x[feature] > 0]
        error = (1 / 12 / len(active)) ** 0.5
        assert abs(active.mean() - 1 / 2) < SIGMAS * error
        assert active.max() <= 1


# Mistake 4: AdamW's weight decay, while the theory has none.
def test_there_is_no_weight_decay_unless_asked_for() -> None:
    default, none, some = (
        quick(GRID, objective="exact", **decay) for decay in ({}, {"weight_decay": 0.0}, {"weight_decay": 0.1})
    )
    assert np.array_equal(default.weights, none.weights)
    assert (np.abs(some.weights) < np.abs(none.weights)).mean() > 0.5
    assert not np.array_equal(some.weights, none.weights)


def test_a_negative_decay_lets_weights_grow() -> None:
    none, grown = (quick(GRID, objective="exact", weight_decay=decay) for decay in (0.0, -0.1))
    assert (np.abs(grown.weights) > np.abs(none.weights)).mean() > 0.5


def test_the_exact_objective_reaches_the_exact_optimum() -> None:
    model = diagram_model(2, 1, 0.3, 0.7)
    trained = train(model, objective="exact", seeds=6, steps=4000, learning_rate=5e-3)
    best = global_minimum(model)
    assert trained.loss.min() / best.loss - 1 < EXACT_EXCESS
    assert trained.loss.min() >= best.loss - FLOAT64_ROUNDING


def test_sampled_training_comes_close_to_the_exact_optimum() -> None:
    model = diagram_model(2, 1, 0.5, 1.0)
    trained = train(model, seeds=4, steps=3000, batch_size=256, learning_rate=3e-3)
    best = global_minimum(model)
    assert 1 <= trained.loss.min() / best.loss < 1.01


def test_the_recorded_loss_is_the_exact_one() -> None:
    trained = quick(GRID)
    assert trained.loss.shape == (2, 3, 2)
    wide = GRID.take((..., None))
    assert np.array_equal(trained.loss, expected_loss(wide, trained.weights, trained.bias))


def test_the_history_starts_from_the_loss_of_the_initial_weights() -> None:
    model = diagram_model(2, 1, 0.3, 0.7)
    trained = quick(model, objective="exact", steps=10)
    first = expected_loss(model, initial_weights([0, 1], 1, 2), np.zeros((2, 2)))
    assert trained.history_steps[0] == 0
    assert trained.loss_history[0] == pytest.approx(first, rel=FLOAT64_ROUNDING)
    assert (trained.loss_history[-1] < trained.loss_history[0]).all()


KINDS: dict[str, dict[str, Any]] = {"sampled": {}, "exact": {"objective": "exact"}, "lbfgs": LBFGS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_depends_on_its_seed_alone(kind: str) -> None:
    together = quick(GRID, seeds=[0, 3, 9], **KINDS[kind])
    alone = quick(GRID.take((1, 2)), seeds=[9], **KINDS[kind])
    assert np.array_equal(together.weights[1, 2, 2], alone.weights[0])
    assert np.array_equal(together.bias[1, 2, 2], alone.bias[0])


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_bit_identical_when_repeated(kind: str) -> None:
    one, two = (quick(GRID, **KINDS[kind]) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.loss_history, two.loss_history)


def stop_after(share: float) -> Callable[[int, int], None]:
    def stop(done: int, total: int) -> None:
        if done >= share * total:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, kind: str) -> None:
    checkpoint = tmp_path / "run" / "training.npz"
    steps = {"sampled": 200_000, "exact": 6_000, "lbfgs": 3_000}[kind]
    options = {"steps": steps, "batch_size": 64} | KINDS[kind]
    first = quick(GRID, checkpoint=checkpoint, on_progress=stop_after(0.0), **options)
    assert first.status == "interrupted"
    assert str(checkpoint) in first.reason
    assert checkpoint.exists()
    assert (first.steps < steps).any()
    second = quick(GRID, checkpoint=checkpoint, **options)
    whole = quick(GRID, **options)
    assert second.status == "finished"
    assert np.array_equal(second.weights, whole.weights)
    assert np.array_equal(second.loss_history, whole.loss_history)
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.npz"
    quick(GRID, checkpoint=checkpoint, on_progress=stop_after(0.0), steps=400_000)
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match=r"another run: expected learning_rate = 0\.01, got 0\.001"):
        quick(GRID, checkpoint=checkpoint, steps=400_000, learning_rate=0.01)
    assert checkpoint.read_bytes() == before


def test_a_broken_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.npz"
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="can't read"):
        quick(GRID, checkpoint=checkpoint)


def test_divergence_stays_with_its_model() -> None:
    # A learning rate this large drives weights to infinity where the importance is large, not where it is tiny.
    fine = quick(GRID, objective="exact", learning_rate=0.01)
    wild = quick(GRID, objective="exact", learning_rate=1e200)
    assert np.isfinite(fine.loss).all()
    assert np.isnan(wild.loss).any()
    assert wild.status == "finished"


def test_threads_are_given_back() -> None:
    usual = torch.get_num_threads()
    # While several groups train, torch is to have one.
    torch.set_num_threads(2)
    try:
        quick(diagram_model(2, 1, np.full(700, 0.1), 1.0), steps=3, batch_size=512)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(usual)


def test_no_steps_leave_the_initial_weights() -> None:
    trained = quick(diagram_model(2, 1, 0.3, 0.7), steps=0, objective="exact")
    assert np.array_equal(trained.weights, initial_weights([0, 1], 1, 2))
    assert not trained.bias.any()


def test_float64_sampling_is_available() -> None:
    trained = quick(GRID, dtype=torch.float64)
    assert np.isfinite(trained.loss).all()


def test_auto_is_a_device_that_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "guessed"}, "objective must be one of sampled, exact, got 'guessed'"),
        ({"architecture": "deep"}, "architecture must be one of linear, relu_output, relu_hidden, absolute_value"),
        ({"optimiser": "lion"}, "optimiser must be one of adam, adamw, sgd, lbfgs, got 'lion'"),
        ({"schedule": "step"}, "schedule must be one of constant, linear, cosine, got 'step'"),
        ({"sampling": "sobol"}, "sampling must be one of plain, stratified, got 'sobol'"),
        ({"zero_inputs": "no"}, "zero_inputs must be one of sampled, exact, got 'no'"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"tolerance": 0.0}, "tolerance must be finite and positive, got 0.0"),
        ({"initial_scale": -1.0}, "initial_scale must be finite and not negative"),
        ({"optimiser": "lbfgs"}, "needs a loss without noise: expected objective='exact', got 'sampled'"),
        (LBFGS | {"learning_rate": 0.1}, "finds the lengths of its steps: expected no learning_rate, got 0.1"),
        (LBFGS | {"schedule": "cosine"}, "expected no schedule, got 'cosine'"),
        (LBFGS | {"weight_decay": 0.1}, "expected no weight_decay, got 0.1"),
        ({"objective": "exact", "architecture": "linear"}, "is there for architecture='relu_output', got 'linear'"),
        ({"objective": "exact", "sampling": "stratified"}, "draws no inputs"),
        ({"sampling": "stratified", "batch_size": 3}, "batch_size of at least 4, got 3"),
        ({"steps": -1}, "steps must be an integer of at least 0, got -1"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and positive, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite and positive, got nan"),
        ({"weight_decay": float("nan")}, "weight_decay must be"),
        ({"device": "tpu"}, "'auto', 'cpu' or 'cuda', got 'tpu'"),
        ({"dtype": torch.float16}, "torch.float32 or torch.float64"),
        ({"seeds": 0}, "seeds must be an integer of at least 1, got 0"),
        ({"seeds": [-1]}, "non-negative integers"),
        ({"seeds": [0.5]}, "non-negative integers"),
        ({"checkpoint": 3}, "checkpoint must be the path of a file or folder, got 3"),
        ({"on_progress": "bar"}, "on_progress must be a function of 2 arguments or None, got 'bar'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(GRID, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimisation": "sgd"}, "optimisation must be an Optimisation, got str"),
        ({"sampling": "stratified"}, "sampling must be a Sampling, got str"),
        ({"session": "run.npz"}, "session must be a Session, got str"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_value_is_not_taken_for_its_record(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(GRID, **options)


def test_a_missing_cuda_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device"):
        quick(GRID, device="cuda")


def test_something_else_than_a_model_is_named() -> None:
    with pytest.raises(ValueError, match="must be a ToyModel, got IndependentFeatures"):
        train(IndependentFeatures(0.1))  # type: ignore[arg-type]


# --- Laws and penalties ------------------------------------------------------------------------------------------

OTHER_MODELS = {
    "correlated": ToyModel(3, 2, CorrelatedFeatures(0.3, [(0, 1)])),
    "one on": ToyModel(3, 2, OneHotFeatures()),
    "both signs": ToyModel(2, 1, IndependentFeatures(0.3, amplitude="symmetric")),
    "penalties": ToyModel(2, 1, IndependentFeatures(0.3), 1.0, 0.1, 0.01, 0.02),
}


@pytest.mark.parametrize("name", OTHER_MODELS)
def test_the_exact_objective_trains_any_law_and_penalty(name: str) -> None:
    model = OTHER_MODELS[name]
    trained = train(model, seeds=6, objective="exact", steps=300, learning_rate=0.02)
    assert (trained.loss < trained.loss_history[0]).all()
    np.testing.assert_array_equal(trained.loss, expected_loss(model, trained.weights, trained.bias))


@pytest.mark.parametrize("sampling", ["plain", "stratified"])
@pytest.mark.parametrize("zero_inputs", ["sampled", "exact"])
@pytest.mark.parametrize("name", OTHER_MODELS)
def test_sampled_training_takes_any_law_and_penalty(name: str, sampling: Any, zero_inputs: Any) -> None:
    model = OTHER_MODELS[name]
    start = train(model, seeds=4, steps=0)
    drawn = Sampling(sampling, zero_inputs)
    trained = train(model, seeds=4, steps=400, batch_size=256, learning_rate=0.01, sampling=drawn)
    assert (trained.loss < start.loss).all()


@pytest.mark.parametrize("architecture", ["linear", "relu_hidden", "absolute_value"])
def test_other_architectures_learn(architecture: str) -> None:
    amplitude = "symmetric" if architecture == "absolute_value" else "uniform"
    model = ToyModel(3, 6, IndependentFeatures(0.2, amplitude=amplitude), (1.0, 0.8, 0.6))
    start = train(model, seeds=4, steps=0, architecture=architecture)
    trained = train(model, seeds=4, steps=1500, batch_size=256, learning_rate=0.01, architecture=architecture)
    assert (trained.loss + 5 * trained.loss_error < 0.5 * start.loss).all()
    assert (trained.second is not None) == (architecture == "absolute_value")
    exact = architecture == "linear"
    assert (trained.loss_error == 0).all() == exact


def test_the_linear_model_reaches_its_closed_form() -> None:
    model = ToyModel(3, 2, IndependentFeatures(0.4), (1.0, 0.7, 0.4))
    trained = train(
        model,
        seeds=4,
        steps=3000,
        batch_size=512,
        learning_rate=0.01,
        architecture="linear",
        optimisation=Optimisation(schedule="cosine"),
    )
    assert trained.best().loss / linear_optimum(model).loss - 1 < 0.01


def test_a_sampled_loss_is_within_its_error_of_the_exact_one() -> None:
    model = ToyModel(9, 3, IndependentFeatures(0.1))
    trained = train(model, seeds=2, steps=200, batch_size=64)
    exact = expected_loss(model, trained.weights, trained.bias)
    assert (trained.loss_error > 0).all()
    assert (np.abs(trained.loss - exact) < SIGMAS * trained.loss_error).all()


# --- Stopping early, optimisers, best of k --------------------------------------------------------------------------


def test_a_model_stops_when_its_gradient_has_vanished() -> None:
    model = diagram_model(2, 1, np.array([0.5, 0.1]), 1.0)
    options: dict[str, Any] = {
        "objective": "exact",
        "seeds": 3,
        "steps": 6000,
        "learning_rate": 0.02,
        "optimisation": Optimisation(schedule="cosine", tolerance=1e-3),
    }
    trained = train(model, **options)
    assert trained.converged.all()
    assert (trained.steps < 6000).all()
    assert len(np.unique(trained.steps)) > 1
    in_weights, in_bias = loss_gradient(model.take((..., None)), trained.weights, trained.bias)
    norm = np.sqrt((in_weights**2).sum(axis=(-2, -1)) + (in_bias**2).sum(axis=-1))
    assert (norm <= 1e-3 * (1 + FLOAT64_ROUNDING)).all()
    assert "6 converged of 6 models" in trained.reason
    # Whatever it is batched with.
    alone = train(model.take(1), **options)
    assert np.array_equal(alone.weights, trained.weights[1])
    assert np.array_equal(alone.steps, trained.steps[1])


def test_lbfgs_converges_in_a_few_dozen_evaluations() -> None:
    trained = quick(GRID, seeds=8, steps=300, tolerance=1e-9, **LBFGS)
    assert trained.converged.all()
    assert np.median(trained.steps) < 60
    in_weights, in_bias = loss_gradient(GRID.take((..., None)), trained.weights, trained.bias)
    norm = np.sqrt((in_weights**2).sum(axis=(-2, -1)) + (in_bias**2).sum(axis=-1))
    assert (norm <= 1e-9 * (1 + FLOAT64_ROUNDING)).all()
    cheapest = [global_minimum(GRID.take((i, j))).loss for i in range(2) for j in range(3)]
    np.testing.assert_allclose(trained.best().loss.ravel(), cheapest, rtol=1e-9)


@pytest.mark.parametrize("n_features", [5, 9])
def test_lbfgs_trains_more_features_than_are_compiled(n_features: int) -> None:
    # Five features are enumerated by arrays, nine that all interact are inverted from their transforms.
    model = ToyModel(n_features, 2, IndependentFeatures(0.1))
    trained = quick(model, seeds=2, steps=25, **LBFGS)
    assert (trained.loss < 0.9 * trained.loss_history[0]).all()
    assert (np.diff(trained.loss_history, axis=0) <= 0).all()


def test_a_model_that_starts_beyond_all_floats_is_reported() -> None:
    trained = quick(diagram_model(2, 1, 0.3, 0.7), seeds=2, steps=20, initial_scale=1e200, **LBFGS)
    assert trained.diverged.all()


def test_a_sampled_model_stops_when_it_no_longer_gets_better() -> None:
    options: dict[str, Any] = {"seeds": 4, "steps": 200_000, "batch_size": 64, "learning_rate": 0.01}
    options["optimisation"] = Optimisation(tolerance=1e-4)
    trained = train(diagram_model(2, 1, np.array([0.5, 0.1]), 1.0), **options)
    assert trained.converged.all()
    assert (trained.steps % 200 == 0).all()
    assert (trained.steps < 200_000).all()
    alone = train(diagram_model(2, 1, 0.1, 1.0), **options)
    assert np.array_equal(alone.weights, trained.weights[1])


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_every_optimiser_and_schedule_gets_better(optimiser: Any, schedule: Any) -> None:
    options: dict[str, Any] = {"optimiser": optimiser, "schedule": schedule}
    rate = 0.2 if optimiser == "sgd" else 0.01
    start = quick(GRID, steps=0)
    trained = quick(GRID, steps=800, learning_rate=rate, **options)
    assert (trained.loss < start.loss).all()


def test_divergence_of_sampled_models_is_reported() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.5), np.array([[1.0, 1.0], [1e30, 1e30]]))
    trained = quick(model, steps=500, optimiser="sgd", learning_rate=0.01)
    assert trained.diverged.tolist() == [[False, False], [True, True]]
    assert np.isnan(trained.loss[1]).all()
    assert "2 diverged of 4 models" in trained.reason
    alone = quick(model.take(0), steps=500, optimiser="sgd", learning_rate=0.01)
    assert np.array_equal(alone.weights, trained.weights[0])
    with pytest.raises(ValueError, match="got none for 1 of them"):
        trained.best()


def test_the_best_seed_is_the_one_of_smallest_loss() -> None:
    trained = quick(GRID, seeds=[4, 7, 9])
    best = trained.best()
    assert best.loss.shape == (2, 3)
    np.testing.assert_array_equal(best.loss, trained.loss.min(axis=-1))
    np.testing.assert_array_equal(best.seed, np.array([4, 7, 9])[trained.loss.argmin(axis=-1)])
    np.testing.assert_array_equal(expected_loss(GRID, best.weights, best.bias), best.loss)


def test_the_initial_scale_is_a_factor() -> None:
    small, usual = (quick(GRID, steps=0, initial_scale=scale, dtype=torch.float64) for scale in (0.1, 1.0))
    np.testing.assert_allclose(small.weights, 0.1 * usual.weights, rtol=FLOAT64_ROUNDING)


def test_a_device_without_room_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError("no room")

    monkeypatch.setattr("tegum.empirical.groups.compiled.CompiledGroup.run", full)
    with pytest.raises(MemoryError, match="doesn't fit on cpu: no room"):
        quick(GRID, checkpoint=tmp_path / "state.npz")
    assert (tmp_path / "state.npz").exists()


def test_a_checkpoint_knows_the_penalties_of_its_run(tmp_path: Path) -> None:
    def run(weight_decay: float, stop: bool) -> TrainedModels:
        model = ToyModel(2, 1, IndependentFeatures(0.3), 1.0, 0.0, weight_decay)

        def interrupt(done: int, total: int) -> None:
            if stop and done > total / 4:
                raise KeyboardInterrupt

        return train(
            model,
            seeds=2,
            objective="exact",
            steps=3000,
            session=Session(tmp_path / "state.npz", on_progress=interrupt),
        )

    assert run(0.1, stop=True).status == "interrupted"
    with pytest.raises(ValueError, match="checkpoint"):
        run(0.2, stop=False)
    assert run(0.1, stop=False).status == "finished"


def small_device(monkeypatch: pytest.MonkeyPatch, most: int, steps: int = 0) -> list[int]:
    """Let groups of more than `most` models run out of memory, after some steps; return the sizes tried."""
    tried: list[int] = []
    advance = ExactGroup._advance

    def full(group: Any, rows: Any, step: int, taken: int) -> None:
        if not tried or tried[-1] != len(rows):
            tried.append(len(rows))
        if len(rows) > most and step >= steps:
            raise torch.cuda.OutOfMemoryError("no room")
        advance(group, rows, step, taken)

    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(ExactGroup, "_advance", full)
    return tried


@pytest.mark.parametrize("steps", [0, 16], ids=["at once", "halfway"])
def test_groups_that_do_not_fit_are_halved(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    options: dict[str, Any] = {"objective": "exact", "seeds": 4, "steps": 40}
    whole = quick(GRID, **options)
    tried = small_device(monkeypatch, most=7, steps=steps)
    parts = quick(GRID, **options)
    assert parts.status == "finished"
    assert tried == [24, 12, 6]
    assert (parts.steps == 40).all()
    np.testing.assert_array_equal(parts.weights, whole.weights)
    np.testing.assert_array_equal(parts.loss_history, whole.loss_history)


def test_models_that_were_done_are_kept_when_one_does_not_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options: dict[str, Any] = {"objective": "exact", "steps": 40, "checkpoint": tmp_path / "state.npz"}
    whole = quick(GRID, steps=40, objective="exact")
    with monkeypatch.context() as patch:
        patch.setitem(running.EXACT_GROUP, "cpu", 4)
        tried = small_device(patch, most=0, steps=16)
        with pytest.raises(MemoryError, match="a single model doesn't fit on cpu: no room"):
            quick(GRID, **options)
    assert sorted(set(tried)) == [1, 2, 4]
    with np.load(tmp_path / "state.npz") as saved:
        assert saved["steps"].max() == 16
    np.testing.assert_array_equal(quick(GRID, **options).weights, whole.weights)


def test_what_others_have_trained_is_kept_when_one_group_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 400, "checkpoint": tmp_path / "state.npz"}
    whole = quick(GRID, **options)
    run = groups.CompiledGroup.run

    def fail(group: Any, *arguments: Any) -> None:
        if 0 in group._rows:
            raise RuntimeError("a fault of the device")
        run(group, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(groups.CompiledGroup, "run", fail)
        with pytest.raises(RuntimeError, match="a fault of the device"):
            quick(GRID, **options)
    with np.load(tmp_path / "state.npz") as saved:
        assert (saved["steps"] == 400).sum() >= whole.steps.size // 2
    np.testing.assert_array_equal(quick(GRID, **options).weights, whole.weights)


def test_a_checkpoint_knows_the_groups_of_its_law(tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.npz"
    options: dict[str, Any] = {"checkpoint": checkpoint, "steps": 200_000}
    one, other = (ToyModel(3, 1, CorrelatedFeatures(0.3, [group])) for group in ((0, 1), (1, 2)))
    assert quick(one, on_progress=stop_after(0.0), **options).status == "interrupted"
    with pytest.raises(ValueError, match="belongs to another run"):
        quick(other, **options)
