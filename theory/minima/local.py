"""The minima of one model: a search that goes on until few starts would lead elsewhere, and what it found, judged.

`search` finds states, one for all copies under the relabellings that leave the model as it is. Here each is judged,
saddles are followed downhill, and the list says how far it can be trusted. docs/minima.md has the measurements.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry import phase
from ..models import Amplitude, ToyModel
from ..numerics import (
    MOST_STARTS,
    FloatArray,
    check_callable,
    check_count,
    check_flag,
    check_kind,
    check_number,
    check_seed,
)
from .batches import EXAMINED, beside_saddles, examine_all
from .critical_points import SAME_LOSS, CriticalPoint, examine, invariants
from .exchanges import Exchanges
from .frames import in_frame
from .landscape import Inputs, Landscape
from .lists import Minima, remark_on, structure
from .random_starts import FoundMinimum
from .search import SAME, Report, Search, StateClass, searched

# More features would take hours.
MAX_SEARCHED_FEATURES = 8
# Features up to which minima are few enough to list all copies of each.
MAX_LISTED_FEATURES = 4
# Shares of starts that may lead elsewhere when a search ends, and draws at which it ends all the same.
UNSEEN, UNSEEN_BEST, MOST_DRAWS = 0.01, 0.05, 4096
# Copies of minima that are listed at most, when each is asked for by itself.
MOST_COPIES = 10_000


def check_searchable(model: ToyModel) -> None:
    """Raise `ValueError` unless the search for minima covers a model.

    Its second-order conditions rest on a loss without first-order kinks, which E‖Wx‖₁ has wherever a hidden unit is
    silent, and its tolerances on inputs up to 1, to which `local_minima` scales others.
    """
    check_kind("model", model, ToyModel)
    amplitude = model.features.amplitude
    if model.n_features > MAX_SEARCHED_FEATURES:
        raise ValueError(
            f"minima are searched for up to {MAX_SEARCHED_FEATURES} features, got {model.n_features}: "
            "`random_minima` of tegum.theory.minima takes more where few of them interact, `downhill` follows given "
            "weights, and `tegum packing` finds the best use of the dimensions by equal features"
        )
    if amplitude.largest > 1:
        raise ValueError(
            f"minima are searched for amplitudes up to 1, got {amplitude.describe()}: `local_minima` takes larger ones"
        )
    if model.activation_penalty.any():
        raise ValueError("minima are searched for without an activation penalty, got one")


def _checked(model: ToyModel, name: str, unseen: float, starts: int | None, seed: int) -> tuple[ToyModel, float, float]:
    """Return the model in units of its largest input, these, and the share that may be unseen.

    Raises:
        ValueError: if an argument isn't what it has to be.
    """
    check_kind("model", model, ToyModel)
    if model.batch_shape != ():
        raise ValueError(f"{name} takes a single model, got batch shape {model.batch_shape}")
    if model.n_hidden > model.n_features:
        raise ValueError(
            f"n_hidden must not exceed n_features: got n_hidden={model.n_hidden}, n_features={model.n_features}"
        )
    unit = max(1.0, float(model.features.amplitude.largest))
    of_unit = _in_units(model, unit) if unit > 1 else model
    check_searchable(of_unit)
    if starts is not None:
        check_count("starts", starts, 1, MOST_STARTS)
    check_seed("seed", seed)
    return of_unit, unit, check_number("unseen", unseen, above=0, most=1)


def _in_units(model: ToyModel, unit: float) -> ToyModel:
    """Return a model with inputs divided by a unit: its loss at (W, b / unit) is that of the model over unit²."""
    law = model.features.with_amplitude(
        model.features.amplitude.mapped(lambda one: Amplitude(float(one.low) / unit, float(one.high) / unit))
    )
    penalties = (model.interference_penalty / unit**2, model.weight_penalty / unit**2, model.activation_penalty / unit)
    return ToyModel(model.n_features, model.n_hidden, law, model.exact["importance"], *penalties, **model.choices)


def _in_own_units(model: ToyModel, found: list[FoundMinimum], unit: float) -> list[FoundMinimum]:
    """Return the minima of a model from those of `_in_units`, judged by the latter."""
    if unit == 1:
        return found
    landscape = Landscape(model.take((None,))).take(np.zeros(len(found), dtype=int))
    points, _ = examine(landscape, np.array([landscape.join(point.weights, unit * point.bias) for point in found]))
    kept = "phase", "status", "reason"
    return [
        replace(judged, **{name: value for name, value in vars(point).items() if name not in kept})
        for point, judged in zip(points, found, strict=True)
    ]


def local_minima(
    model: ToyModel,
    *,
    unseen: float = UNSEEN,
    starts: int | None = None,
    seed: int = 0,
    merged: bool = True,
    report: Report | None = None,
) -> Minima:
    """Return the local minima of the exact loss at one point of the phase diagram.

    They are searched for (docs/minima.md): that none is missed isn't proved, and `coverage` says how far the search can
    be trusted. Copies under W → QW with Q orthogonal are merged, and so are those under relabellings of features that
    leave the model as it is. States with an output that no input switches on ("dead") are flat in that output's bias;
    they are listed once each, with status "degenerate".

    Args:
        model: a single model, batch shape ().
        unseen: the search goes on until at most this share of further starts is estimated to lead to states that it
            doesn't know, or 4,096 starts are done.
        starts: independent starts, in place of this rule.
        seed: of the random numbers.
        merged: whether copies under relabellings are listed once; else each of them is.
        report: is called with the share of the starts that is done.

    Returns:
        The minima, cheapest first. Each has a gradient norm of at most 1e-12, times the square of the largest amplitude
        if that is above 1, and its Hessian spectrum.

    Raises:
        ValueError: if `model` is a batch, has more hidden dimensions than features, more than eight features,
            or an activation penalty, an argument is out of range, or there are more than
            10,000 copies to list.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> best = local_minima(ToyModel(2, 1, IndependentFeatures(0.1)))[0]
        >>> best.phase, round(best.loss, 10)
        ('digon(1,2)', 0.003319484)
    """
    of_unit, unit, unseen = _checked(model, "local_minima", unseen, starts, seed)
    check_flag("merged", merged)
    check_callable("report", report, 1, optional=True)
    found = searched(Landscape(of_unit), unseen=unseen, most=MOST_DRAWS, seed=seed, starts=starts, report=report)
    points = distinct(_judged(found, 0))
    if not merged:
        points = unmerged(points, found.exchanges, found.landscape.inputs)
    return Minima(_in_own_units(model, points, unit), found.coverage, unit**2 * found.unended)


def global_minimum(
    model: ToyModel, *, unseen: float = UNSEEN_BEST, starts: int | None = None, seed: int = 0
) -> FoundMinimum:
    """Return the cheapest minimum that a search finds; arguments and errors as of `local_minima`.

    Only the cheapest states are judged, which takes less time than to list all minima. Where descents that didn't end
    got lower, `reason` says so: of constant amplitudes some losses fall for ever as weights grow, and no minimum is the
    least.
    """
    of_unit, unit, unseen = _checked(model, "global_minimum", unseen, starts, seed)
    found = searched(Landscape(of_unit), unseen=unseen, most=MOST_DRAWS, seed=seed, starts=starts)
    (best,) = _in_own_units(model, _judged(found, 1)[:1], unit)
    remark = remark_on(unit**2 * found.unended, [best])
    return replace(best, reason=f"{best.reason}; {remark}") if remark else best


def _judged(found: Search, enough: int) -> list[FoundMinimum]:
    """Return states that aren't saddles, cheapest first; what lies below saddles joins the search's states.

    Args:
        found: the search.
        enough: minima that are asked for, the cheapest; 0 for all.
    """
    judged: dict[int, FoundMinimum | None] = {}
    while True:
        order = sorted(range(len(found.classes)), key=lambda k: found.classes[k].loss)
        known = [judged[k] for k in order if k in judged]
        left = [k for k in order if k not in judged]
        if enough and left:
            # All that is cheaper than what is asked for has to be judged.
            minima = sorted(point.loss for point in known if point is not None)
            limit = minima[enough - 1] if len(minima) >= enough else np.inf
            left = [k for k in left if found.classes[k].loss < limit][: EXAMINED if np.isinf(limit) else None][:enough]
        if not left:
            return sorted((point for point in judged.values() if point is not None), key=lambda point: point.loss)
        landscape = found.landscape.take((None,))
        places = np.stack([found.classes[k].parameters for k in left])
        ((points, directions),) = examine_all(landscape, [places])
        for k, point in zip(left, points, strict=True):
            judged[k] = None if point.status == "saddle" else found_minimum(point, found.classes[k], found.exchanges)
        found.descend(beside_saddles(landscape, points, directions))


def found_minimum(point: CriticalPoint, one: StateClass, exchanges: Exchanges) -> FoundMinimum:
    """Return a judged point as a minimum of a search, with its class's hits and the number of its copies."""
    return FoundMinimum(**vars(point), hits=one.hits, copies=exchanges.copies(_fixed(one.state), SAME))


def _fixed(state: FloatArray) -> FloatArray:
    """Return what tells a state from others without what is free to move where outputs are off."""
    off = state[-1] > 0
    return np.where(off[None] & (np.arange(len(state)) < len(state) - 1)[:, None], 0.0, state)


def distinct(points: list[FoundMinimum]) -> list[FoundMinimum]:
    """Return the minima without further points of a manifold that is flat."""
    kept: list[FoundMinimum] = []
    for point in points:
        same = [
            k
            for k, other in enumerate(kept)
            if point.status == other.status == "degenerate"
            and structure(point.phase) == structure(other.phase)
            and abs(point.loss - other.loss) < SAME_LOSS
        ]
        if same:
            kept[same[0]] = replace(kept[same[0]], hits=kept[same[0]].hits + point.hits)
        else:
            kept.append(point)
    return kept


def unmerged(points: list[FoundMinimum], exchanges: Exchanges, inputs: Inputs) -> list[FoundMinimum]:
    """Return each minimum with all its copies.

    Raises:
        ValueError: if these are more than 10,000.
    """
    total = sum(point.copies for point in points)
    if total > MOST_COPIES:
        raise ValueError(
            f"{total} copies of minima are too many to list, at most {MOST_COPIES}: merged=True counts them"
        )
    listed = list[FoundMinimum]()
    for point in points:
        known: list[FloatArray] = []
        for order in exchanges.orders():
            weights, bias = in_frame(point.weights[None][..., order]), point.bias[None][..., order]
            state = _fixed(invariants(weights, bias, inputs).reshape(-1, len(order)))
            if all(np.abs(state - other).max() > SAME for other in known):
                known.append(state)
                label = phase(weights[0], bias[0], inputs=inputs)
                listed.append(replace(point, weights=weights[0], bias=bias[0], phase=label))
            if len(known) == point.copies:
                break
    return listed
