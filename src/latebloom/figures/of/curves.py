"""Figures of what was logged while a run trained: learning curves, progress measures, curvature, norms, sparsity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.distributions import part_of
from latebloom.figures.reading import Log, curve, over_steps, steps_axis, unit_of
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Feet, Figure, Panel, Scale

if TYPE_CHECKING:
    from latebloom.store import Run

Named = tuple[str, str, str]
"""A measure, its label, its ink."""

LOSSES: tuple[Named, ...] = (("test_loss", "test", "test"), ("train_loss", "train", "train"))
ACCURACIES: tuple[Named, ...] = (
    ("test_accuracy_untransposed", "test, no transposes", "extra"),
    ("test_accuracy", "test", "test"),
    ("train_accuracy", "train", "train"),
)
LOSS = Axis("loss", "nats", "log")
INKS = ("three", "one", "two", "four", "five")


def share(of: str) -> Axis:
    """An axis from 0 to 1."""
    return Axis("share", of, range=(-0.03, 1.03))


@figure(needs="a log of losses or accuracies (every run has them)")
def curves(run: Run, *, scale: Scale = "linear") -> Figure:
    """Training curves: loss and accuracy, train and test, with phases and events."""
    log = Log(run)
    panels = (
        panel(log, "Loss", LOSS, LOSSES, scale),
        panel(log, "Accuracy", Axis("accuracy", "share of pairs", range=(-0.03, 1.03)), ACCURACIES, scale),
    )
    return over_steps("curves", "Training curves", log, panels, LOSSES)


@figure(needs="a task with a cyclic group, measures of the default set")
def progress(run: Run, *, scale: Scale = "linear") -> Figure:
    """Progress measures of Nanda et al. 2023: excluded and restricted loss, Gini of Fourier norms, Σw²."""
    log = Log(run)
    restricted = (("restricted_loss_all", "restricted, all pairs", "one"), *LOSSES)
    ginis = (("gini_fourier_W_E", "W_E", "three"), ("gini_fourier_W_L", "W_L", "one"))
    keys = log.changes("key_frequencies")
    panels = (
        panel(log, "Excluded loss", LOSS, EXCLUDED, scale, feet=keys),
        panel(log, "Restricted loss", LOSS, restricted, scale, feet=keys),
        panel(log, "Gini of Fourier norms", Axis("Gini: 0 all equal, 1 one frequency"), ginis, scale),
        panel(log, "Sum of squared weights", Axis("Σw²"), NORM, scale),
    )
    note = "Key frequencies are those of each step's own network: nothing here knows the future."
    return over_steps("progress", "Progress measures", log, panels, [*restricted[:1], *EXCLUDED[:1]], note)


EXCLUDED: tuple[Named, ...] = (("excluded_loss", "excluded, train", "two"), *LOSSES)
NORM: tuple[Named, ...] = (("weight_norm_sq", "all weights", "ink"),)


@figure(needs="a task with a cyclic group, measures of the default set")
def circuit_shares(run: Run, *, scale: Scale = "linear") -> Figure:
    """How much of the network is the circuit: logits, W_L, W_E and neurons in key frequencies."""
    log = Log(run)
    parts = (
        ("logit_fve", "logits by cos w(a ± b − c)", "one"),
        ("unembedding_key_share", "W_L in key frequencies", "two"),
        ("embedding_key_share", "W_E in key frequencies", "three"),
        ("neuron_fve_share", "neurons of one frequency", "four"),
    )
    depends = (
        ("logit_share_answer", "the answer", "one"),
        ("logit_share_mirror", "its mirror", "two"),
        ("logit_share_a", "a", "three"),
        ("logit_share_b", "b", "four"),
        ("logit_share_chance", "chance", "five"),
    )
    keys = log.changes("key_frequencies")
    panels = (
        panel(log, "In the key frequencies", share("of energy, variance or neurons"), parts, scale, feet=keys),
        panel(log, "What the logits depend on", share("of their variance"), depends, scale),
        panel(log, "Number of key frequencies", Axis("frequencies"), (("key_count", "", "ink"),), scale, feet=keys),
    )
    return over_steps("circuit-shares", "The circuit's share of the network", log, panels, parts)


@figure(needs="a task of composition in a group, measures of the default set")
def irreps(run: Run, *, scale: Scale = "linear") -> Figure:
    """Irreducible representations of the task's group: the logits' energy in each, and losses with and without them."""
    log = Log(run)
    parts = (
        ("irrep_logit_fve", "logits by characters", "one"),
        ("irrep_W_a_key_share", "W_a in key irreps", "two"),
        ("irrep_W_U_key_share", "W_U in key irreps", "three"),
        ("irrep_hidden_key_share", "neurons' values in key irreps", "four"),
        ("neuron_irrep_clustered", "neurons of one irrep", "five"),
    )
    losses = (
        ("irrep_excluded_loss_train", "excluded, train", "one"),
        ("irrep_restricted_loss_all", "restricted, all pairs", "two"),
        ("test_loss", "test", "test"),
        ("train_loss", "train", "train"),
    )
    keys = log.changes("key_irreps")
    energy, without = share("of the energy"), Axis("loss", "nats", "log")
    panels = (
        layered(log, "Logits in functions of the answer", energy, "irrep_answer_share", scale),
        panel(log, "In the key irreps", share("of energy, variance or neurons"), parts, scale, feet=keys),
        panel(log, "With and without the key irreps", without, losses, scale, feet=keys),
        layered(log, "Train loss without one irrep", without, "irrep_excluded_loss_by_irrep", scale),
    )
    return over_steps("irreps", "Irreducible representations", log, panels, parts)


@figure(needs="measures of the set all (curvature along the gradient)")
def alignment(run: Run, *, scale: Scale = "linear") -> Figure:
    """Gradient and Hessian: cos(g, Hg) exact, on the last batch and as published; ‖g‖ and ‖Hg‖."""
    log = Log(run)
    cosines = (
        ("alignment", "exact, all training pairs", "one"),
        ("alignment_batch", "exact, last batch", "two"),
        ("alignment_published", "as published (float32)", "three"),
    )
    valid = (("alignment_published_valid", "", "ink"),)
    gradient = Axis("‖g‖", unit_of("gradient_norm"), "log")
    product = Axis("‖Hg‖", unit_of("hessian_gradient_norm"), "log")
    panels = (
        panel(log, "cos(g, Hg)", Axis("cosine"), cosines, scale, wide=True),
        panel(log, "Norm of the gradient", gradient, (("gradient_norm", "", "one"),), scale),
        panel(log, "Norm of Hg", product, (("hessian_gradient_norm", "", "two"),), scale),
        panel(log, "Where float32 carries the published cosine", share("of logged steps"), valid, scale),
    )
    return over_steps("alignment", "Gradient and Hessian", log, panels, cosines)


@figure(needs="measures of the set all (the Hessian's spectrum)")
def curvature(run: Run, *, scale: Scale = "linear") -> Figure:
    """The Hessian: greatest and least eigenvalue, curvature along gradient and update, its trace."""
    log = Log(run)
    ends = (
        ("hessian_max", "greatest eigenvalue", "one"),
        ("gradient_curvature", "along the gradient", "two"),
        ("update_curvature", "along the update", "three"),
        ("hessian_min", "least eigenvalue", "four"),
    )
    traces = (("hessian_trace", "Hessian", "one"), ("gauss_newton_trace", "Gauss–Newton part", "two"))
    caught = (("gradient_captured_top", "of the gradient", "one"), ("update_captured_top", "of the update", "two"))
    negative = (("hessian_negative_mass", "", "ink"),)
    unit = unit_of("hessian_max")
    panels = (
        panel(log, "Eigenvalues and directions", Axis("curvature", unit), ends, scale),
        panel(log, "Trace", Axis("trace", unit), traces, scale),
        panel(log, "Within the top 8 directions", share("of the squared norm"), caught, scale),
        panel(log, "Negative curvature", share("of the density's mass"), negative, scale),
    )
    return over_steps("curvature", "Curvature", log, panels, ends)


@figure(needs="the log (every run has it)")
def norm(run: Run, *, scale: Scale = "linear") -> Figure:
    """Sum of squared weights: of the whole network, and of its parts."""
    log = Log(run)
    log.asked("norm", "weight_norm_sq", "weight_norm_sq_by_tensor")
    whole = panel(log, "All weights", Axis("Σw²"), NORM, scale)
    parts = None
    if log.has("weight_norm_sq_by_tensor"):
        found = log.array("weight_norm_sq_by_tensor")
        steps, sums = found["step"].values.astype(float), _by_part(found.values, found["tensor"].values.tolist())
        inks = dict(zip(sums, INKS, strict=False))
        lines = tuple(curve(steps, values, part, inks.get(part, "extra")) for part, values in sums.items())
        parts = Panel("By part of the network", steps_axis(scale), Axis("Σw²"), lines)
    return over_steps("norm", "Sum of squared weights", log, (whole, parts), NORM)


def _by_part(squares: np.ndarray, tensors: list[str]) -> dict[str, np.ndarray]:
    """Sums over the tensors of each part of a network."""
    sums: dict[str, np.ndarray] = {}
    for i, tensor in enumerate(tensors):
        part = part_of(tensor)
        sums[part] = sums.get(part, np.zeros(len(squares))) + squares[:, i]
    return sums


@figure(needs="measures of the light set; of the default set for activations")
def sparsity(run: Run, *, scale: Scale = "linear") -> Figure:
    """Sparsity of weights and activations: Gini, Hoyer, small weights (absolute, relative), zero activations."""
    log = Log(run)
    ginis = (("gini_raw_weights", "Gini", "three"), ("hoyer_raw_weights", "Hoyer", "one"))
    small = (("weight_share_below_1e_2", "|w| < 0.01", "three"), ("weight_share_below_1e_3", "|w| < 0.001", "one"))
    panels = (
        panel(log, "Inequality of |w|", Axis("0 all equal, 1 a single weight"), ginis, scale),
        panel(log, "Small weights", Axis("share", "of the weights"), small, scale),
        layered(log, "Small weights, relative to the RMS", share("of the weights"), "weight_share_below_rms", scale,
                lambda t: f"< {t:g}"),
        layered(log, "Activations that are 0", share("of pairs and neurons"), "activation_zero_share", scale),
    )  # fmt: skip
    note = "Weights that all shrink alike leave Gini, Hoyer and relative shares as they are; shares below a size rise."
    return over_steps("sparsity", "Sparsity", log, panels, ginis, note)


@figure(needs="measures of the default set, and an MLP layer")
def activation_norms(run: Run, *, scale: Scale = "linear") -> Figure:
    """Activations over training: median, mean and norm after the non-linearity, active and dead neurons."""
    log = Log(run)
    rows = (
        ("Median, before the non-linearity", "activation_pre_median"),
        ("Median, after it", "activation_post_median"),
        ("Mean, after it", "activation_post_mean"),
        ("Norm, after it", "activation_post_norm"),
        ("Active neurons of a pair", "active_units"),
        ("Dead neurons", "dead_neurons"),
    )
    panels = [layered(log, title, Axis(unit_of(name) or "activation"), name, scale) for title, name in rows]
    return over_steps("activation-norms", "Activations", log, panels, [(name, "", "") for _, name in rows], columns=3)


@figure(needs="measures of the set all, and logits linear in the last neurons")
def circuit_size(run: Run, *, scale: Scale = "linear") -> Figure:
    """Circuit size: how few neurons keep the network's answers on the training pairs."""
    log = Log(run)
    log.asked("circuit-size", "circuit_size")
    found = log.array("circuit_size")
    steps = found["step"].values.astype(float)
    panels = []
    for ablation in found["ablation"].values.tolist():
        lines = [
            curve(steps, found.sel(order=order, ablation=ablation, agreement=agreed).values, label, ink)
            for (order, ink) in zip(found["order"].values.tolist(), INKS, strict=False)
            for agreed, label in ((0.99, f"by {order}"),)
        ]
        title = f"Others set to {'0' if ablation == 'zero' else 'their mean'}"
        panels.append(Panel(title, steps_axis(scale), Axis("neurons needed"), tuple(lines)))
    note = "Least number of neurons, taken in descending order, that keeps 99 % of the predictions on training pairs."
    return over_steps("circuit-size", "Circuit size", log, panels, [("circuit_size", "", "")], note)


@figure(needs="measures of the default set")
def logit_scale(run: Run, *, scale: Scale = "linear") -> Figure:
    """Scale and precision of the logits: scale, margins, softmax collapse, the float32 floor of the loss."""
    log = Log(run)
    margins = (
        ("train_margin_mean", "train, mean", "train"),
        ("test_margin_mean", "test, mean", "test"),
        ("train_margin_min", "train, least", "three"),
        ("test_margin_min", "test, least", "four"),
    )
    collapse = (
        ("train_softmax_collapse", "train", "train"),
        ("test_softmax_collapse", "test", "test"),
        ("train_softmax_collapse_float32", "train, in float32", "one"),
    )
    panels = (
        panel(log, "Logit scale", Axis("scale", "logits"), (("logit_scale", "", "ink"),), scale),
        panel(log, "Margins", Axis("margin", "logits"), margins, scale),
        panel(log, "Softmax collapse", share("of examples"), collapse, scale),
    )
    return over_steps("logit-scale", "Logits", log, panels, [("logit_scale", "", ""), *margins], columns=3)


def panel(
    log: Log,
    title: str,
    y: Axis,
    curves: Sequence[Named],
    scale: Scale,
    wide: bool = False,
    feet: tuple[Feet, ...] = (),
) -> Panel | None:
    """A panel of those curves that were logged, with bars at its foot; None where no curve was."""
    there = [named for named in curves if log.has(named[0])]
    parts = [curve(*log.curve(name), label if len(curves) > 1 else "", ink) for name, label, ink in there]
    return Panel(title, steps_axis(scale), y, (*parts, *feet), wide=wide) if parts else None


def layered(log: Log, title: str, y: Axis, name: str, scale: Scale, word: Callable[[Any], str] = str) -> Panel | None:
    """A panel of an array over one more axis, a line for each of its values; None where it was not logged."""
    if not log.has(name):
        return None
    found = log.array(name)
    labels, steps = found[found.dims[1]].values.tolist(), found["step"].values.astype(float)
    places = np.linspace(0, 1, len(labels)).tolist() if len(labels) > 1 else ["one"]
    texts = [word(label) if len(labels) > 1 else "" for label in labels]
    lines = tuple(curve(steps, found.values[:, i], texts[i], places[i]) for i in range(len(labels)))
    return Panel(title, steps_axis(scale), y, lines)
