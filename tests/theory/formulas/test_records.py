"""Every closed form that the project knows, at random admissible points, against what it is about."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy

from tegum.theory import expected_loss, global_minimum
from tegum.theory.formulas import FORMULAS, PUBLISHED_LOSSES, Formula, formulas_markdown
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.tolerances import tolerance

# Behind the face: what records are made of.
records = internals("formulas.record")
POINTS = 20
BARS = {"loss": "law", "gradient": "gradient", "identity": "law"}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "formulas.md"
by_name = {formula.name: formula for formula in FORMULAS}
formulas = pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: str(formula.name))


@formulas
def test_both_sides_agree(formula: Formula) -> None:
    rng = np.random.default_rng(0)
    for _ in range(POINTS):
        point = formula.random_point(rng)
        value = formula.value(point)
        error = np.abs(formula.measured(point) - value).max()
        assert error <= tolerance(BARS[formula.kind]) * (1 + abs(value)), point


@formulas
def test_points_are_admissible_and_all_of_them_matter(formula: Formula) -> None:
    rng = np.random.default_rng(1)
    points = [formula.random_point(rng) for _ in range(3)]
    for variable in formula.variables:
        assert all(variable.low <= point[variable.symbol] <= variable.high for point in points)
    known = {variable.symbol for variable in formula.variables} | {d.symbol for d in formula.definitions}
    assert formula.expression.free_symbols <= known
    for assumption in formula.assumptions:
        assert assumption.free_symbols <= known
        assert all(assumption.subs(point) == sympy.true for point in points)


def test_a_wrong_formula_is_found() -> None:
    formula = by_name["triangle"]
    point = formula.random_point(np.random.default_rng(0))
    wrong = replace(formula, expression=formula.expression + sympy.Rational(1, 10**9))
    assert np.abs(wrong.measured(point) - wrong.value(point)).max() > tolerance("law")


def test_records_are_named_once_and_complete() -> None:
    assert len(by_name) == len(FORMULAS)
    for formula in FORMULAS:
        assert re.fullmatch(r"[a-z0-9-]+", formula.name)
        assert formula.statement.endswith(".")
        assert formula.source


def test_published_losses_are_among_them() -> None:
    losses = [formula.expression for name, formula in by_name.items() if name.startswith("published")]
    assert losses == [published.loss for published in PUBLISHED_LOSSES]


@pytest.mark.parametrize("density", ["1/10", "1/2"])
def test_the_best_pair_is_the_global_minimum(density: str) -> None:
    v = {str(symbol): float(value) for symbol, value in by_name["antipodal-pair-optimum"].point(p=density).items()}
    loss = 2 * (v["p"] / 3 - v["B"] ** 2 / (4 * v["A"]))
    assert loss == pytest.approx(global_minimum(independent(2, 1, v["p"])).loss, abs=tolerance("loss"))


def test_the_best_pair_has_the_known_numbers() -> None:
    # At density 0.1: W = ±(1.0058, −1.0058), b = (0.0012, 0.0012), L = 0.0033194840.
    v = {str(symbol): float(value) for symbol, value in by_name["antipodal-pair-optimum"].point(p="1/10").items()}
    W, b = v["s"] ** 0.5 * np.array([[1.0, -1.0]]), v["c"] * v["s"] * np.ones(2)
    assert (round(W[0, 0], 4), round(b[0], 4)) == (1.0058, 0.0012)
    assert round(float(expected_loss(independent(2, 1, 0.1), W, b)), 10) == 0.0033194840


@pytest.mark.parametrize(("name", "corners", "density"), [("triangle", 3, "7/10"), ("tetrahedron", 4, "1/2")])
def test_simplices_beat_axes_and_a_dropped_feature(name: str, corners: int, density: str) -> None:
    v = {str(symbol): float(value) for symbol, value in by_name[f"{name}-optimum"].point(p=density).items()}
    loss = corners * (v["p"] / 3 - v["B"] ** 2 / (4 * v["A"]))
    assert loss < v["p"] / 3 - v["p"] ** 2 / 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"p": 0.5}, "antipodal-pair has the variables p, r, s, c, got p"),
        ({}, "got none"),
        ({"p": 0.5, "r": 1, "s": 1, "c": -1}, "antipodal-pair assumes something else"),
    ],
)
def test_points_that_are_none(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_name["antipodal-pair"].point(**values)


def test_losses_are_quadratic_in_the_scale() -> None:
    # Three points determine L(√s W, s b) = Σ E[x_i²] − s B + s² A, at s = 0, 1 and 2; a fourth has to agree.
    rng = np.random.default_rng(5)
    W, b = rng.uniform(-1, 1, (2, 3)), rng.uniform(-0.5, 0.5, 3)
    model = independent(3, 2, 0.4)
    at = {s: float(expected_loss(model, s**0.5 * W, s * b)) for s in (0.0, 1.0, 2.0, 3.0)}
    assert at[3.0] == pytest.approx(at[0.0] - 3 * at[1.0] + 3 * at[2.0], abs=tolerance("law"))


def test_a_root_says_when_there_is_none() -> None:
    x = sympy.Symbol("x")
    root = records.Root(x, x**2 - 2, sympy.Integer(0), sympy.Integer(2))
    assert float(root.solve({})) == pytest.approx(2**0.5, rel=tolerance("rounding"))
    assert replace(root, low=sympy.Integer(2), high=sympy.Integer(3)).solve({}) is None


def test_impossible_assumptions_are_an_error() -> None:
    formula = by_name["axis"]
    scale = formula.variables[1].symbol
    with pytest.raises(RuntimeError, match="axis: no admissible point"):
        replace(formula, assumptions=(scale > 5,)).random_point(np.random.default_rng(0))


def test_ramps_are_numbers_at_numbers() -> None:
    t, half = sympy.Symbol("t"), sympy.Rational(1, 2)
    ramp = records.Ramp
    assert (ramp(2, half), ramp(2, -half), ramp(0, 0), ramp(0, half)) == (sympy.Rational(1, 8), 0, 0, 1)
    assert sympy.latex(ramp(3, t)) == r"R_{3}\left(t\right)"
    assert ramp(3, t).subs(t, 1) == sympy.Rational(1, 6)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == formulas_markdown(), "run python docs/make_formulas.py"


def test_the_page_survives_markdown() -> None:
    page = formulas_markdown()
    # Markdown halves double backslashes, and a formula in a line must end in it.
    assert "\\\\" not in page
    assert page.count("$$\n") % 2 == 0
    for line in page.splitlines():
        assert line == "$$" or line.count("$") % 2 == 0
    assert all(f"### {formula.name}\n" in page for formula in FORMULAS)
