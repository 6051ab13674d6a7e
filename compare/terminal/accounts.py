"""Accounts as tables: of trained runs against theory's minima, and of a table of measurements against them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .screen import console, print_table

if TYPE_CHECKING:
    from ..diagrams import Ledger
    from ..foreign import TableAccount


# Relative losses and distances below this are what is left of rounding.
ROUNDING = 1e-9


def print_ledger(ledger: Ledger) -> None:
    """Print where trained runs are, beside controls, in whose basin they are, and how that agrees with theory."""
    from ..diagrams import CONTROLS, UNSEEN

    account = ledger.account
    kinds = {
        "in_a_minimum": "in a minimum",
        "in_the_cheapest_minimum": "  in the cheapest one",
        "on_the_way": "on the way to one",
        "at_a_saddle": "at a saddle",
        "elsewhere": "elsewhere",
    }
    rows = [[text, f"{getattr(account, name)}", f"{account.share(name):.2%}"] for name, text in kinds.items()]
    title = f"{account.runs} trained runs in {ledger.cells} cells, by their own weights"
    print_table(title, ["", "runs", "share"], rows)
    texts = {control.name: control.text + " *" * (control.name in UNSEEN) for control in CONTROLS}
    sets = {"these runs": account} | {texts[name]: control for name, control in ledger.controls.items()}
    if ledger.controls:
        counts = ("in_a_minimum", "on_the_way", "at_a_saddle")
        rows = [
            [text, f"{a.runs}", *(_share(a.share(name)) for name in counts), _share(a.best_seed_in_global_phase)]
            for text, a in sets.items()
        ]
        columns = ["", "runs", "in", "on the way", "saddle", "best right"]
        print_table("Controls, which the account has to reject: % of runs", columns, rows)
        if any(name in ledger.controls for name in UNSEEN):
            console().print(
                "* Moves minima by less than noise is allowed: the account hardly sees it. Best right: % of cells off "
                "a boundary whose best seed is in a minimum of the global phase."
            )
    rows = []
    for row in ledger.phases:
        sizes = (row.excess_median, row.excess_99, row.distance_median, row.distance_99)
        rows.append([row.phase, f"{row.runs}", f"{row.in_it}", *map(_short, sizes)])
    columns = ["nearest minimum", "runs", "in it", "excess", "99 %", "apart", "99 %"]
    print_table("Relative excess loss, and distance in (W^T W, b): median and 99 %", columns, rows)
    for saddle in ledger.saddles:
        losses = f"{saddle.loss_low:.4g} to {saddle.loss_high:.4g}"
        console().print(f"At the saddle {saddle.phase}, index {saddle.index}, loss {losses}: {saddle.runs} runs.")
    meaning = {
        "global": "of the cheapest minimum",
        "other": "of another minimum that theory lists",
        "unexplained": "of none",
    }
    rows = _endings(meaning, ledger.basins, ledger.other_endings, account.runs)
    print_table("In whose basin they are: where polishing leads", ["", "runs", "share"], rows)
    right = f"{_share(account.best_seed_in_global_phase)} % of {account.cells_off_a_boundary}"
    facts = [
        ["best seed in a minimum of the global phase, cells off a boundary", right],
        *_of_candidates(ledger),
        [
            "polishing moves a run by (median, 99 %)",
            f"{ledger.polish_distance_median:.2g}, {ledger.polish_distance_99:.2g}",
        ],
        ["runs that polishing leads through a saddle", f"{ledger.escapes}"],
    ]
    for omission in ledger.omissions:
        at = f"{omission.density:.3g}, {omission.importance:.3g}"
        facts.append([f"no candidate stands for {omission.phase}", f"cheapest in {omission.cells} cells"])
        facts.append([f"  its loss at density, importance {at}", f"{omission.loss:.6f}"])
        facts.append([f"  the best candidate's, {omission.published_phase}", f"{omission.published_loss:.6f}"])
    print_table("Agreement of training with theory", ["", "value"], facts)


def _of_candidates(ledger: Ledger) -> list[list[str]]:
    """Return what is told of published candidates: nothing where there are none."""
    if math.isnan(ledger.published_wrong):
        return []
    return [["published candidates name another phase", f"{ledger.published_wrong:.2%} of cells"]]


def _endings(
    meaning: Mapping[str, str], counts: Mapping[str, int], others: Mapping[str, int], total: int
) -> list[list[str]]:
    """Return rows of counts by what they mean, and below them those of other minima by phase."""
    named = {meaning[name]: count for name, count in counts.items()}
    named |= {f"  of the others: {phase}": count for phase, count in others.items()}
    return [[text, f"{count}", f"{count / total:.2%}"] for text, count in named.items()]


def _short(value: float) -> str:
    """Return a size with an exponent of one digit, so that the widest label leaves room for all of a row."""
    return "<1e-9" if value < ROUNDING else f"{value:.1e}".replace("e-0", "e-")


def _share(value: float) -> str:
    """Return a share in percent, a dash for that of nothing."""
    return "-" if value != value else f"{value:.2%}".removesuffix("%")


def print_cells(account: TableAccount) -> None:
    """Print near which minima the cells of a table are, and what a reader should know of it."""
    meaning = {
        "global": "near the cheapest minimum",
        "other": "near another minimum that theory lists",
        "between": "near none, between several minima",
        "none": "near none",
    }
    rows = _endings(meaning, account.outcomes, account.other_endings, account.cells)
    print_table(
        f"{account.cells} cells, near within {account.tolerance:g} in (length, overlap)", ["", "cells", "share"], rows
    )
    facts = [
        [
            "distance from the nearest minimum (median, 99 %)",
            f"{account.distance_median:.2g}, {account.distance_99:.2g}",
        ],
        ["near minima of both kinds, counted for the nearest", f"{account.undecided} cells"],
        ["near none where theory predicts a single pair", f"{account.single} cells"],
    ]
    print_table("Measurement against theory", ["", "value"], facts)
    screen = console()
    if account.outcomes["between"]:
        screen.print(
            "A cell between minima is what an average over seeds gives when they ended in different minima: a state "
            "that no model is in. Label each run and count instead (pass the weights of all seeds)."
        )
    for note in account.notes:
        screen.print(f"Note: {note}.")
