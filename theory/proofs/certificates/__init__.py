"""What a proof says and what it rests on, as a record that can be written, read and checked.

A `Certificate` names its model in exact numbers, claims an interval for the global minimum and enclosures of all
minimisers, and lists what proves it: boxes of weights for two features, cells of null vectors for three. `records` are
its parts, `file` how they are written and read. Everything in it is data; what it claims counts once `proofs.checks`
has verified it. Begin with `certificate`:

    >>> from fractions import Fraction
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> from tegum.theory.proofs.certificates import certified_model
    >>> certified_model(ToyModel(2, 1, IndependentFeatures(Fraction(1, 10))), 2, 1).density
    Fraction(1, 10)
"""

from .certificate import Certificate, certified_model, joined_phase
from .records import (
    ARGUMENTS,
    BUDGET_SPENT,
    NOT_PROVED,
    PROVED,
    UNIT,
    CertifiedModel,
    Core,
    EnclosedMinimum,
    NullCell,
    NullProof,
    Quarter,
    RowBox,
    WeightProof,
)

__all__ = [
    "ARGUMENTS",
    "BUDGET_SPENT",
    "NOT_PROVED",
    "PROVED",
    "UNIT",
    "Certificate",
    "CertifiedModel",
    "Core",
    "EnclosedMinimum",
    "NullCell",
    "NullProof",
    "Quarter",
    "RowBox",
    "WeightProof",
    "certified_model",
    "joined_phase",
]
