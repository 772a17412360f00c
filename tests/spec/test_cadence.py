"""When log rows, checkpoints and measures are due."""

from __future__ import annotations

import numpy as np
import pytest

from latebloom.measures import MEASURES, chosen, due
from latebloom.spec import RunSpec, checkpoint_due, log_due, log_gap, override, presets, read, resolve, takings
from latebloom.spec.cadence import LEAST, stride_within


def spec_of(preset: str = "quick", **changes: str) -> RunSpec:
    return resolve(override(read(preset)[1], {name.replace("__", "."): value for name, value in changes.items()}))


def counted(spec: RunSpec) -> dict[str, int]:
    """How often a run takes each of its measures, row by row."""
    found = dict.fromkeys((m.name for m in chosen(spec.log.measures)), 0)
    for step in range(spec.steps + 1):
        if log_due(step, spec.log.every) or step == spec.steps:
            all_of_them = chosen(spec.log.measures)
            gap = log_gap(step, spec.log.every)
            for measure in all_of_them if step == spec.steps else due(all_of_them, step, gap, spec.strides):
                found[measure.name] += 1
    return found


@pytest.mark.parametrize("every", [1, 3, 10, 25, 200])
def test_log_is_dense_early_and_never_sparser_than_asked(every):
    steps = [step for step in range(5000) if log_due(step, every)]
    gaps = np.diff(steps)
    assert steps[0] == 0
    assert gaps.max() == every
    assert all(gap <= max(1, step / 10) for gap, step in zip(gaps, steps, strict=False))
    assert checkpoint_due(0, every)
    assert not checkpoint_due(every + 1, every) or every == 1


@pytest.mark.parametrize("steps", [1, 7, 60, 399, 400, 401, 2800, 5001])
@pytest.mark.parametrize("every", [1, 3, 20, 50, 10000])
@pytest.mark.parametrize("stride", [1, 2, 5, 50, 2000])
def test_takings_are_those_that_are_counted_row_by_row(steps, every, stride):
    rows = [step for step in range(steps + 1) if log_due(step, every) or step == steps]
    by_row = sum(step == steps or step % (log_gap(step, every) * stride) == 0 for step in rows)
    assert takings(steps, every, stride) == by_row


def test_every_measure_of_a_short_run_is_taken_some_twenty_times():
    found = counted(spec_of(log__measures="all"))
    assert min(found.values()) >= LEAST
    assert max(found[name] for name in ("spectrum", "spectrum-density", "learning-coefficient", "kernel")) < 2 * LEAST
    # as often as their cost asks for, where that is more
    assert found["fit"] == found["norms"] > found["keys"] > 2 * LEAST


@pytest.mark.parametrize("name", presets())
def test_every_preset_takes_each_of_its_measures_some_twenty_times(name):
    spec = spec_of(name)
    strides = {m: s for m, s in spec.strides.items() if m not in spec.log.strides}
    assert all(takings(spec.steps, spec.log.every, stride) >= LEAST for stride in strides.values())


def test_in_a_long_run_a_measure_is_taken_as_its_cost_asks_for():
    spec = spec_of(steps="10000000", log__every="20", log__measures="all")
    assert spec.strides == {m.name: m.stride for m in MEASURES}


def test_a_run_of_a_few_rows_takes_everything_at_each():
    assert set(spec_of(steps="19", log__measures="all").strides.values()) == {1}


def test_strides_that_are_asked_for_stay():
    asked = spec_of(log__measures="spectrum,kernel", log__strides="{spectrum = 1000}")
    assert asked.strides == {"fit": 1, "spectrum": 1000, "kernel": stride_within(2800, 20, 500)}
    assert takings(2800, 20, 1000) == 2


def test_the_identity_is_that_of_the_fields_whatever_cadence_follows_from_them():
    # of a version that took costly measures of a short run at its ends alone
    assert spec_of().run_id == "seed-0-ae26cdfe9f"
    assert spec_of(log__measures="all").run_id == "seed-0-868abfe0dc"
