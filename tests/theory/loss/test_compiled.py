"""The compiled loss is the array version's: one definition, two ways to run it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from tegum.theory import Amplitude, CorrelatedFeatures, ExactLoss, IndependentFeatures, ToyModel
from tegum.theory.loss import ArrayEngine, CompiledEngine, engine_for
from tegum.theory.numerics import FloatArray
from tests.support.cases import POINTS, draw_case, draw_cases
from tests.support.engines import arrays
from tests.support.internals import internals
from tests.support.laws import AMPLITUDES, LAWS, independent
from tests.support.tolerances import assert_entries_close, tolerance

# Behind the face: one engine by itself.
compiled_loss = internals("loss.compiled")
# Cases of each law with each amplitude, and at each kind of point.
CASES = 10


def evaluations(engine: ExactLoss, weights: Any, bias: Any) -> list[FloatArray]:
    """Return everything that an engine evaluates: each quantity as often as it comes with others."""
    found = [engine.output_losses(weights, bias), engine.loss(weights, bias)]
    found += [*engine.loss_and_gradient(weights, bias), *engine.loss_gradient_hessian(weights, bias)]
    return [np.asarray(array) for array in found]


def assert_same(model: ToyModel, weights: Any, bias: Any, *, derivatives: bool = True) -> None:
    """Hold the compiled evaluation to the one by arrays: the same steps, each rounded."""
    engine = ExactLoss.by(CompiledEngine(model))
    pairs = list(zip(evaluations(engine, weights, bias), evaluations(arrays(model), weights, bias), strict=True))
    scale = float((model.importances() * model.densities()).sum(axis=-1).max())
    scale *= float(model.features.amplitude.second_moment)
    for k, (found, expected) in enumerate(pairs):
        assert found.shape == expected.shape
        assert found.dtype == np.float64
        if k in (0, 1, 2, 5):
            bar = tolerance("rounding") * (scale + expected.max(initial=0))
            assert (np.abs(found - expected) <= bar).all(), k
        elif derivatives:
            bar = tolerance("rounding") * (max(1.0, float(model.importance.max())) + np.abs(expected).max(initial=0))
            assert (np.abs(found - expected) <= bar).all(), k


# --- Held to the definition --------------------------------------------------------------------------------------


@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("law", LAWS)
def test_it_is_the_array_version_for_every_law_and_amplitude(law: str, amplitude: str) -> None:
    for case in draw_cases(CASES, start=7000, law=law, amplitude=amplitude):
        assert_same(case.model, case.weights, case.bias, derivatives=case.resolved)


@pytest.mark.parametrize("points", POINTS)
def test_it_is_the_array_version_at_every_kind_of_point(points: str) -> None:
    for case in draw_cases(CASES, start=7100, law="independent", amplitude="uniform", points=points):
        assert_same(case.model, case.weights, case.bias, derivatives=case.resolved)


@pytest.mark.parametrize("hidden", [1, 2, 5])
@pytest.mark.parametrize("features", [1, 2, 3, 4, 5, 6])
def test_it_is_the_array_version_on_kinks(features: int, hidden: int) -> None:
    # Multiples of a quarter, so that nothing is rounded: outputs rest on zero at many corners.
    rng = np.random.default_rng([features, hidden])
    # The array version of six features takes a second for two hundred models.
    count = 200 if features <= 4 else 30
    weights = rng.integers(-2, 3, (count, hidden, features)) / 2
    bias = rng.integers(-4, 5, (count, features)) / 4
    assert_same(independent(features, hidden, 0.3), weights, bias)


def test_shapes_broadcast() -> None:
    rng = np.random.default_rng(0)
    law = CorrelatedFeatures(rng.uniform(0.1, 0.9, (2, 1, 1)), [(0, 2)], amplitude=Amplitude(-1, 2))
    model = ToyModel(3, 2, law, rng.uniform(0.1, 2, (3, 3)), rng.uniform(0, 1, (2, 1)), 0.1, 0.2)
    assert model.batch_shape == (2, 3)
    for weights, bias in (
        ((2, 3), (3,)),
        ((5, 1, 1, 2, 3), (2, 3, 3)),
        ((3, 2, 3), (4, 2, 1, 3)),
        ((0, 2, 3, 2, 3), (3,)),
    ):
        assert_same(model, rng.normal(size=weights), rng.normal(size=bias))


def test_arrays_may_be_read_only_or_have_gaps() -> None:
    rng = np.random.default_rng(1)
    model, weights, bias = independent(3, 2), rng.normal(size=(8, 3, 2)).mT, rng.normal(size=(16, 3))[::2]
    weights.flags.writeable = bias.flags.writeable = False
    assert_same(model, weights, bias)
    assert_same(model, np.broadcast_to(weights[:1], (4, 2, 3)), bias[:4])


def test_tensors_give_the_same_bits() -> None:
    rng = np.random.default_rng(2)
    model, weights, bias = independent(3, 2), rng.normal(size=(8, 2, 3)), rng.normal(size=(8, 3))
    W, b = torch.tensor(weights, requires_grad=True), torch.tensor(bias)
    engine = ExactLoss(model, like=W)
    for tensor, array in zip(
        (*engine.loss_gradient_hessian(W, b), engine.output_losses(W, b)),
        (*ExactLoss(model).loss_gradient_hessian(weights, bias), ExactLoss(model).output_losses(weights, bias)),
        strict=True,
    ):
        assert isinstance(tensor, torch.Tensor)
        assert tensor.dtype == torch.float64
        assert tensor.numpy().tobytes() == array.tobytes()


@pytest.mark.parametrize("number", range(6))
def test_tensors_in_array_operations_agree(number: int) -> None:
    case = draw_case(number, penalty="no penalty", points="random")
    engine = ExactLoss.by(ArrayEngine(case.model, torch.zeros((), dtype=torch.float64)))
    found = engine.loss_gradient_hessian(torch.tensor(case.weights), torch.tensor(case.bias))[3]
    assert_entries_close(found, ExactLoss(case.model).loss_gradient_hessian(case.weights, case.bias)[3], "hessian")


@pytest.mark.parametrize("part", [slice(1, 7, 2), [3, 3, 0], np.arange(8) % 3 == 0, (slice(None), None), 5])
def test_a_part_of_a_batch_is_that_of_the_models(part: Any) -> None:
    rng = np.random.default_rng(3)
    law = CorrelatedFeatures(rng.uniform(0.1, 0.9, (8, 1)), [(0, 2)])
    model = ToyModel(3, 2, law, rng.uniform(0.1, 2, (8, 3)), rng.uniform(0, 1, 8), 0.1, rng.uniform(0, 1, 8))
    engine, alone = CompiledEngine(model), model.take(part)
    weights, bias = rng.normal(size=(*alone.batch_shape, 2, 3)), rng.normal(size=(*alone.batch_shape, 3))
    # A part of a part, too.
    for taken in (engine.take(part), engine.take(np.arange(8)).take(part)):
        found = evaluations(ExactLoss.by(taken), weights, bias)
        expected = evaluations(ExactLoss(alone), weights, bias)
        assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]
        assert taken.model.batch_shape == alone.batch_shape
        assert (taken.model.importances() == alone.importances()).all()
        assert (taken.model.densities() == alone.densities()).all()


def test_what_it_does_not_cover_is_evaluated_otherwise() -> None:
    assert not isinstance(engine_for(independent(9, 2)), CompiledEngine)
    assert not isinstance(engine_for(independent(3, 2), torch.zeros(())), CompiledEngine)
    assert isinstance(engine_for(independent(8, 2)), CompiledEngine)
    # Cubes with a low end that isn't 0 have a quarter more cells for each feature.
    symmetric = ToyModel(7, 2, IndependentFeatures(0.3, amplitude="symmetric"))
    assert not isinstance(engine_for(symmetric), CompiledEngine)
    assert isinstance(engine_for(independent(4, 2), method="enumeration"), CompiledEngine)


def test_weights_that_are_not_finite_give_losses_that_are_not() -> None:
    # Training notices by them which models diverged.
    weights = np.array([[[np.nan, 1.0]], [[np.inf, 1.0]], [[1e200, 1.0]], [[1.0, 1.0]]])
    with np.errstate(all="ignore"):
        loss, d_weights, _ = ExactLoss(independent(2, 1)).loss_and_gradient(weights, np.zeros((4, 2)))
    assert np.isfinite(loss).tolist() == [False, False, False, True]
    assert np.isfinite(d_weights).all(axis=(1, 2)).tolist() == [False, False, False, True]


# --- A model's result is its own ---------------------------------------------------------------------------------


def many(n: int, m: int, count: int) -> tuple[ToyModel, FloatArray, FloatArray]:
    rng = np.random.default_rng([n, m, count])
    model = ToyModel(n, m, IndependentFeatures(rng.uniform(0.01, 1, (count, 1))), rng.uniform(0.1, 2, (count, n)))
    return model, rng.normal(size=(count, m, n)), rng.normal(size=(count, n)) / 3


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 3)])
def test_results_do_not_depend_on_the_batch(n: int, m: int) -> None:
    model, weights, bias = many(n, m, 301)
    whole = evaluations(ExactLoss(model), weights, bias)
    order = np.random.default_rng(0).permutation(301)
    for part in (order, order[:7], order[:1], slice(3, 100, 2)):
        found = evaluations(ExactLoss(model.take(part)), weights[part], bias[part])
        assert [array.tobytes() for array in found] == [array[part].tobytes() for array in whole]


def test_results_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    model, weights, bias = many(3, 2, 500)
    engine = ExactLoss(model)
    expected = [array.tobytes() for array in evaluations(engine, weights, bias)]
    monkeypatch.setattr(compiled_loss, "THREAD_NUMBERS", 20_000)
    ran_on = set()
    # Behind the face: compiled steps against their definition, and how often they are compiled.
    evaluate = internals("loss.kernel").evaluate

    def noted(*arguments: Any) -> int:
        ran_on.add(threading.get_ident())
        return int(evaluate(*arguments))

    # Behind the face: compiled steps against their definition, and how often they are compiled.
    monkeypatch.setattr(internals("loss.kernel"), "evaluate", noted)
    assert [array.tobytes() for array in evaluations(engine, weights, bias)] == expected
    assert threading.get_ident() not in ran_on
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: evaluations(engine, weights, bias), range(8)))
    assert all([array.tobytes() for array in found] == expected for found in results)


# --- Compilation -------------------------------------------------------------------------------------------------


def test_there_is_one_signature() -> None:
    # Two processes that compile at the same time write the same file.
    evaluations(ExactLoss(independent(2, 1)), np.ones((1, 2), dtype=np.float32), [0, 0] * np.ones(2, dtype=np.int64))
    # Behind the face: compiled steps against their definition, and how often they are compiled.
    assert len(internals("loss.kernel").evaluate.signatures) == 1
