"""Figures of Fourier structure along the task's cyclic group: embedding, unembedding, neurons, logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from latebloom.figures.reading import Log, network
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Bars, Figure, Panel
from latebloom.measures.cyclic import CyclicLogits
from latebloom.measures.fourier import embedding_rows, frequency_of, spectrum, unembedding_rows
from latebloom.measures.keys import key_frequencies

if TYPE_CHECKING:
    from latebloom.store import Run


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
