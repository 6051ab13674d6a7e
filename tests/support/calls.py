"""One good call of every public function and of every record that users make: what hostile values are put into.

`GOOD` has arguments for each callable of the reference by its face and name, built when they are asked for;
`tests/support/uncalled.py` has those that nobody calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tegum.theory import Amplitude, CorrelatedFeatures, IndependentFeatures, ToyModel

Arguments = dict[str, Any]
PAIR = ToyModel(2, 1, IndependentFeatures(0.5))
PAIRS = ToyModel(2, 1, IndependentFeatures([[0.5]]))
W, B = np.array([[1.0, -0.5]]), np.array([0.125, -0.25])
TRIANGLE = np.array([[1.0, -0.5, -0.5], [0.0, 0.875, -0.875]])
NUMBERS = count()
CORNERS = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])


def of(face: str, name: str) -> Any:
    """Return a public name."""
    return getattr(import_module(f"tegum.{face}"), name)


@cache
def folder() -> Path:
    """Return a folder for files, that of the processes of one attack where they have one."""
    given = os.environ.get("TEGUM_CALLS")
    return Path(given or mkdtemp(prefix="calls-"))


@cache
def shared(name: str) -> Any:
    """Return what several calls take, computed once."""
    makers: dict[str, Callable[[], Any]] = {
        "minima": lambda: of("theory", "local_minima")(PAIR),
        "copies": lambda: of("theory", "local_minima")(PAIR, starts=8, merged=False),
        "census": lambda: of("theory.minima", "census")(PAIRS),
        "polished": lambda: of("theory", "polish")(PAIRS, W[None], B[None]),
        "diagram": lambda: of("theory.minima", "diagram_minima")([0.3, 0.5], [0.5, 1.0], starts=8),
        "map": lambda: of("theory", "boundary_map")(shared("diagram")),
        "packing": lambda: of("theory", "best_packing")(0.1, among=("axis", "digon")),
        "family": lambda: of("theory.models", "one_more_important")(2, 1, 0.3, 0.5, 2.0),
        "plane": lambda: of("theory.models", "diagram_plane")(2, 1, (0.3, 0.5), (0.5, 1.0)),
        "branches": lambda: of("theory.branches", "branch_diagram")(shared("family"), [1.0], starts=16),
        "landscape": lambda: of("theory.minima", "Landscape")(PAIRS),
        "certificate": lambda: of("theory", "certify")(PAIR),
        "rule": lambda: of("theory.noise", "OptimiserRule")(adam=False, momentum=0.5),
        "trained": lambda: of("empirical", "train")(PAIR, seeds=2, steps=5, batch_size=8, device="cpu"),
        "dataset": lambda: of("compare", "load")(_diagram_folder()),
        "penalised": _penalised,
        "models": lambda: of("empirical", "to_dataset")(shared("trained")),
        "batch": lambda: of("compare", "WeightBatch")(W[None], B[None], np.full((1, 2), 0.5), np.ones((1, 2))),
        "recipe": lambda: of("compare.judgement", "Recipe")(0.01, 5, 8),
        "table": lambda: of("compare", "read_table")(shared("table file")),
        "table file": _table_file,
        "compared": lambda: of("compare", "compare_table")(shared("table")),
        "uniform": lambda: of("empirical", "train")(
            ToyModel(4, 2, IndependentFeatures([[0.1], [0.2]])), seeds=1, steps=5, batch_size=8, device="cpu"
        ),
    }
    return makers[name]()


def _table_file() -> Path:
    path = folder() / "table.csv"
    rows = ["log_sparsity,log_weight,last_norm,last_polysemanticity"]
    rows += [f"{x},{y},1.0,0.5" for x in (-1.0, -0.5) for y in (-0.5, 0.5)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def _file(name: str, write: Callable[[Path], None]) -> Path:
    path = folder() / name
    if not path.exists():
        write(path)
    return path


def _weights_file() -> Path:
    return _file("weights.npz", lambda path: np.savez(path, W=W, b=B))


def _models_file() -> Path:
    return _file("models.safetensors", lambda path: of("empirical", "save_models")(shared("trained"), path))


def _penalised() -> Any:
    """The exact part of a diagram over density and a penalty."""
    settings = of("compare", "DiagramSettings")(x=("density", 0.3, 0.5), y=("interference_penalty", 0, 0.01), cells=2)
    axes = [axis.grid(2) for axis in (settings.plane.x, settings.plane.y)]
    found = of("theory.minima", "plane_minima")(settings.plane, *axes, starts=4)
    return of("compare.diagrams", "theory_dataset")(found, settings.described())


def _diagram_folder() -> Path:
    def write(path: Path) -> None:
        settings = of("compare", "DiagramSettings")(
            cells=2, seeds=1, steps=5, batch_size=8, device="cpu", controls=False
        )
        of("compare", "save")(of("compare", "phase_diagram")(settings), path)

    return _file("diagram.zarr", write)


def _sweep_folder() -> Path:
    return _file("sweep.zarr", lambda path: of("empirical", "sweep")(path, **_sweep()) and None)


def _sweep() -> Arguments:
    return {
        "density": [0.5], "n_features": [2], "n_hidden": [1], "relative_importance": [1.0], "seeds": 1,
        "steps": 3, "batch_size": 8, "device": "cpu", "workers": 1,
    }  # fmt: skip


def _model(**more: Any) -> Arguments:
    return {"model": PAIR, "weights": W, "bias": B, **more}


def _with_weights(**more: Any) -> Arguments:
    return {"weights": W, **more}


def _two(x: Any, y: Any) -> ToyModel:
    model: ToyModel = of("theory", "diagram_model")(2, 1, x, y)
    return model


def _piece(start: tuple[Any, ...], free: Any = None) -> Any:
    return of("theory.boundaries", "PrecisePiece")(_two, start, free)


def _fresh(name: str) -> Path:
    return folder() / name


def _unused(ending: str) -> Path:
    """Return a path that no call before had: what goes on with what it finds would do nothing."""
    return folder() / f"{os.getpid()}-{next(NUMBERS)}{ending}"


GOOD: dict[str, Callable[[], Arguments]] = {
    # Models.
    "theory Amplitude": lambda: {"low": 0.0, "high": 1.0},
    "theory IndependentFeatures": lambda: {"density": np.array([0.5, 0.25]), "amplitude": "uniform"},
    "theory CorrelatedFeatures": lambda: {"density": 0.5, "groups": [(0, 1)], "amplitude": "uniform"},
    "theory AnticorrelatedFeatures": lambda: {"density": 0.5, "groups": [(0, 1)], "amplitude": "uniform"},
    "theory KHotFeatures": lambda: {"active": 1, "amplitude": "uniform"},
    "theory OneHotFeatures": lambda: {"active": 1, "amplitude": "uniform"},
    "theory TableFeatures": lambda: {"table": {(0,): 0.5, (1,): 0.5}, "amplitude": "uniform"},
    "theory ToyModel": lambda: {
        "n_features": 2,
        "n_hidden": 1,
        "features": IndependentFeatures(0.5),
        "importance": np.array([1.0, 0.5]),
        "interference_penalty": 0.25,
        "weight_penalty": 0.5,
        "activation_penalty": 0.125,
        "bias": "free",
        "targets": "all",
        "reduction": "sum",
    },
    "theory.models parsed_description": lambda: {"text": PAIR.to_json()},
    "theory diagram_model": lambda: {
        "n_features": 2,
        "n_hidden": 1,
        "density": np.array([0.5, 0.25]),
        "relative_importance": np.array([1.0, 2.0]),
    },
    "theory.models Family": lambda: {
        "parameter": "t",
        "low": 0.5,
        "high": 2.0,
        "n_features": 2,
        "n_hidden": 1,
        "exchanges": np.array([[0, 1]]),
        "at": shared("family").at,
    },
    "theory.models Plane": lambda: {
        "x": of("theory.models", "PlaneAxis")("density", 0.1, 0.5),
        "y": of("theory.models", "PlaneAxis")("r", 0.5, 2.0),
        "n_features": 2,
        "n_hidden": 1,
        "at": shared("plane").at,
        "exchanges": np.array([[0, 1], [1, 0]]),
    },
    "theory.models PlaneAxis": lambda: {
        "name": "density",
        "low": 0.1,
        "high": 0.5,
        "scale": "log",
        "domain": (0.0, 1.0),
    },
    "theory.models anticorrelated_pairs": lambda: {"count": 1, "n_hidden": 1, "low": 0.1, "high": 0.5},
    "theory.models correlated_pairs": lambda: {"count": 1, "n_hidden": 1, "low": 0.1, "high": 0.5},
    "theory.models one_denser": lambda: {"n_features": 2, "n_hidden": 1, "density": 0.25, "low": 0.5, "high": 2.0},
    "theory.models one_more_important": lambda: {
        "n_features": 2,
        "n_hidden": 1,
        "density": 0.25,
        "low": 0.5,
        "high": 2.0,
    },
    "theory.models diagram_plane": lambda: {
        "n_features": 2,
        "n_hidden": 1,
        "density": (0.1, 0.5),
        "importance": (0.5, 2.0),
    },
    "theory.models law_to_plain": lambda: {"law": IndependentFeatures(0.5)},
    "theory.models law_from_plain": lambda: {
        "plain": of("theory.models", "law_to_plain")(IndependentFeatures(0.5)),
    },
    "theory.models IndependentBlocks": lambda: {
        "parts": [((0, 1), CorrelatedFeatures(0.25, [(0, 1)])), ((2,), IndependentFeatures(0.5))],
        "amplitude": None,
    },
    "theory.models MixtureFeatures": lambda: {
        "probabilities": np.array([0.25, 0.75]),
        "laws": [IndependentFeatures(0.5), IndependentFeatures(0.25)],
        "amplitude": None,
    },
    "theory.models HierarchicalFeatures": lambda: {
        "density": np.array([0.5, 0.25]),
        "parents": [None, 0],
        "amplitude": "uniform",
    },
    "theory.models DataFeatures": lambda: {
        "inputs": np.array([[0.5, 0.0], [0.25, 1.0]]),
        "weights": np.array([0.25, 0.75]),
    },
    "theory.models circular_features": lambda: {
        "n_features": 3,
        "density": 0.25,
        "width": 0.5,
        "positions": 4,
        "amplitude": "uniform",
    },
    "theory.models FeatureAmplitudes": lambda: {"each": (Amplitude(0, 1), Amplitude(0, 2))},
    "theory.models as_amplitude": lambda: {"amplitude": ["uniform", "constant"]},
    "theory.models one_amplitude": lambda: {"what": "this", "amplitude": "uniform"},
    "theory.models amplitude_from_plain": lambda: {"plain": ["uniform", [0, 2]]},
    "theory.minima inputs_of": lambda: {"model": PAIR},
    "theory.models zipf_densities": lambda: {"n_features": 3, "exponent": 1.0, "largest": 0.5},
    "theory.models model_parts": lambda: {"model": ToyModel(2, 1, IndependentFeatures(0.5))},
    "theory.models values_told": lambda: {"values": [0.5, 0.25], "names": "values"},
    "theory.models stratified_counts": lambda: {
        "masses": np.array([[0.5, 0.25, 0.25]]),
        "active": np.array([0, 1, 1]),
        "batch_size": 16,
    },
    # The loss.
    "theory expected_loss": lambda: _model(method="auto"),
    "theory loss_gradient": lambda: _model(method="auto"),
    "theory loss_hessian": lambda: _model(method="auto"),
    "theory ExactLoss": lambda: {"model": PAIR, "like": None, "method": "auto"},
    "theory.loss engine_for": lambda: {"model": PAIR, "like": None, "method": "auto"},
    "theory.loss ArrayEngine": lambda: {"model": PAIR, "like": None},
    "theory.loss CompiledEngine": lambda: {"model": PAIR, "like": None},
    "theory.loss SummedEngine": lambda: {
        "model": ToyModel(2, 1, IndependentFeatures(0.5, amplitude="constant")),
        "like": None,
    },
    "theory.loss SpectralEngine": lambda: {
        "model": PAIR,
        "like": None,
        "tolerance": 1e-9,
        "max_nodes": None,
        "proved": False,
    },
    "theory.loss.spectral SpectralLoss": lambda: {
        "model": PAIR,
        "like": None,
        "tolerance": 1e-9,
        "max_nodes": None,
        "proved": False,
    },
    "theory.loss linear_loss": _model,
    "theory.loss linear_gradient": _model,
    "theory.loss linear_optimum": lambda: {"model": PAIR},
    "theory.loss loss_rounding": _model,
    # Minima.
    "theory local_minima": lambda: {"model": PAIR, "starts": 8},
    "theory global_minimum": lambda: {"model": PAIR, "starts": 8},
    "theory polish": lambda: {"model": PAIRS, "weights": W[None], "bias": B[None]},
    "theory.minima best_bias": lambda: {"model": PAIR, "weights": W},
    "theory.minima Landscape": lambda: {"model": PAIRS},
    "theory.minima census": lambda: {"model": PAIRS, "starts": 8, "extra": None, "known": None},
    "theory.minima check_searchable": lambda: {"model": PAIR},
    "theory.minima check_unmerged": lambda: {"name": "minima", "points": shared("copies")},
    "theory.minima coverage": lambda: {"met": np.array([0, 0, 1, 0]), "confidence": 0.9},
    "theory.minima Exchanges": lambda: {"model": PAIR},
    "theory.minima check_superposition": lambda: {"n_features": 2, "n_hidden": 1},
    "theory.minima descend": lambda: {
        "landscape": shared("landscape"),
        "start": np.array([[1.0, -0.5, 0.1, 0.1]]),
        "iterations": 20,
        "target": 1e-9,
    },
    "theory.minima diagram_minima": lambda: {
        "density": np.array([0.3, 0.5]),
        "importance": np.array([0.5, 1.0]),
        "n_features": 2,
        "n_hidden": 1,
        "starts": 4,
        "report": None,
    },
    "theory.minima match": lambda: {"point_sets": shared("census"), "polished": shared("polished"), "model": PAIRS},
    "theory.minima pack": lambda: {"weights": W, "bias": B},
    "theory.minima unpack": lambda: {"parameters": np.array([1.0, -0.5, 0.1, 0.2]), "n_hidden": 1},
    "theory.minima plane_minima": lambda: {
        "plane": shared("plane"),
        "x": np.array([0.3, 0.5]),
        "y": np.array([0.5, 1.0]),
        "starts": 4,
        "merged": False,
        "report": None,
    },
    "theory.minima grid_minima": lambda: {
        "model": of("theory", "diagram_model")(2, 1, np.array([[0.3], [0.5]]), np.array([0.5, 1.0])),
        "unseen": 0.5,
        "starts": 8,
        "merged": True,
        "report": None,
    },
    "theory.minima lowest_state": lambda: {"model": PAIR, "starts": 8, "seed": 0},
    "theory.minima is_merged": lambda: {"points": shared("copies")},
    "theory.minima downhill": lambda: {"model": PAIR, "weights": W, "bias": B, "seconds": 1.0, "report": None},
    "theory.minima estimated_curvature": lambda: {
        "model": PAIR,
        "weights": W,
        "bias": B,
        "seconds": 1.0,
        "report": None,
    },
    "theory.minima random_minima": lambda: {"model": PAIR, "starts": 4, "seed": 0, "exchanges": np.array([[0, 1]])},
    # Boundaries.
    "theory boundary_map": lambda: {"diagram": shared("diagram"), "plane": None, "n_features": 2, "n_hidden": 1},
    "theory BoundaryMap": lambda: {"diagram": shared("diagram")},
    "theory.boundaries grid_crossings": lambda: {"diagram": shared("diagram"), "report": None},
    "theory.boundaries grid_boundaries": lambda: {"diagram": shared("diagram"), "report": None},
    "theory.boundaries coexistence_curve": lambda: {
        "first": "digon(1,2)",
        "second": "merged(1,2)",
        "diagram": shared("map"),
        "plane": None,
        "n_features": 2,
        "n_hidden": 1,
    },
    "theory.boundaries stability_limit": lambda: {
        "label": "digon(1,2)",
        "diagram": shared("map"),
        "plane": None,
        "n_features": 2,
        "n_hidden": 1,
    },
    "theory.boundaries phase_boundaries": lambda: {"diagram": shared("map")},
    "theory.boundaries special_points": lambda: {
        "diagram": shared("map"),
        "plane": None,
        "n_features": 2,
        "n_hidden": 1,
    },
    "theory.boundaries critical_penalty": lambda: {"density": np.array([0.5]), "importance": np.array([1.0])},
    "theory.boundaries seed_diagram": lambda: {"n_features": 2, "n_hidden": 1, "plane": shared("plane")},
    "theory.boundaries PrecisePiece": lambda: {"models": _two, "first": (1, 0, 0, 0.25), "free": (3,)},
    "theory.boundaries precise_minimum": lambda: {
        "models": _two,
        "parameters": (1, 0, 0, 0.25),
        "place": (0.5, 1),
        "free": (3,),
        "precision": 64,
    },
    "theory.boundaries precise_meeting": lambda: {
        "pieces": [_piece((1, 0, 0, 0.25), (3,)), _piece((0.9, -0.9, 0.05, 0.05)), _piece((0, 1, 0.25, 0), (2,))],
        "place": (0.5, 0.5),
        "moving": (0, 1),
        "precision": 64,
        "longest": 0.01,
    },
    # Branches and flow.
    "theory.branches apart": lambda: {
        "family": shared("family"),
        "first": np.array([1.0, -0.5, 0.1, 0.2]),
        "second": np.array([0.5, -1.0, 0.1, 0.2]),
    },
    "theory.branches branch_diagram": lambda: {
        "family": shared("family"),
        "probes": [1.0],
        "starts": 4,
        "seed": 0,
        "margin": 1.5,
        "step": 0.05,
        "on_progress": lambda _: None,
    },
    "theory.branches follow_branches": lambda: {
        "family": shared("family"),
        "points": _family_points(),
        "parameters": [1.0],
        "step": 0.05,
        "most": 50,
    },
    "theory.flow early_growth": lambda: {"model": PAIR, "time": 1.0},
    "theory.flow growth_rates": lambda: {"model": PAIR, "time": 1.0},
    "theory.flow gradient_flow": lambda: {
        "model": PAIRS,
        "weights": W[None],
        "bias": B[None],
        "duration": 1.0,
        "target": 1e-6,
        "accuracy": 1e-4,
        "most_steps": 50,
    },
    "theory.flow same_sign_share": lambda: {"density": 0.5, "importance": 0.5, "initial_scale": np.array([0.1, 0.2])},
    "theory.flow small_separatrix": lambda: {"density": 0.5, "importance": 0.5, "size": np.array([0.1, 0.2])},
    # Noise.
    "theory.noise gradient_noise": _model,
    "theory.noise mean_hessian": lambda: {"model": PAIR, "theta": np.array([1.0, -0.5, 0.1, 0.2])},
    "theory.noise sampling_noise": lambda: {
        "model": PAIR,
        "point": shared("minima")[0],
        "learning_rate": 0.01,
        "batch_size": 16,
        "optimiser": "sgd",
        "momentum": 0.5,
        "sampling": "plain",
        "zero_inputs": "sampled",
        "order": "leading",
    },
    "theory.noise spread_after": lambda: {
        "hessian": np.eye(2),
        "noise": np.eye(2),
        "rates": np.array([0.1, 0.2]),
        "rule": shared("rule"),
    },
    "theory.noise spread_at_rest": lambda: {
        "hessian": np.eye(2),
        "noise": np.eye(2),
        "rate": 0.1,
        "rule": shared("rule"),
    },
    "theory.noise spread_of_steps": lambda: {
        "hessian": np.eye(2),
        "noise": np.eye(2),
        "steps": np.array([0.1, 0.1]),
        "rule": shared("rule"),
    },
    "theory.noise spreads_after": lambda: {
        "model": PAIRS,
        "weights": np.array(shared("minima")[0].weights)[None],
        "bias": np.array(shared("minima")[0].bias)[None],
        "rates": np.array([0.01, 0.01]),
        "rule": shared("rule"),
        "batch_size": 16,
        "sampling": "plain",
        "zero_inputs": "sampled",
    },
    # Packing.
    "theory best_packing": lambda: {"density": 0.1, "amplitude": "uniform", "among": ("axis", "digon"), "near": None},
    "theory.packing packed": lambda: {"shape": "digon", "density": 0.1, "amplitude": "uniform", "near": None},
    "theory.packing packing_transitions": lambda: {
        "inverse_densities": np.array([2.0, 3.0]),
        "amplitude": "uniform",
        "among": ("axis", "digon"),
        "on_progress": lambda _: None,
    },
    "theory.packing finite_packing": lambda: {
        "n_features": 4,
        "n_hidden": 2,
        "packing": shared("packing"),
        "importance": (1.0,),
        "mixed": (),
    },
    "theory.packing shared_packing": lambda: {
        "packing": shared("packing"),
        "importance": (1.0, 0.5),
        "per_dimension": (2.0, 2.0),
        "mixed": (),
    },
    "theory.packing class_factors": lambda: {"packing": shared("packing"), "importance": (1.0, 0.5)},
    "theory.packing mixed_factors": lambda: {
        "density": 0.1,
        "importance": (1.0, 0.5),
        "most": 2,
        "amplitude": "uniform",
    },
    "theory.packing free_packing": lambda: {
        "corners": 3,
        "dim": 2,
        "density": 0.1,
        "starts": 4,
        "polished": 1,
        "seed": 0,
        "amplitude": "uniform",
        "also": (),
    },
    "theory.packing one_axis": lambda: {"count": 2, "density": 0.1, "starts": 4, "seed": 0},
    "theory.packing shared_axes": lambda: {"costs": (0.0, 0.1, 0.25), "n_features": 2, "n_hidden": 1},
    # What a model looks like.
    "theory phase": lambda: {"weights": W, "bias": B, "tolerance": 1e-3},
    "theory feature_norms": _with_weights,
    "theory feature_dimensionality": _with_weights,
    "theory.geometry phase_factors": lambda: {"weights": W, "bias": B, "tolerance": 1e-3},
    "theory.geometry phase_labels": lambda: {"weights": W, "bias": B, "tolerance": 1e-3},
    "theory.geometry arrangement": lambda: {"weights": TRIANGLE, "bias": np.zeros(3)},
    "theory.geometry dead_outputs": lambda: {"weights": W, "bias": B, "margin": 0.0},
    "theory.geometry dimensions_per_feature": _with_weights,
    "theory.geometry gram": _with_weights,
    "theory.geometry superposition": _with_weights,
    "theory.geometry neuron_polysemanticity": _with_weights,
    "theory.geometry interference_graph": lambda: _with_weights(tolerance=1e-3),
    "theory.geometry tegum_factor_numbers": lambda: _with_weights(tolerance=1e-3),
    "theory.geometry tegum_factors": lambda: _with_weights(tolerance=1e-3),
    "theory.geometry representative": lambda: {"labels": ["digon(1,2)", "axis(1)"], "n_equal": 2},
    "theory.geometry published_candidates": lambda: {"n_features": 2, "n_hidden": 1},
    "theory polytope": lambda: {"name": "digon"},
    "theory.polytopes Polytope": lambda: {
        "name": "own",
        "vertices": of("theory", "polytope")("digon").vertices,
        "source": "elementary",
    },
    "theory.polytopes likeness": lambda: {
        "gram": CORNERS[:2] @ CORNERS[:2].T,
        "shape": of("theory", "polytope")("digon"),
    },
    "theory.polytopes points_of_gram": lambda: {"gram": np.eye(2), "tolerance": 1e-9},
    "theory.polytopes recognise": lambda: {"weights": TRIANGLE, "tolerance": 0.1, "among": ("axis", "triangle")},
    "theory.polytopes tegum_product": lambda: {"*factors": (of("theory", "polytope")("digon"),)},
    "theory.spheres best_alignment": lambda: {"points": CORNERS, "others": CORNERS[::-1], "tolerance": 0.01, "seed": 0},
    "theory.spheres coulomb_energy": lambda: {"points": CORNERS},
    "theory.spheres spherical_code": lambda: {"n": 4, "dim": 3, "seed": 0},
    "theory.spheres thomson_minimum": lambda: {"n": 4, "dim": 3, "seed": 0, "agree": 1, "target": None},
    # Certainty.
    "theory certify": lambda: {"model": PAIR, "max_boxes": 100_000},
    "theory check_certificate": lambda: {"certificate": shared("certificate"), "report": lambda _: None},
    "theory derive_loss": lambda: {"n_features": 2, "n_hidden": 1},
    "theory enclosure": lambda: _model(order=1, width=1e-9, max_precision=256),
    "theory.formulas algebraic_densities": dict,
    "theory.formulas formulas_markdown": dict,
    "theory.proofs.cells certified_cells": lambda: {
        "cells": [of("theory.proofs.cells", "DiagramCell")((0.1, 0.11), (0.9, 1.0))],
        "divisions": 0,
    },
    "theory.proofs.cells penalty_bounds": lambda: {"density": 0.5, "importance": 1.0},
    "theory.proofs.triples certify_triple": lambda: {
        "model": ToyModel(3, 2, IndependentFeatures(0.5)),
        "gap": 0.1,
        "max_boxes": 100,
        "report": lambda *_: None,
    },
    "theory.storage json_of": lambda: {"text": '{"W": [[1, 0.5]]}'},
    "theory.storage recover": lambda: {"path": _fresh("nothing")},
    "theory.storage write_whole": lambda: {"path": _fresh("text"), "text": "x"},
    # Training.
    "empirical.recording sampled_loss": lambda: {"model": PAIR, "weights": W, "bias": B},
    "empirical train": lambda: {
        "model": PAIR,
        "seeds": 2,
        "steps": 3,
        "batch_size": 8,
        "learning_rate": 0.01,
        "objective": "sampled",
        "architecture": "relu_output",
        "device": "cpu",
        "optimisation": None,
        "sampling": None,
        "record": None,
        "session": None,
    },
    "empirical Optimisation": lambda: {
        "optimiser": "sgd",
        "schedule": "constant",
        "momentum": 0.5,
        "weight_decay": 0.0,
        "initial_scale": 1.0,
        "tolerance": None,
        "dtype": None,
    },
    "empirical Sampling": lambda: {"sampling": "plain", "zero_inputs": "sampled"},
    "empirical Session": lambda: {"checkpoint": None, "progress": False, "on_progress": None},
    "empirical Recorder": lambda: {"steps": [0, 2], "metrics": ("feature_dimensionality",), "models": None},
    "empirical Architecture": lambda: {
        "name": "own",
        "forward": of("empirical", "ARCHITECTURES")["linear"].forward,
        "tied": True,
        "hidden_relu": False,
        "output_relu": True,
        "absolute": False,
    },
    "empirical resolve_device": lambda: {"device": "cpu"},
    "empirical plateaus": lambda: {
        "steps": np.arange(12.0),
        "values": np.repeat([0.5, 1.0], 6),
        "smallest_jump": 0.1,
        "shortest": 3,
    },
    "empirical save_models": lambda: {
        "trained": shared("trained"),
        "path": _fresh("saved.safetensors"),
        "model": PAIR,
    },
    "empirical.files saved_model": lambda: {"path": _models_file()},
    "empirical.files described_model": lambda: {"attributes": {"model": PAIR.to_plain()}, "arrays": {}},
    "empirical load_models": lambda: {"path": _models_file()},
    "empirical to_dataset": lambda: {"trained": shared("trained"), "model": PAIR, "batch_dims": ()},
    "empirical from_dataset": lambda: {"dataset": shared("models"), "where": "here"},
    "empirical write_zarr": lambda: {"dataset": shared("models"), "path": _fresh("written.zarr")},
    "empirical read_zarr": lambda: {"path": _diagram_folder(), "what": "a diagram"},
    "empirical sweep": lambda: {
        "path": _unused(".zarr"),
        **_sweep(),
        "law": None,
        "chunk": None,
        "interference_penalty": 0.0,
        "weight_penalty": 0.0,
        "activation_penalty": 0.0,
        "executor": None,
        "resume": True,
        "progress": False,
        "on_progress": None,
    },
    "empirical read_sweep": lambda: {"path": _sweep_folder()},
    # Theory beside training.
    "compare DiagramSettings": lambda: {
        "n_features": 2,
        "n_hidden": 1,
        "cells": 2,
        "seeds": 1,
        "steps": 5,
        "batch_size": 8,
        "learning_rate": 0.01,
        "objective": "sampled",
        "device": "cpu",
        "controls": False,
    },
    "compare BasinSettings": lambda: {
        "density": (0.3, 0.5),
        "importance": (0.5, 1.0),
        "initial_scale": (0.1,),
        "seeds": 1,
        "steps": 3,
        "batch_size": 8,
        "learning_rate": 0.01,
        "device": "cpu",
    },
    "compare ColumnMeaning": lambda: {"quantity": "density", "base": 10.0, "overlap": "root"},
    "compare.judgement Recipe": lambda: {
        "learning_rate": 0.01,
        "steps": 5,
        "batch_size": 8,
        "objective": "sampled",
        "optimisation": of("empirical", "Optimisation")(),
        "sampling": of("empirical", "Sampling")(),
    },
    "compare phase_diagram": lambda: {
        "settings": of("compare", "DiagramSettings")(
            cells=2, seeds=1, steps=3, batch_size=8, device="cpu", controls=False
        ),
        "out": None,
        "report": lambda *_: None,
    },
    "compare basin_shares": lambda: {
        "settings": of("compare", "BasinSettings")(
            (0.3, 0.5), (0.5, 1.0), (0.1,), seeds=1, steps=3, batch_size=8, device="cpu"
        ),
        "out": None,
        "report": lambda *_: None,
    },
    "compare basin_plane": lambda: {"density": 0.5, "importance": 0.5, "extent": 1.0, "points": 3},
    "compare wilson_interval": lambda: {"count": np.array([1, 2]), "total": np.array([4, 4])},
    "compare agreement": lambda: {"dataset": shared("dataset")},
    "compare minima_of": lambda: {"dataset": shared("dataset")},
    "compare model_of": lambda: {"dataset": shared("dataset")},
    "compare curves_of": lambda: {"dataset": shared("dataset")},
    "compare save": lambda: {"dataset": shared("dataset"), "path": _fresh("again.zarr")},
    "compare load": lambda: {"path": _diagram_folder()},
    "compare load_basins": lambda: {
        "path": _file(
            "basins.zarr",
            lambda path: of("compare", "basin_shares")(GOOD["compare basin_shares"]()["settings"], out=path) and None,
        )
    },
    "compare.diagrams account_of": lambda: {
        "verdict": np.zeros((1, 1, 2), dtype=np.int8),
        "cheapest": np.ones((1, 1, 2), dtype=bool),
        "agrees": np.ones((1, 1, 2), dtype=bool),
        "loss": np.full((1, 1, 2), 0.5),
        "counted": np.ones((1, 1), dtype=bool),
    },
    "compare.diagrams grid_account": lambda: {
        "dataset": shared("dataset"),
        "verdict": np.zeros((2, 2, 1), dtype=np.int8),
        "nearest": np.zeros((2, 2, 1), dtype=np.int16),
        "loss": np.full((2, 2, 1), 0.5),
    },
    "compare.diagrams control_accounts": lambda: {
        "dataset": shared("dataset"),
        "recipe": shared("recipe"),
        "report": lambda *_: None,
    },
    "compare.diagrams plane_of": lambda: {"dataset": shared("dataset")},
    "compare.diagrams axes_of": lambda: {"dataset": shared("dataset")},
    "compare.diagrams values_of": lambda: {"dataset": shared("dataset")},
    "compare.diagrams is_usual": lambda: {"dataset": shared("dataset")},
    "compare.diagrams held_model": lambda: {"dataset": shared("penalised")},
    "compare.diagrams phase_classes": lambda: {"dataset": shared("dataset")},
    "compare.diagrams judge_runs": lambda: {
        "theory": shared("dataset"),
        "weights": np.tile(W, (2, 2, 1, 1, 1)),
        "bias": np.tile(B, (2, 2, 1, 1)),
        "recipe": shared("recipe"),
    },
    "compare.judgement judge": lambda: {
        "model": PAIRS,
        "minima": shared("census"),
        "weights": W[None],
        "bias": B[None],
        "recipe": shared("recipe"),
    },
    "compare.judgement allowances": lambda: {
        "model": PAIRS,
        "weights": np.array(shared("minima")[0].weights)[None],
        "bias": np.array(shared("minima")[0].bias)[None],
        "recipe": shared("recipe"),
    },
    "compare.judgement saddles_at": lambda: {"model": PAIRS, "weights": W[None], "bias": B[None]},
    "compare read_weights": lambda: {"path": _weights_file()},
    "compare read_many": lambda: {"path": _weights_file(), "layout": "auto"},
    "compare read_table": lambda: {"path": shared("table file"), "meaning": None},
    "compare.foreign diagnose": lambda: {
        "model": PAIR,
        "weights": W,
        "bias": B,
        "tolerance": 0.1,
        "seconds": 1.0,
        "minima": shared("minima"),
        "report": lambda *_: None,
    },
    "compare.foreign model_of_weights": lambda: {
        "batch": of("compare", "read_many")(_weights_file()),
        "density": 0.25,
        "importance": 1.0,
    },
    "compare.foreign kind_of_file": lambda: {"path": _sweep_folder()},
    "compare.foreign reading": lambda: {"batch": shared("batch"), "model": PAIR},
    "compare.foreign welch_bound": lambda: {"vectors": 3, "dimensions": 2},
    "compare compare_table": lambda: {"table": shared("table"), "n_features": 2, "n_hidden": 1, "tolerance": 0.05},
    "compare table_account": lambda: {"dataset": shared("compared")},
    "compare foreign_diagram": lambda: {
        "batch": of("compare", "WeightBatch")(np.tile(W, (2, 2, 1, 1, 1)), np.tile(B, (2, 2, 1, 1)), None, None),
        "model": of("compare", "model_of")(shared("dataset")),
        "recipe": shared("recipe"),
        "store": None,
        "report": lambda *_: None,
    },
    "compare thomson_comparison": lambda: {"weights": CORNERS.T, "density": None, "tolerance": 0.1, "seed": 0},
    "compare train_along": lambda: {
        "diagram": shared("branches"),
        "parameters": np.array([1.0]),
        "seeds": 2,
        "objective": "exact",
        "on_progress": lambda *_: None,
    },
    "compare train_uniform": lambda: {
        "sizes": [(4, 2)],
        "inverse_density": np.array([5.0, 10.0]),
        "steps": 3,
        "learning_rate": 0.01,
        "seed": 0,
        "device": "cpu",
        "out": _fresh("uniform"),
        "report": lambda *_: None,
    },
    "compare uniform_run": lambda: {
        "trained": shared("uniform"),
        "inverse_density": np.array([10.0, 5.0]),
        "packings": [shared("packing")] * 2,
        "report": lambda _: None,
    },
    "compare draw_points": lambda: {"axes": _axes(), "points": CORNERS[:, :2]},
    "compare draw_features": lambda: {"axes": _axes(), "weights": TRIANGLE, "tolerance": 0.05},
    "compare save_turntable": lambda: {
        "draw": of("compare", "draw_points"),
        "points": CORNERS,
        "path": _fresh("turn.gif"),
        "on_progress": None,
    },
}


def _family_points() -> Any:
    family = shared("family")
    return of("theory", "local_minima")(family.models(np.zeros(1)).take(0))[:1]


def _axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().add_subplot()
