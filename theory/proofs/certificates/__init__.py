"""theory/proofs/certificates."""

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
