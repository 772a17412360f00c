"""The log of a run under way: append-only Arrow segments that a kill cannot spoil, readable at any time."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from latebloom.store.faults import StoreError, writing
from latebloom.store.fields import ArrayField, check_together, checked_label
from latebloom.store.layout import SCHEMA, sync_folder

if TYPE_CHECKING:
    import xarray

SEGMENT_KEY = b"latebloom"
ARRAY_KEY = b"latebloom.array"
_SEGMENT = re.compile(r"(\d{3,9})\.arrows")
_INDEX = [pa.field("run", pa.int32(), nullable=False), pa.field("step", pa.int64(), nullable=False)]


class _Row(NamedTuple):
    run: int
    step: int
    scalars: dict[str, float]
    arrays: dict[str, np.ndarray]


class LiveWriter:
    """Appends rows to a new segment; earlier segments are never touched.

    Rows are kept until there are `rows` of them, or `seconds` have passed at the next `append`, or `flush`
    is called. What has been flushed is on disk. The file is made at the first flush; when a later row brings
    a new name, the next segment begins, with the union of the names.
    """

    def __init__(
        self, folder: Path, resumes_after: int | None = None, *, rows: int = 256, seconds: float = 1.0
    ) -> None:
        """Prepare to write.

        Args:
            folder: the run's `live` folder.
            resumes_after: the step of the checkpoint that the run goes on from; rows of earlier segments
                after that step will be computed again and no longer count. None: from the start, so none count.
            rows: flush when that many rows are waiting.
            seconds: flush when the last flush was that long ago.
        """
        self._folder, self._resumes_after, self._limit, self._seconds = folder, resumes_after, rows, seconds
        self._start = self._number = max((number for number, _ in segments(folder)), default=-1) + 1
        self._file: FileIO | None = None
        self._good = 0  # bytes of the segment that are whole messages
        self._schema: pa.Schema | None = None
        self._rows: list[_Row] = []
        self._names: dict[str, ArrayField | None] = {}
        self._last: dict[int, int] = {}
        self._sealed = -1 if resumes_after is None else resumes_after
        self._flushed_at = time.monotonic()

    def append(
        self,
        step: int,
        scalars: Mapping[str, float],
        arrays: Mapping[str, xarray.DataArray] | None = None,
        run: int = 0,
    ) -> bool:
        """Add the row of a step; array values are copied.

        Args:
            step: must be greater than that of the run's row before, and than `resumes_after`.
            scalars: name to number.
            arrays: name to labelled array, of the same axes and coordinates every time.
            run: member of an ensemble.

        Returns:
            Whether rows were flushed.

        Raises:
            StoreError: for a step out of order, a name or an array that cannot be stored (the log is left as
                it was), and when the disk refuses.
        """
        before = max(self._last.get(run, -1), self._sealed)
        if step <= before:
            raise StoreError(
                f"Row of step {step} (run {run}) comes after step {before} was logged or checkpointed: "
                "log each step once, in order, and before its checkpoint."
            )
        row = _Row(run, step, *self._checked(scalars, arrays or {}))
        self._rows.append(row)
        self._last[run] = step
        if len(self._rows) >= self._limit or time.monotonic() - self._flushed_at >= self._seconds:
            self.flush()
            return True
        return False

    def seal(self, step: int) -> None:
        """Refuse rows up to this step from now on: a checkpoint of it says that they are all there."""
        self._sealed = max(self._sealed, step)

    def _checked(
        self, scalars: Mapping[str, float], arrays: Mapping[str, xarray.DataArray]
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        if both := scalars.keys() & arrays.keys():
            raise StoreError(f"{sorted(both)[0]!r} is a scalar and an array in one row: rename one of them.")
        new: dict[str, ArrayField | None] = {}
        for name in scalars:
            if self._names.get(name, self) is not None:
                if name in self._names:
                    raise StoreError(f"{name!r} was an array and now is a scalar: use another name.")
                new[checked_label(name, "The name of a scalar")] = None
        for name, array in arrays.items():
            field = ArrayField.of(name, array)
            known = self._names.get(name, self)
            if known is None:
                raise StoreError(f"{name!r} was a scalar and now is an array: use another name.")
            if known is self or known != field:
                checked_label(name, "The name of an array")
                check_together({n: f for n, f in (self._names | new).items() if f is not None}, field)
                new[name] = field
        try:
            numbers = {name: float(value) for name, value in scalars.items()}
        except (TypeError, ValueError) as error:
            raise StoreError(f"Scalars must be single numbers: {error}. Log anything larger as an array.") from error
        copies = {n: np.array(a.values, dtype=a.dtype.newbyteorder("="), order="C") for n, a in arrays.items()}
        self._names |= new
        return numbers, copies

    def flush(self) -> None:
        """Put all rows that wait on disk; the first flush makes the segment even when there are none.

        Raises:
            StoreError: when the disk refuses: rows that were flushed before stay readable, and those that
                wait go on waiting.
        """
        self._flushed_at = time.monotonic()
        if not self._rows and self._file is not None:
            return
        with writing("The log", self._folder, "All rows logged up to the last flush are safe"):
            if self._schema is None or len(self._schema) != len(self._names) + len(_INDEX):
                self._next_segment()
            assert self._schema is not None  # made just now
            data = b"" if self._good else bytes(self._schema.serialize())
            if self._rows:
                data += bytes(_batch(self._schema, self._rows).serialize())
            self._write(data)

    def _next_segment(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        number = self._start if self._file is None else self._number + 1
        file = FileIO(self._folder / f"{number:03d}.arrows", "x")
        if self._file is not None:
            self._file.close()
        facts = {"schema": SCHEMA, "start": self._start, "resumes_after": self._resumes_after}
        fields = [*_INDEX, *(_field(name, field) for name, field in self._names.items())]
        self._schema = pa.schema(fields, metadata={SEGMENT_KEY: json.dumps(facts).encode()})
        self._file, self._number, self._good = file, number, 0
        sync_folder(self._folder)

    def _write(self, data: bytes) -> None:
        assert self._file is not None  # the caller opened it
        try:
            self._file.seek(self._good)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            # Half a message would hide all that is appended after it.
            with suppress(OSError):
                self._file.truncate(self._good)
            raise
        self._good, self._rows = self._good + len(data), []
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close.

        Raises:
            StoreError: when the disk refuses; the file is closed all the same.
        """
        try:
            self.flush()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without flushing."""
        if self._file is not None:
            self._file.close()


def _field(name: str, field: ArrayField | None) -> pa.Field:
    if field is None:
        return pa.field(name, pa.float64())
    stored, numbers = field.stored
    size = int(np.prod(field.shape, dtype=np.int64)) * numbers
    of = pa.from_numpy_dtype(np.dtype(stored))
    return pa.field(name, pa.list_(of, size), metadata={ARRAY_KEY: field.text.encode()})


def _batch(schema: pa.Schema, rows: list[_Row]) -> pa.RecordBatch:
    columns: list[pa.Array] = [
        pa.array([row.run for row in rows], pa.int32()),
        pa.array([row.step for row in rows], pa.int64()),
    ]
    for field in list(schema)[len(_INDEX) :]:
        if not pa.types.is_fixed_size_list(field.type):
            columns.append(pa.array([row.scalars.get(field.name) for row in rows], pa.float64()))
            continue
        size, of = field.type.list_size, field.type.value_type.to_pandas_dtype()
        values = np.zeros((len(rows), size), of)
        missing = np.ones(len(rows), bool)
        for i, row in enumerate(rows):
            if field.name in row.arrays:
                values[i] = row.arrays[field.name].reshape(-1).view(of)
                missing[i] = False
        flat = pa.array(values.reshape(-1), field.type.value_type)
        columns.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type, mask=pa.array(missing)))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def segments(folder: Path) -> list[tuple[int, Path]]:
    """The segments of a log, numbered, in the order they were written."""
    try:
        found = [(_SEGMENT.fullmatch(entry.name), Path(entry.path)) for entry in os.scandir(folder)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}. Check its permissions.") from error
    return sorted((int(match[1]), path) for match, path in found if match)


def read_live(folder: Path) -> pa.Table:
    """All flushed rows of a log, also while it is written: one row a run and step, in that order.

    A message that is cut short, and what follows it in its segment, is ignored.

    Args:
        folder: the run's `live` folder; when it is not there, there are no rows.

    Returns:
        A table of `run`, `step`, the scalars (float64) and the arrays (lists of fixed size, described by an
        `ArrayField` in the field's metadata). What a row lacks is null.

    Raises:
        FileNotFoundError: when a segment was removed meanwhile, because the run was finished.
        StoreError: when a segment is of another version of the format, or arrays contradict each other.
    """
    tables: list[pa.Table] = []
    start = -1
    for _, path in segments(folder):
        table = _read_segment(path)
        if table is None:
            continue
        facts = _facts(table.schema, path)
        if facts["start"] != start:
            # A writer's first segment may be lost to damage: any of its segments says where it resumed.
            start, after = facts["start"], facts["resumes_after"]
            tables = [_until(earlier, -1 if after is None else after) for earlier in tables]
        tables.append(table)
    if not tables:
        return pa.schema(_INDEX).empty_table()
    _check_arrays(tables)
    whole = pa.concat_tables(tables, promote_options="default").replace_schema_metadata(None)
    order = np.lexsort((whole["step"].to_numpy(), whole["run"].to_numpy()))
    return whole if np.array_equal(order, np.arange(len(order))) else whole.take(order)


def _read_segment(path: Path) -> pa.Table | None:
    data = path.read_bytes()
    batches: list[pa.RecordBatch] = []
    try:
        reader = pa.ipc.open_stream(pa.BufferReader(data))
        schema = reader.schema
        if SEGMENT_KEY not in (schema.metadata or {}) or not all(schema.field(f.name).equals(f) for f in _INDEX):
            raise StoreError(f"{path} is no segment of a latebloom log: remove it.")
    except (pa.ArrowException, OSError, KeyError):
        return None
    try:
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
    except (pa.ArrowException, OSError):
        pass  # cut short by a kill, or just being written
    return pa.Table.from_batches(batches, schema)


def _facts(schema: pa.Schema, path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(schema.metadata[SEGMENT_KEY])
        version, start, after = facts["schema"], facts["start"], facts["resumes_after"]
        if not isinstance(start, int) or not isinstance(after, int | None):
            raise TypeError("start and resumes_after must be integers")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} has a damaged header ({error}): remove it, and resume the run.") from error
    if version != SCHEMA:
        raise StoreError(
            f"{path} is of format {version}, and this latebloom reads {SCHEMA}: use the version that wrote it."
        )
    return facts


def _until(table: pa.Table, step: int) -> pa.Table:
    return table.filter(pa.array(table["step"].to_numpy() <= step))


def array_fields(schema: pa.Schema) -> dict[str, ArrayField]:
    """The labelled arrays among a table's columns.

    Raises:
        StoreError: when a description is damaged.
    """
    return {
        field.name: ArrayField.parse(field.name, field.metadata[ARRAY_KEY], field.type.list_size)
        for field in schema
        if pa.types.is_fixed_size_list(field.type) and ARRAY_KEY in (field.metadata or {})
    }


def _check_arrays(tables: list[pa.Table]) -> None:
    seen: dict[str, tuple[pa.DataType, bytes | None]] = {}
    for table in tables:
        for field in table.schema:
            told = (field.type, (field.metadata or {}).get(ARRAY_KEY))
            if seen.setdefault(field.name, told) != told:
                raise StoreError(
                    f"{field.name!r} changes its kind or axes between two segments of the log, so the "
                    "run was resumed with "
                    "other code: start it again in a new folder."
                )
    fields: dict[str, ArrayField] = {}
    for table in tables:
        for name, field in array_fields(table.schema).items():
            if name not in fields:
                check_together(fields, field)
                fields[name] = field
