"""Every figure: what it shows is what the run holds. A figure without a row in ROWS fails."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import latebloom
from latebloom.analysis.circuits.over_training import over_training
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.analysis.circuits.stored import read_circuit
from latebloom.analysis.inside import Inside
from latebloom.analysis.outcomes import outcomes
from latebloom.errors import LatebloomError
from latebloom.figures.interactive import plotly_json
from latebloom.figures.reading import curve
from latebloom.figures.registry import kind, kinds
from latebloom.figures.spec import Bars, Heat, Line, Text, Tile
from latebloom.figures.still import draw
from latebloom.measures.cyclic import CyclicLogits
from latebloom.measures.fourier import embedding_rows
from latebloom.measures.keys import key_frequencies


def part(figure, title, label=""):
    """The first part of a panel, or that of a label."""
    panel = next(panel for panel in figure.panels if panel.title.startswith(title))
    return next(p for p in panel.parts if isinstance(p, Line | Bars | Heat) and (not label or p.label == label))


SCALARS = {
    "curves": {"Loss/test": "test_loss", "Loss/train": "train_loss", "Accuracy/test": "test_accuracy"},
    "progress": {
        "Excluded loss/excluded, train": "excluded_loss",
        "Restricted loss/restricted, all pairs": "restricted_loss_all",
        "Gini/W_E": "gini_fourier_W_E",
        "Gini/W_L": "gini_fourier_W_L",
        "Sum of squared/": "weight_norm_sq",
    },
    "circuit-shares": {"In the key/logits by cos w(a ± b − c)": "logit_fve", "What the/a": "logit_share_a"},
    "alignment": {
        "cos(g, Hg)/exact, all training pairs": "alignment",
        "cos(g, Hg)/as published (float32)": "alignment_published",
        "Norm of the/": "gradient_norm",
        "Norm of Hg/": "hessian_gradient_norm",
    },
    "curvature": {"Eigenvalues/greatest eigenvalue": "hessian_max", "Trace/Hessian": "hessian_trace"},
    "norm": {"All weights/": "weight_norm_sq"},
    "sparsity": {"Inequality/Gini": "gini_raw_weights", "Small weights/|w| < 0.01": "weight_share_below_1e_2"},
    "logit-scale": {"Logit scale/": "logit_scale", "Margins/test, least": "test_margin_min"},
}
"""Panel and label of curves, and the measure that they are."""


def scalars(name):
    """The row of a figure of SCALARS: its curves are the log, at the steps at which it was taken."""

    def check(figure, run):
        for place, measure in SCALARS[name].items():
            drawn = part(figure, *place.split("/"))
            rows = run.scalars.select("step", measure).drop_nulls()
            assert np.array_equal(drawn.x, rows["step"].to_numpy()), place
            assert np.array_equal(drawn.y, rows[measure].to_numpy()), place

    return check


def norm(figure, run):
    scalars("norm")(figure, run)
    parts = [line.y for line in figure.panels[1].parts]
    assert np.allclose(np.sum(parts, axis=0), run.arrays["weight_norm_sq_by_tensor"].sum("tensor"))
    mlp = [t for t in run.arrays["tensor"].values if ".mlp." in t]
    assert np.allclose(
        part(figure, "By part", "MLP").y, run.arrays["weight_norm_sq_by_tensor"].sel(tensor=mlp).sum("tensor")
    )


def activation_norms(figure, run):
    found = run.arrays["activation_post_median"].dropna("step", how="all")
    assert np.array_equal(part(figure, "Median, after").y, found.values[:, 0])
    assert part(figure, "Dead").y[-1] == run.arrays["dead_neurons"].dropna("step").values[-1, 0]


def circuit_size(figure, run):
    found = run.arrays["circuit_size"].sel(order="outgoing", ablation="mean", agreement=0.99)
    assert np.array_equal(part(figure, "Others set to their mean", "by outgoing").y, found.values)
    assert figure.panels[0].title == "Others set to 0"


def irreps(figure, run):
    found = run.arrays["irrep_answer_share"]
    for i, name in enumerate(found["irrep"].values.tolist()):
        assert np.array_equal(part(figure, "Logits in functions", name).y, found.values[:, i])
    rows = run.scalars.select("step", "irrep_excluded_loss_train").drop_nulls()
    assert np.array_equal(
        part(figure, "With and without", "excluded, train").y, rows["irrep_excluded_loss_train"].to_numpy()
    )
    without = run.arrays["irrep_excluded_loss_by_irrep"]
    assert np.array_equal(part(figure, "Train loss without", "sign").y, without.values[:, 1])


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


def fourier_over_training(figure, run):
    found = run.arrays["embedding_fourier_norm"].dropna("step", how="all")
    heat = part(figure, "Embedding")
    assert np.array_equal(heat.z, found.values.T)
    assert np.array_equal(heat.x, found["step"].values)
    assert heat.y.tolist() == [1, 2, 3, 4, 5]


def fourier_2d(figure, run):
    neurons = Inside(run)
    tables = np.stack([neurons.neuron(60, 0, i) for i in range(24)], axis=2).astype(float)
    n = 11
    # one component by hand: cos w_2 a · sin w_3 b
    a = np.arange(n)
    wave = np.outer(np.cos(2 * np.pi * 2 * a / n), np.sin(2 * np.pi * 3 * a / n)) * 2 / n
    expected = np.linalg.norm(np.einsum("ab,abm->m", wave, tables))
    heat = part(figure, "Neurons")
    assert heat.z[3, 6] == pytest.approx(expected, rel=1e-4)
    assert np.isnan(heat.z[0, 0])
    energy = np.nansum(heat.z**2)
    assert energy == pytest.approx((np.square(tables - tables.mean((0, 1)))).sum(), rel=1e-4)


def singular_values(figure, run):
    _, probe = probe_of(run)
    w_l = probe.params["unembed.W_U"].T @ probe.params["blocks.0.mlp.W_out"].T
    expected = np.linalg.svd(w_l[:11].double().numpy(), compute_uv=False)
    assert np.allclose(part(figure, "W_L").y, expected)


def neurons(figure, run):
    inside = Inside(run)
    numbers = [int(p.title.split()[1]) for p in figure.panels if p.title.startswith("Neuron")]
    for number in numbers:
        assert np.array_equal(part(figure, f"Neuron {number}").z, inside.neuron(60, 0, number))
    one = latebloom.figures.neurons(run, at=10, neuron=5)
    assert np.array_equal(part(one, "Neuron 5").z, inside.neuron(10, 0, 5))
    fitted, k, explained = inside.neuron_fitted(10, 0, 5)
    assert np.array_equal(one.panels[1].parts[0].z, fitted)
    assert one.panels[1].title == f"Frequency {k} alone: {explained:.1%}"


def neuron_frequencies(figure, run):
    frequencies, shares = Inside(run).neurons(60, 0)
    bars = part(figure, "Neurons of one")
    for k in range(1, 6):
        assert bars.y[k - 1] == sum((frequencies == k) & (shares > 0.85))
    curve = figure.panels[1].parts[1]
    assert np.all(np.diff(curve.y) <= 0)
    assert curve.y[0] == pytest.approx(np.nanmax(shares))


def attention(figure, run):
    assert len(figure.panels) == 2
    assert np.array_equal(part(figure, "Head 1").z, Inside(run).attention(60, 0, 0)[1])


def embedding_circles(figure, run):
    inside = Inside(run)
    for panel in figure.panels:
        k = int(panel.title.split()[1])
        ring, dots = panel.parts
        seen = inside.circles(60, [k])[0]
        assert np.array_equal(np.stack([dots.x, dots.y], axis=1), seen)
        # the ring goes through the elements in the order of their angle on an ideal circle
        order = sorted(range(11), key=lambda a: k * a % 11)
        assert np.array_equal(ring.x[:-1], seen[order, 0])


def weights(figure, run):
    heat, median = figure.panels[[p.title for p in figure.panels].index("MLP")].parts
    names = [name for name in run.params(20) if ".mlp." in name]
    sizes = torch.cat([run.params(20)[name].abs().flatten() for name in names]).double().numpy()
    column = run.checkpoints.index(20)
    assert 10 ** median.y[column] == pytest.approx(np.median(sizes))
    for middle, share in zip(heat.y, heat.z[:, column], strict=True):
        inside = np.mean((np.log10(sizes.clip(1e-5)) >= middle - 0.05) & (np.log10(sizes.clip(1e-5)) < middle + 0.05))
        assert share == pytest.approx(inside, abs=1e-3)


def activations(figure, run):
    inside = Inside(run)
    values = np.stack([inside.neuron(30, 0, i) for i in range(24)])
    wide, narrow, median = figure.panels[1].parts
    column = run.checkpoints.index(30)
    assert figure.panels[1].title == "After the non-linearity"
    drawn = [wide.low, narrow.low, median.y, narrow.high, wide.high]
    expected = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    assert [line[column] for line in drawn] == pytest.approx(expected, abs=1e-5)


def trajectory(figure, run):
    rows = [sorted(run.params(step).items()) for step in run.checkpoints]
    flat = np.stack([torch.cat([w.double().flatten() for _, w in row]).numpy() for row in rows])
    u, s, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    way = figure.panels[0].parts[0]
    assert np.abs(way.x) == pytest.approx(np.abs(u[:, 0] * s[0]), abs=1e-6)
    assert figure.panels[2].parts[0].y == pytest.approx((s**2 / (s**2).sum())[:-1], abs=1e-8)


def landscape(figure, run):
    heat = part(figure, "Test loss")
    middle = len(heat.x) // 2
    assert heat.x[middle] == heat.y[middle] == 0
    assert heat.z[middle, middle] == pytest.approx(run.scalars["test_loss"][-1], rel=1e-5)


def landscape_path(figure, run):
    way = figure.panels[0].parts[2]
    assert (way.x[-1], way.y[-1]) == (0, 0)
    assert list(way.shade) == run.checkpoints
    heat = part(figure, "Training loss")
    assert heat.x.min() < way.x.min() < way.x.max() < heat.x.max()


def ablations(figure, run):
    record, _ = read_circuit(run, 60)
    for title, group in (
        ("Neurons", "Neurons of the last MLP layer"),
        ("Logits", "Logits: restricted and excluded losses"),
    ):
        rows = [row for row in record["ablations"] if row["group"] == group]
        panel = next(panel for panel in figure.panels if panel.title == title)
        whole, ranges, control, dots = panel.parts
        assert dots.x.tolist() == [row["score"]["loss_all"] for row in rows][: len(dots.x)]
        assert [words for _, words in panel.y.ticks] == [row["title"] for row in rows][: len(dots.x)]
        assert whole.x.tolist() == [record["baseline"]["loss_all"]] * 2
        row = next(i for i, row in enumerate(rows) if row["control"])
        drawn = rows[row]["control"]["median_least_greatest"]["loss_all"]
        assert [control.x[row], ranges.x[3 * row], ranges.x[3 * row + 1]] == drawn


def progress_final(figure, run):
    found = over_training(run, [1, 2])
    assert part(figure, "Excluded", "excluded, train").y.tolist() == found.curves["excluded_loss"].to_list()
    assert part(figure, "Restricted", "restricted, all pairs").x.tolist() == run.checkpoints
    assert "Key frequencies 1, 2 of the final network" in figure.note


def compare(figure, runs):
    assert [panel.title for panel in figure.panels] == ["Test accuracy", "Test loss"]
    for run, line in zip(runs, figure.panels[1].parts, strict=False):
        assert np.array_equal(line.y, run.scalars["test_loss"])
    by = latebloom.figures.compare(*runs, measure="weight_norm_sq")
    assert np.array_equal(by.panels[0].parts[0].y, runs[0].scalars["weight_norm_sq"])
    assert by.panels[0].title == "Sum of squared weights, Σw²"
    with pytest.raises(LatebloomError, match="compare needs nothing, which"):
        latebloom.figures.compare(*runs, measure="nothing")


FACTS = ("id", "folder", "spec", "summary", "scalars", "arrays", "events")


def fork(figure, runs):
    changed, twin = (latebloom.open(run.folder) for run in runs)
    with pytest.raises(LatebloomError, match="fork is of a fork and its twin, got 1"):
        latebloom.figures.fork(changed)
    provenance = {"fork": {"change": "x", "twin": {"folder": f"{twin.folder.parent.name}/{twin.id}"}}}
    alone = SimpleNamespace(**{n: getattr(runs[0], n) for n in FACTS}, provenance=provenance)
    assert latebloom.figures.fork(alone).panels[0].parts[1].y.tolist() == figure.panels[0].parts[1].y.tolist()
    with pytest.raises(LatebloomError, match="fork needs a fork first"):
        latebloom.figures.fork(twin, changed)


def survival(figure, study):
    curve = figure.panels[0].parts
    frame = outcomes(study)
    drawn = next(line for line in curve if line.label == "weight_decay = 1.0")
    times = frame.filter(frame["optim.weight_decay"] == 1.0)["grokked.step"].to_list()
    for step, left in zip(drawn.x, drawn.y, strict=True):
        assert left == pytest.approx(np.mean([t > step for t in times]))
    gone = next(line for line in curve if line.marker == "cross" and len(line.x))
    assert gone.x.tolist() == [5000.0]


def scaling(figure, study):
    points = figure.panels[0].parts[0]
    frame = outcomes(study)
    seen = frame.filter((frame["optim.weight_decay"] > 0) & frame["grokked.step"].is_not_null())
    assert sorted(points.y.tolist()) == sorted(seen["grokked.step"].to_list())
    with pytest.raises(LatebloomError, match="scaling shows one axis: choose it with --by among"):
        latebloom.figures.scaling(study)


def phase_map(figure, study):
    frame = outcomes(study)
    words = [part.words for part in figure.panels[0].parts if isinstance(part, Text)]
    assert len(words) == 6
    assert "4M" in words
    shares = [tile.width for tile in figure.panels[0].parts if isinstance(tile, Tile) and tile.width < 1]
    assert shares == [0.75, 0.25]
    assert {key.label.split("  ")[1] for key in figure.keys} == set(frame["end_state"].unique())
    grokked = latebloom.figures.phase_map(study, show="grokked")
    assert "0/4" in [part.words for part in grokked.panels[0].parts if isinstance(part, Text)]


ROWS = {name: scalars(name) for name in SCALARS} | {
    "ablations": ablations,
    "progress-final": progress_final,
    "compare": compare,
    "fork": fork,
    "survival": survival,
    "scaling": scaling,
    "phase-map": phase_map,
    "norm": norm,
    "activation-norms": activation_norms,
    "circuit-size": circuit_size,
    "irreps": irreps,
    "fourier-norms": fourier_norms,
    "fourier-over-training": fourier_over_training,
    "fourier-2d": fourier_2d,
    "singular-values": singular_values,
    "neurons": neurons,
    "neuron-frequencies": neuron_frequencies,
    "attention": attention,
    "embedding-circles": embedding_circles,
    "weights": weights,
    "activations": activations,
    "trajectory": trajectory,
    "landscape": landscape,
    "landscape-path": landscape_path,
}
"""Of every figure, what must be equal to the run's own numbers."""


def test_every_figure_has_a_row():
    assert set(ROWS) == set(kinds())


@pytest.mark.parametrize("name", kinds())
def test_the_numbers_are_those_of_the_run(name, made, subjects):
    ROWS[name](made[name], subjects[kinds()[name].of])


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


NEED_NOTHING = {
    *("curves", "fourier-norms", "fourier-2d", "singular-values"),
    *("neurons", "neuron-frequencies", "attention", "embedding-circles", "logit-scale", "landscape"),
}
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


def test_the_documentation_shows_every_figure():
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "figures.md").read_text()
    assert re.findall(r"^## (.*)$", page, flags=re.M) == list(kinds())
    for name in kinds():
        for theme in ("light", "dark"):
            picture = docs / "images" / "figures" / f"{name}-{theme}.png"
            assert f"](images/figures/{picture.name})" in page
            assert 1000 < picture.stat().st_size <= 60 * 1024, picture


def test_a_measure_that_was_taken_twice_is_points_without_a_line_between(twice):
    figure = latebloom.figures.curvature(twice)
    points = part(figure, "Eigenvalues", "greatest eigenvalue")
    assert (points.x.tolist(), points.joined, points.marker) == ([0, 60], False, "circle")
    assert "fewer than 4 times" in figure.note
    loss = part(latebloom.figures.curves(twice), "Loss", "test")
    assert loss.joined
    assert "fewer than 4 times" not in latebloom.figures.curves(twice).note
    drawn = [line for line in draw(figure).axes[0].lines if line.get_xdata().tolist() == [0, 60]]
    assert [(line.get_linestyle(), line.get_marker()) for line in drawn] == 4 * [("None", "o")]
    modes = {trace["mode"] for trace in plotly_json(figure)["data"]}
    assert modes == {"markers"}
    four = curve(np.arange(4.0), np.arange(4.0), "", "ink")
    assert (four.joined, four.marker) == (True, "dot")
