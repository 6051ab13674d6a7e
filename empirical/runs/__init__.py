"""What goes into a training run and what comes out of it, as records.

`architectures` has the four models by their equations, `optimisers` rules and schedules, `settings` what a group of
runs is asked to do, `state` where each run stands between two steps; `results` is what `train` returns and `recorded`
the series that were asked for. Begin with `results`:

    >>> from tegum.empirical.runs import ARCHITECTURES
    >>> sorted(ARCHITECTURES)
    ['absolute_value', 'linear', 'relu_hidden', 'relu_output']
"""

from .architectures import ARCHITECTURES, Architecture, SampledLoss
from .optimisers import BETAS, EPSILON, OPTIMISERS, SCHEDULES, Optimiser, Rule, Schedule, learning_rates
from .options import LEARNING_RATE, Optimisation, Sampling, Session
from .recorded import METRICS, Recorded, Recorder
from .results import BestModels, TrainedModels
from .settings import Settings
from .state import CONVERGED, DIVERGED, FINISHED, RUNNING, TrainingState

__all__ = [
    "ARCHITECTURES",
    "BETAS",
    "CONVERGED",
    "DIVERGED",
    "EPSILON",
    "FINISHED",
    "LEARNING_RATE",
    "METRICS",
    "OPTIMISERS",
    "RUNNING",
    "SCHEDULES",
    "Architecture",
    "BestModels",
    "Optimisation",
    "Optimiser",
    "Recorded",
    "Recorder",
    "Rule",
    "SampledLoss",
    "Sampling",
    "Schedule",
    "Session",
    "Settings",
    "TrainedModels",
    "TrainingState",
    "learning_rates",
]
