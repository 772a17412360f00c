from __future__ import annotations

import itertools

import polars as pl
import pytest

from latebloom.analysis import Timeline, delay, find_events, phases


def log(train, test, steps=None):
    steps = steps or list(range(0, 10 * len(train), 10))
    return pl.DataFrame({"step": steps, "train_accuracy": train, "test_accuracy": test}, strict=False)


def found(values, name="grokked"):
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
    assert [event.name for event in find_events(log([1.0] * 9, [0.0] * 9).drop("test_accuracy"))] == ["memorised"]
    assert find_events(pl.DataFrame({"step": [0]})) == []


@pytest.mark.parametrize(
    ("train", "test", "names"),
    [
        ([0.0] * 3 + [1.0] * 17, [0.0] * 12 + [1.0] * 8, ["learning", "memorised", "generalised"]),
        ([0.0] * 3 + [1.0] * 17, [0.0] * 20, ["learning", "memorised"]),
        ([0.0] * 20, [0.0] * 20, ["learning"]),
        ([0.0] * 5 + [1.0] * 15, [0.0] * 5 + [1.0] * 15, ["learning", "generalised"]),
    ],
)
def test_phases_cover_the_run_without_gaps(train, test, names):
    found = phases(find_events(log(train, test)), 190)
    assert [phase.name for phase in found] == names
    assert (found[0].start, found[-1].end) == (0, 190)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))


def test_delay_as_difference_and_ratio():
    events = find_events(log([0.0] * 3 + [1.0] * 17, [0.0] * 12 + [1.0] * 8))
    assert delay(events) == {"steps": 90, "ratio": 4.0, "reason": ""}
    events = find_events(log([1.0] * 20, [0.0] * 12 + [1.0] * 8))
    assert delay(events) == {"steps": 120, "ratio": None, "reason": ""}
    events = find_events(log([1.0] * 20, [0.0] * 20))
    assert delay(events)["steps"] is None
    assert delay(events)["reason"].startswith("grokked: not reached up to step 190")
