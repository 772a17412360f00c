"""Checkpoints: bit for bit, or refused."""

from __future__ import annotations

import errno
import os
import struct

import numpy as np
import pytest
import torch

from latebloom.store import checkpoints
from latebloom.store.checkpoints import file_of, latest, load, load_params, save, steps
from latebloom.store.faults import CheckpointError, StoreError

META = {"step": 7, "seeds": {"init": 3}, "lr": 1e-30, "nan": [float("inf"), 'ü"\\']}


def content() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "params/W_E": torch.randn(3, 5, generator=generator).t(),
        "params/b": torch.tensor([float("nan"), -0.0, float("inf")], dtype=torch.float64),
        "optim/step": torch.tensor(2**53 + 1),
        "optim/m": torch.zeros(0, 4),
        "half": torch.randn(4, generator=generator).to(torch.bfloat16),
        "mask": torch.tensor([True, False]),
        "rng": generator.get_state(),
    }


def same(one: torch.Tensor, two: torch.Tensor) -> bool:
    def raw(tensor: torch.Tensor) -> bytes:
        return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    return one.dtype == two.dtype and one.shape == two.shape and (one.numel() == 0 or raw(one) == raw(two))


def test_round_trip_is_bit_for_bit(tmp_path):
    path = tmp_path / "new" / "c.safetensors"
    save(path, content(), META)
    tensors, meta = load(path)
    assert meta == META
    assert tensors.keys() == content().keys()
    assert all(same(tensors[name], tensor) for name, tensor in content().items())
    params = load_params(path)
    assert params.keys() == {"W_E", "b"}
    assert same(params["W_E"], content()["params/W_E"])


def test_equal_content_gives_equal_bytes_and_other_content_others(tmp_path):
    save(tmp_path / "a", content(), META)
    save(tmp_path / "b", dict(reversed(content().items())), dict(reversed(META.items())))
    save(tmp_path / "c", content(), META | {"step": 8})
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_tensors_that_share_memory_are_saved_apart(tmp_path):
    flat = torch.arange(6.0)
    save(tmp_path / "a", {"params/x": flat[:4], "params/y": flat[2:], "params/z": flat}, {})
    assert torch.equal(load_params(tmp_path / "a")["y"], flat[2:])


def test_a_cut_checkpoint_is_refused_wherever_it_is_cut(tmp_path):
    path = tmp_path / "c"
    save(path, content(), META)
    data = path.read_bytes()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        with pytest.raises(CheckpointError, match=r"refused: it.*Use an earlier checkpoint"):
            load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CheckpointError, match="checksum"):
        load(path)


def test_every_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "c"
    save(path, {"params/w": torch.arange(3.0)}, {"lr": 1e-30})
    data = path.read_bytes()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="refused"):
            load(path)


def forged(header: bytes, body: bytes = b"") -> bytes:
    """A file with a right checksum, as somebody who knows the format can make it."""
    data = struct.pack("<Q", len(header)) + header + body
    at = data.index(checkpoints._MARK) + len(checkpoints._MARK)
    return data[:at] + checkpoints._digest(data, at) + data[at + 64 :]


def header(tensor: str, facts: str = '\\"schema\\":1,\\"meta\\":{}') -> bytes:
    return (
        '{"__metadata__":{"latebloom":"{\\"sha256\\":\\"' + "0" * 64 + '\\",' + facts + '}"},' + tensor + "}"
    ).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04pickle, or whatever",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        np.random.default_rng(0).bytes(1000),
        forged(header('"params/w":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}'), b"\0" * 4),
        forged(header('"params/w":{"dtype":"F32","shape":[1],"data_offsets":[0,400]}'), b"\0" * 4),
        forged(header('"params/w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}'), b"\0" * 4),
        forged(header('"bad\\u0000name":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'), b"\0" * 4),
        forged(
            header('"params/w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', '\\"schema\\":9,\\"meta\\":{}'),
            b"\0" * 4,
        ),
        forged(
            header('"params/w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', '\\"schema\\":1,\\"meta\\":[]'),
            b"\0" * 4,
        ),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, data):
    path = tmp_path / "c"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="refused"):
        load(path)


def test_the_forgeries_above_would_pass_but_for_their_fault(tmp_path):
    good = '"params/w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    (tmp_path / "c").write_bytes(forged(header(good), b"\0" * 4))
    assert load_params(tmp_path / "c")["w"].tolist() == [0.0]


def test_missing_folder_and_no_parameters(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        load(tmp_path)
    save(tmp_path / "c", {"optim/m": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match="holds no parameters"):
        load_params(tmp_path / "c")
    with pytest.raises(CheckpointError, match="rename it"):
        save(tmp_path / "c", {'a"b': torch.zeros(1)}, {})


def test_latest_steps_back_over_what_is_refused(tmp_path):
    assert latest(tmp_path / "absent") == (None, [])
    for step in (10, 20, 30, 40):
        save(file_of(tmp_path, step), {"params/w": torch.full((2,), float(step))}, {"step": step})
    file_of(tmp_path, 30).write_bytes(file_of(tmp_path, 20).read_bytes())  # renamed
    file_of(tmp_path, 40).write_bytes(file_of(tmp_path, 40).read_bytes()[:-1])  # cut
    (tmp_path / "step-00000050.safetensors.tmp").touch()
    assert steps(tmp_path) == [10, 20, 30, 40]
    found, refused = latest(tmp_path)
    assert found is not None
    assert (found.step, found.tensors["params/w"].tolist()) == (20, [20.0, 20.0])
    assert ["00000040" in refused[0], "of step 20, not 30" in refused[1]] == [True, True]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, monkeypatch, call):
    path = tmp_path / "c"
    save(path, {"params/w": torch.zeros(2)}, {})
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "full")

    if call == "write":
        monkeypatch.setattr("latebloom.store.layout.open", full, raising=False)
    else:
        monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match=r"No space left on device.*Free some space.*resumes from them"):
        save(path, {"params/w": torch.ones(2)}, {})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"]
