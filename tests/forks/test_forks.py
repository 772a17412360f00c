"""Forks from end to end: beside the parent's own continuation, beside a loop by hand, killed, and refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest
import torch

from latebloom.errors import LatebloomError
from latebloom.experiment import InterruptedRunError, run_experiment
from latebloom.forks import Asked, Change, prepare, run_forks, surgery_named, told_apart
from latebloom.spec import RunSpec, override, read, resolve
from latebloom.store import Layout, Run, StoreError, open_run
from latebloom.store.lock import RunLock
from latebloom.training import Setup
from latebloom.training.noise import dropout
from twins import assert_twins

SMALL = {
    "task.p": "7",
    "split.fraction": "0.5",
    "model.d_model": "8",
    "model.n_heads": "2",
    "model.d_mlp": "8",
    "steps": "60",
    "log.every": "3",
    "log.measures": "norms",
    "checkpoints.every": "10",
    "optim.lr": "1e-2",
}


def spec_of(**changes: str) -> RunSpec:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return resolve(override(read("quick")[1], SMALL | named))


@pytest.fixture(scope="module")
def parents(tmp_path_factory) -> dict[str, Run]:
    """Three runs, trained once: in float32, in float64, and with minibatches."""
    root = tmp_path_factory.mktemp("parents")
    double = {"precision": "float64", "log__measures": "none", "log__every": "10"}
    specs = {"plain": {}, "double": double, "batches": {"batch": "5", "seed": "1"}}
    return {
        name: run_experiment(spec_of(**changes), root, "quick", threads=1, tell=pytest.fail)
        for name, changes in specs.items()
    }


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """Forks are trained in this process: the start of a worker takes longer than all of them."""
    monkeypatch.setattr("latebloom.ensemble.choice.cores", lambda: 1)


@pytest.fixture
def root(parents, tmp_path) -> Path:
    """A runs folder of the test's own with those runs in it."""
    shutil.copytree(parents["plain"].folder.parent, tmp_path / "runs" / "quick")
    return tmp_path / "runs"


def parent(root: Path, parents: dict[str, Run], name: str = "plain") -> Run:
    return open_run(root / "quick" / parents[name].id)


def forked(root: Path, run: Run, at: str, change: Change, steps: int | None = None):
    """One fork, trained, with its comparison."""
    (one,) = run_forks(prepare(Asked((run,), (at,), (change,), steps), root), root)
    assert one.error is None
    return open_run(one.folder), one


def changed(**settings) -> Change:
    return Change({name.replace("__", "."): value for name, value in settings.items()})


@pytest.mark.parametrize(("name", "at"), [("plain", 20), ("plain", 17), ("plain", 0), ("batches", 17)])
def test_an_unchanged_fork_is_its_parent(root, parents, name, at):
    run = parent(root, parents, name)
    fork, one = forked(root, run, str(at), Change())
    assert one.ready.twin == run.folder
    assert "bit for bit" in one.comparison.relation
    for step in (step for step in fork.checkpoints if step in run.checkpoints and step > at):
        ours, theirs = fork.checkpoint(step).tensors, run.checkpoint(step).tensors
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert [at, 60] == [fork.checkpoints[0], fork.checkpoints[-1]]
    ours, theirs = fork.scalars, run.scalars
    # the row of the fork is one more where the parent logged none, and there was no update before it
    assert set(theirs["step"]) | {at} == set(ours["step"])
    for rows in (pl.col("step") < at, pl.col("step") > at):
        assert ours.filter(rows).equals(theirs.filter(rows).select(ours.columns))
    assert all(p.step is None for p in one.comparison.parted)
    assert all(s.fork == s.twin for s in one.comparison.shifts)


def test_a_twin_is_trained_once_and_is_an_unchanged_fork(root, parents):
    run = parent(root, parents)
    asked = Asked((run,), ("20",), (changed(optim__weight_decay=0.0), changed(optim__lr=0.1)), 55)
    ready = prepare(asked, root)
    assert {one.twin for one in ready} == {ready[0].twin} != {run.folder}
    first = run_forks(ready, root)
    assert len(list((root / "forks").iterdir())) == 3
    assert "not itself gone that far" in first[0].comparison.relation
    written = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    fork, one = forked(root, run, "20", Change(), 55)
    assert fork.folder == one.ready.twin == ready[0].twin
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")} == written
    # up to the parent's end it is the parent
    shared = run.scalars.filter((pl.col("step") > 20) & (pl.col("step") < 60))
    assert fork.scalars.join(shared, on="step", how="semi")["test_loss"].equals(shared["test_loss"])


def test_a_parent_with_other_rounding_is_no_twin(root, parents):
    run = parent(root, parents)
    file = run.folder / "checkpoints" / "step-00000030.safetensors"
    other = run.folder / "checkpoints" / "step-00000040.safetensors"
    shutil.copyfile(other, file)
    _, one = forked(root, run, "20", changed(optim__lr=0.1))
    assert "other rounding" in one.comparison.relation
    assert one.ready.twin.parent.name == "forks"


def by_hand(run: Run, at: int, change: Change, last: int) -> dict[str, torch.Tensor]:
    """The parameters some updates after the change by plain formulas, float64, through `apply` and autograd."""
    told = dict(change.settings)
    before, stored = Setup.of(resolve(run.spec)), run.checkpoint(at).tensors
    # which examples and labels a spec means is tested elsewhere
    after = Setup.of(
        spec_of(precision="float64", **{path.replace(".", "__"): str(told[path]) for path in DATA & set(told)})
    )
    w = {name.removeprefix("params/"): t for name, t in stored.items() if name.startswith("params/")}
    m, v = ({name: stored[f"optim/{part}/{name}"] for name in w} for part in ("m", "v"))
    count, zeros = int(stored["optim/count"]), {name: torch.zeros_like(t) for name, t in w.items()}
    if change.reset_optimiser:
        m, v, count = zeros, zeros, 0
    lr, decay = told.get("optim.lr", 1e-2), told.get("optim.weight_decay", 1.0)
    norm, share = size(w), told.get("regular.dropout", 0.0)
    for step in range(at, last):
        leaves = {name: t.clone().requires_grad_() for name, t in w.items()}
        edit = (dropout(share, before.spec.seeds.order, step, True),) if share else ()
        logits, _ = before.model.apply(leaves, after.train.tokens, *edit)
        loss = torch.nn.functional.cross_entropy(logits, after.train.labels)
        if told.get("loss.name") == "mse":
            loss = (logits - torch.nn.functional.one_hot(after.train.labels, logits.shape[1])).square().mean()
        grads = dict(zip(w, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        count += 1
        if told.get("optim.name") == "sgd":
            w = {name: t - lr * (grads[name] + decay * t) for name, t in w.items()}
        else:
            m = {name: 0.9 * m[name] + 0.1 * grads[name] for name in w}
            v = {name: 0.98 * v[name] + 0.02 * grads[name] ** 2 for name in w}
            step_of = {n: m[n] / (1 - 0.9**count) / ((v[n] / (1 - 0.98**count)).sqrt() + 1e-8) for n in w}
            w = {name: (1 - lr * decay) * t - lr * step_of[name] for name, t in w.items()}
        if told.get("regular.norm") == "now":
            w = {name: t * norm / size(w) for name, t in w.items()}
    return w


DATA = {"split.fraction", "labels.corrupted", "seeds.split"}


def size(params: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in params.values()]).norm()


CHANGES = {
    "nothing": Change(),
    "no decay": changed(optim__weight_decay=0.0),
    "learning rate": changed(optim__lr=3e-3),
    "reset": Change(reset_optimiser=True),
    "another optimiser": changed(optim__name="sgd", optim__lr=0.1, optim__weight_decay=0.01),
    "loss": changed(loss__name="mse"),
    "data removed": changed(split__fraction=0.3),
    "data added": changed(split__fraction=0.8),
    "other data": changed(seeds__split=5),
    "labels corrupted": changed(labels__corrupted=0.4),
    "norm frozen": changed(regular__norm="now"),
    "dropout": changed(regular__dropout=0.25),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_does_what_it_says(root, parents, name):
    run, change = parent(root, parents, "double"), CHANGES[name]
    fork, one = forked(root, run, "20", change, 30)
    expected = by_hand(run, 20, change, 50)
    for key, tensor in fork.params(50).items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-8, atol=1e-10)
    start = fork.params(20)
    assert all(torch.equal(start[key], tensor) for key, tensor in run.params(20).items())
    told = open_run(one.folder).provenance["fork"]
    assert ("begins as at step 0" in told["optimiser"]) == (name in ("reset", "another optimiser"))
    assert set(change.settings) <= set(told["changes"])


def test_a_surgery_is_done_at_the_step_and_training_goes_on(root, parents):
    run = parent(root, parents, "double")
    change = Change(surgery=surgery_named("scale-norm:norm=0.5,unit=now"))
    fork, one = forked(root, run, "20", change, 10)
    before = run.params(20)
    for name, tensor in fork.params(20).items():
        torch.testing.assert_close(tensor, before[name] * 0.5)
    told = fork.provenance["fork"]
    assert fork.spec["fork"]["surgery"] == told["surgery"]
    assert told["surgery"]["norm"] == 0.5
    assert told["optimiser"] == "its optimiser goes on with the parent's state"
    cost = one.comparison.cost["train_loss"]
    assert cost["after"] != cost["before"] == run.scalars.filter(pl.col("step") == 20)["train_loss"][0]
    # every default in it: one surgery has one identity
    again = Change(surgery={"name": "scale-norm", **told["surgery"]})
    assert prepare(Asked((run,), ("20",), (again,), 10), root)[0].spec == one.ready.spec


OWN = Path(__file__).parents[2] / "examples" / "own_surgery.py"


def test_a_surgery_of_ones_own(root, parents, tmp_path):
    file = tmp_path / "mine.py"
    # a field without a value is one that TOML cannot say
    file.write_text(OWN.read_text("utf-8").replace("= 0.1\n", "= 0.1\n    unused: str | None = None\n"), "utf-8")
    run = parent(root, parents)
    change = Change(surgery=surgery_named(f"{file}:Shake:share=0.5"))
    fork, _ = forked(root, run, "20", change, 10)
    assert fork.spec["fork"]["source"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (fork.folder / "surgery-mine.py").read_bytes() == file.read_bytes()
    assert tomllib.loads((fork.folder / "spec.toml").read_text("utf-8"))["fork"]["surgery"]["share"] == 0.5
    for name, tensor in run.params(20).items():
        noise = (fork.params(20)[name] - tensor) / tensor.std(correction=0)
        if tensor.numel() > 60:
            assert noise.std().item() == pytest.approx(0.5, rel=0.25), name
    # what it gave is stored: the fork and a fork of it need the file no more
    file.unlink()
    again, _ = forked(root, fork, "25", Change())
    assert all(torch.equal(again.params(30)[name], tensor) for name, tensor in fork.params(30).items())


SPOILT = {
    "raises": ("shaken = {}", "raise RuntimeError('no noise')", "failed: RuntimeError: no noise"),
    "another shape": ("return shaken", "return shaken | {'embed.W_E': params['embed.W_E'][1:]}", "expected embed.W_E"),
    "a tensor less": ("return shaken", "return {'embed.W_E': params['embed.W_E']}", r"got none"),
    "a tensor more": ("return shaken", "return shaken | {'x': params['embed.W_E']}", "expected x to be no such tensor"),
    "no tensors": ("return shaken", "return None", "failed: AttributeError"),
    "no number": ("self.share *", "float('nan') *", "expected finite numbers"),
    "no surgery": ("def apply", "def cut", r"surgery.name: expected a class with apply\(params, patient\)"),
    "no such class": ("class Shake", "class Shaken", "did you mean Shaken"),
    "does not load": ("from __future__", "import no_such_module_at_all", "could not be loaded: ModuleNotFoundError"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_faulty_surgery_of_ones_own_gives_one_message(root, parents, tmp_path, fault):
    old, new, message = SPOILT[fault]
    text = OWN.read_text("utf-8")
    assert old in text
    text = new if fault == "does not load" else text.replace(old, new)
    (tmp_path / "mine.py").write_text(text, "utf-8")
    change = Change(surgery=surgery_named(f"{tmp_path / 'mine.py'}:Shake"))
    with pytest.raises(LatebloomError, match=message):
        prepare(Asked((parent(root, parents),), ("20",), (change,), 10), root)
    assert not list(root.glob("forks/*"))


def test_a_network_that_does_not_allow_a_surgery_is_told_and_the_others_are_forked(root, parents, tmp_path):
    text = OWN.read_text("utf-8").replace(
        "shaken = {}", "shaken = {}\n        if patient.seed:\n            raise RuntimeError('not this one')"
    )
    (tmp_path / "mine.py").write_text(text, "utf-8")
    both = (parent(root, parents), parent(root, parents, "batches"))
    change, said = Change(surgery=surgery_named(f"{tmp_path / 'mine.py'}:Shake")), []
    (one,) = prepare(Asked(both, ("20",), (change,), 10), root, tell=said.append)
    assert one.parent is both[0]
    (message,) = said
    assert message.startswith(f"no surgery on {both[1].id} at step 20: your own surgery")
    assert "not this one" in message
    # neither a fork nor a twin of it was made
    assert all("seed-1" not in folder.name for folder in (root / "forks").iterdir())
    with pytest.raises(LatebloomError, match=r"no surgery on .* not this one"):
        prepare(Asked(both[1:], ("20",), (change,), 10), root, tell=pytest.fail)


@pytest.mark.parametrize(
    ("surgery", "message"),
    [
        ("transplant:donor={run}@x", "expected RUN or RUN@STEP for the donor, got '{run}@x'"),
        ("transplant:donor={run}@", "expected RUN or RUN@STEP for the donor"),
        ("transplant:donor={run}@33", "has no checkpoint of step 33"),
        ("transplant:donor=nobody", "There is no run 'nobody'"),
        ("project:rank=1,source=nothing", "the surgery's step nothing: expected a step, or an event of {run}"),
        (
            "remove-frequencies:frequencies=[9]",
            "no surgery on {run} at step 20: expected frequencies from 1 to 3, got 9",
        ),
    ],
)
def test_what_a_surgery_cannot_have_is_said(root, parents, surgery, message):
    run = parent(root, parents)
    change = Change(surgery=surgery_named(surgery.format(run=run.id)))
    with pytest.raises(LatebloomError, match=message.format(run=run.id)):
        prepare(Asked((run,), ("20",), (change,), 10), root)
    assert not list(root.glob("forks/*"))


def test_a_surgery_of_ones_own_cannot_change_the_parents_weights_in_place(root, parents, tmp_path):
    text = OWN.read_text("utf-8").replace("shaken = {}", "shaken = {}; [w.zero_() for w in patient.params.values()]")
    (tmp_path / "mine.py").write_text(text, "utf-8")
    run = parent(root, parents)
    changes = (Change(surgery=surgery_named(f"{tmp_path / 'mine.py'}:Shake")), changed(optim__lr=0.1))
    _, second = run_forks(prepare(Asked((run,), ("20",), changes, 10), root), root)
    start = open_run(second.folder).params(20)
    assert all(torch.equal(start[name], tensor) for name, tensor in run.params(20).items())


def test_a_surgery_in_words():
    told = surgery_named("remove-frequencies:frequencies=[1, 3],where=readout,control=true")
    assert told == {"name": "remove-frequencies", "frequencies": [1, 3], "where": "readout", "control": True}
    assert surgery_named("a/mine.py:Own") == {"name": "a/mine.py:Own"}
    assert surgery_named("mine.py:Own:x=1,of=b:c") == {"name": "mine.py:Own", "x": 1, "of": "b:c"}
    assert surgery_named("transplant:donor=mine.py:Own") == {"name": "transplant", "donor": "mine.py:Own"}
    assert surgery_named("prunes:share=0.1") == {"name": "prunes", "share": 0.1}
    with pytest.raises(LatebloomError, match="expected NAME:field=value"):
        surgery_named("scale-norm:0.5")


def test_data_removed_is_a_part_and_data_added_is_more(root, parents):
    run = parent(root, parents, "double")
    ours = set(Setup.of(resolve(run.spec)).train_index.tolist())
    for fraction, relation in ((0.3, set.__lt__), (0.8, set.__gt__)):
        fork, one = forked(root, run, "20", changed(split__fraction=fraction), 10)
        theirs = set(Setup.of(RunSpec.model_validate(fork.spec)).train_index.tolist())
        assert relation(theirs, ours)
        assert len(theirs) == int(fraction * 49)
        assert "not the twin's" in one.comparison.notes[0]


@pytest.mark.parametrize("step", [0, 25])
def test_an_interrupted_fork_ends_as_its_twin_in_another_folder(root, parents, tmp_path, step):
    run, asked = parent(root, parents), [False]
    change = changed(optim__lr=0.1, batch=6)
    ready = prepare(Asked((run,), ("17",), (change,)), root)

    def watch(name, at, row):
        asked[0] = asked[0] or at >= step

    with pytest.raises(InterruptedRunError):
        run_forks(ready, root, watch=watch, interrupted=lambda: asked[0])
    assert open_run(root / "forks" / ready[0].spec.run_id).state == "stopped"
    fork, _ = forked(root, run, "17", change)
    shutil.copytree(root / "quick", tmp_path / "other" / "quick")
    undisturbed, _ = forked(tmp_path / "other", parent(tmp_path / "other", parents), "17", change)
    assert_twins(fork.folder, undisturbed.folder)


@pytest.mark.parametrize("damage", ["no origin", "flipped origin", "half written", "no spec"])
def test_a_fork_that_was_killed_while_it_was_made_is_made_again(root, parents, tmp_path, damage):
    run, change = parent(root, parents), changed(optim__lr=0.1)
    folder = root / "forks" / prepare(Asked((run,), ("17",), (change,)), root)[0].spec.run_id
    origin = folder / "origin.safetensors"
    content = bytearray(origin.read_bytes())
    if damage == "no origin":
        origin.unlink()
    elif damage == "no spec":
        (folder / "spec.json").unlink()
    elif damage == "half written":
        origin.rename(folder / "origin.safetensors.tmp")
    else:
        content[len(content) // 2] ^= 1
        origin.write_bytes(content)
    fork, _ = forked(root, run, "17", change)
    shutil.copytree(root / "quick", tmp_path / "other" / "quick")
    undisturbed, _ = forked(tmp_path / "other", parent(tmp_path / "other", parents), "17", change)
    assert_twins(fork.folder, undisturbed.folder)


CHILD = """
import sys
from latebloom.cli import main
sys.argv = ["latebloom", "fork", *sys.argv[1:]]
main()
"""


def test_kill_and_resume(root, parents, tmp_path):
    """`kill -9` of the real command while it trains a fork: the end is bit-identical to that of one left in peace."""
    words = [parents["plain"].id, "--at", "17", "--steps", "400", "--threads", "1", "--runs", str(root)]
    shutil.copytree(root / "quick", tmp_path / "other" / "quick")
    command = [sys.executable, "-c", CHILD, *words]
    process, deadline = subprocess.Popen(command, stderr=subprocess.PIPE, text=True), time.monotonic() + 100
    while time.monotonic() < deadline and not list(root.glob("forks/*/checkpoints/step-00000100*")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (killed,) = (root / "forks").iterdir()
    assert open_run(killed).state == "interrupted"
    for where in (root, tmp_path / "other"):
        forked(where, parent(where, parents), "17", Change(), 400)
    assert_twins(killed, tmp_path / "other" / "forks" / killed.name)


def test_every_fault_is_told_at_once_and_nothing_is_stored(root, parents):
    run = parent(root, parents)
    settings = changed(task__p=11, model__d_model=16, seed=3, stop__event="grokked", optim__wd=0).settings
    change = Change(settings, {"name": "scale-norms"})
    with pytest.raises(LatebloomError, match=r"the forks have 7 faults") as error:
        prepare(Asked((run,), ("20", "99"), (change,)), root)
    for words in (
        r"--at: expected at most 60",
        "optim.wd: no such field",
        "task.p: expected a network that the parent's weights fit",
        "model.d_model: expected a network",
        "seed: expected seeds.split or seeds.order",
        "stop.event: expected no stop rule",
        "surgery.name: no such surgery 'scale-norms'; did you mean scale-norm?",
    ):
        assert words in str(error.value)
    assert not (root / "forks").exists()


@pytest.mark.parametrize(
    ("at", "settings", "message"),
    [
        ("memorized", {}, "expected a step, or an event of .* did you mean memorised"),
        ("collapsed", {}, "not found in seed-0-.*: it had not generalised"),
        ("60", {}, "expected steps to be left after step 60"),
        ("20", {"device": "cuda"}, "expected the parent's device"),
        ("20", {"init_scale": 2.0}, "the initial weights lie behind the fork"),
    ],
)
def test_what_cannot_be_forked_is_said(root, parents, at, settings, message):
    with pytest.raises(LatebloomError, match=message):
        prepare(Asked((parent(root, parents),), (at,), (Change(settings),)), root)


def test_a_bad_moment_and_a_bad_change_are_told_together(root, parents):
    asked = Asked((parent(root, parents),), ("memorized", "collapsed"), (changed(optim__wd=0, device="cuda"),))
    with pytest.raises(LatebloomError, match=r"the forks have 5 faults") as error:
        prepare(asked, root, faults=["--set x: no value"])
    for words in (
        "--set x: no value",
        "--at memorized: expected a step",
        "--at collapsed: not found",
        "optim.wd: no such field",
        "device: expected the parent's device",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("running", "still training: fork it at what it has reached, or ask again later"),
        ("stopped", r"it is not done: `latebloom run .*/quick/seed-0-[0-9a-f]*` goes on with it"),
    ],
)
@pytest.mark.parametrize("at", ["generalised", "50"])
def test_a_parent_that_is_not_done_is_forked_at_what_it_has(tmp_path, at, state, message):
    steps = []
    with pytest.raises(InterruptedRunError):
        run_experiment(
            spec_of(),
            tmp_path,
            "quick",
            watch=lambda step, *_: steps.append(step),
            interrupted=lambda: steps[-1:] > [30],
        )
    (folder,) = (tmp_path / "quick").iterdir()
    with ExitStack() as held:
        if state == "running":
            held.callback(RunLock(Layout(folder).lock).release)
        run = open_run(folder)
        assert run.state == state
        with pytest.raises(LatebloomError, match=message):
            prepare(Asked((run,), (at,), (Change(),)), tmp_path)
        assert prepare(Asked((run,), ("20",), (Change(),)), tmp_path)[0].spec.steps == 60


def test_a_schedule_with_an_end_keeps_it(tmp_path):
    run = run_experiment(spec_of(schedule__shape="cosine"), tmp_path, "quick")
    with pytest.raises(LatebloomError, match="expected the parent's last step, 60, got 30: its cosine schedule"):
        prepare(Asked((run,), ("20",), (Change(),), 10), tmp_path)
    fork, _ = forked(tmp_path, run, "20", Change())
    assert all(torch.equal(fork.params(60)[name], tensor) for name, tensor in run.params(60).items())


def test_a_fork_of_a_fork(root, parents):
    run = parent(root, parents)
    first, _ = forked(root, run, "20", changed(optim__weight_decay=0.0))
    second, one = forked(root, first, "40", changed(optim__weight_decay=1.0))
    assert one.ready.twin == first.folder
    assert second.spec["fork"]["parent"] == RunSpec.model_validate(first.spec).identity
    assert second.scalars.filter(pl.col("step") < 40).equals(first.scalars.filter(pl.col("step") < 40))
    again, _ = forked(root, run, "20", Change())
    assert not torch.equal(again.params(60)["embed.W_E"], second.params(60)["embed.W_E"])


def test_what_is_recorded_is_no_change(root, parents):
    run = parent(root, parents)
    changes, recorded = told_apart({"optim.lr": 0.1, "log.every": 5, "checkpoints.every": 20})
    assert (changes, recorded) == ({"optim.lr": 0.1}, {"log.every": 5, "checkpoints.every": 20})
    (one,) = run_forks(prepare(Asked((run,), ("20",), (Change(changes),), None, recorded), root), root)
    assert one.ready.twin != run.folder
    twin, fork = open_run(one.ready.twin), open_run(one.folder)
    assert twin.checkpoints == fork.checkpoints == [20, 40, 60]
    assert twin.scalars["step"].equals(fork.scalars["step"])


def test_a_fork_without_its_beginning_is_refused(root, parents):
    spec = prepare(Asked((parent(root, parents),), ("20",), (changed(optim__lr=0.1),)), root)[0].spec
    with pytest.raises(StoreError, match="make it with `latebloom fork`"):
        run_experiment(spec, root, "elsewhere")


def test_an_import_is_refused(root, parents):
    run = parent(root, parents)
    told = json.loads((run.folder / "provenance.json").read_text("utf-8"))
    (run.folder / "provenance.json").write_text(json.dumps(told | {"imported": {}}), "utf-8")
    with pytest.raises(LatebloomError, match="is an import"):
        prepare(Asked((run,), ("20",), (Change(),)), root)


def test_the_command(command, root, parents, monkeypatch):
    name, batches = parents["plain"].id, parents["batches"].id
    code, out, err = command(
        "fork", name, "--at", "20", "--set", "optim.weight_decay=0", "--runs", str(root), "--steps", "30"
    )
    assert (code, err) == (0, "")
    assert "optim.weight_decay=0, from step 20 to step 50" in out
    assert "the parent itself" in out
    words = ("--at", "20", "--optim.weight-decay", "0", "--runs", str(root), "--quiet")
    code, out, err = command("fork", name, batches, *words)
    assert code == 0
    assert "parts after, steps" in out
    code, out, err = command("fork", name, batches, *words, "--json")
    told = json.loads(out)
    assert [effect["steps"] for effect in told["effects"]] == [[20, 20]]
    assert [one["at"] for one in told["forks"]] == ["20", "20"]
    code, out, err = command("ls", "--runs", str(root))
    assert f"fork of {parents['plain'].id.rpartition('-')[2]} at 20: modular" in out
    for wrong, message in (
        (("fork", "--at", "20"), "expected the folder or the name of a run"),
        (("fork", name, "--runs", str(root)), "expected --at with a step or an event"),
        (("fork", name, "--runs", str(root), "--at", "20", "--set", "x"), "expected a field and a value"),
        (("fork", name, "--runs", str(root), "--at", "20", "--steps", "0"), "expected a whole number of steps"),
    ):
        code, out, err = command(*wrong)
        assert code == 2
        assert message in err
    words = (
        "--at",
        "20x",
        "--set",
        "optim.wd=0",
        "--set",
        "x",
        "--steps",
        "0",
        "--surgery",
        "prune:x",
        "--threads",
        "0",
    )
    code, out, err = command("fork", name, *words, "--runs", str(root))
    assert "the forks have 6 faults" in err
    for message in ("--at 20x", "optim.wd", "--set x", "--steps", "--surgery prune:x", "--threads"):
        assert message in err
