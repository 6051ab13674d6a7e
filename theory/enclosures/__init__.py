"""Intervals in which the exact loss, its gradient and its Hessian lie for certain, at rational weights.

`evaluation` takes what `expected_loss` takes and doubles the precision until the intervals are as narrow as asked;
`loss` is the sum over activity patterns in ball arithmetic, and `boxes` integrates over the box of one pattern. It
shares no formula with `loss`, and is what the tests of accuracy compare with. Begin with `evaluation`:

    >>> from tegum.theory import IndependentFeatures, ToyModel, enclosure
    >>> proven = enclosure(ToyModel(2, 1, IndependentFeatures(0.5)), [[1, -1]], [0, 0])
    >>> proven.loss.contains("1/12")
    True
"""

from .boxes import Box, Features
from .evaluation import Enclosure, enclosure
from .loss import BallLoss

__all__ = [
    "BallLoss",
    "Box",
    "Enclosure",
    "Features",
    "enclosure",
]
