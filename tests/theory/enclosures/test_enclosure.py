"""Enclosures hold what other exact evaluations say, and every floating-point engine lies within its bar of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise, product
from random import Random
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
import torch

from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    derive_loss,
    enclosure,
)
from tegum.theory.enclosures import Enclosure
from tegum.theory.numerics import FloatArray, Interval
from tests.support.cases import POINTS, Case, draw_case, draw_cases
from tests.support.engines import ENGINES
from tests.support.laws import AMPLITUDES, LAWS, PENALTIES, independent
from tests.support.oracles import ORACLE_DIGITS, exact_gram, oracle
from tests.support.tolerances import tolerance

HALF = Fraction(1, 2)
# Newton-Cotes on five points is exact up to degree five; three nested integrals of a square need degree four.
BOOLE = [(Fraction(k, 4), Fraction(w, 90)) for k, w in enumerate((7, 32, 12, 32, 7))]
# Narrow enough for the value to be compared with exact ones.
NARROW = Fraction(1, 10**30)
# Overlaps below this one leave the Hessian fewer digits than its bar, under amplitudes of both signs.
SMALL_OVERLAP = 1e-7


def enclosed(case: Case, **options: Any) -> Enclosure:
    return enclosure(case.model, case.weights, case.bias, **options)


# --- Other exact evaluations -------------------------------------------------------------------------------------


def box_mean(
    slopes: tuple[Fraction, ...], own: int | None, offset: Fraction, t: Fraction, ends: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction]:
    """Return E(ReLU(z) − t)² and E|z| over the amplitudes by their definition, one coordinate after the other.

    Each coordinate is cut where a corner of the remaining box has z = 0: in between the integral over those that
    remain is a polynomial. No box differences, no balls.
    """
    if not slopes:
        return (max(offset, Fraction(0)) - t) ** 2, abs(offset)
    slope, rest = slopes[0], slopes[1:]
    corners = [offset + sum(chosen) for chosen in product(*((a * ends[0], a * ends[1]) for a in rest))]
    kinks = {-corner / slope for corner in corners} if slope else set()
    cuts = [ends[0], *sorted(kink for kink in kinks if ends[0] < kink < ends[1]), ends[1]]
    pieces = [(low, (high - low) / (ends[1] - ends[0]), high - low) for low, high in pairwise(cuts) if low != high]
    nodes = [(low + length * node, share * w) for low, share, length in pieces for node, w in BOOLE]
    square = absolute = Fraction(0)
    for u, weight in nodes or [(ends[0], Fraction(1))]:
        inner = box_mean(rest, None if own is None else own - 1, offset + slope * u, u if own == 0 else t, ends)
        square, absolute = square + weight * inner[0], absolute + weight * inner[1]
    return square, absolute


def defined_loss(case: Case) -> Fraction:
    """Return the loss with its penalties by their definitions, exactly."""
    model, n = case.model, case.model.n_features
    amplitude = model.features.amplitude
    ends = Fraction(amplitude.low), Fraction(amplitude.high)
    gram, W = exact_gram(case.weights), [[Fraction(float(w)) for w in row] for row in case.weights]
    importance = [Fraction(x) for x in np.broadcast_to(model.exact["importance"], (n,))]
    interference, decay, activation = (
        Fraction(model.exact[name].item()) for name in ("interference_penalty", "weight_penalty", "activation_penalty")
    )
    total = interference * sum(gram[i][j] ** 2 for i in range(n) for j in range(n) if i != j)
    total += decay * sum(w**2 for row in W for w in row)
    for active, chance in model.features.patterns(n, exact=True):
        for i in range(n):
            slopes, own = tuple(gram[i][j] for j in active), active.index(i) if i in active else None
            bias = Fraction(float(case.bias[i]))
            total += chance.item() * importance[i] * box_mean(slopes, own, bias, Fraction(0), ends)[0]
        for row in W if activation else ():
            slopes = tuple(row[j] for j in active)
            total += chance.item() * activation * box_mean(slopes, None, Fraction(0), Fraction(0), ends)[1]
    return total


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("law", LAWS)
def test_it_holds_the_loss_by_its_definition(law: str, amplitude: str, penalty: str) -> None:
    for points, number in product(("short", "corners"), range(2)):
        case = draw_case(number, law=law, amplitude=amplitude, penalty=penalty, points=points, max_features=2 + number)
        assert enclosed(case, width=NARROW).loss.contains(defined_loss(case)), case


def random_rational(random: Random, bound: int) -> Fraction:
    return Fraction(random.randint(-12 * bound, 12 * bound), random.randint(5, 12))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (2, 2), (3, 2)])
def test_it_holds_the_derived_formulas_value(n: int, m: int, seed: int) -> None:
    random = Random(100 * n + 10 * m + seed)
    W = [[random_rational(random, 1) for _ in range(n)] for _ in range(m)]
    b = [random_rational(random, 1) for _ in range(n)]
    if seed % 3 == 0:
        # Overlaps that vanish, and a corner at z = 0.
        W[0][0], b[-1] = Fraction(0), Fraction(0)
    p, r = Fraction(random.randint(1, 10), 10), Fraction(random.randint(1, 9), 3)
    exact = derive_loss(n, m).at(W, b, p, r)
    found = enclosure(ToyModel(n, m, IndependentFeatures(p), [*[1] * (n - 1), r]), W, b, width=NARROW)
    assert found.status == "narrow"
    assert found.loss.contains(exact)


def in_floats(case: Case) -> Case:
    """Return the case with its parameters rounded to float64, as the oracle takes them."""
    model = case.model
    features = IndependentFeatures(model.features.densities(model.n_features))
    return Case(
        case.name, ToyModel(model.n_features, model.n_hidden, features, model.importance), case.weights, case.bias
    )


@pytest.mark.parametrize("points", POINTS)
def test_it_holds_the_fifty_digits_of_the_oracle(points: str) -> None:
    for number in range(6):
        drawn = draw_case(number, law="independent", amplitude="uniform", penalty="no penalty", points=points)
        case = in_floats(drawn)
        found = enclosed(case, order=2, width=Fraction(1, 10 ** (ORACLE_DIGITS - 2)))
        smooth = not found.status.startswith("not defined")
        expected = oracle(case.model, case.weights, case.bias, order=2 if smooth else 0)
        digits = Fraction(mpmath.nstr(expected.digits, ORACLE_DIGITS + 5))
        assert found.loss.distance(digits) <= tolerance("oracle", "mpf") * case.loss_scale(expected.loss), case
        if smooth:
            assert_within(found.gradient, expected.gradient, tolerance("oracle"), case)
            assert_within(found.hessian, expected.hessian, tolerance("oracle"), case)


def worst(intervals: Any, values: FloatArray, case: Case) -> float:
    """Return the largest distance of a value from its interval, relative to the scale of a derivative's errors."""
    if not np.isfinite(values).all():
        return float("inf")
    largest = max(abs(entry.midpoint) for entry in intervals.flat)
    assert values.shape == intervals.shape
    distances = [float(entry.distance(x)) for entry, x in zip(intervals.flat, values.flat, strict=True)]
    return max(distances) / case.entry_scale(largest)


def assert_within(intervals: Any, values: FloatArray, bar: float, case: Case) -> None:
    assert worst(intervals, values, case) <= bar, case


# --- Derivatives -------------------------------------------------------------------------------------------------

STEP = Fraction(1, 2**60)


@pytest.mark.parametrize("penalty", ["no penalty", "all penalties"])
@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("law", LAWS)
def test_derivatives_are_those_of_the_loss(law: str, amplitude: str, penalty: str) -> None:
    case = draw_case(0, law=law, amplitude=amplitude, penalty=penalty, points="random", max_features=3)
    theta = [Fraction(float(x)) for x in (*case.weights.ravel(), *case.bias)]
    cut = case.weights.size

    def at(place: int, move: Fraction, order: int) -> Enclosure:
        moved = [x + move * (p == place) for p, x in enumerate(theta)]
        weights = np.array(moved[:cut], dtype=object).reshape(case.weights.shape)
        return enclosure(case.model, weights, moved[cut:], order=order, width=STEP**4)

    found = enclosed(case, order=2)
    assert found.status == "narrow"
    assert found.gradient is not None
    assert found.hessian is not None
    bar = float(STEP) * case.entry_scale(max(abs(entry.midpoint) for entry in found.hessian.flat))
    for p, _ in enumerate(theta):
        up, down = at(p, STEP, 1), at(p, -STEP, 1)
        assert found.gradient[p].distance((up.loss.lower - down.loss.lower) / (2 * STEP)) <= bar
        assert up.gradient is not None
        assert down.gradient is not None
        for q, entry in enumerate(found.hessian[p]):
            assert entry.distance((up.gradient[q].lower - down.gradient[q].lower) / (2 * STEP)) <= bar


# --- Engines -----------------------------------------------------------------------------------------------------


def cancels(case: Case) -> bool:
    """Return whether float64 Hessians may lose digits: amplitudes of both signs, and overlaps that almost vanish.

    E[u_i u_j δ(z)] is then small because its positive and negative parts are the same, each as large as 1 / |G_ij|.
    """
    overlaps = np.abs(case.weights.T @ case.weights)
    amplitude = case.model.features.amplitude
    return amplitude.low < 0 < amplitude.high and bool((overlaps[overlaps > 0] < SMALL_OVERLAP).any())


def misses(case: Case, order: int) -> list[str]:
    """Return what engines find outside of the enclosure widened by their own bars."""
    found = enclosed(case, order=order)
    assert not found.status.startswith("not narrow")
    # Whether a point is resolved takes as long as an engine, and is asked for derivatives only.
    resolved = order > 0 and case.resolved
    derivatives = [("gradient", found.gradient)] if resolved else []
    derivatives += [("hessian", found.hessian)] if resolved and not cancels(case) else []
    lost = []
    for name, engine in ENGINES.items():
        if not engine.handles(case.model):
            continue
        loss = engine.loss(case.model, case.weights, case.bias)
        # Without any active feature the loss may be as small as a product of tiny biases, and underflow.
        bar = engine.bar("loss") * case.loss_scale(found.loss.midpoint) + np.finfo(np.float64).tiny
        if not (np.isfinite(loss) and found.loss.distance(loss) <= bar):
            lost.append(f"{case.name}: the loss of {name} is {loss}, not {found.loss.midpoint}")
        for purpose, intervals in derivatives:
            evaluate = getattr(engine, purpose)
            if intervals is not None and evaluate is not None:
                error = worst(intervals, evaluate(case.model, case.weights, case.bias), case)
                if error > engine.bar(purpose):
                    lost.append(f"{case.name}: the {purpose} of {name} is off by {error} ({found.status})")
    return lost


def order_of(number: int) -> int:
    """Return how many derivatives are compared: the costly ones in fewer cases."""
    return 2 if number % 8 == 0 else 1 if number % 4 == 0 else 0


@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("law", LAWS)
def test_engines_lie_within_their_bars(law: str, amplitude: str) -> None:
    lost = []
    for number, case in enumerate(draw_cases(50, law=law, amplitude=amplitude)):
        lost += misses(case, order_of(number))
    assert lost == []


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("features", [5, 6])
def test_engines_lie_within_their_bars_for_more_features(features: int, points: str) -> None:
    case = draw_case(1, points=points, features=features)
    assert misses(case, order=1 if features == 5 else 0) == []


def test_engines_do_models_with_an_empty_hidden_dimension() -> None:
    model = ToyModel(5, 2, IndependentFeatures(0.1), activation_penalty=1)
    case = Case("five features in one of two dimensions", model, np.array([np.ones(5), np.zeros(5)]), np.ones(5))
    assert misses(case, order=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_engines_lie_within_their_bars_in_many_cases(law: str) -> None:
    lost = []
    for number, case in enumerate(draw_cases(4000, start=1000, law=law)):
        lost += misses(case, order_of(number))
    for case in draw_cases(40, start=10_000, law=law, features=8):
        lost += misses(case, order=0)
    assert lost == []


# --- Width and status --------------------------------------------------------------------------------------------


def test_narrower_intervals_take_more_bits() -> None:
    case = draw_case(0, law="independent", amplitude="uniform", points="random")
    last = enclosed(case, order=2, width=HALF)
    for digits in (15, 60, 200):
        found = enclosed(case, order=2, width=Fraction(1, 10**digits))
        assert found.status == "narrow"
        assert found.loss.width <= Fraction(1, 10**digits) * Fraction(case.loss_scale(found.loss.midpoint)) * 2
        assert last.loss.lower <= found.loss.lower <= found.loss.upper <= last.loss.upper
        assert found.precision >= max(last.precision, digits * np.log2(10))
        last = found
    assert last.precision > enclosed(case).precision


def test_cancellations_take_more_bits() -> None:
    model = independent(2, 1)
    plain, small = (enclosure(model, [[1, entry]], [0.1, 0.2]) for entry in (-1, 1e-150))
    assert plain.status == small.status == "narrow"
    assert small.precision > plain.precision


def test_it_says_when_intervals_are_not_narrow() -> None:
    model = independent(2, 1)
    found = enclosure(model, [[1, 1e-150]], [0.1, 0.2], order=1, max_precision=200)
    assert found.precision == 200
    assert found.status == "not narrow: loss, gradient wider than 1e-15 at 200 bits"
    assert found.loss.lower < enclosure(model, [[1, 1e-150]], [0.1, 0.2]).loss.lower < found.loss.upper


@dataclass(frozen=True)
class Kink:
    """A point, and where its gradient and its Hessian jump; "" where they don't."""

    model: ToyModel
    weights: Any
    bias: Any
    gradient: str = ""
    hessian: str = ""

    def status(self, order: int) -> str:
        """Return the status that an enclosure must have."""
        for name, where in (("gradient", self.gradient), ("Hessian", self.hessian))[:order]:
            if where:
                return f"not defined: the {name} jumps because {where}"
        return "narrow"


PAIR = IndependentFeatures(HALF)
KINKS = {
    "smooth": Kink(ToyModel(2, 1, PAIR), [[1, -1]], [0.1, 0.2]),
    "no bias": Kink(ToyModel(2, 1, PAIR), [[1, -1]], [0, 1], hessian="output 0 is 0 for every input of pattern {}"),
    "no bias, and something is always on": Kink(ToyModel(2, 1, IndependentFeatures(1)), [[1, -1]], [0, 0]),
    "own overlap switches off": Kink(
        ToyModel(2, 1, PAIR), [[1, -0.5]], [-1, 1], hessian="output 0 is 0 at the end of x_0's range of pattern {0}"
    ),
    "other overlap switches off": Kink(ToyModel(2, 1, PAIR), [[1, 0.5]], [1, "-1/2"]),
    "dropped, no bias": Kink(
        ToyModel(2, 1, PAIR), [[1, 0]], [1, 0], gradient="output 1 is 0 for every input of pattern {1}"
    ),
    "dropped, no bias, amplitudes of mean zero": Kink(
        ToyModel(2, 1, IndependentFeatures(HALF, amplitude="symmetric")),
        [[1, 0]],
        [0.5, 0],
        hessian="output 1 is 0 for every input of pattern {}",
    ),
    "constant amplitudes on the kink": Kink(
        ToyModel(1, 1, OneHotFeatures(amplitude="constant")),
        [[1]],
        [-1],
        gradient="output 0 is 0 for every input of pattern {0}",
    ),
    "only patterns that can't occur": Kink(ToyModel(2, 1, AnticorrelatedFeatures(HALF, [(0, 1)])), [[1, -1]], [0, 0]),
    "zero weight under a penalty on activations": Kink(
        ToyModel(2, 1, PAIR, activation_penalty=1),
        [[1, 0]],
        [1, 1],
        gradient="hidden activation 0 is 0 for every input of pattern {1}",
    ),
    "the same, the feature never alone": Kink(
        ToyModel(2, 1, CorrelatedFeatures(HALF, [(0, 1)]), activation_penalty=1),
        [[1, 0]],
        [1, 1],
        hessian="hidden activation 0 is 0 at the end of x_0's range of pattern {0, 1}",
    ),
}
every_kink = pytest.mark.parametrize("kink", KINKS.values(), ids=KINKS.keys())


@every_kink
@pytest.mark.parametrize("order", [0, 1, 2])
def test_it_says_which_derivatives_jump(kink: Kink, order: int) -> None:
    assert enclosure(kink.model, kink.weights, kink.bias, order=order).status == kink.status(order)


@every_kink
def test_what_jumps_is_what_it_is_for_smaller_biases(kink: Kink) -> None:
    at, below = (
        enclosure(kink.model, kink.weights, [Fraction(b) - move for b in kink.bias], order=2, width=STEP)
        for move in (Fraction(0), STEP)
    )
    assert at.gradient is not None
    assert below.gradient is not None
    assert at.hessian is not None
    assert below.hessian is not None
    pairs = list(zip(at.gradient, below.gradient, strict=True))
    # Where the gradient jumps its derivative is no number, and the Hessian beside it may be large.
    if not kink.gradient:
        pairs += zip(at.hessian.flat, below.hessian.flat, strict=True)
    assert max(abs(x.midpoint - y.midpoint) for x, y in pairs) < tolerance("rounding")


# --- Input -------------------------------------------------------------------------------------------------------


NUMBERS: list[Any] = [
    "1/7",
    Fraction(1, 7),
    sympy.Rational(1, 7),
    0.125,
    1,
    np.float64(0.2),
    np.float32(0.2),
    np.int64(2),
]


@pytest.mark.parametrize("b", NUMBERS, ids=repr)
@pytest.mark.parametrize("density", [Fraction(1, 10), Fraction(0.1)], ids=["a tenth", "0.1"])
def test_numbers_mean_exactly_what_they_are(density: Fraction, b: Any) -> None:
    """One feature that isn't stored costs E[x²] − b(2 E[x] − b), here p/3 − b p + b²."""
    given = density if density == Fraction(1, 10) else float(density)
    bias = Fraction(b.item() if isinstance(b, np.generic) else b)
    exact = density / 3 - bias * density + bias**2
    found = enclosure(ToyModel(1, 1, IndependentFeatures(given)), [[0]], [b], width=NARROW)
    assert found.loss.contains(exact)
    assert found.loss.width < 2 * NARROW
    assert not found.loss.contains(exact + 2 * NARROW)


def test_importances_and_penalties_may_be_rational() -> None:
    third = Fraction(1, 3)
    model = ToyModel(1, 1, TableFeatures({(0,): third, (): 1 - third}), third, 0, third, third)
    # z = u: reproduced without error. What is left is λ_W W² + λ_A E|h|.
    assert enclosure(model, [[1]], [0], width=NARROW).loss.contains(third + third * third * HALF)


def test_shapes_and_order_of_derivatives() -> None:
    found = enclosure(independent(3, 2), np.ones((2, 3)), [0.1, 0.2, 0.3])
    assert found.gradient is None
    assert found.hessian is None
    found = enclosure(independent(3, 2), np.ones((2, 3)), [0.1, 0.2, 0.3], order=2)
    assert found.gradient is not None
    assert found.hessian is not None
    assert found.gradient.shape == (9,)
    assert found.hessian.shape == (9, 9)
    assert all(found.hessian[p, q] == found.hessian[q, p] for p, q in combinations(range(9), 2))


def test_intervals() -> None:
    interval = Interval(Fraction(1, 4), HALF)
    assert interval.width == Fraction(1, 4)
    assert interval.midpoint == 0.375
    assert [interval.contains(x) for x in (0.25, "1/2", Fraction(1, 5), 1)] == [True, True, False, False]
    assert [interval.distance(x) for x in (0, "3/8", 1)] == [Fraction(1, 4), 0, HALF]
    with pytest.raises(ValueError, match="value must be"):
        interval.contains(float("nan"))


MISUSE: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": 3}, "model must be a ToyModel, got int"),
    "a batch": ({"model": independent(2, 1, [[0.1], [0.2]])}, r"model must be a single one, .* got \(2,\)"),
    "weights of another shape": ({"weights": [1, 2]}, r"weights must have shape \(1, 2\), got \(2,\)"),
    "a batch of weights": ({"weights": [[[1, 2]]]}, r"weights must have shape \(1, 2\), got \(1, 1, 2\)"),
    "ragged weights": ({"weights": [[1, 2], [3]]}, r"weights must have shape \(1, 2\), got \(2,\)"),
    "a tensor with a history": (
        {"weights": torch.ones((1, 2), requires_grad=True)},
        "weights must be an array .*detach",
    ),
    "biases of another shape": ({"bias": [1]}, r"bias must have shape \(2,\), got \(1,\)"),
    "nan": ({"weights": [[1, float("nan")]]}, "weights must be rational numbers, got nan"),
    "infinity": ({"bias": [0, float("inf")]}, "bias must be rational numbers, got inf"),
    "irrational": ({"weights": [[1, sympy.sqrt(2)]]}, r"weights must be rational numbers, got sqrt\(2\)"),
    "no number": ({"bias": ["a", 0]}, "bias must be rational numbers, got 'a'"),
    "division by zero": ({"bias": ["1/0", 0]}, "bias must be rational numbers, got '1/0'"),
    "order": ({"order": 3}, "order must be an integer from 0 to 2, got 3"),
    "order that is a truth value": ({"order": True}, "order must be an integer from 0 to 2, got True"),
    "no width": ({"width": 0}, "width must be positive, got 0"),
    "width that is no number": ({"width": "wide"}, "width must be a rational number, got 'wide'"),
    "precision": ({"max_precision": 1}, "max_precision must be an integer of at least 2, got 1"),
    "fractional precision": ({"max_precision": 100.5}, "max_precision must be an integer"),
}


@pytest.mark.parametrize(("changed", "message"), MISUSE.values(), ids=MISUSE.keys())
def test_misuse(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"model": independent(2, 1), "weights": [[1, -1]], "bias": [0, 0]}
    arguments |= changed
    with pytest.raises(ValueError, match=message):
        enclosure(arguments.pop("model"), arguments.pop("weights"), arguments.pop("bias"), **arguments)


def test_it_says_when_there_are_too_many_corners() -> None:
    with pytest.raises(ValueError, match=r"at most 1000000 corners .* for 11 features under IndependentFeatures"):
        enclosure(independent(11, 1), np.ones((1, 11)), np.zeros(11))
    # One feature at a time has few corners.
    found = enclosure(ToyModel(30, 1, OneHotFeatures()), [[0] * 30], ["1/60"] * 30, width=NARROW)
    assert found.loss.contains(Fraction(1, 3) - Fraction(1, 60) + Fraction(30, 3600))
