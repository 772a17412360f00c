"""Every figure: what it shows is what the run holds. A figure without a row in ROWS fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import latebloom
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.errors import LatebloomError
from latebloom.figures.registry import kind, kinds
from latebloom.figures.spec import Bars, Heat, Line
from latebloom.measures.cyclic import CyclicLogits
from latebloom.measures.fourier import embedding_rows
from latebloom.measures.keys import key_frequencies


def part(figure, title, label=""):
    """The first part of a panel, or that of a label."""
    panel = next(panel for panel in figure.panels if panel.title.startswith(title))
    return next(p for p in panel.parts if isinstance(p, Line | Bars | Heat) and (not label or p.label == label))


def column(run, name):
    return run.scalars.select("step", name).drop_nulls()[name].to_numpy()


def curves(figure, run):
    for title, measure in (("Loss", "loss"), ("Accuracy", "accuracy")):
        for split in ("train", "test"):
            assert np.array_equal(part(figure, title, split).y, column(run, f"{split}_{measure}"))
    assert part(figure, "Loss", "test").x[-1] == run.status.last_step
    assert [panel.y.unit for panel in figure.panels] == ["nats", "share of pairs"]


def progress(figure, run):
    shown = {
        ("Excluded loss", "excluded, train"): "excluded_loss",
        ("Restricted loss", "restricted, all pairs"): "restricted_loss_all",
        ("Gini", "W_E"): "gini_fourier_W_E",
        ("Sum of squared", ""): "weight_norm_sq",
    }
    for (title, label), name in shown.items():
        assert np.array_equal(part(figure, title, label).y, column(run, name)), name


def fourier_norms(figure, run):
    _, probe = probe_of(run)
    rows = embedding_rows(probe).double()
    order = len(rows)
    cosine, sine = (part(figure, "W_E", word) for word in ("cosine", "sine"))
    keys = key_frequencies(CyclicLogits.of(probe))
    assert cosine.x[~cosine.faint].tolist() == list(keys)
    for k in range(1, order // 2 + 1):
        angle = 2 * np.pi * k * torch.arange(order, dtype=torch.float64) / order
        for bars, wave in ((cosine, angle.cos()), (sine, angle.sin())):
            assert bars.y[k - 1] == pytest.approx(float((wave @ rows).norm() * (2 / order) ** 0.5))


ROWS = {"curves": curves, "progress": progress, "fourier-norms": fourier_norms}
"""Of every figure, what must be equal to the run's own numbers."""


def test_every_figure_has_a_row():
    assert set(ROWS) == set(kinds())


@pytest.mark.parametrize("name", [name for name, kind in kinds().items() if kind.of == "run"])
def test_the_numbers_are_those_of_the_run(name, made, tiny):
    ROWS[name](made[name], tiny)


def test_every_figure_says_what_it_shows_and_needs():
    for known in kinds().values():
        assert 10 < len(known.about) < 110, known.name
        assert known.needs, known.name
        assert getattr(latebloom.figures, known.name.replace("-", "_")) is known.build


def test_no_figure_is_hidden_by_a_module():
    from latebloom.figures.registry import MODULES

    assert not {name.replace("-", "_") for name in kinds()} & {
        "spec", "theme", "registry", "reading", "files", "still", "interactive", "legend", "of",
    }  # fmt: skip
    assert len(MODULES) == len(set(MODULES))


@pytest.mark.parametrize("name", [name for name, kind in kinds().items() if kind.of == "run"])
def test_a_run_without_what_it_needs_is_told_what_and_how(name, bare):
    try:
        kinds()[name].build(bare)
    except LatebloomError as error:
        message = str(error)
        assert "\n" not in message
        assert name in message
        assert any(word in message for word in ("`latebloom run ", "`latebloom analyse ", "`latebloom fork")), message
    else:
        assert name in NEED_NOTHING


NEED_NOTHING = {"curves", "fourier-norms"}
"""Figures that losses and one checkpoint are enough for."""


def test_an_unknown_figure_names_those_that_are_near():
    with pytest.raises(LatebloomError, match="no figure 'progres': did you mean progress"):
        kind("progres")
    with pytest.raises(AttributeError, match="no figure 'nothing'"):
        _ = latebloom.figures.nothing


def test_phases_and_events_are_those_of_the_analysis(phased):
    from latebloom.analysis import find_events, phases

    figure = latebloom.figures.curves(phased)
    found = find_events(phased.scalars)
    assert [(s.title, s.start, s.end) for s in figure.phases] == [
        (p.title, p.start, p.end) for p in phases(found, 20_000)
    ]
    grokked = next(event for event in found if event.name == "grokked").found
    mark = next(mark for mark in figure.marks if mark.title == "Grokked")
    assert (mark.at, mark.low, mark.high) == (grokked.step, *grokked.interval)
