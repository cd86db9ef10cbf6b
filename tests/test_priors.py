"""Class priors are exact: what a user writes is what every result states."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import priors
from theory.errors import InputError


def test_decimals_and_fractions_are_read_exactly():
    assert priors.parse("0.5,0.3,0.2").rho == priors.parse("1/2,3/10,1/5").rho
    assert priors.parse("0.5,0.3,0.2").as_strings() == ["1/2", "3/10", "1/5"]


@given(st.integers(2, 40))
def test_uniform(C):
    assert priors.parse("uniform", C).rho == (Fraction(1, C),) * C
    assert priors.uniform(C).is_uniform


@given(st.lists(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9), min_size=2, max_size=6))
def test_normalized_masses_keep_their_ratios_and_sum_to_one(masses):
    prior = priors.parse(",".join(str(m) for m in masses), normalize=True)
    assert sum(prior.rho) == 1
    assert all(a * masses[0] == b * prior.rho[0] for a, b in zip(prior.rho, masses, strict=True))


@given(st.integers(2, 60), st.sampled_from(["0.5", "1.5", "2.25", "9.75"]))
def test_zipf_is_within_rounding_of_the_power_law(C, exponent):
    prior = priors.parse(f"zipf:{exponent}", C)
    expected = np.arange(1, C + 1.0) ** -float(exponent)
    np.testing.assert_allclose(prior.as_array(), expected / expected.sum(), rtol=1e-14)
    assert sum(prior.rho) == 1


def test_integer_zipf_is_exact():
    assert priors.parse("zipf:1", 3).rho == (Fraction(6, 11), Fraction(3, 11), Fraction(2, 11))


@given(st.integers(2, 60), st.sampled_from(["1", "10", "100", "1e9", "2.5"]))
def test_longtail_has_the_ratio_asked_for(C, factor):
    rho = priors.parse(f"longtail:{factor}", C).rho
    assert sum(rho) == 1
    assert float(rho[0] / rho[-1]) == pytest.approx(float(factor), rel=1e-14)
    ratios = [float(a / b) for a, b in itertools.pairwise(rho)]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-14)


def test_groups_of_a_million_classes_are_two_numbers():
    prior = priors.parse("groups:1x0.9,1000000x0.1")
    assert prior.C == 1_000_001
    assert prior.masses == (Fraction(9, 10), Fraction(1, 10**7))


def test_as_array_repeats_groups_in_order():
    np.testing.assert_array_equal(priors.parse("groups:2x0.5,1x0.5").as_array(), [0.25, 0.25, 0.5])


@pytest.mark.parametrize(
    ("text", "C"),
    [
        ("0.5,0.4", None),
        ("0.5,0.5,0", None),
        ("1.5,-0.5", None),
        ("a,b", None),
        ("nan,1", None),
        ("inf,1", None),
        ("1/0,1", None),
        ("1e999999999,1", None),
        ("1", None),
        ("", None),
        ("0.5,0.5", 3),
        ("uniform", None),
        ("uniform", 1),
        ("uniform:2", 3),
        ("zipf:", 3),
        ("zipf:1", None),
        ("zipf:1e4", 3),
        ("longtail:0.5", 3),
        ("longtail:1e31", 3),
        ("groups:", None),
        ("groups:0x1", None),
        ("groups:2x", None),
        ("groups:-1x1", None),
        ("groups:2x0.5,2x0.4", None),
    ],
)
def test_bad_priors_are_refused_in_one_line(text, C):
    with pytest.raises(InputError) as refused:
        priors.parse(text, C)
    assert "\n" not in str(refused.value)
    assert refused.value.option in {"rho", "C"}
