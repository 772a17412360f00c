"""From a name in a spec to what it means: built in, or the user's own as `file.py:object` or `module:object`."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from latebloom.models import MODELS
from latebloom.optim import GRADIENT_RULES, OPTIMISERS
from latebloom.spec.faults import Fault, from_pydantic, suggestion
from latebloom.tasks import TASKS, Task, answers_of

REGISTRIES: dict[str, dict[str, type]] = {
    "task": TASKS,
    "model": MODELS,
    "optim": OPTIMISERS,
    "gradient": GRADIENT_RULES,
}
FROM_TASK = ("d_vocab", "n_ctx", "classes", "answers")
"""Fields of a model that the task decides (`sizes_from`); a spec does not set them."""


def find_class(kind: str, name: str, registry: Mapping[str, type] | None = None) -> type:
    """The class that `name` means.

    Args:
        kind: what it is, in words.
        name: built in, or the user's own.
        registry: what is built in; by default that of a part of a spec.

    Raises:
        ValueError: there is none, with a suggestion.
    """
    known = REGISTRIES[kind] if registry is None else registry
    if name in known:
        return known[name]
    if ":" not in name:
        raise ValueError(f"no such {kind} {name!r}{suggestion(name, known)} (your own: file.py:Class or module:Class)")
    place, _, attribute = name.rpartition(":")
    module = _module(place)
    found = getattr(module, attribute, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        here = [key for key, value in vars(module).items() if dataclasses.is_dataclass(value)]
        raise ValueError(f"expected a dataclass {attribute!r} in {place}{suggestion(attribute, here)}")
    return found


def find_function(name: str) -> Callable[..., Any]:
    """The user's own function that `file.py:function` or `module:function` means.

    Raises:
        ValueError: there is none, with a suggestion.
    """
    return find_object(name, "a function", lambda value: callable(value) and not isinstance(value, type))


def find_object(name: str, what: str, fits: Callable[[Any], bool]) -> Any:
    """The user's own object that `file.py:object` or `module:object` means.

    Args:
        name: in a spec.
        what: it should be, in words.
        fits: whether an object is that.

    Raises:
        ValueError: there is none, with a suggestion.
    """
    place, _, attribute = name.rpartition(":")
    module = _module(place)
    found = getattr(module, attribute, None)
    if not fits(found):
        here = [key for key, value in vars(module).items() if fits(value)]
        told = suggestion(attribute, here) if here else "; it has none"
        raise ValueError(f"expected {what} {attribute!r} in {place}{told}")
    return found


def names_code(part: Any) -> bool:
    """Whether a table of a spec, or one within it, names a component or a measure as `file.py:object` does."""
    if isinstance(part, dict):
        return any(":" in str(part.get(key)) for key in ("name", "measures")) or any(map(names_code, part.values()))
    return isinstance(part, list) and any(map(names_code, part))


def source_file(kind: str, name: str) -> Path | None:
    """The file of the user's own object; None for what is built in."""
    if name in REGISTRIES.get(kind, ()) or ":" not in name:
        return None
    file = _module(name.rpartition(":")[0]).__file__
    return Path(file) if file else None


def source_digest(kind: str, name: str) -> str | None:
    """SHA-256 of the source file of the user's own object, which is a part of the spec's identity."""
    file = source_file(kind, name)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file else None


def sizes_from(task: Task) -> dict[str, int]:
    """The sizes of a model that its task decides."""
    n_ctx = task.examples().tokens.shape[1]
    return {"d_vocab": task.d_vocab, "n_ctx": n_ctx, "classes": task.classes, "answers": answers_of(task)}


def _module(place: str) -> ModuleType:
    return _load_file(str(Path(place).resolve())) if place.endswith(".py") else _load_module(place)


@cache
def _load_file(path: str) -> ModuleType:
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"expected a Python file, found none at {path}")
    name = f"latebloom_own_{file.stem}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"expected a Python file, got {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    return module


@cache
def _load_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ValueError(f"the module {name} could not be imported: {type(error).__name__}: {error}") from error


# Building a validator takes milliseconds: a study resolves thousands of specs.
@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def settings(kind: str, cls: type) -> list[str]:
    """The names of the fields that a spec may set."""
    return [f.name for f in dataclasses.fields(cls) if f.init and not (kind == "model" and f.name in FROM_TASK)]


def construct(
    kind: str, raw: Any, derived: dict[str, int], registry: Mapping[str, type] | None = None
) -> tuple[Any, list[Fault]]:
    """The object that a table `{name = …, setting = …}` describes, or every fault of the table.

    Args:
        kind: the table's name.
        raw: the table.
        derived: fields that do not stand in it.
        registry: as in `find_class`.
    """
    if not isinstance(raw, dict):
        return None, [Fault(kind, f"expected a table with a name, got {raw!r}")]
    name = raw.get("name")
    if not isinstance(name, str):
        known = REGISTRIES[kind] if registry is None else registry
        return None, [Fault(f"{kind}.name", f"expected one of {', '.join(known)}, got {name!r}")]
    try:
        cls = find_class(kind, name, registry)
    except ValueError as error:
        return None, [Fault(f"{kind}.name", str(error))]
    known = settings(kind, cls)
    given = {key: value for key, value in raw.items() if key != "name"}
    faults = [Fault(f"{kind}.{key}", f"no such field{suggestion(key, known)}") for key in given if key not in known]
    given = {key: value for key, value in given.items() if key in known}
    filled = {key: value for key, value in derived.items() if key in {f.name for f in dataclasses.fields(cls)}}
    try:
        made = _adapter(cls).validate_python(given | filled)
    except ValidationError as error:
        return None, faults + from_pydantic(error.errors(), (kind,), {(): known})
    except (Exception, SystemExit) as error:  # a user's own class may raise anything; its word is passed on
        return None, [*faults, Fault(kind, f"{type(error).__name__}: {error}")]
    return made, faults
