"""Arrays and words of a file, whatever it is called: what it is, is told by its content (docs/files.md)."""

from __future__ import annotations

import csv
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from tegum.theory.storage import OBJECTS, SHA256, check_archive, check_declared, json_of, read_npy, read_npz, recover

# What files are told by: their first bytes.
ZIP, NPY, PICKLE = b"PK", b"\x93NUMPY", b"\x80"
# What others begin with, and what to do about it.
UNREAD = {
    b"\x89HDF": "it is an HDF5 file, which isn't read: save its arrays as .npz or .safetensors",
    b"\x1f\x8b": "it is compressed by gzip: unpack it first",
    b"MATLAB": "it is a file of MATLAB's, which isn't read: save its arrays as .npz",
}
EXPECTED = ".npz, .npy, .pt, .pth, .safetensors, .csv or .json file, or a .zarr folder"
# What is said where a library gives up, in its own words and for reasons of its own.
DAMAGED = f"it is damaged, or not what its first bytes say; expected a {EXPECTED}: write it again"
# Numbers written as text take many times their bytes in memory.
MOST_TEXT = 1 << 26
# What a table or a bare array is called, and columns of a table that only count.
BARE, COUNTED = "W", ("feature", "index", "")
# Trees of optimisers hold arrays of the same shapes as the weights, and are no weights.
OPTIMISERS = ("optim", "opt_state")
# What safetensors calls BF16.
SHORT = "bfloat16"
# The formats of trained models and of sweeps, as their attributes begin.
OURS, SWEEP = "tegum trained models", "tegum sweep"
METADATA_ENDS = (".zarray", ".zgroup", "zarr.json")


@dataclass
class Content:
    """What a file holds.

    Attributes:
        arrays: numbers, by name; names within names are joined by dots.
        words: texts, truths and other plain values, likewise.
        types: how the numbers of an array are stored, where that isn't the type of the array.
        passed: what was passed over, such as the state of an optimiser.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)


def read_content(path: Path) -> Content:
    """Return the arrays and words of a file.

    Nothing in a file is run, and none is read that declares much more than it holds. Checksums are verified where the
    format has any.

    Raises:
        ValueError: if it doesn't exist or can't be read, with a reason in words of this project.
    """
    recover(path)
    if not path.exists():
        raise ValueError(f"weights file {path} doesn't exist")
    try:
        return _reader(path)(path)
    # Says nothing of the file.
    except MemoryError:
        raise
    # A hostile or truncated file can fail in any way its reader knows.
    except Exception as error:
        own = isinstance(error, ValueError) and str(error)
        reason = str(error).splitlines()[0] if own else error.strerror if isinstance(error, OSError) else None
        raise ValueError(f"can't read weights from {path}: {reason or DAMAGED}") from None


def stored_format(path: Path) -> str | None:
    """Return what a folder of zarr's newer format says that it is, "" if it doesn't say; None for anything else."""
    try:
        words = json.loads((path / "zarr.json").read_bytes())
        return str(words.get("attributes", {}).get("format", "")).strip('"')
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _reader(path: Path) -> Callable[[Path], Content]:
    if path.is_dir():
        if not any((path / name).exists() for name in METADATA_ENDS):
            raise ValueError(f"it is a folder, and no zarr store; expected a {EXPECTED}")
        return _zarr
    if not path.is_file():
        raise ValueError(f"it is no file; expected a {EXPECTED}")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(128)
    if not size:
        raise ValueError("it is empty")
    # Their first bytes are a number, which may look like anything.
    if int.from_bytes(start[:8], "little") <= size - 8 and start[8:9] == b"{":
        return _safetensors
    for mark, reason in UNREAD.items():
        if start.startswith(mark):
            raise ValueError(reason)
    if start.startswith(ZIP):
        return _archive(path)
    if start.startswith(NPY):
        return lambda path: Content({BARE: read_npy(path)})
    if start.startswith(PICKLE):
        return _torch
    return _json if start.decode("utf-8-sig", "replace").lstrip()[:1] in ("{", "[") else _csv


def _archive(path: Path) -> Callable[[Path], Content]:
    """Return the reader of a .zip archive: torch's have a pickle in them, NumPy's only arrays."""
    try:
        with ZipFile(path) as archive:
            names = [Path(name).name for name in archive.namelist()]
    except (BadZipFile, ValueError, NotImplementedError):
        # Whatever is wrong with it is told in words by the check of archives.
        return lambda path: Content(dict(read_npz(path)))
    if "constants.pkl" in names:
        raise ValueError("it is a program of TorchScript's, which would be run: save its state_dict() instead")
    return _torch if "data.pkl" in names else lambda path: _sorted_out(read_npz(path))


def _sorted_out(arrays: Mapping[str, NDArray[Any]]) -> Content:
    """Return arrays with single texts among the words."""
    found = Content()
    for name, array in arrays.items():
        if array.dtype.kind in "USb" and array.size == 1:
            value = array.reshape(()).item()
            found.words[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        else:
            found.arrays[name] = array
    return found


def _torch(path: Path) -> Content:
    import torch

    with path.open("rb") as file:
        packed = file.read(len(ZIP)) == ZIP
    # torch looks at no checksum; files of its old format, which are no archives, have none.
    if packed:
        check_archive(path)
    try:
        # Warnings are about protocols of pickles, and ask for reports to torch.
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    # What torch says advises to load it all the same.
    except Exception:
        raise ValueError(f"{OBJECTS}: save its state_dict() instead of the module. Or it is damaged") from None
    if isinstance(content, torch.Tensor):
        content = {BARE: content}
    if not isinstance(content, Mapping):
        raise ValueError(f"holds a {type(content).__name__}, not a state dictionary")
    found, tensors = Content(), []

    def take(name: str, value: Any) -> bool:
        if not isinstance(value, torch.Tensor):
            return _take_list(found, name, value)
        reason = _not_plain(value)
        if reason:
            raise ValueError(f"expected tensors that list their numbers, got {name}, {reason}")
        tensors.append((name, value.detach()))
        return True

    _walk("", content, found, take)
    # A tensor may be a view that repeats one number as often as it says.
    check_declared(sum(tensor.nbytes for _, tensor in tensors), path.stat().st_size, path)
    for name, tensor in tensors:
        found.types[name] = str(tensor.dtype).removeprefix("torch.")
        # NumPy has no other floating-point types of 16 bits or fewer.
        short = tensor.is_floating_point() and tensor.element_size() <= 2 and tensor.dtype != torch.float16
        found.arrays[name] = (tensor.float() if short else tensor).numpy()
    return found


def _not_plain(tensor: Any) -> str:
    """Return what a tensor of torch's is that has no plain array of numbers, and what to save instead."""
    if tensor.is_quantized:
        return "which is quantised: save its dequantize()"
    if str(tensor.layout) != "torch.strided":
        return "which is sparse: save its to_dense()"
    return "" if tensor.device.type == "cpu" and not tensor.is_nested else "which has none: save it as a plain tensor"


def _take_list(found: Content, name: str, value: Any) -> bool:
    """Enter a value among the arrays if it is a list of numbers, and say whether it is."""
    if not isinstance(value, (list, tuple)):
        return False
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    if not all(type(x) in (int, float) for x in _leaves(value)):
        return False
    found.arrays[name] = array
    return True


def _walk(prefix: str, content: Mapping[Any, Any], found: Content, take: Callable[[str, Any], bool]) -> None:
    """Sort a tree of names: what `take` takes is an array, numbers are too, and the rest are words."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if str(key).lower().startswith(OPTIMISERS) and isinstance(value, Mapping):
            found.passed.append(name)
        elif take(name, value):
            continue
        elif isinstance(value, Mapping):
            _walk(f"{name}.", value, found, take)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.arrays[name] = np.asarray(float(value))
        else:
            found.words[name] = value


def _safetensors(path: Path) -> Content:
    from tegum.empirical.files import read_safetensors, tensor_types

    arrays, words = read_safetensors(path, "trained models")
    return Content(arrays, words, {name: SHORT for name, kind in tensor_types(path).items() if kind == "BF16"})


def _zarr(path: Path) -> Content:
    from tegum.empirical.files import read_zarr, read_zarr_arrays

    arrays, words = read_zarr_arrays(path)
    if str(words.get("format", "")).strip('"') == SWEEP:
        return _sweep(path)
    if SHA256 not in words and not str(words.get("format", "")).strip('"').startswith("tegum"):
        return Content({name or BARE: array for name, array in arrays.items()}, words)
    dataset = read_zarr(path, "trained models")
    return Content({str(name): variable.values for name, variable in dataset.data_vars.items()}, dict(dataset.attrs))


def _sweep(path: Path) -> Content:
    """Return the models of a finished sweep, checked against its checksums, with the one description of all."""
    from tegum.empirical.sweeps import read_sweep

    run = read_sweep(path)
    if run.status != "finished":
        raise ValueError(f"it is a sweep of which {run.reason}: go on with it by the same `tegum sweep`, then read it")
    words = dict(run.dataset.attrs)
    words["model"] = json.loads(words["model"])
    if words["model"] is None:
        raise ValueError(
            "it is a sweep over several laws or sizes, which have no one description: take the models that are meant "
            "with read_sweep, and save them by themselves"
        )
    words["architecture"] = json.loads(words["options"])["architecture"]
    return Content({name: run.dataset[name].values for name in ("weights", "bias")}, words)


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_TEXT:
        raise ValueError(f"texts of up to {MOST_TEXT:,} bytes are read, got more: save its arrays as .npz")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"it is none of the files that are read, and no text; expected a {EXPECTED}") from None


def _json(path: Path) -> Content:
    text = _text(path)
    try:
        content = json_of(text)
    except ValueError as error:
        raise ValueError(f"it isn't JSON, or is damaged: {error}") from None
    found = Content()

    whole = content if isinstance(content, dict) else {BARE: content}
    _walk("", whole, found, lambda name, value: _take_list(found, name, value))
    return found


def _leaves(value: Any) -> list[Any]:
    """Return the entries of lists in lists."""
    stack, leaves = [value], []
    while stack:
        one = stack.pop()
        stack.extend(one) if isinstance(one, (list, tuple)) else leaves.append(one)
    return leaves


def _csv(path: Path) -> Content:
    """Return a matrix of numbers; or, under a row of names, one row for each feature with columns of W and others."""
    rows = [row for row in csv.reader(_text(path).splitlines(), strict=True) if row]
    names = None if all(_number(cell) is not None for cell in rows[0]) else [cell.strip() for cell in rows.pop(0)]
    width = len(rows[0] if names is None else names) if rows else 0
    if not rows or any(len(row) != width for row in rows):
        raise ValueError("expected a table of numbers, each row as long as the first, got something else")
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"expected each column of a table once, got {', '.join(names)}")
    if names is None:
        return Content({BARE: _columns(rows, range(width))})
    own = [k for k, name in enumerate(names) if name.lower().startswith(("w", "h")) or name.isdigit()]
    others = {name: k for k, name in enumerate(names) if k not in own and name.lower() not in COUNTED}
    arrays = {BARE: _columns(rows, own)} if own else {}
    return Content(arrays | {name: _columns(rows, [k])[:, 0] for name, k in others.items()})


def _columns(rows: list[list[str]], chosen: Any) -> NDArray[np.float64]:
    found = [[_number(row[k]) for k in chosen] for row in rows]
    for line, row in enumerate(found):
        if None in row:
            raise ValueError(f"expected numbers only, got {rows[line][list(chosen)[row.index(None)]]!r}")
    return np.array(found, dtype=np.float64)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) or text.strip().lower().strip("+-") in ("nan", "inf", "infinity") else None
