from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from helpers import tolerance
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import FeatureLaw, IndependentFeatures

PER_FEATURE = (0.2, 0.5, 0.9)


def table(law: IndependentFeatures, n_features: int) -> dict[tuple[int, ...], Any]:
    return dict(law.patterns(n_features))


@pytest.mark.parametrize("density", [0.25, 1.0, 1e-3, 1e-300], ids=str)
def test_probabilities_of_two_features_by_hand(density: float) -> None:
    p, q = density, 1 - density
    expected = {(): q * q, (0,): p * q, (1,): q * p, (0, 1): p * p}
    found = table(IndependentFeatures(density), 2)
    assert set(found) == set(expected)
    for active, chance in expected.items():
        np.testing.assert_allclose(found[active], chance, rtol=tolerance("rounding"))


def test_probabilities_with_a_density_per_feature_are_products() -> None:
    found = table(IndependentFeatures(PER_FEATURE), 3)
    for on in product((False, True), repeat=3):
        expected = 1.0
        for p, active in zip(PER_FEATURE, on, strict=True):
            expected *= p if active else 1 - p
        active_set = tuple(i for i, active in enumerate(on) if active)
        np.testing.assert_allclose(found[active_set], expected, rtol=tolerance("rounding"))


@given(st.lists(st.floats(0, 1, exclude_min=True), min_size=1, max_size=4))
def test_probabilities_sum_to_one_and_have_the_densities_as_marginals(density: list[float]) -> None:
    n = len(density)
    found = table(IndependentFeatures(density), n)
    assert len(found) == 2**n
    assert all(chance >= 0 for chance in found.values())
    np.testing.assert_allclose(sum(found.values()), 1, rtol=tolerance("rounding"))
    for i, p in enumerate(density):
        marginal = sum(chance for active, chance in found.items() if i in active)
        np.testing.assert_allclose(marginal, p, rtol=tolerance("rounding"))


def test_full_density_leaves_only_the_full_pattern() -> None:
    found = table(IndependentFeatures(1.0), 3)
    assert {active for active, chance in found.items() if chance > 0} == {(0, 1, 2)}


@pytest.mark.parametrize(
    ("density", "batch_shape"),
    [
        pytest.param(0.5, (), id="scalar"),
        pytest.param(PER_FEATURE, (), id="per feature"),
        pytest.param(np.full((4, 1), 0.5), (4,), id="per model"),
        pytest.param(np.full((4, 2, 3), 0.5), (4, 2), id="per model and feature"),
    ],
)
def test_batch_shape_leaves_the_feature_axis_out(density: Any, batch_shape: tuple[int, ...]) -> None:
    law = IndependentFeatures(density)
    assert law.batch_shape == batch_shape
    assert all(chance.shape == batch_shape for _, chance in law.patterns(3))


def test_a_batch_of_laws_has_the_probabilities_of_each() -> None:
    density = np.array([[0.1, 0.2], [0.6, 1.0], [0.5, 0.5]])
    batch = table(IndependentFeatures(density), 2)
    for k, row in enumerate(density):
        for active, chance in table(IndependentFeatures(row), 2).items():
            np.testing.assert_array_equal(batch[active][k], chance)


def test_take_broadcasts_and_selects_by_flat_index() -> None:
    law = IndependentFeatures(np.array([[0.1], [0.2]])[:, None])
    assert law.batch_shape == (2, 1)
    np.testing.assert_array_equal(law.take((2, 3), np.array([5, 2])).density, [[0.2], [0.1]])
    np.testing.assert_array_equal(law.take((2, 3), np.array([[0, 3]])).density, [[[0.1], [0.2]]])
    np.testing.assert_array_equal(IndependentFeatures(PER_FEATURE).take((2,), np.array(1)).density, PER_FEATURE)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        pytest.param(0.0, r"density must lie in \(0, 1\], got 0\.0", id="zero"),
        pytest.param(-0.1, r"density must lie in \(0, 1\], got -0\.1", id="negative"),
        pytest.param(1.5, r"density must lie in \(0, 1\], got 1\.5", id="above one"),
        pytest.param(np.nan, r"density must lie in \(0, 1\], got nan", id="NaN"),
        pytest.param(np.inf, r"density must lie in \(0, 1\], got inf", id="infinite"),
        pytest.param([0.5, 2.0], r"density must lie in \(0, 1\], got 2\.0", id="one of several"),
        pytest.param("dense", "density must be real numbers", id="text"),
        pytest.param(None, "density must lie in|density must be real numbers", id="None"),
        pytest.param([[0.1], [0.1, 0.2]], "density must be real numbers", id="ragged"),
    ],
)
def test_impossible_densities_are_rejected(density: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndependentFeatures(density)


def test_check_names_the_shape_that_does_not_fit() -> None:
    law = IndependentFeatures(PER_FEATURE)
    law.check(3)
    with pytest.raises(ValueError, match=r"density must be a scalar or have shape .* for 2 features, got shape \(3,\)"):
        law.check(2)


def test_a_law_is_frozen_and_keeps_its_own_density() -> None:
    given_density = np.array([0.1, 0.2])
    law = IndependentFeatures(given_density)
    given_density[0] = 0.9
    np.testing.assert_array_equal(law.density, [0.1, 0.2])
    with pytest.raises(ValueError, match="read-only"):
        law.density[0] = 0.9
    with pytest.raises(AttributeError, match="cannot assign"):
        law.density = 0.9  # type: ignore[misc]


def test_independent_features_are_a_feature_law() -> None:
    assert isinstance(IndependentFeatures(0.5), FeatureLaw)
    assert not isinstance(0.5, FeatureLaw)
