"""A derived loss as a program: a Python function, or source text in C or JavaScript.

An output's loss is one rational function of its bias, its overlaps and p on each region, and the regions are told
apart by the signs of the corners c_S = b_i + Σ_{j∈S} G_ij. So every program does the same: it computes the corners,
looks up their signs, and evaluates the expression that holds there. All outputs are the same function, with their own
overlap G_ii first. All programs divide by overlaps; `expected_loss` is the stable evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import nan
from operator import mul
from typing import Any, Protocol

import array_api_compat
import numpy as np
import sympy
from sympy.printing.c import C99CodePrinter
from sympy.printing.jscode import JavascriptCodePrinter

from .box_differences import BIAS, DENSITY, OVERLAPS, Expression, corner_value, corners_of, region_loss, sign_regions

PYTHON_MODULES = ("numpy", "torch", "math", "mpmath")
LANGUAGES = ("c", "javascript")

# Powers up to this one are printed as products.
LARGEST_PRODUCT = 4


class Output(Protocol):
    """One output's loss; see `OutputLoss`."""

    @property
    def corners(self) -> Mapping[frozenset[int], Expression]:
        """c_S for every set S of features."""


class Formula(Protocol):
    """What a program is made of; see `LossFormula`."""

    @property
    def n_features(self) -> int:
        """N."""

    @property
    def n_hidden(self) -> int:
        """M."""

    @property
    def symbols(self) -> tuple[Expression, ...]:
        """The weights row by row, the biases, p and r."""

    @property
    def importances(self) -> tuple[Expression, ...]:
        """The importances (1, …, 1, r)."""

    @property
    def outputs(self) -> Sequence[Output]:
        """The loss of each output."""


def python_function(formula: Formula, modules: str) -> Callable[[Any, Any, Any, Any], Any]:
    """Return a function that evaluates the formula; see `LossFormula.lambdify`."""
    if modules not in PYTHON_MODULES:
        raise ValueError(f'modules must be "numpy", "torch", "math" or "mpmath", got {modules!r}')
    n, batched = formula.n_features, modules in ("numpy", "torch")
    signs = [[corner in positive for corner in corners_of(range(n))] for positive in sign_regions(n, 0)]
    # Rational functions print as plain arithmetic, which arrays of both kinds understand.
    evaluate = _regions_function(n, None if batched else modules)

    def on_numbers(weights: Any, bias: Any, density: Any, relative_importance: Any) -> Any:
        columns = list(zip(*weights, strict=True))
        chosen = []
        for i in range(n):
            overlaps = [sum(map(mul, columns[i], columns[j])) for j in _own_first(n, i)]
            values, losses = evaluate(bias[i], *overlaps, density)
            chosen.append(losses[signs.index([value > 0 for value in values])])
        return sum(chosen[:-1]) + relative_importance * chosen[-1]

    def on_arrays(weights: Any, bias: Any, density: Any, relative_importance: Any) -> Any:
        if modules == "numpy":
            weights, bias = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
        xp = array_api_compat.array_namespace(weights, bias)
        density, ratio = (xp.asarray(a, dtype=weights.dtype) for a in (density, relative_importance))
        gram = weights.mT @ weights
        chosen = []
        for i in range(n):
            values, losses = evaluate(bias[..., i], *(gram[..., i, j] for j in _own_first(n, i)), density)
            # Signs that rounding made inconsistent match no region, and NaN says so.
            loss = sum(values) * nan
            for sign, candidate in zip(signs, losses, strict=True):
                matches = [(value > 0) == on for value, on in zip(values, sign, strict=True)]
                here = matches[0]
                for match in matches[1:]:
                    here = here & match
                loss = xp.where(here, candidate, loss)
            chosen.append(loss)
        return sum(chosen[:-1]) + ratio * chosen[-1]

    return on_arrays if batched else on_numbers


@cache
def _regions_function(n: int, modules: str | None) -> Callable[..., Any]:
    """Return a function of an output's bias, its overlaps and p: all corners, and each region's loss."""
    overlaps = OVERLAPS[:n]
    values = [corner_value(corner, overlaps, BIAS) for corner in corners_of(range(n))]
    losses = [region_loss(n, 0, frozenset(range(n)), positive) for positive in sign_regions(n, 0)]
    function: Callable[..., Any] = sympy.lambdify(
        (BIAS, *overlaps, DENSITY), [values, losses], modules=[] if modules is None else modules, cse=True
    )
    return function


def _own_first(n: int, feature: int) -> list[int]:
    """Return all features, with the output's own first: so all outputs are the same function."""
    return [feature, *(j for j in range(n) if j != feature)]


class _ProductsMixin:
    """Print small integer powers as products, which are faster, and exact where `pow` may not be."""

    def _print_Pow(self, power: Expression) -> str:
        base, exponent = power.as_base_exp()
        if base.is_Symbol and exponent.is_Integer and 2 <= exponent <= LARGEST_PRODUCT:
            # In brackets, because a denominator is printed as if a power bound more tightly than a product.
            return f"({'*'.join([base.name] * int(exponent))})"
        return str(super()._print_Pow(power))  # type: ignore[misc]


class _CPrinter(_ProductsMixin, C99CodePrinter):  # type: ignore[misc]
    pass


class _JavascriptPrinter(_ProductsMixin, JavascriptCodePrinter):  # type: ignore[misc]
    pass


# What differs between the two languages: the rest of a program is the same text.
_PRINTERS = {"c": _CPrinter, "javascript": _JavascriptPrinter}
_WORDS = {
    "c": {
        "head": "#include <math.h>\n\n",
        "helper": "static double output_loss({})\n{{",
        "function": "double loss({})\n{{",
        "parameter": "double ",
        "constant": "const double ",
        "integer": "const int ",
        "undefined": "NAN",
    },
    "javascript": {
        "head": "",
        "helper": "function outputLoss({}) {{",
        "function": "function loss({}) {{",
        "parameter": "",
        "constant": "const ",
        "integer": "const ",
        "undefined": "NaN",
    },
}


def source_code(formula: Formula, language: str) -> str:
    """Return the formula as source text; see `LossFormula.code`."""
    if language not in LANGUAGES:
        raise ValueError(f'language must be "c" or "javascript", got {language!r}')
    words, printer = _WORDS[language], _PRINTERS[language]()
    parts = [_comment(formula), words["head"], _output_function(formula.n_features, language)]
    return "".join([*parts, "\n", *_loss_function(formula, words, printer)])


def _comment(formula: Formula) -> str:
    n, m = formula.n_features, formula.n_hidden
    names = ", ".join(symbol.name for symbol in formula.symbols)
    lines = [
        f"Exact expected loss of x' = ReLU(W^T W x + b) with {n} features and {m} hidden dimensions:",
        "the sum over i of I_i E(x_i - x'_i)^2, importances (1, ..., 1, r), features on with probability p",
        "and uniform on [0, 1]. Weights are row by row, the hidden dimension first. Generated by tegum.",
        f"Parameters: {names}.",
        "It divides by the overlaps of features. Where one vanishes the result may not be finite, and near",
        "there digits are lost.",
    ]
    return "/* " + "\n * ".join(lines) + "\n */\n"


@cache
def _shared_parts(n: int) -> tuple[tuple[int, Any, Expression], ...]:
    """Return each region's number, the parts that its loss uses several times by name, and the loss in terms of them.

    All languages, and all numbers of hidden dimensions, print the same; to find the parts takes longest.
    """
    found = []
    for positive in sign_regions(n, 0):
        number = sum(1 << place for place, corner in enumerate(corners_of(range(n))) if corner in positive)
        common, (result,) = sympy.cse(region_loss(n, 0, frozenset(range(n)), positive))
        found.append((number, common, result))
    return tuple(found)


@cache
def _output_function(n: int, language: str) -> str:
    """Return the function of one output's loss, in its bias b and overlaps G1 (its own), G2 … with the others."""
    return "".join(_output_lines(n, _WORDS[language], _PRINTERS[language]()))


def _output_lines(n: int, words: dict[str, str], printer: Any) -> Iterable[str]:
    overlaps, corners = OVERLAPS[:n], corners_of(range(n))
    parameters = ", ".join(f"{words['parameter']}{symbol}" for symbol in (BIAS, *overlaps, DENSITY))
    yield "/* E(x_i - x'_i)^2 of an output with bias b, overlap G1 with itself and G2, ... with the others. */\n"
    yield words["helper"].format(parameters) + "\n"
    values = [printer.doprint(corner_value(corner, overlaps, BIAS)) for corner in corners]
    yield f"    {words['integer']}signs = " + "\n        + ".join(
        f"{1 << place}*({value} > 0)" for place, value in enumerate(values)
    )
    yield ";\n    switch (signs) {\n"
    for number, common, result in _shared_parts(n):
        yield f"    case {number}: {{\n"
        for symbol, value in common:
            yield f"        {words['constant']}{symbol} = {printer.doprint(value)};\n"
        yield f"        return {printer.doprint(result)};\n    }}\n"
    yield "    default: /* signs that rounding made inconsistent */\n"
    yield f"        return {words['undefined']};\n    }}\n}}\n"


def _loss_function(formula: Formula, words: dict[str, str], printer: Any) -> Iterable[str]:
    """Yield the function of the loss, which calls the one of an output for each."""
    n, helper = formula.n_features, words["helper"].partition("(")[0].split()[-1]
    parameters = ", ".join(f"{words['parameter']}{symbol}" for symbol in formula.symbols)
    bias = formula.symbols[-n - 2 : -2]
    yield words["function"].format(parameters) + "\n"
    for i, output in enumerate(formula.outputs):
        for j in range(i, n):
            overlap = output.corners[frozenset({j})] - bias[i]
            yield f"    {words['constant']}G{i + 1}{j + 1} = {printer.doprint(overlap)};\n"
    calls = []
    for i, importance in enumerate(formula.importances):
        places = [f"G{min(i, j) + 1}{max(i, j) + 1}" for j in _own_first(n, i)]
        call = f"{helper}({', '.join([str(bias[i]), *places, str(DENSITY)])})"
        calls.append(call if importance == 1 else f"{importance}*{call}")
    yield "    return " + "\n        + ".join(calls) + ";\n}\n"
