"""What is known in closed form, as records: statement, assumptions, source, and a measurement that tests them.

`record` says what a closed form is; `pairs`, `shapes`, `polygons`, `stability`, `identities` and `noise` hold those
that are known, `published` those of 2022, `catalogue` all of them, from which docs/formulas.md is written; `expansions`
are for small density, `elimination` finds the polynomials whose roots are special densities. Begin with `catalogue`:

    >>> from tegum.theory.formulas import FORMULAS, PUBLISHED_LOSSES
    >>> str(PUBLISHED_LOSSES[0].loss)
    '-p**2/4 + p/3'
"""

from .catalogue import FORMULAS, formulas_markdown
from .elimination import AlgebraicDensity, algebraic_densities
from .expansions import EXPANSIONS, Expansion
from .published import PUBLISHED_LOSSES, PublishedLoss
from .record import Formula

__all__ = [
    "EXPANSIONS",
    "FORMULAS",
    "PUBLISHED_LOSSES",
    "AlgebraicDensity",
    "Expansion",
    "Formula",
    "PublishedLoss",
    "algebraic_densities",
    "formulas_markdown",
]
