"""Time to the lowest known Coulomb energy of n points, against plain multi-start, measured side by side in one run.

The baseline is what one writes first: SciPy's L-BFGS-B from random starts, one after the other, with the analytic
gradient in NumPy, until a start ends within 1e-10 of the known energy. Ours ends when it is content with what it has
found, which takes longer than finding it; that whole time is counted. Sizes whose baseline isn't done after `--limit`
seconds count that long, in its favour.

    .venv/bin/python benchmarks/thomson.py [--sizes 30,40,50] [--limit 60] [--json]
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tegum.compare import thomson_minimum

TABLE = Path(__file__).parent.parent / "tests" / "data" / "thomson_energies.csv"
CLOSE = 1e-10


def energy_and_gradient(flat: Any) -> tuple[float, Any]:
    """Return the Coulomb energy of points of any length moved onto the sphere, and its gradient."""
    points = flat.reshape(-1, 3)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / length
    apart = unit[:, None] - unit[None]
    distance = np.linalg.norm(apart, axis=-1)
    np.fill_diagonal(distance, np.inf)
    gradient = -(apart / distance[..., None] ** 3).sum(axis=1)
    gradient -= (gradient * unit).sum(axis=1, keepdims=True) * unit
    return float((1 / distance).sum() / 2), (gradient / length).ravel()


def plain(n: int, known: float, limit: float) -> tuple[float, int, bool]:
    """Return the seconds that plain multi-start takes, its starts, and whether it got there."""
    rng, begin, starts = np.random.default_rng(n), time.perf_counter(), 0
    options = {"ftol": 1e-14, "gtol": 1e-7, "maxiter": 5000, "maxfun": 10000}
    search: Any = minimize
    while time.perf_counter() - begin < limit:
        found = search(energy_and_gradient, rng.normal(size=3 * n), jac=True, method="L-BFGS-B", options=options)
        starts += 1
        if found.fun <= known * (1 + CLOSE):
            return time.perf_counter() - begin, starts, True
    return time.perf_counter() - begin, starts, False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="30,37,40,46,50,60,70,78,80,90,100", help="numbers of points")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which the baseline gives a size up")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with TABLE.open() as table:
        known = {int(row["n"]): float(row["energy"]) for row in csv.DictReader(table)}
    thomson_minimum(12)
    rows = []
    for n in map(int, arguments.sizes.split(",")):
        begin = time.perf_counter()
        ours = thomson_minimum(n)
        mine = time.perf_counter() - begin
        theirs, starts, there = plain(n, known[n], arguments.limit)
        rows.append({
            "n": n, "seconds": mine, "starts": ours.starts, "excess": ours.energy / known[n] - 1,
            "baseline_seconds": theirs, "baseline_starts": starts, "baseline_found": there, "ratio": theirs / mine,
        })  # fmt: skip
        if not arguments.json:
            print("  " + ", ".join(f"{name} = {value:.4g}" for name, value in rows[-1].items()), flush=True)
    total = sum(row["baseline_seconds"] for row in rows) / sum(row["seconds"] for row in rows)
    if arguments.json:
        print(json.dumps({"sizes": rows, "ratio_of_sums": total}, indent=2))
    else:
        print(f"  ratio of sums = {total:.3g}")


if __name__ == "__main__":
    main()
