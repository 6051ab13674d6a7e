"""theory/proofs/pairs."""

from .check import CertificateCheck, check_certificate
from .cores import SAME_LOSS, as_box, as_minimum, as_pair, proposed_core
from .search import Searched, search_boxes

__all__ = [
    "SAME_LOSS",
    "CertificateCheck",
    "Searched",
    "as_box",
    "as_minimum",
    "as_pair",
    "check_certificate",
    "proposed_core",
    "search_boxes",
]
