"""Draws every figure on light and on dark ground into docs/images/figures, and writes docs/figures.md around them.

python docs/draw_figures.py [--runs DIR] [NAME …]

What is not there yet is trained first: five runs of `quick`, a fork of one and one of `s5` (about 20 minutes).
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import latebloom
from latebloom.analysis.circuits import analyse_circuit
from latebloom.analysis.circuits.over_training import over_training
from latebloom.analysis.circuits.stored import store_circuit, store_over_training
from latebloom.analysis.outcomes import open_outcomes
from latebloom.experiment import run_experiment
from latebloom.figures.registry import Kind, kinds
from latebloom.figures.spec import Figure, Theme
from latebloom.figures.still import picture
from latebloom.spec import override, read, resolve
from latebloom.store import Run

HERE = Path(__file__).parent
PICTURES = HERE / "images" / "figures"
DPI, COMMON, OTHERS = 100, 64, 192
MOST_BYTES = 60 * 1024

SLOW = ("alignment", "curvature", "circuit-size")
"""Figures of measures that cost too much for most runs."""
STRIDES = {"alignment": 3, "alignment-update": 3, "circuit-size": 3, "spectrum": 6, "spectrum-density": 15}
"""Log rows from one taking of each to the next: dense enough for a curve."""

WORDS = {"survival": "--by weight-decay", "scaling": "--by weight-decay", "phase-map": "--x lr --y weight-decay"}
OPTIONS = {
    "survival": {"by": "weight-decay"},
    "scaling": {"by": "weight-decay"},
    "phase-map": {"x": "lr", "y": "weight-decay"},
}
STUDIES = {"survival": "lambda", "scaling": "lambda", "phase-map": "phases"}

INTRODUCTION = """# Figures

```
latebloom figures                                     # all of them, with what a run must hold
latebloom figure curves RUN -o curves.png             # or .svg, .pdf, .html
latebloom figure progress RUN -o p.html --theme dark --scale log
```

An HTML file holds Plotly's script (5 MB), asks nothing of the network, and needs `pip install latebloom[figures]`. In a
notebook a figure shows itself:

```python
import latebloom

run = latebloom.open("runs/quick/seed-0-…")
figure = latebloom.figures.progress(run)  # `-` in a name is `_` here
figure.save("progress.svg", "dark")
```

A figure is plain data (`latebloom.figures.Figure`: panels, axes with units, lines, heat maps, phases, events): both
renderers draw the same numbers. Phases are shaded and named; an event is a mark with its interval as a bar. What a run
cannot give is said in one line, with the command that changes it. Curves with few points show each of them; a measure
that was taken fewer than four times is points without a line.

Costly measures (curvature, kernel, learning coefficient, circuit size) are taken at one log row in 50 to 5000, in a
short run so that there are some 20 takings. `--log.strides` sets how many log rows apart single measures are taken, as
a table in a spec or on the command line; the denser curves below are of

```
latebloom run quick --log.measures default,alignment,alignment-update,circuit-size,spectrum,spectrum-density \\
  --log.strides '{alignment = 3, alignment-update = 3, circuit-size = 3, spectrum = 6, spectrum-density = 15}'
```

The pictures below are of `quick` (a + b mod 59, 2800 steps), one of `s5`, and of stored studies; `make figures` draws
them anew.
"""


def small(figure: Figure, theme: Theme) -> bytes:
    """A PNG with few colours."""
    image = Image.open(io.BytesIO(picture(figure, "png", theme, DPI))).convert("RGB")
    # the commonest as they are, so that shadings and thin lines keep their hues; of the others those nearest to most
    colours, counts = np.unique(np.asarray(image).reshape(-1, 3), axis=0, return_counts=True)
    common = colours[np.argsort(-counts, kind="stable")[:COMMON]]
    others = image.quantize(OTHERS, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common.flatten().tolist(), *others])
    file = io.BytesIO()
    # without dithering: flat shading stays flat, and compresses
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


@cache
def trained(root: Path, **settings: str) -> Run:
    """A run of `quick` with other settings; what is finished is not trained again."""
    changes = {name.replace("__", "."): value for name, value in settings.items()}
    return run_experiment(resolve(override(read("quick")[1], changes)), root, "quick", threads=1)


@cache
def analysed(root: Path) -> Run:
    """The run that most figures are of, its circuit taken apart."""
    run = trained(root, checkpoints__every="100")
    if not (run.folder / "circuit" / "over-training.json").is_file():
        circuit = analyse_circuit(run)
        store_circuit(run, circuit)
        store_over_training(run, over_training(run, circuit.keys).to_json())
    return run


def dense(root: Path) -> Run:
    """The same run with the costly measures at many steps."""
    strides = ", ".join(f"{name} = {rows}" for name, rows in STRIDES.items())
    measures = ",".join(["default", *STRIDES])
    return trained(root, checkpoints__every="100", log__measures=measures, log__strides=f"{{{strides}}}")


@cache
def composed(root: Path) -> Run:
    """A run of the preset `s5` with the measures of its group, which the preset leaves out."""
    changes = {"log.measures": "light,irreps,irrep-shares", "stop.after": "3000"}
    return run_experiment(resolve(override(read("s5")[1], changes)), root, "s5", threads=1)


def seeds(root: Path) -> list[Run]:
    """Three runs that differ in their seed."""
    settings = {"steps": "8000", "checkpoints__every": "100"}
    return [trained(root, **settings, **({"seed": str(seed)} if seed else {})) for seed in range(3)]


def forked(root: Path) -> list[Run]:
    """A fork without weight decay, at the step of grokking, and its twin."""
    parent = seeds(root)[0]
    words = ["fork", str(parent.folder), "--runs", str(root), "--at", "grokked", "--set", "optim.weight_decay=0"]
    code = "from latebloom.cli import main; main()"
    call = [sys.executable, "-c", code, *words, "--steps", "600", "--threads", "1", "--json"]
    said = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return [latebloom.open(root / "forks" / said["forks"][0]["fork"]), parent]


def subjects(kind: Kind, root: Path) -> list[Any]:
    """What a figure is drawn of."""
    if kind.of == "study":
        return [open_outcomes(str(HERE.parent / "studies" / "results" / f"{STUDIES[kind.name]}.parquet"), root)]
    if kind.of == "runs":
        return list(forked(root) if kind.name == "fork" else seeds(root))
    if kind.name == "irreps":
        return [composed(root)]
    return [dense(root) if kind.name in SLOW else analysed(root)]


def entry(kind: Kind) -> str:
    """A figure's part of the page."""
    what = {"run": "RUN", "runs": "FORK [TWIN]" if kind.name == "fork" else "RUN RUN …", "study": "STUDY"}[kind.of]
    command = " ".join(filter(None, ["latebloom figure", kind.name, what, WORDS.get(kind.name, ""), "-o FILE"]))
    options = " ".join(f"`--{option}`" for option in kind.options)
    lines = [f"## {kind.name}", "", f"{kind.about}. Needs {kind.needs}.", "", f"`{command}`"]
    lines += ["", f"Options: {options}."] if options else []
    pictures = [f"![{kind.name}, {theme}](images/figures/{kind.name}-{theme}.png)" for theme in ("light", "dark")]
    return "\n".join([*lines, "", *pictures])


def main() -> None:
    """Draws what was named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    asked = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in asked.names or kinds():
        kind = kinds()[name]
        figure = kind.build(*subjects(kind, asked.runs), **OPTIONS.get(name, {}))
        for theme in ("light", "dark"):
            path = PICTURES / f"{name}-{theme}.png"
            path.write_bytes(small(figure, theme))
            size = path.stat().st_size
            print(f"{path.name}: {size / 1024:.0f} KiB{' (too large)' if size > MOST_BYTES else ''}", flush=True)
    page = "\n\n".join([INTRODUCTION.rstrip(), *map(entry, kinds().values())])
    (HERE / "figures.md").write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
