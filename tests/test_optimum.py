"""`verify.optimum`: the global minimum of any prior, bracketed."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import priors

from theory.errors import InputError
from theory.groups import class_gram
from theory.priors import from_masses, parse
from theory.problem import Problem
from verify import collapse, conjecture, downstream, etf, optimum
from verify.certify import prove_grouped
from verify.certify.rank import rank_bounds
from verify.optimize.solution import solve
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
    assert result.nce.found >= result.nce.lower
    assert all(run.value >= result.nce.lower for run in result.search.runs)


def test_a_majority_class_collapses_the_others():
    result = optimum.run("0.95,0.03,0.02", 4)
    assert result.rank == result.rank_numerical == 1
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


#: `(1 + e^2)/(3 + e^2)`, the threshold of total collapse for one negative, cut off.
THRESHOLD = Fraction("0.80748972948506257329470409")


@pytest.mark.parametrize(
    ("above", "rank"),
    [("-1e-4", 2), ("-1e-8", 2), ("-1e-13", 2), ("1e-13", 1), ("1e-4", 1)],
)
@pytest.mark.parametrize("split", [Fraction(1, 2), Fraction(3, 5)])
def test_the_rank_on_both_sides_of_the_collapse_threshold(above, rank, split):
    """Floats say 1 from a hair below on; what is not proved is null, and what is proved is the iff's."""
    p = THRESHOLD + Fraction(above)
    result = optimum.run(from_masses([p, split * (1 - p), (1 - split) * (1 - p)]), 1)
    assert result.status is Status.PROVED
    assert result.rank == rank
    assert f"rank {rank}, proven" in optimum.report(result)


def test_a_rank_that_is_not_proved_is_null():
    for result in (
        optimum.run("0.5,0.3,0.2", 2.5),
        optimum.run("0.5,0.3,0.2", 16, loss="decoupled"),
        optimum.run("0.4,0.3,0.2,0.1", 4, d=2),
    ):
        assert result.rank is None
        assert result.rank_numerical == 2
        assert "rank 2 in double precision" in optimum.report(result)


@pytest.mark.parametrize("rho", ["0.5,0.3,0.2", "0.9,0.05,0.03,0.02", "0.6,0.2,0.12,0.08", "groups:2x0.6,3x0.3,1x0.1"])
def test_a_proven_rank_is_that_of_a_second_way(rho):
    """The eigenvalues of the enclosed Gram matrix in 30 digits, those of the dual slack on the other side."""
    prior = parse(rho).merged()
    problem = Problem(prior, 4)
    proof = prove_grouped(problem, solve(problem).starts)
    low, high = rank_bounds(proof.problem, proof.gram, proof.gram_radius)
    gram = class_gram(np.array([[float(g) for g in row] for row in proof.gram]), prior, prior)
    eigenvalues = np.linalg.eigvalsh(gram)
    assert low == high == int(np.sum(eigenvalues > 1e-4))
    assert np.all((eigenvalues > 1e-4) | (np.abs(eigenvalues) < 1e-7))
    # an enclosure that is wide decides nothing wrong
    wide = rank_bounds(proof.problem, proof.gram, Fraction(1, 2))
    assert wide[0] <= low <= wide[1]


def test_a_radius_that_any_cosine_is_within_is_null():
    result = optimum.run("1e-95,0.5,0.3,0.2", 4, normalize=True)
    assert result.status is Status.PROVED
    assert result.gram_radius is None and result.rank is None
    assert "not enclosed" in optimum.report(result)


def test_masses_beyond_doubles_are_refused():
    """At 1e-310 the product of two masses underflows; once a bracket above the true minimum came of it. One limit."""
    for run in (optimum.run, downstream.run, lambda *a, **b: conjecture.run(a[0], (a[1], 2 * a[1]), **b)):
        with pytest.raises(InputError, match="the smallest mass of a class that is handled is 1e-100"):
            run("1e-310,1", 4, normalize=True)


@pytest.mark.parametrize(("rho", "k", "loss"), [("1e-20,1", 2.5, "exponential"), ("0.5,0.5", float("inf"), "logistic")])
def test_brackets_in_doubles_leave_room_for_rounding(rho, k, loss):
    """Two classes end at cosine -1, where the loss is a closed form: the truth is inside, and not at an end by luck."""
    result = optimum.run(rho, k, loss=loss, normalize=True)
    with mpmath.workdps(40):
        rare = mpmath.mpf(1) / 2 if rho == "0.5,0.5" else mpmath.mpf(1) / (10**20 + 1)
        x, q = mpmath.exp(-2), 1 - rare
        mean = (q + rare * x, rare + q * x)
        truth = k * (q * mean[0] + rare * mean[1]) if loss == "exponential" else mpmath.log(mean[0])
    assert result.nce.lower < truth < result.nce.upper
    assert 0 < result.nce.gap < 1e-11


FOCAL = """
from jax.nn import logsumexp

from theory.float64 import jnp


def focal(v):
    # -(1 - p)^2 log p of the softmax probability p = 1 / (1 + sum exp(-v))
    s = jnp.logaddexp(0.0, logsumexp(-v, axis=-1))
    return jnp.expm1(-s) ** 2 * s
"""


@pytest.fixture
def focal(tmp_path, monkeypatch):
    (tmp_path / "focal_loss.py").write_text(FOCAL)
    monkeypatch.syspath_prepend(tmp_path)
    return "focal_loss:focal"


def test_a_focal_loss_is_judged_at_the_margins_that_occur(focal):
    """At temperature 1/10: convex at the class-level margins [0, 20] of two negatives, not of 64, and not at those of
    points. Its claims are refused, its values keep the bound that they have, and none that they have not."""
    with pytest.raises(InputError, match=r"not convex at margins in \[-20, 20\]"):
        collapse.run(focal, C=3, k=2, points=2, trials=5, starts=1, temperature="0.1")
    few = optimum.run("0.5,0.3,0.2", 2, loss=focal, temperature="0.1")
    assert few.status is Status.NUMERICAL and few.nce.lower is not None
    assert "convex, symmetric and non-increasing at margins in [0, 20]: no violation found" in few.note
    assert etf.run(3, 2, loss=focal, temperature="0.1", starts=2).status is Status.NUMERICAL
    with pytest.raises(InputError, match=r"not convex at margins in \[0, 20\]"):
        etf.run(3, 64, loss=focal, temperature="0.1", starts=2)
    with pytest.raises(InputError, match=r"not convex at margins in \[0, 2\]"):
        etf.run(3, 64, loss=focal, starts=2)


@pytest.mark.slow
def test_without_convexity_there_is_no_lower_bound(focal):
    many = optimum.run("0.5,0.3,0.2", 32, loss=focal, temperature="0.1")
    assert many.status is Status.UNDECIDED
    assert many.nce.lower is None and many.nce.gap is None
    assert many.nce.found <= many.nce.upper
    assert "no lower bound: the loss is not convex at margins in [0, 20]" in many.note
    assert "at most" in optimum.report(many)
    task = downstream.run("0.5,0.3,0.2", 2, loss=focal, temperature="0.1")
    assert task.status is Status.UNDECIDED
    assert task.sup.lower is None and "[?, " in downstream.report(task)
    series = conjecture.run("0.5,0.3,0.2", (2, 3), loss=focal, temperature="0.1")
    assert series.status is Status.UNDECIDED and "not convex" in series.note
