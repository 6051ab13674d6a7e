"""What a file is that a phase diagram is drawn from: a dataset, weights, or a table of cells, told by its content."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from tegum.theory.storage import check_path, recover

from .cell_table import COLUMNS
from .formats import METADATA_ENDS, OURS, SWEEP, stored_format

# Bytes of a table in which its first row ends.
HEAD = 1 << 16


def kind_of_file(path: str | os.PathLike[str]) -> str:
    """Return "dataset", "weights" or "table"; what is wrong with a file is said by who reads it.

    A folder is a dataset if it says that it is one of the project's, or can't be asked; a text is a table if its first
    row names a column of one (`read_table`). All else holds weights, or nothing.

    Args:
        path: of anything, whatever it is called.

    Raises:
        ValueError: if it is no path, or nothing is there.
    """
    check_path("path", path)
    path = Path(path)
    recover(path)
    if not path.exists():
        raise ValueError(f"{path} doesn't exist")
    if path.is_dir():
        form = stored_format(path)
        if form is None:
            return "weights" if any((path / name).exists() for name in METADATA_ENDS[:2]) else "dataset"
        return "dataset" if form.startswith("tegum") and not form.startswith((OURS, SWEEP)) else "weights"
    return "table" if path.is_file() and set(COLUMNS) & set(_first_row(path)) else "weights"


def _first_row(path: Path) -> list[str]:
    """Return the cells of a text's first row, none of what is no text."""
    try:
        with path.open("rb") as file:
            text = file.readline(HEAD).decode("utf-8-sig", "replace")
        return next(csv.reader([text]), [])
    except (OSError, csv.Error):
        return []
