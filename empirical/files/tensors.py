"""Arrays and words in a safetensors file, the same bytes every time, believed only if their checksum fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.storage import SHA256, Destination, check_digest, check_unverified, digest_of

from .datasets import WAY_OUT

# The length of the header stands first; data begin at a multiple of this too.
WORD = 8
# A type of numbers that NumPy lacks, and those that it has.
SHORT = "BF16"
TYPES = ("F64", "F32", "F16", "C64", "BOOL", *(f"{sign}{bits}" for sign in "IU" for bits in (8, 16, 32, 64)))


def write_safetensors(arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any], path: Path) -> None:
    """Write arrays and plain values, with a checksum of them all, replacing what is at `path` in one step.

    Raises:
        ValueError: if a value is none of JSON's, or another process is writing there.
        MovedError: if it can't be written there; it is elsewhere then.
    """
    whole = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    written = {**attributes, SHA256: digest_of(attributes, whole)}
    words = {name: json.dumps(value) for name, value in written.items()}
    with Destination(path) as place:
        place.save(lambda new: new.write_bytes(tensor_bytes(whole, words)))


def read_safetensors(path: Path, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read arrays and words of a safetensors file, other people's included.

    Args:
        path: the file.
        what: is expected, for errors.

    Returns:
        The arrays, those of bfloat16 in float32, and the words: plain values where they are JSON, as all are that
        `write_safetensors` wrote.

    Raises:
        ValueError: if its checksum doesn't fit, or numbers are of a type that NumPy lacks, bfloat16 excepted; a file
            that is none fails in ways of the library's.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        words = {name: _plain(value) for name, value in (file.metadata() or {}).items()}
        names = list(file.keys())
        types = {name: str(file.get_slice(name).get_dtype()) for name in names}
        short = [name for name in names if types[name] == SHORT]
        for name in names:
            if types[name] not in (SHORT, *TYPES):
                raise ValueError(
                    f"expected numbers of a type that NumPy has, or bfloat16, got {name} of type {types[name]}: save "
                    "it as float32"
                )
        arrays = {name: file.get_tensor(name) for name in names if name not in short}
    arrays |= {name: _widened(path, name) for name in short}
    expected = words.pop(SHA256, None)
    if expected is None:
        check_unverified(words.get("format"), path, what, WAY_OUT)
    else:
        check_digest(digest_of(words, arrays), expected, path, what, WAY_OUT)
    return arrays, words


def tensor_types(path: Path) -> dict[str, str]:
    """Return how the numbers of each array of a safetensors file are stored, as "F32" or "BF16"."""
    return {name: str(entry["dtype"]) for name, entry in _header(path)[0].items()}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return what a safetensors file, which the library has opened, says of its arrays, and where their bytes begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(WORD), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, WORD + length


def _widened(path: Path, name: str) -> NDArray[np.float32]:
    """Return an array of bfloat16, which NumPy doesn't have, in float32, whose upper half it is."""
    header, start = _header(path)
    begin, end = header[name]["data_offsets"]
    with path.open("rb") as file:
        file.seek(start + begin)
        halves = np.frombuffer(file.read(end - begin), dtype="<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(header[name]["shape"])


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def tensor_bytes(arrays: Mapping[str, NDArray[Any]], words: Mapping[str, str]) -> bytes:
    """Return a safetensors file: a header in JSON, with its metadata in alphabetical order, and the arrays' bytes.

    The library writes metadata in any order.

    Args:
        arrays: contiguous.
        words: the metadata.
    """
    from safetensors.numpy import save

    data = save(dict(arrays), metadata=dict(words))
    end = WORD + int.from_bytes(data[:WORD], "little")
    header = json.loads(data[WORD:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % WORD)
    return len(text).to_bytes(WORD, "little") + text + data[end:]
