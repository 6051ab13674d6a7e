"""Records are shown in a few lines, as text and as HTML, whatever they hold."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from tegum.theory import IndependentFeatures, ToyModel, local_minima
from tegum.theory.numerics import Summarised, summary
from tests.house.test_layers import FOLDERS


@cache
def public_records() -> dict[str, type]:
    found = {}
    for face in sorted(FOLDERS):
        module = importlib.import_module(f"tegum.{face}")
        for name in module.__all__:
            kind = getattr(module, name, None)
            if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Summarised):
                found[f"{face}.{name}"] = kind
    return found


HUGE: list[Any] = [
    np.random.default_rng(0).normal(size=(300, 400)),
    torch.zeros(50, 60, 70),
    tuple(range(10_000)),
    ["x" * 1000] * 1000,
    {str(k): k for k in range(1000)},
    "a long text " * 1000,
    10**20_000,
    Fraction(10**500 + 1, 10**499),
    xr.Dataset({f"v{k}": (("a", "b"), np.zeros((30, 40))) for k in range(20)}),
    np.array([["<b>" * 100] * 10] * 10, dtype=object),
    np.zeros((1,) * 40),
]


def test_records_print_in_a_few_lines_whatever_they_hold() -> None:
    for name, kind in public_records().items():
        for shift in range(0, len(HUGE), 3):
            record: Any = object.__new__(kind)
            for k, field in enumerate(fields(kind)):
                object.__setattr__(record, field.name, HUGE[(k + shift) % len(HUGE)])
            lines = repr(record).splitlines()
            assert len(lines) <= 10, name
            assert max(map(len, lines)) <= 100, name
            assert lines[0].startswith(f"{kind.__name__}("), name
            assert len(record._repr_html_()) < 20_000, name


def test_large_records_are_summarised() -> None:
    short = {name.rpartition(".")[2] for name in public_records()}
    assert short >= {
        "BoundaryMap",
        "Certificate",
        "CriticalPoint",
        "DiagramMinima",
        "Flow",
        "FoundMinimum",
        "Polished",
        "PolishedPoint",
        "TrainedModels",
        "WeightBatch",
    }


def test_a_minimum_tells_itself() -> None:
    (best, *_) = local_minima(ToyModel(2, 1, IndependentFeatures(0.1)), starts=8)
    text = repr(best)
    assert "phase='digon(1,2)'" in text
    assert f"loss={best.loss!r}" in text
    assert "weights=[[1.00579, -1.00579]]" in text


@dataclass(frozen=True, eq=False)
class Marked(Summarised):
    name: str


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        self.tags.add(tag)


def test_what_a_notebook_shows_is_escaped() -> None:
    shown = Marked("<script>alert(1)</script>")._repr_html_()
    cells = Cells()
    cells.feed(shown)
    assert cells.tags == {"table", "caption", "tr", "th", "td"}
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float64(0.5), "0.5"),
        (np.array(2.0), "2"),
        (np.arange(3), "[0, 1, 2]"),
        (np.arange(12.0), "array of shape (12,), 0 to 11"),
        (np.array([1.0, np.nan] * 9), "array of shape (18,)"),
        (np.array([True] * 9), "array of shape (9,), 9 true"),
        ((1, "a"), "(1, 'a')"),
        ((1,), "(1,)"),
        (list(range(20)), "list of 20 int"),
        ({1: 2}, "dict of 1"),
        pytest.param(10**5000, "int too long to show", id="long int"),
    ],
)
def test_values_are_summed_up(value: Any, text: str) -> None:
    assert summary(value) == text
