"""The check of a certificate of two features.

It shares no code with the search for boxes: bounds come from ball arithmetic (`proofs.balls`), values and biases are
minimised anew. What proposes cores has proved them by the check's own code (`cores`). It establishes that the boxes
cover the domain, that each argument holds on each of its boxes, and that what is claimed follows.
"""

from __future__ import annotations

from collections.abc import Callable

from flint import fmpq

from ...numerics import Interval, Range, as_fmpq
from ..balls import PairBounds, WeightBox, excluded
from ..certificates import ARGUMENTS, Certificate, Core, EnclosedMinimum, Quarter, WeightProof, joined_phase
from .account import Account, FailedCheckError, require
from .cores import as_box, as_minimum, as_pair, proved_core

# The search's bounds are sharper than these on large boxes: boxes are cut where that is needed, so often at most.
MAX_CUTS = 6
MAX_LEVEL, MAX_EXPONENT = 60, 60


def check_weights(
    certificate: Certificate, proof: WeightProof, account: Account, report: Callable[[int], None] | None
) -> None:
    """Establish all that a certificate of two features claims.

    Args:
        certificate: what is claimed.
        proof: its boxes of weights.
        account: of what is established, added to.
        report: called with the number of boxes checked so far.

    Raises:
        FailedCheckError: with the first thing that fails.
    """
    model = certificate.model
    require(len(model.importance) == 2, "boxes of weights prove something about two features only")
    require(model.penalty >= 0, "the penalty must not be negative")
    bounds, threshold = PairBounds(as_pair(model)), as_fmpq(proof.threshold)
    require(0 <= proof.exponent <= MAX_EXPONENT, f"the domain's exponent is {proof.exponent}")
    edge = fmpq(4) ** proof.exponent
    require(all(bounds.far(edge, i, threshold) for i in (0, 1)), "the domain may be too small")
    account.checked.append(f"minimisers lie in |w| <= 2^{proof.exponent}")
    _check_cover(proof)
    count = sum(len(boxes) for boxes in proof.boxes.values())
    account.checked.append(f"{count} boxes cover the domain")
    minimisers = _check_cores(proof, bounds)
    number = "1 core" if len(minimisers) == 1 else f"{len(minimisers)} cores"
    account.checked.append(f"{number}: a minimiser in each, and nothing else as good")
    _check_claim(certificate, proof, minimisers)
    account.checked.append("the claims hold if no other box holds a minimiser")
    _check_boxes(proof, bounds, account, report)
    account.checked.append(f"no other box does ({account.parts} parts)")


def _check_cover(proof: WeightProof) -> None:
    """Establish that the boxes and nothing else fill w_1 ≥ 0 of the domain."""
    boxes = [box for given in proof.boxes.values() for box in given]
    require(set(proof.boxes) <= set(ARGUMENTS), "an argument is unknown")
    left = set(boxes)
    require(len(left) == len(boxes), "a box is listed twice")
    require(all(0 <= level <= MAX_LEVEL for level, _, _ in left), "a box is too small")
    deepest = max((level for level, _, _ in left), default=0)
    todo: list[Quarter] = [(0, 0, -1), (0, 0, 0)]
    while todo:
        level, i, j = todo.pop()
        if (level, i, j) in left:
            left.remove((level, i, j))
            continue
        require(level < deepest, f"the boxes leave out {(level, i, j)}")
        todo += [(level + 1, 2 * i + a, 2 * j + b) for a in (0, 1) for b in (0, 1)]
    require(not left, "a box lies outside of the domain or inside another")


def _check_cores(proof: WeightProof, bounds: PairBounds) -> list[EnclosedMinimum]:
    found = []
    for number, core in enumerate(proof.cores, start=1):
        minimiser, reason = proved_core(bounds, core)
        if minimiser is None:
            raise FailedCheckError(f"core {number}: {reason}")
        found.append(as_minimum(minimiser))
    require(bool(found), "there is no core")
    return found


def _check_boxes(
    proof: WeightProof, bounds: PairBounds, account: Account, report: Callable[[int], None] | None
) -> None:
    threshold = as_fmpq(proof.threshold)
    cores = [box for core in proof.cores for box in (as_box(core.box), as_box(core.box).mirrored())]
    for argument, given in proof.boxes.items():
        for level, i, j in given:
            side = fmpq(2) ** (proof.exponent - level)
            box = WeightBox(Range(i * side, (i + 1) * side), Range(j * side, (j + 1) * side))
            if argument == "core":
                holds = any(box.within(core) for core in cores)
                account.parts += 1
            else:
                holds = _excluded(bounds, box, threshold, argument, account, MAX_CUTS)
            require(holds, f"the argument {argument!r} isn't established on the box {(level, i, j)}")
            account.boxes += 1
            if report is not None:
                report(account.boxes)


def _excluded(bounds: PairBounds, box: WeightBox, threshold: fmpq, argument: str, account: Account, cuts: int) -> bool:
    """Establish that a box holds no global minimiser, by the argument given, or by others on parts of it."""
    account.parts += 1
    if excluded(bounds, box, threshold, slopes_first=argument == "slope"):
        return True
    return cuts > 0 and all(_excluded(bounds, part, threshold, argument, account, cuts - 1) for part in box.quarters())


def _check_claim(certificate: Certificate, proof: WeightProof, minimisers: list[EnclosedMinimum]) -> None:
    """Establish that the claims follow from the cores: everything outside of them is out."""
    least = min(minimum.loss.upper for minimum in minimisers)
    require(proof.threshold >= least, "the threshold is below the least loss")
    lower = min(minimum.loss.lower for minimum in minimisers)
    require(_holds(certificate.loss, Interval(lower, least)), "the global minimum may lie outside of its interval")
    cores = proof.cores
    cheapest = [(core, one) for core, one in zip(cores, minimisers, strict=True) if one.loss.lower <= least]
    for k, (_, one) in enumerate(cheapest):
        for _, other in cheapest[:k]:
            require(not _may_coincide(one, other), "two cores may hold the same minimiser")
    require(len(certificate.minimisers) == len(cheapest), f"there are {len(cheapest)} minimisers to enclose")
    claims = list(certificate.minimisers)
    for core, mine in cheapest:
        fitting = [claim for claim in claims if _encloses(claim, mine, core)]
        require(bool(fitting), f"a minimiser in {mine.phase} may lie outside of the enclosures, or they leave its core")
        claims.remove(fitting[0])
    for claim in certificate.minimisers:
        known = claim.curvature is None and not claim.symmetric
        require(known, "neither a curvature nor a symmetry is proved for two features")
    phases = joined_phase(tuple(one for _, one in cheapest))
    require(certificate.phase == phases, f"the phase is {phases!r}")


def _encloses(claim: EnclosedMinimum, mine: EnclosedMinimum, core: Core) -> bool:
    """Return whether a claim holds a minimiser, and no other stationary point because its weights are in the core."""
    pairs = zip((*claim.weights, *claim.bias, claim.loss), (*mine.weights, *mine.bias, mine.loss), strict=True)
    inside = all(_holds(side, weight) for side, weight in zip(core.box, claim.weights, strict=True))
    return inside and claim.phase == mine.phase and all(_holds(outer, inner) for outer, inner in pairs)


def _may_coincide(one: EnclosedMinimum, other: EnclosedMinimum) -> bool:
    """Return whether two enclosures of weights overlap, up to w → −w."""
    mirrored = [Interval(-side.upper, -side.lower) for side in other.weights]
    return any(
        all(a.lower <= b.upper and b.lower <= a.upper for a, b in zip(one.weights, weights, strict=True))
        for weights in (other.weights, mirrored)
    )


def _holds(outer: Interval, inner: Interval) -> bool:
    return outer.lower <= inner.lower and inner.upper <= outer.upper
