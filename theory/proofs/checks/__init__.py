"""Where a proof is checked: the verification of certificates that trusts nothing in them.

It imports neither a search nor the float64 bounds that the search uses (tests/house holds it to that). `pairs` checks
certificates of two features in one dimension in ball arithmetic: that the boxes cover the domain, that each argument
holds on each of its boxes, and that what is claimed follows; `cores` says what its records stand for. `triples` checks
those of three features in two: `rows` that no row of WᵀW costs less than is claimed, by the moments of `recurrence`,
and `place` where the minimum is, by losses and curvatures of `minimum` and `exact_moments`. Begin with `verification`:

    >>> from fractions import Fraction
    >>> from tegum.theory import IndependentFeatures, ToyModel, certify, check_certificate
    >>> proof = certify(ToyModel(2, 1, IndependentFeatures(Fraction(1, 10)), importance=(1, Fraction(1, 50))))
    >>> check_certificate(proof).status
    'proved'
"""

from .cores import as_box, as_minimum, as_pair, proved_core
from .verification import CertificateCheck, check_certificate

__all__ = ["CertificateCheck", "as_box", "as_minimum", "as_pair", "check_certificate", "proved_core"]
