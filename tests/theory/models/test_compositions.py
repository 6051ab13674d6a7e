"""Laws that are made of laws, trees, circles, data and densities by rank: by hand, in batches, and misused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    DataFeatures,
    FeatureLaw,
    HierarchicalFeatures,
    IndependentBlocks,
    IndependentFeatures,
    KHotFeatures,
    MixtureFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    circular_features,
    expected_loss,
    zipf_densities,
)
from tests.support.tolerances import SIGMAS, tolerance

QUARTER, HALF, THIRD = Fraction(1, 4), Fraction(1, 2), Fraction(1, 3)


def exact(law: FeatureLaw, n: int, **options: Any) -> dict[tuple[int, ...], Fraction]:
    return {on: chance.item() for on, chance in law.patterns(n, exact=True, **options) if chance != 0}


def test_a_correlated_pair_beside_an_anticorrelated_one_by_hand() -> None:
    law = IndependentBlocks(
        [((3, 0), CorrelatedFeatures(HALF, [(0, 1)])), ((2, 1), AnticorrelatedFeatures([THIRD, QUARTER], [(0, 1)]))]
    )
    assert exact(law, 4) == {
        (): HALF * Fraction(5, 12), (2,): HALF * THIRD, (1,): HALF * QUARTER,
        (0, 3): HALF * Fraction(5, 12), (0, 2, 3): HALF * THIRD, (0, 1, 3): HALF * QUARTER,
    }  # fmt: skip
    assert law.densities(4).tolist() == [0.5, 0.25, float(THIRD), 0.5]
    assert law.blocks(4) == ((0, 3), (1, 2))
    assert law.subtracts
    assert not IndependentBlocks([((0, 1), CorrelatedFeatures(HALF, [(0, 1)]))]).subtracts


def test_losses_of_independent_blocks_that_do_not_interact_add_up() -> None:
    parts: list[tuple[Any, FeatureLaw]] = [((0, 2), CorrelatedFeatures(0.3, [(0, 1)])), ((1, 3, 4), KHotFeatures(2))]
    rng = np.random.default_rng(0)
    W, b = np.zeros((3, 5)), rng.normal(size=5) / 3
    W[:1, [0, 2]], W[1:, [1, 3, 4]] = rng.normal(size=(1, 2)), rng.normal(size=(2, 3))
    alone = [float(expected_loss(ToyModel(len(on), 3, law), W[:, list(on)], b[list(on)])) for on, law in parts]
    whole = float(expected_loss(ToyModel(5, 3, IndependentBlocks(parts)), W, b))
    assert whole == pytest.approx(sum(alone), rel=tolerance("loss"))


def test_a_mixture_of_rational_laws_is_rational() -> None:
    law = MixtureFeatures([QUARTER, 1 - QUARTER], [CorrelatedFeatures(HALF, [(0, 1)]), IndependentFeatures(HALF)])
    both, one = QUARTER * HALF + (1 - QUARTER) * QUARTER, (1 - QUARTER) * QUARTER
    assert exact(law, 2) == {(): both, (0, 1): both, (0,): one, (1,): one}
    assert exact(law, 2, among=(1,)) == {(): HALF, (1,): HALF}
    # Partial correlation: ρ p (1 − p) is what independence leaves over.
    assert law.pair_densities(2)[0, 1] - 0.25 == pytest.approx(float(QUARTER) / 4)


def test_patterns_of_many_features_are_yielded_one_by_one() -> None:
    many = [IndependentFeatures(0.5), KHotFeatures(30), HierarchicalFeatures(0.5, [None] + [0] * 59)]
    blocks = IndependentBlocks([(range(60), MixtureFeatures([0.25, 0.75], many[:2]))])
    for law in (MixtureFeatures([THIRD] * 3, many), blocks, many[2]):
        first = list(islice(law.patterns(60), 10))
        assert len(dict(first)) == 10


def test_a_tree_by_hand() -> None:
    """An animal, a bird, a fish, an owl: 0 is the parent of 1 and 2, and 1 that of 3."""
    law = HierarchicalFeatures([HALF, QUARTER, THIRD, Fraction(1, 8)], [None, 0, 0, 1])
    fish = Fraction(2, 3)
    assert exact(law, 4) == {
        (): HALF,
        (0,): HALF * HALF * (1 - fish), (0, 2): HALF * HALF * fish,
        (0, 1): HALF * HALF * (1 - fish) / 2, (0, 1, 2): HALF * HALF * fish / 2,
        (0, 1, 3): HALF * HALF * (1 - fish) / 2, (0, 1, 2, 3): HALF * HALF * fish / 2,
    }  # fmt: skip
    # What isn't looked at is summed over: the owl needs the animal.
    assert exact(law, 4, among=(0, 3)) == {(): HALF, (0,): HALF - Fraction(1, 8), (0, 3): Fraction(1, 8)}
    assert exact(law, 4, among=(2, 3)) == {
        (): 1 - Fraction(1, 8) - THIRD + Fraction(1, 12),
        (2,): THIRD - Fraction(1, 12), (3,): Fraction(1, 8) - Fraction(1, 12), (2, 3): Fraction(1, 12),
    }  # fmt: skip


def test_a_child_as_dense_as_its_parent_is_always_with_it_and_a_forest_has_independent_trees() -> None:
    law = HierarchicalFeatures([0.4, 0.4, 0.7, 0.1], [None, 0, None, 2])
    assert law.blocks(4) == ((0, 1), (2, 3))
    assert {on for on, chance in law.patterns(4, among=(0, 1)) if chance} == {(), (0, 1)}
    joint = law.pair_densities(4)
    np.testing.assert_allclose(joint[:2, 2:], np.outer([0.4, 0.4], [0.7, 0.1]), rtol=tolerance("rounding"))


def test_features_of_a_position_on_a_circle_by_hand() -> None:
    """Eight positions, four features: each is near to three positions, of which neighbours share one."""
    law = circular_features(4, 0.5, 0.25, 8, amplitude="constant")
    joint = law.pair_densities(4)
    np.testing.assert_allclose(np.diag(joint), 0.5 * 3 / 8)
    np.testing.assert_allclose([joint[0, 1], joint[0, 2], joint[0, 3]], [0.25 / 8, 0, 0.25 / 8])
    everywhere = circular_features(3, 0.3, 1.0, 5)
    np.testing.assert_allclose(everywhere.pair_densities(3)[0, 1], 0.09, rtol=tolerance("rounding"))
    # A circle turned by one feature is the same circle.
    turned = circular_features(6, 0.5, 0.4, 12).pair_densities(6)
    np.testing.assert_allclose(np.roll(turned, (1, 1), (0, 1)), turned, rtol=tolerance("rounding"))


def test_densities_by_rank() -> None:
    found = zipf_densities(1000, 1.5, 0.8)
    assert found[0] == 0.8
    slopes = np.diff(np.log(found)) / np.diff(np.log(np.arange(1, 1001)))
    np.testing.assert_allclose(slopes, -1.5, rtol=1e-9)
    assert zipf_densities(3, 0).tolist() == [1, 1, 1]
    IndependentFeatures(found).check(1000)


BATCHES: dict[str, Callable[[Any], FeatureLaw]] = {
    "hierarchy": lambda p: HierarchicalFeatures(p * np.array([1, 0.5, 0.25]), [None, 0, 1]),
    "shares": lambda p: MixtureFeatures([p[..., 0], 1 - p[..., 0]], [OneHotFeatures(), IndependentFeatures(0.3)]),
    "laws": lambda p: MixtureFeatures([0.5, 0.5], [IndependentFeatures(p), KHotFeatures(2)]),
    "blocks": lambda p: IndependentBlocks(
        [((2, 0), CorrelatedFeatures(p, [(0, 1)])), ((1,), IndependentFeatures(0.5))]
    ),
    "data": lambda p: DataFeatures(np.array([[1, 0, 2], [0, -1, 0.5]]), np.concatenate([p, 1 - p], axis=-1)),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_of_laws_are_the_laws_one_by_one(name: str) -> None:
    density = np.array([[0.2, 0.5, 1.0], [0.125, 0.25, 0.75]])[..., None]
    law = BATCHES[name](density)
    assert law.batch_shape == (2, 3)
    x = law.sample(3, 4000, np.random.default_rng(1))
    assert x.shape == (4000, 2, 3, 3)
    p = law.densities(3)
    assert (np.abs((x != 0).mean(axis=0) - p) <= SIGMAS * np.sqrt(p * (1 - p) / 4000) + 1e-12).all()
    on = 1.0 * (x != 0)
    pairs = np.einsum("sabi,sabj->abij", on, on) / 4000
    assert np.abs(pairs - law.pair_densities(3)).max() <= SIGMAS * 0.5 / np.sqrt(4000)
    # Models of a batch are drawn by themselves.
    apart = np.corrcoef(on[:, 0, 0, 0], on[:, 1, 1, 0])[0, 1]
    assert abs(apart) <= SIGMAS / np.sqrt(4000)
    for flat, (i, j) in enumerate(np.ndindex(2, 3)):
        single, alone = law.take((2, 3), np.array(flat)), BATCHES[name](density[i, j])
        assert single.batch_shape == ()
        for active, chance in alone.patterns(3):
            np.testing.assert_array_equal(dict(single.patterns(3))[active], chance)
            np.testing.assert_array_equal(dict(law.patterns(3))[active][i, j], chance)
    assert BATCHES[name](density[0, 0]).take((4,), np.array([3, 1])).densities(3).shape[-1] == 3


def test_data_are_what_is_listed() -> None:
    law = DataFeatures([[1.0, 0.0], [0.5, 2.0], [0.0, 0.0]], np.array([HALF, QUARTER, QUARTER]))
    assert exact(law, 2) == {(): QUARTER, (0,): HALF, (0, 1): QUARTER}
    assert exact(law, 2, among=(1,)) == {(): 1 - QUARTER, (1,): QUARTER}
    assert law.densities(2).tolist() == [0.75, 0.25]
    assert law.pair_densities(2).tolist() == [[0.75, 0.25], [0.25, 0.25]]
    assert (law.means(2).tolist(), law.second_moments(2).tolist()) == ([0.625, 0.5], [0.5625, 1.0])
    assert law.largest == 2
    with pytest.raises(ValueError, match="read-only"):
        law.inputs[0, 0] = 3.0
    with pytest.raises(AttributeError, match="cannot assign"):
        law.inputs = law.inputs  # type: ignore[misc]
    with pytest.raises(ValueError, match="DataFeatures has no amplitudes that could become"):
        law.with_amplitude(Amplitude(0, 2))


def test_another_amplitude_is_that_of_all_parts() -> None:
    law = IndependentBlocks([((0, 1), MixtureFeatures([1.0], [OneHotFeatures()])), ((2,), IndependentFeatures(0.5))])
    assert law.amplitude == Amplitude(0, 1)
    other = law.with_amplitude(Amplitude(-1, 2))
    assert other.amplitude == other.parts[0][1].laws[0].amplitude == Amplitude(-1, 2)
    assert dict(other.patterns(3)).keys() == dict(law.patterns(3)).keys()


CONSTANT = IndependentFeatures(0.5, amplitude="constant")
UNIFORM = IndependentFeatures(0.5)
MISUSE: dict[str, tuple[Callable[[], Any], str]] = {
    "no parts": (lambda: IndependentBlocks([]), "parts must be a sequence of 1 or more"),
    "a part without a law": (
        lambda: IndependentBlocks([(0, 1)]),
        "the law of each of parts must be a FeatureLaw, got int",
    ),
    "a law alone": (lambda: IndependentBlocks(UNIFORM), "parts must be a sequence"),
    "feature in two parts": (lambda: IndependentBlocks([((0,), UNIFORM), ((0, 1), UNIFORM)]), "got feature 0 twice"),
    "feature twice in a part": (lambda: IndependentBlocks([((0, 0), UNIFORM)]), "got feature 0 twice"),
    "part without features": (lambda: IndependentBlocks([((), UNIFORM)]), "groups must not be empty"),
    "law that doesn't fit its part": (lambda: IndependentBlocks([((0,), KHotFeatures(2))]), "at least active=2, got 1"),
    "feature in no part": (
        lambda: IndependentBlocks([((0, 2), UNIFORM)]).check(3),
        r"each of the 3 features once, got features \[0, 2\]",
    ),
    "different amplitudes": (
        lambda: MixtureFeatures([0.5, 0.5], [UNIFORM, CONSTANT]),
        "must share one amplitude, got .*low=0, high=1.*low=1, high=1",
    ),
    "another amplitude than that of the parts": (
        lambda: IndependentBlocks([((0,), UNIFORM), ((1,), CONSTANT)], amplitude="uniform"),
        r"amplitude must be that of the parts, uniform on \[0, 1\]; constant 1, got uniform on \[0, 1\]",
    ),
    "another amplitude than asked for": (
        lambda: MixtureFeatures([1.0], [UNIFORM], amplitude="constant"),
        "must share one amplitude, .* was asked for",
    ),
    "batches that don't broadcast": (
        lambda: MixtureFeatures(
            [0.5, 0.5], [IndependentFeatures(np.full((2, 1), 0.5)), IndependentFeatures(np.full((3, 1), 0.5))]
        ),
        "batch shapes of probabilities and laws must broadcast",
    ),
    "data as a part": (
        lambda: IndependentBlocks([((0, 1), DataFeatures(np.eye(2)))]),
        "DataFeatures lists its inputs, and has no amplitudes",
    ),
    "more probabilities than laws": (
        lambda: MixtureFeatures([0.5, 0.5], [UNIFORM]),
        "must be 1, one for each law, got 2",
    ),
    "probabilities that don't sum to one": (lambda: MixtureFeatures([0.5], [UNIFORM]), r"must sum to 1, got 0\.5"),
    "negative probability": (lambda: MixtureFeatures([1.5, -0.5], [UNIFORM, UNIFORM]), "must not be negative"),
    "NaN probability": (lambda: MixtureFeatures([np.nan], [UNIFORM]), "must not be negative|sum to 1"),
    "no laws": (lambda: MixtureFeatures([], []), "laws must be a sequence of 1 or more"),
    "mixture of numbers": (lambda: MixtureFeatures([1.0], [0.5]), "each of laws must be a FeatureLaw, got float"),
    "child denser than its parent": (
        lambda: HierarchicalFeatures([0.2, 0.3], [None, 0]),
        r"at most its parent's, got 0\.3 for feature 1 and 0\.2 for its parent 0",
    ),
    "a circle of parents": (lambda: HierarchicalFeatures(0.5, [1, 0]), "parents must form trees"),
    "its own parent": (lambda: HierarchicalFeatures(0.5, [0]), "parents must form trees, got feature 0 among its own"),
    "unknown parent": (lambda: HierarchicalFeatures(0.5, [None, 7]), "must be an integer from 0 to 1, got 7"),
    "text as a parent": (lambda: HierarchicalFeatures(0.5, [None, "0"]), "must be an integer from 0 to 1, got '0'"),
    "parents that are a number": (lambda: HierarchicalFeatures(0.5, 0), "parents must be a sequence"),
    "parents of fewer features": (
        lambda: HierarchicalFeatures(0.5, [None, 0]).check(3),
        "parents must be 3, one for each feature or None, got 2",
    ),
    "data without an axis": (lambda: DataFeatures([1.0, 2.0]), r"inputs must have shape \(K, n_features\)"),
    "data of nothing": (lambda: DataFeatures(np.zeros((3, 2))), "must hold a number that isn't zero"),
    "NaN in data": (lambda: DataFeatures([[np.nan]]), "inputs must be finite"),
    "weights that don't sum to one": (lambda: DataFeatures(np.eye(2), [1, 1]), "must sum to 1, got 2.*divide them"),
    "a weight for no input": (lambda: DataFeatures(np.eye(2), [1.0]), r"must have shape \(\.\.\., 2\)"),
    "negative weight": (lambda: DataFeatures(np.eye(2), [2, -1]), "must not be negative"),
    "data of other features": (lambda: ToyModel(3, 2, DataFeatures(np.eye(2))), "inputs must have 3 features"),
    "circle without positions": (
        lambda: circular_features(3, 0.5, 0.5, 0),
        "positions must be an integer of at least 1",
    ),
    "wide circle": (lambda: circular_features(3, 0.5, 1.5, 2), r"width must lie in \[0, 1\], got 1\.5"),
    "density above one": (lambda: zipf_densities(3, 1, 1.5), r"largest must lie in \(0, 1\], got 1\.5"),
    "rising densities": (lambda: zipf_densities(3, -1), "exponent must be finite and not negative, got -1"),
    "densities too small": (lambda: zipf_densities(10, 400), "too small for float64: a smaller exponent"),
}


@pytest.mark.parametrize(("make", "message"), MISUSE.values(), ids=MISUSE.keys())
def test_misuse_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_feature_that_is_never_on_is_a_table_of_nothing() -> None:
    law = IndependentBlocks([((0, 1), IndependentFeatures(0.5)), ((2,), TableFeatures({(): 1.0}))])
    W, b = np.array([[1.0, -0.5, 0.7]]), np.array([0.1, 0.0, 0.2])
    two = float(expected_loss(ToyModel(2, 1, IndependentFeatures(0.5)), W[:, :2], b[:2]))
    three = ToyModel(3, 1, law)
    found = float(expected_loss(three, W, b))
    third = float(expected_loss(three, W, b)) - two
    assert found > two
    assert float(expected_loss(three, W, b, method="spectral")) == pytest.approx(found, abs=tolerance("spectral"))
    assert third == pytest.approx(float(expected_loss(ToyModel(3, 1, law, [1e-300, 1e-300, 1.0]), W, b)), rel=1e-12)
