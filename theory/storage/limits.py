"""How much a file may claim to hold, and archives of arrays that are read within that."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A file may stand for so many times the bytes that it has, or for this many bytes whatever it has: constant arrays
# compress well, and a few of them are no danger.
MOST_TIMES, ALWAYS = 100, 1 << 28
# What libraries advise is to load such a file all the same.
OBJECTS = "it holds Python objects, which run code when they are loaded; expected arrays of numbers only"
MAGIC = b"\x93NUMPY"
# The end of an archive, which may be followed by a comment; where the number of members stands in it, and what stands
# there if they are more.
END, LONGEST_END, COUNT_AT, MANY = b"PK\x05\x06", 22 + (1 << 16), 10, (1 << 16) - 1


def check_declared(declared: int, stored: int, path: Path) -> None:
    """Raise `ValueError` if a file declares so much more than it holds that it can't be meant.

    Args:
        declared: bytes that its arrays would take in memory.
        stored: bytes of the file, or of a folder's files.
        path: of it, for the error.

    Example:
        >>> check_declared(1 << 20, 1000, Path("model.npz"))
        >>> check_declared(8 * 10**9, 1000, Path("model.npz"))
        Traceback (most recent call last):
        ...
        ValueError: model.npz declares arrays of 8,000,000,000 bytes, but has 1,000 itself: ...
    """
    if declared > max(ALWAYS, MOST_TIMES * stored):
        raise ValueError(
            f"{path} declares arrays of {declared:,} bytes, but has {stored:,} itself: at most {MOST_TIMES} times its "
            f"size, or {ALWAYS:,} bytes, are read; save it without compression if it is meant"
        )


def check_archive(path: Path) -> None:
    """Raise `ValueError` if an archive (.zip, .npz, .pt) doesn't fit its own checksums, or declares too much.

    Readers that stop where an array ends don't notice.
    """
    with _opened(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                while stream.read(1 << 20):
                    pass


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz archive by name, all of it checked against its checksums.

    Raises:
        ValueError: if it isn't one, is damaged, holds Python objects, or declares more than `check_declared` allows.
    """
    found = {}
    with _opened(path) as archive:
        for member in archive.infolist():
            # Whatever its name: that may be what is damaged.
            content = archive.read(member)
            if member.filename.endswith(".npy"):
                found[member.filename.removesuffix(".npy")] = _array(member.filename, content)
    return found


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of an .npy file, which has to hold what its header declares, and nothing else.

    Raises:
        ValueError: if it isn't one, is damaged, or holds Python objects.
    """
    try:
        return _array(path.name, path.read_bytes())
    except (ValueError, MemoryError):
        raise
    # Headers are Python texts, and are wrong in ways of their own.
    except Exception as error:
        raise ValueError(f"it isn't an array, or is damaged: {error or type(error).__name__}") from None


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive that declares what it may, and make a `ValueError` of whatever is wrong with it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len({member.filename for member in members}) < len(members):
                raise ValueError("it is damaged: a name is there twice")
            if (count := _counted(path)) not in (len(members), MANY):
                raise ValueError(f"it is damaged: its directory has {len(members)} members, and should have {count}")
            check_declared(sum(member.file_size for member in members), path.stat().st_size, path)
            yield archive
    except (ValueError, MemoryError):
        raise
    # Each way of packing has errors of its own.
    except Exception as error:
        kind = "it is damaged" if zipfile.is_zipfile(path) else "it isn't an archive of arrays, or is damaged"
        raise ValueError(f"{kind}: write it again") from error


def _counted(path: Path) -> int:
    """Return how many members an archive says that it has, which Python's reader doesn't look at."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LONGEST_END))
        tail = file.read()
    return int(struct.unpack_from("<H", tail, tail.rfind(END) + COUNT_AT)[0])


def _array(name: str, content: bytes) -> NDArray[Any]:
    """Return the array that a .npy file holds: what its header declares has to be there, and nothing else."""
    stream = io.BytesIO(content)
    if not content.startswith(MAGIC):
        raise ValueError(f"{name} isn't an array")
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{name} has version {version} of the format, expected one of {sorted(readers)}")
    shape, by_columns, kind = readers[version](stream)
    if kind.hasobject:
        raise ValueError(OBJECTS)
    rest = content[stream.tell() :]
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(rest):
        raise ValueError(f"{name} declares shape {shape} of {kind}, but holds {len(rest):,} bytes")
    return np.frombuffer(bytearray(rest), dtype=kind).reshape(shape, order="F" if by_columns else "C")
