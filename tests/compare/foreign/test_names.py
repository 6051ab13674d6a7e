"""Names and layouts of the field: what is read, what is said of it, and what is another model and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tegum.compare.foreign import model_of_weights, read_many, read_weights
from tegum.theory import expected_loss

ANGLES = 2 * np.pi * np.arange(5) / 5
PENTAGON = (1.17 * np.stack([np.cos(ANGLES), np.sin(ANGLES)])).astype(np.float32)
BIAS = np.full(5, -0.37, dtype=np.float32)
# At density 0.05 and importance 1.
LOSS = 0.01081843607
OTHER = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
MODULE = {"linear1.weight": PENTAGON, "linear2.weight": PENTAGON.T, "linear2.bias": BIAS}

READ: dict[str, dict[str, Any]] = {
    "modules": MODULE,
    "an identity between": MODULE | {"hidden_layers.0.weight": np.eye(2, dtype=np.float32)},
    "embedding": {"embedding.weight": PENTAGON, "unembedding.weight": PENTAGON.T, "unembedding.bias": BIAS},
    "encoder": {"encoder.weight": PENTAGON, "decoder_bias": BIAS},
    "W_in and W_out": {"W_in": PENTAGON, "W_out": PENTAGON.T, "b_out": BIAS},
    "features first": {"W_in": PENTAGON.T, "W_out": PENTAGON, "b_out": BIAS},
    "W beside its decoder": {"W": PENTAGON.T, "b_final": BIAS, "W_dec": PENTAGON},
    "w": {"w": PENTAGON.T, "b_final": BIAS, "losses": np.zeros(3, np.float32)},
    "w1_2t": {"w1_2t": PENTAGON, "b_1t": BIAS[None]},
    "a column": {"W": PENTAGON, "b": BIAS[:, None]},
    "numbered layers": {
        "0.weight": PENTAGON,
        "2.weight": PENTAGON.T,
        "2.bias": BIAS,
        "0.bias": np.zeros(2, np.float32),
    },
    "a wrapper": {f"module.{name}": array for name, array in MODULE.items()},
    "no hidden bias": MODULE | {"linear1.bias": np.zeros(2, np.float32)},
}


def saved(folder: Path, arrays: dict[str, Any]) -> Path:
    torch.save({name: torch.tensor(np.array(array)) for name, array in arrays.items()}, folder / "model")
    return folder / "model"


@pytest.mark.parametrize("kind", READ)
def test_names_of_the_field_are_read(tmp_path: Path, kind: str) -> None:
    batch = read_many(saved(tmp_path, READ[kind]))
    np.testing.assert_array_equal(batch.weights, PENTAGON)
    np.testing.assert_array_equal(batch.bias, BIAS)
    assert batch.bias_given
    loss = float(expected_loss(model_of_weights(batch, 0.05), batch.weights, batch.bias))
    # float32 rounds weights and bias.
    assert abs(loss - LOSS) < 1e-8


def test_what_was_taken_for_what_is_told(tmp_path: Path) -> None:
    batch = read_many(saved(tmp_path, READ["an identity between"] | {"losses": np.zeros(3)}))
    assert dict(batch.source) == {
        "weights": "linear1.weight",
        "bias": "linear2.bias",
        "linear2.weight": "tied to linear1.weight",
        "hidden_layers.0.weight": "an identity",
    }
    assert (batch.unused, batch.stored_dtype) == (("losses",), "float32")


def test_a_pair_is_tied_up_to_the_rounding_of_its_type(tmp_path: Path) -> None:
    tensors = {"W": torch.tensor(OTHER), "W_dec": torch.tensor(OTHER.T).to(torch.bfloat16)}
    torch.save(tensors, tmp_path / "model")
    np.testing.assert_array_equal(read_many(tmp_path / "model").weights, OTHER)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param(
            {"W": PENTAGON, "W_dec": 0.5 * PENTAGON}, "transpose of the encoder 'W', got 'W_dec', .*by up to", id="W"
        ),
        pytest.param(
            MODULE | {"linear2.weight": OTHER.T}, "got 'linear2.weight', which differs.*nothing", id="modules"
        ),
        pytest.param(MODULE | {"hidden.weight": 2 * np.eye(2)}, "further layer 'hidden.weight' of shape", id="a layer"),
        pytest.param({"W": PENTAGON, "norm.weight": np.ones(2)}, "the layer 'norm.weight' of shape", id="a norm"),
        pytest.param({"W": PENTAGON, "b": BIAS, "gate_bias": BIAS}, "expected one bias at the output", id="two biases"),
        pytest.param({"W": PENTAGON, "ema.W": OTHER}, "expected one W, or a model .*weights_name", id="two models"),
        pytest.param({"0": PENTAGON, "1": OTHER[:1]}, "of the same shape under each", id="widths of different shapes"),
        pytest.param({"ways": PENTAGON}, r"expected an array named .*\['ways'\].*weights_name", id="no name"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_many(saved(tmp_path, arrays))


def test_a_square_decoder_is_no_transpose_of_itself(tmp_path: Path) -> None:
    square = np.array([[1.0, 2.0], [0.0, 3.0]])
    with pytest.raises(ValueError, match="transpose of the encoder"):
        read_many(saved(tmp_path, {"linear1.weight": square, "linear2.weight": square}))


def test_a_bias_of_the_hidden_layer_is_folded_into_the_output(tmp_path: Path) -> None:
    hidden = np.array([0.25, -0.5])
    batch = read_many(saved(tmp_path, MODULE | {"linear1.bias": hidden}))
    x = np.random.default_rng(1).random((5, 100))
    once = PENTAGON.T @ (PENTAGON @ x + hidden[:, None]) + BIAS[:, None]
    again = batch.weights.T @ (batch.weights @ x) + batch.bias[:, None]
    np.testing.assert_allclose(again, once, rtol=0, atol=1e-6)
    assert batch.source["hidden bias"] == "linear1.bias"


@pytest.mark.parametrize("nested", [False, True], ids=["bare", "nested"])
def test_a_model_under_each_number_makes_a_batch(tmp_path: Path, nested: bool) -> None:
    if nested:
        content: Any = {k: {"W": torch.tensor(k * PENTAGON), "b": torch.tensor(BIAS)} for k in (2, 10)}
    else:
        content = {str(k): torch.tensor(k * PENTAGON) for k in (2, 10)}
    torch.save(content, tmp_path / "model")
    batch = read_many(tmp_path / "model")
    np.testing.assert_array_equal(batch.weights, np.stack([2 * PENTAGON, 10 * PENTAGON]).astype(np.float64))
    assert batch.bias_given is nested


def test_options_name_the_arrays(tmp_path: Path) -> None:
    path = saved(tmp_path, {"ways": OTHER, "W": PENTAGON, "shift": BIAS, "ema.W": OTHER})
    batch = read_many(path, weights_name="ways", bias_name="shift")
    np.testing.assert_array_equal(batch.weights, OTHER)
    np.testing.assert_array_equal(batch.bias, BIAS)
    weights, bias = read_weights(path, weights_name="ways", bias_name="shift")
    np.testing.assert_array_equal(weights, OTHER)
    np.testing.assert_array_equal(bias, BIAS)
    for options in ({"weights_name": "w"}, {"bias_name": "beta"}):
        with pytest.raises(ValueError, match=r"to be one of W, ema.W, shift, ways, got"):
            read_many(path, **options)


def test_a_named_array_beside_an_untied_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 'W_dec'"):
        read_many(saved(tmp_path, {"W": PENTAGON, "W_dec": OTHER}), weights_name="W")


def test_more_hidden_dimensions_than_features_need_a_bias_that_says_so(tmp_path: Path) -> None:
    wide = np.random.default_rng(2).normal(size=(3, 2))
    path = saved(tmp_path, {"W": wide, "b": np.ones(2)})
    np.testing.assert_array_equal(read_many(path, layout="hidden-feature").weights, wide)
    path = saved(tmp_path, {"linear1.weight": wide, "linear2.bias": np.ones(2)})
    np.testing.assert_array_equal(read_many(path).weights, wide)


@pytest.mark.parametrize("place", ["metadata", "text", "nested", "array", "json"])
@pytest.mark.parametrize("kind", ["relu", "gelu", "identity"])
def test_activations_are_respected_wherever_they_stand(tmp_path: Path, place: str, kind: str) -> None:
    path = tmp_path / "model"
    if place in ("metadata", "text"):
        words = {"activation": kind} if place == "metadata" else {"config": f"Config(n_features=5, act_fn='{kind}')"}
        save_file({"W": PENTAGON, "b_final": BIAS}, path, metadata=words)
    elif place == "nested":
        torch.save({"cfg": {"model": {"nonlinearity": kind}}, "state": {"W": torch.tensor(PENTAGON)}}, path)
    elif place == "array":
        with path.open("wb") as file:
            np.savez(file, W=PENTAGON, activation_fn=np.array(kind))
    else:
        path.write_text(f'{{"W": {PENTAGON.tolist()}, "output_activation": "torch.nn.{kind}"}}')
    if kind == "relu":
        np.testing.assert_array_equal(read_many(path).weights, PENTAGON)
        return
    message = "linear_loss" if kind == "identity" else "activation ReLU at the output.* got .*gelu"
    with pytest.raises(ValueError, match=message):
        read_many(path)


def test_an_activation_in_the_middle_is_refused(tmp_path: Path) -> None:
    torch.save({"W": torch.tensor(PENTAGON), "hidden_activation": "relu"}, tmp_path / "model")
    with pytest.raises(ValueError, match=r"nothing on the hidden layer.*relu_hidden"):
        read_many(tmp_path / "model")


def test_checkpoints_and_instances_are_axes(tmp_path: Path) -> None:
    weights = np.zeros((3, 4, 5, 2))
    weights[..., 0, 0] = weights[..., 1, 1] = 1
    density = np.array([1.0, 0.5, 0.2, 0.1])
    with (tmp_path / "model").open("wb") as file:
        np.savez(file, W=weights, feature_probability=density, importance=0.9 ** np.arange(5))
    batch = read_many(tmp_path / "model")
    assert (batch.batch_shape, batch.bias_given) == ((3, 4), False)
    np.testing.assert_array_equal(batch.weights, weights.mT)
    assert batch.density is not None
    np.testing.assert_array_equal(batch.density, np.broadcast_to(density[:, None], (3, 4, 5)))
