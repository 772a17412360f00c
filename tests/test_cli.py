"""The command line as a user types it: what is printed, the exit code, and that nothing gives a traceback."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import latebloom
from dashboard_runs import make_run, write_rows
from latebloom.errors import CODES, LatebloomError
from latebloom.spec import presets
from latebloom.studies.estimate import PROCESS

ROOT = Path(__file__).parents[1]
SMALL = [
    "--task.p=7",
    "--model.d-model=8",
    "--model.n-heads=2",
    "--model.d-mlp=8",
    "--steps=40",
    "--checkpoints.every=10",
]


def test_run_then_ls_then_report_then_run_again(command, tmp_path):
    code, out, err = command("run", *SMALL)
    assert (code, err) == (0, "")
    report = Path(out.split("Report: ")[1].strip())
    assert report.is_file()
    assert "<html" in report.read_text("utf-8")
    code, out, _ = command("ls")
    assert code == 0
    assert report.parent.name in out
    assert "done" in out
    assert "modular add 7 · transformer" in out
    code, out, _ = command("report", report.parent.name)
    assert (code, Path(out.strip()).resolve()) == (0, report.resolve())
    before = (report.parent / "manifest.json").read_bytes()
    code, out, _ = command("run", *SMALL)
    assert code == 0
    assert "already finished" in out
    assert (report.parent / "manifest.json").read_bytes() == before


def test_report_takes_several_and_one_that_fails_stops_no_other(command, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID.replace("seeds = 2", "seeds = 1"), "utf-8")
    assert command("sweep", "grid.toml", "--workers", "1", "--quiet")[0] == 0
    names = [make_run(tmp_path / "runs", name, 50, 300) for name in ("one", "two")]
    pages = [tmp_path / "runs" / name / "report.html" for name in (*names, "grid")]
    assert not any(page.exists() for page in pages)
    code, out, err = command("report", "nothing", "one", "grid", "neither", "two")
    assert code == 2
    assert [Path(line) for line in out.splitlines()] == [
        page.relative_to(tmp_path) for page in (pages[0], *pages[:0:-1])
    ]
    assert all("</html>" in page.read_text("utf-8") for page in pages)
    assert [line.partition("There is no run ")[2].split(".")[0] for line in err.splitlines()] == [
        "'nothing'",
        "'neither'",
    ]
    code, _, err = command("report")
    assert (code, err) == (
        2,
        "latebloom: expected the folder or the name of a run, got none; `latebloom ls` lists them\n",
    )


def test_ls_takes_a_folder_or_the_beginning_of_a_name(command, tmp_path):
    names = [make_run(tmp_path / "runs", name, 50, 300) for name in ("one", "two")]
    other = make_run(tmp_path / "other", "three", 50, 300)

    def listed(*words: str) -> list[str]:
        code, out, _ = command("ls", *words, "--json")
        assert code == 0
        return [row["folder"] for row in json.loads(out)]

    for words in ((), ("runs",), (str(tmp_path / "runs"),), ("made",), ("runs/made",), ("runs/made/",)):
        assert listed(*words) == names, words
    for words in (("one",), ("made/one",), ("runs/made/one",), ("on",)):
        assert listed(*words) == [names[0]], words
    assert listed("other") == listed("--runs", "other") == [other]
    assert listed("other/made/three") == ["three"]
    assert listed("three", "--runs", "other") == [other]
    # a part of the runs folder gets no index of its own, nor does a folder that holds no runs
    (tmp_path / "empty").mkdir()
    assert listed("empty") == []
    assert {path.parent.name for path in tmp_path.rglob("index.sqlite")} == {"runs", "other"}
    code, _, err = command("ls", "none")
    assert code != 0
    assert "there is no folder none, and no run in runs whose name begins so" in err


@pytest.mark.parametrize(
    "words", ["ls s3://b/r", "report s3://b/r", "statistics s3://b/r", "run --runs s3://b/r", "serve s3://b/r"]
)
def test_an_address_is_no_folder(command, tmp_path, words):
    code, out, err = command(*words.split())
    told = "expected a folder of this machine, got an address; mount it or copy it here first, and name that folder."
    assert (code, out, err) == (2, "", f"latebloom: s3://b/r: {told}\n")
    # else what is trained would lie in a folder `s3:` that looks like the bucket
    assert not list(tmp_path.iterdir())


def test_ls_tells_what_came_so_far(command, tmp_path):
    make_run(tmp_path / "runs", "ended", 50, 2000)
    with write_rows(tmp_path / "runs", "live", 100, 2000) as writer:
        lines = {line.split()[0]: line for line in command("ls")[1].splitlines() if "made/" in line}
        assert "100 so far" in lines["made/live"]
        assert "not yet" in lines["made/live"]
        assert "so far" not in lines["made/ended"]
        assert "–" in lines["made/ended"]
        assert " 50 " in lines["made/ended"]
        writer.stop("asked to")


def test_json_is_one_document(command):
    code, out, err = command("run", *SMALL, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["last_step"] == 40
    assert {"memorised", "generalised", "grokked", "cleanup-ended"} <= {event["name"] for event in found["events"]}
    assert [phase["name"] for phase in found["phases"]] == ["learning"]
    assert Path(found["report"]).is_file()
    code, out, _ = command("ls", "--json")
    assert [row["state"] for row in json.loads(out)] == ["done"]


def test_a_run_that_takes_longer_to_measure_than_to_train_says_so_first(command):
    code, out, _ = command("run", *SMALL, "--measures", "spectrum")
    assert code == 0
    first = out.splitlines()[0]
    assert re.fullmatch(
        r"measuring takes some \d+ times as long as training \(spectrum [\d.]+, fit [\d.]+\), "
        r"by costs measured on nanda2023: "
        r"fewer --measures take less, and so do wider strides, --log.strides '\{spectrum = \d+\}'",
        first,
    ), first
    said = re.search(r"--log.strides '(.+)'", first)[1]
    assert "measuring takes" not in command("run", *SMALL, "--measures", "light")[1]
    fewer = command("run", *SMALL, "--measures", "spectrum", "--log.strides", said)[1].splitlines()[0]
    assert int(re.search(r"some (\d+) times", fewer)[1]) < int(re.search(r"some (\d+) times", first)[1])


def test_what_does_not_apply_to_a_task_is_not_counted_as_dear(command):
    out = command("run", "digits", "--steps", "20", "--measures", "kernel,spectrum", "--task.samples", "100")[1]
    assert "measuring takes" not in out


def test_quiet_says_nothing(command):
    assert command("run", *SMALL, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "quikc"], 2, "no such preset: quikc; did you mean quick?"),
        (["run", "--task.operation", "div", "--task.p", "60"], 2, "expected a prime p for div, got 60"),
        (["run", "--model.n-heads", "5"], 2, "expected n_heads to divide d_model"),
        (["run", "--optim.lr", "-1"], 2, "optim.lr: expected greater than or equal to 0, got -1"),
        (["run", "--split.fraction", "1"], 2, "split.fraction: expected less than 1, got 1"),
        (["run", "--model.d-mpl=3"], 2, "model.d_mpl: no such field; did you mean d_mlp?"),
        (["run", "--seed"], 2, "--seed: expected a value after it"),
        (["run", "--threads", "0"], 2, "--threads: expected a number from 1 to 1024, got 0"),
        (["run", "--device", "gpu"], 2, "device: expected 'cpu' or 'cuda', got 'gpu'"),
        (["run", "none.toml"], 2, "none.toml could not be read: No such file or directory"),
        (["run", "--rns", "x"], 2, "Unknown option: --rns. Did you mean --runs? See `latebloom run --help`."),
        (["run", "--setps", "5"], 2, "Unknown option: --setps. Did you mean --steps?"),
        (["spec", "--measure", "all"], 2, "Unknown option: --measure. Did you mean --measures?"),
        (["run", "quick", "again"], 2, "expected no more words, got 'again'"),
        (["rn"], 2, "Unknown command"),
        (["ls", "--seed", "3"], 2, "only commands that make a run or print a spec take a spec's fields"),
        (["report", "nothing"], 2, "There is no run 'nothing'"),
    ],
)
def test_bad_input_gives_one_clear_message(command, words, code, message):
    found, out, err = command(*words)
    assert found == code
    assert message in " ".join((out + err).split())
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("seeds", "faults"),
    [
        (["--seed", "x"], ["seed"]),
        (["--seed", "-1"], ["seed"]),
        (["--seed", "x", "--seeds.init", "3"], ["seed"]),
        (["--seeds.order", "x"], ["seeds.order"]),
    ],
)
def test_one_bad_seed_is_one_fault(command, seeds, faults):
    code, _, err = command("run", *seeds)
    assert code == 2
    assert [line.split(":")[0].strip() for line in err.splitlines()[1:]] == faults


def test_measures_are_listed_with_a_sentence_each(command):
    listed = " ".join(command("measures")[1].split())
    told = {part["measure"]: part["says"] for part in json.loads(command("measures", "--json")[1])}
    assert all(sentence in listed for sentence in told.values())
    assert told["spectrum"] in " ".join(command("measures", "spectrum")[1].split())
    assert told["spectrum"] != told["spectrum-density"]


COMMANDS = "analyse diagram export figure figures fork import ls measures models optimisers phases presets report run"
COMMANDS += " compare serve spec statistics surgeries sweep tasks claims"


@pytest.mark.parametrize("words", [[], *([word] for word in COMMANDS.split()), ["claims", "run"], ["claims", "judge"]])
def test_help_shows_the_exit_codes_and_no_flag_that_nobody_wrote(command, words):
    code, out, _ = command(*words, "--help")
    assert code == 0
    assert not re.search("--(no|empty)-", out)
    said = "Exit codes: 0 done, 2 unusable input, 3 failed runs, 4 disk full in a sweep, 130 stopped."
    assert said in " ".join(out.split())


def test_the_exit_codes_in_the_help_are_those_of_the_errors():
    for found in pkgutil.walk_packages(latebloom.__path__, "latebloom."):
        importlib.import_module(found.name)
    codes, seen = {0, LatebloomError.code}, [LatebloomError]
    while seen:
        kind = seen.pop()
        codes.add(kind.code)
        seen += kind.__subclasses__()
    assert codes == set(CODES)


def test_the_commands_are_all_commands(command):
    out = command("--help")[1]
    assert set(re.findall(r"^│ ([a-z]+) ", out, re.MULTILINE)) == set(COMMANDS.split())


def test_help_of_run_names_the_options_without_a_dot(command):
    out = command("run", "--help")[1]
    assert all(f"--{word} " in " ".join(out.split()) for word in ("seed", "steps", "epochs", "measures"))


def test_a_syntax_error_in_a_spec_file(command, tmp_path):
    (tmp_path / "mine.toml").write_text(presets()["quick"].replace("steps =", "steps ="[:-1]), "utf-8")
    code, _, err = command("run", "mine.toml")
    assert code == 2
    assert "mine.toml: expected TOML, got a syntax error" in err


def test_spec_prints_a_file_that_runs(command, tmp_path):
    code, out, _ = command("spec", "quick", *SMALL)
    assert code == 0
    (tmp_path / "mine.toml").write_text(out, "utf-8")
    assert command("run", "mine.toml", "--quiet")[0] == 0
    assert list(Path("runs/mine").iterdir())
    code, out, _ = command("spec", "--schema")
    assert json.loads(out)["properties"]["task"]


@pytest.mark.parametrize("words", [["presets"], ["tasks"], ["models"], ["optimisers"], ["surgeries"], ["measures"]])
def test_listings(command, words):
    code, out, _ = command(*words)
    assert code == 0
    assert len(out.splitlines()) > 3
    code, out, _ = command(*words, "--json")
    assert json.loads(out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(command, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    code, _, err = command("run", *SMALL, "--runs", str(folder))
    assert code == 2
    assert "Permission denied" in err


def test_a_runs_folder_that_is_a_file(command, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    code, _, err = command("run", *SMALL, "--runs", "file")
    assert code == 2
    assert "file" in err


@pytest.fixture
def tiny_disk(tmp_path):
    """A real disk of 200 kB; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(command, tiny_disk):
    words = ("run", *SMALL, "--steps", "500", "--runs", str(tiny_disk))
    code, _, err = command(*words)
    assert code == 2
    assert "No space left on device" in err
    assert "safe" in err
    folder = next((tiny_disk / "quick").iterdir())
    assert latebloom.open(folder).checkpoints
    subprocess.run(["mount", "-o", "remount,size=20m", tiny_disk], check=True)
    assert command(*words)[0] == 0
    assert latebloom.open(folder).state == "done"


def process(*words: str, cwd: Path) -> subprocess.Popen:
    binary = Path(sys.executable).with_name("latebloom")
    return subprocess.Popen([binary, *words], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tmp_path):
    running = process("run", *SMALL, "--steps", "200000", "--threads", "1", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/quick/*/checkpoints/step-00000010*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in out + err
    assert "all is stored" in err
    assert "the same command goes on from there" in err
    assert latebloom.open(next(tmp_path.glob("runs/quick/*"))).state == "stopped"


def test_going_on_names_the_checkpoint(command, tmp_path):
    words = ("run", *SMALL, "--steps", "200000", "--threads", "1")
    running = process(*words, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/quick/*/checkpoints/step-00000010*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.kill()
    running.communicate()
    newest = latebloom.open(next(tmp_path.glob("runs/quick/*"))).checkpoints[-1]
    again = process(*words, cwd=tmp_path)
    assert again.stdout is not None
    assert again.stdout.readline().strip() == f"going on from the checkpoint of step {newest:,}"
    again.kill()
    again.communicate()


def test_help_does_not_import_torch():
    code = """
import sys
from latebloom import cli
sys.argv = ["latebloom", "--help"]
try:
    cli.main()
finally:
    print("torch" in sys.modules, "polars" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False False"


@pytest.mark.parametrize("words", [["report", "no-such"], ["statistics", "no-such"], ["diagram", "no-such", "a", "b"]])
def test_a_wrong_name_is_told_before_torch_is_imported(words, tmp_path):
    code = f"""
import sys
from latebloom import cli
sys.argv = ["latebloom", *{words!r}]
try:
    cli.main()
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "2 False"
    assert "no-such" in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path):
    script = f"{Path(sys.executable).with_name('latebloom')} measures | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("measure ")


@pytest.mark.parametrize(
    "words",
    [
        ["--task.name", "own_task.py:SumOfSquares"],
        ["--model.name", "own_model.py:Bilinear", "--task.equation", "a b"],
        ["--optim.name", "own_optimiser.py:Lion"],
        ["--gradient.name", "own_gradient_rule.py:Clipped"],
        ["--loss.name", "own_loss.py:smoothed"],
        ["--measures", "own_measure.py:UNDECIDED"],
    ],
)
def test_examples_run_through_the_same_path(command, tmp_path, words):
    for file in (ROOT / "examples").glob("own_*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    code, out, err = command("run", *words, "--task.p", "7", "--steps", "30")
    assert (code, err) == (0, "")
    folder = Path(out.split("Report: ")[1].strip()).parent
    kind, name = words[0][2:].split(".")[0], words[1].split(":")[0]
    assert (kind == "measures") == ("undecided_test" in latebloom.open(folder).scalars.columns)
    assert (kind == "measures") == ("Entropy of the answers, test" in (folder / "report.html").read_text("utf-8"))
    assert (folder / f"{kind}-{name}").read_bytes() == (ROOT / "examples" / name).read_bytes()
    assert latebloom.open(folder).spec["sources"][kind]


def test_json_has_null_where_a_number_is_not_defined(command):
    # every test pair's transpose is trained on, so no pair is left without
    code, out, _ = command(
        "run", "--task.p=3", "--split.fraction=0.9", "--model.d-model=8", "--model.n-heads=2", "--steps=5", "--json"
    )
    assert code == 0
    assert "NaN" not in out
    assert json.loads(out)["last_step"] == 5


OWN_FAULTS = {
    "labels out of range": ("% self.p)", "% self.p + 1)", "labels: expected 0 … 6, got 1 … 7"),
    "tokens out of range": ("full_like(a, self.p)", "full_like(a, -1)", "tokens: expected 0 … 7, got -1 … 6"),
    "raises": ("a, b = self.operands().unbind(1)", "raise RuntimeError('no data')", "RuntimeError: no data"),
    "leaves": ("a, b = self.operands().unbind(1)", "raise SystemExit", "SystemExit"),
    "no algebra": ("def algebra(", "def unknown(", "has no attribute 'algebra'"),
}


@pytest.mark.parametrize("fault", OWN_FAULTS)
def test_a_faulty_task_of_ones_own_gives_one_message(command, tmp_path, fault):
    old, new, message = OWN_FAULTS[fault]
    text = (ROOT / "examples" / "own_task.py").read_text("utf-8")
    assert old in text
    (tmp_path / "mine.py").write_text(text.replace(old, new), "utf-8")
    code, _, err = command("run", "--task.name=mine.py:SumOfSquares", "--task.p=7", "--steps=5")
    assert code == 2
    assert message in err
    assert not list(tmp_path.glob("runs/quick/*"))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("torch.zeros(3)", "the loss: expected one number, got shape (3,)"),
        ("logits.sum()", "the loss: expected the mean of what each answer gives alone"),
        ("no_such(logits)", "your own loss mine.py:loss failed when it was tried: NameError"),
    ],
)
def test_a_faulty_loss_of_ones_own_gives_one_message(command, tmp_path, returned, message):
    (tmp_path / "mine.py").write_text(f"import torch\n\ndef loss(logits, labels):\n    return {returned}\n", "utf-8")
    code, _, err = command("run", "--loss.name=mine.py:loss", "--task.p=7", "--steps=5")
    assert code == 2
    assert message in err


# tests check the types of what is built
UNTYPED = "object.__setattr__(UNDECIDED, 'compute', 3)"
MEASURE_FAULTS = {
    "no Measure": ("UNDECIDED = Measure(", "OTHER = Measure(", "expected a Measure 'UNDECIDED' in mine.py"),
    "a taken name": ('Measure("undecided"', 'Measure("norms"', "expected a name of its own, got 'norms'"),
    "no word": ('Measure("undecided"', 'Measure("un,decided"', "expected a name of small letters, digits and dashes"),
    "a taken record": ('f"undecided_{part}",', '"train_loss",', "names of their own, got 'train_loss' once more"),
    "no column": ('f"undecided_{part}",', 'f"{part}/share",', "a record's name of letters, digits and _"),
    "no records": ("RECORDS, undecided,", "(), undecided,", "expected records, one for each number, got ()"),
    "a cost below 0": ("cost=0.05", "cost=-1.0", "expected a cost above 0"),
    "no function": ("cost=0.05)", f"cost=0.05)\n{UNTYPED}", "expected functions as compute and lacking, got 3"),
    "no dict": ("return {f", "return [] or 0.5  # {f", "expected a dict of named numbers and arrays, got float"),
    "an unknown number": ('{f"undecided_{part}": ent', '{f"{part}_entropy": ent', "got 'train_entropy'"),
    "a tensor": (".mean().item()", ".mean()", "expected undecided_train as a float, since its record has no axes"),
    "raises": (
        "subject = probe.subject",
        "raise KeyError('x')",
        "UNDECIDED failed when it was tried: KeyError",
    ),
    "a syntax error": ("def undecided(", "def undecided", "could not be loaded: SyntaxError"),
}


@pytest.mark.parametrize("fault", MEASURE_FAULTS)
def test_a_faulty_measure_of_ones_own_gives_one_message(command, tmp_path, fault):
    old, new, message = MEASURE_FAULTS[fault]
    text = (ROOT / "examples" / "own_measure.py").read_text("utf-8")
    assert old in text
    (tmp_path / "mine.py").write_text(text.replace(old, new), "utf-8")
    code, _, err = command("run", "--measures=mine.py:UNDECIDED", *SMALL)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/quick/*"))


def test_a_measure_of_ones_own_that_fails_later_ends_the_run_with_its_message(command, tmp_path):
    text = (ROOT / "examples" / "own_measure.py").read_text("utf-8")
    late = "if probe.update is not None and probe.update.optim['count'] > 20: raise ValueError('too late')\n    "
    (tmp_path / "mine.py").write_text(text.replace("subject = probe", f"{late}subject = probe"), "utf-8")
    code, _, err = command("run", "--measures=mine.py:UNDECIDED", *SMALL)
    assert (code, "mine.py:UNDECIDED failed: ValueError: too late" in err) == (2, True)
    assert latebloom.open(next(tmp_path.glob("runs/quick/*/"))).state == "failed"


def test_a_network_whose_fast_path_differs_is_refused(command, tmp_path):
    text = (ROOT / "examples" / "own_model.py").read_text("utf-8")
    changed = text.replace("self.apply(params, examples.tokens)[0]", "2 * self.apply(params, examples.tokens)[0]")
    (tmp_path / "mine.py").write_text(changed, "utf-8")
    code, _, err = command("run", "--model.name=mine.py:Bilinear", "--task.equation=a b", "--task.p=7", "--steps=5")
    assert code == 2
    assert "model.logits: expected what model.apply gives, got other numbers" in err


def test_brackets_in_names_are_text(command):
    assert command("run", *SMALL, "--runs", "m[b]x[/b]")[0] == 0
    assert "Training loss [nats]" in command("measures", "train_loss")[1]
    assert "Training loss" not in command("measures", "gini")[1]
    assert command("measures")[1].count("\n") > 30
    assert command("measures", "no-such")[0] == 2


GRID = 'base = "quick"\nseeds = 2\nmeasures = "none"\nset.steps = 20\nset.task.p = 7\nset.checkpoints.every = 20\n'
GRID += "set.model = {d_model = 8, n_heads = 2, d_mlp = 8}\n[axes]\noptim.lr = [1e-3, 1e-2]\n"


def test_sweep_says_first_what_there_is_to_do(command, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID, "utf-8")
    code, out, err = command("sweep", "grid.toml", "--dry-run", "--workers", "2")
    assert (code, err) == (0, "")
    assert "optim.lr: 0.001, 0.01" in out
    assert "4 runs, 4 to do, of 1 shape" in out
    assert "with 2 workers on an idle machine, starting them included (" in out
    assert not Path("runs").exists()
    told = json.loads(command("sweep", "grid.toml", "--dry-run", "--json")[1])
    assert (told["total"], told["done"], told["ensembles"]) == (4, 0, 1)
    # the command and at least one worker start
    assert told["seconds"] > 2 * PROCESS
    assert told["thread_seconds"] >= told["seconds"]
    # the parameters and two moments of them, for the first and the last step
    assert told["bytes"] > 4 * 2 * 3 * 4 * 1000


def test_sweep_trains_a_grid(command, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID, "utf-8")
    code, out, err = command("sweep", "grid.toml", "--workers", "1")
    assert (code, err) == (0, "")
    assert "grid: 4 runs\n" in out
    assert "Done: 4 runs in runs/grid\nNext: `latebloom statistics grid`, `latebloom report grid`\n" in out
    assert "so far" not in out
    study = latebloom.open_study("grid")
    assert study.runs["state"].to_list() == ["done"] * 4
    assert "latebloom sweep grid.toml" in study.run(study.runs["run"][0]).provenance["command"]
    told = json.loads(command("sweep", "grid.toml", "--json")[1])
    assert (told["runs"], told["done"], told["trained"], told["failures"]) == (4, 4, 0, {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.toml"], "none.toml could not be read: No such file or directory"),
        (["grid.toml", "--workers", "0"], "--workers: expected a number from 1 to 4096, got 0"),
        (["grid.toml", "--address", "auto"], "--address and --gpus are for --engine ray"),
        (["grid.toml", "--engine", "slurm"], "slurm"),
        (["bad.toml"], "optim.lr: expected greater than or equal to 0, got -1 (optim.lr = -1)"),
    ],
)
def test_sweep_with_bad_input_gives_one_clear_message(command, tmp_path, words, message):
    (tmp_path / "grid.toml").write_text(GRID, "utf-8")
    (tmp_path / "bad.toml").write_text(GRID.replace("1e-3", "-1"), "utf-8")
    code, out, err = command("sweep", *words)
    assert code == 2
    assert message in " ".join((out + err).split())
    assert not Path("runs").exists()
