"""The file of a certificate: JSON in which every number is exact, read with the care that a stranger's file needs.

Fractions are strings such as "1/3", numbers of float64 hexadecimal strings such as "0x1.8p-4", counts and names of
cells whole numbers. What is read has the right shapes and bounded sizes; whether it is true is what a check is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

from ...numerics import Interval
from ...storage import SHA256, json_of, sealed, unsealed
from .records import (
    ARGUMENTS,
    CORES,
    CertifiedModel,
    Core,
    EnclosedMinimum,
    NullCell,
    NullProof,
    Quarter,
    RowBox,
    WeightProof,
)

FORMAT, SECOND_FORMAT, FIRST_FORMAT = (f"tegum certificate {version}" for version in (3, 2, 1))
# Characters of a file: the largest proofs take a few million.
LONGEST_FILE = 100_000_000
# Numbers in files, and the most characters of one.
FRACTION, LONGEST = re.compile(r"-?[0-9]+(/[0-9]+)?"), 4000
DYADIC = re.compile(r"0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}")
# Whole numbers are smaller than this.
WHOLE = 2**63
# Most entries of a list.
MOST_BOXES, MOST_CELLS, MOST_STEPS, MOST_MINIMISERS, MOST_WORDS = 10_000_000, 1_000_000, 1_000_000, 100, 2000
# Numbers of a cell of null vectors, without and with boxes of its rows.
CLOSED, OPEN = 16, 40

Entry = TypeVar("Entry")

ENTRIES = ("format", "model", "status", "loss", "phase", "minimisers", "boxes", "budget", "left", "reason", "history")
# Those that the first version doesn't have.
LATER: dict[str, Any] = {"budget": None, "left": 0, "history": []}


def plain_certificate(certificate: Any) -> dict[str, Any]:
    """Return a certificate as what JSON knows: dictionaries, lists, strings and whole numbers."""
    model, proof = certificate.model, certificate.proof
    record = {
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
                "curvature": None if minimum.curvature is None else str(minimum.curvature),
                "symmetric": minimum.symmetric,
            }
            for minimum in certificate.minimisers
        ],
        "boxes": certificate.boxes,
        "budget": certificate.budget,
        "left": certificate.left,
        "reason": certificate.reason,
        "history": [[boxes, lower.hex()] for boxes, lower in certificate.history],
        "proof": _plain_weights(proof) if isinstance(proof, WeightProof) else _plain_nulls(proof),
    }
    return sealed(record)


def _plain_weights(proof: WeightProof) -> dict[str, Any]:
    return {
        "threshold": str(proof.threshold),
        "exponent": proof.exponent,
        "boxes": {name: [list(box) for box in boxes] for name, boxes in proof.boxes.items()},
        "cores": [
            {"kind": core.kind, "box": [_ends(x) for x in core.box], "point": [str(x) for x in core.point]}
            for core in proof.cores
        ],
    }


def _plain_nulls(proof: NullProof) -> dict[str, Any]:
    return {
        "threshold": str(proof.threshold),
        "point": [str(x) for x in proof.point],
        "cells": [
            [
                *(cell.chart, *cell.place, *cell.multipliers),
                *(x for slope in cell.slopes for x in slope),
                *cell.targets,
                *(x for row in cell.rows for end in row for x in end),
            ]
            for cell in proof.cells
        ],
    }


def _ends(interval: Interval) -> list[str]:
    return [str(interval.lower), str(interval.upper)]


def read_certificate(text: str) -> dict[str, Any]:
    """Return what a certificate is made of, by the names of its entries.

    Raises:
        ValueError: if the text isn't a certificate; the message says what is wrong with it.
    """
    if len(text) > LONGEST_FILE:
        raise ValueError(f"not a certificate: at most {LONGEST_FILE:,} characters are read, got {len(text):,}")
    try:
        data = json_of(text, parse_float=_no_number, parse_constant=_no_number, object_pairs_hook=_no_repeats)
    except ValueError as error:
        raise ValueError(f"not a certificate: {str(error).removeprefix('not a certificate: ')}") from None
    if not isinstance(data, dict) or data.get("format") not in (FORMAT, SECOND_FORMAT, FIRST_FORMAT):
        found = data.get("format") if isinstance(data, dict) else data
        raise ValueError(f"not a certificate: the format must be {FORMAT!r}, or an earlier one, got {_short(found)}")
    first = data["format"] == FIRST_FORMAT
    whole, checked = data, data["format"] == FORMAT
    entries = (*ENTRIES, "proof", SHA256) if checked else (*ENTRIES, "proof")
    data = _record("a certificate", (LATER | data) if first else data, entries)
    model = _model(data["model"])
    if first and len(model.importance) == 3:
        raise ValueError("the first format doesn't list what is excluded for three features: certify them again")
    found = {
        "model": model,
        "status": _words("status", data["status"]),
        "loss": _interval(data["loss"]),
        "minimisers": _list("minimisers", data["minimisers"], _minimum_of(model, first), most=MOST_MINIMISERS),
        "phase": _words("phase", data["phase"]),
        "boxes": _count("boxes", data["boxes"]),
        "budget": None if data["budget"] is None else _count("budget", data["budget"]),
        "left": _count("left", data["left"]),
        "reason": _words("reason", data["reason"]),
        "history": _list("history", data["history"], _step, most=MOST_STEPS),
        "proof": _weight_proof(data["proof"]) if len(model.importance) == 2 else _null_proof(data["proof"]),
    }
    # What is checked of a proof isn't all that is read: reasons and histories are words.
    if checked:
        unsealed(whole, "its file", "the certificate", "certify again")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"numbers must be whole, or strings such as '1/3', got {text[:40]}")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("not a certificate: an entry is given twice")
    return found


def _short(value: Any) -> str:
    return repr(value)[:60] if isinstance(value, str | int | None) else type(value).__name__


def _record(name: str, data: Any, entries: tuple[str, ...]) -> dict[str, Any]:
    """Return a dictionary that has just these entries."""
    if not isinstance(data, dict):
        raise ValueError(f"{name} must be a record of {', '.join(entries)}, got {_short(data)}")
    missing, unknown = set(entries) - data.keys(), data.keys() - set(entries)
    if missing or unknown:
        wrong = f"lacks {', '.join(sorted(missing))}" if missing else f"has an entry {_short(sorted(unknown)[0])}"
        raise ValueError(f"{name} must be a record of {', '.join(entries)}, but it {wrong}")
    return data


def _list(
    name: str, data: Any, read: Callable[[Any], Entry], *, size: int | None = None, most: int = 0
) -> tuple[Entry, ...]:
    """Return what a list of `size` entries, or of at most `most`, holds."""
    if not isinstance(data, list) or (len(data) != size if size is not None else len(data) > most):
        wanted = f"{size}" if size is not None else f"at most {most:,}"
        found = f"{len(data):,} of them" if isinstance(data, list) else _short(data)
        raise ValueError(f"{name} must be a list of {wanted} entries, got {found}")
    return tuple(read(entry) for entry in data)


def _words(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_WORDS:
        raise ValueError(f"{name} must be a string of at most {MOST_WORDS} characters, got {_short(value)}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= WHOLE:
        raise ValueError(f"expected a whole number below 2^63, got {_short(value)}")
    return value


def _count(name: str, value: Any) -> int:
    if _whole(value) < 0:
        raise ValueError(f"{name} must not be negative, got {value}")
    return int(value)


def _fraction(text: Any) -> Fraction:
    """Return the number that a string of whole numbers names, so that no few letters stand for endless digits."""
    if not isinstance(text, str) or len(text) > LONGEST or not FRACTION.fullmatch(text):
        raise ValueError(f"numbers must be strings such as '1/3', got {_short(text)}")
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"numbers must be strings such as '1/3', got {_short(text)}") from None


def _dyadic(text: Any) -> float:
    if not isinstance(text, str) or not DYADIC.fullmatch(text.removeprefix("-")):
        raise ValueError(f"numbers of float64 must be strings such as '0x1.8p-4', got {_short(text)}")
    try:
        return float.fromhex(text)
    except OverflowError:
        raise ValueError(f"numbers of float64 must be strings such as '0x1.8p-4', got {text}") from None


def _interval(ends: Any) -> Interval:
    low, high = _list("an interval", ends, _fraction, size=2)
    if low > high:
        raise ValueError(f"an interval's ends must be in order, got {_short(ends[0])} and {_short(ends[1])}")
    return Interval(low, high)


def _step(entry: Any) -> tuple[int, float]:
    boxes, lower = _list("a step of the history", entry, lambda x: x, size=2)
    return _count("boxes", boxes), _dyadic(lower)


def _model(data: Any) -> CertifiedModel:
    data = _record("the model", data, ("density", "importance", "interference_penalty"))
    importance = data["importance"]
    if not isinstance(importance, list) or len(importance) not in (2, 3):
        raise ValueError(f"a model has the importances of two or three features, got {_short(importance)}")
    return CertifiedModel(
        _fraction(data["density"]),
        _list("importance", importance, _fraction, size=len(importance)),
        _fraction(data["interference_penalty"]),
    )


def _minimum_of(model: CertifiedModel, first: bool) -> Callable[[Any], EnclosedMinimum]:
    n = len(model.importance)

    def read(data: Any) -> EnclosedMinimum:
        if first and isinstance(data, dict):
            data = {"curvature": None, "symmetric": False} | data
        data = _record("a minimiser", data, ("weights", "bias", "loss", "phase", "curvature", "symmetric"))
        if not isinstance(data["symmetric"], bool):
            raise ValueError(f"symmetric must be true or false, got {_short(data['symmetric'])}")
        return EnclosedMinimum(
            _list("weights", data["weights"], _interval, size=n * (n - 1)),
            _list("bias", data["bias"], _interval, size=n),
            _interval(data["loss"]),
            _words("phase", data["phase"]),
            None if data["curvature"] is None else _fraction(data["curvature"]),
            data["symmetric"],
        )

    return read


def _weight_proof(data: Any) -> WeightProof:
    data = _record("the proof", data, ("threshold", "exponent", "boxes", "cores"))
    if not isinstance(data["boxes"], dict) or not data["boxes"].keys() <= set(ARGUMENTS):
        raise ValueError(f"boxes must be a record of lists for {', '.join(ARGUMENTS)}, got {_short(data['boxes'])}")
    boxes = {
        name: _list(f"boxes of {name!r}", given, _quarter, most=MOST_BOXES) for name, given in data["boxes"].items()
    }
    cores = _list("cores", data["cores"], _core, most=MOST_MINIMISERS)
    return WeightProof(_fraction(data["threshold"]), _whole(data["exponent"]), boxes, cores)


def _core(data: Any) -> Core:
    data = _record("a core", data, ("kind", "box", "point"))
    if data["kind"] not in CORES:
        raise ValueError(f"a core must be one of {', '.join(CORES)}, got {_short(data['kind'])}")
    one, two = _list("a core's box", data["box"], _interval, size=2)
    return Core(data["kind"], (one, two), _list("a core's point", data["point"], _fraction, size=4))


def _quarter(values: Any) -> Quarter:
    level, i, j = _list("a box", values, _whole, size=3)
    return level, i, j


def _null_proof(data: Any) -> NullProof:
    data = _record("the proof", data, ("threshold", "point", "cells"))
    return NullProof(
        _fraction(data["threshold"]),
        _list("the point", data["point"], _fraction, size=8),
        _list("cells", data["cells"], _null_cell, most=MOST_CELLS),
    )


def _null_cell(values: Any) -> NullCell:
    size = OPEN if isinstance(values, list) and len(values) == OPEN else CLOSED
    x = _list("a cell", values, _whole, size=size)
    slopes = (x[7], x[8]), (x[9], x[10]), (x[11], x[12])
    rows: tuple[RowBox, ...] = tuple(
        ((x[k], x[k + 1], x[k + 2], x[k + 3]), (x[k + 4], x[k + 5], x[k + 6], x[k + 7])) for k in range(CLOSED, size, 8)
    )
    return NullCell(x[0], (x[1], x[2], x[3]), (x[4], x[5], x[6]), slopes, (x[13], x[14], x[15]), rows)
