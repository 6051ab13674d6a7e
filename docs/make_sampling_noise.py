"""Hold the excess loss of runs at rest against its prediction, and draw docs/sampling-noise.png: five minutes.

Models of two features in one dimension and of three in two are trained from many seeds at constant rates by SGD and
Adam. A run counts for a minimum if its weights lie in that minimum's basin (`polish` and `match`) half way and at the
end; its excess is averaged over the second half. Minima that a permutation of features takes into each other are one.

    python docs/make_sampling_noise.py [--data out/sampling-noise.json] [--seeds 96]

What is in the data file already isn't trained again. The tables of docs/sampling-noise.md are printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tegum.compare.figures import save_figure
from tegum.compare.figures.style import STYLE
from tegum.empirical import Optimisation, Recorder, train
from tegum.theory import CriticalPoint, ToyModel, diagram_model, local_minima
from tegum.theory.minima import match, polish
from tegum.theory.noise import sampling_noise

STEPS, RECORDS, MOMENTUM = 20_000, 33, 0.9
# A point is at rest if both quarters of the second half agree to this share or two standard errors; points whose
# standard error is above this share say nothing. Minima that fewer runs end in are left out.
AGREE, FEWEST = 0.1, 24
# Losses of minima that a permutation takes into each other, and orientations that Adam's predictions are averaged over.
SAME, ORIENTATIONS = 1e-9, 2


@dataclass(frozen=True)
class Setting:
    """What is trained together."""

    n: int
    m: int
    densities: tuple[float, ...]
    importances: tuple[float, ...]
    optimiser: Literal["sgd", "adam"]
    rate: float
    batch: int


PLANES: Any = {(2, 1): ((0.02, 0.1, 0.3, 0.7), (0.3, 1.0)), (3, 2): ((0.1, 0.5), (0.3, 1.0))}
RATES: Any = {
    (2, 1): {"sgd": (0.01, 0.03, 0.1), "adam": (0.001, 0.003, 0.01)},
    (3, 2): {"sgd": (0.03,), "adam": (0.003,)},
}
BATCHES = {(2, 1): (16, 128), (3, 2): (16, 128)}
SETTINGS = [
    Setting(n, m, *PLANES[n, m], optimiser, rate, batch)
    for n, m in PLANES
    for optimiser, rates in RATES[n, m].items()
    for rate in rates
    for batch in BATCHES[n, m]
]

# Three greys apart from each other; minima at a density with a dot are too near to a kink for a normal law.
COLOURS = {"digon": "#56B4E9", "merged": "#00604A", "drop": "#F7EDA0", "dead": "#999999", "other": "#000000"}
DOTTED, RATIOS = 0.02, (0.8, 1.6)
WORDS = {
    "digon": "antipodal pair", "merged": "two features on one side", "drop": "a feature dropped", "other": "a triangle",
}  # fmt: skip
MARKERS = {"sgd": "o", "adam": "^"}
NAMES = {"sgd": "SGD, momentum 0.9", "adam": "Adam"}


def kind(phase: str) -> str:
    """Return which colour a phase has."""
    return next((word for word in ("dead", "digon", "merged", "drop") if word in phase), "other")


def predicted(model: ToyModel, point: CriticalPoint, setting: Setting, order: Any) -> float:
    """Return the predicted excess; of Adam the mean over orientations of the hidden space, which its steps feel."""
    turns = [np.eye(setting.m)]
    if setting.optimiser == "adam" and setting.m == 2:
        angles = np.pi / 2 * (np.arange(ORIENTATIONS) + 0.5) / ORIENTATIONS
        turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
    found = [
        sampling_noise(
            model, replace(point, weights=turn @ point.weights), setting.rate, setting.batch, setting.optimiser,
            momentum=MOMENTUM, order=order,
        ).excess
        for turn in turns
    ]  # fmt: skip
    return float(np.mean(found))


def studied(setting: Setting, seeds: int) -> list[dict[str, Any]]:
    """Train a setting, and return a row for each minimum that enough runs are in."""
    p, r = np.array(setting.densities), np.array(setting.importances)
    model = diagram_model(setting.n, setting.m, p[:, None], r)
    marks = np.linspace(STEPS // 2, STEPS, RECORDS).round().astype(int).tolist()
    run = train(
        model, seeds=seeds, steps=STEPS, batch_size=setting.batch, learning_rate=setting.rate, device="cpu",
        optimisation=Optimisation(setting.optimiser, momentum=MOMENTUM),
        record=Recorder(marks, ("loss", "weights", "bias")),
    )  # fmt: skip
    assert run.recorded is not None
    shape = (RECORDS, len(p), len(r), seeds)
    series = {name: run.recorded[name] for name in ("loss", "weights", "bias")}
    series = {name: array.reshape(*shape, *array.shape[2:]) for name, array in series.items()}
    rows = []
    for i, j in np.ndindex(len(p), len(r)):
        one = model.take((i, j))
        minima = local_minima(one, merged=False)
        finite = np.isfinite(series["loss"][:, i, j]).all(axis=0)
        there = []
        for record in (0, -1):
            weights, bias = (series[name][record, i, j][finite] for name in ("weights", "bias"))
            ended = polish(one.take((None,)).take(np.zeros(len(bias), dtype=np.int64)), weights, bias)
            there.append(match([minima] * len(bias), ended))
        levels = np.array([point.loss for point in minima] + [np.nan])
        for place, point in enumerate(minima):
            if place and abs(point.loss - minima[place - 1].loss) < SAME:
                continue
            stayed = (np.abs(levels[there[0]] - point.loss) < SAME) & (there[0] == there[1])
            if stayed.sum() < FEWEST or kind(point.phase) == "dead":
                continue
            excess = series["loss"][:, i, j][:, finite][:, stayed] - point.loss
            each, count = excess.mean(axis=0), int(stayed.sum())
            early, late = excess[: RECORDS // 2].mean(axis=0), excess[RECORDS // 2 :].mean(axis=0)
            row = asdict(setting) | {
                "density": float(p[i]), "importance": float(r[j]), "phase": point.phase, "runs": count,
                "excess": float(each.mean()), "error": float(each.std() / count**0.5),
                "late": float(late.mean() / early.mean()),
                "late_error": float((late - early).std() / count**0.5 / each.mean()),
                "leading": predicted(one, point, setting, "leading"),
                "closure": predicted(one, point, setting, "closure"),
            }  # fmt: skip
            rows.append(row)
    return rows


def at_rest(row: dict[str, Any]) -> bool:
    """Return whether the runs of a row have come to rest, and are known well enough."""
    return row["error"] <= AGREE * row["excess"] and abs(row["late"] - 1) <= max(AGREE, 2 * row["late_error"])


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Draw measured against predicted excess, and their ratio below, for each size of model."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 4.9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=(1.4, 1), width_ratios=(1.7, 1))
        for column, (n, m) in enumerate(PLANES):
            own = [row for row in rows if (row["n"], row["m"]) == (n, m) and row["closure"] > 0]
            _against(axes[0, column], own)
            _ratio(axes[1, column], own)
            axes[0, column].set_title(f"{'ab'[column]}   {('two', 'three')[n - 2]} features, m = {m}")
            axes[1, column].set_xlabel("predicted mean excess loss")
        axes[0, 0].set_ylabel("measured mean excess loss")
        axes[1, 0].set_ylabel("measured / predicted")
        axes[0, 0].legend(handles=_keys(rows), loc="lower right", frameon=False, handletextpad=0.4)
    return figure


def _style(row: dict[str, Any]) -> dict[str, Any]:
    colour, rest = COLOURS[kind(row["phase"])], at_rest(row)
    return {
        "marker": MARKERS[row["optimiser"]], "markersize": 4.5 if rest else 3.5, "linestyle": "none",
        "markerfacecolor": colour if rest else "white", "markeredgecolor": "black" if rest else "#777777",
        "markeredgewidth": 0.5, "ecolor": "black" if rest else "#aaaaaa", "elinewidth": 0.7, "zorder": 3 if rest else 2,
    }  # fmt: skip


def _against(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        axes.errorbar(row["closure"], row["excess"], yerr=2 * row["error"] if at_rest(row) else None, **_style(row))
    ends = [min(row["closure"] for row in rows) / 2, max(row["closure"] for row in rows) * 2]
    axes.plot(ends, ends, color="black", linewidth=0.8, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=ends)


def _ratio(axes: Axes, rows: list[dict[str, Any]]) -> None:
    axes.axhspan(0.9, 1.1, color="#e6e6e6", zorder=0)
    axes.axhline(1, color="black", linewidth=0.8, zorder=1)
    bottom, top = RATIOS
    for row in rows:
        ratio, error = row["excess"] / row["closure"], 2 * row["error"] / row["closure"]
        if ratio > top:
            # Off the scale: an arrow at the rim.
            axes.plot(row["closure"], top - 0.015, marker="^", markersize=3, color="#777777", zorder=2)
            axes.plot([row["closure"]] * 2, [top - 0.07, top - 0.015], color="#777777", linewidth=0.7)
            continue
        axes.errorbar(row["closure"], ratio, yerr=error, **_style(row))
        if at_rest(row) and row["density"] == DOTTED:
            axes.plot(row["closure"], ratio, marker=".", markersize=2.5, color=_dot(row), zorder=4)
    axes.set(ylim=(bottom, top))


def _dot(row: dict[str, Any]) -> str:
    """Return the colour in which a dot is seen on a marker."""
    return "white" if kind(row["phase"]) == "merged" else "black"


def _keys(rows: list[dict[str, Any]]) -> list[Line2D]:
    plain: Any = {"linestyle": "none", "markeredgecolor": "black", "markeredgewidth": 0.5, "markersize": 4.5}
    keys = [Line2D([], [], marker=MARKERS[o], markerfacecolor="#dddddd", label=NAMES[o], **plain) for o in MARKERS]
    seen = {kind(row["phase"]) for row in rows}
    keys += [
        Line2D([], [], marker="s", markerfacecolor=COLOURS[k], label=WORDS[k], **plain) for k in WORDS if k in seen
    ]
    keys.append(Line2D([], [], marker=".", color="black", linestyle="none", markersize=2.5, label=f"p = {DOTTED:g}"))
    hollow = plain | {"markeredgecolor": "#777777", "markersize": 3.5}
    return [*keys, Line2D([], [], marker="o", markerfacecolor="white", label="not at rest, or not known", **hollow)]


def table(rows: list[dict[str, Any]]) -> str:
    """Return ratios by size of model, optimiser and density, of what is at rest, as a table."""
    lines = ["| model | optimiser | p | points (at rest / all) | runs | leading order | closure | closure, spread |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|")
    groups = dict.fromkeys((row["n"], row["m"], row["optimiser"], row["density"]) for row in rows)
    for group in groups:
        every = [row for row in rows if (row["n"], row["m"], row["optimiser"], row["density"]) == group]
        own = [row for row in every if at_rest(row)]
        n, m, optimiser, density = group
        leading, closure = (
            np.array([row["excess"] / row[order] for row in own if np.isfinite(row[order])])
            for order in ("leading", "closure")
        )
        lines.append(
            f"| {n}, {m} | {optimiser} | {density:g} | {len(own)} / {len(every)} | {sum(row['runs'] for row in own)} "
            f"| {_median(leading)} | {_median(closure)} | {_span(closure)} |"
        )
    return "\n".join(lines)


def _median(ratios: Any) -> str:
    return f"{np.median(ratios):.2f}" if len(ratios) else "none"


def _span(ratios: Any) -> str:
    return f"{ratios.min():.2f} to {ratios.max():.2f}" if len(ratios) else "none"


def failures(rows: list[dict[str, Any]]) -> str:
    """Return what is off by more than a tenth and four standard errors, or isn't at rest, one a line."""
    lines = []
    for row in sorted(rows, key=lambda row: -row["excess"] / row["closure"] if row["closure"] > 0 else 0):
        ratio, error = row["excess"] / row["closure"], row["error"] / row["closure"]
        if at_rest(row) and abs(ratio - 1) <= max(0.1, 4 * error):
            continue
        lines.append(
            f"{row['n']},{row['m']} {row['optimiser']} η={row['rate']:g} B={row['batch']} p={row['density']:g} "
            f"r={row['importance']:g} {row['phase']}: {row['runs']} runs, ratio {ratio:.2f} ± {error:.2f}, late/early "
            f"{row['late']:.2f} ± {row['late_error']:.2f}{'' if at_rest(row) else ', not at rest'}"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what isn't in the data file yet, print the tables, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("out/sampling-noise.json"))
    parser.add_argument("--seeds", type=int, default=96)
    arguments = parser.parse_args()
    known = json.loads(arguments.data.read_text(encoding="utf-8")) if arguments.data.exists() else {}
    for number, setting in enumerate(SETTINGS, start=1):
        name = f"{setting}, {STEPS} steps, {arguments.seeds} seeds"
        if name not in known:
            begin = time.process_time()
            known[name] = studied(setting, arguments.seeds)
            arguments.data.parent.mkdir(parents=True, exist_ok=True)
            arguments.data.write_text(json.dumps(known), encoding="utf-8")
            took = time.process_time() - begin
            print(f"{number} of {len(SETTINGS)}: {name}, {took:.0f} s of processor time", file=sys.stderr, flush=True)
    rows = [row for setting in SETTINGS for row in known[f"{setting}, {STEPS} steps, {arguments.seeds} seeds"]]
    print(table(rows))
    print(failures(rows))
    save_figure(draw(rows), Path(__file__).resolve().parent / "sampling-noise.png")


if __name__ == "__main__":
    main()
