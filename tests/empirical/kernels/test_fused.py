"""The fused kernels against the compiled loop: on a CUDA device if there is one, else in Triton's interpreter."""

import os
from typing import Any

import numpy as np
import pytest
import torch

from tegum.empirical.groups import CompiledGroup, DeviceGroup

# Behind the face: the choice between fused kernels and tensors.
from tegum.empirical.groups import device as device_group
from tegum.empirical.runs import ARCHITECTURES, Rule, Settings, TrainingState, learning_rates
from tegum.theory import Amplitude, AnticorrelatedFeatures, FeatureLaw, IndependentFeatures, ToyModel

ON_DEVICE = torch.cuda.is_available()
if not ON_DEVICE:
    # Triton reads this when it is imported.
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="Triton comes with torch's CUDA builds, and with the test requirements on Linux")

ADAM, ADAMW, SGD = Rule("adam", 0.9, 0.0), Rule("adam", 0.9, 0.1), Rule("sgd", 0.8, 0.1)
DEVICE = torch.device("cuda" if ON_DEVICE else "cpu")


def settings(architecture: str, rule: Rule, batch: int, steps: int, device: torch.device = DEVICE) -> Settings:
    return Settings(
        architecture=ARCHITECTURES[architecture],
        objective="sampled",
        steps=steps,
        batch_size=batch,
        rates=learning_rates("cosine", 0.01, steps),
        rule=rule,
        stratified=False,
        exact_zeros=False,
        tolerance=None,
        dtype=torch.float32,
        device=device,
        marks=np.arange(steps),
    )


def fused(*arguments: Any) -> Any:
    # Behind the face: fused steps run in an interpreter, without a device.
    from tegum.empirical.groups.fused_steps import FusedSteps, fusible

    model, table, *_, given = arguments
    assert fusible(model, table, given)
    return FusedSteps(*arguments)


@pytest.mark.parametrize(
    ("n", "m", "models", "batch", "architecture", "rule"),
    [
        # Whole tiles and parts of them, one lane and several for a sample, batches that four doesn't divide.
        (2, 1, 3, 128, "relu_output", ADAMW),
        (5, 2, 2, 303, "relu_hidden", SGD),
        (3, 2, 2, 150, "linear", ADAM),
        (20, 5, 2, 128, "relu_output", ADAM),
        (7, 5, 2, 101, "relu_hidden", ADAM),
        # Products of matrices: parts of tiles, several chunks of features, hidden dimensions that fill their room.
        (20, 8, 2, 130, "relu_output", ADAMW),
        (70, 15, 2, 256, "relu_hidden", SGD),
        (35, 16, 1, 99, "linear", ADAM),
    ],
)
def test_fused_training_is_compiled_training(
    n: int, m: int, models: int, batch: int, architecture: str, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, size = np.random.default_rng(3), m * n + n
    law = IndependentFeatures(np.linspace(0.05, 1, models * n).reshape(models, n), amplitude=Amplitude(0.25, 1.5))
    model = ToyModel(n, m, law, importance=rng.uniform(0.5, 1, (models, n)))
    start = rng.normal(size=(models, size), scale=0.5).astype(np.float32)
    given, rows, seeds = settings(architecture, rule, batch, 3), np.arange(models), np.arange(models) + 2**40
    one, two = (TrainingState.begin(start.copy(), given.marks, rule.memory_size(size)) for _ in range(2))
    # A model that is done stays as it is.
    one.outcome[1:2] = two.outcome[1:2] = 1
    monkeypatch.setattr(device_group, "steps_on", fused)
    CompiledGroup(model, seeds, one, rows, settings(architecture, rule, batch, 3, torch.device("cpu"))).run(
        lambda: False, lambda _: None
    )
    DeviceGroup(model, seeds, two, rows, models, given).run(lambda: False, lambda _: None)
    assert (two.parameters[0] != start[0]).mean() > 0.9
    assert (two.parameters[1:2] == start[1:2]).all()
    np.testing.assert_allclose(two.history, one.history, rtol=2e-5, atol=0)
    np.testing.assert_allclose(two.parameters, one.parameters, rtol=0, atol=2e-5)
    assert one.steps.tolist() == two.steps.tolist()


@pytest.mark.parametrize(
    ("model", "architecture", "changes"),
    [
        (ToyModel(4, 2, AnticorrelatedFeatures(np.full((1, 4), 0.2), [(0, 1)])), "relu_output", {}),
        (ToyModel(4, 2, IndependentFeatures(np.full((1, 4), 0.2)), weight_penalty=0.1), "relu_output", {}),
        (ToyModel(4, 2, IndependentFeatures(np.full((1, 4), 0.2))), "absolute_value", {}),
        (ToyModel(4, 2, IndependentFeatures(np.full((1, 4), 0.2))), "relu_output", {"stratified": True}),
        (ToyModel(4, 2, IndependentFeatures(np.full((1, 4), 0.2))), "relu_output", {"exact_zeros": True}),
        (ToyModel(90, 70, IndependentFeatures(np.full((1, 4), 0.2).mean())), "relu_output", {}),
    ],
)
def test_what_isnt_fused_is_left_to_tensors(model: ToyModel, architecture: str, changes: dict[str, Any]) -> None:
    # Behind the face: fused steps run in an interpreter, without a device.
    from tegum.empirical.groups.fused_steps import fusible
    from tegum.empirical.inputs import input_table

    flat = model if model.batch_shape else model.take((np.newaxis,))
    given = Settings(**(vars(settings(architecture, ADAM, 64, 3)) | changes))
    table = input_table(flat, batch_size=64, stratified=given.stratified, exact_zeros=given.exact_zeros)
    assert not fusible(flat, table, given)


@pytest.mark.skipif(not ON_DEVICE, reason="needs a CUDA device")
@pytest.mark.parametrize(
    "law", [IndependentFeatures(0.2), AnticorrelatedFeatures(0.2, [(0, 1)])], ids=["fused", "graph"]
)
def test_training_on_a_device_is_training_on_the_cpu(law: FeatureLaw) -> None:
    from tegum.empirical.training import train

    model = ToyModel(4, 2, law)
    here, there = (train(model, seeds=3, steps=50, batch_size=256, device=name) for name in ("cpu", "cuda"))
    np.testing.assert_allclose(there.weights, here.weights, rtol=0, atol=1e-4)
