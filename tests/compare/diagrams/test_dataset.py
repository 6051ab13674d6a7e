"""The dataset of a phase diagram: what goes in comes out, from memory and from disk, and nothing else is believed."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.compare.diagrams import curves_of, load, minima_of, model_of, save
from tegum.compare.judgement import ELSEWHERE, IN, ON_THE_WAY, Recipe
from tegum.empirical.runs import TrainedModels
from tegum.theory import CriticalPoint, expected_loss
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import DiagramMinima, diagram_minima
from tegum.theory.storage import SHA256, UnverifiedWarning
from tests.support.damage import EQUAL, REFUSED, attacked
from tests.support.tolerances import tolerance
from tests.support.trained import trained_by_hand

# Behind the face: the layout itself is tested, part by part.
parts: Any = import_module("tegum.compare.diagrams.dataset")
# Behind the face: losses of the candidates, which the dataset holds as verdicts only.
published: Any = import_module("tegum.compare.diagrams.published")

DENSITY, IMPORTANCE = np.array([0.1, 0.5]), np.array([0.5, 1.5])
# How far a run is put from the minimum that it has to be polished to.
OFF = 1e-3
# Of runs that are put there by hand no noise has to be explained; by the second recipe, more than `OFF` is.
EXACT = Recipe(learning_rate=1.0, steps=0, batch_size=1, objective="exact")
NOISY = Recipe(learning_rate=0.01, steps=3000, batch_size=256)
# Rounding of a minimum that is found again by Newton's method.
FOUND_AGAIN = 1e-9


@pytest.fixture(scope="module")
def diagram() -> DiagramMinima:
    return diagram_minima(DENSITY, IMPORTANCE, starts=16)


@pytest.fixture(scope="module")
def theory(diagram: DiagramMinima) -> xr.Dataset:
    dataset: xr.Dataset = parts.theory_dataset(diagram)
    return dataset


def curve(points: int, kind: str, phases: tuple[str, ...], mechanism: str) -> BoundaryCurve:
    rng = np.random.default_rng(points)
    return BoundaryCurve(
        kind=kind,
        phases=phases,
        mechanism=mechanism,
        x=np.sort(rng.random(points)),
        y=10 * rng.random(points),
        residual=1e-13 * rng.random(points),
        error=1e-12 * rng.random(points),
        cheapest=rng.random(points) < 0.5,
        status="complete",
        reason=f"edge of the range at {points}",
    )


CURVES = (
    curve(5, "coexistence", ("axis(1) + drop(2)", "digon(1,2)"), "first order"),
    curve(9, "stability", ("merged(1,2)",), "fold"),
    curve(3, "stability", ("digon(1,2)",), "kink"),
)


def same(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    np.testing.assert_array_equal(first, second)


def test_minima_come_out_as_they_went_in(diagram: DiagramMinima, theory: xr.Dataset) -> None:
    found = minima_of(theory)
    assert (found.n_features, found.n_hidden) == (diagram.n_features, diagram.n_hidden) == (2, 1)
    same(found.density, diagram.density)
    same(found.importance, diagram.importance)
    sizes = [[len(cell) for cell in row] for row in diagram.minima]
    assert [[len(cell) for cell in row] for row in found.minima] == sizes
    # Cells of unequal length, so that the filling is put to the test.
    assert len(set(np.ravel(sizes))) > 1
    for row, found_row in zip(diagram.minima, found.minima, strict=True):
        for cell, found_cell in zip(row, found_row, strict=True):
            for point, found_point in zip(cell, found_cell, strict=True):
                for field in fields(CriticalPoint):
                    # In words, and not kept.
                    if field.name != "reason":
                        same(getattr(found_point, field.name), getattr(point, field.name))


def test_the_dataset_of_the_minima_of_a_dataset_is_that_dataset(theory: xr.Dataset) -> None:
    xr.testing.assert_identical(parts.theory_dataset(minima_of(theory)), theory)


def test_a_diagram_may_be_a_single_cell() -> None:
    diagram = diagram_minima([0.1], [1.0], starts=16)
    found = minima_of(parts.theory_dataset(diagram)).minima
    assert [[[point.phase for point in cell] for cell in row] for row in found] == [
        [[point.phase for point in diagram.minima[0][0]]]
    ]


def test_the_exact_part_holds_the_published_verdict(diagram: DiagramMinima, theory: xr.Dataset) -> None:
    losses = published.published_losses(diagram.model)
    np.testing.assert_array_equal(theory["published_loss"], losses.min(axis=-1))
    names = theory.attrs["phases"]
    for i, j in np.ndindex(2, 2):
        label = ("digon(1,2)", "axis(1) + drop(2)", "drop(1) + axis(2)")[int(losses[i, j].argmin())]
        assert names[int(theory["published_phase"][i, j])] == label


def test_the_models_are_those_of_the_cells(theory: xr.Dataset) -> None:
    model = model_of(theory)
    assert (model.n_features, model.n_hidden, model.batch_shape) == (2, 1, (2, 2))
    for i, j in np.ndindex(2, 2):
        point = minima_of(theory).minima[i][j][0]
        found = expected_loss(model.take((i, j)), point.weights, point.bias)
        np.testing.assert_allclose(found, point.loss, rtol=0, atol=tolerance("loss"))


@pytest.mark.parametrize("curves", [(), CURVES[:1], CURVES], ids=["none", "one", "of unequal lengths"])
def test_curves_come_out_as_they_went_in(curves: tuple[BoundaryCurve, ...]) -> None:
    found = curves_of(parts.curves_dataset(curves))
    assert len(found) == len(curves)
    for one, other in zip(found, curves, strict=True):
        for field in fields(BoundaryCurve):
            same(getattr(one, field.name), getattr(other, field.name))


def test_a_dataset_without_curves_has_none(theory: xr.Dataset) -> None:
    assert curves_of(theory) == ()


def whole(theory: xr.Dataset) -> xr.Dataset:
    merged = theory.merge(parts.curves_dataset(CURVES))
    merged.attrs = theory.attrs | {"curves": parts.curves_dataset(CURVES).attrs["curves"]}
    return merged


def test_what_is_saved_is_loaded_identically(tmp_path: Path, theory: xr.Dataset) -> None:
    dataset = whole(theory)
    save(dataset, tmp_path / "deep" / "diagram.zarr")
    found = load(tmp_path / "deep" / "diagram.zarr")
    xr.testing.assert_identical(found, dataset)
    for name, variable in dataset.variables.items():
        assert found[name].dtype == variable.dtype
    for one, other in zip(curves_of(found), CURVES, strict=True):
        for field in fields(BoundaryCurve):
            same(getattr(one, field.name), getattr(other, field.name))


def test_saving_replaces_and_leaves_nothing_beside(tmp_path: Path, theory: xr.Dataset) -> None:
    path = tmp_path / "diagram.zarr"
    save(whole(theory), path)
    save(theory, path)
    xr.testing.assert_identical(load(path), theory)
    assert [entry.name for entry in tmp_path.iterdir()] == ["diagram.zarr"]


def test_a_failed_save_keeps_what_was_there(
    tmp_path: Path, theory: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "diagram.zarr"
    save(theory, path)

    def full(_: xr.Dataset, store: Path, **__: Any) -> None:
        store.mkdir()
        (store / "zarr.json").write_text("{")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, "to_zarr", full)
        with pytest.raises(OSError, match="No space left"):
            save(whole(theory), path)
    xr.testing.assert_identical(load(path), theory)
    save(whole(theory), path)
    xr.testing.assert_identical(load(path), whole(theory))


def nothing(_: Path) -> None:
    pass


def folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("not a store")


def text_file(path: Path) -> None:
    path.write_text("not a store")


def other_store(path: Path) -> None:
    xr.Dataset({"a": ("x", np.ones(3))}).to_zarr(path, consolidated=False)


def other_attributes(path: Path) -> None:
    xr.Dataset({"a": ("x", np.ones(3))}, attrs={"title": "weather"}).to_zarr(path, consolidated=False)


def other_format(path: Path) -> None:
    save(xr.Dataset({"a": ("x", np.ones(3))}, attrs={"format": "tegum phase diagram 0"}), path)


def no_minima(path: Path) -> None:
    save(xr.Dataset({"published_phase": ("x", np.ones(3))}, attrs={"format": parts.FORMAT}), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(nothing, r"expected a phase diagram \(a zarr folder\), but .*store doesn't exist", id="missing"),
        pytest.param(folder, r"expected a phase diagram \(a zarr folder\), can't read .*store", id="folder"),
        pytest.param(text_file, r"expected a phase diagram \(a zarr folder\), can't read .*store", id="file"),
        pytest.param(other_store, f"expected a dataset of format '{parts.FORMAT}', got None in", id="other store"),
        pytest.param(
            other_attributes, r"expected a phase diagram \(a zarr folder\), can't read", id="other attributes"
        ),
        pytest.param(other_format, f"format '{parts.FORMAT}', got 'tegum phase diagram 0'", id="format"),
        pytest.param(
            no_minima,
            r"expected .* with variables \['density', 'importance', 'minimum_loss', 'minimum_phase'\]",
            id="part",
        ),
    ],
)
def test_something_else_is_not_loaded(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "store")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "store")


def test_a_damaged_store_is_not_loaded(tmp_path: Path, theory: xr.Dataset) -> None:
    save(theory, tmp_path / "store")
    chunk = max(
        (p for p in (tmp_path / "store" / "minimum_weights").rglob("*") if p.is_file()), key=lambda p: len(str(p))
    )
    chunk.write_bytes(b"\x00" * 7)
    with pytest.raises(ValueError, match=r"expected a phase diagram \(a zarr folder\), can't read"):
        load(tmp_path / "store")


# --- Trained runs ------------------------------------------------------------------------------------------------


def trained_at(theory: xr.Dataset, which: np.ndarray[Any, Any], off: float) -> TrainedModels:
    """Return runs that stopped at a distance from the listed minimum of each cell and seed, −1 for a diverged run."""
    minima, rng = minima_of(theory).minima, np.random.default_rng(0)
    weights, bias = np.full((*which.shape, 1, 2), np.nan), np.full((*which.shape, 2), np.nan)
    for i, j, k in np.argwhere(which >= 0):
        point = minima[i][j][which[i, j, k]]
        weights[i, j, k] = point.weights + off * rng.normal(size=(1, 2))
        bias[i, j, k] = point.bias + off * rng.normal(size=2)
    there = which >= 0
    losses = expected_loss(
        model_of(theory).take((..., np.newaxis)),
        np.where(there[..., None, None], weights, 0),
        np.where(there[..., None], bias, 0),
    )
    return trained_by_hand(weights, bias, np.where(there, losses, np.nan))


@pytest.fixture(scope="module")
def live(theory: xr.Dataset) -> np.ndarray[Any, Any]:
    """One run for every strict minimum, the rest diverged."""
    strict = (theory["minimum_phase"].values >= 0) & ~theory["minimum_degenerate"].values
    return np.where(strict, np.arange(strict.shape[-1]), -1)


def test_a_run_is_entered_under_the_minimum_it_came_from(theory: xr.Dataset, live: np.ndarray[Any, Any]) -> None:
    runs = parts.trained_dataset(theory, trained_at(theory, live, OFF), EXACT)
    np.testing.assert_array_equal(runs["ended_in"], live)
    outcome = np.where(live < 0, "unexplained", np.where(live == 0, "global", "other"))
    np.testing.assert_array_equal(np.array(parts.OUTCOMES)[runs["outcome"].values], outcome)
    assert set(np.ravel(outcome)) == set(parts.OUTCOMES)
    names, there = np.array(runs.attrs["phases"]), live >= 0
    assert runs.attrs["phases"][: len(theory.attrs["phases"])] == theory.attrs["phases"]
    expected = np.take_along_axis(theory["minimum_phase"].values, np.maximum(live, 0), axis=-1)
    np.testing.assert_array_equal(names[runs["trained_phase"].values][there], names[expected][there])


def test_polishing_ends_at_the_minimum_and_its_length_is_kept(theory: xr.Dataset, live: np.ndarray[Any, Any]) -> None:
    trained = trained_at(theory, live, OFF)
    runs, there = parts.trained_dataset(theory, trained, EXACT), live >= 0
    losses = np.take_along_axis(theory["minimum_loss"].values, np.maximum(live, 0), axis=-1)
    np.testing.assert_allclose(runs["polished_loss"].values[there], losses[there], rtol=0, atol=FOUND_AGAIN)
    assert (runs["trained_loss"].values > runs["polished_loss"].values)[there].all()
    np.testing.assert_array_equal(np.isnan(runs["trained_loss"].values), ~there)
    square = ((runs["polished_weights"].values - trained.weights) ** 2).sum(axis=(-1, -2))
    square += ((runs["polished_bias"].values - trained.bias) ** 2).sum(axis=-1)
    np.testing.assert_allclose(runs["polish_distance"].values, np.sqrt(square), rtol=tolerance("rounding"))
    assert 0 < runs["polish_distance"].values[there].max() < 10 * OFF


@pytest.mark.parametrize(
    ("recipe", "off", "verdict"),
    [(EXACT, 0.0, IN), (EXACT, OFF, ON_THE_WAY), (NOISY, OFF, IN)],
    ids=["the minimum itself", "beside it", "beside it, by noise"],
)
def test_a_run_is_judged_by_its_own_weights(
    theory: xr.Dataset, live: np.ndarray[Any, Any], recipe: Recipe, off: float, verdict: int
) -> None:
    trained = trained_at(theory, live, off)
    runs, there = parts.trained_dataset(theory, trained, recipe), live >= 0
    np.testing.assert_array_equal(runs["verdict"], np.where(there, verdict, ELSEWHERE))
    np.testing.assert_array_equal(runs["nearest"], live)
    lowest = np.take_along_axis(theory["minimum_loss"].values, np.maximum(live, 0), axis=-1)
    np.testing.assert_allclose(
        runs["excess"].values[there], (trained.loss - lowest)[there], rtol=0, atol=tolerance("loss")
    )
    np.testing.assert_array_equal(np.isnan(runs["distance"].values), ~there)


def test_runs_have_the_dimensions_of_the_documentation(theory: xr.Dataset, live: np.ndarray[Any, Any]) -> None:
    runs = parts.trained_dataset(theory, trained_at(theory, live, OFF), EXACT)
    cell = ("density", "importance", "seed")
    own = ("verdict", "nearest", "excess", "distance", "excess_allowed", "distance_allowed")
    saddles = ("saddle_loss", "saddle_index", "saddle_phase")
    polished = ("polished_loss", "polish_distance", "escapes", "trained_phase", "outcome", "ended_in")
    for name in ("trained_loss", *own, *saddles, *polished):
        assert runs[name].dims == cell
    for side in ("trained", "polished"):
        assert runs[f"{side}_weights"].dims == (*cell, "hidden", "feature")
        assert runs[f"{side}_bias"].dims == (*cell, "feature")
    assert runs["loss_history"].dims == ("record", *cell)


def test_damage_is_noticed(tmp_path: Path, theory: xr.Dataset) -> None:
    save(whole(theory), tmp_path / "diagram.zarr")
    counts, bad = attacked(tmp_path / "diagram.zarr", load, whole(theory).identical, 12)
    assert bad == []
    assert counts[REFUSED] > counts[EQUAL]


def test_a_diagram_of_the_first_format_is_read_with_a_warning(tmp_path: Path, theory: xr.Dataset) -> None:
    save(theory, tmp_path / "diagram.zarr")
    where = tmp_path / "diagram.zarr" / "zarr.json"
    metadata = json.loads(where.read_text())
    del metadata["attributes"][SHA256]
    metadata["attributes"]["format"] = json.dumps(parts.FIRST_FORMAT)
    where.write_text(json.dumps(metadata))
    with pytest.warns(UnverifiedWarning, match="former format without checksums"):
        found = load(tmp_path / "diagram.zarr")
    assert found.drop_attrs().identical(theory.drop_attrs())
