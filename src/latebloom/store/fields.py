"""How a labelled array lies in a column of the log: a list of fixed size, with its axes and coordinates as JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.store.faults import StoreError

if TYPE_CHECKING:
    import xarray

_INTEGERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
DTYPES = frozenset({"bool", "float16", "float32", "float64", "complex64", "complex128"} | _INTEGERS)
RESERVED = frozenset({"run", "step"})
# Arrow has no complex numbers, and packs booleans into bits: those are stored as these, bit for bit.
_STORED_AS = {"bool": ("uint8", 1), "complex64": ("float32", 2), "complex128": ("float64", 2)}
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\\s.](?:[^\x00-\x1f\x7f/\\]{0,198}[^\x00-\x1f\x7f/\\\s])?")


def checked_label(name: str, what: str) -> str:
    """The name of a scalar, an array or an axis, if it can be a column and a folder.

    Raises:
        StoreError: for reserved names, slashes, control characters, a leading dot, `__` in front and over
            200 characters.
    """
    if not isinstance(name, str) or name in RESERVED or name.startswith("__") or not _NAME.fullmatch(name):
        raise StoreError(
            f"{what} must be 1 to 200 characters without slashes, not beginning with a dot or `__`, "
            "and not 'run' or 'step'; "
            f"got {name!r}: choose another name."
        )
    return name


@dataclass(frozen=True)
class ArrayField:
    """One array's axes, as said by the JSON text beside its column; equal text means equal field."""

    name: str
    text: str

    @classmethod
    def of(cls, name: str, array: xarray.DataArray) -> ArrayField:
        """Describe an array.

        Raises:
            StoreError: for a dtype, axis or coordinate that the log cannot hold.
        """
        dtype = str(array.dtype.newbyteorder("="))
        if dtype not in DTYPES:
            raise StoreError(f"Array {name!r} must hold numbers or booleans, got {array.dtype}: convert it.")
        if array.size == 0:
            raise StoreError(f"Array {name!r} is empty, with shape {array.shape}: leave it out of the row.")
        coords = {}
        for key, coord in array.coords.items():
            checked_label(str(key), f"A coordinate of array {name!r}")
            coords[str(key)] = _describe_coord(name, str(key), coord)
        dims = [checked_label(str(dim), f"An axis of array {name!r}") for dim in array.dims]
        description = {"dims": dims, "shape": list(array.shape), "dtype": dtype, "coords": coords}
        return cls(name, json.dumps(description, separators=(",", ":"), sort_keys=True))

    @classmethod
    def parse(cls, name: str, text: bytes, size: int) -> ArrayField:
        """Take over a description from a file, with the size of the lists that it goes with.

        Raises:
            StoreError: when it is no description, or disagrees with itself or with `size`.
        """
        field = cls(name, text.decode("utf-8", "replace"))
        try:
            sizes = dict(zip(field.dims, field.shape, strict=True))
            fine = (
                field.dtype in DTYPES
                and len(sizes) == len(field.dims)
                and all(s > 0 for s in field.shape)
                and math.prod(field.shape) * field.stored[1] == size
                and all(v.shape == tuple(sizes[d] for d in dims) for dims, v in field.coords.values())
            )
            for label in (name, *field.dims, *field.coords):
                checked_label(label, "A name in a log")
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError, AttributeError) as error:
            raise StoreError(f"The log's description of array {name!r} is damaged ({error}).") from error
        if not fine:
            raise StoreError(f"The log's description of array {name!r} does not fit its {size} numbers a row.")
        return field

    @cached_property
    def _parsed(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(self._parsed["dims"])

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(self._parsed["shape"])

    @property
    def dtype(self) -> str:
        """Numpy's name of the array's dtype."""
        return self._parsed["dtype"]

    @property
    def stored(self) -> tuple[str, int]:
        """The dtype of the column's numbers, and how many of them make one of the array's."""
        return _STORED_AS.get(self.dtype, (self.dtype, 1))

    @cached_property
    def coords(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        """Coordinate name to (axes, values)."""
        found = {}
        for name, coord in self._parsed["coords"].items():
            if coord["dtype"] not in DTYPES | {"str"}:
                raise ValueError(f"coordinate {name!r} has dtype {coord['dtype']!r}")
            found[name] = (tuple(coord["dims"]), np.array(coord["data"], dtype=coord["dtype"]))
        return found


def _describe_coord(name: str, key: str, coord: xarray.DataArray) -> dict[str, Any]:
    values = np.asarray(coord.values)
    if values.dtype.kind in "OT" and all(isinstance(v, str) for v in values.ravel().tolist()):
        values = values.astype(str)
    if values.dtype.kind not in "biufU" or values.ndim > 1:
        raise StoreError(
            f"Coordinate {key!r} of array {name!r} must be one line of numbers or strings, got "
            f"{values.dtype} with "
            f"shape {values.shape}: convert it."
        )
    dtype = "str" if values.dtype.kind == "U" else str(values.dtype.newbyteorder("="))
    return {"dims": [str(d) for d in coord.dims], "dtype": dtype, "data": values.tolist()}


def check_together(fields: dict[str, ArrayField], new: ArrayField) -> None:
    """Refuse an array whose axes contradict those of the others: an axis has one size and one coordinate a run.

    Raises:
        StoreError: naming the axis and both arrays.
    """
    known = fields.get(new.name)
    if known is not None and known.text != new.text:
        raise StoreError(
            f"Array {new.name!r} began as {known.dtype} {known.dims} {known.shape} and now is "
            f"{new.dtype} {new.dims} "
            f"{new.shape}, or has other coordinates: an array keeps its axes for the whole run. Use "
            "another name."
        )
    for other in fields.values():
        if other.name in new.dims or new.name in other.dims or other.name in new.coords or new.name in other.coords:
            raise StoreError(
                f"{new.name!r} and {other.name!r} use one name for an array and an axis: rename one of them."
            )
        sizes = dict(zip(other.dims, other.shape, strict=True))
        for dim, size in zip(new.dims, new.shape, strict=True):
            if sizes.get(dim, size) != size:
                raise StoreError(
                    f"Axis {dim!r} has size {size} in array {new.name!r} and {sizes[dim]} in {other.name!r}: "
                    "give one of the two axes another name."
                )
        for key in new.coords.keys() & other.coords.keys():
            if new._parsed["coords"][key] != other._parsed["coords"][key] and not _same_coord(new, other, key):
                raise StoreError(
                    f"Coordinate {key!r} differs between arrays {new.name!r} and {other.name!r}: give "
                    "one of the two "
                    "axes another name."
                )


def _same_coord(one: ArrayField, two: ArrayField, key: str) -> bool:
    # JSON's NaN is not equal to itself; its text is.
    return json.dumps(one._parsed["coords"][key]) == json.dumps(two._parsed["coords"][key])
