"""Whether a network does Fourier multiplication, from stated criteria, each with its number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from latebloom.analysis.circuits.ablation import Ablation
from latebloom.measures.clock_pizza import IRRELEVANT, SYMMETRIC
from latebloom.shown import finding_table

Kind = Literal["answers", "structure", "causal", "clean"]


@dataclass(frozen=True)
class Criterion:
    """One thing that a network that does Fourier multiplication, and nothing else, must show.

    Attributes:
        kind: what it is about: that the network answers, its structure, cause and effect, or cleanup.
        value: the number; NaN where the criterion does not apply.
        sign: on which side of the threshold it passes.
        reason: why this threshold.
        passed: None where it does not apply.
    """

    name: str
    title: str
    kind: Kind
    value: float
    sign: Literal["≥", "≤"]
    threshold: float
    reason: str

    @property
    def passed(self) -> bool | None:
        """Whether the number is on the right side; None where there is no number."""
        if math.isnan(self.value):
            return None
        return self.value >= self.threshold if self.sign == "≥" else self.value <= self.threshold

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return vars(self) | {"passed": self.passed}


@dataclass(frozen=True)
class Verdict:
    """The class of a network, and why."""

    name: str
    sentence: str
    criteria: tuple[Criterion, ...]

    _repr_html_ = finding_table

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"class": self.name, "sentence": self.sentence, "criteria": [c.to_json() for c in self.criteria]}


def verdict(
    numbers: Mapping[str, float], ablations: Sequence[Ablation], keys: Sequence[int], order: int, clock: str = ""
) -> Verdict:
    """The verdict over all criteria that apply.

    Args:
        numbers: of all parts of the analysis.
        ablations: with their controls.
        keys: the key frequencies.
        order: of the group.
        clock: the class of the clock-or-pizza measures.
    """
    criteria = criteria_of(numbers, {a.name: a for a in ablations}, keys, order)
    name, sentence = _judge(criteria, keys)
    if clock in ("clock", "pizza") and name in ("Fourier multiplication", "partly"):
        sentence += f" By the rules of Zhong et al. 2023 it is a {clock}."
    return Verdict(name, sentence, criteria)


def criteria_of(
    numbers: Mapping[str, float], ablations: Mapping[str, Ablation], keys: Sequence[int], order: int
) -> tuple[Criterion, ...]:
    """Every criterion with its number and threshold."""
    get = _getter(numbers)
    restricted, excluded = ablations.get("restricted-2d"), ablations.get("excluded-2d")
    guessing = math.log(order)
    return (
        Criterion(
            "answers", "accuracy over all pairs", "answers", get("accuracy_all"), "≥", 0.99,
            "a network that does not answer has no finished algorithm to be read off",
        ),
        Criterion(
            "w_l", "W_L's energy in the key frequencies", "structure", get("w_l_key_share"), "≥", 0.95,
            "the mainline has 99.5 %; 5 % is ten times its residue",
        ),
        Criterion(
            "logits", "logits' FVE by Σ α_k cos w_k(a ± b − c)", "structure", get("logit_fve"), "≥", 0.9,
            "the mainline has 95 %",
        ),
        Criterion(
            "neurons", "neurons with a single frequency", "structure", get("neuron_fve_share"), "≥", 0.75,
            "the mainline has 84.6 % above the FVE of .85 that the paper's clusters ask for",
        ),
        Criterion(
            "directions", "least FVE of u_k·MLP, v_k·MLP by one wave", "structure", get("direction_fve_least"),
            "≥", 0.85, "Table 1 has 93–98 %; the same .85 as for the neurons",
        ),
        Criterion(
            "multiplies", "marks of a pizza (symmetricity > .98, irrelevance < .6)", "structure", _pizza_marks(numbers),
            "≤", 1, "a network that averages the operands instead of multiplying them has both (Zhong et al. 2023)",
        ),
        Criterion(
            "sufficient", "accuracy of the key frequencies' directions alone, all pairs", "causal",
            _score(restricted, "accuracy_all"), "≥", 0.99, "what is said to be the algorithm must answer by itself",
        ),
        Criterion(
            "sufficient-control", "the same by random frequencies, the best of the draws", "causal",
            _extreme(restricted, "greatest", "accuracy_all"), "≤", 0.5,
            "else any frequencies would do, and the number before says nothing",
        ),
        Criterion(
            "necessary", "loss without the key frequencies over ln(order), training pairs", "causal",
            _over(_score(excluded, "loss_train"), guessing), "≥", 1,
            "no better than guessing without the algorithm; memorised answers would survive: the mainline had 0.07 "
            "when it had memorised, and has 1.3",
        ),
        Criterion(
            "necessary-control", "accuracy without random frequencies over the network's own, the worst of the draws",
            "causal", _over(_extreme(excluded, "least", "accuracy_all"), get("accuracy_all")), "≥", 0.9,
            "else taking anything out would harm, and the number before says nothing",
        ),
        Criterion(
            "each-counts", "least rise of the loss by removing one key frequency, over the greatest by another",
            "causal", _each_counts(ablations, get("loss_all"), keys), "≥", 10,
            "a key frequency must matter much more than any other; our run of the mainline has 10⁶",
        ),
        Criterion(
            "clean-test", "restricted loss over the network's own, test pairs", "clean",
            _over(_score(restricted, "loss_test"), get("loss_test")), "≤", 1,
            "after cleanup all else only harms: the mainline has 0.2",
        ),
        Criterion(
            "clean-train", "restricted loss over the network's own, training pairs", "clean",
            _over(_score(restricted, "loss_train"), get("loss_train")), "≤", 1,
            "what is left of memorisation would make training pairs better than the algorithm alone",
        ),
    )  # fmt: skip


def _judge(criteria: Sequence[Criterion], keys: Sequence[int]) -> tuple[str, str]:
    if not keys:
        return "not", "No frequency stands out, so there is nothing that Fourier multiplication could use."
    known = [c for c in criteria if c.passed is not None]
    by_name = {c.name: c.passed for c in criteria}
    count = f"{sum(c.passed is True for c in known)} of {len(known)} criteria hold"
    told = "; ".join(c.title for c in known if not c.passed)
    if not told:
        return "Fourier multiplication", f"All {len(known)} criteria that apply hold."
    causal = by_name["sufficient"] and by_name["necessary"]
    if causal and by_name["sufficient-control"] is not False and by_name["necessary-control"] is not False:
        return "partly", f"The key frequencies carry the answers, but not all is as it should be: {count}; not: {told}."
    if by_name["sufficient"] is False and by_name["necessary"] is False:
        return "not", f"The key frequencies neither suffice for the answers nor are they needed: {count}; not: {told}."
    return "unclear", f"The criteria disagree: {count}; not: {told}."


def _getter(numbers: Mapping[str, float]) -> Callable[[str], float]:
    return lambda name: float(numbers.get(name, math.nan))


def _score(ablation: Ablation | None, name: str) -> float:
    return ablation.score[name] if ablation else math.nan


def _extreme(ablation: Ablation | None, which: Literal["least", "greatest"], name: str) -> float:
    if ablation is None or ablation.control is None:
        return math.nan
    return getattr(ablation.control, which)(name)


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _pizza_marks(numbers: Mapping[str, float]) -> float:
    """How many of the two marks of a pizza there are; NaN where they are not defined."""
    symmetric = numbers.get("gradient_symmetricity", math.nan)
    irrelevant = numbers.get("distance_irrelevance", math.nan)
    return math.nan if math.isnan(symmetric + irrelevant) else (symmetric > SYMMETRIC) + (irrelevant < IRRELEVANT)


def _each_counts(ablations: Mapping[str, Ablation], loss: float, keys: Sequence[int]) -> float:
    """The least rise of the loss over all pairs by one key frequency, in greatest rises by one that is no key."""
    each = [a for k in keys if (a := ablations.get(f"excluded-{k}")) is not None]
    if not each or each[0].control is None:
        return math.nan
    rise = min(a.score["loss_all"] for a in each) - loss
    other = each[0].control.greatest("loss_all") - loss
    return rise / other if other > 0 else math.inf if rise > 0 else 0.0
