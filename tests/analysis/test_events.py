from __future__ import annotations

import itertools
import json

import numpy as np
import polars as pl
import pytest

from latebloom.analysis import Timeline, delay, event_from_json, find_events, phases


def log(train, test, steps=None):
    steps = steps or list(range(0, 10 * len(train), 10))
    return pl.DataFrame({"step": steps, "train_accuracy": train, "test_accuracy": test}, strict=False)


def found(values, name="generalised"):
    events = {event.name: event for event in find_events(log(values, values))}
    return events[name]


def test_first_step_of_a_sustained_crossing_and_its_interval():
    event = found([0.1] * 5 + [0.96] * 8)
    assert event.found.step == 50
    assert event.found.interval == (40, 50)
    assert event.rule == "test_accuracy ≥ 0.95, in 6 evaluations in a row"


def test_a_spike_is_no_event():
    assert found([0.1, 0.99, 0.99, 0.99, 0.99, 0.99, 0.1] + [0.2] * 5).found.step is None
    late = found([0.1, 0.99, 0.99, 0.1] + [0.97] * 6)
    assert late.found.step == 40
    assert late.found.interval == (30, 40)


def test_a_later_fall_does_not_undo_an_event():
    assert found([0.1] + [0.99] * 6 + [0.0] * 9).found.step == 10


def test_censored_never_never():
    event = found([0.1] * 9)
    assert event.found.step is None
    assert event.found.censored_at == 80
    assert "not known (censored)" in event.found.reason


def test_reached_at_the_end_but_not_sustained_is_said():
    event = found([0.1] * 6 + [0.99] * 3)
    assert event.found.step is None
    assert event.found.reason == "reached at step 60, but seen only 3 times in a row, not 6"


def test_from_the_first_step_on():
    event = found([1.0] * 8)
    assert event.found.step == 0
    assert event.found.interval == (0, 0)


def test_sensitivity_to_the_threshold():
    event = found([0.1, 0.82, 0.91, 0.96] + [0.97] * 8)
    steps = {crossing.threshold: crossing.step for crossing in event.sensitivity}
    assert (event.found.step, steps) == (30, {0.8: 10, 0.9: 20, 0.99: None})


def test_nan_and_null_count_as_below():
    assert found([float("nan"), None] + [0.99] * 6).found.step == 20


def test_live_and_read_back_agree():
    train = [0.2, 0.995, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0] + [1.0] * 12
    test = [0.0] * 10 + [0.5, 0.96] + [1.0] * 8
    frame = log(train, test)
    timeline = Timeline()
    for i, row in enumerate(frame.iter_rows(named=True)):
        timeline.add(row["step"], row)
        assert timeline.events == find_events(frame[: i + 1])


def test_a_measure_that_was_not_logged_gives_no_event():
    events = find_events(log([1.0] * 9, [0.0] * 9).drop("test_accuracy"))
    assert [event.name for event in events] == ["memorised"]
    assert find_events(pl.DataFrame({"step": [0]})) == []


@pytest.mark.parametrize(
    ("train", "test", "names"),
    [
        ([0.0] * 3 + [1.0] * 17, [0.0] * 12 + [1.0] * 8, ["learning", "memorised", "generalised"]),
        ([0.0] * 3 + [1.0] * 17, [0.0] * 20, ["learning", "memorised"]),
        ([0.0] * 20, [0.0] * 20, ["learning"]),
        ([0.0] * 5 + [1.0] * 15, [0.0] * 5 + [1.0] * 15, ["learning", "generalised"]),
        (
            [0.0] * 3 + [1.0] * 27,
            [0.0] * 12 + [1.0] * 8 + [0.0] * 10,
            ["learning", "memorised", "generalised", "anti-grokked"],
        ),
    ],
)
def test_phases_cover_the_run_without_gaps(train, test, names):
    found = phases(find_events(log(train, test)), 10 * len(train) - 10)
    assert [phase.name for phase in found] == names
    assert (found[0].start, found[-1].end) == (0, 10 * len(train) - 10)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))


def test_delay_as_difference_and_ratio():
    events = find_events(log([0.0] * 3 + [1.0] * 17, [0.0] * 12 + [1.0] * 8))
    assert delay(events) == {"steps": 90, "ratio": 4.0, "reason": ""}
    events = find_events(log([1.0] * 20, [0.0] * 12 + [1.0] * 8))
    assert delay(events) == {"steps": 120, "ratio": None, "reason": ""}
    events = find_events(log([1.0] * 20, [0.0] * 20))
    assert delay(events)["steps"] is None
    assert delay(events)["reason"].startswith("generalised: not reached up to step 190")


@pytest.mark.parametrize(
    ("memorised", "generalised", "grokked"),
    [(10, 25, 250), (10, 24, None), (10, 10, None), (12, 10, None), (40, 101, 1010)],
)
def test_grokking_is_late_by_the_ratio_of_steps(memorised, generalised, grokked):
    rows = 140
    frame = log([0.0] * memorised + [1.0] * (rows - memorised), [0.0] * generalised + [1.0] * (rows - generalised))
    events = {event.name: event for event in find_events(frame)}
    assert events["generalised"].found.step == 10 * generalised
    assert events["grokked"].found.step == grokked
    if grokked is None:
        assert events["grokked"].found.censored_at is None
        assert "no grokking" in events["grokked"].found.reason


def test_lost_generalisation_is_told_apart_by_training_accuracy():
    test = [0.0] * 30 + [1.0] * 30 + [0.2] * 30
    for kept, other, train in (("anti-grokked", "collapsed", 1.0), ("collapsed", "anti-grokked", 0.3)):
        frame = log([0.0] * 5 + [1.0] * 55 + [train] * 30, test)
        events = {event.name: event for event in find_events(frame)}
        assert events[kept].found.step == 600
        assert events[kept].found.interval == (590, 600)
        assert events[other].found.step is None
    events = {event.name: event for event in find_events(log([1.0] * 60, [0.0] * 60))}
    assert "nothing to lose" in events["collapsed"].found.reason


def test_the_interval_reaches_as_far_as_the_noise():
    clean = [i / 100 for i in range(90, 100)]
    assert found([0.1] * 40 + clean + [1.0] * 20).found.interval == (440, 450)
    rng = np.random.default_rng(0)
    ramp = np.concatenate([np.full(60, 0.1), np.linspace(0.1, 1.0, 90), np.full(60, 1.0)])
    event = found(list(ramp + 0.02 * rng.normal(size=len(ramp))))
    low, high = event.found.interval
    assert low < 10 * (60 + 89 * 0.85 / 0.9) < high
    assert 20 < high - low < 400


def test_events_of_older_and_newer_versions_are_read():
    old = {"name": "grokked", "title": "Grokked", "found": {"threshold": 0.95, "step": 7, "interval": [5, 7]}}
    read = event_from_json(old)
    assert (read.found.interval, read.group, read.sign, read.width) == ((5, 7), "accuracy", "≥", None)
    odd = old | {"group": ["?"], "sign": 3, "keys": {}, "width": {"midpoint": 1}, "news": 5, "notes": [1]}
    assert event_from_json(odd).group == "accuracy"
    assert event_from_json("nonsense").found.step is None
    for event in find_events(log([1.0] * 20, [0.0] * 10 + [1.0] * 10)):
        assert event_from_json(json.loads(json.dumps(event.to_json()))) == event
