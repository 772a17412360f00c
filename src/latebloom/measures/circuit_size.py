"""How many hidden neurons the answers need: the smallest set of the last MLP's neurons that keeps the predictions.

After the last MLP everything is linear where there is no LayerNorm: z = rest + Σ_i post_i · (W_out W_U)_i. So neurons
are given back one after the other, in some order, and the predictions are looked at after each: all sizes, exactly.
The share of predictions kept is not monotone in the number of neurons, so that no search by halves is made.

Source: Merrill, Tsilivis & Shukla 2023 (arXiv 2303.11873), and their code (repository Tsili42/parity-nn), which asks
for the same number of right training answers, halves after epoch 20, and has one hidden layer and a single output.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.activations import layers, no_neurons
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled

MERRILL = "Merrill et al. 2023 (arXiv 2303.11873)"
AGREEMENTS = (1.0, 0.99)
VARIANT = (
    "last MLP's neurons, last position, training examples; a prediction is kept if the whole network's most likely "
    "class is above every other (a tie is not kept); neurons are added from none to all, every number is tried; "
    "logits summed up in the precision of the weights"
)
ORDERS = (
    "orders: `incoming` = descending norm of the neuron's column of W_in (the paper's), `outgoing` = of its row of "
    "W_out·W_U, `contribution` = root mean square over examples of the activation less its mean, times the outgoing "
    "norm; ablation: `zero` = left-out neurons are 0 (the paper's), `mean` = they have their mean over the examples"
)
RECORDS = (
    Record(
        "circuit_size_merrill",
        "Circuit size (Merrill et al.)",
        "least k such that the k neurons of greatest incoming norm alone keep every training prediction",
        "neurons",
        f"incoming norm without the bias, others set to 0, agreement 1; {VARIANT}",
        MERRILL,
        disputes="their code asks for equal accuracy and not for the same predictions; more than one layer or output "
        "is not treated there",
    ),
    Record(
        "circuit_size",
        "Circuit size",
        "least k such that the first k neurons of an order keep a share τ of training predictions",
        "neurons",
        f"{ORDERS}; {VARIANT}",
        f"{MERRILL}; other orders, mean-ablation and τ < 1 are ours",
        disputes="an upper bound of the smallest set: only sets that begin an order are tried",
        axes=("order", "ablation", "agreement"),
    ),
    Record(
        "circuit_size_lasting",
        "Circuit size, lasting",
        "least k such that the first k neurons of an order, and all greater numbers, keep a share τ",
        "neurons",
        f"{ORDERS}; {VARIANT}",
        "variant of circuit_size, defined here: agreement is not monotone in k, so a small k may keep it by chance",
        axes=("order", "ablation", "agreement"),
    ),
)


def agreement_by_size(
    rest: Float[Tensor, "batch class"],
    post: Float[Tensor, "batch neuron"],
    out: Float[Tensor, "neuron class"],
    predictions: Int[Tensor, " batch"],
) -> Float[Tensor, " size"]:
    """The share of predictions that the first k neurons keep, for k = 0 … all; a tie is not kept.

    Args:
        rest: logits without any of the neurons.
        post: activations, the neurons in the order in which they are added.
        out: what a unit of each neuron adds to the logits, in the same order.
        predictions: the classes that are to be kept.
    """
    # classes come first, so that a maximum over them runs along memory; the prediction itself is kept apart
    others = rest.T.scatter(0, predictions[None], -torch.inf).contiguous()
    kept = rest.gather(1, predictions[:, None]).squeeze(1).clone()
    columns, by_class = post.T.contiguous(), out.T.contiguous()
    counts = [(kept > others.amax(dim=0)).sum()]
    for neuron, activation in enumerate(columns):
        others.addr_(by_class[:, neuron], activation)
        kept.addcmul_(activation, out[neuron][predictions])
        counts.append((kept > others.amax(dim=0)).sum())
    return torch.stack(counts).double() / len(rest)


def smallest_size(agreement: Float[Tensor, " size"], share: float) -> int:
    """The least k with agreement ≥ share. All neurons together are the network, and count as keeping everything."""
    return int(_enough(agreement, share).int().argmax())


def lasting_size(agreement: Float[Tensor, " size"], share: float) -> int:
    """The least k from which on agreement ≥ share for every greater number too."""
    failing = torch.nonzero(~_enough(agreement, share)).flatten()
    return int(failing[-1]) + 1 if len(failing) else 0


def _enough(agreement: Float[Tensor, " size"], share: float) -> Tensor:
    enough = agreement >= share
    # rounding in another order of summation may turn over a near-tie of the whole network
    enough[-1] = True
    return enough


def neuron_orders(
    w_in: Float[Tensor, "width neuron"], post: Float[Tensor, "batch neuron"], out: Float[Tensor, "neuron class"]
) -> dict[str, Int[Tensor, " neuron"]]:
    """The neurons by descending incoming norm, outgoing norm, and size of their varying contribution to the logits."""
    outgoing = out.double().norm(dim=1)
    varying = post.double().std(dim=0, correction=0) * outgoing
    sizes = {"incoming": w_in.double().norm(dim=0), "outgoing": outgoing, "contribution": varying}
    return {name: torch.argsort(size, descending=True, stable=True) for name, size in sizes.items()}


def outgoing_weights(params: Params, layer: int, classes: int) -> Float[Tensor, "neuron class"]:
    """What a unit of each neuron of a layer's MLP adds to the logits: W_out·W_U, or W_U where there is no W_out."""
    w_u = params["unembed.W_U"] if "unembed.W_U" in params else params["embed.W_E"][:classes].T
    w_out = params.get(f"blocks.{layer}.mlp.W_out")
    return w_u if w_out is None else w_out @ w_u


def _compute(probe: Probe) -> Values:
    train, posts = probe.subject.train_index, layers(probe, "hook_post")
    post, logits, last = posts[-1][train], probe.logits[train], len(posts) - 1
    out = outgoing_weights(probe.params, last, logits.shape[1])
    predictions = logits.argmax(dim=1)
    orders = neuron_orders(probe.params[f"blocks.{last}.mlp.W_in"], post, out)
    mean = post.mean(dim=0)
    # what is left without the neurons is a difference of large numbers
    rest = logits.double() - post.double() @ out.double()
    seen = {"zero": (rest, post), "mean": (rest + mean.double() @ out.double(), post - mean)}
    curves = {
        (order, ablation): agreement_by_size(base.to(out), x[:, index], out[index], predictions)
        for order, index in orders.items()
        for ablation, (base, x) in seen.items()
    }
    axes = {"order": list(orders), "ablation": list(seen), "agreement": list(AGREEMENTS)}
    shape = [len(labels) for labels in axes.values()]
    first, lasting = (
        torch.tensor([float(size(curve, share)) for curve in curves.values() for share in AGREEMENTS]).reshape(shape)
        for size in (smallest_size, lasting_size)
    )
    return {
        "circuit_size_merrill": float(smallest_size(curves["incoming", "zero"], 1.0)),
        "circuit_size": labelled(first, axes),
        "circuit_size_lasting": labelled(lasting, axes),
    }


def _missing(subject: Subject) -> str:
    tensors = subject.model.tensors()
    if any(weight.role == "gain" for weight in tensors.values()):
        return "logits are not linear in the last neurons: there is a LayerNorm after them"
    if not {"embed.W_E", "unembed.W_U"} & tensors.keys():
        return "the network has neither unembed.W_U nor embed.W_E"
    return no_neurons(subject)


CIRCUIT_SIZE = Measure(
    "circuit-size",
    "How few neurons of the last MLP layer keep the predictions.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=19.0,
)
