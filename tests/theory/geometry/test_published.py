"""The published candidates are those of the account, and have the structure that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory.geometry import phase, published_candidates

# Weights and biases in units of the density, as the account states them.
STATED = {
    "digon(1,2)": ([[1, -1]], [0, 0]),
    "axis(1) + drop(2)": ([[1, 0]], [0, 0.5]),
    "drop(1) + axis(2)": ([[0, 1]], [0.5, 0]),
}


def test_two_features_have_the_candidates_that_were_published() -> None:
    found = {c.phase: (c.weights.tolist(), c.bias_per_density.tolist()) for c in published_candidates(2, 1)}
    assert found == STATED


def test_three_features_in_two_dimensions_have_six_candidates() -> None:
    assert [candidate.phase for candidate in published_candidates(3, 2)] == [
        "digon(1,2) + axis(3)",
        "digon(1,3) + axis(2)",
        "axis(1) + digon(2,3)",
        "axis(1) + axis(2) + drop(3)",
        "axis(1) + drop(2) + axis(3)",
        "drop(1) + axis(2) + axis(3)",
    ]


@pytest.mark.parametrize("sizes", [(2, 1), (3, 2)], ids=str)
def test_a_candidate_has_its_structure_at_every_density(sizes: tuple[int, int]) -> None:
    for candidate in published_candidates(*sizes):
        for density in np.geomspace(0.01, 1.0, 9):
            assert phase(candidate.weights, density * candidate.bias_per_density) == candidate.phase


@pytest.mark.parametrize(("n_features", "n_hidden"), [(3, 1), (4, 3), (2, 2), (4, 1)])
def test_other_sizes_have_no_published_candidates(n_features: int, n_hidden: int) -> None:
    with pytest.raises(ValueError, match=f"got n_features={n_features}, n_hidden={n_hidden}"):
        published_candidates(n_features, n_hidden)
