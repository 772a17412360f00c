"""What a measure looks at: one network at one step, its full table of logits computed once for all measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.models import Model, Traced
from latebloom.tasks import Algebra, Examples, Task, answers_of
from latebloom.tasks.symmetry import given_away, symmetries

AT_ONCE = 2**16
"""Examples (or rows of logits) that are evaluated together; a larger table goes through in parts."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What stays the same while a network trains.

    Attributes:
        examples: all examples of the task.
        train_index: where the training examples stand, shape (train).
        test_index: where all others stand, shape (test).
        loss: the training loss of (logits, labels), decay left out; None for an imported network.
        initial: the parameters before the first update, for measures of drift; None where they are not known.
        true_labels: the task's own labels, shaped as those of `examples`, where training labels were corrupted.
        corrupted_index: the training examples whose label was corrupted, shape (corrupted); None where none was.
    """

    task: Task
    model: Model
    examples: Examples
    train_index: Int[Tensor, " train"]
    test_index: Int[Tensor, " test"]
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    initial: Params | None = None
    true_labels: Int[Tensor, "batch *answer"] | None = None
    corrupted_index: Int[Tensor, " corrupted"] | None = None

    @cached_property
    def train(self) -> Examples:
        """The training examples."""
        return self.examples.take(self.train_index)

    @property
    def answers(self) -> int:
        """The number of answers that the task asks for in each example."""
        return answers_of(self.task)

    @cached_property
    def parts(self) -> list[Examples]:
        """All examples, in parts that are evaluated one after the other."""
        places = torch.arange(len(self.examples), device=self.examples.tokens.device)
        return [self.examples.take(part) for part in places.split(AT_ONCE)]

    @cached_property
    def algebra(self) -> Algebra | None:
        """The task's structure, None where nothing is known of it."""
        return self.task.algebra()

    @cached_property
    def untransposed_index(self) -> Int[Tensor, " test"]:
        """The test examples of which no rearrangement that never changes the answer is trained on; else all.

        Of (a, b) that is (b, a) where the task's algebra says that it commutes; without one, the whole table of the
        task's own answers decides, for two operands or three (`symmetries`).
        """
        operands = self.task.operands().to(self.train_index.device)
        if self.algebra is not None:
            moves = [(1, 0)] if self.algebra.commutative else []
        else:
            moves = symmetries(operands, self.examples.labels if self.true_labels is None else self.true_labels)
        return self.test_index[~given_away(operands, self.train_index, self.test_index, moves)]


@dataclass(frozen=True, eq=False)
class Update:
    """The update that led to a probe's step.

    Attributes:
        before: the parameters before it.
        batch: the examples that its gradient was taken on.
        hyper: its hyperparameters, schedules applied.
        optim: the optimiser's state after it, by its own names (`m`, `v`, `count`).
        redo: the parameters that the same optimiser state gives for other gradients and hyperparameters:
            `redo(grads, {"weight_decay": 0.0})`.
    """

    before: Params
    batch: Examples
    hyper: dict[str, float]
    optim: dict[str, Any]
    redo: Callable[[Grads, dict[str, float]], Params]


@dataclass(frozen=True, eq=False)
class Probe:
    """One network at one step.

    Attributes:
        update: the update before this step; None at the start, and for a network from a file.
    """

    subject: Subject
    params: Params
    update: Update | None = None

    @cached_property
    def _pass(self) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            return self._seen(self.subject.examples)

    def _seen(self, examples: Examples) -> tuple[Tensor, dict[str, Tensor]]:
        model = self.subject.model
        if isinstance(model, Traced):
            return model.traced(self.params, examples)
        logits, seen = model.apply(self.params, examples.tokens)
        return logits, dict(_last(seen, examples.tokens.shape[1]))

    @cached_property
    def logits(self) -> Float[Tensor, "row class"]:
        """Logits of every example (of every answer, one example's after the other's), by the fast path."""
        if len(self.subject.examples) <= AT_ONCE:
            return self._pass[0]
        # what the hidden layers of a large table hold would be many times the logits
        with torch.no_grad():
            return torch.cat([self.subject.model.logits(self.params, part) for part in self.subject.parts])

    @cached_property
    def activations(self) -> dict[str, Tensor]:
        """Activations of every example at the last position, by TransformerLens' names, from the same forward pass.

        `blocks.i.mlp.hook_pre`, `hook_post`: (batch, neuron); `blocks.i.attn.hook_pattern`: (batch, head, position).
        """
        if len(self.subject.examples) <= AT_ONCE:
            return self._pass[1]
        with torch.no_grad():
            seen = [self._seen(part)[1] for part in self.subject.parts]
        return {name: torch.cat([part[name] for part in seen]) for name in seen[0]}

    def loss(self, params: Params, examples: Examples) -> Float[Tensor, ""]:
        """The training loss of other parameters on some examples, differentiable (twice), decay left out."""
        assert self.subject.loss is not None  # measures that need it say so in `missing`
        return self.subject.loss(self.subject.model.logits(params, examples), examples.labels)

    @cached_property
    def _answers(self) -> Int[Tensor, "row 1"]:
        return self.subject.examples.labels.flatten()[:, None]

    @cached_property
    def answer_logits(self) -> Float[Tensor, "batch *answer"]:
        """The right answer's logit, float64."""
        return self.logits.gather(1, self._answers).view(self.subject.examples.labels.shape).double()

    @cached_property
    def losses(self) -> Float[Tensor, "batch *answer"]:
        """Cross-entropy of every example in float64, as softplus(log Σ_{j≠c} e^z_j − z_c): exact however small."""
        pairs = zip(self.logits.split(AT_ONCE), self._answers.split(AT_ONCE), strict=True)
        others = [z.double().scatter(1, c, -torch.inf).logsumexp(dim=1) for z, c in pairs]
        gap = torch.cat(others).view(self.answer_logits.shape) - self.answer_logits
        return torch.nn.functional.softplus(gap, threshold=50)

    @cached_property
    def margins(self) -> Float[Tensor, "batch *answer"]:
        """The right answer's logit less the greatest other one, float64."""
        pairs = zip(self.logits.split(AT_ONCE), self._answers.split(AT_ONCE), strict=True)
        others = [z.scatter(1, c, -torch.inf).max(dim=1).values.double() for z, c in pairs]
        return self.answer_logits - torch.cat(others).view(self.answer_logits.shape)


def _last(seen: dict[str, Tensor], positions: int) -> Iterator[tuple[str, Tensor]]:
    """What `apply` saw, at the last position."""
    for name, x in seen.items():
        if name.endswith("attn.hook_pattern"):
            yield name, x[:, :, -1]
        elif name.endswith(("mlp.hook_pre", "mlp.hook_post")):
            yield name, x[:, -1] if x.dim() == 3 and x.shape[1] == positions else x
