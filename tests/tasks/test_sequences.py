"""Tasks that are a sample of more than can be listed: their answers one by one, and what is drawn."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

import cases
from latebloom.tasks import DigitAddition, Drawn, Examples, RepeatedSubsequence, SkipTrigrams, SparseParity
from latebloom.tasks.drawing import distinct

SEQUENCES = {name: task for name, task in cases.TASKS.items() if isinstance(task, Drawn)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check_digits(task: DigitAddition, tokens: list[int], label: list[int]) -> None:
    n = task.digits
    text = "".join("0123456789+="[token] for token in tokens)
    a, b, total = text[:n], text[n + 1 : 2 * n + 1], text[2 * n + 2 :]
    assert text[n] + text[2 * n + 1] == "+="
    assert label == [int(digit) for digit in f"{int(a) + int(b):0{n + 1}}"]
    # the network reads every digit of the sum but the last
    assert total == "".join(map(str, label[:-1]))


def check_induction(task: RepeatedSubsequence, tokens: list[int], label: list[int]) -> None:
    whole = [*tokens, label[-1]]
    copy = whole[-task.length :]
    assert len(whole) == task.context
    assert label == copy[1:]
    assert len(set(copy)) == task.length
    starts = [i for i in range(len(whole)) if whole[i : i + task.length] == copy]
    assert len(starts) == task.repeats
    assert all(later - earlier >= task.length for earlier, later in itertools.pairwise(starts))
    inside = {i + j for i in starts for j in range(task.length)}
    assert not {whole[i] for i in range(len(whole)) if i not in inside} & set(copy)


def check_skip_trigrams(task: SkipTrigrams, tokens: list[int], label: int) -> None:
    asked = tokens[-1] - task.classes
    assert 0 <= asked < task.families
    sources = [token for token in tokens[:-1] if token < task.classes]
    assert sorted(token // task.variants for token in sources) == list(range(task.families))
    assert [token for token in sources if token // task.variants == asked] == [label]
    assert all(token >= task.classes + task.families for token in tokens[:-1] if token not in sources)


def check_parity(task: SparseParity, tokens: list[int], label: int) -> None:
    assert label == sum(tokens[: task.k]) % 2


CHECKS = {
    DigitAddition: check_digits,
    RepeatedSubsequence: check_induction,
    SkipTrigrams: check_skip_trigrams,
    SparseParity: check_parity,
}
BIG = [DigitAddition(samples=200), RepeatedSubsequence(samples=50), SkipTrigrams(samples=200)]


@pytest.mark.parametrize("task", [*SEQUENCES.values(), *BIG], ids=lambda task: task.title)
def test_every_answer_is_the_rule_s(task):
    for examples in (task.examples(), task.draw(40, generator())):
        for tokens, label in zip(examples.tokens.tolist(), examples.labels.tolist(), strict=True):
            CHECKS[type(task)](task, tokens, label)


@pytest.mark.parametrize("name", SEQUENCES)
def test_draws_are_functions_of_their_generator(name):
    task = SEQUENCES[name]
    one, again, other = (task.draw(30, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.tokens, again.tokens)
    assert torch.equal(one.labels, again.labels)
    assert not torch.equal(one.tokens, other.tokens)
    assert one.tokens.shape == (30, task.examples().tokens.shape[1])


def test_copies_stand_at_every_place_and_distance():
    task = RepeatedSubsequence(vocabulary=8, context=9, length=2, repeats=3, samples=20)
    starts = []
    for tokens, label in zip(*(x.tolist() for x in _pair(task.draw(2000, generator()))), strict=True):
        whole, copy = [*tokens, label[-1]], [tokens[-1], label[-1]]
        starts.append(tuple(i for i in range(7) if whole[i : i + 2] == copy))
    # 3 free tokens and 2 copies before the last: 10 orders, equally likely
    counts = {places: starts.count(places) for places in set(starts)}
    assert len(counts) == 10
    # five standard deviations of 2000 draws at chance 1/10
    assert all(abs(count - 200) < 5 * (2000 * 0.09) ** 0.5 for count in counts.values())


def _pair(examples: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    return examples.tokens, examples.labels


def test_a_sample_is_distinct_and_every_example_equally_likely():
    def draw(count: int, source: torch.Generator) -> Examples:
        drawn = torch.randint(6, (count, 1), generator=source)
        return Examples(drawn, drawn[:, 0] * 2)

    found = [distinct(draw, 3, generator(seed)) for seed in range(600)]
    for examples in found:
        assert examples.tokens[:, 0].tolist() == sorted(set(examples.tokens[:, 0].tolist()))
        assert torch.equal(examples.labels, examples.tokens[:, 0] * 2)
    counts = torch.cat([examples.tokens[:, 0] for examples in found]).bincount()
    assert (counts - 300).abs().max() < 5 * (600 * 0.25) ** 0.5
    with pytest.raises(ValueError, match="expected at most as many samples as there are different examples, got 7"):
        distinct(draw, 7, generator())


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        (DigitAddition, {"digits": 1, "samples": 60}, "expected at most 50 samples (half of all pairs"),
        (RepeatedSubsequence, {"context": 48}, "expected a context of more than repeats × length = 48, got 48"),
        (RepeatedSubsequence, {"vocabulary": 17}, "expected at least length + 2 = 18 tokens, got 17"),
        (SkipTrigrams, {"context": 8}, "expected a context of at least families + 1 = 9 tokens, got 8"),
        (SkipTrigrams, {"families": 1, "variants": 2, "samples": 2}, "expected at most 1 samples, got 2"),
    ],
)
def test_what_is_wrong_is_said(family, settings, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        TypeAdapter(family).validate_python(settings)
