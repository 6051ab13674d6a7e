"""All closed forms that the project knows, as records, and as a page for people."""

from __future__ import annotations

import sympy

from ..derivation import Expression
from .expansions import EXPANSIONS, Expansion
from .identities import IDENTITIES
from .pairs import PAIR_FORMULAS, SINGLE_FORMULAS
from .polygons import OVERLAP_FORMULAS, POLYGON_FORMULAS
from .record import Definition, Formula, Root, Variable
from .shapes import ONE_ACTIVE_FORMULAS, SHAPE_FORMULAS
from .stability import STABILITY_FORMULAS

# All of them, in the order of docs/formulas.md.
FORMULAS: tuple[Formula, ...] = (
    *SINGLE_FORMULAS,
    *PAIR_FORMULAS,
    *SHAPE_FORMULAS,
    *POLYGON_FORMULAS,
    *ONE_ACTIVE_FORMULAS,
    *OVERLAP_FORMULAS,
    *STABILITY_FORMULAS,
    *IDENTITIES,
)

# Sums whose LaTeX is longer are broken into lines of about this length.
LINE = 150

_HEAD = """# Closed forms

This page is generated from the records `tegum.theory.FORMULAS` by `python docs/make_formulas.py`. One test draws random
points that satisfy each record's assumptions and compares its two sides: the left one measured by the exact engine
(losses, gradients), by quadrature (integrals) or by the input law, the right one evaluated in rational arithmetic.

Unless a statement says otherwise, features are independent, on with probability $p$ and uniform on $[0, 1]$, every
importance is 1, and $L = \\sum_i I_i\\, \\mathbb E (x_i - x'_i)^2$ with $x' = \\mathrm{ReLU}(W^\\top W x + b)$. Ramps
are $R_q(t) = \\max(t, 0)^q / q!$. The derivations are in [derivation.md](derivation.md), [linear.md](linear.md) and
[boundary-forms.md](boundary-forms.md).
"""

_EXPANSIONS = """
## Expansions for small density

Two features in one dimension, importances (1, r), $p \\to 0$. These are the records `tegum.theory.EXPANSIONS`; a test
measures what is left out at two densities, and that it shrinks with the power of $p$ that is given. Derived in
[boundary-forms.md](boundary-forms.md).
"""


def formulas_markdown() -> str:
    """Return docs/formulas.md: every record with its assumptions and source, grouped.

    Example:
        >>> formulas_markdown().splitlines()[0]
        '# Closed forms'
    """
    parts = [_HEAD]
    for group in dict.fromkeys(formula.group for formula in FORMULAS):
        parts.append(f"\n## {group}\n")
        parts += [_section(formula) for formula in FORMULAS if formula.group == group]
    parts += [_EXPANSIONS, *map(_expansion, EXPANSIONS)]
    return "".join(parts)


def _expansion(expansion: Expansion) -> str:
    order = sympy.latex(sympy.Symbol("p") ** sympy.Rational(expansion.remainder))
    terms = rf"{sympy.latex(expansion.terms)} + \mathcal{{O}}\left({order}\right)"
    return f"\n### {expansion.name}\n\n{expansion.statement}\n" + _block(f"{expansion.quantity} = {terms}")


def _section(formula: Formula) -> str:
    lines = [f"\n### {formula.name}\n\n{formula.statement}\n", _display(formula.quantity, formula.expression)]
    if formula.definitions:
        lines += ["\nwith\n", *map(_definition, formula.definitions)]
    if formula.variables:
        lines.append("\n| variable | meaning | tested |\n|---|---|---|\n")
        lines += [_row(variable) for variable in formula.variables]
    if formula.assumptions:
        conditions = ", ".join(f"${sympy.latex(assumption)}$" for assumption in formula.assumptions)
        lines.append(f"\nAssumes {conditions}.\n")
    lines.append(f"\nSource: {formula.source}.\n")
    return "".join(lines)


def _row(variable: Variable) -> str:
    span = f"{variable.low:g} … {variable.high:g}"
    return f"| ${sympy.latex(variable.symbol)}$ | {variable.meaning} | {span} |\n"


def _definition(definition: Definition | Root) -> str:
    if isinstance(definition, Definition):
        return _display(sympy.latex(definition.symbol), definition.expression)
    low, symbol, high = (sympy.latex(x) for x in (definition.low, definition.symbol, definition.high))
    span = f"{low} < {symbol} < {high}"
    if definition.equation:
        return _block(rf"{definition.equation}, \qquad {span}")
    return _display("0", definition.shown()) + _block(span)


def _display(left: str, right: Expression) -> str:
    """Return a displayed equation; a long sum on the right is broken into lines."""
    whole = sympy.latex(right)
    if len(whole) <= LINE or not isinstance(right, sympy.Add):
        return _block(f"{left} = {whole}")
    rows: list[str] = []
    row = ""
    for term in right.as_ordered_terms():
        written = sympy.latex(term)
        joined = written if not row and not rows else (" " if written.startswith("-") else " + ") + written
        if row and len(row + joined) > LINE:
            rows.append(row)
            row = r"\quad" + joined
        else:
            row += joined
    rows.append(row)
    return _block(rf"\begin{{aligned}} {left} &= " + r" \cr & ".join(rows) + r" \end{aligned}")


def _block(latex: str) -> str:
    # Markdown takes one of two backslashes away; TeX's \cr ends a row as well.
    return "\n$$\n" + latex.replace(r"\\", r"\cr ") + "\n$$\n"
