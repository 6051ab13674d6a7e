"""The record of a proof that a minimum is the global one (docs/proofs.md, docs/proofs-three.md).

A certificate is about one model, two features in one dimension or three in two. It states an interval for the least
loss and enclosures of all minimisers, and lists what the proof rests on: boxes of weights or cells of null vectors,
each with what settles it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ...models import AMPLITUDES, PENALTIES, IndependentFeatures, ToyModel
from ...numerics import Interval, Summarised, check_kind, exactly
from .file import plain_certificate, read_certificate
from .records import PROVED, CertifiedModel, EnclosedMinimum, NullProof, WeightProof


@dataclass(frozen=True, eq=False)
class Certificate(Summarised):
    """A proof of the global minimum of one model, or the attempt at one.

    Attributes:
        model: what it is about.
        status: "proved", or "not proved: …" with what is missing.
        loss: interval around the global minimum. It holds in any case; its lower end is the best bound that was proved
            before the search stopped, 0 if there is none.
        minimisers: if proved, enclosures of all global minimisers up to w → −w, or up to rotations, reflections and
            exchanges of features of one importance. There is more than one if their losses can't be told apart, as
            those of two minimisers that a symmetry exchanges; of three features there is one.
        phase: label of the minimisers, joined by " or " if there are several, or "" if not proved or not known.
        boxes: number of boxes that were looked at, of weights, or of rows of G for three features.
        budget: most boxes that were to be looked at; None in files of the first format.
        left: number of boxes of weights, or cells of null vectors, that are left; of a proof for three features, those
            that the minimiser may be in.
        reason: why the search stopped.
        history: numbers of boxes, and the lower bound that they gave.
        proof: what a checker needs.
    """

    model: CertifiedModel
    status: str
    loss: Interval
    minimisers: tuple[EnclosedMinimum, ...]
    phase: str
    boxes: int
    budget: int | None
    left: int
    reason: str
    history: tuple[tuple[int, float], ...]
    proof: WeightProof | NullProof

    @property
    def proved(self) -> bool:
        """Whether the status is "proved"."""
        return self.status == PROVED

    @property
    def listed(self) -> int:
        """How many boxes of weights, or cells of null vectors, the proof lists."""
        if isinstance(self.proof, NullProof):
            return len(self.proof.cells)
        return sum(len(boxes) for boxes in self.proof.boxes.values())

    def to_json(self) -> str:
        """Return the certificate as JSON; every number in it is exact."""
        return json.dumps(plain_certificate(self), separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read a certificate, which is as good as a stranger's word until it is checked.

        Raises:
            ValueError: if the text isn't a certificate.
        """
        return cls(**read_certificate(text))

    def replace(self, **changes: Any) -> Certificate:
        """Return a certificate with other entries, for instance a planted wrong claim in a test."""
        return replace(self, **changes)


def joined_phase(minimisers: tuple[EnclosedMinimum, ...]) -> str:
    """Return the label of a set of minimisers."""
    return " or ".join(sorted({minimum.phase for minimum in minimisers}))


# Sizes (n, m) that are covered, with the penalties that a model of them may have.
COVERED: dict[tuple[int, int], tuple[str, ...]] = {(2, 1): ("interference_penalty",), (3, 2): ()}
COVERED_IN_WORDS = "certificates cover two features in one dimension and three in two"


def certified_model(model: ToyModel, n_features: int, n_hidden: int) -> CertifiedModel:
    """Return a model's exact parameters, if proofs cover it.

    Args:
        model: to look at.
        n_features: number n that it must have.
        n_hidden: number m that it must have.

    Raises:
        ValueError: if it isn't a single model of these sizes, independent with one density and amplitudes uniform on
            [0, 1], or has a penalty that isn't covered.
    """
    check_kind("model", model, ToyModel)
    if (model.n_features, model.n_hidden) != (n_features, n_hidden):
        covered = (model.n_features, model.n_hidden) in COVERED
        wanted = f"n_features={n_features}, n_hidden={n_hidden}"
        raise ValueError(
            f"{f'this proof is of {wanted}' if covered else COVERED_IN_WORDS}, got "
            f"n_features={model.n_features}, n_hidden={model.n_hidden}"
        )
    if model.batch_shape != ():
        raise ValueError(f"model must be a single one, of batch shape (), got {model.batch_shape}; see ToyModel.take")
    model.check_plain("a certificate", "bias", "targets", "reduction", "amplitude")
    law = model.features
    if type(law) is not IndependentFeatures:
        raise ValueError(f"certificates cover IndependentFeatures, got {type(law).__name__}")
    if law.amplitude != AMPLITUDES["uniform"]:
        raise ValueError(f"certificates cover amplitudes that are uniform on [0, 1], got {law.amplitude}")
    chances = {active: Fraction(chance.item()) for active, chance in law.patterns(n_features, exact=True)}
    densities = {sum((p for active, p in chances.items() if i in active), Fraction(0)) for i in range(n_features)}
    if len(densities) > 1:
        raise ValueError(f"certificates cover features of one density, got {law.density.tolist()}")
    for name in PENALTIES:
        if name not in COVERED[n_features, n_hidden] and getattr(model, name).any():
            allowed = " or ".join(COVERED[n_features, n_hidden]) or "none"
            raise ValueError(
                f"certificates of {n_features} features cover {allowed} of the penalties, got "
                f"{name}={getattr(model, name)}"
            )
    importance = model.exact_importances()
    penalty = Fraction(exactly(model.exact["interference_penalty"]).item())
    return CertifiedModel(densities.pop(), tuple(map(Fraction, importance)), penalty)
