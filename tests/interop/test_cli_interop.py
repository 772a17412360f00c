"""`latebloom import` and `latebloom export` as a user types them."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from safetensors.torch import save_file

from foreign import first_code
from latebloom.cli.interop import LayoutName
from latebloom.interop import LAYOUTS

SPLIT = ["--split.scheme", "torch", "--split.fraction=0.4", "--seed", "3"]


@pytest.fixture(autouse=True)
def network(tmp_path):
    """A foreign file in the folder that commands are given in."""
    save_file(first_code(7), tmp_path / "net.safetensors")


def test_import_report_export_and_import_again(command, tmp_path):
    code, out, err = command("import", "net.safetensors", "--layout", "nanda2023", *SPLIT)
    assert (code, out.splitlines()[0]) == (0, "a + b mod 7: runs/imported/net")
    assert "assumed task.operation = add, which no tensor tells" in err
    assert command("report", "imported/net")[0] == 0
    assert "imported/net" in command("ls")[1]
    code, out, _ = command("export", "imported/net", "--layout", "transformer-lens", "-o", "out.safetensors")
    assert (code, out.strip()) == (0, "out.safetensors")
    code, out, err = command("import", "out.safetensors", "--layout", "transformer-lens", "--name", "b", "--json")
    assert code == 0
    assert json.loads(out)["folder"] == "runs/imported/b"
    first, second = ((tmp_path / "runs" / "imported" / name / "spec.json").read_bytes() for name in ("net", "b"))
    assert first == second


def test_a_split_file(command, tmp_path):
    (tmp_path / "split.txt").write_text("0 1\n2 2\n")
    code, _, _ = command("import", "net.safetensors", "--layout", "nanda2023", "--split-file", "split.txt")
    assert code == 0
    spec = json.loads((tmp_path / "runs" / "imported" / "net" / "spec.json").read_text())
    assert (spec["split"]["scheme"], spec["split"]["fraction"]) == ("list", 2 / 49)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["import", "net.safetensors", "--layout", "nanda2023"], "which examples it was trained on is in no file"),
        (["import", "net.safetensors", "--layout", "numpy", *SPLIT], "Invalid value"),
        (["import", "net.safetensors", *SPLIT], "requires an argument"),
        (["import", "none.pt", "--layout", "nanda2023", *SPLIT], "expected a file, found none"),
        (["import", "net.safetensors", "--layout", "transformer-lens", *SPLIT], "expected shape"),
        (["export", "none", "--layout", "nanda2023", "-o", "a.safetensors"], "There is no run 'none'"),
    ],
)
def test_bad_input_gives_one_clear_message(command, tmp_path, words, message):
    code, out, err = command(*words)
    assert code != 0
    assert message in " ".join((out + err).split())
    assert not (tmp_path / "runs").exists()


def test_the_command_line_offers_every_layout():
    assert get_args(LayoutName) == tuple(LAYOUTS)
