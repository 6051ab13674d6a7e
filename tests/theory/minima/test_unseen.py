"""What a search says of states that it didn't meet, against laws of classes that are known."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory.minima import coverage


def test_small_sequences_by_hand() -> None:
    assert coverage([]).unseen == 1.0
    assert coverage([]).most_unseen == 1.0
    found = coverage([0, 1, 1, 2])
    assert (found.draws, found.classes, found.singletons, found.unseen) == (4, 3, 2, 0.5)
    # None of 128 fresh draws is new: 0.95 = 1 − (1 − q)^128.
    assert coverage([0] * 256).most_unseen == pytest.approx(1 - 0.05 ** (1 / 128), rel=1e-12)


def test_draws_that_met_nothing_are_classes_of_their_own() -> None:
    assert coverage([0, -1, 0, -1]).singletons == 2


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_estimate_is_right_on_average_and_the_bound_as_often_as_it_says(exponent: float) -> None:
    rng, shares = np.random.default_rng(3), np.arange(1.0, 61) ** -exponent
    shares /= shares.sum()
    estimates, truths, held = [], [], []
    for _ in range(400):
        draws = rng.choice(60, size=128, p=shares)
        found = coverage(draws)
        truth = 1 - shares[np.unique(draws)].sum()
        estimates.append(found.unseen)
        truths.append(truth)
        held.append(truth <= found.most_unseen)
    # The estimate is off by at most one draw of 128 in expectation; the rest is the error of 400 runs.
    error = 4 * np.std(np.subtract(estimates, truths)) / 20
    assert abs(np.mean(estimates) - np.mean(truths)) <= 1 / 128 + error
    assert np.mean(held) >= 0.95


def test_it_holds_where_the_search_stops_by_its_own_estimate() -> None:
    """Rounds that double until the estimate is small, as the search does, are a choice of when to look."""
    rng, shares = np.random.default_rng(4), np.arange(1.0, 31) ** -2.0
    shares /= shares.sum()
    held = []
    for _ in range(400):
        draws = rng.choice(30, size=64, p=shares)
        while coverage(draws).unseen > 0.02 and len(draws) < 4096:
            draws = np.concatenate([draws, rng.choice(30, size=len(draws), p=shares)])
        held.append(1 - shares[np.unique(draws)].sum() <= coverage(draws).most_unseen)
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize(("met", "message"), [([0.5], "met must be integers"), ([-2], "met"), ([[0]], "met")])
def test_what_is_no_sequence_of_classes_is_named(met: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coverage(met)  # type: ignore[arg-type]
