"""The one list of tasks, models, optimisers and measures that every contract test runs over."""

from __future__ import annotations

import dataclasses
from typing import Any

from latebloom.measures import MEASURES
from latebloom.models import MLP, Bilinear, Model, Transformer
from latebloom.optim import (
    SAM,
    SGD,
    Adam,
    AdamW,
    GradientRule,
    GrokfastEMA,
    GrokfastMA,
    Muon,
    Optimiser,
    OrthoGrad,
    Plain,
)
from latebloom.tasks import (
    Conditional,
    DigitAddition,
    GroupMultiplication,
    Mixture,
    Modular,
    Null,
    Polynomial,
    RepeatedSubsequence,
    SkipTrigrams,
    SparseParity,
    Task,
    answers_of,
)

TASKS: dict[str, Task] = {
    "add": Modular("add", 11),
    "add, a b": Modular("add", 7, "a b"),
    "sub": Modular("sub", 7, "a o b ="),
    "mul": Modular("mul", 7),
    "div": Modular("div", 7, "eos a o b ="),
    "add mod 2": Modular("add", 2),
    "add mod 4, no prime": Modular("add", 4),
    "polynomial": Polynomial("x^3 + xy^2 + y", 5),
    "three operands, no prime": Polynomial("x + y + z", 4, "a o b ="),
    "conditional": Conditional(p=5),
    "mixture": Mixture(("add", "div", "mul"), 3, "eos a o b ="),
    "group": GroupMultiplication("S_3"),
    "group, cyclic": GroupMultiplication("C_2 x C_3", "ba", "a b"),
    "group, conjugation": GroupMultiplication("D_4", "aba^-1"),
    "parity": SparseParity(n=5, k=2, samples=20),
    "null": Null({"name": "modular", "p": 5}),
    "digits": DigitAddition(digits=2, samples=30),
    "induction": RepeatedSubsequence(vocabulary=8, context=9, length=3, repeats=2, samples=20),
    "skip trigrams": SkipTrigrams(families=2, variants=3, context=5, fillers=4, samples=9),
    "null of a group": Null({"name": "group", "group": "S_3"}, "shuffled"),
}

SMALL = {"d_model": 8, "n_heads": 2, "d_mlp": 16}

# the sizes that come from the task are left out: `model_for` fills them in
MODELS: dict[str, tuple[type, dict[str, Any]]] = {
    "nanda": (Transformer, SMALL | {"unembed": "tokens"}),
    "no biases, GELU": (Transformer, SMALL | {"biases": "none", "activation": "gelu"}),
    "all biases": (Transformer, SMALL | {"biases": "all"}),
    "uniform attention": (Transformer, SMALL | {"softmax_share": 0.0}),
    "half uniform, sees all": (Transformer, SMALL | {"softmax_share": 0.5, "causal": False, "biases": "all"}),
    "scaled, no biases, no positions": (
        Transformer,
        SMALL | {"output_scale": 3.0, "biases": "none", "positions": "none", "softmax_share": 0.3},
    ),
    "tied": (Transformer, SMALL | {"tied": True}),
    "power": (
        Transformer,
        SMALL | {"n_layers": 2, "norm": "post", "biases": "none", "positions": "sinusoidal", "unembed": "tokens"},
    ),
    "pre-norm": (Transformer, SMALL | {"norm": "pre", "biases": "all", "activation": "gelu"}),
    "two layers, pre-norm": (Transformer, SMALL | {"n_layers": 2, "norm": "pre", "biases": "all"}),
    "two layers, sees all": (Transformer, SMALL | {"n_layers": 2, "causal": False}),
    "three layers": (Transformer, SMALL | {"n_layers": 3, "softmax_share": 0.7}),
    "odd width": (Transformer, {"d_model": 9, "n_heads": 3, "d_mlp": 5, "positions": "sinusoidal"}),
    "attention only": (Transformer, SMALL | {"d_mlp": 0, "biases": "all", "output_scale": 0.5}),
    "attention only, two layers": (Transformer, SMALL | {"d_mlp": 0, "n_layers": 2, "norm": "post"}),
    "gated": (Transformer, SMALL | {"gated": True, "activation": "silu", "biases": "none"}),
    "gated, rotary, RMSNorm": (
        Transformer,
        SMALL | {"gated": True, "positions": "rotary", "norm": "pre", "norm_kind": "rms", "n_layers": 2},
    ),
    "rotary": (Transformer, SMALL | {"positions": "rotary", "biases": "all"}),
    "no positions, quadratic": (Transformer, SMALL | {"positions": "none", "activation": "quadratic"}),
    "bilinear in its MLP": (Transformer, SMALL | {"gated": True, "activation": "identity"}),
    "bilinear": (Bilinear, {"d_hidden": 10, "output_scale": 2.0}),
    "mlp, linear": (MLP, {"embedding": "sum", "d_model": 6, "widths": (12,), "activation": "identity"}),
    "mlp, quadratic": (MLP, {"embedding": "one-hot", "widths": (12,), "activation": "quadratic", "biases": False}),
    "mlp, silu, scaled": (MLP, {"d_model": 6, "widths": (12,), "activation": "silu", "output_scale": 3.0}),
    "mlp, concatenate": (MLP, {"d_model": 6, "widths": (12, 10)}),
    "mlp, sum": (MLP, {"embedding": "sum", "d_model": 6, "widths": (12,), "activation": "gelu"}),
    "mlp, one-hot": (MLP, {"embedding": "one-hot", "widths": (12, 10)}),
    "mlp, no biases": (MLP, {"widths": (12,), "biases": False}),
}

OPTIMISERS: dict[str, Optimiser] = {
    "adamw": AdamW(lr=0.01, beta1=0.9, beta2=0.98, eps=1e-8, weight_decay=1.0),
    "adam": Adam(lr=0.01, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.1),
    "sgd": SGD(lr=0.01, momentum=0.9, weight_decay=0.1),
    "sgd, no momentum": SGD(lr=0.01),
    "muon": Muon(lr=0.01, adam_lr=0.02, weight_decay=0.3),
}

GRADIENT_RULES: dict[str, GradientRule] = {
    "plain": Plain(),
    "grokfast-ema": GrokfastEMA(alpha=0.9, lamb=1.5),
    "grokfast-ma": GrokfastMA(window=4, lamb=2.0),
    "orthograd": OrthoGrad(),
    "orthograd, per tensor": OrthoGrad("tensor"),
    "sam": SAM(rho=0.1),
}

MEASURE_NAMES = [measure.name for measure in MEASURES]


def suits(model_name: str, task_name: str) -> bool:
    """Whether a model reads as many tokens, and gives as many answers, as a task has."""
    cls, task = MODELS[model_name][0], TASKS[task_name]
    if cls is Bilinear:
        return task.examples().tokens.shape[1] == 2
    return answers_of(task) == 1 or cls is Transformer


def model_for(name: str, task: Task) -> Model:
    """A model of the list with the sizes of a task."""
    cls, sizes = MODELS[name]
    n_ctx = task.examples().tokens.shape[1]
    several = {"answers": answers_of(task)} if answers_of(task) > 1 else {}
    return cls(d_vocab=task.d_vocab, n_ctx=n_ctx, classes=task.classes, **sizes, **several)


def settings_seen(cls: type) -> dict[str, set[Any]]:
    """The values of every literal field of a class that the list of models covers."""
    rows = [cls(3, 2, 2, **sizes) for listed, sizes in MODELS.values() if listed is cls]
    return {field.name: {getattr(row, field.name) for row in rows} for field in dataclasses.fields(cls)}
