"""How long it takes to read the runs and all scalars of a study of 1000 finished runs, for the first time and again.

    python benchmarks/reading.py [--runs 1000] [--rows 150] [--scalars 60] [--folder DIR]

The runs are made through the store itself, with random numbers and without checkpoints; a folder that is given is kept,
and used again when it holds them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from latebloom.store import Axis, Index, RunWriter, StudyFile, StudyRun, open_run, open_study, write_study

READ = """
import time, sys
began = time.perf_counter()
import latebloom
study = latebloom.open_study(sys.argv[1])
imported = time.perf_counter()
runs = study.runs
framed = time.perf_counter()
{what}
print(f"{{imported - began:.3f}} {{framed - imported:.3f}} {{time.perf_counter() - framed:.3f}} {{len(runs)}}")
"""
WHOLE = "frame = study.scalars(); assert frame.sum().height"
TWO = "frame = study.scalars('m0', 'm1'); assert frame.sum().height"


def make(root: Path, runs: int, rows: int, scalars: int) -> Path:
    """A study of finished runs."""
    folder = root / "reading"
    axis = Axis("optim.weight_decay", ("optim.weight_decay",), tuple(range(runs)))
    ids = [f"seed-0-{i:010x}" for i in range(runs)]
    plan = tuple(StudyRun(run_id, {axis.name: i}, 0) for i, run_id in enumerate(ids))
    write_study(folder, StudyFile("reading", "", {}, (axis,), (0,), plan))
    rng = np.random.default_rng(0)
    found = {"step": 50, "interval": [49, 50], "censored_at": None}
    for run_id in ids:
        if (folder / run_id / "manifest.json").exists():
            continue
        with RunWriter.open(root, "reading", run_id, {}, {}, rows) as writer:
            values = rng.normal(size=(rows, scalars))
            for step in range(rows):
                writer.log(step, {f"m{i}": float(value) for i, value in enumerate(values[step])})
            final = {f"m{i}": float(value) for i, value in enumerate(values[-1])}
            writer.finish([{"name": "grokked", "found": found}], {"final": final, "last_step": rows})
    return folder


def report(name: str, folder: Path, what: str) -> None:
    """Reads in a process of its own, three times, and prints the quickest."""
    times = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", READ.format(what=what), str(folder)], capture_output=True, text=True, check=True
        )
        times.append([float(word) for word in done.stdout.split()])
    opened, framed, read, runs = min(times, key=lambda t: sum(t[:3]))
    print(f"{name:28} import and open {opened:.2f} s, runs {framed:.3f} s, scalars {read:.3f} s ({runs:.0f} runs)")


def main() -> None:
    """Makes the study, and reads it in several ways."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("runs", 1000), ("rows", 150), ("scalars", 60)):
        words.add_argument(f"--{name}", type=int, default=default)
    words.add_argument("--folder", type=Path)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make(asked.folder or Path(temporary), asked.runs, asked.rows, asked.scalars)
        gathered = folder / "gathered"
        for file in gathered.glob("*"):
            file.unlink()
        began = time.perf_counter()
        for run in open_study_ids(folder):
            assert open_run(folder / run).scalars.height
        print(f"{'one by one':28} {time.perf_counter() - began:.2f} s")
        began = time.perf_counter()
        open_study(folder)
        print(f"{'gathering them (once)':28} {time.perf_counter() - began:.2f} s")
        size = sum(file.stat().st_size for file in gathered.glob("*.parquet"))
        print(f"{'gathered files':28} {size / 1e6:.0f} MB")
        report("all scalars, summed", folder, WHOLE)
        report("two scalars, summed", folder, TWO)
        began = time.perf_counter()
        Index(folder.parent).runs()
        Index(folder.parent).runs()
        print(f"{'the index, twice':28} {time.perf_counter() - began:.2f} s")


def open_study_ids(folder: Path) -> list[str]:
    """The ids of the study's runs."""
    from latebloom.store import read_study

    return [run.id for run in read_study(folder).runs]


if __name__ == "__main__":
    main()
