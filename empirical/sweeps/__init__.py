"""empirical/sweeps."""

from .run import Sweep, read_sweep, sweep

__all__ = [
    "Sweep",
    "read_sweep",
    "sweep",
]
