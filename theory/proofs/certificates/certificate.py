"""The record of a proof that a minimum is the global one, and its file (docs/proofs.md).

A certificate is about n = 2, m = 1 at one point: it states an interval for the least loss and enclosures of all
minimisers, and lists the boxes of weights that the proof rests on, each with the argument that settles it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from ...models import AMPLITUDES, IndependentFeatures, ToyModel
from ...numerics import Interval, exactly

FORMAT = "tegum certificate 1"
PROVED, NOT_PROVED = "proved", "not proved"
# How a box is settled: minimisers aren't so far out; L* is above the threshold; L* isn't stationary; it is in a core.
ARGUMENTS = ("far", "above", "slope", "core")
CORES = ("convex", "axis")
# Numbers in files, and the most characters of one.
WHOLE_NUMBERS, LONGEST = re.compile(r"-?[0-9]+(/[0-9]+)?"), 4000

Quarter = tuple[int, int, int]


class CertifiedModel(NamedTuple):
    """The model, in exact rational numbers.

    Attributes:
        density: P(x_i ≠ 0), of all features.
        importance: I_1 and I_2, or those of three features.
        penalty: λ, the coefficient of 2 w_1² w_2².
    """

    density: Fraction
    importance: tuple[Fraction, ...]
    penalty: Fraction


class Core(NamedTuple):
    """A box of weights around a minimiser.

    Attributes:
        kind: "convex", where L* is strongly convex, or "axis", where a feature is dropped exactly.
        box: ranges of w_1 and w_2.
        point: (w_1, w_2, b_1, b_2) next to the minimiser.
    """

    kind: str
    box: tuple[Interval, Interval]
    point: tuple[Fraction, ...]


class Proof(NamedTuple):
    """What a checker needs.

    Attributes:
        threshold: a number that the global minimum doesn't exceed.
        exponent: minimisers lie in |w_i| ≤ 2^exponent.
        boxes: for each of `ARGUMENTS` the boxes that it settles. (k, i, j) is the square of side 2^(exponent − k)
            whose lower left corner is (i, j) times that side. Together they fill w_1 ≥ 0 of the domain.
        cores: around the minimisers, and by symmetry around their mirror images −w.
    """

    threshold: Fraction
    exponent: int
    boxes: Mapping[str, tuple[Quarter, ...]]
    cores: tuple[Core, ...]


@dataclass(frozen=True)
class EnclosedMinimum:
    """A minimiser up to w → −w (in two dimensions, up to rotations and reflections), enclosed.

    Attributes:
        weights: intervals around w_1 and w_2, or around W row by row; points where they are known exactly.
        bias: intervals around the biases.
        loss: interval around the loss there.
        phase: its label, which holds at every point of the enclosure.
    """

    weights: tuple[Interval, ...]
    bias: tuple[Interval, ...]
    loss: Interval
    phase: str


@dataclass(frozen=True, eq=False)
class Certificate:
    """A proof of the global minimum of one model, or the attempt at one.

    For n = 3, m = 2 it is a `TripleCertificate`.

    Attributes:
        model: what it is about.
        status: "proved", or "not proved: …" with what is missing.
        loss: interval around the global minimum. It holds in any case; its lower end is 0 if nothing better is known.
        minimisers: if proved, enclosures of all global minimisers up to w → −w. There is more than one if their losses
            can't be told apart, as those of two minimisers that a symmetry exchanges.
        phase: label of the minimisers, joined by " or " if there are several, or "" if not proved.
        boxes: number of boxes that were looked at.
        reason: why the search stopped.
        proof: what a checker needs.
    """

    model: CertifiedModel
    status: str
    loss: Interval
    minimisers: tuple[EnclosedMinimum, ...]
    phase: str
    boxes: int
    reason: str
    proof: Proof

    @property
    def proved(self) -> bool:
        """Whether the status is "proved"."""
        return self.status == PROVED

    def to_json(self) -> str:
        """Return the certificate as JSON; numbers are exact fractions in strings."""
        return json.dumps(_plain(self), separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read a certificate, which is as good as a stranger's word until it is checked.

        Raises:
            ValueError: if the text isn't a certificate.
        """
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"the format must be {FORMAT!r}, got {data['format']!r}")
            return _certificate(data)
        except (KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"not a certificate: {type(error).__name__} {error}") from None
        except json.JSONDecodeError as error:
            raise ValueError(f"not a certificate: {error}") from None

    def replace(self, **changes: Any) -> Certificate:
        """Return a certificate with other entries, for instance a planted wrong claim in a test."""
        return replace(self, **changes)


def joined_phase(minimisers: tuple[EnclosedMinimum, ...]) -> str:
    """Return the label of a set of minimisers."""
    return " or ".join(sorted({minimum.phase for minimum in minimisers}))


def certified_model(model: ToyModel) -> CertifiedModel:
    """Return a model's exact parameters, if proofs cover it.

    Raises:
        ValueError: if it isn't a single model of two features in one dimension, independent with one density and
            amplitudes uniform on [0, 1], or has a penalty other than that on interference.
    """
    if not isinstance(model, ToyModel):
        raise ValueError(f"model must be a ToyModel, got {type(model).__name__}")
    if (model.n_features, model.n_hidden) != (2, 1):
        raise ValueError(
            "certificates cover two features in one dimension and three in two, got "
            f"n_features={model.n_features}, n_hidden={model.n_hidden}"
        )
    if model.batch_shape != ():
        raise ValueError(f"model must be a single one, of batch shape (), got {model.batch_shape}; see ToyModel.take")
    law = model.features
    if type(law) is not IndependentFeatures:
        raise ValueError(f"certificates cover IndependentFeatures, got {type(law).__name__}")
    if law.amplitude != AMPLITUDES["uniform"]:
        raise ValueError(f"certificates cover amplitudes that are uniform on [0, 1], got {law.amplitude}")
    chances = {active: chance.item() for active, chance in law.patterns(2, exact=True)}
    if chances[0,] != chances[1,]:
        raise ValueError(f"certificates cover features of one density, got {law.density.tolist()}")
    for name in ("weight_decay", "activation_penalty"):
        if getattr(model, name).any():
            raise ValueError(f"certificates cover the interference penalty only, got {name}={getattr(model, name)}")
    importance = [Fraction(x) for x in exactly(model.exact["importance"]).ravel()] * 2
    penalty = Fraction(exactly(model.exact["interference_penalty"]).item())
    return CertifiedModel(chances[0,] + chances[0, 1], (importance[0], importance[1]), penalty)


def _plain(certificate: Certificate) -> dict[str, Any]:
    model, proof = certificate.model, certificate.proof
    return {
        "format": FORMAT,
        "model": {
            "density": str(model.density),
            "importance": [str(x) for x in model.importance],
            "interference_penalty": str(model.penalty),
        },
        "status": certificate.status,
        "loss": _ends(certificate.loss),
        "phase": certificate.phase,
        "minimisers": [
            {
                "weights": [_ends(x) for x in minimum.weights],
                "bias": [_ends(x) for x in minimum.bias],
                "loss": _ends(minimum.loss),
                "phase": minimum.phase,
            }
            for minimum in certificate.minimisers
        ],
        "boxes": certificate.boxes,
        "reason": certificate.reason,
        "proof": {
            "threshold": str(proof.threshold),
            "exponent": proof.exponent,
            "boxes": {name: [list(box) for box in boxes] for name, boxes in proof.boxes.items()},
            "cores": [
                {"kind": core.kind, "box": [_ends(x) for x in core.box], "point": [str(x) for x in core.point]}
                for core in proof.cores
            ],
        },
    }


def _ends(interval: Interval) -> list[str]:
    return [str(interval.lower), str(interval.upper)]


def _certificate(data: Any) -> Certificate:
    model, proof = data["model"], data["proof"]
    if len(model["importance"]) != 2:
        raise ValueError(
            "only certificates of two features list what they exclude, so certify this model again instead"
        )
    importance = _pair(model["importance"], _fraction)
    minimisers = tuple(
        EnclosedMinimum(
            _pair(x["weights"], _interval), _pair(x["bias"], _interval), _interval(x["loss"]), str(x["phase"])
        )
        for x in data["minimisers"]
    )
    cores = []
    for core in proof["cores"]:
        if core["kind"] not in CORES or len(core["point"]) != 4:
            raise ValueError(f"a core must be one of {', '.join(CORES)} with a point of 4 numbers, got {core}")
        cores.append(Core(core["kind"], _pair(core["box"], _interval), tuple(map(_fraction, core["point"]))))
    unknown = set(proof["boxes"]) - set(ARGUMENTS)
    if unknown:
        raise ValueError(f"arguments must be among {', '.join(ARGUMENTS)}, got {', '.join(sorted(unknown))}")
    boxes = {name: tuple(_quarter(box) for box in given) for name, given in proof["boxes"].items()}
    return Certificate(
        CertifiedModel(_fraction(model["density"]), importance, _fraction(model["interference_penalty"])),
        str(data["status"]),
        _interval(data["loss"]),
        minimisers,
        str(data["phase"]),
        _whole(data["boxes"]),
        str(data["reason"]),
        Proof(_fraction(proof["threshold"]), _whole(proof["exponent"]), boxes, tuple(cores)),
    )


def _fraction(text: Any) -> Fraction:
    """Return the number that a string of whole numbers names, so that no few letters stand for endless digits."""
    if not isinstance(text, str) or len(text) > LONGEST or not WHOLE_NUMBERS.fullmatch(text):
        raise ValueError(f"numbers must be strings such as '1/3', got {str(text)[:40]!r}")
    return Fraction(text)


def _pair(values: Any, read: Any) -> Any:
    if not isinstance(values, list) or len(values) != 2:
        raise ValueError(f"expected a list of two entries, got {str(values)[:40]}")
    return read(values[0]), read(values[1])


def _interval(ends: Any) -> Interval:
    low, high = _pair(ends, _fraction)
    if low > high:
        raise ValueError(f"an interval's ends must be in order, got {low} and {high}")
    return Interval(low, high)


def _quarter(values: Any) -> Quarter:
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f"a box must be a list of three whole numbers, got {str(values)[:40]}")
    level, i, j = (_whole(value) for value in values)
    return level, i, j


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, got {str(value)[:40]}")
    return value
