"""The dataset of a sweep on disk: a zarr store whose chunks are the units of work.

A chunk is written to a file of its own beside the data, flushed, and renamed into its place; a unit's chunks come
first, and last its mark, a file with a SHA-256 of each of them. One more mark is for metadata and coordinates. What a
killed process leaves is told from what a living one writes by a lock, never by a clock. Chunks are not compressed
(trained weights hardly compress), so that a chunk's file is the array's bytes, and the same results are the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Collection, Mapping
from contextlib import suppress
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from tegum.theory.storage import (
    NOTHING,
    ChangedError,
    check_declared,
    check_digest,
    json_of,
    recover,
    replacing,
    sealed,
    unsealed,
    warn_unverified,
    workplace,
)

from .grid import AXES, WHOLE_NUMBERS, Grid, Unit

FORMAT = "tegum sweep"
FORMAT_VERSION, FIRST_VERSION = 3, 1
# What axes were called in former versions, up to which one.
FORMER_NAMES = {"weight_penalty": ("weight_decay", 2)}
# Whatever of it a training reports is kept. Type, value where nothing was trained, and dimensions beside the axes.
VARIABLES: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "weights": ("<f8", np.nan, ("hidden", "feature")),
    "bias": ("<f8", np.nan, ("feature",)),
    "loss": ("<f8", np.nan, ()),
    "loss_error": ("<f8", np.nan, ()),
    "second": ("<f8", np.nan, ("feature", "hidden")),
    "steps": ("<i8", 0, ()),
    "converged": ("|b1", False, ()),
    "diverged": ("|b1", False, ()),
}
DONE = ("|b1", False, ())
MARKS, WORK = "marks", "work"
# Checksums of all that is written when a sweep is begun, and never changed.
BEGUN = "begun.json"
WAY_OUT = "the same call begins the same sweep in another folder, with this file as it was"
# What is written in `work` is called after this.
UNFINISHED = "unfinished"

State = Literal["done", "missing", "damaged"]


class Store:
    """A sweep's dataset on disk.

    Args:
        path: the folder.
        grid: the models.
        settings: what `settings_of` returned; part of the store's attributes.
        format_version: that of the store; names of axes on the disk follow from it.
    """

    def __init__(
        self, path: Path, grid: Grid, settings: Mapping[str, Any], format_version: int = FORMAT_VERSION
    ) -> None:
        """Take note of where everything is; nothing is read or written."""
        self.path, self.grid, self.settings = path, grid, settings
        # Names of axes that are others on the disk.
        self._spelled = _spelled(format_version)
        m, n = grid.widest
        self._lengths = {"hidden": m, "feature": n}
        self._arrays = {name: VARIABLES[name] for name in settings["variables"]} | {"done": DONE}

    @classmethod
    def create(cls, path: Path, grid: Grid, settings: Mapping[str, Any]) -> None:
        """Make an empty store, all at once; if another process made one meanwhile, that stays.

        Raises:
            ValueError: if a file is on the way to it.
        """
        above = next((folder for folder in path.parents if folder.exists()), None)
        if above is not None and not above.is_dir():
            raise ValueError(f"expected a folder or nothing at {above}, got a file: choose another place for {path}")
        # The caller looks what is in a folder that is there by then.
        with suppress(ChangedError), replacing(path, NOTHING) as new:
            cls(new, grid, settings)._lay_out()

    def _lay_out(self) -> None:
        scalars = [axis for axis in AXES if axis not in self.grid.dimensions and axis != "law"]
        attributes = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "tegum_version": version("tegum"),
            "model": json.dumps(self._described()),
            **{name: json.dumps(value) for name, value in self.settings.items()},
            # By which xarray knows the values of axes that don't vary.
            "coordinates": " ".join(scalars),
        }
        group = zarr.create_group(self.path, zarr_format=3, attributes=attributes)
        for name, (kind, fill, _) in self._arrays.items():
            _create(group, name, self._shape(name), self._chunk_shape(name), np.dtype(kind), fill, self._names(name))
        for name, (dimensions, values) in self._coordinates().items():
            array = np.array(values)
            text = array.dtype.kind == "U"
            kind = "str" if text else str(array.dtype)
            target = _create(group, name, array.shape, array.shape, kind, "" if text else 0, dimensions)
            target[...] = array
        for name in (MARKS, WORK):
            group.create_group(name)
        with warnings.catch_warnings():
            # Metadata in one place aren't in zarr's specification yet; readers that don't know of them ignore them.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(self.path)
        (self.path / MARKS / BEGUN).write_text(json.dumps(sealed(self._sums())), encoding="utf-8")

    def _described(self) -> dict[str, Any] | None:
        """Return the models of a grid as one batch, shaped as the dataset but for its seeds; None if they are several.

        Several laws or sizes are no batch, and a law without a kind of its own has no description.
        """
        try:
            model = self.grid.batch()
            return None if model is None else model.to_plain()
        except ValueError:
            return None

    def _sums(self) -> dict[str, str]:
        """Return the checksums of metadata and coordinates, by file; of the coordinates those that there should be."""
        files = [self.path / "zarr.json", *(self.path / name / "zarr.json" for name in (*self._layout(), MARKS, WORK))]
        for name in self._coordinates():
            files += [file for file in sorted((self.path / name / "c").rglob("*")) if file.is_file()]
            files += [self.path / name / "c"] if (self.path / name / "c").is_file() else []
        return {file.relative_to(self.path).as_posix(): _sum(file) for file in files}

    def _check_sums(self, number: int) -> None:
        """Raise `ValueError` if anything that was written when the sweep was begun has changed since."""
        mark = self.path / MARKS / BEGUN
        if number == FIRST_VERSION and not mark.exists():
            warn_unverified(self.path, "the sweep's metadata")
            return
        what = "the checksums of a sweep's metadata"
        expected = unsealed(_json(mark, what), mark, what, WAY_OUT)
        for name, found in self._sums().items():
            check_digest(found, expected.pop(name, None), self.path / name, "what a sweep began with", WAY_OUT)
        for name in expected:
            raise ValueError(f"expected {name} in {self.path}, which doesn't exist; {WAY_OUT}")

    @classmethod
    def open(cls, path: Path) -> Store:
        """Return the store in a folder.

        Raises:
            ValueError: if there is none, its metadata are damaged, or it is something else.
        """
        if path.exists() and not path.is_dir():
            raise ValueError(f"expected a sweep (a zarr folder) at {path}, got a file: choose another place")
        attributes = _json(path / "zarr.json", "the metadata of a sweep").get("attributes", {})
        found = attributes.get("format")
        if found != FORMAT:
            raise ValueError(f"expected a sweep (format {FORMAT!r}) in {path}, got format {found!r}")
        number, writer = attributes.get("format_version"), attributes.get("tegum_version")
        if type(number) is not int or not FIRST_VERSION <= number <= FORMAT_VERSION:
            raise ValueError(
                f"expected a sweep of format version {FORMAT_VERSION} in {path}, got {number!r}, written by tegum "
                f"{writer}"
            )
        try:
            names = ("axes", "dimensions", "laws", "options", "named", "chunk", "variables")
            settings = _as_named_today({name: json_of(attributes[name]) for name in names}, number)
            values = {axis: tuple(settings["axes"][axis]) for axis in AXES}
            grid = Grid(values, tuple(settings["dimensions"]), settings["chunk"], {})
            store = cls(path, grid, settings, number)
            # One number of each coordinate, and one byte of each unit's account.
            declared = 8 * sum(store._lengths.values()) + 16 * prod(grid.unit_shape)
            check_declared(declared, (path / "zarr.json").stat().st_size, path)
            expected = store._layout()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"expected the settings of a sweep in {path / 'zarr.json'}, can't read {error}") from None
        store._check(expected)
        store._check_sums(number)
        return store

    def _layout(self) -> dict[str, tuple[Any, ...]]:
        """Return shape, chunks, dimensions and type of all arrays; coordinates may have any type."""
        layout: dict[str, tuple[Any, ...]] = {
            name: (self._shape(name), self._chunk_shape(name), self._names(name), np.dtype(kind))
            for name, (kind, _, _) in self._arrays.items()
        }
        for name, (dimensions, values) in self._coordinates().items():
            layout[name] = (np.shape(values), np.shape(values), dimensions, None)
        return layout

    def _check(self, expected: Mapping[str, tuple[Any, ...]]) -> None:
        """Raise `ValueError` unless all arrays are there and as the settings say."""
        for name, (shape, chunks, dimensions, kind) in expected.items():
            where = self.path / name
            _json(where / "zarr.json", f"the metadata of the array {name!r}")
            try:
                array = zarr.open_array(where, mode="r", zarr_format=3)
                names = getattr(array.metadata, "dimension_names", None) or ()
                found = (array.shape, array.chunks, tuple(names))
                same_kind = kind is None or (array.dtype == kind and array.compressors == ())
                if kind is None:
                    check_declared(array.nbytes, (where / "zarr.json").stat().st_size, where)
                values = np.asarray(array[...]) if kind is None else None
            # Whatever zarr can't make sense of.
            except Exception as error:
                raise ValueError(f"expected the array {name!r} of a sweep in {where}, can't read it: {error}") from None
            if found != (shape, chunks, dimensions) or not same_kind:
                raise ValueError(
                    f"expected the array {name!r} in {where} with shape, chunks and dimensions "
                    f"{(shape, chunks, dimensions)}, uncompressed, got {found} of type {array.dtype}"
                )
            if values is not None and not np.array_equal(values, np.asarray(self._coordinates()[name][1])):
                raise ValueError(
                    f"expected the coordinate {name!r} in {where} to be as in the settings, got {values!r}"
                )
        (self.path / WORK).mkdir(exist_ok=True)
        (self.path / MARKS).mkdir(exist_ok=True)

    def _coordinates(self) -> dict[str, tuple[tuple[str, ...], Any]]:
        """Return dimensions and values of the coordinates."""
        coordinates: dict[str, tuple[tuple[str, ...], Any]] = {}
        for axis in AXES:
            kind = str if axis == "law" else np.int64 if axis in WHOLE_NUMBERS else np.float64
            array = np.array(self.grid.values[axis], dtype=kind)
            name = self._spelled.get(axis, axis)
            if axis in self.grid.dimensions:
                coordinates[name] = ((name,), array)
            elif axis != "law":
                coordinates[name] = ((), array[0])
        # Numbered from 1, as in the labels of phases.
        return coordinates | {name: ((name,), np.arange(1, size + 1)) for name, size in self._lengths.items()}

    def _names(self, name: str) -> tuple[str, ...]:
        return (*(self._spelled.get(axis, axis) for axis in self.grid.dimensions), *self._arrays[name][2])

    def _rest(self, name: str) -> tuple[int, ...]:
        return tuple(self._lengths[dimension] for dimension in self._arrays[name][2])

    def _shape(self, name: str) -> tuple[int, ...]:
        return self.grid.shape + self._rest(name)

    def _chunk_shape(self, name: str) -> tuple[int, ...]:
        return self.grid.chunk_shape + self._rest(name)

    def _file(self, name: str, unit: Unit) -> Path:
        """Return the file of a unit's chunk, as zarr's format names it."""
        return self.path.joinpath(name, "c", *map(str, unit.place), *("0" for _ in self._rest(name)))

    def _mark(self, unit: Unit) -> Path:
        return self.path / MARKS / f"{unit.number:08d}.json"

    def _bytes(self, name: str, unit: Unit, values: NDArray[Any]) -> bytes:
        """Return a chunk's bytes: the values of a unit, filled up to the size of a chunk."""
        kind, fill, _ = self._arrays[name]
        chunk = np.full(self._chunk_shape(name), fill, dtype=kind)
        # Values come with one dimension of models and one of seeds.
        shape = self.grid.block_shape(unit) + values.shape[2:]
        chunk[tuple(slice(0, length) for length in shape)] = values.reshape(shape)
        return chunk.tobytes()

    def write(self, unit: Unit, results: Mapping[str, NDArray[Any]]) -> None:
        """Write the results of a unit, and then its mark.

        Args:
            unit: which.
            results: each variable, shape (models, seeds, ...) of the unit's own sizes.
        """
        sums, everywhere = {}, np.ones(self.grid.block_shape(unit), dtype=bool)
        for name in self._arrays:
            content = self._bytes(name, unit, everywhere.reshape(-1, 1) if name == "done" else results[name])
            self._put(self._file(name, unit), content)
            sums[name] = hashlib.sha256(content).hexdigest()
        self._put(self._mark(unit), json.dumps({"sha256": sums}).encode())

    def _put(self, path: Path, content: bytes) -> None:
        """Write a file so that at every moment it is either whole or as it was."""
        with workplace(self.path / WORK / UNFINISHED) as work:
            partial = work / path.name
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial, path)

    def state(self, unit: Unit) -> State:
        """Return whether a unit is finished, by its mark and the checksums in it."""
        try:
            sums = json.loads(self._mark(unit).read_bytes())["sha256"]
        except FileNotFoundError:
            return "missing"
        except (ValueError, KeyError, TypeError):
            return "damaged"
        for name in self._arrays:
            try:
                content = self._file(name, unit).read_bytes()
            except FileNotFoundError:
                return "damaged"
            if not isinstance(sums, dict) or hashlib.sha256(content).hexdigest() != sums.get(name):
                return "damaged"
        return "done"

    def forget(self, unit: Unit) -> None:
        """Take back the mark of a damaged unit, and the word of the dataset that it is done."""
        self._mark(unit).unlink(missing_ok=True)
        self._file("done", unit).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what processes that were killed have left."""
        recover(self.path / WORK / UNFINISHED)

    def dataset(self, doubtful: Collection[Unit] = ()) -> xr.Dataset:
        """Return the dataset, read from disk when it is used; checksums are looked at before, and not then.

        Args:
            doubtful: units that aren't done, though their chunks may say so.
        """
        stored: xr.Dataset = xr.open_zarr(self.path, chunks=None)
        dataset = stored.rename({name: axis for axis, name in self._spelled.items()})
        if not any(self._file("done", unit).exists() for unit in doubtful):
            return dataset
        done = np.ones(self.grid.shape, dtype=bool)
        for unit in doubtful:
            done[tuple(unit.slices[axis] for axis in self.grid.dimensions)] = False
        return dataset.assign(done=(self.grid.dimensions, done))


def _spelled(format_version: int) -> dict[str, str]:
    """Return the names of axes that are others in stores of a version, by today's."""
    return {axis: name for axis, (name, last) in FORMER_NAMES.items() if format_version <= last}


def _as_named_today(settings: dict[str, Any], format_version: int) -> dict[str, Any]:
    """Return settings of a version with today's names of axes."""
    names = {name: axis for axis, name in _spelled(format_version).items()}
    for entry in ("axes", "chunk"):
        settings[entry] = {names.get(name, name): value for name, value in settings[entry].items()}
    settings["dimensions"] = [names.get(name, name) for name in settings["dimensions"]]
    return settings


def _create(
    group: zarr.Group, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], kind: Any, fill: Any, names: Any
) -> Any:
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=kind,
        fill_value=fill,
        dimension_names=names,
        compressors=None,
        filters=None,
    )


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        content = json_of(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"expected {what} in {path}, which doesn't exist") from None
    except ValueError as error:
        raise ValueError(f"expected {what} in {path}, can't read it: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"expected {what} in {path}, got {type(content).__name__}")
    return content
