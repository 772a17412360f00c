"""What `make` says when the set-up cannot have what it was asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose environment is made, and whose pip reaches nothing."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    python.chmod(0o755)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("", "utf-8")
    return tmp_path


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("cpu", "TORCH_INDEX=cpu: pip could not install PyTorch from https://download.pytorch.org/whl/cpu"),
        ("../x y", "TORCH_INDEX: expected a folder of PyTorch's index such as cpu or cu128, got '../x y'"),
    ],
)
def test_an_index_that_does_not_serve_is_told_in_one_line(clone, index, message):
    done = subprocess.run(
        ["make", ".venv/.installed", f"TORCH_INDEX={index}"], cwd=clone, capture_output=True, text=True, timeout=60
    )
    assert done.returncode
    lines = [line for line in done.stdout.splitlines() if "TORCH_INDEX" in line]
    assert len(lines) == 1
    assert lines[0].startswith(message)
    assert not (clone / ".venv" / ".installed").exists()
