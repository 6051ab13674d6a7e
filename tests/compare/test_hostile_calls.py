"""Examples of what nobody means, at functions that train, compare and draw; tests/attacks/test_calls.py tries all."""

from __future__ import annotations

import pytest

from tests.support.attack import FINE, judged

FOUND = [
    ("empirical Session", "keep", "text of a number"),
    ("empirical Recorder", "models", "bool"),
    ("empirical plateaus", "values", "complex"),
    ("empirical plateaus", "values", "bools"),
    ("compare read_many", "layout", "objects"),
    ("compare train_uniform", "device", "class"),
    ("compare train_uniform", "sizes", "empty"),
    ("compare draw_features", "weights", "int 0"),
    ("compare save_turntable", "points", "empty rows"),
    ("compare save_turntable", "on_progress", "class"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("key", "name", "value"), FOUND)
def test_what_an_attack_has_found_is_right_or_refused_by_name(key: str, name: str, value: str) -> None:
    outcome, said = judged((key, ((name, value),)))
    assert outcome in FINE, said
