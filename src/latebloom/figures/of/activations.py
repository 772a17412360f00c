"""Figures of what a network does on every pair (a, b) at one step: neurons, attention, circles, distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from latebloom.analysis.inside import Inside
from latebloom.errors import LatebloomError
from latebloom.figures.reading import Log, NoFigureError, network
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Bars, Figure, Heat, Line, Panel
from latebloom.measures.fourier import embedding_rows, frequency_norms, operand_position

if TYPE_CHECKING:
    from latebloom.store import Run

MOST_NEURONS = 3
MOST_CIRCLES = 6


@figure(needs="a checkpoint, a task with a cyclic group, an MLP layer")
def neurons(run: Run, *, at: int | None = None, neuron: int | None = None) -> Figure:
    """Neurons of the last layer over all (a, b), with what one frequency says of them."""
    inside, step = _inside("neurons", run, at)
    layer = _last(inside, "neurons", run)
    frequencies, shares = inside.neurons(step, layer)
    chosen = [neuron] if neuron is not None else _telling(frequencies, shares)
    panels: list[Panel] = []
    fits = [inside.neuron_fitted(step, layer, number) for number in chosen]
    for number in chosen:
        panels.append(_over_pairs(f"Neuron {number}", inside.neuron(step, layer, number), Axis("activation")))
    for values, k, part in fits:
        panels.append(_over_pairs(f"Frequency {k} alone: {part:.1%}", values, Axis("fit")))
    note = "Above: the activation after the non-linearity. Below: its part of degree 2 in cos and sin of one "
    note += "frequency, and the share of variance that it explains."
    title = f"Neurons at step {step} · {Log(run).title}"
    return Figure("neurons", title, tuple(panels), note, columns=len(chosen), height=2.6)


def _telling(frequencies: np.ndarray, shares: np.ndarray) -> list[int]:
    """Of the frequencies with most neurons the one that it explains best, each."""
    known = np.nan_to_num(shares, nan=-1.0)
    counts = np.bincount(frequencies.astype(int), weights=(known > 0.85) + 1e-6 * known.clip(min=0))
    counts[0] = 0
    most = [int(k) for k in np.argsort(-counts)[:MOST_NEURONS] if counts[k] > 0]
    return [int(np.where(frequencies == k, known, -2.0).argmax()) for k in most] or [0]


@figure(needs="a checkpoint, a task with a cyclic group, an MLP layer")
def neuron_frequencies(run: Run, *, at: int | None = None) -> Figure:
    """Neurons of each frequency, and how much of every neuron's variance its frequency explains."""
    inside, step = _inside("neuron-frequencies", run, at)
    frequencies, shares = inside.neurons(step, _last(inside, "neuron-frequencies", run))
    of = np.arange(1, inside.sizes.order // 2 + 1)
    clustered = np.bincount(frequencies.astype(int), weights=shares > 0.85, minlength=len(of) + 1)[1:]
    ordered = np.sort(shares[np.isfinite(shares)])[::-1]
    sizes = Bars(of.astype(float), clustered, ink="one", faint=~np.isin(of, inside.sizes.keys))
    curve = Line(np.arange(1.0, len(ordered) + 1), ordered.astype(float), ink="one")
    bound = Line(np.array([1.0, max(len(ordered), 2)]), np.full(2, 0.85), "0.85: of one frequency", "ground", thin=True)
    panels = (
        Panel("Neurons of one frequency", Axis("frequency k"), Axis("neurons"), (sizes,)),
        Panel("What the best frequency explains", Axis("neurons, best first"), Axis("share", "of variance"),
              (bound, curve)),
    )  # fmt: skip
    note = f"Filled: key frequencies of the newest network, {', '.join(map(str, inside.sizes.keys)) or 'none'}."
    dead = int(np.sum(~np.isfinite(shares)))
    note += f" Neurons that never change: {dead} of {len(shares)}, left out."
    return Figure("neuron-frequencies", f"Neurons by frequency at step {step} · {Log(run).title}", panels, note)


@figure(needs="a checkpoint, a task with a cyclic group, an attention layer")
def attention(run: Run, *, at: int | None = None) -> Figure:
    """Attention of every head from the last position to a, over all (a, b)."""
    inside, step = _inside("attention", run, at)
    if not inside.sizes.heads:
        raise NoFigureError(f"attention cannot be drawn of {run.id}: its network has no attention layer")
    layer = max(inside.sizes.heads)
    _, probe = network("attention", run, step)
    weights = inside.attention(step, layer, operand_position(probe.subject))
    scale = Axis("weight on a", range=(0.0, 1.0))
    panels = tuple(_over_pairs(f"Head {head}", table, scale) for head, table in enumerate(weights))
    note = "The weight that the last position gives to the position of a; the rest is given to b and the last position."
    columns = min(3 if len(panels) % 3 == 0 else 2, len(panels))
    return Figure("attention", f"Attention at step {step} · {Log(run).title}", panels, note, columns, height=2.9)


@figure(needs="a checkpoint, a task with a cyclic group, an embedding")
def embedding_circles(run: Run, *, at: int | None = None) -> Figure:
    """Embedding circles: the operands seen along W_E's cosine and sine of each key frequency."""
    inside, step = _inside("embedding-circles", run, at)
    keys, n = inside.sizes.keys[:MOST_CIRCLES], inside.sizes.order
    which = "Key frequencies are those of the newest network."
    if not keys:
        rows = embedding_rows(network("embedding-circles", run, step)[1])
        if rows is None:
            raise NoFigureError(f"embedding-circles cannot be drawn of {run.id}: its operands have no embedding")
        keys = sorted(frequency_norms(rows)[1:].topk(min(3, n // 2)).indices.add(1).tolist())
        which = "The newest network has no key frequency: these are the greatest of W_E."
    panels = tuple(_circle(k, places, n) for k, places in zip(keys, inside.circles(step, keys), strict=True))
    note = f"Rows of W_E on an orthonormal pair that spans W_Eᵀcos(2πka/{n}) and W_Eᵀsin(2πka/{n}); lines join "
    note += f"elements whose product with k differs by 1. {which}"
    title = f"Embedding circles at step {step} · {Log(run).title}"
    return Figure("embedding-circles", title, panels, note, columns=min(3, len(panels)), height=2.9)


def _circle(k: int, places: np.ndarray, n: int) -> Panel:
    # once round the circle: the elements in the order of ka mod n
    order = np.argsort(k * np.arange(n) % n, kind="stable")
    around = places[np.append(order, order[0])].astype(float)
    dots = Line(places[:, 0].astype(float), places[:, 1].astype(float), joined=False, marker="dot",
                shade=np.arange(n, dtype=float), shades=Axis("element a", range=(0.0, n - 1.0)))  # fmt: skip
    ring = Line(around[:, 0], around[:, 1], ink="five", thin=True)
    return Panel(f"Frequency {k}", Axis("along the cosine"), Axis("along the sine"), (ring, dots), square=True)


def _inside(name: str, run: Run, at: int | None) -> tuple[Inside, int]:
    steps = Log(run).checkpoints(name)
    try:
        inside = Inside(run)
    except NoFigureError:
        raise
    except LatebloomError as error:
        raise NoFigureError(f"{name} cannot be drawn of {run.id}: {error}") from error
    return inside, steps[-1] if at is None else at


def _last(inside: Inside, name: str, run: Run) -> int:
    if not inside.sizes.layers:
        raise NoFigureError(f"{name} cannot be drawn of {run.id}: its network has no MLP layer")
    return max(inside.sizes.layers)


def _over_pairs(title: str, table: np.ndarray | Sequence[Sequence[float]], scale: Axis) -> Panel:
    places = np.arange(len(table), dtype=float)
    heat = Heat(places, places, np.asarray(table, dtype=float), scale)
    return Panel(title, Axis("b"), Axis("a"), (heat,), square=True, flip=True)
