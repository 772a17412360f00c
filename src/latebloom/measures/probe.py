"""What a measure looks at: one network at one step, its full table of logits computed once for all measures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.models import Model
from latebloom.tasks import Algebra, Examples, Task


@dataclass(frozen=True, eq=False)
class Subject:
    """What stays the same while a network trains.

    Attributes:
        examples: all examples of the task.
        train_index: where the training examples stand, shape (train).
        test_index: where all others stand, shape (test).
    """

    task: Task
    model: Model
    examples: Examples
    train_index: Int[Tensor, " train"]
    test_index: Int[Tensor, " test"]

    @cached_property
    def algebra(self) -> Algebra | None:
        """The task's structure, None where nothing is known of it."""
        return self.task.algebra()

    @cached_property
    def untransposed_index(self) -> Int[Tensor, " test"]:
        """The test examples (a, b) whose transpose (b, a) is not trained on if the task is commutative; else all."""
        if self.algebra is None or not self.algebra.commutative:
            return self.test_index
        pairs = self.task.operands().to(self.train_index.device)
        base = int(pairs.max()) + 1
        trained = pairs[self.train_index]
        transposes = trained[:, 1] * base + trained[:, 0]
        tested = pairs[self.test_index]
        return self.test_index[~torch.isin(tested[:, 0] * base + tested[:, 1], transposes)]


@dataclass(frozen=True, eq=False)
class Probe:
    """One network at one step."""

    subject: Subject
    params: Params

    @cached_property
    def logits(self) -> Float[Tensor, "batch class"]:
        """Logits of every example, by the fast path, in the precision of the weights."""
        with torch.no_grad():
            return self.subject.model.logits(self.params, self.subject.examples)

    @cached_property
    def answer_logits(self) -> Float[Tensor, " batch"]:
        """The right answer's logit, float64."""
        return self.logits.gather(1, self.subject.examples.labels[:, None]).squeeze(1).double()

    @cached_property
    def losses(self) -> Float[Tensor, " batch"]:
        """Cross-entropy of every example in float64, as softplus(log Σ_{j≠c} e^z_j − z_c): exact however small."""
        others = self.logits.double().scatter(1, self.subject.examples.labels[:, None], -torch.inf)
        gap = torch.logsumexp(others, dim=1) - self.answer_logits
        return torch.nn.functional.softplus(gap, threshold=50)

    @cached_property
    def margins(self) -> Float[Tensor, " batch"]:
        """The right answer's logit less the greatest other one, float64."""
        others = self.logits.scatter(1, self.subject.examples.labels[:, None], -torch.inf)
        return self.answer_logits - others.max(dim=1).values.double()
