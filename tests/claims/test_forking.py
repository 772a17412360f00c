"""Claims on forks: a study's runs are trained, forked, collected and judged, in small."""

from dataclasses import replace

import polars as pl
import pytest

from latebloom.claims import forking, studies
from latebloom.claims.judging import stored_results
from latebloom.claims.running import repeat
from latebloom.claims.statements import d6
from latebloom.claims.studies import specs_of, study_text
from latebloom.errors import LatebloomError
from latebloom.experiment import run_experiment
from latebloom.forks import prepare, run_forks
from latebloom.store import open_run, write_study


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The claim with the study and the forks of the repository, but for sizes that take seconds."""
    smaller = {"p = 67": "p = 7", "= 8000": "= 300", "= 500": "= 8", "[48]": "[16]", "= 200": "= 20", "= 20\n": "= 5\n"}
    folder = tmp_path / "studies"
    folder.mkdir()
    for name in d6.CLAIM.reads:
        text = study_text(name).replace("fraction = 0.4", "fraction = 0.6")
        for old, new in smaller.items():
            text = text.replace(old, new)
        (folder / f"{name}.toml").write_text(text.replace("warmup = 0", "warmup = 0\noptim.lr = 3e-2"), "utf-8")
    monkeypatch.setattr(studies, "FOLDER", folder)
    monkeypatch.setattr(forking, "FOLDER", folder)
    monkeypatch.setattr("latebloom.ensemble.choice.cores", lambda: 1)
    return tmp_path


def train(runs):
    def all_of(plan):
        write_study(runs / plan.file.name, plan.file)
        for spec in plan.specs.values():
            run_experiment(spec, runs, plan.file.name, threads=1)

    return all_of


def grow(runs):
    return lambda plan: run_forks(prepare(plan.parts, runs, threads=1), runs)


def test_forks_of_a_study_are_collected_and_judged(small):
    runs, folder = small / "runs", small / "claims"
    done = repeat(d6.CLAIM, runs, folder, train(runs), grow(runs), seeds=2)
    part = done.results[d6.FORKS]
    told = part.runs.sort("change", "seed").select("change", "seed").rows()
    assert told == [(name, seed) for name in ("memorised", "norm", "random", "ticket") for seed in (0, 1)]
    assert part.seeds == 2
    assert part.facts["question"].startswith("Does a ticket")
    for row in part.runs.iter_rows(named=True):
        run = open_run(runs / "forks" / row["run"])
        parent = open_run(runs / "tickets" / run.provenance["fork"]["parent"]["run"])
        assert (run.provenance["fork"]["change"], parent.spec["seeds"]["init"]) == (row["change"], row["seed"])
        curve = part.curves.filter(pl.col("run") == row["run"])
        assert curve["test_loss"].to_list() == pytest.approx(run.scalars["test_loss"].to_list())
        assert row["wall_s"] == run.summary["timing"]["wall_s"]
        events = {event["name"]: event["found"]["step"] for event in run.events}
        assert (row["memorised.step"], row["grokked.step"]) == (events["memorised"], events["generalised"])
    read = stored_results(d6.CLAIM, folder)[d6.FORKS]
    assert read.runs.equals(part.runs)
    assert read.curves.equals(part.curves)
    assert "preliminary: 2 seeds" in done.finding.read_text("utf-8")
    assert "[ticket-forks](../studies/ticket-forks/study.toml)" in done.finding.read_text("utf-8")


def test_a_fork_that_fails_is_told_with_its_error(small):
    runs = small / "runs"

    def failing(plan):
        return [replace(one, comparison=None, error="seed-0: the disk is full") for one in grow(runs)(plan)]

    with pytest.raises(LatebloomError, match=r"some forks have failed:\n  seed-0: the disk is full$"):
        repeat(d6.CLAIM, runs, small / "claims", train(runs), failing, seeds=1)


def test_forks_are_counted_with_what_they_are_forks_of():
    specs = specs_of(d6.CLAIM)
    assert len(specs) == 5 * (1 + 4)
    assert len({spec.identity for spec in specs}) == 5
