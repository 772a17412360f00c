"""The one list of tasks, models, optimisers, settings and measures that every contract test runs over.

Each row is also a whole run, too small to be of use: `SPECS`. A row that is missing fails in `test_contracts.py`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
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
from latebloom.spec import REGISTRIES, packed
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
    "polynomial, a b": Polynomial("x^2 + xy + y^2", 5, "a b"),
    "polynomial, eos": Polynomial("x^2 + y", 4, "eos a o b ="),
    "conditional": Conditional(p=5),
    "conditional, add mul": Conditional("add", "mul", "a", 5, "a b"),
    "conditional, sub div": Conditional("sub", "div", "b", 5, "a o b ="),
    "conditional, mul add": Conditional("mul", "add", "a", 5, "eos a o b ="),
    "mixture": Mixture(("add", "div", "mul"), 3, "eos a o b ="),
    "mixture, no prime": Mixture(("add", "sub"), 4, "a o b ="),
    "group": GroupMultiplication("S_3"),
    "group, cyclic": GroupMultiplication("C_2 x C_3", "ba", "a b"),
    "group, conjugation": GroupMultiplication("D_4", "aba^-1"),
    "group, opposite": GroupMultiplication("S_3", "ba", "a o b ="),
    "group, there and back": GroupMultiplication("A_3 x C_2", "aba", "eos a o b ="),
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

# what a spec says besides task, network, optimiser and gradient rule
SETTINGS: dict[str, dict[str, Any]] = {
    "cross-entropy, float32": {"loss": {"precision": "float32"}, "precision": "float32"},
    "stablemax": {"loss": {"name": "stablemax"}},
    "mse": {"loss": {"name": "mse"}},
    "hinge": {"loss": {"name": "hinge"}},
    "pytorch": {"init": "pytorch"},
    "xavier": {"init": "xavier"},
    "drawn as by Nanda et al.": {"init": "nanda2023", "split": {"scheme": "nanda2023"}},
    "large": {"init_scale": 2.0},
    "numpy": {"split": {"scheme": "numpy"}},
    "rounded as by Power et al.": {"split": {"scheme": "power2022", "fraction": 0.43}},
    "torch": {"split": {"scheme": "torch"}},
    "listed": {"split": {"scheme": "list", "examples": packed(range(3, 16), 25), "fraction": 13 / 25}},
    "rows": {"split": {"scheme": "rows"}},
    "cosets": {"task": {"name": "group", "group": "S_3"}, "split": {"scheme": "cosets", "subgroup": "021"}},
    "minibatches": {"batch": 5},
    "fresh": {"task": {"name": "parity", "n": 5, "k": 2, "samples": 20}, "split": {"scheme": "fresh"}, "batch": 7},
    "fresh, several answers": {
        "task": {"name": "digits", "digits": 2, "samples": 30},
        "split": {"scheme": "fresh"},
        "batch": 7,
    },
    "corrupted": {"labels": {"corrupted": 0.3}},
    "l1": {"regular": {"l1": 0.01}},
    "dropout": {"regular": {"dropout": 0.3}},
    "dropout, no residual stream": {"model": {"name": "mlp", "widths": [12]}, "regular": {"dropout": 0.3}},
    "weight noise": {"regular": {"weight_noise": 0.01}, "batch": 5},
    "gradient noise": {"regular": {"gradient_noise": 0.02}},
    "decay to the start": {"regular": {"decay_to": "init"}},
    "decay by tensor": {"regular": {"decay_factors": {"*.b_*": 0.0, "embed.*": 2.5}}},
    "fixed norm": {"regular": {"norm": 0.8}},
    "held zeros": {"regular": {"hold_zeros": "*.b_*"}},
    "warm-up, linear": {"schedule": {"warmup": 2, "shape": "linear", "floor": 0.1}},
    "warm-up, cosine": {"schedule": {"warmup": 2, "shape": "cosine"}},
    "decay switched off": {"changes": {"3": {"weight_decay": 0.0, "lr": 0.02}}},
}

_FILES = Path(__file__).parents[1] / "examples"

# one's own in one file, wherever a spec takes a name
OWN: dict[str, dict[str, Any]] = {
    "own task": {"task": {"name": f"{_FILES}/own_task.py:SumOfSquares", "p": 5}},
    "own network": {
        "task": {"name": "modular", "p": 5, "equation": "a b"},
        "model": {"name": f"{_FILES}/own_model.py:Bilinear", "d_model": 6},
    },
    "own optimiser": {"optim": {"name": f"{_FILES}/own_optimiser.py:Lion", "lr": 0.01}},
    "own loss": {"loss": {"name": f"{_FILES}/own_loss.py:smoothed"}},
    "own measure": {"log": {"measures": f"none,{_FILES}/own_measure.py:UNDECIDED"}},
    "own gradient rule": {"gradient": {"name": f"{_FILES}/own_gradient_rule.py:Clipped", "most": 0.05}},
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


RUN: dict[str, Any] = {
    "task": {"name": "modular", "p": 5},
    "model": {"name": "transformer"} | SMALL,
    "optim": {"name": "adamw", "lr": 0.01, "beta2": 0.98},
    "split": {"fraction": 0.5},
    "precision": "float64",
    "steps": 6,
}
"""What a row changes: a run of a second or less."""


def settings_of(kind: str, part: Any) -> dict[str, Any]:
    """A built-in part as a spec names it."""
    name = next(name for name, cls in REGISTRIES[kind].items() if cls is type(part))
    fields = dataclasses.asdict(part).items()
    return {"name": name} | {key: list(v) if isinstance(v, tuple) else v for key, v in fields}


def _of_model(name: str) -> dict[str, Any]:
    cls, sizes = MODELS[name]
    table = {"name": next(key for key, value in REGISTRIES["model"].items() if value is cls)} | sizes
    return {"model": table} | ({"task": RUN["task"] | {"equation": "a b"}} if cls is Bilinear else {})


SPECS: dict[str, dict[str, Any]] = {
    "as it is": {},
    **{f"task {name}": {"task": settings_of("task", task)} for name, task in TASKS.items()},
    **{f"model {name}": _of_model(name) for name in MODELS},
    **{f"optim {name}": {"optim": settings_of("optim", part)} for name, part in OPTIMISERS.items()},
    **{f"gradient {name}": {"gradient": settings_of("gradient", part)} for name, part in GRADIENT_RULES.items()},
    **SETTINGS,
    **OWN,
}
"""Every row as the changes of a small run."""


def table_of(row: str, **more: Any) -> dict[str, Any]:
    """A row as a whole table, with some parts changed: of each part what is said last, field by field."""
    table = RUN
    for changes in (SPECS[row], more):
        for key, value in changes.items():
            named = not isinstance(value, dict) or "name" in value or key == "changes"
            table = table | {key: value if named else table.get(key, {}) | value}
    return table
