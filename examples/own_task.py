"""A task of one's own in one file: a² + b² mod p.

latebloom run --task.name examples/own_task.py:SumOfSquares --task.p 23 --steps 500
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latebloom.tasks import Algebra, Examples


@dataclass(frozen=True)
class SumOfSquares:
    """a² + b² mod p; the equals sign is token p."""

    p: int = 59

    @property
    def d_vocab(self) -> int:
        """Numbers and the equals sign."""
        return self.p + 1

    @property
    def classes(self) -> int:
        """The residues."""
        return self.p

    @property
    def title(self) -> str:
        """The formula."""
        return f"a² + b² mod {self.p}"

    def operands(self) -> Tensor:
        """All pairs (a, b)."""
        return torch.cartesian_prod(torch.arange(self.p), torch.arange(self.p))

    def examples(self) -> Examples:
        """a, b, = and the answer."""
        a, b = self.operands().unbind(1)
        return Examples(torch.stack([a, b, torch.full_like(a, self.p)], dim=1), (a * a + b * b) % self.p)

    def algebra(self) -> Algebra | None:
        """No group acts on this table; measures that need one say so."""
        return None
