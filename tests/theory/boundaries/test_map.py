"""One map for everything about a plane: traced once, when it is asked, and kept through copies and pickles."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tegum.theory import BoundaryMap, boundary_map
from tegum.theory.boundaries import coexistence_curve, phase_boundaries, special_points, stability_limit
from tegum.theory.minima import diagram_minima

# Behind the face: tracing is counted.
maps: Any = import_module("tegum.theory.boundaries.map")

AXIS, DIGON = "axis(1) + drop(2)", "digon(1,2)"


def ask(found: BoundaryMap) -> tuple[Any, ...]:
    """Ask a map for all that it knows."""
    return (
        *(found.special_points, found.segments, found.curves),
        *(found.coexistence(AXIS, DIGON), found.stability(AXIS), found.stability(DIGON)),
    )


def forbidden(_: object) -> Any:
    raise AssertionError("traced again")


@pytest.fixture(scope="module")
def traced() -> tuple[BoundaryMap, int, int]:
    """A map of the point where the continuous transition becomes a jump; how often it was traced, before and after."""
    calls: list[object] = []

    def counted(diagram: Any) -> Any:
        calls.append(diagram)
        return once(diagram)

    once = maps.traced
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "traced", counted)
        found = boundary_map(diagram_minima([0.81, 0.84, 0.87], [0.87, 0.9, 0.93], starts=16))
        before = len(calls)
        ask(found)
        ask(found)
    return found, before, len(calls)


@pytest.fixture
def found(traced: tuple[BoundaryMap, int, int], monkeypatch: pytest.MonkeyPatch) -> BoundaryMap:
    """The map, while nothing can be traced."""
    monkeypatch.setattr(maps, "traced", forbidden)
    return traced[0]


def test_nothing_is_traced_before_it_is_asked_for_and_nothing_twice(traced: tuple[BoundaryMap, int, int]) -> None:
    assert traced[1:] == (0, 1)


def test_curves_are_found_by_their_phases_in_any_order(found: BoundaryMap) -> None:
    both = found.coexistence(DIGON, AXIS)
    assert both == found.coexistence(AXIS, DIGON)
    assert both == tuple(c for c in found.curves if c.kind == "coexistence" and set(c.phases) == {AXIS, DIGON})
    assert len(both) > 0
    assert {(c.kind, c.phases, c.mechanism) for c in found.stability(AXIS)} == {("stability", (AXIS,), "kink")}


def test_functions_take_a_map_and_trace_nothing(found: BoundaryMap) -> None:
    assert boundary_map(found) is found
    assert phase_boundaries(found) is found.curves
    assert special_points(found) is found.special_points
    assert coexistence_curve(AXIS, DIGON, diagram=found) == found.coexistence(AXIS, DIGON)
    assert stability_limit(AXIS, diagram=found) == found.stability(AXIS)


@pytest.mark.parametrize(
    "ask_for",
    [
        pytest.param(lambda found: found.stability("triangle(1,2,3)"), id="stability"),
        pytest.param(lambda found: found.coexistence(AXIS, "triangle(1,2,3)"), id="coexistence"),
        pytest.param(lambda found: stability_limit("triangle(1,2,3)", diagram=found), id="function"),
    ],
)
def test_an_unknown_phase_is_named_with_those_of_the_map(
    found: BoundaryMap, ask_for: Callable[[BoundaryMap], object]
) -> None:
    with pytest.raises(ValueError, match=r"a minimum in the diagram, \['axis.*'digon.*\]; got 'triangle\(1,2,3\)'"):
        ask_for(found)


@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(lambda found: pickle.loads(pickle.dumps(found)), id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deep copy"),
    ],
)
def test_a_copy_keeps_what_was_traced(found: BoundaryMap, copied: Callable[[BoundaryMap], BoundaryMap]) -> None:
    other = copied(found)
    assert other is not found
    for mine, theirs in zip(found.curves, other.curves, strict=True):
        assert (mine.kind, mine.phases, mine.mechanism) == (theirs.kind, theirs.phases, theirs.mechanism)
        np.testing.assert_array_equal(mine.x, theirs.x)
    assert [(p.kind, p.x, p.y) for p in found.special_points] == [(p.kind, p.x, p.y) for p in other.special_points]
    assert [(s.kind, s.phases, s.exponents) for s in found.segments] == [
        (s.kind, s.phases, s.exponents) for s in other.segments
    ]
    assert [c.reason for c in found.stability(AXIS)] == [c.reason for c in other.stability(AXIS)]
    assert other.phases(0.85, 0.9) == found.phases(0.85, 0.9)


def test_a_map_that_was_not_asked_yet_can_be_handed_on(traced: tuple[BoundaryMap, int, int]) -> None:
    handed = pickle.loads(pickle.dumps(boundary_map(traced[0].diagram)))
    np.testing.assert_array_equal([p.x for p in handed.special_points], [p.x for p in traced[0].special_points])
