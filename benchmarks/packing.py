"""The best packing at one density against the same search over the spectral engine, side by side in one run.

Both minimise each polytope of the atlas over scale, bias and free share. The baseline gets every output's loss and its
gradient from `SpectralLoss`, which doesn't know that overlaps are equal and goes through them in NumPy, and searches
with SciPy's L-BFGS-B from the same biases, all that the library did before equal overlaps were counted. It stops at
slopes of 1e-6 E[x²], and its losses are held to ours: a polytope on which the two differ by more than the engine's
tolerance is printed. Times are processor times, which a busy machine changes least; BLAS gets one thread.

Further rows are what a fresh process has to compile, and whole command lines.

    .venv/bin/python benchmarks/packing.py [--densities 0.5,0.1,0.01] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tegum.theory import IndependentFeatures, ToyModel, best_packing
from tegum.theory.loss.spectral import SpectralLoss
from tegum.theory.packing import BestPacking, Packed, finite_packing
from tegum.theory.polytopes import polytope

# The baseline's starts in units of E[x²], the tolerance of an output's loss, and the slope at which it ends.
BIASES, TOLERANCE, LEVEL = (0.3, 0.0, -0.5), 1e-9, 1e-6
LARGEST_SCALE, SMALLEST_SCALE, SHARES = 10.0, 1e-4, (0.05, 0.8)
# The coordinates whose squares sum up to the free share.
FREE = {"antiprism": (2,), "2-3 duoantiprism": (0, 1)}
# Seconds of processor time that each may take.
BARS = {"best packing": 0.5, "finite packing": 2.0, "compiling": 4.0, "tegum packing": 60.0}
SIZE = (400, 30)


def plain(one: Packed, density: float) -> float:
    """Return the least loss of a polytope's features that the baseline finds."""
    solid = polytope(one.name)
    points, (d, k) = np.asarray(solid.points), solid.points.shape
    rows = list(FREE.get(one.name, ()))
    spectral = SpectralLoss(ToyModel(k, d, IndependentFeatures(density)), tolerance=TOLERANCE)
    square = density / 3

    def evaluate(x: Any) -> tuple[float, Any]:
        scale, bias = float(np.exp(x[0])), float(x[1])
        stretch, slope = np.ones((d, 1)), np.zeros((d, 1))
        if rows:
            tight, share = len(rows) / d, float(x[2])
            stretch[:], slope[:] = np.sqrt((1 - share) / (1 - tight)), -1 / (1 - share)
            stretch[rows], slope[rows] = np.sqrt(share / tight), 1 / share
        corners = points * stretch
        overlaps = scale * (corners[:, 0] @ corners)
        found = spectral.output(0, overlaps, bias)
        (in_row,) = found.slopes
        gradient = [in_row[:-1] @ overlaps, in_row[-1]]
        if rows:
            gradient.append(in_row[:-1] @ (scale * ((corners * slope)[:, 0] @ corners)))
        return k * float(found.value[0]), k * np.array(gradient)

    box: Any = [(np.log(SMALLEST_SCALE), np.log(LARGEST_SCALE)), (None, None), *([SHARES] if rows else [])]
    starts = [[0.0, bias * square, *([len(rows) / d] if rows else [])] for bias in BIASES]
    nearest = float(np.triu(solid.gram, 1).max())
    if nearest > 0.01:
        scale = (2 + 0.9 * nearest) / (2 * (1 - 0.9 * nearest))
        starts.append([np.log(scale), -0.9 * nearest * scale, *starts[0][2:]])
    search: Any = minimize
    options = {"ftol": 0.0, "gtol": LEVEL * square * k, "maxls": 40}
    ends = (search(evaluate, start, jac=True, method="L-BFGS-B", bounds=box, options=options) for start in starts)
    return float(min(end.fun for end in ends))


def worked(function: Any) -> tuple[float, Any]:
    """Return the processor seconds that a call takes, and what it returns."""
    begin = time.process_time()
    found = function()
    return time.process_time() - begin, found


def compared(density: float) -> dict[str, Any]:
    """Measure one density: ours before and after the baseline, the worse of both counting."""
    first, found = worked(lambda: best_packing(density))
    theirs, losses = worked(lambda: [plain(one, density) for one in found.polytopes])
    ours = max(first, worked(lambda: best_packing(density))[0])
    close = TOLERANCE * density / 3
    apart = {
        one.name: loss - one.loss
        for one, loss in zip(found.polytopes, losses, strict=True)
        if abs(loss - one.loss) > 2 * close * one.corners + one.error
    }
    return {"density": density, "ours": ours, "baseline": theirs, "ratio": theirs / ours, "apart": apart}


def child(code: str, **variables: str) -> float:
    """Return the processor seconds of a new interpreter that runs code."""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **variables}, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {code}")
    return used.ru_utime + used.ru_stime


def compiling() -> float:
    """Return the seconds that the sums over nodes take to compile, over those that they take to load."""
    code = "import tegum.theory.packing.losses, tegum.theory.packing.node_sums"
    with tempfile.TemporaryDirectory() as folder:
        first = child(code, NUMBA_CACHE_DIR=folder)
        return first - child(code, NUMBA_CACHE_DIR=folder)


def command() -> float:
    """Return the seconds of `tegum packing`, its figure included."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["tegum", "packing", "--out", folder]
        return child(f"import sys; sys.argv = {words!r}\nfrom tegum.compare.commands.app import main\nmain()")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--densities", default="0.9,0.5,0.1,0.01", help="1 − S")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # NumPy reads it when it is loaded.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    packing: BestPacking = best_packing(0.3)
    rows = []
    for density in map(float, arguments.densities.split(",")):
        rows.append(compared(density))
        if not arguments.json:
            row = rows[-1]
            print(
                f"  density {density:g}: {1e3 * row['ours']:.3g} ms; baseline {row['baseline']:.3g} s; "
                f"ratio {row['ratio']:.3g}; apart: {row['apart'] or 'none'}",
                flush=True,
            )
    seconds = {
        "best packing": max(row["ours"] for row in rows),
        "finite packing": worked(lambda: finite_packing(*SIZE, packing))[0],
        "compiling": compiling(),
        "tegum packing": command(),
    }
    if arguments.json:
        print(json.dumps({"densities": rows, "seconds": seconds, "bars": BARS}, indent=2))
        return
    for name, value in seconds.items():
        print(f"  {name}: {value:.3g} s of processor time, bar {BARS[name]:g} s")


if __name__ == "__main__":
    main()
