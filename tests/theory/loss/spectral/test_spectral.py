from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
)
from tegum.theory.loss import ArrayEngine
from tegum.theory.numerics import FloatArray
from tests.support.internals import internals
from tests.support.laws import composed_examples, independent
from tests.support.monte_carlo import sampled_loss
from tests.support.oracles import oracle
from tests.support.tolerances import DIFFERENCE_STEP, SIGMAS, assert_bounded, entry_scale, loss_scale, tolerance

# Behind the face: one engine by itself.
SpectralLoss = internals("loss.spectral.engine").SpectralLoss
# Behind the face: expectations by themselves.
SignedSums = internals("loss.signed_sums").SignedSums
# Behind the face: an integrand by itself.
positive_part = internals("loss.penalties").positive_part
# Enough for every case here that doesn't say otherwise.
MANY_NODES = 1 << 14


def random_point(n: int, m: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)) / np.sqrt(m), 0.3 * rng.normal(size=n)


def unit_point(n: int, m: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return columns of length one and small biases, as in trained models."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(m, n))
    return W / np.linalg.norm(W, axis=0), 0.1 * rng.normal(size=n) - 0.05


def degenerate_points() -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return points with zeros, ties and tiny entries, for four features and two hidden dimensions."""
    W, b = random_point(4, 2, seed=3)
    zero_columns, ties, tiny_columns = W.copy(), W.copy(), W.copy()
    zero_columns[:, ::2] = 0
    ties[:, 1], ties[:, 2] = ties[:, 0], -ties[:, 0]
    tiny_columns[:, 1::2] *= 1e-12
    digon = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.7, 0.4]])
    corner = np.zeros(4)
    corner[0] = -(ties[:, 0] @ ties[:, 0])
    points = {
        "zero weights": (0 * W, b),
        "zero columns, no bias": (zero_columns, 0 * b),
        "ties": (ties, b),
        "ties, offset on a corner": (ties, corner),
        "tiny columns": (tiny_columns, b),
        "digon, no bias": (digon, 0 * b),
        "all off": (W, b - 50),
        "all on": (W, b + 50),
    }
    return points | {f"noisy digon {e:g}": (digon + e * W, np.full(4, e)) for e in (1e-12, 1e-8, 1e-6, 1e-4, 1e-2)}


DEGENERATE = degenerate_points()


def enumerated(model: ToyModel, W: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each output's loss, shape (n,), and its derivatives in (G_i·, b_i), shape (n, n + 1), by enumeration."""
    found: Any = ArrayEngine(model).outputs(W, b, 1)
    return found.value, found.first.T


def enumerated_sizes(model: ToyModel, W: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return E|h|, shape (m,), and its derivatives in W, shape (m, n), over all patterns."""
    sums = SignedSums(model.features, model.n_features, np.zeros(()))
    m = len(W)
    slopes = np.concatenate([W, -W]).T[..., None]
    plan = sums.plan(slopes, [None] * (2 * m))
    value, first, _ = sums.evaluate(plan, slopes, np.zeros((2 * m, 1)), positive_part, 1, ())
    first = first[:-1, :, 0].T
    return value[:m, 0] + value[m:, 0], first[:m] - first[m:]


def loss_and_gradient(spectral: Any, W: FloatArray, b: FloatArray) -> tuple[float, FloatArray]:
    """Return the loss of a single model, and its gradient in (W, b), from its outputs."""
    value, slopes, *_ = spectral.outputs(W, b)
    importance = spectral.model.importances()
    slopes = importance[:, None] * slopes
    d_gram = slopes[:, :-1]
    return float(importance @ value), np.concatenate([(W @ (d_gram + d_gram.T)).ravel(), slopes[:, -1]])


def check_against_enumeration(model: ToyModel, W: FloatArray, b: FloatArray, slope_bar: float) -> None:
    """Hold value, slopes and estimates against the sum over all activity patterns."""
    spectral = SpectralLoss(model, max_nodes=MANY_NODES)
    value, slopes, error, slope_error, _ = spectral.outputs(W, b)
    exact, first = enumerated(model, W, b)
    second_moment = float(model.features.amplitude.second_moment)
    scale = float(model.densities().sum() * second_moment + exact.sum())
    assert np.abs(value - exact).max() <= tolerance("spectral") * scale
    assert np.abs(slopes - first).max() <= slope_bar * entry_scale(first)
    assert (np.abs(value - exact) <= error).all()
    assert (np.abs(slopes - first).max(axis=-1) <= slope_error).all()
    alone = spectral.output_losses(W, b)
    assert np.abs(alone - exact).max() <= tolerance("spectral") * scale


@pytest.mark.parametrize("density", [1e-3, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (3, 2)])
def test_fifty_digits(n: int, m: int, density: float) -> None:
    model = independent(n, m, density, np.linspace(1.0, 0.5, n))
    W, b = random_point(n, m, seed=n)
    exact = oracle(model, W, b, order=1)
    loss, gradient = loss_and_gradient(SpectralLoss(model), W, b)
    assert loss == pytest.approx(exact.loss, abs=tolerance("spectral") * loss_scale(model, exact.loss), rel=0)
    assert np.abs(gradient - exact.gradient).max() <= tolerance("spectral_slope") * entry_scale(exact.gradient)


@pytest.mark.parametrize("density", [1e-3, 0.5, 1.0])
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_points_to_fifty_digits(name: str, density: float) -> None:
    model = independent(4, 2, density)
    W, b = DEGENERATE[name]
    exact = oracle(model, W, b, order=1)
    loss, gradient = loss_and_gradient(SpectralLoss(model, max_nodes=MANY_NODES), W, b)
    assert loss == pytest.approx(exact.loss, abs=tolerance("spectral") * loss_scale(model, exact.loss), rel=0)
    assert np.abs(gradient - exact.gradient).max() <= tolerance("spectral_slope") * entry_scale(exact.gradient)


AMPLITUDES = {
    "uniform": "uniform",
    "symmetric": "symmetric",
    "constant": "constant",
    "narrow": Amplitude(0.9, 1.1),
    "wide": Amplitude(-0.5, 2.0),
}


def _composed(name: str, amplitude: Any) -> FeatureLaw:
    return composed_examples(5, amplitude)[name]


LAWS: dict[str, Any] = {
    "independent": lambda amplitude: IndependentFeatures([0.1, 0.5, 0.9, 1.0, 0.3], amplitude=amplitude),
    "correlated": lambda amplitude: CorrelatedFeatures(0.3, [(0, 1, 4)], amplitude=amplitude),
    "always on": lambda amplitude: CorrelatedFeatures([1, 1, 0.2, 0.3, 0.3], [(0, 1), (3, 4)], amplitude=amplitude),
    "anticorrelated": lambda amplitude: AnticorrelatedFeatures(0.25, [(0, 1), (2, 3, 4)], amplitude=amplitude),
    "one hot": lambda amplitude: OneHotFeatures(amplitude=amplitude),
    "two hot": lambda amplitude: KHotFeatures(2, amplitude=amplitude),
    "table": lambda amplitude: TableFeatures({(0, 1, 4): 0.25, (2,): 0.5, (1, 3): 0.25}, amplitude=amplitude),
    **{name: partial(_composed, name) for name in ("blocks", "mixture", "hierarchy")},
    "one of a group": lambda amplitude: AnticorrelatedFeatures(0.25, [(0, 1, 2, 3)], amplitude=amplitude),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("amplitude", AMPLITUDES)
def test_laws_and_amplitudes_against_enumeration(law: str, amplitude: str) -> None:
    features: FeatureLaw = LAWS[law](AMPLITUDES[amplitude])
    model = ToyModel(5, 3, features)
    check_against_enumeration(model, *random_point(5, 3, seed=5), tolerance("spectral_slope"))
    # A digon with spectators, which share groups with what interacts.
    W = np.zeros((3, 5))
    W[0, 2], W[0, 4], W[1, 0], W[1, 3] = 1, -1, 0.8, 0.3
    check_against_enumeration(model, W, np.zeros(5), tolerance("spectral_slope"))


@pytest.mark.parametrize("amplitude", ["uniform", "constant"])
def test_an_output_that_is_hardly_ever_on(amplitude: str) -> None:
    model = ToyModel(4, 2, CorrelatedFeatures(0.3, [(1, 2, 3)], amplitude=amplitude))
    # Transforms of the other features underflow on the line of the first one.
    W = np.array([[0.1, -50.0, -40.0, -30.0], [0.0, 1.0, 2.0, 3.0]])
    check_against_enumeration(model, W, np.full(4, -1e-3), tolerance("spectral_slope"))


@pytest.mark.parametrize("density", [1e-3, 0.1, 0.6])
def test_eight_features_against_enumeration(density: float) -> None:
    model = independent(8, 4, density)
    check_against_enumeration(model, *random_point(8, 4, seed=8), tolerance("spectral_slope"))


@pytest.mark.parametrize("law", LAWS)
def test_hidden_units_against_enumeration(law: str) -> None:
    model = ToyModel(5, 3, LAWS[law]("uniform"))
    W, _ = random_point(5, 3, seed=6)
    W[:, 1], W[0] = 0, [1, 0, -1, 0, 0.5]
    W[2] = np.abs(W[2])
    value, slopes, *_ = SpectralLoss(model).activations(W)
    exact, first = enumerated_sizes(model, W)
    assert value == pytest.approx(exact, abs=tolerance("spectral"))
    assert np.abs(slopes - first).max() <= tolerance("spectral_slope")


def test_hidden_units_that_are_off_have_no_sign() -> None:
    model = independent(3, 2, 0.25)
    value, slopes, *_ = SpectralLoss(model).activations(np.array([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]))
    assert value == pytest.approx([0, 0.125])
    # While feature 0 is off the unit is zero, and its sign counts as 0.
    assert slopes == pytest.approx(np.array([[0, 0, 0], [-0.125, -0.25 * 0.125, -0.25 * 0.125]]))


def test_error_estimates_are_honest() -> None:
    amplitudes = ("uniform", "symmetric", Amplitude(0.5, 1.0), Amplitude(-0.2, 1.0))
    rng = np.random.default_rng(11)
    for density, amplitude, bar in itertools.product((1e-3, 0.1, 0.6, 1.0), amplitudes, (1e-6, 1e-9)):
        n = int(rng.integers(2, 7))
        W, b = random_point(n, max(n - 1, 1), seed=int(rng.integers(1 << 30)))
        W = W * 10.0 ** rng.uniform(-6, 0, size=n)
        model = ToyModel(n, len(W), IndependentFeatures(density, amplitude=amplitude))
        exact, first = enumerated(model, W, b)
        spectral = SpectralLoss(model, tolerance=bar, max_nodes=MANY_NODES)
        value, slopes, error, slope_error, _ = spectral.outputs(W, b)
        assert (np.abs(value - exact) <= error).all()
        assert (np.abs(slopes - first).max(axis=-1) <= slope_error).all()


@pytest.mark.parametrize("density", [1e-3, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "narrow", "wide"])
def test_proved_errors_are_bounds(amplitude: str, density: float) -> None:
    rng = np.random.default_rng([len(amplitude), int(1000 * density)])
    for bar in (1e-3, 1e-6, 1e-10):
        n = int(rng.integers(2, 7))
        W, b = random_point(n, max(n - 1, 1), seed=int(rng.integers(1 << 30)))
        for columns in (1.0, 10.0 ** rng.uniform(-6, 0, size=n)):
            model = ToyModel(n, len(W), IndependentFeatures(density, amplitude=AMPLITUDES[amplitude]))
            exact, _ = enumerated(model, W * columns, b)
            proved = SpectralLoss(model, tolerance=bar, max_nodes=MANY_NODES, proved=True)
            found = proved.outputs(W * columns, b, slopes=False)
            assert_bounded(found.value, exact, found.error)


def test_a_proof_takes_more_nodes_than_an_estimate() -> None:
    model = independent(12, 3, 0.1)
    W, b = unit_point(12, 3)
    estimated, proved = (
        SpectralLoss(model, tolerance=1e-8, proved=proved).outputs(W, b, slopes=False) for proved in (False, True)
    )
    assert estimated.nodes.sum() < proved.nodes.sum()
    assert (np.abs(estimated.value - proved.value) <= estimated.error + proved.error).all()
    assert (proved.error <= 1.1e-8 * 0.1 / 3).all()


@pytest.mark.parametrize("law", ["correlated", "anticorrelated"])
def test_errors_that_cannot_be_proved_are_refused(law: str) -> None:
    for features in (LAWS[law]("uniform"), IndependentFeatures(0.1, amplitude="constant")):
        with pytest.raises(ValueError, match="independent features that share one amplitude"):
            SpectralLoss(ToyModel(5, 3, features), proved=True)


@pytest.mark.parametrize("b", [-1.0, 5.0])
def test_outputs_off_and_on_throughout_have_the_error_of_rounding(b: float) -> None:
    model = independent(3, 2, 0.3)
    W = np.array([[0.3, 0.1, 0.2], [0.1, 0.4, 0.05]])
    exact = oracle(model, W, np.full(3, b)).loss
    found = SpectralLoss(model).outputs(W, np.full(3, b))
    assert (found.nodes == 0).all()
    assert (found.error > 0).all()
    assert_bounded(found.value.sum(), exact, found.error.sum())
    assert found.error.max() < tolerance("loss") * (1 + b * b)


def test_tighter_tolerances_take_more_nodes() -> None:
    model = independent(12, 3, 0.1)
    W, b = unit_point(12, 3)
    nodes, losses = [], []
    for bar in (1e-5, 1e-7, 1e-9):
        found = SpectralLoss(model, tolerance=bar).outputs(W, b)
        losses.append(found.value.sum())
        nodes.append(int(found.nodes.sum()))
    assert nodes[0] < nodes[1] < nodes[2]
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[1] == pytest.approx(losses[2], rel=1e-7)


def test_too_few_nodes_are_admitted() -> None:
    model = independent(8, 4, 0.1)
    W, b = unit_point(8, 4)
    spectral = SpectralLoss(model, tolerance=1e-12, max_nodes=128)
    found = spectral.outputs(W, b, slopes=False)
    exact, _ = enumerated(model, W, b)
    assert found.error.max() > 1e-12
    assert (np.abs(found.value - exact) <= found.error).all()


def test_ten_digons_cost_ten_digons() -> None:
    pair, bias = np.array([[1.02, -0.98]]), np.array([0.01, 0.02])
    one, first = enumerated(independent(2, 1, 0.1), pair, bias)
    ten = SpectralLoss(independent(20, 10, 0.1))
    W, b = np.kron(np.eye(10), pair), np.tile(bias, 10)
    value, slopes, *_ = ten.outputs(W, b)
    assert value == pytest.approx(np.tile(one, 10), abs=tolerance("spectral"))
    for d in range(10):
        mine = slice(2 * d, 2 * d + 2)
        assert slopes[mine, mine] == pytest.approx(first[:, :2], abs=tolerance("spectral_slope"))
        assert slopes[mine, -1] == pytest.approx(first[:, 2], abs=tolerance("spectral_slope"))


def test_always_on_is_a_polynomial() -> None:
    n, m = 40, 5
    model = independent(n, m, 0.3)
    W, b = unit_point(n, m)
    b = b + 100
    spectral = SpectralLoss(model)
    x = np.eye(n) * (0.1 - 0.15**2) + 0.15**2
    G = W.T @ W
    square = np.einsum("ij,jk,ik->i", G, x, G) + 2 * b * G.sum(axis=-1) * 0.15 + b**2
    mixed = np.diag(G @ x) + 0.15 * b
    found = spectral.outputs(W, b, slopes=False)
    assert found.value == pytest.approx(square - 2 * mixed + 0.1, rel=tolerance("law"))
    assert found.nodes.max() == 0


@pytest.mark.parametrize("density", [0.02, 0.4])
def test_slopes_are_differences(density: float) -> None:
    n, m = 30, 6
    model = independent(n, m, density)
    W, b = unit_point(n, m)
    spectral = SpectralLoss(model)
    _, gradient = loss_and_gradient(spectral, W, b)
    rng = np.random.default_rng(1)
    for _ in range(3):
        dW, db = rng.normal(size=W.shape), rng.normal(size=n)
        ends = [spectral.output_losses(W + h * dW, b + h * db).sum() for h in (DIFFERENCE_STEP, -DIFFERENCE_STEP)]
        slope = (ends[0] - ends[1]) / (2 * DIFFERENCE_STEP)
        assert slope == pytest.approx(float(gradient @ np.concatenate([dW.ravel(), db])), abs=tolerance("difference"))


def test_batches_are_single_models() -> None:
    density, importance = np.array([[0.05], [0.5], [1.0]]), 1.0
    model = ToyModel(6, 2, IndependentFeatures(density), importance)
    points = [random_point(6, 2, seed) for seed in range(3)]
    W, b = np.stack([W for W, _ in points]), np.stack([b for _, b in points])
    value, slopes, *_ = SpectralLoss(model).outputs(W, b)
    hidden = SpectralLoss(model).activations(W).value
    assert value.shape == (3, 6)
    assert slopes.shape == (3, 6, 7)
    for k in range(3):
        single = SpectralLoss(independent(6, 2, density[k, 0]))
        v, s, *_ = single.outputs(W[k], b[k])
        assert value[k] == pytest.approx(v, abs=tolerance("law"))
        assert slopes[k] == pytest.approx(s, abs=tolerance("law"))
        assert hidden[k] == pytest.approx(single.activations(W[k]).value, abs=tolerance("law"))


def test_one_output_is_one_of_all() -> None:
    model = ToyModel(7, 3, IndependentFeatures(0.2))
    W, b = random_point(7, 3)
    spectral = SpectralLoss(model)
    outputs, slopes, errors, *_ = spectral.outputs(W, b)
    for i in (0, 4):
        one = spectral.output(i, (W.T @ W)[i], float(b[i]))
        assert one.value == pytest.approx(outputs[[i]], abs=1e-15)
        assert one.slopes == pytest.approx(slopes[[i]], abs=1e-15)
        assert one.error == pytest.approx(errors[[i]])


def test_torch_tensors_come_back() -> None:
    model = independent(6, 2, 0.2)
    W, b = random_point(6, 2)
    value, slopes, *_ = SpectralLoss(model).outputs(W, b)
    given = torch.tensor(W), torch.tensor(b)
    same, rows, *_ = SpectralLoss(model, given[0]).outputs(*given)
    assert isinstance(same, torch.Tensor)
    assert same.numpy() == pytest.approx(value, abs=tolerance("law"))
    assert rows.numpy() == pytest.approx(slopes, abs=tolerance("law"))


@pytest.mark.parametrize("density", [0.01, 0.3])
def test_four_hundred_features(density: float) -> None:
    n, m = 400, 30
    model = independent(n, m, density)
    W, b = unit_point(n, m)
    losses = [float(SpectralLoss(model, tolerance=bar).output_losses(W, b).sum()) for bar in (1e-4, 1e-6)]
    assert losses[0] == pytest.approx(losses[1], abs=tolerance("spectral") * loss_scale(model, losses[1]))
    estimate = sampled_loss(model, W, b, target=1e-3 * losses[1], budget=1 << 15)
    assert abs(estimate.mean - losses[1]) <= SIGMAS * estimate.standard_error


def test_misuse() -> None:
    model = independent(3, 2)
    with pytest.raises(ValueError, match=r"independent blocks .* at most 4096 .* got KHotFeatures .* of 40 features"):
        SpectralLoss(ToyModel(40, 2, KHotFeatures(4)))
    for wrong in (0.0, -1e-9, np.nan):
        with pytest.raises(ValueError, match="tolerance must be finite and positive"):
            SpectralLoss(model, tolerance=wrong)
    with pytest.raises(ValueError, match="max_nodes must be an integer of at least 128, got 64"):
        SpectralLoss(model, max_nodes=64)
