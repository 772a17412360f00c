"""What is said of networks that were trained: one that groks, and three kinds that must not be said to."""

from __future__ import annotations

from pathlib import Path

import pytest

from latebloom.analysis import find_events, phases
from latebloom.experiment import run_experiment
from latebloom.spec import override, read, resolve
from latebloom.store import Run

BASE = Path(__file__).parents[2] / "studies/base/sum-mlp.toml"
SAME = {"stop.event": "never", "checkpoints.every": "5000", "log.measures": "norms,keys,restricted,excluded"}
# a sum of embeddings cannot give (a, b) and (b, a) two random labels
CONCATENATED = {"task.p": "23", "model.embedding": "concatenate", "optim.lr": "3e-3"}
RUNS = {
    "groks": {"steps": "2200"},
    "without decay": {"steps": "2200", "optim.weight_decay": "0"},
    "nine tenths of the pairs": {"steps": "1200", "split.fraction": "0.9"},
    "random labels": {"steps": "1500", "labels.corrupted": "1", "optim.weight_decay": "0.1"} | CONCATENATED,
    "without decay, concatenated": {"steps": "1500", "optim.weight_decay": "0"} | CONCATENATED,
}


def trained(name: str, folder: Path) -> Run:
    spec = resolve(override(read(str(BASE))[1], SAME | RUNS[name]))
    return run_experiment(spec, folder, "made", threads=1)


def told(run: Run):
    events = find_events(run.scalars.sort("step"))
    return {event.name: event for event in events}, [phase.name for phase in phases(events, run.spec["steps"])]


@pytest.mark.slow
def test_a_run_that_groks_is_said_to(tmp_path):
    events, _ = told(trained("groks", tmp_path))
    memorised, grokked = (events[name].found.step for name in ("memorised", "grokked"))
    assert memorised is not None
    assert grokked is not None
    assert grokked > 2.5 * memorised


@pytest.mark.parametrize(
    "name", [pytest.param("without decay", marks=pytest.mark.slow), "without decay, concatenated", "random labels"]
)
def test_a_run_that_never_generalises_is_not_said_to_grok(tmp_path, name):
    run = trained(name, tmp_path)
    events, found = told(run)
    assert events["memorised"].found.step is not None
    assert run.scalars["train_accuracy"][-1] > 0.99
    assert run.scalars["test_accuracy"][-1] < 0.6
    for event in ("generalised", "grokked", "cleanup-started", "cleanup-ended"):
        assert events[event].found.step is None, event
        assert events[event].found.censored_at is not None, event
    assert not {"generalised", "cleanup", "after-cleanup"} & set(found)
    # logits that grow raise excluded loss: where that is taken for a beginning, it says what it is worth
    for event in ("circuit-formation-started", "circuit-formation-ended"):
        if events[event].found.step is not None:
            assert "not generalised so far" in events[event].notes[0]


@pytest.mark.slow
def test_a_run_that_generalises_at_once_is_not_said_to_grok(tmp_path):
    run = trained("nine tenths of the pairs", tmp_path)
    events, found = told(run)
    assert events["generalised"].found.step is not None
    for event in ("grokked", "circuit-formation-started", "circuit-formation-ended", "cleanup-started"):
        # not censored: it cannot come any more
        assert (events[event].found.step, events[event].found.censored_at) == (None, None), event
        assert "at once" in events[event].found.reason, event
    assert found == ["learning", "memorised", "generalised"]
