"""What the check of a certificate has established so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...numerics import Summarised


class FailedCheckError(Exception):
    """Something in a certificate doesn't hold."""


@dataclass
class Account(Summarised):
    """A running account of a check.

    Attributes:
        boxes: number of boxes of weights, or cells of null vectors, of the certificate that were checked.
        parts: number of parts that they were cut into, or of boxes of rows that were looked at in them.
        checked: sentences that say what was established.
    """

    boxes: int = 0
    parts: int = 0
    checked: list[str] = field(default_factory=list)


def require(holds: bool, otherwise: str) -> None:
    """Fail unless something holds.

    Raises:
        FailedCheckError: with the reason given.
    """
    if not holds:
        raise FailedCheckError(otherwise)
