"""An update recorded once as a CUDA graph and replayed: the host says "again", the device does the rest.

What is captured must have fixed shapes, read and write the same memory every time, copy nothing from the host and never
wait for it (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WARM_UPS = 3
"""Calls before the recording, in which libraries allocate and choose what they need."""


def captured(update: Callable[[], None], changed: Sequence[Tensor]) -> Callable[[], None]:
    """A replay of `update`, which changes the tensors `changed` in place and nothing else that lasts.

    The calls that warm up leave no trace: the tensors are put back.
    """
    kept = [tensor.clone() for tensor in changed]

    def put_back() -> None:
        for tensor, old in zip(changed, kept, strict=True):
            tensor.copy_(old)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            update()
            put_back()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        update()
    put_back()
    return graph.replay


def uploaded(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; to a GPU from pinned memory, so that the host does not wait for the copy."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
