"""Expansions for small density: what they leave out shrinks as fast as they say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tegum.theory.formulas import EXPANSIONS, Expansion

# Left out, in units of the power of p, at two densities: of order 1, and nearly the same.
LARGEST, CHANGE = 1.0, 0.15
CASES = [pytest.param(e, parameter, id=f"{e.name}-{parameter}") for e in EXPANSIONS for parameter in e.parameters]


def left_out(expansion: Expansion, parameter: float) -> list[float]:
    return [
        (expansion.measure(density, parameter) - expansion.value(density, parameter))
        / density ** float(expansion.remainder)
        for density in expansion.densities
    ]


@pytest.mark.parametrize(("expansion", "parameter"), CASES)
def test_the_remainder_has_the_order_of_the_record(expansion: Expansion, parameter: float) -> None:
    small, large = left_out(expansion, parameter)
    assert 0 < abs(small) < LARGEST
    assert abs(small - large) < CHANGE * abs(small)


def test_a_wrong_term_is_found() -> None:
    expansion = EXPANSIONS[0]
    wrong = replace(expansion, terms=expansion.terms + next(iter(expansion.terms.free_symbols)) ** 3 / 10**3)
    small, large = left_out(wrong, 1.0)
    assert abs(small - large) > CHANGE * abs(small)


def test_records_are_named_once_and_complete() -> None:
    assert len({expansion.name for expansion in EXPANSIONS}) == len(EXPANSIONS)
    for expansion in EXPANSIONS:
        assert re.fullmatch(r"[a-z0-9-]+", expansion.name)
        assert expansion.statement.endswith(".")
        assert expansion.densities == tuple(sorted(expansion.densities))
