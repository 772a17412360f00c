"""Events that need no structure of the task: of the norm, the gap between train and test, margins, logits, raw weights.

They may come with the phases of Nanda et al. and may not: a fall of the norm after generalising is no proof that
memorising components vanish, so none of these is called circuit formation or cleanup. Whether norm or logit scale
matter is disputed (Omnigrok, arXiv 2210.01117: the norm does; Kumar et al. 2023, arXiv 2310.06110: it may rise).
"""

from __future__ import annotations

from collections.abc import Mapping

from latebloom.analysis.events import SUSTAINED, Crossing, Event, Keys, Sign
from latebloom.analysis.finders.contract import Marks
from latebloom.analysis.slingshots import FACTOR, WINDOW, Spikes
from latebloom.analysis.surge import BEGINS, ENDS, OTHER_BEGINS, OTHER_ENDS, Surge, rules
from latebloom.analysis.turn import Turn
from latebloom.analysis.watch import Watch

GAP, OTHER_GAPS = 0.01, (0.05, 0.02)
CENTRE = "the step at which test_accuracy ≥ 0.5"


class Independent:
    """The finder."""

    names: tuple[str, ...] = (
        "train_accuracy",
        "test_accuracy",
        "train_loss",
        "test_loss",
        "test_margin_mean",
        "logit_scale",
        "weight_norm_sq",
        "gini_raw_weights",
    )

    def __init__(self, keys: Keys = "live") -> None:
        self._gaps = [Watch(gap, sign="<") for gap in (GAP, *OTHER_GAPS)]
        self._margin = [Watch(0.0)]
        self._losses = [Turn(factor, greatest=True) for factor in (2.0, 1.5, 10.0)]
        self._scales = [Turn(factor, greatest=True) for factor in (1.25, 1.1, 1.5)]
        self._norm, self._gini = Surge(down=True, log=True), Surge(down=False, log=True)
        self._spikes = Spikes(FACTOR)
        self._seen: set[str] = set()
        self._last = 0

    def add(self, step: int, row: Mapping[str, float], marks: Marks) -> None:
        """One log row."""
        self._last = step
        self._seen |= row.keys() & set(self.names)
        if marks.memorised is not None and "train_accuracy" in row and "test_accuracy" in row:
            for watch in self._gaps:
                watch.add(step, row["train_accuracy"] - row["test_accuracy"])
        if "test_margin_mean" in row:
            self._margin[0].add(step, row["test_margin_mean"])
        for turn in self._losses:
            turn.add(step, row.get("test_loss", float("nan")))
        if marks.memorised is not None:
            # at first it is that of the initial weights
            for turn in self._scales:
                turn.add(step, row.get("logit_scale", float("nan")))
        for name, surge in (("weight_norm_sq", self._norm), ("gini_raw_weights", self._gini)):
            surge.add(step, row.get(name, float("nan")))
            if marks.halfway is not None:
                surge.open(marks.halfway, marks.memorised or 0)
        if "train_loss" in row:
            self._spikes.add(step, row["train_loss"])

    @property
    def events(self) -> list[Event]:
        """Every event whose measures were logged."""
        found = []
        if {"train_accuracy", "test_accuracy"} <= self._seen:
            rule = f"after memorising, train_accuracy − test_accuracy < {GAP:g}, in {SUSTAINED} evaluations in a row"
            found.append(_watched("gap-closed", "Accuracy gap closed", "test_accuracy", rule, self._gaps, "<"))
        if "test_margin_mean" in self._seen:
            rule = f"test_margin_mean ≥ 0, in {SUSTAINED} evaluations in a row"
            found.append(_watched("margin-positive", "Test margin positive", "test_margin_mean", rule, self._margin))
        for name, event, title, turns in (
            ("test_loss", "test-loss-peaked", "Test loss at its greatest", self._losses),
            ("logit_scale", "logit-scale-peaked", "Logit scale at its greatest", self._scales),
        ):
            if turns[0].logged:
                since = ", after memorising," if name == "logit_scale" else ""
                rule = f"greatest {name} (running mean){since} before it falls to 1/{turns[0].factor:g} of that"
                found.append(_watched(event, title, name, rule, turns, "×"))
        for name, event, title, surge in (
            ("weight_norm_sq", "norm-fall", "Fall of the norm", self._norm),
            ("gini_raw_weights", "raw-gini-rise", "Rise of the raw weights' Gini", self._gini),
        ):
            if surge.logged:
                found += _surge(name, event, title, surge)
        return found if "train_loss" not in self._seen else [*found, self._spike()]

    def _spike(self) -> Event:
        rule = f"train_loss > {FACTOR:g} × its least value in the {WINDOW} log rows before"
        spikes = self._spikes.found
        if spikes:
            first, notes = spikes[0], (f"{len(spikes)} spikes up to step {self._last}",)
            found = Crossing(FACTOR, first.peak, (first.start, first.peak))
        else:
            notes = ()
            found = Crossing(FACTOR, censored_at=self._last, reason=f"no spike up to step {self._last}")
        title = "First spike of the training loss"
        return Event("train-loss-spiked", title, "train_loss", rule, found, (), "task-independent", "×", "", notes)


def _watched(
    name: str, title: str, measure: str, rule: str, watches: list[Watch] | list[Turn], sign: Sign = "≥"
) -> Event:
    first, *others = (watch.found for watch in watches)
    return Event(name, title, measure, rule, first, tuple(others), "task-independent", sign)


def _surge(measure: str, name: str, title: str, surge: Surge) -> list[Event]:
    start, *starts = (surge.started(share) for share in (BEGINS, *OTHER_BEGINS))
    end, *ends = (surge.ended(share) for share in (ENDS, *OTHER_ENDS))
    word = "falls" if name.endswith("fall") else "rises"
    began, ended = rules(measure, word, f"after {CENTRE}")
    kinds = ((f"{name}-started", "starts", began, start, starts), (f"{name}-ended", "ends", ended, end, ends))
    return [
        Event(kind, f"{title} {verb}", measure, rule, found, tuple(others), "task-independent", "of peak")
        for kind, verb, rule, found, others in kinds
    ]
