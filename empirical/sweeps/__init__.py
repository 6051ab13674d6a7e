"""Whole grids of models trained into a dataset on disk that no interruption damages.

`grid` says which models and in which units of work, `settings` what was asked for, `store` keeps the dataset, `claims`
share it between processes, `workers` train the units, `rounds` see that all get done, and `run` has `sweep`. Begin with
`run`, and docs/sweeps.md:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tegum.empirical import sweep
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = sweep(Path(folder) / "a", density=[0.1, 0.4], n_features=2, n_hidden=1, seeds=1, steps=2, workers=1)
    >>> done.status
    'finished'
"""

from .run import Sweep, read_sweep, sweep

__all__ = [
    "Sweep",
    "read_sweep",
    "sweep",
]
