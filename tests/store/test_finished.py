"""Finished runs: equal, bit for bit, to the log they were made of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from latebloom.store import finished
from latebloom.store.faults import StoreError
from latebloom.store.fields import DTYPES
from latebloom.store.finished import arrays_of, read_arrays, read_scalars, scalars_of, write_finished
from latebloom.store.layout import Layout
from latebloom.store.live import LiveWriter, read_live

COORDS = {
    "none": {},
    "ints": {"class": np.array([5, -1, 3])},
    "floats": {"class": np.array([0.1, np.nan, np.inf], "float32")},
    "text": {"class": ["a", "", "ü"], "scale": ("class", [1.0, 2.0, 3.0]), "task": "add"},
}


def bits(frame: pl.DataFrame) -> list[tuple]:
    return [
        (name, frame[name].dtype, frame[name].is_null().to_list(), frame[name].fill_null(0).to_numpy().tobytes())
        for name in frame.columns
    ]


def same(one: xr.Dataset, two: xr.Dataset) -> bool:
    def told(data: xr.Dataset) -> dict:
        return {n: (v.dims, v.dtype, v.attrs, v.values.tobytes()) for n, v in data.variables.items()}

    return told(one) == told(two) and set(one.coords) == set(two.coords)


@st.composite
def logs(draw):
    """Rows of two arrays and three scalars, some absent, with every bit pattern a float can have."""
    dtypes = [draw(st.sampled_from(sorted(DTYPES))) for _ in range(2)]
    coords = COORDS[draw(st.sampled_from(sorted(COORDS)))]
    dims = draw(st.sampled_from([("class",), ("head", "class"), ("class", "head"), ()]))
    shape = tuple({"class": 3, "head": 2}[d] for d in dims)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = []
    for step in draw(st.lists(st.integers(0, 10**12), max_size=6, unique=True).map(sorted)):
        for run in draw(st.sampled_from([(0,), (0, 3)])):
            names = draw(st.sets(st.sampled_from(["loss", "gap", "acc"])))
            scalars = {n: rng.integers(0, 2**64, dtype="uint64").view("float64").item() for n in sorted(names)}
            scalars |= {"odd": draw(st.sampled_from([float("nan"), float("inf"), -0.0, 5e-324]))}
            arrays = {}
            for name, dtype in zip(draw(st.sampled_from(["", "w", "wv"])), dtypes, strict=False):
                one = np.dtype(dtype)
                raw = rng.integers(0, 2 if dtype == "bool" else 256, int(np.prod(shape)) * one.itemsize, "uint8")
                values = raw.view(one).reshape(shape)
                arrays[name] = xr.DataArray(values, dims=dims, coords=coords if "class" in dims else {})
            rows.append((step, scalars, arrays, run))
    return rows, draw(st.sets(st.integers(0, 12)))


@settings(max_examples=40, deadline=None)
@given(logs())
def test_what_was_logged_is_what_is_read_live_and_finished(log):
    rows, flushes = log
    with tempfile.TemporaryDirectory() as name:
        layout = Layout(Path(name))
        writer = LiveWriter(layout.live)
        for i, row in enumerate(rows):
            writer.append(*row)
            if i in flushes:
                writer.flush()
        writer.close()
        table = read_live(layout.live)
        data = write_finished(layout, table)
        assert layout.scalars.read_bytes() == data
        assert bits(read_scalars(data, layout.scalars)) == bits(scalars_of(table))
        again = read_arrays(layout.arrays)
        assert same(again, arrays_of(table))
        check_values(rows, scalars_of(table), again)


def check_values(rows, scalars: pl.DataFrame, arrays: xr.Dataset) -> None:
    there = {(r["run"], r["step"]): r for r in scalars.iter_rows(named=True)}
    assert len(there) == len(rows)
    for step, logged, labelled, run in rows:
        found = there[run, step]
        for name, value in logged.items():
            assert np.float64(found[name]).tobytes() == np.float64(value).tobytes()
        assert all(found[name] is None for name in found.keys() - logged.keys() - {"run", "step"})
        for name, array in labelled.items():
            at = {"step": step} | ({"run": run} if "run" in arrays.dims else {})
            cell = arrays[name].sel(at)
            assert cell.dims == array.dims
            if cell.dtype == array.dtype:
                assert cell.values.tobytes() == array.values.tobytes()
            else:  # integers that lack a row elsewhere
                assert (cell.values == array.values.astype("float64")).all()
            for key, coord in array.coords.items():
                np.testing.assert_array_equal(cell.coords[key].values, coord.values)


def test_names_of_runs_and_axes(tmp_path):
    writer = LiveWriter(tmp_path / "live")
    for step in (0, 5):
        for run in (0, 1):
            writer.append(step, {}, {"w": xr.DataArray(np.full(3, step + run), dims="class")} if step else {}, run)
    writer.close()
    write_finished(Layout(tmp_path), read_live(tmp_path / "live"))
    arrays = read_arrays(tmp_path / "arrays.zarr")
    assert dict(arrays.sizes) == {"run": 2, "step": 1, "class": 3}
    assert arrays["w"].sel(run=1, step=5).values.tolist() == [6, 6, 6]


def test_large_arrays_are_cut_along_their_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(finished, "CHUNK_BYTES", 1000)
    writer = LiveWriter(tmp_path / "live")
    for step in range(20):
        writer.append(step, {}, {"w": xr.DataArray(np.full(50, step, "float32"), dims="class")})
    writer.close()
    write_finished(Layout(tmp_path), read_live(tmp_path / "live"))
    assert len([p for p in (tmp_path / "arrays.zarr" / "w" / "c").rglob("*") if p.is_file()]) == 4
    assert (read_arrays(tmp_path / "arrays.zarr")["w"].values[:, 0] == np.arange(20)).all()


def test_damage_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"scalars\.parquet is damaged"):
        read_scalars(b"PAR1 no", tmp_path / "scalars.parquet")
    (tmp_path / "arrays.zarr").mkdir()
    with pytest.raises(StoreError, match=r"arrays\.zarr is damaged"):
        read_arrays(tmp_path / "arrays.zarr")
    assert not read_arrays(tmp_path / "absent.zarr").variables
