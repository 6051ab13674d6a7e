"""The phase diagram three times over, published, exact and trained, as one dataset, with an account of every run.

`diagram` makes it, `dataset` says how it is laid out, saved and loaded, `ledger` accounts for the runs, `published`
says what the candidates of 2022 cost, and `certified` has the proofs over cells. Begin with `diagram`, and
docs/dataset.md:

    >>> from tegum.compare.diagrams import DiagramSettings
    >>> settings = DiagramSettings(n_features=3, n_hidden=2, cells=4, seeds=2)
    >>> settings.cells**2 * settings.seeds, settings.objective
    (32, 'sampled')
"""

from .certified import CertifiedRow, certified_columns, crossed
from .dataset import OUTCOMES, RUN, curves_of, load, minima_of, model_of, runs_dataset, save, theory_dataset
from .diagram import DATASET_NAME, DiagramSettings, exact_part, merged, phase_diagram
from .ledger import Ledger, Omission, agreement, as_cheap, cheapest_phases, phase_classes

__all__ = [
    "DATASET_NAME",
    "OUTCOMES",
    "RUN",
    "CertifiedRow",
    "DiagramSettings",
    "Ledger",
    "Omission",
    "agreement",
    "as_cheap",
    "certified_columns",
    "cheapest_phases",
    "crossed",
    "curves_of",
    "exact_part",
    "load",
    "merged",
    "minima_of",
    "model_of",
    "phase_classes",
    "phase_diagram",
    "runs_dataset",
    "save",
    "theory_dataset",
]
