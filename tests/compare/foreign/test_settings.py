"""What a file says in words and single numbers is read, refused, or told as not used: never passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tegum.compare.foreign import model_of_weights, read_many, reading, said_of_model

W = np.array([[1.0, -0.5, 0.25], [0.0, 2.0, -1.5]])
B = np.array([0.125, 0.0, -0.375])
IMPORTANCE = [1, 0.9, 0.8]
SETTINGS = {"density": 0.25, "importance": IMPORTANCE}


def saved(path: Path, place: str, settings: dict[str, Any]) -> Path:
    """Write W and b, and settings in one of the places where they are looked for."""
    path = path / "model"
    if place == "metadata":
        words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        save_file({"W": W, "b": B}, path, metadata={"format": "pt", **words})
    elif place == "text":
        words = {"config": f"Config({', '.join(f'{name}={value!r}' for name, value in settings.items())})"}
        save_file({"W": W, "b": B}, path, metadata=words)
    elif place == "nested":
        torch.save({"state": {"W": torch.tensor(W), "b": torch.tensor(B)}, "cfg": {"model": settings}}, path)
    elif place == "arrays":
        with path.open("wb") as file:
            arrays: dict[str, Any] = {name: np.array(value) for name, value in settings.items()}
            np.savez(file, W=W, b=B, **arrays)
    else:
        path.write_text(json.dumps({"W": W.tolist(), "b": B.tolist(), **settings}))
    return path


PLACES = ["metadata", "text", "nested", "arrays", "json"]


@pytest.mark.parametrize("place", PLACES)
def test_densities_and_importances_are_read_wherever_they_stand(tmp_path: Path, place: str) -> None:
    batch = read_many(saved(tmp_path, place, SETTINGS))
    model = model_of_weights(batch)
    np.testing.assert_array_equal(model.densities(), np.full(3, 0.25))
    np.testing.assert_array_equal(model.importances(), IMPORTANCE)
    assert batch.unused == ()


def test_text_of_a_number_is_that_number(tmp_path: Path) -> None:
    batch = read_many(saved(tmp_path, "nested", {"sparsity": "0.75", "relative_importance": "0.5"}))
    np.testing.assert_array_equal(model_of_weights(batch).importances(), [1, 1, 0.5])
    np.testing.assert_array_equal(model_of_weights(batch).densities(), np.full(3, 0.25))


CHANGES: list[tuple[str, Any, str, Any]] = [
    ("law", "correlated", "law", "independent"),
    ("distribution", "one-hot", "law", "one-hot"),
    ("n_anticorrelated_pairs", 1, "law", "anticorrelated"),
    ("amplitude", "symmetric", "amplitude", "symmetric"),
    ("penalty", 0.1, "weight_penalty", 0.1),
    ("l1_coeff", 1, "activation_penalty", 0.1),
    ("regularisation", 1e-3, "interference_penalty", 0.1),
    ("loss", "mean", "reduction", "mean"),
    ("loss_fn", "cross_entropy", "reduction", "sum"),
    ("targets", "active", "targets", "active"),
    ("use_bias", "none", "bias", "none"),
    ("importance", "0.9**i", "importance", 0.5),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("name", "value", "parameter", "settles"), CHANGES)
def test_another_model_is_refused_unless_it_is_said_which(
    tmp_path: Path, place: str, name: str, value: Any, parameter: str, settles: Any
) -> None:
    batch = read_many(saved(tmp_path, place, {"density": 0.25, name: value}))
    message = rf"{name} = {str(value).replace('*', '.')}.* --{parameter.replace('_', '-')}.*--model FILE.*key"
    with pytest.raises(ValueError, match=message):
        said_of_model(batch)
    if name != "importance":
        with pytest.raises(ValueError, match=message):
            model_of_weights(batch)
    said = said_of_model(batch, {parameter: settles})
    assert said == {"n_features": 3, "n_hidden": 2, "features": {"density": [0.25] * 3}}
    plain = model_of_weights(read_many(saved(tmp_path, "json", SETTINGS)))
    (told,) = reading(batch, plain)["unused"]
    assert told.endswith(f"{name} = {1 if value == 1 else value}")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("law", "independent"),
        ("correlated", 0),
        ("amplitude", "uniform"),
        ("penalty", 0.0),
        ("loss", "mse"),
        ("loss", 0.0123),
        ("reduction", "sum"),
        ("use_bias", 1),
        ("lr", 0.001),
        ("n_features", 3),
        ("act_fn", "relu"),
    ],
)
def test_what_leaves_the_model_as_it_is_needs_no_word(tmp_path: Path, place: str, name: str, value: Any) -> None:
    batch = read_many(saved(tmp_path, place, {"density": 0.25, name: value}))
    assert (batch.changes, batch.unused) == ({}, ())


@pytest.mark.parametrize("b", [{}, {"b": np.zeros(3)}, {"b": np.zeros(())}])
def test_a_file_that_says_there_is_no_bias_is_of_models_without(
    tmp_path: Path, command: Any, b: dict[str, Any]
) -> None:
    path = tmp_path / "model.json"
    path.write_text(
        json.dumps({"W": W.tolist(), "density": 0.25, "bias": False} | {k: v.tolist() for k, v in b.items()})
    )
    batch = read_many(path)
    assert said_of_model(batch)["bias"] == model_of_weights(batch).bias == "none"
    # What is said elsewhere counts.
    if b.get("b", W).ndim:
        assert "bias" not in said_of_model(batch, {"bias": "free"})
    code, out, _ = command("loss", "--weights", str(path))
    assert code == 0
    assert "no bias" in " ".join(out.split())
    assert "b = 0 is assumed" not in out


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [0.5, "blue"])
def test_everything_else_is_told(tmp_path: Path, place: str, value: Any) -> None:
    (told,) = read_many(saved(tmp_path, place, {"density": 0.25, "temperature": value})).unused
    assert told.endswith("temperature")


def test_the_density_that_another_one_hides_is_told(tmp_path: Path) -> None:
    content = {"W": torch.tensor(W), "density": 0.25, "config": {"density": 0.5}}
    torch.save(content, tmp_path / "model")
    batch = read_many(tmp_path / "model")
    np.testing.assert_array_equal(model_of_weights(batch).densities(), np.full(3, 0.25))
    assert batch.unused == ("config.density",)


def test_the_command_refuses_and_takes_the_option(tmp_path: Path, command: Any) -> None:
    path = str(saved(tmp_path, "metadata", {"law": "correlated", "density": 0.05, "importance": 0.5}))
    code, _, told = command("loss", "--weights", path)
    assert code == 2
    assert "law = correlated" in told
    code, out, _ = command("loss", "--weights", path, "--law", "independent")
    assert code == 0
    shown = " ".join(out.split())
    assert "density 0.05" in shown
    assert "Not used: law = correlated." in shown
    (tmp_path / "model.json").write_text(
        '{"format": "tegum model 1", "n_features": 3, "n_hidden": 2, "importance": [1, 1, 0.5],'
        '"features": {"law": "correlated", "density": 0.05, "groups": [[0, 1]]}}'
    )
    code, out, _ = command("loss", "--weights", path, "--model", str(tmp_path / "model.json"))
    assert code == 0
    assert "correlated, density 0.05" in " ".join(out.split())


@pytest.mark.parametrize(
    ("stored", "option"),
    [
        ({"sparsity": np.array(0.95)}, "0.05"),
        ({"sparsity": np.array(0.999, np.float32)}, "0.001"),
        ({"density": np.array(0.05, np.float32)}, "0.05"),
        ({"density": np.array(0.05, np.float16)}, "0.05"),
    ],
)
def test_a_number_is_the_same_up_to_the_rounding_of_its_type(
    tmp_path: Path, command: Any, stored: dict[str, Any], option: str
) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, W=W, b=B, **stored)
    code, out, _ = command("loss", "--weights", str(path), "--density", option)
    assert code == 0
    # The number that was written, not the stored one.
    assert f"density {option}, " in " ".join(out.split())
    found = model_of_weights(read_many(path), float(option)).densities()
    np.testing.assert_array_equal(found, np.full(3, float(option)))
    code, _, told = command("loss", "--weights", str(path), "--density", str(float(option) * 1.01))
    assert code == 2
    assert "contradicts" in told


def test_a_contradiction_tells_whole_numbers(tmp_path: Path, command: Any) -> None:
    densities = 0.9 ** np.arange(1, 13)
    np.savez(tmp_path / "model.npz", W=np.tile(W, (12, 1, 1)), b=B, density=densities[:, None])
    code, _, told = command("loss", "--weights", str(tmp_path / "model.npz"), "--density", "0.3")
    assert code == 2
    assert f"density is 12 × 3 values from {densities[-1]} to 0.9: leave" in told


def test_a_single_number_is_a_bias_for_all_outputs(tmp_path: Path, command: Any) -> None:
    path = tmp_path / "model.json"
    # Of up to four features the command judges training noise as well, which is known of free biases only.
    path.write_text(json.dumps({"W": np.hstack([W, W[:, :2]]).tolist(), "b": -0.25, "density": 0.1}))
    np.testing.assert_array_equal(read_many(path).bias, np.full(5, -0.25))
    code, _, told = command("loss", "--weights", str(path))
    assert code == 2
    assert "single number b: say that all outputs have it with --bias common" in told
    code, out, _ = command("loss", "--weights", str(path), "--bias", "common")
    assert code == 0
    assert "one bias for all outputs" in out


@pytest.mark.parametrize("square", [[[0.5]], [[1.0, 0.2], [0.2, 1.0]]])
def test_a_symmetric_matrix_needs_no_layout(tmp_path: Path, square: list[list[float]]) -> None:
    np.savez(tmp_path / "model.npz", W=np.array(square))
    np.testing.assert_array_equal(read_many(tmp_path / "model.npz").weights, square)
