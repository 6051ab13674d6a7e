"""`tegum certify`: a proof of which minimum is the global one, or the check of a proof that is there."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal import (
    FAILED,
    Full,
    Json,
    ModelOptions,
    Stages,
    by_effort,
    complain,
    console,
    goes_without,
    keeping,
    print_json,
    same_kind,
    takes_only,
    with_groups,
)

if TYPE_CHECKING:
    from tegum.theory.models import ToyModel
    from tegum.theory.numerics import Interval
    from tegum.theory.proofs.certificates import Certificate
    from tegum.theory.proofs.checks import CertificateCheck
    from tegum.theory.storage import Destination

# Bytes of a certificate's file.
LARGEST_FILE = 100_000_000
# Features and dimensions of the larger of the problems that are covered.
TRIPLE, PAIR = (3, 2), (2, 1)
# Boxes for three features: by default, at a million in two or three seconds, and with --full.
BOXES, FULL_BOXES = 40_000_000, 120_000_000


@with_groups
def certify(
    problem: ModelOptions,
    max_boxes: Annotated[
        int | None,
        typer.Option(
            help="Most boxes to look at; default 100,000, for three features 40 million, with --full 120 million."
        ),
    ] = None,
    full: Full = False,
    out: Annotated[Path | None, typer.Option(help="Save the certificate as JSON.")] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Verify a saved certificate instead, by other code than the search's but for cores."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove which minimum is the global one, of two features in one dimension or three in two; or check a proof.

    Numbers are exact: 0.1 is a tenth, and 1/3 may be written so. Numbers out of files are what the files say.
    """
    if check is None:
        if problem == ModelOptions():
            raise ValueError("expected --density or --model, or --check with a saved certificate")
        if max_boxes is not None:
            goes_without("--max-boxes", ("full",))
        model = problem.over(exact=True)
        if (model.n_features, model.n_hidden) == TRIPLE:
            max_boxes = by_effort(max_boxes, BOXES, FULL_BOXES, full=full)
        else:
            goes_without("a certificate of two features, which takes seconds,", ("full",))
        _show_certificate(model, max_boxes, out, as_json=as_json)
        return
    takes_only("--check, since a certificate says what it is about,", ("check",))
    _show_check(check, as_json=as_json)


def _show_certificate(model: ToyModel, max_boxes: int | None, out: Path | None, *, as_json: bool) -> None:
    from tegum.theory.proofs.certificates import certified_model

    # Whatever isn't covered is refused before anything is shown.
    sizes = model.n_features, model.n_hidden
    certified_model(model, *(sizes if sizes == TRIPLE else PAIR))
    with nullcontext() if out is None else same_kind(out, _read) as place:
        certificate, where = _proved(model, max_boxes, place)
    with keeping(lambda: "" if where is None else f"the certificate is in {where}", goes_on=lambda: False):
        _print_proof(certificate, "" if where is None else f"Wrote {where}.", as_json=as_json)
    if not certificate.proved or where != out:
        raise typer.Exit(FAILED)


def _print_proof(certificate: Certificate, wrote: str, *, as_json: bool) -> None:
    if as_json:
        # The proof itself is long; it is what --out is for.
        plain = {name: value for name, value in json.loads(certificate.to_json()).items() if name != "proof"}
        print_json(plain | {"model": certificate.model.toy_model().to_plain()})
    else:
        _print_certificate(certificate)
        if wrote:
            console().print(wrote, soft_wrap=True)


def _proved(model: ToyModel, max_boxes: int | None, place: Destination | None) -> tuple[Certificate, Path | None]:
    """Prove what can be proved and save it, and return the certificate and where it is."""
    from tegum.theory.proofs import certify
    from tegum.theory.storage import MovedError

    with Stages() as stages:
        if max_boxes is not None and (model.n_features, model.n_hidden) == TRIPLE:
            certificate = _proved_triple(model, max_boxes, stages)
        else:
            certificate = certify(model, max_boxes=max_boxes)
        if place is None:
            return certificate, None
        # Nothing comes between: a proof may have taken hours.
        try:
            place.save(lambda new: new.write_text(certificate.to_json(), encoding="utf-8"))
        except MovedError as error:
            moved = error
        else:
            return certificate, place.path
    complain(str(moved))
    return certificate, moved.found


def _proved_triple(model: ToyModel, max_boxes: int, stages: Stages) -> Certificate:
    """Prove what can be proved of three features; no one knows how many boxes that takes, but how many at most."""
    from tegum.theory.minima import global_minimum
    from tegum.theory.proofs import certify

    stages.announce(f"A proof with at most {max_boxes:,} boxes of rows, after which it ends without one")
    found = global_minimum(model)
    stages.first(
        f"the cheapest minimum found is {found.phase or 'without a label'}, {found.loss:.12g}; the proof follows"
    )
    stages.report("boxes, at most", 0.0)
    return certify(
        model,
        max_boxes=max_boxes,
        report=lambda boxes, *_: stages.report("boxes, at most", min(boxes / max_boxes, 1.0)),
    )


def _print_certificate(certificate: Certificate) -> None:
    screen = console()
    screen.print(certificate.model.toy_model().describe(), soft_wrap=True)
    screen.print(f"{certificate.status}: {certificate.phase}" if certificate.proved else certificate.status)
    screen.print(f"global minimum {_interval(certificate.loss)}", soft_wrap=True)
    for minimum in certificate.minimisers:
        n = len(minimum.bias)
        copies = "w -> -w" if n == 2 else "rotations, reflections and exchanges of features of one importance"
        screen.print(f"minimiser in {minimum.phase or 'a phase without a proof'}, up to {copies}", soft_wrap=True)
        names = [f"w_{k}" for k in range(1, n + 1)] if n == 2 else [f"W_{h}{k}" for h in (1, 2) for k in (1, 2, 3)]
        for name, side in zip(
            [*names, *(f"b_{k}" for k in range(1, n + 1))], (*minimum.weights, *minimum.bias), strict=True
        ):
            screen.print(f"  {name} = {_interval(side)}", soft_wrap=True)
    kind = "weights" if len(certificate.model.importance) == 2 else "rows of W^T W"
    screen.print(f"{certificate.boxes:,} boxes of {kind}: {certificate.reason}", soft_wrap=True)


def _show_check(path: Path, *, as_json: bool) -> None:
    from tegum.theory.proofs.checks import check_certificate

    certificate = _read(path)
    kind, total = "boxes" if len(certificate.model.importance) == 2 else "cells", max(certificate.listed, 1)
    with Stages() as stages:
        found = check_certificate(certificate, report=lambda done: stages.report(kind, done / total))
    if as_json:
        model = certificate.model.toy_model().to_plain()
        account = {"status": found.status, "boxes": found.boxes, "parts": found.parts, "checked": list(found.checked)}
        print_json({"model": model} | account)
    else:
        _print_check(certificate, found)
    if not found.proved:
        raise typer.Exit(FAILED)


def _read(path: Path) -> Certificate:
    """Return the certificate in a file.

    Raises:
        ValueError: if it isn't one.
    """
    from tegum.theory.proofs.certificates import Certificate

    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"{path} has more than {LARGEST_FILE:,} bytes")
    try:
        return Certificate.from_json(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} isn't a text file") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _print_check(certificate: Certificate, found: CertificateCheck) -> None:
    screen, model = console(), certificate.model
    screen.print(model.toy_model().describe(), soft_wrap=True)
    screen.print(
        f"{certificate.phase or 'no phase'} claimed, global minimum {_interval(certificate.loss)}", soft_wrap=True
    )
    for sentence in found.checked:
        screen.print(f"  {sentence}", soft_wrap=True)
    screen.print(found.status, soft_wrap=True)


def _interval(interval: Interval) -> str:
    """Return an exact number, or an interval's middle and width."""
    if interval.width == 0:
        return f"{interval.lower} exactly"
    return f"{interval.midpoint:.15g} (interval of width {float(interval.width):.1e})"
