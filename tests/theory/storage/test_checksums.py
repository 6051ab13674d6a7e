"""Checksums: everything that is read makes a difference, and how it is spelled makes none."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.theory.storage import (
    SHA256,
    UnverifiedWarning,
    check_unverified,
    digest_of,
    row_digest,
    sealed,
    unsealed,
)

WORDS: dict[str, Any] = {"format": "tegum something 2", "steps": 3, "list": [1.5, None, "é"]}
NUMBERS = np.arange(6.0).reshape(2, 3)
ARRAYS = {"weights": NUMBERS, "names": np.array(["a", "bc"])}
DIMENSIONS = {"weights": ("hidden", "feature")}
FILE = Path("file.json")


def test_a_checksum_is_that_of_the_text_that_it_is_said_to_be() -> None:
    """By another program: printf '{"a":1}' | sha256sum."""
    assert digest_of({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


@pytest.mark.parametrize(
    ("words", "arrays", "dimensions"),
    [
        pytest.param(WORDS | {"steps": 4}, ARRAYS, DIMENSIONS, id="a number"),
        pytest.param(WORDS | {"steps": "3"}, ARRAYS, DIMENSIONS, id="a text for a number"),
        pytest.param(WORDS | {"more": None}, ARRAYS, DIMENSIONS, id="one more"),
        pytest.param({"steps": 3}, ARRAYS, DIMENSIONS, id="fewer"),
        pytest.param(WORDS, {"weights": NUMBERS}, DIMENSIONS, id="an array less"),
        pytest.param(WORDS, ARRAYS | {"weights": -NUMBERS}, DIMENSIONS, id="other numbers, -0.0 too"),
        pytest.param(WORDS, ARRAYS | {"weights": NUMBERS.astype(np.float32)}, DIMENSIONS, id="another type"),
        pytest.param(WORDS, ARRAYS | {"weights": NUMBERS.reshape(3, 2)}, DIMENSIONS, id="another shape"),
        pytest.param(WORDS, ARRAYS | {"names": np.array(["ab", "c"])}, DIMENSIONS, id="other texts"),
        pytest.param(WORDS, ARRAYS, {"weights": ("feature", "hidden")}, id="other dimensions"),
        pytest.param(WORDS, ARRAYS, {}, id="no dimensions"),
    ],
)
def test_everything_makes_a_difference(words: Any, arrays: Any, dimensions: Any) -> None:
    assert digest_of(words, arrays, dimensions) != digest_of(WORDS, ARRAYS, DIMENSIONS)


def test_spelling_makes_none() -> None:
    words = {name: WORDS[name] for name in reversed(WORDS)} | {"list": (1.5, None, "é")}
    arrays = {
        "names": np.array(["a", "bc"], dtype=object),
        "weights": np.asfortranarray(NUMBERS).astype(NUMBERS.dtype.newbyteorder(">")),
    }
    assert digest_of(words, arrays, DIMENSIONS) == digest_of(WORDS, ARRAYS, DIMENSIONS)


def test_a_row_is_known_by_names_and_values() -> None:
    names, values = ["a", "b"], [1, "x"]
    found = {
        row_digest(*row) for row in ((names, values), (["a", "c"], values), (names, [2, "x"]), (names, ["1", "x"]))
    }
    assert len(found) == 4
    assert all(len(digest) == 16 for digest in found)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"], ids=["object", "set", "bytes"])
def test_only_what_a_file_can_hold_has_a_checksum(value: Any) -> None:
    with pytest.raises(ValueError, match="of values that JSON can hold"):
        digest_of({"a": value})
    with pytest.raises(ValueError, match="of numbers, booleans and texts, got objects in the array 'b'"):
        digest_of({}, {"b": np.array([value], dtype=object)})


def test_a_record_is_unsealed_only_as_it_was_sealed() -> None:
    assert unsealed(sealed(WORDS), FILE, "settings", "do it again") == WORDS
    with pytest.raises(ValueError, match=r"settings in file.json isn't what was saved, .* expected .*; do it again"):
        unsealed(sealed(WORDS) | {"steps": 4}, FILE, "settings", "do it again")
    for record in (WORDS, [1], None):
        with pytest.raises(ValueError, match=r"expected settings with a checksum in file.json, got none: do it again"):
            unsealed(record, FILE, "settings", "do it again")
    assert list(sealed({"a": 1})) == ["a", SHA256]


def test_a_format_says_whether_a_checksum_was_to_be_there() -> None:
    with warnings.catch_warnings(action="error"):
        for foreign in (None, "pt", 3, "a tegum thing 2"):
            check_unverified(foreign, FILE, "weights", "write it again")
    with pytest.warns(UnverifiedWarning, match="weights in file.json is of a former format without checksums"):
        check_unverified("tegum phase diagram 1", FILE, "weights", "write it again")
    with pytest.raises(ValueError, match=r"damaged: expected its checksum beside format .*; write it again"):
        check_unverified("tegum phase diagram 2", FILE, "weights", "write it again")
