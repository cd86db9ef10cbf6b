"""Lemma 1 and each step of its proofs on representations; losses and representations that must be caught."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import priors
from theory.errors import InputError
from theory.float64 import jnp
from theory.losses import LOSSES, Custom
from theory.points.families import draws
from theory.points.mixture import Mixture
from verify import collapse
from verify.checker import check
from verify.lemma.averaging_excess import Candidate, Counterexample, enclose_excess, margins
from verify.lemma.hypotheses import HYPOTHESES, PASSED, violation
from verify.lemma.point_optimization import optimize_points
from verify.lemma.search_loss import candidates, search
from verify.lemma.summary import summarize
from verify.lemma.trials import Trials, enumerated_margin, evaluate, evaluate_balanced, run_trials, stacked
from verify.results import collapse as collapse_result

SIZES = {"C": 3, "points": 3, "d": 3}
# supermodular, symmetric, strictly convex and decreasing
JOINT = Mixture(Fraction(1, 64), Fraction(1, 4), Fraction(31, 32), Fraction(3), Fraction(1, 64))


@pytest.fixture(scope="module")
def logistic() -> Trials:
    return run_trials(LOSSES["logistic"], **SIZES, k=4, trials=200, seed=1)


@pytest.fixture(scope="module")
def found() -> Counterexample:
    result = search(seed=0, minutes=5)
    assert result is not None
    return result


def test_lemma_and_steps_on_the_sample(logistic: Trials) -> None:
    lemma, step, lifting = summarize(logistic)
    assert lemma.violations == step.violations == lifting.violations == 0
    assert min(lemma.min_margin, lifting.min_jensen_margin, lifting.min_monotonicity_margin) >= -1e-12
    assert min(step.min_inside, step.min_elsewhere) >= -1e-12
    assert lemma.max_loop_increase <= 1e-12
    assert step.trials == 600
    assert lemma.example_loop == sorted(lemma.example_loop, reverse=True)


def test_strictness(logistic: Trials) -> None:
    """A margin in proportion to the spread unless `f` is constant on classes, and then none at all."""
    lemma, _, _ = summarize(logistic)
    assert lemma.min_margin_over_spread > 0.01
    assert 0 < lemma.strict_trials < lemma.trials
    constant = [i for i, family in enumerate(logistic.families) if family == "collapsed"]
    np.testing.assert_allclose(logistic.margins.lemma(lift=True)[constant], 0.0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_representations(seed: int) -> None:
    tried = run_trials(LOSSES["logistic"], **SIZES, k=4, trials=1000, seed=100 + seed)
    lemma, step, lifting = summarize(tried)
    assert lemma.violations == step.violations == lifting.violations == 0
    assert min(lemma.min_margin, step.min_margin, lifting.min_jensen_margin, lifting.min_monotonicity_margin) >= -1e-12


@pytest.mark.parametrize(
    "name", ["exponential", *(pytest.param(n, marks=pytest.mark.slow) for n in ("hinge", "decoupled"))]
)
def test_the_other_losses(name: str) -> None:
    lemma, step, lifting = summarize(run_trials(LOSSES[name], **SIZES, k=4, trials=200, seed=2))
    assert lemma.violations == step.violations == lifting.violations == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("C", "points", "k"), [(2, 4, 1), (3, 2, 16), (4, 2, 64)])
def test_the_other_losses_at_other_sizes(name: str, C: int, points: int, k: int) -> None:
    tried = run_trials(LOSSES[name], C=C, points=points, d=C, k=k, beta=2.0, trials=200, seed=3)
    lemma, step, lifting = summarize(tried)
    assert lemma.violations == step.violations == lifting.violations == 0


@pytest.mark.slow
def test_in_too_small_a_dimension_the_loop_alone_settles_the_lemma() -> None:
    lemma, _, _ = summarize(run_trials(LOSSES["exponential"], C=3, points=2, d=2, k=3, trials=100, seed=4))
    assert lemma.violations == 0


@pytest.mark.parametrize("name", ["exponential", pytest.param("hinge", marks=pytest.mark.slow)])
def test_the_balanced_theorem_over_all_representations(name: str) -> None:
    """Three inequalities, each by itself, for representations that are not constant on classes."""
    tried = [f for _, f in draws(200, (3, 3, 3), 5, np.full(3, 1 / 3))]
    chain = evaluate_balanced(LOSSES[name], stacked(tried), 4, 1.5)
    assert np.max(np.diff(np.stack(chain), axis=0)) <= 1e-12
    assert np.ptp(chain.bound) == 0


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), k=st.sampled_from([1, 4, 50]), beta=st.floats(0.1, 5.0))
def test_every_step_for_any_representation(seed: int, k: int, beta: float) -> None:
    lemma, step, lifting = summarize(run_trials(LOSSES["logistic"], **SIZES, k=k, beta=beta, trials=16, seed=seed))
    assert lemma.violations == step.violations == lifting.violations == 0


def test_violations_are_confirmed_by_enumeration() -> None:
    tried = run_trials(Custom(JOINT), C=2, points=2, d=2, k=2, trials=64, seed=0)
    lemma, step, lifting = summarize(tried)
    assert lemma.violations == lifting.violations == 0
    assert step.violations > 0
    assert step.status.value == "undecided"
    assert step.min_inside >= -1e-12 > step.min_elsewhere
    assert step.confirmed == step.violations
    assert step.witness is not None
    assert step.witness["margin"] == pytest.approx(step.witness["margin_by_enumeration"], rel=1e-10)
    assert step.witness["margin"] == step.min_margin


def test_enumeration_confirms_margins_of_the_integrals(logistic: Trials) -> None:
    for trial, class_ in product(range(2), range(2)):
        margin = float(np.asarray(logistic.margins.averaging.margin)[trial, class_])
        assert enumerated_margin(logistic, trial, class_) == pytest.approx(margin, abs=1e-13)


def test_a_planted_increase_is_a_violation(logistic: Trials) -> None:
    wrong = logistic.margins.lemma(lift=True) - 1e-9
    assert len(logistic.violated(wrong)) > 0
    assert len(logistic.violated(np.full(200, np.nan))) == 200


@pytest.mark.parametrize("name", [pytest.param("logistic", marks=pytest.mark.slow), "exponential"])
def test_optimization_over_points_ends_collapsed(name: str) -> None:
    best = optimize_points(LOSSES[name], np.array([0.5, 0.3, 0.2]), points=3, d=3, k=4, starts=3)
    assert best.converged == 3
    assert best.within_class_spread < 1e-6
    assert best.loss == pytest.approx(best.class_level, abs=1e-10)


# Hypotheses of a loss


def _not_convex(v: Any) -> Any:
    return jnp.sum(jnp.tanh(-v), axis=-1)


def _not_symmetric(v: Any) -> Any:
    return jnp.exp(-v[..., 0]) + 2 * jnp.sum(jnp.exp(-v), axis=-1)


def _increasing(v: Any) -> Any:
    return jnp.sum(jnp.exp(v), axis=-1)


def _not_finite(v: Any) -> Any:
    return jnp.sum(-jnp.log(v), axis=-1)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (_not_convex, "convex"),
        (_not_symmetric, "symmetric"),
        (_increasing, "non-increasing"),
        (_not_finite, "finite"),
    ],
)
@pytest.mark.parametrize("k", [1, 4])
def test_bad_losses_are_named(function: Callable[[Any], Any], name: str, k: int) -> None:
    failed = violation(Custom(function), k)
    assert failed is not None
    assert failed[0] == name


@pytest.mark.parametrize("name", LOSSES)
def test_good_losses_pass(name: str) -> None:
    assert violation(LOSSES[name], 3) is None
    assert violation(LOSSES[name], 3, 10.0) is None


def test_a_loss_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "collapse_losses.py").write_text(
        "from theory.float64 import jnp\n"
        "def good(v): return jnp.sum(jnp.exp(-v), axis=-1)\n"
        "def bad(v): return jnp.sum(jnp.exp(v), axis=-1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own = collapse.run("collapse_losses:good", C=2, k=2, points=2, trials=20, starts=0)
    same = collapse.run("exponential", C=2, k=2, points=2, trials=20, starts=0)
    assert own.hypotheses == dict.fromkeys(HYPOTHESES, PASSED)
    assert own.lemma.min_margin == pytest.approx(same.lemma.min_margin, abs=1e-13)
    with pytest.raises(InputError, match="not non-increasing"):
        collapse.run("collapse_losses:bad", C=2, k=2, points=2, trials=20)
    with pytest.raises(InputError, match="enumerated"):
        collapse.run("collapse_losses:good", C=4, k=40, points=4, trials=1)


# The gap in the averaging step


def test_a_loss_that_breaks_the_step_is_found_and_proved(found: Counterexample) -> None:
    _, margin, best = margins(found.candidate)
    assert 0 < found.excess_lower <= found.excess_upper
    assert found.excess_upper - found.excess_lower < Fraction(1, 10**15)
    assert margin == pytest.approx(-float(found.excess_lower), rel=1e-9)
    assert best > 0  # the best single point still improves, so the lemma stands
    assert violation(Custom(found.candidate.loss), found.candidate.k) is None
    assert check(found.certificate()).verdict == "accepted"


def _loss_by_definition(c: Candidate, F: Any) -> mpmath.mpf:
    """The definition once more, in 40 digits and without any sharing."""
    mp = mpmath.mp.clone()
    mp.dps = 40

    def real(q: Fraction) -> Any:
        return mp.mpf(q.numerator) / q.denominator

    s, b, q, r, g = map(real, vars(c.loss).values())
    points = [(e, n) for e in range(len(c.rho)) for n in range(len(c.weights[e]))]
    total = mp.mpf(0)
    for a, i in points:
        for j in range(len(c.weights[a])):
            for drawn in product(points, repeat=c.k):
                mass = c.rho[a] * c.weights[a][i] * c.weights[a][j]
                v = []
                for e, n in drawn:
                    mass *= c.rho[e] * c.weights[e][n]
                    v.append(real(sum(x * (y - z) for x, y, z in zip(F[a][i], F[a][j], F[e][n], strict=True))))
                loss = s * sum(mp.exp(-b * x) for x in v) + q * mp.exp(-r * sum(v))
                total += real(mass) * (loss + g * mp.log(1 + sum(mp.exp(-x) for x in v)))
    return total


def _excess_by_definition(c: Candidate) -> mpmath.mpf:
    F, star = c.embeddings, c.collapsed
    excess = -_loss_by_definition(c, F)
    for w, x in zip(c.weights[star], F[star], strict=True):
        excess += (
            mpmath.mpf(w.numerator)
            / w.denominator
            * _loss_by_definition(c, (*F[:star], (x,) * len(F[star]), *F[star + 1 :]))
        )
    return excess


def test_the_excess_is_its_definition(found: Counterexample) -> None:
    value = _excess_by_definition(found.candidate)
    lower, upper = (mpmath.mpf(x.numerator) / x.denominator for x in (found.excess_lower, found.excess_upper))
    assert abs(value - lower) < mpmath.mpf(10) ** -12
    assert abs(value - upper) < mpmath.mpf(10) ** -12


@pytest.mark.slow
def test_a_loss_for_which_every_point_loses_is_found_and_proved() -> None:
    """The step's conclusion fails too: min_x* L(f_x*) > L(f), and the lifting still does no worse than f."""
    found = search(seed=0, every_point=True)
    assert found is not None
    assert found.excess_lower > 0
    assert found.best_margin == pytest.approx(-float(found.excess_lower), rel=1e-6)
    assert violation(Custom(found.candidate.loss), found.candidate.k) is None
    certificate = found.certificate()
    assert check(certificate).verdict == "accepted"
    c = found.candidate
    each = [
        _loss_by_definition(c, ((x,) * 2, *c.embeddings[1:])) - _loss_by_definition(c, c.embeddings)
        for x in c.embeddings[0]
    ]
    assert min(each) == pytest.approx(float(found.excess_lower), rel=1e-12)
    f = c.as_floats()
    one = evaluate(Custom(c.loss), stacked([f]), c.k)
    assert one.lifting.lifted[0] < one.averaging.value[0]


def test_the_step_is_not_broken_without_the_supermodular_part(found: Counterexample) -> None:
    """The same representation, with the joint part taken away: submodular, so the excess is at most 0."""
    tame = Mixture(*(Fraction(0) if n == "joint" else x for n, x in vars(found.candidate.loss).items()))
    assert enclose_excess(Candidate(**{**vars(found.candidate), "loss": tame}))[1] <= 0


def test_candidates_are_exact_and_admissible() -> None:
    for candidate, excess in islice(candidates(C=2, k=2, points=2, d=2, seed=1), 2):
        assert sum(candidate.rho) == 1
        assert all(sum(row) == 1 for row in candidate.weights)
        assert all(sum(x * x for x in point) == 1 for row in candidate.embeddings for point in row)
        assert np.isfinite(excess)


def _tampered(certificate: dict[str, Any]) -> list[dict[str, Any]]:
    changes: list[tuple[list[Any], Any]] = [
        (["excess_lower"], "100000/1"),
        (["excess_lower"], "-1/1"),
        (["loss", "separable"], "0/1"),
        (["loss", "joint"], "-1/2"),
        (["loss", "joint"], "0/1"),
        (["embeddings", 0, 0], "1/2"),
        (["weights", 0, 0], "1/2"),
        (["rho", 0], "1/2"),
        (["k"], 0),
        (["k"], 1),
        (["class"], 7),
        (["class"], True),
        (["d"], 3),
        (["temperature"], "0/1"),
        (["kind"], "averaging-step"),
        (["excess_of"], "every point"),
        (["excess_of"], "nothing"),
        (["extra"], 1),
    ]
    made = []
    for path, value in changes:
        changed = copy.deepcopy(certificate)
        at = changed["statement"]
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        made.append(changed)
    return made


def test_tampered_certificates_are_not_accepted(found: Counterexample) -> None:
    verdicts = [check(changed).verdict for changed in _tampered(found.certificate())]
    assert set(verdicts) <= {"rejected", "unreadable"}
    assert {"rejected", "unreadable"} <= set(verdicts)


# The command


def _command(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        collapse.main(list(argv))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    size = ("--loss", "exponential", "--C", "2", "--k", "2", "--points", "2", "--trials", "20", "--starts", "1")
    code, out, _ = _command(capsys, *size, "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["status"] == "numerical"
    assert {"claim", "status", "problem", "seconds", "versions"} <= set(printed)
    assert {"trials", "violations", "min_margin"} <= set(printed["lemma"])
    assert {"trials", "violations", "min_margin", "status", "witness"} <= set(printed["averaging_step"])
    assert printed["optimization"]["within_class_spread"] < 1e-6
    assert printed["problem"]["rho"] == ["1/2", "1/2"]
    code, out, _ = _command(capsys, *size)
    assert code == 0
    assert "0 violations in 20 representations" in out


def test_search_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "step.json"
    argv = ("--search-loss", "--json", "--trials", "20", "--starts", "1", "--certificate", str(path))
    code, out, _ = _command(capsys, *argv)
    printed = json.loads(out)
    assert code == 0  # the status speaks of the lemma, which the found loss does not break
    assert printed["status"] == "numerical"
    assert printed["averaging_step"]["status"] == "refuted"
    assert printed["averaging_step"]["witness"]["excess_lower"] > 0
    assert check(path.read_text()).verdict == "accepted"


@pytest.mark.parametrize(
    ("argv", "option"),
    [
        (("--loss", "nonsense"), "loss"),
        (("--C", "1"), "C"),
        (("--k", "inf"), "k"),
        (("--points", "0"), "points"),
        (("--d", "1"), "d"),
        (("--rho", "0.5,0.6"), "rho"),
        (("--rho", "0.5,0.5", "--C", "3"), "C"),
        (("--temperature", "0"), "temperature"),
        (("--certificate", "x.json"), "certificate"),
        (("--minutes", "3"), "minutes"),
        (("--search-loss", "--loss", "hinge"), "loss"),
        (("--search-loss", "--k", "1"), "k"),
        (("--search-loss", "--points", "9"), "points"),
        (("--search-loss", "--minutes", "nan"), "minutes"),
        (("--trials", "100000000"), "trials"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], option: str) -> None:
    code, out, err = _command(capsys, *argv)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert f"--{option}" in err


def test_a_search_that_finds_nothing_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.lemma.search_loss.search", lambda **_: None)
    result = collapse.run_search()
    assert result.status.value == result.averaging_step.status.value == "undecided"
    assert "no loss was found" in collapse_result.report(result)


def test_given_priors_are_used() -> None:
    prior = priors.parse("0.7,0.3")
    result = collapse.run("exponential", C=2, k=2, points=2, rho=prior, trials=10, starts=0)
    assert result.problem.rho == ("7/10", "3/10")
    assert result.lemma.priors == "as given"


def test_dimensions_that_take_too_much_memory_are_refused_before_any_work():
    with pytest.raises(InputError, match=r"^d: got '1000000'"):
        collapse.run(C=3, k=2, d=10**6, trials=2)
