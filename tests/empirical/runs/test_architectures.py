"""The models' equations, and their gradient written out, in tensors and compiled."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tegum.empirical.groups import CompiledGroup, DeviceGroup, penalties_of
from tegum.empirical.runs import ARCHITECTURES, Rule, SampledLoss, Settings, TrainingState, learning_rates
from tegum.theory import IndependentFeatures, ToyModel

pytestmark = pytest.mark.filterwarnings("error")
ROUNDING = 1e-12
CPU = torch.device("cpu")
PENALTIES = {"none": (0.0, 0.0, 0.0), "all": (0.1, 0.02, 0.05)}


CHOICES = {
    "plain": {},
    "active targets": {"targets": "active"},
    "one bias": {"bias": "common"},
    "no bias, active targets": {"bias": "none", "targets": "active"},
}


def model_with(penalties: tuple[float, float, float], n: int, m: int, models: int, **choices: str) -> ToyModel:
    importance = np.linspace(0.5, 2.0, models * n).reshape(models, n)
    density = np.linspace(0.2, 0.9, models)[:, None]
    return ToyModel(n, m, IndependentFeatures(density, amplitude="symmetric"), importance, *penalties, **choices)


def allowed(architecture: str, penalties: tuple[float, float, float]) -> tuple[float, float, float]:
    return penalties if ARCHITECTURES[architecture].tied else (0.0, *penalties[1:])


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("sizes", [(2, 1), (5, 2), (7, 3)], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_written_out_gradient_is_autograd_s(architecture: str, sizes: tuple[int, int], penalties: str) -> None:
    kind, (n, m), models = ARCHITECTURES[architecture], sizes, 4
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    weights, bias = random(models, m, n), random(models, n)
    second = None if kind.tied else random(models, n, m)
    inputs = torch.rand(models, n, 50, generator=generator, dtype=torch.float64) * 2 - 1
    model = model_with(allowed(architecture, PENALTIES[penalties]), n, m, models)
    importance = torch.from_numpy(np.array(model.importances()))
    weight = torch.rand(models, 50, generator=generator, dtype=torch.float64)
    empty = torch.rand(models, generator=generator, dtype=torch.float64)
    strength = torch.from_numpy(penalties_of(model))
    # The definition, term by term.
    out = weights.mT if second is None else second
    zero = torch.zeros(models, n, 1, dtype=torch.float64)
    loss = torch.zeros((), dtype=torch.float64)
    for x, w in ((inputs, weight[:, None]), (zero, empty[:, None, None])):
        error = kind.forward(weights, out, bias, x) - kind.target(x)
        loss = loss + (importance[..., None] * w * error**2).sum()
    hidden = weights @ inputs
    hidden = torch.relu(hidden) if kind.hidden_relu else hidden
    gram = weights.mT @ weights
    overlaps = gram - torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1))
    loss = loss + (strength[:, 0] * (overlaps**2).sum(dim=(-2, -1))).sum()
    loss = loss + (strength[:, 1] * (weights**2).sum(dim=(-2, -1))).sum()
    if second is not None:
        loss = loss + (strength[:, 1] * (second**2).sum(dim=(-2, -1))).sum()
    loss = loss + (strength[:, 2] * (weight[:, None] * hidden.abs()).sum(dim=(-2, -1))).sum()
    torch.autograd.backward(loss)
    sampled = SampledLoss(kind, importance, strength, weight, empty)
    found = sampled(weights.detach(), None if second is None else second.detach(), bias.detach(), inputs)
    assert float(found[0].sum()) == pytest.approx(float(loss.detach()), rel=ROUNDING)
    for mine, variable in zip(found[1:], (weights, second, bias), strict=True):
        if variable is not None:
            assert mine is not None
            torch.testing.assert_close(mine, variable.grad, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_are_those_of_the_model_that_is_asked_for(architecture: str, choice: str) -> None:
    kind, n, m, models = ARCHITECTURES[architecture], 5, 2, 3
    model = model_with((0.0, 0.0, 0.0), n, m, models, **CHOICES[choice])
    generator = torch.Generator().manual_seed(2)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    weights, second, shared = random(models, m, n), None if kind.tied else random(models, n, m), random(models, 1)
    own = random(models, n)
    bias = {"free": own, "common": shared.expand(models, n), "none": 0 * own}[model.bias]
    inputs = torch.rand(models, n, 40, generator=generator, dtype=torch.float64)
    inputs = torch.where(torch.rand(models, n, 40, generator=generator) < 0.4, inputs, 0.0)
    importance, weight = torch.from_numpy(np.array(model.importances())), torch.full((models, 40), 1 / 50).double()
    empty = torch.full((models,), 0.2, dtype=torch.float64)
    error = kind.forward(weights, weights.mT if second is None else second, bias, inputs) - kind.target(inputs)
    counted = error**2 * ((inputs != 0) if model.targets == "active" else 1)
    loss = (importance[..., None] * weight[:, None] * counted).sum()
    if model.targets == "all":
        none = torch.zeros(models, n, 1, dtype=torch.float64)
        of_none = kind.forward(weights, weights.mT if second is None else second, bias, none)
        loss = loss + (importance[..., None] * empty[:, None, None] * of_none**2).sum()
    torch.autograd.backward(loss)
    sampled = SampledLoss(
        kind, importance, torch.zeros(models, 3).double(), weight, empty, bias=model.bias, targets=model.targets
    )
    found = sampled(weights.detach(), None if second is None else second.detach(), bias.detach(), inputs)
    assert float(found[0].sum()) == pytest.approx(float(loss.detach()), rel=ROUNDING)
    assert found[1] is not None
    torch.testing.assert_close(found[1], weights.grad, rtol=ROUNDING, atol=ROUNDING)
    along = {"free": own.grad, "common": None if shared.grad is None else (shared.grad / n).expand(models, n)}
    expected = along.get(model.bias)
    torch.testing.assert_close(found[3], torch.zeros(models, n).double() if expected is None else expected)


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice != "plain"])
@pytest.mark.parametrize(("stratified", "exact_zeros"), [(False, False), (True, True)])
def test_compiled_training_restricts_as_tensors_do(choice: str, stratified: bool, exact_zeros: bool) -> None:
    check_training("relu_output", stratified, exact_zeros, "all", Rule("adam", 0.9, 0.1), **CHOICES[choice])


@pytest.mark.parametrize("rule", [Rule("adam", 0.9, 0.0), Rule("adam", 0.9, 0.1), Rule("sgd", 0.8, 0.0)], ids=str)
@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize(("stratified", "exact_zeros"), [(False, False), (True, True), (False, True)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_compiled_training_is_training_in_tensors(
    architecture: str, stratified: bool, exact_zeros: bool, penalties: str, rule: Rule
) -> None:
    check_training(architecture, stratified, exact_zeros, penalties, rule)


def check_training(
    architecture: str, stratified: bool, exact_zeros: bool, penalties: str, rule: Rule, **choices: str
) -> None:
    n, m, models, steps = 5, 2, 3, 12
    model = model_with(allowed(architecture, PENALTIES[penalties]), n, m, models, **choices)
    kind = ARCHITECTURES[architecture]
    settings = Settings(
        architecture=kind,
        objective="sampled",
        steps=steps,
        batch_size=300,
        rates=learning_rates("cosine", 0.01, steps),
        rule=rule,
        stratified=stratified,
        exact_zeros=exact_zeros,
        tolerance=None,
        dtype=torch.float64,
        device=CPU,
        marks=np.arange(steps),
    )
    size = m * n * (1 if kind.tied else 2) + n
    start = np.random.default_rng(3).normal(size=(models, size), scale=0.5)
    if model.bias != "free":
        start[:, -n:] = start[:, -n:][:, :1] * (model.bias == "common")
    seeds, rows = np.array([1, 2, 3]), np.arange(models)
    one, two = (TrainingState.begin(start.copy(), settings.marks, rule.memory_size(size)) for _ in range(2))
    CompiledGroup(model, seeds, one, rows, settings).run(lambda: False, lambda _: None)
    DeviceGroup(model, seeds, two, rows, models, settings).run(lambda: False, lambda _: None)
    assert (one.parameters != start).any(axis=1).all()
    np.testing.assert_allclose(one.history, two.history, rtol=1e-9, atol=0)
    np.testing.assert_allclose(one.parameters, two.parameters, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.memory, two.memory, rtol=0, atol=1e-8)
    if model.bias != "free":
        assert (np.ptp(one.parameters[:, -n:], axis=1) == 0).all()
        assert (one.parameters[:, -n:] != 0).any() == (model.bias == "common")
    assert one.steps.tolist() == two.steps.tolist() == [steps] * models


@pytest.mark.parametrize("rule", [Rule("adam", 0.9, 0.1), Rule("sgd", 0.8, 0.1)], ids=["adamw", "sgd"])
def test_the_optimisers_are_torch_s(rule: Rule) -> None:
    start = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(1, 6)
    ours = start.clone()
    moments = tuple(torch.zeros_like(start) for _ in range(rule.moments))
    theirs = torch.nn.Parameter(start.clone())
    if rule.kind == "adam":
        reference: Any = torch.optim.AdamW([theirs], lr=0.05, weight_decay=0.1)
    else:
        reference = torch.optim.SGD([theirs], lr=0.05, momentum=0.8)
    compiled = [tensor[0].numpy().copy() for tensor in (ours, moments[0], moments[-1])]
    # Behind the face: parts of the compiled loop against their definition.
    kernels: Any = import_module("tegum.empirical.kernels.cpu")
    # Behind the face: the compiled optimiser by itself.
    records: Any = import_module("tegum.empirical.kernels.records")
    code = records.SGD if rule.kind == "sgd" else records.ADAM
    for step in range(1, 9):
        gradient = torch.sin(3 * ours + step)
        theirs.grad = torch.sin(3 * theirs.detach() + step)
        if rule.kind == "sgd":
            # torch's SGD has no decoupled decay.
            theirs.data.mul_(1 - 0.05 * rule.decay)
        reference.step()
        kernels._update(
            compiled[0], np.sin(3 * compiled[0] + step), compiled[1], compiled[2], step, 0.05,
            records.Rule(code, rule.momentum, 0.999, 1e-8, rule.decay),
        )  # fmt: skip
        ours, moments = rule.update(ours, gradient, moments, 0.05, step)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(compiled[0], ours[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [2, 2, 2, 2]), ("linear", [2, 1.5, 1, 0.5]), ("cosine", [2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5])],
)
def test_schedules(schedule: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(learning_rates(schedule, 2.0, 4), expected, rtol=ROUNDING)
