"""Why JSON can't be read, in words of this project."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tegum.theory.storage import json_of


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        (b" \n", "it is empty"),
        ("{", "a key in double quotes is missing in line 1, column 2"),
        ('{"a" 1}', "a colon is missing in line 1, column 6"),
        ("[1\n 2]", "a comma is missing in line 2, column 2"),
        ('{"a": nan}', "a value is missing in line 1, column 7"),
        ('["a', "a text doesn't end in line 1, column 2"),
        ('["a\n"]', "a text holds a control character in line 1, column 4"),
        (r'["\x"]', "a text holds a backslash that stands for nothing in line 1, column 3"),
        ("1 2", "something follows after the end in line 1, column 3"),
        ("[" * 100_000, "it is nested too deeply"),
        ("1" * 10_000, "a number has more digits than are read"),
        (b'"\xff"', "it isn't text in UTF-8"),
        (3, "text must be text or bytes, got 3"),
    ],
)
def test_the_reason_is_told_with_its_place(text: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        json_of(text)
    assert "Expecting" not in str(told.value)
    assert "(char" not in str(told.value)


def test_what_hooks_refuse_stays_in_their_words() -> None:
    def refuse(text: str) -> float:
        raise ValueError(f"{text} isn't whole")

    with pytest.raises(ValueError, match=r"^0.5 isn't whole$"):
        json_of("[0.5]", parse_float=refuse)


@pytest.mark.parametrize("plain", [{"a": [1, 0.5, None, True]}, "text", 3])
def test_all_else_is_read(plain: Any) -> None:
    assert json_of(json.dumps(plain)) == json_of(json.dumps(plain).encode()) == plain
