"""Options of a model beside what a file says: they fill in, they agree, or they are refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.compare.diagrams import save, theory_dataset
from tegum.compare.terminal import ModelOptions, described_in, single
from tegum.empirical.files import save_models
from tegum.empirical.training import train
from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    certify,
    diagram_model,
)
from tegum.theory.minima import diagram_minima
from tests.support.places import DATA
from tests.support.sweeps import small_sweep

PAIRS = CorrelatedFeatures(0.25, [(0, 1)], amplitude="symmetric")
MODEL = ToyModel(3, 2, PAIRS, (1, 0.5, 0.25), weight_penalty=0.1)
FOUR = ToyModel(
    4, 2, CorrelatedFeatures(0.25, [(0, 1), (2, 3)], amplitude="constant"), (1, 1, 1, 2), weight_penalty=0.1
)
PARTIAL = 'format = "tegum model 1"\nn_features = 3\n[features]\nlaw = "correlated"\ngroups = [[0, 1]]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_text(MODEL.to_json(indent=2))
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"density": "0.1"}, ToyModel(2, 1, IndependentFeatures(0.1), (1, 1))),
        (
            {"features": 3, "hidden": 2, "density": "0.1,0.2,0.3", "importance": "0.5"},
            ToyModel(3, 2, IndependentFeatures([0.1, 0.2, 0.3]), (1, 1, 0.5)),
        ),
        (
            {"features": 3, "density": "1/3", "importance": "geometric:0.5"},
            ToyModel(3, 1, IndependentFeatures(Fraction(1, 3)), (1, 0.5, 0.25)),
        ),
        (
            {"features": 4, "density": ".2", "law": "anticorrelated", "group": ["1,2", "4,3"], "amplitude": "-1:0.5"},
            ToyModel(4, 1, AnticorrelatedFeatures(0.2, [(0, 1), (2, 3)], amplitude=Amplitude(-1, 0.5)), np.ones(4)),
        ),
        (
            {"features": 3, "law": "k-hot", "active": 2, "importance": "1,2,3", "activation_penalty": "1e-3"},
            ToyModel(3, 1, KHotFeatures(2), (1, 2, 3), activation_penalty=1e-3),
        ),
        (
            {"features": 4, "density": "zipf:1:0.5", "bias": "none", "targets": "active", "reduction": "mean"},
            ToyModel(
                4, 1, IndependentFeatures([0.5, 0.25, 0.5 / 3, 0.125]), bias="none", targets="active", reduction="mean"
            ),
        ),
        ({"law": "one-hot", "amplitude": "constant"}, ToyModel(2, 1, OneHotFeatures(amplitude="constant"))),
    ],
)
def test_options_alone_make_a_model(options: dict[str, Any], expected: ToyModel) -> None:
    found = ModelOptions(**options).over()
    assert found.features.to_plain() == expected.features.to_plain()
    assert found.features.amplitude == expected.features.amplitude
    assert (found.n_features, found.n_hidden) == (expected.n_features, expected.n_hidden)
    np.testing.assert_array_equal(found.importances(), expected.importances())
    assert found.activation_penalty == expected.activation_penalty
    assert found.choices == expected.choices


def test_powers_are_those_of_the_text_to_the_last_digit() -> None:
    for ratio in (Fraction(7, 10), Fraction(1, 3), Fraction(999999, 1000000)):
        found = ModelOptions(features=500, density="0.1", importance=f"geometric:{ratio}").over().importances()
        assert found.tolist() == [float(ratio**i) for i in range(500)]


def test_exact_options_are_rational_numbers() -> None:
    found = ModelOptions(density="0.1", importance="0.3").over(exact=True)
    assert found.exact["importance"].tolist() == [1, Fraction(3, 10)]
    assert dict(found.features.patterns(2, exact=True))[0, 1].item() == Fraction(1, 100)


def test_a_file_is_the_model_and_the_same_value_is_fine(file: Path) -> None:
    assert ModelOptions(source=file).over().to_plain() == MODEL.to_plain()
    options = ModelOptions(
        source=file,
        features=3,
        hidden=2,
        density="0.25,0.25,0.25",
        importance="geometric:0.5",
        law="correlated",
        group=["2,1"],
        amplitude="-1:1",
        weight_penalty="0.1",
        interference_penalty="0",
    )
    assert options.over().to_plain() == MODEL.to_plain()
    assert ModelOptions(density="1/4").over(MODEL).to_plain() == MODEL.to_plain()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 4}, "--features 4 contradicts FILE, where n_features is 3: leave one of the two out"),
        ({"hidden": 1}, "--hidden 1 contradicts FILE, where n_hidden is 2"),
        ({"density": "0.3"}, "--density 0.3 contradicts FILE, where density is 0.25"),
        (
            {"importance": "1,0.5,0.3"},
            r"--importance 1,0.5,0.3 contradicts FILE, where importance is 1, 0.5, ",
        ),
        ({"law": "one-hot"}, "--law one-hot contradicts FILE, where law is correlated"),
        ({"group": ["1,3"]}, r"--group 1,3 contradicts FILE, where groups is \[\[0, 1\]\]"),
        ({"active": 1}, "--active 1 doesn't go with FILE, where the law is correlated: leave it out"),
        ({"amplitude": "uniform"}, "--amplitude uniform contradicts FILE, where amplitude is symmetric"),
        ({"bias": "none"}, "--bias none contradicts FILE, where bias is free"),
        ({"weight_penalty": "0"}, "--weight-penalty 0 contradicts FILE, where weight_penalty is 0.1"),
    ],
)
def test_what_contradicts_a_file_is_refused(file: Path, options: dict[str, Any], message: str) -> None:
    for where, found in ((str(file), None), ("runs.npz", MODEL)):
        chosen = ModelOptions(source=file if found is None else None, **options)
        with pytest.raises(ValueError, match=message.replace("FILE", where)):
            chosen.over(found, where=where)


def test_options_fill_in_what_a_file_leaves_open(tmp_path: Path) -> None:
    path = tmp_path / "part.toml"
    path.write_text(PARTIAL)
    found = ModelOptions(source=path, hidden=2, density="0.25", importance="0.5", amplitude="constant").over()
    law = CorrelatedFeatures(0.25, [(0, 1)], amplitude="constant")
    assert found.to_plain() == ToyModel(3, 2, law, (1, 1, 0.5)).to_plain()
    with pytest.raises(ValueError, match="--law correlated needs a --density, got none"):
        ModelOptions(source=path).over()
    assert ModelOptions(source=path).over(otherwise={"features": {"density": 0.5}}).densities().tolist() == [0.5] * 3


def test_two_files_have_to_agree(file: Path) -> None:
    sizes = {"n_features": 3, "n_hidden": 2}
    assert ModelOptions(source=file).over(sizes, where="runs.npz").to_plain() == MODEL.to_plain()
    with pytest.raises(ValueError, match=r"model.json: n_features contradicts runs.npz, where n_features is 5"):
        ModelOptions(source=file).over({"n_features": 5}, where="runs.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--law independent needs a --density, got none"),
        ({"density": "nan"}, "--density must be a number such as 0.1 or 1/3, got 'nan'"),
        ({"density": "1e-999999999"}, "--density must be a number such as 0.1 or 1/3"),
        ({"density": "0.1,0.2,0.3"}, "--density must be a number, or 2 of them, one for each feature"),
        ({"density": "geometric:0.5"}, "or zipf:EXPONENT or zipf:EXPONENT:LARGEST, got 'geometric:0.5'"),
        ({"density": "0.1", "importance": "geometric:0"}, "--importance geometric:RATIO needs a positive ratio"),
        (
            {"features": 10**9, "density": "zipf:1"},
            "--density stands for a number for each feature, of 1,000,000 features at most, got 1,000,000,000 features",
        ),
        ({"features": 10**9, "density": "0.1", "importance": "2"}, "--importance stands for a number for each feature"),
        ({"features": 10**9, "density": "0.1"}, "n_features must be an integer from 1 to 1000000"),
        ({"density": "0.1", "importance": "1:2"}, "or geometric:RATIO, got '1:2'"),
        (
            {"density": "0.1", "law": "table"},
            "--law must be one of .*, got 'table'; other laws are described",
        ),
        ({"density": "0.1", "law": "correlated"}, "got --law correlated and 0 groups"),
        ({"density": "0.1", "group": ["1,2"]}, "got --law independent and 1 groups"),
        ({"law": "k-hot"}, "got --law k-hot, --active None"),
        ({"law": "one-hot", "density": "0.5"}, "--law one-hot sets how many features are on, and takes no --density"),
        ({"density": "0.1", "weight_penalty": "-1"}, "weight_penalty must be finite and not negative, got -1.0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelOptions(**options).over()


def test_a_batch_is_refused_where_one_model_is_meant() -> None:
    with pytest.raises(ValueError, match="minima are searched for of one model at a time, got 3 models"):
        single(ToyModel(2, 1, IndependentFeatures(np.full((3, 1), 0.5))), "minima are searched for")


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
def test_trained_models_say_their_model(tmp_path: Path, suffix: str) -> None:
    trained = train(MODEL, seeds=1, objective="exact", steps=1)
    save_models(trained, tmp_path / f"with{suffix}", model=MODEL)
    assert described_in(tmp_path / f"with{suffix}") == MODEL.to_plain()
    save_models(trained, tmp_path / f"without{suffix}")
    with pytest.raises(ValueError, match="doesn't say what its model is: describe it in JSON or TOML"):
        described_in(tmp_path / f"without{suffix}")


def test_sweeps_say_their_models(tmp_path: Path) -> None:
    small_sweep(
        tmp_path / "one.zarr", n_features=2, law=lambda p: AnticorrelatedFeatures(p, [(0, 1)]), relative_importance=0.5
    )
    found = ToyModel.from_plain(described_in(tmp_path / "one.zarr"))
    assert found.batch_shape == (2,)
    assert found.densities().tolist() == [[0.1, 0.1], [0.4, 0.4]]
    assert found.importances().tolist() == [[1, 0.5], [1, 0.5]]
    assert isinstance(found.features, AnticorrelatedFeatures)
    small_sweep(tmp_path / "several.zarr")
    with pytest.raises(ValueError, match="doesn't say what its model is"):
        described_in(tmp_path / "several.zarr")


def test_phase_diagrams_say_their_models(tmp_path: Path) -> None:
    density, importance = np.array([0.1, 0.5]), np.array([0.5, 1.0, 2.0])
    save(theory_dataset(diagram_minima(density, importance)), tmp_path / "diagram.zarr")
    expected = diagram_model(2, 1, density[:, None], importance)
    assert described_in(tmp_path / "diagram.zarr") == expected.to_plain()


def test_certificates_and_accounts_say_their_models(tmp_path: Path) -> None:
    model = ToyModel(2, 1, IndependentFeatures(Fraction(1, 10)), (1, Fraction(1, 3)), Fraction(1, 7))
    (tmp_path / "proof.json").write_text(certify(model, max_boxes=2).to_json())
    found = ToyModel.from_plain(described_in(tmp_path / "proof.json"))
    assert (found.exact["importance"].tolist(), found.exact["interference_penalty"].item()) == (
        [1, Fraction(1, 3)],
        Fraction(1, 7),
    )
    (tmp_path / "account.json").write_text(json.dumps({"model": MODEL.to_plain(), "runs": []}))
    assert described_in(tmp_path / "account.json") == MODEL.to_plain()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.json", None, "none.json doesn't exist"),
        ("a.json", "{}", "must have the key 'format'"),
        ("a.json", "{", "must be JSON"),
        ("a.toml", "[", "must be TOML"),
        ("a.csv", "x,y\n1,2\n", "must be TOML"),
        ("a.bin", "\udcff", "got no text"),
        ("a.safetensors", "", "can't read trained models"),
        ("a.toml", 'format = "tegum model 7"', "'tegum model 7' is newer than 'tegum model 1'"),
        ("folder/a", "", "expected a file, or a zarr store of the project's, got the folder"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_text(content, errors="surrogateescape")
    with pytest.raises(ValueError, match=message):
        described_in(path.parent if name.startswith("folder") else path)


def test_files_of_the_former_format_say_their_models() -> None:
    found = ToyModel.from_plain(described_in(DATA / "trained-models-2.safetensors"))
    assert found.weight_penalty.tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("words", "model", "shown"),
    [
        ("minima", ToyModel(2, 1, OneHotFeatures(amplitude="constant")), "one-hot, constant 1"),
        ("minima", ToyModel(2, 1, TableFeatures({(): 0.5, (0, 1): 0.5})), "a table of 2 patterns"),
        ("derive", ToyModel(1, 1, IndependentFeatures(0.5)), "1 feature in 1 dimension, independent, density p"),
        ("certify --max-boxes 2", ToyModel(2, 1, IndependentFeatures(Fraction(1, 3))), "density 1/3"),
        ("train --seeds 1 --objective exact --steps 1 --out OUT", MODEL, "groups (1,2), uniform on [-1, 1]"),
    ],
)
def test_commands_take_a_model_from_a_file_and_say_it(
    tegum_: Any, tmp_path: Path, words: str, model: ToyModel, shown: str
) -> None:
    (tmp_path / "model.json").write_text(model.to_json())
    words = f"{words.replace('OUT', str(tmp_path / 'runs.zarr'))} --model {tmp_path / 'model.json'}"
    told = tegum_(words)
    assert shown in " ".join(told.out.split())
    if "certify" not in words:
        again = tegum_(f"{words.replace('runs', 'more')} --json").json()
        assert again["model"]["n_features"] == model.n_features


@pytest.mark.parametrize(
    ("words", "model", "message"),
    [
        ("derive", MODEL, "a formula is of independent features, uniform on [0, 1]"),
        (
            "derive",
            ToyModel(2, 1, IndependentFeatures(0.5), bias="none"),
            "got bias 'none' (expected_loss takes any model)",
        ),
        ("diagram", ToyModel(2, 1, IndependentFeatures(0.5), reduction="mean"), "got reduction='mean'; expected_loss"),
        ("packing", MODEL, "got the law correlated (tegum minima takes any law)"),
        ("packing", ToyModel(3, 2, IndependentFeatures([0.1, 0.2, 0.1])), "got densities 0.1, 0.2, 0.1 (tegum minima"),
        (
            "deform",
            ToyModel(3, 2, IndependentFeatures(0.1, amplitude="constant")),
            "got amplitudes constant 1 (branch_",
        ),
        ("deform", ToyModel(3, 2, IndependentFeatures([0.1, 0.2, 0.1])), "got densities 0.1, 0.2, 0.1 (branch_diagram"),
        ("deform", ToyModel(3, 2, IndependentFeatures(0.1), (1, 1, 2)), "got importances 1, 1, 2 (branch_diagram"),
        ("deform --vary importance", ToyModel(3, 2, IndependentFeatures(0.1), (1, 2, 2)), "got importances 1, 2, 2"),
        ("correlated", MODEL, "half of --features must lie in 2 to 3, got 1"),
        ("correlated", FOUR, "got amplitudes constant 1, importances 1, 1, 1, 2, weight penalty 0.1 (branch_diagram"),
        ("uniform", ToyModel(3, 2, OneHotFeatures()), "got the law one-hot (tegum train and tegum sweep train others)"),
        ("basins", ToyModel(3, 2, IndependentFeatures(0.1)), "got 3 features in 2 dimensions (tegum train and tegum"),
        (
            "certified-diagram",
            ToyModel(2, 1, IndependentFeatures(0.1), weight_penalty=1),
            "got weight penalty 1 (tegum",
        ),
        ("diagram --from OUT", MODEL, "runs.zarr doesn't exist"),
        ("sweep --out OUT", ToyModel(2, 1, OneHotFeatures()), "has no axis of densities: see tegum train"),
        ("sweep --out OUT", MODEL, "a sweep is of models with one density and importances 1, …, 1, r"),
        ("certify", MODEL, "certificates cover IndependentFeatures, got CorrelatedFeatures"),
        ("boundary", ToyModel(2, 1, OneHotFeatures()), "density varies for laws that have one, got OneHotFeatures"),
        ("minima --density 0.3 --density 0.3", ToyModel(2, 1, OneHotFeatures()), "--density is given twice"),
        ("minima --json --json", MODEL, "--json is given twice: leave one of the two out"),
        ("train --law one-hot --out OUT --law one-hot", MODEL, "--law is given twice"),
    ],
)
def test_commands_refuse_what_they_do_not_cover(
    tegum_: Any, tmp_path: Path, words: str, model: ToyModel, message: str
) -> None:
    (tmp_path / "model.json").write_text(model.to_json())
    words = f"{words.replace('OUT', str(tmp_path / 'runs.zarr'))} --model {tmp_path / 'model.json'}"
    tegum_(words).is_misuse(message)
