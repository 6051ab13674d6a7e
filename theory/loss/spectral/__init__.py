"""theory/loss/spectral."""

from .blocks import BlockLaw
from .engine import Inverted, SpectralLoss
from .rows import Rows
from .simple_patterns import simple_terms

__all__ = [
    "BlockLaw",
    "Inverted",
    "Rows",
    "SpectralLoss",
    "simple_terms",
]
