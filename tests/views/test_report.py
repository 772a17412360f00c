from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray

from latebloom.errors import LatebloomError
from latebloom.measures import RECORDS
from latebloom.views import render_report, write_report
from latebloom.views.report import PAGE, SCRIPTS
from parsed import Page

MakeRun = Callable[..., Any]


def page(run: Any) -> Page:
    return Page(render_report(run))


def test_the_page_says_what_happened(make_run: MakeRun) -> None:
    run = make_run()
    text = page(run).text
    steps = {event["name"]: event["found"]["step"] for event in run.events}
    grokked = f"{steps['grokked'] // 1000}\u202f{steps['grokked'] % 1000:03}".replace("\u202f", " ")
    assert f"Memorised by step {steps['memorised']}; generalised by step {grokked}" in text
    assert "a + b mod 23" in text
    assert "0123abcd" in text
    assert "weight_decay" in text


def test_the_page_carries_the_numbers(make_run: MakeRun) -> None:
    run = make_run()
    data = page(run).data
    assert data["steps"] == run.scalars["step"].to_list()
    np.testing.assert_allclose(data["curves"]["test_loss"], run.scalars["test_loss"], rtol=1e-5)
    spectrum = data["arrays"]["embedding_fourier_norm"]
    values = np.frombuffer(base64.b64decode(spectrum["data"]), "<f4").reshape(-1, len(spectrum["labels"]))
    np.testing.assert_array_equal(values, run.arrays["embedding_fourier_norm"].values.astype("f4"))
    assert spectrum["labels"] == list(range(12))
    assert [phase["name"] for phase in data["phases"]] == ["learning", "memorised", "generalised"]


def test_every_figure_has_its_definitions_and_the_table_has_all(make_run: MakeRun) -> None:
    run = make_run()
    found = page(run)
    figures = found.data["figures"]
    assert [figure["id"] for figure in figures[:2]] == ["loss", "accuracy"]
    assert set(found.having("aria-describedby")) == {f"about-{figure['id']}" for figure in figures}
    assert set(found.having("aria-describedby")) <= set(found.having("id"))
    for name in [*run.scalars.columns[2:], *run.arrays.data_vars]:
        assert found.text.count(RECORDS[name].formula) >= 2


def test_nothing_is_fetched_and_only_this_script_may_run(make_run: MakeRun) -> None:
    html = render_report(make_run())
    found = Page(html)
    assert found.having("src") == found.having("href") == found.having("style") == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", html)
    assert all(address == "http://www.w3.org/2000/svg" for address in re.findall(r"https?://[^\s\"'<]+", html))
    policy = next(a["content"] for tag, a in found.elements if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_names_of_a_run_are_never_markup(make_run: MakeRun) -> None:
    run = make_run(id=EVIL, state=EVIL, summary={"title": EVIL, "missing": {EVIL: EVIL}})
    run.provenance = {EVIL: {EVIL: EVIL}}
    run.status.error = EVIL
    run.spec = {"task": {"name": EVIL}, "model": {"name": EVIL}, EVIL: {EVIL: [EVIL, {EVIL: EVIL}]}}
    run.scalars = run.scalars.with_columns(pl.col("step").cast(pl.Float64).alias(EVIL))
    run.arrays[EVIL] = (("step", EVIL), np.ones((len(run.arrays["step"]), 2)))
    run.arrays = run.arrays.assign_coords({EVIL: [EVIL, "other"]})
    for event in run.events:
        event["title"] = event["rule"] = event["name"] = EVIL
    found = page(run)
    assert len(found.raw["script"]) == 2
    assert not any(tag == "img" for tag, _ in found.elements)
    assert not any(key.startswith("on") for _, attributes in found.elements for key in attributes)
    assert EVIL in found.data["curves"]
    assert EVIL in found.text


def test_template_signs_in_a_run_stay_as_they_are(make_run: MakeRun) -> None:
    assert "costs $data and ${title}" in page(make_run(summary={"title": "costs $data and ${title}"})).text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last": 0, "state": "running", "events": [], "summary": {}}, "running: step 0 of 3 000"),
        ({"last": 2, "state": "failed", "events": [], "summary": {}}, "failed: step 2 of 3 000"),
        ({"last": 800, "events": [], "state": "interrupted"}, "not generalised by step 800"),
        ({"arrays": xarray.Dataset()}, "Sum of squared weights"),
        ({"scalars": pl.DataFrame(), "arrays": xarray.Dataset(), "events": []}, "Nothing was logged yet."),
        ({"spec": {}, "provenance": {}, "summary": {}}, "No provenance was recorded."),
        ({"summary": {"missing": {"fourier": "the task states no cyclic group"}}}, "the task states no cyclic group"),
    ],
)
def test_missing_pieces_leave_a_sensible_page(make_run: MakeRun, change: dict[str, Any], said: str) -> None:
    found = page(make_run(**change))
    assert said in found.text
    assert "None" not in found.text
    assert "nan" not in found.text.split()


def test_an_unfinished_run_gets_its_events_from_its_curves(make_run: MakeRun) -> None:
    run = make_run()
    found = page(make_run(events=[], state="interrupted"))
    assert [event["step"] for event in found.data["events"]] == [
        event["found"]["step"] for event in run.events if event["name"] in ("memorised", "grokked")
    ]


def test_what_is_not_finite_leaves_gaps_and_is_said(make_run: MakeRun) -> None:
    run = make_run()
    values = run.scalars["test_loss"].to_list()
    values[3], values[4], values[5] = float("nan"), float("inf"), None
    run.scalars = run.scalars.with_columns(pl.Series("test_loss", values))
    found = page(run)
    assert found.data["curves"]["test_loss"][3:6] == [None, None, False]
    assert f"test_loss: 2 of {len(values)} values are not finite" in found.text


def test_unknown_measures_are_drawn_without_a_record(make_run: MakeRun) -> None:
    run = make_run()
    run.scalars = run.scalars.with_columns(mystery=pl.col("step") * 2.0, remark=pl.lit("x"))
    run.arrays["cube"] = (("step", "a", "b"), np.zeros((len(run.arrays["step"]), 2, 2)))
    found = page(run)
    assert "mystery" in found.data["curves"]
    assert "No definition is recorded for this name." in found.text
    assert "Logged, but not drawn: cube, remark." in found.text


def test_a_measure_of_the_users_own_is_defined_by_what_the_run_holds_of_it(make_run: MakeRun) -> None:
    told = dict.fromkeys(("title", "formula", "units", "variant", "source"), "said <here>")
    run = make_run()
    run.scalars = run.scalars.with_columns(mystery=pl.col("step") * 2.0)
    run.summary["definitions"] = [told | {"name": "mystery", "axes": []}, told | {"name": "train_loss"}, "damaged", {}]
    found = page(run).text
    assert "said <here>" in found
    assert "No definition is recorded for this name." not in found
    run.summary["definitions"] = {"damaged": 1}
    assert "No definition is recorded for this name." in page(run).text


def test_the_untransposed_accuracy_is_shown_only_where_it_differs(make_run: MakeRun) -> None:
    run = make_run()
    assert "test_accuracy_untransposed" in page(run).data["curves"]
    run.scalars = run.scalars.with_columns(test_accuracy_untransposed=pl.col("test_accuracy"))
    assert "test_accuracy_untransposed" not in page(run).data["curves"]


def test_of_runs_trained_together_the_first_is_shown(make_run: MakeRun) -> None:
    run = make_run()
    rows = len(run.scalars)
    run.scalars = pl.concat([run.scalars, run.scalars.with_columns(run=pl.lit(1, pl.Int64))])
    run.arrays = xarray.concat([run.arrays, run.arrays], dim="run")
    found = page(run)
    assert len(found.data["steps"]) == rows
    assert "run 0, the first of 2 trained together" in found.text


def test_a_run_of_the_default_length_stays_below_a_megabyte(make_run: MakeRun) -> None:
    run = make_run(last=8000)
    assert len(run.scalars) > 800
    assert len(render_report(run).encode()) < 1_000_000
    assert len(render_report(make_run(last=100_000)).encode()) < 1_500_000


def test_the_file_is_whole_and_replaces_an_older_one(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    (tmp_path / "report.html").write_text("older")
    path = write_report(run)
    assert path == tmp_path / "report.html"
    assert path.read_text("utf-8") == render_report(run)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_not_there_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(LatebloomError, match=r"cannot be written.*No such file"):
        write_report(make_run(folder=tmp_path / "gone"))


def test_every_script_of_the_page_is_in_the_bundle_and_small() -> None:
    files = {file.name for file in PAGE.iterdir()}
    assert {f"{name}.js" for name in SCRIPTS} == {name for name in files if name.endswith(".js")}
    assert all(len(file.read_text("utf-8").splitlines()) < 300 for file in PAGE.iterdir())


def test_an_error_of_the_run_is_shown(make_run: MakeRun) -> None:
    assert "It ended with: diverged" in page(make_run(state="failed", status=SimpleNamespace(error="diverged"))).text


def test_a_measure_taken_at_few_rows_leaves_no_gaps_in_its_map(make_run: MakeRun) -> None:
    run = make_run()
    norms = run.arrays["embedding_fourier_norm"].values.copy()
    steps = run.arrays["step"].values
    norms[np.arange(len(steps)) % 5 != 0] = np.nan
    run.arrays = run.arrays.assign(embedding_fourier_norm=(("step", "frequency"), norms))
    array = page(run).data["arrays"]["embedding_fourier_norm"]
    assert array["steps"] == steps[::5].tolist()
    assert np.isfinite(np.frombuffer(base64.b64decode(array["data"]), "<f4")).all()


def test_a_broken_network_leaves_a_gap_in_every_map(make_run: MakeRun) -> None:
    run = make_run()
    steps, loss = run.arrays["step"].values, run.scalars["train_loss"].to_numpy().copy()
    norms = run.arrays["embedding_fourier_norm"].values.copy()
    norms[-7:], loss[-7:] = np.nan, np.nan
    run.scalars = run.scalars.with_columns(pl.Series("train_loss", loss))
    run.arrays = run.arrays.assign(embedding_fourier_norm=(("step", "frequency"), norms))
    assert page(run).data["arrays"]["embedding_fourier_norm"]["steps"] == steps.tolist()


def test_changes_of_the_key_frequencies_are_marked_where_curves_are_taken_of_them(make_run: MakeRun) -> None:
    run = make_run()
    steps = run.arrays["step"].values
    keys = np.zeros((len(steps), 12))
    keys[steps >= 1000, 7] = 1
    run.scalars = run.scalars.with_columns(restricted_loss_all=pl.col("train_loss"))
    assert "Bars at the foot" not in page(run).text
    run.arrays = run.arrays.assign(key_frequencies=(("step", "frequency"), keys))
    found = page(run)
    assert found.data["changes"] == {"key_frequencies": [[990, 1000, "new: 7"]]}
    assert "between these steps the key frequencies changed" in found.text
