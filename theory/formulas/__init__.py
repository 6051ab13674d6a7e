"""theory/formulas."""

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
