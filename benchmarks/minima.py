"""What the global minimum of one model costs against its size, and what an earlier revision found.

Models of equal features, and of features whose importances fall by a constant factor to a hundredth, at one density.
Seconds are of all threads (processor time) and on the clock, of one search; machine code is compiled before. With
`--before` the same models are searched by the theory of another git revision where it takes them, in turn: the ratio is
its processor time over that of these sources, and a loss that is higher by more than 1e-9 of itself was a miss.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/minima.py [--before REVISION] [--density 0.1] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from revisions import HERE, apart, load, unpack
from rich.console import Console
from rich.table import Table

# Features, hidden dimensions; an earlier revision isn't asked for more features than it took.
SIZES = ((2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3), (5, 2), (6, 3), (8, 3))
MOST_BEFORE = 4
MISS = 1e-9


def measured(root: Path, n: int, m: int, density: float, last: float) -> dict[str, Any]:
    """Return what one search takes and finds."""
    load(root)
    from tegum.theory import IndependentFeatures, ToyModel, global_minimum, loss_hessian

    model = ToyModel(n, m, IndependentFeatures(density), np.geomspace(1, last, n))
    # Compiles, or loads what has been compiled, and lays out the sums over patterns.
    loss_hessian(model, np.zeros((m, n)), np.zeros(n))
    begin, clock = time.process_time(), time.perf_counter()
    found = global_minimum(model)
    spent = {"seconds": time.process_time() - begin, "clock": time.perf_counter() - clock}
    return {"loss": found.loss, "phase": found.phase, **spent}


def rows(before: Path | None, density: float) -> list[dict[str, Any]]:
    """Search all models."""
    found = []
    for n, m in SIZES:
        for last in (1.0, 0.01):
            here = apart(__file__, HERE, n, m, density, last)
            row = {"n": n, "m": m, "last": last, **here, "before": None, "ratio": None}
            if before is not None and n <= MOST_BEFORE:
                there = apart(__file__, before, n, m, density, last)
                assert here["loss"] <= there["loss"] * (1 + MISS), (here, there)
                row |= {"before": there["loss"], "ratio": there["seconds"] / here["seconds"]}
            found.append(row)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="a git revision to compare with")
    parser.add_argument("--density", type=float, default=0.1, help="of the features (default 0.1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--measure", nargs=5, metavar=("ROOT", "N", "M", "DENSITY", "LAST"), help="search one model")
    arguments = parser.parse_args()
    if arguments.measure:
        root, n, m, density, last = arguments.measure
        print(json.dumps(measured(Path(root), int(n), int(m), float(density), float(last))))
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.before:
            unpack(arguments.before, Path(folder))
        found = rows(Path(folder) if arguments.before else None, arguments.density)
    if arguments.json:
        print(json.dumps({"density": arguments.density, "rows": found}, indent=2))
        return
    console = Console(width=120)
    told = f"{os.cpu_count()} cores, {platform.machine()}, NumPy {np.__version__}; density {arguments.density:g}"
    console.print(told)
    table = Table(title="Global minima by search")
    for title in ("n", "m", "last importance", "loss", "phase", "processor s", "clock s", "before over now", "was"):
        table.add_column(title, justify="left" if title in ("phase", "was") else "right")
    for row in found:
        missed = row["before"] is not None and row["before"] > row["loss"] * (1 + MISS)
        table.add_row(
            *(str(row["n"]), str(row["m"]), f"{row['last']:g}", f"{row['loss']:.8g}", row["phase"]),
            *(f"{row['seconds']:.2f}", f"{row['clock']:.2f}"),
            "" if row["ratio"] is None else f"{row['ratio']:.1f}",
            "" if row["before"] is None else (f"missed: {row['before']:.8g}" if missed else "the same"),
        )
    console.print(table)


if __name__ == "__main__":
    main()
