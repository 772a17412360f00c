from __future__ import annotations

import polars as pl
import pytest

from latebloom.analysis import Crossing, Event, event_from_json, find_events
from latebloom.analysis.events import Sign
from latebloom.views import findings
from latebloom.views.findings import delay_range, details, headline, setting


def event(name: str, step: int | None, before: int = 0, last: int = 5000) -> Event:
    missed = Crossing(0.95, censored_at=last, reason="not yet")
    found = missed if step is None else Crossing(0.95, step, (before, step))
    others = (Crossing(0.99, censored_at=last, reason="not yet"), Crossing(0.9, 90, (80, 90)))
    return Event(name, name.title(), f"{name}_accuracy", f"{name} ≥ 0.95", found, others)


@pytest.mark.parametrize(
    ("memorised", "grokked", "said"),
    [
        (115, 4520, "Memorised by step 115; generalised by step 4\u202f520, 39\u00a0× as many steps."),
        (115, None, "Memorised by step 115; not generalised by step 5\u202f000."),
        (None, None, "Neither memorised nor generalised by step 5\u202f000."),
        (None, 300, "Generalised by step 300; the training set not memorised by step 5\u202f000."),
        (300, 300, "Generalised by step 300, no later than memorised (step 300): no grokking."),
        (0, 300, "Memorised by step 0; generalised by step 300."),
    ],
)
def test_the_headline_of_every_outcome(memorised: int | None, grokked: int | None, said: str) -> None:
    assert headline([event("memorised", memorised), event("grokked", grokked)], 5000) == said


def test_the_headline_without_events() -> None:
    assert headline([], None) == "Nothing was logged yet."
    assert headline([], 1200).startswith("Logged up to step 1\u202f200; without accuracies")


def test_details_give_interval_rule_and_other_thresholds() -> None:
    found, missed = details([event("memorised", 115, 110), event("grokked", None)])
    assert found == "Memorised between steps 110 and 115 (memorised ≥ 0.95). At ≥ 0.9: step 90; at ≥ 0.99: not seen."
    assert "not seen by step 5\u202f000" in missed
    assert "censored" in missed


def test_the_delay_spans_what_both_intervals_allow() -> None:
    text = delay_range([event("memorised", 100, 80), event("grokked", 1000, 900)])
    assert "900 steps (800 to 920)" in text
    assert "ratio of 10 (9 to 12.5)" in text
    assert delay_range([event("memorised", 100, 80), event("grokked", None)]) == ""


def test_events_survive_json() -> None:
    steps = list(range(0, 200, 10))
    curve = [0.0] * 8 + [1.0] * 12
    for original in find_events(pl.DataFrame({"step": steps, "train_accuracy": curve, "test_accuracy": [0.1] * 20})):
        assert event_from_json(original.to_json() | {"of a later version": 1}) == original


def test_the_setting_in_few_words() -> None:
    spec = {
        "model": {"name": "mlp", "widths": [128, 64]},
        "optim": {"name": "sgd", "lr": 0.1},
        "split": {"fraction": 0.5},
        "batch": 512,
    }
    assert setting(spec) == "MLP, hidden widths 128, 64 · SGD, lr 0.1 · 50 % of the pairs trained on, batches of 512"
    assert setting({}) == ""


def test_phases_of_the_circuit_and_events_of_accuracy_are_told_apart() -> None:
    accuracy = [event("memorised", 100), event("grokked", 900)]
    assert findings.two_kinds(accuracy) == ""
    told = findings.two_kinds([*accuracy, event("circuit-formation-started", 50)])
    assert told.startswith("Phases are of the circuit (")
    assert told.endswith("of accuracy: the two may overlap.")
    assert findings.two_kinds([*accuracy, event("circuit-formation-started", None)]) == ""
    assert findings.two_kinds([event("circuit-formation-started", 50)]) == ""


def test_thresholds_are_told_as_their_rule_means_them() -> None:
    crossing = Crossing(0.5)
    signs: list[tuple[Sign, str]] = [("≥", "≥ 0.5"), ("<", "< 0.5"), ("×", "× 0.5"), ("of peak", "50% as fast")]
    for sign, said in signs:
        assert findings.threshold(Event("e", "E", "m", "r", crossing, sign=sign), crossing) == said
