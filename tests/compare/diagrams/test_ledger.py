"""The account of every run: labelled one by one and counted, never averaged."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.compare.diagrams import Account, agreement, minima_of, model_of
from tegum.compare.judgement import AT_A_SADDLE, ELSEWHERE, IN, ON_THE_WAY, Recipe
from tegum.theory import expected_loss, phase
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import diagram_minima
from tests.support.tolerances import tolerance
from tests.support.trained import trained_by_hand

# Behind the face: the layout itself is tested, part by part.
parts: Any = import_module("tegum.compare.diagrams.dataset")
# Behind the face: margins of the account are tested at their edge.
grid: Any = import_module("tegum.compare.diagrams.cells")

PHASES = ["digon(1,2)", "axis(1) + drop(2)", "merged(1,2)", "cluster(1,2)"]
DIGON, AXIS, MERGED, CLUSTER = range(4)
GLOBAL, OTHER, UNEXPLAINED = range(3)
DENSITY, IMPORTANCE = (0.1, 0.4), (0.5, 2.0)
# Of runs that are put into minima by hand no noise has to be explained.
EXACT = Recipe(learning_rate=1.0, steps=0, batch_size=1, objective="exact")


def curve(density: Any, importance: Any, cheapest: Any = True) -> BoundaryCurve:
    count = len(np.atleast_1d(density))
    return BoundaryCurve(
        kind="coexistence",
        phases=("axis(1) + drop(2)", "digon(1,2)"),
        mechanism="first order",
        x=np.array(density, dtype=np.float64),
        y=np.array(importance, dtype=np.float64),
        residual=np.zeros(count),
        error=np.zeros(count),
        cheapest=np.broadcast_to(cheapest, count).copy(),
        status="complete",
        reason="made by hand",
    )


def with_curves(dataset: xr.Dataset, *curves: BoundaryCurve) -> xr.Dataset:
    more = parts.curves_dataset(curves)
    merged = dataset.merge(more)
    merged.attrs = dataset.attrs | more.attrs
    return merged


def by_hand(density: Any = DENSITY) -> xr.Dataset:
    """Return 2 × 2 cells of 3 seeds. Minima cost 1 and 2 in each cell; the digon is cheapest but in the last cell."""
    cell, run = ("density", "importance"), ("density", "importance", "seed")
    outcome = [
        [[GLOBAL, GLOBAL, GLOBAL], [GLOBAL, OTHER, OTHER]],
        [[OTHER, OTHER, UNEXPLAINED], [GLOBAL, OTHER, OTHER]],
    ]
    ended = [
        [[DIGON, DIGON, DIGON], [DIGON, MERGED, MERGED]],
        [[MERGED, MERGED, CLUSTER], [AXIS, DIGON, DIGON]],
    ]
    polished = [[[1.0, 1.0, 1.0], [1.0, 2.0, 2.0]], [[2.0, 2.0, 3.0], [1.0, 2.0, 2.0]]]
    verdict = [
        [[IN, IN, ON_THE_WAY], [IN, IN, AT_A_SADDLE]],
        [[IN, IN, ELSEWHERE], [IN, ON_THE_WAY, IN]],
    ]
    nearest = np.array([[[0, 0, 0], [0, 1, 1]], [[1, 1, 1], [0, 1, 1]]])
    count = np.arange(12).reshape(2, 2, 3)
    at_one = np.array(verdict) == AT_A_SADDLE
    return xr.Dataset(
        {
            "minimum_phase": ((*cell, "minimum"), [[[DIGON, MERGED]] * 2, [[DIGON, MERGED], [AXIS, DIGON]]]),
            "minimum_loss": ((*cell, "minimum"), np.broadcast_to([1.0, 2.0], (2, 2, 2))),
            "published_phase": (cell, [[DIGON, AXIS], [AXIS, AXIS]]),
            "published_loss": (cell, [[1.5, 3.0], [1.25, 1.0]]),
            "outcome": (run, outcome),
            "trained_phase": (run, ended),
            "polished_loss": (run, polished),
            "trained_loss": (run, 1.25 * np.array(polished)),
            "polish_distance": (run, 0.1 * count),
            "verdict": (run, np.array(verdict, dtype=np.int8)),
            "nearest": (run, nearest.astype(np.int16)),
            # The nearest minima cost 1 and 2: these are relative excesses of 0, 1, … percent.
            "excess": (run, 0.01 * count * (1 + nearest)),
            "distance": (run, 0.2 * count),
            "saddle_phase": (run, np.where(at_one, AXIS, -1)),
            "saddle_index": (run, np.where(at_one, 2, 0)),
            "saddle_loss": (run, np.where(at_one, 2.25, np.nan)),
            "escapes": (run, [[[0, 0, 1], [0, 0, 0]], [[0, 2, 0], [0, 0, 0]]]),
        },
        coords={"density": np.array(density), "importance": np.array(IMPORTANCE), "seed": np.arange(3)},
        attrs={"format": parts.FORMAT, "n_features": 2, "n_hidden": 1, "phases": PHASES, "curves": []},
    )


def test_every_run_is_counted_once_under_its_verdict() -> None:
    ledger = agreement(by_hand())
    assert ledger.account == Account(
        runs=12,
        in_a_minimum=8,
        in_the_cheapest_minimum=4,
        on_the_way=2,
        at_a_saddle=1,
        elsewhere=1,
        best_seed_in_global_phase=3 / 4,
        cells_off_a_boundary=4,
    )
    assert (ledger.runs, ledger.cells) == (12, 4)
    assert ledger.account.share("on_the_way") == 2 / 12


def test_every_run_is_counted_once_under_the_basin_it_is_in() -> None:
    ledger = agreement(by_hand())
    assert ledger.basins == {"global": 5, "other": 6, "unexplained": 1}
    assert list(ledger.basins) == list(parts.OUTCOMES)
    assert sum(ledger.basins.values()) == ledger.runs


def test_where_polishing_leads_changes_nothing_in_the_account() -> None:
    dataset = by_hand()
    dataset["outcome"] = xr.zeros_like(dataset["outcome"])
    dataset["polished_loss"] = xr.ones_like(dataset["polished_loss"])
    dataset["trained_phase"] = xr.full_like(dataset["trained_phase"], DIGON)
    polished = agreement(dataset)
    assert polished.basins == {"global": 12, "other": 0, "unexplained": 0}
    assert polished.account == agreement(by_hand()).account


def test_runs_are_listed_by_the_phase_nearest_to_them() -> None:
    rows = {row.phase: row for row in agreement(by_hand()).phases}
    assert {phase: (row.runs, row.in_it) for phase, row in rows.items()} == {
        "digon(1,2)": (6, 4),
        "merged(1,2)": (5, 3),
        "axis(1) + drop(2)": (1, 1),
    }
    # Runs 0 to 3, 10 and 11.
    assert rows["digon(1,2)"].excess_median == pytest.approx(0.025, abs=tolerance("rounding"))
    assert rows["digon(1,2)"].distance_median == pytest.approx(0.5, abs=tolerance("rounding"))


def test_a_saddle_is_named_with_its_index_and_loss() -> None:
    (saddle,) = agreement(by_hand()).saddles
    assert (saddle.phase, saddle.index, saddle.runs) == ("axis(1) + drop(2)", 2, 1)
    assert (saddle.loss_low, saddle.loss_high) == (2.25, 2.25)


def test_endings_are_counted_by_phase() -> None:
    ledger = agreement(by_hand())
    assert ledger.endings == {"digon(1,2)": 6, "merged(1,2)": 4, "axis(1) + drop(2)": 1, "cluster(1,2)": 1}
    assert ledger.other_endings == {"merged(1,2)": 4, "digon(1,2)": 2}


def test_distances_are_summed_up() -> None:
    ledger = agreement(by_hand())
    assert ledger.escapes == 2
    for name, unit in (("polish_distance", 0.1), ("distance", 0.2), ("excess", 0.01)):
        assert getattr(ledger, f"{name}_median") == pytest.approx(5.5 * unit, abs=tolerance("rounding"))
        assert getattr(ledger, f"{name}_99") == pytest.approx(11 * 0.99 * unit, abs=tolerance("rounding"))


def test_the_published_verdict_is_compared_with_the_exact_one() -> None:
    # Cells (0, 1) and (1, 0) are digons by the exact loss.
    assert agreement(by_hand()).published_wrong == 2 / 4


def test_the_best_seed_is_the_one_of_least_exact_loss() -> None:
    # A single seed of three in the global minimum is enough: the majority doesn't vote.
    ledger = agreement(by_hand())
    assert (ledger.account.best_seed_in_global_phase, ledger.account.cells_off_a_boundary) == (3 / 4, 4)
    assert ledger.best_disagreements == [(0.4, 0.5, "merged(1,2)", "in", "digon(1,2)")]


@pytest.mark.parametrize(
    ("verdict", "word"), [(ON_THE_WAY, "on the way"), (AT_A_SADDLE, "at a saddle"), (ELSEWHERE, "elsewhere")]
)
def test_a_best_seed_that_is_in_no_minimum_is_not_right(verdict: int, word: str) -> None:
    # It is polished to the cheapest minimum, and nearest to it.
    dataset = by_hand()
    dataset["verdict"][0, 0, 0] = verdict
    ledger = agreement(dataset)
    assert ledger.basins == agreement(by_hand()).basins
    assert ledger.account.best_seed_in_global_phase == 2 / 4
    assert ledger.best_disagreements[0] == (0.1, 0.5, "digon(1,2)", word, "digon(1,2)")


@pytest.mark.parametrize(
    ("above", "agrees"),
    [pytest.param(grid.SAME_LOSS / 2, True, id="tie"), pytest.param(2 * grid.SAME_LOSS, False, id="dearer")],
)
def test_another_structure_at_the_same_cost_agrees(above: float, agrees: bool) -> None:
    dataset = by_hand()
    dataset["minimum_loss"] = dataset["minimum_loss"].copy()
    dataset["minimum_loss"][1, 0, 1] = 1.0 + above
    assert (agreement(dataset).best_disagreements == []) is agrees


@pytest.mark.parametrize(
    ("side", "factor", "excluded"),
    [
        pytest.param("above", 0.95, True, id="just inside, above"),
        pytest.param("below", 0.95, True, id="just inside, below"),
        pytest.param("above", 1.05, False, id="just outside, above"),
        pytest.param("below", 1.05, False, id="just outside, below"),
    ],
)
def test_cells_at_a_boundary_are_left_out_of_best_of_k(side: str, factor: float, excluded: bool) -> None:
    shift = factor * grid.BOUNDARY_MARGIN * (1 if side == "above" else -1)
    # The boundary runs at one density through all importances, close to the row with the cell that disagrees.
    boundary = curve([DENSITY[1] * np.exp(shift)] * 3, [0.1, 1.0, 10.0])
    ledger = agreement(with_curves(by_hand(), boundary))
    assert ledger.account.cells_off_a_boundary == (2 if excluded else 4)
    assert ledger.account.best_seed_in_global_phase == (1.0 if excluded else 3 / 4)
    assert len(ledger.best_disagreements) == (0 if excluded else 1)
    # Only best-of-k leaves cells out.
    assert ledger.runs == 12
    assert ledger.published_wrong == 2 / 4


def test_nearness_is_measured_in_density_along_a_sloping_boundary() -> None:
    # log density falls from log 0.4 to log 0.1 while log importance rises from log 0.5 to log 2.
    sloping = curve([0.4, 0.1], [0.5, 2.0])
    np.testing.assert_array_equal(grid.near_boundary(with_curves(by_hand(), sloping)), [[False, True], [True, False]])
    # Halfway in log importance is halfway in log density, √(0.8 · 0.05) = 0.2.
    middle = by_hand((0.1, 0.2)).assign_coords(importance=[0.5, 1.0])
    np.testing.assert_array_equal(
        grid.near_boundary(with_curves(middle, curve([0.8, 0.05], [0.25, 4.0]))), [[False, False], [False, True]]
    )


@pytest.mark.parametrize(
    ("boundary", "near"),
    [
        pytest.param(curve([0.1] * 3, [0.1, 1.0, 10.0]), [[True, True], [False, False]], id="whole"),
        pytest.param(curve([0.1] * 3, [0.1, 1.0, 10.0], False), [[False, False], [False, False]], id="not cheapest"),
        pytest.param(
            curve([0.1] * 3, [0.1, 1.0, 10.0], [False, True, True]),
            [[False, True], [False, False]],
            id="partly",
        ),
        pytest.param(curve([0.1] * 2, [0.1, 0.4]), [[False, False], [False, False]], id="ends before the cell"),
        pytest.param(curve([0.1] * 2, [0.1, 0.6]), [[True, False], [False, False]], id="ends between the cells"),
        pytest.param(curve([0.1] * 2, [10.0, 0.1]), [[True, True], [False, False]], id="runs downwards"),
    ],
)
def test_only_the_part_of_a_curve_that_bounds_the_global_phase_counts(
    boundary: BoundaryCurve, near: list[list[bool]]
) -> None:
    np.testing.assert_array_equal(grid.near_boundary(with_curves(by_hand(), boundary)), near)


def test_without_curves_no_cell_is_near_one() -> None:
    assert not grid.near_boundary(by_hand()).any()


def test_a_ledger_is_plain_json() -> None:
    ledger = agreement(by_hand())
    book = json.loads(json.dumps(ledger.as_json(), allow_nan=False))
    assert book["basins"] == ledger.basins
    # The account's counts are at the top, those of controls under their names.
    assert book | ledger.account.as_json() == book
    assert book["controls"] == {}
    assert book["best_disagreements"] == [[0.4, 0.5, "merged(1,2)", "in", "digon(1,2)"]]


def test_controls_stand_beside_the_runs() -> None:
    dataset = by_hand()
    control = Account(10, 1, 1, 6, 2, 1, float("nan"), 0)
    dataset.attrs["controls"] = {"untrained": json.loads(json.dumps(control.as_json(), allow_nan=False))}
    ledger = agreement(dataset)
    assert ledger.controls["untrained"].as_json() == control.as_json()
    assert ledger.as_json()["controls"] == {"untrained": control.as_json()}
    assert ledger.account == agreement(by_hand()).account


def test_a_diagram_without_verdicts_has_no_ledger() -> None:
    with pytest.raises(ValueError, match="runs judged by their own weights, got a phase diagram of an earlier version"):
        agreement(by_hand().drop_vars("verdict"))


def test_a_ledger_with_nothing_to_agree_on_is_plain_json_too() -> None:
    everywhere = [curve([density] * 2, [0.1, 10.0]) for density in DENSITY]
    ledger = agreement(with_curves(by_hand(), *everywhere))
    assert ledger.account.cells_off_a_boundary == 0
    book = json.loads(json.dumps(ledger.as_json(), allow_nan=False))
    assert book["best_seed_in_global_phase"] is None


@pytest.mark.parametrize("which", ["all", "one"])
def test_runs_that_diverged_are_elsewhere(which: str) -> None:
    dataset = by_hand()
    gone = np.ones((2, 2, 3), dtype=bool)
    if which == "one":
        gone[1:], gone[:, 1:], gone[..., 1:] = False, False, False
    dataset["outcome"] = dataset["outcome"].where(~gone, UNEXPLAINED)
    dataset["verdict"] = dataset["verdict"].where(~gone, ELSEWHERE)
    dataset["nearest"] = dataset["nearest"].where(~gone, -1)
    for name in ("trained_loss", "polish_distance", "excess", "distance"):
        dataset[name] = dataset[name].where(~gone)
    ledger = agreement(dataset)
    assert ledger.basins["unexplained"] == ledger.account.elsewhere == (12 if which == "all" else 2)
    assert ledger.runs == 12
    assert ledger.account.in_a_minimum == (0 if which == "all" else 7)
    json.dumps(ledger.as_json(), allow_nan=False)


def test_a_diagram_without_runs_has_no_ledger() -> None:
    with pytest.raises(ValueError, match="a ledger needs a phase diagram with trained runs"):
        agreement(by_hand().drop_dims("seed"))


def test_seeds_in_different_minima_are_counted_and_not_averaged() -> None:
    theory = parts.theory_dataset(diagram_minima([0.1, 0.5], [0.5, 1.5], starts=16))
    minima = minima_of(theory).minima
    weights, bias = np.zeros((2, 2, 3, 1, 2)), np.zeros((2, 2, 3, 2))
    for i, j in np.ndindex(2, 2):
        weights[i, j], bias[i, j] = minima[i][j][0].weights, minima[i][j][0].bias
    # At density 0.5 and importance 0.5 the pair is a minimum too; two of three seeds are caught in it.
    labels = [point.phase for point in minima[1][0]]
    pair = minima[1][0][labels.index("digon(1,2)")]
    assert labels[0] == "axis(1) + drop(2)"
    weights[1, 0, 1:], bias[1, 0, 1:] = pair.weights, pair.bias
    trained = trained_by_hand(weights, bias, expected_loss(model_of(theory).take((..., np.newaxis)), weights, bias))
    ledger = agreement(theory.merge(parts.trained_dataset(theory, trained, EXACT), combine_attrs="override"))
    assert ledger.basins == {"global": 10, "other": 2, "unexplained": 0}
    assert (ledger.account.in_a_minimum, ledger.account.in_the_cheapest_minimum) == (12, 10)
    assert ledger.endings == {"digon(1,2)": 11, "axis(1) + drop(2)": 1}
    assert ledger.other_endings == {"digon(1,2)": 2}
    assert ledger.account.best_seed_in_global_phase == 1.0
    # The mean of the sizes is a state that no seed is in, and that isn't even a minimum there.
    averaged = phase(np.abs(weights[1, 0]).mean(axis=0), bias[1, 0].mean(axis=0))
    assert averaged == "merged(1,2)"
    assert averaged not in ledger.endings
    assert averaged not in labels


def test_a_phase_that_no_candidate_stands_for_is_named_with_its_losses() -> None:
    dataset = by_hand()
    assert agreement(dataset).omissions == []
    dataset["minimum_phase"][0, :, 0] = MERGED
    dataset["minimum_phase"][0, :, 1] = DIGON
    (omission,) = agreement(dataset).omissions
    assert (omission.phase, omission.cells) == ("merged(1,2)", 2)
    # Of its two cells the one in which it gains most on the best candidate.
    assert (omission.density, omission.importance) == (DENSITY[0], IMPORTANCE[1])
    assert (omission.loss, omission.published_loss, omission.next_loss) == (1.0, 3.0, 2.0)
    assert (omission.published_phase, omission.next_phase) == ("axis(1) + drop(2)", "digon(1,2)")


def test_copies_under_exchanges_of_equal_features_are_one_phase() -> None:
    dataset = by_hand()
    dataset.attrs = dataset.attrs | {
        "n_features": 3,
        "n_hidden": 2,
        "phases": ["axis(1) + digon(2,3)", "digon(1,3) + axis(2)", "digon(1,2) + axis(3)", "triangle(1,2,3)"],
    }
    assert grid.phase_classes(dataset).tolist() == [
        "axis(1) + digon(2,3)",
        "axis(1) + digon(2,3)",
        "digon(1,2) + axis(3)",
        "triangle(1,2,3)",
    ]
    # The first two are one phase: the published verdict, one or the other, is right everywhere.
    assert agreement(dataset).published_wrong == 0
