"""How the cost of a step and the memory grow: with p, width, the number of runs trained together, and the steps done.

    python benchmarks/growth.py            four tables, each cell in a process of its own
    python benchmarks/growth.py runs --device cuda

The base is `quick` (one layer, d_model 128, 45 % of the pairs) on one thread, and for runs together p = 23 and d_model
32, where a GPU has most to gain. Medians; peaks are of resident memory, on CUDA of the device's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

AXES = {
    "p": (23, 59, 113, 197),
    "d_model": (32, 64, 128, 256, 512),
    "runs": (1, 2, 4, 8, 16, 32),
    "steps": (10, 100, 1000),
}
SMALL = {"task.p": "23", "model.d_model": "32", "model.d_mlp": "64"}


def changes(axis: str, value: int) -> dict[str, str]:
    """The fields of `quick` that a cell sets."""
    if axis == "p":
        return {"task.p": str(value)}
    if axis == "d_model":
        return {"model.d_model": str(value), "model.d_mlp": str(2 * value)}
    return SMALL


def measure(axis: str, value: int, device: str) -> dict[str, float]:
    """Milliseconds of a step of one run, multiply-adds of it, and the peak of memory in MiB."""
    import torch

    from latebloom.spec import override, read, resolve
    from latebloom.training import Ensemble, Setup, multiply_adds

    torch.set_num_threads(1)
    runs = value if axis == "runs" else 1
    base = changes(axis, value) | {"device": device}
    setups = [Setup.of(resolve(override(read("quick")[1], base | {"seed": str(s)}))) for s in range(runs)]
    advance = single(setups[0]) if runs == 1 else Ensemble(setups, [s.initial_state() for s in setups]).advance
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    advance(2)
    seconds = []
    many = value // 5 if axis == "steps" else 4
    for _ in range(5):
        wait()
        began = time.perf_counter()
        advance(many)
        wait()
        seconds.append((time.perf_counter() - began) / many / runs)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else 1024 * resource.getrusage(0).ru_maxrss
    return {"ms": 1e3 * statistics.median(seconds), "products": multiply_adds(setups[0]), "MiB": memory / 2**20}


def single(setup):
    """Steps of one run alone."""
    from latebloom.training import update

    state = [setup.initial_state()]

    def advance(count: int) -> None:
        for _ in range(count):
            state[0] = update(setup, state[0])

    return advance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axes", nargs="*", default=list(AXES), help=f"some of {', '.join(AXES)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.axes[0], asked.one, asked.device)))
        return
    for axis in asked.axes:
        print(f"\n| {axis} | ms a step of one run | multiply-adds of it | a second, 1e9 | peak MiB |")
        print("|---|---|---|---|---|")
        for value in AXES[axis]:
            # peaks of memory never fall, so that each cell needs a process that has done nothing else
            command = [sys.executable, __file__, axis, "--device", asked.device, "--one", str(value)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rate = found["products"] / found["ms"] / 1e6
            print(
                f"| {value} | {found['ms']:.2f} | {found['products']:.2g} | {rate:.1f} | {found['MiB']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
