r"""What a sum over nodes may be off by: rounding, what it truncates, and what its step aliases.

Rounding is bounded for every law, by counting operations (`numerics/rounding.py`) and by

    |E[w e^{sZ}]| ≤ E[|w| e^{cZ}] = M(c)    on the line Re s = c .

Truncation and aliases are bounded for independent features of varying amplitude: their transforms fall like 1/|s|, so
that what is left of the patterns with two and more of them beside an output's own can be summed up to infinity. The
bound holds for every N, but it knows nothing of the cutoff's smoothness, which makes the true error far smaller.
docs/spectral.md derives both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...models import Amplitude
from ...numerics import UNIT, FloatArray
from .blocks import TINY, BlockLaw
from .contour import NODES, Line, exponents
from .rows import Rows
from .transforms import real_transform

# Operations of a node and of a sum over a block of them; of each factor of the product; of a transform; of the
# transforms of an own feature, for values and for derivatives; and units of phase for each unit of |s Z|.
NODE, FACTOR, TRANSFORM, OWN, OWN_SLOPES, PHASE = 103, 6, 60, 200, 800, 16
# Operations of the simplest patterns' closed forms, and of an alias, besides those for each feature.
CLOSED, ALIAS = 40, 12
# Steps of |s| towards infinity, and their number.
STEP, STEPS = 2**0.5, 60


def node_sums(line: Line, last: int, power: int) -> FloatArray:
    """Return a bound on Σ_{k < last} (2 − δ_k0) |s_k|^{−power} / T, shape (R,)."""
    size = np.abs(line.points(0, NODES)) ** -float(power)
    near = size[:, 0] + 2 * size[:, 1:].sum(axis=-1)
    first, end = NODES - 1, max(last - 1, NODES - 1)
    # The integral of a decreasing function is larger than its sum.
    if power == 0:
        far = float(end - first)
    elif power == 1:
        far = float(np.log(end / first))
    else:
        far = (float(first) ** (1 - power) - float(end) ** (1 - power)) / (power - 1)
    return np.asarray((near + 2 * (line.period / (2 * np.pi)) ** power * far) / line.period)


def _chances(law: BlockLaw) -> FloatArray:
    """Return P(x_j ≠ 0), shape (R, n)."""
    chance = np.array(law.on)
    for group in law.groups:
        for active, p in group.patterns:
            chance[:, list(active)] += p[:, None]
    return chance


def mean_square(rows: Rows, shift: float | FloatArray = 0.0) -> FloatArray:
    """Return a bound on E[(s 1_i + |b| + s Σ_j |a_j| 1_j + shift)²], shape (R,), s being the largest amplitude."""
    largest = rows.law.amplitude.largest
    slopes = largest * np.abs(rows.slopes)
    if rows.own is not None:
        slopes[rows.mine] += largest
    p = _chances(rows.law)
    mean = np.abs(rows.offset) + shift + (slopes * p).sum(axis=-1)
    variance = (slopes**2 * rows.law.on * (1 - rows.law.on)).sum(axis=-1)
    for group in rows.law.groups:
        members = list(group.members)
        variance = variance + (slopes[:, members] * np.sqrt(p[:, members])).sum(axis=-1) ** 2
    return np.asarray(mean**2 + variance)


def rounding(rows: Rows, line: Line, last: int) -> FloatArray:
    """Return bounds on the rounding of values and of derivatives after so many nodes, shape (R, 2)."""
    law, c, n = rows.law, line.c, rows.slopes.shape[1]
    largest = law.amplitude.largest
    a, b = largest * np.abs(rows.slopes), np.abs(rows.offset)
    whole = np.exp(np.minimum(rows.cumulant(c), 700.0))
    phi = real_transform(law.amplitude, c[:, None] * rows.slopes)
    # The law tilted by e^{cZ}: members of groups count as always on.
    on = 1 - (1 - law.on) / np.maximum(1 - law.on + law.on * phi, TINY)
    patterns = 0
    for group in law.groups:
        on[:, list(group.members)] = 1
        patterns += len(group.patterns)
    steep = 1 + c[:, None] * a
    steps = NODE + FACTOR * n + patterns + last / NODES + TRANSFORM * (on * steep).sum(axis=-1)
    phase = PHASE * (b + (on * steep * a).sum(axis=-1))
    sums = [node_sums(line, last, power) for power in range(rows.order + 2)]
    squares = [2 * mean_square(rows, times * line.period) for times in (0, 1, 2)]
    r = np.exp(-c * line.period)
    closed, alias = CLOSED + FACTOR * n, ALIAS + 2 * n
    found = []
    for slopes in (False, True):
        power, scale = rows.order + 1 - slopes, max(1.0, largest) if slopes else 1.0
        total = 2 * whole * (steps * sums[power] + phase * sums[power - 1])
        if rows.own is not None:
            mine, reach = on[rows.mine], a[rows.mine]
            own = (OWN_SLOPES if slopes else OWN) * steep[rows.mine]
            total += 2 * whole * mine * own * sums[power]
            lower = (steps + own) * sums[power - 1] + (phase + PHASE * reach) * sums[max(power - 2, 0)]
            total += 2 * whole * mine * largest * lower
        # E[…²] for an output's value, its root for derivatives and for hidden units.
        low, middle, high = squares if rows.order == 2 and not slopes else [np.sqrt(2 * x) for x in squares]
        if rows.own is None and slopes:
            low = middle = high = np.full_like(c, 2.0)
        aliased = r / (1 - r) * low + r / (1 - r) ** 2 * (low + middle)
        aliased += r**2 / (1 - r) ** 3 * (low + 2 * middle + high)
        # Once for the sum, once for what it misses of the simplest patterns.
        found.append(scale * (2 * (total + alias * aliased) + closed * low))
    # What is left out is a second law.
    return np.asarray(UNIT * (1 if rows.inner is None else 2) * np.stack(found, axis=-1))


def linear_rounding(rows: Rows) -> FloatArray:
    """Return bounds on the rounding of `Rows.linear`, values and derivatives, shape (R, 2)."""
    largest = rows.law.amplitude.largest
    square = mean_square(rows)
    slope = 2 * max(1.0, largest) * np.sqrt(square)
    value = 2 * square if rows.order == 2 else slope
    return np.asarray(UNIT * (ALIAS + 2 * rows.slopes.shape[1]) * np.stack([value, slope + 2 * largest], axis=-1))


def provable(law: BlockLaw) -> bool:
    """Whether the errors of values can be bounded: features are independent, and share one amplitude that varies."""
    return not law.groups and isinstance(law.amplitude, Amplitude) and law.amplitude.varies


def truncation(rows: Rows, line: Line, last: int, small: NDArray[np.bool_]) -> FloatArray:
    """Return bounds on what outputs' values lose when nodes are tapered off from last / 2 on, shape (R,).

    Args:
        rows: outputs, whose law is `provable`.
        line: their lines.
        last: nodes.
        small: which slopes are small, shape (R, n): patterns of them alone are left out if the rows leave any out.
    """
    law, first = rows.law, last // 2
    assert isinstance(law.amplitude, Amplitude)
    low, high = float(law.amplitude.low), float(law.amplitude.high)
    width, largest = high - low, max(abs(low), abs(high))
    places = first * STEP ** np.arange(STEPS + 1)
    size = np.sqrt(line.c[:, None] ** 2 + (2 * np.pi * places / line.period[:, None]) ** 2)
    still = real_transform(law.amplitude, line.c[:, None] * rows.slopes)
    a = np.abs(rows.slopes)
    ends = [np.exp(line.c[:, None] * rows.slopes * end) for end in (low, high)]
    with np.errstate(divide="ignore"):
        falling = (ends[0] + ends[1]) / (width * a)
        own_falling = (abs(low) * ends[0] + abs(high) * ends[1]) / (width * a)
    none, shape = np.ones_like(size), size.shape
    one_small, more_small, one_large, more = (np.zeros(shape) for _ in range(4))
    leaves_out = rows.inner is not None
    for j in range(a.shape[1]):
        interacts = (a[:, j] > 0) & (np.arange(a.shape[1])[j] != rows.own)
        chance = np.where(interacts, law.on[:, j], 0)[:, None]
        is_small = (small[:, j] & leaves_out)[:, None]
        on, off = chance * np.minimum(still[:, [j]], falling[:, [j]] / size), 1 - chance
        more = more * (off + on) + one_large * on + np.where(is_small, 0, (one_small + more_small) * on)
        more_small = np.where(is_small, more_small * (off + on) + one_small * on, more_small * off)
        one_large = one_large * off + np.where(is_small, 0, none * on)
        one_small = one_small * off + np.where(is_small, none * on, 0)
        none = none * off
    mine = rows.mine
    chance = law.on[mine][:, None]
    phi = np.minimum(still[mine][:, None], falling[mine][:, None] / size)
    with np.errstate(divide="ignore"):
        psi = own_falling[mine][:, None] / size + phi / (a[mine][:, None] * size)
    psi = np.minimum(largest * still[mine][:, None], psi)
    kept = np.where((small[mine] & leaves_out)[:, None], more, more + more_small)
    shift = 2 * np.exp(line.c * rows.offset)[:, None]
    value = shift * ((1 - chance) * more + chance * phi * kept) / size**3
    own = shift * chance * psi * kept / size**2
    count = np.diff(places) + 1
    rest = places[-1] - 1
    unit = line.period / (2 * np.pi)
    total = (count * (value + own)[:, :-1]).sum(axis=-1)
    total += value[:, -1] * size[:, -1] ** 3 * unit**3 / (2 * rest**2) + own[:, -1] * size[:, -1] ** 2 * unit**2 / rest
    # Nodes at ±k.
    return np.asarray(2 / line.period * total)


def aliasing(rows: Rows, line: Line) -> FloatArray:
    """Return bounds on what outputs' values have of Z beyond a period, by Chernoff's bound, shape (R,)."""
    low, high = rows.extent()
    theta, up, down = exponents(rows)
    largest = rows.law.amplitude.largest
    period, c = line.period[:, None], line.c[:, None]
    size = 2 / theta**2 + 2 * largest / theta
    total = np.zeros(len(low))
    for inside, cumulant, rate in ((high <= line.period, up, theta - c), (-low <= line.period, down, theta + c)):
        with np.errstate(all="ignore"):
            share = np.exp(-rate * period)
            beyond = size * np.exp(cumulant - rate * period) / (1 - share)
        beyond = np.where((rate > 0) & np.isfinite(beyond), beyond, np.inf).min(axis=-1)
        total += np.where(inside, 0.0, beyond)
    return (1 if rows.inner is None else 2) * total


def output_errors(rows: Rows, line: Line, last: int) -> tuple[FloatArray, FloatArray]:
    """Return bounds on what outputs' values are off after sums over so many nodes, patterns of small slopes among them.

    Args:
        rows: outputs, whose law is `provable`.
        line: their lines.
        last: nodes, tapered off from half of them on; 0 if Z doesn't change its sign, so that there is nothing to sum.

    Returns:
        What is truncated and aliased, and the rounding, shape (R,) each.
    """
    if not last:
        steps = CLOSED + ALIAS + (FACTOR + 2) * rows.slopes.shape[1]
        return np.zeros(len(rows.offset)), np.asarray(UNIT * steps * 2 * mean_square(rows))
    lost = truncation(rows, line, last, np.zeros(rows.slopes.shape, dtype=np.bool_)) + aliasing(rows, line)
    return lost, rounding(rows, line, last)[:, 0]
