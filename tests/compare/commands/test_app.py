"""The root of the command line: what is registered, how commands end, versions, completions, other ways to start."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import FAILED, INTERRUPTED, MISUSE, Outcome, ended, started
from tests.support.places import ROOT

# Behind the face: the root of the command line, with its registry.
cli: Any = import_module("tegum.compare.commands.app")

MODULES = sorted(path for folder in ("commands", "terminal") for path in (ROOT / "compare" / folder).glob("*.py"))
NAMES = sorted(
    (
        *("diagram", "minima", "derive", "loss", "boundary", "train", "sweep", "basins", "packing", "thomson"),
        *("uniform", "deform", "correlated", "certify", "certified-diagram"),
    )
)


# --- Registration ------------------------------------------------------------------------------------------------


def test_every_command_is_registered() -> None:
    assert sorted(cli.COMMANDS) == NAMES


def test_help_lists_every_command_with_all_its_words(tegum_: Any) -> None:
    shown = tegum_("--help")
    assert (shown.code, shown.err) == (0, "")
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    for name, (_, words) in cli.COMMANDS.items():
        assert f"{name} {words}" in lines


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_help(tegum_: Any, command: str) -> None:
    shown = tegum_(command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: tegum {command}")
    assert "--json" in shown.out
    assert "{" not in shown.out


def test_without_a_command_help_is_shown(tegum_: Any) -> None:
    shown = tegum_("")
    assert "boundary" in shown.out
    # Help is no error message; the exit code says that a command was missing.
    assert (shown.code, shown.err) == (MISUSE, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_module_loads_nothing_heavy(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level != 1 and (node.level, node.module) != (2, "terminal"):
            assert node.level == 0, f"{path.name} loads {node.module} from above its folder"
            modules = [str(node.module)]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            assert top == "typer" or top in sys.stdlib_module_names, f"{path.name} loads {module}"


# --- How a command ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("minimise --density 0.5", "No such command 'minimise'. Did you mean 'minima'?", id="command"),
        pytest.param("--colour red", "No such option: --colour", id="option"),
    ],
)
def test_unknown_words_are_one_line(tegum_: Any, words: str, message: str) -> None:
    tegum_(words).is_misuse(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("minima --density 2", "density must lie in (0, 1], got 2.0", id="density"),
        pytest.param("minima", "needs a --density, got none", id="missing option"),
        pytest.param("minimise", "No such command 'minimise'", id="unknown command"),
        pytest.param("diagram --from nowhere.zarr", "nowhere.zarr doesn't exist", id="no such dataset"),
    ],
)
def test_bad_input_in_a_process_of_its_own(tmp_path: Path, words: str, message: str) -> None:
    ended(started(*words.split(), cwd=tmp_path)).is_misuse(message)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_any_command_without_a_traceback(tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("tegum.theory.minima.local_minima", interrupted)
    outcome = tegum_("minima", "--density", "0.5")
    assert (outcome.code, outcome.out) == (INTERRUPTED, "")
    assert outcome.err == "tegum: interrupted\n"


def test_too_little_memory_is_one_line(tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError("Unable to allocate 745 GiB")

    monkeypatch.setattr("tegum.theory.minima.local_minima", full)
    outcome = tegum_("minima", "--density", "0.5")
    assert (outcome.code, outcome.out) == (FAILED, "")
    assert outcome.err == (
        "tegum: there isn't enough memory for this, ask for less at a time: Unable to allocate 745 GiB\n"
    )


def test_a_bug_is_not_passed_off_as_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise AssertionError("an invariant is broken")

    monkeypatch.setattr("tegum.theory.minima.local_minima", broken)
    monkeypatch.setattr(sys, "argv", ["tegum", "minima", "--density", "0.5"])
    with pytest.raises(AssertionError, match="an invariant is broken"):
        cli.main()


# --- Other ways to start -----------------------------------------------------------------------------------------


def test_the_version_is_told(tegum_: Any) -> None:
    assert tegum_("--version") == Outcome(0, f"tegum {version('tegum')}\n", "")


def module(*words: str, **variables: str) -> Outcome:
    """Run `python -m tegum.compare` with variables of the environment."""
    command = [sys.executable, "-m", "tegum.compare", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | variables)
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_the_package_is_the_command() -> None:
    assert module("--version") == Outcome(0, f"tegum {version('tegum')}\n", "")
    module("minimise").is_misuse("No such command 'minimise'")


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        pytest.param("tegum mi", {"minima"}, id="command"),
        pytest.param("tegum de", {"derive", "deform"}, id="commands"),
        pytest.param("tegum --ver", {"--version"}, id="option of the root"),
        pytest.param("tegum train --s", {"--seeds", "--steps", "--schedule", "--sampling"}, id="options of groups"),
        pytest.param("tegum certified-diagram --d", {"--density", "--divisions"}, id="option of a name with a hyphen"),
    ],
)
def test_shells_are_told_what_a_word_may_become(words: str, candidates: set[str]) -> None:
    found = module(_TEGUM_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert (found.code, found.err) == (0, "")
    assert set(found.out.split()) == candidates


def test_candidates_are_explained_without_looking_anything_up() -> None:
    found = module(_TEGUM_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="tegum train --sch")
    assert '"--schedule":"Course of the learning rate."' in found.out


def test_completion_is_shown_and_installed(tmp_path: Path) -> None:
    # Which shell it is is asked of the parent process, unless it is named.
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    shown = module("--show-completion", "bash", **named)
    assert shown.code == 0
    assert "_TEGUM_COMPLETE=complete_bash" in shown.out
    assert module("--install-completion", "bash", **named).code == 0
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert script.read_text().strip() == shown.out.strip()
