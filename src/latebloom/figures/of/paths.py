"""Figures of the way through weight space: principal components, and the loss around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latebloom.analysis.landscape import Landscape, path, random_plane
from latebloom.analysis.landscape import landscape as losses
from latebloom.analysis.trajectory import components
from latebloom.analysis.trajectory import trajectory as read_path
from latebloom.figures.reading import Log, network
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Bars, Figure, Heat, Line, Panel

if TYPE_CHECKING:
    from latebloom.store import Run

SIDE = 15
"""Networks that are evaluated along each side of a landscape."""


@figure(needs="3 checkpoints")
def trajectory(run: Run) -> Figure:
    """Path of the weights: checkpoints on their first principal components, and each component's share."""
    log = Log(run)
    log.checkpoints("trajectory", least=3)
    found = components(read_path(run))
    steps = np.array(found.steps, dtype=float)
    panels = [_plane(found.projections, steps, 0, 1)]
    if found.projections.shape[1] > 2:
        panels.append(_plane(found.projections, steps, 1, 2))
    shares = found.shares[:10]
    bars = Bars(np.arange(1.0, len(shares) + 1), shares, ink="one")
    walk = Line(np.array([0.4, len(shares) + 0.6]), np.full(2, found.walk_share), "first of a random walk", "ground")
    panels.append(Panel("Share of the variance", Axis("component"), Axis("share", range=(0.0, 1.0)), (bars, walk)))
    note = f"{len(steps)} checkpoints, all parameters, about their mean. A path is low-dimensional only as far as its "
    note += "first share is above that of a random walk with steps of the same lengths."
    return Figure("trajectory", f"Path of the weights · {log.title}", tuple(panels), note, columns=3)


def _plane(places: np.ndarray, steps: np.ndarray, first: int, second: int) -> Panel:
    x, y = (Axis(f"component {number + 1}", "weights") for number in (first, second))
    return Panel(f"Components {first + 1} and {second + 1}", x, y, _way(places[:, first], places[:, second], steps))


def _way(x: np.ndarray, y: np.ndarray, steps: np.ndarray) -> tuple[Line, ...]:
    shades = Axis("training step", range=(float(steps[0]), float(steps[-1])))
    return (
        Line(x, y, ink="five", thin=True),
        Line(x, y, joined=False, marker="dot", shade=steps, shades=shades),
        Line(x[-1:], y[-1:], "newest", "test", marker="diamond", joined=False),
    )


@figure(needs="a checkpoint")
def landscape(run: Run, *, at: int | None = None) -> Figure:
    """Loss landscape around a network along two random filter-normalised directions (Li et al. 2018)."""
    step, probe = network("landscape", run, at)
    side = np.linspace(-1, 1, SIDE)
    found = losses(probe, random_plane(probe.subject.model, probe.params), side, side)
    here = Line(np.zeros(1), np.zeros(1), "the network", "test", marker="diamond", joined=False)
    axes = Axis("along the first direction", "filter norms"), Axis("along the second direction", "filter norms")
    note = "Each direction is Gaussian and scaled, filter by filter, to the network's own norms; biases stay. "
    note += "Another draw gives another picture."
    title = f"Loss landscape at step {step} · {Log(run).title}"
    return Figure("landscape", title, _losses(found, axes, (here,)), note, height=3.0)


@figure(needs="3 checkpoints")
def landscape_path(run: Run) -> Figure:
    """Loss landscape in the plane of the path's first two principal components, with the path."""
    log = Log(run)
    log.checkpoints("landscape-path", least=3)
    _, probe = network("landscape-path", run, None)
    found = path(run)
    x, y = (_sides(found.places[:, i]) for i in range(2))
    labels = [f"component {i + 1}: {found.shares[i]:.0%} of the variance" for i in range(2)]
    axes = Axis(labels[0], "weights"), Axis(labels[1], "weights")
    way = _way(found.places[:, 0], found.places[:, 1], np.array(found.steps, dtype=float))
    note = "The plane goes through the newest network; earlier checkpoints are shown where they project onto it, and "
    note += "their own losses are not those of the picture."
    title = f"Loss landscape along the path · {log.title}"
    return Figure("landscape-path", title, _losses(losses(probe, found.plane, x, y), axes, way), note, height=3.0)


def _sides(places: np.ndarray) -> np.ndarray:
    room = 0.2 * max(float(np.ptp(places)), 1e-9)
    return np.linspace(places.min() - room, places.max() + room, SIDE)


def _losses(found: Landscape, axes: tuple[Axis, Axis], over: tuple[Line, ...]) -> tuple[Panel, ...]:
    panels = []
    for title, values in (("Training loss", found.train), ("Test loss", found.test)):
        known = values[np.isfinite(values) & (values > 0)]
        if len(known):
            ends = (float(known.min()), float(known.max()))
            powers = range(int(np.ceil(np.log10(ends[0]))), int(np.floor(np.log10(ends[1]))) + 1)
            contours = tuple(float(10.0**power) for power in powers[:: 1 + len(powers) // 6])
            heat = Heat(found.x, found.y, values, Axis("loss", "nats", "log", ends), contours=contours)
            panels.append(Panel(title, *axes, (heat, *over)))
    return tuple(panels)
