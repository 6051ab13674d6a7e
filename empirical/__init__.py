"""Toy models trained in batches.

<<<<<<< HEAD
`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`. `models` has the models
by their equations and the gradient written out, `sampling` turns any input law into a table, `inputs` draws from it by
counter-based random numbers, `kernels` does both compiled for a CPU, `optimisers` has the rules and schedules, `groups`
keeps models together, `evaluation` their losses and `records` what is returned and saved.
"""

from .models import ARCHITECTURES, Architecture
from .records import BestModels, TrainedModels
from .training import resolve_device, train

__all__ = ["ARCHITECTURES", "Architecture", "BestModels", "TrainedModels", "resolve_device", "train"]
=======
`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`; `sampling` has the
models' random streams, `models` the forward pass and its gradient, `records` what is returned and saved. `plateaus`
finds the levels between which a recorded series jumps.
"""

from .plateaus import Jump, Plateau, Plateaus, plateaus
from .records import TrainedModels
from .training import resolve_device, train

__all__ = ["Jump", "Plateau", "Plateaus", "TrainedModels", "plateaus", "resolve_device", "train"]
>>>>>>> edda0be8e5e9c4722f4d00e3622ecc31480e2636
