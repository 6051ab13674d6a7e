"""Theory beside training.

`phase_diagram` computes exact minima, boundaries and trained models as one dataset (`diagram`, `dataset`); `agreement`
accounts for every run (`ledger`); `figures` draws; `published` holds the fixed candidates of 2022; `cli` is the command
line. Names are loaded when they are first used, so that the command line starts without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dataset import curves_of, load, minima_of, model_of, save
    from .diagram import DiagramSettings, InterruptedRunError, phase_diagram
    from .ledger import Ledger, agreement
    from .weights import read_weights

__all__ = [
    "DiagramSettings",
    "InterruptedRunError",
    "Ledger",
    "agreement",
    "curves_of",
    "load",
    "minima_of",
    "model_of",
    "phase_diagram",
    "read_weights",
    "save",
]

_HOMES = {
    "dataset": ("curves_of", "load", "minima_of", "model_of", "save"),
    "diagram": ("DiagramSettings", "InterruptedRunError", "phase_diagram"),
    "ledger": ("Ledger", "agreement"),
    "weights": ("read_weights",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
