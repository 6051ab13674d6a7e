"""Train one toy model from many seeds, and say of each run in which exact minimum it ended.

.venv/bin/python examples/account_for_runs.py
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from tegum.empirical.training import train
from tegum.theory import diagram_model, local_minima, polish
from tegum.theory.minima import match


def main(density: float = 0.1, relative_importance: float = 0.8, seeds: int = 32) -> Counter[str]:
    """Print the minima at one point of the phase diagram with the number of runs that ended in each."""
    model = diagram_model(2, 1, density, relative_importance)
    minima = local_minima(model)
    trained = train(model, seeds=seeds, steps=2000, batch_size=256, learning_rate=2e-3)
    each = model.take((None,)).take(np.zeros(seeds, dtype=int))
    ended = match([minima] * seeds, polish(each, trained.weights, trained.bias))
    counts: Counter[str] = Counter()
    for index, point in enumerate(minima):
        runs = int((ended == index).sum())
        counts[point.phase] += runs
        print(f"{point.phase:20} loss {point.loss:.6f}  {point.status:10}  {runs:3} of {seeds} runs")
    counts["unexplained"] = int((ended < 0).sum())
    print(f"unexplained: {counts['unexplained']}")
    return counts


if __name__ == "__main__":
    main()
