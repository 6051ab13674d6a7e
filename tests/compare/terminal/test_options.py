"""Options in words: axes of numbers and of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

# Behind the face: options are read without running a command.
from tegum.compare.terminal import numbers, whole_numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("0.1", 0.1, id="number"),
        pytest.param("0.1,0.3", [0.1, 0.3], id="list"),
        pytest.param("0.1,", None, id="list with a hole"),
        pytest.param("0.01:1:3", [0.01, 0.1, 1.0], id="grid"),
        pytest.param("1:4:2", [1.0, 4.0], id="grid of ends"),
        pytest.param("0:1:3", None, id="logarithm of zero"),
        pytest.param("1:2", None, id="no count"),
        pytest.param("1:2:3.5", None, id="half a count"),
        pytest.param("1:2:-1", None, id="negative count"),
        pytest.param("1:inf:3", None, id="infinite"),
        pytest.param("dense", None, id="word"),
    ],
)
def test_axes_in_words(text: str, values: Any) -> None:
    if values is None:
        with pytest.raises(ValueError, match="--density must be a number, a list"):
            numbers("density", text)
    else:
        found = numbers("density", text)
        assert isinstance(found, list) == isinstance(values, list)
        np.testing.assert_allclose(found, values, rtol=1e-15)


def test_more_values_than_fit_into_memory_are_none() -> None:
    with pytest.raises(ValueError, match="--density must be at most 1,000,000 values, got a range of 99,999,999,999"):
        numbers("density", "0.1:0.2:99999999999")
    with pytest.raises(ValueError, match="--seeds must be at most 1,000,000 values, got a range of 100,000,000,000"):
        whole_numbers("seeds", "0:99999999999")


@pytest.mark.parametrize(
    ("text", "values"), [("3", 3), ("2,5", [2, 5]), ("2:5", [2, 3, 4, 5]), ("2.5", None), ("2:3:4", None), ("", None)]
)
def test_whole_axes_in_words(text: str, values: Any) -> None:
    if values is None:
        with pytest.raises(ValueError, match="--features must be"):
            whole_numbers("features", text)
    else:
        assert whole_numbers("features", text) == values
