"""The certified diagram as a dataset, the one that is shipped."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tegum.theory.proofs.cells import DiagramCell, certified_cells

# Behind the face: one column is computed by itself.
diagram: Any = import_module("tegum.compare.diagrams.certified")
# Behind the face: tables are read back and broken on purpose.
rows_module: Any = import_module("tegum.compare.terminal.rows")
SHIPPED = Path(__file__).resolve().parents[3] / "docs" / "certified-diagram.csv"


@pytest.fixture(scope="module")
def shipped() -> list[Any]:
    return list(rows_module.read_rows(SHIPPED, diagram.CertifiedRow))


def test_the_shipped_dataset_covers_the_diagram_and_proves_what_was_promised(shipped: list[Any]) -> None:
    assert len(shipped) == 64 * 64
    areas = [
        np.log(row.density_high / row.density_low) * np.log(row.importance_high / row.importance_low) for row in shipped
    ]
    assert sum(areas) == pytest.approx(np.log(100) ** 2, rel=1e-12)
    assert len({(row.density_low, row.importance_low) for row in shipped}) == len(shipped)
    assert {row.phase for row in shipped} == {"", "digon(1,2)", "axis(1) + drop(2)", "drop(1) + axis(2)"}
    assert np.mean([row.phase != "" for row in shipped]) > 0.96


def test_shipped_cells_are_proved_again(shipped: list[Any]) -> None:
    column = [row for row in shipped if row.density_low == min(row.density_low for row in shipped)]
    column += [row for row in shipped[64 * 40 : 64 * 41] if row.divisions == 0]
    cells = [
        DiagramCell((row.density_low, row.density_high), (row.importance_low, row.importance_high)) for row in column
    ]
    proofs, _ = certified_cells(cells, divisions=0)
    assert [proof.phase for proof in proofs] == [row.phase for row in column]


def test_shipped_cells_without_a_proof_lie_along_the_boundary(shipped: list[Any]) -> None:
    """Beside every cell that isn't proved there are cells of two phases, or the edge of the plane."""
    phases = np.array([row.phase for row in shipped]).reshape(64, 64)
    # Boundaries cross the plane from side to side.
    assert (phases == "").sum() >= 64
    for i, j in zip(*np.nonzero(phases == ""), strict=True):
        around = phases[max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5]
        assert len(set(around.ravel()) - {""}) >= 2


def test_cells_on_a_boundary_are_told() -> None:
    rows = [
        diagram.CertifiedRow(*(*density, *importance, 0.0, 0.0), *("", "", 0, 0, 1))
        for density, importance in (((0.1, 0.2), (0.5, 1.0)), ((0.1, 0.2), (1.0, 2.0)), ((0.4, 0.8), (1.0, 2.0)))
    ]
    piece = SimpleNamespace(x=np.array([0.15, 0.7]), y=np.array([1.5, 1.5]))
    assert diagram.crossed(rows, [piece]).tolist() == [False, True, True]
