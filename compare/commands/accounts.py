"""Accounts as tables: of trained runs against theory's minima, and of a table of measurements against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .console import console, print_table

if TYPE_CHECKING:
    from ..diagrams import Ledger
    from ..foreign import TableAccount


def print_ledger(ledger: Ledger) -> None:
    """Print where trained runs ended, and how that agrees with theory."""
    meaning = {
        "global": "ended in the cheapest minimum",
        "other": "ended in another minimum that theory lists",
        "unexplained": "ended in none",
    }
    rows = [[meaning[name], f"{count}", f"{ledger.share(name):.2%}"] for name, count in ledger.outcomes.items()]
    rows += [
        [f"  of the others: {phase}", f"{count}", f"{count / ledger.runs:.2%}"]
        for phase, count in ledger.other_endings.items()
    ]
    print_table(f"{ledger.runs} trained runs in {ledger.cells} cells", ["", "runs", "share"], rows)
    facts = [
        [
            "best seed in the cheapest phase, cells off a boundary",
            f"{ledger.best_agreement:.2%} of {ledger.best_cells}",
        ],
        ["published candidates name another phase", f"{ledger.published_wrong:.2%} of cells"],
        ["polishing moved a run by (median, 99 %)", f"{ledger.distance_median:.2g}, {ledger.distance_99:.2g}"],
        [
            "excess loss before polishing (median, 99 %)",
            f"{ledger.excess_loss_median:.2g}, {ledger.excess_loss_99:.2g}",
        ],
        ["runs that polishing led through a saddle", f"{ledger.escapes}"],
    ]
    for omission in ledger.omissions:
        at = f"{omission.density:.3g}, {omission.importance:.3g}"
        facts.append([f"no candidate stands for {omission.phase}", f"cheapest in {omission.cells} cells"])
        facts.append([f"  its loss at density, importance {at}", f"{omission.loss:.6f}"])
        facts.append([f"  the best candidate's, {omission.published_phase}", f"{omission.published_loss:.6f}"])
    print_table("Agreement of training with theory", ["", "value"], facts)


def print_cells(account: TableAccount) -> None:
    """Print near which minima the cells of a table are, and what a reader should know of it."""
    meaning = {
        "global": "near the cheapest minimum",
        "other": "near another minimum that theory lists",
        "between": "near none, between several minima",
        "none": "near none",
    }
    rows = [[meaning[name], f"{count}", f"{account.share(name):.2%}"] for name, count in account.outcomes.items()]
    rows += [
        [f"  of the others: {phase}", f"{count}", f"{count / account.cells:.2%}"]
        for phase, count in account.other_endings.items()
    ]
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
