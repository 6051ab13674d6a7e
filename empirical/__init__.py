"""Toy models trained in batches.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`. `models` has the models
by their equations and the gradient written out, `sampling` turns any input law into a table, `inputs` draws from it by
counter-based random numbers, `kernels` does both compiled for a CPU, `optimisers` has the rules and schedules, `groups`
keeps models together, `evaluation` their losses, `records` what is returned and `persistence` how it is kept in files.
`plateaus` finds the levels between which a recorded series jumps.
"""

from .models import ARCHITECTURES, Architecture
from .persistence import from_dataset, load_models, save_models, to_dataset
from .plateaus import Jump, Plateau, Plateaus, plateaus
from .records import BestModels, TrainedModels
from .stores import read_zarr, write_zarr
from .training import resolve_device, train

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "BestModels",
    "Jump",
    "Plateau",
    "Plateaus",
    "TrainedModels",
    "from_dataset",
    "load_models",
    "plateaus",
    "read_zarr",
    "resolve_device",
    "save_models",
    "to_dataset",
    "train",
    "write_zarr",
]
