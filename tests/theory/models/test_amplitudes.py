"""Amplitudes of all features, and of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tegum.theory import Amplitude, IndependentBlocks, IndependentFeatures, MixtureFeatures, ToyModel
from tegum.theory.models import FeatureAmplitudes, amplitude_from_plain, as_amplitude, circular_features, one_amplitude
from tests.support.laws import EACH, EVERY_LAW

SAMPLES, DEVIATIONS = 1 << 16, 5.0


@pytest.mark.parametrize("law", EVERY_LAW)
def test_a_model_is_described_and_read_back_bit_for_bit(law: str) -> None:
    for seed in range(4):
        model = ToyModel(3, 2, EVERY_LAW[law](np.random.default_rng(seed), 3, EACH))
        text = model.to_json()
        again = ToyModel.from_json(text)
        assert again.to_json() == text
        assert again.features.amplitude == model.features.amplitude == as_amplitude(EACH)
        assert again.describe() == model.describe()
        assert all(one.describe() in model.describe() for one in as_amplitude(EACH).each)  # type: ignore[union-attr]
        assert "constant 1" in model._repr_html_()


def test_toml_has_a_list_too() -> None:
    text = """
        format = "tegum model 1"
        n_features = 2
        n_hidden = 1
        features = { law = "independent", density = 0.5, amplitude = ["uniform", [0, "1/3"]] }
    """
    each = ToyModel.from_toml(text).features.amplitude.each
    assert each[0] == Amplitude(0, 1)
    assert (each[1].low, 3 * each[1].high) == (0, 1)


@pytest.mark.parametrize("law", EVERY_LAW)
def test_moments_are_those_of_drawn_inputs(law: str) -> None:
    features = EVERY_LAW[law](np.random.default_rng(1), 3, EACH)
    x = features.sample(3, SAMPLES, np.random.default_rng(2))
    for power, exact in ((1, features.means(3)), (2, features.second_moments(3))):
        # No input is larger than 2.
        error = 2.0**power * np.sqrt(features.densities(3) / SAMPLES)
        assert (np.abs((x**power).mean(axis=0) - exact) <= DEVIATIONS * error).all()
    assert features.largest == 2
    assert np.abs(x).max() <= 2


def test_equal_amplitudes_are_one() -> None:
    model = ToyModel(3, 2, IndependentFeatures(0.5, amplitude=["constant", Amplitude(1, 1), "constant"]))
    assert model.features.amplitude == Amplitude(1, 1)
    assert model.to_json() == ToyModel(3, 2, IndependentFeatures(0.5, amplitude="constant")).to_json()


def test_blocks_may_differ() -> None:
    parts = [
        ((2, 0), IndependentFeatures(0.5, amplitude=[Amplitude(0, 2), "constant"])),
        ((1,), IndependentFeatures(0.1)),
    ]
    model = ToyModel(3, 2, IndependentBlocks(parts))
    assert model.features.amplitude.each == (Amplitude(1, 1), Amplitude(0, 1), Amplitude(0, 2))
    assert ToyModel.from_json(model.to_json()).to_json() == model.to_json()
    other = model.features.with_amplitude([Amplitude(0, 3), "uniform", "symmetric"])
    assert [law.amplitude for law in other.components] == [
        FeatureAmplitudes((Amplitude(-1, 1), Amplitude(0, 3))),
        Amplitude(0, 1),
    ]


def test_features_on_a_circle_keep_theirs() -> None:
    law = circular_features(4, 0.5, 0.25, 8, amplitude=["uniform", "constant", "uniform", Amplitude(0, 2)])
    np.testing.assert_allclose(law.means(4), law.densities(4) * [0.5, 1, 0.5, 1])


MISUSE: dict[str, tuple[Callable[[], Any], str]] = {
    "too many": (lambda: ToyModel(2, 1, IndependentFeatures(0.5, amplitude=EACH)), "a list of 2, .* got 3"),
    "equal, and too many": (
        lambda: ToyModel(2, 1, IndependentFeatures(0.5, amplitude=["uniform"] * 3)),
        "a list of 2, .* got 3",
    ),
    "too many in a block": (
        lambda: IndependentBlocks([((0, 1), IndependentFeatures(0.5, amplitude=EACH))]),
        "a list of 2, .* got 3",
    ),
    "too few in a mixture": (
        lambda: ToyModel(2, 1, MixtureFeatures([1.0], [IndependentFeatures(0.5, amplitude=["uniform"])])),
        "a list of 2, .* got 1",
    ),
    "too few samples": (
        lambda: IndependentFeatures(0.5, amplitude=EACH).sample(4, 1, np.random.default_rng(0)),
        "a list of 4, .* got 3",
    ),
    "unknown name": (lambda: as_amplitude(["uniform", "gaussian"]), "amplitude must be"),
    "list in a list": (lambda: as_amplitude(["uniform", ["uniform"]]), "amplitude must be"),
    "none": (lambda: as_amplitude([]), "amplitude must be"),
    "no amplitude": (lambda: FeatureAmplitudes(("uniform",)), "each amplitude must be"),  # type: ignore[arg-type]
    "unknown in plain values": (lambda: amplitude_from_plain(["uniform", "gaussian"]), "amplitude must be"),
    "no feature": (lambda: as_amplitude(EACH).at([3]), "amplitudes of 3 features, got feature 3"),
    "one is wanted": (lambda: one_amplitude("this", EACH), "this covers features that share one amplitude, got .*; "),
}


@pytest.mark.parametrize(("make", "message"), MISUSE.values(), ids=MISUSE)
def test_misuse_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
