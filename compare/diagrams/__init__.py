"""The phase diagram three times over, published, exact and trained, as one dataset, with an account of every run.

`settings` says what is computed, over which of the `planes`, `diagram` makes it, `dataset` says how it is laid out,
saved and loaded, `ledger` and `account` account for the runs,
`controls` trains runs that the account has to reject, `cells` says what theory holds of each cell, `published` and
`omissions` what the candidates of 2022 cost and leave out, and `certified` has the proofs over cells. Begin with
`diagram`, and docs/dataset.md:

    >>> from tegum.compare.diagrams import DiagramSettings
    >>> settings = DiagramSettings(n_features=3, n_hidden=2, cells=4, seeds=2)
    >>> settings.cells**2 * settings.seeds, settings.objective
    (32, 'sampled')
"""

from .account import Account, account_of
from .cells import CONTINUOUS, as_cheap, cheapest_phases
from .certified import CertifiedRow, certified_columns, certified_model, crossed
from .controls import CONTROLS, UNSEEN, Control, control_accounts
from .dataset import OUTCOMES, curves_of, judge_runs, load, minima_of, runs_dataset, save, theory_dataset
from .diagram import DATASET_NAME, exact_part, merged, phase_diagram
from .ledger import Ledger, PhaseRow, Saddle, agreement, grid_account
from .omissions import Omission
from .planes import USUAL, axes_of, held_model, is_usual, model_of, phase_classes, plane_of, values_of
from .settings import OTHERS, TRAINING, DiagramSettings

__all__ = [
    "CONTINUOUS",
    "CONTROLS",
    "DATASET_NAME",
    "OTHERS",
    "OUTCOMES",
    "TRAINING",
    "UNSEEN",
    "USUAL",
    "Account",
    "CertifiedRow",
    "Control",
    "DiagramSettings",
    "Ledger",
    "Omission",
    "PhaseRow",
    "Saddle",
    "account_of",
    "agreement",
    "as_cheap",
    "axes_of",
    "certified_columns",
    "certified_model",
    "cheapest_phases",
    "control_accounts",
    "crossed",
    "curves_of",
    "exact_part",
    "grid_account",
    "held_model",
    "is_usual",
    "judge_runs",
    "load",
    "merged",
    "minima_of",
    "model_of",
    "phase_classes",
    "phase_diagram",
    "plane_of",
    "runs_dataset",
    "save",
    "theory_dataset",
    "values_of",
]
