"""theory/proofs/triples."""

from .certify import MAX_ROW_BOXES, TripleCertificate, certify_triple

__all__ = [
    "MAX_ROW_BOXES",
    "TripleCertificate",
    "certify_triple",
]
