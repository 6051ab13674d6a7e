"""Arrays as the bytes of a safetensors file, the same every time: the library writes metadata in any order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

# The length of the header stands first; data begin at a multiple of this too.
WORD = 8


def tensor_bytes(arrays: Mapping[str, NDArray[Any]], words: Mapping[str, str]) -> bytes:
    """Return a safetensors file: a header in JSON, with its metadata in alphabetical order, and the arrays' bytes.

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
