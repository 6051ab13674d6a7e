"""Files of certificates: what is written is read, and anything else is refused with what is wrong with it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tegum.theory import Certificate
from tegum.theory.storage import SHA256
from tests.support.internals import internals
from tests.support.places import DATA

# Behind the face: how entries are read.
file = internals("proofs.certificates.file")

Data = dict[str, Any]
# A file of each size.
FILES = {"two": "certificate-1.json", "three": "certificate-triangle.json.gz"}


@cache
def text_of(size: str) -> str:
    data = (DATA / FILES[size]).read_bytes()
    text = (gzip.decompress(data) if FILES[size].endswith(".gz") else data).decode()
    # In today's format.
    return Certificate.from_json(text).to_json()


def data_of(size: str) -> Data:
    """Return a file, of three features with a few cells only, so that it is short."""
    data: Data = json.loads(text_of(size))
    if size == "three":
        cells = data["proof"]["cells"]
        data["proof"]["cells"] = [cell for cell in cells if len(cell) == file.CLOSED][:2] + cells[-2:]
    return data


@pytest.mark.parametrize("size", FILES)
def test_what_is_read_is_written_again(size: str) -> None:
    assert Certificate.from_json(text_of(size)).to_json() == text_of(size)


def at(*path: Any) -> Callable[[Data], tuple[Any, Any]]:
    """Return what finds an entry: the list or record that holds it, and its name."""

    def find(data: Data) -> tuple[Any, Any]:
        *rest, last = path
        there: Any = data
        for name in rest:
            there = there[name]
        return there, last

    return find


# An entry, by size, and values that it can't have; messages name what is wrong.
NUMBER = "numbers must be strings such as '1/3'"
BAD: dict[str, tuple[str, tuple[Any, ...], tuple[Any, ...], str]] = {
    "format": ("two", ("format",), ("tegum certificate 0", 2, None), "the format must be 'tegum certificate 3'"),
    "model": ("two", ("model",), (3, [], None), "the model must be a record of density"),
    "density": ("two", ("model", "density"), ("x", "1e-999999999", "1/0", "0.1", 1, None, "1" * 5000), NUMBER),
    "importances": ("two", ("model", "importance"), ("12", ["1"], ["1"] * 4, {}), "importances of two or three"),
    "sizes": ("two", ("model", "importance"), (["1"] * 3,), "weights must be a list of 6 entries"),
    "status": ("two", ("status",), (1, None, "proved " * 1000), "status must be a string of at most"),
    "loss": ("two", ("loss",), ("1", ["1"], ["1", "2", "3"]), "an interval must be a list of 2 entries"),
    "order": ("two", ("loss",), (["2", "1"],), "an interval's ends must be in order"),
    "minimisers": ("two", ("minimisers",), ({}, [0] * 101), "minimisers must be a list of at most 100 entries"),
    "minimiser": ("two", ("minimisers", 0), (3, {}), "a minimiser must be a record of weights"),
    "weights": ("two", ("minimisers", 0, "weights"), ([["1", "1"]] * 3,), "weights must be a list of 2 entries"),
    "symmetric": ("two", ("minimisers", 0, "symmetric"), (1, "yes", None), "symmetric must be true or false"),
    "curvature": ("three", ("minimisers", 0, "curvature"), (1, "big"), NUMBER),
    "boxes": ("two", ("boxes",), (1.5, "3", True, None, 2**63, 10**300), "whole"),
    "fewer boxes": ("two", ("boxes",), (-1,), "boxes must not be negative"),
    "budget": ("two", ("budget",), ("3", 0.5), "whole"),
    "left": ("two", ("left",), (-1,), "left must not be negative"),
    "history": ("three", ("history", 0), (3, [1], [1, "0x1p1", 2]), "a step of the history must be a list of 2"),
    "bound": ("three", ("history", 0, 1), (0.5, "inf", "nan", "0x1p9999", "0x1.0p+9999", "1/3"), "numbers"),
    "proof": ("two", ("proof",), ([], {"threshold": "1"}), "the proof must be a record of threshold"),
    "arguments": ("two", ("proof", "boxes"), ({"magic": []}, []), "boxes must be a record of lists for far, above"),
    "box": ("two", ("proof", "boxes", "above", 0), ([1, 2], [1, 2, 3, 4], 7), "a box must be a list of 3 entries"),
    "number of a box": ("two", ("proof", "boxes", "above", 0, 0), (1.0, "1", True), "whole"),
    "core": ("two", ("proof", "cores", 0, "kind"), ("round", 3), "a core must be one of convex, axis"),
    "point of a core": ("two", ("proof", "cores", 0, "point"), (["1"] * 3,), "a core's point must be a list of 4"),
    "point": ("three", ("proof", "point"), (["1"] * 7, "1"), "the point must be a list of 8 entries"),
    "cells": ("three", ("proof", "cells"), ({}, None), "cells must be a list of at most 1,000,000 entries"),
    "cell": ("three", ("proof", "cells", 0), ([1] * 15, [1] * 24, [1] * 41, 3), "a cell must be a list of 16 entries"),
    "number of a cell": ("three", ("proof", "cells", 0, 7), (0.5, "1", None, 2**64), "whole"),
}  # fmt: skip
CASES = [
    pytest.param(size, at(*path), value, message, id=f"{name}: {str(value)[:20]}")
    for name, (size, path, values, message) in BAD.items()
    for value in values
]


@pytest.mark.parametrize(("size", "find", "value", "message"), CASES)
def test_wrong_entries_are_named(size: str, find: Callable[[Data], Any], value: Any, message: str) -> None:
    data = data_of(size)
    there, name = find(data)
    there[name] = value
    with pytest.raises(ValueError, match=message) as caught:
        Certificate.from_json(json.dumps(data))
    # However much is wrong, the message stays short.
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("size", FILES)
def test_entries_that_are_missing_unknown_or_given_twice_are_named(size: str) -> None:
    for name in data_of(size):
        data = data_of(size)
        del data[name]
        with pytest.raises(ValueError, match=f"lacks {name}|format must be"):
            Certificate.from_json(json.dumps(data))
    with pytest.raises(ValueError, match="has an entry 'more'"):
        Certificate.from_json(json.dumps(data_of(size) | {"more": 1}))
    with pytest.raises(ValueError, match="an entry is given twice"):
        Certificate.from_json(text_of(size).replace('"status"', '"status":"proved","status"', 1))


def test_damaged_words_are_noticed_and_the_second_format_is_read() -> None:
    data = data_of("two")
    with pytest.raises(ValueError, match="isn't what was saved, its checksum differs"):
        Certificate.from_json(json.dumps(data | {"reason": "because"}))
    with pytest.raises(ValueError, match=f"lacks {SHA256}"):
        Certificate.from_json(json.dumps({name: value for name, value in data.items() if name != SHA256}))
    second = {name: value for name, value in data.items() if name != SHA256} | {"format": file.SECOND_FORMAT}
    assert Certificate.from_json(json.dumps(second)).to_json() == text_of("two")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "no JSON", "[" * 200_000, '{"format":' * 50_000, "null", '"tegum certificate 2"']
)
def test_other_texts_are_no_certificates(text: str) -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        Certificate.from_json(text)


def test_files_that_are_too_long_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "LONGEST_FILE", 1000)
    with pytest.raises(ValueError, match="at most 1,000 characters are read"):
        Certificate.from_json(text_of("two"))


def test_the_first_format_has_no_proofs_of_three_features() -> None:
    data = data_of("three") | {"format": file.FIRST_FORMAT}
    for name in ("budget", "left", "history", SHA256):
        del data[name]
    with pytest.raises(ValueError, match="the first format doesn't list what is excluded for three features"):
        Certificate.from_json(json.dumps(data))
