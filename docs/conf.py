"""Sphinx builds these pages without the network: no intersphinx, no remote images."""

import inspect
import math
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from latebloom import __version__
from latebloom.analysis.circuits.calibration import INSTRUMENTS, TRAIN_SHARE, calibrate
from latebloom.analysis.surgery import SURGERIES
from latebloom.claims.ledger import CLAIMS
from latebloom.claims.writing import page_text
from latebloom.measures import MEASURES, RECORDS
from latebloom.spec import REGISTRIES, RunSpec, about, described, presets
from latebloom.training import LOSSES

project = "latebloom"
author = "latebloom authors"
copyright = "latebloom authors"
release = version = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"latebloom {release}"

HERE = Path(__file__).parent
FACT_LINE = re.compile(r"^\s*(Formula|Domain|Size|Source): .*\n", re.MULTILINE)


def measures_page() -> str:
    """The dictionary of measures, from their records."""
    lines = [
        "# Measures",
        "",
        "Every number that latebloom logs. `latebloom measures WORD` prints the same for one word. Your own come in as "
        "`file.py:object`, a `Measure` with its records: `--measures default,examples/own_measure.py:UNDECIDED`.",
        "",
    ]
    told = set()
    for measure in MEASURES:
        # measures of one file share its page of background
        background = (measure.compute.__globals__["__doc__"] or "").strip()
        more = "" if background in told else background.removeprefix(measure.says).strip()
        about_it = [measure.says, "", *([more, ""] if more else [])]
        told.add(background)
        how_often = "every log row"
        if measure.stride > 1:
            how_often = f"one log row in {measure.stride} (in a short run more often, so that there are some 20)"
        cost = f"In the set `{measure.level}`, at {how_often}; costs {measure.cost:g} training steps of `nanda2023`."
        lines += [f"## {measure.name}", "", *about_it, cost, ""]
        for record in measure.records:
            axes = f", over {', '.join(record.axes)}" if record.axes else ""
            lines += [f"### {record.title}", "", f"`{record.name}`, in {record.units}{axes}", ""]
            for name in ("formula", "variant", "source", "disputes"):
                if text := getattr(record, name):
                    lines += [f"{name.capitalize()}\n: {text}", ""]
    return "\n".join(lines)


def specs_page() -> str:
    """The presets."""
    lines = [
        "# Specs and presets",
        "",
        "`latebloom spec PRESET` prints a preset with every default, `latebloom spec --schema` the JSON Schema.",
        "",
    ]
    for name, text in presets().items():
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        lines += [f"## {name}", "", about(text), "", "```toml", body.strip(), "```", ""]
    return "\n".join(lines)


OWN = "Your own come in as `file.py:Class`."
SURGERY = (
    "A surgery changes the weights of a run that is forked (`latebloom fork`); what it leaves alone keeps its bits. "
    "Pruned weights and tickets stay masked where `regular.hold_zeros` names their tensors, such as `*.W_*`."
)


def components_page(title: str, command: str, kinds: dict[str, dict[str, type]], said: str = OWN) -> str:
    """Everything built in of some kinds: what it is, formula, domain, size, source, and its fields."""
    lines = [f"# {title}", "", f"`latebloom {command}` prints the same. {said}", ""]
    for kind, classes in kinds.items():
        for name, cls in classes.items():
            part, own = described(cls), (cls.__doc__ or "").partition("Raises:")[0]
            lines += [f"## {name}", "", inspect.cleandoc(FACT_LINE.sub("", own)).strip(), ""]
            for fact, text in part["facts"].items():
                lines += [f"{fact}\n: {text}", ""]
            if part["fields"]:
                lines += ["| field | default | values | meaning |", "|---|---|---|---|"]
            for field, facts in part["fields"].items():
                values = facts["values"].replace("|", "\\|")
                meaning = facts["description"].replace("|", "\\|")
                lines.append(f"| `{kind}.{field}` | `{facts['default']}` | {values} | {meaning} |")
            lines.append("")
    return "\n".join(lines)


def settings_page() -> str:
    """The losses, and what a spec says besides its task, network, optimiser and gradient rule."""
    own = "`loss.name`: one of these, or your own function of logits and labels as `file.py:function`."
    lines = [
        "# Losses and settings",
        "",
        "`latebloom spec --schema` has the same for programs.",
        "",
        "## Losses",
        "",
        own,
        "",
    ]
    for name, loss in LOSSES.items():
        lines += [f"### {name}", "", inspect.cleandoc(loss.__doc__ or ""), ""]
    parts: dict[str, dict[str, Any]] = {"The spec itself": {}}
    for name, facts in RunSpec.model_fields.items():
        if inspect.isclass(facts.annotation) and issubclass(facts.annotation, BaseModel):
            parts[name] = {f"{name}.{inner}": field for inner, field in facts.annotation.model_fields.items()}
        elif name not in {*REGISTRIES, "fork", "sources"}:
            parts["The spec itself"][name] = facts
    for title, fields in parts.items():
        lines += [f"## {title}", "", "| field | default | meaning |", "|---|---|---|"]
        for name, facts in fields.items():
            meaning = re.sub(r"([|*])", r"\\\1", " ".join((facts.description or "").split()))
            default = "required" if facts.is_required() else f"`{facts.get_default(call_default_factory=True)!r}`"
            lines.append(f"| `{name}` | {default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def calibration_page() -> str:
    """Every instrument on networks whose algorithm is known."""
    lines = [
        "# Calibration",
        "",
        "What the instruments read off networks that were put together by hand, so that the right answer is known.",
        "Nothing is tuned to these networks: where an instrument is wrong about one, that is what it is worth.",
        "A dash means that it does not apply or is not defined.",
        f"Everywhere the same {TRAIN_SHARE:.0%} of all pairs are the training pairs that a lookup table knows.",
        "",
        "## The answers",
        "",
        "| network | how it works | algorithm | by Zhong et al. | verdict of `analyse` | planted | found | overlap |",
        "|---|---|---|---|---|---|---|---|",
    ]
    readings = calibrate()
    for r in readings:
        known, counts = r.known, f"{len(r.known.planted)} | {len(r.found)} | {r.overlap:.2f}"
        lines.append(f"| {known.name} | {known.about} | {known.algorithm} | {r.kind} | {r.verdict} | {counts} |")
    titles = " | ".join(RECORDS[name].title for name in INSTRUMENTS)
    lines += ["", "Planted and found are numbers of key frequencies; their overlap is a Jaccard index.", ""]
    lines += ["## The readings", "", f"| network | {titles} |", "|---" * (len(INSTRUMENTS) + 1) + "|"]
    for r in readings:
        cells = (f"{x:.3g}" if math.isfinite(x) else "–" for x in r.numbers.values())
        lines.append(f"| {r.known.name} | {' | '.join(cells)} |")
    lines += ["", "Definitions are in [Measures](measures.md), by these records: "]
    lines += [", ".join(f"`{name}`" for name in INSTRUMENTS) + ".", ""]
    return "\n".join(lines)


# generated pages stand beside the written ones and are ignored by git
(HERE / "measures.md").write_text(measures_page(), "utf-8")
(HERE / "settings.md").write_text(settings_page(), "utf-8")
(HERE / "specs.md").write_text(specs_page(), "utf-8")
for title, command, kinds in (
    ("Tasks", "tasks", ("task",)),
    ("Models", "models", ("model",)),
    ("Optimisers and gradient rules", "optimisers", ("optim", "gradient")),
):
    page = components_page(title, command, {kind: REGISTRIES[kind] for kind in kinds})
    (HERE / f"{command}.md").write_text(page, "utf-8")
surgeries_page = components_page("Surgeries", "surgeries", {"surgery": SURGERIES}, SURGERY)
(HERE / "surgeries.md").write_text(surgeries_page, "utf-8")
(HERE / "calibration.md").write_text(calibration_page(), "utf-8")
(HERE / "claims.md").write_text(page_text(CLAIMS, HERE.parent / "claims", "../claims"), "utf-8")
