"""Toy models trained in batches: the same models as in `tegum.theory`, by sampled inputs or on the exact loss.

`train` trains every model of a `ToyModel` batch from several seeds and returns `TrainedModels`; `sweep` trains whole
grids into a dataset on disk that any interruption leaves whole. A `Recorder` asks for metrics on the way.

    >>> from tegum.empirical import train
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> train(ToyModel(2, 1, IndependentFeatures(0.5)), seeds=2, objective="exact", steps=10).weights.shape
    (2, 1, 2)

Begin with `training`, whose `train` is one loop over `groups` of models; `runs` has what goes in and comes out,
`inputs` the random numbers, `kernels` the compiled steps, `recording` the metrics, `files` and `sweeps` what is kept.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
