from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import feature_dimensionality, feature_norms
from tegum.theory.geometry import dimensions_per_feature, gram, neuron_polysemanticity, superposition
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

METRICS: dict[str, Callable[[Any], Any]] = {
    function.__name__: function
    for function in (
        feature_norms,
        gram,
        superposition,
        feature_dimensionality,
        dimensions_per_feature,
        neuron_polysemanticity,
    )
}
# Those that don't depend on the basis of the hidden space, with the power of a common scale that they grow by.
POWERS = {"feature_norms": 1, "gram": 2, "superposition": 2, "feature_dimensionality": 0, "dimensions_per_feature": -2}


def ring(corners: int) -> FloatArray:
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.array([np.cos(angles), np.sin(angles)])


def antiprism() -> FloatArray:
    """Return the square antiprism whose squares lie at height h² = 1/3, where it is a tight frame."""
    height, radius = (1 / 3) ** 0.5, (2 / 3) ** 0.5
    angles = np.pi / 2 * np.arange(4)
    around = [np.array([np.cos(angles + shift), np.sin(angles + shift)]) * radius for shift in (0, np.pi / 4)]
    return np.concatenate([np.concatenate(around, axis=1), [[height] * 4 + [-height] * 4]])


def tegum_product(*factors: FloatArray) -> FloatArray:
    """Return factors in orthogonal subspaces."""
    height, width = (sum(factor.shape[axis] for factor in factors) for axis in (0, 1))
    weights = np.zeros((height, width))
    row = column = 0
    for factor in factors:
        m, n = factor.shape
        weights[row : row + m, column : column + n] = factor
        row, column = row + m, column + n
    return weights


AXIS = np.array([[1.0]])
DIGON = np.array([[1.0, -1.0]])
TETRAHEDRON = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 3**0.5

# Tegum products of tight frames, with the dimensionalities that arXiv:2209.10652 gives.
POLYTOPES: dict[str, tuple[FloatArray, list[str]]] = {
    "axis": (AXIS, ["1"]),
    "digon": (DIGON, ["1/2"] * 2),
    "triangle": (ring(3), ["2/3"] * 3),
    "square, which is two digons": (ring(4), ["1/2"] * 4),
    "pentagon": (ring(5), ["2/5"] * 5),
    "tetrahedron": (TETRAHEDRON, ["3/4"] * 4),
    "square antiprism": (antiprism(), ["3/8"] * 8),
    "digon and axis": (tegum_product(DIGON, AXIS), ["1/2"] * 2 + ["1"]),
    "triangular bipyramid": (tegum_product(ring(3), DIGON), ["2/3"] * 3 + ["1/2"] * 2),
    "axis, tetrahedron, pentagon": (tegum_product(AXIS, TETRAHEDRON, ring(5)), ["1"] + ["3/4"] * 4 + ["2/5"] * 5),
}


@st.composite
def matrices(draw: st.DrawFn, max_hidden: int = 4, max_features: int = 6) -> FloatArray:
    """Draw weights of ordinary size, some of whose entries and columns are exactly 0."""
    m, n = draw(st.integers(1, max_hidden)), draw(st.integers(1, max_features))
    weights = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=(m, n))
    for j in draw(st.lists(st.integers(0, n - 1), max_size=2)):
        weights[:, j] = 0.0
    for k, j in draw(st.lists(st.tuples(st.integers(0, m - 1), st.integers(0, n - 1)), max_size=3)):
        weights[k, j] = 0.0
    return weights


def turned(weights: FloatArray, seed: int) -> FloatArray:
    """Return weights in another basis of the hidden space."""
    m = weights.shape[0]
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(m, m)))[0] @ weights


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance("law"), atol=tolerance("law"))


@pytest.mark.parametrize("name", POLYTOPES)
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e150, 0.9])
def test_dimensionalities_of_polytopes_at_any_scale(name: str, scale: float) -> None:
    weights, expected = POLYTOPES[name]
    found = feature_dimensionality(scale * turned(weights, 1))
    np.testing.assert_allclose(found, [float(Fraction(d)) for d in expected], rtol=tolerance("law"))
    np.testing.assert_allclose(found.sum(), len(weights), rtol=tolerance("law"))


def test_definitions_by_hand() -> None:
    W = [[3, -1, 0], [4, 0, 0]]
    np.testing.assert_array_equal(feature_norms(W), [5, 1, 0])
    np.testing.assert_array_equal(gram(W), [[25, -3, 0], [-3, 1, 0], [0, 0, 0]])
    close(superposition(W), [9 / 25, 9, 0])
    close(feature_dimensionality(W), [25 / (25 + 9 / 25), 1 / 10, 0])
    close(dimensions_per_feature(W), 2 / 26)
    close(neuron_polysemanticity(W), [100 / 82, 1])


@given(matrices())
def test_definitions_by_loops(W: FloatArray) -> None:
    m, n = W.shape
    norms = [float(np.sqrt(sum(W[k, i] ** 2 for k in range(m)))) for i in range(n)]
    overlaps = np.array([[sum(W[k, i] * W[k, j] for k in range(m)) for j in range(n)] for i in range(n)])
    close(feature_norms(W), norms)
    close(gram(W), overlaps)
    for i in range(n):
        if norms[i] == 0:
            assert superposition(W)[i] == feature_dimensionality(W)[i] == 0
            continue
        onto = [(overlaps[i, j] / norms[i]) ** 2 for j in range(n)]
        close(superposition(W)[i], sum(onto) - onto[i])
        close(feature_dimensionality(W)[i], norms[i] ** 2 / sum(onto))
    total = sum(norm**2 for norm in norms)
    close(dimensions_per_feature(W), m / total if total else np.inf)
    for k in range(m):
        fourth = sum(W[k, i] ** 4 for i in range(n))
        close(neuron_polysemanticity(W)[k], sum(W[k, i] ** 2 for i in range(n)) ** 2 / fourth if fourth else 0)


@pytest.mark.parametrize("name", POWERS)
@given(W=matrices(), seed=st.integers(0, 99))
def test_rotations_of_the_hidden_space_change_nothing(name: str, W: FloatArray, seed: int) -> None:
    # A turned zero column is zero, and what is 0 / 0 stays so.
    close(METRICS[name](turned(W, seed)), METRICS[name](W))


@pytest.mark.parametrize("name", METRICS)
@given(W=matrices(), seed=st.integers(0, 99))
def test_features_in_another_order(name: str, W: FloatArray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(W.shape[1])
    value, moved = METRICS[name](W), METRICS[name](W[:, order])
    if name == "gram":
        value = value[order][:, order]
    elif name in ("feature_norms", "superposition", "feature_dimensionality"):
        value = value[order]
    close(moved, value)


@pytest.mark.parametrize("name", METRICS)
@given(W=matrices(), power=st.integers(-300, 300), sign=st.sampled_from([-1.0, 1.0]))
def test_scaling(name: str, W: FloatArray, power: int, sign: float) -> None:
    expected = METRICS[name](W) * 2.0 ** (power * POWERS.get(name, 0))
    np.testing.assert_allclose(METRICS[name](sign * 2.0**power * W), expected, rtol=tolerance("rounding"))


@given(W=matrices(), seed=st.integers(0, 99))
def test_a_neuron_counts_features_whatever_the_scale_of_each(W: FloatArray, seed: int) -> None:
    found = neuron_polysemanticity(W)
    represents = (W != 0).any(axis=1)
    np.testing.assert_array_equal(found > 0, represents)
    assert (found[represents] >= 1 - tolerance("rounding")).all()
    assert (found <= (W != 0).sum(axis=1) + tolerance("law")).all()
    rows = 10.0 ** np.random.default_rng(seed).uniform(-200, 100, (len(W), 1))
    np.testing.assert_allclose(neuron_polysemanticity(rows * W), found, rtol=tolerance("law"))
    np.testing.assert_array_equal(neuron_polysemanticity(np.sign(W)), (W != 0).sum(axis=1))


@given(matrices())
def test_dimensionalities_are_fractions_that_sum_to_the_rank_at_most(W: FloatArray) -> None:
    found = feature_dimensionality(W)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum() <= np.linalg.matrix_rank(W) + tolerance("law")


@given(matrices())
def test_dimensionality_is_at_most_the_leverage_with_equality_for_eigenvectors(W: FloatArray) -> None:
    # D_i ≤ W_iᵀ (WWᵀ)⁺ W_i by Cauchy and Schwarz (docs/geometry.md); on an eigenvector both are ‖W_i‖² / λ.
    leverage = np.einsum("ki,ki->i", W, np.linalg.pinv(W @ W.T) @ W)
    assert (feature_dimensionality(W) <= leverage + tolerance("difference")).all()
    if W.shape[0] == 1:
        np.testing.assert_allclose(feature_dimensionality(W), leverage, atol=tolerance("law"))


@given(sizes=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_orthogonal_features_have_a_dimension_each(sizes: list[float], seed: int) -> None:
    W = turned(np.diag(sizes), seed)
    np.testing.assert_allclose(feature_dimensionality(W), np.ones(len(sizes)), rtol=tolerance("difference"))
    assert (superposition(W) <= tolerance("law") * max(sizes) ** 2).all()


# Weights, norms, superposition, dimensionality: sizes whose squares or ratios no float can hold.
TINY, HUGE = 1e-200, 1e200
EXTREME: dict[str, tuple[Any, Any, Any, Any]] = {
    "tiny digon": ([[TINY, -TINY]], [TINY, TINY], [0, 0], [0.5, 0.5]),
    "huge digon": ([[HUGE, -HUGE]], [HUGE, HUGE], [np.inf, np.inf], [0.5, 0.5]),
    "tiny and huge, orthogonal": ([[TINY, 0], [0, HUGE]], [TINY, HUGE], [0, 0], [1, 1]),
    "tiny and huge, along": ([[TINY, HUGE]], [TINY, HUGE], [np.inf, 0], [0, 1]),
    "a hair off a huge one": ([[1e-100, 0], [1e-300, 1e100]], [1e-100, 1e100], [1e-200, 0], [0.5, 1]),
    "the smallest float": ([[5e-324, -5e-324]], [5e-324, 5e-324], [0, 0], [0.5, 0.5]),
    "nearly the largest": ([[1.7e308, 0], [0, 1.7e308]], [1.7e308, 1.7e308], [0, 0], [1, 1]),
    "a norm beyond the largest": ([[1.7e308], [1.7e308]], [np.inf], [0], [1]),
    "nothing": ([[0, 0], [0, 0]], [0, 0], [0, 0], [0, 0]),
}


@pytest.mark.parametrize("as_tensor", [False, True], ids=["NumPy", "torch"])
@pytest.mark.parametrize("name", EXTREME)
def test_extreme_scales(name: str, as_tensor: bool) -> None:
    weights, norms, shared, dimensionality = EXTREME[name]
    W: Any = torch.tensor(weights, dtype=torch.float64) if as_tensor else weights
    expected = {"feature_norms": norms, "superposition": shared, "feature_dimensionality": dimensionality}
    for metric, value in expected.items():
        np.testing.assert_allclose(METRICS[metric](W), value, rtol=tolerance("law"), err_msg=metric)
    for metric in METRICS:
        assert not np.isnan(np.asarray(METRICS[metric](W))).any(), metric


@pytest.mark.parametrize("name", METRICS)
@given(matrices())
def test_tensors_give_the_same_tensors(name: str, W: FloatArray) -> None:
    found = METRICS[name](torch.from_numpy(W))
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, METRICS[name](W), rtol=tolerance("law"), atol=tolerance("rounding"))


@pytest.mark.parametrize("name", METRICS)
def test_a_batch_is_each_of_its_models(name: str) -> None:
    W = np.random.default_rng(3).normal(size=(4, 3, 2, 5))
    W[1, 2], W[0, 1, :, 3] = 0.0, 0.0
    found = METRICS[name](W)
    assert found.dtype == np.float64
    for i in range(4):
        for j in range(3):
            close(found[i, j], METRICS[name](W[i, j]))
    assert METRICS[name](W[:0]).shape == (0, *found.shape[1:])


@pytest.mark.parametrize("name", METRICS)
def test_types_of_numbers(name: str) -> None:
    metric, integers = METRICS[name], [[1, -1, 0], [2, 0, 3]]
    expected = metric(np.array(integers, dtype=np.float64))
    assert metric(integers).dtype == metric(np.array(integers, dtype=np.float32)).dtype == np.float64
    np.testing.assert_array_equal(metric(integers), expected)
    whole = metric(torch.tensor(integers))
    assert whole.dtype == torch.float64
    np.testing.assert_allclose(whole, expected, rtol=tolerance("rounding"))
    single = metric(torch.tensor(integers, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=tolerance("loss", "float32"))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_autograd_agrees_with_differences(name: str, scale: float) -> None:
    W = torch.from_numpy(scale * np.random.default_rng(5).normal(size=(2, 2, 4))).requires_grad_()
    assert torch.autograd.gradcheck(METRICS[name], (W,), eps=1e-6 * scale, rtol=tolerance("difference"), atol=1e-4)


@pytest.mark.parametrize("name", METRICS)
def test_autograd_is_finite_at_zero_columns(name: str) -> None:
    W = torch.tensor([[[1.0, -0.5, 0.0], [0.0, 0.5, 0.0]], [[0.0] * 3] * 2], dtype=torch.float64, requires_grad=True)
    value = METRICS[name](W)
    (slope,) = torch.autograd.grad(value[torch.isfinite(value)].sum(), W)
    assert torch.isfinite(slope).all()
    assert not slope[1].any()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        pytest.param([1.0, 2.0], r"\(\.\.\., n_hidden, n_features\), got \(2,\)", id="flat"),
        pytest.param(np.zeros((2, 0)), r"got \(2, 0\)", id="no features"),
        pytest.param(np.zeros((3, 0, 2)), r"got \(3, 0, 2\)", id="no hidden dimension"),
        pytest.param([[1.0, np.nan]], "must be finite, got NaN or infinite", id="NaN"),
        pytest.param(torch.tensor([[1.0, np.inf]]), "must be finite, got NaN or infinite", id="infinite tensor"),
        pytest.param([["one"]], "weights must be real numbers, got", id="text"),
        pytest.param([[1, 2], [3]], "weights must be real numbers, got", id="ragged"),
        pytest.param([[1j]], "weights must be real numbers, got", id="complex"),
        pytest.param(torch.tensor([[1j]]), "must be real numbers, got torch.complex", id="complex tensor"),
    ],
)
def test_misuse_is_named(name: str, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METRICS[name](weights)
