"""Tables of records in CSV files that long commands add to row by row, and go on from after an interruption."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

Row = TypeVar("Row")
# Of a field's annotation.
KINDS = {"int": int, "float": float, "str": str}


def write_rows(path: Path, rows: Iterable[Any]) -> None:
    """Append records of one dataclass to a table, which is begun with a line of names if it doesn't exist."""
    rows = list(rows)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow([field.name for field in fields(rows[0])])
        writer.writerows(astuple(row) for row in rows)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Return the rows of a table; a last one that was cut short is taken off the file.

    Args:
        path: of a table that `write_rows` wrote.
        kind: the dataclass of its rows, with fields of type int, float and str.

    Raises:
        ValueError: if it has other columns, or a row isn't one.
    """
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
    columns = fields(kind)  # type: ignore[arg-type]
    names, types = [field.name for field in columns], [KINDS[str(field.type)] for field in columns]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if header != names:
            raise ValueError(f"{path} must have the columns {', '.join(names)}, got {', '.join(header) or 'none'}")
        rows = []
        for line in reader:
            try:
                rows.append(kind(*(make(text) for make, text in zip(types, line, strict=True))))
            except ValueError:
                raise ValueError(
                    f"line {reader.line_num} of {path} isn't a row of this table: {','.join(line)}"
                ) from None
        return rows
