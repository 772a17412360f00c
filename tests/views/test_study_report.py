"""The report of a study: what it says is what came of its runs, and it is one file that fetches nothing."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from latebloom.analysis.outcomes import outcomes
from latebloom.analysis.statistics import exact, kaplan_meier, median, times_of
from latebloom.errors import LatebloomError
from latebloom.store import Axis, RunWriter, StudyFile, open_study, write_study
from latebloom.views.findings import NARROW
from latebloom.views.inks import STATE_COLOURS
from latebloom.views.study_report import render_study, write_study_report
from latebloom.views.survival_plot import LEFT, RIGHT, WIDTH, survival_plot, y
from study_of_ends import study_of_ends


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return study_of_ends(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(folder) -> str:
    return render_study(open_study(folder))


def plain(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html).replace(NARROW, "")


def test_it_says_what_came_of_the_runs(folder, page):
    frame = outcomes(open_study(folder))
    seen = int(frame["grokked.step"].is_not_null().sum())
    late = int((frame["end_state"] == "grokking").sum())
    assert f"{seen} of {frame.height} runs generalised, {late} of them long after" in plain(page)
    for state, number in frame["end_state"].value_counts().iter_rows():
        assert f"{number} {state}" in plain(page)
        assert f".end-{state} {{ fill: {STATE_COLOURS[state]}; }}" in page
    assert "not done: 1 failed, 1 pending" in plain(page)


def test_the_map_has_every_cell_with_its_runs(folder, page):
    frame = outcomes(open_study(folder))
    cells = re.findall(r'<td title="([^"]*)"', page.partition("When runs generalise")[0])
    assert len(cells) == 6
    counted = dict.fromkeys(frame["end_state"].unique(), 0)
    for cell in cells:
        for number, state in re.findall(r"(\d+) ([a-z-]+)", cell):
            counted[state] += int(number)
    assert counted == dict(frame["end_state"].value_counts().iter_rows())


def test_medians_are_those_of_the_statistics(folder, page):
    frame = outcomes(open_study(folder))
    for axis in ("optim.weight_decay", "optim.lr"):
        part = page.partition(f"<h3>{axis}</h3>")[2].partition("<h3>")[0].partition("<h2>")[0]
        rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', part)
        assert len(rows) == frame[axis].n_unique()
        for value, rest in rows:
            group = times_of(frame.filter(frame[axis] == float(value)), "grokked")
            found = median(group)
            told = [plain(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", rest)]
            assert told[:2] == [str(len(group)), str(int(group.seen.sum()))]
            assert told[2] == ("–" if found.step is None else str(round(found.step)))


def cards(page: str) -> dict[str, dict[str, str]]:
    """The cards of the plan: their fields with values, by title."""
    plan = page.partition("<h2>Plan</h2>")[2].partition("</section></div>")[0]
    found = re.findall(r'<section class="card"><h3>(.*?)</h3><dl>(.*?)</dl></section>', plan)
    return {plain(title): dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", body)) for title, body in found}


def with_axes(folder: Path, tmp_path: Path, *axes: Axis) -> dict[str, dict[str, str]]:
    """The plan of the study's page, had its axes been others."""
    copy = Path(shutil.copytree(folder, tmp_path / "ends"))
    plan = open_study(copy).plan
    cells = [
        {axis.name: v for axis, v in zip(axes, values, strict=True)} for values in product(*(a.values for a in axes))
    ]
    runs = tuple(replace(run, cell=cells[i % len(cells)]) for i, run in enumerate(plan.runs))
    write_study(copy, replace(plan, axes=axes, runs=runs))
    return cards(render_study(open_study(copy)))


def test_the_plan_has_of_the_base_what_no_axis_sets(folder, page):
    plan = open_study(folder).plan
    assert plan.base["optim"].keys() >= {"lr", "weight_decay"}
    found = cards(page)
    assert found["study"]["axis weight_decay"] == "0, 1, 2"
    assert found["study"]["axis lr"] == "0.001, 0.01"
    assert found["optim"].keys() == plan.base["optim"].keys() - {"lr", "weight_decay"}
    assert found["model"].keys() == plan.base["model"].keys()
    # the seeds are those of the study
    assert "seed" in plan.base
    assert "seed" not in found["run"]
    assert found["run"]["steps"] == f"{plan.base['steps']}"


def test_the_plan_has_nothing_that_only_some_networks_have(folder, tmp_path):
    """A name on an axis takes the ground from the settings of what the base names."""
    found = with_axes(folder, tmp_path, Axis("model.name", ("model.name",), ("transformer", "mlp")))
    assert found["study"]["axis name"] == "transformer, mlp"
    assert "model" not in found
    assert found["optim"]["lr"] == "0.001"


def test_the_runs_tell_the_rules_of_both_columns(page):
    told = plain(page.partition("<h2>Every run</h2>")[2].partition("<table")[0])
    assert "train_accuracy ≥ 0.99, in 6 evaluations in a row" in told
    assert "ended as goes by the first evaluation with 90 %" in told


def test_curves_fall_where_runs_generalise():
    times = exact([100, 100, 1000, 10_000], [False, False, False, True])
    drawn = survival_plot([("a = 1", times), ("a = 2", exact([]))], "generalised")
    assert "a = 2" not in drawn
    path = re.search(r'<path d="([^"]*)" class="curve"', drawn)[1]
    falls = [(float(h), float(v)) for h, v in re.findall(r"H([\d.]+)V([\d.]+)", path)]
    assert [at for _, at in falls] == pytest.approx([y(share) for share in kaplan_meier(times).survival], abs=0.06)
    # equal ratios of steps are equally far apart, and the curve goes on to the last step that was looked at
    end = float(path.rpartition("H")[2])
    assert falls[1][0] - falls[0][0] == pytest.approx(end - falls[1][0], abs=0.2)
    assert LEFT < falls[0][0] < end <= WIDTH - RIGHT
    assert drawn.count('class="gone"') == 1
    assert "(3 of 4 runs)" in plain(drawn)
    assert "No run tells" in survival_plot([("a = 1", exact([]))], "generalised")


def test_one_file_that_fetches_nothing(folder):
    path = write_study_report(open_study(folder))
    page = path.read_text("utf-8")
    assert path == folder / "report.html"
    assert len(page) < 200_000
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|https?://(?!www\.w3\.org)|@import|url\(""", page)
    assert "default-src 'none'" in page
    assert not re.findall(r'style="', page), "the page's own policy forbids it"
    path.unlink()


def test_names_are_data_never_markup(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "ends"))
    plan = open_study(copy).plan
    odd = replace(plan, name="<b>odd</b>", question="<script>alert(1)</script>")
    write_study(copy, odd)
    page = render_study(open_study(copy))
    assert "<b>odd" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_study_of_one_axis_has_a_map_of_one_row(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "ends"))
    plan = open_study(copy).plan
    runs = tuple(replace(run, cell={"optim.weight_decay": run.cell["optim.weight_decay"]}) for run in plan.runs)
    one = StudyFile(plan.name, "", plan.base, plan.axes[:1], plan.seeds, runs)
    write_study(copy, one)
    page = render_study(open_study(copy))
    assert len(re.findall(r'<td title="', page)) == 3
    assert "all runs" in page


def test_a_study_of_seeds_alone_has_one_curve_and_no_map(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "ends"))
    plan = open_study(copy).plan
    runs = tuple(replace(run, cell={}) for run in plan.runs)
    write_study(copy, StudyFile(plan.name, "", plan.base, (), plan.seeds, runs))
    page = render_study(open_study(copy))
    assert "Map of end states" not in page
    assert page.count('class="curve"') == 1
    assert "all runs (16 of 24 runs)" in plain(page)


def test_runs_without_events_are_said(tmp_path, folder):
    plan = open_study(folder).plan
    write_study(tmp_path / "ends", plan)
    with RunWriter.open(tmp_path, "ends", plan.runs[0].id, {}, {}, 10) as writer:
        writer.log(0, {"train_accuracy": 0.1, "test_accuracy": 0.1})
        writer.fail("diverged: a weight is no longer finite at step 0", [])
    with pytest.raises(LatebloomError, match="expected runs that tell when they memorised, got none in"):
        write_study_report(open_study(tmp_path / "ends"))


def test_a_study_without_an_end_has_no_report(tmp_path, folder):
    plan = open_study(folder).plan
    write_study(tmp_path / "ends", plan)
    with pytest.raises(LatebloomError, match="expected a study with runs that have ended"):
        write_study_report(open_study(tmp_path / "ends"))
