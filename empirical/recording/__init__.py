"""empirical/recording."""

from .evaluation import losses_of
from .film import Film
from .plateau import Jump, Plateau, Plateaus, plateaus

__all__ = [
    "Film",
    "Jump",
    "Plateau",
    "Plateaus",
    "losses_of",
    "plateaus",
]
