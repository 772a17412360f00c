"""How large and how sparse the hidden activations are, before and after the non-linearity, the logits kept apart."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled

WHERE = "training examples, last position, each layer's neurons by themselves, logits left out"
ORDINARY = "ordinary definition"
EXTENDED = 'founding analysis "extended analysis" (repository AgentTorch/psi, sparsity_analysis.py)'
EXTENDED_VARIANT = (
    "training examples, last position; over every linear output: each MLP's pre-activations, and the logits, ReLU "
    "applied to them too, whatever the network's non-linearity; 0.01 is not scaled with anything"
)
EXTENDED_DISPUTE = (
    "logits are no hidden units: their ReLU counts answers that the network rules out as sparsity; activation_* are "
    "the same without them"
)
SMALL = 0.01


def _both(name: str, title: str, formula: str) -> tuple[Record, ...]:
    disputes = "whether it rises or falls while a network groks depends on the width in the founding analysis"
    axes = ("layer",)
    return tuple(
        Record(f"activation_{when}_{name}", f"{title}, {words}", formula, "1", WHERE, ORDINARY, disputes, axes=axes)
        for when, words in (("pre", "before the non-linearity"), ("post", "after it"))
    )


HIDDEN = (
    *_both("median", "Median activation", "median over examples and neurons; the mean of the two in the middle"),
    *_both("mean", "Mean activation", "mean over examples and neurons"),
    *_both("norm", "Norm of the activations", "mean over examples of √Σ_neurons x²"),
    Record(
        "activation_zero_share",
        "Share of activations that are 0",
        "share of examples × neurons with exactly 0 after the non-linearity",
        "share",
        f"{WHERE}; GELU is hardly ever exactly 0",
        "Golechha 2024 (arXiv 2405.12755), with the threshold 0",
        axes=("layer",),
    ),
    Record(
        "active_units",
        "Active neurons per example",
        "mean over examples of the number of neurons that are not exactly 0 after the non-linearity",
        "neurons",
        f"{WHERE}; GELU is hardly ever exactly 0",
        ORDINARY,
        disputes="an active neuron need not matter for the answer: circuit_size counts those that do",
        axes=("layer",),
    ),
    Record(
        "dead_neurons",
        "Dead neurons",
        "number of neurons that are exactly 0 after the non-linearity on every example",
        "neurons",
        "all examples, test examples included; last position",
        ORDINARY,
        axes=("layer",),
    ),
)
LOGITS = tuple(
    Record(f"logits_{name}", f"{title} of the logits", formula, "logits", "training examples, all classes", ORDINARY)
    for name, title, formula in (
        ("median", "Median", "median over examples and classes; the mean of the two in the middle"),
        ("mean", "Mean", "mean over examples and classes"),
        ("norm", "Norm", "mean over examples of √Σ_classes z²"),
    )
)
WITH_LOGITS = (
    Record(
        "activation_small_share_with_logits",
        "Activation sparsity, logits included",
        "mean over linear outputs of the share of ReLU(output) < 0.01",
        "share",
        EXTENDED_VARIANT,
        EXTENDED,
        disputes=EXTENDED_DISPUTE,
    ),
    Record(
        "effective_neurons_with_logits",
        "Effective neurons, logits included",
        "mean over examples of the number of units with ReLU(output) ≥ 0.01",
        "neurons",
        EXTENDED_VARIANT,
        EXTENDED,
        disputes=EXTENDED_DISPUTE,
        axes=("linear",),
    ),
)


def median(values: Float[Tensor, " *axes"]) -> float:
    """The median of all entries, the mean of the two in the middle where their number is even.

    Exact and several times faster than a partition: a sample says between which values the middle must lie, and only
    those are ordered; where the sample misleads, everything is.
    """
    x = values.detach().cpu().numpy().ravel()
    low, high = (len(x) - 1) // 2, len(x) // 2
    if len(x) > 100_000:
        sample = np.sort(x[:: len(x) // 20_000])
        first, last = sample[int(0.48 * len(sample))], sample[int(0.52 * len(sample))]
        below, upto = int(np.count_nonzero(x < first)), int(np.count_nonzero(x <= first))
        # half of all activations may be the same 0, which need not be ordered
        if below <= low and high < upto:
            return float(first)
        inside = x[(x > first) & (x <= last)]
        if upto <= low and high < upto + len(inside):
            x, low, high = inside, low - upto, high - upto
    middle = np.partition(x, [low, high])
    return (float(middle[low]) + float(middle[high])) / 2


def sizes(x: Float[Tensor, "batch neuron"]) -> dict[str, float]:
    """Median and mean over all entries, and the mean over examples of the Euclidean norm."""
    return {
        "median": median(x),
        "mean": x.mean(dtype=torch.float64).item(),
        "norm": torch.linalg.vector_norm(x, dim=1).double().mean().item(),
    }


def dead_neurons(post: Float[Tensor, "batch neuron"]) -> int:
    """The number of neurons that are exactly 0 on every example."""
    # most neurons show within a few examples that they live, and need not be looked at again
    candidates = torch.nonzero((post[:256] == 0).all(dim=0)).flatten()
    return int((post[:, candidates] == 0).all(dim=0).sum())


def small_share(outputs: Float[Tensor, "batch unit"]) -> float:
    """The share of ReLU(x) < 0.01, in the precision of x."""
    return int(torch.count_nonzero(outputs < SMALL)) / outputs.numel()


def layers(probe: Probe, hook: str) -> list[Float[Tensor, "batch neuron"]]:
    """`hook_pre` or `hook_post` of every layer's MLP, all examples, in order."""
    found = {}
    for name, x in probe.activations.items():
        parts = name.split(".")
        if parts[0] == "blocks" and parts[2:] == ["mlp", hook]:
            found[int(parts[1])] = x
    return [found[i] for i in sorted(found)]


def _compute(probe: Probe) -> Values:
    train = probe.subject.train_index
    logits, columns = probe.logits[train], {record.name: [] for record in HIDDEN}
    pres = [pre[train] for pre in layers(probe, "hook_pre")]
    for pre, post in zip(pres, layers(probe, "hook_post"), strict=True):
        trained = post[train]
        for when, x in (("pre", pre), ("post", trained)):
            for name, value in sizes(x).items():
                columns[f"activation_{when}_{name}"].append(value)
        zero = int(torch.count_nonzero(trained == 0)) / trained.numel()
        columns["activation_zero_share"].append(zero)
        columns["active_units"].append((1 - zero) * trained.shape[1])
        columns["dead_neurons"].append(dead_neurons(post))
    axis = {"layer": list(range(len(pres)))}
    values: Values = {
        name: labelled(torch.tensor(column, dtype=torch.float64), axis) for name, column in columns.items()
    }
    values |= {f"logits_{name}": value for name, value in sizes(logits).items()}
    outputs = {f"blocks.{i}.mlp": pre for i, pre in enumerate(pres)} | {"unembed": logits}
    shares = torch.tensor([small_share(x) for x in outputs.values()], dtype=torch.float64)
    units = torch.tensor([x.shape[1] for x in outputs.values()], dtype=torch.float64)
    values["activation_small_share_with_logits"] = shares.mean().item()
    values["effective_neurons_with_logits"] = labelled((1 - shares) * units, {"linear": list(outputs)})
    return values


def no_neurons(subject: Subject) -> str:
    """Why there are no hidden neurons to look at; "" where there are."""
    names = subject.model.tensors()
    return "" if "blocks.0.mlp.W_in" in names else "the network has no blocks.0.mlp.W_in: no hidden neurons are known"


ACTIVATIONS = Measure(
    "activations",
    "How large and how sparse the hidden activations are, before and after the non-linearity; the logits apart.",
    (*HIDDEN, *LOGITS, *WITH_LOGITS),
    _compute,
    no_neurons,
    cost=1.2,
)
