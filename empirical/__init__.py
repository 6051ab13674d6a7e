"""Toy models trained in batches.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`; `sampling` has the
models' random streams, `models` the forward pass and its gradient, `records` what is returned and saved.
"""

from .records import TrainedModels
from .training import resolve_device, train

__all__ = ["TrainedModels", "resolve_device", "train"]
