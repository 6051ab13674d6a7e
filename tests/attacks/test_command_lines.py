"""Command lines that nobody means: each ends with a result, or with exit code 2 and one line that says why.

Every option of every command gets a value drawn with a fixed seed, most of them hostile, and so do pairs of options;
others are left out, unknown, or lack their value. Each line runs in a process of its own, limited in time and memory,
in a folder with files of all kinds, which have to stay as they are.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

# The root of the command line, which has no face: which commands there are, and their options.
from tegum.compare.commands.app import COMMANDS, app
from tegum.empirical import save_models, train
from tegum.theory import IndependentFeatures, ToyModel
from tests.support.forks import Start, forking

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="no such limits here")]

SEED, LINES = 2026, 300
# Of a process: seconds, and gibibytes beside what it starts with.
SECONDS, MEMORY = 300, 6

# What is loaded before it forks, and what every process does first. Tracing the boundaries of a phase diagram takes
# half a minute, and depends on no option but sizes; planes of initial weights on none; and where packings change hands
# is found by bisection.
MODULES = (
    "matplotlib.backends.backend_agg",
    "torch",
    "xarray",
    "zarr",
    "rich.progress",
    "safetensors.numpy",
    "tegum.compare.figures",
    "tegum.compare.foreign",
    "tegum.compare.basins",
    "tegum.compare.geometry",
    "tegum.empirical.sweeps",
    "tegum.theory.boundaries",
    "tegum.compare.commands.app",
)
CODE = f"""
import os, resource, sys
from importlib import import_module
folder, *words = sys.argv[1:]
os.chdir(folder)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + ({MEMORY} << 30), resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS + 5}))
# Behind the faces: what takes long and depends on no option, and the root of the command line.
stages = import_module("tegum.compare.diagrams.diagram")
stages.seed_diagram, stages.phase_boundaries = (lambda *_: None), (lambda _: ())
# Behind the face: planes of initial weights.
import_module("tegum.compare.commands.basins").PLANE_POINTS = 4
# Behind the face: where packings change hands, found by bisection.
import_module("tegum.theory.packing.transitions")._between = lambda *_: []
sys.argv = ["tegum", *words]
# Behind the face: the root of the command line.
from tegum.compare.commands.app import main
main()
"""

# A quick use of each command, by option; "" stands for what has no name.
QUICK: dict[str, dict[str, str]] = {
    "diagram": {"--cells": "2", "--seeds": "1", "--steps": "9", "--objective": "exact", "--device": "cpu"}
    | {"--no-controls": "", "--out": "new/diagram"},
    "minima": {"--density": "0.5"},
    "derive": {},
    "loss": {"--weights": "weights.npz", "--density": "0.5"},
    "boundary": {"": "digon(1,2)"},
    "train": {"--density": "0.1", "--seeds": "2", "--steps": "9", "--batch": "8", "--device": "cpu"}
    | {"--out": "new/runs.zarr"},
    "sweep": {"--densities": "0.1,0.3", "--seeds": "2", "--steps": "9", "--batch": "8", "--device": "cpu"}
    | {"--workers": "1", "--out": "new/grid.zarr"},
    "basins": {"--densities": "0.3,0.5", "--importances": "0.5,1", "--scales": "0.1", "--seeds": "1", "--steps": "5"}
    | {"--batch": "8", "--device": "cpu", "--out": "new/basins"},
    "packing": {"--density": "0.1"},
    "uniform": {"--size": "4,2", "--points": "2", "--steps": "5", "--device": "cpu", "--out": "new/uniform"},
    "thomson": {"": "4"},
    "deform": {"--features": "3", "--density": "0.7", "--low": "0.9", "--high": "1.1", "--probes": "1"}
    | {"--starts": "4", "--runs": "1", "--seeds": "1", "--out": "new/deform"},
    "correlated": {"--pairs": "2", "--low": "0.24", "--high": "0.26", "--probes": "1", "--starts": "4"}
    | {"--runs": "1", "--seeds": "1", "--out": "new/correlated"},
    "certify": {"--density": "0.5"},
    "certified-diagram": {"--cells": "2", "--divisions": "0", "--out": "new/certified"},
}
# Values that may be meant by one option or another, and are small wherever they are.
PLAUSIBLE = (
    "0.25", "0.5", "1", "2", "1,2", "0.1,0.3", "0.1:0.5:3", "1:2", "auto", "cpu", "exact", "sampled", "uniform",
    "constant", "symmetric", "correlated", "anticorrelated", "independent", "onehot", "adam", "sgd", "lbfgs", "linear",
    "cosine", "plain", "stratified", "float32", "float64", "density", "digon(1,2)", "merged(1,2)", "density=0.1:0.5",
    "hidden-feature", "numpy", "c", "root", "squares",
)  # fmt: skip
# What takes long if it is meant, and what commands need or choose for themselves.
LONG = ("--free",)
NEEDED = ("--out", "--weights", "--device")
HOSTILE = (
    "", " ", "nan", "inf", "-inf", "-1", "0", "-0.5", "1e308", "1e-320", "1e400", "9" * 400, "999999999", "1e9", "0x10",
    "1_0", "1,", ",", "1,,2", "2:1", "1:2:3:4", "1:2:0", "1:2:-1", "1:2:99999999999", "0:99999999999", "1/0", "1/3",
    "٣", "½", "\x1b[31mred", "[/bold]", "{0}", "%s", "none", "true", "nonsense", "a" * 5000, "~", "-", "--", ".", "..",
    "/", "/dev/null", "/proc/nowhere/x", "text.txt", "text.txt/inside", "empty.npz", "empty.json", "junk.safetensors",
    "junk.zarr", "junk.pt", "folder", "folder.npz", "folder.zarr", "missing.npz", "missing.json", "wrong.npz",
    "objects.npy", "table.csv", "weights.npz", "runs.safetensors", "plot.png", "new/a/b/c.json", "\udcff",
)  # fmt: skip
Line = tuple[str, tuple[str, ...]]


def options() -> dict[str, dict[str, bool]]:
    """Return the options of each command, and whether they are flags."""
    root: Any = get_command(app)
    found: dict[str, dict[str, bool]] = {}
    for command in COMMANDS:
        found[command] = {}
        for parameter in root.load(command).params:
            if parameter.param_type_name == "option":
                flag = bool(parameter.is_flag)
                found[command] |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), flag)
    return found


def lines(known: dict[str, dict[str, bool]]) -> list[Line]:
    """Return command lines in which every option of every command comes up."""
    draws = random.Random(SEED)
    wanted = [(command, option) for command in COMMANDS for option in known[command]]
    wanted += [draws.choice(wanted) for _ in range(LINES - len(wanted))]
    return [(command, _words(draws, command, option, known[command])) for command, option in wanted]


def _words(draws: random.Random, command: str, option: str, known: dict[str, bool]) -> tuple[str, ...]:
    """Return the words of a line in which an option comes up."""
    chosen = dict(QUICK[command])
    others = draws.sample(sorted({*known} - {option}), min(len(known) - 1, draws.choice((0, 0, 1, 1, 2))))
    for name in (option, *others):
        # One of a pair of flags is enough.
        chosen = {there: value for there, value in chosen.items() if there.replace("--no-", "--") != name}
        meant = draws.random() < 0.25 and name not in LONG
        chosen[name] = "" if known[name] else draws.choice(PLAUSIBLE if meant else HOSTILE)
    if draws.random() < 0.1:
        chosen[""] = draws.choice(HOSTILE)
    if draws.random() < 0.1:
        for name in draws.sample(NEEDED, 1):
            chosen.pop(name, None)
    words = [part for name, value in chosen.items() for part in _spelled(draws, name, value, known)]
    if draws.random() < 0.05:
        words.append(draws.choice(("--nonsense", "--nonsense=1", "-x", "extra words")))
    if draws.random() < 0.03 and not known[option]:
        words.append(option if option not in words else "--out")
    return tuple(words)


def _spelled(draws: random.Random, name: str, value: str, known: dict[str, bool]) -> list[str]:
    if not name:
        return [value]
    if known.get(name, False) or name not in known:
        return [name]
    return [f"{name}={value}"] if draws.random() < 0.5 else [name, value]


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of all kinds."""
    folder = tmp_path_factory.mktemp("materials")
    (folder / "text.txt").write_text("mine")
    (folder / "empty.npz").touch()
    (folder / "empty.json").touch()
    noise = np.random.default_rng(0).bytes(500)
    for name in ("junk.safetensors", "junk.pt"):
        (folder / name).write_bytes(noise)
    for name in ("folder", "folder.npz", "folder.zarr", "junk.zarr"):
        (folder / name).mkdir()
        (folder / name / "f").write_text("mine")
    (folder / "junk.zarr" / "zarr.json").write_bytes(noise)
    np.savez(folder / "wrong.npz", a=np.zeros(3))
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "table.csv").write_text("log_sparsity,log_weight,last_norm,last_polysemanticity\n-1,0,1,0.5\n")
    np.savez(folder / "weights.npz", W=np.array([[1.0, -0.5]]), b=np.array([0.125, -0.25]))
    model = ToyModel(2, 1, IndependentFeatures(0.5))
    trained = train(model, seeds=2, steps=5, batch_size=8, device="cpu")
    save_models(trained, folder / "runs.safetensors", model=model)
    return folder


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    with forking(*MODULES) as started:
        yield started


def state(folder: Path) -> dict[str, str]:
    """Return a hash of every file that was there before."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fault(command: str, words: tuple[str, ...], code: int, out: str, err: str) -> str:
    """Return what is wrong with how a line ended; nothing if that is as it should be."""
    said = [line for line in err.splitlines() if not line.startswith("tegum: warning: ")]
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "takes too long"
    if "Traceback" in err or code not in (0, 1, 2):
        return "ends in an exception"
    if "\x1b" in out + err:
        return "steers the terminal"
    if code == 1 and not (command == "certify" and "--check" in " ".join(words)):
        # Training that diverges, and results that are elsewhere.
        return "" if len(said) == 1 and said[0].startswith("tegum: ") else "fails without a word"
    if code == 2 and not (len(said) == 1 and said[0].startswith("tegum: ") and not out):
        return "isn't refused in one line"
    complaints = [line for line in said if line.startswith("tegum: ")]
    return "complains with exit code 0" if code == 0 and complaints else ""


def test_every_line_ends_with_a_result_or_one_line_that_says_why_not(
    start: Start, materials: Path, tmp_path: Path
) -> None:
    known, whole = options(), state(materials)
    counts, codes, faults, came_up = Counter[str](), Counter[int](), [], set()
    for number, (command, words) in enumerate(lines(known)):
        folder = tmp_path / str(number)
        shutil.copytree(materials, folder)
        process = start(CODE, folder, command, *words)
        out, err = process.communicate()
        code = process.wait()
        codes[code] += 1
        counts[command] += 1
        came_up |= {(command, word.partition("=")[0]) for word in words}
        wrong = fault(command, words, code, out, err)
        changed = [name for name, sum_ in state(folder).items() if whole.get(name, sum_) != sum_]
        lost = [name for name in whole if not (folder / name).exists()]
        if not wrong and (lost or [name for name in changed if "--force" not in words]):
            wrong = f"changes {changed + lost}"
        if wrong:
            faults.append((wrong, command, words, code, err.strip()[-300:]))
            print(*faults[-1], sep=" | ", flush=True)
        shutil.rmtree(folder)
    print(f"\n{sum(counts.values())} command lines: {dict(codes)}; {dict(counts)}")
    missing = {(command, option) for command in known for option in known[command]} - came_up
    assert missing == set()
    assert faults == []
