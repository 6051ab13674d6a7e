"""Archives of arrays: read whole or not at all, and never larger than their files can mean."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tegum.theory.storage import check_archive, check_declared, read_npz
from tests.support.damage import BELIEVED, EQUAL, ERROR, HANG, REFUSED, attacked

ARRAYS = {
    "W": np.arange(12.0).reshape(3, 4),
    "turned": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    "one": np.array(1.5),
    "none": np.zeros((0, 3)),
    "words": np.array(["a", "bc"]),
}
# Bytes that refusing may take, whatever a file declares.
LITTLE = 10_000_000


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, write: Callable[..., None]) -> None:
    write(tmp_path / "a.npz", **ARRAYS)
    check_archive(tmp_path / "a.npz")
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_no_damage_is_believed(tmp_path: Path, write: Callable[..., None]) -> None:
    write(tmp_path / "a.npz", **ARRAYS)

    def is_right(found: dict[str, np.ndarray]) -> bool:
        return {name: a.tobytes() for name, a in found.items()} == {name: a.tobytes() for name, a in ARRAYS.items()}

    counts, bad = attacked(tmp_path / "a.npz", read_npz, is_right, 60)
    assert bad == []
    assert counts[BELIEVED] == counts[ERROR] == counts[HANG] == 0
    assert counts[REFUSED] > counts[EQUAL]


def npy(shape: tuple[int, ...], kind: str, rest: bytes) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue() + rest


def archive(path: Path, content: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("W.npy", content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(npy((10**9,), "<f8", bytes(8)), r"declares shape \(1000000000,\) of float64, but", id="too many"),
        pytest.param(npy((1,), "<f8", bytes(16)), "but holds 16 bytes", id="too few"),
        pytest.param(npy((-1, -1), "<f8", bytes(8)), "declares shape", id="negative"),
        pytest.param(npy((1,), "|O", bytes(8)), "holds Python objects", id="objects"),
        pytest.param(b"\x93NUMPY\x09\x00" + bytes(100), r"version \(9, 0\)", id="version"),
        pytest.param(b"text", "W.npy isn't an array", id="text"),
        pytest.param(npy((1,), "<f8", bytes(8))[:40], "EOF: reading array header", id="cut"),
    ],
)
def test_an_array_is_what_its_header_declares(tmp_path: Path, content: bytes, message: str) -> None:
    path = archive(tmp_path / "a.npz", content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_by_what_its_directory_declares(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", bytes(1 << 20), zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    # Lengths stand in the local header and in the directory.
    for at in (content.index(b"PK\x03\x04") + 22, content.index(b"PK\x01\x02") + 24):
        content[at : at + 4] = struct.pack("<I", 1 << 31)
    path.write_bytes(content)
    for read in (read_npz, check_archive):
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=r"declares arrays of 2,147,483,648 bytes, but has 1,1\d\d itself"):
                read(path)
            assert tracemalloc.get_traced_memory()[1] < LITTLE
        finally:
            tracemalloc.stop()


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("W.npy", npy((1,), "<f8", bytes(8)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("W.npy", npy((1,), "<f8", bytes(8)))
    with pytest.raises(ValueError, match="a name is there twice"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(("declared", "stored"), [(1 << 28, 1), (10**12, 10**10)], ids=["small", "large"])
def test_what_may_be_declared(declared: int, stored: int) -> None:
    check_declared(declared, stored, Path("a"))
    with pytest.raises(ValueError, match="at most 100 times its size, or 268,435,456 bytes, are read; save it without"):
        check_declared(declared + 1, stored, Path("a"))
