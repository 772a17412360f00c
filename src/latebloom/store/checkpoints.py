"""Checkpoints: tensors and plain data in one safetensors file that is whole and proved by a digest, or refused.

The digest is the SHA-256 of the file itself with 64 zeros in the digest's place, so that no bit of it, the
header and the padding included, can change unseen. Equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latebloom.store.faults import CheckpointError, writing
from latebloom.store.layout import SCHEMA, canonical_json, write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from latebloom.axes import Params

PARAMS = "params/"
HEADER_LIMIT = 100 * 2**20
_MARK = b'{\\"sha256\\":\\"'  # as the metadata lies in the header, a JSON text within JSON
_FILE = re.compile(r"step-(\d{8,18})\.safetensors")
_NAME = re.compile(r"[ !#-\[\]-~]{1,512}")  # printable, without quotes and backslashes


@dataclass(frozen=True)
class Checkpoint:
    """All that the next step needs; `tensors` are named `params/…`, `optim/…` and so on."""

    step: int
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: the file; its folder is made.
        tensors: of any device and strides, read only here.
        meta: what JSON can hold.

    Raises:
        StoreError: when the disk refuses; a checkpoint that was there before still is.
        CheckpointError: for a name that cannot be stored.
    """
    import torch
    from safetensors.torch import save as to_bytes

    for name in tensors:
        if not _NAME.fullmatch(name):
            raise CheckpointError(
                f"A tensor's name must be 1 to 512 plain characters without quotes, got {name!r}: rename it."
            )
    own = {
        name: tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    # One entry only: the library writes several in an order that differs between processes.
    text = f'{{"sha256":"{"0" * 64}","schema":{SCHEMA},"meta":{canonical_json(meta)}}}'
    data = to_bytes(own, metadata={"latebloom": text})
    at = data.index(_MARK) + len(_MARK)
    digest = _digest(data, at)
    with writing(
        "A checkpoint", path, "The checkpoints and the log written before are safe: the run resumes from them"
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        view = memoryview(data)
        write_whole(path, view[:at], digest, view[at + 64 :])


def _digest(data: bytes, at: int) -> bytes:
    view = memoryview(data)
    sha = hashlib.sha256(view[:at])
    sha.update(b"0" * 64)
    sha.update(view[at + 64 :])
    return sha.hexdigest().encode()


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint back onto the CPU, bit for bit.

    Returns:
        Tensors by name, and the plain data.

    Raises:
        CheckpointError: with the path, what is wrong, and what to do, for whatever is not exactly what
            `save` wrote.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    data, at = _read(path)
    if _digest(data, at) != data[at : at + 64]:
        raise _refusal(path, "its content does not match its checksum, so it was cut or changed")
    try:
        header = json.loads(data[8 : 8 + _header_size(data)])
        facts = json.loads(header["__metadata__"]["latebloom"])
        version, meta = facts["schema"], facts["meta"]
        if version != SCHEMA:
            raise _refusal(path, f"it is of format {version}, and this latebloom reads {SCHEMA}")
        tensors = from_bytes(data)
        if not isinstance(meta, dict) or not all(_NAME.fullmatch(name) for name in tensors):
            raise ValueError("names or plain data of another kind than latebloom writes")
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise _refusal(path, f"its content is not valid ({error})") from error
    return tensors, meta


def load_params(path: Path) -> Params:
    """The network's parameters of a checkpoint, without the `params/` before their names.

    Raises:
        CheckpointError: as `load`, and when there are none.
    """
    tensors, _ = load(path)
    params = {name.removeprefix(PARAMS): tensor for name, tensor in tensors.items() if name.startswith(PARAMS)}
    if not params:
        raise _refusal(path, f"it holds no parameters (names that begin with {PARAMS!r})")
    return params


def _read(path: Path) -> tuple[bytes, int]:
    """The file and the place of its digest; the start is judged before the rest is read."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            header = _header_size(start) if len(start) == 8 else 0
            if not 2 <= header <= min(size - 8, HEADER_LIMIT):
                raise _refusal(path, "it is cut short, or no safetensors file")
            start += file.read(header)
            at = start.find(_MARK) + len(_MARK)
            if at < len(_MARK) or at + 64 > 8 + header:
                raise _refusal(path, "it has no checksum, so latebloom did not write it or its header was changed")
            return start + file.read(), at
    except FileNotFoundError:
        raise CheckpointError(f"There is no checkpoint {path}. See which there are with `latebloom ls`.") from None
    except OSError as error:
        raise CheckpointError(
            f"Checkpoint {path} cannot be read: {error.strerror or error}. Check the path and its permissions."
        ) from error


def _header_size(data: bytes) -> int:
    return struct.unpack("<Q", data[:8])[0]


def _refusal(path: Path, wrong: str) -> CheckpointError:
    return CheckpointError(
        f"Checkpoint {path} is refused: {wrong}. Use an earlier checkpoint of the run, or a copy of this one."
    )


def steps(folder: Path) -> list[int]:
    """The steps of which a folder has checkpoints, ascending; they are not opened."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(int(match[1]) for match in map(_FILE.fullmatch, names) if match)


def file_of(folder: Path, step: int) -> Path:
    """The file of a step's checkpoint."""
    return folder / f"step-{step:08d}.safetensors"


def latest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest good checkpoint.

    Returns:
        It, or None when there is no good one; and a message for each newer one that was refused.
    """
    refused = []
    for step in reversed(steps(folder)):
        path = file_of(folder, step)
        try:
            tensors, meta = load(path)
            if meta.get("step", step) != step:
                raise _refusal(path, f"it is of step {meta['step']}, not {step}: somebody renamed it")
            return Checkpoint(step, tensors, meta), refused
        except CheckpointError as error:
            refused.append(str(error))
    return None, refused
