"""Nulls: a task's questions with answers that have nothing to do with them, so that they can only be memorised."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Int
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor

from latebloom.tasks.algebra import Algebra, Task
from latebloom.tasks.drawing import drawn_by
from latebloom.tasks.examples import Examples
from latebloom.tasks.registry import FAMILIES


@dataclass(frozen=True)
class Null:
    """A built-in task with its answers replaced, of training and test examples alike: test accuracy stays at chance.

    Formula: labels drawn uniformly, or the task's own dealt out anew
    Domain: that of the task whose questions are asked
    Size: that of the task
    Source: Zhang et al. 2017 (arXiv 1611.03530); the random task of Nanda et al. 2023 (arXiv 2301.05217)

    "random": every label drawn uniformly from all classes, each example by itself (Zhang et al. 2017, arXiv 1611.03530;
    the random task of the code of Nanda et al. 2023). "shuffled": the task's own labels dealt out anew among all
    examples, so that every class is as frequent as before. Both by a generator keyed by `seed` and the kind. To spoil
    a share of the training labels only, use the spec's `labels.corrupted` instead.

    Raises:
        ValueError: `of` is no table of a built-in task.
    """

    of: Annotated[
        dict[str, Any],
        Field(
            description='the task whose questions are asked, as a spec names it: {name = "modular", p = 113}',
            json_schema_extra={"default": {"name": "modular"}},
        ),
    ] = field(default_factory=lambda: {"name": "modular"})
    labels: Annotated[Literal["random", "shuffled"], Field(description="where the answers come from")] = "random"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="draws the answers")] = 0

    def __post_init__(self) -> None:
        # with every default filled in, or one null would have several identities and a new default change an old one
        table = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self.task).items()}  # pyright: ignore[reportArgumentType]
        object.__setattr__(self, "of", {"name": self.of["name"]} | table)

    @cached_property
    def task(self) -> Task:
        """The task that the questions are from."""
        settings = dict(self.of)
        name = settings.pop("name", None)
        if not isinstance(name, str) or name not in FAMILIES:
            raise ValueError(f"expected of.name to be one of {', '.join(FAMILIES)}, got {name!r}")
        known = [f.name for f in dataclasses.fields(FAMILIES[name])]
        if unknown := [key for key in settings if key not in known]:
            raise ValueError(f"expected settings of {name} in of ({', '.join(known)}), got {', '.join(unknown)}")
        family: Any = FAMILIES[name]
        try:
            return TypeAdapter(family).validate_python(settings)
        except ValidationError as error:
            faults = [f"of.{'.'.join(map(str, e['loc'])) or name}: {e['msg']}" for e in error.errors()]
            raise ValueError("; ".join(faults)) from None

    @property
    def d_vocab(self) -> int:
        """That of the task."""
        return self.task.d_vocab

    @property
    def classes(self) -> int:
        """Those of the task."""
        return self.task.classes

    @property
    def title(self) -> str:
        """The task in a few words."""
        return f"{self.task.title}, {self.labels} labels"

    def operands(self) -> Int[Tensor, "batch arity"]:
        """Those of the task."""
        return self.task.operands()

    def examples(self) -> Examples:
        """The task's questions with the null's answers."""
        asked = self.task.examples()
        generator = drawn_by(self.seed, f"labels/{self.labels}")
        if self.labels == "random":
            return Examples(asked.tokens, torch.randint(self.classes, (len(asked),), generator=generator))
        return Examples(asked.tokens, asked.labels[torch.randperm(len(asked), generator=generator)])

    def algebra(self) -> Algebra | None:
        """The basis of the task that the questions are from, so that its measures have a control; no law holds."""
        algebra = self.task.algebra()
        if algebra is None:
            return None
        group = f"{algebra.group}, {self.labels} labels"
        return dataclasses.replace(algebra, group=group, commutative=False, identity=None)
