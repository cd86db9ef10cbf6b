"""A problem: checked where it is made, exact, and the same whatever kind of numbers it is given in."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.augmentation.families import block
from theory.errors import InputError
from theory.losses import Logistic
from theory.objectives import NO_COLLISIONS
from theory.priors import groups, parse
from theory.problem import MAX_K, Problem
from verify import downstream
from verify.results import ProblemRecord, Status

PRIOR = parse("0.5,0.3,0.2")


CALLS_ITSELF_LOGISTIC = Logistic()


def rising(v: Any) -> Any:
    """Of the name `tests.test_problem:rising`, and no loss that is provable."""
    return v.sum(axis=-1)


@given(
    k=st.integers(1, MAX_K) | st.just(math.inf),
    numerator=st.integers(1, 99),
    denominator=st.integers(1, 99),
    d=st.integers(2, 9),
)
def test_equal_numbers_of_any_kind_are_one_problem(k: float, numerator: int, denominator: int, d: int) -> None:
    T = Fraction(numerator, denominator)
    stated = Problem(PRIOR, k, d, temperature=T)
    other = Problem(PRIOR, np.float64(k), np.int64(d), Logistic(), f"{numerator}/{denominator}")
    assert stated == other and hash(stated) == hash(other)
    assert stated.beta * T == 1 and isinstance(stated.k, float if math.isinf(k) else int)
    assert replace(stated) == stated and replace(stated, d=d + 1).d == d + 1
    record = ProblemRecord.of(stated)
    assert (record.C, record.k, record.d, Fraction(record.temperature)) == (3, k, d, T)
    numbers = stated.numbers
    assert (numbers.k, numbers.d, numbers.beta) == (k, d, float(1 / T)) and numbers.rho.tolist() == [0.5, 0.3, 0.2]


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("k", {"k": 0}),
        ("k", {"k": MAX_K + 1}),
        ("k", {"k": math.nan}),
        ("k", {"k": True}),
        ("d", {"d": 1}),
        ("d", {"d": 2.0}),
        ("temperature", {"temperature": 0}),
        ("temperature", {"temperature": "x"}),
        ("loss", {"loss": "other"}),
        ("loss", {"loss": "weighted-logistic:0"}),
    ],
)
def test_what_is_no_problem_is_refused_where_it_is_made(option: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Problem(PRIOR, **{"k": 4, **arguments})
    assert caught.value.option == option
    stated = Problem(PRIOR, 4)
    with pytest.raises(InputError):
        replace(stated, **({"loss_name": None} | arguments))


def test_a_graph_is_a_population_too() -> None:
    """Of points, which are what is embedded; with the checks that a prior meets."""
    graph = block(PRIOR, 4, Fraction(1, 2))
    stated = Problem(graph, 4, temperature="1/2")
    assert (stated.d, Problem(PRIOR, 4).d) == (12, 3) and replace(stated, k=9).population is graph
    for option, arguments in (("d", {"d": 1}), ("k", {"k": 0}), ("objective", {"objective": NO_COLLISIONS})):
        with pytest.raises(InputError) as caught:
            Problem(graph, **{"k": 4, **arguments})
        assert caught.value.option == option


def test_proofs_ask_for_an_integer() -> None:
    assert Problem(PRIOR, np.float64(4)).integer_k == 4
    for k in (2.5, math.inf):
        with pytest.raises(InputError, match="a proof needs an integer"):
            _ = Problem(PRIOR, k).integer_k


def test_a_loss_of_ones_own_is_known_by_its_path_and_not_by_what_it_calls_itself() -> None:
    """Else a loss that calls itself logistic were proved of as the logistic one."""
    assert Problem(PRIOR, 2, loss=rising).loss_name == f"{__name__}:rising"
    assert Problem(PRIOR, 2, loss="weighted-logistic:2.5").loss_name == "weighted-logistic:5/2"
    path = f"{__name__}:CALLS_ITSELF_LOGISTIC"
    problem = Problem(PRIOR, 2, loss=path)
    assert problem.loss.name == "logistic" and problem.loss_name == path
    assert replace(problem, k=3).loss_name == path
    found = downstream.run(PRIOR, 2, loss=path)
    assert found.problem.loss == path and found.status is Status.UNDECIDED and found.sup is None


@given(sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=2, max_size=4))
def test_groups_are_split_and_merged(sizes: list[tuple[int, int]]) -> None:
    prior = groups([(n, Fraction(m)) for n, m in sizes], normalize=True)
    assert sum(prior.totals) == 1
    assert prior.totals == tuple(n * m for n, m in zip(prior.counts, prior.masses, strict=True))
    alone = prior.split()
    assert alone.rho == prior.rho == alone.masses and set(alone.counts) == {1}
    merged = alone.merged()
    assert sorted(merged.rho) == sorted(prior.rho) and len(set(merged.masses)) == len(merged.masses)
