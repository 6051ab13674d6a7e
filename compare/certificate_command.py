"""The command `tegum certify`. Heavy imports wait until it runs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import console, print_json
from .options import FAILED, Json
from .stages import Stages

if TYPE_CHECKING:
    from tegum.theory import Certificate, CertificateCheck, Interval


def certify(
    density: Annotated[
        str | None, typer.Option("--density", help="Feature density 1-S in (0, 1], as 0.1 or 1/3.")
    ] = None,
    importance: Annotated[str, typer.Option(help="Importance of the second feature against the first.")] = "1",
    penalty: Annotated[
        str, typer.Option(help="Coefficient of the interference penalty, lambda in lambda 2 w1^2 w2^2.")
    ] = "0",
    max_boxes: Annotated[int, typer.Option(help="Budget of boxes of weights to look at.")] = 100_000,
    out: Annotated[Path | None, typer.Option(help="Save the certificate as JSON.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Verify a saved certificate instead, by other code than the search's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove which minimum of two features in one dimension is the global one; or check such a proof."""
    if check is not None:
        if density is not None or out is not None:
            raise ValueError("--check takes no other options than --json: a certificate says what it is about")
        _show_check(check, as_json=as_json)
        return
    if density is None:
        raise ValueError("expected --density, or --check with a saved certificate")
    _show_certificate(
        _number("density", density),
        _number("importance", importance),
        _number("penalty", penalty),
        max_boxes,
        out,
        as_json=as_json,
    )


def _show_certificate(
    density: Fraction, importance: Fraction, penalty: Fraction, max_boxes: int, out: Path | None, *, as_json: bool
) -> None:
    from tegum.theory import IndependentFeatures, ToyModel, certify

    model = ToyModel(2, 1, IndependentFeatures(density), (1, importance), interference_penalty=penalty)
    certificate = certify(model, max_boxes=max_boxes)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(certificate.to_json(), encoding="utf-8")
    if as_json:
        # The proof itself is long; it is what --out is for.
        print_json({name: value for name, value in json.loads(certificate.to_json()).items() if name != "proof"})
    else:
        _print_certificate(certificate)
        if out is not None:
            console().print(f"Wrote {out}.", soft_wrap=True)
    if not certificate.proved:
        raise typer.Exit(FAILED)


def _print_certificate(certificate: Certificate) -> None:
    screen = console()
    screen.print(f"{certificate.status}: {certificate.phase}" if certificate.proved else certificate.status)
    screen.print(f"global minimum {_interval(certificate.loss)}", soft_wrap=True)
    for minimum in certificate.minimisers:
        screen.print(f"minimiser in {minimum.phase}, up to w -> -w", soft_wrap=True)
        for name, sides in (("w", minimum.weights), ("b", minimum.bias)):
            for k, side in enumerate(sides, start=1):
                screen.print(f"  {name}_{k} = {_interval(side)}", soft_wrap=True)
    screen.print(f"{certificate.boxes:,} boxes of weights: {certificate.reason}", soft_wrap=True)


def _show_check(path: Path, *, as_json: bool) -> None:
    from tegum.theory import Certificate, check_certificate

    certificate = Certificate.from_json(path.read_text(encoding="utf-8"))
    total = max(sum(len(boxes) for boxes in certificate.proof.boxes.values()), 1)
    with Stages() as stages:
        found = check_certificate(certificate, report=lambda done: stages.report("boxes", done / total))
    if as_json:
        print_json({"status": found.status, "boxes": found.boxes, "parts": found.parts, "checked": list(found.checked)})
    else:
        _print_check(certificate, found)
    if not found.proved:
        raise typer.Exit(FAILED)


def _print_check(certificate: Certificate, found: CertificateCheck) -> None:
    screen, model = console(), certificate.model
    one, two = model.importance
    screen.print(
        f"density {model.density}, importances {one} and {two}, interference penalty {model.penalty}: "
        f"{certificate.phase or 'no phase'} claimed, global minimum {_interval(certificate.loss)}",
        soft_wrap=True,
    )
    for sentence in found.checked:
        screen.print(f"  {sentence}", soft_wrap=True)
    screen.print(found.status, soft_wrap=True)


def _number(name: str, text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name} must be a number such as 0.1 or 1/3, got {text!r}") from None


def _interval(interval: Interval) -> str:
    """Return an exact number, or an interval's middle and width."""
    if interval.width == 0:
        return f"{interval.lower} exactly"
    return f"{interval.midpoint:.15g} (interval of width {float(interval.width):.1e})"
