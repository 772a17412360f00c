"""What is installed from a wheel: the example and the pages are in it, and the dashboard shows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel's files were unpacked into, as an installer does."""
    builder = pytest.importorskip("hatchling.builders.wheel", reason="needs hatchling: pip install -e '.[test]'")
    out = tmp_path_factory.mktemp("wheel")
    (wheel,) = builder.WheelBuilder(str(TOP)).build(directory=str(out), versions=["standard"])
    with zipfile.ZipFile(wheel) as whole:
        whole.extractall(out / "site")
    return out / "site"


def test_everything_beside_the_code_is_in_it(installed: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "src/latebloom"], cwd=TOP, check=True, capture_output=True, text=True)
    wanted = {name.removeprefix("src/") for name in listed.stdout.splitlines() if (TOP / name).is_file()}
    there = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert wanted - there == set()
    assert any("shipped/latebloom-example" in name for name in wanted)


def test_the_dashboard_of_an_installed_wheel_shows_the_example(installed: Path, tmp_path: Path) -> None:
    code = "import latebloom; print(latebloom.__file__, flush=True); from latebloom.cli.main import main; main()"
    command = [sys.executable, "-c", code, "serve", str(tmp_path), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert Path(server.stdout.readline().strip()).is_relative_to(installed)
            address = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
            runs = json.loads(urlopen(f"{address.rstrip('/')}/api/runs", timeout=60).read())
            (row,) = runs["rows"]
            assert row["example"]
            page = urlopen(f"{address.rstrip('/')}/run/{row['folder']}", timeout=60).read().decode()
            assert "a + b mod 43" in page
            assert urlopen(f"{address.rstrip('/')}/static/run.js", timeout=60).status == 200
        finally:
            server.terminate()
