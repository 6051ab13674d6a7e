"""theory/enclosures."""

from .boxes import Box, Features
from .evaluation import Enclosure, enclosure
from .loss import BallLoss

__all__ = [
    "BallLoss",
    "Box",
    "Enclosure",
    "Features",
    "enclosure",
]
