"""`tegum thomson`: points found, drawn and held against features, and what it refuses."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tegum.theory import polytope
from tegum.theory.spheres import thomson_minimum

# Behind the face: an animation of few pictures.
turntable = import_module("tegum.compare.figures.turntable")


def test_energies_of_points_on_a_sphere(tegum_: Any) -> None:
    shown = tegum_("thomson 6")
    assert shown.code == 0
    assert shown.out.startswith("6 points in 3 dimensions: energy 9.985281374239, symmetry Oh; 4 of 4 starts agree")
    found = tegum_("thomson 5 --dim 4 --json").json()
    assert np.array(found["points"]).shape == (5, 4)
    assert (found["point_group"], found["status"], found["degrees"]) == ("", "agreed", [])
    assert len(found["hessian_eigenvalues"]) == 15


def test_a_target_ends_the_search_or_is_missed(tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tegum_("thomson 12 --target 49.1652531 --json").json()["status"] == "target"
    monkeypatch.setattr("tegum.theory.spheres.thomson.MOST_STARTS", 8)
    shown = tegum_("thomson 12 --target 49")
    assert shown.code == 0
    assert "None of the starts reached the target 49." in shown.out


def test_points_are_drawn_and_turned(tegum_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(turntable, "FRAMES", 5)
    picture, film = tmp_path / "five.png", tmp_path / "five.gif"
    shown = tegum_(f"thomson 5 --figure {picture} --turntable {film}")
    assert shown.code == 0
    assert f"Wrote {picture}, {film}." in shown.out
    # Into a log no bar is written.
    assert shown.err == ""
    with Image.open(film) as frames:
        assert getattr(frames, "n_frames", 1) == 5
        first = np.asarray(frames.convert("RGB"), dtype=float)
        frames.seek(2)
        assert np.abs(np.asarray(frames.convert("RGB"), dtype=float) - first).mean() > 1
    with Image.open(picture) as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    """Three models: a pentagon and a digon, an octahedron, and one that diverged."""
    weights = np.zeros((3, 3, 7))
    weights[0, :2, :5], weights[0, 2, 5:] = polytope("pentagon").points, (1, -1)
    weights[1, :, 1:] = polytope("octahedron").points
    weights[2] = np.nan
    path = tmp_path / "models.npz"
    np.savez(path, weights=weights, bias=np.zeros((3, 7)))
    return path


def test_trained_weights_are_held_against_the_thomson_problem(tegum_: Any, weights_file: Path) -> None:
    found = tegum_(f"thomson --against {weights_file} --json").json()
    first, second = found["comparisons"]
    assert (found["model"]["n_features"], found["model"]["features"]) == (7, {"law": "independent"})
    assert (first["features"], second["features"]) == ([0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    assert first["energy_ratio"] == pytest.approx(1) == second["energy_ratio"]
    assert first["thomson_energy"] == pytest.approx(thomson_minimum(7).energy)
    assert first["interference"] == pytest.approx(10 * np.cos(2 * np.pi / 5) ** 2)
    assert (first["loss"], second["loss"]) == (None, None)
    shown = tegum_(f"thomson --against {weights_file} --factors --density 0.2")
    assert shown.code == 0
    assert shown.out.startswith(f"{weights_file}: 7 features in 3 dimensions, independent, density 0.2, uniform on")
    assert "1,2,3,4,5   5/2       1      0.000   0.955     0.955" in shown.out
    assert "0.00%" in shown.out
    # The digons of both, the zero column of the second, and the third model.
    assert "Left out: 6 tegum factors" in shown.out
    six = tegum_(f"thomson 6 --against {weights_file} --json").json()["comparisons"]
    assert [one["number"] for one in six] == [1]


@pytest.mark.parametrize("options", ["--amplitude constant", "--law one-hot"])
def test_losses_are_those_of_what_theory_covers(tegum_: Any, weights_file: Path, options: str) -> None:
    density = "" if "one-hot" in options else "--density 0.2"
    found = tegum_(f"thomson 6 --against {weights_file} {options} --json {density}")
    if density:
        found.is_misuse("losses are compared of independent features, uniform on [0, 1] (tegum loss takes any model)")
    else:
        assert [one["loss"] for one in found.json()["comparisons"]] == [None]


def test_a_density_in_the_file_is_taken(tegum_: Any, tmp_path: Path) -> None:
    weights = np.zeros((2, 3))
    weights[:, 0], weights[:, 1], weights[:, 2] = (1, 0), (-1, 0), (0, 1)
    np.savez(tmp_path / "three.npz", weights=weights, bias=np.zeros(3), density=0.1)
    (found,) = tegum_(f"thomson --against {tmp_path / 'three.npz'} --json").json()["comparisons"]
    # One scale and bias for a digon and an axis; the triangle is dearer (docs/analogy.md).
    assert 0.0033194840 < found["loss"] < 0.00333
    assert found["thomson_loss"] / found["loss"] == pytest.approx(1.129, abs=0.002)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("thomson 1", "n must be an integer of at least 2, got 1"),
        ("thomson 5 --dim 1", "dim must be an integer of at least 2, got 1"),
        ("thomson 5 --figure five.xyz", "--figure must end in one of"),
        ("thomson 5 --target inf", "--target must be a finite energy"),
        ("thomson --against f.npz --dim 7", "--against takes no --dim"),
        ("thomson 5 --target -1", "target must be positive and finite, got -1.0"),
        ("thomson 5 --dim 4 --figure five.png", "--figure draws points in 2 or 3 dimensions, got 4"),
        ("thomson 5 --dim 2 --turntable five.gif", "--turntable turns points in 3 dimensions, got 2"),
        ("thomson 5 --turntable five.mp4", "a turntable is written as a .gif, got 'five.mp4'"),
        ("thomson", "expected a number of points, or --against FILE"),
        ("thomson 5 --density 0.1", "a search without --against takes no --density"),
        ("thomson --against {} --figure a.png", "--against takes no --figure"),
        ("thomson --against {} --density 3", "density must lie in (0, 1], got 3"),
        ("thomson --against {} --density 1", "losses are compared at densities in (0, 1)"),
        ("thomson --against {} --features 6", "--features 6 contradicts"),
        ("thomson --against nothing.npz", "doesn't exist"),
    ],
)
def test_bad_input_is_one_line(
    tegum_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights_file: Path, words: str, message: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    tegum_(words.format(weights_file)).is_misuse(message)
    assert list(work.iterdir()) == []
