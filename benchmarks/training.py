"""The mainline's step time: ours against the ordinary ways to write it, and against the machine's own matrix products.

    make bench            (or: python benchmarks/training.py --rounds 10 --threads 2)

Every variant trains the same network (Nanda et al. 2023: 3830 pairs mod 113, one layer, AdamW, float64 log-softmax) in
the same process with the same settings, in turn, round after round; the ratios are medians over rounds. First from the
initial weights, then from those after 4000 steps: a network that has memorised has softmax entries below 1e-38, which
float32 holds as denormal numbers, and processors multiply with those a hundred times slower. Threads that
wait spin, as PyTorch's do by default: run it on an idle machine. (latebloom's command lets them sleep;
OMP_WAIT_POLICY=PASSIVE shows that case.) Freed memory is kept for all variants, which favours the others.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from latebloom.process import default_threads, prepare_process

os.environ.setdefault("OMP_WAIT_POLICY", "ACTIVE")
prepare_process()

import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from latebloom.spec import read, resolve
from latebloom.training import Setup, TrainState, multiply_adds, update
from reference import dense_loop_logits

STEPS = 5
"""Steps of one variant in one round."""


def ours(setup: Setup, start: TrainState) -> Callable[[], None]:
    """latebloom's loop."""
    state = [start]

    def step() -> None:
        state[0] = update(setup, state[0])

    return step


def ordinary(setup: Setup, forward: Callable, params: list, evaluate: bool) -> Callable[[], None]:
    """The plain loop: forward, loss, backward, torch's AdamW and a warm-up; evaluating the test set if asked."""
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
    params = {name: tensor.clone().requires_grad_() for name, tensor in start.params.items()}
    return ordinary(setup, lambda tokens: dense_loop_logits(params, tokens, 4), list(params.values()), evaluate)


def transformer_lens(setup: Setup) -> Callable[[], None] | None:
    """TransformerLens' model in the plain loop; None when it is not installed (extra `interp`)."""
    try:
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge.sources.native import boot
    except ImportError:
        return None
    config = TransformerBridgeConfig(
        n_layers=1, n_heads=4, d_model=128, d_head=32, d_mlp=512, act_fn="relu", normalization_type=None,
        d_vocab=114, d_vocab_out=114, n_ctx=3, seed=0,
    )  # fmt: skip
    model = boot(config)
    return ordinary(setup, lambda tokens: model(tokens)[:, -1], list(model.parameters()), evaluate=False)


def matrix_rate() -> float:
    """Multiply-adds a second of a large float32 matrix product, the best of several."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    a @ b
    return 2048**3 / min(timed(lambda: a @ b) for _ in range(8))


def timed(call: Callable[[], object]) -> float:
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def measure(variants: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds a step of every variant in every round."""
    for step in variants.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, step in variants.items():
            seconds[name].append(timed(lambda step=step: [step() for _ in range(STEPS)]) / STEPS)
    return seconds


def print_profile(setup: Setup, step: Callable[[], None]) -> None:
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(STEPS):
            step()
    rows = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    print("\nwhere our step's time goes (self time of each operation)")
    for row in rows[:14]:
        print(f"  {row.self_cpu_time_total / total:6.1%}  {row.count // STEPS:4d}×  {row.key}")


def compare(setup: Setup, start: TrainState, rounds: int) -> None:
    """Prints the table of all variants from one state."""
    variants = {
        "ours": ours(setup, start),
        "(a) ordinary dense loop": dense(setup, start, evaluate=False),
        "(b) the same, test set every step": dense(setup, start, evaluate=True),
    }
    lens = transformer_lens(setup) if start.step == 0 else None
    if lens is not None:
        variants["(c) TransformerLens' model"] = lens
    seconds = measure(variants, rounds)
    rate, products = matrix_rate(), multiply_adds(setup)
    print(f"mainline from step {start.step}, {torch.get_num_threads()} threads, {rounds} rounds of {STEPS} steps")
    print(f"{'':36}{'ms a step':>10}{'least':>8}{'ratio to ours':>15}")
    for name, times in seconds.items():
        ratio = statistics.median(t / o for t, o in zip(times, seconds["ours"], strict=True))
        print(f"{name:36}{statistics.median(times) * 1e3:10.1f}{min(times) * 1e3:8.1f}{ratio:15.2f}")
    floor = products / rate
    mine = statistics.median(seconds["ours"])
    print(f"{'(d) our matrix products alone':36}{floor * 1e3:10.1f}{'':8}{floor / mine:15.2f}")
    print(f"    {products / 1e9:.3f} G multiply-adds at {rate / 1e9:.0f} G/s, the rate of a 2048³ product here")
    if lens is None and start.step == 0:
        print("(c) is left out: TransformerLens is not installed (pip install 'latebloom[interp]')")
    print_profile(setup, variants["ours"])


def main() -> None:
    parser = argparse.ArgumentParser(description="time one training step of the mainline")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=None, help="default: what `latebloom run` would take")
    parser.add_argument("--after", type=int, default=4000, help="steps of training before the second table; 0: none")
    words = parser.parse_args()
    setup = Setup.of(resolve(read("nanda2023")[1]))
    torch.set_num_threads(words.threads or default_threads(multiply_adds(setup)))
    state = setup.initial_state()
    compare(setup, state, words.rounds)
    if words.after:
        while state.step < words.after:
            state = update(setup, state)
        print()
        compare(setup, state, words.rounds)


if __name__ == "__main__":
    main()
