"""Families of priors: exact, of the stated form, and read back from what they print."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.unbalanced import families
from experiments.unbalanced.families import Profile, Slice, groups, parse, parse_slice
from theory import priors
from theory.errors import InputError

FAMILIES = [
    groups((1, 1, 1)),
    groups((1, 9)),
    groups((3, 7)),
    parse_slice("0.5,*,*,*"),
    parse_slice("*,0.2,8x*"),
    parse_slice("2x1/3,*,3x*,*"),
    Profile("longtail", 10, Fraction(1000)),
    Profile("longtail", 5, Fraction("2.5")),
    Profile("zipf", 7, Fraction(3, 2)),
]


@st.composite
def members(draw):
    family = draw(st.sampled_from(FAMILIES))
    numbers = [draw(st.integers(1, 10**4)) for _ in family.kinds]
    return family, tuple(Fraction(n, sum(numbers)) for n in numbers)


@given(members())
def test_priors_are_exact(member):
    family, shares = member
    prior = family.prior(shares)
    assert prior.C == family.C
    assert sum(prior.rho) == 1
    assert min(prior.rho) > 0


@given(members())
def test_a_slice_keeps_what_is_fixed_and_shares_the_rest(member):
    family, shares = member
    if not isinstance(family, Slice):
        return
    prior = family.prior(shares)
    free = iter(shares)
    for mass, count, total in zip(prior.masses, prior.counts, family.masses, strict=True):
        expected = (1 - sum(m for m in family.masses if m is not None)) * next(free) if total is None else total
        assert mass * count == expected


@given(st.sampled_from([f for f in FAMILIES if isinstance(f, Profile)]), st.integers(1, 999))
def test_a_profile_is_the_prior_that_a_user_would_write(family, n):
    shares = (Fraction(n, 1000), Fraction(1000 - n, 1000))
    value = family.parameter(shares)
    # the same profile through the grammar of --rho, as a decimal or a fraction
    assert family.prior(shares) == priors.parse(f"{family.kind}:{value}", family.C)
    rho = family.prior(shares).as_array()
    if family.kind == "longtail":
        assert float(value) == pytest.approx(float(family.largest) ** (n / 1000), rel=1e-11)
        assert rho[0] / rho[-1] == pytest.approx(float(value), rel=1e-9)
    else:
        assert value == family.largest * n / 1000
        assert rho[0] / rho[-1] == pytest.approx(family.C ** float(value), rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_families_are_read_back(family):
    assert parse(str(family)) == family
    assert not set(family.name) & set("/*: ,")


def test_only_the_whole_simplex_is_the_simplex():
    assert [f.is_simplex for f in FAMILIES] == [True] + [False] * (len(FAMILIES) - 1)


def test_shares_of_equal_groups_may_be_exchanged():
    family = parse_slice("1/2,*,2x*,*")
    assert family.kinds == (1, 2, 1)
    a, b = (family.prior(tuple(map(Fraction, shares))) for shares in (("1/2", "1/3", "1/6"), ("1/6", "1/3", "1/2")))
    assert sorted(a.rho) == sorted(b.rho)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "*,*",
        "0.5,*",
        "*,*,*,*",
        "0.5,0.5,*,*",
        "1.5,*,*",
        "-0.1,*,*",
        "0.5,x,*,*",
        "0x*,*,*",
        "",
        "64x*,*",
        "*,*,",
    ],
)
def test_what_is_no_slice_is_refused(text):
    with pytest.raises(InputError, match="slice"):
        parse_slice(text)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("longtail:1,C=10", "largest"),
        ("longtail:1e13,C=10", "largest"),
        ("zipf:0,C=10", "largest"),
        ("zipf:-1,C=10", "largest"),
        ("zipf:1,C=2", "C"),
        ("longtail:10,C=65", "C"),
        ("longtail:10", "family"),
        ("step:10,C=5", "family"),
    ],
)
def test_what_is_no_profile_is_refused(text, option):
    with pytest.raises(InputError) as refusal:
        parse(text)
    assert refusal.value.option == option
    assert families.MAX_CLASSES == 64
