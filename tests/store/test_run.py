"""Reading back, and finding what to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from latebloom.store import CheckpointError, RunWriter, StoreError, open_run, open_study
from latebloom.store.live import LiveWriter
from store.child import train


@pytest.fixture
def root(tmp_path):
    train(tmp_path, "add-113-seed0", 20)
    train(tmp_path, "add-113-seed1", 20)
    (tmp_path / "group" / "add-113-seed0" / "report.html").touch()
    return tmp_path


def test_all_ways_to_name_a_run(root, monkeypatch):
    folder = root / "group" / "add-113-seed0"
    for name in (folder, str(folder), folder / "report.html", "add-113-seed0", "group/add-113-seed0"):
        assert open_run(name, root).folder.name == folder.name
    monkeypatch.chdir(root.parent)
    os.rename(root, root.parent / "runs")
    try:
        assert open_run("add-113-seed1").id == "add-113-seed1"
        assert open_run("runs/group/add-113-seed1").id == "add-113-seed1"
    finally:
        os.rename(root.parent / "runs", root)


def test_a_unique_beginning_is_enough(root):
    train(root, "mul-97", 20)
    assert open_run("mul", root).id == "mul-97"
    assert open_run(root / "group" / "mu").id == "mul-97"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("add-113", "2 match: .*seed0, .*seed1. Give the whole"),
        ("ad-113-sed1", "no run 'ad-113-sed1'. Near it in .*: .*add-113-seed1"),
        ("zzz", "no run 'zzz'. Near it in .*add-113-seed0"),
        ("../../etc", "no run"),
        ("", "There is no run|2 match"),
    ],
)
def test_a_wrong_name_is_told_with_what_is_near(root, name, message, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(StoreError, match=message):
        open_run(name, root)


def test_no_runs_at_all_and_a_folder_of_runs(root, tmp_path):
    with pytest.raises(StoreError, match=r"no runs in .*: check the path"):
        open_run("a", tmp_path / "absent")
    with pytest.raises(StoreError, match="2 match"):
        open_run(root / "group")


def test_live_and_finished_give_the_same(tmp_path):
    with RunWriter.open(tmp_path, "g", "a", {"x": 1}, {"version": 2}) as writer:
        writer.resume()
        run = open_run("a", tmp_path)
        assert (run.scalars.height, run.state, run.events, run.summary) == (0, "running", [], {})
        assert not run.arrays.variables
        with pytest.raises(CheckpointError, match="no checkpoints yet"):
            run.params()
        from store.child import row

        for step in range(1, 31):
            writer.log(step, *row(torch.full((8,), float(step)), step))
            if step % 10 == 0:
                writer.checkpoint(step, {"params/w": torch.full((2,), float(step))}, {}, lambda step: True)
        live = run.scalars, run.arrays
        writer.finish([{"name": "grok"}], {"best": 1.0})
    again = run.scalars, run.arrays
    assert live[0].equals(again[0], null_equal=True)
    assert live[1].identical(again[1])
    assert (run.state, run.events, run.summary, run.spec) == ("done", [{"name": "grok"}], {"best": 1.0}, {"x": 1})
    assert run.provenance == {"version": 2}
    assert run.params(20)["w"].tolist() == [20.0, 20.0]
    assert run.params()["w"].tolist() == [30.0, 30.0]
    assert repr(run) == f"<Run a: done, step 30, {run.folder}>"
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 7: .*nearest are 10, 20, 30"):
        run.params(7)


@pytest.mark.parametrize(
    ("file", "which", "message"),
    [
        ("scalars.parquet", "scalars", "not what the manifest says"),
        ("arrays.zarr/w/zarr.json", "arrays", "was changed since"),
    ],
)
def test_a_changed_file_of_a_finished_run_is_refused(root, file, which, message):
    path = root / "group" / "add-113-seed0" / file
    path.write_bytes(path.read_bytes() + b" ")
    run = open_run("add-113-seed0", root)
    with pytest.raises(StoreError, match=message):
        getattr(run, which)


def test_a_flipped_array_chunk_is_refused_when_it_is_read(root):
    path = next(p for p in (root / "group" / "add-113-seed0" / "arrays.zarr" / "w" / "c").rglob("*") if p.is_file())
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match=r"(?i)checksum|decompress|corrupt"):
        open_run("add-113-seed0", root).arrays["w"].load()


@pytest.mark.parametrize(
    ("text", "message"),
    [("[]", "should hold a dict"), ("{", "not valid JSON"), ("[" * 10**5, "not valid JSON"), ("{}", "format None")],
)
def test_a_damaged_manifest_is_told(root, text, message):
    (root / "group" / "add-113-seed0" / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=message):
        open_run("add-113-seed0", root).scalars.head()


def test_a_log_that_is_finished_while_it_is_read_is_read_from_the_finished_files(root, monkeypatch, tmp_path):
    with RunWriter.open(root, "g", "late", {}, {}) as writer:
        for step in range(5):
            writer.log(step, {"loss": 1.0})
        writer._live.flush()
        run = open_run("late", root)
        import latebloom.store.live as live

        real = live.read_live

        def slow(folder):
            monkeypatch.setattr(live, "read_live", real)
            writer.finish([], {})
            return real(folder)  # nothing is left there

        monkeypatch.setattr(live, "read_live", slow)
        monkeypatch.setattr("latebloom.store.writer.read_live", real)
        assert run.scalars.height == 5


def test_reading_needs_no_torch_and_listing_no_arrow(root):
    code = (
        "import sys; from pathlib import Path; from latebloom.store import Index, open_run; root = "
        "Path(sys.argv[1]);"
        "assert len(Index(root).runs()) == 2; assert not {'torch', 'pyarrow', 'polars', 'xarray'} & "
        "sys.modules.keys();"
        "run = open_run('add-113-seed0', root); assert run.scalars.height and run.arrays.sizes['step'];"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_log_alone_is_no_run(tmp_path):
    writer = LiveWriter(tmp_path / "a" / "live")
    writer.append(0, {"loss": 1.0})
    writer.close()
    with pytest.raises(StoreError, match="no runs in"):
        open_run(tmp_path / "a")


@pytest.mark.parametrize("path", ["s3://bucket/run", Path("s3://bucket/run"), "https://host/run"])
def test_an_address_is_no_run(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    for opened in (open_run, open_study):
        with pytest.raises(
            StoreError, match=r"^(s3://bucket|https://host)/run: expected a folder of this machine, got"
        ):
            opened(path)
    with pytest.raises(StoreError, match="got an address"):
        open_run("run", path)
    # a folder may be called so
    (tmp_path / "s3:").mkdir()
    with pytest.raises(StoreError, match="no runs in s3:"):
        open_run("run", "s3:/")
