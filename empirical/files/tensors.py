"""Arrays and words in a safetensors file, believed only if their checksum fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.storage import SHA256, check_digest, check_unverified, digest_of, replacing

from .datasets import WAY_OUT


def write_safetensors(arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any], path: Path) -> None:
    """Write arrays and plain values, with a checksum of them all, replacing what is at `path` in one step."""
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    written = {**attributes, SHA256: digest_of(attributes, whole)}
    with replacing(path) as new:
        save_file(whole, new, metadata={name: json.dumps(value) for name, value in written.items()})


def read_safetensors(path: Path, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read arrays and words of a safetensors file, other people's included.

    Returns:
        The arrays, and the words: plain values where they are JSON, as all are that `write_safetensors` wrote.

    Raises:
        ValueError: if it can't be read, or its checksum doesn't fit.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        words = {name: _plain(value) for name, value in (file.metadata() or {}).items()}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    expected = words.pop(SHA256, None)
    if expected is None:
        check_unverified(words.get("format"), path, what, WAY_OUT)
    else:
        check_digest(digest_of(words, arrays), expected, path, what, WAY_OUT)
    return arrays, words


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
