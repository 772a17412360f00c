"""Every family against a plain loop, and what all of them have in common."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

import cases
from latebloom.spec import describe
from latebloom.tasks import (
    TASKS,
    Conditional,
    Examples,
    GroupMultiplication,
    Mixture,
    Modular,
    Null,
    OverGroup,
    Polynomial,
    SparseParity,
    Task,
    answers_of,
)
from latebloom.tasks.polynomial import POWER2022

PLAIN = {
    "add": lambda a, b, p: (a + b) % p,
    "sub": lambda a, b, p: (a - b) % p,
    "mul": lambda a, b, p: a * b % p,
    "div": lambda a, b, p: next(c for c in range(p) if c * b % p == a),
}


def table(task: Task) -> dict[tuple[int, ...], int]:
    return dict(zip(map(tuple, task.operands().tolist()), task.examples().labels.tolist(), strict=True))


@pytest.mark.parametrize("name", cases.TASKS)
def test_every_task_keeps_the_contract(name):
    task = cases.TASKS[name]
    assert isinstance(task, Task)
    examples, operands = task.examples(), task.operands()
    assert len(operands) == len(examples) == len(table(task)) > 1
    assert examples.tokens.dtype == examples.labels.dtype == operands.dtype == torch.int64
    assert examples.tokens.min() >= 0
    assert examples.tokens.max() < task.d_vocab
    assert examples.labels.min() >= 0
    assert examples.labels.max() < task.classes <= task.d_vocab
    assert examples.labels.shape[1:] == ((answers_of(task),) if answers_of(task) > 1 else ())
    assert len(torch.unique(examples.tokens, dim=0)) == len(examples)
    again = task.examples()
    assert torch.equal(again.tokens, examples.tokens)
    assert torch.equal(again.labels, examples.labels)
    # every operand can be read, and a task with an algebra has two
    for column in operands.unbind(1):
        assert (examples.tokens == column[:, None]).all(dim=0).any()
    if task.algebra() is not None:
        assert operands.shape[1] == 2


@pytest.mark.parametrize("name", TASKS)
def test_every_family_says_what_it_is(name):
    assert "arXiv" in TASKS[name].__doc__
    facts = describe("task")[name]["facts"]
    assert list(facts) == ["Formula", "Domain", "Size", "Source"]
    assert "arXiv" in facts["Source"]
    properties = TypeAdapter(TASKS[name]).json_schema()["properties"]
    assert all("description" in facts for facts in properties.values())


# Power et al. 2022: what is asked, written out by hand, on p = 97
POWER_BY_HAND = {
    "x^2 + y^2": lambda x, y: (x**2 + y**2) % 97,
    "x^2 + xy + y^2": lambda x, y: (x**2 + x * y + y**2) % 97,
    "x^2 + xy + y^2 + x": lambda x, y: (x**2 + x * y + y**2 + x) % 97,
    "x^3 + xy": lambda x, y: (x**3 + x * y) % 97,
    "x^3 + xy^2 + y": lambda x, y: (x**3 + x * y**2 + y) % 97,
}


@pytest.mark.parametrize("formula", POWER2022)
def test_polynomials_of_power(formula):
    found = table(Polynomial(formula, 97))
    assert len(found) == 9409
    assert found == {(x, y): POWER_BY_HAND[formula](x, y) for x in range(97) for y in range(97)}


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div"])
def test_operations_of_power(operation):
    found = table(Modular(operation, 97))
    pairs = itertools.product(range(97), range(operation == "div", 97))
    if operation == "div":
        # their code builds the table as (b·c) / b = c
        assert found == {(b * c % 97, b): c for c in range(97) for b in range(1, 97)}
        assert len(found) == 9312
    else:
        assert found == {(a, b): PLAIN[operation](a, b, 97) for a, b in pairs}
        assert len(found) == 9409


@pytest.mark.parametrize("word", ["ab", "aba^-1", "aba"])
def test_words_of_power_on_permutations(word):
    elements = list(itertools.permutations(range(5)))
    number = {images: i for i, images in enumerate(elements)}

    def first_then(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(b[i] for i in a)

    found = table(GroupMultiplication("S_5", word))
    assert len(found) == 14_400
    for (i, j), label in itertools.islice(found.items(), 0, None, 37):
        a, b = elements[i], elements[j]
        product = first_then(a, b)
        if word == "aba":
            product = first_then(product, a)
        elif word == "aba^-1":
            product = first_then(product, tuple(a.index(k) for k in range(5)))
        assert label == number[product]


def test_other_domains_of_power():
    conditional = table(Conditional())
    assert len(conditional) == 9409
    by_hand = {(a, b): a * pow(b, -1, 97) % 97 if b % 2 else (a - b) % 97 for a in range(97) for b in range(97)}
    assert conditional == by_hand
    assert len(Modular("div", 97).examples()) == 9312
    assert len(GroupMultiplication("S_5").examples()) == 14_400


@pytest.mark.parametrize("by", ["a", "b"])
@pytest.mark.parametrize(("odd", "even"), [("div", "sub"), ("mul", "add"), ("sub", "div"), ("div", "div")])
def test_conditional_one_by_one(odd, even, by):
    p, expected = 7, {}
    for a, b in itertools.product(range(p), repeat=2):
        operation = odd if (a if by == "a" else b) % 2 else even
        if operation != "div" or b:
            expected[a, b] = PLAIN[operation](a, b, p)
    assert table(Conditional(odd, even, by, p)) == expected


def test_mixture_one_by_one():
    task = Mixture(("sub", "div", "add"), 5, "eos a o b =")
    tokens, labels = task.examples().tokens.tolist(), task.examples().labels.tolist()
    expected = []
    for i, operation in enumerate(("sub", "div", "add")):
        for a, b in itertools.product(range(5), repeat=2):
            if operation != "div" or b:
                # = is 5 and eos is 6, as in the other tasks' equations
                expected.append(([6, a, 7 + i, b, 5], PLAIN[operation](a, b, 5)))
    assert list(zip(tokens, labels, strict=True)) == expected
    assert task.d_vocab == 10


def test_three_operands_are_written_in_order():
    examples = Polynomial("x + 2y + 3z", 4, "eos a o b =").examples()
    assert len(examples) == 64
    assert examples.tokens[27].tolist() == [5, 1, 6, 2, 6, 3, 4]
    assert int(examples.labels[27]) == (1 + 4 + 9) % 4
    assert Polynomial("x + y + z", 4, "a b").examples().tokens.shape == (64, 3)


def test_parity_one_by_one():
    task = SparseParity(n=6, k=3, samples=40, seed=5)
    for bits, label in table(task).items():
        assert label == (bits[0] ^ bits[1] ^ bits[2])
    assert table(task) == table(SparseParity(n=6, k=3, samples=40, seed=5))
    assert table(task) != table(SparseParity(n=6, k=3, samples=40, seed=6))
    rows = [tuple(row) for row in task.operands().tolist()]
    assert rows == sorted(set(rows))


@pytest.mark.parametrize(("n", "samples"), [(4, 16), (10, 1024), (12, 500), (40, 2000), (62, 1000)])
def test_parity_samples_are_distinct_and_uniform(n, samples):
    bits = SparseParity(n=n, k=1, samples=samples).operands()
    assert bits.shape == (samples, n)
    assert len(torch.unique(bits, dim=0)) == samples
    # four and a half standard deviations of the mean of fair bits, for each of them
    assert (bits.double().mean(0) - 0.5).abs().max() <= 4.5 * 0.5 / samples**0.5


def test_nulls_keep_the_questions_and_lose_the_answers():
    true = Modular("add", 23)
    random, shuffled = (Null({"name": "modular", "p": 23}, labels) for labels in ("random", "shuffled"))
    for null in (random, shuffled):
        assert torch.equal(null.examples().tokens, true.examples().tokens)
        assert torch.equal(null.operands(), true.operands())
        agree = (null.examples().labels == true.examples().labels).double().mean().item()
        # 529 guesses of chance 1/23: five standard deviations
        assert abs(agree - 1 / 23) < 5 * (1 / 23 / 529) ** 0.5
    counts = Counter(shuffled.examples().labels.tolist())
    assert counts == Counter(true.examples().labels.tolist())
    assert Counter(random.examples().labels.tolist()) != counts
    assert set(random.examples().labels.tolist()) == set(range(23))


def test_nulls_are_drawn_by_their_own_seed_and_hold_every_setting():
    one, other = Null({"name": "group"}, seed=1), Null({"name": "group"}, seed=2)
    assert not torch.equal(one.examples().labels, other.examples().labels)
    assert one.of == {"name": "group", "group": "S_5", "word": "ab", "equation": "a b ="}
    mixed = Null({"name": "mixture", "operations": ["add", "mul"], "p": 5})
    assert Null(mixed.of) == mixed
    assert mixed.of["operations"] == ["add", "mul"]


def test_nulls_keep_the_basis_and_drop_the_laws():
    algebra = Null({"name": "modular", "p": 5, "operation": "mul"}).algebra()
    assert algebra is not None
    assert algebra.cycle.tolist() == [1, 2, 4, 3]
    assert not algebra.commutative
    assert algebra.identity is None
    assert Null({"name": "polynomial", "p": 5}).algebra() is None


def test_a_group_task_shows_its_group_and_a_null_of_it_none():
    assert isinstance(GroupMultiplication("S_3"), OverGroup)
    assert not isinstance(Null({"name": "group", "group": "S_3"}), OverGroup)
    assert not isinstance(Modular(), OverGroup)


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        (Polynomial, {"formula": "3"}, "expected a formula in x and y, got '3'"),
        (Polynomial, {"formula": "x +"}, "expected a number, x, y, z or an opening bracket in 'x +', got the end"),
        (Polynomial, {"formula": "x+y+z", "p": 257}, "expected p ≤ 256 with 3 operands (16,777,216 examples), got 257"),
        (Conditional, {"p": 60}, "expected a prime p for div, got 60; the next prime below is 59"),
        (Mixture, {"operations": ("add", "add")}, "expected every operation once, got add, add"),
        (Mixture, {"operations": ("add", "mul"), "p": 9}, "expected a prime p for mul, got 9"),
        (GroupMultiplication, {"group": "S_7"}, "expected a group of at most 2048 elements, got 'S_7'"),
        (GroupMultiplication, {"group": "A_2"}, "expected a group of at least 2 elements, got 'A_2'"),
        (GroupMultiplication, {"group": "Q_8"}, "expected groups such as C_12, D_7, S_4, A_5 with an x between"),
        (SparseParity, {"n": 3, "k": 4}, "expected k ≤ n, got k = 4 and n = 3"),
        (SparseParity, {"n": 4, "samples": 17}, "expected at most 16 samples of 4 bits, got 17"),
        (Null, {"of": {"name": "null"}}, "expected of.name to be one of modular, polynomial, conditional"),
        (Null, {"of": {}}, "expected of.name to be one of modular, polynomial, conditional"),
        (Null, {"of": {"name": "modular", "q": 5}}, "(operation, p, equation), got q"),
        (Null, {"of": {"name": "modular", "p": 1}}, "of.p: Input should be greater than or equal to 2"),
    ],
)
def test_what_is_wrong_is_said(family, settings, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        TypeAdapter(family).validate_python(settings)


def test_tasks_can_be_taken_apart_like_any_other():
    part = GroupMultiplication("S_3").examples().take(torch.tensor([1, 5]))
    assert isinstance(part, Examples)
    assert part.full is not None
