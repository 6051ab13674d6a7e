"""`train`: every model of a batch from several seeds, interrupted and resumed at will.

`loop` has `train`, from its arguments to its result; `running` divides the models into groups and trains them on
threads, `arguments` says what is refused and in which words, `progress` shows how far it is. Begin with `loop`, and
docs/training.md:

    >>> from tegum.empirical import train
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> trained = train(ToyModel(2, 1, IndependentFeatures(0.5)), seeds=2, steps=20, batch_size=64)
    >>> trained.loss.shape, trained.status
    ((2,), 'finished')
"""

from .loop import train
from .running import resolve_device

__all__ = [
    "resolve_device",
    "train",
]
