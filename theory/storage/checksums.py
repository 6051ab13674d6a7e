"""Checksums of what is kept, written with it and compared when it is read, so that damage is noticed.

SHA-256 of one spelling: JSON of plain values with sorted names, and for each array its name, type, shape, dimensions
and little-endian bytes. They are against damage, and not against forgers, who can compute them too.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Under this name a checksum stands among what it covers; nobody else's files have it.
SHA256 = "tegum_sha256"
# Hexadecimal digits of a row's: one damaged row in 2^64 is believed.
ROW_DIGITS = 16
# What the project writes says "tegum", what it is, and a version; from the second version on it carries checksums.
FORMAT, CHECKED_SINCE = re.compile(r"tegum \D+ (\d{1,6})"), 2


class UnverifiedWarning(UserWarning):
    """A file was read that carries no checksum, so that damage of it would go unnoticed."""


def digest_of(
    attributes: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]] | None = None,
    dimensions: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return the SHA-256 of plain values and arrays, 64 hexadecimal digits.

    Args:
        attributes: what JSON can hold, by name; tuples count as lists.
        arrays: by name, of numbers, booleans or texts.
        dimensions: names of the dimensions of arrays, by the names of those that have any.

    Raises:
        ValueError: if a value is none of JSON's, or an array holds other objects than texts.

    Example:
        >>> digest_of({"a": (1, 2)}) == digest_of({"a": [1, 2]}) != digest_of({"b": [1, 2]})
        True
    """
    content = hashlib.sha256()

    def add(value: Any) -> None:
        try:
            # Read back as a file gives it: names that are numbers become texts, and sort as such.
            plain = json.loads(json.dumps(value))
        except (TypeError, ValueError) as error:
            raise ValueError(f"a checksum is of values that JSON can hold: {error}") from None
        content.update(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())

    add(dict(attributes))
    for name in sorted(arrays or {}):
        array, dims = np.asarray((arrays or {})[name]), list((dimensions or {}).get(name, ()))
        if array.dtype.kind in "OTU":
            # Texts come back as another type than they went in.
            if not all(isinstance(text, str) for text in array.ravel().tolist()):
                raise ValueError(f"a checksum is of numbers, booleans and texts, got objects in the array {name!r}")
            add([name, "text", list(array.shape), dims, array.ravel().tolist()])
            continue
        array = np.ascontiguousarray(array).reshape(array.shape)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        add([name, array.dtype.str, list(array.shape), dims])
        content.update(array.tobytes())
    return content.hexdigest()


def row_digest(names: Sequence[str], values: Sequence[Any]) -> str:
    """Return the checksum of a row of a table, over names of columns and values, 16 hexadecimal digits."""
    return digest_of({"names": list(names), "values": list(values)})[:ROW_DIGITS]


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of plain values with its checksum as a last entry."""
    return {**record, SHA256: digest_of(record)}


def unsealed(record: Any, path: Path | str, what: str, way_out: str) -> dict[str, Any]:
    """Return a record without its checksum, which has to fit.

    Args:
        record: what `sealed` returned, read from a file.
        path: that file, for errors.
        what: is expected there, for errors.
        way_out: what to do if it is damaged, for errors.

    Raises:
        ValueError: if it is no record, has no checksum, or another one.
    """
    if not isinstance(record, dict) or SHA256 not in record:
        raise ValueError(f"expected {what} with a checksum in {path}, got none: {way_out}")
    rest = {name: value for name, value in record.items() if name != SHA256}
    check_digest(digest_of(rest), record[SHA256], path, what, way_out)
    return rest


def check_digest(found: str, expected: Any, path: Path | str, what: str, way_out: str) -> None:
    """Raise `ValueError` unless a checksum is the one that was written.

    Args:
        found: of what was read.
        expected: as it stands in the file.
        path: the file.
        what: was read, in words.
        way_out: what to do about it, in words.
    """
    if found != expected:
        raise ValueError(
            f"{what} in {path} isn't what was saved, its checksum differs: expected {str(expected)[:ROW_DIGITS]}, got "
            f"{found[:ROW_DIGITS]}; {way_out}"
        )


def check_unverified(form: Any, path: Path, what: str, way_out: str) -> None:
    """Say what it means that a file carries no checksum.

    A file of other people's needs none. One of the project's former formats is read with a warning.

    Args:
        form: what the file says of its format, if anything.
        path: the file.
        what: was read, in words.
        way_out: what to do about damage, in words.

    Raises:
        ValueError: if the format is one that carries checksums.
    """
    known = FORMAT.fullmatch(form) if isinstance(form, str) else None
    if known is None:
        return
    if int(known[1]) >= CHECKED_SINCE:
        raise ValueError(
            f"{what} in {path} is damaged: expected its checksum beside format {form!r}, got none; {way_out}"
        )
    warn_unverified(path, what)


def warn_unverified(path: Path, what: str) -> None:
    """Warn that a file is of a former format, without checksums."""
    text = f"{what} in {path} is of a former format without checksums: damage would go unnoticed; save it again"
    warnings.warn(text, UnverifiedWarning, stacklevel=3)
