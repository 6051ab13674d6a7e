"""The command line: numbers as JSON, one line for bad input, files where they were asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import xarray as xr

import tegum.theory
from tegum.compare.diagrams import agreement, load
from tegum.compare.progress import InterruptedRunError
from tegum.theory import BoundaryMap, boundary_map, derive_loss, diagram_model, expected_loss, local_minima
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import diagram_minima
from tegum.theory.models import Plane
from tests.support.tolerances import tolerance

# The package's attribute of this name is the function.
stages: Any = import_module("tegum.compare.diagrams.diagram")
training: Any = import_module("tegum.empirical.training.loop")
cli: Any = import_module("tegum.compare.commands.app")

COMMANDS = (
    *("diagram", "minima", "derive", "loss", "boundary", "train", "sweep", "basins", "packing", "thomson"),
    *("uniform", "deform", "correlated", "certify", "certified-diagram"),
)
INTERRUPTED = 130
MISUSE = 2
# Losses of one minimum, found twice.
SAME_LOSS = 1e-10
RESIDUAL = 1e-9
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out, parse_constant=_not_json)


def _not_json(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def tegum_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process."""

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["tegum", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return Outcome(code, out, err)

    return run


def in_a_process(*words: str, cwd: Path | None = None) -> Outcome:
    command = [sys.executable, "-c", "from tegum.compare.commands.app import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    return Outcome(done.returncode, done.stdout, done.stderr)


def is_one_line_of_misuse(outcome: Outcome, message: str) -> None:
    assert outcome.code == MISUSE
    assert outcome.out == ""
    assert outcome.err.startswith("tegum: ")
    assert outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1, outcome.err
    assert message in outcome.err


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with W = (1, −1) and b = 0."""
    path = tmp_path_factory.mktemp("weights") / "pair.npz"
    np.savez(path, W=np.array([[1.0, -1.0]]), b=np.zeros(2))
    return path


def no_seeds(n_features: int, n_hidden: int) -> None:
    assert (n_features, n_hidden) == (2, 1)


def no_curves(_: None) -> tuple[BoundaryCurve, ...]:
    return ()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the tracing of boundaries, which has tests of its own."""
    monkeypatch.setattr(stages, "seed_diagram", no_seeds)
    monkeypatch.setattr(stages, "phase_boundaries", no_curves)


@pytest.fixture(scope="module")
def small() -> BoundaryMap:
    """The map of a diagram of four cells around the change from the axis to the pair."""
    return boundary_map(diagram_minima([0.4, 0.6], [0.3, 0.5]))


@pytest.fixture
def found(small: BoundaryMap, monkeypatch: pytest.MonkeyPatch) -> BoundaryMap:
    """The small map, which stands for the whole one."""

    def whole(*, plane: Plane | None, n_features: int, n_hidden: int) -> BoundaryMap:
        assert plane is None
        no_seeds(n_features, n_hidden)
        return small

    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", whole)
    return small


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished diagram."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "seed_diagram", no_seeds)
        patch.setattr(stages, "phase_boundaries", no_curves)
        settings = stages.DiagramSettings(cells=3, seeds=2, steps=64, batch_size=16, device="cpu")
        stages.phase_diagram(settings, out=folder)
    return folder / "diagram.zarr"


# --- Help --------------------------------------------------------------------------------------------------------


def test_help_lists_every_command(tegum_: Any) -> None:
    shown = tegum_("--help")
    assert shown.code == 0
    assert all(command in shown.out for command in COMMANDS)


def test_there_are_no_other_commands(tegum_: Any) -> None:
    names = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    assert names == set(COMMANDS)
    assert tegum_("--help").err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(tegum_: Any, command: str) -> None:
    shown = tegum_(command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert f"tegum {command}" in shown.out
    assert "--json" in shown.out


def test_without_a_command_help_is_shown(tegum_: Any) -> None:
    shown = tegum_()
    assert "boundary" in shown.out
    # Help is no error message; at most the exit code says that a command was missing.
    assert shown.err == ""


# --- Bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("minima --density 2", "density must lie in (0, 1], got 2.0", id="density above one"),
        pytest.param("minima --density 0", "density must lie in (0, 1], got 0.0", id="density of zero"),
        pytest.param("minima --density nan", "density must lie in (0, 1], got nan", id="density NaN"),
        pytest.param("minima --density high", "Invalid value for '--density'", id="density in words"),
        pytest.param("minima --density 0.5 --importance -1", "importance must be positive and finite", id="importance"),
        pytest.param("minima --density 0.5 --importance inf", "importance must be positive and finite", id="infinite"),
        pytest.param("minima --density 0.5 --features 0", "n_features must be a positive integer", id="no features"),
        pytest.param("minima --density 0.5 --features 9", "up to 4 features, got 9", id="too many features"),
        pytest.param("minima --density 0.5 --hidden 3", "n_hidden must not exceed n_features", id="hidden above n"),
        pytest.param("minima", "Missing option '--density'", id="missing option"),
        pytest.param("loss --density 0.5", "Missing option '--weights'", id="missing weights"),
        pytest.param("minima --density 0.5 --colour red", "No such option: --colour", id="unknown option"),
        pytest.param("minimise", "No such command 'minimise'", id="unknown command"),
        pytest.param("derive --features 4", "n_features must be an integer from 1 to 3", id="too large a formula"),
        pytest.param("derive --code fortran", 'must be "c" or "javascript", got \'fortran\'', id="unknown language"),
        pytest.param(
            "boundary a b c", "expected one or two phases, or none for all boundaries, got 3", id="three phases"
        ),
        pytest.param("boundary a --hidden 2", "fewer hidden dimensions than features", id="boundary with m = n"),
        pytest.param("diagram --hidden 2 --out OUT", "fewer hidden dimensions than features", id="diagram with m = n"),
        pytest.param(
            "diagram --features 3 --out OUT", "published candidates are known for", id="diagram with n = 3 and m = 1"
        ),
        pytest.param("diagram --cells 1 --out OUT", "cells must be at least 2, got 1", id="one cell"),
        pytest.param("diagram --steps -5 --out OUT", "steps must be at least 0, got -5", id="negative steps"),
        pytest.param("diagram --device tpu --out OUT", "device must be 'auto', 'cpu' or 'cuda'", id="unknown device"),
        pytest.param("diagram --objective l1 --out OUT", "objective must be 'sampled' or 'exact'", id="objective"),
        pytest.param("diagram --from OUT/no.zarr --out OUT", "no.zarr doesn't exist", id="no such dataset"),
        pytest.param("loss --weights OUT/no.npz --density 0.5", "no.npz doesn't exist", id="no such weights"),
        pytest.param("loss --weights OUT/w.csv --density 0.5", "weights must be a .npz, .pt", id="other file type"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    out = tmp_path / "out"
    is_one_line_of_misuse(tegum_(*words.replace("OUT", str(out)).split()), message)
    assert not out.exists()


def test_an_unreadable_file_of_weights_is_one_line(tegum_: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_text("not an archive\n" * 10)
    is_one_line_of_misuse(tegum_("loss", "--weights", str(path), "--density", "0.5"), "can't read weights from")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("minima --density 2", "density must lie in (0, 1], got 2.0", id="density"),
        pytest.param("minima", "Missing option '--density'", id="missing option"),
        pytest.param("minimise", "No such command 'minimise'", id="unknown command"),
        pytest.param("diagram --from nowhere.zarr", "nowhere.zarr doesn't exist", id="no such dataset"),
    ],
)
def test_bad_input_in_a_process_of_its_own(tmp_path: Path, words: str, message: str) -> None:
    is_one_line_of_misuse(in_a_process(*words.split(), cwd=tmp_path), message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("found")
def test_an_unknown_phase_is_named_with_the_known_ones(tegum_: Any) -> None:
    for phases in (["pentagon(1,2)"], ["digon(1,2)", "pentagon(1,2)"]):
        outcome = tegum_("boundary", *phases)
        is_one_line_of_misuse(outcome, "got 'pentagon(1,2)'")
        assert "'digon(1,2)'" in outcome.err


# --- Numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("density", "importance"), [(0.1, 1.0), (0.5, 0.5)])
def test_minima_are_those_of_the_theory(tegum_: Any, density: float, importance: float) -> None:
    printed = tegum_("minima", "--density", str(density), "--importance", str(importance), "--json").json()
    points = local_minima(diagram_model(2, 1, density, importance))
    assert [entry["phase"] for entry in printed] == [point.phase for point in points]
    for entry, point in zip(printed, points, strict=True):
        assert (entry["loss"], entry["status"], entry["reason"]) == (point.loss, point.status, point.reason)
        np.testing.assert_array_equal(entry["weights"], point.weights)
        np.testing.assert_array_equal(entry["bias"], point.bias)
        np.testing.assert_array_equal(entry["hessian_eigenvalues"], point.hessian_eigenvalues)
        assert entry["gradient_norm"] == point.gradient_norm
        assert entry["curvature"] == point.curvature


def test_minima_are_listed_in_a_table(tegum_: Any) -> None:
    shown = tegum_("minima", "--density", "0.1")
    assert (shown.code, shown.err) == (0, "")
    assert "digon(1,2)" in shown.out
    assert "0.00331948399" in shown.out
    # No column is cut short in a terminal of the usual width.
    assert "degenerate" in shown.out
    assert "…" not in shown.out


def test_minima_are_the_same_in_a_process_of_its_own(tegum_: Any) -> None:
    words = ("minima", "--density", "0.3", "--json")
    there, here = in_a_process(*words).json(), tegum_(*words).json()
    assert [entry["phase"] for entry in there] == [entry["phase"] for entry in here]
    np.testing.assert_allclose([e["loss"] for e in there], [e["loss"] for e in here], rtol=0, atol=tolerance("loss"))


def test_derived_regions_cost_what_the_exact_loss_costs(tegum_: Any) -> None:
    printed = tegum_("derive", "--json").json()
    assert len(printed) == 2
    w, b, p, r = (0.9, -0.7), (0.05, -0.1), 0.3, 2.0
    names = ("w1", "w2", "b1", "b2")
    values = dict(zip(names, (*w, *b), strict=True)) | {"p": p, "r": r}
    # SymPy's own names are real numbers here.
    symbols: dict[str, Any] = {name: sympy.Symbol(name, real=True) for name in values}
    point = {symbols[name]: value for name, value in values.items()}
    total = 0.0
    for output, importance in zip(printed, (1.0, r), strict=True):
        holds = [bool(sympy.sympify(region["assumptions"], symbols).subs(point)) for region in output["regions"]]
        assert sum(holds) == 1
        region = output["regions"][holds.index(True)]
        total += importance * float(sympy.sympify(region["loss"], symbols).subs(point))
    expected = expected_loss(diagram_model(2, 1, p, r), np.array([w]), np.array(b))
    np.testing.assert_allclose(total, expected, rtol=0, atol=tolerance("loss"))


def test_a_formula_is_printed_for_people_and_for_papers(tegum_: Any) -> None:
    shown, paper = tegum_("derive"), tegum_("derive", "--latex")
    assert (shown.code, shown.err, paper.code, paper.err) == (0, "", 0, "")
    assert shown.out.count("if ") == sum(len(output["regions"]) for output in tegum_("derive", "--json").json())
    assert paper.out.startswith("L =")
    assert r"\begin{cases}" in paper.out


@pytest.mark.parametrize("language", ["c", "javascript"])
def test_a_formula_is_printed_as_a_program(tegum_: Any, language: str) -> None:
    shown = tegum_("derive", "--code", language)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == derive_loss(2, 1).code(language)


@pytest.mark.parametrize(("density", "ratio"), [(0.1, 1.0), (0.2, 1.5)])
def test_the_antipodal_pair_costs_what_was_published(tegum_: Any, pair: Path, density: float, ratio: float) -> None:
    words = ("loss", "--weights", str(pair), "--density", str(density), "--importance", str(ratio), "--json")
    printed = tegum_(*words).json()
    assert printed["loss"] == pytest.approx((1 + ratio) * density**2 / 6, abs=tolerance("loss"))
    assert printed["phase"] == "digon(1,2)"
    # ∂L/∂b_i = −I_i p²/3, and nothing in W but what follows from G.
    assert printed["gradient_norm"] >= density**2 / 3
    below, best = printed["nearest_minimum"], local_minima(diagram_model(2, 1, density, ratio))[0]
    assert (below["phase"], below["is_global"], below["listed_as"]) == ("digon(1,2)", True, 0)
    assert below["loss"] == pytest.approx(best.loss, abs=SAME_LOSS)
    assert 0 < below["distance"] < 1
    assert printed["global_minimum"] == {"phase": best.phase, "loss": pytest.approx(best.loss, abs=SAME_LOSS)}


def test_weights_in_another_minimum_are_told_so(tegum_: Any, tmp_path: Path) -> None:
    path = tmp_path / "merged.npz"
    np.savez(path, W=np.array([[0.71, 0.71]]), b=np.zeros(2))
    printed = tegum_("loss", "--weights", str(path), "--density", "0.1", "--json").json()
    below = printed["nearest_minimum"]
    assert (below["phase"], below["is_global"]) == ("merged(1,2)", False)
    assert below["listed_as"] > 0
    assert printed["global_minimum"]["phase"] == "digon(1,2)"
    assert below["loss"] > printed["global_minimum"]["loss"]


def test_a_loss_is_shown_in_a_table(tegum_: Any, pair: Path) -> None:
    shown = tegum_("loss", "--weights", str(pair), "--density", "0.1")
    assert (shown.code, shown.err) == (0, "")
    assert "weights given" in shown.out
    assert f"{0.01 / 3:.10g}" in shown.out


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param(["axis(1) + drop(2)"], id="limit of stability"),
        pytest.param(["axis(1) + drop(2)", "digon(1,2)"], id="coexistence"),
        pytest.param(["digon(1,2)", "axis(1) + drop(2)"], id="coexistence, in the other order"),
    ],
)
def test_boundaries_are_printed_with_residual_and_error(tegum_: Any, found: BoundaryMap, phases: list[str]) -> None:
    kind = ("stability", "coexistence")[len(phases) - 1]
    expected = [c for c in found.curves if c.kind == kind and c.phases == tuple(sorted(phases))]
    printed = tegum_("boundary", *phases, "--json").json()
    assert len(printed) == len(expected) > 0
    for entry, curve in zip(printed, expected, strict=True):
        assert entry["phases"] == sorted(phases)
        for name in ("kind", "mechanism", "status", "reason"):
            assert entry[name] == getattr(curve, name)
        for name in ("density", "importance", "residual", "error", "cheapest"):
            np.testing.assert_array_equal(entry[name], getattr(curve, name))
        assert max(entry["residual"]) <= RESIDUAL


@pytest.mark.usefixtures("found")
def test_boundaries_are_shown_in_a_table(tegum_: Any) -> None:
    shown = tegum_("boundary", "axis(1) + drop(2)")
    assert (shown.code, shown.err) == (0, "")
    assert "stability" in shown.out
    assert "kink" in shown.out


# --- Diagrams ----------------------------------------------------------------------------------------------------


def test_a_saved_diagram_is_redrawn(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    shown = tegum_("diagram", "--from", str(saved), "--out", str(out))
    assert (shown.code, shown.err) == (0, "")
    assert sorted(entry.name for entry in out.iterdir()) == ["diagram.png", "ledger.json"]
    assert (out / "diagram.png").read_bytes().startswith(PNG)
    book = json.loads((out / "ledger.json").read_text(), parse_constant=_not_json)
    assert book == json.loads(json.dumps(agreement(load(saved)).as_json()))
    assert "18 trained runs in 9 cells" in shown.out


def test_a_ledger_is_printed_as_json(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    printed = tegum_("diagram", "--from", str(saved), "--out", str(tmp_path), "--json").json()
    assert printed == json.loads((tmp_path / "ledger.json").read_text())
    assert sum(printed["outcomes"].values()) == printed["runs"] == 18


def test_a_diagram_of_another_model_is_refused(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = tegum_("diagram", "--from", str(saved), "--features", "3", "--hidden", "2", "--out", str(out))
    is_one_line_of_misuse(outcome, "expected a dataset of n=3, m=2, got one of n=2, m=1")
    assert not out.exists()


def test_a_diagram_without_runs_is_refused(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    dataset: xr.Dataset = load(saved).drop_dims(["seed", "record"])
    stages.save(dataset, tmp_path / "exact.zarr")
    out = tmp_path / "out"
    outcome = tegum_("diagram", "--from", str(tmp_path / "exact.zarr"), "--out", str(out))
    is_one_line_of_misuse(outcome, "a ledger needs a phase diagram with trained runs")
    assert not out.exists()


@pytest.mark.usefixtures("quick")
def test_a_diagram_is_computed_with_what_was_asked_for(tegum_: Any, tmp_path: Path) -> None:
    words = "diagram --cells 2 --seeds 3 --steps 16 --batch 8 --objective exact --device cpu --json --out"
    printed = tegum_(*words.split(), str(tmp_path)).json()
    assert (printed["cells"], printed["runs"]) == (4, 12)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["diagram.png", "diagram.zarr", "ledger.json"]
    settings = load(tmp_path / "diagram.zarr").attrs["settings"]
    asked = {"cells": 2, "seeds": 3, "steps": 16, "batch_size": 8, "objective": "exact", "device": "cpu"}
    assert {name: settings[name] for name in asked} == asked


@pytest.mark.usefixtures("quick")
def test_the_stages_of_a_diagram_are_shown_beside_its_output(tegum_: Any, tmp_path: Path) -> None:
    shown = tegum_("diagram", "--cells", "2", "--seeds", "1", "--steps", "8", "--device", "cpu", "--out", str(tmp_path))
    assert shown.code == 0
    assert "4 trained runs in 4 cells" in shown.out
    assert str(tmp_path / "diagram.png") in shown.out.replace("\n", "")
    assert "training" not in shown.out.partition("4 trained runs")[0]


def test_an_interrupted_diagram_says_how_to_go_on(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> xr.Dataset:
        raise InterruptedRunError("stopped after 96 of 300 steps, saved to out/training.npz")

    monkeypatch.setattr(stages, "phase_diagram", interrupted)
    outcome = tegum_("diagram", "--out", str(tmp_path / "out"))
    assert (outcome.code, outcome.out) == (INTERRUPTED, "")
    last = outcome.err.strip().splitlines()[-1]
    assert last.startswith("tegum: interrupted: stopped after 96 of 300 steps")
    assert "the same command goes on from there" in last


@pytest.mark.usefixtures("quick")
def test_an_interrupted_diagram_goes_on(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("diagram", "--cells", "2", "--seeds", "2", "--steps", "40", "--batch", "16", "--device", "cpu", "--out")

    wait, presses = training.wait, iter([KeyboardInterrupt])

    def pressed_at_once(*arguments: Any, **options: Any) -> Any:
        for press in presses:
            raise press
        return wait(*arguments, **options)

    monkeypatch.setattr(training, "wait", pressed_at_once)
    assert tegum_(*words, str(tmp_path)).code == INTERRUPTED
    assert (tmp_path / "training.npz").exists()
    assert not (tmp_path / "diagram.png").exists()
    assert tegum_(*words, str(tmp_path)).code == 0
    assert (tmp_path / "diagram.png").exists()
    assert not (tmp_path / "training.npz").exists()


def test_ctrl_c_ends_any_command_without_a_traceback(tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(tegum.theory, "local_minima", interrupted)
    outcome = tegum_("minima", "--density", "0.5")
    assert (outcome.code, outcome.out) == (INTERRUPTED, "")
    assert outcome.err == "tegum: interrupted\n"


def test_a_bug_is_not_passed_off_as_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise AssertionError("an invariant is broken")

    monkeypatch.setattr(tegum.theory, "local_minima", broken)
    monkeypatch.setattr(sys, "argv", ["tegum", "minima", "--density", "0.5"])
    with pytest.raises(AssertionError, match="an invariant is broken"):
        cli.main()


def test_many_features_get_their_loss_without_a_search_for_minima(tmp_path: Path, tegum_: Any) -> None:
    weights = np.zeros((3, 6))
    weights[[0, 0, 1, 1, 2, 2], range(6)] = [1, -1] * 3
    np.savez(tmp_path / "digons.npz", weights=weights, bias=np.zeros(6))
    found = tegum_("loss", "--weights", str(tmp_path / "digons.npz"), "--density", "0.5", "--json").json()
    assert set(found) == {"loss", "gradient_norm", "phase"}
    assert found["phase"] == "digon(1,2) + digon(3,4) + digon(5,6)"
    # Each of six features costs p² / 6.
    assert found["loss"] == pytest.approx(0.25, abs=1e-12)
