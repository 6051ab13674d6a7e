"""Inputs for training: any law, plain and stratified, in tensors and compiled."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from tegum.empirical import train
from tegum.empirical.groups import law_of
from tegum.empirical.inputs import Inputs, InputTable, input_table, seed_words

# Behind the face: the generator against its published answers.
from tegum.empirical.inputs.draws import philox
from tegum.empirical.runs import ARCHITECTURES, SampledLoss
from tegum.theory import (
    Amplitude,
    CorrelatedFeatures,
    DataFeatures,
    FeatureLaw,
    IndependentBlocks,
    IndependentFeatures,
    MixtureFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    circular_features,
    expected_loss,
)
from tests.support.laws import composed_examples, examples

# Behind the face: parts of the compiled loop against their definition.
kernels: Any = import_module("tegum.empirical.kernels.sampling")
CPU = torch.device("cpu")
N, BATCH = 4, 1001
SIGMAS = 5.0
FLOAT32_ROUNDING = 2e-6
LAWS: dict[str, FeatureLaw] = (
    examples(N)
    | composed_examples(N)
    | {
        "certain, and hardly ever": IndependentFeatures([[1.0, 0.5, 1.0, 0.001]] * 2),
        "one hot, both signs": OneHotFeatures(amplitude="symmetric"),
        "table, constant": TableFeatures({(): 0.25, (0,): 0.25, (1, 2, 3): 0.5}, amplitude="constant"),
    }
)
EACH: list[Any] = ["symmetric", Amplitude(0, 2), "constant", "uniform"]
LAWS |= {
    f"{name}, amplitudes of each": law.with_amplitude(EACH)
    for name, law in (examples(N) | composed_examples(N)).items()
    if name in ("independent", "correlated", "anticorrelated", "two hot", "blocks", "mixture")
}
WAYS = [(False, False), (True, False), (False, True), (True, True)]


def model_of(law: FeatureLaw) -> ToyModel:
    return ToyModel(N, 2, law, importance=np.ones((2, N)))


def drawn(table: InputTable, *, step: int = 7, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    inputs = Inputs(table, [3, 2**40 + 5], N, BATCH, dtype, CPU)
    return inputs.draw(torch.tensor(step)).numpy(), inputs.weight.numpy()


# The known answers that go with the generator's publication (DOI 10.1145/2063384.2063405, Random123's kat_vectors).
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_random_words_are_the_published_ones(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: str
) -> None:
    words = [int(word, 16) for word in expected.split()]
    places = [torch.tensor([value]) for value in counter]
    found = philox((places[0], places[1], places[2], places[3]), (torch.tensor([key[0]]), torch.tensor([key[1]])))
    assert [int(word) for word in found] == words
    out = np.empty(kernels.SAMPLES)
    kernels.philox(np.array(key, dtype=np.uint32), *counter, out)
    assert (out[:: kernels.POSITIONS] * 2.0**32).astype(np.int64).tolist() == words


@pytest.mark.parametrize(("stratified", "exact_zeros"), WAYS)
@pytest.mark.parametrize("law", LAWS)
def test_compiled_inputs_are_those_in_tensors(law: str, stratified: bool, exact_zeros: bool) -> None:
    table = input_table(model_of(LAWS[law]), batch_size=BATCH, stratified=stratified, exact_zeros=exact_zeros)
    x, weight = drawn(table)
    quarter, size = (BATCH + 3) // 4, kernels.SAMPLES
    blocks = -(-quarter // kernels.POSITIONS)
    sample = np.arange(BATCH)
    word, position = sample // quarter, sample % quarter
    place = position // kernels.POSITIONS * size + word * kernels.POSITIONS + position % kernels.POSITIONS
    keys = seed_words([3, 2**40 + 5])
    for row in range(2):
        pattern, own = np.zeros(blocks * size, dtype=np.int64), np.empty(blocks * size)
        kernels.sample_weights(table.counts[row], table.masses[row], BATCH, pattern, own)
        assert own.sum() == pytest.approx(table.masses[row].sum())
        np.testing.assert_array_equal(own[place], weight[row])
        found = np.empty((N, blocks * size))
        for block in range(blocks):
            part = slice(block * size, (block + 1) * size)
            buffers, out = [np.empty(size) for _ in range(3)], np.empty((N, size))
            begin = block * kernels.POSITIONS
            kernels.draw(keys[row], begin, 7, law_of(table), row, pattern[part], *buffers, out)
            found[:, part] = out
        np.testing.assert_allclose(found[:, place], x[row], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("stratified", "exact_zeros"), WAYS)
@pytest.mark.parametrize("law", LAWS)
def test_inputs_follow_their_law(law: str, stratified: bool, exact_zeros: bool) -> None:
    """Pattern frequencies and the first two moments, against the law, within the standard error of many steps."""
    model = model_of(LAWS[law])
    table = input_table(model, batch_size=BATCH, stratified=stratified, exact_zeros=exact_zeros)
    steps = [drawn(table, step=step) for step in range(24)]
    amplitude = model.features.amplitude
    pairs = model.features.pair_densities(N)
    means = {
        "activity": np.stack([np.einsum("ris,rjs,rs->rij", x != 0, x != 0, w) for x, w in steps]),
        "product": np.stack([np.einsum("ris,rjs,rs->rij", x, x, w) for x, w in steps]),
    }
    mean, square = (np.broadcast_to(np.float64(part), (N,)) for part in (amplitude.mean, amplitude.second_moment))
    expected = {"activity": pairs, "product": pairs * (np.outer(mean, mean) + np.diag(square - mean**2))}
    for name, values in means.items():
        error = values.std(axis=0, ddof=1) / len(values) ** 0.5 + 1e-4
        assert (np.abs(values.mean(axis=0) - expected[name]) <= SIGMAS * error).all(), name
    if exact_zeros:
        assert all(((x != 0).any(axis=1) | (w == 0)).all() for x, w in steps)
        empty = sum((np.asarray(p) for a, p in model.features.patterns(N) if not a), np.zeros(()))
        np.testing.assert_allclose(table.empty, empty, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("stratified", "exact_zeros"), WAYS)
@pytest.mark.parametrize("law", LAWS)
def test_the_sampled_loss_is_unbiased(law: str, stratified: bool, exact_zeros: bool) -> None:
    model = model_of(LAWS[law])
    rng = np.random.default_rng(2)
    weights, bias = rng.normal(size=(2, 2, N)), 0.3 * rng.normal(size=(2, N))
    losses = batch_losses(model, weights, bias, stratified, exact_zeros, steps=64)
    error = losses.std(axis=0, ddof=1) / 8 + 1e-12
    assert (np.abs(losses.mean(axis=0) - expected_loss(model, weights, bias)) <= SIGMAS * error).all()


def batch_losses(
    model: ToyModel, weights: Any, bias: Any, stratified: bool, exact_zeros: bool, *, steps: int
) -> np.ndarray[Any, Any]:
    """Return the losses of many batches, shape (steps, models)."""
    table = input_table(model, batch_size=BATCH, stratified=stratified, exact_zeros=exact_zeros)
    inputs = Inputs(table, [3, 4], model.n_features, BATCH, torch.float64, CPU)
    importance, empty = torch.from_numpy(np.array(model.importances())), torch.from_numpy(table.empty)
    loss = SampledLoss(ARCHITECTURES["relu_output"], importance, torch.zeros(2, 3), inputs.weight, empty)
    w, b = torch.from_numpy(weights), torch.from_numpy(bias)
    return np.stack([loss(w, None, b, inputs.draw(torch.tensor(k)))[0].numpy() for k in range(steps)])


# --- Laws that are drawn in tensors only -------------------------------------------------------------------------

DATA = np.array([[1.0, 0.0, -0.5, 0.0], [0.0] * 4, [0.25, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.125]])
SHARES = np.array([[0.5, 0.25, 0.25, 0.0], [0.1, 0.2, 0.3, 0.4]])


@pytest.mark.parametrize(("stratified", "exact_zeros"), WAYS)
def test_data_are_drawn_with_their_weights(stratified: bool, exact_zeros: bool) -> None:
    model = model_of(DataFeatures(DATA, SHARES))
    table = input_table(model, batch_size=BATCH, stratified=stratified, exact_zeros=exact_zeros)
    assert not table.is_product
    rng = np.random.default_rng(2)
    weights, bias = rng.normal(size=(2, 2, N)), 0.3 * rng.normal(size=(2, N))
    losses, expected = (
        batch_losses(model, weights, bias, stratified, exact_zeros, steps=64),
        expected_loss(model, weights, bias),
    )
    if stratified:
        # Every input has its weight: nothing is left to chance.
        np.testing.assert_allclose(losses, np.broadcast_to(expected, losses.shape), rtol=1e-12)
    error = losses.std(axis=0, ddof=1) / 8 + 1e-12
    assert (np.abs(losses.mean(axis=0) - expected) <= SIGMAS * error).all()
    x, weight = drawn(table)
    rows = {tuple(row) for row in x[0].T[weight[0] > 0].tolist()}
    kept = {tuple(row) for row, share in zip(DATA.tolist(), SHARES[0], strict=True) if share}
    assert rows == (kept - {(0.0,) * N} if exact_zeros else kept)


def test_mixtures_of_many_patterns_draw_a_law_for_each_sample() -> None:
    n = 14
    inner = MixtureFeatures([0.5, 0.5], [CorrelatedFeatures(0.5, [range(n)]), IndependentFeatures(0.1)])
    off = TableFeatures({(): 1.0})
    law = MixtureFeatures([[0.25, 0.5], [0.5, 0.25], [0.25, 0.25]], [inner, IndependentFeatures([0.3]), off])
    model = ToyModel(n, 2, law, importance=np.ones((2, n)))
    table = input_table(model, batch_size=4096)
    assert not table.is_product
    inputs = Inputs(table, [3, 4], n, 4096, torch.float64, CPU)
    steps = np.stack([inputs.draw(torch.tensor(k)).numpy() for k in range(16)])
    on = np.asarray(np.moveaxis(steps, 2, -1) != 0, dtype=np.float64)
    pairs = np.einsum("krsi,krsj->krij", on, on, optimize=True) / 4096
    error = pairs.std(axis=0, ddof=1) / 4 + 1e-4
    assert (np.abs(pairs.mean(axis=0) - law.pair_densities(n)) <= SIGMAS * error).all()
    part = Inputs(table.take([1]), [4], n, 4096, torch.float64, CPU).draw(torch.tensor(0))
    np.testing.assert_array_equal(part[0].numpy(), steps[0, 1])


def test_what_can_not_be_drawn_as_asked_says_so() -> None:
    circle = circular_features(16, 0.5, 0.9, 4)
    model = ToyModel(16, 2, circle, importance=np.ones((1, 16)))
    with pytest.raises(ValueError, match="MixtureFeatures of 16 features has more than 4096 activity patterns"):
        input_table(model, batch_size=8192, stratified=True)
    with pytest.raises(ValueError, match="zero_inputs='exact' takes mixtures of at most 4096 activity patterns"):
        input_table(model, batch_size=64, exact_zeros=True)
    with pytest.raises(ValueError, match=r"a stratified batch holds each of the 4 inputs.* at least 4, got 3"):
        input_table(model_of(DataFeatures(DATA, SHARES)), batch_size=3, stratified=True)
    blocks = IndependentBlocks([(range(16), circle)])
    with pytest.raises(ValueError, match="IndependentBlocks has more than 4096 activity patterns in a block of 16"):
        input_table(ToyModel(16, 2, blocks, importance=np.ones((1, 16))), batch_size=64)


@pytest.mark.parametrize("objective", ["sampled", "exact"])
def test_training_follows_data_and_mixtures(objective: Any) -> None:
    data, mixture = DataFeatures(DATA, SHARES[1]), circular_features(13, 0.5, 1.0, 2, amplitude="constant")
    for model in (ToyModel(N, 2, data), ToyModel(13, 2, mixture)):
        run = train(model, seeds=[0, 1], steps=10, batch_size=64, objective=objective)
        exact = expected_loss(model, np.asarray(run.weights), np.asarray(run.bias))
        assert np.isfinite(run.loss).all()
        assert (np.abs(run.loss - exact) <= SIGMAS * run.loss_error + 1e-6 * exact).all()


def test_stratified_samples_have_less_variance() -> None:
    """Where most inputs are zero, plain sampling wastes its samples on them."""
    model = ToyModel(2, 1, IndependentFeatures(np.array([[0.05], [0.05]])))
    weights, bias = np.array([[[1.0, -0.9]]] * 2), np.array([[0.02, 0.05]] * 2)
    plain, stratified = (
        batch_losses(model, weights, bias, way, False, steps=512).var(axis=0).mean() for way in (False, True)
    )
    assert plain > 10 * stratified


def test_a_batch_of_samples_must_cover_the_patterns() -> None:
    model = ToyModel(4, 2, IndependentFeatures([[0.5]]))
    with pytest.raises(ValueError, match="batch_size of at least 16, got 15"):
        input_table(model, batch_size=15, stratified=True)


def test_too_many_patterns_are_named() -> None:
    with pytest.raises(ValueError, match="IndependentFeatures of 30 features has more than 4096 activity patterns"):
        input_table(ToyModel(30, 2, IndependentFeatures([[0.5]])), batch_size=1024, stratified=True)


def test_large_laws_are_drawn_plainly() -> None:
    model = ToyModel(400, 30, IndependentFeatures([[0.01]]))
    table = input_table(model, batch_size=64, exact_zeros=True)
    x = Inputs(table, [0], 400, 64, torch.float32, CPU).draw(torch.tensor(0))
    assert x.shape == (1, 400, 64)
    assert (x > 0).any(dim=1).all()
    assert table.empty[0] == pytest.approx(0.99**400, abs=FLOAT32_ROUNDING)


def test_inputs_depend_on_the_seed_and_the_step_alone() -> None:
    table = input_table(model_of(LAWS["independent"]), batch_size=BATCH)
    first, again, later = drawn(table)[0], drawn(table)[0], drawn(table, step=8)[0]
    np.testing.assert_array_equal(first, again)
    assert (first != later).mean() > 0.3
    alone = Inputs(table.take(slice(1, 2)), [2**40 + 5], N, BATCH, torch.float64, CPU).draw(torch.tensor(7)).numpy()
    np.testing.assert_array_equal(alone[0], first[1])
