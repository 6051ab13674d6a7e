"""theory/proofs."""

from .point import certify

__all__ = [
    "certify",
]
