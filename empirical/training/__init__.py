"""empirical/training."""

from .loop import LEARNING_RATE, resolve_device, train

__all__ = [
    "LEARNING_RATE",
    "resolve_device",
    "train",
]
