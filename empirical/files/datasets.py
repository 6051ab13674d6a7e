"""Labelled datasets in zarr stores, replaced only when all is written, and believed only if their checksum fits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import check_kind, check_text
from tegum.theory.storage import (
    OBJECTS,
    SHA256,
    Destination,
    check_declared,
    check_digest,
    check_path,
    check_unverified,
    digest_of,
    json_of,
    recover,
)

if TYPE_CHECKING:
    import xarray as xr

WAY_OUT = "delete it, or write it again"
# A store is cut into so many chunks for each file that it has, or this many whatever it has.
MOST_CHUNKS, ALWAYS_CHUNKS = 100, 100_000
# Kinds of NumPy's types that are numbers.
NUMBERS = "fiub"


def write_zarr(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset to a zarr store, replacing what is there only when all is written; attributes become JSON.

    A checksum over all variables, their names, types, dimensions and attributes is one more attribute.

    Raises:
        ValueError: if it is no dataset, or has the attribute `tegum_sha256`, which is the checksum's; if `path` is
            something else than a zarr store, or another process is writing it.
        MovedError: if it can't be written there; it is elsewhere then.
    """
    check_path("path", path, new=True)
    import xarray as xr
    import zarr

    check_kind("dataset", dataset, xr.Dataset)
    if SHA256 in dataset.attrs:
        raise ValueError(f"expected a dataset without the attribute {SHA256!r}, which is written with it")
    plain = dataset.copy(deep=False)
    written = dataset.attrs | {SHA256: _digest(dataset)}
    plain.attrs = {name: json.dumps(value) for name, value in written.items()}
    # A chunk that isn't written is one that got lost.
    with Destination(path) as place, zarr.config.set({"array.write_empty_chunks": True}):
        place.save(lambda new: plain.to_zarr(new, mode="w", consolidated=False))


def read_zarr(path: Path, what: str) -> xr.Dataset:
    """Read a dataset that `write_zarr` wrote, or another whose attributes are JSON.

    A store of a former format, which has no checksum, is read with an `UnverifiedWarning`.

    Raises:
        ValueError: if it can't be read, saying that `what` was expected, its checksum doesn't fit, or it declares much
            more than it holds.
    """
    check_path("path", path)
    check_text("what", what)
    import xarray as xr

    try:
        _check_size(path)
        dataset: xr.Dataset = xr.open_zarr(path, consolidated=False, mask_and_scale=False).load()
        dataset.attrs = {name: json_of(value) for name, value in dataset.attrs.items()}
        for variable in dataset.variables.values():
            variable.attrs.pop("_FillValue", None)
        expected = dataset.attrs.pop(SHA256, None)
        found = "" if expected is None else _digest(dataset)
    # Says nothing of the store.
    except MemoryError:
        raise
    # A damaged store can fail in any way its reader knows.
    except Exception as error:
        raise ValueError(f"expected {what}, can't read {path}: {error}") from None
    if expected is None:
        check_unverified(dataset.attrs.get("format"), path, what, WAY_OUT)
    else:
        check_digest(found, expected, path, what, WAY_OUT)
    return dataset


def read_zarr_of(path: str | os.PathLike[str], what: str, *forms: str) -> xr.Dataset:
    """Read a dataset whose attribute `format` says what it is.

    Args:
        path: zarr store.
        what: is expected, for errors.
        forms: values that `format` may have, today's first.

    Raises:
        ValueError: if there is none, it can't be read, or it is of another format.
    """
    check_path("path", path)
    where = Path(path)
    recover(where)
    if not where.exists():
        raise ValueError(f"expected {what} (a zarr folder), but {where} doesn't exist")
    dataset = read_zarr(where, f"{what} (a zarr folder)")
    found = dataset.attrs.get("format")
    if found not in forms:
        raise ValueError(f"expected a dataset of format {forms[0]!r}, got {found!r} in {where}")
    return dataset


def read_zarr_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read the arrays of any zarr store, or a store that is one array, and its attributes, as they are.

    Arrays of other things than numbers are left out. Nothing is verified: other people's stores have no checksum.

    Raises:
        ValueError: if a store declares much more than it holds, or its arrays are packed by code that it names.
    """
    check_path("path", path)
    import zarr

    _check_size(path)
    found = zarr.open(path, mode="r")
    members = dict(found.arrays()) if isinstance(found, zarr.Group) else {"": found}
    arrays = {name: np.asarray(array[...]) for name, array in members.items() if array.dtype.kind in NUMBERS}
    return arrays, dict(found.attrs)


def _digest(dataset: xr.Dataset) -> str:
    """Return the checksum of all that is read of a dataset."""
    variables = {str(name): variable for name, variable in dataset.variables.items()}
    words: dict[str, Any] = {
        "attributes": dict(dataset.attrs),
        "of variables": {name: dict(variable.attrs) for name, variable in variables.items()},
        "coordinates": sorted(map(str, dataset.coords)),
    }
    arrays = {name: variable.values for name, variable in variables.items()}
    return digest_of(words, arrays, {name: list(map(str, variable.dims)) for name, variable in variables.items()})


def _check_size(path: Path) -> None:
    """Raise `ValueError` if the arrays of a store declare much more than its files can hold."""
    import zarr

    found = zarr.open(path, mode="r")
    members = found.arrays() if isinstance(found, zarr.Group) else [("", found)]
    files = [file.stat().st_size for file in Path(path).rglob("*") if file.is_file()]
    declared = 0
    for name, array in members:
        if "pickle" in json.dumps(array.metadata.to_dict(), default=str):
            raise ValueError(OBJECTS)
        chunk = array.dtype.itemsize
        for length in array.chunks:
            chunk *= length
        declared += max(array.nbytes, chunk)
        if array.nchunks > max(ALWAYS_CHUNKS, MOST_CHUNKS * len(files)):
            raise ValueError(f"its array {name!r} declares {array.nchunks:,} chunks, it has {len(files):,} files")
    check_declared(declared, sum(files), path)
