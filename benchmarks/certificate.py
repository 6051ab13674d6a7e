"""Time to prove a lower bound of the global minimum, against the natural interval extension, in one run.

The model is two features in one dimension. Both prove L > (1 − gap) U for all weights and biases, U being the least
loss; gap 0 stands for the whole certificate, cores included. The baseline looks at boxes of (w_1, w_2, b_1, b_2)
breadth first, bounds E x² − 2 E[x y] + E[y²] by the ends of each term (moments are monotone, so that these are exact
ranges), and halves the widest side of what is left. It is compiled, uses the same moments with the same bounds on their
rounding, and is symmetric in w -> -w too. What doesn't end within `--limit` boxes is given up.

    .venv/bin/python benchmarks/certificate.py [--limit 10000000] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from importlib import import_module
from typing import Any

import numba
import numpy as np

from tegum.theory import Certificate, IndependentFeatures, ToyModel, certify, check_certificate

moments: Any = import_module("tegum.theory.proofs.floats.moments")
search: Any = import_module("tegum.theory.proofs.pairs.search")
moments_at, rounding, GRID, Chances = moments.moments, moments.rounding, moments.GRID, moments.Chances

MODELS = {"p = 0.1, r = 1": (0.1, 1.0), "p = 0.1, r = 0.02": (0.1, 0.02), "p = 0.5, r = 1": (0.5, 1.0)}
GAPS = (0.9, 0.5, 0.2, 0.1, 0.01)
CHUNK = 1 << 20


@numba.njit(nogil=True)
def lower_bound(box: Any, first: float, second: float, p: float) -> float:
    """Return the natural lower bound of L on a box, rows (low, high) of w_1, w_2, b_1, b_2."""
    law = Chances((1 - p) * (1 - p), p * (1 - p), p * p)
    total = 0.0
    g = np.array([box[0, 0] * box[1, 0], box[0, 0] * box[1, 1], box[0, 1] * box[1, 0], box[0, 1] * box[1, 1]])
    for i in range(2):
        a, b = box[i, 0] ** 2, box[i, 1] ** 2
        low = 0.0 if box[i, 0] <= 0 <= box[i, 1] else min(a, b)
        high = max(a, b)
        squares = moments_at(low, g.min(), box[2 + i, 0], law).yy
        x_y = moments_at(high, g.max(), box[2 + i, 1], law).xy
        size = max(abs(box[2 + i, 0]), abs(box[2 + i, 1]))
        error = 6 * rounding(high, max(-g.min(), g.max()), size)
        total += (first if i == 0 else second) * max(p / 3 - 2 * x_y + squares - error, 0.0)
    return total


@numba.njit(nogil=True)
def one_level(boxes: Any, first: float, second: float, p: float, threshold: float) -> Any:
    """Return the halves of what isn't above the threshold."""
    halves = np.empty((2 * len(boxes), 4, 2))
    count = 0
    for k in range(len(boxes)):
        if lower_bound(boxes[k], first, second, p) > threshold:
            continue
        widest = 0
        for j in range(1, 4):
            if boxes[k, j, 1] - boxes[k, j, 0] > boxes[k, widest, 1] - boxes[k, widest, 0]:
                widest = j
        middle = (boxes[k, widest, 0] + boxes[k, widest, 1]) / 2
        for side in range(2):
            halves[count] = boxes[k]
            halves[count, widest, 1 - side] = middle
            count += 1
    return halves[:count].copy()


def plain(first: float, second: float, p: float, threshold: float, radius: float, limit: int) -> tuple[int, bool]:
    """Return how many boxes the baseline looks at, and whether it got there."""
    # Biases beyond these are never optimal for such weights.
    end = 2.0 ** np.ceil(np.log2(2 * radius * radius))
    boxes = np.array([[[0, radius], [-radius, radius], [-end, end], [-end, end]]], dtype=np.float64)
    count = 0
    while len(boxes):
        count += len(boxes)
        if count > limit:
            return count, False
        parts = [one_level(boxes[k : k + CHUNK], first, second, p, threshold) for k in range(0, len(boxes), CHUNK)]
        boxes = np.concatenate(parts)
    return count, True


def ours(asked: Any, exponent: int, limit: int) -> tuple[int, bool]:
    """Return how many boxes our search looks at to prove the threshold without cores, and whether it got there."""
    found = search.search_boxes(asked, exponent, [], limit)
    return found.count, not found.left


def timed(run: Any, *arguments: Any) -> dict[str, Any]:
    """Return the time of a search with what it returns."""
    begin = time.perf_counter()
    boxes, done = run(*arguments)
    return {"seconds": time.perf_counter() - begin, "boxes": boxes, "done": done}


def whole(model: ToyModel) -> tuple[dict[str, Any], dict[str, Any], Certificate]:
    """Return times of a certificate and of its check."""
    begin = time.perf_counter()
    certificate = certify(model)
    middle = time.perf_counter()
    checked = check_certificate(certificate)
    end = time.perf_counter()
    proof = {"seconds": middle - begin, "boxes": certificate.boxes, "done": certificate.proved}
    return proof, {"seconds": end - middle, "boxes": checked.parts, "done": checked.proved}, certificate


def words(side: dict[str, Any]) -> str:
    rate = side["boxes"] / side["seconds"]
    text = f"{side['seconds']:.3g} s, {side['boxes']:,} boxes ({rate:,.0f} a second)"
    return text if side["done"] else f"given up after {text}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=10_000_000, help="boxes after which a search is given up")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    # Compile first.
    certify(ToyModel(2, 1, IndependentFeatures(0.1)), max_boxes=10)
    plain(1.0, 1.0, 0.1, 0.0, 2.0, 10)
    rows = []
    for name, (p, r) in MODELS.items():
        proof, check, certificate = whole(ToyModel(2, 1, IndependentFeatures(p), (1.0, r)))
        if not arguments.json:
            print(f"{name}: {certificate.phase}; proof {words(proof)}; check {words(check)}", flush=True)
        rows.append({"model": name, "gap": 0.0, "proof": proof, "check": check})
        best, exponent = float(certificate.loss.upper), certificate.proof.exponent
        reached = True
        for gap in GAPS:
            threshold = best * (1 - gap)
            mine = timed(ours, search.Problem(1.0, r, 0.0, threshold, p), exponent, arguments.limit)
            theirs = timed(plain, 1.0, r, p, threshold, 2.0**exponent, arguments.limit) if reached else None
            row: dict[str, Any] = {"model": name, "gap": gap, "ours": mine, "baseline": theirs}
            if theirs is not None:
                # A search that is given up takes at least so long.
                row["ratio"] = theirs["seconds"] / mine["seconds"]
                row["rate_ratio"] = mine["boxes"] / mine["seconds"] / (theirs["boxes"] / theirs["seconds"])
                row["ratio_of_whole"] = theirs["seconds"] / proof["seconds"]
                reached = theirs["done"]
            rows.append(row)
            if not arguments.json:
                text = f"  gap {gap:g}: {words(mine)}"
                if theirs is not None:
                    least = "" if reached else "more than "
                    text += f"; baseline {words(theirs)}; ratio {least}{row['ratio']:.3g}"
                print(text, flush=True)
    if arguments.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
