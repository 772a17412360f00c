"""Which figures a report has in which section: known numbers where they belong, unknown ones each on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import polars.selectors as cs
import xarray

from latebloom.measures import RECORDS
from latebloom.views.figures import AXES, BY_TENSOR, LESS, TWIN, Figure, Line, Role, title_of

COLOURS: tuple[Role, ...] = ("one", "two", "three", "four", "five")


def _curves(
    id: str, title: str, unit: str, scale: str, *lines: tuple[str, str] | Line, wide: bool = False, parts: str = ""
) -> Figure:
    """A figure of curves; those without a role of their own take the colours in turn."""
    colours = iter(COLOURS)
    made = tuple(line if isinstance(line, Line) else Line(*line, next(colours)) for line in lines)
    return Figure(id, title, "lines", unit, scale, made, wide=wide, parts=parts)  # pyright: ignore[reportArgumentType]


def _beside(id: str, title: str, unit: str, scale: str, name: str) -> Figure:
    """A fork's curve and its twin's."""
    return _curves(id, title, unit, scale, (name, "fork"), (f"{name}{TWIN}", "twin"))


TRAIN_LOSS, TEST_LOSS = Line("train_loss", "train", "train"), Line("test_loss", "test", "test")

SECTIONS: dict[str, tuple[Figure, ...]] = {
    "learning": (
        Figure("loss", "Loss", "lines", "nats, logarithmic", "log", (TRAIN_LOSS, TEST_LOSS), tall=True),
        Figure(
            "accuracy",
            "Accuracy",
            "lines",
            "share of pairs answered right",
            "share",
            (
                Line("train_accuracy", "train", "train"),
                Line("test_accuracy", "test", "test"),
                Line("test_accuracy_untransposed", "test, no transposes", "extra"),
            ),
            tall=True,
        ),
    ),
    "beside": (
        _beside("twin-test-accuracy", "Test accuracy", "share of pairs answered right", "share", "test_accuracy"),
        _beside("twin-test-loss", "Test loss", "nats, logarithmic", "log", "test_loss"),
        _beside("twin-norm", "Sum of squared weights", "Σw²", "linear", "weight_norm_sq"),
        _beside("twin-train-loss", "Train loss", "nats, logarithmic", "log", "train_loss"),
        _curves(
            "twin-apart",
            "Accuracy, fork − twin",
            "share of pairs",
            "linear",
            (f"test_accuracy{LESS}", "test"),
            (f"train_accuracy{LESS}", "train"),
        ),
        _curves(
            "twin-ratio",
            "Fork ÷ twin",
            "ratio, logarithmic",
            "log",
            (f"test_loss{LESS}", "test loss"),
            (f"train_loss{LESS}", "train loss"),
            (f"weight_norm_sq{LESS}", "Σw²"),
        ),
    ),
    "circuit": (
        _curves(
            "progress",
            "Progress measures",
            "nats, logarithmic",
            "log",
            ("restricted_loss_all", "restricted, all pairs"),
            ("excluded_loss", "excluded, train"),
            TRAIN_LOSS,
            TEST_LOSS,
            wide=True,
            parts="key_frequencies",
        ),
        _curves(
            "irreps",
            "Progress measures of the group's irreps",
            "nats, logarithmic",
            "log",
            ("irrep_restricted_loss_all", "restricted, all pairs"),
            ("irrep_excluded_loss_train", "excluded, train"),
            TRAIN_LOSS,
            TEST_LOSS,
            wide=True,
            parts="key_irreps",
        ),
        _curves(
            "irrep-shares",
            "How much of the network is in key irreps",
            "share",
            "share",
            ("irrep_logit_fve", "logits by characters"),
            ("irrep_W_a_key_share", "W_a"),
            ("irrep_W_U_key_share", "W_U"),
            ("irrep_hidden_key_share", "hidden activations"),
            ("neuron_irrep_clustered", "neurons of one irrep"),
            parts="key_irreps",
        ),
        _curves(
            "circuit-shares",
            "How much of the network is the circuit",
            "share",
            "share",
            ("logit_fve", "logits by cos w(a ± b − c)"),
            ("unembedding_key_share", "W_L in key frequencies"),
            ("embedding_key_share", "W_E in key frequencies"),
            ("neuron_fve_share", "neurons of one frequency"),
            parts="key_frequencies",
        ),
        _curves(
            "logit-shares",
            "What the logits depend on",
            "share of their variance",
            "share",
            ("logit_share_answer", "the answer"),
            ("logit_share_mirror", "its mirror"),
            ("logit_share_a", "a"),
            ("logit_share_b", "b"),
            ("logit_share_chance", "chance"),
        ),
        _curves(
            "fourier-gini",
            "Gini of Fourier norms",
            "0 all equal … 1 a single frequency",
            "linear",
            ("gini_fourier_W_E", "W_E"),
            ("gini_fourier_W_L", "W_L"),
        ),
        _curves(
            "keys",
            "Key frequencies",
            "frequencies",
            "linear",
            ("key_count", "key frequencies of the step"),
        ),
        _curves(
            "clock-pizza",
            "Clock or pizza",
            "pure number",
            "linear",
            ("gradient_symmetricity", "gradient symmetricity"),
            ("distance_irrelevance", "distance irrelevance"),
            ("circularity", "circularity"),
        ),
    ),
    "curvature": (
        _curves(
            "alignment",
            "Gradient and Hessian",
            "cos(g, Hg)",
            "linear",
            ("alignment", "exact, all training pairs"),
            ("alignment_batch", "exact, last batch"),
            ("alignment_published", "as published"),
            wide=True,
        ),
        _curves(
            "gradient",
            "Gradient and its product",
            "logarithmic",
            "log",
            ("gradient_norm", "‖g‖"),
            ("hessian_gradient_norm", "‖Hg‖"),
        ),
        _curves(
            "sharpness",
            "Curvature",
            "loss per weight²",
            "linear",
            ("hessian_max", "greatest eigenvalue"),
            ("gradient_curvature", "along the gradient"),
            ("update_curvature", "along the update"),
            ("hessian_min", "least eigenvalue"),
        ),
        _curves(
            "collapse",
            "Softmax collapse",
            "share of examples",
            "share",
            Line("train_softmax_collapse", "train", "train"),
            Line("test_softmax_collapse", "test", "test"),
            Line("train_softmax_collapse_float32", "train, float32", "train-least"),
        ),
        _curves(
            "updates",
            "Updates",
            "norm, logarithmic",
            "log",
            ("update_norm", "whole update"),
            ("update_gradient_norm", "gradient's part"),
            ("update_decay_norm", "decay's part"),
        ),
    ),
    "scale": (
        Figure("norm", "Sum of squared weights", "stack", "Σw²", "linear", (Line("weight_norm_sq", "total", "plain"),)),
        Figure("logit-scale", "Logit scale", "lines", "logits", lines=(Line("logit_scale", "all pairs", "plain"),)),
        Figure(
            "margins",
            "Margins",
            "lines",
            "logits",
            lines=(
                Line("train_margin_mean", "train, mean", "train"),
                Line("test_margin_mean", "test, mean", "test"),
                Line("train_margin_min", "train, least", "train-least"),
                Line("test_margin_min", "test, least", "test-least"),
            ),
        ),
        _curves(
            "gini",
            "Inequality of raw |w|",
            "0 all equal … 1 a single weight",
            "linear",
            ("gini_raw_weights", "Gini"),
            ("hoyer_raw_weights", "Hoyer"),
        ),
        _curves(
            "small-weights",
            "Small weights",
            "share of the weights",
            "share",
            ("weight_share_below_1e_2", "|w| < 0.01"),
            ("weight_share_below_1e_3", "|w| < 0.001"),
        ),
        _curves(
            "hidden",
            "Ranks of the hidden representation",
            "dimensions",
            "linear",
            ("hidden_effective_rank", "effective"),
            ("hidden_participation_ratio", "participation ratio"),
            ("hidden_stable_rank", "stable"),
        ),
    ),
}
SPECTRA = (
    "embedding_fourier_norm",
    "unembedding_fourier_norm",
    "excluded_loss_by_frequency",
    "neuron_cluster_size",
    "irrep_similarity",
    "irrep_excluded_loss_by_irrep",
)
"""Arrays shown over the steps; all others stand among the further measures."""


@dataclass(frozen=True)
class Chosen:
    """The figures of one report by section, and what is left out of it."""

    sections: dict[str, list[Figure]]
    undrawn: list[str]

    @property
    def all(self) -> list[Figure]:
        """In the order of the page."""
        return [figure for figures in self.sections.values() for figure in figures]


def choose(scalars: pl.DataFrame, arrays: xarray.Dataset) -> Chosen:
    """The figures for what was logged."""
    # all columns by one query: one for each would take most of the time that a page takes
    finite = scalars.select(cs.numeric().cast(pl.Float64).is_finite().any())
    drawable = [n for n in finite.columns if n not in AXES and finite[n].any()]
    present = [n for n in drawable if n != "test_accuracy_untransposed" or _differs(scalars, n, "test_accuracy")]
    by_step = [n for n in map(str, arrays.data_vars) if arrays[n].dims[:1] == ("step",) and arrays[n].ndim == 2]
    by_step = [n for n in by_step if np.isfinite(arrays[n].values).any()]
    stacked = BY_TENSOR if BY_TENSOR in by_step else ""
    sections = {name: _known(figures, present, stacked) for name, figures in SECTIONS.items()}
    heats = {name: _heat(f"heat-{i}", name, arrays) for i, name in enumerate(by_step) if name != BY_TENSOR}
    sections["spectra"] = [heats.pop(name) for name in SPECTRA if name in heats]
    placed = {line.name for figures in SECTIONS.values() for figure in figures for line in figure.lines}
    alone = [_alone(f"more-{i}", name) for i, name in enumerate(drawable) if name not in placed]
    sections["more"] = [*alone, *heats.values()]
    undrawn = [n for n in map(str, arrays.data_vars) if n not in by_step]
    undrawn += [n for n in scalars.columns if n not in AXES and n not in drawable]
    return Chosen(sections, undrawn)


def _known(figures: Sequence[Figure], present: Sequence[str], stacked: str) -> list[Figure]:
    """The figures that have something of their own to show: curves of the loss alone are in the first section."""
    beside = any(line.name.endswith(TWIN) for figure in figures for line in figure.lines)
    if beside and not any(name.endswith(TWIN) for name in present):
        return []
    kept = [made for figure in figures if (made := _kept(figure, present, stacked))]
    return [f for f in kept if f.tall or f.array or any(line not in (TRAIN_LOSS, TEST_LOSS) for line in f.lines)]


def _unit(name: str) -> str:
    if name not in RECORDS:
        return "unit not recorded"
    return {"1": "pure number", "share": "share"}.get(RECORDS[name].units, RECORDS[name].units)


def _differs(scalars: pl.DataFrame, name: str, other: str) -> bool:
    return other not in scalars.columns or not scalars[name].equals(scalars[other])


def _kept(figure: Figure, present: Sequence[str], array: str) -> Figure | None:
    lines = tuple(line for line in figure.lines if line.name in present)
    if figure.kind == "stack" and array:
        return replace(figure, lines=lines, array=array)
    kind = "lines" if figure.kind == "stack" else figure.kind
    return replace(figure, lines=lines, kind=kind) if lines else None


def _alone(id: str, name: str) -> Figure:
    return Figure(id, title_of(name), "lines", _unit(name), lines=(Line(name, "value", "plain"),))


def _heat(id: str, name: str, arrays: xarray.Dataset) -> Figure:
    return Figure(id, title_of(name), "heat", str(arrays[name].dims[1]), array=name)
