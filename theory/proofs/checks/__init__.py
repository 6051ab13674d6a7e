"""theory/proofs/checks."""

from .cores import as_box, as_minimum, as_pair, proved_core
from .pairs import CertificateCheck, check_certificate

__all__ = ["CertificateCheck", "as_box", "as_minimum", "as_pair", "check_certificate", "proved_core"]
