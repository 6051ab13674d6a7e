"""Time to the lowest known Coulomb energy of n points, against plain multi-start, measured side by side in one run.

Both look for an energy within 1e-10 of the table's, and stop when they have one. The baseline is SciPy's L-BFGS-B from
random starts, one after the other, with the analytic gradient in NumPy, written for speed by products of matrices. It
stops at the first evaluation that is low enough. Ours is `thomson_minimum(n, target=...)`, its polishing
counted. How many starts it takes is chance, so that each size is measured with several seeds, in turn. A search that
isn't done after `--limit` seconds counts that long. BLAS gets one thread, which is faster for both.

    .venv/bin/python benchmarks/thomson.py [--sizes 30,40,50] [--seeds 5] [--limit 60] [--json]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tegum.theory.spheres import thomson_minimum

TABLE = Path(__file__).parent.parent / "tests" / "data" / "thomson_energies.csv"
CLOSE = 1e-10
# The baseline's starts end where energies are at rest to more digits than are asked for.
OPTIONS = {"ftol": 1e-14, "gtol": 1e-5, "maxiter": 5000, "maxfun": 10000}
SIZES = "30,35,37,40,45,46,50,55,60,65,70,75,78,80,85,90,95,100"


class Reached(Exception):  # noqa: N818
    """The energy is low enough."""


def energy_and_gradient(flat: Any) -> tuple[float, Any]:
    """Return the Coulomb energy of points of any length moved onto the sphere, and its gradient."""
    points = flat.reshape(-1, 3)
    length = np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
    unit = points / length
    square = 2 - 2 * (unit @ unit.T)
    np.fill_diagonal(square, np.inf)
    inverse = 1 / np.sqrt(square)
    # What points along x_i drops out along the sphere.
    gradient = (inverse / square) @ unit
    gradient -= np.einsum("ij,ij->i", gradient, unit)[:, None] * unit
    return float(inverse.sum() / 2), (gradient / length).ravel()


def plain(n: int, seed: int, target: float, limit: float) -> tuple[int, bool]:
    """Return how many starts plain multi-start takes, and whether it got there."""
    rng, begin, starts = np.random.default_rng([seed, n]), time.perf_counter(), 0
    search: Any = minimize

    def watched(flat: Any) -> tuple[float, Any]:
        energy, gradient = energy_and_gradient(flat)
        if energy <= target:
            raise Reached
        return energy, gradient

    while time.perf_counter() - begin < limit:
        starts += 1
        try:
            search(watched, rng.normal(size=3 * n), jac=True, method="L-BFGS-B", options=OPTIONS)
        except Reached:
            return starts, True
    return starts, False


def ours(n: int, seed: int, target: float, limit: float) -> tuple[int, bool]:
    """Return how many starts the library takes, and whether it got there."""
    begin, starts = time.perf_counter(), 0
    # A search that gives up is begun again.
    while time.perf_counter() - begin < limit:
        found = thomson_minimum(n, seed=seed + 1000 * starts, target=target)
        starts += found.starts
        if found.status == "target":
            return starts, True
    return starts, False


def timed(search: Callable[..., tuple[int, bool]], *arguments: Any) -> dict[str, Any]:
    """Return seconds and processor seconds of a search, and what it returns."""
    begin, worked = time.perf_counter(), time.process_time()
    starts, there = search(*arguments)
    return {
        "seconds": time.perf_counter() - begin, "processor": time.process_time() - worked, "starts": starts,
        "found": there,
    }  # fmt: skip


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over seeds, and the spread of times."""
    seconds = [run["seconds"] for run in runs]
    return {
        "seconds": float(np.mean(seconds)), "least": min(seconds), "most": max(seconds),
        "processor": float(np.mean([run["processor"] for run in runs])),
        "starts": float(np.mean([run["starts"] for run in runs])), "found": sum(run["found"] for run in runs),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=SIZES, help="numbers of points")
    parser.add_argument("--seeds", type=int, default=5, help="how often each size is measured")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a search is given up")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # NumPy reads it when it is loaded.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})
    with TABLE.open() as table:
        known = {int(row["n"]): float(row["energy"]) for row in csv.DictReader(table)}
    sizes = [int(n) for n in arguments.sizes.split(",")]
    thomson_minimum(12)
    plain(12, 0, known[12] * (1 + CLOSE), arguments.limit)
    rows = []
    for n in sizes:
        target = known[n] * (1 + CLOSE)
        pairs = [
            [timed(search, n, seed, target, arguments.limit) for search in (ours, plain)]
            for seed in range(arguments.seeds)
        ]
        mine, theirs = (summary([pair[which] for pair in pairs]) for which in (0, 1))
        rows.append({"n": n, "ours": mine, "baseline": theirs, "ratio": theirs["seconds"] / mine["seconds"]})
        if not arguments.json:
            print(f"  n = {n}: {_words(mine)}; baseline {_words(theirs)}; ratio {rows[-1]['ratio']:.3g}", flush=True)
    slowest = max(rows, key=lambda row: row["baseline"]["seconds"])
    ratios = {f"ratio_of_{kind}": _sum_ratio(rows, kind) for kind in ("seconds", "processor")} | {
        "ratio_without_slowest": _sum_ratio([row for row in rows if row is not slowest], "seconds"),
        "geometric_mean": float(np.exp(np.mean([np.log(row["ratio"]) for row in rows]))),
        "smallest_ratio": min(row["ratio"] for row in rows),
    }
    if arguments.json:
        print(json.dumps({"sizes": rows, **ratios}, indent=2))
        return
    for name, value in ratios.items():
        print(f"  {name} = {value:.3g}")


def _sum_ratio(rows: list[dict[str, Any]], kind: str) -> float:
    """Return the baseline's mean times over ours, both summed over sizes."""
    theirs, mine = (sum(row[side][kind] for row in rows) for side in ("baseline", "ours"))
    return float(theirs / mine) if mine else float("nan")


def _words(side: dict[str, Any]) -> str:
    times = f"{1e3 * side['seconds']:.3g} ms ({1e3 * side['least']:.3g} to {1e3 * side['most']:.3g})"
    return f"{times}, {side['starts']:.3g} starts, {side['found']} found"


if __name__ == "__main__":
    main()
