"""The mainline's step time: ours against the ordinary ways to write it, and against the machine's own matrix products.

    make bench            (or: python benchmarks/training.py --rounds 10 --threads 2)

Every variant trains the same network (Nanda et al. 2023: 3830 pairs mod 113, one layer, AdamW, float64 log-softmax),
in a process of its own, in turn, round after round, and stands still while others are timed; the ratios are medians
over rounds. The ordinary loops run as a notebook runs them, PyTorch's defaults everywhere. Ours runs as latebloom's
command does, with threads that sleep while they wait, and once with threads that spin as PyTorch's do by default
(`OMP_WAIT_POLICY=ACTIVE latebloom run …`, for an idle machine). First from the initial weights, then from those after
4000 steps: a network that has memorised has softmax entries below 1e-38, which float32 holds as denormal numbers, and
processors multiply with those a hundred times slower.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from latebloom.process import default_threads, prepare_process

# this process must not spin while others are timed
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
prepare_process()

import torch
from torch.profiler import ProfilerActivity, profile
from turns import take_turns
from variants import OURS, STEPS, ours

from latebloom.spec import read, resolve
from latebloom.store import checkpoints
from latebloom.training import Setup, TrainState, multiply_adds, update

SPINNING = {"OMP_WAIT_POLICY": "ACTIVE"}
VARIANTS = {
    "ours, threads spin": (OURS, SPINNING),
    "ours, threads sleep": (OURS, {}),
    "(a) ordinary dense loop": ("dense", {}),
    "(b) the same, test set every step": ("dense-tested", {}),
    "(c) TransformerLens' model": ("lens", {}),
}


def matrix_rate() -> float:
    """Multiply-adds a second of a large float32 matrix product, the best of several."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    a @ b
    seconds = []
    for _ in range(8):
        before = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - before)
    return 2048**3 / min(seconds)


def measure(start: TrainState, rounds: int) -> dict[str, list[float]]:
    """Seconds a step of every variant in every round; TransformerLens' from its own initial weights, if at all."""
    lens = start.step == 0 and importlib.util.find_spec("transformer_lens") is not None
    script, threads = str(Path(__file__).with_name("variants.py")), str(torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "state.safetensors"
        checkpoints.save(stored, start.tensors(), {"step": start.step})
        commands = {
            title: ((sys.executable, script, name, threads, str(stored)), env)
            for title, (name, env) in VARIANTS.items()
            if name != "lens" or lens
        }
        return take_turns(commands, rounds)


def print_profile(setup: Setup, start: TrainState) -> None:
    step = ours(setup, start)
    step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(STEPS):
            step()
    rows = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    print("\nwhere our step's time goes (self time of each operation)")
    for row in rows[:14]:
        print(f"  {row.self_cpu_time_total / total:6.1%}  {row.count // STEPS:4d}×  {row.key}")


def compare(setup: Setup, start: TrainState, rounds: int) -> None:
    """Prints the table of all variants from one state."""
    seconds = measure(start, rounds)
    rate, products = matrix_rate(), multiply_adds(setup)
    base = next(iter(seconds.values()))
    print(f"mainline from step {start.step}, {torch.get_num_threads()} threads, {rounds} rounds of {STEPS} steps")
    print(f"{'':36}{'ms a step':>10}{'least':>8}{'ratio to ours':>15}")
    for name, times in seconds.items():
        ratio = statistics.median(t / o for t, o in zip(times, base, strict=True))
        print(f"{name:36}{statistics.median(times) * 1e3:10.1f}{min(times) * 1e3:8.1f}{ratio:15.2f}")
    floor = products / rate
    print(f"{'(d) our matrix products alone':36}{floor * 1e3:10.1f}{'':8}{floor / statistics.median(base):15.2f}")
    print(f"    {products / 1e9:.3f} G multiply-adds at {rate / 1e9:.0f} G/s, the rate of a 2048³ product here")
    if start.step == 0 and not any("(c)" in name for name in seconds):
        print("(c) is left out: TransformerLens is not installed (pip install 'latebloom[interp]')")
    print_profile(setup, start)


def main() -> None:
    parser = argparse.ArgumentParser(description="time one training step of the mainline")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=None, help="default: what `latebloom run` would take")
    parser.add_argument("--after", type=int, default=4000, help="steps of training before the second table; 0: none")
    words = parser.parse_args()
    setup = Setup.of(resolve(read("nanda2023")[1]))
    torch.set_num_threads(words.threads or default_threads(multiply_adds(setup)))
    state = setup.initial_state()
    compare(setup, state, words.rounds)
    if words.after:
        while state.step < words.after:
            state = update(setup, state)
        print()
        compare(setup, state, words.rounds)


if __name__ == "__main__":
    main()
