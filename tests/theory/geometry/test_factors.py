from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import expected_loss, feature_dimensionality
from tegum.theory.geometry import interference_graph, superposition, tegum_factor_numbers, tegum_factors
from tegum.theory.numerics import FloatArray
from tests.support.laws import independent
from tests.support.tolerances import tolerance

PENTAGON = np.array([np.cos(2 * np.pi * np.arange(5) / 5), np.sin(2 * np.pi * np.arange(5) / 5)])


def weights_of(edges: list[tuple[int, int]], n: int) -> FloatArray:
    """Return weights whose interference graph has these edges: a hidden dimension for each, and one for each feature.

    Two features share at most the hidden dimension of their edge.
    """
    weights = np.concatenate([np.zeros((len(edges), n)), np.eye(n)])
    for row, (i, j) in enumerate(edges):
        weights[row, i], weights[row, j] = 1.0, -1.0
    return weights


def components(edges: list[tuple[int, int]], n: int) -> tuple[tuple[int, ...], ...]:
    """Return connected components by merging the two that each edge joins."""
    parts = [{i} for i in range(n)]
    for i, j in edges:
        (left,) = (part for part in parts if i in part)
        (right,) = (part for part in parts if j in part)
        if left is not right:
            parts.remove(right)
            left |= right
    return tuple(sorted(tuple(sorted(part)) for part in parts))


@pytest.mark.parametrize(
    ("edges", "factors"),
    [
        pytest.param([], ((0,), (1,), (2,), (3,)), id="none"),
        pytest.param([(0, 3)], ((0, 3), (1,), (2,)), id="one"),
        pytest.param([(0, 2), (1, 3)], ((0, 2), (1, 3)), id="two"),
        pytest.param([(3, 1), (1, 2)], ((0,), (1, 2, 3)), id="path"),
        pytest.param([(0, 1), (1, 2), (2, 3), (3, 0)], ((0, 1, 2, 3),), id="cycle"),
    ],
)
def test_factors_are_connected_components(edges: list[tuple[int, int]], factors: tuple[tuple[int, ...], ...]) -> None:
    assert tegum_factors(weights_of(edges, 4)) == factors


@st.composite
def graphs(draw: st.DrawFn, n: int) -> list[tuple[int, int]]:
    pairs = [(i, j) for i in range(n) for j in range(i)]
    return draw(st.lists(st.sampled_from(pairs), unique=True, max_size=len(pairs)))


@given(st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), graphs(n))))
def test_factors_of_any_graph(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n, edges = drawn
    weights = weights_of(edges, n)
    adjacency = np.zeros((n, n), dtype=bool)
    for i, j in edges:
        adjacency[i, j] = adjacency[j, i] = True
    np.testing.assert_array_equal(interference_graph(weights), adjacency)
    assert tegum_factors(weights) == components(edges, n)


@given(st.integers(2, 5).flatmap(lambda n: st.tuples(st.just(n), st.tuples(*[graphs(n)] * 6))))
def test_a_batch_is_each_of_its_models(drawn: tuple[int, tuple[list[tuple[int, int]], ...]]) -> None:
    n, edges = drawn
    depth = max(map(len, edges)) + n
    each = [weights_of(mine, n) for mine in edges]
    batch = np.stack([np.concatenate([w, np.zeros((depth - len(w), n))]) for w in each]).reshape(2, 3, depth, n)
    numbers = tegum_factor_numbers(batch)
    assert numbers.shape == (2, 3, n)
    assert numbers.dtype == np.int64
    tensor = tegum_factor_numbers(torch.from_numpy(batch))
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(tensor, numbers)
    for place, (a, b) in enumerate(product(range(2), range(3))):
        factors = components(edges[place], n)
        expected = [next(k for k, factor in enumerate(factors) if i in factor) for i in range(n)]
        np.testing.assert_array_equal(numbers[a, b], expected)


def test_an_empty_batch_has_no_factors() -> None:
    assert tegum_factor_numbers(np.zeros((0, 4, 2, 3))).shape == (0, 4, 3)


def test_a_pentagon_is_one_factor_whose_every_pair_interferes() -> None:
    np.testing.assert_array_equal(interference_graph(PENTAGON), ~np.eye(5, dtype=bool))
    assert tegum_factors(PENTAGON) == ((0, 1, 2, 3, 4),)


SLIGHT = 0.05
NEGLIGIBLE: dict[str, tuple[Any, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]] = {
    "small overlap": ([[1, SLIGHT], [0, 1]], ((0, 1),), ((0,), (1,))),
    "small column": ([[1, SLIGHT]], ((0, 1),), ((0,), (1,))),
    "column small beside a long one": ([[20, 20 * SLIGHT]], ((0, 1),), ((0,), (1,))),
    "small columns that would join others": ([[1, 0, SLIGHT], [0, 1, SLIGHT]], ((0, 1, 2),), ((0,), (1,), (2,))),
    "all small": ([[SLIGHT, -SLIGHT]], ((0, 1),), ((0,), (1,))),
    "zero columns": ([[0, 1, 0, -1]], ((0,), (1, 3), (2,)), ((0,), (1, 3), (2,))),
}


@pytest.mark.parametrize("name", NEGLIGIBLE)
def test_tolerance_decides_what_is_negligible(name: str) -> None:
    weights, strict, lenient = NEGLIGIBLE[name]
    assert tegum_factors(weights) == strict
    assert tegum_factors(weights, tolerance=SLIGHT / 2) == strict
    assert tegum_factors(weights, tolerance=SLIGHT * 2) == lenient


@pytest.mark.parametrize("scale", [1.0, 1e150, 1e307])
def test_factors_at_large_scales(scale: float) -> None:
    assert tegum_factors(scale * np.array([[1.0, 0, -1], [0, 1, 0]])) == ((0, 2), (1,))


@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 3), min_size=2, max_size=3))
def test_everything_is_additive_over_factors(seed: int, sizes: list[int]) -> None:
    # Blocks side by side, features shuffled and the hidden space turned: each factor is as if it were alone.
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    blocks = [rng.uniform(0.3, 1.0, (1, size)) for size in sizes]
    weights = np.zeros((len(sizes), n))
    place = 0
    for row, block in enumerate(blocks):
        weights[row, place : place + block.shape[1]] = block
        place += block.shape[1]
    order = rng.permutation(n)
    weights = np.linalg.qr(rng.normal(size=(len(sizes),) * 2))[0] @ weights[:, order]
    bias = rng.uniform(-0.2, 0.2, n)
    owners = np.repeat(np.arange(len(sizes)), sizes)[order]
    factors = tegum_factors(weights)
    assert set(factors) == {tuple(np.flatnonzero(owners == owner)) for owner in range(len(sizes))}
    losses = 0.0
    for factor in map(list, factors):
        alone = weights[:, factor]
        np.testing.assert_allclose(
            feature_dimensionality(weights)[factor], feature_dimensionality(alone), rtol=tolerance("law")
        )
        np.testing.assert_allclose(superposition(weights)[factor], superposition(alone), atol=tolerance("law"))
        model = independent(len(factor), len(sizes), 0.3)
        losses += float(expected_loss(model, alone, bias[factor]))
    together = float(expected_loss(independent(n, len(sizes), 0.3), weights, bias))
    assert together == pytest.approx(losses, rel=tolerance("loss of many"))


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, np.nan])
def test_impossible_tolerances_are_named(tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"tolerance must lie in \[0, 1\), got"):
        tegum_factors([[1.0, -1.0]], tolerance)


def test_tuples_are_for_one_model() -> None:
    with pytest.raises(ValueError, match=r"takes one model: .* got \(4, 2, 3\)"):
        tegum_factors(np.ones((4, 2, 3)))
