"""Train and test accuracy by step of stored runs, one small panel each: the figure of the lab log's entry on breadth.

python benchmarks/breadth.py docs/images/breadth.png "S_5, 35 %=runs/s5/seed-0-…" "parity=runs/parity/seed-0-…" …
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import latebloom

COLUMNS = 3


def panel(axes: plt.Axes, title: str, run: latebloom.store.Run) -> None:
    """Accuracies over 1 + step, with the steps of the events."""
    rows = run.scalars.select("step", "train_accuracy", "test_accuracy").drop_nulls()
    for column, colour, word in (("train_accuracy", "tab:blue", "training"), ("test_accuracy", "tab:orange", "test")):
        axes.plot(rows["step"] + 1, rows[column], color=colour, linewidth=1.3, label=word)
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+", help="TITLE=RUN, as many as there are panels")
    asked = parser.parse_args()
    lines = math.ceil(len(asked.runs) / COLUMNS)
    figure, grid = plt.subplots(lines, COLUMNS, figsize=(9, 2.1 * lines + 0.3), sharey=True, squeeze=False)
    for axes, word in zip(grid.flat, asked.runs, strict=False):
        title, _, folder = word.rpartition("=")
        panel(axes, title, latebloom.open(folder))
    for axes in list(grid.flat)[len(asked.runs) :]:
        axes.axis("off")
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("step + 1", fontsize=8)
    grid[0, 0].legend(fontsize=7, loc="center left", frameon=False)
    figure.tight_layout()
    figure.savefig(asked.out, dpi=110)


if __name__ == "__main__":
    main()
