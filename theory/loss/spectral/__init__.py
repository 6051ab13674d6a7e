"""theory/loss/spectral."""

from .blocks import BlockLaw
from .engine import SpectralLoss
from .rows import Rows
from .simple_patterns import simple_terms

__all__ = [
    "BlockLaw",
    "Rows",
    "SpectralLoss",
    "simple_terms",
]
