"""Every public function called with what nobody means: it refuses by name, or returns what is right.

Each argument of each callable of the reference gets values drawn with fixed seeds, alone and in pairs, in a process
that is limited in memory and in processor time. The table that is printed is that of docs/reliability.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.support.attack import BAD, Attacker, cases

# Values that nobody means, and others, of each argument; with 99 of them every value is tried.
SEEDS, EACH, PAIRS = (2026, 7), 4, 2
# Seconds of a processor.
LIMIT = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that good calls read, which are made once."""
    return tmp_path_factory.mktemp("calls")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_call_ends_in_anything_but_a_right_result_or_a_clear_error(folder: Path, seed: int) -> None:
    attacker = Attacker(str(folder), LIMIT)
    outcomes: Counter[str] = Counter()
    of_function: defaultdict[str, Counter[str]] = defaultdict(Counter)
    faults = []
    try:
        for case in cases(seed, EACH, PAIRS):
            outcome, said = attacker.judge(case)
            outcomes[outcome] += 1
            of_function[case[0]][outcome] += 1
            if outcome in BAD:
                faults.append((outcome, case, said))
                print(f"FAULT {outcome}: {case}: {said}", flush=True)
    finally:
        attacker.close()
    print(dict(outcomes))
    for key, found in of_function.items():
        print(f"{key:45} {dict(found)}")
    assert sum(outcomes.values()) - outcomes["skipped"] > 3500
    assert faults == []
