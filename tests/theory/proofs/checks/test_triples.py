"""The check of three features: a proof that was found passes, and wrong claims planted in it don't."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from tegum.theory import Certificate, IndependentFeatures, ToyModel, check_certificate, expected_loss
from tegum.theory.numerics import as_fmpq
from tegum.theory.proofs.certificates import UNIT, NullCell, NullProof
from tests.support.internals import internals
from tests.support.places import DATA

# Behind the face: parts of the check.
triples = internals("proofs.checks.triples")
# Behind the face: parts of the check.
place = internals("proofs.checks.place")
# Behind the face: how a check fails.
account_of = internals("proofs.checks.account")

Data = dict[str, Any]
# Numbers of a cell in a file: chart, level, i, j, three multipliers, six slopes, three targets, and boxes of rows.
PLACE, SLOPES, TARGETS, ROWS = slice(1, 4), slice(7, 13), slice(13, 16), slice(16, 40)
# The least loss and curvature there, by the census.
LEAST, CURVATURE = 0.10220106372771162, 0.02199858
# Every so many cells have their rows checked where the rest would take too long.
SAMPLE = 60


@cache
def text() -> str:
    """Return the proof that the triangle is the global minimum at density 7/10, as `tegum certify` wrote it."""
    return gzip.decompress((DATA / "certificate-triangle.json.gz").read_bytes()).decode()


def data() -> Data:
    found: Data = json.loads(text())
    return found


def checked(planted: Data) -> Any:
    return check_certificate(Certificate.from_json(json.dumps(planted)))


def cells_of(found: Certificate) -> tuple[NullCell, ...]:
    assert isinstance(found.proof, NullProof)
    return found.proof.cells


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the rows of a sample of cells only."""
    cells, whole = cells_of(Certificate.from_json(text())), triples.rows_verified

    def sampled(*arguments: Any) -> Any:
        cell: NullCell = arguments[3]
        return whole(*arguments) if cell not in cells or cells.index(cell) % SAMPLE == 0 else (True, 0)

    monkeypatch.setattr(triples, "rows_verified", sampled)


@pytest.fixture(autouse=True, scope="module")
def known_convexity() -> Iterator[None]:
    """Show the same box to be convex once: most wrong claims leave it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "convexity", cache(place.convexity))
        yield


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the results of few cells at once, where the first of all decides."""
    monkeypatch.setattr(triples, "AT_ONCE", 1)


# --- What was found ----------------------------------------------------------------------------------------------


def test_the_file_says_what_was_proved() -> None:
    found = Certificate.from_json(text())
    assert (found.status, found.phase) == ("proved", "triangle(1,2,3)")
    assert found.loss.width < Fraction(1, 10**20)
    assert found.loss.distance(LEAST) < Fraction(1, 10**15)
    (minimum,) = found.minimisers
    assert minimum.symmetric
    assert minimum.curvature is not None
    assert 0 < minimum.curvature <= CURVATURE
    assert found.left == sum(len(cell.rows) > 0 for cell in cells_of(found))
    boxes, bounds = zip(*found.history, strict=True)
    assert list(boxes) == sorted(boxes)
    assert list(bounds) == sorted(bounds)
    assert found.budget is not None
    assert boxes[-1] <= found.boxes <= found.budget
    assert bounds[-1] <= found.loss.lower


@pytest.mark.usefixtures("few_rows")
def test_it_passes() -> None:
    done: list[int] = []
    found = check_certificate(Certificate.from_json(text()), report=done.append)
    assert found.status == "proved"
    assert done == list(range(1, found.boxes + 1))
    assert found.boxes == len(data()["proof"]["cells"])
    assert len(found.checked) == 6


@pytest.mark.slow
def test_it_passes_with_every_row() -> None:
    found = check_certificate(Certificate.from_json(text()))
    assert found.status == "proved"
    assert found.parts > 10**6


@pytest.mark.usefixtures("few_rows")
def test_claims_may_be_weaker_than_what_is_proved() -> None:
    weaker = data()
    weaker["loss"][0] = "1/10"
    claim = weaker["minimisers"][0]
    claim["curvature"], claim["symmetric"] = None, False
    claim["weights"][0] = ["87975/100000", "87976/100000"]
    claim["phase"] = weaker["phase"] = ""
    # Where the narrower enclosures of the others are.
    for side in (*claim["weights"][1:3], *claim["weights"][4:], *claim["bias"]):
        side[0], side[1] = str(Fraction(side[0]) - Fraction(1, 10**7)), str(Fraction(side[1]) + Fraction(1, 10**7))
    claim["weights"][0] = [str(Fraction(end)) for end in narrow(claim["weights"][0])]
    assert checked(weaker).status == "proved"


def narrow(side: list[str]) -> list[Fraction]:
    """Return an interval of width 1e-6 around the minimiser's W_11, inside the box in which it is the only one."""
    middle = Fraction(data()["proof"]["point"][0])
    assert Fraction(side[0]) < middle < Fraction(side[1])
    return [middle - Fraction(1, 2 * 10**6), middle + Fraction(1, 2 * 10**6)]


# --- Wrong claims ------------------------------------------------------------------------------------------------


def moved(side: list[str], by: Fraction) -> None:
    side[0], side[1] = str(Fraction(side[0]) + by), str(Fraction(side[1]) + by)


def wrong_minimum(wrong: Data) -> None:
    for record in (wrong, wrong["minimisers"][0]):
        moved(record["loss"], Fraction(-1, 10**15))


def minimum_of_the_whole_only(wrong: Data) -> None:
    moved(wrong["loss"], Fraction(1, 10**15))


def too_narrow_a_minimum(wrong: Data) -> None:
    wrong["loss"][0] = str(Fraction(wrong["loss"][1]) + Fraction(1, 10**60))
    wrong["loss"][1] = wrong["loss"][0]


def moved_minimiser(wrong: Data) -> None:
    moved(wrong["minimisers"][0]["weights"][4], Fraction(1, 10**9))


def moved_bias(wrong: Data) -> None:
    moved(wrong["minimisers"][0]["bias"][2], Fraction(-1, 10**9))


def turned_minimiser(wrong: Data) -> None:
    moved(wrong["minimisers"][0]["weights"][3], Fraction(1, 10**9))


def enclosure_of_more(wrong: Data) -> None:
    side = wrong["minimisers"][0]["weights"][0]
    side[0], side[1] = str(Fraction(side[0]) - 1), str(Fraction(side[1]) + 1)


def no_minimiser(wrong: Data) -> None:
    wrong["minimisers"] = []


def two_minimisers(wrong: Data) -> None:
    wrong["minimisers"].append(wrong["minimisers"][0])


def other_phase(wrong: Data) -> None:
    for record in (wrong, wrong["minimisers"][0]):
        record["phase"] = "cluster(1,2,3)"


def phase_of_the_whole_only(wrong: Data) -> None:
    wrong["phase"] = "cluster(1,2,3)"


def larger_curvature(wrong: Data) -> None:
    wrong["minimisers"][0]["curvature"] = "1/40"


def no_curvature(wrong: Data) -> None:
    wrong["minimisers"][0]["curvature"] = "0"


def other_density(wrong: Data) -> None:
    wrong["model"]["density"] = "71/100"


def density_off_by_a_rounding(wrong: Data) -> None:
    wrong["model"]["density"] = str(Fraction(0.7))


def impossible_density(wrong: Data) -> None:
    wrong["model"]["density"] = "3/2"


def other_importance(wrong: Data) -> None:
    wrong["model"]["importance"][2] = "999999999/1000000000"


def no_importance(wrong: Data) -> None:
    wrong["model"]["importance"][2] = "0"


def huge_importances(wrong: Data) -> None:
    wrong["model"]["importance"] = ["1" + "0" * 400] * 3


def penalty(wrong: Data) -> None:
    wrong["model"]["interference_penalty"] = "1/1000"


def unproved(wrong: Data) -> None:
    wrong["status"] = "not proved: box budget spent"


def missing_cell(wrong: Data) -> None:
    wrong["proof"]["cells"].pop(0)


def missing_open_cell(wrong: Data) -> None:
    wrong["proof"]["cells"].pop()


def gap_where_a_cell_was_cut_in_four(wrong: Data) -> None:
    # Its first quarter alone.
    cell = wrong["proof"]["cells"][0]
    cell[PLACE] = [cell[1] + 1, 2 * cell[2], 2 * cell[3]]


def double_cell(wrong: Data) -> None:
    wrong["proof"]["cells"].append(wrong["proof"]["cells"][0])


def cell_inside_another(wrong: Data) -> None:
    cell = list(wrong["proof"]["cells"][0])
    cell[PLACE] = [cell[1] + 1, 2 * cell[2], 2 * cell[3]]
    wrong["proof"]["cells"].append(cell)


def cell_outside(wrong: Data) -> None:
    cell = list(wrong["proof"]["cells"][0])
    cell[PLACE] = [3, 8, 0]
    wrong["proof"]["cells"].append(cell)


def cell_of_another_chart(wrong: Data) -> None:
    wrong["proof"]["cells"][0][0] = 2


def endless_cell(wrong: Data) -> None:
    wrong["proof"]["cells"][0][1] = 10**6


def huge_numbers(wrong: Data) -> None:
    wrong["proof"]["cells"][0][SLOPES] = [2**60] * 6


def no_cells(wrong: Data) -> None:
    wrong["proof"]["cells"] = []


def closed_without_reason(wrong: Data) -> None:
    wrong["proof"]["cells"][-1] = wrong["proof"]["cells"][-1][: ROWS.start]


def sum_that_is_too_low(wrong: Data) -> None:
    wrong["proof"]["cells"][0][TARGETS.start] -= 2**44


def low_threshold(wrong: Data) -> None:
    wrong["proof"]["threshold"] = str(Fraction(wrong["loss"][1]) - Fraction(1, 10**15))


def high_threshold(wrong: Data) -> None:
    wrong["proof"]["threshold"] = str(Fraction(wrong["proof"]["threshold"]) * Fraction(1001, 1000))


def threshold_that_bounds_nothing(wrong: Data) -> None:
    wrong["proof"]["threshold"] = "1"


def moved_point(wrong: Data) -> None:
    point = wrong["proof"]["point"]
    point[4] = str(Fraction(point[4]) + Fraction(1, 10**6))


def point_elsewhere(wrong: Data) -> None:
    wrong["proof"]["point"][0] = "1/2"


def endless_point(wrong: Data) -> None:
    point = wrong["proof"]["point"]
    point[7] = str(Fraction(point[7]) + Fraction(1, 3 * 10**900))


def rows_elsewhere(wrong: Data) -> None:
    for cell in wrong["proof"]["cells"]:
        if len(cell) > ROWS.start:
            cell[ROWS] = [x + 2**40 for x in cell[ROWS]]


def rows_of_no_matrix(wrong: Data) -> None:
    for cell in wrong["proof"]["cells"]:
        if len(cell) > ROWS.start:
            cell[16:24] = [1] * 4 + [0] * 4
            cell[24:32] = [1] * 4 + [0] * 4


# Those of single rows, at the cell that is looked at first.


def false_bound(wrong: Data) -> None:
    cell = wrong["proof"]["cells"][0]
    cell[TARGETS.start] += round(0.02 / float(UNIT))


def false_bounds_that_add_up(wrong: Data) -> None:
    cell = wrong["proof"]["cells"][0]
    cell[TARGETS.start] -= 2**46
    cell[TARGETS.start + 1] += 2**46


def false_slope(wrong: Data) -> None:
    cell = wrong["proof"]["cells"][0]
    cell[SLOPES.start] += 2**46
    cell[SLOPES.start + 2] -= 2**46


def false_multiplier(wrong: Data) -> None:
    wrong["proof"]["cells"][0][4] += 2**47


def first_open(wrong: Data) -> list[int]:
    """Move the cell that holds the triangle's null vector (1, 1, 1) to the front."""
    cells = wrong["proof"]["cells"]
    (number,) = (k for k, cell in enumerate(cells) if cell[2] == cell[3] == 2 ** cell[1] - 1)
    cells.insert(0, cells.pop(number))
    cell: list[int] = cells[0]
    return cell


def rows_that_are_cut_off(wrong: Data) -> None:
    # G_11 of the minimiser is less than the lower end of its box.
    first_open(wrong)[ROWS.start] = round(Fraction(wrong["proof"]["point"][0]) ** 2 / UNIT) + 2**20


def false_bound_of_an_open_cell(wrong: Data) -> None:
    first_open(wrong)[TARGETS.start + 2] += 2**20


EARLY: list[Callable[[Data], None]] = [
    wrong_minimum, minimum_of_the_whole_only, too_narrow_a_minimum, moved_minimiser, moved_bias, turned_minimiser,
    enclosure_of_more, no_minimiser, two_minimisers, other_phase, phase_of_the_whole_only, larger_curvature,
    no_curvature, other_density, density_off_by_a_rounding, impossible_density, other_importance, no_importance,
    huge_importances, penalty, unproved, missing_cell, missing_open_cell, gap_where_a_cell_was_cut_in_four, double_cell,
    cell_inside_another, cell_outside, cell_of_another_chart, endless_cell, huge_numbers, no_cells,
    closed_without_reason, sum_that_is_too_low, low_threshold, high_threshold, threshold_that_bounds_nothing,
    moved_point, point_elsewhere, endless_point, rows_elsewhere, rows_of_no_matrix,
]  # fmt: skip
OF_ROWS: list[Callable[[Data], None]] = [
    false_bound, false_bounds_that_add_up, false_slope, false_multiplier, rows_that_are_cut_off,
    false_bound_of_an_open_cell,
]  # fmt: skip


@pytest.mark.parametrize("plant", EARLY, ids=lambda plant: plant.__name__)
def test_a_planted_wrong_claim_is_not_proved(plant: Callable[[Data], None]) -> None:
    wrong = data()
    plant(wrong)
    found = checked(wrong)
    assert found.status.startswith("not proved: ")
    # Before any row is looked at.
    assert found.parts == 0


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("plant", OF_ROWS, ids=lambda plant: plant.__name__)
def test_a_planted_wrong_bound_of_rows_is_not_proved(plant: Callable[[Data], None]) -> None:
    wrong = data()
    plant(wrong)
    assert checked(wrong).status.startswith("not proved: a row of cell ")


@pytest.mark.slow
def test_a_wrong_bound_of_the_last_cell_is_found() -> None:
    wrong = data()
    wrong["proof"]["cells"][-1][TARGETS.start] += 2**20
    assert checked(wrong).status.startswith("not proved: a row of cell ")


@pytest.mark.usefixtures("few_at_once")
def test_a_check_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triples, "MOST_OF_ALL", 10)
    assert checked(data()).status == "not proved: the check's budget of 10 boxes is spent"


# --- Parts of the check ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [Fraction(3, 10), Fraction(7, 10), Fraction(1)])
def test_rows_and_biases_of_small_losses_are_within_limits(density: Fraction) -> None:
    rng = np.random.default_rng(0)
    threshold = density / 3 - density**2 / 4
    limits = triples.row_limits(density, (1, 1, 1), threshold)
    size = float(limits.size)
    # With one hidden dimension a row may be anything; importances so small leave the first output alone.
    model = ToyModel(3, 1, IndependentFeatures(density), (1.0, 1e-200, 1e-200))
    s, g, h, b = rng.normal(size=(4, 3000)) * np.array([2 * size, 2, 2, 2])[:, None]
    root = np.sqrt(np.abs(s))
    losses = expected_loss(model, np.stack([root, g / root, h / root], axis=-1)[:, None], np.stack([b, b, b], axis=-1))
    inside = losses <= float(threshold)
    assert inside.any()
    assert (np.abs(s)[inside] <= size).all()
    assert ((float(limits.low) <= b) & (b <= float(limits.high)))[inside].all()


def cell(chart: int, *place: int) -> NullCell:
    level, i, j = place
    return NullCell(chart, (level, i, j), (0, 0, 0), ((0, 0), (0, 0), (0, 0)), (0, 0, 0), ())


def sixteenths(*but: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Return cells of level 2, some left out."""
    return [(2, i, j) for i in range(4) for j in range(4) if (i, j) not in but]


QUARTERS = [(1, i, j) for i in (0, 1) for j in (0, 1)]
ALIKE, LAST, NONE = (1, 1, 1), (1, 1, 2), (1, 2, 3)


@pytest.mark.parametrize(
    ("importance", "places", "covers"),
    [
        (ALIKE, {0: [(0, 0, 0)]}, True),
        (ALIKE, {0: QUARTERS}, True),
        (ALIKE, {0: QUARTERS[:3]}, False),
        (ALIKE, {}, False),
        # Where |v_j| ≥ |v_k| nothing need be listed.
        (ALIKE, {0: sixteenths((0, 1), (0, 2), (3, 1), (3, 2))}, True),
        (ALIKE, {0: sixteenths((0, 1), (1, 0))}, False),
        (LAST, {0: [(0, 0, 0)], 2: [(0, 0, 0)]}, True),
        (LAST, {2: [(0, 0, 0)]}, False),
        # Features 2 and 3 aren't alike.
        (LAST, {0: sixteenths((0, 1)), 2: [(0, 0, 0)]}, False),
        (NONE, {0: [(0, 0, 0)], 1: [(0, 0, 0)], 2: [(0, 0, 0)]}, True),
        (NONE, {0: [(0, 0, 0)], 1: [(0, 0, 0)]}, False),
    ],
)  # fmt: skip
def test_cells_cover_all_null_vectors_or_not(
    importance: tuple[int, int, int], places: dict[int, list[tuple[int, int, int]]], covers: bool
) -> None:
    cells = [cell(chart, *place) for chart, given in places.items() for place in given]
    if covers:
        triples.check_cover(cells, importance)
    else:
        with pytest.raises(account_of.FailedCheckError):
            triples.check_cover(cells, importance)


def test_factors_hold_the_weights_of_their_gram_matrices() -> None:
    rng = np.random.default_rng(0)
    near = place.Range
    for _ in range(20):
        W = rng.normal(size=(2, 3))
        W[1, 0], W[0, 0], W[1, 1] = 0, abs(W[0, 0]) + 0.3, abs(W[1, 1]) + 0.3
        gram = W.T @ W
        room = Fraction(1, 10**6)
        ranges = [[near(*(as_fmpq(Fraction(x) + sign * room) for sign in (-1, 1))) for x in row] for row in gram]
        found = place._factor(ranges)
        for x, side in zip(W.ravel()[[0, 1, 2, 4, 5]], found, strict=True):
            assert side.low <= as_fmpq(Fraction(x)) <= side.high
            assert float(side.width) < 1e-3
    # Parallel columns.
    flat = np.array([[1.0, 2, 3], [0, 0, 0]])
    assert place._factor([[near(*[as_fmpq(Fraction(x))] * 2) for x in row] for row in flat.T @ flat]) is None


@pytest.mark.parametrize(
    ("weights", "bias", "symmetric"),
    [
        ([0.879758775, -0.439879387, -0.439879387, 0.761893448, -0.761893448], [0.322530731] * 3, True),
        # A minimum too, but the second feature has its own place in it.
        ([0.8409871, 0.391820291, -0.53708066, 0.834357659, 0.647150421], [0.12103163, -0.19963626, 0.12103163], False),
    ],
    ids=["triangle", "cluster"],
)  # fmt: skip
def test_features_that_stand_alike_are_told_from_those_that_dont(
    weights: list[float], bias: list[float], symmetric: bool
) -> None:
    model = place.TripleModel(as_fmpq(Fraction(7, 10)), (as_fmpq(Fraction(1)),) * 3)

    def around(room: Fraction) -> Any:
        return tuple(place.Range(as_fmpq(Fraction(x) - room), as_fmpq(Fraction(x) + room)) for x in (*weights, *bias))

    at = place.Place(around(Fraction(1, 10**6)), around(Fraction(1, 10**8)), place.Range(0, 0))
    assert place._symmetric(model, at) == symmetric
    # Nothing is alike where importances differ.
    apart = model._replace(importance=tuple(as_fmpq(Fraction(x)) for x in (1, 2, 3)))
    assert not place._symmetric(apart, at)
