"""From a table, as a TOML file holds it, to a checked and complete `RunSpec`; every fault at once."""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from typing import Any, get_args

from pydantic import ValidationError

from latebloom.errors import LatebloomError
from latebloom.measures import check_strides, own_words
from latebloom.models import check_scheme
from latebloom.spec.faults import Fault, SpecError, from_pydantic, suggestion
from latebloom.spec.named import FROM_TASK, construct, find_function, settings, sizes_from, source_digest
from latebloom.spec.own_measures import digest_of, own_measures
from latebloom.spec.run_spec import RunSpec, Seeds, Split
from latebloom.tasks import TASKS, Drawn, Task, answers_of

LARGEST_TABLE = 100_000_000
"""Numbers in one table of logits beyond which a run would not fit an ordinary machine."""


def resolve(raw: dict[str, Any]) -> RunSpec:
    """A spec from a table: defaults filled in, epochs turned into steps, everything checked.

    Args:
        raw: tables and values; `seed` stands for all three seeds, `epochs` may stand instead of `steps`.

    Raises:
        SpecError: with every fault that could be found, each with its path.
    """
    raw = {"gradient": {"name": "plain"}} | raw
    task, faults = construct("task", raw.get("task"), {})
    sizes: dict[str, int] = dict.fromkeys(FROM_TASK, 1)
    if task is not None:
        sizes, more = _sizes(task)
        faults += more
    model, more = construct("model", raw.get("model"), sizes)
    optimiser, also = construct("optim", raw.get("optim"), {})
    rule, too = construct("gradient", raw["gradient"], {})
    faults += more + also + too
    made = {"task": task, "model": model, "optim": optimiser, "gradient": rule}
    table = raw | {kind: _table(kind, raw.get(kind), made[kind]) for kind in made}
    table["sources"] = _sources(raw, made)
    faults += _own_loss(raw.get("loss"), table["sources"])
    faults += _own_measures(raw.get("log"), table["sources"])
    spread = _spread_seed(table)
    faults += _count_steps(table, task)
    spec = None
    try:
        spec = RunSpec.model_validate(table)
    except ValidationError as error:
        faults += _said_once(from_pydantic(error.errors(), (), _known_fields()), spread)
    if spec is not None and not faults:
        faults += _cross_faults(spec, task, model)
    if faults or spec is None:
        # a misspelt field is one mistake, not also a missing one
        meant = {fault.message.partition("did you mean ")[2].rstrip("?") for fault in faults}
        raise SpecError([fault for fault in faults if not (fault.path in meant and fault.message.endswith("got none"))])
    return spec


def _sizes(task: Task) -> tuple[dict[str, int], list[Fault]]:
    try:
        return sizes_from(task), []
    except (Exception, SystemExit) as error:  # a user's own task may raise anything; its word is passed on
        return dict.fromkeys(FROM_TASK, 1), [Fault("task", f"{type(error).__name__}: {error}")]


def _table(kind: str, raw: Any, made: Any) -> dict[str, Any]:
    """The table with every default in it."""
    if made is None:
        return {}
    values = dataclasses.asdict(made)
    return {"name": raw["name"]} | {name: values[name] for name in settings(kind, type(made))}


def _sources(raw: dict[str, Any], made: dict[str, Any]) -> dict[str, str]:
    named = {kind: raw[kind]["name"] for kind, value in made.items() if value is not None}
    digests = {kind: source_digest(kind, name) for kind, name in named.items()}
    return {kind: digest for kind, digest in digests.items() if digest}


def _own_loss(raw: Any, sources: dict[str, str]) -> list[Fault]:
    """Puts the digest of the user's own loss among the sources, or says why there is none."""
    name = raw.get("name") if isinstance(raw, dict) else None
    if not isinstance(name, str) or not name.rpartition(":")[0]:
        return []
    try:
        find_function(name)
        sources |= {"loss": digest} if (digest := source_digest("loss", name)) else {}
    except ValueError as error:
        return [Fault("loss.name", str(error))]
    return []


def _own_measures(raw: Any, sources: dict[str, str]) -> list[Fault]:
    """Puts the digest of the user's own measures among the sources, or says what is wrong with them."""
    choice = raw.get("measures") if isinstance(raw, dict) else None
    if not isinstance(choice, str) or not own_words(choice):
        return []
    try:
        names = [measure.name for measure in own_measures(choice)]
        sources |= {"measures": digest} if (digest := digest_of(choice)) else {}
    except ValueError as error:
        return [Fault("log.measures", str(error))]
    try:
        check_strides(strides if isinstance(strides := raw.get("strides"), dict) else {}, names)
    except LatebloomError as error:
        return [Fault("log.strides", str(error))]
    return []


def _spread_seed(table: dict[str, Any]) -> list[str]:
    """Puts `seed` in the place of the seeds that are not given; the paths of these."""
    seed, given = table.pop("seed", 0), table.get("seeds", {})
    if not isinstance(given, dict):
        return []
    table["seeds"] = dict.fromkeys(Seeds.model_fields, seed) | given
    return [f"seeds.{name}" for name in Seeds.model_fields if name not in given]


def _said_once(faults: list[Fault], spread: list[str]) -> list[Fault]:
    """Faults of seeds that `seed` was put in place of are one mistake, at `seed`."""
    return list(dict.fromkeys(Fault("seed", f.message) if f.path in spread else f for f in faults))


def _count_steps(table: dict[str, Any], task: Task | None) -> list[Fault]:
    """Puts `steps` in the place of `epochs`."""
    epochs = table.pop("epochs", None)
    if epochs is None:
        return []
    if table.pop("steps", None) is not None:
        table["steps"] = 1
        return [Fault("epochs", "expected either steps or epochs, got both; leave one out")]
    table["steps"] = 1
    if not isinstance(epochs, int) or epochs < 1:
        return [Fault("epochs", f"expected a whole number ≥ 1, got {epochs!r}")]
    batch, split = table.get("batch", "full"), table.get("split", {})
    if isinstance(split, dict) and split.get("scheme") == "fresh":
        return [Fault("epochs", "expected steps with fresh examples at every step, which make no epochs")]
    try:
        size = Split.model_validate(split).train_size(task) if task else 1
        per_epoch = 1 if batch == "full" else math.ceil(size / max(1, int(batch)))
    except (ValidationError, SpecError, ValueError, TypeError):
        return []  # the faulty split or batch is reported at its own path
    table["steps"] = epochs * max(1, per_epoch)
    return []


def _known_fields() -> dict[tuple[str, ...], list[str]]:
    """The fields of the spec and of each of its parts, by the part's path."""
    known: dict[tuple[str, ...], list[str]] = {(): sorted({*RunSpec.model_fields, "seed", "epochs"} - {"sources"})}
    for name, field in RunSpec.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if fields := getattr(part, "model_fields", None):
                known[name,] = list(fields)
    return known


def _cross_faults(spec: RunSpec, task: Any, model: Any) -> list[Fault]:
    """What only shows when the parts are seen together."""
    faults = []
    n = len(task.examples())
    if n == 0:
        return [Fault("task", "expected examples, got none")]
    try:
        train, more = spec.split.train_size(task), _share_faults(spec.split, task, n)
    except SpecError as error:
        return error.faults
    faults += more
    faults += _sequence_faults(spec, task, model)
    if spec.batch != "full" and spec.batch > train and spec.split.scheme != "fresh":
        faults.append(
            Fault("batch", f'expected at most the {train} training pairs, got {spec.batch}; "full" takes all')
        )
    if n * answers_of(task) * task.classes > LARGEST_TABLE:
        faults.append(
            Fault("task", f"expected at most {LARGEST_TABLE:,} logits in the full table, got {n:,} × {task.classes:,}")
        )
    faults += _change_faults(spec)
    faults += _mask_faults(spec, list(model.tensors()))
    try:
        check_scheme(model.tensors(), spec.init)
    except ValueError as error:
        faults.append(Fault("init", str(error)))
    return faults


def _sequence_faults(spec: RunSpec, task: Task, model: Any) -> list[Fault]:
    """Fresh examples that cannot be drawn, and several answers where one was counted on."""
    faults = []
    fresh = spec.split.scheme == "fresh"
    if fresh and not isinstance(task, Drawn):
        draw = ", ".join(name for name, cls in TASKS.items() if hasattr(cls, "draw"))
        faults.append(Fault("split.scheme", f"expected a task that draws fresh examples ({draw}), got {task.title}"))
    if fresh and spec.batch == "full":
        faults.append(Fault("batch", 'expected a number of examples with fresh ones at every step, got "full"'))
    if answers_of(task) > 1 and not hasattr(model, "answers"):
        faults.append(
            Fault("model", f"expected a network that gives {answers_of(task)} answers, such as transformer, got one")
        )
    if answers_of(task) > 1 and not getattr(model, "causal", True):
        faults.append(Fault("model.causal", "expected true, or every position but the last would read its own answer"))
    if spec.labels.corrupted and (fresh or answers_of(task) > 1):
        why = "fresh examples" if fresh else "several answers an example"
        faults.append(Fault("labels.corrupted", f"expected 0 with {why}, got {spec.labels.corrupted}"))
    return faults


def _share_faults(split: Split, task: Task, examples: int) -> list[Fault]:
    """A share that leaves nothing to train on, or nothing to test on."""
    blocks, listed = split.blocks(task), split.listed(examples)
    if listed is not None:
        return []
    units, what = (examples, "pair") if blocks is None else (blocks.count, "block of pairs")
    if split.share(units) < 1:
        wanted = f"one training {what}, got {split.fraction} of {units}: use ≥ {1 / units:.4g}"
    elif split.share(units) >= units:
        wanted = f"one test {what}, got {split.fraction} of {units}: use ≤ {1 - 1 / units:.4g}"
    else:
        return []
    return [Fault("split.fraction", f"expected at least {wanted}")]


def _mask_faults(spec: RunSpec, tensors: list[str]) -> list[Fault]:
    """A mask of no tensor, or one that noise would fill."""
    pattern = spec.regular.hold_zeros
    if pattern is None:
        return []
    faults = []
    if not any(fnmatch.fnmatchcase(name, pattern) for name in tensors):
        faults.append(
            Fault("regular.hold_zeros", f"expected a pattern that fits one of {', '.join(tensors)}, got {pattern!r}")
        )
    if spec.regular.weight_noise:
        faults.append(Fault("regular.weight_noise", "expected 0 with hold_zeros: noise would fill the zeros"))
    return faults


def _change_faults(spec: RunSpec) -> list[Fault]:
    """Changes that are unknown, out of bounds or too late, and decay factors where nothing decays."""
    parts = {"optim": spec.optim, "gradient": spec.gradient}
    # whole numbers are sizes of the state, such as a window, and cannot change
    known = [name for part in parts.values() for name, value in part.items() if isinstance(value, float)]
    faults = [
        Fault(f"changes.{step}.{name}", f"no such hyperparameter{suggestion(name, known)}")
        for step, change in spec.changes.items()
        for name in change
        if name not in known
    ]
    for step, change in spec.changes.items():
        for kind, part in parts.items():
            told = part | {name: value for name, value in change.items() if name in part}
            faults += [Fault(f"changes.{step}.{f.path}", f.message) for f in construct(kind, told, {})[1]]
        if int(step) >= spec.steps:
            faults.append(Fault(f"changes.{step}", f"expected a step before the last, {spec.steps}"))
    if spec.regular.decay_factors and "weight_decay" not in known:
        faults.append(
            Fault("regular.decay_factors", f"expected an optimiser with weight_decay, got {spec.optim['name']}")
        )
    return faults
