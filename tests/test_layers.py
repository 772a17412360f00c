"""Reads the source of every module: who imports whom, what modules are called, and that nothing unpickles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import latebloom

PACKAGE = Path(latebloom.__file__).parent

# What each part may import besides itself and `errors`. "__init__" is what `import latebloom` runs.
RULES: dict[str, set[str]] = {
    "errors": set(),
    "shown": set(),
    "axes": set(),
    "tasks": {"axes"},
    "models": {"axes", "tasks"},
    "optim": {"axes"},
    "spec": {"tasks", "models", "optim", "measures"},
    "training": {"spec", "tasks", "models", "optim", "axes"},
    "measures": {"tasks", "models", "axes"},
    "store": {"spec", "axes", "shown"},
    "analysis": {"shown", "store", "measures", "models", "tasks", "axes", "spec", "training"},
    "provenance": set(),
    "process": set(),
    "experiment": {"training", "measures", "store", "analysis", "spec", "axes", "provenance", "process"},
    "ensemble": {"experiment", "training", "store", "spec", "process"},
    "forks": {"experiment", "ensemble", "analysis", "store", "spec", "training", "measures", "models", "optim", "axes"},
    "interop": {"spec", "store", "models", "tasks", "training", "axes", "provenance"},
    "studies": {"experiment", "ensemble", "analysis", "store", "spec", "training", "measures", "process"},
    "views": {"store", "analysis", "measures"},
    "figures": {"views", "store", "analysis", "measures"},
    "claims": {"studies", "spec", "forks", "analysis", "store", "views"},
    "dashboard": {"views", "store", "analysis", "measures", "spec"},
    "recorder": {"store", "analysis", "provenance", "views"},
    "__init__": {"store", "spec", "experiment", "recorder", "figures"},
}
RULES["cli"] = set(RULES)
RULES["__main__"] = {"cli"}

GRAB_BAGS = re.compile(r"_*(utils?|helpers?|common|misc|managers?|core)_*")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve"}


def modules(package: Path) -> Iterator[tuple[str, Path]]:
    """Yield each module's dotted name below the package (`store.live`) and its file."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        yield ".".join(parts), path


def part_of(name: str) -> str:
    return name.split(".")[0]


def imported_names(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Yield line and absolute dotted name of all that is imported, wherever in the module it stands.

    `from a.b import c` yields `a.b.c`; `c` may be a module or an object.
    """
    here = ["latebloom", *module.split(".")]
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                base = here[: len(here) - node.level] if node.level else []
                base = base + (node.module.split(".") if node.module else [])
                yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def target_part(name: str) -> str | None:
    """Return the part of the package that a name lies in; None when it lies outside or is harmless."""
    head, _, rest = name.partition(".")
    if head != "latebloom" or rest == "__version__":
        return None
    part = part_of(rest)
    # `import latebloom` and `from latebloom import open` go through the front door.
    return part if part in RULES else "__init__"


def layer_faults(package: Path) -> list[str]:
    """List the modules without a rule and the imports that no rule allows."""
    faults = []
    for module, path in modules(package):
        part = part_of(module)
        if part not in RULES:
            faults.append(f"{module}: the part {part!r} has no line in RULES")
            continue
        allowed = RULES[part] | {part, "errors"}
        for line, name in imported_names(ast.parse(path.read_bytes()), module):
            target = target_part(name)
            if target is not None and target not in allowed:
                faults.append(f"{module}:{line}: {part!r} may not import {target!r} ({name})")
    return faults


def name_faults(package: Path) -> list[str]:
    """List modules and folders whose name says nothing."""
    return [m for m, _ in modules(package) if any(GRAB_BAGS.fullmatch(word) for word in m.split("."))]


def dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    """Write an attribute chain as its absolute name: `t.load` after `import torch as t` is `torch.load`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def loads_only_weights(call: ast.Call) -> bool:
    return any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)


def used_names(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Yield line and absolute name of what is imported or read, but for calls that load weights only."""
    yield from imported_names(tree, module)
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    safe = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and loads_only_weights(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and node not in safe:
            yield node.lineno, dotted(node, aliases)


def pickle_faults(package: Path) -> list[str]:
    """List what could run code from a file: pickle and its kin, and torch where it pickles."""
    faults = []
    for module, path in modules(package):
        tree = ast.parse(path.read_bytes())
        for line, name in used_names(tree, module):
            if name in ("torch.save", "torch.load") or part_of(name) in UNPICKLERS or name.endswith("_pickle"):
                faults.append(f"{module}:{line}: {name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                faults.append(f"{module}:{node.value.lineno}: allow_pickle")
    return faults


def test_every_part_imports_only_what_its_line_allows() -> None:
    assert layer_faults(PACKAGE) == []


def test_the_rules_have_no_cycle_and_name_only_parts() -> None:
    TopologicalSorter(RULES).prepare()
    assert set().union(*RULES.values()) <= set(RULES)


def test_no_module_is_a_grab_bag() -> None:
    assert name_faults(PACKAGE) == []


def test_nothing_pickles() -> None:
    assert pickle_faults(PACKAGE) == []


def plant(package: Path, file: str, source: str) -> Path:
    path = package / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return package


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("tasks/a.py", "import latebloom.store", "tasks.a:1: 'tasks' may not import 'store'"),
        ("tasks/a.py", "from latebloom.models import mlp", "'tasks' may not import 'models'"),
        ("tasks/a.py", "from latebloom import views", "'tasks' may not import 'views'"),
        ("tasks/a.py", "from ..models.mlp import MLP", "'tasks' may not import 'models'"),
        ("tasks/__init__.py", "from ..models import MLP", "'tasks' may not import 'models'"),
        ("axes.py", "from . import tasks", "'axes' may not import 'tasks'"),
        (
            "store/a.py",
            "def f():\n    import latebloom.training.loop as loop",
            "store.a:2: 'store' may not import 'training'",
        ),
        (
            "store/a.py",
            "if TYPE_CHECKING:\n    from latebloom.measures import fit",
            "'store' may not import 'measures'",
        ),
        ("views/a.py", "importlib.import_module('latebloom.training')", "'views' may not import 'training'"),
        ("views/a.py", "import latebloom", "'views' may not import '__init__'"),
        ("spec.py", "from latebloom import open", "'spec' may not import '__init__'"),
        ("__init__.py", "from latebloom.cli import main", "'__init__' may not import 'cli'"),
        ("surprise/a.py", "", "the part 'surprise' has no line in RULES"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, source: str, fault: str) -> None:
    faults = layer_faults(plant(tmp_path, file, source))
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("tasks/a.py", "from latebloom.axes import Params\nfrom latebloom.errors import LatebloomError"),
        ("tasks/a/b.py", "from ..c import d\nfrom ...axes import Params"),
        ("store/a.py", "from latebloom import __version__\nimport latebloom_tools, torch"),
        ("cli.py", "from latebloom import views, studies, errors"),
        ("__init__.py", "def __getattr__(name):\n    from latebloom.store import open"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, source: str) -> None:
    assert layer_faults(plant(tmp_path, file, source)) == []


@pytest.mark.parametrize("file", ["utils.py", "tasks/helpers.py", "store/_core.py", "misc/a.py", "views/managers.py"])
def test_a_planted_grab_bag_is_found(tmp_path: Path, file: str) -> None:
    assert name_faults(plant(tmp_path, file, "")) != []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "import torch\ntorch.save({}, 'x')",
        "import torch\ntorch.load('x')",
        "import torch as t\nt.load('x', weights_only=False)",
        "import torch\nread = torch.load",
        "from torch import load as read\nread('x')",
        "import torch.serialization\ntorch.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import polars as pl\npl.read_pickle('x')",
    ],
)
def test_planted_pickle_is_found(tmp_path: Path, source: str) -> None:
    assert pickle_faults(plant(tmp_path, "store/a.py", source)) != []


def test_loading_weights_only_passes(tmp_path: Path) -> None:
    source = "import torch as t\nt.load('x', weights_only=True)\nnp.load('x', allow_pickle=False)"
    assert pickle_faults(plant(tmp_path, "store/a.py", source)) == []
