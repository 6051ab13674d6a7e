"""Theory beside training.

`phase_diagram` computes exact minima, boundaries and trained models as one dataset (`dataset`); `agreement` accounts
for every run (`ledger`); `figures` draws; `published` holds the fixed candidates of 2022; `cli` is the command line.
"""

from .dataset import curves_of, load, minima_of, model_of, save
from .ledger import Ledger, agreement
from .phase_diagram import DiagramSettings, InterruptedRunError, phase_diagram
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
