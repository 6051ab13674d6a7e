"""Labelled datasets in zarr stores, replaced only when all is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tegum.theory.numerics import check_kind, check_path, check_text, recover, replacing

if TYPE_CHECKING:
    import xarray as xr


def write_zarr(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset to a zarr store, replacing what is there only when all is written; attributes become JSON.

    Raises:
        ValueError: if it is no dataset.
    """
    check_path("path", path, new=True)
    import xarray as xr
    import zarr

    check_kind("dataset", dataset, xr.Dataset)
    plain = dataset.copy(deep=False)
    plain.attrs = {name: json.dumps(value) for name, value in dataset.attrs.items()}
    # A chunk that isn't written is one that got lost.
    with replacing(path) as new, zarr.config.set({"array.write_empty_chunks": True}):
        plain.to_zarr(new, mode="w", consolidated=False)


def read_zarr(path: Path, what: str) -> xr.Dataset:
    """Read a dataset that `write_zarr` wrote.

    Raises:
        ValueError: if it can't be read, saying that `what` was expected.
    """
    check_path("path", path)
    check_text("what", what)
    import xarray as xr

    try:
        dataset: xr.Dataset = xr.open_zarr(path, consolidated=False, mask_and_scale=False).load()
        dataset.attrs = {name: json.loads(value) for name, value in dataset.attrs.items()}
        for variable in dataset.variables.values():
            variable.attrs.pop("_FillValue", None)
    except Exception as error:
        raise ValueError(f"expected {what}, can't read {path}: {error}") from None
    return dataset


def read_zarr_of(path: str | os.PathLike[str], what: str, form: str) -> xr.Dataset:
    """Read a dataset whose attribute `format` says what it is.

    Args:
        path: zarr store.
        what: is expected, for errors.
        form: value of `format`.

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
    if found != form:
        raise ValueError(f"expected a dataset of format {form!r}, got {found!r} in {where}")
    return dataset
