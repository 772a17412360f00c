"""From somebody else's file to a finished run that every view and analysis takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.interop import derive
from latebloom.interop.files import InteropError, WeightFile, read_weights
from latebloom.interop.fit import fit
from latebloom.interop.layouts import LAYOUTS, Layout
from latebloom.interop.split_file import read_split
from latebloom.provenance import provenance
from latebloom.spec import RunSpec, override, resolve, suggestion, write
from latebloom.store import Run, RunWriter, StoreError, open_run
from latebloom.store.faults import writing
from latebloom.store.layout import write_whole
from latebloom.tasks import Modular
from latebloom.training import Setup

GROUP = "imported"
"""The folder of imported networks in the runs folder."""

ASK_SPLIT = (
    "split: which examples it was trained on is in no file: say --split.scheme, --split.fraction and --seed, or "
    "--split-file; where nobody knows, --split.scheme uniform draws a stand-in, and then training and test numbers "
    "differ by chance only"
)


@dataclass(frozen=True, eq=False)
class Network:
    """A network that was read from a file.

    Attributes:
        spec: its task, architecture, split and precision; the rest are defaults unless they were said.
        params: by our names, in the spec's precision.
        facts: the file's name and SHA-256, the layout, the file's texts, and `notes`: what was assumed, filled in,
            converted or looks wrong.
        final: losses (nats, float64 log-softmax over all logits) and accuracies on training and test examples.
    """

    spec: RunSpec
    params: Params
    facts: dict[str, Any]
    final: dict[str, float]


def import_network(
    file: str | Path,
    layout: str,
    settings: Mapping[str, str] | None = None,
    *,
    name: str | None = None,
    split_file: str | Path | None = None,
    runs: str | Path = "runs",
) -> Run:
    """Makes the run `runs/imported/<name>` of a network that was trained elsewhere: done, with one checkpoint.

    Nothing is trained or logged. Its `provenance["imported"]` holds `Network.facts`, its `summary["final"]`
    `Network.final`. The same file under the same name is left as it is.

    Args:
        file: .safetensors, or .pt and .pth with tensors and plain data only.
        layout: one of `LAYOUTS`.
        settings: fields of a spec by path, as on the command line (`{"split.scheme": "torch", "seed": "1"}`).
        name: the run's name; by default the file's.
        split_file: lists the training examples (`read_split`).
        runs: the runs folder.

    Raises:
        LatebloomError: as `read_network`; or the run cannot be stored, or another one has the name.
    """
    chosen = _name(Path(file).stem) if name is None else name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=@,-]{0,127}", chosen):
        raise LatebloomError(f"--name: expected letters, digits and ._+=@,- (first a letter or digit), got {chosen!r}")
    return _store(read_network(file, layout, settings, split_file=split_file), Path(runs), chosen)


def read_network(
    file: str | Path,
    layout: str,
    settings: Mapping[str, str] | None = None,
    *,
    split_file: str | Path | None = None,
) -> Network:
    """Reads a network that was trained elsewhere, and stores nothing.

    The task and the architecture are read off the tensors' shapes and what the layout implies; `settings` says the rest
    and overrides what shapes do not decide. Fields of the spec on how it was trained (optimiser, schedule, initial
    weights) are defaults unless they are said: no file tells them. That a square tensor is the wrong way round does not
    show in shapes: it shows in answers that are wrong, which `facts["notes"]` then says.

    Args:
        file: .safetensors, or .pt and .pth with tensors and plain data only.
        layout: one of `LAYOUTS`.
        settings: fields of a spec by path, as on the command line.
        split_file: lists the training examples (`read_split`).

    Raises:
        InteropError: the file cannot be used, contradicts what was said, or more has to be said; with every reason.
        LatebloomError: no such layout, the spec has faults, or the split file cannot be used.
    """
    if layout not in LAYOUTS:
        raise LatebloomError(f"no such layout: {layout}{suggestion(layout, LAYOUTS)}")
    source = read_weights(Path(file))
    form = derive.layout_of(LAYOUTS[layout], source.tensors)
    tensors = derive.weights_of(form, source)
    if faults := derive.faults_of(tensors):
        raise InteropError(f"{source.name} cannot be imported", faults)
    said = dict(settings or {})
    spec = _spec(form, source, tensors, said, None if split_file is None else Path(split_file))
    params, notes = fit(form, spec, tensors, source.name)
    final, doubts = _answers(spec, params)
    notes = [*notes, *_assumed(spec, derive.table_in(source), said), *doubts]
    facts = {"file": source.name, "sha256": source.sha256, "layout": form.name, "inside": source.inside or "the top"}
    return Network(spec, params, facts | {"texts": source.metadata, "notes": notes}, final)


def _spec(
    layout: Layout, source: WeightFile, tensors: dict[str, Tensor], said: dict[str, str], split_file: Path | None
) -> RunSpec:
    """What shapes tell, over that what the file says, over that what the user says."""
    told = derive.table_in(source)
    if "split.scheme" in said or split_file is not None:
        told.pop("split", None)
    table: dict[str, Any] = {"optim": {"name": "adamw"}, "steps": 1, "precision": derive.precision_of(tensors)}
    for part in (derive.table_from_shapes(layout, tensors, source), told):
        for key, value in part.items():
            joins = isinstance(value, dict) and "name" not in value and isinstance(table.get(key, {}), dict)
            table[key] = table.get(key, {}) | value if joins else value
    table = override(table, said)
    reasons = _asked(
        layout, table, "split" in told or split_file is not None or any(k.startswith("split.") for k in said)
    )
    if reasons:
        raise InteropError(f"{source.name}: more has to be said", reasons)
    if split_file is not None:
        task = resolve(table | {"split": {}}).build_task()
        table["split"] = {"scheme": "list", "examples": read_split(split_file, task)}
    spec, answers = resolve(table), layout.sizes(tensors).get("class")
    task = spec.build_task()
    if "unembed" in spec.model and "unembed" not in table["model"] and answers == task.d_vocab != task.classes:
        return resolve(override(table, {"model.unembed": "tokens"}))
    return spec


def _asked(layout: Layout, table: dict[str, Any], split_said: bool) -> list[str]:
    """What neither the file nor the user has said."""
    reasons = [] if split_said else [ASK_SPLIT]
    task, model = table["task"], table["model"]
    if task.get("name") == "modular" and "p" not in task:
        reasons.append(
            "task: W_E and W_pos do not tell the equation that is read (2 to 5 tokens, learned positions): say "
            '--task.p, --task.equation "a b =" and, without W_pos, --model.positions sinusoidal (or rotary, none)'
        )
    if model.get("name") == "transformer":
        if "n_heads" not in model:
            reasons.append("model.n_heads: the shapes do not tell the number of heads: say --model.n-heads")
        if layout.name == "zhong2023" and "softmax_share" not in model:
            reasons.append(
                "model.softmax_share: the file does not tell α (attn_coeff there): say --model.softmax-share"
            )
    return reasons


def _assumed(spec: RunSpec, told: dict[str, Any], said: dict[str, str]) -> list[str]:
    """What decides the numbers and was neither said nor in the file."""
    known = {f"{part}.{key}" for part, table in told.items() if isinstance(table, dict) for key in table}
    known |= {path.replace("-", "_") for path in said}
    fields = {"task.operation": spec.task.get("operation"), "model.activation": spec.model.get("activation")}
    if spec.split.scheme != "list":
        fields |= {"split.fraction": spec.split.fraction}
        if not {"seed", "seeds.split"} & known:
            fields |= {"seeds.split": spec.seeds.split}
    return [
        f"assumed {path} = {value}, which no tensor tells"
        for path, value in fields.items()
        if value is not None and path not in known
    ]


def _answers(spec: RunSpec, params: Params) -> tuple[dict[str, float], list[str]]:
    """Losses (nats, float64 log-softmax over all logits) and accuracies; and a doubt where there is reason for one."""
    setup = Setup.of(spec, "cpu")
    with torch.no_grad():
        logits = setup.model.logits(params, setup.examples).double()
    shape, labels = setup.examples.labels.shape, setup.examples.labels.flatten()[:, None]
    losses = -torch.log_softmax(logits, dim=-1).gather(1, labels).view(shape)
    # a tie is wrong, as in the measures of the same names
    right = (
        (logits.gather(1, labels) > logits.scatter(1, labels, -torch.inf).amax(1, keepdim=True)).double().view(shape)
    )
    parts = {"train": setup.train_index, "test": setup.test_index}
    final = {f"{part}_loss": losses[index].mean().item() for part, index in parts.items()}
    final |= {f"{part}_accuracy": right[index].mean().item() for part, index in parts.items()}
    return final, _doubts(setup, logits, final["train_accuracy"])


def _doubts(setup: Setup, logits: Tensor, train_accuracy: float) -> list[str]:
    if train_accuracy >= 0.5:
        return []
    doubt = (
        f"only {train_accuracy:.1%} of the training examples are answered right: if this network was trained, look at "
        "the layout, the split, the operation, the activation, and whether a square tensor is transposed"
    )
    if isinstance(setup.task, Modular):
        for other in ("add", "sub", "mul"):
            a, b = setup.task.operands().unbind(1)
            answers = {"add": a + b, "sub": a - b, "mul": a * b}[other] % setup.task.p
            if float((logits.argmax(dim=-1) == answers).double().mean()) > 0.5:
                doubt += f"; it answers --task.operation {other}"
    return [doubt]


def _name(stem: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", stem.lower()).strip("-.")[:100] or "network"


def _store(network: Network, runs: Path, name: str) -> Run:
    spec, folder = network.spec, runs / GROUP / name
    if (folder / "spec.json").exists():
        there = open_run(folder).provenance.get("imported")
        if not isinstance(there, dict) or there.get("sha256") != network.facts["sha256"]:
            raise StoreError(f"{folder} holds another network: give this one another --name, or delete that folder")
    origin = provenance("cpu") | {"imported": network.facts}
    with RunWriter.open(runs, GROUP, name, spec.model_dump(mode="json"), origin, spec.steps) as writer:
        if not writer.finished:
            with writing("The spec of the run", writer.folder):
                write_whole(writer.folder / "spec.toml", write(spec).encode())
            tensors = {f"params/{key}": tensor for key, tensor in network.params.items()}
            writer.checkpoint(spec.steps, tensors, {"imported": network.facts["sha256"]}, lambda step: True)
            title = spec.build_task().title
            writer.finish([], {"title": title, "last_step": spec.steps, "final": network.final})
    return open_run(writer.folder)
