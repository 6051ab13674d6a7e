"""The check of a certificate that trusts nothing in it (docs/proofs.md, docs/proofs-three.md).

`pairs` verifies those of two features, `triples` those of three, by other code than found them: all but the cores of
pairs (`cores`), which the search has proved by this code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...numerics import Summarised, check_callable, check_kind
from ..certificates import NOT_PROVED, PROVED, Certificate, NullProof
from .account import Account, FailedCheckError, require
from .pairs import check_weights
from .triples import check_nulls


@dataclass(frozen=True)
class CertificateCheck(Summarised):
    """What the check of a certificate found.

    Attributes:
        status: "proved", or "not proved: …" with the first thing that fails.
        boxes: number of boxes of weights, or of cells of null vectors, of the certificate that were checked.
        parts: number of parts that they were cut into, or of boxes of rows of G that were looked at in them.
        checked: sentences that say what was established.
    """

    status: str
    boxes: int
    parts: int
    checked: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Whether the status is "proved"."""
        return self.status == PROVED


def check_certificate(certificate: Certificate, *, report: Callable[[int], None] | None = None) -> CertificateCheck:
    """Verify a certificate from the model and what it lists.

    Args:
        certificate: of any origin.
        report: called with the number of boxes or cells checked so far.

    Returns:
        "proved" only if everything that the certificate claims has been established anew.

    Raises:
        ValueError: if it is something else than a `Certificate`.
    """
    check_callable("report", report, 1, optional=True)
    check_kind("certificate", certificate, Certificate)
    account = Account()
    try:
        require(certificate.proved, f"the certificate itself says {certificate.status!r}")
        require(0 < certificate.model.density <= 1, f"the density must lie in (0, 1], got {certificate.model.density}")
        require(min(certificate.model.importance) > 0, "importances must be positive")
        if isinstance(certificate.proof, NullProof):
            check_nulls(certificate, certificate.proof, account, report)
        else:
            check_weights(certificate, certificate.proof, account, report)
        status = PROVED
    except FailedCheckError as failure:
        status = f"{NOT_PROVED}: {failure}"
    return CertificateCheck(status, account.boxes, account.parts, tuple(account.checked))
