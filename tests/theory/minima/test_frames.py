"""Frames: one representative of all models that rotations of the hidden space make of each other."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory.numerics import FloatArray
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# Behind the face: the projector behind the frames.
rotations = internals("minima.frames")
SIZES = [(1, 2), (2, 3), (3, 3), (2, 5), (4, 6)]


def turned(weights: FloatArray, seed: int) -> FloatArray:
    m = weights.shape[-2]
    rng = np.random.default_rng(seed)
    return np.stack([np.linalg.qr(rng.normal(size=(m, m)))[0] @ w for w in weights])


def random_weights(m: int, n: int) -> FloatArray:
    return np.random.default_rng(m * n).normal(size=(6, m, n))


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_rotated_models_have_one_frame(m: int, n: int) -> None:
    weights = random_weights(m, n)
    frame = rotations.in_frame(weights)
    np.testing.assert_allclose(frame.mT @ frame, weights.mT @ weights, atol=tolerance("law"))
    np.testing.assert_allclose(rotations.in_frame(turned(weights, 1)), frame, atol=tolerance("law"))
    np.testing.assert_allclose(rotations.in_frame(frame), frame, atol=tolerance("rounding"))


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_a_frame_is_upper_triangular_with_positive_pivots(m: int, n: int) -> None:
    for frame in rotations.in_frame(turned(random_weights(m, n), 2)):
        assert not np.tril(frame, -1).any()
        assert (np.diag(frame) > 0).all()
        zeros = rotations.frame_zeros(frame)
        assert zeros.sum() == m * (m - 1) / 2
        assert not frame[zeros].any()


def test_structure_shows_as_exact_zeros() -> None:
    digon_and_axis = np.array([[1.01, -0.9, 0.0], [0.0, 0.0, 1.0]])
    frame = rotations.in_frame(turned(digon_and_axis[None], 3))[0]
    np.testing.assert_allclose(frame, digon_and_axis, atol=tolerance("law"))


@pytest.mark.parametrize("small", [0.0, 1e-9])
def test_features_without_a_column_do_not_set_the_frame(small: float) -> None:
    dropped = np.array([[small, 0.8, -0.3], [small, 0.0, 1.0]])
    frame = rotations.in_frame(turned(dropped[None], 4))[0]
    np.testing.assert_allclose(frame[:, 1:], dropped[:, 1:], atol=tolerance("law"))
    np.testing.assert_array_equal(rotations.frame_zeros(frame), [[False, False, False], [False, True, False]])


def test_all_zero_weights_are_their_own_frame() -> None:
    np.testing.assert_array_equal(rotations.in_frame(np.zeros((1, 2, 3))), np.zeros((1, 2, 3)))
    assert not rotations.frame_zeros(np.zeros((2, 3))).any()
