"""Models in words and as JSON: every bit comes back, and what is no model is refused by the name of its key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    diagram_model,
)
from tegum.theory.models import (
    PENALTIES,
    AnyAmplitude,
    DataFeatures,
    HierarchicalFeatures,
    IndependentBlocks,
    MixtureFeatures,
    law_from_plain,
    law_to_plain,
)
from tests.support.laws import AMPLITUDES, EVERY_LAW

PLAIN: dict[str, Any] = {
    "format": "tegum model 1",
    "n_features": 2,
    "n_hidden": 1,
    "features": {"law": "independent", "density": 0.1},
}
TABLE = [[[], 0.5], [[0, 1], "1/2"]]


def same(one: ToyModel, two: ToyModel) -> bool:
    """Return whether two models are the same number for number, rational ones still rational."""
    n = one.n_features
    pairs = [(one.exact[name], two.exact[name]) for name in one.exact]
    chances = [dict(model.features.patterns(n, exact=True)) for model in (one, two)]
    assert chances[0].keys() == chances[1].keys()
    pairs += [(chance, chances[1][active]) for active, chance in chances[0].items()]
    return (
        (n, one.n_hidden, one.batch_shape, type(one.features), one.features.amplitude)
        == (two.n_features, two.n_hidden, two.batch_shape, type(two.features), two.features.amplitude)
        and one.features.batch_shape == two.features.batch_shape
        and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
    )


@given(
    st.sampled_from(sorted(EVERY_LAW)),
    st.sampled_from(sorted(AMPLITUDES)),
    st.integers(0, 2**32),
    st.lists(st.one_of(st.fractions(0, 2), st.floats(0, 2)), min_size=3, max_size=3),
    st.sampled_from([(), (1,), (3,), (2, 3)]),
)
def test_every_model_comes_back_bit_for_bit(
    law: str, amplitude: str, seed: int, penalties: list[Any], batch: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    features = EVERY_LAW[law](rng, n, AMPLITUDES[amplitude])
    features = features.take((), np.zeros(batch, dtype=np.int64)) if features.batch_shape == () and batch else features
    importance = rng.uniform(0.1, 2, (*batch, n)) if rng.random() < 0.5 else Fraction(2, 3)
    model = ToyModel(n, 2, features, importance, *penalties)
    text = model.to_json(indent=2 if rng.random() < 0.5 else None)
    again = ToyModel.from_json(text)
    assert same(again, model)
    assert json.loads(again.to_json()) == json.loads(text)
    assert "\n" not in repr(model) + again.describe()


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(diagram_model(3, 2, np.geomspace(0.1, 1, 5)[:, None], np.geomspace(0.1, 9, 4)), id="a diagram"),
        pytest.param(ToyModel(2, 1, IndependentFeatures(np.zeros((0, 2)) + 0.5)), id="no models"),
        pytest.param(ToyModel(2, 1, IndependentFeatures(0.5), np.ones((3, 0, 1))), id="no models, two axes"),
        pytest.param(
            ToyModel(3, 2, TableFeatures({(): np.array([0.25, 1]), (0, 2): np.array([0.75, 0])})), id="tables"
        ),
        pytest.param(ToyModel(2, 1, TableFeatures({(0,): np.ones(1)})), id="one table, as a batch"),
        pytest.param(ToyModel(2, 1, OneHotFeatures(), weight_penalty=np.zeros(1)), id="one penalty, as a batch"),
        pytest.param(ToyModel(10**6, 10**5, IndependentFeatures(1e-5)), id="a million features"),
    ],
)
def test_batches_come_back(model: ToyModel) -> None:
    again = ToyModel.from_json(model.to_json())
    assert again.batch_shape == model.batch_shape
    assert again.features.batch_shape == model.features.batch_shape
    assert all(np.array_equal(again.exact[name], model.exact[name]) for name in model.exact)
    if model.n_features < 10:
        assert same(again, model)


def test_toml_says_what_json_says() -> None:
    text = """
        format = "tegum model 1"
        n_features = 4
        n_hidden = 2
        importance = [1, 0.5, "1/3", 0.25]
        weight_penalty = 0.01

        [features]
        law = "correlated"
        density = 0.25
        groups = [[0, 1], [2, 3]]
        amplitude = [-1, "1/2"]
    """
    half: Any = Fraction(1, 2)
    law = CorrelatedFeatures(0.25, [(0, 1), (2, 3)], amplitude=Amplitude(-1, half))
    model = ToyModel(4, 2, law, [1, 0.5, Fraction(1, 3), 0.25], weight_penalty=0.01)
    assert same(ToyModel.from_toml(text), model)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            ToyModel(3, 2, IndependentFeatures([0.1, 0.2, Fraction(1, 3)]), (1, 0.5, 0.25), weight_penalty=0.01),
            "3 features in 2 dimensions, independent, densities 0.1, 0.2, 1/3, uniform on [0, 1], "
            "importances 1, 0.5, 0.25, weight penalty 0.01, free biases",
        ),
        (
            ToyModel(4, 1, AnticorrelatedFeatures(0.25, [(0, 1), (3, 2)], amplitude=Amplitude(-2, -2))),
            "4 features in 1 dimension, anticorrelated, density 0.25, groups (1,2) (3,4), constant -2, importance 1, "
            "no penalties, free biases",
        ),
        (
            ToyModel(20, 5, CorrelatedFeatures(0.1, [range(10), range(10, 20)]), np.linspace(0.05, 1, 20)),
            "20 features in 5 dimensions, correlated, density 0.1, 2 groups of 10 features (to_json has all), uniform "
            "on [0, 1], 20 importances from 0.05 to 1, no penalties, free biases",
        ),
        (
            ToyModel(1000, 5, KHotFeatures(3, amplitude="symmetric"), 0.1 + 0.2),
            "1,000 features in 5 dimensions, k-hot, 3 active, uniform on [-1, 1], importance 0.30000000000000004, "
            "no penalties, free biases",
        ),
        (
            diagram_model(2, 1, np.array([0.1, 0.2])[:, None], [1.0, 2.0, 3.0]),
            "2 × 3 models of 2 features in 1 dimension, independent, 2 densities from 0.1 to 0.2, uniform on [0, 1], "
            "3 × 2 importances from 1 to 3, no penalties, free biases",
        ),
        (
            ToyModel(2, 1, OneHotFeatures(), activation_penalty=[0, Fraction(1, 7)]),
            "2 models of 2 features in 1 dimension, one-hot, uniform on [0, 1], importance 1, "
            "activation penalties 0, 1/7, free biases",
        ),
        (
            ToyModel(2, 1, OneHotFeatures(), bias="none", targets="active", reduction="mean"),
            "2 features in 1 dimension, one-hot, uniform on [0, 1], importance 1, no penalties, no bias, "
            "errors of active features only, mean over features",
        ),
        (
            ToyModel(2, 1, TableFeatures({(): 0.5, (0,): 0.5})),
            "2 features in 1 dimension, a table of 2 patterns: () 0.5, (1) 0.5, uniform on [0, 1], importance 1, "
            "no penalties, free biases",
        ),
        (
            ToyModel(3, 2, HierarchicalFeatures([0.5, 0.25, 0.5], [-1, 0, None])),
            "3 features in 2 dimensions, a hierarchy of 2 trees, densities 0.5, 0.25, 0.5, 2 under 1, "
            "uniform on [0, 1], importance 1, no penalties, free biases",
        ),
        (
            ToyModel(
                3, 1, IndependentBlocks([((0, 2), CorrelatedFeatures(0.5, [(0, 1)])), ((1,), IndependentFeatures(1))])
            ),
            "3 features in 1 dimension, independent blocks 1, 3 (correlated, density 0.5, groups (1,3)) and "
            "2 (independent, density 1), uniform on [0, 1], importance 1, no penalties, free biases",
        ),
    ],
    ids=lambda value: value.features.kind if isinstance(value, ToyModel) else "",
)
def test_a_model_in_one_line(model: ToyModel, words: str) -> None:
    assert model.describe() == words
    assert repr(model) == f"<ToyModel: {words}>"
    assert all(part in model._repr_html_() for part in (model.features.describe(), "<table>"))


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in PLAIN.items() if name != key}


def law(**parameters: Any) -> dict[str, Any]:
    return PLAIN | {"features": parameters}


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        *((without(key), f"must have the key '{key}', got ") for key in PLAIN),
        (PLAIN | {"n_feature": 3}, "got 'n_feature' too"),
        (PLAIN | {"weight_decay": 0.1}, "got 'weight_decay' too"),
        (PLAIN | {"format": "tegum model 2"}, "'tegum model 2' is newer than 'tegum model 1'"),
        (PLAIN | {"format": 1}, "format of a model's description must be 'tegum model 1', got 1"),
        (PLAIN | {"n_features": 2.0}, "n_features must be a whole number, got 2.0"),
        (PLAIN | {"n_hidden": True}, "n_hidden must be a whole number, got True"),
        (PLAIN | {"n_hidden": 0}, "n_hidden must be an integer of at least 1, got 0"),
        (PLAIN | {"importance": None}, "importance must be a number, text such as \"1/3\", or lists of them, got None"),
        (PLAIN | {"importance": [1, True]}, "importance must be a number, .* got True"),
        (PLAIN | {"importance": "1/0"}, "importance must be a number, .* got '1/0'"),
        (PLAIN | {"weight_penalty": "1e999"}, "weight_penalty must be a number, .* got '1e999'"),
        (PLAIN | {"importance": "1e999999999"}, "importance must be a number, .* got '1e999999999'"),
        (PLAIN | {"importance": [1, 2, 3]}, r"importance must be a scalar or have shape \(..., 1\) or \(..., 2\)"),
        (PLAIN | {"importance": [[1, 2], [1]]}, "importance must be real numbers"),
        (PLAIN | {"importance": {"shape": [2, 2]}}, "importance without entries must have a shape"),
        (PLAIN | {"interference_penalty": -1}, "interference_penalty must be finite and not negative, got -1.0"),
        (PLAIN | {"features": "independent"}, "features must be a mapping with the key 'law', got 'independent'"),
        (law(density=0.1), "features must be a mapping with the key 'law'"),
        (law(law="uncommon"), "law must be one of independent, correlated, .*, got 'uncommon'"),
        (law(law=["independent"]), "law must be one of independent, .*, got"),
        (law(law="independent"), "the law 'independent' must have the key 'density', got none"),
        (law(law="independent", density=0), r"density must lie in \(0, 1\], got 0"),
        (law(law="independent", density=0.1, groups=[]), "law 'independent' has the keys density, got 'groups' too"),
        (law(law="independent", density=0.1, amplitude="big"), "amplitude must be .* uniform, .*, got 'big'"),
        (law(law="independent", density=0.1, amplitude=[1]), r"amplitude must be \[low, high\] or .*, got \[1\]"),
        (law(law="independent", density=0.1, amplitude=[1, "x"]), "an end of amplitude must be a number, .* got 'x'"),
        (law(law="correlated", density=0.1), "the law 'correlated' must have the key 'groups', got density"),
        (law(law="correlated", density=0.1, groups=[[0, 5]]), "groups must hold features below 2, got 5"),
        (law(law="anticorrelated", density=0.1, groups="01"), "groups must be a list of lists of features, got '01'"),
        (law(law="one-hot", active=1), "the law 'one-hot' has the keys none, got 'active' too"),
        (law(law="k-hot", active="1"), "active must be a whole number, got '1'"),
        (law(law="table", table=[*TABLE, [[0, 1], 0]]), r"table lists the pattern \(0, 1\) twice"),
        (law(law="table", table=[[0, 1]]), r"must be a list of pairs \[\[features\], probability\], got \[0, 1\]"),
        (law(law="table", table={"": 1}), "table must be a list of pairs"),
        (law(law="table", table=[[[0.0], 1]]), "a feature of a table, .* must be a whole number, got 0.0"),
        ([], r"a model's description must be a mapping from names to values, got \[\]"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused(plain: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ToyModel.from_json(json.dumps(plain))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be JSON: it is empty"),
        ('{"format": 1, "format": 2}', "must be JSON: the key 'format' stands there twice"),
        ('{"importance": NaN}', "must be JSON: NaN is no number of JSON's"),
        ("[" * 100_000, "must be JSON: it is nested too deeply"),
        ("1" * 10_000, "must be JSON: a number has more digits than are read"),
        ("{'format': 1}", "must be JSON: a key in double quotes is missing in line 1, column 2"),
        (b"{}", "text must be text, got b'{}'"),
    ],
)
def test_what_is_no_json_is_refused(text: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ToyModel.from_json(text)


NINE = [(i,) for i in range(9)]


@pytest.mark.parametrize(
    ("law", "told"),
    [
        (MixtureFeatures([0.2] * 5, [OneHotFeatures()] * 5), "a mixture of 5 laws (to_json has all)"),
        (
            HierarchicalFeatures(0.5, [None, *range(9)]),
            "a hierarchy of 1 tree, density 0.5, 9 features under others (to_json has all)",
        ),
        (CorrelatedFeatures(0.5, [(0, 1, 2, 3), (4, 5, 6, 7, 8)]), "2 groups of 4 to 5 features (to_json has all)"),
        (TableFeatures(dict.fromkeys(NINE, 1 / 9)), "a table of 9 patterns (to_json has all)"),
        (DataFeatures(np.ones((2, 10))), "data of 2 inputs (to_json has all)"),
        (
            IndependentBlocks([((i,), IndependentFeatures(0.5)) for i in range(10)]),
            "10 independent blocks (to_json has all)",
        ),
    ],
)
def test_what_is_not_told_one_by_one_is_said_to_be_in_json(law: FeatureLaw, told: str) -> None:
    model = ToyModel(10, 2, law)
    assert told in model.describe()
    assert ToyModel.from_json(model.to_json()).describe() == model.describe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\na = 2", "must be TOML: a key stands there twice"),
        ("a = ", "must be TOML: it is none "),
        ("n_features: 2", "must be TOML: it is none in line 1, column 11"),
        ("importance = inf", "must have the key 'format', got importance"),
        (f"a = {'[' * 100_000}", "must be TOML: it is nested too deeply"),
    ],
)
def test_what_is_no_toml_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ToyModel.from_toml(text)


def test_rational_numbers_above_those_of_float64_are_refused() -> None:
    with pytest.raises(ValueError, match="weight_penalty must be finite, got a number above those of float64"):
        ToyModel(2, 1, IndependentFeatures(0.5), weight_penalty=Fraction(10) ** 999)


def test_a_law_of_somebody_else_needs_a_kind_of_its_own() -> None:
    class Unnamed(IndependentFeatures):
        pass

    with pytest.raises(ValueError, match="a description must be of a law with a kind of its own, got a Unnamed"):
        law_to_plain(Unnamed(0.5))
    with pytest.raises(ValueError, match="a law needs a kind of its own, got 'one-hot'"):
        type("Another", (OneHotFeatures,), {"kind": "one-hot"})


def test_a_law_with_a_kind_is_found_by_it() -> None:
    class Certain(OneHotFeatures):
        kind = "certain, of a test"

        @classmethod
        def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> OneHotFeatures:
            return cls(**plain, amplitude=amplitude)

    found = law_from_plain(law_to_plain(Certain(amplitude="constant")))
    assert isinstance(found, Certain)
    assert re.match("certain", found.describe())


def test_a_law_that_says_nothing_is_told_by_its_parameters() -> None:
    assert FeatureLaw.describe(CorrelatedFeatures(0.5, [(0, 1)])) == "correlated, density 0.5, 1 groups"


def test_what_every_law_has_to_offer_is_listed() -> None:
    assert FeatureLaw.__abstractmethods__ == {
        *("batch_shape", "check", "patterns", "take", "activity"),
        *("to_plain", "from_plain"),
    }
    assert set(PENALTIES) <= set(PLAIN | ToyModel.from_plain(PLAIN).to_plain())
