"""Both renderers: each figure in each, axes and phases named, colours of the palette, contrast, files, notebooks."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latebloom
from latebloom.errors import LatebloomError
from latebloom.figures import interactive, still
from latebloom.figures.registry import kinds
from latebloom.figures.spec import STEPS, Axis, Bars, Feet, Figure, Heat, Line, Panel, Text, Tile
from latebloom.figures.theme import THEMES
from latebloom.views.report import PAGE

ALL = list(kinds())


def texts(svg: str) -> str:
    """matplotlib writes each text as paths, with the words in a comment before them."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", svg, flags=re.S))


@pytest.mark.parametrize("name", ALL)
def test_the_still_picture_names_axes_and_uses_the_palette(name, made):
    figure = made[name]
    svg = still.picture(figure, "svg", "dark").decode()
    words = texts(svg).replace("\n", " ")
    for panel in figure.panels:
        for axis in (panel.x, panel.y):
            assert axis.label
            assert axis.title in words
        assert panel.title in words
    look = THEMES["dark"]
    known = {*look.inks.values(), *look.phases.values(), *look.strips.values(), "#ffffff", "#000000"}
    known |= {look.faint(ink) for ink in look.inks}
    mixed = any(isinstance(p, Heat) or isinstance(p.ink, float) or getattr(p, "shade", None) is not None
                for panel in figure.panels for p in panel.parts if not isinstance(p, Text))  # fmt: skip
    if not mixed:
        assert set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg)) <= known


@pytest.mark.parametrize("name", ALL)
def test_plotly_draws_the_same_panels(name, made):
    figure = made[name]
    drawn = interactive.draw(figure, "light").to_plotly_json()["layout"]
    said = [note["text"] for note in drawn["annotations"]]
    for number, panel in enumerate(figure.panels, start=1):
        end = "" if number == 1 else str(number)
        assert drawn[f"xaxis{end}"]["title"]["text"] == panel.x.title
        assert drawn[f"yaxis{end}"]["title"]["text"] == panel.y.title
        assert any(panel.title in text for text in said)


def test_phases_and_events_are_named_in_both(phased):
    figure = latebloom.figures.curves(phased)
    titles = ["Memorisation", "Circuit formation", "Cleanup", "After cleanup"]
    assert [span.title for span in figure.phases] == titles
    words = texts(still.picture(figure, "svg").decode())
    drawn = interactive.draw(figure).to_plotly_json()["layout"]
    said = " ".join(note["text"] for note in drawn["annotations"])
    for text in (words, said):
        assert all(title in text for title in titles)
        assert "Grokked: step" in text
    filled = {shape.get("fillcolor") for shape in drawn["shapes"]}
    assert {THEMES["light"].phases[span.name] for span in figure.phases} <= filled


def test_both_renderers_draw_the_numbers_of_the_figure():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, np.nan, 3.0])
    line = Line(x, y, "a line", "train", low=y - 1, high=y + 1)
    bars = Bars(x, np.array([3.0, 1.0, 2.0]), "bars", "one", low=x, high=x + 1, faint=np.array([False, True, False]))
    heat = Heat(x, x[:2], np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]), Axis("value", "nats"), contours=(2.5,))
    panels = (
        Panel("Line", Axis("x"), Axis("y", "nats"), (line,)),
        Panel("Bars", Axis("x"), Axis("y"), (bars,)),
        Panel("Heat", Axis("x"), Axis("y"), (heat,), square=True, flip=True),
        Panel("Map", Axis("x"), Axis("y"), (Tile(0, 0, 1, "state-grokking"), Text(0.5, 0.5, "5 < 6", "tile"))),
    )
    figure = Figure("test", "A <title>", panels)
    drawn = still.draw(figure)
    assert np.array_equal(drawn.axes[0].lines[0].get_ydata(), y, equal_nan=True)
    assert [bar.get_height() for bar in drawn.axes[1].patches] == [3.0, 1.0, 2.0]
    mesh = drawn.axes[2].collections[0].get_array()
    assert np.ma.filled(mesh, np.nan).tolist()[0] == [1.0, 2.0, 3.0]
    traces = interactive.draw(figure).to_plotly_json()["data"]
    by_name = {trace.get("name"): trace for trace in traces}
    assert list(by_name["a line"]["y"]) == [1.0, None, 3.0]
    assert list(by_name["bars"]["y"]) == [3.0, 1.0, 2.0]
    heatmap = next(trace for trace in traces if trace["type"] == "heatmap")
    assert [list(row) for row in heatmap["z"]] == [[1.0, 2.0, 3.0], [4.0, None, 6.0]]
    assert "A &lt;title&gt;" in interactive.page(figure)


@pytest.mark.parametrize("name", ALL)
def test_a_logarithmic_axis_shows_nothing_at_or_below_zero(name, made):
    for panel in made[name].panels:
        assert panel.x.scale in ("linear", "log")
        if panel.y.scale == "log":
            values = np.concatenate([p.y for p in panel.parts if isinstance(p, Line | Bars)] or [np.ones(1)])
            assert (values[np.isfinite(values)] > 0).any(), panel.title


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, deep = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (deep + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_stand_out_from_their_ground(theme):
    look = THEMES[theme]
    grounds = [look.inks["paper"], *look.phases.values()]
    assert min(contrast(look.inks["ink"], ground) for ground in [*grounds, *look.strips.values()]) > 7
    assert contrast(look.inks["quiet"], look.inks["paper"]) > 4.5
    lines = [ink for ink in look.inks if ink not in ("paper", "grid", "tile-ink") and not ink.startswith("state-")]
    worst = {(ink, ground): contrast(look.inks[ink], ground) for ink in lines for ground in grounds}
    assert min(worst.values()) > 3, {pair: ratio for pair, ratio in worst.items() if ratio <= 3}
    assert min(contrast(look.ink(place), look.inks["paper"]) for place in np.linspace(0, 1, 11)) > 3
    states = [ink for ink in look.inks if ink.startswith("state-")]
    assert min(contrast(look.inks[ink], look.inks["tile-ink"]) for ink in states) > 4.5


def test_the_look_is_the_report_s():
    css = (PAGE / "report.css").read_text()
    shared = {"ink": "ink", "quiet": "quiet", "paper": "page", "grid": "grid"}
    shared |= {role: role for role in ("train", "test", "extra", "one", "two", "three", "four", "five")}
    phases = {"learning": "learning", "memorised": "memorised", "circuit-formation": "forming", "cleanup": "cleaning"}
    for name, variable in shared.items():
        expected = f"--{variable}: light-dark({THEMES['light'].inks[name]}, {THEMES['dark'].inks[name]});"
        assert expected in css, expected
    for name, variable in phases.items():
        expected = f"--{variable}: light-dark({THEMES['light'].phases[name]}, {THEMES['dark'].phases[name]});"
        assert expected in css, expected


def test_files(made, tmp_path):
    figure = made["curves"]
    for name in ("a.png", "a.svg", "b.svg", "a.pdf", "a.html"):
        figure.save(tmp_path / name, "dark")
        assert (tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    ground = Image.open(tmp_path / "a.png").convert("RGB").getpixel((2, 2))
    assert "#{:02x}{:02x}{:02x}".format(*ground) == THEMES["dark"].inks["paper"]
    with pytest.raises(LatebloomError, match=r"ends in \.png, \.svg, \.pdf, \.html, got .*a\.gif"):
        figure.save(tmp_path / "a.gif")
    with pytest.raises(LatebloomError, match="cannot be written"):
        figure.save(tmp_path / "missing" / "a.png")
    with pytest.raises(LatebloomError, match="expected the theme light or dark, got 'blue'"):
        figure.save(tmp_path / "a.png", "blue")
    assert not list(tmp_path.glob(".*"))


def test_a_notebook_gets_plotly_and_a_picture(made, monkeypatch):
    shown = made["curves"]._repr_mimebundle_()
    assert Image.open(io.BytesIO(shown["image/png"])).width > 600
    assert shown["application/vnd.plotly.v1+json"]["layout"]["width"] > 600
    assert "curves" in shown["text/plain"]
    monkeypatch.setitem(__import__("sys").modules, "plotly.graph_objects", None)
    assert set(made["curves"]._repr_mimebundle_()) == {"text/plain", "image/png"}
    with pytest.raises(
        LatebloomError,
        match=r"expected Plotly for HTML figures.*pip install 'latebloom\[figures\]'.*-e '\.\[figures\]'",
    ):
        interactive.page(made["curves"])


def test_the_page_asks_nothing_of_the_network(made, tmp_path, browser):
    path = made["progress"].save(tmp_path / "page.html", "dark")
    asked, said = [], []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(Path(path).as_uri())
    page.wait_for_selector(".js-plotly-plot .scatterlayer .trace")
    assert "Restricted loss" in page.inner_text("body")
    page.close()
    assert asked == [Path(path).as_uri()]
    assert said == []


def test_commands(command, tiny, tmp_path):
    folder = str(tiny.folder)
    assert command("figure", "curves", folder, "-o", "a.svg", "--theme", "dark", "--scale", "log")[:2] == (0, "a.svg\n")
    code, out, _ = command("figures")
    assert code == 0
    assert all(name in out for name in kinds())
    assert command("figures", "--json")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("curve",), "there is no figure 'curve': did you mean curves"),
        (("curves", "RUN", "--at", "3"), "the figure curves does not take --at; it takes --scale"),
        (("curves",), "the figure curves is of one run, got 0"),
        (("curves", "RUN", "RUN"), "the figure curves is of one run, got 2"),
        (("fourier-norms", "RUN", "--at", "3"), "no checkpoint of step 3"),
        (("curves", "nothing"), "There is no run 'nothing'"),
    ],
)
def test_faults_are_one_message(command, tiny, words, message):
    words = [str(tiny.folder) if word == "RUN" else word for word in words]
    code, _, err = command("figure", *words, "-o", "a.png")
    assert code == 2
    assert message in err


@pytest.mark.parametrize("ends", [(5500.0, 9300.0), (0.7, 1.4), (2.1e-4, 8.8e-4), (0.02, 700.0)])
def test_a_logarithmic_axis_has_three_labels_or_more(ends):
    line = Line(np.array(ends), np.array(ends[::-1]))
    both = Axis("v", scale="log")
    panels = (Panel("a", both, both, (line,)), Panel("b", Axis("x"), both, (line,)))
    drawn = still.draw(Figure("f", "t", panels))
    drawn.canvas.draw()
    for axis in (drawn.axes[0].xaxis, drawn.axes[0].yaxis, drawn.axes[1].yaxis):
        low, high = axis.get_view_interval()
        places = [place for place in axis.get_majorticklocs() if low <= place <= high]
        shown = axis.get_major_formatter().format_ticks(places)
        assert len(places) >= 3
        assert all(shown)
        assert len(set(shown)) == len(shown)


def test_bars_at_the_foot_are_drawn_by_both():
    x = np.array([0.0, 100.0])
    panel = Panel("Loss", Axis(STEPS), Axis("loss"), (Line(x, x), Feet(np.array([10.0, 50.0]), np.array([20.0, 60.0]))))
    figure = Figure("f", "t", (panel,))
    boxes = [p.get_extents() for p in still.draw(figure).axes[0].patches]
    assert len(boxes) == 2
    shapes = interactive.draw(figure).to_plotly_json()["layout"]["shapes"]
    assert [(shape["x0"], shape["x1"]) for shape in shapes if shape["y1"] == 0.03] == [(10.0, 20.0), (50.0, 60.0)]
