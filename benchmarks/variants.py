"""One way to take the mainline's step, in a process of its own that takes its turn when it is told to.

    python benchmarks/variants.py NAME THREADS STATE     (`benchmarks/training.py` starts these)

Ours runs as latebloom's command makes its process, an ordinary loop in the process that a notebook has. For each line
that comes in, a few steps are taken and the seconds of one step printed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from latebloom.training import Setup, TrainState

OURS = "ours"
NAMES = (OURS, "dense", "dense-tested", "lens")

STEPS = 5
"""Steps of one turn."""


def ours(setup: Setup, start: TrainState) -> Callable[[], None]:
    """latebloom's loop."""
    from latebloom.training import update

    state = [start]

    def step() -> None:
        state[0] = update(setup, state[0])

    return step


def ordinary(setup: Setup, forward: Callable, params: list, evaluate: bool) -> Callable[[], None]:
    """The plain loop: forward, loss, backward, torch's AdamW and a warm-up; evaluating the test set if asked."""
    import torch

    optimiser = torch.optim.AdamW(params, lr=1e-3, betas=(0.9, 0.98), weight_decay=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(step / 10, 1))
    tokens, labels = setup.examples.tokens, setup.examples.labels
    train, test = ((tokens[index], labels[index]) for index in (setup.train_index, setup.test_index))

    def loss(part: tuple) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(forward(part[0]).double(), part[1])

    def step() -> None:
        optimiser.zero_grad()
        loss(train).backward()
        optimiser.step()
        schedule.step()
        if evaluate:
            with torch.no_grad():
                loss(test)

    return step


def dense(setup: Setup, start: TrainState, evaluate: bool) -> Callable[[], None]:
    """Nanda et al.'s network as a notebook writes it: every position of every example."""
    from reference import dense_loop_logits

    params = {name: tensor.clone().requires_grad_() for name, tensor in start.params.items()}
    return ordinary(setup, lambda tokens: dense_loop_logits(params, tokens, 4), list(params.values()), evaluate)


def transformer_lens(setup: Setup) -> Callable[[], None]:
    """TransformerLens' model in the plain loop."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge.sources.native import boot

    config = TransformerBridgeConfig(
        n_layers=1, n_heads=4, d_model=128, d_head=32, d_mlp=512, act_fn="relu", normalization_type=None,
        d_vocab=114, d_vocab_out=114, n_ctx=3, seed=0,
    )  # fmt: skip
    model = boot(config)
    return ordinary(setup, lambda tokens: model(tokens)[:, -1], list(model.parameters()), evaluate=False)


def main() -> None:
    name, threads, stored = sys.argv[1:]
    if name == OURS:
        from latebloom.process import prepare_process

        prepare_process()
    import torch

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from latebloom.spec import read, resolve
    from latebloom.store import checkpoints
    from latebloom.training import Setup

    torch.set_num_threads(int(threads))
    setup = Setup.of(resolve(read("nanda2023")[1]))
    tensors, meta = checkpoints.load(Path(stored))
    start = setup.initial_state().replaced(meta["step"], tensors)
    if name == OURS:
        step = ours(setup, start)
    else:
        step = transformer_lens(setup) if name == "lens" else dense(setup, start, name == "dense-tested")
    for _ in range(STEPS):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        before = time.perf_counter()
        for _ in range(STEPS):
            step()
        print((time.perf_counter() - before) / STEPS, flush=True)


if __name__ == "__main__":
    main()
