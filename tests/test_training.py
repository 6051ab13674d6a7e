"""Batched training: the published mistakes, reproducibility, resuming, faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tegum.empirical import TrainedModels, resolve_device, train
from tegum.empirical.models import SampledLoss, relu_output
from tegum.empirical.sampling import InputStreams, initial_weights
from tegum.theory import (
    CorrelatedFeatures,
    IndependentFeatures,
    OneHotFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
    global_minimum,
)

SIGMAS = 5.0
FLOAT64_ROUNDING = 1e-12
EXACT_EXCESS = 1e-6
CPU = torch.device("cpu")


def streams(density: list[float], *, samples: int = 4096, dtype: torch.dtype = torch.float64) -> InputStreams:
    return InputStreams([5], np.array([density]), samples, 8, dtype, CPU)


def quick(model: ToyModel, **options: Any) -> TrainedModels:
    return train(model, **({"steps": 60, "batch_size": 64, "seeds": 2} | options))


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
    x = streams([0.3, 0.1]).draw()[0].numpy()
    on = (x > 0).transpose(1, 0, 2).reshape(2, -1)
    count = on.shape[1]
    for rate, expected in ((on[0], 0.3), (on[1], 0.1), (on[0] & on[1], 0.03)):
        error = (expected * (1 - expected) / count) ** 0.5
        assert abs(rate.mean() - expected) < SIGMAS * error


def test_amplitudes_are_uniform_whatever_the_density() -> None:
    x = streams([0.02, 1.0], samples=20_000).draw()[0].numpy()
    for feature in (0, 1):
        active = x[:, feature][x[:, feature] > 0]
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


@pytest.mark.parametrize("sizes", [(2, 1), (5, 2), (7, 3)], ids=str)
def test_the_written_out_gradient_is_autograd_s(sizes: tuple[int, int]) -> None:
    n, m = sizes
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(4, m, n, generator=generator, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, n, generator=generator, dtype=torch.float64, requires_grad=True)
    inputs = torch.rand(4, n, 50, generator=generator, dtype=torch.float64)
    importance = torch.rand(4, n, generator=generator, dtype=torch.float64)
    loss = (importance * ((relu_output(weights, bias, inputs) - inputs) ** 2).mean(dim=-1)).sum()
    loss.backward()
    d_weights, d_bias = SampledLoss(importance, m, 50).gradient(weights.detach(), bias.detach(), inputs)
    assert weights.grad is not None
    assert bias.grad is not None
    torch.testing.assert_close(d_weights, weights.grad, rtol=FLOAT64_ROUNDING, atol=FLOAT64_ROUNDING)
    torch.testing.assert_close(d_bias, bias.grad, rtol=FLOAT64_ROUNDING, atol=FLOAT64_ROUNDING)


@pytest.mark.parametrize("objective", ["sampled", "exact"])
def test_a_model_depends_on_its_seed_alone(objective: str) -> None:
    together = quick(GRID, objective=objective, seeds=[0, 3, 9])
    alone = quick(GRID.take((1, 2)), objective=objective, seeds=[9])
    assert np.array_equal(together.weights[1, 2, 2], alone.weights[0])
    assert np.array_equal(together.bias[1, 2, 2], alone.bias[0])


@pytest.mark.parametrize("objective", ["sampled", "exact"])
def test_training_is_bit_identical_when_repeated(objective: str) -> None:
    one, two = (quick(GRID, objective=objective) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.loss_history, two.loss_history)


def stop_after(share: float) -> Callable[[int, int], None]:
    def stop(done: int, total: int) -> None:
        if done >= share * total:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("objective", ["sampled", "exact"])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, objective: str) -> None:
    checkpoint = tmp_path / "run" / "training.npz"
    options: dict[str, Any] = {"objective": objective, "steps": 3000, "batch_size": 256}
    first = quick(GRID, checkpoint=checkpoint, on_progress=stop_after(0.0), **options)
    assert first.status == "interrupted"
    assert str(checkpoint) in first.reason
    assert checkpoint.exists()
    assert (first.steps < 3000).any()
    second = quick(GRID, checkpoint=checkpoint, **options)
    whole = quick(GRID, **options)
    assert second.status == "finished"
    assert np.array_equal(second.weights, whole.weights)
    assert np.array_equal(second.loss_history, whole.loss_history)
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.npz"
    quick(GRID, checkpoint=checkpoint, on_progress=stop_after(0.0), steps=3000, batch_size=256)
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match=r"another run: expected learning_rate = 0\.01, got 0\.001"):
        quick(GRID, checkpoint=checkpoint, steps=3000, batch_size=256, learning_rate=0.01)
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
    before = torch.get_num_threads()
    quick(diagram_model(2, 1, np.full(700, 0.1), 1.0), steps=3, batch_size=512)
    assert torch.get_num_threads() == before


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
        ({"objective": "guessed"}, "'sampled' or 'exact', got 'guessed'"),
        ({"steps": -1}, "steps must be an integer of at least 0, got -1"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and positive, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite and positive, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        ({"device": "tpu"}, "'auto', 'cpu' or 'cuda', got 'tpu'"),
        ({"dtype": torch.float16}, "torch.float32 or torch.float64"),
        ({"seeds": 0}, "seeds must be an integer of at least 1, got 0"),
        ({"seeds": [-1]}, "non-negative integers"),
        ({"seeds": [0.5]}, "non-negative integers"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(GRID, **options)


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


@pytest.mark.parametrize("name", OTHER_MODELS)
def test_sampling_says_what_it_cannot_draw(name: str) -> None:
    with pytest.raises(ValueError, match=r"sampled inputs takes IndependentFeatures .* no penalties, got"):
        train(OTHER_MODELS[name], objective="sampled", steps=1)


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
            checkpoint=tmp_path / "state.npz",
            on_progress=interrupt,
        )

    assert run(0.1, stop=True).status == "interrupted"
    with pytest.raises(ValueError, match="checkpoint"):
        run(0.2, stop=False)
    assert run(0.1, stop=False).status == "finished"
