"""The circuit of a network: keys, four lines of evidence, ablations with controls, and the verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import xarray

from latebloom import __version__
from latebloom.analysis.circuits import bases, fits, logits, periodicity, weights
from latebloom.analysis.circuits.ablation import DRAWS, Ablation
from latebloom.analysis.circuits.bench import Bench, Score
from latebloom.analysis.circuits.evidence import Evidence
from latebloom.analysis.circuits.logit_ablations import logit_ablations
from latebloom.analysis.circuits.neuron_ablations import NeuronAblations
from latebloom.analysis.circuits.path_ablations import path_ablations
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.analysis.circuits.verdict import Verdict, verdict
from latebloom.errors import LatebloomError
from latebloom.measures.clock_pizza import CLOCK_PIZZA, NAMES
from latebloom.measures.cyclic import CyclicLogits, missing_cyclic
from latebloom.measures.fourier import frequency_norms
from latebloom.measures.keys import (
    agreement,
    by_embedding,
    by_gap,
    by_neurons,
    by_unembedding,
    key_frequencies,
)
from latebloom.measures.neurons import NeuronFit, neuron_fit
from latebloom.measures.probe import Probe
from latebloom.store.layout import finite_json

if TYPE_CHECKING:
    from latebloom.store import Run

SCHEMA = 1


class NoCircuitError(LatebloomError):
    """The analysis says nothing about this task or network."""


@dataclass(frozen=True)
class Circuit:
    """What was found of one network at one step.

    Attributes:
        setting: what was analysed and how: task, group, order, sign, what was left out, precision, seed, draws.
        keys: the frequencies that everything below is about.
        chosen_by: the rule that gave them, or "given".
        rules: every rule's frequencies.
        agreement: mean Jaccard index over the pairs of rules.
        baseline: the network's own loss and accuracy, over the table.
        seconds: how long the analysis took.
    """

    setting: dict[str, Any]
    keys: tuple[int, ...]
    chosen_by: str
    rules: dict[str, tuple[int, ...]]
    agreement: float
    baseline: Score
    evidence: Evidence
    ablations: tuple[Ablation, ...]
    verdict: Verdict
    seconds: float

    @property
    def arrays(self) -> xarray.Dataset:
        """All labelled arrays."""
        return xarray.Dataset(self.evidence.arrays)

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays as plain data; null where a number is not finite."""
        plain = vars(self) | {
            "evidence": None,
            "numbers": self.evidence.numbers,
            "chance": self.evidence.chance,
            "tables": self.evidence.tables,
            "missing": self.evidence.missing,
            "ablations": [a.to_json() for a in self.ablations],
            "verdict": self.verdict.to_json(),
        }
        del plain["evidence"]
        return finite_json({"schema": SCHEMA, "latebloom": __version__} | plain)


def analyse_circuit(run: Run, step: int | None = None, keys: Sequence[int] | None = None, seed: int = 0) -> Circuit:
    """The circuit of a stored run's network.

    Args:
        run: as `latebloom.open` gives it; an imported network is a run like any other.
        step: of a checkpoint; None is the newest.
        keys: the key frequencies; None finds them by `key_frequencies` in this very network.
        seed: of the random controls.

    Raises:
        NoCircuitError: the task has no cyclic group, or the network no MLP layer.
        LatebloomError: the run cannot be rebuilt, or a frequency is none of the group's.
    """
    at, probe = probe_of(run, step)
    found = circuit_of(probe, keys, seed)
    found.setting.update(run=run.id, step=at, title=probe.subject.task.title)
    return found


def circuit_of(probe: Probe, keys: Sequence[int] | None = None, seed: int = 0) -> Circuit:
    """The circuit of any network; see `analyse_circuit`."""
    began = time.perf_counter()
    why = missing_cyclic(probe.subject)
    if why:
        raise NoCircuitError(
            f"{probe.subject.task.title}: {why}. The four lines of evidence (Nanda et al. 2023) are about Fourier "
            "components along a cyclic group: use a task that has one, such as modular + − × ÷."
        )
    with torch.no_grad():
        bench = Bench.of(probe)
        fit = neuron_fit(bench.neurons)
        rules = key_rules(bench, fit)
        chosen = _checked(keys, bench.order) if keys is not None else rules["logits"]
        baseline = bench.score(bench.logits)
        evidence = _evidence(bench, chosen, fit, baseline)
        evidence.numbers["key_count"] = len(chosen)
        ablations = _ablations(bench, chosen, fit, seed)
    return Circuit(
        _setting(bench, seed),
        chosen,
        "logits" if keys is None else "given",
        rules,
        agreement(list(rules.values())),
        baseline,
        evidence,
        tuple(ablations),
        verdict(evidence.numbers, ablations, chosen, bench.order, _clock(evidence.numbers)),
        time.perf_counter() - began,
    )


def key_rules(bench: Bench, fit: NeuronFit) -> dict[str, tuple[int, ...]]:
    """The key frequencies by every rule that applies."""
    embedding = frequency_norms(periodicity.operand_rows(bench))
    found = {
        "logits": key_frequencies(CyclicLogits(bench.logits, bench.table.sign)),
        "neurons": by_neurons(fit),
        "embedding": by_embedding(embedding),
        "embedding-gap": by_gap(embedding),
    }
    if bench.logit_map is not None:
        found["unembedding"] = by_unembedding(frequency_norms(bench.logit_map.T))
    return found


def _checked(keys: Sequence[int], order: int) -> tuple[int, ...]:
    bad = [k for k in keys if not 1 <= k <= order // 2]
    if bad:
        raise LatebloomError(f"expected key frequencies from 1 to {order // 2}, got {', '.join(map(str, bad))}")
    return tuple(sorted(set(keys)))


def _evidence(bench: Bench, keys: Sequence[int], fit: NeuronFit, baseline: Score) -> Evidence:
    parts = [
        Evidence(dict(baseline)),
        periodicity.periodicity(bench, keys),
        bases.bases(bench),
        weights.weights(bench, keys),
        fits.neurons(bench, keys, fit),
        fits.heads(bench),
        logits.logit_evidence(bench, keys),
        _clock_pizza(bench),
    ]
    return Evidence.joined(parts)


def _clock_pizza(bench: Bench) -> Evidence:
    why = CLOCK_PIZZA.missing(bench.probe.subject)
    if why:
        return Evidence(missing={"clock or pizza": why})
    found = CLOCK_PIZZA.compute(bench.probe)
    return Evidence({name: value for name, value in found.items() if isinstance(value, float)})


def _clock(numbers: dict[str, float]) -> str:
    return NAMES.get(numbers.get("pizza_class", math.nan), "")


def _ablations(bench: Bench, keys: Sequence[int], fit: NeuronFit, seed: int) -> list[Ablation]:
    neurons = NeuronAblations(bench, keys, fit.frequency, fit.clustered, seed).all()
    return [*neurons, *logit_ablations(bench, keys, seed), *path_ablations(bench, seed)]


def _setting(bench: Bench, seed: int) -> dict[str, Any]:
    subject, table = bench.probe.subject, bench.table
    algebra = subject.algebra
    pairs = {name: int(mask.sum()) for name, mask in bench.splits.items()}
    return {
        "run": "",
        "step": None,
        "title": subject.task.title,
        "group": algebra.group if algebra else "",
        "order": table.order,
        "sign": table.sign,
        "pairs": pairs,
        "left_out": len(subject.examples.labels) - table.order**2,
        "neurons": bench.neurons.shape[-1],
        "linear": bench.logit_map is not None,
        "precision": "weights as stored, everything else float64",
        "seed": seed,
        "draws": DRAWS,
    }
