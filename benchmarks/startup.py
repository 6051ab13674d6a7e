"""What it costs to begin: `tegum --help` against loading typer and rich, and `import tegum.theory` against NumPy.

Each row has a baseline, measured in turn with it in one run; the ratio is that of medians. Processes are measured by
the processor time of the child, user and system, which waiting for a busy core doesn't change. Imports are measured by
what Python's `-X importtime` says of the modules that are loaded after its own. Without compiled files everything
costs more, so that each command is run once before it counts.

    .venv/bin/python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median

# The last module that Python loads by itself.
OWN = "site"


def processor_time(code: str, *words: str) -> float:
    """Return the milliseconds of processor time that a new interpreter takes to run code."""
    command = [sys.executable, "-c", code, *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{command} failed: {complaint.decode()}")
    return 1e3 * (used.ru_utime + used.ru_stime)


def import_time(code: str) -> float:
    """Return the milliseconds that a new interpreter spends in imports of its own accord, by `-X importtime`."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in told if line.startswith("import time:")]
    names = [name.strip() for *_, name in rows]
    return sum(float(own) for own, *_ in rows[names.index(OWN) + 1 :]) / 1e3


def helped() -> float:
    """Measure `tegum --help`, as its script does it."""
    return processor_time("from tegum.compare.commands.app import main\nmain()", "--help")


# What is measured, its baseline, and how many times the baseline it may cost.
ROWS: list[tuple[str, Callable[[], float], str, Callable[[], float], float | None]] = [
    ("`tegum --help`", helped, "`import typer, rich`", lambda: processor_time("import typer, rich"), 1.5),
    (
        "`import tegum.theory`",
        lambda: import_time("import tegum.theory"),
        "`import numpy`",
        lambda: import_time("import numpy"),
        2.0,
    ),
    (
        "`from tegum.theory import ToyModel, expected_loss`",
        lambda: import_time("from tegum.theory import ToyModel, expected_loss"),
        "`import numpy`",
        lambda: import_time("import numpy"),
        None,
    ),
]


def main() -> None:
    """Measure in turn and print the table; the exit code says whether all bars were held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each")
    rounds = parser.parse_args().rounds
    for _, ours, _, baseline, _ in ROWS:
        ours(), baseline()
    taken: list[tuple[list[float], list[float]]] = [([], []) for _ in ROWS]
    for _ in range(rounds):
        for (_, ours, _, baseline, _), (one, other) in zip(ROWS, taken, strict=True):
            one.append(ours())
            other.append(baseline())
    print(f"Python {sys.version.split()[0]}, {rounds} rounds, milliseconds (median; min, max)\n")
    print("| what | cost | baseline | cost | ratio | bar |\n|---|---|---|---|---|---|")
    held = True
    for (name, _, against, _, bar), (one, other) in zip(ROWS, taken, strict=True):
        ratio = median(one) / median(other)
        held &= bar is None or ratio <= bar
        costs = [f"{median(times):.1f} ({min(times):.1f}, {max(times):.1f})" for times in (one, other)]
        print(f"| {name} | {costs[0]} | {against} | {costs[1]} | **{ratio:.2f}** | {'' if bar is None else bar} |")
    sys.exit(not held)


if __name__ == "__main__":
    main()
