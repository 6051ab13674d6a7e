"""`tegum derive`: the formula for people, papers, programs and JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

from tegum.theory import derive_loss, diagram_model, expected_loss
from tests.support.tolerances import tolerance


def test_derived_regions_cost_what_the_exact_loss_costs(tegum_: Any) -> None:
    printed = tegum_("derive", "--json").json()["outputs"]
    assert len(printed) == 2
    w, b, p, r = (0.9, -0.7), (0.05, -0.1), 0.3, 2.0
    names = ("w1", "w2", "b1", "b2")
    values = dict(zip(names, (*w, *b), strict=True)) | {"p": p, "r": r}
    # SymPy's own names are real numbers here.
    symbols: dict[str, Any] = {name: sympy.Symbol(name, real=True) for name in values}
    point = {symbols[name]: value for name, value in values.items()}
    total = 0.0
    for output, importance in zip(printed, (1.0, r), strict=True):
        holds = [bool(sympy.sympify(region["assumptions"], symbols).subs(point)) for region in output["regions"]]
        assert sum(holds) == 1
        region = output["regions"][holds.index(True)]
        total += importance * float(sympy.sympify(region["loss"], symbols).subs(point))
    expected = expected_loss(diagram_model(2, 1, p, r), np.array([w]), np.array(b))
    np.testing.assert_allclose(total, expected, rtol=0, atol=tolerance("loss"))


def test_a_formula_is_printed_for_people_and_for_papers(tegum_: Any) -> None:
    shown, paper = tegum_("derive"), tegum_("derive", "--latex")
    assert (shown.code, shown.err, paper.code, paper.err) == (0, "", 0, "")
    assert shown.out.count("if ") == sum(
        len(output["regions"]) for output in tegum_("derive", "--json").json()["outputs"]
    )
    assert paper.out.startswith("L =")
    assert r"\begin{cases}" in paper.out


@pytest.mark.parametrize("language", ["c", "javascript"])
def test_a_formula_is_printed_as_a_program(tegum_: Any, language: str) -> None:
    shown = tegum_("derive", "--code", language)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == derive_loss(2, 1).code(language)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--features 4", "n_features must be an integer from 1 to 3", id="too large a formula"),
        pytest.param("--code fortran", 'must be "c" or "javascript", got \'fortran\'', id="unknown language"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, words: str, message: str) -> None:
    tegum_(f"derive {words}").is_misuse(message)
