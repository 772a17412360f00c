"""Trains the run that ships with the package and puts it into src/latebloom/dashboard/shipped: `make example`.

The spec below decides the run. Of what is stored, the optimiser's state is left out of each checkpoint, and all
checkpoints but those of `kept`; provenance.json says so, and the manifest lists what is there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from latebloom.analysis import event_from_json
from latebloom.dashboard.example import GROUP, ROOT
from latebloom.experiment import run_experiment
from latebloom.process import prepare_process
from latebloom.spec import override, read, resolve
from latebloom.store import Run, checkpoints
from latebloom.store.layout import Layout, write_json

SETTINGS = {
    "task.p": "43",
    "split.fraction": "0.4",
    "model.d_model": "48",
    "model.n_heads": "2",
    "model.d_mlp": "96",
    "optim.weight_decay": "2",
    "steps": "4000",
    "log.every": "40",
    "checkpoints.every": "20",
}
MOST_BYTES = 2_000_000
KEPT = 13
"""Checkpoints that are kept: the first, the last, and others at even distances of log(1 + step / 100)."""


def main() -> None:
    """Trains in a temporary folder, thins, and replaces what ships."""
    prepare_process()
    spec = resolve(override(read("quick")[1], SETTINGS))
    with tempfile.TemporaryDirectory() as place:
        run = run_experiment(spec, Path(place), GROUP, threads=1)
        thin(run)
        shutil.rmtree(ROOT, ignore_errors=True)
        shutil.copytree(run.folder, ROOT / GROUP / run.id)
        steps = {event.name: event.found.step for event in map(event_from_json, run.events)}
    size = sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file())
    print(f"{GROUP}/{run.id}: {size:,} bytes; memorised {steps['memorised']}, generalised {steps['generalised']}")
    if size > MOST_BYTES:
        raise SystemExit(f"expected at most {MOST_BYTES:,} bytes: keep fewer checkpoints")


def thin(run: Run) -> None:
    """Leaves out what a reader does not need, and says so in provenance and manifest."""
    layout = Layout(run.folder)
    kept = spread(run.checkpoints)
    for step in run.checkpoints:
        path = checkpoints.file_of(layout.checkpoints, step)
        tensors, meta = checkpoints.load(path)
        path.unlink()
        if step in kept:
            weights = {name: tensor for name, tensor in tensors.items() if name.startswith(checkpoints.PARAMS)}
            checkpoints.save(path, weights, meta)
    for path in (layout.lock, layout.status, layout.report):
        path.unlink(missing_ok=True)
    left_out = "the optimiser's state in every checkpoint, and all checkpoints but those here"
    made = {"made_by": "scripts/example.py", "left_out": left_out}
    write_json(layout.provenance, {**run.provenance, "command": "make example", "shipped": made})
    manifest = json.loads(layout.manifest.read_text("utf-8"))
    manifest["files"] = {
        name: facts | {"bytes": (run.folder / name).stat().st_size}
        for name, facts in manifest["files"].items()
        if (run.folder / name).is_file()
    }
    write_json(layout.manifest, manifest)


def spread(steps: list[int]) -> set[int]:
    """At most `KEPT` of the steps."""
    last = steps[-1]
    wanted = [100 * ((1 + last / 100) ** (i / (KEPT - 1)) - 1) for i in range(KEPT)]
    return {min(steps, key=lambda step: abs(step - w)) for w in wanted}


if __name__ == "__main__":
    main()
