"""Which examples are trained on: one drawing scheme of our own, the published ones bit for bit, and whole blocks."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from latebloom.models import keyed_generator
from latebloom.spec import RunSpec
from latebloom.tasks import Task


def _uniform(examples: int, seed: int) -> list[int]:
    return torch.randperm(examples, generator=keyed_generator(seed, "split")).tolist()


def _nanda2023(examples: int, seed: int) -> list[int]:
    """Python's `random.seed(seed)` and `random.shuffle` of the lexicographic pairs (Nanda et al. 2023, their code)."""
    order = list(range(examples))
    random.Random(seed).shuffle(order)
    return order


def _numpy(examples: int, seed: int) -> list[int]:
    """NumPy's legacy `seed(seed)` and `permutation`."""
    return np.random.RandomState(seed).permutation(examples).tolist()


def _torch(examples: int, seed: int) -> list[int]:
    """PyTorch's `manual_seed(seed)` and `randperm` on the CPU (Chughtai et al. 2023, arXiv 2302.03025, their code)."""
    return torch.randperm(examples, generator=torch.Generator().manual_seed(seed)).tolist()


SPLIT_SCHEMES: dict[str, Callable[[int, int], list[int]]] = {
    "uniform": _uniform,
    "fresh": _uniform,
    "nanda2023": _nanda2023,
    "numpy": _numpy,
    "power2022": _numpy,
    "torch": _torch,
}


def split(spec: RunSpec, task: Task) -> tuple[Int[Tensor, " train"], Int[Tensor, " test"]]:
    """Indices of training and test examples, each in ascending order (neighbours share table rows)."""
    chosen = _chosen(spec, task)
    return chosen.nonzero().squeeze(1), (~chosen).nonzero().squeeze(1)


def _chosen(spec: RunSpec, task: Task) -> Bool[Tensor, " batch"]:
    blocks = spec.split.blocks(task)
    if blocks is not None:
        taken = torch.tensor(_uniform(blocks.count, spec.seeds.split)[: spec.split.share(blocks.count)])
        return torch.isin(blocks.of, taken) | (blocks.of < 0)
    examples = len(task.examples())
    listed = spec.split.listed(examples)
    if listed is None:
        listed = SPLIT_SCHEMES[spec.split.scheme](examples, spec.seeds.split)[: spec.split.share(examples)]
    chosen = torch.zeros(examples, dtype=torch.bool)
    chosen[listed] = True
    return chosen
