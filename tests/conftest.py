from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

# Before torch is loaded: threads of a subprocess or a run that wait must not spin on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# Before any test imports them: from here on a call with a wrong shape or type fails.
install_import_hook(["latebloom.models", "latebloom.measures"], "beartype.beartype")

# The networks of the tests are tiny: a second thread would only wait, and on a busy machine spin.
torch.set_num_threads(1)

# Deadlines fail by chance on shared machines; in CI the same examples are drawn every time.
settings.register_profile("latebloom", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("latebloom")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs `latebloom …` in this process, in an empty folder; returns exit code, output and errors."""
    from latebloom import cli

    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["latebloom", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium: one for all tests of a process, since Playwright cannot be started twice in it."""
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright for Python: pip install -e '.[test]'")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()
