"""Keep or remove frequencies in the weights that read operands and in those that write answers.

Nanda et al. 2023 (arXiv 2301.05217, §4.4) take key frequencies out of the logits of a fixed network. Training can only
go on with weights, so here they are taken out of weights, which is another ablation: what reads operands, or what
writes answers, is projected along the cyclic group. `latebloom analyse` has the published one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from latebloom.analysis.circuits.ablation import random_frequencies
from latebloom.analysis.surgery.contract import NOW, Patient
from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.measures import Subject
from latebloom.measures.cyclic import missing_cyclic
from latebloom.measures.fourier import fourier_basis, frequency_of

Where = Annotated[
    Literal["embedding", "readout", "both"],
    Field(description="in the weights that read operands, in those that write answers, or in both"),
]
Given = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...], Field(description="which frequencies; none given: the key frequencies")
]
KeysOf = Annotated[
    str,
    Field(
        min_length=1,
        description="whose key frequencies: those of the weights now, or of the same run at a step, an event, the end",
    ),
]
Control = Annotated[
    bool, Field(description="instead as many frequencies that are not key, drawn by the run's seed, as a control")
]


@dataclass(frozen=True)
class RemoveFrequencies:
    """Take frequencies out of the weights along the group; all others, and the constant, stay as they are.

    Rows of W_E (with one-hot codes, of W_in at each operand's position), columns of W_U and entries of b_U: then W_L =
    W_U·W_out and the logits lose the same part along the classes. Rows and logits outside the group stay.

    Formula: W ← W − Σ_k (c_k c_kᵀ + s_k s_kᵀ) W, c_k and s_k = √(2/n) cos and sin(2πkx/n) along the group
    Source: defined here, after the excluded loss of Nanda et al. 2023 (arXiv 2301.05217), which is one of logits
    """

    frequencies: Given = ()
    where: Where = "both"
    keys_of: KeysOf = NOW
    control: Control = False

    def apply(self, params: Params, patient: Patient) -> Params:
        """The projection along the group."""
        return without(params, patient.subject, _meant(self, patient), self.where)


@dataclass(frozen=True)
class KeepFrequencies:
    """Take all frequencies but some out of the weights; the constant stays. Where: as remove-frequencies.

    Formula: W ← (1 1ᵀ/n + Σ_k (c_k c_kᵀ + s_k s_kᵀ)) W along the group
    Source: defined here, after the restricted loss of Nanda et al. 2023 (arXiv 2301.05217), which is one of logits
    """

    frequencies: Given = ()
    where: Where = "both"
    keys_of: KeysOf = NOW
    control: Control = False

    def apply(self, params: Params, patient: Patient) -> Params:
        """The projection along the group."""
        kept = _meant(self, patient)
        others = [k for k in range(1, _order(patient.subject) // 2 + 1) if k not in kept]
        return without(params, patient.subject, others, self.where)


def _meant(surgery: RemoveFrequencies | KeepFrequencies, patient: Patient) -> Sequence[int]:
    """The frequencies that a surgery names."""
    highest = _order(patient.subject) // 2
    if wrong := [k for k in surgery.frequencies if k > highest]:
        raise LatebloomError(f"expected frequencies from 1 to {highest}, got {', '.join(map(str, wrong))}")
    found = surgery.frequencies or patient.keys(surgery.keys_of)
    if not found:
        raise LatebloomError(
            f"expected key frequencies ({surgery.keys_of}), got a network without any: name frequencies, or another "
            "step or event whose keys are meant (keys_of = end)"
        )
    if not surgery.control:
        return found
    sets = random_frequencies(found, highest, patient.seed, draws=1)
    if not sets:
        raise LatebloomError(f"expected other frequencies for a control, got all {highest} among those that are meant")
    return sets[0]


def _order(subject: Subject) -> int:
    if reason := missing_cyclic(subject):
        raise LatebloomError(f"expected a task over a cyclic group: {reason}")
    assert subject.algebra is not None  # `missing_cyclic` says so otherwise
    return subject.algebra.order


def without(
    params: Params, subject: Subject, frequencies: Iterable[int], where: Literal["embedding", "readout", "both"]
) -> Params:
    """Parameters less some frequencies along the task's cyclic group.

    Args:
        params: of the subject's model.
        subject: whose task has a cyclic group.
        frequencies: from 1 to n // 2.
        where: which weights.

    Raises:
        LatebloomError: the network has no weights that read operands, or none of its own that write answers.
    """
    assert subject.algebra is not None  # the caller has seen to it
    chosen = torch.tensor(sorted(frequencies))
    cycle = subject.algebra.cycle
    changed = dict(params)
    if where != "readout":
        for name, rows in _reading(params, subject, cycle):
            changed[name] = changed[name].index_copy(0, rows, _less(changed[name][rows], chosen))
    if where != "embedding":
        if "unembed.W_U" not in params:
            raise LatebloomError("expected unembed.W_U, got a network that reads its embedding out: use embedding")
        columns = cycle.to(params["unembed.W_U"].device)
        for name in ("unembed.W_U", "unembed.b_U"):
            if name in params:
                w = params[name]
                changed[name] = w.index_copy(-1, columns, _less(w[..., columns].movedim(-1, 0), chosen).movedim(0, -1))
    return changed


def _reading(params: Params, subject: Subject, cycle: Int[Tensor, " order"]) -> list[tuple[str, Int[Tensor, " order"]]]:
    """Tensors that read operands, with the rows of the group's elements in its order, once for each that differs."""
    if "embed.W_E" in params:
        return [("embed.W_E", cycle.to(params["embed.W_E"].device))]
    name, tokens = "blocks.0.mlp.W_in", subject.examples.tokens
    if name not in params or len(params[name]) != tokens.shape[1] * subject.task.d_vocab:
        raise LatebloomError(f"expected embed.W_E, or {name} that reads one-hot codes, got neither")
    found = []
    for operand in subject.task.operands().to(tokens.device).T:
        position = int((tokens == operand[:, None]).all(dim=0).int().argmax())
        found.append((name, (position * subject.task.d_vocab + cycle).to(params[name].device)))
    return found


def _less(rows: Float[Tensor, "order *rest"], frequencies: Int[Tensor, " frequency"]) -> Float[Tensor, "order *rest"]:
    """Rows along the group without some frequencies, computed in float64."""
    n = len(rows)
    basis = fourier_basis(n)[torch.isin(frequency_of(n), frequencies)].to(rows.device)
    wide = rows.double()
    return (wide - basis.T @ (basis @ wide)).to(rows.dtype)
