"""Results as rules read them, made up so that the verdict is known."""

from __future__ import annotations

import json

import polars as pl

from latebloom.claims.results import Part

EVENTS = ("memorised", "grokked")


def part(rows, curves=None, axes=()):
    """A study's results.

    Args:
        rows: a dict a run with its axes; `memorised`, `grokked` (steps, or None) and `last` are filled in.
        curves: for each run a dict of columns, `step` among them; none where it is left out.
        axes: the columns that vary.
    """
    runs, logs = [], []
    for i, row in enumerate(rows):
        row = {"memorised": 100, "grokked": 1000, "last": 5000, "seed": i} | row
        events = {}
        for event in EVENTS:
            step = row.pop(event)
            events |= {
                f"{event}.step": step,
                f"{event}.after": None if step is None else step - 1,
                f"{event}.censored_at": row["last"] if step is None else None,
            }
        settings = {k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items() if k != "last"}
        runs.append({"run": f"run-{i}", **settings, "last_step": row["last"], "wall_s": 6.0, **events})
        given = (curves[i] if curves else None) or {
            "step": [0, row["last"]],
            "train_accuracy": [0.0, 1.0],
            "test_accuracy": [0.0, 0.5],
        }
        logs.append(pl.DataFrame({"run": f"run-{i}", **given}))
    made = {"latebloom": "0", "torch": "0", "processor": "a machine"}
    facts = {"axes": list(axes), "seeds": [], "made": made, "file": "", "question": ""}
    integers = [pl.col(f"{e}.{c}").cast(pl.Int64) for e in EVENTS for c in ("step", "after", "censored_at")]
    return Part(pl.DataFrame(runs).with_columns(integers), pl.concat(logs, how="diagonal_relaxed"), facts)


def grid(axis, values, seeds, make):
    """Rows for every value and seed: `make(value, seed)` gives the rest."""
    return [{axis: value, "seed": seed} | make(value, seed) for value in values for seed in range(seeds)]
