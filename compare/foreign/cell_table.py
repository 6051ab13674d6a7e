"""Phase diagrams that were published as a table: two numbers for each cell, and no weights (docs/foreign.md)."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import FloatArray, Summarised, check_choice, check_kind, is_real, shown
from tegum.theory.storage import check_path

COLUMNS = ("log_sparsity", "log_weight", "last_norm", "last_polysemanticity")
# What log_sparsity may be the logarithm of, and last_polysemanticity the sum of.
QUANTITIES = ("auto", "density", "inverse-density", "sparsity")
OVERLAPS = ("root", "squares")
# Logarithms that agree to so many decimals are one row of the grid.
DECIMALS = 9
# How close to a multiple of ln 10 the ends of a grid have to be to raise suspicion.
SUSPICION = 1e-3


@dataclass(frozen=True)
class ColumnMeaning:
    """What the columns of a table are.

    Attributes:
        quantity: `log_sparsity` is the logarithm of the feature density 1 − S ("density", as in the public replication
            that writes such tables), of 1/(1 − S) ("inverse-density") or of S ("sparsity"); "auto" takes values up to
            zero for the first and from zero for the second.
        base: of both logarithms.
        overlap: `last_polysemanticity` is √Σ_j (Ŵ_n·W_j)² over the other features j ("root", as in that replication),
            or the sum without the root ("squares").
    """

    quantity: str = "auto"
    base: float = 10.0
    overlap: str = "root"

    def __post_init__(self) -> None:
        """Raise `ValueError` for what isn't a meaning."""
        if not isinstance(self.quantity, str) or self.quantity not in QUANTITIES:
            allowed = ", ".join(QUANTITIES)
            raise ValueError(f"quantity: log_sparsity must mean one of {allowed}, got {shown(self.quantity)}")
        check_choice("overlap", self.overlap, OVERLAPS)
        if not (is_real(self.base) and 1 < self.base < math.inf):
            raise ValueError(f"base of the logarithms must be finite and above 1, got {shown(self.base)}")


@dataclass(frozen=True, eq=False)
class CellTable(Summarised):
    """Two measured numbers for each cell of a phase diagram.

    Attributes:
        density: 1 − S, ascending, shape (D,).
        importance: of the last feature against the others, ascending, shape (R,).
        norm: ‖W_n‖, shape (D, R).
        overlap: of the last feature with the others, as `meaning` says, shape (D, R).
        meaning: how the file was read, with "auto" resolved.
        notes: what a reader should know of the reading.
    """

    density: FloatArray
    importance: FloatArray
    norm: FloatArray
    overlap: FloatArray
    meaning: ColumnMeaning
    notes: tuple[str, ...] = ()

    def thinned(self, most: int) -> CellTable:
        """Return every k-th row and column, so that there are at most `most` of each."""
        step = math.ceil(max(self.norm.shape) / most)
        if step <= 1:
            return self
        note = (
            f"of {self.norm.shape[0]} densities and {self.norm.shape[1]} importances one in {step} was compared; "
            f"--cells {max(self.norm.shape)} compares all"
        )
        return replace(
            self,
            density=self.density[::step],
            importance=self.importance[::step],
            norm=self.norm[::step, ::step],
            overlap=self.overlap[::step, ::step],
            notes=(*self.notes, note),
        )


def read_table(path: str | os.PathLike[str], meaning: ColumnMeaning | None = None) -> CellTable:
    """Read a phase diagram from a .csv file with one row for each cell of a grid.

    Args:
        path: file with the columns log_sparsity, log_weight, last_norm and last_polysemanticity, in any order and among
            others.
        meaning: what they are; default `ColumnMeaning()`.

    Returns:
        The grid; rows may come in any order.

    Raises:
        ValueError: if a column is missing, a cell isn't a number, is out of range, is there twice or not at all; line
            and column are named.
    """
    check_path("path", path)
    path, meaning = Path(path), ColumnMeaning() if meaning is None else meaning
    check_kind("meaning", meaning, ColumnMeaning)
    if not path.is_file():
        raise ValueError(f"table {path} doesn't exist")
    lines, values = _numbers(path)
    logs, weights, norms, overlaps = values.T
    for column, column_values in (("last_norm", norms), ("last_polysemanticity", overlaps)):
        _refuse(path, lines, column, column_values, column_values < 0, "a number that isn't negative")
    meaning = _resolved(path, lines, logs, meaning)
    density = _density(path, lines, logs, meaning)
    with np.errstate(over="ignore"):
        importance = meaning.base**weights
    absurd = ~((importance > 0) & np.isfinite(importance))
    _refuse(path, lines, "log_weight", weights, absurd, "the logarithm of a positive importance")
    rows, i = np.unique(np.round(np.log(density), DECIMALS), return_inverse=True)
    columns, j = np.unique(np.round(np.log(importance), DECIMALS), return_inverse=True)
    line_of = _places(path, lines, i, j, (len(rows), len(columns)))
    if min(line_of.shape) < 2:
        raise ValueError(f"expected a grid of at least 2 densities and 2 importances in {path}, got {line_of.shape}")
    missing = np.argwhere(line_of < 0)
    if len(missing):
        a, b = missing[0]
        raise ValueError(
            f"expected one row for each of {len(rows)} × {len(columns)} cells in {path}, but {len(missing)} are "
            f"missing, the first at density {np.exp(rows[a]):.6g}, importance {np.exp(columns[b]):.6g}"
        )
    return CellTable(
        density=density[line_of[:, 0]],
        importance=importance[line_of[0]],
        norm=norms[line_of],
        overlap=overlaps[line_of],
        meaning=meaning,
        notes=_notes(logs, weights, meaning),
    )


def _numbers(path: Path) -> tuple[list[int], FloatArray]:
    """Return line numbers and values of the columns, shape (rows, 4)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = list(reader.fieldnames or [])
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise ValueError(f"expected columns {', '.join(COLUMNS)} in {path}, {', '.join(missing)} missing")
            twice = [name for name in COLUMNS if header.count(name) > 1]
            if twice:
                raise ValueError(f"expected each column once in {path}, got {', '.join(twice)} more than once")
            lines, rows = [], []
            for row in reader:
                lines.append(reader.line_num)
                rows.append([_number(path, reader.line_num, name, row[name]) for name in COLUMNS])
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"can't read a table from {path}: {error}") from None
    if not rows:
        raise ValueError(f"expected a row for each cell in {path}, got none")
    return lines, np.array(rows)


def _number(path: Path, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{path}, line {line}, column {column}: expected a finite number, got {text!r}")
    return value


def _refuse(
    path: Path, lines: list[int], column: str, values: FloatArray, bad: NDArray[np.bool_], expected: str
) -> None:
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"{path}, line {lines[k]}, column {column}: expected {expected}, got {values[k]:g}")


def _resolved(path: Path, lines: list[int], logs: FloatArray, meaning: ColumnMeaning) -> ColumnMeaning:
    """Return the meaning with "auto" decided by the signs of the logarithms."""
    if meaning.quantity != "auto":
        return meaning
    if (logs <= 0).all():
        return replace(meaning, quantity="density")
    _refuse(path, lines, "log_sparsity", logs, logs < 0, "logarithms of one sign")
    return replace(meaning, quantity="inverse-density")


def _density(path: Path, lines: list[int], logs: FloatArray, meaning: ColumnMeaning) -> FloatArray:
    powers = -logs if meaning.quantity == "inverse-density" else logs
    with np.errstate(over="ignore"):
        values = meaning.base**powers
        density = 1 - values if meaning.quantity == "sparsity" else values
    expected = f"the logarithm of {meaning.quantity} for a density in (0, 1]"
    _refuse(path, lines, "log_sparsity", logs, ~((density > 0) & (density <= 1)), expected)
    return np.asarray(density)


def _places(
    path: Path, lines: list[int], i: NDArray[np.int64], j: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the row of the table that each cell of the grid stands in, −1 for none."""
    found = np.full(shape, -1, dtype=np.int64)
    for row, cell in enumerate(zip(i.tolist(), j.tolist(), strict=True)):
        if found[cell] >= 0:
            raise ValueError(
                f"{path}, line {lines[row]}, columns log_sparsity and log_weight: expected one row for each cell, got "
                f"the cell of line {lines[found[cell]]} again"
            )
        found[cell] = row
    return found


def _notes(logs: FloatArray, weights: FloatArray, meaning: ColumnMeaning) -> tuple[str, ...]:
    notes = [f"log_sparsity was taken for the logarithm of the {meaning.quantity}, to base {meaning.base:.6g}"]
    ends = np.array([logs.min(), logs.max(), weights.min(), weights.max()])
    tens = ends / np.log(10)
    natural = np.abs(tens - tens.round()).max() < SUSPICION and np.abs(ends - ends.round()).max() > SUSPICION
    if natural and meaning.base == 10:
        notes.append("the grid ends at multiples of ln 10: if its logarithms are natural, pass --log-base e")
    return tuple(notes)
