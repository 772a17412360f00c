"""Specs as text: presets, TOML files, dotted overrides, and the JSON Schema."""

from __future__ import annotations

import copy
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from latebloom.errors import LatebloomError
from latebloom.spec.faults import suggestion
from latebloom.spec.named import FROM_TASK, REGISTRIES
from latebloom.spec.run_spec import RunSpec

FREE = ("strides", "changes", "decay_factors")
"""Tables whose keys are names of other things, such as measures, and are taken as they are."""

FACTS = ("Formula", "Domain", "Size", "Source")
"""What is said of a component besides what it is, each in a line of its docstring."""

LARGEST_FILE = 1_000_000
"""Bytes of a spec file; a larger one is not a spec."""


def presets() -> dict[str, str]:
    """Every preset by name, as TOML text."""
    folder = resources.files("latebloom.spec") / "presets"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return {f.name.removesuffix(".toml"): f.read_text("utf-8") for f in sorted(files, key=lambda f: f.name)}


def about(text: str) -> str:
    """The comment at the head of a spec's text: what the preset is and where it comes from."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def read(source: str) -> tuple[str, dict[str, Any]]:
    """The name and the table of a preset or of a TOML file.

    Raises:
        LatebloomError: there is no such preset or file, or the file is no TOML.
    """
    known = presets()
    if source in known:
        return source, tomllib.loads(known[source])
    path = Path(source)
    if not source.endswith(".toml") and (len(source) > 255 or not path.is_file()):
        raise LatebloomError(f"no such preset: {source}{suggestion(source, known)} (a file's name ends in .toml)")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise LatebloomError(f"{source}: expected a spec of at most {LARGEST_FILE:,} bytes, got a larger file")
        return path.stem.lower().replace("_", "-").replace(" ", "-"), tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LatebloomError(f"{source} could not be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LatebloomError(f"{source}: expected TOML, got a syntax error: {error}") from error


def override(table: dict[str, Any], changes: dict[str, str]) -> dict[str, Any]:
    """The table with dotted paths set from text: `{"model.d-mlp": "256"}`; values are read as TOML, else as text."""
    return put(table, {path: value_of(text) for path, text in changes.items()}, said="--")


def put(table: dict[str, Any], changes: Mapping[str, Any], said: str = "") -> dict[str, Any]:
    """The table with dotted paths set: `{"model.d_mlp": 256}`.

    A change of `task.name`, `model.name` or `optim.name` drops the settings of what was there before; `seed` drops the
    separate seeds, `epochs` the steps and the other way round.

    Args:
        table: is left as it is.
        changes: values by path.
        said: what stands before a path in messages.

    Raises:
        LatebloomError: a path leads through a value.
    """
    table = copy.deepcopy(table)
    ordered = sorted(changes.items(), key=lambda change: "." in change[0] and not change[0].endswith(".name"))
    for path, value in ordered:
        *parents, last = canonical(path).split(".")
        place = table
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise LatebloomError(f"{said}{path}: expected a table at {parent}, got the value {place!r}")
        if last == "name" and place.get("name") != value:
            place.clear()
        # what was said before of the same thing gives way
        table.pop({"steps": "epochs", "epochs": "steps", "seed": "seeds"}.get(path, ""), None)
        place[last] = value
    return table


def canonical(path: str) -> str:
    """A field's path as specs write it: `model.d-mlp` is `model.d_mlp`; keys that are names of other things stay."""
    *parents, last = path.split(".")
    parents = [parent.replace("-", "_") for parent in parents]
    return ".".join([*parents, last if parents and parents[-1] in FREE else last.replace("-", "_")])


def value_of(text: str) -> Any:
    """A value from a command line: as TOML has it, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def write(spec: RunSpec) -> str:
    """The resolved spec as TOML, which `read` and `resolve` turn into the same spec again."""
    table = spec.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for name, part in table.items():
        if isinstance(part, dict):
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_toml(value)}" for key, value in _given(part).items())]
    return "\n".join(lines) + "\n"


def _given(table: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that have no value, which TOML cannot say; those of one's own classes are among them."""
    return {key: value for key, value in table.items() if value is not None}


def _key(name: str) -> str:
    return name if name.isidentifier() else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(part)}" for key, part in _given(value).items()) + "}"
    # JSON's strings, numbers, booleans and flat lists are TOML's too; tables inside lists do not occur in a spec
    return json.dumps(value, ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file, the settings of everything built in included."""
    schema = RunSpec.model_json_schema()
    schema["properties"].pop("sources")
    schema["properties"]["seed"] = {"type": "integer", "description": "stands for all three seeds", "default": 0}
    schema["properties"]["epochs"] = {
        "type": "integer",
        "description": "passes over the training set, instead of steps",
    }
    schema["required"] = ["task", "model", "optim"]
    for kind, registry in REGISTRIES.items():
        schema["properties"][kind] = {
            "description": RunSpec.model_fields[kind].description,
            "oneOf": [_component_schema(name, cls) for name, cls in registry.items()],
        }
    return schema


def _component_schema(name: str, cls: type) -> dict[str, Any]:
    schema = TypeAdapter(cls).json_schema()
    properties = {key: value for key, value in schema["properties"].items() if key not in FROM_TASK}
    return {
        "type": "object",
        "description": schema.get("description", ""),
        "properties": {"name": {"const": name}} | properties,
        "required": ["name"],
        "additionalProperties": False,
    }


def describe(kind: str) -> dict[str, Any]:
    """Everything built in of one kind: what it is, its facts, and each field's default, allowed values and meaning."""
    return {name: described(cls) for name, cls in REGISTRIES[kind].items()}


def described(cls: type) -> dict[str, Any]:
    """What one class of settings is, its facts, and each field's default, allowed values and meaning."""
    schema = _component_schema("", cls)
    fields = {key: facts for key, facts in schema["properties"].items() if key != "name"}
    return {
        "description": schema["description"].partition("\n\n")[0].replace("\n", " "),
        "facts": _facts(cls),
        "fields": {
            name: {
                "default": json.dumps(facts.get("default")),
                "values": _allowed(facts),
                "description": facts.get("description", ""),
            }
            for name, facts in fields.items()
        },
    }


def _facts(cls: type) -> dict[str, str]:
    """The lines "Formula: …", "Domain: …", "Size: …", "Source: …" of a class's docstring; else its module's source."""
    lines = dict(re.findall(rf"^\s*({'|'.join(FACTS)}): (.+)$", cls.__doc__ or "", re.MULTILINE))
    module = (sys.modules[cls.__module__].__doc__ or "").strip().partition("\n")[0]
    return lines if "Source" in lines or "arXiv" not in module else lines | {"Source": module}


def _allowed(facts: dict[str, Any]) -> str:
    if "enum" in facts:
        return " | ".join(facts["enum"])
    above = [f"{sign} {facts[key]:g}" for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">")) if key in facts]
    below = [f"{sign} {facts[key]:g}" for key, sign in (("maximum", "≤"), ("exclusiveMaximum", "<")) if key in facts]
    return ", ".join([facts.get("type", ""), *above, *below])
