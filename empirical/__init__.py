"""Toy models trained in batches.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`; `sampling` has the
models' random streams, `models` the forward pass and its gradient, `records` what is returned, and `persistence` how it
is kept in files.
"""

from .persistence import from_dataset, load_models, save_models, to_dataset
from .records import TrainedModels
from .stores import read_zarr, write_zarr
from .training import resolve_device, train

__all__ = [
    "TrainedModels",
    "from_dataset",
    "load_models",
    "read_zarr",
    "resolve_device",
    "save_models",
    "to_dataset",
    "train",
    "write_zarr",
]
