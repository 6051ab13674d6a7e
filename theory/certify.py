"""The search for a proof that a minimum is the global one: cores around the cheapest minima, boxes for the rest."""
from __future__ import annotations
import sys
sys.path.insert(0,'/tmp/proof')
from ball_search import search
from flint import fmpq
from fractions import Fraction
from .certificate import *
from .certificate import NOT_PROVED, PROVED
from .certificate_cores import *
from .enclosure import Interval
from .minima import local_minima
from .model import ToyModel
from .ball_bounds import PairBounds

def certify(model: ToyModel, *, max_boxes: int = 100_000) -> Certificate:
    exact = certified_model(model)
    bounds = PairBounds(as_pair(exact))
    points = local_minima(model)
    cores, minima, reasons = [], [], []
    for point in points:
        if point.loss > points[0].loss + SAME_LOSS: continue
        core, found, reason = proposed_core(bounds, point)
        if core is None: reasons.append(reason)
        else: cores.append(core); minima.append(as_minimum(found))
    if reasons: print(reasons)
    thr = min(m.loss.upper for m in minima)
    t = as_fmpq(thr)
    e = 0
    while not all(bounds.far(fmpq(4)**e, i, t) for i in (0,1)): e += 1
    boxes, left, seen = search(bounds, t, e, [as_box(c.box) for c in cores], max_boxes)
    proof = Proof(thr, e, {k: tuple(v) for k, v in boxes.items()}, tuple(cores))
    st = PROVED if not left else NOT_PROVED + ": boxes"
    return Certificate(exact, st, Interval(min(m.loss.lower for m in minima), thr), tuple(minima), joined_phase(tuple(minima)), seen, "", proof)
