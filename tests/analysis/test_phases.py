"""Events on curves with known times, on the published mainline, and on spoiled logs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from latebloom.analysis import Timeline, find_events, phases
from made_curves import TRUTHS, Times, curves, frame, steps

STEP = steps()


def by_name(scalars, keys="live"):
    return {event.name: event for event in find_events(scalars, keys)}


def some_times(rng) -> Times:
    scale = rng.uniform(0.7, 1.2)
    drawn = [float(t * scale * rng.uniform(0.97, 1.03)) for t in (140, 1300, 9300, 10_000, 9400, 13_000)]
    return Times(*drawn)


@pytest.mark.parametrize("draws", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_event_lies_in_its_interval_in_95_of_100_noisy_draws(draws):
    rng = np.random.default_rng(1)
    inside = dict.fromkeys(TRUTHS, 0)
    for _ in range(draws):
        times = some_times(rng)
        events = by_name(frame(STEP, curves(times, STEP), rng, noise=0.01))
        for name, field in TRUTHS.items():
            interval = events[name].found.interval
            inside[name] += interval is not None and interval[0] <= getattr(times, field) <= interval[1]
    assert {name: n / draws for name, n in inside.items() if n < 0.95 * draws} == {}


def test_clean_curves_give_narrow_intervals():
    times = Times()
    events = by_name(frame(STEP, curves(times, STEP), None, 0))
    for name, field in TRUTHS.items():
        low, high = events[name].found.interval
        assert low <= getattr(times, field) <= high, name
        assert high - low <= 0.35 * getattr(times, field), name
    found = phases(list(events.values()), 20_000)
    assert [phase.name for phase in found] == ["memorisation", "circuit-formation", "cleanup", "after-cleanup"]


def test_live_and_read_back_agree_at_every_row():
    sparse = frame(STEP, curves(Times(), STEP), np.random.default_rng(0), 0.01)
    # measures with a cadence of their own leave gaps, and a value that is no number is one
    gaps = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.col("restricted_loss_all")).alias("restricted_loss_all")
    nan = pl.when(pl.int_range(pl.len()) == 30).then(float("nan")).otherwise(pl.col("test_loss")).alias("test_loss")
    sparse = sparse.with_columns(gaps, nan)
    timeline = Timeline()
    for place, row in enumerate(sparse.iter_rows(named=True)):
        timeline.add(row["step"], {name: v for name, v in row.items() if v is not None and name != "step"})
        if place % 40 == 0 or place > sparse.height - 5:
            assert timeline.events == find_events(sparse[: place + 1])


def test_what_is_known_of_the_past_stays_when_the_run_goes_on():
    whole = frame(STEP, curves(Times(), STEP), np.random.default_rng(3), 0.01)
    last = by_name(whole)
    for rows in range(120, whole.height, 15):
        for name, event in by_name(whole[:rows]).items():
            if event.found.step is not None and not name.endswith("-started"):
                assert event.found.step == last[name].found.step, name
            if event.found.step is None and event.found.censored_at is not None and last[name].found.step is not None:
                assert event.found.censored_at <= whole["step"][rows - 1]


def test_a_run_that_ends_early_is_censored_with_reasons():
    clean = frame(STEP, curves(Times(), STEP), None, 0)
    events = by_name(clean.filter(pl.col("step") <= 10_600))
    assert events["grokked"].found.step is not None
    assert "it still went" in events["cleanup-ended"].found.reason
    assert events["cleanup-ended"].found.censored_at == 10_600
    events = by_name(clean.filter(pl.col("step") <= 8000))
    assert events["circuit-formation-started"].found.step is not None
    assert "no circuit had formed" in events["cleanup-started"].found.reason
    assert "(censored)" in events["circuit-formation-ended"].found.reason
    found = phases(list(events.values()), 8000)
    assert [phase.name for phase in found] == ["memorisation", "circuit-formation"]


def test_spikes_move_nothing():
    clean = frame(STEP, curves(Times(), STEP), None, 0)
    place = int(np.argmin(abs(STEP - 5000)))
    hit = pl.int_range(pl.len()).is_in([place, place + 1])
    names = ("excluded_loss_all_frequencies", "restricted_loss_all", "train_loss", "test_loss")
    spoiled = clean.with_columns(
        *(pl.when(hit).then(pl.col(name) * 300).otherwise(pl.col(name)).alias(name) for name in names),
        pl.when(hit).then(0.1).otherwise(pl.col("train_accuracy")).alias("train_accuracy"),
    )
    before, after = by_name(clean), by_name(spoiled)
    for name in TRUTHS:
        assert after[name].found.step == before[name].found.step, name
    assert before["train-loss-spiked"].found.step is None
    assert after["train-loss-spiked"].found.step in STEP[place : place + 2]


def test_a_sparse_log_is_as_right_and_less_sharp():
    times, sparse = Times(), steps(every=400)
    events = by_name(frame(sparse, curves(times, sparse), None, 0))
    for name, field in TRUTHS.items():
        low, high = events[name].found.interval
        assert low - 400 <= getattr(times, field) <= high + 400, name


def test_without_decay_there_is_no_cleanup():
    clean = frame(STEP, curves(Times(), STEP), None, 0)
    rising = clean.with_columns(weight_norm_sq=2000 + pl.col("step") / 10.0)
    events = by_name(rising)
    assert events["grokked"].found.step is not None
    for name in ("cleanup-started", "cleanup-ended", "norm-fall-started"):
        assert "fell by 0.0% only, not 10.0%" in events[name].found.reason
    assert [phase.name for phase in phases(list(events.values()), 20_000)][-1] == "circuit-formed"


def test_what_never_generalises_has_neither_circuit_nor_cleanup():
    clean = curves(Times(), STEP)
    flat = clean | {"test_accuracy": np.full(len(STEP), 0.01), "restricted_loss_all": np.full(len(STEP), 4.7)}
    events = by_name(frame(STEP, flat, np.random.default_rng(0), 0.01))
    for name in TRUTHS:
        if name != "memorised":
            assert events[name].found.step is None, name
    assert "restricted_loss_all is not down to" in events["circuit-formation-started"].found.reason
    assert [phase.name for phase in phases(list(events.values()), 20_000)] == ["learning", "memorised"]


def test_what_generalises_at_once_is_told_so():
    at_once = frame(STEP, curves(Times(generalised=200.0), STEP), None, 0)
    events = by_name(at_once)
    assert events["generalised"].found.step is not None
    for name in ("grokked", "circuit-formation-started", "cleanup-started", "cleanup-ended"):
        assert (events[name].found.step, events[name].found.censored_at) == (None, None), name
        assert "at once" in events[name].found.reason
    assert events["norm-fall-started"].found.step is not None


def test_other_tasks_have_the_events_that_need_no_circuit_and_no_others():
    names = ("step", "train_accuracy", "test_accuracy", "train_loss", "test_loss", "weight_norm_sq")
    events = by_name(frame(STEP, curves(Times(), STEP), None, 0).select(names))
    assert {"norm-fall-started", "norm-fall-ended", "gap-closed", "test-loss-peaked"} <= events.keys()
    assert not any(event.group == "nanda2023" for event in events.values())
    assert not any(word in name for name in events for word in ("cleanup", "circuit"))
    assert events["gap-closed"].found.step > events["grokked"].found.step
    assert 400 < events["test-loss-peaked"].found.step < 9000


def stairs(levels, long=60, rise=8):
    parts = [np.full(long, levels[0])]
    for before, after in itertools.pairwise(levels):
        parts += [np.linspace(before, after, rise), np.full(long, after)]
    return np.concatenate(parts)


def transitions(values, noise=0.005):
    rng = np.random.default_rng(0)
    step = np.round(200 * 1.03 ** np.arange(len(values))).astype(int)
    test = np.clip(values + noise * rng.normal(size=len(values)), 0, 1)
    rows = pl.DataFrame({"step": step, "train_accuracy": np.ones(len(values)), "test_accuracy": test})
    return step, [event for event in find_events(rows) if event.name.startswith("transition")]


def test_several_transitions_are_each_an_event():
    step, found = transitions(stairs([0.05, 0.4, 0.7, 1.0]))
    assert [event.name for event in found] == ["transition-1", "transition-2", "transition-3"]
    for number, event in enumerate(found):
        start = 60 + number * 68
        assert event.found.interval[0] <= step[start + 4] <= event.found.interval[1]
        assert step[start] <= event.found.step <= step[start + 8]


@pytest.mark.parametrize("levels", [[0.05, 1.0], [0.05], [0.5, 0.55, 0.6]])
def test_one_transition_is_no_multi_step_grokking(levels):
    assert transitions(stairs(levels))[1] == []


def test_a_fall_is_a_transition_too():
    _, found = transitions(stairs([0.05, 1.0, 0.3]))
    assert [event.title for event in found] == ["Transition 1, a rise", "Transition 2, a fall"]


def cosines(valid, low=0.05):
    step = np.arange(0, 12_000, 100)
    test = np.where(step < 3000, 0.1, 1.0)
    cosine = np.where(step < 8000, 0.88, low)
    rows = {"step": step, "train_accuracy": np.ones(len(step)), "test_accuracy": test, "alignment": cosine}
    return by_name(pl.DataFrame(rows | ({} if valid is None else {"alignment_published_valid": valid(step)})))


def test_the_drop_of_the_cosine_has_its_own_name_and_says_whether_float32_carries_it():
    event = cosines(lambda step: np.ones(len(step)))["post-grok-curvature-drop"]
    assert (event.found.step, event.found.interval) == (8000, (7900, 8000))
    assert event.notes == ("from a level of 0.88", "the gradient was above the floor of float32 (step 8000)")
    below = cosines(lambda step: (step < 7000).astype(float))["post-grok-curvature-drop"]
    assert "below the gradient floor" in below.notes[1]
    assert "not known" in cosines(None)["post-grok-curvature-drop"].notes[1]
    assert cosines(None, low=0.7)["post-grok-curvature-drop"].found.step is None
    assert "cleanup-started" not in cosines(None)


MAINLINE = Path(__file__).parents[2] / "../shared/reference/nanda-mainline-digitised.json"


def mainline() -> pl.DataFrame:
    if not MAINLINE.is_file():
        pytest.skip(f"the published mainline, read back from its figures, is not there: {MAINLINE}")
    stored = json.loads(MAINLINE.read_text("utf-8"))
    names = {
        "train_loss": "train_loss",
        "test_loss": "test_loss",
        "restricted_loss_all": "restricted_loss_all_data",
        "excluded_loss": "excluded_loss_full_train",
        "weight_norm_sq": "sum_sq_weights_total",
        "train_accuracy": "train_acc",
        "test_accuracy": "test_acc",
    }
    curves = {name: stored["series"][theirs] for name, theirs in names.items()}
    return pl.DataFrame({"step": stored["grid_epochs"], **curves})


def test_the_published_mainline_has_the_published_phases():
    curves = mainline()
    found = {phase.name: phase for phase in phases(find_events(curves, "final"), int(curves["step"][-1]))}
    # "Memorization (0k–1.4k)", "Circuit formation (1.4k–9.4k)", "Cleanup (9.4k–14k)"
    for name, start, end in (("memorisation", 0, 1400), ("circuit-formation", 1400, 9400), ("cleanup", 9400, 14_000)):
        assert abs(found[name].start - start) <= 1000
        assert abs(found[name].end - end) <= 1000
    assert by_name(curves, "final")["grokked"].found.step == pytest.approx(10_300, abs=300)
