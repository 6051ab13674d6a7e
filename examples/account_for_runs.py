"""Train one toy model from many seeds, and say of each run where it is by its own weights, and in whose basin.

.venv/bin/python examples/account_for_runs.py
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from tegum.compare.judgement import VERDICTS, Recipe, judge
from tegum.empirical import Optimisation, Sampling, train
from tegum.theory import diagram_model, local_minima

RECIPE = Recipe(
    learning_rate=0.02,
    steps=2000,
    batch_size=256,
    optimisation=Optimisation(schedule="cosine"),
    sampling=Sampling("stratified", "exact"),
)


def main(density: float = 0.1, relative_importance: float = 0.8, seeds: int = 32) -> Counter[str]:
    """Print the minima at one point of the phase diagram with the runs that are in each, and the verdicts."""
    model = diagram_model(2, 1, density, relative_importance)
    minima = local_minima(model, merged=False)
    trained = train(
        model,
        seeds=seeds,
        steps=RECIPE.steps,
        batch_size=RECIPE.batch_size,
        learning_rate=RECIPE.learning_rate,
        optimisation=RECIPE.optimisation,
        sampling=RECIPE.sampling,
    )
    each = model.take((None,)).take(np.zeros(seeds, dtype=int))
    found = judge(each, [minima] * seeds, trained.weights, trained.bias, RECIPE)
    inside = found.nearest[found.verdict == VERDICTS.index("in")]
    for index, point in enumerate(minima):
        runs, basin = int((inside == index).sum()), int((found.ended_in == index).sum())
        print(f"{point.phase:20} loss {point.loss:.6f}  {point.status:10}  {runs:3} in it, {basin:3} in its basin")
    counts = Counter(VERDICTS[k] for k in found.verdict)
    print(", ".join(f"{counts[word]} {word}" for word in VERDICTS))
    return counts


if __name__ == "__main__":
    main()
