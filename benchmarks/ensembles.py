"""Run-steps a second of many runs together.

    python benchmarks/ensembles.py                 eight mainline runs side by side on the CPU, and one after the other
    python benchmarks/ensembles.py --crossover     whether a CPU should lift: networks of several widths
    python benchmarks/ensembles.py --device cuda   64 mainline runs lifted, against the ordinary eager loop running one

The mainline is Nanda et al. 2023: 3830 pairs mod 113, one layer, AdamW, float64 log-softmax. One after the other means
with as many threads as `latebloom run` would take. Idle machines only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from latebloom.process import cores, prepare_process

prepare_process()

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))
from variants import dense

from latebloom.ensemble import run_ensemble
from latebloom.spec import RunSpec, override, read, resolve
from latebloom.training import Ensemble, Setup, multiply_adds, update

CROSSOVER = ("4", "8", "16", "32", "64")
"""Widths of the networks that are tried, on p = 23."""


def mainlines(words: argparse.Namespace) -> list[RunSpec]:
    """The mainline with seeds of its own for each run."""
    changes = {"steps": str(words.steps), "device": words.device, "log.measures": "none", "task.p": str(words.p)}
    changes |= {"log.every": "50", "checkpoints.every": str(words.steps)}
    return [resolve(override(read("nanda2023")[1], changes | {"seed": str(seed)})) for seed in range(words.runs)]


def side_by_side(words: argparse.Namespace) -> None:
    """Both engines from start to end, the store and the log rows included."""
    specs, rates = mainlines(words), {}
    for engine in ("one-by-one", "side-by-side"):
        seen: list[float] = []
        with tempfile.TemporaryDirectory() as root:
            began = time.perf_counter()
            outcomes = run_ensemble(
                specs,
                Path(root),
                "bench",
                engine=engine,
                watch=lambda *row, seen=seen: seen.append(time.perf_counter()),
            )
            ended = time.perf_counter()
        assert {outcome.state for outcome in outcomes} == {"done"}, outcomes
        total = len(specs) * words.steps
        rates[engine] = total / (ended - seen[0])
        print(
            f"{engine:14}{rates[engine]:8.1f} run-steps a second, {total / (ended - began):.1f} with the start of the "
            f"processes ({seen[0] - began:.1f} s)"
        )
    print(f"{'ratio':14}{rates['side-by-side'] / rates['one-by-one']:8.2f}   ({cores()} cores)")


def crossover(runs: int) -> None:
    """Runs lifted on one thread, against one-thread processes on every core (assumed not to disturb each other).

    In seconds of CPU time, which other work on the machine hardly touches.
    """
    torch.set_num_threads(1)
    print(f"{'d_model':>8}{'multiply-adds':>15}{'lifted, ms a run-step':>24}{'alone':>8}{'side by side':>14}")
    for width in CROSSOVER:
        changes = {"task.p": "23", "model.d_model": width, "model.d_mlp": str(4 * int(width))}
        specs = [resolve(override(read("quick")[1], changes | {"seed": str(seed)})) for seed in range(runs)]
        setups = [Setup.of(spec) for spec in specs]
        ensemble = Ensemble(setups, [setup.initial_state() for setup in setups])
        state = [setups[0].initial_state()]

        def step(state: list = state, setup: Setup = setups[0]) -> None:
            state[0] = update(setup, state[0])

        lifted = seconds_of(lambda ensemble=ensemble: ensemble.advance(5), time.process_time) / 5 / runs
        alone = seconds_of(lambda: [step() for _ in range(5)], time.process_time) / 5
        size = multiply_adds(setups[0])
        print(f"{width:>8}{size:15.2g}{lifted * 1e3:24.2f}{alone * 1e3:8.2f}{alone * 1e3 / cores():14.2f}")


def seconds_of(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """The least of several, the first and slower call left out."""
    call()
    times = []
    for _ in range(7):
        before = clock()
        call()
        times.append(clock() - before)
    return min(times)


def lifted(words: argparse.Namespace) -> None:
    """The captured update of many runs, against the plain eager loop of one; then whole runs, store included."""
    specs = mainlines(words)
    setups = [Setup.of(spec) for spec in specs]
    wait = torch.cuda.synchronize if words.device == "cuda" else lambda: None
    step = dense(setups[0], setups[0].initial_state(), evaluate=False)

    def eager() -> None:
        for _ in range(words.updates):
            step()
        wait()

    ensemble = Ensemble(setups, [setup.initial_state() for setup in setups])

    def together() -> None:
        ensemble.advance(words.updates)
        wait()

    name = torch.cuda.get_device_name() if words.device == "cuda" else "the CPU (a try of the script, not a result)"
    print(f"{len(specs)} runs on {name}, float32 products {torch.backends.cuda.matmul.fp32_precision}")
    one = words.updates / seconds_of(eager)
    many = words.updates * len(specs) / seconds_of(together)
    print(f"ordinary eager loop, one run {one:10.1f} run-steps a second")
    print(f"lifted, captured: {ensemble.captured!s:5}      {many:10.1f}   ratio {many / one:.1f}")
    if words.device == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    del ensemble
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        outcomes = run_ensemble(specs, Path(root), "bench", engine="lifted")
        print(f"{len(specs)} × {words.steps} steps, stored and logged: {time.perf_counter() - began:.0f} s")
    assert {outcome.state for outcome in outcomes} == {"done"}, outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description="time ensembles of the mainline")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--lifted", action="store_true", help="the lifted update, on a CPU too (to try the script)")
    parser.add_argument("--crossover", action="store_true")
    parser.add_argument("--runs", type=int, default=None, help="default: 8 on a CPU, 64 on a GPU")
    parser.add_argument("--steps", type=int, default=None, help="of whole runs; default: 600 on a CPU, 25 000 on a GPU")
    parser.add_argument("--updates", type=int, default=50, help="that are timed at once")
    parser.add_argument("--p", type=int, default=113)
    words = parser.parse_args()
    on_gpu = words.device == "cuda"
    words.runs = words.runs or (64 if on_gpu else 8)
    words.steps = words.steps or (25_000 if on_gpu else 600)
    if words.crossover:
        crossover(words.runs)
    elif words.lifted or on_gpu:
        lifted(words)
    else:
        side_by_side(words)


if __name__ == "__main__":
    main()
