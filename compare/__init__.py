"""Theory beside training.

`phase_diagram` computes exact minima, boundaries and trained models as one dataset, and `agreement` accounts for every
run in it. `read_weights` and `compare_table` hold other people's results against theory; `basin_shares`, `train_along`
and `train_uniform` are experiments of their own.

    >>> from tegum.compare import DiagramSettings
    >>> DiagramSettings(cells=8, seeds=2).cells
    8

Begin with `diagrams`; `foreign`, `basins` and `geometry` are the other comparisons, `figures` draws what they found,
and `commands` is the command line, a module for each command.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
