"""Trained models along a family, each put on the minimum that exact theory lists, and the account of both."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.empirical.runs import Optimisation, Session
from tegum.empirical.training import train
from tegum.theory.branches import BranchDiagram, Limit, apart
from tegum.theory.geometry import arrangement, dead_outputs
from tegum.theory.minima import SAME_LOSS, invariants, pack, polish
from tegum.theory.numerics import Summarised, check_callable, check_choice, check_count, check_kind, reals

from ..judgement import Recipe, allowances

# A state is on an arc if its loss is the same, and overlaps and biases agree to this.
SAME_STATE = 1e-5
# Where runs end that are on no arc.
DEAD, ELSEWHERE, NOWHERE = -1, -2, -3
ENDINGS = {
    DEAD: "an output switched off",
    ELSEWHERE: "a minimum that wasn't followed",
    NOWHERE: "unexplained",
}
CHEAPEST = "on the cheapest arc"
EXACT_STEPS, SAMPLED_STEPS = 1500, 8000
SAMPLED_RATE = 3e-3
SAMPLED_BATCH = 1024
VANISHED = 1e-10


@dataclass(frozen=True, eq=False)
class BranchRuns(Summarised):
    """Trained models along a family.

    Attributes:
        parameter: t, shape (K,).
        arc: number of the arc that each run ended on; −1 with an output that no input switches on, −2 in a minimum that
            wasn't followed, −3 where polishing found no minimum. Shape (K, seeds).
        loss: exact loss as trained, shape (K, seeds).
        polished: exact loss of the minimum below it, shape (K, seeds).
        moved: distance of (W, b) to that minimum, rotations left out, shape (K, seeds).
        distance: distance of (WᵀW, b) to it, outputs that are off left out, shape (K, seeds).
        excess_allowed: by how much noise explains that the loss is above the minimum's, shape (K, seeds).
        distance_allowed: how far away it explains, shape (K, seeds).
        objective: "exact" or "sampled".
    """

    parameter: NDArray[np.float64]
    arc: NDArray[np.int64]
    loss: NDArray[np.float64]
    polished: NDArray[np.float64]
    moved: NDArray[np.float64]
    distance: NDArray[np.float64]
    excess_allowed: NDArray[np.float64]
    distance_allowed: NDArray[np.float64]
    objective: str

    @property
    def in_a_minimum(self) -> NDArray[np.bool_]:
        """Which runs are in a minimum by their own weights, up to what noise explains, shape (K, seeds)."""
        near = (self.loss - self.polished <= self.excess_allowed) & (self.distance <= self.distance_allowed)
        return np.asarray((self.arc != NOWHERE) & near)

    def share(self, arc: int) -> float:
        """Return the share of all runs that ended on an arc, or in one of `ENDINGS`: where polishing leads."""
        return float((self.arc == arc).mean())

    def share_in_it(self, arc: int) -> float:
        """Return the share of all runs that ended there and are in that minimum by their own weights."""
        return float(((self.arc == arc) & self.in_a_minimum).mean())


def train_along(
    diagram: BranchDiagram,
    parameters: NDArray[np.float64],
    *,
    seeds: int = 16,
    objective: str = "exact",
    on_progress: Callable[[int, int], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> BranchRuns:
    """Train the models of a family from several seeds, polish them and put each on an arc.

    Args:
        diagram: the family's minima.
        parameters: t of the models, shape (K,).
        seeds: of each.
        objective: "exact" by L-BFGS, or "sampled" by Adam with a rate that falls to zero.
        on_progress: called with the model-steps done and to be done.
        checkpoint: file that holds what was trained if that is interrupted, and when it has come to its end; whoever
            has saved the result removes it.

    Raises:
        ValueError: if the parameters aren't a line within the family's range, or as `train`.
        KeyboardInterrupt: if training was interrupted.
    """
    parameters = reals("parameters", parameters, ("K",))
    check_choice("objective", objective, ("exact", "sampled"))
    check_callable("on_progress", on_progress, 2, optional=True)
    check_kind("diagram", diagram, BranchDiagram)
    family, parameters = diagram.family, np.asarray(parameters, dtype=np.float64)
    inside = (parameters >= family.low) & (parameters <= family.high)
    if parameters.ndim != 1 or not len(parameters) or not inside.all():
        raise ValueError(f"expected a line of parameters from {family.low:g} to {family.high:g}, got {parameters}")
    check_count("seeds", seeds)
    model = family.models(np.log(parameters))
    exact = objective == "exact"
    optimisation = Optimisation("lbfgs", tolerance=VANISHED) if exact else Optimisation(schedule="linear")
    steps = EXACT_STEPS if exact else SAMPLED_STEPS
    recipe = Recipe(SAMPLED_RATE, steps, SAMPLED_BATCH, objective, optimisation)
    trained = train(
        model,
        seeds=seeds,
        steps=steps,
        batch_size=SAMPLED_BATCH,
        learning_rate=None if exact else SAMPLED_RATE,
        objective=objective,  # type: ignore[arg-type]
        device="cpu",
        optimisation=optimisation,
        session=Session(checkpoint, on_progress=on_progress, keep=True),
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
    # Runs at one t that were polished to one state are compared with one minimum.
    kinds = np.stack([rows, arcs, np.round(found.loss / SAME_LOSS)])
    _, chosen, where = np.unique(kinds, axis=1, return_index=True, return_inverse=True)
    excess, reach = allowances(model.take(rows[chosen]), found.weights[chosen], found.bias[chosen], recipe)
    own, ends = invariants(weights.reshape(-1, m, n), bias.reshape(-1, n)), invariants(found.weights, found.bias)
    return BranchRuns(
        parameter=parameters,
        arc=arcs.reshape(shape),
        loss=np.asarray(trained.loss, dtype=np.float64).reshape(shape),
        polished=found.loss.reshape(shape),
        moved=found.moved.reshape(shape),
        distance=np.linalg.norm(own - ends, axis=-1).reshape(shape),
        excess_allowed=excess[where.ravel()].reshape(shape),
        distance_allowed=reach[where.ravel()].reshape(shape),
        objective=objective,
    )


def branch_account(diagram: BranchDiagram, runs: BranchRuns | None) -> dict[str, Any]:
    """Return plain values: the minima with their ranges and limits, the changes of the cheapest, and where runs ended.

    Args:
        diagram: the minima of a family.
        runs: trained models.
    """
    family = diagram.family
    arcs = []
    for number, arc in enumerate(diagram.arcs):
        middle = len(arc.branch.parameter) // 2
        arcs.append(
            {
                "number": number,
                "name": arrangement(arc.branch.weights[middle], arc.branch.bias[middle]),
                "from": arc.range[0],
                "to": arc.range[1],
                "lower_limit": _plain_limit(arc.lower),
                "upper_limit": _plain_limit(arc.upper),
                "largest_residual": float(arc.branch.residual.max()),
                "smallest_curvature": float(arc.branch.curvature.min()),
                "hits": diagram.hits[number].tolist(),
            }
        )
    changes = [
        {
            "parameter": change.parameter,
            "error": change.error,
            "kind": change.kind,
            "below": change.below,
            "above": change.above,
            "loss": change.loss,
            "slopes": list(change.slopes),
        }
        for change in diagram.changes
    ]
    account: dict[str, Any] = {
        # Those at both ends.
        "model": family.at(np.array([family.low, family.high])).to_plain(),
        "parameter": family.parameter,
        "low": family.low,
        "high": family.high,
        "probes": list(diagram.probes),
        "starts": diagram.starts,
        "arcs": arcs,
        "changes": changes,
    }
    if runs is not None:
        cheapest = _cheapest_runs(diagram, runs)
        inside = cheapest & runs.in_a_minimum
        ends = {CHEAPEST: float(cheapest.mean())} | {text: runs.share(code) for code, text in ENDINGS.items()}
        own = {CHEAPEST: float(inside.mean())} | {text: runs.share_in_it(code) for code, text in ENDINGS.items()}
        account["runs"] = {
            "objective": runs.objective,
            "number": int(runs.arc.size),
            "shares": ends,
            "shares_in_it": own,
            "values": len(runs.parameter),
            "values_with_a_run_on_the_cheapest": int(cheapest.any(axis=1).sum()),
            "values_with_a_run_in_the_cheapest": int(inside.any(axis=1).sum()),
            "by_arc": [runs.share(number) for number in range(len(arcs))],
            "by_arc_in_it": [runs.share_in_it(number) for number in range(len(arcs))],
            "endings": [
                {"parameter": float(t), "arcs": row.tolist()} for t, row in zip(runs.parameter, runs.arc, strict=True)
            ],
            "in_a_minimum": int(runs.in_a_minimum.sum()),
            "furthest_from_its_minimum": float(runs.moved.max()),
            "distance_99": float(np.percentile(runs.moved, 99)),
            "excess_99": float(np.percentile(runs.loss - runs.polished, 99)),
            "median_distance": float(sorted(runs.moved.ravel())[runs.moved.size // 2]),
        }
    return account


def _cheapest_runs(diagram: BranchDiagram, runs: BranchRuns) -> NDArray[np.bool_]:
    """Return which runs ended on the cheapest arc of their t, shape (K, seeds)."""
    cheapest: NDArray[np.bool_] = runs.arc == diagram.cheapest(runs.parameter)[:, None]
    return cheapest


def _plain_limit(limit: Limit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {
        "parameter": limit.parameter,
        "error": limit.error,
        "mechanism": limit.mechanism,
        "breaks_symmetry": limit.breaks,
        "residual": limit.residual,
    }
