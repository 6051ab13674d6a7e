"""What a proof says and what it rests on, as a record that can be written, read and checked.

A `Certificate` names its model in exact numbers, claims an interval for the global minimum and enclosures of all
minimisers, and lists the boxes and arguments that prove it. Everything in it is data; what it claims counts once
`proofs.checks` has verified it. Begin with `certificate`:

    >>> from fractions import Fraction
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> from tegum.theory.proofs.certificates import certified_model
    >>> certified_model(ToyModel(2, 1, IndependentFeatures(Fraction(1, 10)))).density
    Fraction(1, 10)
"""

from .certificate import (
    ARGUMENTS,
    NOT_PROVED,
    PROVED,
    Certificate,
    CertifiedModel,
    Core,
    EnclosedMinimum,
    Proof,
    Quarter,
    certified_model,
    joined_phase,
)

__all__ = [
    "ARGUMENTS",
    "NOT_PROVED",
    "PROVED",
    "Certificate",
    "CertifiedModel",
    "Core",
    "EnclosedMinimum",
    "Proof",
    "Quarter",
    "certified_model",
    "joined_phase",
]
