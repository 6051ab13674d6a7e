"""The gradient of one input's loss, averaged exactly over each activity pattern, with its second moments.

Between the kinks of the outputs the gradient is a polynomial of degree two in the active amplitudes u, so that its
second moments are integrals of degree four over the cells into which the hyperplanes z_i = 0 cut the cube of u. The
cube is the union of k! simplices, one for each order of its coordinates (H. W. Kuhn, 1960); a simplex with corners on
both sides of a hyperplane is cut in two along one of its edges until there is none left, and each that is left gets
the nodes of a Gauss rule of degree five with positive weights (A. H. Stroud, *Approximate Calculation of Multiple
Integrals*, 1971, section 2.4). Nothing is subtracted: zeros, ties and tiny overlaps are no special case, and second
moments are positive semidefinite. docs/sampling-noise.md has the derivation.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations, product
from math import factorial
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_sh_jacobi

from ..numerics import FloatArray, compiled, machine_code, type_of

# Active features of a pattern. Each of the k! simplices is cut by k hyperplanes or more, and parts multiply: a point of
# four features takes 0.05 s, one of five 40 s.
MAX_FEATURES = 4
# Nodes of the rule along each coordinate: exact up to degree five.
NODES = 3


class Points(NamedTuple):
    """R models and their parameters, as compiled code takes them: arrays that lie in rows.

    Attributes:
        weights: W, shape (R, m, n).
        bias: b, shape (R, n).
        gram: WᵀW, shape (R, n, n).
        importance: I_i, shape (R, n).
        activation_penalty: λ_A, shape (R,).
        low: smallest amplitude.
        width: of the interval of amplitudes; 0 if they are constant.
    """

    weights: FloatArray
    bias: FloatArray
    gram: FloatArray
    importance: FloatArray
    activation_penalty: FloatArray
    low: float
    width: float


class Point(NamedTuple):
    """One of `Points`."""

    weights: FloatArray
    bias: FloatArray
    gram: FloatArray
    importance: FloatArray
    activation_penalty: float
    low: float
    width: float


class Rule(NamedTuple):
    """A rule of integration over simplices of one dimension k.

    Attributes:
        nodes: barycentric coordinates, shape (nodes, k + 1).
        shares: weights that sum up to 1, shape (nodes,).
        corners: of the simplices that make up the cube, shape (k!, k + 1, k).
    """

    nodes: FloatArray
    shares: FloatArray
    corners: FloatArray


@cache
def simplex_rule(dimension: int) -> Rule:
    """Return the product rule of degree five over simplices, and the simplices of a cube of that dimension."""
    axes = []
    for k in range(dimension):
        # Weight (1 − t)^(dimension − 1 − k), as scipy writes it.
        t, w = roots_sh_jacobi(NODES, dimension - k, 1)
        axes.append(list(zip(t, w / w.sum(), strict=True)))
    nodes: list[list[float]] = []
    shares: list[float] = []
    for choice in product(*axes):
        left, share = 1.0, 1.0
        coordinates: list[float] = []
        for place, weight in choice:
            coordinates.append(left * place)
            left, share = left * (1 - place), share * weight
        nodes.append([left, *coordinates])
        shares.append(share)
    corners = np.zeros((factorial(dimension), dimension + 1, dimension))
    for simplex, order in enumerate(permutations(range(dimension))):
        for k, coordinate in enumerate(order):
            corners[simplex, k + 1] = corners[simplex, k]
            corners[simplex, k + 1, coordinate] = 1.0
    return Rule(np.array(nodes), np.array(shares), corners)


@compiled
def _add_input(point: Any, x: Any, on: Any, signs: Any, weight: float, mean: Any, second: Any, work: Any) -> None:
    """Add an input's gradient, and its products, with a weight; `on` says which outputs are, `signs` those of h."""
    m, n = point.weights.shape
    slope, hidden, back, gradient = work[0], work[1], work[2], work[3]
    for i in range(n):
        slope[i] = 0.0
        if on[i]:
            z = point.bias[i]
            for j in range(n):
                z += point.gram[i, j] * x[j]
            slope[i] = 2 * point.importance[i] * (z - x[i])
    for a in range(m):
        hidden[a], back[a] = 0.0, 0.0
        for j in range(n):
            hidden[a] += point.weights[a, j] * x[j]
            back[a] += point.weights[a, j] * slope[j]
        back[a] += point.activation_penalty * signs[a]
        for j in range(n):
            gradient[a * n + j] = hidden[a] * slope[j] + back[a] * x[j]
    for i in range(n):
        gradient[m * n + i] = slope[i]
    for p in range((m + 1) * n):
        scaled = weight * gradient[p]
        mean[p] += scaled
        for q in range(p + 1):
            second[p, q] += scaled * gradient[q]


@compiled
def _cut(values: Any, count: int) -> tuple[int, int, int]:
    """Return a function that changes its sign over a simplex, and corners where it is positive and negative; or −1."""
    for f in range(values.shape[1]):
        positive, negative = -1, -1
        for c in range(count):
            if values[c, f] > 0:
                positive = c
            elif values[c, f] < 0:
                negative = c
        if positive >= 0 and negative >= 0:
            return f, positive, negative
    return -1, -1, -1


@compiled
def _integrate(point: Any, active: Any, rule: Any, mean: Any, second: Any) -> None:
    m, n = point.weights.shape
    k = rule.corners.shape[2]
    n_functions = n + (m if point.activation_penalty > 0 else 0)
    work = np.zeros((4, (m + 1) * n + m))
    x, on, signs = np.zeros(n), np.zeros(n, dtype=np.bool_), np.zeros(m)
    # Each cut leaves one part for later, and a function is cut at most k times on the way down.
    deepest = n_functions * (k + 1) + 2
    places, values = np.zeros((deepest, k + 1, k)), np.zeros((deepest, k + 1, n_functions))
    volumes = np.zeros(deepest)
    for simplex in range(rule.corners.shape[0]):
        places[0] = rule.corners[simplex]
        volumes[0] = 1.0 / rule.corners.shape[0]
        for c in range(k + 1):
            for f in range(n_functions):
                value = point.bias[f] if f < n else 0.0
                for d in range(active.shape[0]):
                    size = point.low + (point.width * places[0, c, d] if k > 0 else 0.0)
                    value += (point.gram[f, active[d]] if f < n else point.weights[f - n, active[d]]) * size
                values[0, c, f] = value
        count = 1
        while count > 0:
            top = count - 1
            f, positive, negative = _cut(values[top], k + 1)
            if f >= 0:
                above, below = values[top, positive, f], values[top, negative, f]
                t = above / (above - below)
                places[count], values[count] = places[top], values[top]
                volumes[count] = volumes[top] * (1 - t)
                volumes[top] *= t
                # The part with the positive corner stays, the other goes on top.
                for d in range(k):
                    middle = places[top, positive, d] + t * (places[top, negative, d] - places[top, positive, d])
                    places[top, negative, d] = middle
                    places[count, positive, d] = middle
                for g in range(n_functions):
                    middle = values[top, positive, g] + t * (values[top, negative, g] - values[top, positive, g])
                    middle = 0.0 if g == f else middle
                    values[top, negative, g] = middle
                    values[count, positive, g] = middle
                count += 1
                continue
            count -= 1
            for f in range(n_functions):
                total = 0.0
                for c in range(k + 1):
                    total += values[top, c, f]
                if f < n:
                    on[f] = total > 0
                else:
                    signs[f - n] = np.sign(total)
            for node in range(rule.nodes.shape[0]):
                for d in range(active.shape[0]):
                    u = 0.0
                    if k > 0:
                        for c in range(k + 1):
                            u += rule.nodes[node, c] * places[top, c, d]
                    x[active[d]] = point.low + point.width * u
                _add_input(point, x, on, signs, volumes[top] * rule.shares[node], mean, second, work)
    for p in range(second.shape[0]):
        for q in range(p):
            second[q, p] = second[p, q]


def _integrate_all(points: Any, active: Any, rule: Any, means: Any, seconds: Any) -> None:
    for r in range(points.weights.shape[0]):
        point = Point(
            points.weights[r], points.bias[r], points.gram[r], points.importance[r],
            points.activation_penalty[r], points.low, points.width,
        )  # fmt: skip
        _integrate(point, active, rule, means[r], seconds[r])


_ONE = np.zeros((1, 1, 1))
_POINTS = type_of(Points(_ONE, _ONE[0], _ONE, _ONE[0], _ONE[0, 0], 0.0, 0.0))
_RULE = type_of(Rule(_ONE[0], _ONE[0, 0], _ONE))
_integrated = machine_code(
    _integrate_all,
    numba.void(_POINTS, numba.int64[::1], _RULE, numba.float64[:, ::1], numba.float64[:, :, ::1]),
    nogil=True,
    error_model="numpy",
)


def pattern_moments(points: Points, active: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Return E[g] and E[g gᵀ] of the gradient g of one input's loss, given which features are active.

    Args:
        points: R models and where they are.
        active: the features that are on.

    Returns:
        Shapes (R, P) and (R, P, P), P = (m + 1) n, in the order of `tegum.theory.minima.pack`.
    """
    rows, m, n = points.weights.shape
    size = (m + 1) * n
    means, seconds = np.zeros((rows, size)), np.zeros((rows, size, size))
    _integrated(points, active, simplex_rule(len(active) if points.width > 0 else 0), means, seconds)
    return means, seconds
