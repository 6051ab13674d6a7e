"""`tegum thomson`: what it prints, draws and refuses."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.command_line import run_tegum as run

turntable = import_module("tegum.compare.figures.turntable")

MISUSE = 2


def test_energies_of_points_on_a_sphere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys, "thomson 6")
    assert code == 0
    assert out.startswith("6 points in 3 dimensions: energy 9.985281374239, symmetry Oh; 4 of 4 starts agree")
    code, out, _ = run(monkeypatch, capsys, "thomson 5 --dim 4 --json")
    found = json.loads(out)
    assert code == 0
    assert np.array(found["points"]).shape == (5, 4)
    assert (found["point_group"], found["status"], found["degrees"]) == ("", "agreed", [])
    assert len(found["hessian_eigenvalues"]) == 15


def test_a_target_ends_the_search_or_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(monkeypatch, capsys, "thomson 12 --target 49.1652531 --json")
    assert (code, json.loads(out)["status"]) == (0, "target")
    monkeypatch.setattr("tegum.theory.spheres.thomson.MOST_STARTS", 8)
    code, out, _ = run(monkeypatch, capsys, "thomson 12 --target 49")
    assert code == 0
    assert "None of the starts reached the target 49." in out


def test_points_are_drawn_and_turned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(turntable, "FRAMES", 5)
    picture, film = tmp_path / "new" / "five.png", tmp_path / "new" / "five.gif"
    code, out, err = run(monkeypatch, capsys, f"thomson 5 --figure {picture} --turntable {film}")
    assert code == 0
    assert f"Wrote {picture}, {film}." in out
    assert "turntable" in err
    with Image.open(film) as frames:
        assert getattr(frames, "n_frames", 1) == 5
        first = np.asarray(frames.convert("RGB"), dtype=float)
        frames.seek(2)
        assert np.abs(np.asarray(frames.convert("RGB"), dtype=float) - first).mean() > 1
    with Image.open(picture) as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("thomson 1", "n must be an integer of at least 2, got 1"),
        ("thomson 5 --dim 1", "dim must be an integer of at least 2, got 1"),
        ("thomson 5 --figure five.xyz", "--figure must end in one of"),
        ("thomson 5 --target inf", "--target must be a finite energy"),
        ("thomson --against f.npz --dim 7", "--against doesn't go with --dim"),
        ("thomson 5 --target -1", "target must be a positive energy, got -1.0"),
        ("thomson 5 --dim 4 --figure five.png", "--figure draws points in 2 or 3 dimensions, got 4"),
        ("thomson 5 --dim 2 --turntable five.gif", "--turntable turns points in 3 dimensions, got 2"),
        ("thomson 5 --turntable five.mp4", "a turntable is written as a .gif, got 'five.mp4'"),
    ],
)
def test_bad_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(monkeypatch, capsys, words)
    assert (code, out) == (MISUSE, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
