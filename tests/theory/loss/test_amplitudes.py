"""Features with amplitudes of their own, through every engine of the loss."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import sympy
import torch

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    IndependentFeatures,
    MixtureFeatures,
    TableFeatures,
    ToyModel,
    enclosure,
    expected_loss,
    loss_gradient,
)
from tegum.theory.loss import (
    ArrayEngine,
    CompiledEngine,
    MixtureEngine,
    SpectralEngine,
    SummedEngine,
    engine_for,
    linear_loss,
)
from tegum.theory.numerics import FloatArray
from tests.support.laws import EACH, EVERY_LAW, PENALTIES
from tests.support.monte_carlo import sampled_loss
from tests.support.tolerances import tolerance

KINDS: list[Any] = ["uniform", "constant", "symmetric", Amplitude(0, 2), Amplitude(-3, -1)]
ENGINES: dict[str, Any] = {"arrays": ArrayEngine, "compiled": CompiledEngine, "spectral": SpectralEngine}
CONSTANTS: list[Any] = [Amplitude(2, 2), Amplitude(-0.5, -0.5), "constant"]
# Samples in the ordinary run, and in the slow one.
FEW, MANY, DEVIATIONS = 1 << 17, 10**7, 4.0


def point(n: int, m: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return weights and biases at which most outputs are on for some inputs and off for others."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)) / np.sqrt(m), 0.3 * rng.normal(size=n)


def named(amplitude: Any) -> str:
    return amplitude if isinstance(amplitude, str) else f"{amplitude.low:g} to {amplitude.high:g}"


@pytest.mark.parametrize("pair", list(product(KINDS, repeat=2)), ids=lambda pair: ", ".join(map(named, pair)))
def test_pairs_of_kinds_lie_in_proven_intervals(pair: tuple[Any, Any]) -> None:
    """Ball arithmetic integrates by signed sums over corners, which share nothing with the recursion."""
    rng = np.random.default_rng(len(KINDS) * KINDS.index(pair[0]) + KINDS.index(pair[1]))
    laws = (
        IndependentFeatures([0.5, 0.25], amplitude=pair),
        TableFeatures({(0, 1): 0.5, (0,): 0.25, (): 0.25}, amplitude=pair),
    )
    for law in laws:
        model = ToyModel(2, 1, law, (1.0, 0.5), 0.25, 0.0, 0.125)
        # With a few digits, and at no kink.
        W, b = rng.integers(-90, 90, size=(1, 2)) / 64 + 1 / 128, rng.integers(-90, 90, size=2) / 128 + 1 / 2048
        proven = enclosure(model, W, b, order=2)
        assert proven.status == "narrow"
        assert proven.gradient is not None
        assert proven.hessian is not None
        gradient, hessian = (np.vectorize(lambda x: x.midpoint)(part) for part in (proven.gradient, proven.hessian))
        for name, engine in ENGINES.items():
            kind = "spectral" if name == "spectral" else "float64"
            found = engine(model).evaluate(W, b, 1 if name == "spectral" else 2)
            assert abs(float(found.loss) - proven.loss.midpoint) <= float(found.error) + 1e-15
            mine = np.concatenate([found.d_weights.ravel(), found.d_bias])
            np.testing.assert_allclose(mine, gradient, rtol=0, atol=tolerance("gradient", kind) * 5)
            if found.hessian is not None:
                np.testing.assert_allclose(found.hessian, hessian, rtol=0, atol=tolerance("hessian"))


@pytest.mark.parametrize("targets", ["all", "active"])
@pytest.mark.parametrize("law", EVERY_LAW)
def test_engines_agree_for_every_law(law: str, targets: str) -> None:
    for seed, penalty in enumerate(PENALTIES.values()):
        rng = np.random.default_rng(seed)
        model = ToyModel(3, 2, EVERY_LAW[law](rng, 3, EACH), (1, 0.5, 2), **penalty, targets=targets)
        W, b = point(3, 2, seed)
        arrays, compiled = (engine(model).evaluate(W, b, 2, outputs=True) for engine in (ArrayEngine, CompiledEngine))
        for name in ("loss", "output_losses", "d_weights", "d_bias", "hessian"):
            np.testing.assert_allclose(getattr(compiled, name), getattr(arrays, name), rtol=1e-12, atol=1e-12)
        inverted = engine_for(model, method="spectral").evaluate(W, b, 1)
        assert abs(float(inverted.loss - arrays.loss)) <= float(inverted.error + arrays.error)
        np.testing.assert_allclose(inverted.d_weights, arrays.d_weights, rtol=0, atol=1e-6)
        np.testing.assert_allclose(inverted.d_bias, arrays.d_bias, rtol=0, atol=1e-6)


@pytest.mark.parametrize("targets", ["all", "active"])
def test_constants_of_their_own_are_summed_over(targets: str) -> None:
    model = ToyModel(3, 2, AnticorrelatedFeatures(0.25, [(0, 2)], amplitude=CONSTANTS), targets=targets)
    W, b = point(3, 2, 5)
    # The defining sum.
    total = 0.0
    for active, chance in model.features.patterns(3):
        x = np.array([2, -0.5, 1]) * np.isin(np.arange(3), active)
        error = (x - np.maximum(W.T @ W @ x + b, 0)) ** 2
        total += float(chance) * error[x != 0 if targets == "active" else slice(None)].sum()
    for engine in (SummedEngine, ArrayEngine, CompiledEngine, SpectralEngine):
        found = engine(model).evaluate(W, b, 1)
        assert abs(float(found.loss) - total) <= float(found.error) + 1e-14
        np.testing.assert_allclose(found.d_weights, SummedEngine(model).evaluate(W, b, 1).d_weights, atol=1e-6)


def sampled(samples: int) -> None:
    for n, amplitudes in (
        (2, ["uniform", Amplitude(0, 2)]),
        (3, EACH),
        (3, ["uniform", Amplitude(0.5, 1.5), "constant"]),
    ):
        law = IndependentFeatures(np.linspace(0.3, 0.9, n), amplitude=amplitudes)
        mixture = MixtureFeatures([0.25, 0.75], [law, TableFeatures({(0, 1): 1.0}, amplitude=amplitudes)])
        for features in (law, mixture):
            model = ToyModel(n, n - 1, features, np.linspace(1, 0.5, n))
            W, b = point(n, n - 1, n)
            estimate = sampled_loss(model, W, b, 0.0, samples, seed=n)
            for engine in (ArrayEngine, CompiledEngine):
                loss = float(engine(model).evaluate(W, b, 0).loss)
                assert abs(loss - estimate.mean) < DEVIATIONS * estimate.standard_error
            loss = float(expected_loss(model, W, b, method="spectral"))
            assert abs(loss - estimate.mean) < DEVIATIONS * estimate.standard_error


def test_sampled_losses_agree() -> None:
    sampled(FEW)


@pytest.mark.slow
def test_losses_of_ten_million_samples_agree() -> None:
    sampled(MANY)


def test_a_loss_is_that_of_sympy() -> None:
    """Where all outputs are on, errors are polynomials, which SymPy integrates over the boxes."""
    x, y = sympy.symbols("x y")
    w, b = sympy.Matrix([[sympy.Rational(1, 2), sympy.Rational(1, 4)]]), sympy.Matrix([sympy.Rational(1, 8), 1])
    inputs = sympy.Matrix([x, y])
    error = (inputs - (w.T * w * inputs + b)).dot(inputs - (w.T * w * inputs + b))
    total = sympy.Integer(0)
    for on, chance in (((0, 0), 1), ((1, 0), 1), ((0, 1), 2), ((1, 1), 4)):
        part = error
        # x uniform on [0, 1], y on [1, 3].
        part = sympy.integrate(part, (x, 0, 1)) if on[0] else part.subs(x, 0)
        part = sympy.integrate(part, (y, 1, 3)) / 2 if on[1] else part.subs(y, 0)
        total += sympy.Rational(chance, 8) * part
    law = TableFeatures({(): 1 / 8, (0,): 1 / 8, (1,): 1 / 4, (0, 1): 1 / 2}, amplitude=["uniform", Amplitude(1, 3)])
    found = expected_loss(ToyModel(2, 1, law), [[0.5, 0.25]], [0.125, 1.0])
    assert abs(float(found) - float(total)) < tolerance("loss")


@pytest.mark.parametrize("engine", ENGINES)
def test_one_scale_of_all_features_is_a_unit(engine: str) -> None:
    """L of s u is s² that of u at (W, b / s), with penalties over s², and on activations over s."""
    scale = 3.0
    law = AnticorrelatedFeatures(0.25, [(0, 1)], amplitude=EACH)
    larger = law.with_amplitude(law.amplitude.mapped(lambda one: Amplitude(scale * one.low, scale * one.high)))
    W, b = point(3, 2, 1)
    one = ToyModel(3, 2, law, (1, 0.5, 2), 0.1 / scale**2, 0.01 / scale**2, 0.3 / scale)
    many = ToyModel(3, 2, larger, (1, 0.5, 2), 0.1, 0.01, 0.3)
    here, there = ENGINES[engine](one).evaluate(W, b / scale, 1), ENGINES[engine](many).evaluate(W, b, 1)
    for mine, theirs, factor in zip(
        here[:1] + here[2:4], there[:1] + there[2:4], (scale**2, scale**2, scale), strict=True
    ):
        np.testing.assert_allclose(theirs, factor * np.asarray(mine), rtol=1e-7 if engine == "spectral" else 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_features_that_do_not_overlap_have_scales_of_their_own(engine: str) -> None:
    """With G diagonal, x_i = s_i u_i costs s_i² what u_i costs at b_i / s_i."""
    scales, b = np.array([0.5, 2.0, 3.0]), np.array([0.1, -0.4, 0.2])
    law = IndependentFeatures([0.2, 0.5, 0.9], amplitude=[Amplitude(0, s) for s in scales])
    model = ToyModel(3, 3, law, (1, 0.5, 2))
    unit = ToyModel(3, 3, IndependentFeatures([0.2, 0.5, 0.9]), np.array([1, 0.5, 2]) * scales**2)
    W = np.diag([0.9, 1.1, -0.7])
    found, expected = ENGINES[engine](model).evaluate(W, b, 0), ENGINES[engine](unit).evaluate(W, b / scales, 0)
    assert abs(float(found.loss - expected.loss)) <= float(found.error + expected.error)


def test_features_have_no_order() -> None:
    importance, density, amplitude = np.array([1, 0.5, 2]), np.array([0.2, 0.5, 0.9]), np.array(EACH, dtype=object)
    W, b = point(3, 2, 2)
    losses = [
        float(
            expected_loss(
                ToyModel(
                    3, 2, IndependentFeatures(density[list(o)], amplitude=list(amplitude[list(o)])), importance[list(o)]
                ),
                W[:, o],
                b[list(o)],
            )
        )
        for o in permutations(range(3))
    ]
    assert np.ptp(losses) < tolerance("loss") * losses[0]


@pytest.mark.parametrize("amplitude", [*KINDS, Amplitude(0.25, 2)], ids=named)
def test_nearly_equal_amplitudes_go_the_general_way_to_the_same_numbers(amplitude: Any) -> None:
    """A list of equal ones is one amplitude; one that differs in the last bit has ends by feature."""
    W, b = point(3, 2, 3)
    one = ToyModel(3, 2, IndependentFeatures(0.4, amplitude=amplitude))
    (low, *_), (high, *_) = one.features.amplitude.ends(3)
    near = Amplitude(low, np.nextafter(high, np.inf)) if low < high else Amplitude(*[np.nextafter(low, np.inf)] * 2)
    other = ToyModel(3, 2, IndependentFeatures(0.4, amplitude=[amplitude, amplitude, near]))
    for engine in ENGINES.values():
        last = 1 if engine is SpectralEngine else 2
        here, there = (engine(model).evaluate(W, b, last) for model in (one, other))
        for name in ("loss", "d_weights", "d_bias", *(["hessian"] if last == 2 else [])):
            off = 1e-8 if engine is SpectralEngine else 1e-13
            np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=off, atol=off)
    equal = ToyModel(3, 2, IndependentFeatures(0.4, amplitude=[amplitude] * 3))
    assert expected_loss(equal, W, b) == expected_loss(one, W, b)


def test_spectators_and_many_features() -> None:
    """More features than compiled code takes: supports, and transforms."""
    n = 9
    amplitudes = [EACH[i % 3] for i in range(n)]
    model = ToyModel(n, 3, IndependentFeatures(np.linspace(0.1, 0.5, n), amplitude=amplitudes))
    W, b = point(n, 3, 4)
    # Features in three blocks of three.
    W = W * np.kron(np.eye(3), np.ones((1, 3)))
    arrays, inverted = ArrayEngine(model).evaluate(W, b, 1), SpectralEngine(model).evaluate(W, b, 1)
    assert abs(float(arrays.loss - inverted.loss)) <= float(arrays.error + inverted.error)
    np.testing.assert_allclose(inverted.d_weights, arrays.d_weights, atol=1e-6)
    parts = 0.0
    for k in range(3):
        at = slice(3 * k, 3 * k + 3)
        law = IndependentFeatures(np.linspace(0.1, 0.5, n)[at], amplitude=EACH)
        parts += float(expected_loss(ToyModel(3, 1, law), W[[k], at], b[at]))
    assert abs(float(arrays.loss) - parts) < tolerance("loss") * parts
    step = 1e-6
    nudge = np.zeros_like(W)
    nudge[0, 7] = step
    slope = (ArrayEngine(model).evaluate(W + nudge, b, 0).loss - ArrayEngine(model).evaluate(W - nudge, b, 0).loss) / (
        2 * step
    )
    assert abs(float(slope) - arrays.d_weights[0, 7]) < tolerance("difference")


def test_mixtures_of_many_features_are_sums_of_their_laws() -> None:
    n = 7
    amplitudes = [EACH[i % 3] for i in range(n)]
    laws = [IndependentFeatures(p, amplitude=amplitudes) for p in (0.1, 0.5)]
    model = ToyModel(n, 2, MixtureFeatures([0.25, 0.75], laws))
    W, b = point(n, 2, 6)
    assert isinstance(engine_for(model), MixtureEngine)
    each = [float(expected_loss(ToyModel(n, 2, law), W, b)) for law in laws]
    assert abs(float(expected_loss(model, W, b)) - (0.25 * each[0] + 0.75 * each[1])) < 1e-12


def test_tensors_and_autograd_follow() -> None:
    model = ToyModel(3, 2, IndependentFeatures(0.4, amplitude=EACH), activation_penalty=0.1)
    W, b = (torch.tensor(part, requires_grad=True) for part in point(3, 2, 7))
    assert torch.autograd.gradcheck(lambda *at: expected_loss(model, *at), (W, b))
    assert torch.autograd.gradgradcheck(lambda *at: expected_loss(model, *at), (W, b), atol=1e-4)
    single = float(expected_loss(model, W.detach().float(), b.detach().float()))
    assert abs(single - float(expected_loss(model, W.detach(), b.detach()))) < tolerance("loss", "float32") * 10


@pytest.mark.parametrize("engine", [ArrayEngine, CompiledEngine])
def test_huge_amplitudes_are_scaled(engine: Any) -> None:
    factor = 2.0**200
    law = IndependentFeatures(0.4, amplitude=EACH)
    larger = law.with_amplitude(law.amplitude.mapped(lambda one: Amplitude(factor * one.low, factor * one.high)))
    W, b = point(3, 2, 8)
    here, there = (
        engine(ToyModel(3, 2, law)).evaluate(W, b, 1),
        engine(ToyModel(3, 2, larger)).evaluate(W, factor * b, 1),
    )
    np.testing.assert_allclose(there.loss / factor**2, here.loss, rtol=1e-13)
    np.testing.assert_allclose(there.d_bias / factor, here.d_bias, rtol=1e-12, atol=1e-13)


def test_linear_losses_follow() -> None:
    law = AnticorrelatedFeatures(0.25, [(0, 2)], amplitude=EACH)
    model = ToyModel(3, 2, law, (1, 0.5, 2))
    W, b = point(3, 2, 9)
    x = law.sample(3, FEW, np.random.default_rng(0))
    errors = ((x - x @ (W.T @ W) - b) ** 2) @ model.importances()
    assert abs(float(linear_loss(model, W, b)) - errors.mean()) < DEVIATIONS * errors.std() / np.sqrt(FEW)


def test_a_batch_is_its_models() -> None:
    law = IndependentFeatures([[0.2], [0.7]], amplitude=EACH)
    W, b = point(3, 2, 10)
    whole = loss_gradient(ToyModel(3, 2, law), W, b)[0]
    for k, p in enumerate((0.2, 0.7)):
        alone = loss_gradient(ToyModel(3, 2, IndependentFeatures(p, amplitude=EACH)), W, b)[0]
        assert (whole[k] == alone).all()


def test_errors_of_features_that_differ_are_not_proved() -> None:
    with pytest.raises(ValueError, match="share one amplitude that varies"):
        SpectralEngine(
            ToyModel(3, 2, IndependentFeatures(0.4, amplitude=["uniform", "uniform", Amplitude(0, 2)])), proved=True
        )
