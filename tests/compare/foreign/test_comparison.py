"""Tables of cells read, judged and drawn."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from tegum.compare.foreign import ColumnMeaning, compare_table, read_table, table_account
from tegum.theory.minima import DiagramMinima, diagram_minima
from tests.support.tolerances import tolerance

# Behind the face: one judgement by itself.
foreign: Any = import_module("tegum.compare.foreign.comparison")
# Behind the face: the figure is measured.
figures: Any = import_module("tegum.compare.figures.foreign")

DENSITY, IMPORTANCE = np.array([0.1, 0.4, 0.5]), np.array([0.5, 0.9, 1.1, 1.9])
HEADER = "log_sparsity_index,log_weight_index,log_sparsity,log_weight,last_polysemanticity,last_norm"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def exact() -> DiagramMinima:
    return diagram_minima(DENSITY, IMPORTANCE)


def pairs(exact: DiagramMinima, choose: Any) -> np.ndarray[Any, Any]:
    """Return (norm, overlap) of the weights that `choose` picks from each cell's live minima, shape (D, R, 2)."""
    return np.array(
        [
            [choose([pair(point.weights) for point in exact.live(i, j)]) for j in range(len(IMPORTANCE))]
            for i in range(len(DENSITY))
        ]
    )


def pair(weights: Any) -> np.ndarray[Any, Any]:
    # For two features the overlap is |W_1|, whatever the length of W_2.
    return np.array([abs(weights[0, 1]), abs(weights[0, 0])])


def text(measured: Any, *, density: Any = DENSITY, base: float = 10.0, sign: int = 1, header: str = HEADER) -> str:
    rows = [header]
    for i, j in np.ndindex(len(density), len(IMPORTANCE)):
        logs = sign * np.log(density[i]) / np.log(base), np.log(IMPORTANCE[j]) / np.log(base)
        rows.append(
            f"{i},{j},{logs[0]!r},{logs[1]!r},{measured[i, j, 1]!r},{measured[i, j, 0]!r}".replace("np.float64", "")
        )
    return "\n".join(rows).replace("(", "").replace(")", "") + "\n"


def table_file(folder: Path, content: str) -> Path:
    path = folder / "cells.csv"
    path.write_text(content)
    return path


# --- Reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meaning", "base", "sign", "resolved"),
    [
        pytest.param(ColumnMeaning(), 10.0, 1, "density", id="as the replication writes it"),
        pytest.param(ColumnMeaning(), 10.0, -1, "inverse-density", id="its inverse, by the sign"),
        pytest.param(ColumnMeaning("density", math.e), math.e, 1, "density", id="natural logarithms"),
        pytest.param(ColumnMeaning(base=2.0), 2.0, -1, "inverse-density", id="binary logarithms"),
    ],
)
def test_a_table_is_read(tmp_path: Path, meaning: ColumnMeaning, base: float, sign: int, resolved: str) -> None:
    measured = np.random.default_rng(1).random((3, 4, 2))
    lines = text(measured, base=base, sign=sign).splitlines()
    # Rows may come in any order.
    content = "\n".join([lines[0], *np.random.default_rng(2).permutation(lines[1:])])
    table = read_table(table_file(tmp_path, content), meaning)
    np.testing.assert_allclose(table.density, DENSITY, rtol=tolerance("rounding"))
    np.testing.assert_allclose(table.importance, IMPORTANCE, rtol=tolerance("rounding"))
    np.testing.assert_array_equal(table.norm, measured[..., 0])
    np.testing.assert_array_equal(table.overlap, measured[..., 1])
    assert table.meaning.quantity == resolved


def test_sparsity_is_read_when_said_so(tmp_path: Path) -> None:
    measured = np.ones((3, 4, 2))
    path = table_file(tmp_path, text(measured, density=1 - DENSITY))
    np.testing.assert_allclose(read_table(path, ColumnMeaning("sparsity")).density, DENSITY, rtol=tolerance("law"))
    np.testing.assert_allclose(read_table(path).density, np.sort(1 - DENSITY), rtol=tolerance("law"))


def test_suspicious_logarithms_are_noted(tmp_path: Path) -> None:
    rows = [f"{a},{b},1,1" for a in (0.0, -np.log(100)) for b in (-np.log(10), np.log(10))]
    path = table_file(
        tmp_path, "\n".join([",".join(["log_sparsity", "log_weight", "last_norm", "last_polysemanticity"]), *rows])
    )
    assert any("pass --log-base e" in note for note in read_table(path).notes)
    assert not any("pass --log-base" in note for note in read_table(path, ColumnMeaning(base=math.e)).notes)


GOOD = text(np.ones((3, 4, 2))).splitlines()


def changed(line: int, column: str, value: str) -> str:
    lines = [row.split(",") for row in GOOD]
    lines[line - 1][HEADER.split(",").index(column)] = value
    return "\n".join(",".join(row) for row in lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("\n".join([GOOD[0].replace("last_norm", "norm"), *GOOD[1:]]), "last_norm missing", id="no column"),
        pytest.param("", "log_sparsity, log_weight, last_norm, last_polysemanticity missing", id="empty file"),
        pytest.param(GOOD[0], "expected a row for each cell", id="no rows"),
        pytest.param(GOOD[0].replace("log_weight_index", "last_norm"), "last_norm more than once", id="column twice"),
        pytest.param(
            changed(3, "last_norm", "nan"), r"line 3, column last_norm: expected a finite number, got 'nan'", id="NaN"
        ),
        pytest.param(changed(5, "log_weight", "high"), r"line 5, column log_weight: .* got 'high'", id="no number"),
        pytest.param(changed(5, "log_weight", ""), r"line 5, column log_weight: .* got ''", id="empty cell"),
        pytest.param(
            "\n".join([*GOOD[:3], "1,2,3"]), r"line 4, column log_weight: .* got None|line 4, column", id="short"
        ),
        pytest.param(changed(4, "last_norm", "-1"), r"line 4, column last_norm: expected a number that", id="negative"),
        pytest.param(
            changed(2, "last_polysemanticity", "-0.1"), "line 2, column last_polysemanticity: expected", id="overlap"
        ),
        pytest.param("\n".join([*GOOD, GOOD[3]]), r"line 14, columns .* got the cell of line 4 again", id="twice"),
        pytest.param("\n".join(GOOD[:-1]), "3 × 4 cells in .*, but 1 are missing, the first at density 0.5", id="gap"),
        pytest.param("\n".join(GOOD[:5]), "at least 2 densities and 2 importances", id="one density"),
        pytest.param(changed(2, "log_sparsity", "0.5"), r"line 3, column log_sparsity: .* one sign", id="both signs"),
        pytest.param(changed(2, "log_weight", "999"), "line 2, column log_weight: expected the logarithm", id="huge"),
        pytest.param(changed(2, "log_sparsity", "-999"), "line 2, column log_sparsity: expected", id="tiny"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(table_file(tmp_path, content))


def test_bytes_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_bytes(b"\xff\xfe\x00\x01" * 9)
    with pytest.raises(ValueError, match="can't read a table from"):
        read_table(tmp_path / "cells.csv")
    with pytest.raises(ValueError, match=r"nowhere.csv doesn't exist"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"quantity": "density-ish"}, "log_sparsity must mean one of"),
        ({"overlap": "cubes"}, "overlap must be one of root, squares"),
        ({"base": 1.0}, "base of the logarithms must be finite and above 1"),
    ],
)
def test_meanings_are_checked(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ColumnMeaning(**given)


def test_a_large_grid_is_thinned_and_says_so(tmp_path: Path) -> None:
    table = read_table(table_file(tmp_path, "\n".join(GOOD)))
    thin = table.thinned(2)
    assert thin.norm.shape == (2, 2)
    np.testing.assert_array_equal(thin.importance, table.importance[::2])
    assert "of 3 densities and 4 importances one in 2 was compared" in thin.notes[-1]
    assert table.thinned(4) is table


# --- Judging -----------------------------------------------------------------------------------------------------


def judged(folder: Path, measured: Any, **options: Any) -> tuple[xr.Dataset, Any]:
    dataset = compare_table(read_table(table_file(folder, text(measured))), **options)
    return dataset, table_account(dataset)


def test_exact_global_minima_are_all_global(tmp_path: Path, exact: DiagramMinima) -> None:
    measured = pairs(exact, lambda found: found[0])
    # The direction of what isn't stored is noise.
    measured[measured[..., 0] == 0] = (0.001, 0.63)
    dataset, account = judged(tmp_path, measured)
    assert account.outcomes == {"global": 12, "other": 0, "between": 0, "none": 0}
    assert account.distance_99 <= 0.001 + tolerance("eigenvalue")
    # More than one phase is the cheapest on this grid.
    assert len(set(dataset["minimum_phase"].values[..., 0].ravel())) > 1


def test_other_minima_are_named(tmp_path: Path, exact: DiagramMinima) -> None:
    labels = [point.phase for point in exact.live(0, 1)]
    assert (labels[0], labels[1]) == ("digon(1,2)", "merged(1,2)")
    measured = pairs(exact, lambda found: found[0])
    measured[0, 1] = pair(exact.live(0, 1)[1].weights)
    account = judged(tmp_path, measured)[1]
    assert account.outcomes == {"global": 11, "other": 1, "between": 0, "none": 0}
    assert account.other_endings == {"merged(1,2)": 1}


def test_averages_over_minima_are_near_none(tmp_path: Path, exact: DiagramMinima) -> None:
    several = [
        (i, j)
        for i, j in np.ndindex(3, 4)
        if len(exact.live(i, j)) > 1
        and np.linalg.norm(pair(exact.live(i, j)[0].weights) - pair(exact.live(i, j)[1].weights))
        > 4 * foreign.TOLERANCE
    ]
    assert len(several) >= 3
    measured = pairs(exact, lambda found: found[0])
    for i, j in several:
        measured[i, j] = (measured[i, j] + pair(exact.live(i, j)[1].weights)) / 2
    dataset, account = judged(tmp_path, measured)
    outcomes = dataset["foreign_outcome"].values
    names = {foreign.TABLE_OUTCOMES[outcomes[cell]] for cell in several}
    assert names == {"between"}
    assert account.outcomes["global"] == 12 - len(several)


def test_what_lies_nowhere_is_near_none(tmp_path: Path, exact: DiagramMinima) -> None:
    measured = pairs(exact, lambda found: found[0])
    measured[1, 2] = 3.0, 3.0
    dataset, account = judged(tmp_path, measured)
    assert account.outcomes == {"global": 11, "other": 0, "between": 0, "none": 1}
    assert foreign.TABLE_OUTCOMES[dataset["foreign_outcome"].values[1, 2]] == "none"
    assert dataset["foreign_distance"].values[1, 2] > 2


def test_of_minima_that_cost_the_same_the_nearest_is_shown() -> None:
    # Three equal features: any of them may be the one with a dimension of its own.
    diagram = diagram_minima([0.3, 0.4], [1.0, 1.1], n_features=3, n_hidden=2)
    points = diagram.live(0, 0)
    labels = [point.phase for point in points if point.loss < points[0].loss + tolerance("law")]
    assert len(labels) == 3
    for point in points[:3]:
        norm, overlap, _ = foreign.last_feature(point.weights)
        entry = foreign._judged(diagram, (0, 0), np.array([norm, overlap]), "root", foreign.TOLERANCE)
        assert (entry["exact_norm"], entry["exact_overlap"]) == pytest.approx((norm, overlap), abs=1e-3)
        assert foreign.TABLE_OUTCOMES[entry["foreign_outcome"]] == "global"


def test_squares_are_the_root_squared(tmp_path: Path, exact: DiagramMinima) -> None:
    measured = pairs(exact, lambda found: found[0])
    squared = measured.copy()
    squared[..., 1] **= 2
    table = read_table(table_file(tmp_path, text(squared)), ColumnMeaning(overlap="squares"))
    assert table_account(compare_table(table)).outcomes["global"] == 12


def test_the_tolerance_decides(tmp_path: Path, exact: DiagramMinima) -> None:
    measured = pairs(exact, lambda found: found[0])
    measured[..., 0] += 0.03
    assert judged(tmp_path, measured, tolerance=0.04)[1].outcomes["global"] == 12
    assert judged(tmp_path, measured, tolerance=0.001)[1].outcomes["global"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance must be finite and positive"),
        ({"tolerance": float("nan")}, "tolerance must be finite and positive"),
        ({"n_features": 5, "n_hidden": 2}, "published candidates are known for"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_table(read_table(table_file(tmp_path, "\n".join(GOOD))), **options)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([[1.0, -0.5]], (0.5, 1.0, 1.0)),
        ([[0.8, 0.0]], (0.0, 0.0, 0.8)),
        ([[1.0, 0.0, 0.6], [0.0, 2.0, 0.8]], (1.0, np.sqrt(0.36 + 2.56), 2.0)),
    ],
)
def test_length_and_overlap_of_the_last_feature(weights: Any, expected: Any) -> None:
    assert foreign.last_feature(np.array(weights)) == pytest.approx(expected, abs=tolerance("rounding"))


@pytest.mark.parametrize(
    ("point", "distance"),
    [((0.25, 0.25), 0.0), ((0.0, 0.0), 0.0), ((-1.0, 0.0), 1.0), ((1.0, 1.0), np.sqrt(0.5)), ((0.5, -2.0), 2.0)],
)
def test_distance_from_a_hull(point: Any, distance: float) -> None:
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert foreign._hull_distance(np.array(point), triangle) == pytest.approx(distance, abs=tolerance("rounding"))


# --- Figure and command line ---------------------------------------------------------------------------------------


def texts(figure: Figure) -> list[str]:
    return [axes.get_xlabel() + axes.get_ylabel() + axes.get_title(loc="left") for axes in figure.axes]


def test_the_figure_names_its_axes(tmp_path: Path, exact: DiagramMinima) -> None:
    figure = figures.foreign_figure(*judged(tmp_path, pairs(exact, lambda found: found[0])))
    panels = figure.axes[:6]
    assert [axes.get_xlabel() for axes in panels] == [""] * 3 + ["feature density 1−S"] * 3
    assert {axes.get_xscale() for axes in panels} == {"log"}
    assert panels[2].get_title(loc="left") == "(c) 100.0% near the cheapest"
    legend = [entry.get_text() for entry in figure.legends[0].get_texts()]
    assert legend[0] == "near the cheapest minimum: 100.0%"
    assert any("length" in text for text in texts(figure))
    # These axes cover less than a decade.
    figure.canvas.draw()
    numbers = [label.get_text() for label in panels[3].get_xticklabels(minor=True)]
    assert {"0.2", "0.5"} <= set(numbers)
    # Panels of one quantity have one scale.
    for measured, theory in ((0, 1), (3, 4)):
        limits = [panels[k].collections[0].get_clim() for k in (measured, theory)]
        assert limits[0] == limits[1]


def test_a_table_is_drawn_and_accounted_for(command: Any, tmp_path: Path, exact: DiagramMinima) -> None:
    average = pairs(exact, lambda found: sum(found) / len(found))
    path, out = table_file(tmp_path, text(average)), tmp_path / "out"
    code, shown, err = command("diagram", "--from", str(path), "--out", str(out))
    assert (code, err) == (0, "")
    assert "12 cells" in shown
    assert "what an average over seeds gives" in " ".join(shown.split())
    assert sorted(entry.name for entry in out.iterdir()) == ["foreign-table.zarr", "foreign.json", "foreign.png"]
    assert (out / "foreign.png").read_bytes().startswith(PNG)
    printed = json.loads(command("diagram", "--from", str(path), "--out", str(out), "--json")[1])
    assert printed == json.loads((out / "foreign.json").read_text())
    assert sum(printed["outcomes"].values()) == printed["cells"] == 12
    assert printed["outcomes"]["between"] >= 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--from OUT/no.csv", "no.csv doesn't exist", id="no such table"),
        pytest.param("--from OUT/no.npz", "no.npz doesn't exist", id="no such weights"),
        pytest.param("--from cells.csv --log-base ten", "base of the logarithms must be a number or e", id="base"),
        pytest.param("--from cells.csv --log-sparsity odd", "log_sparsity must mean one of", id="quantity"),
        pytest.param("--from cells.csv --overlap odd", "overlap must be one of", id="overlap"),
        pytest.param("--from cells.csv --tolerance -1", "tolerance must be finite and positive", id="tolerance"),
        pytest.param("--from cells.csv --cells 1", "cells must be at least 2", id="cells"),
        pytest.param("--from bare.npz", "a phase diagram needs the density and importance of each model", id="bare"),
        pytest.param("--from bare.npz --layout odd", "layout must be one of", id="layout"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(command: Any, tmp_path: Path, words: str, message: str) -> None:
    table_file(tmp_path, "\n".join(GOOD))
    np.savez(tmp_path / "bare.npz", W=np.ones((4, 1, 2)))
    out = tmp_path / "out"
    for name in ("cells.csv", "bare.npz"):
        words = words.replace(f" {name}", f" {tmp_path / name}")
    code, shown, err = command("diagram", *words.replace("OUT", str(out)).split(), "--out", str(out))
    assert (code, shown) == (2, "")
    assert err.startswith("tegum: ")
    assert err.count("\n") == 1, err
    assert message in err
    assert not out.exists()
