"""Train clusters, hold them against the Thomson problem, and draw docs/analogy.png: twenty minutes on two cores.

For d = 2 and 3 hidden dimensions, k equal features and several densities, models are trained from many seeds: on the
exact loss by L-BFGS where it is enumerated quickly, else on samples. Of the runs that represent all k features the best
few go down to rest on the exact loss, and the one of least loss is compared. So does a model that begins at the Thomson
points with their best scale and bias, slightly shaken. From 2 d features on, the cluster is held against the best
spherical code, too.

    python docs/make_analogy.py [--data out/analogy.json] [--seeds 128]

What is in the data file already isn't trained again. The tables of docs/analogy.md are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.optimize import minimize

from tegum.compare.figures import draw_features, overlap_legend, save_figure, upright
from tegum.compare.figures.style import STYLE
from tegum.compare.geometry import ThomsonComparison, thomson_comparison
from tegum.empirical.runs import Optimisation
from tegum.empirical.training import train
from tegum.theory import ExactLoss, IndependentFeatures, ToyModel, feature_norms, polytope
from tegum.theory.minima import pack, unpack
from tegum.theory.packing import packed
from tegum.theory.polytopes import recognise
from tegum.theory.spheres import best_alignment, spherical_code
from tegum.theory.spheres.point_groups import point_group

DENSITIES = (0.5, 0.2, 0.1, 0.05, 0.02)
SIZES = {2: range(3, 13), 3: range(4, 13)}
# Up to so many features the loss is enumerated in training, and features shorter than this aren't represented.
ENUMERATED, STORED = 6, 0.1
# Runs that go down to rest, and how far a start is from the Thomson points.
FOLLOWED, SHAKE = 3, 1e-3
COLOURS, MARKERS = ("#000000", "#0072B2", "#009E73", "#E69F00", "#D55E00"), "osD^v"
SHOWN, SHOWN_DENSITY = ((3, 5), (3, 7), (3, 8), (3, 10), (3, 12)), 0.02
# Densities of the rows on the page, and polytopes of packings that are compared at one density.
PRINTED = (0.1, 0.02)
PACKINGS = ("triangle", "pentagon", "hexagon", "tetrahedron", "antiprism", "cube", "icosahedron", "5-cell",
            "rectified 5-cell", "24-cell", "hemicube")  # fmt: skip


def at_rest(model: ToyModel, weights: Any, bias: Any) -> tuple[Any, Any, float]:
    """Return weights, bias and exact loss after going down as far as the loss can be followed."""
    n, m = model.n_features, model.n_hidden
    engine = ExactLoss(model, method="enumeration" if n <= ENUMERATED else "spectral")

    def value(x: Any) -> tuple[float, Any]:
        loss, d_weights, d_bias = engine.loss_and_gradient(*unpack(x, m))
        return float(loss), pack(d_weights, d_bias)

    search: Any = minimize
    options = {"maxiter": 400, "maxfun": 600, "ftol": 1e-15, "gtol": 1e-9}
    found = search(value, pack(weights, bias), jac=True, method="L-BFGS-B", options=options)
    return *unpack(found.x, m), float(found.fun)


def names(weights: Any) -> str:
    """Return the polytopes of a model's tegum factors; for one that isn't like a known one its size and symmetry."""
    found = []
    for factor in recognise(weights):
        if factor.best and factor.is_like(0.1):
            found.append(factor.best.name)
            continue
        points = np.asarray(weights)[:, list(factor.features)].T
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
        symmetry = f" {point_group(points, tolerance=0.01)}" if factor.rank == points.shape[1] == 3 else ""
        found.append(f"{len(factor.features)} points{symmetry}")
    return " + ".join(sorted(found))


def studied(k: int, d: int, seeds: int) -> list[dict[str, Any]]:
    """Train k features in d dimensions at all densities, and return what comes of each."""
    model = ToyModel(k, d, IndependentFeatures(np.array(DENSITIES)[:, None]))
    if k <= ENUMERATED:
        ways: dict[str, Any] = {"objective": "exact", "steps": 600}
        ways["optimisation"] = Optimisation("lbfgs", tolerance=1e-9)
    else:
        ways = {"steps": 5000, "batch_size": 512, "learning_rate": 3e-3}
        ways["optimisation"] = Optimisation(schedule="cosine")
    trained = train(model, seeds=seeds, device="cpu", **ways)
    whole = (np.asarray(feature_norms(trained.weights)) > STORED).all(axis=-1)
    rows = []
    for place, density in enumerate(DENSITIES):
        one = ToyModel(k, d, IndependentFeatures(density))
        losses = np.where(np.isfinite(trained.loss[place]), trained.loss[place], np.inf)
        row: dict[str, Any] = {"k": k, "d": d, "density": density, "seeds": seeds, "whole": int(whole[place].sum())}
        best = int(losses.argmin())
        row["best_represents"] = int((np.asarray(feature_norms(trained.weights[place, best])) > STORED).sum())
        rows.append(row)
        if not whole[place].any():
            continue
        followed = np.argsort(np.where(whole[place], losses, np.inf))[: min(FOLLOWED, row["whole"])]
        rested = [at_rest(one, trained.weights[place, run], trained.bias[place, run]) for run in followed]
        rested = [end for end in rested if (np.asarray(feature_norms(end[0])) > STORED).all()]
        if not rested:
            continue
        weights, bias, loss = min(rested, key=lambda end: end[2])
        found = thomson_comparison(weights, density=density)
        assert found.thomson_loss is not None
        assert found.loss is not None
        points, scale = found.thomson.points.T, found.thomson_loss.scale**0.5
        start = scale * points + SHAKE * np.random.default_rng(k).normal(size=points.shape)
        freed, _, freed_loss = at_rest(one, start, np.full(k, found.thomson_loss.bias))
        row |= {
            "weights": weights.tolist(), "bias": bias.tolist(), "loss": loss, "names": names(weights),
            "directions_loss": found.loss.loss, "thomson_loss": found.thomson_loss.loss,
            "thomson_scale": found.thomson_loss.scale, "freed_loss": freed_loss, "freed_names": names(freed),
            **summary(found), **beside_code(weights),
        }  # fmt: skip
    return rows


def summary(found: ThomsonComparison) -> dict[str, float]:
    """Return the numbers of a comparison."""
    return {
        "energy_excess": found.energy_ratio - 1, "distance": found.alignment.distance,
        "lower_bound": found.alignment.lower_bound, "longest_over_shortest": float(np.ptp(np.log(found.lengths))),
        "interference": found.directions.interference, "thomson_interference": found.optimum.interference,
        "squared": found.directions.squared_overlaps, "thomson_squared": found.optimum.squared_overlaps,
    }  # fmt: skip


def beside_code(weights: Any) -> dict[str, float | None]:
    """Return the distance from the best spherical code, its least angle and that of the features, in degrees."""
    points = (np.asarray(weights) / np.linalg.norm(weights, axis=0)).T
    k, d = points.shape
    largest = (points @ points.T)[np.triu_indices(k, 1)].max()
    code = spherical_code(k, d)
    # Fewer points have many best codes.
    distance = best_alignment(points, code.points).distance if k >= 2 * d else None
    return {
        "angle": float(np.degrees(np.arccos(np.clip(largest, -1, 1)))), "code_angle": code.angle,
        "code_distance": distance,
    }  # fmt: skip


def figure_of(rows: list[dict[str, Any]]) -> Figure:
    """Draw distances and losses against k, and some of the clusters beside the Thomson points."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 8.6), layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subfigures(2, 1, height_ratios=[1.25, 1])
        panels = upper.subplots(2, 2)
        quantities = (
            (2, "distance", "(a) d = 2: distance from the Thomson points", "root mean square distance"),
            (3, "distance", "(b) d = 3: distance from the Thomson points", "root mean square distance"),
            (3, "code_distance", "(c) d = 3: distance from the best spherical code", "root mean square distance"),
            (3, "dearer", "(d) d = 3: what the Thomson directions cost more", "extra loss, %"),
        )
        for axes, (d, name, title, label) in zip(panels.ravel(), quantities, strict=True):
            _lines(axes, [row for row in rows if row["d"] == d and "loss" in row], name, SIZES[d])
            axes.set_title(title, loc="left")
            axes.set_ylabel(label)
            axes.axvline(2 * d, color="#999999", linewidth=0.6, linestyle=":")
        for axes in panels.ravel()[:3]:
            axes.set_ylim(-0.04, 0.62)
        panels[1, 1].set_yscale("symlog", linthresh=1)
        panels[1, 1].set_ylim(-0.2, 60)
        panels[1, 1].set_yticks([0, 1, 10], ["0", "1", "10"])
        upper.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
        pictures = lower.subplots(2, len(SHOWN), squeeze=False)
        for (d, k), column in zip(SHOWN, pictures.T, strict=True):
            row = next(row for row in rows if (row["d"], row["k"], row["density"]) == (d, k, SHOWN_DENSITY))
            weights = np.array(row["weights"])
            found = thomson_comparison(weights)
            # Laid on each other as well as they can be.
            points = upright(found.thomson.points)
            turn = best_alignment(points, found.directions.points.T).map
            draw_features(column[0], turn @ found.directions.points)
            column[0].set_title(f"k = {k}, trained", loc="center")
            draw_features(column[1], points.T)
            column[1].set_title(f"k = {k}, Thomson", loc="center")
        lower.legend(handles=overlap_legend(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _lines(axes: Any, rows: list[dict[str, Any]], name: str, sizes: range) -> None:
    """Draw a number against k for each density; hollow where the best run of all leaves features out."""
    for density, colour, marker in zip(DENSITIES, COLOURS, MARKERS, strict=False):
        own = [row for row in rows if row["density"] == density]
        line, hollow = np.full((2, sizes[-1] + 1), np.nan)
        for row in own:
            dearer = 100 * (row["thomson_loss"] / row["loss"] - 1)
            value = dearer if name == "dearer" else row[name]
            if value is not None:
                (line if row["best_represents"] == row["k"] else hollow)[row["k"]] = value
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 0.8}
        axes.plot(line, label=f"1−S = {density:g}", **style)
        style |= {"linestyle": "none", "markerfacecolor": "white", "markersize": 3.5, "markeredgewidth": 0.6}
        axes.plot(hollow, **style)
    axes.set_xlim(sizes[0] - 0.5, sizes[-1] + 0.5)
    axes.set_xticks(list(sizes))
    axes.set_xlabel("features k")


def per_cent(value: float, base: float) -> str:
    """Return how much more a loss is than another."""
    return f"{round(100 * (value / base - 1), 2) + 0.0:.2f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    columns = ("d", "k", "1−S", "runs with all k", "best run has", "trained", "energy ratio − 1", "distance", "ReLU²",
               "squares", "least angle", "from code", "Thomson", "set free")  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for row in rows:
        whole = f"{row['whole']}/{row['seeds']} | {row['best_represents']}"
        head = f"| {row['d']} | {row['k']} | {row['density']:g} | {whole} |"
        if "loss" not in row:
            lines.append(head + " |" * 9)
            continue
        ratio = "coincide" if row["energy_excess"] > 1e3 else f"{abs(row['energy_excess']):.1e}"
        if row["energy_excess"] < 1e-12:
            ratio = "0"
        code = "" if row["code_distance"] is None else f"{row['code_distance']:.3f}"
        lines.append(
            f"{head} {row['names']} | {ratio} | {row['distance']:.3f} | "
            f"{row['interference']:.3f}, {row['thomson_interference']:.3f} | {row['squared']:.3f}, "
            f"{row['thomson_squared']:.3f} | {row['angle']:.1f}°, {row['code_angle']:.1f}° | {code} | "
            f"{per_cent(row['thomson_loss'], row['loss'])} | {per_cent(row['freed_loss'], row['loss'])}, "
            f"{row['freed_names']} |"
        )
    return "\n".join(lines)


def packings(density: float) -> str:
    """Return a table of polytopes with their best scale, bias and height, beside Thomson points."""
    lines = [
        "| polytope | k/d | energy ratio − 1 | distance | ReLU² | squares | loss | Thomson |",
        "|" + "---|" * 8,
    ]
    for name in PACKINGS:
        own = packed(name, density)
        points = polytope(name).points
        if np.isfinite(own.height):
            # An antiprism's squared height; that of the tight frame is 1/3.
            flat, high = np.sqrt((1 - own.height) / (2 / 3)), np.sqrt(3 * own.height)
            points = points * np.array([flat, flat, high])[:, None]
        found = thomson_comparison(points, density=density)
        assert found.thomson_loss is not None
        excess = found.energy_ratio - 1
        lines.append(
            f"| {name} | {own.corners}/{own.dim} | {f'{excess:.1e}' if excess > 1e-12 else '0'} | "
            f"{found.alignment.distance:.3f}{'' if found.alignment.status == 'proved' else ' or less'} | "
            f"{found.directions.interference:.4f}, {found.optimum.interference:.4f} | "
            f"{found.directions.squared_overlaps:.4f}, {found.optimum.squared_overlaps:.4f} | {own.loss:.5g} | "
            f"{per_cent(found.thomson_loss.loss, own.loss)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Compute what isn't there, then draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("out/analogy.json"), help="file of results")
    parser.add_argument("--seeds", type=int, default=128, help="runs at each density")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(arguments.data.read_text()) if arguments.data.exists() else []
    done = {(row["k"], row["d"]) for row in rows}
    for d, sizes in SIZES.items():
        for k in sizes:
            if (k, d) not in done:
                rows += studied(k, d, arguments.seeds)
                rows.sort(key=lambda row: (row["d"], row["k"], -row["density"]))
                arguments.data.parent.mkdir(parents=True, exist_ok=True)
                arguments.data.write_text(json.dumps(rows))
                print(f"trained k = {k} in d = {d}", flush=True)
    print(table(rows))
    printed = [row for row in rows if row["density"] in PRINTED and row["k"] <= 4 * row["d"]]
    print("\nOn the page:", packings(PRINTED[0]), table(printed), sep="\n\n")
    path = Path(__file__).resolve().parent / "analogy.png"
    save_figure(figure_of(rows), path)
    whole = Image.open(path).convert("RGB")
    whole.quantize(256, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)


if __name__ == "__main__":
    main()
