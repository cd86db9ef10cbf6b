"""The conjecture decided prior by prior: both outcomes, equality by structure, and what the checker makes of them."""

import copy
import json
import math
from fractions import Fraction

import numpy as np
import pytest

from theory import priors
from theory.collapse_threshold import collapse_threshold
from theory.downstream import class_weights
from theory.errors import InputError
from theory.losses import get_loss
from verify import checker, conjecture
from verify.optimize.search import minimum
from verify.results import Status
from verify.supervised.classifier import optimal_classifier


def read(path):
    return json.loads(path.read_text())


def shifted(text, by):
    q = Fraction(text) + by
    return f"{q.numerator}/{q.denominator}"


@pytest.fixture(scope="module")
def refuted(tmp_path_factory):
    path = tmp_path_factory.mktemp("refuted") / "rise.json"
    result = conjecture.run("0.863,0.135,0.002", (1, 4, 4096), certificate=path)
    return result, read(path)


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    path = tmp_path_factory.mktemp("held") / "falls.json"
    result = conjecture.run("0.7,0.2,0.1", (1, 8, 1000, 1001), certificate=path)
    return result, read(path)


def test_refuted_with_a_witness(refuted):
    result, certificate = refuted
    assert result.status.value == "refuted"
    assert result.status.exit_status == 1
    assert (result.witness.k1, result.witness.k2) == (1, 4096)
    assert 4.7e-5 < result.witness.increase_lower < 4.8e-5
    first, *_, last = result.series
    assert first.structure == "total-collapse"
    assert last.sup_lower - first.sup_upper == pytest.approx(result.witness.increase_lower, abs=1e-12)
    assert checker.check(certificate).verdict == "accepted"


def test_refutation_agrees_with_floats_that_know_no_proof(refuted):
    result, _ = refuted
    prior = priors.parse("0.863,0.135,0.002")
    weights, loss = class_weights(prior, "weighted"), get_loss("logistic")
    for entry in result.series:
        U = minimum(loss, prior.as_array(), entry.k, 3).best.embeddings
        value = optimal_classifier(loss, U, np.arange(3), weights, d=4).upper
        assert entry.sup_lower - 1e-9 <= value <= entry.sup_upper + 1e-9


def test_refutations_that_are_not_are_not_accepted(refuted):
    _, certificate = refuted

    def verdict(change):
        changed = copy.deepcopy(certificate)
        change(changed["statement"])
        return checker.check(changed).verdict

    def more(s):
        s["increase"] = shifted(s["increase"], Fraction(1, 10**6))

    def raised(s):
        s["points"][1] |= {key: shifted(s["points"][1][key], Fraction(1, 10**6)) for key in ("lower", "upper")}

    def swapped(s):
        s["points"].reverse()

    def negative(s):
        s["increase"] = "-1/10"

    def one(s):
        s["points"].pop()

    assert [verdict(c) for c in (more, raised, swapped, negative)] == ["rejected"] * 4
    assert verdict(one) == "unreadable"
    assert verdict(lambda s: s.update(weighting="balanced")) != "accepted"
    assert verdict(lambda s: s.update(classifier="mean")) != "accepted"


def test_collapse_is_not_believed(refuted):
    _, certificate = refuted
    forged = copy.deepcopy(certificate)
    forged["witness"]["points"][1] = forged["witness"]["points"][0]
    assert checker.check(forged).verdict == "rejected"


def test_held_with_neighbours_a_thousand_negatives_out(held):
    result, certificate = held
    assert result.status.value == "proved"
    assert result.witness is None
    for a, b in zip(result.series, result.series[1:], strict=False):
        assert b.sup < a.sup
        assert b.nce_lower > a.nce_lower
    at_1000, at_1001 = result.series[-2:]
    assert 0 < at_1000.sup - at_1001.sup < 1e-7
    assert at_1000.sup_gap < (at_1000.sup - at_1001.sup) / 2
    assert checker.check(certificate).verdict == "accepted"
    forged = copy.deepcopy(certificate)
    forged["statement"]["points"].reverse()
    forged["witness"]["points"].reverse()
    assert checker.check(forged).verdict == "rejected"


@pytest.mark.parametrize(
    ("rho", "C", "structure"),
    [("uniform", 5, "uniform"), ("0.7,0.3", None, "two-classes"), ("0.95,0.03,0.02", None, "total-collapse")],
)
@pytest.mark.parametrize("classifier", ["optimal", "mean"])
def test_equality_by_structure(rho, C, structure, classifier, tmp_path):
    path = tmp_path / "equal.json"
    result = conjecture.run(rho, (1, 2, 16, 64), C=C, classifier=classifier, certificate=path)
    assert result.status.value == "proved"
    assert {entry.structure for entry in result.series} == {structure}
    assert len({(entry.sup_lower, entry.sup_upper) for entry in result.series}) == 1
    certificate = read(path)
    assert checker.check(certificate).verdict == "accepted"
    for point in certificate["witness"]["points"]:
        point["structure"] = "uniform" if structure != "uniform" else "total-collapse"
    assert checker.check(certificate).verdict == "rejected"


def test_collapse_ends_where_the_threshold_says():
    p = Fraction(collapse_threshold(5)).limit_denominator(10**6) + Fraction(1, 10**5)
    prior = priors.Prior((p, (1 - p) * Fraction(3, 4), (1 - p) / 4), (1, 1, 1))
    result = conjecture.run(prior, range(1, 8))
    assert [e.structure for e in result.series] == ["total-collapse"] * 5 + [None] * 2
    assert result.status.value == "proved"


def test_mean_classifier_and_other_losses(tmp_path):
    mean = conjecture.run("0.7,0.298,0.002", (1, 64), classifier="mean")
    assert mean.status.value == "refuted"
    assert mean.witness.increase_lower > 4e-3
    balanced = conjecture.run("0.7,0.298,0.002", (1, 64), weighting="balanced")
    assert balanced.status.value == "proved"
    path = tmp_path / "sums.json"
    sums = conjecture.run("0.5,0.3,0.2", (1, 5), loss="exponential", temperature="1/2", certificate=path)
    assert sums.status.value == "proved"  # the minimizer does not depend on k
    changed = read(path)
    changed["statement"]["loss"] = "separable"
    assert checker.check(changed).verdict == "rejected"
    floats = conjecture.run("0.5,0.3,0.2", (1, 2), loss="decoupled")
    assert floats.status.value in ("numerical", "undecided")
    assert floats.series[0].sup is None  # linear in e^G at k = 1: the minimizer need not be one
    assert floats.series[1].sup_lower is None and floats.series[1].sup_error < 1e-12


def test_infinity_is_never_proved():
    result = conjecture.run("0.7,0.2,0.1", (1, math.inf))
    assert result.status.value == "numerical"
    assert result.series[-1].k == "inf"
    assert result.series[-1].sup_lower is None
    assert result.series[-1].sup < result.series[0].sup


def test_command_line(capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        conjecture.main(["--rho", "uniform", "--C", "10", "--k", "1:64", "--json"])
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "proved"
    assert found["witness"] is None
    assert [entry["k"] for entry in found["series"]] == list(range(1, 65))
    assert {"k", "nce_lower", "nce_upper", "sup_lower", "sup_upper"} <= set(found["series"][0])
    assert found["problem"]["k"] == list(range(1, 65))
    for bad in (["--k", "0"], ["--k", "1:2", "--classifier", "best"], ["--k", "2:1"]):
        with pytest.raises(SystemExit) as stop:
            conjecture.main(["--rho", "0.5,0.5", *bad])
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(InputError, match="C-1"):
        conjecture.run("0.4,0.3,0.2,0.1", (1,), d=2)


@pytest.mark.slow
def test_random_priors_hold_over_the_first_sixty_four(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(5):
        masses = [int(m) for m in 1000 * rng.dirichlet(np.ones(3)) + 50]
        path = tmp_path / f"{n}.json"
        result = conjecture.run(priors.from_masses(masses, normalize=True), range(1, 65), certificate=path)
        assert result.status.value == "proved"
        assert checker.check(read(path)).verdict == "accepted"


def leaves(node, path=()):
    if isinstance(node, dict | list):
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            yield (*path, key)
            yield from leaves(value, (*path, key))


def claims_no_more(statement, original):
    """Whether a `conjecture-refuted` follows from another: wider intervals, a smaller rise, all else equal."""
    points = list(zip(statement["points"], original["points"], strict=True))
    wider = all(
        p["k"] == q["k"]
        and Fraction(p["lower"]) <= Fraction(q["lower"])
        and Fraction(p["upper"]) >= Fraction(q["upper"])
        for p, q in points
    )
    rest = [{k: v for k, v in s.items() if k not in ("points", "increase")} for s in (statement, original)]
    return wider and Fraction(statement["increase"]) <= Fraction(original["increase"]) and rest[0] == rest[1]


def test_nonsense_is_never_accepted_and_never_crashes(refuted):
    _, certificate = refuted
    rng = np.random.default_rng(0)
    junk = (
        None,
        True,
        "x",
        [],
        {},
        -1,
        10**40,
        "1/0",
        "2/4",
        "0/1",
        "-7/1",
        f"{10**900}/1",
        f"1/{10**900}",
        [[["1/1"]]],
    )
    stated = [path for path in leaves(certificate) if path[0] == "statement"]
    hints = [path for path in leaves(certificate) if path[0] == "witness"]
    for path in [*stated, *(hints[n] for n in rng.choice(len(hints), size=12, replace=False))]:
        changed = copy.deepcopy(certificate)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        if rng.random() < 0.2:
            del inner[path[-1]]
        else:
            inner[path[-1]] = junk[rng.integers(len(junk))]
        if checker.check(changed).verdict == "accepted":
            # the witness is a hint, and another one may do as well; a changed statement must claim less
            assert claims_no_more(changed["statement"], certificate["statement"]), path


@pytest.mark.parametrize("rho", ["0.5,0.3,0.2", "0.5,0.5"])
def test_a_single_k_decides_nothing(rho):
    """One point is non-increasing emptily; two of one structure are not empty."""
    result = conjecture.run(rho, (2, 2))
    assert result.status is Status.UNDECIDED
    assert "at least two" in result.note
    assert "non-increasing" not in conjecture.report(result)
    assert result.series[0].sup_lower is not None
    assert conjecture.run("0.5,0.5", (1, 2)).status is Status.PROVED
