"""Weighted sums of table rows, y_b = Σ_j w_bj T[e_bj], with a backward pass by rows.

PyTorch's own backward pass of `embedding_bag` scatters; here the gradient of the table is the same bag transposed,
whose grouping is found once. Both passes are built from differentiable parts, so that double backward works, which
curvature needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Entries:
    """Which rows of a table each sum takes.

    Attributes:
        rows: the table's row for every term, shape (batch, term).
        height: the number of rows of the table.
    """

    rows: Int[Tensor, "batch term"]
    height: int

    @cached_property
    def flat(self) -> Int[Tensor, " entry"]:
        """`rows` as one list, the terms of one sum beside each other."""
        return self.rows.reshape(-1)

    @cached_property
    def offsets(self) -> Int[Tensor, " batch"]:
        """Where each sum's terms begin in `flat`."""
        return torch.arange(len(self.rows), device=self.rows.device) * self.rows.shape[1]

    @cached_property
    def sums(self) -> Int[Tensor, " entry"]:
        """The sum that each entry of `flat` belongs to."""
        return torch.arange(len(self.flat), device=self.rows.device) // self.rows.shape[1]

    @cached_property
    def by_row(self) -> Int[Tensor, " entry"]:
        """The order of the entries in which those of one row stand beside each other."""
        return torch.argsort(self.flat, stable=True)

    @cached_property
    def sums_by_row(self) -> Int[Tensor, " entry"]:
        """`sums` in the order `by_row`."""
        return self.by_row // self.rows.shape[1]

    @cached_property
    def row_offsets(self) -> Int[Tensor, " row"]:
        """Where each row's entries begin in `by_row`."""
        rows = torch.arange(self.height, device=self.rows.device)
        return torch.searchsorted(self.flat[self.by_row], rows)


def bag(
    table: Float[Tensor, "row width"], weights: Float[Tensor, "batch term"] | None, entries: Entries
) -> Float[Tensor, "batch width"]:
    """y_b = Σ_j w_bj table[rows_bj]; weights None means 1 everywhere."""
    return _Gather.apply(table, weights, entries)  # pyright: ignore[reportReturnType]


def gathered(
    table: Float[Tensor, "row width"], weights: Float[Tensor, "batch term"], entries: Entries, part: slice
) -> Float[Tensor, "part width"]:
    """`bag` of some of the sums, without autograd."""
    terms = entries.rows.shape[1]
    flat, count = entries.flat[part.start * terms : part.stop * terms], part.stop - part.start
    chosen = weights[part].reshape(-1)
    return torch.embedding_bag(table, flat, entries.offsets[:count], False, 0, False, chosen)[0]


def spread(
    sums: Float[Tensor, "batch width"], weights: Float[Tensor, "batch term"], entries: Entries
) -> Float[Tensor, "row width"]:
    """The transpose of `bag`, the gradient of its table."""
    return _Spread.apply(sums, weights, entries)  # pyright: ignore[reportReturnType]


def products(
    sums: Float[Tensor, "batch width"], table: Float[Tensor, "row width"], entries: Entries, part: slice
) -> Float[Tensor, "part term"]:
    """y_b · table[rows_bj] of some of the sums, the gradient of the weights of `bag`, without autograd."""
    terms, count = entries.rows.shape[1], part.stop - part.start
    flat = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        sums[part].contiguous(),
        table.contiguous(),
        entries.flat[part.start * terms : part.stop * terms],
        entries.offsets[:count],
        entries.sums[: count * terms],
        0,
    )
    return flat.view(count, terms)


class _Gather(torch.autograd.Function):
    """Sums over the terms of each example."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, weights: Tensor | None, entries: Entries) -> Tensor:
        ctx.save_for_backward(table, weights)
        ctx.entries = entries
        flat = None if weights is None else weights.reshape(-1)
        return torch.embedding_bag(table, entries.flat, entries.offsets, False, 0, False, flat)[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        table, weights = ctx.saved_tensors
        by_table, by_weights, _ = ctx.needs_input_grad
        return (
            _Spread.apply(grads[0], weights, ctx.entries) if by_table else None,
            _Products.apply(grads[0], table, ctx.entries) if by_weights else None,
            None,
        )  # pyright: ignore[reportReturnType]


class _Spread(torch.autograd.Function):
    """The transpose of `_Gather`: x_r = Σ over the entries (b, j) of row r of w_bj y_b, shape (row, width)."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, weights: Tensor | None, entries: Entries) -> Tensor:
        ctx.save_for_backward(sums, weights)
        ctx.entries = entries
        flat = None if weights is None else weights.reshape(-1)[entries.by_row]
        return torch.embedding_bag(sums.contiguous(), entries.sums_by_row, entries.row_offsets, False, 0, False, flat)[
            0
        ]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        sums, weights = ctx.saved_tensors
        by_sums, by_weights, _ = ctx.needs_input_grad
        return (
            _Gather.apply(grads[0], weights, ctx.entries) if by_sums else None,
            _Products.apply(sums, grads[0], ctx.entries) if by_weights else None,
            None,
        )  # pyright: ignore[reportReturnType]


class _Products(torch.autograd.Function):
    """w_bj = y_b · table[rows_bj], shape (batch, term): the gradient of the weights."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, table: Tensor, entries: Entries) -> Tensor:
        ctx.save_for_backward(sums, table)
        ctx.entries = entries
        return products(sums, table, entries, slice(0, len(sums)))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        sums, table = ctx.saved_tensors
        by_sums, by_table, _ = ctx.needs_input_grad
        weights = grads[0].contiguous()
        return (
            _Gather.apply(table, weights, ctx.entries) if by_sums else None,
            _Spread.apply(sums, weights, ctx.entries) if by_table else None,
            None,
        )  # pyright: ignore[reportReturnType]
