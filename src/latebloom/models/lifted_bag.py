"""Weighted sums of table rows for many runs at once: `bag` of `bag.py` under `torch.vmap`.

A run axis is folded into the rows: the tables lie one below the other, and so do the sums. Forward and backward pass
are then one `embedding_bag` each for all runs together; the backward pass needs no atomic additions, so that a GPU
gives the same bits every time. Groupings are tensors of fixed shape, so that a step can be captured.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

Grouping = dict[str, Tensor]
"""Which rows each sum takes, and the entries in the order of the rows they take."""


def grouping(rows: Int[Tensor, "run sum term"], height: int) -> Grouping:
    """The grouping of each run's sums over its own table of `height` rows, every tensor with the run axis first."""
    flat = rows.flatten(1)
    by_row = torch.argsort(flat, dim=1, stable=True)
    every_row = torch.arange(height, device=rows.device).expand(len(rows), height).contiguous()
    return {
        "rows": rows,
        "by_row": by_row,
        "sums_by_row": by_row // rows.shape[2],
        "row_offsets": torch.searchsorted(flat.gather(1, by_row), every_row),
    }


def lifted_bag(
    table: Float[Tensor, "row width"], weights: Float[Tensor, "sum term"] | None, group: Grouping
) -> Float[Tensor, "sum width"]:
    """y_i = Σ_j w_ij table[rows_ij] of one run, to be called under `torch.vmap`; weights None means 1 everywhere.

    Differentiable once.
    """
    order = (group["by_row"], group["sums_by_row"], group["row_offsets"])
    return _Gather.apply(table, weights, group["rows"], *order)  # pyright: ignore[reportReturnType]


class _Gather(torch.autograd.Function):
    """Sums over the terms."""

    @staticmethod
    def forward(
        table: Tensor, weights: Tensor | None, rows: Tensor, by_row: Tensor, sums_by_row: Tensor, row_offsets: Tensor
    ) -> Tensor:
        return _embedding_bag(table, rows.flatten(), _starts(rows), weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        table, weights, rows, *order = ctx.saved_tensors
        by_table, by_weights = ctx.needs_input_grad[:2]
        return (
            _Spread.apply(grads[0], weights, *order) if by_table else None,
            _Products.apply(grads[0], table, rows) if by_weights else None,
            *[None] * 4,
        )  # pyright: ignore[reportReturnType]

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *inputs: Tensor | None) -> tuple[Tensor, int]:
        table, weights, rows, by_row, sums_by_row, row_offsets = _run_first(info, in_dims, inputs)
        entries = rows.shape[1] * rows.shape[2]
        found = _Gather.apply(
            table.flatten(0, 1),
            None if weights is None else weights.flatten(0, 1),
            _below(rows, table.shape[1]),
            _below(by_row, entries),
            _below(sums_by_row, rows.shape[1]),
            _below(row_offsets, entries),
        )
        return found.unflatten(0, rows.shape[:2]), 0  # pyright: ignore[reportOptionalMemberAccess]


class _Spread(torch.autograd.Function):
    """The transpose: x_r = Σ over the entries (i, j) of row r of w_ij y_i, shape (row, width)."""

    @staticmethod
    def forward(
        sums: Tensor, weights: Tensor | None, by_row: Tensor, sums_by_row: Tensor, row_offsets: Tensor
    ) -> Tensor:
        return _embedding_bag(sums, sums_by_row, row_offsets, None if weights is None else weights.flatten()[by_row])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Nothing is kept: there is no second derivative."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *inputs: Tensor | None) -> tuple[Tensor, int]:
        sums, weights, by_row, sums_by_row, row_offsets = _run_first(info, in_dims, inputs)
        found = _Spread.apply(
            sums.flatten(0, 1),
            None if weights is None else weights.flatten(0, 1),
            _below(by_row, by_row.shape[1]),
            _below(sums_by_row, sums.shape[1]),
            _below(row_offsets, by_row.shape[1]),
        )
        return found.unflatten(0, row_offsets.shape), 0  # pyright: ignore[reportOptionalMemberAccess]


class _Products(torch.autograd.Function):
    """w_ij = y_i · table[rows_ij], shape (sum, term): the gradient of the weights."""

    @staticmethod
    def forward(sums: Tensor, table: Tensor, rows: Tensor) -> Tensor:
        owner = torch.arange(len(rows), device=rows.device).repeat_interleave(rows.shape[1])
        flat = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            sums.contiguous(), table.contiguous(), rows.flatten(), _starts(rows), owner, 0
        )
        return flat.view_as(rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Nothing is kept: there is no second derivative."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *inputs: Tensor | None) -> tuple[Tensor, int]:
        sums, table, rows = _run_first(info, in_dims, inputs)
        found = _Products.apply(sums.flatten(0, 1), table.flatten(0, 1), _below(rows, table.shape[1]))
        return found.unflatten(0, rows.shape[:2]), 0  # pyright: ignore[reportOptionalMemberAccess]


def _embedding_bag(table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor | None) -> Tensor:
    flat = None if weights is None else weights.flatten()
    return torch.embedding_bag(table.contiguous(), rows, offsets, False, 0, False, flat)[0]


def _starts(rows: Tensor) -> Tensor:
    return torch.arange(len(rows), device=rows.device) * rows.shape[1]


def _run_first(info: Any, in_dims: tuple, inputs: tuple) -> list[Any]:
    """Every tensor with the run axis first, repeated where all runs share it."""
    found = []
    for tensor, dim in zip(inputs, in_dims, strict=True):
        if tensor is None:
            found.append(None)
        else:
            found.append(tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0))
    return found


def _below(numbers: Tensor, height: int) -> Tensor:
    """Row numbers of tables that lie one below the other, the run axis folded into the first."""
    runs = torch.arange(len(numbers), device=numbers.device) * height
    return (numbers + runs.view(-1, *[1] * (numbers.dim() - 1))).flatten(0, 1)
