"""empirical/training."""

from .loop import resolve_device, train

__all__ = [
    "resolve_device",
    "train",
]
