"""A run that looks like grokking, without training: sigmoids and decays, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray

from latebloom.analysis import delay, find_events

MEMORISED, GROKKED = 120, 1500
IN_BLOCK = ["attn.W_Q", "attn.W_O", "mlp.W_in", "mlp.b_in"]
TENSORS = ["embed.W_E", *(f"blocks.0.{name}" for name in IN_BLOCK), "unembed.W_U"]
KEY_FREQUENCY = 7


def curves(steps: np.ndarray) -> dict[str, np.ndarray]:
    """Scalars at each step."""
    rng = np.random.default_rng(0)
    rise = {"train": (steps - MEMORISED) / 8.0, "test": (steps - GROKKED) / 60.0}
    table = {}
    for part, z in rise.items():
        table[f"{part}_accuracy"] = np.where(z > 6, 1.0, 1 / (1 + np.exp(-z)))
        fall = 4.0 / (1 + np.exp(np.clip(z / 2, -500, 500)))
        table[f"{part}_loss"] = 1e-7 + fall * rng.uniform(0.99, 1.01, len(steps))
        table[f"{part}_margin_mean"] = 20 * table[f"{part}_accuracy"] - 3
        table[f"{part}_margin_min"] = 18 * table[f"{part}_accuracy"] - 8
    table["test_accuracy_untransposed"] = table["test_accuracy"] ** 2
    table["logit_scale"] = 1 + np.log1p(steps)
    table["gini_raw_weights"] = 0.4 + steps / (5 * (1 + steps.max()))
    table["weight_norm_sq"] = 1000 * np.exp(-steps / 3000) + 200
    return table


def labelled(steps: np.ndarray) -> xarray.Dataset:
    """Arrays at each step; one frequency grows, the others fade."""
    share = 1 / (1 + np.exp(-(steps - GROKKED / 2) / 200.0))
    frequencies = np.arange(12)
    norms = 1.4 * (1 - share[:, None]) * np.ones(12) + 0.05 * frequencies / 12
    norms[:, KEY_FREQUENCY] = 1.4 + 5 * share
    squares = np.linspace(1, 2, len(TENSORS)) * (1 + share[:, None])
    return xarray.Dataset(
        {
            "embedding_fourier_norm": (("step", "frequency"), norms),
            "weight_norm_sq_by_tensor": (("step", "tensor"), squares),
        },
        {"step": steps, "frequency": frequencies, "tensor": TENSORS},
    )


SPEC: dict[str, Any] = {
    "task": {"name": "modular", "operation": "add", "p": 23},
    "model": {"name": "transformer", "n_layers": 1, "d_model": 32, "n_heads": 2, "d_mlp": 64},
    "optim": {"name": "adamw", "lr": 0.001, "weight_decay": 1.0},
    "split": {"scheme": "uniform", "fraction": 0.4},
    "batch": "full",
    "steps": 3000,
    "seeds": {"split": 0, "init": 0, "order": 0},
}
PROVENANCE: dict[str, Any] = {
    "latebloom": "0.1.0",
    "git": {"commit": "0123abcd", "dirty": False},
    "threads": 1,
    "device": "cpu",
    "wall_s": 12.5,
    "command": "latebloom run",
}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Any]:
    """Builds a stand-in of `store.Run`; what is passed takes the place of what would be there."""

    def make(last: int = 3000, every: int = 10, **other: Any) -> Any:
        steps = np.unique([*range(0, min(last, 100) + 1), *range(100, last + 1, every), last])
        steps = steps[steps <= last]
        scalars = pl.DataFrame({"run": np.zeros(len(steps), np.int64), "step": steps, **curves(steps)})
        events = find_events(scalars)
        facts: dict[str, Any] = {
            "id": "seed-0-0123abcd",
            "folder": tmp_path,
            "spec": SPEC,
            "provenance": PROVENANCE,
            "state": "done",
            "status": SimpleNamespace(error=None),
            "scalars": scalars,
            "arrays": labelled(steps),
            "events": [event.to_json() for event in events],
            "summary": {"title": "a + b mod 23", "delay": delay(events), "missing": {}},
        }
        return SimpleNamespace(**facts | other)

    return make
