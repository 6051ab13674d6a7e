from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.empirical.recording import Jump, Plateau, Plateaus, plateaus
from tegum.theory import feature_dimensionality
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

# Behind the face: the cut of one series against a search of all.
internals = import_module("tegum.empirical.recording.plateau")


def found(series: Any, *, smallest_jump: float = 1.0, shortest: int = 5) -> Plateaus:
    """Return the record of one series, whose steps are the numbers of its records."""
    record = plateaus(np.arange(len(series)), series, smallest_jump=smallest_jump, shortest=shortest).item()
    assert isinstance(record, Plateaus)
    return record


def ranges(record: Plateaus) -> list[tuple[float, float]]:
    return [(plateau.first_step, plateau.last_step) for plateau in record.plateaus]


def sound(record: Plateaus, smallest_jump: float, shortest: int) -> None:
    """Assert what holds of every record, for steps that number the records."""
    assert (record.status == "found") == bool(record.plateaus)
    assert len(record.jumps) == max(len(record.plateaus) - 1, 0)
    for plateau in record.plateaus:
        assert plateau.last_step - plateau.first_step + 1 >= shortest
        assert plateau.spread >= 0
    for jump, (left, right) in zip(record.jumps, pairwise(record.plateaus), strict=True):
        assert (jump.step_before, jump.step_after) == (left.last_step, right.first_step)
        assert jump.step_before < jump.step_after
        assert abs(jump.level_after - jump.level_before) >= smallest_jump


@given(
    shortest=st.integers(2, 6),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    steps=st.lists(st.floats(1.001, 50), min_size=6, max_size=6),
    signs=st.lists(st.sampled_from([-1, 1]), min_size=6, max_size=6),
    scale=st.floats(1e-3, 1e3),
)
def test_a_series_of_constants_is_cut_exactly(
    shortest: int, lengths: list[int], steps: list[float], signs: list[int], scale: float
) -> None:
    lengths = [shortest + length for length in lengths]
    levels = scale * np.cumsum([0.0, *np.multiply(steps, signs)])[: len(lengths)]
    record = found(np.repeat(levels, lengths), smallest_jump=scale, shortest=shortest)
    sound(record, scale, shortest)
    ends = np.cumsum(lengths)
    assert ranges(record) == [(end - length, end - 1) for end, length in zip(ends, lengths, strict=True)]
    rounding = tolerance("law") * (scale + float(np.abs(levels).max()))
    for plateau, level in zip(record.plateaus, levels, strict=True):
        assert plateau.level == pytest.approx(level, abs=rounding)
        assert plateau.spread <= rounding


@given(
    shortest=st.integers(2, 8),
    records=st.integers(8, 120),
    slowness=st.floats(0, 0.999),
    sign=st.sampled_from([-1, 1]),
)
def test_a_drift_slower_than_stated_is_no_jump(shortest: int, records: int, slowness: float, sign: int) -> None:
    rate = sign * slowness / (2 * shortest + 1)
    record = found(rate * np.arange(records), shortest=shortest)
    assert ranges(record) == [(0, records - 1)]
    assert record.jumps == ()
    (plateau,) = record.plateaus
    assert plateau.level == pytest.approx(rate * (records - 1) / 2, abs=tolerance("law"))
    assert plateau.spread == pytest.approx(abs(rate) * ((records**2 - 1) / 12) ** 0.5, abs=tolerance("law"))


@given(shortest=st.integers(2, 8), records=st.integers(8, 60), rate=st.floats(1, 20))
def test_a_series_that_never_rests_has_no_plateau(shortest: int, records: int, rate: float) -> None:
    record = found(rate * np.arange(records), shortest=shortest)
    assert (record.plateaus, record.jumps, record.status) == ((), (), "none")


@pytest.mark.parametrize("records", [1, 3, 4])
def test_a_plateau_has_at_least_the_shortest_number_of_records(records: int) -> None:
    record = found(np.zeros(records))
    assert (record.plateaus, record.jumps, record.status) == ((), (), "too short")
    assert f"{records} records" in record.reason
    assert ranges(found(np.zeros(5))) == [(0, 4)]


@given(level=st.floats(-1e6, 1e6), records=st.integers(5, 60))
def test_a_constant_series_is_one_plateau(level: float, records: int) -> None:
    record = found(np.full(records, level))
    assert ranges(record) == [(0, records - 1)]
    assert record.plateaus[0].level == pytest.approx(level, rel=tolerance("rounding"))
    assert record.plateaus[0].spread <= tolerance("rounding") * abs(level)


def cost(values: FloatArray, pieces: list[tuple[int, int]], shortest: int) -> float:
    """Return what a cut costs, by definition, in units of δ²."""
    resting = sum(((values[a:b] - values[a:b].mean()) ** 2).sum() + shortest / 8 for a, b in pieces)
    return float(resting + (len(values) - sum(b - a for a, b in pieces)) / 4)


def cuts(records: int, shortest: int, start: int = 0) -> list[list[tuple[int, int]]]:
    """Return every way to cut records into plateaus and moving records."""
    if start == records:
        return [[]]
    every = cuts(records, shortest, start + 1)
    for end in range(start + shortest, records + 1):
        every = every + [[(start, end), *rest] for rest in cuts(records, shortest, end)]
    return every


@given(
    shortest=st.integers(2, 3),
    values=st.lists(st.one_of(st.floats(-2, 2), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=9),
)
def test_no_cut_costs_less(shortest: int, values: list[float]) -> None:
    series = np.array(values)
    pieces = internals._pieces(internals._last_starts(series[:, None], shortest)[:, 0])
    assert all(b - a >= shortest for a, b in pieces)
    cheapest = min(cost(series, cut, shortest) for cut in cuts(len(series), shortest))
    assert cost(series, pieces, shortest) == pytest.approx(cheapest, abs=tolerance("law"))


def random_walk(seed: int, records: int = 60) -> FloatArray:
    """Return a series that rests and moves: a smoothed random walk with noise."""
    rng = np.random.default_rng(seed)
    moves = np.where(rng.random(records) < 0.15, rng.normal(size=records) * 2, 0.0)
    return np.asarray(np.cumsum(moves) + 0.1 * rng.normal(size=records))


@given(seed=st.integers(0, 2**32 - 1), shortest=st.integers(2, 8))
def test_every_record_is_sound(seed: int, shortest: int) -> None:
    sound(found(random_walk(seed), shortest=shortest), 1.0, shortest)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3), offset=st.floats(-100, 100))
def test_scaled_shifted_and_reversed_series(seed: int, scale: float, offset: float) -> None:
    series = random_walk(seed)
    record = found(series)
    other = found(scale * series + scale * offset, smallest_jump=scale)
    assert ranges(other) == ranges(record)
    for mine, theirs in zip(record.plateaus, other.plateaus, strict=True):
        assert theirs.level / scale - offset == pytest.approx(mine.level, abs=tolerance("difference"))
        assert theirs.spread / scale == pytest.approx(mine.spread, abs=tolerance("difference"))
    last = len(series) - 1
    assert ranges(found(series[::-1]))[::-1] == [(last - b, last - a) for a, b in ranges(record)]


# What the literature calls energy levels: series between known levels, seen through noise.
NOISE = 0.02
LEVELS = {
    "one jump": ([0.0, 0.5], [60, 80], 0),
    "a jump over eight records": ([0.0, 0.5], [60, 80], 8),
    "up and down": ([0.5, 0.75, 0.4, 2 / 3], [40, 15, 40, 30], 3),
    "the smallest that counts": ([0.5, 0.65], [50, 50], 0),
    "nothing": ([0.5], [120], 0),
}


def staircase(levels: list[float], lengths: list[int], transition: int) -> tuple[FloatArray, list[tuple[int, int]]]:
    """Return a series, linear between its levels, and where it rests."""
    parts, rests, place = [], [], 0
    for k, (level, length) in enumerate(zip(levels, lengths, strict=True)):
        if k:
            parts.append(np.linspace(levels[k - 1], level, transition + 2)[1:-1])
            place += transition
        parts.append(np.full(length, level))
        rests.append((place, place + length - 1))
        place += length
    return np.concatenate(parts), rests


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("seed", range(5))
def test_levels_are_found_through_noise(name: str, seed: int) -> None:
    levels, lengths, transition = LEVELS[name]
    series, rests = staircase(levels, lengths, transition)
    record = found(series + NOISE * np.random.default_rng(seed).normal(size=len(series)), smallest_jump=0.1)
    sound(record, 0.1, 5)
    assert len(record.plateaus) == len(levels)
    for plateau, level, (first, last), length in zip(record.plateaus, levels, rests, lengths, strict=True):
        # The ends of a transition may be within half of the smallest jump of a level, and noise may take the end of a
        # plateau further away than that.
        assert abs(plateau.first_step - first) <= 2
        assert abs(plateau.last_step - last) <= 2
        assert plateau.level == pytest.approx(level, abs=5 * NOISE / length**0.5)
        assert NOISE / 2 < plateau.spread < 2 * NOISE


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_no_jump(seed: int) -> None:
    record = found(0.25 * np.random.default_rng(seed).normal(size=400))
    assert len(record.plateaus) == 1
    assert record.jumps == ()


def test_an_excursion_that_returns_is_left_out() -> None:
    series = np.zeros(40)
    series[20:23] = 7.0
    record = found(series)
    assert (record.plateaus, record.jumps) == ((Plateau(0, 39, 0.0, 0.0),), ())
    series[20:25] = 7.0
    assert ranges(found(series)) == [(0, 19), (20, 24), (25, 39)]


def test_a_drifting_plateau_jumps_from_where_it_is() -> None:
    drift = 0.05 * np.arange(60)
    record = found(np.concatenate([drift, np.full(20, 9.0)]))
    (jump,) = record.jumps
    assert (jump.step_before, jump.step_after) == (59, 60)
    assert jump.level_before > drift[-1] - 1
    assert record.plateaus[0].level == pytest.approx(drift.mean(), abs=tolerance("law"))
    assert jump.level_after == pytest.approx(9.0, abs=tolerance("rounding") * 10)


def test_dimensionalities_of_a_model_that_changes_its_shape() -> None:
    # A digon and an axis become two axes: feature 3 is dropped, and features 1 and 2 have a dimension each.
    before, after = np.array([[1.0, -1, 0], [0, 0, 1]]), np.array([[1.0, 0, 0], [0, 1, 0]])
    path = np.stack([before] * 10 + [after] * 10)
    steps = 100 * np.arange(20)
    first, second, third = plateaus(steps, feature_dimensionality(path), smallest_jump=0.1)
    assert first.jumps == second.jumps == (Jump(900, 1000, 0.5, 1.0),)
    assert third.jumps == (Jump(900, 1000, 1.0, 0.0),)
    assert third.plateaus == (Plateau(0, 900, 1.0, 0.0), Plateau(1000, 1900, 0.0, 0.0))


@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(), (1,), (4,), (2, 3), (0,), (2, 0)]))
def test_a_batch_is_each_of_its_series(seed: int, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    values = np.zeros((40, count))
    for k in range(count):
        values[:, k] = random_walk(seed + k, 40)
    steps = np.cumsum(np.random.default_rng(seed).integers(1, 9, 40))
    batch = plateaus(steps, values.reshape(40, *shape), smallest_jump=1.0)
    assert batch.shape == shape
    for k, record in enumerate(batch.ravel()):
        alone = plateaus(steps, values[:, k], smallest_jump=1.0)
        assert alone.shape == ()
        assert record == alone.item()
        assert {step for plateau in record.plateaus for step in (plateau.first_step, plateau.last_step)} <= set(steps)


def test_steps_are_handed_back_as_they_came() -> None:
    values = np.repeat([0.0, 5.0], 5)
    for steps in (np.arange(10), np.arange(10) / 4):
        record = plateaus(steps, values, smallest_jump=1.0).item()
        assert record.jumps == (Jump(steps[4].item(), steps[5].item(), 0.0, 5.0),)
        assert type(record.jumps[0].step_before) is type(steps[4].item())


STEPS = np.arange(6)


@pytest.mark.parametrize(
    ("steps", "values", "options", "message"),
    [
        pytest.param(STEPS, [0, 1, np.nan, 0, 0, 0], {}, "must be finite, got NaN or infinite", id="NaN"),
        pytest.param(STEPS, [0, 1, np.inf, 0, 0, 0], {}, "must be finite, got NaN or infinite", id="infinite"),
        pytest.param([0, 1, 2, 3, 4, np.nan], np.zeros(6), {}, "must be finite", id="NaN step"),
        pytest.param(STEPS, np.zeros(5), {}, r"at least one record, got \(6,\) and \(5,\)", id="lengths"),
        pytest.param([], np.zeros((0, 3)), {}, r"at least one record, got \(0,\) and \(0, 3\)", id="no records"),
        pytest.param(STEPS, 1.0, {}, r"got \(6,\) and \(\)", id="a number"),
        pytest.param(np.zeros((6, 1)), np.zeros(6), {}, r"got \(6, 1\) and \(6,\)", id="a table of steps"),
        pytest.param([0, 1, 2, 2, 3, 4], np.zeros(6), {}, "must increase", id="repeated step"),
        pytest.param(list("abcdef"), np.zeros(6), {}, "steps must be real numbers", id="text steps"),
        pytest.param(STEPS, list("abcdef"), {}, "values must be real numbers", id="text"),
        pytest.param(STEPS, np.zeros(6), {"smallest_jump": 0.0}, "must be finite and positive", id="no jump"),
        pytest.param(STEPS, np.zeros(6), {"smallest_jump": np.nan}, "must be finite and positive", id="NaN jump"),
        pytest.param(STEPS, np.full(6, 1e9), {"smallest_jump": 1e-6}, "above the rounding", id="lost in rounding"),
        pytest.param(
            STEPS, np.zeros(6), {"shortest": 1}, "shortest must be an integer of at least 2, got 1", id="too short"
        ),
        pytest.param(STEPS, np.zeros(6), {"shortest": 2.5}, "integer .* got 2.5", id="half a record"),
        pytest.param(STEPS, np.zeros(6), {"shortest": True}, "integer .* got True", id="truth"),
    ],
)
def test_misuse_is_named(steps: Any, values: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plateaus(steps, values, **{"smallest_jump": 1.0, **options})
