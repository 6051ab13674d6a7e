from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    ExactLoss,
    IndependentFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
    global_minimum,
    loss_gradient,
    loss_hessian,
)
from tegum.theory.numerics import FloatArray
from tests.support.cases import draw_case
from tests.support.engines import ENGINES, packed, tensors
from tests.support.laws import AMPLITUDES, LAWS, PENALTIES, densities, independent
from tests.support.oracles import ORACLE_DIGITS, corner_outputs, oracle
from tests.support.tolerances import (
    DIFFERENCE_STEP,
    assert_entries_close,
    assert_same_loss,
    entry_scale,
    half_unit,
    loss_scale,
    tolerance,
)


@dataclass(frozen=True)
class Case:
    """A model and a point at which its loss is evaluated."""

    model: ToyModel
    weights: FloatArray
    bias: FloatArray


def case(weights: Any, bias: Any, density: Any = 0.3, importance: Any = 1.0) -> Case:
    W, b = np.atleast_2d(np.array(weights, dtype=float)), np.array(bias, dtype=float)
    return Case(independent(W.shape[1], W.shape[0], density, importance), W, b)


def random_case(n: int, m: int, seed: int) -> Case:
    rng = np.random.default_rng([n, m, seed])
    density, importance = rng.uniform(0.01, 1, n), rng.uniform(0.1, 10, n)
    return case(rng.normal(size=(m, n)), rng.normal(size=n) / 3, density, importance)


RANDOM = {
    f"random {n} features, {m} hidden, {seed}": random_case(n, m, seed)
    for n, m in ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 2))
    for seed in range(2)
}

# Places where the closed form loses digits but the loss and its derivatives are smooth or have smooth limits.
ADVERSARIAL = {
    "zero column": case([1, 0], [0.1, 0.2]),
    "two zero columns": case([0, 0, 1], [0.2, 0.1, 0.05]),
    "all zero, on": case([[0, 0, 0], [0, 0, 0]], [0.2, 0.1, 0.3]),
    "all zero, off": case([0, 0], [-0.2, -0.1]),
    "tie": case([0.8, 0.8], [-0.1, 0.1]),
    "three ties": case([0.7, 0.7, 0.7], [-0.1, 0.05, 0.1]),
    "opposite": case([0.8, -0.8], [0.1, -0.05]),
    "two against one": case([0.8, -0.8, 0.8], [0.1, -0.05, 0.02]),
    "orthogonal": case(np.eye(3), [0.1, -0.1, 0.2]),
    "equilateral": case([[1, -0.5, -0.5], [0, 0.75**0.5, -(0.75**0.5)]], [0.01, -0.02, 0.03]),
    "1e-12 entry": case([1, 1e-12], [0.1, 0.2]),
    "1e-12 entry, bias of its size": case([1, 1e-12], [1e-13, -3e-13]),
    "1e-12 entry, opposite, bias of its size": case([-1, 1e-12], [0.1, 3e-13]),
    "1e-12 columns": case([[1, 1e-12, -1e-12], [1e-12, 1, 0.5]], [0.1, -0.2, 0.3]),
    "1e-12 everywhere": case([[1e-12, -1e-12, 1e-12]], [0.1, 0.2, -0.1]),
    "1e-6 weights, biases of their overlap": case([1e-6, -1e-6], [3e-13, -3e-13]),
    "1e-300 entry": case([1, -1e-300], [0.1, 0.2]),
    "1e-300 bias": case([1, -0.5], [1e-300, -1e-300]),
    "weights of 1e3": case([[1e3, -1e3, 0.5], [1e3, 1, -1e3]], [0.1, -10, 1e3]),
    "one weight of 1e3": case([1e3, 1e-3], [0.1, 0.2]),
    "almost a tie": case([1, 1 + 2**-40], [-0.3, 0.1]),
    "almost cancelling": case([[1, -1 + 2**-40], [1e-7, 1e-7]], [0.1, -0.2]),
    "full density": case([1, -0.6], [0.1, -0.1], density=1.0),
    "rare": case([1, -0.6, 0.3], [0.1, -0.1, 0.2], density=1e-9),
    "densities far apart": case([1, -0.6, 0.3], [0.1, -0.1, 0.2], density=(1e-12, 0.5, 1.0)),
    "importances far apart": case([1, -0.6], [0.1, -0.1], importance=(1e-9, 1e9)),
}

# Biases at corners of the input cube: the Hessian may jump there, loss and gradient don't.
KINKED = {
    "no bias, antipodal": case([1, -1], [0, 0]),
    "no bias, triangle": case([[1, -0.5, -0.5], [0, 0.75, -0.75]], [0, 0, 0]),
    "own overlap switches off": case([1, -1], [-1, -1]),
    "one overlap": case([1, 0.5], [-0.5, -0.25]),
    "sum of overlaps": case([1, 0.5], [-1.5, -0.75]),
    "sums of three": case([[1, 0.5, -0.25], [0, 0.5, 1]], [-1.25, -0.625, -1.6875]),
    "off by the last bit": case([1, -1], [-1 + 2**-53, -1 - 2**-52]),
    "dropped and no bias": case([1, -1e-12], [0, 0]),
}
CASES = RANDOM | ADVERSARIAL | KINKED
SMOOTH = RANDOM | ADVERSARIAL


def packed_gradient(model: ToyModel, weights: Any, bias: Any) -> FloatArray:
    d_weights, d_bias = loss_gradient(model, weights, bias)
    return np.concatenate([np.asarray(d_weights).ravel(), np.asarray(d_bias)])


# --- The oracle itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random 2 features, 1 hidden, 0", "random 3 features, 2 hidden, 1", "1e-12 entry"])
def test_the_oracles_derivatives_are_those_of_its_loss(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    # Rounded so that the steps are exact in float64.
    theta = np.round(np.concatenate([weights.ravel(), bias]) * 2**12) / 2**12
    step = 2.0**-30
    cut = weights.size

    def at(*moves: tuple[int, int]) -> Any:
        moved = theta.copy()
        for place, times in moves:
            moved[place] += times * step
        return oracle(model, moved[:cut].reshape(weights.shape), moved[cut:]).digits

    expected = oracle(model, theta[:cut].reshape(weights.shape), theta[cut:], order=2)
    bar = tolerance("oracle") * entry_scale(expected.hessian)
    with mpmath.workdps(ORACLE_DIGITS):
        for p in range(len(theta)):
            assert abs((at((p, 1)) - at((p, -1))) / (2 * step) - expected.gradient[p]) < bar
            for q in range(p + 1):
                mixed = at((p, 1), (q, 1)) - at((p, 1), (q, -1)) - at((p, -1), (q, 1)) + at((p, -1), (q, -1))
                assert abs(mixed / (4 * step**2) - expected.hessian[p, q]) < bar


def test_the_oracle_gives_a_loss_done_by_hand() -> None:
    # One feature stored with weight 1 and no bias is reproduced exactly; unstored, it costs E[x²] − b(2E[x] − b).
    assert abs(oracle(independent(1, 1, 0.25), [[1.0]], [0.0]).digits) < tolerance("oracle", "mpf")
    np.testing.assert_allclose(
        oracle(independent(1, 1, 0.25), [[0.0]], [0.125]).loss, 0.25 / 3 - 0.125**2, rtol=tolerance("rounding")
    )


# --- Accuracy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_loss_against_the_50_digit_oracle(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    expected = oracle(model, weights, bias).loss
    assert abs(expected_loss(model, weights, bias) - expected) <= tolerance("loss") * loss_scale(model, expected)


@pytest.mark.parametrize("name", CASES)
def test_gradient_against_the_50_digit_oracle(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    expected = oracle(model, weights, bias, order=1).gradient
    assert_entries_close(packed_gradient(model, weights, bias), expected, "gradient")


@pytest.mark.parametrize("name", SMOOTH)
def test_hessian_against_the_50_digit_oracle(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    assert corner_outputs(weights, bias).all(), "the case lies on a kink"
    expected = oracle(model, weights, bias, order=2).hessian
    assert_entries_close(loss_hessian(model, weights, bias), expected, "hessian")


@pytest.mark.parametrize("name", SMOOTH)
def test_hessian_is_symmetric(name: str) -> None:
    hessian = loss_hessian(CASES[name].model, CASES[name].weights, CASES[name].bias)
    np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=tolerance("rounding") * entry_scale(hessian))


def test_gradient_of_an_output_at_rest_on_zero_takes_the_off_side() -> None:
    model = independent(2, 1, 0.3)
    # The unstored output contributes nothing while it is off, whatever its bias.
    off = oracle(model, [[1, 0]], [0.1, -1.0], order=2)
    assert_entries_close(packed_gradient(model, [[1, 0]], [0.1, 0.0]), off.gradient, "gradient")
    assert_entries_close(loss_hessian(model, [[1, 0]], [0.1, 0.0]), off.hessian, "hessian")


ANYTHING = [
    pytest.param(law, amplitude, penalty, id=f"{law}, {amplitude}, {penalty}")
    for k, law in enumerate(LAWS)
    for j, amplitude in enumerate(AMPLITUDES)
    for i, penalty in enumerate(PENALTIES)
    # A Latin square: every pair of a law, an amplitude and a penalty.
    if (i + j + k) % len(PENALTIES) == 0
]


@pytest.mark.parametrize(("law", "amplitude", "penalty"), ANYTHING)
def test_every_law_amplitude_and_penalty_against_the_50_digit_oracle(law: str, amplitude: str, penalty: str) -> None:
    drawn = draw_case(len(law), law=law, amplitude=amplitude, penalty=penalty, points="random", max_features=3)
    model, weights, bias = drawn.model, drawn.weights, drawn.bias
    expected = oracle(model, weights, bias, order=2)
    assert_same_loss(model, float(expected_loss(model, weights, bias)), expected.loss, "loss")
    assert_entries_close(packed_gradient(model, weights, bias), expected.gradient, "gradient")
    assert_entries_close(loss_hessian(model, weights, bias), expected.hessian, "hessian")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("low", [-1, -0.5])
def test_amplitudes_that_end_at_zero_against_the_50_digit_oracle(low: float, engine: str) -> None:
    rng = np.random.default_rng(0)
    model = ToyModel(3, 2, IndependentFeatures(0.4, amplitude=Amplitude(low, 0)))
    weights, bias = rng.normal(size=(2, 3)), rng.normal(size=3) / 3
    loss, gradient, hessian = (getattr(ENGINES[engine], name) for name in ("loss", "gradient", "hessian"))
    expected = oracle(model, weights, bias, order=2)
    assert_same_loss(model, loss(model, weights, bias), expected.loss, "loss")
    assert_entries_close(gradient(model, weights, bias), expected.gradient, "gradient")
    assert_entries_close(hessian(model, weights, bias), expected.hessian, "hessian")


MANY = [(5, "independent"), (6, "independent"), (7, "k hot"), (7, "correlated"), (8, "anticorrelated"), (8, "table")]


@pytest.mark.parametrize("points", ["random", "zeros", "ties", "tiny", "corners", "dead"])
@pytest.mark.parametrize(("n", "law"), MANY, ids=[f"{n} features, {law}" for n, law in MANY])
def test_five_to_eight_features_against_the_50_digit_oracle(n: int, law: str, points: str) -> None:
    drawn = draw_case(n, law=law, amplitude="uniform", penalty="no penalty", points=points, features=n)
    model, weights, bias = drawn.model, drawn.weights, drawn.bias
    if law == "table":
        # Few patterns keep the oracle fast.
        model = ToyModel(n, model.n_hidden, TableFeatures({(0, 2, 3): 0.25, (1, 4, 5, 6): 0.5, (7,): 0.25}))
    expected = oracle(model, weights, bias).loss
    for engine in ENGINES.values():
        assert_same_loss(model, engine.loss(model, weights, bias), expected, "loss of many")


@pytest.mark.parametrize("law", ["independent", "anticorrelated"])
def test_derivatives_of_five_features_against_the_50_digit_oracle(law: str) -> None:
    rng = np.random.default_rng(5)
    density = [0.3, 0.2, 0.5, 0.4, 0.1]
    features = IndependentFeatures(density) if law == "independent" else AnticorrelatedFeatures(density, [(0, 1, 2)])
    model = ToyModel(5, 2, features, interference_penalty=0.1)
    weights, bias = rng.normal(size=(2, 5)), rng.normal(size=5) / 3
    weights[0, 1], weights[:, 4] = 0, 0
    bias[4] = 0.125
    expected = oracle(model, weights, bias, order=1)
    assert_entries_close(packed_gradient(model, weights, bias), expected.gradient, "gradient")
    engine = ENGINES["numpy"]
    assert engine.gradient is not None
    differences = []
    for place in range(15):
        shift = np.zeros(15)
        shift[place] = DIFFERENCE_STEP
        ends = [engine.gradient(model, weights + s[:10].reshape(2, 5), bias + s[10:]) for s in (shift, -shift)]
        differences.append((ends[0] - ends[1]) / (2 * DIFFERENCE_STEP))
    assert_entries_close(loss_hessian(model, weights, bias), np.array(differences), "difference")


# --- Published and hand-checked numbers --------------------------------------------------------------------------

DENSITIES = (0.01, 0.1, 0.5, 1.0)
RATIOS = (0.1, 1.0, 3.0)
# Losses printed with the paper for n = 2, m = 1: weights, biases by density, loss by density and relative importance.
Published = tuple[tuple[float, float], Callable[[float], tuple[float, float]], Callable[[float, float], float]]
PUBLISHED: dict[str, Published] = {
    "second dropped": ((1, 0), lambda p: (0, p / 2), lambda p, r: r * (p / 3 - p**2 / 4)),
    "first dropped": ((0, 1), lambda p: (p / 2, 0), lambda p, _: p / 3 - p**2 / 4),
    "antipodal": ((1, -1), lambda _: (0, 0), lambda p, r: (1 + r) * p**2 / 6),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("ratio", RATIOS)
def test_published_losses_of_two_features(name: str, density: float, ratio: float) -> None:
    weights, bias, loss = PUBLISHED[name]
    model = diagram_model(2, 1, density, ratio)
    found = expected_loss(model, [weights], bias(density))
    expected = loss(density, ratio)
    assert abs(found - expected) <= tolerance("loss") * loss_scale(model, expected)


def test_antipodal_weights_without_bias_are_no_critical_point() -> None:
    _, d_bias = loss_gradient(diagram_model(2, 1, 0.1, 1.0), [[1, -1]], [0, 0])
    np.testing.assert_allclose(d_bias, -(0.1**2) / 3, rtol=tolerance("gradient"))


def test_the_optimal_antipodal_pair_has_its_checked_weights_bias_and_loss() -> None:
    model = diagram_model(2, 1, 0.1, 1.0)

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        weights, bias = theta[None, :2], theta[2:]
        return float(expected_loss(model, weights, bias)), packed_gradient(model, weights, bias)

    end = minimize(objective, [1.0, -1.0, 0.0, 0.0], jac=True, method="BFGS", options={"gtol": tolerance("gradient")})
    np.testing.assert_allclose(end.x, [1.0058, -1.0058, 0.0012, 0.0012], rtol=0, atol=half_unit(4))
    np.testing.assert_allclose(end.fun, 0.0033194840, rtol=0, atol=half_unit(10))


# --- Arrays ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_torch_agrees_with_numpy(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    W, b = torch.from_numpy(weights), torch.from_numpy(bias)
    loss = expected_loss(model, weights, bias)
    found = expected_loss(model, W, b)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float64
    assert abs(float(found) - loss) <= tolerance("loss") * loss_scale(model, float(loss))
    assert_entries_close(packed_gradient(model, W, b), packed_gradient(model, weights, bias), "gradient")
    assert_entries_close(loss_hessian(model, W, b), loss_hessian(model, weights, bias), "hessian")


@pytest.mark.parametrize("name", SMOOTH)
def test_autograd_of_the_loss_is_the_gradient(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    W, b = (torch.from_numpy(a.copy()).requires_grad_() for a in (weights, bias))
    d_weights, d_bias = torch.autograd.grad(expected_loss(model, W, b), (W, b))
    found = np.concatenate([d_weights.numpy().ravel(), d_bias.numpy()])
    assert_entries_close(found, oracle(model, weights, bias, order=1).gradient, "gradient")


AUTOGRAD = [
    "random 2 features, 1 hidden, 0", "random 3 features, 2 hidden, 1", "zero column", "1e-12 entry", "opposite"
]  # fmt: skip


def with_penalties(name: str, **changes: Any) -> Case:
    return replace(CASES[name], model=replace(CASES[name].model, **changes))


# A hidden unit's size has a kink where weights are zero.
TWICE = [*((name, "no penalty") for name in AUTOGRAD), *((name, "all penalties") for name in AUTOGRAD[:2])]


@pytest.mark.parametrize(("name", "penalty"), TWICE)
def test_autograd_twice_is_the_hessian(name: str, penalty: str) -> None:
    made = with_penalties(name, **PENALTIES[penalty])
    W, b = tensors(made.weights, made.bias)
    cut = W.numel()

    def loss(theta: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = expected_loss(made.model, theta[:cut].reshape(W.shape), theta[cut:])
        return found

    theta = torch.cat([W.ravel(), b])
    by_torch = torch.autograd.functional.hessian(loss, theta)  # type: ignore[no-untyped-call]
    assert_entries_close(by_torch.numpy(), loss_hessian(made.model, made.weights, made.bias), "hessian")


# torch's forward mode loads what it calls deprecated itself.
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("name", AUTOGRAD[:2])
def test_gradcheck_and_gradgradcheck(name: str) -> None:
    made = with_penalties(name, **PENALTIES["all penalties"])
    leaves = [tensor.requires_grad_() for tensor in tensors(made.weights, made.bias)]
    options: dict[str, Any] = {"eps": DIFFERENCE_STEP, "atol": tolerance("difference")}
    forward = options | {"check_forward_ad": True}
    assert torch.autograd.gradcheck(lambda W, b: expected_loss(made.model, W, b), leaves, **forward)
    assert torch.autograd.gradgradcheck(lambda W, b: expected_loss(made.model, W, b), leaves, **options)
    assert torch.autograd.gradcheck(lambda W, b: loss_gradient(made.model, W, b), leaves, **forward)


def seven() -> Case:
    """Return a model of more features than compiled code takes."""
    rng = np.random.default_rng(3)
    return Case(ToyModel(7, 1, OneHotFeatures()), rng.normal(size=(1, 7)), 0.1 * rng.normal(size=7))


# Compiled code, and array operations.
EACH_ENGINE = {"3 features": lambda: CASES["random 3 features, 2 hidden, 1"], "7 features": seven}


# torch's forward mode loads what it calls deprecated itself.
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("of_engine", EACH_ENGINE)
def test_third_derivatives_are_refused(of_engine: str) -> None:
    made = EACH_ENGINE[of_engine]()
    W, b = (tensor.requires_grad_() for tensor in tensors(made.weights, made.bias))
    (slope,) = torch.autograd.grad(expected_loss(made.model, W, b), W, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), W, create_graph=True)
    hessian = loss_hessian(made.model, W, b)
    for value in (bend.sum(), hessian.sum()):
        with pytest.raises(NotImplementedError, match="differentiated twice"):
            torch.autograd.grad(value, W)
    third = torch.func.jacfwd(torch.func.hessian(lambda w: expected_loss(made.model, w, b)))
    with pytest.raises(NotImplementedError, match="differentiated twice"):
        third(W.detach())


# torch's forward mode loads what it calls deprecated itself.
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("of_engine", EACH_ENGINE)
def test_functional_derivatives_and_batches(of_engine: str) -> None:
    made = EACH_ENGINE[of_engine]()
    W, b = tensors(made.weights, made.bias)
    packed_point = torch.cat([W.ravel(), b])

    def loss(theta: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = expected_loss(made.model, theta[: W.numel()].reshape(W.shape), theta[W.numel() :])
        return found

    for hessian in (torch.func.hessian, lambda f: torch.func.jacrev(torch.func.jacrev(f))):
        found = hessian(loss)(packed_point)
        assert_entries_close(found.numpy(), loss_hessian(made.model, made.weights, made.bias), "hessian")
    weights, biases = torch.stack([W, 2 * W, -W]), torch.stack([b, b + 0.1, -b], dim=1)
    together = expected_loss(made.model, weights, biases.mT)
    mapped = torch.func.vmap(lambda w, c: expected_loss(made.model, w, c), in_dims=(0, 1))(weights, biases)
    assert torch.equal(mapped, together)
    only = torch.func.vmap(lambda w: expected_loss(made.model, w, b))(weights)
    assert torch.equal(only, expected_loss(made.model, weights, b))
    slopes = torch.func.vmap(torch.func.grad(lambda w: expected_loss(made.model, w, b)))(weights)
    assert torch.equal(slopes, loss_gradient(made.model, weights, b)[0])


@pytest.mark.parametrize("of_engine", EACH_ENGINE)
def test_what_is_computed_at_once_carries_no_history(of_engine: str) -> None:
    made = EACH_ENGINE[of_engine]()
    W, b = (tensor.requires_grad_() for tensor in tensors(made.weights, made.bias))
    exact = ExactLoss(made.model, W)
    at_once = [*exact.loss_and_gradient(W, b), *exact.loss_gradient_hessian(W, b), exact.output_losses(W, b)]
    assert not any(found.requires_grad for found in at_once)
    followed = [exact.loss(W, b), *exact.gradient(W, b), exact.hessian(W, b)]
    assert all(found.requires_grad for found in followed)
    assert not exact.loss(W.detach(), b.detach()).requires_grad


def test_functional_gradients_are_the_gradient() -> None:
    made = CASES["random 3 features, 2 hidden, 1"]
    found = torch.func.grad(lambda W, b: expected_loss(made.model, W, b), argnums=(0, 1))(
        *tensors(made.weights, made.bias)
    )
    assert_entries_close(packed(found), packed(loss_gradient(made.model, made.weights, made.bias)), "gradient")


def test_autograd_sums_over_what_broadcasting_repeats() -> None:
    rng = np.random.default_rng(6)
    model = diagram_model(3, 2, np.array([0.1, 0.6])[:, None, None], np.array([0.5, 1.0, 2.0])[:, None])
    # Weights (4, m, n) and biases (3, 1, n) against a model of shape (2, 3, 1): losses of shape (2, 3, 4).
    weights, bias = rng.normal(size=(4, 2, 3)), rng.normal(size=(3, 1, 3))
    factor = rng.normal(size=(2, 3, 4))
    W, b = (tensor.requires_grad_() for tensor in tensors(weights, bias))
    (torch.from_numpy(factor) * expected_loss(model, W, b)).sum().backward()
    d_weights, d_bias = loss_gradient(model, weights, bias)
    assert W.grad is not None
    assert b.grad is not None
    summed_weights = (factor[..., None, None] * d_weights).sum(axis=(0, 1))
    summed_bias = (factor[..., None] * d_bias).sum(axis=(0, 2))[:, None]
    assert_entries_close(W.grad.numpy(), summed_weights, "gradient")
    assert_entries_close(b.grad.numpy(), summed_bias, "gradient")


def test_autograd_of_one_argument_leaves_the_other_alone() -> None:
    made = CASES["random 3 features, 2 hidden, 0"]
    W, b = tensors(made.weights, made.bias)
    expected = packed(loss_gradient(made.model, made.weights, made.bias))
    for leaf, part in ((W, expected[: W.numel()]), (b, expected[W.numel() :])):
        leaf.requires_grad_()
        (found,) = torch.autograd.grad(expected_loss(made.model, W, b), leaf)
        leaf.requires_grad_(False)
        assert_entries_close(found.numpy().ravel(), part, "gradient")


@pytest.mark.parametrize("name", RANDOM)
def test_float32_tensors_stay_float32(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    W, b = torch.from_numpy(weights).float(), torch.from_numpy(bias).float()
    found, hessian = expected_loss(model, W, b), loss_hessian(model, W, b)
    d_weights, d_bias = loss_gradient(model, W, b)
    assert {t.dtype for t in (found, d_weights, d_bias, hessian)} == {torch.float32}
    # The oracle at the rounded weights, so that only the evaluation's own error counts.
    expected = oracle(model, W.double().numpy(), b.double().numpy(), order=1)
    assert abs(float(found) - expected.loss) <= tolerance("loss", "float32") * loss_scale(model, expected.loss)
    np.testing.assert_allclose(
        np.concatenate([d_weights.numpy().ravel(), d_bias.numpy()]),
        expected.gradient,
        rtol=0,
        atol=tolerance("gradient", "float32") * entry_scale(expected.gradient),
    )


def test_float32_is_evaluated_in_float64() -> None:
    """At the minimum of rounded parameters float32 arithmetic would leave no digit of the gradient."""
    model = independent(2, 1, 0.1)
    minimum = global_minimum(model)
    W, b = (torch.tensor(part, dtype=torch.float32) for part in (minimum.weights, minimum.bias))
    single, double = loss_gradient(model, W, b), loss_gradient(model, W.double(), b.double())
    for rounded, exact in zip(single, double, strict=True):
        assert rounded.dtype == torch.float32
        torch.testing.assert_close(rounded, exact.float(), rtol=0, atol=0)
    arrays = loss_gradient(model, W.numpy(), b.numpy())
    assert {part.dtype for part in arrays} == {np.dtype(np.float64)}
    for mine, exact in zip(arrays, double, strict=True):
        np.testing.assert_allclose(mine, exact.numpy(), rtol=0, atol=tolerance("gradient"))


def test_lists_and_integers_are_taken_as_float64() -> None:
    found = expected_loss(independent(2, 1, 0.5), [[1, -1]], [0, 0])
    assert isinstance(found, np.ndarray | np.generic)
    assert found.dtype == np.float64


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_batches_broadcast_to_the_loop_over_singles(engine: str) -> None:
    rng = np.random.default_rng(0)
    model = diagram_model(3, 2, np.array([0.1, 0.6])[:, None, None], np.array([0.5, 1.0, 2.0])[:, None])
    weights, bias = rng.normal(size=(4, 2, 3)), rng.normal(size=(3, 1, 3))
    assert model.batch_shape == (2, 3, 1)
    W, b = (torch.from_numpy(weights), torch.from_numpy(bias)) if engine == "torch" else (weights, bias)
    loss, hessian = expected_loss(model, W, b), loss_hessian(model, W, b)
    d_weights, d_bias = loss_gradient(model, W, b)
    shape = (2, 3, 4)
    assert [tuple(a.shape) for a in (loss, d_weights, d_bias, hessian)] == [
        shape,
        (*shape, 2, 3),
        (*shape, 3),
        (*shape, 9, 9),
    ]
    for i, j, k in np.ndindex(*shape):
        single = model.take((i, j, 0)), weights[k], bias[j, 0]
        expected = expected_loss(*single)
        assert abs(float(loss[i, j, k]) - expected) <= tolerance("loss") * loss_scale(single[0], float(expected))
        found = np.concatenate([np.asarray(d_weights[i, j, k]).ravel(), np.asarray(d_bias[i, j, k])])
        assert_entries_close(found, packed_gradient(*single), "gradient")
        assert_entries_close(hessian[i, j, k], loss_hessian(*single), "hessian")


@pytest.mark.parametrize("name", CASES)
def test_output_losses_weighted_by_importance_sum_to_the_loss(name: str) -> None:
    model, weights, bias = CASES[name].model, CASES[name].weights, CASES[name].bias
    engine = ExactLoss(model)
    outputs = engine.output_losses(weights, bias)
    assert outputs.shape == (model.n_features,)
    loss = float(expected_loss(model, weights, bias))
    assert abs((model.importances() * outputs).sum() - loss) <= tolerance("loss") * loss_scale(model, loss)


def test_output_losses_depend_on_their_own_bias_only() -> None:
    engine = ExactLoss(independent(3, 2, (0.2, 0.5, 0.9)))
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(size=(2, 3)), rng.normal(size=3)
    moved = engine.output_losses(weights, bias + np.array([0.0, 0.25, 0.0]))
    before = engine.output_losses(weights, bias)
    np.testing.assert_array_equal(moved[[0, 2]], before[[0, 2]])
    assert moved[1] != before[1]


def test_one_engine_returns_loss_gradient_and_hessian_of_the_functions() -> None:
    model, weights, bias = RANDOM["random 3 features, 2 hidden, 0"].model, *_point("random 3 features, 2 hidden, 0")
    engine = ExactLoss(model)
    loss, d_weights, d_bias, hessian = engine.loss_gradient_hessian(weights, bias)
    np.testing.assert_array_equal(loss, expected_loss(model, weights, bias))
    np.testing.assert_array_equal(engine.loss_and_gradient(weights, bias)[0], loss)
    for found, expected in zip((d_weights, d_bias), loss_gradient(model, weights, bias), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(hessian, loss_hessian(model, weights, bias))


def _point(name: str) -> tuple[FloatArray, FloatArray]:
    return CASES[name].weights, CASES[name].bias


def test_second_moments_enter_with_the_density_of_each_feature() -> None:
    model = independent(3, 1, (0.2, 0.5, 0.9))
    off = ExactLoss(model).output_losses(np.zeros((1, 3)), np.full(3, -1.0))
    np.testing.assert_allclose(off, densities(model) / 3, rtol=tolerance("rounding"))


# --- Penalties ---------------------------------------------------------------------------------------------------

PENALISED = case([[0.5, -0.25, 1.0], [0.75, 0.5, -0.5]], [0.1, -0.2, 0.3])


def test_penalties_done_by_hand() -> None:
    """Overlaps −1/4 + … squared twice, squares of weights, and E|h| of three independent features."""
    weights, bias = PENALISED.weights, PENALISED.bias
    bare = float(expected_loss(PENALISED.model, weights, bias))
    gram = weights.T @ weights
    by_hand = {
        "interference_penalty": 2 * (gram[0, 1] ** 2 + gram[0, 2] ** 2 + gram[1, 2] ** 2),
        "weight_penalty": 0.5**2 + 0.25**2 + 1 + 0.75**2 + 0.5**2 + 0.5**2,
    }
    for name, expected in by_hand.items():
        changes: dict[str, Any] = {name: 2.0}
        model = replace(PENALISED.model, **changes)
        assert_same_loss(model, float(expected_loss(model, weights, bias)), bare + 2 * expected)
    # Weights of one sign: |h| = h, whose mean is p/2 times their sum.
    model = replace(PENALISED.model, activation_penalty=2.0)
    positive = np.abs(weights)
    difference = float(expected_loss(model, positive, bias) - expected_loss(PENALISED.model, positive, bias))
    np.testing.assert_allclose(difference, 2 * 0.3 / 2 * positive.sum(), rtol=tolerance("law"))


@pytest.mark.parametrize("penalty", ["interference", "decay", "activation", "all penalties"])
@pytest.mark.parametrize("engine", ENGINES)
def test_derivatives_of_penalties_are_differences(engine: str, penalty: str) -> None:
    model, weights, bias = replace(PENALISED.model, **PENALTIES[penalty]), PENALISED.weights, PENALISED.bias
    loss, gradient, hessian = (getattr(ENGINES[engine], name) for name in ("loss", "gradient", "hessian"))
    theta, cut = np.concatenate([weights.ravel(), bias]), weights.size
    slopes, bends = [], []
    for place in range(len(theta)):
        shift = np.zeros_like(theta)
        shift[place] = DIFFERENCE_STEP
        ends = [((theta + s)[:cut].reshape(2, 3), (theta + s)[cut:]) for s in (shift, -shift)]
        slopes.append((loss(model, *ends[0]) - loss(model, *ends[1])) / (2 * DIFFERENCE_STEP))
        bends.append((gradient(model, *ends[0]) - gradient(model, *ends[1])) / (2 * DIFFERENCE_STEP))
    assert_entries_close(gradient(model, weights, bias), np.array(slopes), "difference")
    assert_entries_close(hessian(model, weights, bias), np.array(bends), "difference")


# --- Misuse ------------------------------------------------------------------------------------------------------

GOOD = np.array([[1.0, -1.0]]), np.zeros(2)
PAIR = independent(2, 1)
MISUSES: dict[str, tuple[Any, Any, Any, str]] = {
    "not a model": (0.5, *GOOD, "model must be a ToyModel, got float"),
    "transposed weights": (PAIR, GOOD[0].T, GOOD[1], r"weights must have shape \(\.\.\., 1, 2\), got \(2, 1\)"),
    "flat weights": (PAIR, GOOD[0][0], GOOD[1], r"weights must have shape \(\.\.\., 1, 2\), got \(2,\)"),
    "long bias": (PAIR, GOOD[0], np.zeros(3), r"bias must have shape \(\.\.\., 2\), got \(3,\)"),
    "scalar bias": (PAIR, GOOD[0], 0.0, r"bias must have shape \(\.\.\., 2\), got \(\)"),
    "NaN weight": (PAIR, [[1.0, np.nan]], GOOD[1], "weights must be finite, got NaN or infinite entries"),
    "infinite weight": (PAIR, [[1.0, np.inf]], GOOD[1], "weights must be finite, got NaN or infinite entries"),
    "NaN bias": (PAIR, GOOD[0], [0.0, np.nan], "bias must be finite, got NaN or infinite entries"),
    "infinite bias": (PAIR, GOOD[0], [-np.inf, 0.0], "bias must be finite, got NaN or infinite entries"),
    "NaN tensor": (
        PAIR,
        torch.full((1, 2), torch.nan),
        torch.zeros(2),
        "weights must be finite, got NaN or infinite entries",
    ),
    "tensor and array": (PAIR, torch.zeros(1, 2), GOOD[1], "both be torch tensors or neither, got Tensor and ndarray"),
    "array and tensor": (PAIR, GOOD[0], torch.zeros(2), "both be torch tensors or neither, got ndarray and Tensor"),
    "integer tensors": (
        PAIR,
        torch.ones(1, 2, dtype=torch.int64),
        torch.zeros(2, dtype=torch.int64),
        "must share one floating-point dtype, got torch.int64 and torch.int64",
    ),
    "tensors of two precisions": (
        PAIR,
        torch.ones(1, 2),
        torch.zeros(2, dtype=torch.float64),
        "must share one floating-point dtype, got torch.float32 and torch.float64",
    ),
    "text": (PAIR, [["one", "two"]], GOOD[1], "weights must be real numbers"),
    "ragged": (PAIR, [[1.0], [1.0, 2.0]], GOOD[1], "weights must be real numbers"),
    "batches of weights and bias": (
        PAIR,
        np.ones((3, 1, 2)),
        np.zeros((4, 2)),
        r"batch shapes of weights \(3,\), bias \(4,\), model \(\) don't broadcast",
    ),
    "batches of weights and model": (
        ToyModel(2, 1, IndependentFeatures(np.full((5, 1), 0.5))),
        np.ones((3, 1, 2)),
        np.zeros(2),
        r"batch shapes of weights \(3,\), bias \(\), model \(5,\) don't broadcast",
    ),
}


@pytest.mark.parametrize("function", [expected_loss, loss_gradient, loss_hessian], ids=lambda f: f.__name__)
@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_is_named(misuse: str, function: Callable[..., Any]) -> None:
    model, weights, bias, message = MISUSES[misuse]
    with pytest.raises(ValueError, match=message):
        function(model, weights, bias)


@pytest.mark.parametrize("function", [expected_loss, loss_gradient, loss_hessian], ids=lambda f: f.__name__)
def test_unknown_methods_are_named(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="method must be one of auto, enumeration, spectral, got 'sampling'"):
        function(PAIR, *GOOD, method="sampling")
