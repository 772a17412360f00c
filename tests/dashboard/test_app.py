"""What the addresses give, and that odd questions and odd files get a clear answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

import latebloom
from dashboard_runs import DECAYS, make_run, row_of, small, write_rows
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.analysis.inside import Inside
from latebloom.analysis.outcomes import outcomes
from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app
from latebloom.experiment import run_experiment
from latebloom.measures.neurons import neuron_fit
from latebloom.store import RunWriter


def client(root: Path, **options: Any) -> TestClient:
    return TestClient(make_app(root, Access("127.0.0.1"), **options), "http://127.0.0.1:8642", False)


def ask(root: Path, address: str, **params: Any) -> Any:
    answer = client(root).get(address, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_list_can_be_filtered_sorted_and_paged(root, monkeypatch):
    whole = ask(root, "/api/runs")
    assert (whole["total"], whole["found"], whole["pages"]) == (11, 11, 1)
    assert whole["states"] == {"done": 10, "failed": 1}
    assert whole["groups"] == ["broken", "decay-study", "latebloom-example", "pair"]
    assert {row["about"].split(" · ")[0] for row in whole["rows"] if row["group"] == "pair"} == {"a + b mod 11"}
    assert [row["group"] for row in ask(root, "/api/runs", state="failed")["rows"]] == ["broken"]
    assert ask(root, "/api/runs", group="pair", q="MOD 11 adamw")["found"] == 2
    assert ask(root, "/api/runs", q="no such words")["rows"] == []
    up = [row["folder"] for row in ask(root, "/api/runs", sort="run", descending=False)["rows"]]
    assert up == sorted(up)
    monkeypatch.setattr("latebloom.dashboard.listing.PAGE", 4)
    pages = [ask(root, "/api/runs", sort="run", page=page) for page in (1, 2, 3)]
    assert [len(page["rows"]) for page in pages] == [4, 4, 3]
    assert len({row["folder"] for page in pages for row in page["rows"]}) == 11
    assert ask(root, "/api/runs", page=99)["page"] == 3


def test_small_curves_are_those_of_the_run(root):
    folder = ask(root, "/api/runs", group="pair")["rows"][0]["folder"]
    curve = ask(root, "/api/curves", run=folder)[folder]
    scalars = latebloom.open(root / folder).scalars
    assert curve["step"][-1] == 60
    assert curve["test_accuracy"][-1] == pytest.approx(scalars["test_accuracy"][-1], abs=5e-4)
    assert len(curve["step"]) == len(curve["train_accuracy"]) <= 60


def unpacked(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:4], "little")
    told = json.loads(data[4 : 4 + length])
    at = 4 + length
    assert at % 4 == 0
    for name, shape in told["arrays"].items():
        size = int(np.prod(shape))
        told["arrays"][name] = np.frombuffer(data, "<f4", size, at).reshape(shape)
        at += 4 * size
    assert at == len(data)
    return told


def test_tables_are_what_the_network_does(root):
    folder = ask(root, "/api/runs", group="pair")["rows"][0]["folder"]
    sizes = ask(root, f"/api/inside/{folder}")
    assert (sizes["order"], sizes["layers"], sizes["heads"], sizes["positions"]) == (11, {"0": 24}, {"0": 2}, 3)
    assert sizes["steps"] == [0, 10, 20, 30, 40, 50, 60]
    answer = client(root).get(f"/api/tables/{folder}?step=20&block=0&neuron=7&position=1&answer=4")
    told = unpacked(answer.content)
    _, probe = probe_of(latebloom.open(root / folder), 20)
    model, tokens = probe.subject.model, probe.subject.examples.tokens
    logits, seen = model.apply(probe.params, tokens)
    post = seen["blocks.0.mlp.hook_post"][:, -1]
    assert np.allclose(told["arrays"]["neuron"], post[:, 7].reshape(11, 11), atol=1e-5)
    assert np.allclose(told["arrays"]["logit"], logits[:, 4].reshape(11, 11), atol=1e-4)
    pattern = seen["blocks.0.attn.hook_pattern"][:, :, -1, 1]
    assert np.allclose(told["arrays"]["attention"], pattern.T.reshape(2, 11, 11), atol=1e-6)
    fit = neuron_fit(post.reshape(11, 11, 24))
    assert told["frequency"] == int(fit.frequency[7])
    assert told["share"] == pytest.approx(float(fit.fve[7]), abs=1e-4)
    # what the fit leaves of the neuron is orthogonal to it and holds the rest of the variance
    x, fitted = told["arrays"]["neuron"].astype(float), told["arrays"]["fitted"].astype(float)
    assert 1 - ((x - fitted) ** 2).sum() / ((x - x.mean()) ** 2).sum() == pytest.approx(told["share"], abs=1e-4)


def test_an_embedding_of_one_wave_is_a_circle(root, monkeypatch):
    run = latebloom.open(root / ask(root, "/api/runs", group="pair")["rows"][0]["folder"])
    params = run.params()
    angle = 2 * torch.pi * 3 * torch.arange(11) / 11
    rows = torch.zeros(len(params["embed.W_E"]), 16)
    rows[:11, 2], rows[:11, 9] = angle.cos(), angle.sin()
    monkeypatch.setattr(type(run), "params", lambda self, step=None: params | {"embed.W_E": rows})
    circle = Inside(run).circles(60, [3])[0].astype(float)
    assert np.allclose(np.hypot(circle[:, 0], circle[:, 1]), 1, atol=1e-5)
    turn = np.diff(np.unwrap(np.arctan2(circle[:, 1], circle[:, 0])))
    assert np.allclose(np.abs(turn), 2 * np.pi * 3 / 11, atol=1e-4)
    assert np.isfinite(Inside(run).circles(60, [2])).all()  # a frequency that is not there


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        ("/api/runs?sort=size", 400, "expected an order among"),
        ("/api/runs?state=odd", 400, "expected a state among"),
        ("/api/runs?page=x", 400, "page: Input should be a valid integer"),
        ("/api/curves", 400, "run: Field required"),
        ("/api/tables/FOLDER?step=7", 400, "no checkpoint of step 7"),
        ("/api/tables/FOLDER?step=10&neuron=24", 400, "expected a neuron 0 … 23, got 24"),
        ("/api/tables/FOLDER?step=10&neuron=-1", 400, "expected a neuron 0 … 23, got -1"),
        ("/api/tables/FOLDER?step=10&answer=11", 400, "expected an answer 0 … 10"),
        ("/api/tables/FOLDER?step=10&position=3", 400, "expected a position 0 … 2"),
        ("/api/tables/broken/seed-9-0000000000?step=0", 400, "is not one of this latebloom"),
        ("/api/study/pair", 400, "there is no study in pair"),
        ("/api/none", 404, "there is no page /api/none"),
        ("/api/jobs/x", 404, "there is no page"),
        ("/api/live/FOLDER?after=9223372036854775808", 400, "after: Input should be less than"),
        ("/api/runs?page=1e400", 400, "page: Input should be a valid integer"),
    ],
)
def test_odd_questions_get_a_clear_answer(root, address, code, message):
    folder = ask(root, "/api/runs", group="pair")["rows"][0]["folder"]
    answer = client(root).get(address.replace("FOLDER", folder))
    assert answer.status_code == code, answer.text
    assert message in answer.json()["error"]


def test_pages_for_people(root):
    answer = client(root).get("/run/pair/none")
    assert answer.status_code == 404
    assert "<h1>Nothing here</h1>" in answer.text
    assert "There is no" in answer.text
    odd = client(root).get("/run/broken/seed-9-0000000000")
    assert odd.status_code == 200
    assert "<b>odd</b>" not in odd.text
    assert "diverged" in odd.text


def test_damaged_files_are_said_and_hide_nothing(root):
    rows = ask(root, "/api/runs", group="pair")["rows"]
    folder = root / rows[0]["folder"]
    (folder / "scalars.parquet").write_bytes(b"PAR1 nonsense")
    (root / "pair" / "seed-8-1111111111").mkdir()
    (root / "pair" / "seed-8-1111111111" / "spec.json").write_text("{", "utf-8")
    (root / "decay-study" / "study.json").write_text('{"schema": 1, "name": 3}', "utf-8")
    assert ask(root, "/api/runs", group="pair")["found"] == 3
    assert ask(root, "/api/curves", run=[row["folder"] for row in rows])[rows[0]["folder"]] == {}
    page = client(root).get(f"/run/{rows[0]['folder']}")
    assert page.status_code == 400
    assert "changed or damaged" in page.text
    assert "no study of this latebloom" in ask(root, "/api/studies")[0]["error"]


def test_a_study_says_what_came_of_each_run(root):
    found = ask(root, "/api/study/decay-study")
    assert found["axes"][0]["values"] == DECAYS
    assert [run["state"] for run in found["runs"]] == ["done"] * 7 + ["pending"]
    assert {tuple(run["cell"].values()) for run in found["runs"]} == {(d, f) for d in DECAYS for f in (0.4, 0.6)}
    listed = ask(root, "/api/studies")
    assert [(study["folder"], study["runs"]) for study in listed] == [("decay-study", 8)]


def test_a_fork_says_what_it_was_made_of_and_leads_to_its_twin(root):
    fork, twin = sorted((root / "pair").iterdir())
    there = f"pair/{twin.name}"
    page = fork_page(root, fork, twin={"folder": there, "what": "the parent <itself>"})
    assert f'data-twin="{there}"' in page
    assert "Forked from pair/parent at step 20, grokked: optim.weight_decay=0." in page
    assert f"Its twin is {there} (the parent &lt;itself&gt;)." in page
    for odd in ({"folder": "../secret"}, {"folder": "pair/none"}, {"folder": 3}, "x", None):
        assert 'data-twin=""' in fork_page(root, fork, twin=odd)
    assert 'data-twin=""' in client(root).get(f"/run/{there}").text


def fork_page(root: Path, fork: Path, **facts: Any) -> str:
    path = fork / "provenance.json"
    made = {"parent": {"folder": "pair/parent"}, "step": 20, "event": "grokked", "change": "optim.weight_decay=0"}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"fork": made | facts}), "utf-8")
    answer = client(root).get(f"/run/pair/{fork.name}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_study_says_what_its_runs_ended_as(root):
    found = ask(root, "/api/study/decay-study")
    frame = outcomes(latebloom.open_study(root / "decay-study"))
    ends = dict(frame.select("run", "end_state").iter_rows())
    assert {run["folder"].rpartition("/")[2]: run["end"] for run in found["runs"] if run["end"]} == ends
    assert [run["end"] for run in found["runs"]][-1] is None
    assert {kind["name"] for kind in found["ends"]} == set(ends.values())
    assert all(kind["mark"] and kind["words"] and kind["colour"].startswith("#") for kind in found["ends"])
    assert all(run["why"] for run in found["runs"] if run["end"])


def test_a_study_that_names_code_has_no_end_states_and_runs_none(root):
    path = root / "decay-study" / "study.json"
    study = json.loads(path.read_text("utf-8"))
    mine = root / "mine.py"
    mine.write_text(f"open({str(root / 'ran')!r}, 'w')\nclass Task: ...\n", "utf-8")
    study["base"]["task"] = {"name": f"{mine}:Task"}
    path.write_text(json.dumps(study), "utf-8")
    found = ask(root, "/api/study/decay-study")
    assert found["ends"] == []
    assert "runs no code" in found["without_ends"]
    assert not (root / "ran").exists()


def test_runs_are_compared_on_the_same_numbers(root):
    folders = [row["folder"] for row in ask(root, "/api/runs", group="pair", sort="run", descending=False)["rows"]]
    told = ask(root, "/api/compare", run=folders)
    assert [run["folder"] for run in told["runs"]] == folders
    for one in told["runs"]:
        scalars = latebloom.open(root / one["folder"]).scalars
        assert one["curves"]["test_loss"] == scalars["test_loss"].to_list()
    assert {"seeds.init", "seeds.split", "seeds.order"} <= set(told["runs"][0]["differs"])
    assert told["runs"][1]["differs"]["seeds.init"] == 1
    assert "weight_norm_sq" in [m["name"] for m in told["measures"]]
    only = ask(root, "/api/compare", run=folders, measure=["train_margin_min"])
    assert [m["name"] for m in only["measures"]] == ["train_margin_min"]
    many = client(root).get("/api/compare", params={"run": folders * 7})
    assert many.status_code == 400


def test_rows_of_a_run_under_way_come_as_they_are_flushed(root):
    with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": 9}, {}, 9) as writer:
        writer.log(0, {"train_accuracy": 0.1, "test_accuracy": 0.1}, {})
        writer.log(3, {"train_accuracy": float("nan"), "test_accuracy": 0.2, "rare": 1.0}, {})
        writer.checkpoint(3, {"params/w": torch.zeros(2)}, {}, lambda step: True)
        with client(root).stream("GET", "/api/live/live/seed-0-0000000000?after=0") as stream:
            lines = stream.iter_lines()
            first = json.loads(next(lines).removeprefix("data: "))
            assert (first["state"], first["steps"], first["total_steps"]) == ("running", [3], 9)
            assert first["curves"] == {"train_accuracy": [None], "test_accuracy": [0.2], "rare": [1.0]}
            writer.finish([], {})
            assert next(lines) == ""
            last = json.loads(next(lines).removeprefix("data: "))
            assert (last["state"], last["steps"]) == ("done", [])


def test_a_stream_that_can_no_longer_be_read_says_so_and_ends(root):
    with write_rows(root, "live", 100, 600) as writer:
        with client(root).stream("GET", "/api/live/made/live?after=-1") as stream:
            lines = stream.iter_lines()
            assert json.loads(next(lines).removeprefix("data: "))["state"] == "running"
            (writer.folder / "status.json").write_text("{", "utf-8")
            assert next(lines) == ""
            last = json.loads(next(lines).removeprefix("data: "))
            assert last["state"] == "unreadable"
            assert "is not valid JSON" in last["error"]
            assert [*lines] == [""]
        writer.stop("asked to")


def test_a_folder_that_goes_between_two_looks_is_a_clear_answer(root, monkeypatch):
    folder = next(iter(root.glob("pair/seed-0*")))

    def gone(*args: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory", str(folder / "spec.json"))

    monkeypatch.setattr("latebloom.dashboard.app.page_parts", gone)
    page = client(root).get(f"/run/pair/{folder.name}")
    assert page.status_code == 404
    assert "Nothing here" in page.text
    assert "moved or removed just now" in page.text


def test_events_of_runs_under_way_are_those_that_came_so_far(root):
    make_run(root, "ended", 50, 90)
    with write_rows(root, "live", 100, 600) as writer:
        told = {row["id"]: row for row in ask(root, "/api/runs", group="made")["rows"]}
        assert [(told[i]["memorised"], told[i]["grokked"], told[i]["so_far"]) for i in ("ended", "live")] == [
            (50, None, False),  # too soon after memorising to be late
            (100, 600, True),
        ]
        asked = {"group": "made", "sort": "memorised"}
        assert [row["id"] for row in ask(root, "/api/runs", **asked)["rows"]] == ["live", "ended"]
        assert [row["id"] for row in ask(root, "/api/runs", **asked, descending=False)["rows"]] == ["ended", "live"]
        writer.stop("asked to")
    with write_rows(root, "early", 300, 2000) as writer:
        row = next(r for r in ask(root, "/api/runs", group="made")["rows"] if r["id"] == "early")
        assert (row["memorised"], row["grokked"]) == (300, None)
        for step in range(810, 2100, 10):
            writer.log(step, row_of(step, 300, 2000), {})
        writer.checkpoint(2090, {"params/w": torch.zeros(2)}, {}, lambda step: True)  # flushes
        row = next(r for r in ask(root, "/api/runs", group="made")["rows"] if r["id"] == "early")
        assert (row["memorised"], row["grokked"]) == (300, 2000)
        writer.stop("asked to")


JUNK = (b"", b"{", b"3", b"[3]", b'{"task": 3, "model": [], "steps": "many", "fork": {"step": "x", "parent": 3}}')


@pytest.mark.parametrize("name", ["spec.json", "status.json", "events.json", "provenance.json", "manifest.json"])
def test_a_file_that_holds_something_else_is_no_traceback(root, name):
    folder = next(iter(root.glob("pair/seed-0*")))
    here, whole = f"pair/{folder.name}", (folder / name).read_bytes()
    addresses = [f"/run/{here}", "/api/runs?sort=grokked", f"/api/curves?run={here}", f"/api/compare?run={here}"]
    addresses += [f"/api/inside/{here}", f"/api/tables/{here}?step=20", f"/api/forks/{here}", f"/api/live/{here}"]
    asking = TestClient(make_app(root, Access("127.0.0.1")), "http://127.0.0.1:8642")  # raises what the server would
    for junk in JUNK:
        (folder / name).write_bytes(junk)
        for address in addresses:
            assert asking.get(address).status_code in (200, 400, 404), (junk, address)
    (folder / name).write_bytes(whole)


def test_own_code_is_never_run(root, tmp_path, monkeypatch):
    own = tmp_path / "mine.py"
    own.write_text((Path(__file__).parents[2] / "examples" / "own_task.py").read_text("utf-8"), "utf-8")
    spec = small(task__name=f"{own}:SumOfSquares", steps="4")
    run = run_experiment(spec, root, "own", threads=1)
    own.write_text("raise SystemExit('it was run')", "utf-8")
    assert "runs no code that a runs folder names" in ask(root, f"/api/inside/own/{run.id}")["reason"]
    answer = client(root).get(f"/api/tables/own/{run.id}?step=0")
    assert answer.status_code == 400
    assert "runs no code that a runs folder names" in answer.json()["error"]
    assert ask(root, "/api/runs", group="own")["found"] == 1


@pytest.mark.parametrize("kind", ["task", "model", "loss"])
def test_code_that_a_folder_names_without_saying_so_is_never_run(root, tmp_path, kind):
    evil = tmp_path / "evil.py"
    evil.write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n", "utf-8")
    run = run_experiment(small(steps="4", seed="77"), root, f"evil-{kind}", threads=1)
    spec = json.loads((run.folder / "spec.json").read_text("utf-8"))
    spec[kind]["name"] = f"{evil}:X"
    (run.folder / "spec.json").write_text(json.dumps(spec), "utf-8")
    assert "runs no code that a runs folder names" in ask(root, f"/api/inside/evil-{kind}/{run.id}")["reason"]
    assert client(root).get(f"/api/tables/evil-{kind}/{run.id}?step=0").status_code == 400
    client(root).get(f"/run/evil-{kind}/{run.id}")
    assert not (tmp_path / "ran").exists()


def test_a_run_with_a_measure_of_its_users_own_is_looked_at_without_the_measure(root, tmp_path):
    own = tmp_path / "mine.py"
    own.write_text((Path(__file__).parents[2] / "examples" / "own_measure.py").read_text("utf-8"), "utf-8")
    run = run_experiment(small(log__measures=f"light,{own}:UNDECIDED", steps="4"), root, "measured", threads=1)
    own.write_text("raise SystemExit('it was run')", "utf-8")
    assert "reason" not in ask(root, f"/api/inside/measured/{run.id}")
    assert client(root).get(f"/run/measured/{run.id}").status_code == 200
