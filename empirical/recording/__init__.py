"""What happens during training: losses of trained models, metrics by step, and plateaus in them.

`evaluation` finds losses, exactly where theory has them; `film` takes a `Recorder`'s metrics at its steps; `plateau`
finds the levels between which such a series jumps. Begin with `plateau`:

    >>> import numpy as np
    >>> from tegum.empirical import plateaus
    >>> found = plateaus(np.arange(40), np.repeat([1.0, 0.5], 20), smallest_jump=0.1)[()]
    >>> [float(plateau.level) for plateau in found.plateaus]
    [1.0, 0.5]
"""

from .evaluation import losses_of, sampled_loss
from .film import Film
from .plateau import Jump, Plateau, Plateaus, plateaus

__all__ = [
    "Film",
    "Jump",
    "Plateau",
    "Plateaus",
    "losses_of",
    "plateaus",
    "sampled_loss",
]
