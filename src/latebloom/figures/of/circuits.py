"""Figures of what `latebloom analyse` has found: ablations with controls, progress with the final frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.circuits.stored import read_circuit
from latebloom.figures.reading import Log, NoFigureError, curve, steps_axis
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Figure, Line, Panel, Scale
from latebloom.store import StoreError
from latebloom.store.layout import read_json

if TYPE_CHECKING:
    from latebloom.store import Run

GROUPS = {"Neurons of the last MLP layer": "Neurons", "Logits: restricted and excluded losses": "Logits"}
MOST = 14


@figure(needs="`latebloom analyse` of the run")
def ablations(run: Run, *, at: int | None = None) -> Figure:
    """Ablations of neurons and logits: the loss of each beside its random controls and the whole network."""
    steps = Log(run).checkpoints("ablations")
    step = steps[-1] if at is None else at
    try:
        record, _ = read_circuit(run, step)
    except StoreError as error:
        raise NoFigureError(_analyse("ablations", run, at, str(error))) from error
    baseline = float(record["baseline"]["loss_all"])
    panels = []
    for group, title in GROUPS.items():
        rows = [a for a in record["ablations"] if a["group"] == group][:MOST]
        if rows:
            panels.append(_losses(title, rows, baseline))
    note = "Grey: random choices of the same size, their median, least and greatest. All pairs; the key "
    note += f"frequencies are {', '.join(map(str, record['keys'])) or 'none'}."
    title = f"Ablations at step {step} · {Log(run).title}"
    return Figure("ablations", title, tuple(panels), note, columns=1, height=3.6)


def _analyse(name: str, run: Run, at: int | None, why: str) -> str:
    step = "" if at is None else f" --at {at}"
    return f"{name} needs the circuit of {run.id} ({why.splitlines()[0]}): `latebloom analyse {run.folder}{step}`"


def _losses(title: str, rows: list[dict[str, Any]], baseline: float) -> Panel:
    places = np.arange(len(rows), dtype=float)
    loss = np.array([_number(row["score"]["loss_all"]) for row in rows])
    controls = [(row["control"] or {}).get("median_least_greatest", {}).get("loss_all") for row in rows]
    median, least, greatest = (np.array([_number(c[i]) if c else np.nan for c in controls]) for i in range(3))
    ticks = tuple((float(i), str(row["title"])) for i, row in enumerate(rows))
    known = np.concatenate([loss, median, [baseline]])
    low = float(known[np.isfinite(known) & (known > 0)].min())
    gap = np.full(len(rows), np.nan)
    ranges = np.stack([least, greatest, gap], axis=1).flatten(), np.repeat(places + 0.18, 3)
    dots = (
        Line(*ranges, ink="quiet"),
        Line(median, places + 0.18, "at random: median, range", "five", marker="diamond", joined=False),
        Line(loss, places - 0.18, "ablated", "one", marker="circle", joined=False),
    )
    whole = Line(np.full(2, baseline), np.array([-0.6, len(rows) - 0.4]), "whole network", "test", thin=True)
    x = Axis("loss over all pairs", "nats", "log", (low / 3, float(np.nanmax(np.append(known, greatest))) * 2))
    y = Axis("what is replaced", range=(len(rows) - 0.4, -0.6), ticks=ticks)
    return Panel(title, x, y, (whole, *dots))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


@figure(needs="`latebloom analyse` of the run")
def progress_final(run: Run, *, scale: Scale = "linear") -> Figure:
    """Progress measures with the final network's key frequencies, as Nanda et al. 2023 draw them."""
    log = Log(run)
    try:
        found = read_json(run.folder / "circuit" / "over-training.json")
    except FileNotFoundError:
        why = "its checkpoints have not been followed with the final frequencies"
        raise NoFigureError(_analyse("progress-final", run, None, why)) from None
    table = found["curves"]
    steps = np.array(table["step"], dtype=float)

    def lines(*named: tuple[str, str, str]) -> tuple[Line, ...]:
        rows = [
            (np.array([_number(v) for v in table[name]]), label, ink) for name, label, ink in named if name in table
        ]
        return tuple(curve(steps, values, label if len(named) > 1 else "", ink) for values, label, ink in rows)

    losses = (("test_loss", "test", "test"), ("train_loss", "train", "train"))
    nats = Axis("loss", "nats", "log")
    every = ("excluded_loss_all_frequencies", "excluded, all frequencies", "four")
    panels = (
        ("Excluded loss", nats, lines(("excluded_loss", "excluded, train", "two"), every, *losses)),
        ("Restricted loss", nats, lines(("restricted_loss_all", "restricted, all pairs", "one"), *losses)),
        ("Gini of Fourier norms", Axis("Gini: 0 all equal, 1 one frequency"),
         lines(("gini_fourier_W_E", "W_E", "three"), ("gini_fourier_W_L", "W_L", "one"))),
        ("Sum of squared weights", Axis("Σw²"), lines(("weight_norm_sq", "", "ink"))),
    )  # fmt: skip
    shown = tuple(Panel(title, steps_axis(scale), y, parts) for title, y, parts in panels)
    note = (
        f"Key frequencies {', '.join(map(str, found['keys']))} of the final network, at every checkpoint: these curves "
    )
    note += "know the future."
    title = f"Progress measures, final frequencies · {log.title}"
    return Figure("progress-final", title, shown, note, phases=log.spans, marks=log.marks)
