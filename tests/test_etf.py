"""`verify.etf`: the theorem on balanced classes, met by optimization and enclosed."""

import math

import mpmath
import pytest

from theory.errors import InputError
from verify import etf, optimum
from verify.results import Status


def _reference(C: int, k: int) -> mpmath.mpf:
    """`L*` as a binomial sum, in 40 digits."""
    with mpmath.workdps(40):
        b, p = mpmath.exp(-mpmath.mpf(C) / (C - 1)), mpmath.mpf(1) / C
        return mpmath.fsum(
            mpmath.binomial(k, m) * p**m * (1 - p) ** (k - m) * mpmath.log(1 + m + (k - m) * b) for m in range(k + 1)
        )


def test_the_main_job():
    result = etf.run(C=10, k=64)
    assert result.status is Status.PROVED
    assert result.geometry.max_cosine_error <= 1e-8
    assert result.nce.gap <= 1e-25
    assert result.nce.lower <= float(_reference(10, 64)) <= result.nce.upper
    assert result.nce.found == pytest.approx(result.nce.etf, rel=1e-13)
    assert result.search.starts == len(result.search.runs) == result.search.converged == 8
    assert result.geometry.rank == result.geometry.rank_numerical == 9
    # arrays go to files, not into the report of a run
    assert result.embeddings.shape == (10, 10)
    assert "embeddings" not in result.to_dict()


# the whole range of C and k stands behind the slow marker
SAMPLE = [(2, 1), (2, math.inf), (3, 10**6), (4, 2), (7, 1000), (12, 10)]
EVERY = [(C, k) for C in range(2, 31) for k in (1, 2, 10, 1000, 10**6, math.inf)]


@pytest.mark.parametrize(
    ("C", "k"), [*SAMPLE, *(pytest.param(*case, marks=pytest.mark.slow) for case in EVERY if case not in SAMPLE)]
)
def test_every_number_of_classes_and_negatives(C, k):
    result = etf.run(C=C, k=k, starts=4)
    assert result.status is (Status.NUMERICAL if k == math.inf else Status.PROVED)
    assert result.geometry.max_cosine_error <= 1e-8
    assert result.nce.relative_gap <= 1e-10
    assert result.nce.found == pytest.approx(result.nce.etf, rel=1e-12)
    assert sum(run.converged for run in result.search.runs) == result.search.converged


@pytest.mark.parametrize("loss", ["hinge", "exponential", "separable", "decoupled"])
@pytest.mark.parametrize("temperature", ["1", "2"])
def test_every_loss(loss, temperature):
    result = etf.run(C=5, k=8, loss=loss, temperature=temperature, starts=4)
    assert result.status is Status.PROVED
    assert result.nce.relative_gap <= 1e-10
    assert result.nce.found == pytest.approx(result.nce.etf, rel=1e-10)
    if result.geometry.unique:
        assert result.geometry.max_cosine_error <= 1e-8


def test_claims_no_more_than_holds_where_the_etf_is_not_the_only_optimum():
    hinge = etf.run(C=4, k=3, loss="hinge", starts=2)
    assert hinge.geometry.unique is False
    assert "not the only optimum" in hinge.note
    endless = etf.run(C=4, k=math.inf, loss="hinge", starts=2)
    assert endless.nce.found == endless.nce.etf == 1.0
    assert 1 - 2e-12 <= endless.nce.lower < 1.0 < endless.nce.upper
    assert endless.geometry.unique is False
    linear = etf.run(C=4, k=1, loss="decoupled", starts=2)
    assert linear.geometry.unique is False
    assert linear.nce.found == pytest.approx(linear.nce.etf, rel=1e-12)


@pytest.mark.parametrize(("C", "d"), [(6, 3), (5, 2)])
def test_too_small_a_dimension_claims_no_etf(C, d):
    result = etf.run(C=C, k=8, d=d, starts=8)
    assert result.status is Status.UNDECIDED
    assert result.nce.etf is None
    assert result.geometry.target_cosine is None
    assert result.nce.lower < result.nce.found <= result.nce.upper <= result.nce.found + 1e-11
    assert "no simplex ETF" in result.note
    assert result.geometry.rank is None and result.geometry.rank_numerical == d


def test_hexagon_is_what_six_classes_find_in_the_plane():
    """In the plane the best of six points are evenly spread: compared with the loss of a regular hexagon."""
    import numpy as np

    from theory.geometry import gram
    from theory.losses import get_loss
    from verify.optimize.objective import gram_value_and_gradient

    angles = np.arange(6) * np.pi / 3
    hexagon = gram(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    value, _ = gram_value_and_gradient(get_loss("logistic"), hexagon, np.full(6, 1 / 6), 8)
    assert etf.run(C=6, k=8, d=2, starts=8).nce.found <= value + 1e-12


def test_a_certificate_is_written_only_for_what_is_proved(tmp_path):
    proved, limit = tmp_path / "proved.json", tmp_path / "limit.json"
    assert etf.run(C=3, k=5, starts=2, certificate=proved).certificate == str(proved)
    assert proved.exists()
    result = etf.run(C=3, k=math.inf, starts=2, certificate=limit)
    assert result.certificate is None
    assert not limit.exists()
    assert "no certificate" in result.note


OWN_LOSSES = """
import jax.numpy as jnp

def squared(v):
    return jnp.sum(jnp.maximum(0.0, 2 - v) ** 2, axis=-1)

def concave(v):
    return -jnp.sum(jnp.exp(v / 2), axis=-1)

def increasing(v):
    return jnp.sum(jnp.exp(v), axis=-1)
"""


@pytest.fixture
def etf_losses(tmp_path, monkeypatch):
    (tmp_path / "etf_losses.py").write_text(OWN_LOSSES)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("etf_losses")
def test_a_users_loss_is_never_called_convex():
    result = etf.run(C=3, k=2, loss="etf_losses:squared", starts=2)
    assert result.status is Status.NUMERICAL
    assert "no violation found" in result.note
    assert result.geometry.max_cosine_error <= 1e-6
    assert optimum.run("0.5,0.3,0.2", 2, loss="etf_losses:squared").status is Status.NUMERICAL


@pytest.mark.usefixtures("etf_losses")
def test_a_users_loss_that_must_be_sampled_is_undecided_and_says_how_well_it_is_known():
    result = etf.run(C=8, k=20, loss="etf_losses:squared", starts=1)
    assert result.status is Status.UNDECIDED
    assert "99.9% interval" in result.note or "off the simplex" in result.note


def test_cosines_that_are_not_the_etfs_are_not_said_to_be(capsys):
    """At temperature 1/100 the loss hardly knows the cosines: the best start is far from the only optimum."""
    result = etf.run(C=5, k=16, temperature="1/100")
    assert result.status is Status.UNDECIDED
    assert result.geometry.max_cosine_error > 0.1
    assert result.geometry.rank == 4  # that of the optimum, whatever was found
    assert "to within" not in etf.report(result)
    assert "off -1/(C-1) = -0.250000" in etf.report(result)


@pytest.mark.usefixtures("etf_losses")
@pytest.mark.parametrize(("name", "failing"), [("concave", "convex"), ("increasing", "non-increasing")])
def test_a_users_loss_that_fails_a_hypothesis_is_refused_by_name(name, failing):
    with pytest.raises(InputError, match=f"not {failing}"):
        etf.run(C=3, k=2, loss=f"etf_losses:{name}", starts=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"C": 1, "k": 3},
        {"C": 3, "k": 0},
        {"C": 3, "k": -3},
        {"C": 3, "k": math.nan},
        {"C": 3, "k": 2, "d": 0},
        {"C": 3, "k": 2, "d": 1},
        {"C": 3, "k": 2, "temperature": 0},
        {"C": 3, "k": 2, "temperature": "x"},
        {"C": 3, "k": 2, "loss": "squared"},
        {"C": 3, "k": 2, "loss": "os:nothing"},
        {"C": 3, "k": 2, "loss": "math:sqrt"},
        {"C": 10**7, "k": 2},
    ],
)
def test_bad_input_is_refused_in_one_line(arguments):
    with pytest.raises(InputError) as refused:
        etf.run(**arguments)
    assert "\n" not in str(refused.value)
