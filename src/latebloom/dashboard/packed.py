"""Numbers as raw little-endian bytes behind a short description: a page reads them without parsing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

MEDIA = "application/octet-stream"


def packed(arrays: Mapping[str, np.ndarray], told: Mapping[str, Any]) -> bytes:
    """Four bytes with the length of the description, the description as JSON, then every array as float32.

    The description is `told`, and `arrays`: name → shape, in the order of the bytes. It is padded with spaces, so that
    the numbers begin at a multiple of four bytes, as a typed array asks for.
    """
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    head = json.dumps({**told, "arrays": shapes}, separators=(",", ":"), allow_nan=False).encode()
    head += b" " * (-len(head) % 4)
    numbers = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays.values()]
    return b"".join([len(head).to_bytes(4, "little"), head, *numbers])
