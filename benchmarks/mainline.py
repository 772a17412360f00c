"""Our run of `nanda2023` beside the published mainline, as a Markdown table.

    latebloom run nanda2023                       # about 15 minutes on two cores
    python benchmarks/mainline.py runs/nanda2023/seed-0-…

The published values were read off the vector figures of Nanda et al. 2023 (arXiv 2301.05217), with an error of 0.5 %
for slow stretches and 3 % where curves are steep; epochs are multiples of 100. They are compared with, never fed in.
"""

from __future__ import annotations

import argparse

import polars as pl

import latebloom

# epoch: test loss, train loss, Σw², test accuracy
PUBLISHED = {
    0: (4.76, 4.75, 1783, 0.009),
    200: (16.1, 1.98e-2, 3651, 0.040),
    500: (18.2, 9.6e-4, 3598, 0.056),
    1000: (23.1, 6.3e-6, 3647, 0.070),
    1400: (25.7, 4.3e-7, 3385, 0.075),
    2000: (25.2, 3.4e-7, 2999, 0.080),
    3000: (23.6, 3.3e-7, 2794, 0.087),
    5000: (20.7, 3.0e-7, 2602, 0.109),
    7000: (16.0, 2.7e-7, 2423, 0.166),
    8000: (12.2, 2.6e-7, 2298, 0.225),
    9400: (4.07, 2.2e-7, 2001, 0.51),
    10000: (0.57, 1.8e-7, 1747, 0.85),
    11000: (2.0e-3, 1.4e-7, 1325, 0.9995),
    12000: (1.7e-4, 1.24e-7, 1145, 1.0),
    14000: (7.4e-7, 1.05e-7, 995, 1.0),
    20000: (3.13e-7, 1.02e-7, 964, 1.0),
    39900: (3.02e-7, 9.94e-8, 955, 1.0),
}
COLUMNS = ("test_loss", "train_loss", "weight_norm_sq", "test_accuracy")

# what, measure, comes below (−1) or above (+1), value, published epoch
LANDMARKS = (
    ("train loss < 1e-2", "train_loss", -1, 1e-2, 268),
    ("test loss < 1", "test_loss", -1, 1.0, 9866),
    ("test loss < 0.1", "test_loss", -1, 0.1, 10302),
    ("test loss < 1e-2", "test_loss", -1, 1e-2, 10702),
    ("test loss < 1e-3", "test_loss", -1, 1e-3, 11147),
    ("test loss < 1e-6", "test_loss", -1, 1e-6, 13704),
    ("test accuracy > 0.5", "test_accuracy", 1, 0.5, 9381),
    ("test accuracy > 0.9", "test_accuracy", 1, 0.9, 10109),
    ("test accuracy > 0.99", "test_accuracy", 1, 0.99, 10553),
)


def nearest(scalars: pl.DataFrame, epoch: int) -> dict[str, float]:
    return scalars.sort((pl.col("step") - epoch).abs()).row(0, named=True)


def first(scalars: pl.DataFrame, measure: str, side: int, value: float) -> int | None:
    return scalars.filter((pl.col(measure) - value) * side > 0)["step"].min()  # pyright: ignore[reportReturnType]


def main() -> None:
    parser = argparse.ArgumentParser(description="compare a nanda2023 run with the published mainline")
    parser.add_argument("run")
    scalars = latebloom.open(parser.parse_args().run).scalars
    print(
        "| epoch | test loss, paper | ours | train loss, paper | ours | Σw², paper | ours | test acc., paper | ours |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for epoch, published in PUBLISHED.items():
        row = nearest(scalars, epoch)
        pairs = " | ".join(f"{theirs:.3g} | {row[name]:.3g}" for theirs, name in zip(published, COLUMNS, strict=True))
        print(f"| {epoch} | {pairs} |")
    print("\n| landmark, first epoch | paper | ours | ours / paper |")
    print("|---|---|---|---|")
    for title, measure, side, value, epoch in LANDMARKS:
        ours = first(scalars, measure, side, value)
        print(f"| {title} | {epoch} | {ours} | {ours / epoch if ours else float('nan'):.3f} |")
    peak = scalars.sort("test_loss").row(-1, named=True)
    print(f"\nTest loss peaks at {peak['test_loss']:.1f}, epoch {peak['step']}.")


if __name__ == "__main__":
    main()
