"""Toy models trained in batches.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`. `models` has the models
by their equations and the gradient written out, `sampling` turns any input law into a table, `inputs` draws from it by
counter-based random numbers, `kernels` does both compiled for a CPU, `optimisers` has the rules and schedules, `groups`
keeps models together, `evaluation` their losses and `records` what is returned and saved. `plateaus` finds the levels
between which a recorded series jumps.
"""

from .models import ARCHITECTURES, Architecture
from .plateaus import Jump, Plateau, Plateaus, plateaus
from .records import BestModels, TrainedModels
from .training import resolve_device, train

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "BestModels",
    "Jump",
    "Plateau",
    "Plateaus",
    "TrainedModels",
    "plateaus",
    "resolve_device",
    "train",
]
