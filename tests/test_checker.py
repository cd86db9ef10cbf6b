"""The checker: every routine against exact arithmetic or enumeration at 75 digits, and what it refuses."""

from __future__ import annotations

import ast
import copy
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from experiments.certificates import reference
from verify import check as command
from verify.checker import check, definite, intervals, rows
from verify.checker.dual import Means, Problem, enclose_optimum
from verify.checker.etf_optimality import etf_loss
from verify.checker.losses import LOSSES
from verify.checker.reading import Fields, cleared, load, rational
from verify.checker.verdict import OutOfReach, Rejected, Unreadable, Unresolved

DATA = Path(__file__).parent / "data" / "certificates"
CERTIFICATES = sorted(DATA.glob("*.json"))
PACKAGE = Path(intervals.__file__).parent
ratios = st.fractions(min_value=-50, max_value=50, max_denominator=10**6)


def contains(interval: Any, value: Any) -> bool:
    """Whether a 75-digit number lies in the interval, up to its own rounding."""
    low, high = intervals.low(interval), intervals.high(interval)
    slack = reference.mp.mpf(10) ** -60
    return bool(reference.number(low) - slack <= value <= reference.number(high) + slack)


@pytest.mark.parametrize("path", CERTIFICATES, ids=lambda path: path.stem)
def test_committed_certificates_are_accepted(path: Path) -> None:
    verdict = check(path.read_bytes())
    assert (verdict.verdict, verdict.statement) == ("accepted", json.loads(path.read_text())["statement"])


def test_shares_nothing_with_the_producer() -> None:
    allowed = {"verify", "mpmath", "__future__", *sys.stdlib_module_names}
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] in allowed, (path.name, name)
                assert not name.startswith("verify") or name.startswith("verify.checker"), (path.name, name)
    heavy = ("numpy", "jax", "flint", "scipy", "theory")
    script = f"import sys, verify.checker; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@given(ratios, ratios)
def test_interval_operations_contain_the_exact_result(p: Fraction, q: Fraction) -> None:
    ctx = intervals.context(60, 1)
    x, y = intervals.enclose(ctx, p), intervals.enclose(ctx, q)
    for interval, exact in [(x + y, p + q), (x - y, p - q), (x * y, p * q), (x**7, p**7)]:
        assert intervals.low(interval) <= exact <= intervals.high(interval)
    assert contains(intervals.exp(ctx, x), reference.mp.exp(reference.number(p)))
    assert intervals.high(x) - intervals.low(x) <= Fraction(1, 10**12)
    if q > 0:
        quotient = x / y
        assert intervals.low(quotient) <= p / q <= intervals.high(quotient)
        assert contains(intervals.log(ctx, y), reference.mp.log(reference.number(q)))
        assert contains(ctx.sqrt(y), reference.mp.sqrt(reference.number(q)))


def test_precision_is_local() -> None:
    before = (mpmath.iv.prec, mpmath.mp.prec)
    ctx = intervals.context(777, 5)
    assert ctx.prec > 777
    assert (mpmath.iv.prec, mpmath.mp.prec) == before


@given(st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3), min_size=3, max_size=3), st.integers(-40, 40))
def test_definiteness_agrees_with_exact_elimination(entries: list[list[int]], shift: int) -> None:
    matrix = [[Fraction(entries[i][j] + entries[j][i]) + (shift if i == j else 0) for j in range(3)] for i in range(3)]
    minors = [_determinant([row[:n] for row in matrix[:n]]) for n in (1, 2, 3)]
    assume(all(minors))
    ctx = intervals.context(80, 1)
    enclosed = [[intervals.enclose(ctx, x) for x in row] for row in matrix]
    if all(minor > 0 for minor in minors):
        intervals.require_positive_definite(enclosed)
    else:
        with pytest.raises(Rejected):
            intervals.require_positive_definite(enclosed)


def _determinant(matrix: list[list[Fraction]]) -> Fraction:
    if len(matrix) == 1:
        return matrix[0][0]
    minors = ([row[:j] + row[j + 1 :] for row in matrix[1:]] for j in range(len(matrix)))
    return sum(((-1) ** j * matrix[0][j] * _determinant(minor) for j, minor in enumerate(minors)), Fraction(0))


def test_wide_intervals_are_not_taken_for_definite() -> None:
    ctx = intervals.context(60, 1)
    with pytest.raises(Unresolved):
        intervals.require_positive_definite([[ctx.mpf([-1, 2])]])
    with pytest.raises(Unresolved):
        intervals.require_positive_definite([[ctx.mpf(1), ctx.mpf([0, 2])], [ctx.mpf([0, 2]), ctx.mpf(1)]])


@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    least=st.sampled_from([-1.0, -1e-3, 0.4, 0.6, 3.0]),
    skew=st.sampled_from([0, 8]),
    radius=st.sampled_from([0.0, 1e-9]),
)
def test_definiteness_by_a_factor_agrees_with_eigenvalues(
    n: int, seed: int, least: float, skew: int, radius: float
) -> None:
    """`S = D^(1/2) (least + a psd matrix) D^(1/2)`: shown where half of D is to spare, and never where S is not."""
    rng = np.random.default_rng(seed)
    roots = 10 ** (-skew * rng.random(n) / 2)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    S = (Q * np.concatenate([[least], least + 100 * rng.random(n - 1)])) @ Q.T * np.outer(roots, roots)
    S = np.triu(S) + np.triu(S, 1).T
    ctx = intervals.context(60, 1)
    error = radius * np.outer(roots, roots)
    matrix = [[ctx.mpf([S[i, j] - error[i, j], S[i, j] + error[i, j]]) for j in range(n)] for i in range(n)]
    diagonal = [ctx.mpf(float(r * r)) for r in roots]
    if least > 0.5:
        definite.require_positive_definite(ctx, matrix, diagonal)
    elif least < 0:
        with pytest.raises((Rejected, Unresolved)):
            definite.require_positive_definite(ctx, matrix, diagonal)


def test_a_factor_does_not_hide_wide_intervals() -> None:
    ctx = intervals.context(60, 1)
    wide = ctx.mpf([-0.25, 1])
    with pytest.raises(Unresolved, match="not decided by its factor"):
        definite.require_positive_definite(ctx, [[ctx.mpf(2), wide], [wide, ctx.mpf(2)]], [ctx.mpf(1)] * 2)
    with pytest.raises(Rejected, match="too small for a factor"):
        definite.require_positive_definite(ctx, [[ctx.mpf([-1, 2])]], [ctx.mpf(1)])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_row_losses_and_slopes_against_enumeration(loss: str, k: int) -> None:
    """Two values: a binomial sum; slopes from the derivative of each term. 128 bits must give 35 digits."""
    mp = reference.mp
    mass, x = Fraction(3, 10), mp.exp(mp.mpf(-17) / 10)
    ctx = intervals.context(128, k)
    values = [ctx.mpf(1), intervals.exp(ctx, intervals.enclose(ctx, Fraction(-17, 10)))]
    [(value, slopes)] = rows.row_losses(ctx, LOSSES[loss], k, values, [{0: mass, 1: 1 - mass}])
    p = reference.number(mass)
    expected, gradient = mp.mpf(0), [mp.mpf(0), mp.mpf(0)]
    for m in range(k + 1):
        weight = mp.binomial(k, m) * p**m * (1 - p) ** (k - m)
        one, derivatives = reference.loss_of(loss, (m, k - m), (mp.mpf(1), x))
        expected += weight * one
        gradient = [g + weight * d for g, d in zip(gradient, derivatives, strict=True)]
    assert contains(value, expected)
    assert contains(slopes[0], gradient[0] / p)
    assert contains(slopes[1], gradient[1] / (1 - p))
    for interval in (value, *slopes.values()):
        assert intervals.high(interval) - intervals.low(interval) < Fraction(1, 10**34)


@pytest.mark.parametrize("temperature", [Fraction(1, 5), Fraction(1), Fraction(5), Fraction(1, 1000)])
@pytest.mark.parametrize("loss", [*LOSSES, "hinge"])
def test_etf_loss_against_a_binomial_sum(loss: str, temperature: Fraction) -> None:
    value = etf_loss(LOSSES.get(loss), Fraction(1, 4), 30, Fraction(4, 3) / temperature, 90)
    assert contains(value, reference.etf_minimum(loss, 4, 30, 1 / temperature))
    assert intervals.high(value) - intervals.low(value) < Fraction(1, 10**20)


def test_a_coarse_rule_is_still_an_enclosure() -> None:
    """At few bits the error bounds, not rounding, make the width: they must hold, and not by a mile."""
    for bits in (6, 8, 12, 20):
        for loss in ("logistic", "decoupled"):
            value = etf_loss(LOSSES[loss], Fraction(1, 3), 5, Fraction(3, 2), bits)
            assert contains(value, reference.etf_minimum(loss, 3, 5, Fraction(1)))
            assert intervals.high(value) - intervals.low(value) < 300 * Fraction(1, 2**bits)


def directions(rows: list[list[int]]) -> Means:
    """Class embeddings, to be normalized."""
    return Means(rows, [sum(x * x for x in row) for row in rows], [False] * len(rows))


def test_the_bound_needs_a_shift_that_reaches() -> None:
    """At the ETF of a uniform prior the slack is singular and psd; at another point it is not."""
    problem = Problem(LOSSES["logistic"], 5, Fraction(1), [Fraction(1, 3)] * 3, [1] * 3)
    etf = [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]
    found = enclose_optimum(problem, directions(etf), Fraction(1, 10**12), 80)
    assert contains(found.loss, reference.etf_minimum("logistic", 3, 5, Fraction(1)))
    with pytest.raises(Rejected):
        enclose_optimum(problem, directions([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), Fraction(1, 10**3), 80)


def changed(path: Path, **fields: Any) -> dict[str, Any]:
    document = json.loads(path.read_text())
    document["statement"].update(fields)
    return document


PLANAR = DATA / "optimum-logistic-planar-k3.json"
ETF = DATA / "etf-logistic-C10-k64.json"


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"lower": "1/2"}, "accepted"),
        ({"upper": "2/1"}, "accepted"),
        ({"d": 2}, "accepted"),
        ({"lower": "9/10"}, "rejected"),
        ({"upper": "8/10"}, "unreadable"),
        ({"upper": "4/5"}, "rejected"),
        ({"upper": "178685120151797/200000000000000"}, "rejected"),
        ({"k": 4}, "rejected"),
        ({"rho": ["1/2", "1/5", "3/10"]}, "rejected"),
        ({"rho": ["1/2", "3/10", "1/10"]}, "unreadable"),
        ({"temperature": "2/1"}, "rejected"),
        ({"loss": "separable"}, "rejected"),
        ({"loss": "hinge"}, "unreadable"),
        ({"d": 1}, "unreadable"),
        ({"k": 3.0}, "unreadable"),
        ({"k": True}, "unreadable"),
        ({"minimizer": {"gram": [["1/1"] * 3] * 3, "radius": "2/1"}}, "accepted"),
        ({"minimizer": {"gram": [["1/1"] * 3] * 3, "radius": "1/1"}}, "rejected"),
        ({"minimizer": {"gram": [["1/1"] * 2] * 2, "radius": "2/1"}}, "unreadable"),
        ({"kind": "etf-optimality"}, "unreadable"),
        ({"note": "unexamined"}, "unreadable"),
    ],
)
def test_verdicts_on_changed_statements(fields: dict[str, Any], verdict: str) -> None:
    assert check(changed(PLANAR, **fields)).verdict == verdict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 200_000,
        '{"a":' * 100_000,
        '{"schema": "nce-certificate", "schema": "nce-certificate"}',
        '{"schema": NaN}',
        '{"version": ' + "9" * 10_000 + "}",
        b"\xff\xfe",
        " " * (2**24 + 1),
    ],
)
def test_unreadable_text(text: str | bytes) -> None:
    assert check(text).verdict == "unreadable"


def test_out_of_reach_is_said_and_not_tried() -> None:
    """A width of 10^-3900 would take hours; the statement might be true, so it is not rejected either."""
    value = etf_loss(LOSSES["logistic"], Fraction(1, 10), 64, Fraction(10, 9), 100)
    middle = (intervals.low(value) + intervals.high(value)) / 2
    thin = Fraction(1, 10**1900)
    names = {"lower": middle, "upper": middle + thin}
    document = changed(ETF, **{name: f"{q.numerator}/{q.denominator}" for name, q in names.items()})
    assert check(document).verdict == "precision exhausted"


def test_denominators_that_would_take_hours_are_refused() -> None:
    """Sums of 256 fractions with unrelated 4000-digit denominators are exact, and endless."""
    row = [f"1/{10**3900 + 2 * i + 1}" for i in range(200)]
    document = json.loads(PLANAR.read_text())
    document["witness"]["embeddings"] = [row] * 3
    assert check(document).verdict == "unreadable"
    assert check(changed(PLANAR, rho=row)).verdict == "unreadable"


@given(st.lists(st.fractions(max_denominator=10**9), min_size=1, max_size=8))
def test_cleared_denominators(values: list[Fraction]) -> None:
    numerators, denominator = cleared("values", values)
    assert [Fraction(n, denominator) for n in numerators] == values


@given(st.fractions())
def test_rationals_are_read_exactly(q: Fraction) -> None:
    assert rational("q", f"{q.numerator}/{q.denominator}") == q


@pytest.mark.parametrize(
    "text", ["1", "2/4", "1/-2", "+1/2", "1/0", "01x/2", "01/2", "-0/1", " 1/2", "1/2 ", "1e3/1", "", None, 0.5, "٣/٤"]
)
def test_other_spellings_are_refused(text: Any) -> None:
    with pytest.raises(Unreadable):
        rational("q", text)


def test_every_statement_field_must_be_examined() -> None:
    fields = Fields("statement", load('{"k": 3, "other": 1}'))
    assert fields.integer("k", 1, 9) == 3
    with pytest.raises(Unreadable, match="other"):
        fields.done()


def test_the_input_is_left_as_it_was() -> None:
    document = json.loads(PLANAR.read_text())
    before = copy.deepcopy(document)
    check(document)
    assert document == before


@pytest.mark.parametrize(
    ("name", "arguments", "status", "verdict"),
    [
        ("good", [], 0, "accepted"),
        ("false", [], 1, "rejected"),
        ("text", [], 2, "unreadable"),
        ("nested", [], 2, "unreadable"),
        ("missing", [], 2, None),
    ],
)
def test_command(
    name: str,
    arguments: list[str],
    status: int,
    verdict: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "good").write_text(ETF.read_text())
    (tmp_path / "false").write_text(json.dumps(changed(ETF, lower="4/1", upper="5/1")))
    (tmp_path / "text").write_text("not a certificate")
    (tmp_path / "nested").write_text(ETF.read_text().replace('"d": 10', '"d": ' + "[" * 400 + "]" * 400))
    with pytest.raises(SystemExit) as exit_:
        command.main([str(tmp_path / name), "--json", *arguments])
    out, err = capsys.readouterr()
    assert exit_.value.code == status
    if verdict is None:
        assert out == ""
        assert len(err.splitlines()) == 1
        assert "missing" in err
        return
    result = json.loads(out)
    assert result["verdict"] == verdict
    assert result["status"] == ("proved" if verdict == "accepted" else "undecided")
    assert {"claim", "status", "problem", "seconds", "versions", "reason", "statement"} <= set(result)
    if verdict != "unreadable":
        assert result["statement"] == json.loads((tmp_path / name).read_text())["statement"]
        assert (result["problem"]["C"], result["problem"]["k"]) == (10, 64)


def test_readable_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([str(PLANAR)])
    out = capsys.readouterr().out
    assert out.startswith("accepted: ")
    assert "global-optimum" in out


def test_a_classifier_of_too_many_classes_is_not_read() -> None:
    statement = {"kind": "downstream-loss", "rho": ["1/257"] * 257}
    verdict = check({"schema": "nce-certificate", "version": 1, "statement": statement, "witness": {}})
    assert (verdict.verdict, "at most 256 classes" in verdict.reason) == ("unreadable", True)


@pytest.mark.parametrize(("bits", "reach", "expected"), [(90, 80, OutOfReach), (200, 150, OutOfReach), (90, 100, None)])
def test_a_failure_at_the_precision_needed_is_not_called_out_of_reach(
    bits: int, reach: int, expected: type[Unresolved] | None
) -> None:
    tried: list[int] = []

    def attempt(precision: int) -> None:
        tried.append(precision)
        raise (OutOfReach if precision > reach else Unresolved)(f"at {precision}")

    with pytest.raises(Unresolved) as stopped:
        intervals.resolve(bits, attempt)
    assert (stopped.type is OutOfReach) == (expected is OutOfReach)
    assert str(stopped.value) == f"at {bits}"
    assert tried[-1] > reach
