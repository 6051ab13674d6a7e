"""Proofs that a state is the global minimum: found by a search, checked by code that imports nothing of it.

`point` proves it at one model and returns a certificate. `pairs` and `triples` search, for two features in one
dimension and three in two, the former with the float64 bounds of `floats`; `checks` verifies by other code and other
arithmetic, that of pairs with the bounds of `balls`. One thing both share: the cores around the minima of pairs, which
the search has proved by the check's own code. `certificates` is the record between them, and `cells` proves whole cells
of the diagram. Begin with `point`, and docs/proofs.md for the mathematics:

    >>> from fractions import Fraction
    >>> from tegum.theory import IndependentFeatures, ToyModel, certify
    >>> certify(ToyModel(2, 1, IndependentFeatures(Fraction(1, 10)), importance=(1, Fraction(1, 50)))).status
    'proved'
"""

from .point import certify

__all__ = [
    "certify",
]
