"""What single arguments must be: functions that can be called as they will be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory.numerics import check_callable


class Callable:
    def __call__(self, first: int, second: int = 0) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    "function",
    [lambda one: one, lambda one, two=0: (one, two), lambda *all_of_them: all_of_them, abs, np.sin, Callable(), print],
)
def test_functions_of_one_argument_are_what_they_are(function: Any) -> None:
    check_callable("report", function, 1)


@pytest.mark.parametrize("function", [lambda: None, lambda one, two: (one, two), lambda *, name: name, int, "f", None])
def test_what_would_fail_when_it_is_called_is_refused_before_the_work(function: Any) -> None:
    with pytest.raises(ValueError, match="report must be a function of 1 argument, got"):
        check_callable("report", function, 1)


def test_arguments_that_are_given_by_name_count() -> None:
    check_callable("draw", lambda axes, points, azimuth: (axes, points, azimuth), 2, "azimuth")
    check_callable("draw", None, 2, "azimuth", optional=True)
    with pytest.raises(ValueError, match="draw must be a function of 2 arguments and azimuth=, got"):
        check_callable("draw", lambda axes, points: (axes, points), 2, "azimuth")
