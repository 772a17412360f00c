"""Figures of Fourier structure along the task's cyclic group: embedding, unembedding, neurons, logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from latebloom.figures.reading import Log, network, over_steps, steps_axis
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Bars, Figure, Heat, Panel
from latebloom.measures.cyclic import CyclicLogits, CyclicTable
from latebloom.measures.fourier import embedding_rows, frequency_of, spectrum, spectrum2d, unembedding_rows
from latebloom.measures.keys import key_frequencies
from latebloom.measures.neurons import last_neurons, missing_neurons
from latebloom.views.thinning import steps_to_keep

if TYPE_CHECKING:
    from latebloom.store import Run

MOST_COLUMNS = 240
"""Steps that a heat map shows: more than its pixels can tell apart."""


@figure(needs="a checkpoint, and a task with a cyclic group")
@torch.no_grad()
def fourier_norms(run: Run, *, at: int | None = None) -> Figure:
    """Fourier norms of W_E and W_L at one step, cosines and sines apart, key frequencies named."""
    step, probe = network("fourier-norms", run, at, cyclic=True)
    keys = key_frequencies(CyclicLogits.of(probe))
    tables = (("W_E: what each element is turned into", embedding_rows(probe)),
              ("W_L: what neurons add to each answer's logit", unembedding_rows(probe)))  # fmt: skip
    panels = [_norms(title, rows, keys) for title, rows in tables if rows is not None]
    note = "Norms over the width (W_E) and over the neurons (W_L), in an orthonormal basis; the constant is left out. "
    note += f"Key frequencies by the logits: {', '.join(map(str, keys)) or 'none'}."
    title = f"Fourier norms at step {step} · {Log(run).title}"
    return Figure("fourier-norms", title, tuple(panels), note, columns=1, height=2.0)


def _norms(title: str, rows: torch.Tensor, keys: tuple[int, ...]) -> Panel:
    norms = spectrum(rows).square().sum(dim=1).sqrt().numpy()
    of = frequency_of(len(rows)).numpy()
    frequencies = np.arange(1, len(rows) // 2 + 1)
    cosines = norms[[int(np.flatnonzero(of == k)[0]) for k in frequencies]]
    sines = np.array([norms[found[1]] if len(found := np.flatnonzero(of == k)) > 1 else np.nan for k in frequencies])
    faint = ~np.isin(frequencies, keys)
    ends = {1: "1", len(frequencies): str(len(frequencies))} | {k: str(k) for k in keys}
    waves = (("cosine", cosines, "three"), ("sine", sines, "four"))
    bars = tuple(Bars(frequencies, heights, word, ink, faint=faint) for word, heights, ink in waves)
    x = Axis("frequency k", ticks=tuple(sorted(ends.items())), range=(0.2, len(frequencies) + 0.8))
    return Panel(title, x, Axis("norm of the component"), bars)


@figure(needs="measures of the default set, and a task with a cyclic group")
def fourier_over_training(run: Run) -> Figure:
    """Fourier norms of W_E and W_L and neurons of each frequency, at every step of the log."""
    log = Log(run)
    shown = (
        ("Embedding W_E", "embedding_fourier_norm", Axis("norm")),
        ("Unembedding W_L", "unembedding_fourier_norm", Axis("norm")),
        ("Neurons of each frequency", "neuron_cluster_size", Axis("neurons")),
    )
    panels = [_over_training(log, title, name, scale) for title, name, scale in shown if log.has(name)]
    names = [(name,) for _, name, _ in shown]
    return over_steps("fourier-over-training", "Frequencies over training", log, panels, names, columns=1)


def _over_training(log: Log, title: str, name: str, scale: Axis) -> Panel:
    found = log.array(name)
    steps = found["step"].values
    kept = steps_to_keep(steps, MOST_COLUMNS)
    frequencies = found["frequency"].values.astype(float)
    heat = Heat(steps[kept].astype(float), frequencies, found.values[kept].T, scale)
    return Panel(title, steps_axis(), Axis("frequency k"), (heat,))


@figure(needs="a checkpoint, and a task with a cyclic group")
@torch.no_grad()
def fourier_2d(run: Run, *, at: int | None = None) -> Figure:
    """2D Fourier norms over (a, b) of the logits and of the neurons, at one step."""
    step, probe = network("fourier-2d", run, at, cyclic=True)
    logits = CyclicLogits.of(probe)
    keys = key_frequencies(logits)
    panels = [_two_dimensional("Logits, norm over the answers", logits.z - logits.z.mean(dim=2, keepdim=True), keys)]
    if not missing_neurons(probe.subject):
        neurons = CyclicTable.of(probe.subject).values(last_neurons(probe)).double()
        panels.append(_two_dimensional("Neurons, norm over the neurons", neurons, keys))
    note = (
        "Components 1, cos w₁, sin w₁, cos w₂, … of a (down) and b (across), orthonormal; left out: the constant, "
        f"and of the logits their mean over the answers. Key frequencies: {', '.join(map(str, keys)) or 'none'}."
    )
    title = f"2D Fourier transform at step {step} · {Log(run).title}"
    return Figure("fourier-2d", title, tuple(panels), note, height=3.4)


def _two_dimensional(title: str, table: torch.Tensor, keys: Sequence[int]) -> Panel:
    norms = spectrum2d(table).square().sum(dim=2).sqrt().numpy()
    norms[0, 0] = np.nan
    places = np.arange(len(norms), dtype=float)
    ticks = ((0.0, "1"), *((2.0 * k - 0.5, str(k)) for k in keys))
    x, y = Axis("component of b: frequency k", ticks=ticks), Axis("component of a: frequency k", ticks=ticks)
    return Panel(title, x, y, (Heat(places, places, norms, Axis("norm")),), square=True, flip=True)


@figure(needs="a checkpoint, and a task with a cyclic group")
@torch.no_grad()
def singular_values(run: Run, *, at: int | None = None) -> Figure:
    """Singular values of W_L and W_E at one step; W_L of a network that uses |K| frequencies has rank 2|K|."""
    step, probe = network("singular-values", run, at, cyclic=True)
    keys = key_frequencies(CyclicLogits.of(probe))
    tables = (("W_L, neurons to logits", unembedding_rows(probe)), ("W_E, rows of the operands", embedding_rows(probe)))
    panels = [_values(title, rows, 2 * len(keys)) for title, rows in tables if rows is not None]
    note = f"Filled: the first 2|K| = {2 * len(keys)}, for the key frequencies {', '.join(map(str, keys)) or '(none)'}."
    title = f"Singular values at step {step} · {Log(run).title}"
    return Figure("singular-values", title, tuple(panels), note)


def _values(title: str, rows: torch.Tensor, first: int) -> Panel:
    values = torch.linalg.svdvals(rows.double()).numpy()
    numbers = np.arange(1, len(values) + 1)
    bars = Bars(numbers.astype(float), values, ink="one", faint=numbers > first)
    return Panel(title, Axis("number", range=(0.2, len(values) + 0.8)), Axis("singular value"), (bars,))
