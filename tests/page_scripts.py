"""Scripts of `studies/` that write pages, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

STUDIES = Path(__file__).parent.parent / "studies"


def page_script(name: str) -> ModuleType:
    """A script by its name, run as an import runs it."""
    place = importlib.util.spec_from_file_location(name, STUDIES / f"{name}.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    sys.modules[name] = module  # dataclasses look their module up
    place.loader.exec_module(module)
    return module
