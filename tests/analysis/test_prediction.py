"""Predictors and alarms on made curves with known answers: noise, the answer itself, and what leaks from later."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from latebloom.analysis.alarms import LASTING, Alarm, choose, judged
from latebloom.analysis.prediction import Forecast, Moment, Predictor, Watched, forecast, score, setting_alone, watched
from latebloom.analysis.statistics.discrimination import permuted, share
from latebloom.errors import LatebloomError

BUDGET, EVERY, MEMORISED = 2000, 50, 100.0
STEPS = np.arange(0.0, BUDGET + 1, EVERY)


def made(seed: int, generalised: float, group: int = 0, memorised: float = MEMORISED, **measures: Any) -> Watched:
    """A run; measures are functions of the step, or arrays."""
    curves: dict[str, Any] = {name: value(STEPS) if callable(value) else value for name, value in measures.items()}
    before = generalised - EVERY if math.isfinite(generalised) else float(BUDGET)
    return Watched(f"run-{group}-{seed}", group, seed, memorised, before, generalised, STEPS, curves)


def auroc(told: Forecast) -> float:
    return share(told.whether).value


def counts(told: Forecast) -> tuple[int, int]:
    """Runs judged, and those of them that generalise."""
    return len(told.number), int(told.came.sum())


def c(told: Forecast) -> float:
    return share(told.when).value


def times(count: int, group: int = 0) -> list[float]:
    """Half generalise, each at its own step; half do not."""
    return [400.0 + 100 * i + 50 * group if i % 2 else math.inf for i in range(count)]


def test_the_answer_gives_one_and_noise_a_half_within_its_interval():
    random = np.random.default_rng(0)
    runs = [
        made(i, t, answer=np.full(len(STEPS), -min(t, 1e6)), noise=random.normal(size=len(STEPS)))
        for i, t in enumerate(times(16))
    ]
    told = forecast(runs, Predictor("answer"), Moment(100), BUDGET)
    assert (*counts(told), told.gone, told.early) == (16, 8, 0, 0)
    assert (auroc(told), c(told), share(told.when.within()).value) == (1.0, 1.0, 1.0)
    assert permuted(told.when) < 0.01
    noise = forecast(runs, Predictor("noise"), Moment(100), BUDGET)
    assert share(noise.whether).low <= 0.5 <= share(noise.whether).high
    assert permuted(noise.when) > 0.05


def test_what_a_measure_does_after_the_moment_and_after_generalising_does_not_count():
    """It is 1 in runs that generalise, but only once they have."""
    runs = [made(i, t, leak=lambda s, t=t: (s >= t).astype(float)) for i, t in enumerate(times(12))]
    for at in (0, 300, 600):
        told = forecast(runs, Predictor("leak"), Moment(at), BUDGET)
        assert (auroc(told), c(told)) == (0.5, 0.5)
    assert all(math.isinf(Alarm("leak", 0.5, above=True).sounds(run)) for run in runs)


def test_a_change_of_the_future_changes_no_forecast():
    random = np.random.default_rng(1)
    for rule in ("value", "slope"):
        values = random.normal(size=len(STEPS))
        other = np.where(STEPS > 500, 99.0, values)
        read = [Predictor("m", rule, 200).read(made(0, 1000, m=curve), 500) for curve in (values, other)]
        assert read[0] == read[1]


def test_runs_that_have_generalised_or_not_memorised_are_left_out_and_counted():
    runs = [made(i, t, m=lambda s, i=i: 0 * s + i) for i, t in enumerate([200.0, 600.0, 900.0, math.inf, math.inf])]
    runs.append(made(5, math.inf, memorised=math.inf, m=lambda s: 0 * s))
    told = forecast(runs, Predictor("m"), Moment(100), BUDGET)
    assert (*counts(told), told.gone, told.early) == (4, 2, 1, 1)
    later = forecast(runs, Predictor("m"), Moment(0.2, "share"), BUDGET)
    assert (len(later.number), later.gone, later.early) == (5, 1, 0)


def test_a_run_that_ended_before_the_budget_is_open_and_one_that_generalises_after_it_is_a_no():
    runs = [made(i, t, m=lambda s, i=i: 0 * s - i) for i, t in enumerate([500.0, 1500.0, math.inf])]
    assert forecast(runs, Predictor("m"), Moment(0), 1000).came.tolist() == [True, False, False]
    short = Watched("short", 0, 7, MEMORISED, 800.0, math.inf, STEPS, {"m": 0 * STEPS})
    told = forecast([*runs, short], Predictor("m"), Moment(0), 1000)
    assert told.open.tolist() == [False, False, False, True]
    assert share(told.whether).pairs == 2
    assert share(told.when).pairs == 3 + 1  # it is known to come after the first alone


def test_all_or_none_generalising_is_refused():
    for ends in ([500.0, 600.0], [math.inf, math.inf]):
        runs = [made(i, t, m=lambda s: s) for i, t in enumerate(ends)]
        with pytest.raises(LatebloomError, match="expected runs with the event and runs without it"):
            auroc(forecast(runs, Predictor("m"), Moment(0), BUDGET))
        with pytest.raises(LatebloomError, match="a threshold cannot be chosen"):
            choose(runs, "m")


def test_when_can_be_told_where_all_generalise_and_not_where_none_does():
    runs = [made(i, t, m=lambda s, i=i: 0 * s - i) for i, t in enumerate([500.0, 600.0, 700.0])]
    assert c(forecast(runs, Predictor("m"), Moment(0), BUDGET)) == 1.0
    runs = [made(i, math.inf, m=lambda s: s) for i in range(3)]
    assert share(forecast(runs, Predictor("m"), Moment(0), BUDGET).when).pairs == 0


def test_an_unknown_measure_is_refused():
    runs = [made(i, t, m=lambda s: s) for i, t in enumerate(times(4))]
    with pytest.raises(LatebloomError, match="expected a measure among m, got 'gini'"):
        forecast(runs, Predictor("gini"), Moment(0), BUDGET)


def test_value_is_the_last_known_row_and_slope_the_line_through_the_window():
    values = np.where(STEPS % 100 == 0, 2 * STEPS + 7, math.nan)
    run = made(0, math.inf, m=values)
    assert Predictor("m").read(run, 450) == 2 * 400 + 7
    assert Predictor("m", "slope", 400).read(run, 800) == pytest.approx(2.0)
    assert math.isnan(Predictor("m", "slope", 200).read(run, 800))  # rows at 700 and 800 only
    curve = np.random.default_rng(2).normal(size=len(STEPS))
    fitted = np.polyfit(STEPS[STEPS <= 1000], curve[STEPS <= 1000], 1)[0]
    assert Predictor("m", "slope").read(made(0, math.inf, m=curve), 1000) == pytest.approx(fitted)


def test_the_step_tells_when_a_run_memorised_and_nothing_at_a_share_of_the_budget():
    runs = [made(i, t, memorised=100.0 + 10 * i) for i, t in enumerate([900.0, 800.0, 700.0, math.inf])]
    told = forecast(runs, Predictor("step"), Moment(50), BUDGET)
    assert auroc(told) == 0.0
    assert c(forecast(runs, Predictor("step"), Moment(0.1, "share"), BUDGET)) == 0.5


def test_the_setting_alone_ties_within_settings():
    runs = [made(i, t, group=g) for g in (0, 1) for i, t in enumerate([400.0 + 900 * g, 600.0 + 900 * g, math.inf])]
    told = score(runs, setting_alone(runs), Moment(0), BUDGET)
    assert share(told.whether.within()).value == share(told.when.within()).value == 0.5
    assert c(told) > 0.5


def rising(height: float, at: float):
    return lambda s: height * (s >= at)


def test_an_alarm_sounds_once_it_has_lasted_and_only_after_memorising():
    run = made(0, 1000, m=rising(1.0, 400))
    assert Alarm("m", 1.0, above=True).sounds(run) == 400 + (LASTING - 1) * EVERY
    assert Alarm("m", 0.0, above=False).sounds(run) == MEMORISED + (LASTING - 1) * EVERY
    spike = made(0, 1000, m=(STEPS == 400).astype(float))
    assert math.isinf(Alarm("m", 1.0, above=True).sounds(spike))


def slow_sound(alarm: Alarm, run: Watched) -> float:
    beyond = [
        run.memorised <= s < run.generalised and (v >= alarm.threshold if alarm.above else v <= alarm.threshold)
        for s, v in zip(run.steps, run.measures[alarm.measure], strict=True)
    ]
    for i in range(LASTING - 1, len(beyond)):
        if all(beyond[i - LASTING + 1 : i + 1]):
            return run.steps[i]
    return math.inf


def test_alarms_and_their_choice_are_those_of_brute_force():
    random = np.random.default_rng(3)
    runs = [made(i, t, m=random.normal(size=len(STEPS)).round(1)) for i, t in enumerate(times(10))]
    best = (-math.inf, -math.inf)
    for above in (True, False):
        for threshold in np.unique(np.concatenate([run.measures["m"] for run in runs])):
            alarm = Alarm("m", threshold, above)
            at = [slow_sound(alarm, run) for run in runs]
            assert at == [alarm.sounds(run) for run in runs]
            hits = [run.generalised - t for run, t in zip(runs, at, strict=True) if t < run.generalised < math.inf]
            false = sum(t < math.inf for run, t in zip(runs, at, strict=True) if run.censored)
            best = max(best, (len(hits) / 5 - false / 5, float(np.median(hits)) if hits else 0.0))
    chosen = choose(runs, "m")
    at = [chosen.sounds(run) for run in runs]
    hits = [run.generalised - t for run, t in zip(runs, at, strict=True) if t < run.generalised < math.inf]
    false = sum(t < math.inf for run, t in zip(runs, at, strict=True) if run.censored)
    assert (len(hits) / 5 - false / 5, float(np.median(hits))) == pytest.approx(best)


def settings(*heights: float) -> list[Watched]:
    """In each setting the measure rises to a height of its own, 300 steps before generalising; else stays at 0."""
    return [
        made(i, t, group=g, m=rising(height, t - 300))
        for g, height in enumerate(heights)
        for i, t in enumerate([800.0, 1000.0, math.inf, math.inf])
    ]


def test_a_measure_that_rises_before_generalising_is_found_with_its_lead():
    found = judged(settings(1.0, 1.0, 1.0), "m")
    assert (found.came, found.hits, found.stayed, found.false) == (6, 6, 6, 0)
    assert found.lead.step == 300 - (LASTING - 1) * EVERY
    assert found.relative == pytest.approx(np.median([250 / 700, 250 / 900]))
    assert (found.youden, found.youden_low, found.youden_high) == (1.0, 1.0, 1.0)


def test_thresholds_are_not_judged_on_the_runs_that_chose_them():
    """A height of its own in each setting: 5 chooses thresholds that 1 never reaches, and its own does not save it."""
    own = choose(settings(1.0), "m")
    assert own.threshold == 1.0
    low, high = settings(1.0, 5.0)[:4], settings(1.0, 5.0)[4:]
    found = judged([*low, *high], "m")
    assert [alarm.threshold for alarm in found.alarms if alarm] == [5.0, 1.0]
    assert (found.hits, found.came) == (2, 4)


def test_false_alarms_stay_in_the_lead_as_censored():
    runs = settings(1.0, 1.0)
    quiet = runs[2]
    runs[2] = made(quiet.seed, math.inf, group=0, m=rising(1.0, 500))
    found = judged(runs, "m")
    assert (found.hits, found.false) == (4, 1)
    assert (found.lead.runs, found.lead.seen) == (5, 4)
    assert found.youden == pytest.approx(1 - 1 / 4)
    assert found.youden_low < found.youden < found.youden_high


def test_the_step_as_an_alarm_is_false_in_every_run_that_stays():
    found = judged(settings(1.0, 1.0), "step")
    assert (found.hits, found.came, found.false, found.stayed, found.youden) == (4, 4, 4, 4, 0)


def test_one_setting_cannot_be_left_out():
    with pytest.raises(LatebloomError, match="expected two settings or more to leave one out, got 1"):
        judged(settings(1.0), "m")
    with pytest.raises(LatebloomError, match="can be chosen, got none"):
        judged([made(i, 500.0, group=i, m=lambda s: s) for i in range(3)], "m")


def frame(**more) -> pl.DataFrame:
    columns = {
        "run": ["a", "b"],
        "seed": [0, 1],
        "optim.lr": [0.1, 0.2],
        "memorised.step": [100, None],
        "memorised.after": [50, None],
        "memorised.censored_at": [None, 500],
        "grokked.step": [300, None],
        "grokked.after": [250, None],
        "grokked.censored_at": [None, 500],
    }
    return pl.DataFrame(columns | more)


def test_runs_are_read_from_outcomes_and_curves():
    curves = pl.DataFrame({"run": ["b", "a", "a"], "step": [0, 100, 0], "m": [1.0, None, 3.0]})
    a, b = watched(frame(), curves, ["optim.lr"])
    assert (a.memorised, a.before, a.generalised, a.group) == (100, 250, 300, 0)
    assert (b.memorised, b.before, b.generalised, b.group) == (math.inf, 500, math.inf, 1)
    assert a.steps.tolist() == [0, 100]
    assert a.measures["m"].tolist() == pytest.approx([3.0, math.nan], nan_ok=True)


def test_runs_without_what_is_needed_are_refused():
    curves = pl.DataFrame({"run": ["a"], "step": [0], "m": [1.0]})
    with pytest.raises(LatebloomError, match="expected a curve of every run, got none of b"):
        watched(frame(), curves, [])
    with pytest.raises(LatebloomError, match=r"expected outcomes with optim\.beta"):
        watched(frame(), curves, ["optim.beta"])
    with pytest.raises(LatebloomError, match="got a run with neither"):
        watched(frame(**{"grokked.censored_at": [None, None]}), curves, [])
