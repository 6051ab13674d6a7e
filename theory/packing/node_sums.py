r"""One output among alike features by inverted transforms, features of equal overlaps counted; compiled.

With n_c features of overlap a_c the transform of docs/spectral.md is a product of few powers,

    E[e^{sz}] = e^{sb} Q_0 Π_c Q_c^{n_c} ,    Q_c = 1 − p + p φ(s a_c) ,

so a node costs as much as there are different overlaps. The simplest patterns are taken off at each node and added in
closed form. The line is that of `spectral/contour.py`, and the number of nodes follows from an envelope of what is left
out, that of `spectral/errors.py`; the error that is reported is computed there, for the line and nodes taken here.

Importing this module compiles, or loads what an earlier process compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ..numerics import compiled_part, machine_code, type_of
from .simplest import BIAS, OWN, SHELLS, VALUE, Law, add_polynomial, add_simplest

# As in the spectral engine: nodes of a block, what bounds tails and growth, dampings, distances, and exponents θ.
NODES, TAIL, GROWTH, MARGIN = 64, 40.0, 5.0, 1.25
DAMPINGS = (3.0, 6.0, 12.0, 24.0, 40.0)
SMALLEST, THETAS = 2.0**-8, 14
# Below this radius the transforms are summed as series, of so many terms.
RADIUS, TERMS = 0.5, 14
# Steps of the envelope, and how many lie beyond the nodes.
STEP, BEYOND = 2**0.5, 40
# Stands in for a factor whose inverse would overflow.
TINY = 1e-100


class Contour(NamedTuple):
    """The line Re s = c, the period, and how many nodes; none where z doesn't change its sign."""

    c: float
    period: float
    nodes: int


@compiled_part
def extent(bias: float, overlaps: Any, counts: Any, law: Law) -> tuple[float, float]:
    """Return the least and the largest value of z."""
    low = high = bias
    for k in range(overlaps.shape[0]):
        count = 1 if k == 0 else counts[k - 1]
        first, second = overlaps[k] * law.low, overlaps[k] * law.high
        low += count * min(min(first, second), 0.0)
        high += count * max(max(first, second), 0.0)
    return low, high


@compiled_part
def _real_transform(t: float, law: Law) -> float:
    """Return E[e^{tu}], infinite where it overflows."""
    tau = t * (law.high - law.low)
    unit = np.expm1(tau) / tau if tau != 0 else 1.0
    return float(np.exp(t * law.low) * unit)


@compiled_part
def _cumulant(theta: float, bias: float, overlaps: Any, counts: Any, law: Law) -> float:
    """Return log E[e^{θz}], infinite where it overflows."""
    total = theta * bias
    for k in range(overlaps.shape[0]):
        count = 1 if k == 0 else counts[k - 1]
        total += count * np.log(1 - law.density + law.density * _real_transform(theta * overlaps[k], law))
    return total if np.isfinite(total) else np.inf


@compiled_part
def _line(bias: float, overlaps: Any, counts: Any, law: Law, low: float, high: float) -> tuple[float, float]:
    """Return c and the period; see `spectral/contour.py`."""
    largest = max(abs(law.low), abs(law.high))
    size = max(max(abs(bias), overlaps[0] * largest), max(high, -low) / 1e3)
    thetas, ups, downs = np.empty(THETAS), np.empty(THETAS), np.empty(THETAS)
    calm, theta = GROWTH / high, SMALLEST / size
    for k in range(THETAS):
        thetas[k] = theta
        ups[k] = _cumulant(theta, bias, overlaps, counts, law)
        downs[k] = _cumulant(-theta, bias, overlaps, counts, law)
        if ups[k] <= GROWTH:
            calm = max(calm, theta)
        theta *= 2
    best, c = np.inf, 0.0
    for damping in DAMPINGS:
        above, below = MARGIN * high, -MARGIN * low
        for k in range(THETAS):
            above = min(above, (ups[k] + TAIL + damping) / thetas[k])
            below = min(below, (downs[k] + TAIL - damping) / thetas[k])
        period = max(max(above, below), damping / calm)
        if period < best:
            best, c = period, damping / period
    return c, best


@compiled_part
def _envelope(size: float, c: float, overlaps: Any, counts: Any, law: Law) -> tuple[float, float]:
    """Return bounds on the terms of a node with |s| = `size`, but for e^{cb} / |s|³ and e^{cb} / |s|²."""
    p, width, largest = law.density, law.high - law.low, max(abs(law.low), abs(law.high))
    none, one, more = 1.0, 0.0, 0.0
    for k in range(counts.shape[0]):
        slope = overlaps[k + 1]
        falling = (np.exp(c * slope * law.low) + np.exp(c * slope * law.high)) / (width * abs(slope) * size)
        off, on = 1 - p, p * min(_real_transform(c * slope, law), falling)
        # The same for one feature of the shell, then for all: none, one, and more of them on.
        f_none, f_one, f_more = off, on, 0.0
        left = counts[k]
        while left > 0:
            if left % 2:
                more = more * (f_none + f_one + f_more) + one * (f_one + f_more) + none * f_more
                one = one * f_none + none * f_one
                none *= f_none
            left //= 2
            f_more = f_more * (2 * (f_none + f_one) + f_more) + f_one * f_one
            f_one *= 2 * f_none
            f_none *= f_none
    slope = overlaps[0]
    lower, upper = np.exp(c * slope * law.low), np.exp(c * slope * law.high)
    still = _real_transform(c * slope, law)
    phi = min(still, (lower + upper) / (width * slope * size))
    psi = (abs(law.low) * lower + abs(law.high) * upper) / (width * slope * size) + phi / (slope * size)
    return 2 * (1 - p + p * phi) * more, 2 * p * min(largest * still, psi) * more


@compiled_part
def _nodes(c: float, period: float, bias: float, overlaps: Any, counts: Any, law: Law, want: Any) -> int:
    """Return the fewest nodes, a power of two, that leave out less than the tolerance by the envelope."""
    tolerance, most = want
    octaves = 0
    while NODES << octaves < most:
        octaves += 1
    # From half of the nodes on they are tapered off.
    total, shift = 0.0, np.exp(c * bias)
    chosen = NODES << octaves
    for k in range(2 * octaves + BEYOND, -1, -1):
        place = NODES / 2 * STEP**k
        size = np.sqrt(c * c + (2 * np.pi * place / period) ** 2)
        value, own = _envelope(size, c, overlaps, counts, law)
        total += (place * (STEP - 1) + 1) * shift * (value / size**3 + own / size**2)
        if k % 2 == 0 and k <= 2 * octaves:
            if 2 / period * total > tolerance:
                break
            chosen = NODES << (k // 2)
    return max(chosen, 2 * NODES)


@compiled_part
def _inverse(z: complex) -> complex:
    return z.conjugate() * (1 / (z.real * z.real + z.imag * z.imag))


@compiled_part
def _power(z: complex, count: int) -> complex:
    result = 1.0 + 0.0j
    while count > 0:
        if count % 2:
            result *= z
        z *= z
        count //= 2
    return result


@compiled_part
def _unit_transforms(tau: complex, inverse: complex, exponential: complex) -> tuple[complex, complex, complex]:
    """Return ∫₀¹ v^k e^{τv} dv for k = 0, 1, 2, given 1/τ and e^τ."""
    if tau.real * tau.real + tau.imag * tau.imag >= RADIUS * RADIUS:
        zeroth = (exponential - 1) * inverse
        first = (exponential - zeroth) * inverse
        return zeroth, first, (exponential - 2 * first) * inverse
    zeroth = first = second = 0.0j
    for power in range(TERMS, 0, -1):
        # Horner's rule for Σ τ^l / (l! (l + k + 1)), l = power − 1.
        part = tau * (1.0 / power)
        zeroth = zeroth * part + 1.0 / power
        first = first * part + 1.0 / (power + 1)
        second = second * part + 1.0 / (power + 2)
    return zeroth, first, second


@compiled_part
def _taper(place: int, last: int) -> float:
    """Return a smooth step from 1 at half of the nodes to 0 at the last."""
    first = last // 2
    x = min(max((place - first) / (last - first), 2e-3), 1 - 2e-3)
    return float(1 / (1 + np.exp(1 / (1 - x) - 1 / x)))


@compiled_part
def _add_nodes(contour: Contour, bias: float, overlaps: Any, counts: Any, law: Law, terms: Any) -> None:
    """Add the sum over the nodes, the simplest patterns left out; see `spectral/contour.py`."""
    p, low, width = law.density, law.low, law.high - law.low
    shells, total = counts.shape[0], 0
    for k in range(shells):
        total += counts[k]
    rare = (1 - p) ** (total - 1)
    step = 2j * np.pi / contour.period
    # Exponentials of the first block's nodes; those of others are the same, turned.
    tables, turns = np.empty((2 * shells + 3, NODES), np.complex128), np.empty(2 * shells + 3, np.complex128)
    rates = np.empty(2 * shells + 3)
    rates[2 * shells + 2] = bias
    for k in range(shells + 1):
        rates[2 * k], rates[2 * k + 1] = width * overlaps[k], low * overlaps[k]
    for j in range(NODES):
        s = contour.c + j * step
        for k in range(2 * shells + 3):
            tables[k, j] = np.exp(s * rates[k])
    psis, factors = np.empty(shells, np.complex128), np.empty(shells, np.complex128)
    part = np.zeros(terms.shape[0])
    for begin in range(0, contour.nodes, NODES):
        for k in range(2 * shells + 3):
            turns[k] = np.exp(begin * step * rates[k])
        for j in range(NODES):
            place = begin + j
            s = contour.c + place * step
            inverse = _inverse(s)
            weight = (1.0 if place == 0 else 2.0) / contour.period
            if 2 * place > contour.nodes:
                weight *= _taper(place, contour.nodes)
            base = (2 * weight) * (tables[2 * shells + 2, j] * turns[2 * shells + 2])
            product, simple = 1.0 + 0.0j, (1 - p) + 0.0j
            for k in range(shells):
                at, slope = 2 * k + 2, rates[2 * k + 2]
                unit = _unit_transforms(s * slope, inverse * (1 / slope), tables[at, j] * turns[at])
                start = tables[at + 1, j] * turns[at + 1]
                phi, psis[k] = start * unit[0], start * (low * unit[0] + width * unit[1])
                factor = (1 - p) + p * phi
                if abs(factor.real) + abs(factor.imag) < TINY:
                    factor = TINY + 0.0j
                factors[k] = factor
                product *= _power(factor, counts[k])
                simple += counts[k] * p * phi
            unit = _unit_transforms(s * rates[0], inverse * (1 / rates[0]), tables[0, j] * turns[0])
            start = tables[1, j] * turns[1]
            first = low * unit[0] + width * unit[1]
            second = low * low * unit[0] + 2 * low * width * unit[1] + width * width * unit[2]
            state, mine = (1 - p) + p * start * unit[0], p * start * first
            rest = base * (product - rare * simple)
            left = inverse * (inverse * state - mine)
            part[VALUE] += (rest * inverse * left).real
            part[BIAS] += (rest * left).real
            part[OWN] += (rest * inverse * (inverse * mine - p * start * second)).real
            left *= base
            for k in range(shells):
                ratio = counts[k] * p * psis[k] * (product * _inverse(factors[k]) - rare)
                part[SHELLS + k] += (left * ratio).real
        for k in range(terms.shape[0]):
            terms[k] += part[k]
            part[k] = 0.0


def _add_output(bias: float, overlaps: Any, counts: Any, law: Law, want: Any, terms: Any) -> Contour:
    """Add E[F] and its derivatives, F = z₊² − 2 x₀ z₊.

    Args:
        bias: b.
        overlaps: the own one, positive and the largest, then those of the shells, none of them 0, shape (C + 1,).
        counts: features of each shell, shape (C,).
        law: of each feature; its amplitude varies.
        want: absolute tolerance of the value, and most nodes.
        terms: value and derivatives in the bias, the own overlap, and those of the shells' features together, to add
            to, shape (C + 3,).

    Returns:
        What it took.
    """
    low, high = extent(bias, overlaps, counts, law)
    if high <= 0:
        return Contour(0.0, 0.0, 0)
    add_simplest(bias, overlaps, counts, law, terms)
    if low >= 0:
        add_polynomial(bias, overlaps, counts, law, 1.0, terms)
        return Contour(0.0, 0.0, 0)
    total = 0
    for k in range(counts.shape[0]):
        total += counts[k]
    if total < 2:
        # There are no other patterns.
        return Contour(0.0, 0.0, 0)
    c, period = _line(bias, overlaps, counts, law, low, high)
    contour = Contour(c, period, _nodes(c, period, bias, overlaps, counts, law, want))
    _add_nodes(contour, bias, overlaps, counts, law, terms)
    # What the step aliases is a polynomial of degree two in l, known from l = 0, 1, 2, weighted with r^l.
    r = np.exp(-c * period)
    ones, ls, squares = r / (1 - r), r / (1 - r) ** 2, r * (1 + r) / (1 - r) ** 3
    half = (squares - ls) / 2
    for times in range(3):
        weight = ones - ls + half if times == 0 else ls - 2 * half if times == 1 else half
        add_polynomial(bias + times * period, overlaps, counts, law, -weight, terms)
    return contour


_F = numba.float64[::1]
add_output = machine_code(
    _add_output,
    type_of(Contour(0.0, 0.0, 0))(
        numba.float64, _F, numba.int64[::1], type_of(Law(0.1, 0.0, 1.0)), type_of((0.1, 1)), _F
    ),
    nogil=True,
    error_model="numpy",
)
