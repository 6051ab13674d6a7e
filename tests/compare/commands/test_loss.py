"""`tegum loss`: one model in detail, a row for each of a batch, and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.compare.foreign import diagnose
from tegum.theory import (
    CorrelatedFeatures,
    IndependentFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
    global_minimum,
    local_minima,
)
from tegum.theory.minima import SAME_LOSS
from tests.support.tolerances import tolerance

# Four models in the published layout, one of which diverged.
FOUR = np.array([[[1.0, -1.0]], [[0.71, 0.71]], [[1.0, 0.0]], [[np.nan, 1.0]]])
DENSITY = np.array([0.1, 0.1, 0.5, 0.5])


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with W = (1, −1) and b = 0."""
    return saved(tmp_path_factory.mktemp("weights") / "pair.npz", W=np.array([[1.0, -1.0]]), b=np.zeros(2))


@pytest.mark.parametrize(("density", "ratio"), [(0.1, 1.0), (0.2, 1.5)])
def test_the_antipodal_pair_costs_what_was_published(tegum_: Any, pair: Path, density: float, ratio: float) -> None:
    words = ("loss", "--weights", str(pair), "--density", str(density), "--importance", str(ratio), "--json")
    printed = tegum_(*words).json()
    assert printed["loss"] == pytest.approx((1 + ratio) * density**2 / 6, abs=tolerance("loss"))
    assert printed["phase"] == "digon(1,2)"
    # ∂L/∂b_i = −I_i p²/3, and nothing in W but what follows from G.
    assert printed["gradient_norm"] >= density**2 / 3
    below, best = printed["nearest_minimum"], local_minima(diagram_model(2, 1, density, ratio), merged=False)[0]
    assert (below["phase"], below["is_global"], below["listed_as"]) == ("digon(1,2)", True, 0)
    assert below["loss"] == pytest.approx(best.loss, abs=SAME_LOSS)
    assert 0 < below["distance"] < 1
    assert printed["global_minimum"] == {"phase": best.phase, "loss": pytest.approx(best.loss, abs=SAME_LOSS)}


def test_weights_in_another_minimum_are_told_so(tegum_: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "merged.npz", W=np.array([[0.71, 0.71]]), b=np.zeros(2))
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


def test_six_features_are_told_of_by_a_search(tegum_: Any, tmp_path: Path) -> None:
    weights = np.zeros((3, 6))
    weights[[0, 0, 1, 1, 2, 2], range(6)] = [1, -1] * 3
    np.savez(tmp_path / "digons.npz", weights=weights, bias=np.zeros(6))
    found = tegum_("loss", "--weights", str(tmp_path / "digons.npz"), "--density", "0.5", "--json").json()
    # Not optimised, it is on the way to the minimum beside it.
    assert found["verdict"] == "on the way"
    assert found["beside"]["distance"] > found["beside"]["distance_allowed"]
    assert found["phase"] == "digon(1,2) + digon(3,4) + digon(5,6)"
    # Each of six features costs p² / 6.
    assert found["loss"] == pytest.approx(0.25, abs=1e-12)
    assert found["mean_loss"] == pytest.approx(0.25 / 6, abs=1e-12)
    assert [one["loss"] for one in found["features"]] == pytest.approx([0.25 / 6] * 6, abs=1e-12)
    assert [one["factor"] for one in found["features"]] == [1, 1, 2, 2, 3, 3]
    assert (found["is"], found["stored"], found["largest_overlap"]) == ("neither", 6, 1.0)
    assert found["below"]["loss"] < 0.25
    assert found["best_known"]["source"] in ("search", "descent")


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty features in five dimensions, five of them stored, with noise."""
    rng = np.random.default_rng(0)
    weights = np.eye(20, 5) + 0.01 * rng.normal(size=(20, 5))
    bias = np.r_[np.zeros(5), np.full(15, 0.05)]
    return str(saved(tmp_path_factory.mktemp("twenty") / "case.npz", W=weights, b=bias, density=0.1))


@pytest.mark.parametrize("columns", [80, 40])
def test_no_number_is_cut_at_any_width(
    tegum_: Any, twenty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    # What takes gradients is left out: their number would take its time.
    monkeypatch.setattr(diagnose, "__kwdefaults__", (diagnose.__kwdefaults__ or {}) | {"seconds": 0.0})
    monkeypatch.setenv("COLUMNS", str(columns))
    out = tmp_path / "all.csv"
    shown = tegum_("loss", "--weights", twenty, "--out", str(out))
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= columns
    assert "…" not in shown.out
    text = " ".join(shown.out.split())
    model = ToyModel(20, 5, IndependentFeatures(0.1))
    with np.load(twenty) as arrays:
        loss = float(expected_loss(model, arrays["W"].T, arrays["b"]))
    assert f"{loss:.10g}" in text
    assert f"{loss / 20:.10g}" in text
    assert "5 axes + 15 dropped" in text
    assert "up to --tolerance 0.1 count as none" in text
    assert "5 of 20 features" in text
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert [row["shape"] for row in rows] == ["axis"] * 5 + ["drop"] * 15
    assert sum(float(row["loss"]) for row in rows) == pytest.approx(loss, abs=1e-8)


def test_a_missing_bias_is_said_and_the_best_is_beside(tegum_: Any, tmp_path: Path) -> None:
    weights = np.zeros((2, 5))
    weights[0, 0] = weights[1, 1] = 1
    weights[:, 2:] = 0.005
    importance = 0.9 ** np.arange(5)
    path = str(saved(tmp_path / "bare.npz", W=weights, density=1.0, importance=importance, losses=np.ones(7)))
    shown = " ".join(tegum_("loss", "--weights", path).out.split())
    assert "no bias" in shown
    assert "0.1829" in shown
    assert "Not used: losses." in shown
    found = tegum_("loss", "--weights", path, "--json").json()
    assert (found["bias_given"], len(found["best_bias"])) == (False, 5)
    model = ToyModel(5, 2, IndependentFeatures(1.0), tuple(importance))
    assert found["best_bias_loss"] == pytest.approx(float(expected_loss(model, weights, np.array(found["best_bias"]))))
    several = str(saved(tmp_path / "several.npz", W=np.stack([weights] * 2), density=1.0, importance=importance))
    batch = tegum_("loss", "--weights", several, "--json").json()
    assert [row["best_bias_loss"] for row in batch["models"]] == pytest.approx([found["best_bias_loss"]] * 2)
    assert "no bias" in tegum_("loss", "--weights", several).out


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--bias none", "how far noise takes weights"),
        ("--bias common", "the best bias for these weights"),
        ("--activation-penalty 0.1", "all minima"),
    ],
)
def test_a_part_that_is_not_covered_refuses_no_loss(
    tegum_: Any, tmp_path: Path, words: str, named: str, count: int
) -> None:
    path = str(saved(tmp_path / "bare.npz", W=np.tile([[0.9, -0.8]], (count, 1, 1))))
    shown = tegum_("loss", "--weights", path, "--density", "0.3", *words.split())
    assert (shown.code, shown.err) == (0, "")
    told = " ".join(shown.out.split())
    assert told.count(f"Not worked out: {named}") == 1
    assert "digon(1,2)" in told
    assert ("no bias: b = 0" in told) == ("none" not in words)
    found = tegum_("loss", "--weights", path, "--density", "0.3", *words.split(), "--json").json()
    assert any(text.startswith(named) for text in found["left_out"])
    assert (found["models"][0] if count > 1 else found)["loss"] > 0


def test_weights_that_are_far_off_are_at_no_saddle(tegum_: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "far.npz", W=1e8 * np.array([[1.0, -1.0, 0.01], [0, 0, 1]]), b=np.zeros(3), density=0.3)
    shown = " ".join(tegum_("loss", "--weights", str(path)).out.split())
    assert "saddle below" not in shown
    assert "descent stopped" in shown
    assert "The descent stopped where the gradient is" in shown


def test_the_tolerance_of_labels_is_settable(tegum_: Any, tmp_path: Path) -> None:
    path = saved(
        tmp_path / "near.npz", W=np.array([[1.0, 0.05, 0.0], [0.0, 1.0, 0.0]]), b=np.array([0.0, 0.0, 0.1]), density=0.3
    )
    labels = [
        tegum_("loss", "--weights", str(path), "--tolerance", within, "--json").json()["phase"]
        for within in ("0.1", "0.01")
    ]
    assert labels == ["axis(1) + axis(2) + drop(3)", "merged(1,2) + drop(3)"]
    tegum_("loss", "--weights", str(path), "--tolerance", "1").is_misuse("--tolerance must lie in [0, 1), got 1")
    tegum_("loss", "--weights", str(path), "--out", "all.txt").is_misuse("--out must be a .csv or .json file")


@pytest.fixture
def four(tmp_path: Path) -> str:
    arrays = {"W": FOUR.mT, "feature_probability": DENSITY[:, None], "importance": np.array([[1.0, 0.5]])}
    return str(saved(tmp_path / "four.npz", **arrays))


def test_each_model_of_a_batch_is_held_against_its_own_minima(tegum_: Any, four: str) -> None:
    report = tegum_("loss", "--weights", four, "--json").json()
    assert (report["count"], report["batch_shape"]) == (4, [4])
    assert report["outcomes"] == {"global": 2, "other": 1, "diverged": 1}
    for k, row in enumerate(report["models"][:3]):
        model = ToyModel(2, 1, IndependentFeatures(DENSITY[k]), (1.0, 0.5))
        loss = expected_loss(model, FOUR[k], np.zeros(2))
        assert row["loss"] == pytest.approx(float(loss), abs=tolerance("loss"))
        assert row["index"] == [k]
        assert (row["density"], row["importance"]) == (DENSITY[k], [1.0, 0.5])
        best = local_minima(model, merged=False)[0]
        assert row["global_minimum"]["phase"] == best.phase
        assert row["nearest_minimum"]["is_global"] is (row["outcome"] == "global")
    phases = [row["nearest_minimum"]["phase"] for row in report["models"][:3]]
    assert phases == ["digon(1,2)", "merged(1,2)", "axis(1) + drop(2)"]
    assert report["models"][3]["loss"] is None


def test_options_complete_a_file_and_may_not_contradict_it(tegum_: Any, four: str, tmp_path: Path) -> None:
    tegum_("loss", "--weights", four, "--density", "0.2").is_misuse("--density 0.2 contradicts")
    tegum_("loss", "--weights", four, "--importance", "2").is_misuse("--importance 2 contradicts")
    assert tegum_("loss", "--weights", four, "--importance", "0.5", "--json").json()["count"] == 4
    bare = str(saved(tmp_path / "bare.npz", W=FOUR[:2], b=np.zeros((2, 2))))
    words = ("--density", "0.2", "--importance", "2", "--law", "correlated", "--group", "1,2", "--json")
    report = tegum_("loss", "--weights", bare, *words).json()
    assert {row["density"] for row in report["models"]} == {0.2}
    assert [row["importance"] for row in report["models"]] == [[1.0, 2.0]] * 2
    model = ToyModel(2, 1, CorrelatedFeatures(0.2, [[0, 1]]), (1.0, 2.0))
    losses = expected_loss(model, FOUR[:2], np.zeros((2, 2)))
    assert [row["loss"] for row in report["models"]] == pytest.approx(losses.tolist(), abs=tolerance("loss"))


def test_a_large_batch_is_counted_and_the_rest_is_in_a_file(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = saved(tmp_path / "many.npz", W=np.tile([[1.0, -1.0]], (25, 1, 1)), density=np.array(0.1))
    out = tmp_path / "all.csv"
    shown = tegum_("loss", "--weights", str(path), "--out", str(out))
    assert shown.code == 0
    assert "25 models on the exact loss" in shown.out
    assert "look like digon(1,2)" in shown.out
    assert "25   100.00%" in shown.out
    assert "Each model" not in shown.out
    assert "…" not in shown.out
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == [str(k) for k in range(25)]
    assert {row["outcome"] for row in rows} == {"global"}
    assert [float(row["loss"]) for row in rows] == pytest.approx([0.01 / 3] * 25, abs=tolerance("loss"))


def test_a_small_batch_has_a_row_for_each(tegum_: Any, four: str) -> None:
    shown = tegum_("loss", "--weights", four)
    assert (shown.code, shown.err) == (0, "")
    assert "Each model" in shown.out
    assert "diverged" in shown.out


def test_a_file_without_density_asks_for_it(tegum_: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "bare.npz", W=FOUR[:2])
    tegum_("loss", "--weights", str(path)).is_misuse("needs a --density")


def test_a_batch_of_five_features_is_judged(tegum_: Any, tmp_path: Path) -> None:
    model = ToyModel(5, 2, IndependentFeatures(0.1))
    best = global_minimum(model)
    order = [3, 1, 4, 0, 2]
    turned = np.array([[0.0, 1.0], [-1.0, 0.0]]) @ best.weights[:, order]
    weights, bias = (
        np.stack([best.weights, turned, 2 * best.weights]),
        np.stack([best.bias, best.bias[order], best.bias]),
    )
    path = str(saved(tmp_path / "five.npz", W=weights, b=bias, density=np.array(0.1)))
    report = tegum_("loss", "--weights", path, "--json").json()
    assert [row["verdict"] for row in report["models"]][:2] == ["in", "in"]
    assert [row["outcome"] for row in report["models"]][:2] == ["global", "global"]
    assert report["models"][2]["verdict"] != "in"


def test_many_features_get_their_losses_alone(tegum_: Any, tmp_path: Path) -> None:
    pairs = np.zeros((2, 4, 8))
    pairs[:, [0, 0, 1, 1, 2, 2, 3, 3], range(8)] = [1, -1] * 4
    path = str(saved(tmp_path / "pairs.npz", W=pairs, density=np.array(0.5)))
    report = tegum_("loss", "--weights", path, "--json").json()
    assert report["outcomes"] == {}
    assert [row["loss"] for row in report["models"]] == pytest.approx([1 / 3] * 2, abs=tolerance("loss of many"))
    assert "Minima are searched for in models of up to 6 features" in tegum_("loss", "--weights", path).out


def test_an_unreadable_file_of_weights_is_one_line(tegum_: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_text("not an archive\n" * 10)
    tegum_("loss", "--weights", str(path), "--density", "0.5").is_misuse("can't read weights from")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--density 0.5", "Missing option '--weights'", id="missing weights"),
        pytest.param("--weights OUT/no.npz --density 0.5", "no.npz doesn't exist", id="no such weights"),
        pytest.param("--weights OUT/w.csv --density 0.5", "w.csv doesn't exist", id="no such table"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    tegum_(f"loss {words.replace('OUT', str(tmp_path))}").is_misuse(message)
