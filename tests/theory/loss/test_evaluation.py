"""Every engine of the loss follows one protocol, and says how far its loss may be off."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from tegum.theory import ExactLoss, IndependentFeatures, KHotFeatures, OneHotFeatures, TableFeatures, ToyModel
from tegum.theory.loss import ArrayEngine, CompiledEngine, Engine, SpectralEngine, engine_for
from tegum.theory.numerics import FloatArray
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.oracles import oracle
from tests.support.tolerances import tolerance

# Behind the face: one engine by itself.
AdaptiveEngine = internals("loss.adaptive").AdaptiveEngine
ENGINES: dict[str, Any] = {
    "arrays": ArrayEngine,
    "compiled": CompiledEngine,
    "spectral": SpectralEngine,
    "adaptive": AdaptiveEngine,
}
# Evaluations of each of two threads that share an engine.
TURNS = 20


def random_point(*shape: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return weights of shape (..., m, n) and biases."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) / np.sqrt(shape[-2]), 0.3 * rng.normal(size=(*shape[:-2], shape[-1]))


@pytest.mark.parametrize("name", ENGINES)
def test_an_evaluation_holds_what_was_asked_for(name: str) -> None:
    model = ToyModel(3, 2, IndependentFeatures([[0.2], [0.7]]), [1.0, 0.5, 2.0], 0.1, 0.05, 0.3)
    W, b = random_point(5, 1, 2, 3)
    engine: Engine = ENGINES[name](model)
    for order in (0, 1) if name == "spectral" else (0, 1, 2):
        found = engine.evaluate(W, b, order, outputs=True)
        assert engine.evaluate(W, b, order).output_losses is None
        assert (found.loss.shape, found.error.shape, found.output_losses.shape) == ((5, 2), (5, 2), (5, 2, 3))
        assert [None if a is None else a.shape for a in (found.d_weights, found.d_bias, found.hessian)] == [
            (5, 2, 2, 3) if order else None,
            (5, 2, 3) if order else None,
            (5, 2, 9, 9) if order > 1 else None,
        ]
        exact = CompiledEngine(model).evaluate(W, b, 0)
        assert (np.abs(found.loss - exact.loss) <= found.error + exact.error).all()


@pytest.mark.parametrize("density", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("name", ENGINES)
def test_the_error_covers_the_distance_to_fifty_digits(name: str, density: float) -> None:
    model = independent(3, 2, density, (1.0, 0.5, 2.0))
    W, b = random_point(2, 3, seed=int(100 * density))
    found = ENGINES[name](model).evaluate(W, b, 1)
    assert abs(found.loss - oracle(model, W, b, order=0).loss) <= found.error
    assert found.error <= tolerance("spectral" if name == "spectral" else "loss") * (4 * density + found.loss)


def test_single_precision_has_an_error_of_its_own() -> None:
    model, (W, b) = independent(3, 2, 0.3), random_point(2, 3)
    given = torch.tensor(W, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)
    exact = ExactLoss(model).loss(*(array.double().numpy() for array in given))
    for engine in (ArrayEngine(model, given[0]), SpectralEngine(model, given[0])):
        found = engine.evaluate(*given, 0)
        assert found.error.dtype == torch.float32
        # Every rounding counts at its worst.
        assert abs(float(found.loss) - exact) <= float(found.error) <= 10 * tolerance("loss", "float32")


def test_fewer_nodes_leave_a_larger_error_which_is_admitted() -> None:
    model, (W, b) = independent(8, 4, 0.1), random_point(4, 8)
    exact = float(ExactLoss(model).loss(W, b))
    few, many = (SpectralEngine(model, tolerance=1e-12, max_nodes=k).evaluate(W, b, 0) for k in (128, 1 << 14))
    assert float(many.error) < 1e-10 < float(few.error)
    assert abs(float(few.loss) - exact) <= float(few.error)


def test_importances_and_hidden_units_count_in_the_error() -> None:
    W, b = random_point(4, 8)
    law = IndependentFeatures(0.1)
    plain, dear = (
        SpectralEngine(ToyModel(8, 4, law, importance), max_nodes=128).evaluate(W, b, 0) for importance in (1, 100)
    )
    assert float(dear.error) == pytest.approx(100 * float(plain.error))
    with_units = SpectralEngine(ToyModel(8, 4, law, 1, activation_penalty=10.0), max_nodes=128).evaluate(W, b, 0)
    assert with_units.error > plain.error


def test_threads_that_share_an_engine_get_their_own_errors() -> None:
    engine = SpectralEngine(independent(8, 4, 0.1), max_nodes=256)
    points = [random_point(4, 8, seed=1), (np.zeros((4, 8)), np.full(8, 0.1))]
    alone = [engine.evaluate(*point, 0) for point in points]
    assert alone[0].error > 1e-12 > alone[1].error
    together, begin = threading.Barrier(2), [list[Any](), list[Any]()]

    def evaluate(own: int) -> None:
        for _ in range(TURNS):
            together.wait(60)
            begin[own].append(engine.evaluate(*points[own], 0))

    workers = [threading.Thread(target=evaluate, args=(own,)) for own in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for own in (0, 1):
        assert len(begin[own]) == TURNS
        assert all(found.error == alone[own].error and found.loss == alone[own].loss for found in begin[own])


def test_where_too_many_features_interact_transforms_are_inverted() -> None:
    model = ToyModel(12, 6, IndependentFeatures(0.1), activation_penalty=0.1)
    engine = engine_for(model)
    assert isinstance(engine, AdaptiveEngine)
    dense, b = random_point(6, 12)
    pairs = np.kron(np.eye(6), [[1.0, -0.9]])
    for W, by in ((dense, SpectralEngine), (pairs, ArrayEngine)):
        found, expected = engine.evaluate(W, b, 1), by(model).evaluate(W, b, 1)
        assert (found.loss, found.error) == (expected.loss, expected.error)
        assert found.d_weights.tobytes() == expected.d_weights.tobytes()
    with pytest.raises(ValueError, match=r"the Hessian is exact enumeration's.*got n_features=12 with more"):
        engine.evaluate(dense, b, 2)
    assert engine.evaluate(pairs, b, 2).hessian.shape == (84, 84)


def test_laws_that_have_no_blocks_are_enumerated_while_they_can_be() -> None:
    W, b = random_point(2, 12)
    assert np.isfinite(engine_for(ToyModel(12, 2, OneHotFeatures())).evaluate(W, b, 0).loss)
    # A block of few patterns, all features of which interact.
    table = TableFeatures({tuple(range(12)): 0.5, (): 0.5})
    alone = engine_for(ToyModel(12, 2, IndependentFeatures(1.0))).evaluate(W, b, 0)
    found = engine_for(ToyModel(12, 2, table)).evaluate(W, b, 0)
    expected = (float(alone.loss) + float((np.maximum(b, 0) ** 2).sum())) / 2
    assert abs(float(found.loss) - expected) <= float(found.error + alone.error) + tolerance("rounding")
    with pytest.raises(ValueError, match="spectral evaluation needs independent blocks"):
        engine_for(ToyModel(40, 2, KHotFeatures(4))).evaluate(*random_point(2, 40), 0)


def test_the_engine_follows_from_model_arrays_and_method() -> None:
    few, many = independent(6, 2), independent(9, 2)
    assert isinstance(engine_for(few), CompiledEngine)
    assert isinstance(engine_for(few, torch.zeros((), dtype=torch.float64), "enumeration"), CompiledEngine)
    assert isinstance(engine_for(few, torch.zeros(()), "enumeration"), ArrayEngine)
    assert isinstance(engine_for(few, torch.zeros(())), AdaptiveEngine)
    assert isinstance(engine_for(many, method="enumeration"), ArrayEngine)
    assert isinstance(engine_for(many), AdaptiveEngine)
    assert isinstance(engine_for(few, method="spectral"), SpectralEngine)
    with pytest.raises(ValueError, match="method must be one of auto, enumeration, spectral, got 'fast'"):
        engine_for(few, method="fast")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ENGINES)
def test_a_part_of_a_batch_is_the_batch_there(name: str) -> None:
    model = ToyModel(
        3, 2, IndependentFeatures(np.linspace(0.1, 0.9, 4)[:, None]), activation_penalty=[0, 0.1, 0.2, 0.3]
    )
    W, b = random_point(4, 2, 3)
    whole = ENGINES[name](model)
    part = whole.take([2, 0])
    assert part.model.batch_shape == (2,)
    found, expected = part.evaluate(W[[2, 0]], b[[2, 0]], 1), whole.evaluate(W, b, 1)
    assert found.loss == pytest.approx(expected.loss[[2, 0]], abs=tolerance("rounding"))
    assert found.d_weights == pytest.approx(expected.d_weights[[2, 0]], abs=tolerance("rounding"))
    assert found.error == pytest.approx(expected.error[[2, 0]], rel=1e-6)
