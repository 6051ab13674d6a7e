"""empirical/runs."""

from .architectures import ARCHITECTURES, Architecture, SampledLoss
from .checks import check_choice, check_count, check_kind, check_rate
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
    "check_choice",
    "check_count",
    "check_kind",
    "check_rate",
    "learning_rates",
]
