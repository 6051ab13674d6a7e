"""Every public function called with what nobody means: it refuses by name, or returns what is right.

Each argument of each callable of the reference gets values drawn with a fixed seed, alone and in pairs, in a process
that is limited in memory and in processor time. The table that is printed is that of docs/reliability.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.support.attack import BAD, Attacker, cases

SEED, EACH, PAIRS = 2026, 4, 2
# Seconds of a processor.
LIMIT = 20.0


@pytest.mark.slow
def test_no_call_ends_in_anything_but_a_right_result_or_a_clear_error(tmp_path: Path) -> None:
    attacker = Attacker(str(tmp_path), LIMIT)
    outcomes: Counter[str] = Counter()
    of_function: defaultdict[str, Counter[str]] = defaultdict(Counter)
    faults = []
    try:
        for case in cases(SEED, EACH, PAIRS):
            outcome, said = attacker.judge(case)
            outcomes[outcome] += 1
            of_function[case[0]][outcome] += 1
            if outcome in BAD:
                faults.append((outcome, case, said))
    finally:
        attacker.close()
    print(dict(outcomes))
    for key, found in of_function.items():
        print(f"{key:45} {dict(found)}")
    assert sum(outcomes.values()) - outcomes["skipped"] > 4000
    assert faults == []
