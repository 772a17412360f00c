"""The live log: appended, cut, read while it is written, resumed."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xarray as xr

from latebloom.store.faults import StoreError
from latebloom.store.live import LiveWriter, read_live, segments


def steps_of(folder: Path) -> list[int]:
    return read_live(folder)["step"].to_pylist()


def table(size: float = 1.0) -> xr.DataArray:
    return xr.DataArray(np.full((2, 3), size, "float32"), dims=("head", "class"), coords={"class": [3, 5, 7]})


def test_rows_come_back_with_what_they_lack_as_null(tmp_path):
    writer = LiveWriter(tmp_path)
    writer.append(0, {"loss": 1.5, "gap": math.inf})
    writer.append(4, {"loss": math.nan}, {"w": table(2.0)})
    writer.flush()
    writer.append(5, {"new": -0.0})
    writer.close()
    found = read_live(tmp_path)
    assert found.column_names == ["run", "step", "loss", "gap", "w", "new"]
    assert found["step"].to_pylist() == [0, 4, 5]
    assert found["gap"].to_pylist() == [math.inf, None, None]
    assert math.isnan(found["loss"][1].as_py())
    assert found["loss"][2].as_py() is None
    assert found["w"].to_pylist() == [None, [2.0] * 6, None]
    assert math.copysign(1, found["new"][2].as_py()) == -1
    assert len(segments(tmp_path)) == 2  # a new name began a new one


def test_no_folder_and_empty_files_are_no_rows(tmp_path):
    assert read_live(tmp_path / "absent").num_rows == 0
    (tmp_path / "000.arrows").touch()
    assert read_live(tmp_path).num_rows == 0


def test_a_log_cut_at_any_byte_gives_all_rows_that_are_whole(tmp_path):
    writer = LiveWriter(tmp_path)
    ends = {}
    for step in range(4):
        writer.append(step, {"loss": step + 0.5}, {"w": table(step)})
        writer.flush()
        ends[segments(tmp_path)[0][1].stat().st_size] = step + 1
    writer.close()
    path = segments(tmp_path)[0][1]
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = max((rows for end, rows in ends.items() if end <= cut), default=0)
        assert steps_of(tmp_path) == list(range(whole)), cut


def test_a_flipped_byte_never_ends_in_another_error(tmp_path):
    writer = LiveWriter(tmp_path)
    for step in range(3):
        writer.append(step, {"loss": 0.5}, {"w": table(step)})
        writer.flush()
    writer.close()
    path = segments(tmp_path)[0][1]
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 400):
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            assert read_live(tmp_path).num_rows <= 3
        except StoreError as error:
            assert str(error)  # noqa: PT017


@pytest.mark.parametrize("after", [None, 0, 3, 5])
def test_a_resumed_writer_replaces_the_rows_after_its_checkpoint(tmp_path, after):
    first = LiveWriter(tmp_path)
    for step in range(6):
        first.append(step, {"loss": 1.0})
        first.flush()
    first.close()
    second = LiveWriter(tmp_path, after)
    start = 0 if after is None else after + 1
    for step in range(start, 5):
        second.append(step, {"loss": 2.0})
    second.close()
    found = read_live(tmp_path)
    assert found["step"].to_pylist() == list(range(max(5, start)))
    assert found["loss"].to_pylist() == [1.0] * start + [2.0] * (5 - start)


def test_a_lost_first_segment_still_leaves_the_word_where_its_writer_resumed(tmp_path):
    first = LiveWriter(tmp_path)
    for step in range(6):
        first.append(step, {"loss": 1.0})
    first.close()
    second = LiveWriter(tmp_path, 2)
    second.append(3, {"loss": 2.0})
    second.flush()
    second.append(4, {"loss": 2.0, "more": 1.0})
    second.close()
    segments(tmp_path)[1][1].write_bytes(b"")
    assert steps_of(tmp_path) == [0, 1, 2, 4]


def test_segments_are_never_rewritten(tmp_path):
    LiveWriter(tmp_path).close()
    before = {path: path.read_bytes() for _, path in segments(tmp_path)}
    for after in (None, 3):
        writer = LiveWriter(tmp_path, after)
        writer.append(7, {"loss": 1.0})
        writer.close()
    assert all(path.read_bytes() == data for path, data in before.items())
    assert [number for number, _ in segments(tmp_path)] == [0, 1, 2]


def test_members_of_an_ensemble_are_sorted_by_run_then_step(tmp_path):
    writer = LiveWriter(tmp_path)
    for step in range(3):
        for run in (2, 0):
            writer.append(step, {"loss": run + step / 10}, run=run)
    writer.close()
    found = read_live(tmp_path)
    assert list(zip(found["run"].to_pylist(), found["step"].to_pylist(), strict=True)) == [
        (run, step) for run in (0, 2) for step in range(3)
    ]


def test_a_reader_during_the_run_sees_every_flushed_step(tmp_path):
    writer = LiveWriter(tmp_path, rows=1)
    flushed, wrong, done = [-1], [], threading.Event()

    def read() -> None:
        while not done.is_set():
            sure = flushed[0]
            found = steps_of(tmp_path)
            if found != list(range(len(found))) or len(found) <= sure:
                wrong.append((sure, found[-3:]))

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(300):
        writer.append(step, {"loss": 1.0} | ({f"name-{step}": 1.0} if step % 100 == 0 else {}), {"w": table(step)})
        flushed[0] = step
    done.set()
    reader.join()
    writer.close()
    assert not wrong


def test_flush_by_rows_and_by_seconds(tmp_path):
    writer = LiveWriter(tmp_path, rows=3, seconds=1e9)
    assert [step for step in range(7) if writer.append(step, {"loss": 1.0})] == [2, 5]
    assert steps_of(tmp_path) == list(range(6))
    writer.close()
    hasty = LiveWriter(tmp_path / "b", rows=10**9, seconds=0)
    assert hasty.append(0, {"loss": 1.0})
    hasty.close()


def test_array_values_are_copied(tmp_path):
    values = table(1.0)
    writer = LiveWriter(tmp_path)
    writer.append(0, {}, {"w": values})
    values[:] = 9.0
    writer.close()
    assert read_live(tmp_path)["w"][0].as_py() == [1.0] * 6


def bad_rows():
    other = table().assign_coords({"class": [1, 2, 3]})
    return [
        (0, {"a": 1.0}, {}, "after step 0 was logged"),
        (1, {"step": 1.0}, {}, "'step'"),
        (1, {"../x": 1.0}, {}, r"'\.\./x'"),
        (1, {"x" * 201: 1.0}, {}, "200 characters"),
        (1, {"a": "text"}, {}, "single numbers"),
        (1, {"w": 1.0}, {}, "was an array"),
        (1, {"x": 1.0}, {"x": table()}, "a scalar and an array"),
        (1, {}, {"a": table()}, "was a scalar"),
        (1, {}, {"w": other}, "other coordinates"),
        (1, {}, {"w": table().astype("float64")}, "began as float32"),
        (1, {}, {"v": other}, "'class' differs"),
        (1, {}, {"v": xr.DataArray(np.zeros(3), dims="head")}, "size 3 in array 'v' and 2"),
        (1, {}, {"head": xr.DataArray(np.zeros(3), dims="x")}, "one name for an array and an axis"),
        (1, {}, {"v": xr.DataArray(np.zeros(3), dims="step")}, "'step'"),
        (1, {}, {"v": xr.DataArray(np.zeros((0, 2)), dims=("x", "y"))}, "empty"),
        (1, {}, {"v": xr.DataArray(np.array(["a"]), dims="x")}, "numbers or booleans"),
    ]


@pytest.mark.parametrize(("step", "scalars", "arrays", "message"), bad_rows())
def test_a_row_that_cannot_be_stored_leaves_the_log_as_it_was(tmp_path, step, scalars, arrays, message):
    writer = LiveWriter(tmp_path)
    writer.append(0, {"a": 1.0}, {"w": table()})
    with pytest.raises(StoreError, match=message):
        writer.append(step, scalars, arrays)
    writer.append(1, {"a": 2.0}, {"w": table()})
    writer.close()
    assert read_live(tmp_path).column_names == ["run", "step", "a", "w"]
    assert steps_of(tmp_path) == [0, 1]


@pytest.mark.parametrize("when", ["half", "sync"])
def test_a_full_disk_loses_nothing_that_was_flushed_and_keeps_what_waits(tmp_path, monkeypatch, when):
    writer = LiveWriter(tmp_path)
    writer.append(0, {"loss": 1.0})
    writer.flush()
    writer.append(1, {"loss": 1.0})

    class Full:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "full")

        def __getattr__(self, name):
            return getattr(self.file, name)

    real, sync = writer._file, os.fsync
    if when == "half":
        writer._file = Full(real)  # type: ignore[assignment]
    else:
        monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(StoreError, match=r"No space left on device.*Free some space.*flush are safe"):
        writer.flush()
    writer._file = real
    monkeypatch.setattr(os, "fsync", sync)
    assert steps_of(tmp_path)[:1] == [0]
    writer.append(2, {"loss": 1.0})
    writer.close()
    assert steps_of(tmp_path) == [0, 1, 2]


def test_another_format_is_refused(tmp_path):
    facts = {"schema": 999, "start": 0, "resumes_after": None}
    schema = pa.schema(
        [pa.field("run", pa.int32(), False), pa.field("step", pa.int64(), False)],
        metadata={b"latebloom": json.dumps(facts).encode()},
    )
    (tmp_path / "000.arrows").write_bytes(bytes(schema.serialize()))
    with pytest.raises(StoreError, match="format 999"):
        read_live(tmp_path)


def test_a_description_with_absurd_sizes_is_refused(tmp_path):
    writer = LiveWriter(tmp_path)
    writer.append(0, {}, {"w": table()})
    writer.close()
    path = segments(tmp_path)[0][1]
    path.write_bytes(path.read_bytes().replace(b'"shape":[2,3]', b'"shape":[9,9]'))
    with pytest.raises(StoreError, match="'w' does not fit its 6 numbers"):
        read_live(tmp_path)
