from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import array_api_compat
import mpmath
import numpy as np
import pytest
import torch
from helpers import box_moment, internals, tolerance, working_digits

moments = internals("moments")
NAMESPACES = {
    "numpy": array_api_compat.array_namespace(np.zeros(())),
    "torch": array_api_compat.array_namespace(torch.zeros(())),
}
VOLUME_DEGREE = 2
FACET_DEGREE = 3

# Slopes from the smallest size to the largest, and the offset.
REGIONS: dict[str, tuple[tuple[float, ...], float]] = {
    "1: rising": ((0.8,), -0.3),
    "1: falling": ((-0.8,), 0.3),
    "1: falling from one": ((-1.0,), 1.0),
    "1: rising from zero": ((0.5,), 0.0),
    "1: flat and on": ((0.0,), 0.4),
    "1: flat and off": ((0.0,), -0.4),
    "1: tiny, at its own scale": ((1e-12,), -3e-13),
    "1: subnormal product": ((1e-300,), -5e-301),
    "2: generic": ((0.3, -0.7), 0.2),
    "2: ties": ((0.5, 0.5), -0.5),
    "2: opposite": ((-0.5, 0.5), 0.0),
    "2: opposite, shifted": ((-0.5, 0.5), 0.125),
    "2: one zero": ((0.0, 0.9), -0.4),
    "2: one tiny": ((1e-12, -0.9), 0.4),
    "2: one tiny, cut at a corner": ((1e-12, -0.9), 0.9),
    "2: both tiny": ((2e-13, 1e-12), -5e-13),
    "2: full": ((0.2, 0.4), 0.1),
    "2: empty": ((0.2, 0.4), -0.7),
    "3: generic": ((0.2, -0.6, 0.7), 0.1),
    "3: ties": ((0.5, 0.5, 0.5), -0.75),
    "3: signed ties": ((0.5, -0.5, 0.5), 0.0),
    "3: two zeros": ((0.0, 0.0, -1.0), 0.3),
    "3: zero and tiny": ((0.0, 1e-12, 0.7), -0.2),
    "3: tiny and ties": ((-1e-12, 0.7, 0.7), -0.7),
    "3: large": ((-1e6, 1e6, 1e6), 10.0),
    "3: full": ((0.2, 0.4, 0.5), 0.1),
    "3: empty": ((-0.2, -0.4, -0.5), -0.1),
}


def exact(slopes: tuple[float, ...], powers: tuple[int, ...], offset: float, q: int) -> float:
    fractions = [Fraction(slope) for slope in slopes]
    with mpmath.workdps(working_digits(fractions, Fraction(offset), sum(powers))):
        return float(box_moment(tuple(mpmath.mpf(s) for s in slopes), powers, mpmath.mpf(offset), q))


def monomials(dimension: int, degree: int) -> list[tuple[int, ...]]:
    return [powers for powers in product(range(degree + 1), repeat=dimension) if sum(powers) <= degree]


def rule(which: str, engine: str, slopes: tuple[float, ...], offset: float) -> tuple[Any, Any]:
    """Return nodes, shape (k, N), and weights, shape (N,), as NumPy arrays."""
    xp = NAMESPACES[engine]
    arrays = [xp.asarray(slope, dtype=xp.float64) for slope in slopes]
    nodes, weights = getattr(moments, which)(xp, arrays, xp.asarray(offset, dtype=xp.float64))
    return np.array([np.asarray(u) for u in nodes]), np.asarray(weights)


def test_the_oracle_of_moments_agrees_with_integrals_done_by_hand() -> None:
    np.testing.assert_allclose(exact((1.0,), (0,), -0.25, 0), 0.75, rtol=tolerance("rounding"))
    np.testing.assert_allclose(exact((1.0,), (1,), -0.25, 0), (1 - 0.25**2) / 2, rtol=tolerance("rounding"))
    # The triangle u + v < 1, and u v over it.
    np.testing.assert_allclose(exact((-1.0, -1.0), (0, 0), 1.0, 0), 1 / 2, rtol=tolerance("rounding"))
    np.testing.assert_allclose(exact((-1.0, -1.0), (1, 1), 1.0, 0), 1 / 24, rtol=tolerance("rounding"))
    # δ(u + v − 1): the integral of u² (1 − u)⁰ over the diagonal's projection.
    np.testing.assert_allclose(exact((1.0, 1.0), (2, 0), -1.0, -1), 1 / 3, rtol=tolerance("rounding"))


@pytest.mark.parametrize("engine", NAMESPACES)
@pytest.mark.parametrize("region", REGIONS)
def test_volume_rule_is_exact_to_its_degree(region: str, engine: str) -> None:
    slopes, offset = REGIONS[region]
    nodes, weights = rule("volume_rule", engine, slopes, offset)
    assert (weights >= 0).all()
    assert ((nodes >= 0) & (nodes <= 1)).all()
    for powers in monomials(len(slopes), VOLUME_DEGREE):
        found = (weights * np.prod(nodes ** np.array(powers)[:, None], axis=0)).sum()
        np.testing.assert_allclose(
            found, exact(slopes, powers, offset, 0), rtol=0, atol=tolerance("moment"), err_msg=f"powers {powers}"
        )


@pytest.mark.parametrize("engine", NAMESPACES)
@pytest.mark.parametrize("region", [name for name, (slopes, offset) in REGIONS.items() if any(slopes) or offset])
def test_facet_rule_is_exact_to_its_degree(region: str, engine: str) -> None:
    slopes, offset = REGIONS[region]
    # A single slope that crosses zero at an end of [0, 1] has half a δ there, which belongs to either side.
    if len(slopes) == 1 and offset in (0.0, -slopes[0]):
        offset += slopes[0] / 4
    nodes, weights = rule("facet_rule", engine, slopes, offset)
    assert (weights >= 0).all()
    assert ((nodes >= 0) & (nodes <= 1)).all()
    # ∫ δ(z) du is of the order of the largest slope's inverse.
    unit = max(abs(slope) for slope in slopes) or 1.0
    for powers in monomials(len(slopes), FACET_DEGREE):
        found = (weights * np.prod(nodes ** np.array(powers)[:, None], axis=0)).sum()
        expected = exact(slopes, powers, offset, -1)
        np.testing.assert_allclose(
            found * unit, expected * unit, rtol=0, atol=tolerance("moment"), err_msg=f"powers {powers}"
        )


@pytest.mark.parametrize("engine", NAMESPACES)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_an_empty_region_has_no_weight_at_all(dimension: int, engine: str) -> None:
    slopes = (0.25, 0.5, 0.75)[:dimension]
    for which in ("volume_rule", "facet_rule"):
        _, weights = rule(which, engine, slopes, -2.0)
        assert not weights.any()


@pytest.mark.parametrize("engine", NAMESPACES)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_full_region_has_volume_one_and_no_facet(dimension: int, engine: str) -> None:
    slopes = (0.25, -0.5, 0.75)[:dimension]
    _, weights = rule("volume_rule", engine, slopes, 2.0)
    np.testing.assert_allclose(weights.sum(), 1, rtol=tolerance("rounding"))
    assert not rule("facet_rule", engine, slopes, 2.0)[1].any()


def test_flat_slopes_at_offset_zero_count_as_off() -> None:
    for which, dimension in product(("volume_rule", "facet_rule"), (1, 2, 3)):
        assert not rule(which, "numpy", (0.0,) * dimension, 0.0)[1].any()


@pytest.mark.parametrize("which", ["volume_rule", "facet_rule"])
def test_a_batch_of_regions_gives_the_rule_of_each(which: str) -> None:
    xp = NAMESPACES["numpy"]
    batch = [REGIONS[name] for name in REGIONS if name.startswith("2")]
    slopes = [np.array([s[k] for s, _ in batch]) for k in range(2)]
    nodes, weights = getattr(moments, which)(xp, slopes, np.array([offset for _, offset in batch]))
    for k, (single_slopes, offset) in enumerate(batch):
        single_nodes, single_weights = rule(which, "numpy", single_slopes, offset)
        np.testing.assert_array_equal(np.array([u[k] for u in nodes]), single_nodes)
        np.testing.assert_array_equal(weights[k], single_weights)
