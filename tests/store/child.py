"""A stand-in for training, started as a process of its own and killed: `python child.py ROOT RUN STEPS PAUSE`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from latebloom.store import Index, RunWriter


def row(state: torch.Tensor, step: int) -> tuple[dict[str, float], dict[str, xr.DataArray]]:
    scalars = {"loss": float(state.mean()), "odd": float("nan")}
    if step % 3 == 0:
        scalars["rare"] = float(state[0])
    arrays = {}
    if step % 10 == 0:
        arrays["w"] = xr.DataArray(state.numpy().reshape(2, 4), dims=("head", "width"), coords={"head": ["a", "b"]})
    return scalars, arrays


def train(root: Path, run_id: str, steps: int, pause: float = 0.0) -> None:
    with RunWriter.open(root, "group", run_id, {"steps": steps}, {}, total_steps=steps) as writer:
        if writer.finished:
            return
        generator = torch.Generator().manual_seed(0)
        state, first = torch.zeros(8), 0
        resumed = writer.resume()
        if resumed is not None:
            first, state = resumed.step, resumed.tensors["params/w"]
            generator.set_state(resumed.tensors["rng"])
        for step in range(first + 1, steps + 1):
            state = state + torch.randn(8, generator=generator)
            writer.log(step, *row(state, step))
            if step % 10 == 0:
                tensors = {"params/w": state, "rng": generator.get_state()}
                writer.checkpoint(step, tensors, {"seed": 0}, keep=lambda s: s % 50 == 0)
            if pause:
                time.sleep(pause)
        writer.finish([{"name": "grokked", "step": steps}], {"loss": float(np.float32(state.mean()))})


def train_many(root: Path, name: str, count: int) -> None:
    for i in range(count):
        train(root, f"{name}-{i}", 10)
        Index(root).runs()


if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
