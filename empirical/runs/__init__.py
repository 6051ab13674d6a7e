"""empirical/runs."""

from .architectures import ARCHITECTURES, Architecture, SampledLoss
from .optimisers import BETAS, EPSILON, OPTIMISERS, SCHEDULES, Optimiser, Rule, Schedule, learning_rates
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
    "METRICS",
    "OPTIMISERS",
    "RUNNING",
    "SCHEDULES",
    "Architecture",
    "BestModels",
    "Optimiser",
    "Recorded",
    "Recorder",
    "Rule",
    "SampledLoss",
    "Schedule",
    "Settings",
    "TrainedModels",
    "TrainingState",
    "learning_rates",
]
