"""Estimates of how long work takes: of equal pieces they are exact, and what was there before isn't counted."""

from __future__ import annotations

import pytest

# Behind the face: estimates are a part of stages.
from tegum.compare.terminal.estimates import AT_ONCE, LONG, MEASURED, Estimate, duration


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_of_equal_pieces_the_rest_is_told_exactly() -> None:
    clock = Clock()
    estimate = Estimate(clock(), clock)
    for done in range(1, 10):
        clock.now += 3.0
        estimate.note(done / 10)
        assert estimate.left == pytest.approx(3.0 * (10 - done))


def test_what_was_there_before_is_no_measure() -> None:
    clock = Clock()
    estimate = Estimate(clock(), clock)
    clock.now += AT_ONCE / 2
    estimate.note(0.5)
    assert estimate.left is None
    clock.now += 10.0
    estimate.note(0.6)
    assert estimate.left == pytest.approx(40.0)


@pytest.mark.parametrize(
    ("seconds", "share"),
    [(MEASURED / 2, 0.5), (LONG / 2, 0.01), (LONG, 0.0)],
    ids=["too soon", "too little", "nothing"],
)
def test_too_little_is_no_measure(seconds: float, share: float) -> None:
    clock = Clock()
    estimate = Estimate(clock(), clock)
    clock.now += seconds
    estimate.note(share)
    assert estimate.left is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (9.4, "9 s"), (12, "10 s"), (88, "90 s"), (100, "2 min"), (3600, "1 h"), (5460, "1 h 31 min")],
)
def test_times_are_told_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
