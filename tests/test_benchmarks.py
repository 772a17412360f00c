"""Benchmarks are not run by the tests, but what one takes from another or from latebloom has to be there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = {path.stem: ast.parse(path.read_text()) for path in FOLDER.glob("*.py")}


def defined(tree: ast.Module) -> set[str]:
    """Names of a script's top level."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return names | {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_what_a_benchmark_imports_is_there(script):
    imports = [node for node in ast.walk(SCRIPTS[script]) if isinstance(node, ast.ImportFrom) and node.module]
    for node in imports:
        module, names = str(node.module), [alias.name for alias in node.names]
        if module in SCRIPTS:
            assert set(names) <= defined(SCRIPTS[module]), f"{script}: from {module} import {names}"
        elif module.split(".")[0] == "latebloom":
            there = importlib.import_module(module)
            assert all(hasattr(there, name) for name in names), f"{script}: from {module} import {names}"
