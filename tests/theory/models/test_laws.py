from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import chain, combinations, islice, product
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
)
from tests.support.internals import internals
from tests.support.laws import AMPLITUDES, EVERY_LAW
from tests.support.oracles import pattern_chance
from tests.support.tolerances import SIGMAS, tolerance

PER_FEATURE = (0.2, 0.5, 0.9)


def table(law: FeatureLaw, n_features: int, **options: Any) -> dict[tuple[int, ...], Any]:
    found = list(law.patterns(n_features, **options))
    assert len(dict(found)) == len(found), "a pattern came twice"
    assert all(list(active) == sorted(active) for active, _ in found)
    return dict(found)


def taken(law: FeatureLaw, batch_shape: tuple[int, ...], index: Any) -> IndependentFeatures:
    part = law.take(batch_shape, np.array(index))
    assert isinstance(part, IndependentFeatures)
    return part


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
    np.testing.assert_array_equal(taken(law, (2, 3), [5, 2]).density, [[0.2], [0.1]])
    np.testing.assert_array_equal(taken(law, (2, 3), [[0, 3]]).density, [[[0.1], [0.2]]])
    np.testing.assert_array_equal(taken(IndependentFeatures(PER_FEATURE), (2,), 1).density, PER_FEATURE)


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


# --- Every law ---------------------------------------------------------------------------------------------------

FOUR = 4
DRAWS = 6
every_law = pytest.mark.parametrize("name", EVERY_LAW)


def drawn(name: str, seed: int, amplitude: Any = "uniform") -> FeatureLaw:
    return EVERY_LAW[name](np.random.default_rng([FOUR, seed]), FOUR, amplitude)


def subsets(members: Any) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(members, size) for size in range(len(members) + 1)))


@every_law
@pytest.mark.parametrize("seed", range(DRAWS))
def test_patterns_have_the_probabilities_of_the_laws_definition(name: str, seed: int) -> None:
    law = drawn(name, seed)
    found = table(law, FOUR)
    for active in subsets(range(FOUR)):
        expected = float(pattern_chance(law, FOUR, active))
        np.testing.assert_allclose(found.get(active, 0.0), expected, rtol=0, atol=tolerance("rounding"))


@every_law
@pytest.mark.parametrize("seed", range(DRAWS))
def test_probabilities_sum_to_one_and_densities_are_their_marginals(name: str, seed: int) -> None:
    law = drawn(name, seed)
    found, joint = table(law, FOUR), law.pair_densities(FOUR)
    assert all(chance >= 0 and chance.dtype == np.float64 for chance in found.values())
    np.testing.assert_allclose(sum(found.values()), 1, rtol=tolerance("rounding"))
    for i, j in product(range(FOUR), repeat=2):
        both = sum(chance for active, chance in found.items() if {i, j} <= set(active))
        np.testing.assert_allclose(joint[i, j], both, rtol=0, atol=tolerance("rounding"))
    np.testing.assert_allclose(law.densities(FOUR), np.diag(joint), rtol=0, atol=tolerance("rounding"))


@every_law
@pytest.mark.parametrize("seed", range(DRAWS))
def test_patterns_among_some_features_are_sums_over_the_others(name: str, seed: int) -> None:
    law = drawn(name, seed)
    whole = table(law, FOUR)
    for among in subsets(range(FOUR)):
        found = table(law, FOUR, among=among)
        assert set().union(*found) <= set(among)
        for active in subsets(among):
            expected = sum(chance for on, chance in whole.items() if set(on) & set(among) == set(active))
            np.testing.assert_allclose(found.get(active, 0.0), expected, rtol=0, atol=tolerance("rounding"))


@every_law
@pytest.mark.parametrize("seed", range(DRAWS))
def test_chances_are_looked_up_as_patterns_say(name: str, seed: int) -> None:
    law = drawn(name, seed)
    for among, exact in product((None, (0, 2), (3,)), (False, True)):
        found, chance = table(law, FOUR, among=among, exact=exact), law.chances(FOUR, among=among, exact=exact)
        for active in subsets(range(FOUR)):
            expected = found.get(active)
            if expected is None:
                assert not chance(active)
            elif exact:
                assert chance(active).item() == expected.item()
            else:
                np.testing.assert_allclose(chance(active), expected, rtol=tolerance("rounding"))


@every_law
@pytest.mark.parametrize("seed", range(DRAWS))
def test_blocks_are_independent_of_each_other(name: str, seed: int) -> None:
    law = drawn(name, seed)
    states = [(block, dict(found)) for block, found in law.block_states(FOUR)]
    assert [block for block, _ in states] == list(law.blocks(FOUR))
    assert sorted(i for block, _ in states for i in block) == list(range(FOUR))
    for active, chance in table(law, FOUR).items():
        factors = [found.get(tuple(i for i in block if i in active), 0.0) for block, found in states]
        np.testing.assert_allclose(np.prod(np.array(factors, dtype=np.float64)), chance, rtol=tolerance("rounding"))


@every_law
@pytest.mark.parametrize("seed", range(DRAWS))
def test_exact_probabilities_are_fractions(name: str, seed: int) -> None:
    law = drawn(name, seed)
    for among in (None, (0, 2)):
        exact, rounded = (table(law, FOUR, among=among, exact=flag) for flag in (True, False))
        values = {active: chance.item() for active, chance in exact.items()}
        assert all(isinstance(chance, Fraction) for chance in values.values())
        # Densities that were given as Fractions sum exactly; floats are the fractions that they are.
        if name in ("k hot", "one hot", "independent", "correlated"):
            assert sum(values.values()) == 1
        assert set(values) == set(rounded)
        for active, chance in values.items():
            np.testing.assert_allclose(float(chance), rounded[active], rtol=0, atol=tolerance("rounding"))


def test_fractions_are_kept() -> None:
    third = Fraction(1, 3)
    assert table(IndependentFeatures(third), 1, exact=True)[0,].item() == third
    assert table(AnticorrelatedFeatures(third, [(0, 1, 2)]), 3, exact=True)[()].item() == 0
    assert table(TableFeatures({(0,): third, (): 1 - third}), 1, exact=True)[0,].item() == third
    taken_law = CorrelatedFeatures(np.array([[third], [third / 2]]), [(0, 1)]).take((2,), np.array(1))
    assert table(taken_law, 2, exact=True)[0, 1].item() == third / 2


BUDGET = 40_000


@every_law
@pytest.mark.parametrize("amplitude", AMPLITUDES)
def test_samples_follow_the_law(name: str, amplitude: str) -> None:
    law = drawn(name, len(amplitude), AMPLITUDES[amplitude])
    x = law.sample(FOUR, BUDGET, np.random.default_rng(0))
    assert x.shape == (BUDGET, FOUR)
    # No amplitude is 0 but by accident.
    codes = (x != 0) @ (1 << np.arange(FOUR))
    counts = np.bincount(codes, minlength=2**FOUR)
    for active in subsets(range(FOUR)):
        chance = float(table(law, FOUR).get(active, 0.0))
        error = np.sqrt(chance * (1 - chance) * BUDGET)
        assert abs(counts[sum(1 << i for i in active)] - chance * BUDGET) <= SIGMAS * error + 1, active
    u, size = x[x != 0], law.amplitude
    assert ((u >= float(size.low)) & (u <= float(size.high))).all()
    if len(u) > 1:
        spread = np.sqrt(float(size.second_moment) - float(size.mean) ** 2) if not size.is_constant else 0.0
        assert abs(u.mean() - float(size.mean)) <= SIGMAS * spread / np.sqrt(len(u)) + tolerance("rounding")


BATCHES: dict[str, Callable[[Any], FeatureLaw]] = {
    "independent": IndependentFeatures,
    "correlated": lambda p: CorrelatedFeatures(p, [(0, 2)]),
    "anticorrelated": lambda p: AnticorrelatedFeatures(p / 2, [(0, 2), (1,)]),
    "table": lambda p: TableFeatures({(0, 2): p[..., 0] / 2, (1,): p[..., 0] / 2, (): 1 - p[..., 0]}),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_of_laws_are_the_laws_one_by_one(name: str) -> None:
    density = np.array([[0.2, 0.5, 1.0], [0.125, 0.25, 0.75]])[..., None]
    law, rng = BATCHES[name](density), np.random.default_rng(1)
    assert law.batch_shape == (2, 3)
    assert law.densities(3).shape == (2, 3, 3)
    assert law.pair_densities(3).shape == (2, 3, 3, 3)
    x = law.sample(3, 1000, rng)
    assert x.shape == (1000, 2, 3, 3)
    means = (x != 0).mean(axis=0)
    errors = np.sqrt(law.densities(3) * (1 - law.densities(3)) / 1000)
    assert (np.abs(means - law.densities(3)) <= SIGMAS * errors).all()
    for among in (None, (1,), ()):
        for active, chance in law.patterns(3, among=among):
            assert chance.shape == (2, 3), active
    for flat, (i, j) in enumerate(np.ndindex(2, 3)):
        single, alone = law.take((2, 3), np.array(flat)), BATCHES[name](density[i, j])
        assert single.batch_shape == ()
        for active, chance in table(alone, 3).items():
            np.testing.assert_array_equal(table(single, 3)[active], chance)
            np.testing.assert_array_equal(table(law, 3)[active][i, j], chance)
    # A single law in a batch of models stays one law for all of them.
    kept = BATCHES[name](density[0, 0]).take((4,), np.array([3, 1]))
    assert kept.batch_shape == (2,)


@pytest.mark.parametrize("active", [1, 2, 5, 40])
def test_k_hot_densities_are_shares(active: int) -> None:
    n = 100
    law = KHotFeatures(active)
    np.testing.assert_allclose(law.densities(n), active / n, rtol=tolerance("rounding"))
    pair = law.pair_densities(n)[3, 77]
    np.testing.assert_allclose(pair, active * (active - 1) / (n * (n - 1)), rtol=tolerance("rounding"))
    assert len(table(KHotFeatures(2), 6)) == comb(6, 2)
    assert law.take((3,), np.array([0, 2])) is law


def test_one_hot_is_k_hot_with_one() -> None:
    assert isinstance(OneHotFeatures(), KHotFeatures)
    assert OneHotFeatures().active == 1
    assert table(OneHotFeatures(), 3) == table(KHotFeatures(1), 3)


def test_groups_of_one_and_no_groups_are_independent() -> None:
    expected = table(IndependentFeatures(PER_FEATURE), 3)
    laws = [
        kind(PER_FEATURE, groups) for kind in (CorrelatedFeatures, AnticorrelatedFeatures) for groups in ([], [[1]])
    ]
    for law in laws:
        assert table(law, 3) == expected


def test_an_anticorrelated_group_may_fill_its_time() -> None:
    """0.7 + 0.2 + 0.1 rounds to less than 1: what is left is no probability."""
    law = AnticorrelatedFeatures([0.7, 0.2, 0.1, 0.5], [(0, 1, 2)])
    assert all(chance >= 0 for chance in table(law, FOUR).values())
    assert float(table(law, FOUR, among=(0, 1, 2))[()]) == 0


# --- Amplitudes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amplitude", "low", "high", "mean", "square"),
    [
        pytest.param("uniform", 0, 1, 1 / 2, 1 / 3, id="uniform"),
        pytest.param("symmetric", -1, 1, 0, 1 / 3, id="symmetric"),
        pytest.param("constant", 1, 1, 1, 1, id="constant"),
        pytest.param(Amplitude(-1, 2), -1, 2, 1 / 2, 1, id="an interval"),
        pytest.param(Amplitude(-2, -2), -2, -2, -2, 4, id="a negative constant"),
    ],
)
def test_amplitudes_and_their_moments(amplitude: Any, low: float, high: float, mean: float, square: float) -> None:
    found = OneHotFeatures(amplitude=amplitude).amplitude
    assert (found.low, found.high, found.width, found.is_constant) == (low, high, high - low, low == high)
    np.testing.assert_allclose([found.mean, found.second_moment], [mean, square], rtol=tolerance("rounding"))


def test_fractional_amplitudes_have_fractional_moments() -> None:
    third: Any = Fraction(1, 3)
    assert Amplitude(-third, 2 * third).mean == Fraction(1, 6)
    assert Amplitude(-third, 2 * third).second_moment == Fraction(1, 9)


HALF = 0.5
MISUSE: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown amplitude": (lambda: OneHotFeatures(amplitude="gaussian"), "amplitude must be .* got 'gaussian'"),
    "amplitude as a number": (lambda: OneHotFeatures(amplitude=1.0), r"amplitude must be .* got 1\.0"),
    "ends in the wrong order": (lambda: Amplitude(1, 0), "an amplitude needs low <= high, .* low=1, high=0"),
    "constant zero": (lambda: Amplitude(0, 0), "not both zero"),
    "infinite end": (lambda: Amplitude(0, np.inf), "high end must be a finite number, got inf"),
    "NaN end": (lambda: Amplitude(np.nan, 1), "low end must be a finite number, got nan"),
    "truth value as an end": (lambda: Amplitude(False, 1), "low end must be a finite number, got False"),
    "text as an end": (lambda: Amplitude("0", 1), "low end must be a finite number, got '0'"),  # type: ignore[arg-type]
    "overlapping groups": (lambda: CorrelatedFeatures(HALF, [(0, 1), (1, 2)]), "must not overlap, got feature 1 twice"),
    "feature twice in a group": (lambda: CorrelatedFeatures(HALF, [(0, 0)]), "must not overlap, got feature 0 twice"),
    "empty group": (lambda: AnticorrelatedFeatures(HALF, [()]), "groups must not be empty"),
    "negative feature": (lambda: CorrelatedFeatures(HALF, [(-1, 0)]), "numbered from 0, .*, got -1"),
    "fractional feature": (lambda: CorrelatedFeatures(HALF, [(0.5, 1)]), r"numbered from 0, .*, got 0\.5"),
    "truth value as a feature": (lambda: CorrelatedFeatures(HALF, [(True, 0)]), "numbered from 0, .*, got True"),
    "groups that are a number": (lambda: CorrelatedFeatures(HALF, 3), "a list of lists of features, got 3"),
    "one group, flat": (lambda: CorrelatedFeatures(HALF, (0, 1)), "a list of lists of features"),
    "feature without a density": (
        lambda: CorrelatedFeatures([HALF, HALF], [(0, 2)]),
        "groups must hold features below 2, got 2",
    ),
    "unknown feature": (
        lambda: CorrelatedFeatures(HALF, [(0, 5)]).check(3),
        "groups must hold features below 3, got 5",
    ),
    "different densities in a group": (
        lambda: CorrelatedFeatures([0.1, 0.2], [(0, 1)]),
        "density must be the same within a correlated group",
    ),
    "densities that sum to more than one": (
        lambda: AnticorrelatedFeatures(0.4, [(0, 1, 2)]),
        r"must sum to at most 1, got 1\.2",
    ),
    "one law of a batch that sums to more": (
        lambda: AnticorrelatedFeatures([[0.2], [0.6]], [(0, 1)]),
        r"must sum to at most 1, got 1\.2",
    ),
    "zero density": (lambda: CorrelatedFeatures(0.0, []), r"density must lie in \(0, 1\]"),
    "none active": (lambda: KHotFeatures(0), "active must be an integer of at least 1, got 0"),
    "a share active": (lambda: KHotFeatures(1.5), r"active must be an integer of at least 1, got 1\.5"),  # type: ignore[arg-type]
    "more active than there are": (lambda: KHotFeatures(3).check(2), "n_features must be at least active=3, got 2"),
    "one hot with two": (lambda: OneHotFeatures(2), "use KHotFeatures"),
    "table that isn't one": (lambda: TableFeatures([0.5, 0.5]), "table must map sets of active features"),
    "empty table": (lambda: TableFeatures({}), "table must map sets of active features"),
    "patterns that aren't sets": (lambda: TableFeatures({0: 1.0}), "a pattern must be a set of features.*got 0"),
    "feature twice in a pattern": (lambda: TableFeatures({(0, 0): 1.0}), "feature 0 twice"),
    "negative feature in a pattern": (lambda: TableFeatures({(-1,): 1.0}), "numbered from 0, .*, got -1"),
    "pattern twice": (
        lambda: TableFeatures({(0, 1): HALF, (1, 0): HALF}),
        r"table lists the pattern \(0, 1\) twice",
    ),
    "negative probability": (lambda: TableFeatures({(): 1.5, (0,): -0.5}), r"must not be negative, .* pattern \(0,\)"),
    "NaN probability": (lambda: TableFeatures({(): np.nan, (0,): 1.0}), "must not be negative"),
    "probabilities that don't sum to one": (lambda: TableFeatures({(): 0.5}), r"must sum to 1, got 0\.5"),
    "one law of a batch that doesn't": (
        lambda: TableFeatures({(): [0.5, 0.5], (0,): [0.5, 0.25]}),
        r"must sum to 1, got 0\.75",
    ),
    "shapes that don't broadcast": (
        lambda: TableFeatures({(): [0.5, 0.5], (0,): [0.5, 0.5, 0.5]}),
        "must broadcast, got shapes",
    ),
    "text as a probability": (lambda: TableFeatures({(): "one"}), "probability must be real numbers"),
    "unknown feature in a table": (
        lambda: TableFeatures({(4,): 1.0}).check(4),
        "patterns must hold features below 4, got 4",
    ),
}


@pytest.mark.parametrize(("make", "message"), MISUSE.values(), ids=MISUSE.keys())
def test_misuse_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_as_amplitude_keeps_an_amplitude() -> None:
    # Behind the face: how a name becomes an amplitude.
    amplitudes = internals("models.amplitudes")
    own = Amplitude(0, 2)
    assert amplitudes.as_amplitude(own) is own


@pytest.mark.parametrize(
    "law",
    [IndependentFeatures(0.01), CorrelatedFeatures(0.01, [(0, 1)]), AnticorrelatedFeatures(0.01, [(0, 9_999)])],
    ids=lambda law: type(law).__name__,
)
def test_patterns_of_ten_thousand_features_are_walked_through(law: FeatureLaw) -> None:
    # More than Python calls functions deep.
    (first, chance), (second, _) = islice(law.patterns(10_000), 2)
    assert (first, len(second)) == ((), 1)
    assert 0 < float(chance) < 1e-43
