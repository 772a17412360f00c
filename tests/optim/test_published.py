"""Every optimiser and gradient rule, two runs in one ensemble that differ in every hyperparameter, over 100 steps in
float64: each run against PyTorch's own optimiser, or against what the authors' code writes, on the plain forward pass.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import cases
from latebloom.optim import GRADIENT_RULES, OPTIMISERS
from latebloom.spec import resolve
from latebloom.training import Ensemble, Setup

STEPS = 100
Tensors = dict[str, Tensor]
Gradient = Callable[[Tensors], Tensors]


def by_torch(cls: type[torch.optim.Optimizer], params: Tensors, **words: Any) -> Callable[[Tensors, Tensors], Tensors]:
    """The step of one of PyTorch's optimisers, as a function of parameters and gradients."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
    optimiser = cls(list(leaves.values()), **words)

    def step(params: Tensors, grads: Tensors) -> Tensors:
        for name, leaf in leaves.items():
            leaf.data.copy_(params[name])
            leaf.grad = grads[name]
        optimiser.step()
        return {name: leaf.detach().clone() for name, leaf in leaves.items()}

    return step


def adam(params: Tensors, h: dict[str, Any]) -> Callable[[Tensors, Tensors], Tensors]:
    words = {"lr": h["lr"], "betas": (h["beta1"], h["beta2"]), "eps": h["eps"], "weight_decay": h["weight_decay"]}
    return by_torch(torch.optim.Adam if h["name"] == "adam" else torch.optim.AdamW, params, **words)


def sgd(params: Tensors, h: dict[str, Any]) -> Callable[[Tensors, Tensors], Tensors]:
    return by_torch(torch.optim.SGD, params, lr=h["lr"], momentum=h["momentum"], weight_decay=h["weight_decay"])


def muon(params: Tensors, h: dict[str, Any]) -> Callable[[Tensors, Tensors], Tensors]:
    """`zeropower_via_newtonschulz5` and `muon_update` of Keller Jordan's code (2024) for matrices of the blocks, in the
    precision of the weights; torch.optim.AdamW for all others.
    """
    hidden = [name for name, tensor in params.items() if name.startswith("blocks.") and tensor.dim() > 1]
    buffers = {name: torch.zeros_like(params[name]) for name in hidden}
    others = adam(
        {name: tensor for name, tensor in params.items() if name not in hidden},
        h | {"lr": h["adam_lr"], "name": "adamw"},
    )

    def newton_schulz(g: Tensor) -> Tensor:
        x = g.T if g.shape[0] > g.shape[1] else g
        x = x / x.norm()
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return x.T if g.shape[0] > g.shape[1] else x

    def step(params: Tensors, grads: Tensors) -> Tensors:
        moved = others({k: v for k, v in params.items() if k not in hidden}, grads)
        for name in hidden:
            b, g = buffers[name], grads[name]
            b.mul_(h["momentum"]).add_(g)
            update = g + h["momentum"] * b
            # the code has (output, input) matrices, here (…, input, output), and attention's one a head
            heads = update.reshape(-1, *update.shape[-2:])
            scale = math.sqrt(max(1, update.shape[-1] / update.shape[-2]))
            update = torch.stack([newton_schulz(head.T).T for head in heads]).view(update.shape) * scale
            moved[name] = params[name] * (1 - h["lr"] * h["weight_decay"]) - h["lr"] * update
        return moved

    return step


TWINS = {"adam": adam, "adamw": adam, "sgd": sgd, "muon": muon}


def plain(h: dict[str, Any]) -> Callable[[Gradient, Tensors], Tensors]:
    return lambda gradient, params: gradient(params)


def grokfast_ema(h: dict[str, Any]) -> Callable[[Gradient, Tensors], Tensors]:
    """`gradfilter_ema` of the code of Lee et al. 2024 (arXiv 2405.20233)."""
    mean: Tensors = {}

    def rule(gradient: Gradient, params: Tensors) -> Tensors:
        grads = gradient(params)
        for name, grad in grads.items():
            mean[name] = mean.get(name, grad) * h["alpha"] + grad * (1 - h["alpha"])
        return {name: grad + mean[name] * h["lamb"] for name, grad in grads.items()}

    return rule


def grokfast_ma(h: dict[str, Any]) -> Callable[[Gradient, Tensors], Tensors]:
    """`gradfilter_ma` of the same code, its filter "mean" and its warm-up."""
    last: dict[str, deque[Tensor]] = {}

    def rule(gradient: Gradient, params: Tensors) -> Tensors:
        grads = gradient(params)
        for name, grad in grads.items():
            queue = last.setdefault(name, deque(maxlen=h["window"]))
            queue.append(grad)
            if len(queue) == h["window"]:
                grads[name] = grad + sum(queue) / len(queue) * h["lamb"]
        return grads

    return rule


def orthograd(h: dict[str, Any]) -> Callable[[Gradient, Tensors], Tensors]:
    """Prieto et al. 2025 (arXiv 2501.04697): over all parameters as written in section 5, ∇L − (θᵀ∇L/θᵀθ) θ; over
    tensors as `_orthogonalize_gradients` of the code, with its 1e-30.
    """

    def rule(gradient: Gradient, params: Tensors) -> Tensors:
        grads = gradient(params)
        if h["over"] == "all":
            w, g = (torch.cat([x[name].flatten() for name in params]) for x in (params, grads))
            return {name: grads[name] - (w @ g) / (w @ w) * params[name] for name in params}
        for name, grad in grads.items():
            w, g = params[name].flatten(), grad.flatten()
            across = g - torch.dot(w, g) / (torch.dot(w, w) + 1e-30) * w
            grads[name] = (across * (g.norm(2) / (across.norm(2) + 1e-30))).view_as(grad)
        return grads

    return rule


def sam(h: dict[str, Any]) -> Callable[[Gradient, Tensors], Tensors]:
    """Algorithm 1 and equation 2 of Foret et al. 2020 (arXiv 2010.01412) for p = 2: ε = ρ g/‖g‖₂, then ∇L(w + ε)."""

    def rule(gradient: Gradient, params: Tensors) -> Tensors:
        grads = gradient(params)
        norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads.values()))
        return gradient({name: params[name] + h["rho"] * grads[name] / norm for name in params})

    return rule


RULES = {
    "plain": plain,
    "grokfast-ema": grokfast_ema,
    "grokfast-ma": grokfast_ma,
    "orthograd": orthograd,
    "sam": sam,
}

PARTS = {"optim", "gradient"}
NETWORK = {"name": "mlp", "d_model": 6, "widths": [12]}
# of each hyperparameter two values; whole numbers are sizes and cannot differ
VALUES = {
    "lr": (3e-3, 1e-2),
    "adam_lr": (1e-2, 3e-3),
    "momentum": (0.9, 0.95),
    "beta1": (0.9, 0.8),
    "beta2": (0.98, 0.999),
    "eps": (1e-8, 1e-6),
    "weight_decay": (1.0, 0.1),
    "alpha": (0.98, 0.9),
    "lamb": (2.0, 5.0),
    "rho": (0.05, 0.1),
}


def members(kind: str, name: str) -> list[Setup]:
    # attention has matrices of several heads, which only Muon cares about; without it steps are quicker
    network = {} if name == "muon" else {"task": {"name": "modular", "p": 5, "equation": "a b"}, "model": NETWORK}
    row = cases.table_of(f"{kind} {name}", **network)
    # what a row sets to 0 stays 0
    varied = {key: VALUES[key] for part in PARTS & {*row} for key in row[part] if key in VALUES and row[part][key]}
    made = []
    for i in range(2):
        tables = {
            part: row[part] | {key: v[i] for key, v in varied.items() if key in row[part]} for part in PARTS & {*row}
        }
        made.append(Setup.of(resolve(row | tables | {"seed": i, "steps": STEPS})))
    return made


def by_hand(made: Setup) -> Tensors:
    """The run in a loop of its own: PyTorch's cross-entropy through `apply`, the rule, the optimiser."""
    tokens, labels = made.train.tokens, made.train.labels
    params = {name: tensor.clone() for name, tensor in made.initial_params.items()}
    step, rule = (
        TWINS[made.spec.optim["name"]](params, made.spec.optim),
        RULES[made.spec.gradient["name"]](made.spec.gradient),
    )

    def gradient(at: Tensors) -> Tensors:
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in at.items()}
        loss = torch.nn.functional.cross_entropy(made.model.apply(leaves, tokens)[0], labels)
        return dict(zip(at, torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True), strict=True))

    for _ in range(STEPS):
        params = step(params, rule(gradient, params))
    return params


def check(kind: str, name: str) -> None:
    made = members(kind, name)
    assert made[0].spec.identity != made[1].spec.identity
    lifted = Ensemble(made, [one.initial_state() for one in made]).advance(STEPS)
    for one, member in zip(made, lifted, strict=True):
        expected = by_hand(one)
        for tensor, value in member.params.items():
            assert torch.allclose(value, expected[tensor], rtol=1e-6, atol=1e-6), tensor
        assert not torch.allclose(value, one.initial_params[tensor], atol=1e-2)


@pytest.mark.parametrize("name", cases.OPTIMISERS)
def test_optimisers_are_those_of_torch_or_of_the_authors(name):
    check("optim", name)


@pytest.mark.parametrize("name", cases.GRADIENT_RULES)
def test_gradient_rules_are_those_of_the_authors(name):
    check("gradient", name)


def test_none_is_without_a_twin():
    assert TWINS.keys() == OPTIMISERS.keys()
    assert RULES.keys() == GRADIENT_RULES.keys()
