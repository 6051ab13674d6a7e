"""Trained models along a family, each put on the minimum that exact theory lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tegum.empirical.runs import Optimisation, Session
from tegum.empirical.training import train
from tegum.theory.branches import BranchDiagram, apart
from tegum.theory.geometry import dead_outputs
from tegum.theory.minima import pack, polish

# A state is on an arc if loss, and overlaps and biases, agree to these.
SAME_LOSS, SAME_STATE = 1e-9, 1e-5
# Where runs end that are on no arc.
DEAD, ELSEWHERE, NOWHERE = -1, -2, -3
ENDINGS = {
    DEAD: "an output switched off",
    ELSEWHERE: "a minimum that wasn't followed",
    NOWHERE: "unexplained",
}
EXACT_STEPS, SAMPLED_STEPS = 1500, 8000
SAMPLED_RATE = 3e-3
VANISHED = 1e-10


@dataclass(frozen=True, eq=False)
class BranchRuns:
    """Trained models along a family.

    Attributes:
        parameter: t, shape (K,).
        arc: number of the arc that each run ended on; −1 with an output that no input switches on, −2 in a minimum that
            wasn't followed, −3 where polishing found no minimum. Shape (K, seeds).
        loss: exact loss as trained, shape (K, seeds).
        polished: exact loss of the minimum below it, shape (K, seeds).
        moved: distance of (W, b) to that minimum, rotations left out, shape (K, seeds).
        objective: "exact" or "sampled".
    """

    parameter: NDArray[np.float64]
    arc: NDArray[np.int64]
    loss: NDArray[np.float64]
    polished: NDArray[np.float64]
    moved: NDArray[np.float64]
    objective: str

    def share(self, arc: int) -> float:
        """Return the share of all runs that ended on an arc, or in one of `ENDINGS`."""
        return float((self.arc == arc).mean())


def train_along(
    diagram: BranchDiagram,
    parameters: NDArray[np.float64],
    *,
    seeds: int = 16,
    objective: str = "exact",
    on_progress: Callable[[int, int], None] | None = None,
) -> BranchRuns:
    """Train the models of a family from several seeds, polish them and put each on an arc.

    Args:
        diagram: the family's minima.
        parameters: t of the models, shape (K,).
        seeds: of each.
        objective: "exact" by L-BFGS, or "sampled" by Adam with a rate that falls to zero.
        on_progress: called with the model-steps done and to be done.

    Raises:
        ValueError: if the parameters aren't a line within the family's range, or as `train`.
        KeyboardInterrupt: if training was interrupted.
    """
    family, parameters = diagram.family, np.asarray(parameters, dtype=np.float64)
    inside = (parameters >= family.low) & (parameters <= family.high)
    if parameters.ndim != 1 or not len(parameters) or not inside.all():
        raise ValueError(f"expected a line of parameters from {family.low:g} to {family.high:g}, got {parameters}")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"seeds must be a positive integer, got {seeds!r}")
    model = family.models(np.log(parameters))
    exact = objective == "exact"
    trained = train(
        model,
        seeds=seeds,
        steps=EXACT_STEPS if exact else SAMPLED_STEPS,
        learning_rate=None if exact else SAMPLED_RATE,
        objective=objective,  # type: ignore[arg-type]
        device="cpu",
        optimisation=Optimisation("lbfgs", tolerance=VANISHED) if exact else Optimisation(schedule="linear"),
        session=Session(on_progress=on_progress),
    )
    if trained.status == "interrupted":
        raise KeyboardInterrupt
    weights, bias = np.asarray(trained.weights, dtype=np.float64), np.asarray(trained.bias, dtype=np.float64)
    rows = np.repeat(np.arange(len(parameters)), seeds)
    m, n = family.n_hidden, family.n_features
    found = polish(model.take(rows), weights.reshape(-1, m, n), bias.reshape(-1, n))
    arcs = np.full(len(rows), NOWHERE)
    for k, t in enumerate(parameters):
        states = [arc.at(float(t)) for arc in diagram.arcs]
        for row in np.flatnonzero((rows == k) & found.minimum):
            w, b = found.weights[row], found.bias[row]
            arcs[row] = ELSEWHERE
            if dead_outputs(w, b).any():
                arcs[row] = DEAD
                continue
            for number, state in enumerate(states):
                if state is None or abs(state[1] - found.loss[row]) > SAME_LOSS:
                    continue
                if apart(family, pack(w, b), state[0]) < SAME_STATE:
                    arcs[row] = number
                    break
    shape = (len(parameters), seeds)
    return BranchRuns(
        parameter=parameters,
        arc=arcs.reshape(shape),
        loss=np.asarray(trained.loss, dtype=np.float64).reshape(shape),
        polished=found.loss.reshape(shape),
        moved=found.moved.reshape(shape),
        objective=objective,  # type: ignore[arg-type]
    )
