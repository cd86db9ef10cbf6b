"""`verify.optimum`: the global minimum of any prior, bracketed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import priors

from theory.errors import InputError
from verify import optimum
from verify.results import Status


def test_three_unequal_classes():
    result = optimum.run("0.5,0.3,0.2", 16)
    assert result.status is Status.PROVED
    assert result.nce.relative_gap <= 1e-9
    assert result.problem.rho == ("1/2", "3/10", "1/5")
    assert result.gram_radius < 1e-6
    np.testing.assert_allclose(np.diag(result.gram), 1.0)


@pytest.mark.slow
def test_zipf_prior_of_fifty_classes():
    result = optimum.run("zipf:1", 16, C=50)
    assert result.nce.relative_gap <= 1e-9
    assert result.status is Status.PROVED


def test_zipf_prior_of_twelve_classes():
    result = optimum.run("zipf:1", 16, C=12)
    assert result.nce.relative_gap <= 1e-9
    assert result.status is Status.PROVED


@settings(max_examples=6)
@given(prior=priors(3, largest=10**3), k=st.sampled_from([1, 10, 1000]))
def test_found_value_lies_in_the_bracket(prior, k):
    result = optimum.run(prior, k)
    assert result.nce.found == pytest.approx(result.nce.upper, abs=1e-9)
    assert result.nce.found >= result.nce.lower - 1e-12 * max(1.0, abs(result.nce.lower))


def test_a_majority_class_collapses_the_others():
    result = optimum.run("0.95,0.03,0.02", 4)
    assert result.rank == 1
    assert result.gram == ((1.0, -1.0, -1.0), (-1.0, 1.0, 1.0), (-1.0, 1.0, 1.0))


def test_real_and_infinite_k_are_never_called_proved():
    for k in (2.5, float("inf")):
        result = optimum.run("0.5,0.3,0.2", k)
        assert result.status is Status.NUMERICAL
        assert result.gram_radius is None


def test_small_dimension_is_bracketed_by_the_relaxation():
    result = optimum.run("0.3,0.3,0.2,0.2", 8, d=2)
    assert result.status is Status.UNDECIDED
    assert result.nce.lower < result.nce.found
    assert "relaxation" in result.note


def test_the_hinge_loss_of_an_unbalanced_prior_is_never_called_proved():
    hinge = optimum.run("0.5,0.3,0.2", 4, loss="hinge")
    assert hinge.status is not Status.PROVED
    assert hinge.nce.lower <= hinge.nce.found


def test_prior_as_object_or_text_is_the_same():
    from theory.priors import from_masses

    first = optimum.run(from_masses([Fraction(2, 3), Fraction(1, 3)]), 2)
    second = optimum.run("2,1", 2, normalize=True)
    assert first.problem == second.problem
    assert first.nce == second.nce


@pytest.mark.parametrize("rho", ["0.5,0.4", "0.5,0.5,0", "1.5,-0.5", "x,y"])
def test_bad_priors_are_refused(rho):
    with pytest.raises(InputError):
        optimum.run(rho, 3)
