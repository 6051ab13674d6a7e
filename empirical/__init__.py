"""Toy models trained in batches.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`. `models` has the models
by their equations and the gradient written out, `sampling` turns any input law into a table, `inputs` draws from it by
counter-based random numbers, `kernels` does both compiled for a CPU, `arguments` says what is refused, `optimisers` has
the rules and schedules, `groups` and `exact_group` keep models together, `evaluation` their losses, `records` what is
returned and `persistence` how it is kept in files. `dynamics` records metrics on the way, and `plateaus` finds the
levels between which such a series jumps.

`sweep` trains whole grids of them into a dataset on disk: `grid` says which models and in which units of work,
`settings` what a sweep was asked to do, `store` keeps the dataset, `claims` share it between processes, `workers` train
the units, and `rounds` see to it that all get done.
"""

from .recording.film import METRICS, Recorded, Recorder
from .runs.architectures import ARCHITECTURES, Architecture
from .files.models import from_dataset, load_models, save_models, to_dataset
from .recording.plateau import Jump, Plateau, Plateaus, plateaus
from .runs.results import BestModels, TrainedModels
from .files.datasets import read_zarr, write_zarr
from .sweeps.run import Sweep, read_sweep, sweep
from .training.loop import resolve_device, train

__all__ = [
    "ARCHITECTURES",
    "METRICS",
    "Architecture",
    "BestModels",
    "Jump",
    "Plateau",
    "Plateaus",
    "Recorded",
    "Recorder",
    "Sweep",
    "TrainedModels",
    "from_dataset",
    "load_models",
    "plateaus",
    "read_sweep",
    "read_zarr",
    "resolve_device",
    "save_models",
    "sweep",
    "to_dataset",
    "train",
    "write_zarr",
]
