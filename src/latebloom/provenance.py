"""Where a run's numbers come from: versions, machine, threads, and the state of the working folder's repository."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from latebloom import __version__

PACKAGES = ("torch", "numpy", "safetensors")
"""Packages whose version can change a number."""


def provenance(device: str) -> dict[str, Any]:
    """The facts of this process and machine, as plain data.

    Args:
        device: where the run is trained ("cpu", "cuda:0").
    """
    return {
        "latebloom": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "git": _git(),
        "command": " ".join(["latebloom", *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def _device_name(device: str) -> str:
    place = torch.device(device)
    return f"{device} ({torch.cuda.get_device_name(place)})" if place.type == "cuda" else device


def _git() -> dict[str, Any] | None:
    """The commit of the working folder, and whether files that git knows differ from it; None outside a repository."""
    try:
        commit, status = (
            subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(status)}
