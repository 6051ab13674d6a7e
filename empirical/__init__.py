"""Toy models trained in batches.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`; `sampling` has the
models' random streams, `models` the forward pass and its gradient, `records` what is returned and saved. `plateaus`
finds the levels between which a recorded series jumps.
"""

from .plateaus import Jump, Plateau, Plateaus, plateaus
from .records import TrainedModels
from .training import resolve_device, train

__all__ = ["Jump", "Plateau", "Plateaus", "TrainedModels", "plateaus", "resolve_device", "train"]
