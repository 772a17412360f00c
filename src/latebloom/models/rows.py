"""Compute each thing once per distinct input: which examples share a row of a table.

At the first layer a position's stream depends on its token alone; later, under a causal mask, on the tokens up to it.
`Plan` says for each layer and position which rows there are, and which row each later row reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from latebloom.tasks import Distinct, Examples


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one table.

    Attributes:
        tokens: the last token of each row, shape (row).
        of: the row of each example of the batch, shape (batch); None when row i is example i.
        distinct: the distinct values behind the rows; None when row i is example i.
    """

    tokens: Int[Tensor, " row"]
    of: Int[Tensor, " batch"] | None
    distinct: Distinct | None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def shared(self) -> bool:
        """Whether several examples may share a row."""
        return self.of is not None


@dataclass(frozen=True, eq=False)
class Plan:
    """The rows behind a batch for each layer's input, and whatever was built from them once.

    Attributes:
        examples: the batch.
        causal: whether a position reads only itself and those before it.
        memo: groupings of sums, kept by name.
    """

    examples: Examples
    causal: bool
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, examples: Examples, causal: bool) -> Plan:
        """The plan of these examples, made once."""
        name = ("plan", causal)
        if name not in examples.memo:
            examples.memo[name] = cls(examples, causal)
        return examples.memo[name]

    def rows(self, layer: int, position: int) -> Rows:
        """The rows of the stream that enters `layer` at `position`."""
        name = ("rows", min(layer, 1), position)
        if name not in self.memo:
            self.memo[name] = self._rows(layer, position)
        return self.memo[name]

    def _rows(self, layer: int, position: int) -> Rows:
        batch, full = self.examples, self.examples.full or self.examples
        if layer and not self.causal:
            return Rows(batch.tokens[:, position], None, None)
        distinct = full.distinct_prefixes(position) if layer else full.distinct_tokens(position)
        if len(distinct.tokens) >= len(batch):
            return Rows(batch.tokens[:, position], None, None)
        of = distinct.of if batch.index is None else distinct.of[batch.index]
        return Rows(distinct.tokens, of, distinct)

    def link(self, reader: Rows, source: Rows) -> Int[Tensor, " row"]:
        """The row of `source` that each row of `reader` reads (a reader knows at least as much as its source)."""
        if reader.distinct is None or source.distinct is None:
            if source.of is None:
                return torch.arange(len(source), device=source.tokens.device)
            return source.of
        return source.distinct.of[reader.distinct.first]
