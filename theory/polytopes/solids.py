"""The polytopes of the superposition literature by name, with exact coordinates."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations, product
from typing import Any

import sympy
from sympy import Rational, cos, pi, sin, sqrt

from ..geometry import POLYGONS
from .corners import Polytope, tegum_product

PAPER = "arXiv:2209.10652"
GOLDEN = (1 + sqrt(5)) / 2
# Squared height of the one square antiprism that is a tight frame.
TIGHT = Rational(1, 3)
# The same of a duoantiprism's corners in the plane of its first polygon.
EQUAL = Rational(1, 2)
REGULAR = {**POLYGONS, 4: "square"}


def _columns(name: str, corners: Any, source: str = "elementary") -> Polytope:
    """Return the polytope of some corners, which are scaled to length 1."""
    scaled = []
    for corner in corners:
        length = sympy.sqrtdenest(sqrt(sympy.expand(sum(sympy.sympify(x) ** 2 for x in corner))))
        scaled.append([sympy.radsimp(x / length) for x in corner])
    return Polytope(name, sympy.ImmutableMatrix(sympy.Matrix(scaled).T), source)


def polygon(k: int) -> Polytope:
    """Return the regular k-gon, k ≥ 3."""
    if k < 3:
        raise ValueError(f"a polygon has at least 3 corners, got {k}")
    corners = [[cos(2 * pi * j / k), sin(2 * pi * j / k)] for j in range(k)]
    vertices = sympy.ImmutableMatrix(sympy.Matrix(corners).T)
    return Polytope(REGULAR.get(k, f"{k}-gon"), vertices, PAPER if k <= 5 else "elementary")


def simplex(d: int) -> Polytope:
    """Return the regular simplex of d + 1 corners in d dimensions; the axis for d = 0 isn't one."""
    if d < 1:
        raise ValueError(f"a simplex has at least 1 dimension, got {d}")
    # Corner j + 1 differs from the ones before it in the new coordinate; all overlaps are −1/d.
    corners = sympy.zeros(d, d + 1)
    for row in range(d):
        height = sqrt(Rational((d + 1) * (d - row), d * (d - row + 1)))
        corners[row, row] = height
        for column in range(row + 1, d + 1):
            corners[row, column] = -height / (d - row)
    names = {1: "digon", 2: "triangle", 3: "tetrahedron", 4: "5-cell"}
    return Polytope(names.get(d, f"{d}-simplex"), sympy.ImmutableMatrix(corners), PAPER if d <= 3 else "elementary")


def cross_polytope(d: int) -> Polytope:
    """Return the d digons along the axes: the octahedron for d = 3, the 16-cell for d = 4."""
    if d < 1:
        raise ValueError(f"a cross-polytope has at least 1 dimension, got {d}")
    names = {1: "digon", 2: "square", 3: "octahedron", 4: "16-cell"}
    digons = tegum_product(*[simplex(1)] * d)
    return Polytope(names.get(d, f"{d}-cross-polytope"), digons.vertices, PAPER if d <= 3 else "elementary")


def cube(d: int) -> Polytope:
    """Return the cube of 2^d corners."""
    if d < 1:
        raise ValueError(f"a cube has at least 1 dimension, got {d}")
    names = {1: "digon", 2: "square", 3: "cube", 4: "tesseract"}
    return _columns(names.get(d, f"{d}-cube"), product((1, -1), repeat=d))


def hemicube(d: int) -> Polytope:
    """Return every other corner of the cube: for d = 5 the Clebsch configuration, a universal optimum.

    Source: Cohn and Kumar 2007, DOI 10.1090/S0894-0347-06-00546-7, table 1.
    """
    if d < 3:
        raise ValueError(f"a hemicube has at least 3 dimensions, got {d}")
    corners = [signs for signs in product((1, -1), repeat=d) if sympy.prod(signs) == 1]
    return _columns("hemicube" if d == 5 else f"{d}-hemicube", corners, "DOI 10.1090/S0894-0347-06-00546-7")


def square_antiprism(u: Any = TIGHT, name: str = "antiprism") -> Polytope:
    """Return two squares at heights ±√u, turned by 45° against each other.

    Args:
        u: squared height in (0, 1). The antiprism is a tight frame for u = 1/3 alone.
        name: what to call it.
    """
    u = sympy.sympify(u)
    if not 0 < float(u) < 1:
        raise ValueError(f"the squared height of an antiprism lies in (0, 1), got {u}")
    flat, half = sqrt(1 - u), sqrt(1 - u) / sqrt(2)
    upper = [[flat, 0], [0, flat], [-flat, 0], [0, -flat]]
    lower = [[half, half], [-half, half], [-half, -half], [half, -half]]
    corners = [[*place, sqrt(u)] for place in upper] + [[*place, -sqrt(u)] for place in lower]
    return Polytope(name, sympy.ImmutableMatrix(sympy.Matrix(corners).T), PAPER)


def _antiprism_of_least_coulomb_energy() -> Polytope:
    """Return the square antiprism of the Thomson problem, its height to fifty digits."""
    u = sympy.Symbol("u", positive=True)
    near, across = -u - sqrt(2) * (u - 1) / 2, -u + sqrt(2) * (u - 1) / 2
    overlaps = ((8, u), (4, 2 * u - 1), (8, near), (8, across))
    energy = sum(count / sqrt(2 - 2 * overlap) for count, overlap in overlaps)
    height = sympy.nsolve(sympy.diff(energy, u), u, Rational(314, 1000), prec=50)
    return square_antiprism(sympy.Rational(str(height)), "antiprism (Thomson)")


def _cyclic(*places: Any) -> list[tuple[Any, ...]]:
    """Return the cyclic permutations of coordinates, with all signs, each corner once."""
    corners: dict[tuple[Any, ...], None] = {}
    for place in places:
        for signs in product((1, -1), repeat=3):
            for shift in range(3):
                turned = place[shift:] + place[:shift]
                corners[tuple(sign * x for sign, x in zip(signs, turned, strict=True))] = None
    return list(corners)


def icosahedron() -> Polytope:
    """Return the icosahedron."""
    return _columns("icosahedron", _cyclic((0, 1, GOLDEN)))


def dodecahedron() -> Polytope:
    """Return the dodecahedron."""
    return _columns("dodecahedron", _cyclic((1, 1, 1), (0, GOLDEN - 1, GOLDEN)))


def cuboctahedron() -> Polytope:
    """Return the cuboctahedron."""
    return _columns("cuboctahedron", _cyclic((0, 1, 1)))


def cell_24() -> Polytope:
    """Return the 24-cell: all (±1, ±1, 0, 0) in any order."""
    corners = []
    for i, j in combinations(range(4), 2):
        for signs in product((1, -1), repeat=2):
            corner = [0] * 4
            corner[i], corner[j] = signs
            corners.append(corner)
    return _columns("24-cell", corners)


def rectified_simplex(d: int) -> Polytope:
    """Return the midpoints of the edges of a simplex: for d = 4 the ten corners of the Petersen code, D = 2/5.

    Source: Bachoc and Vallentin 2009, arXiv:0708.3947, for d = 4.
    """
    if d < 2:
        raise ValueError(f"a rectified simplex has at least 2 dimensions, got {d}")
    corners = simplex(d).vertices
    middles = [list(corners[:, i] + corners[:, j]) for i, j in combinations(range(d + 1), 2)]
    return _columns(
        "rectified 5-cell" if d == 4 else f"rectified {d}-simplex",
        middles,
        "arXiv:0708.3947" if d == 4 else "elementary",
    )


def duoantiprism(p: int, q: int, u: Any = EQUAL) -> Polytope:
    """Return every other corner of the duoprism of a 2p-gon and a 2q-gon: 2 p q corners in four dimensions.

    Args:
        p: half the corners of the first polygon, at least 2.
        q: half the corners of the second, at least 2.
        u: squared part of a corner in the first polygon's plane, in (0, 1); a tight frame for u = 1/2.
    """
    if min(p, q) < 2:
        raise ValueError(f"a duoantiprism is made of polygons of at least 4 corners, got p={p}, q={q}")
    u = sympy.sympify(u)
    if not 0 < float(u) < 1:
        raise ValueError(f"the first part of a duoantiprism lies in (0, 1), got {u}")
    corners = [
        [sqrt(u) * turn(pi * a / p) for turn in (cos, sin)] + [sqrt(1 - u) * turn(pi * b / q) for turn in (cos, sin)]
        for a in range(2 * p)
        for b in range(2 * q)
        if (a + b) % 2 == 0
    ]
    return Polytope(f"{p}-{q} duoantiprism", sympy.ImmutableMatrix(sympy.Matrix(corners).T))


def gosset(d: int) -> Polytope:
    """Return Gosset's semiregular polytope (d − 4)_21, d from 6 to 8: 27, 56 and 240 corners, universal optima.

    Source: Cohn and Kumar 2007, DOI 10.1090/S0894-0347-06-00546-7, table 1; the hemicube is 1_21.
    """
    if not 6 <= d <= 8:
        raise ValueError(f"Gosset's polytopes here have 6 to 8 dimensions, got {d}")
    even = {n: [list(signs) for signs in product((1, -1), repeat=n) if sympy.prod(signs) == 1] for n in (5, 6, 8)}
    axes = [[sign * 2 * (i == j) for j in range(d)] for i in range(d) for sign in (1, -1)]
    if d == 6:
        tip = sqrt(3) / 3
        corners = [[0] * 5 + [4 * tip]] + [[*a[:5], -2 * tip] for a in axes[:10]] + [[*x, tip] for x in even[5]]
    elif d == 7:
        corners = [[*x, 0] for x in even[6]] + [[*a[:6], sign * sqrt(2)] for a in axes[:12] for sign in (1, -1)]
    else:
        pairs = combinations(range(8), 2)
        corners = [
            [2 * s * (j == a) + 2 * t * (j == b) for j in range(8)] for a, b in pairs for s in (1, -1) for t in (1, -1)
        ]
        corners += even[8]
    return _columns(f"{d - 4}_21", corners, "DOI 10.1090/S0894-0347-06-00546-7")


NAMED: dict[str, Callable[[], Polytope]] = {
    "axis": lambda: Polytope("axis", sympy.ImmutableMatrix([[1]]), PAPER),
    "digon": lambda: simplex(1),
    **{name: (lambda k=k: polygon(k)) for k, name in REGULAR.items()},  # type: ignore[misc]
    "tetrahedron": lambda: simplex(3),
    "5-cell": lambda: simplex(4),
    "octahedron": lambda: cross_polytope(3),
    "16-cell": lambda: cross_polytope(4),
    "cube": lambda: cube(3),
    # Three heights within 0.002 of D = 3/8: a tight frame, least Coulomb energy, least ReLU interference.
    "antiprism": square_antiprism,
    "antiprism (Thomson)": _antiprism_of_least_coulomb_energy,
    "antiprism (interference)": lambda: square_antiprism((1 + 3 * sqrt(2)) / 17, "antiprism (interference)"),
    "antiprism (equal edges)": lambda: square_antiprism((2 * sqrt(2) - 1) / 7, "antiprism (equal edges)"),
    "icosahedron": icosahedron,
    "dodecahedron": dodecahedron,
    "cuboctahedron": cuboctahedron,
    "24-cell": cell_24,
    "rectified 5-cell": lambda: rectified_simplex(4),
    "hemicube": lambda: hemicube(5),
    **{f"{d - 4}_21": (lambda d=d: gosset(d)) for d in (6, 7, 8)},  # type: ignore[misc]
    "triangular bipyramid": lambda: _renamed("triangular bipyramid", simplex(2), simplex(1)),
    "pentagonal bipyramid": lambda: _renamed("pentagonal bipyramid", polygon(5), simplex(1)),
}
FAMILIES: dict[str, Callable[[int], Polytope]] = {
    r"(\d+)-gon": polygon,
    r"(\d+)-simplex": simplex,
    r"(\d+)-cross-polytope": cross_polytope,
    r"(\d+)-cube": cube,
    r"(\d+)-hemicube": hemicube,
    r"rectified (\d+)-simplex": rectified_simplex,
}
DUOANTIPRISMS = r"(\d+)-(\d+) duoantiprism"


def _renamed(name: str, *factors: Polytope) -> Polytope:
    whole = tegum_product(*factors)
    return Polytope(name, whole.vertices, whole.source)


def polytope(name: str) -> Polytope:
    """Return a polytope by its name.

    Args:
        name: one of `NAMED`; "k-gon", "d-simplex", "d-cross-polytope", "d-cube", "d-hemicube", "rectified
            d-simplex" or "p-q duoantiprism" with numbers; or several of them joined by " + ", a tegum product.

    Returns:
        The polytope; its corners are unit vectors.

    Raises:
        ValueError: if there is no such name.

    Example:
        >>> solid = polytope("pentagon + digon")
        >>> solid.dim, solid.n, solid.dimensionality[0], solid.dimensionality[-1]
        (3, 7, 2/5, 1/2)
    """
    if not isinstance(name, str):
        raise ValueError(f"the name of a polytope must be a string, got {type(name).__name__}")
    parts = [part.strip() for part in name.split("+")]
    if len(parts) > 1:
        return tegum_product(*map(polytope, parts))
    return _solid(parts[0])


@lru_cache(maxsize=256)
def _solid(name: str) -> Polytope:
    """Return the polytope of a name that isn't a product, made once."""
    if name in NAMED:
        return NAMED[name]()
    for pattern, family in FAMILIES.items():
        found = re.fullmatch(pattern, name)
        if found:
            return family(int(found[1]))
    if found := re.fullmatch(DUOANTIPRISMS, name):
        return duoantiprism(int(found[1]), int(found[2]))
    known = ", ".join([*NAMED, "k-gon", "d-simplex", "d-cross-polytope", "d-cube", "d-hemicube", "p-q duoantiprism"])
    raise ValueError(f"the name of a shape must be one of {known}, or several joined by ' + ', got {name!r}")
