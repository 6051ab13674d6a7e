"""Certificates: what is known is inside of what they claim, and wrong claims don't pass the check."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from flint import fmpq

from tegum.theory import (
    Certificate,
    CorrelatedFeatures,
    IndependentFeatures,
    ToyModel,
    certify,
    check_certificate,
    enclosure,
    local_minima,
)
from tegum.theory.numerics import Interval
from tegum.theory.storage import SHA256, sealed
from tests.support.internals import internals
from tests.support.places import DATA
from tests.support.tolerances import half_unit

HALF = Fraction(1, 2)
TENTH, HUNDREDTH = Fraction(1, 10), Fraction(1, 100)
# How far float64 losses of the census may be from the truth.
TIGHT = Fraction(1, 10**14)
FLIPPED = {"axis(1) + drop(2)": "drop(1) + axis(2)", "digon(1,2)": "digon(1,2)"}


def pair(density: Any, first: Any = 1, second: Any = 1, penalty: Any = 0) -> ToyModel:
    return ToyModel(2, 1, IndependentFeatures(density), (first, second), interference_penalty=penalty)


@cache
def certified(density: Any, first: Any = 1, second: Any = 1, penalty: Any = 0) -> Certificate:
    return certify(pair(density, first, second, penalty))


def dropped(density: Fraction) -> Fraction:
    return density / 3 - density**2 / 4


# --- Known answers -----------------------------------------------------------------------------------------------


def test_it_proves_the_published_pair() -> None:
    found = certified(TENTH)
    assert found.status == "proved"
    assert found.phase == "digon(1,2)"
    # design.md section 2: W = ±(1.0058, −1.0058), b = (0.0012, 0.0012), L = 0.0033194840.
    assert found.loss.distance(0.0033194840) <= half_unit(10)
    (minimum,) = found.minimisers
    assert minimum.weights[0].distance(1.0058) <= half_unit(4)
    assert minimum.weights[1].distance(-1.0058) <= half_unit(4)
    assert max(side.distance(0.0012) for side in minimum.bias) <= half_unit(4)


@pytest.mark.parametrize(
    ("density", "importance", "penalty"),
    [(TENTH, Fraction(1, 50), 0), (Fraction(3, 8), Fraction(1, 4), 0), (Fraction(3, 8), Fraction(1, 4), TENTH)],
)
def test_a_dropped_feature_is_dropped_exactly(density: Fraction, importance: Fraction, penalty: Any) -> None:
    found = certified(density, 1, importance, penalty)
    assert (found.status, found.phase) == ("proved", "axis(1) + drop(2)")
    (minimum,) = found.minimisers
    assert minimum.weights == (Interval(Fraction(1), Fraction(1)), Interval(Fraction(0), Fraction(0)))
    assert minimum.bias == (Interval(Fraction(0), Fraction(0)), Interval(density / 2, density / 2))
    assert found.loss == minimum.loss == Interval(importance * dropped(density), importance * dropped(density))


def test_always_active_features_are_a_linear_problem() -> None:
    # The ReLU never clips at the optimum: the weaker of two independent directions is dropped.
    found = certified(1, 1, HALF)
    assert (found.status, found.phase) == ("proved", "axis(1) + drop(2)")
    assert found.loss == Interval(Fraction(1, 24), Fraction(1, 24))


def test_the_limit_of_stability_is_not_proved() -> None:
    # The transition is continuous there, and the global minimiser degenerate.
    r = stability(0.8)
    found = certify(pair(0.8, 1, r), max_boxes=3000)
    assert found.status.startswith("not proved: ")
    assert found.minimisers == ()
    assert found.phase == ""
    assert found.loss.distance(local_minima(pair(0.8, 1, r), merged=False)[0].loss) <= TIGHT
    assert not check_certificate(found).proved


def as_fmpq(value: Any) -> fmpq:
    return fmpq(*Fraction(value).as_integer_ratio())


def stability(density: float) -> float:
    """Return the importance at which an axis stops being a minimum."""
    # Behind the face: the argument of an axis by itself.
    core = internals("proofs.balls.axis_core")
    kappa = min(float(core.interference_cost(as_fmpq(density), fmpq(0), sign)) for sign in (1, -1))
    return kappa / (density / 3 - density**2 / 4)


@pytest.mark.parametrize("density", [0.1, 0.3, 0.5])
def test_the_axis_is_proved_up_to_its_limit_of_stability(density: float) -> None:
    core, bounds, boxes_of = (internals(f"proofs.balls.{name}") for name in ("axis_core", "bounds", "boxes"))
    half = fmpq(1, 2**14)
    box = boxes_of.WeightBox(boxes_of.Range(1 - half, 1 + half), boxes_of.Range(-half, half))
    for share, stable in ((0.995, True), (1.005, False)):
        r = Fraction(stability(density) * share)
        model = boxes_of.Pair(as_fmpq(density), (fmpq(1), as_fmpq(r)), fmpq(0))
        found, reason = core.axis_minimiser(bounds.PairBounds(model), box, 0)
        assert (found is not None) == stable, reason
        points = [point.phase for point in local_minima(pair(density, 1, float(r)), merged=False)]
        assert ("axis(1) + drop(2)" in points) == stable


@pytest.mark.slow
def test_always_active_pairs_of_either_sign_tie() -> None:
    # v and 1 − v have one law: f(s, g, β) = f(s, −g, β + g).
    found = certified(1)
    assert found.status == "proved"
    assert found.phase == "digon(1,2) or merged(1,2)"
    assert len(found.minimisers) == 4
    assert found.loss.upper < Fraction(1, 12)


def test_two_minimisers_that_an_exchange_maps_to_each_other() -> None:
    found = certified(Fraction(3, 8), 1, 1, 1)
    assert found.status == "proved"
    assert found.phase == "axis(1) + drop(2) or drop(1) + axis(2)"
    assert {minimum.phase for minimum in found.minimisers} == set(found.phase.split(" or "))
    assert found.loss == Interval(dropped(Fraction(3, 8)), dropped(Fraction(3, 8)))


@pytest.mark.parametrize(("density", "importance"), [(TENTH, Fraction(1, 50)), (HUNDREDTH, Fraction(3))])
def test_exchanging_features_exchanges_the_answer(density: Fraction, importance: Fraction) -> None:
    one, two = certified(density, 1, importance), certified(density, importance, 1)
    assert one.status == two.status == "proved"
    assert two.phase == FLIPPED[one.phase]
    (a,), (b,) = one.minimisers, two.minimisers
    sign = 1 if a.weights[0].midpoint * b.weights[1].midpoint >= 0 else -1
    for side, other in zip((*a.weights, *a.bias), (b.weights[1], b.weights[0], b.bias[1], b.bias[0]), strict=True):
        turned = other if sign > 0 or side in a.bias else Interval(-other.upper, -other.lower)
        assert meets(side, turned)
    assert meets(one.loss, two.loss)


def meets(one: Interval, two: Interval) -> bool:
    return one.lower <= two.upper and two.lower <= one.upper


def test_the_loss_is_linear_in_importances_and_penalty() -> None:
    one, two = certified(HUNDREDTH, 1, 3, TENTH), certified(HUNDREDTH, 7, 21, 7 * TENTH)
    assert one.phase == two.phase
    assert meets(Interval(7 * one.loss.lower, 7 * one.loss.upper), two.loss)


@pytest.mark.parametrize("penalty", [0, Fraction(1, 1000)])
def test_no_point_costs_less_and_the_minimiser_costs_as_much(penalty: Any) -> None:
    model, found = pair(HUNDREDTH, 1, 3, penalty), certified(HUNDREDTH, 1, 3, penalty)
    (minimum,) = found.minimisers
    inside = [(side.lower + side.upper) / 2 for side in (*minimum.weights, *minimum.bias)]
    assert enclosure(model, [inside[:2]], inside[2:]).loss.upper >= found.loss.lower
    assert minimum.loss.lower <= enclosure(model, [inside[:2]], inside[2:]).loss.upper
    rng = np.random.default_rng(0)
    for scale in (1e-3, 1e-1, 1):
        for shift in rng.normal(scale=scale, size=(5, 4)):
            point = np.array([float(x) for x in inside]) + shift
            assert enclosure(model, [point[:2]], point[2:]).loss.upper >= found.loss.lower


@pytest.mark.parametrize("density", [HUNDREDTH, TENTH, Fraction(3, 8), Fraction(9, 10)])
def test_the_census_agrees(density: Fraction) -> None:
    best = local_minima(pair(density, 1, 2), merged=False)[0]
    found = certified(density, 1, 2)
    assert found.status == "proved"
    assert found.phase == best.phase
    assert found.loss.distance(best.loss) <= TIGHT
    for side, x in zip(found.minimisers[0].weights, best.weights.ravel(), strict=True):
        assert side.distance(float(x)) <= Fraction(1, 10**9)


# --- The budget --------------------------------------------------------------------------------------------------


def test_a_spent_budget_is_said_and_its_interval_holds() -> None:
    full, cut = certified(TENTH), certify(pair(TENTH), max_boxes=100)
    assert cut.status == f"not proved: box budget spent, {cut.left} boxes are left"
    assert cut.reason == "box budget spent"
    assert cut.left > 0
    assert cut.loss.lower <= full.loss.lower <= full.loss.upper <= cut.loss.upper
    assert cut.loss.lower < full.loss.lower


@pytest.mark.parametrize("budget", [1, 2, 10, 50, 100, 116, 117, 1000])
def test_no_more_boxes_are_looked_at_than_were_asked_for(budget: int) -> None:
    found = certify(pair(HUNDREDTH), max_boxes=budget)
    assert found.budget == budget
    assert found.boxes <= budget
    assert found.proved == (found.reason != "box budget spent")
    assert 0 <= found.loss.lower <= certified(HUNDREDTH).loss.lower
    boxes, bounds = zip(*found.history, strict=True) if found.history else ((), ())
    assert list(boxes) == sorted(boxes)
    assert list(bounds) == sorted(bounds)
    assert all(bound <= found.loss.lower for bound in bounds)


def test_a_larger_budget_gives_no_worse_a_bound() -> None:
    lower = [certify(pair(TENTH), max_boxes=budget).loss.lower for budget in (1, 30, 100, 300, 1000)]
    assert lower == sorted(lower)
    assert 0 == lower[0] < lower[-1]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ToyModel(3, 1, IndependentFeatures(0.5)), "three in two, got n_features=3, n_hidden=1"),
        (ToyModel(2, 1, IndependentFeatures([[0.5], [0.6]])), "batch shape"),
        (ToyModel(2, 1, IndependentFeatures([0.5, 0.6])), "one density"),
        (ToyModel(2, 1, IndependentFeatures(0.5, amplitude="symmetric")), "uniform on"),
        (ToyModel(2, 1, CorrelatedFeatures(0.5, groups=((0, 1),))), "IndependentFeatures"),
        (ToyModel(2, 1, IndependentFeatures(0.5), weight_penalty=0.1), "weight_penalty"),
        (ToyModel(2, 1, IndependentFeatures(0.5), activation_penalty=0.1), "activation_penalty"),
        ("a model", "ToyModel"),
    ],
)
def test_models_without_proofs_are_refused(model: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        certify(model)


@pytest.mark.parametrize("budget", [0, -1, 1.5, True])
def test_budgets_that_are_none_are_refused(budget: Any) -> None:
    with pytest.raises(ValueError, match="max_boxes"):
        certify(pair(TENTH), max_boxes=budget)


# --- The file and its check --------------------------------------------------------------------------------------

SUBJECTS = {"digon": (HUNDREDTH,), "axis": (Fraction(3, 8), 1, Fraction(1, 4), TENTH)}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_file_holds_all_and_passes_the_check(subject: str) -> None:
    found = certified(*SUBJECTS[subject])
    again = Certificate.from_json(found.to_json())
    assert (again.model, again.status, again.phase, again.loss) == (found.model, found.status, found.phase, found.loss)
    assert again.minimisers == found.minimisers
    assert (again.boxes, again.budget, again.left) == (found.boxes, found.budget, found.left)
    assert (again.reason, again.history) == (found.reason, found.history)
    assert again.proof == found.proof
    checked = check_certificate(again)
    assert checked.status == "proved"
    assert checked.boxes == found.listed


def test_files_of_the_first_format_are_still_read() -> None:
    found = Certificate.from_json((DATA / "certificate-1.json").read_text())
    assert (found.phase, found.budget, found.history) == ("digon(1,2)", None, ())
    assert found.minimisers == certified(HUNDREDTH).minimisers
    assert check_certificate(found).proved


Data = dict[str, Any]


def lower_minimum(data: Data) -> None:
    data["loss"] = [str(Fraction(end) * Fraction(999, 1000)) for end in data["loss"]]


def narrow_minimum(data: Data) -> None:
    # All but the least loss itself.
    data["loss"][0] = data["loss"][1] = str(Fraction(data["loss"][1]) + Fraction(1, 10**40))


def shifted_enclosure(data: Data) -> None:
    side = data["minimisers"][0]["weights"][0]
    side[0] = side[1] = str(Fraction(side[1]) + Fraction(1, 10**40))


def other_bias(data: Data) -> None:
    side = data["minimisers"][0]["bias"][1]
    side[0] = side[1] = str(Fraction(side[1]) * Fraction(11, 10))


def other_phase(data: Data) -> None:
    for record in (data, data["minimisers"][0]):
        record["phase"] = "merged(1,2)"


def phase_of_the_whole_only(data: Data) -> None:
    data["phase"] = "merged(1,2)"


def no_minimiser(data: Data) -> None:
    data["minimisers"] = []


def missing_box(data: Data) -> None:
    data["proof"]["boxes"]["above"].pop()


def double_box(data: Data) -> None:
    data["proof"]["boxes"]["above"].append(data["proof"]["boxes"]["above"][0])


def box_inside_another(data: Data) -> None:
    level, i, j = data["proof"]["boxes"]["above"][0]
    data["proof"]["boxes"]["above"].append([level + 1, 2 * i, 2 * j])


def box_called_a_core(data: Data) -> None:
    boxes = data["proof"]["boxes"]
    boxes["core"].append(boxes["above"].pop())


def core_called_above(data: Data) -> None:
    boxes = data["proof"]["boxes"]
    boxes["above"] += boxes.pop("core")


def low_threshold(data: Data) -> None:
    data["proof"]["threshold"] = str(Fraction(data["proof"]["threshold"]) * Fraction(999, 1000))


def small_domain(data: Data) -> None:
    data["proof"]["exponent"] -= 1


def no_core(data: Data) -> None:
    data["proof"]["cores"] = []


def wide_core(data: Data) -> None:
    core = data["proof"]["cores"][0]
    core["box"] = [[str(Fraction(low) - 1), str(Fraction(high) + 1)] for low, high in core["box"]]


def core_elsewhere(data: Data) -> None:
    data["proof"]["cores"][0]["box"] = [["1/2", "5/8"], ["1/2", "5/8"]]


def other_density(data: Data) -> None:
    data["model"]["density"] = str(Fraction(data["model"]["density"]) * Fraction(101, 100))


def other_importance(data: Data) -> None:
    data["model"]["importance"][1] = str(Fraction(data["model"]["importance"][1]) * Fraction(101, 100))


def other_penalty(data: Data) -> None:
    data["model"]["interference_penalty"] = "1"


def impossible_density(data: Data) -> None:
    data["model"]["density"] = "3/2"


def unproved(data: Data) -> None:
    data["status"] = "not proved: budget of 5 boxes spent"


def invented_minimiser(data: Data) -> None:
    data["proof"]["cores"].append(data["proof"]["cores"][0])
    claim = {"weights": [["5", "6"], ["5", "6"]], "bias": [["9", "9"]] * 2, "loss": ["-3", "-2"]}
    data["minimisers"].append(data["minimisers"][0] | claim | {"phase": "merged(1,2)"})


def two_of_one_core(data: Data) -> None:
    data["proof"]["cores"].append(data["proof"]["cores"][0])
    data["minimisers"].append(data["minimisers"][0])


def enclosure_of_everything(data: Data) -> None:
    data["minimisers"][0]["weights"] = [["-9", "9"], ["-9", "9"]]


def invented_curvature(data: Data) -> None:
    data["minimisers"][0]["curvature"] = "1/1000"


def invented_symmetry(data: Data) -> None:
    data["minimisers"][0]["symmetric"] = True


WRONG: list[Callable[[Data], None]] = [
    lower_minimum, narrow_minimum, shifted_enclosure, other_bias, other_phase, phase_of_the_whole_only, no_minimiser,
    missing_box, double_box, box_inside_another, box_called_a_core, core_called_above, low_threshold, small_domain,
    no_core, wide_core, core_elsewhere, invented_minimiser, two_of_one_core,
    enclosure_of_everything, invented_curvature, invented_symmetry, other_density, other_importance,
    impossible_density, unproved,
]  # fmt: skip


def claimed(data: Data) -> Certificate:
    """Return the certificate that a file claims; whoever plants a wrong claim makes its checksum fit."""
    del data[SHA256]
    return Certificate.from_json(json.dumps(sealed(data)))


@pytest.mark.parametrize("plant", WRONG, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_planted_wrong_claim_is_not_proved(subject: str, plant: Callable[[Data], None]) -> None:
    data = json.loads(certified(*SUBJECTS[subject]).to_json())
    plant(data)
    checked = check_certificate(claimed(data))
    assert checked.status.startswith("not proved: ")


def test_the_pair_is_not_the_minimum_under_a_penalty() -> None:
    data = json.loads(certified(HUNDREDTH).to_json())
    other_penalty(data)
    assert not check_certificate(claimed(data)).proved


def test_a_claim_may_be_weaker_than_what_is_proved() -> None:
    found = certified(HUNDREDTH)
    wider = Interval(found.loss.lower * Fraction(9, 10), found.loss.upper * Fraction(11, 10))
    assert check_certificate(found.replace(loss=wider)).proved


@pytest.mark.slow
@pytest.mark.parametrize(("density", "importance"), list(product([0.03, 0.2, 0.5, 0.9, 1.0], [0.13, 0.6, 1.03, 4.0])))
def test_proofs_over_the_diagram_pass_the_check(density: float, importance: float) -> None:
    found = certified(density, 1, importance)
    assert found.status == "proved"
    assert check_certificate(found).status == "proved"
