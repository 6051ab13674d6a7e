"""What a command does unless its options say: a word that was written wins, --full asks for all."""

from __future__ import annotations

import pytest

from tegum.compare.terminal import by_effort


@pytest.mark.parametrize(
    ("given", "full", "expected"), [(None, False, 6), (None, True, 30), (0, False, 0), (0, True, 0)]
)
def test_what_is_written_wins(given: int | None, full: bool, expected: int) -> None:
    assert by_effort(given, 6, 30, full=full) == expected
