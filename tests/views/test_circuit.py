"""The page of a circuit: whole, safe, offline, and without a word that has no definition."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cases import TASKS, model_for
from latebloom.analysis.circuits import circuit_of
from latebloom.analysis.circuits.handbuilt import trigonometric
from latebloom.errors import LatebloomError
from latebloom.measures.probe import Probe, Subject
from latebloom.models import initial_params
from latebloom.spec import read, resolve
from latebloom.views.charts import Bars, bars
from latebloom.views.circuit import FOLDER, render_circuit, write_circuit_page
from latebloom.views.circuit_tables import number


def record_of(task, model, params, keys=None, **setting):
    order = torch.randperm(len(task.examples()), generator=torch.Generator().manual_seed(0))
    half = len(order) // 2
    subject = Subject(task, model, task.examples(), order[:half].sort().values, order[half:].sort().values)
    circuit = circuit_of(Probe(subject, params), keys)
    circuit.setting.update({"run": "small", "step": 12_000} | setting)
    return circuit.to_json(), circuit.arrays


@pytest.fixture(scope="module")
def found():
    return record_of(*trigonometric(13, [1, 4]))


@pytest.fixture(scope="module")
def transformer():
    task = TASKS["add"]
    model = model_for("nanda", task)
    return record_of(task, model, initial_params(model.tensors(), "normal", 0), keys=[2])


def test_the_page_says_the_verdict_the_criteria_and_every_ablation(found):
    record, arrays = found
    page = render_circuit(record, arrays, {})
    assert re.search(r"<h1>[^<]*: frequencies 1, 4</h1>", page)
    for criterion in record["verdict"]["criteria"]:
        assert criterion["title"].replace("'", "&#x27;").replace(">", "&gt;").replace("<", "&lt;") in page
    for ablation in record["ablations"]:
        assert ablation["title"].replace("'", "&#x27;") in page, ablation["name"]
    assert "the network has no attention" in page
    assert "No definition is recorded" not in page
    assert page.count('class="mark ') == len(record["verdict"]["criteria"])


def test_a_network_without_key_frequencies_has_a_page_too():
    task = TASKS["mul"]
    model = model_for("two layers, pre-norm", task)
    page = render_circuit(*record_of(task, model, initial_params(model.tensors(), "normal", 0), keys=[]), {})
    assert "<h1>Not Fourier multiplication</h1>" in page
    assert "the logits are not linear in the last layer" in page


def test_nothing_is_fetched_and_only_this_script_may_run(transformer):
    page = render_circuit(*transformer, {})
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|fetch\(", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in policy[1] or f"script-src 'sha256-{digest}'" in policy[1]
    assert not re.search(r"^(?:import|export) ", script, flags=re.M)


def test_every_map_has_its_numbers(transformer):
    record, arrays = transformer
    page = render_circuit(record, arrays, {})
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.S)[1])
    hosts = re.findall(r'data-map="([^"]+)"', page)
    assert sorted(hosts) == sorted(data["maps"]) == ["attention_0_spectrum", "logits_spectrum", "neurons_spectrum"]
    packed = data["maps"]["attention_0_spectrum"]
    size, values = packed["size"], base64.b64decode(packed["data"])
    assert packed["names"] == ["head 0", "head 1"]
    assert len(values) == 4 * 2 * size * size


def test_names_are_data_and_never_markup(transformer):
    record, arrays = transformer
    setting = record["setting"] | {"run": "<script>alert(1)</script>", "title": '"><img src=x onerror=alert(1)>'}
    page = render_circuit(record | {"setting": setting}, arrays, {})
    assert "<script>alert" not in page
    assert "<img" not in page


def test_the_papers_values_stand_beside_the_papers_network_alone(transformer):
    mainline = resolve(read("nanda2023")[1]).model_dump(mode="json")
    page = render_circuit(*transformer, mainline)
    assert "Beside the paper" in page
    assert "2.4122e-7" in page
    assert "Beside the paper" not in render_circuit(*transformer, {"task": mainline["task"]})


def test_the_page_is_written_into_the_runs_folder_or_the_error_says_why(transformer, tmp_path):
    run = SimpleNamespace(folder=tmp_path, spec={})
    path = write_circuit_page(run, *transformer)
    assert path == tmp_path / "circuit-step-12000.html"
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    gone = SimpleNamespace(folder=tmp_path / "none", spec={})
    with pytest.raises(LatebloomError, match="run `latebloom analyse` again"):
        write_circuit_page(gone, *transformer)


@pytest.mark.parametrize(
    ("value", "said"),
    [(433, "433"), (2.4122e-07, "2.412e-07"), (1.0, "1"), (None, "–"), (float("nan"), "–"), (True, "yes")],
)
def test_numbers_as_they_are_read(value, said):
    assert number(value) == said


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-9], [-1.0, 2.0], [float("nan"), 3.0]])
@pytest.mark.parametrize("log", [False, True])
def test_bars_stay_within_their_frame(values, log):
    import numpy as np

    drawn = bars(Bars(np.array(values), "k", "norm", {1}, log=log))
    for height in re.findall(r'<rect[^>]* height="([^"]+)"', drawn):
        assert 0 < float(height) <= 210


def test_the_parts_of_the_page_are_small():
    for file in FOLDER.iterdir():
        assert len(file.read_text("utf-8").splitlines()) < 300


def test_in_a_browser_it_draws_without_an_error_and_fits_a_phone(transformer, tmp_path, browser):
    path: Path = write_circuit_page(SimpleNamespace(folder=tmp_path, spec={}), *transformer)
    page = browser.new_page(viewport={"width": 390, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(path.as_uri())
    assert page.locator("canvas").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert page.locator("canvas").first.evaluate(painted) > 3
    page.click("#theme")
    page.locator("#about-neurons_sum_share, .numbers .about").first.hover()
    assert page.locator(".numbers .tooltip").first.is_visible()
    page.close()
    assert said == []
