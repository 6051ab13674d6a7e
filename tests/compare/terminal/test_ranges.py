"""Axes that options name: whatever they stand for is read, all else refused."""

from __future__ import annotations

import pytest

from tegum.compare.terminal import ranged


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("density=1e-3:1", ("density", 1e-3, 1.0)),
        ("importance.2=0.1:10:log", ("importance[2]", 0.1, 10.0, "log")),
        (" interference-penalty =0:2:linear", ("interference_penalty", 0.0, 2.0, "linear")),
    ],
)
def test_an_axis_is_read(text: str, axis: tuple[object, ...]) -> None:
    assert ranged("--x", text) == axis


@pytest.mark.parametrize("text", ["density", "density=1", "density=a:b", "density=0.1:inf", "density=0.1:1:log:log"])
def test_what_is_no_axis_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--x must be NAME=LOW:HIGH"):
        ranged("--x", text)
