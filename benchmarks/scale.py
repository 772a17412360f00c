"""Memory and time of the largest tables: parity, S_5, p = 401, width 1024. Each in a process of its own.

python benchmarks/scale.py            all of them, one line each
python benchmarks/scale.py s5 p401    some of them
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

SETTINGS = {
    "parity": {"task.name": "parity", "model.name": "mlp", "model.widths": "[1000]", "split.fraction": "0.5"},
    "s5": {"task.name": "group", "task.equation": "a b", "model.name": "mlp", "model.widths": "[128]"}
    | {"model.d_model": "256", "split.fraction": "0.4"},
    "s5-transformer": {"task.name": "group", "split.fraction": "0.4"},
    "p113": {"task.p": "113", "model.d_mlp": "512", "split.fraction": "0.3"},
    "width1024": {"task.p": "113", "model.d_mlp": "1024", "model.d_model": "1024", "split.fraction": "0.3"},
    "p401": {"task.p": "401", "model.d_mlp": "512", "split.fraction": "0.1"},
    "p401-batch": {"task.p": "401", "model.d_mlp": "512", "split.fraction": "0.3", "batch": "4096"},
}
STEPS = 5


def measure(name: str) -> dict[str, float]:
    """Seconds a step and a light log row, and the peak of resident memory after each, MiB."""
    import torch

    from latebloom import measures
    from latebloom.experiment import subject_of
    from latebloom.spec import override, read, resolve
    from latebloom.training import Setup, update

    torch.set_num_threads(2)
    setup = Setup.of(resolve(override(read("quick")[1], SETTINGS[name])))
    state, subject = setup.initial_state(), subject_of(setup)
    before = _peak()
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        state = update(setup, state)
        seconds.append(time.perf_counter() - start)
    trained = _peak()
    start = time.perf_counter()
    measures.take(measures.Probe(subject, state.params), measures.chosen("light"))
    row = time.perf_counter() - start
    return {
        "examples": len(setup.examples),
        "trained on": len(setup.train) if setup.spec.batch == "full" else int(setup.spec.batch),
        "step ms": 1e3 * statistics.median(seconds),
        "row s": row,
        "set up MiB": before,
        "training MiB": trained,
        "measuring MiB": _peak(),
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SETTINGS), help=f"some of {', '.join(SETTINGS)}")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.names[0])))
        return
    print("| setting | examples | trained on | step, ms | light log row, s | peak MiB: set up, training, measuring |")
    print("|---|---|---|---|---|---|")
    for name in asked.names:
        # peaks of memory never fall, so that each setting needs a process that has done nothing else
        run = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
        found = json.loads(run.stdout)
        sizes = " | ".join(f"{found[key]:,}" for key in ("examples", "trained on"))
        peaks = ", ".join(f"{found[key]:,.0f}" for key in ("set up MiB", "training MiB", "measuring MiB"))
        print(f"| {name} | {sizes} | {found['step ms']:.0f} | {found['row s']:.2f} | {peaks} |", flush=True)


if __name__ == "__main__":
    main()
