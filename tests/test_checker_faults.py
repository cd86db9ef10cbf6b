"""What once ended in a traceback, or in "rejected" without a reason: each kind of it, and the last guard."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import verify.checker
from verify import check as command
from verify.checker import __main__ as alone
from verify.checker import check, definite, intervals, moments, rows
from verify.checker.losses import LOSSES
from verify.checker.reading import MAX_DEPTH, Fields, load
from verify.checker.verdict import EXIT, Unreadable, Unresolved, printable, worst

DATA = Path(__file__).parent / "data"
ETF = DATA / "certificates" / "etf-exponential-C5-k3.json"
GROUPED = DATA / "certificates" / "optimum-logistic-groups-collapsed-k2.json"


def optimum(loss: str, rho: list[str], rows: list[list[str]], shift: str, **fields: Any) -> dict[str, Any]:
    problem = {"kind": "global-optimum", "loss": loss, "k": 1, "temperature": "1/1", "d": len(rho), "rho": rho}
    statement = {**problem, "lower": "-1/1", "upper": "9/1", **fields}
    witness = {"embeddings": rows, "shift": shift}
    return {"schema": "nce-certificate", "version": 1, "statement": statement, "witness": witness}


def verdict_of(certificate: dict[str, Any]) -> tuple[str, str]:
    """Verdict and reason, which must be none of a defect; and what the printed report makes of it."""
    found = check(json.dumps(certificate))
    assert found.fault == ""
    assert command.report(command.run(json.dumps(certificate))).isascii()
    return found.verdict, found.reason


def signs(n: int) -> list[list[str]]:
    return [["1/1"], *[["-1/1"]] * (n - 1)]


@pytest.fixture
def by_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that the checker takes for more than 256 rows, on four."""
    monkeypatch.setattr(definite, "ELIMINATED", 3)


@pytest.mark.usefixtures("by_factor")
@pytest.mark.parametrize("shift", [f"1/{10**400}", f"1/{10**3900}", f"{10**400}/1", f"{10**3900}/1"], ids=len)
def test_many_rows_with_a_shift_beyond_doubles(shift: str) -> None:
    found, reason = verdict_of(optimum("exponential", ["1/4"] * 4, signs(4), shift))
    assert (found, reason) == ("precision exhausted", definite.OUT_OF_RANGE)


@pytest.mark.usefixtures("by_factor")
@pytest.mark.parametrize("tiny", [10**320, 10**1000], ids=["320", "1000"])
def test_many_rows_with_a_mass_beyond_doubles(tiny: int) -> None:
    rest = (1 - Fraction(1, tiny)) / 3
    rho = [f"1/{tiny}", *[f"{rest.numerator}/{rest.denominator}"] * 3]
    found, reason = verdict_of(optimum("exponential", rho, signs(4), "1/1000"))
    assert (found, reason) == ("precision exhausted", definite.OUT_OF_RANGE)


@given(exponent=st.integers(-340, 340), entry=st.integers(-340, 340))
def test_a_factor_of_any_size_is_found_or_not_decided(exponent: int, entry: int) -> None:
    """`[[2 D, x], [x, 2 D]]`: definite iff x < 2 D, and with D to spare iff x < D."""
    ctx = intervals.context(60, 1)
    D, x = intervals.enclose(ctx, Fraction(10) ** exponent), intervals.enclose(ctx, Fraction(10) ** entry / 3)
    try:
        definite.require_positive_definite(ctx, [[2 * D, x], [x, 2 * D]], [D, D])
    except (verify.checker.Rejected, Unresolved):
        assert entry > exponent or abs(exponent) > 150
    else:
        assert entry <= exponent


def test_many_values_at_a_precision_beyond_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes begin below the least double, and are given by their logarithms."""
    asked: list[list[float]] = []

    def degree(k: int, bits: int, exponents: list[float], values: list[Any]) -> int:
        asked.append(exponents)
        raise Unresolved("seen")

    monkeypatch.setattr(rows, "FEW_ENTRIES", 1)
    monkeypatch.setattr(moments, "degree", degree)
    ctx = intervals.context(1040, 1)
    values = [ctx.mpf(1), intervals.exp(ctx, ctx.mpf(-2))]
    with pytest.raises(Unresolved, match="seen"):
        rows.row_losses(ctx, LOSSES["logistic"], 1, values, [{0: Fraction(1, 3), 1: Fraction(2, 3)}])
    assert min(asked[0]) < math.log(sys.float_info.min)


@pytest.mark.parametrize("first", [-0.1, -700.0, -3000.0])
def test_a_degree_for_nodes_beyond_doubles(first: float) -> None:
    """The Taylor remainder at that degree is as small as promised, by its own formula in whole numbers of digits."""
    from mpmath import mp, mpf

    ctx = intervals.context(64, 3)
    exponents = [3.5, first]
    D = moments.degree(3, 64, exponents, [ctx.mpf(1), intervals.exp(ctx, ctx.mpf(-4))])
    Z = 1 - mp.exp(-4)
    for t in (mp.exp(mpf(s)) for s in exponents):
        rest = mp.exp(-t) * mp.exp(t * Z) * (t * Z) ** (D + 1) / mp.factorial(D + 1)
        assert 3 * t * mp.exp(-t) * rest <= mpf(2) ** (-0.7 * 64 / mp.log(2) + 1)


def test_laws_that_cancel() -> None:
    """One point a class: the representation is what it was, and the excess is exactly 0."""
    loss = {"separable": "1/1", "separable_rate": "1/1", "joint": "0/1", "joint_rate": "1/1", "logistic": "0/1"}
    problem = {"kind": "averaging-step-refuted", "loss": loss, "k": 2, "temperature": "1/1", "rho": ["1/2", "1/2"]}
    points = {"d": 1, "weights": [["1/1"], ["1/1"]], "embeddings": [["1/1"], ["-1/1"]], "class": 0}
    claim = {"excess_of": "average", "excess_lower": "1/1000"}
    certificate = {
        "schema": "nce-certificate",
        "version": 1,
        "statement": {**problem, **points, **claim},
        "witness": {},
    }
    assert verdict_of(certificate) == ("rejected", "the excess is smaller than claimed")


# text that is meant to harm

HOSTILE = ["\ud800", "\udfff\ud800", "\x1b[2J\x1b[31m", "\r\n\x00", "\u202e", "\U0001f600", "é"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["key", "loss", "lower", "kind"])
def test_hostile_strings(text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(ETF.read_text())
    document["statement"][text if place == "key" else place] = text
    assert verdict_of(document)[0] == "unreadable"
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document))
    assert alone.main([str(path)]) == 2
    with pytest.raises(SystemExit) as stopped:
        command.main([str(path)])
    assert stopped.value.code == 2
    out = capsys.readouterr().out
    assert all(" " <= character <= "~" for character in out.replace("\n", ""))


@given(st.text())
def test_what_is_printed_is_one_line_of_ascii(text: str) -> None:
    shown = printable(text)
    assert shown.isascii()
    assert shown.isprintable() or not shown
    if text.isascii() and text.isprintable():
        assert shown == text


@given(
    st.integers(1, 200),
    st.sampled_from(["[", '{"a":', '[{"b": [1], "c":']),
    st.sampled_from(['"]]]]"', '"\\"[[[["', "1"]),
)
def test_depth_is_counted_before_parsing(n: int, opening: str, inner: str) -> None:
    depth = n * (opening.count("[") + opening.count("{") - opening.count("]"))
    closing = "".join({"[": "]", "{": "}"}[c] for c in reversed(opening) if c in "[{")
    closing = closing if opening.count("]") == 0 else "}]"
    text = '{"top": ' + opening * n + inner + closing * n + "}"
    json.loads(text)
    if depth + 1 > MAX_DEPTH:
        with pytest.raises(Unreadable, match="deep"):
            load(text)
    else:
        load(text)


@pytest.mark.parametrize("n", [10**4, 10**6])
def test_long_strings_and_brackets_take_no_time_to_refuse(n: int) -> None:
    for text in ('"' + '\\"' * n, "[" * n, '{"a": "' + "\\\\" * (n // 2), '["' * (n // 2), '"[' * (n // 2)):
        with pytest.raises(Unreadable):
            load(text)


@pytest.mark.parametrize("digits", [4001, 4300, 4301, 10**5])
def test_integers_of_many_digits(digits: int) -> None:
    text = ETF.read_text()
    for name in ('"k": 3', '"d": 5', '"version": 1'):
        assert name in text
        assert check(text.replace(name, name.split(":")[0] + ": " + "9" * digits)).verdict == "unreadable"


def test_other_encodings_are_unreadable() -> None:
    text = ETF.read_text()
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        assert check(text.encode(encoding)).verdict == "unreadable"


# endpoints


@pytest.mark.parametrize("bounds", [["-inf", "inf"], [0, "inf"], ["-inf", 1], ["nan", "nan"]])
def test_what_is_not_finite_is_never_a_number(bounds: list[Any]) -> None:
    ctx = intervals.context(60, 1)
    x = ctx.make_mpf(tuple(ctx.mpf(end)._mpi_[0] for end in bounds))
    readers = [intervals.low, intervals.high, intervals.low_float, lambda x: intervals.units(x, 60)]
    readers += [lambda x: intervals.is_less(x, 2), lambda x: intervals.is_at_most(-2, x)]
    readers += [lambda x: intervals.clamp(ctx, x, -1, 1), lambda x: intervals.upper_end(ctx, x)]
    for read in readers:
        with pytest.raises(Unresolved, match="not finite"):
            read(x)
    with pytest.raises(Unresolved):
        intervals.require_positive_definite([[x]])


def test_a_quotient_by_zero_is_not_decided() -> None:
    ctx = intervals.context(60, 1)
    with pytest.raises(Unresolved):
        intervals.low(ctx.mpf(1) / ctx.mpf([-1, 1]))


rationals = st.fractions(-3, 3, max_denominator=8)


@given(rationals, rationals, rationals, rationals)
def test_comparisons_decide_only_what_is_so_for_all(a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> None:
    ctx = intervals.context(60, 1)
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    x, y = (ctx.mpf([p.numerator, q.numerator]) for p, q in ((a * 840, b * 840), (c * 840, d * 840)))
    assert intervals.is_less(x, y) == (b < c)
    assert intervals.is_at_most(x, y) == (b <= c)
    assert intervals.is_less(x, 0) == (b < 0)
    assert intervals.is_at_most(0, x) == (a >= 0)
    clamped = intervals.clamp(ctx, x, -1, 1)
    assert intervals.low(clamped) == min(max(a * 840, -1), 1)
    assert intervals.high(clamped) == min(max(b * 840, -1), 1)
    eighth = intervals.enclose(ctx, a) / 3
    below, above = intervals.units(eighth, 10)
    assert below <= intervals.low(eighth) * 1024 < below + 1
    assert above - 1 < intervals.high(eighth) * 1024 <= above


# the last guard


@pytest.mark.parametrize(
    "error", [RecursionError, MemoryError, OverflowError, ZeroDivisionError, KeyError, AssertionError]
)
def test_what_nobody_foresaw_is_no_verdict_on_the_certificate(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(statement: Fields, witness: Fields) -> str:
        raise error("\x1b[31m")

    monkeypatch.setitem(verify.checker.KINDS, "etf-optimality", fails)
    found = check(ETF.read_bytes())
    assert (found.verdict, found.reason) == ("precision exhausted", "internal error")
    assert found.fault.startswith(f"{error.__name__} in test_checker_faults.py, line ")
    assert alone.main([str(ETF)]) == 3
    assert error.__name__ in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        command.main([str(ETF), "--json"])
    assert stopped.value.code == 3
    assert json.loads(capsys.readouterr().out)["reason"] == "internal error"


def test_less_digits_than_python_reads_is_no_rejection() -> None:
    """With a limit of 640 digits, Python refuses what the checker allows."""
    document = json.loads(GROUPED.read_text())
    document["statement"]["lower"] = f"1/{10**700}"
    script = "import sys; from verify.checker import check; print(check(sys.stdin.read()).verdict)"
    done = subprocess.run(
        [sys.executable, "-X", "int_max_str_digits=640", "-c", script],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "precision exhausted"


def test_the_worst_status_first() -> None:
    assert [worst(s) for s in ((0, 0), (0, 3), (3, 2, 0), (2, 1, 3), ())] == [0, 3, 2, 1, 0]
    assert sorted(EXIT.values()) == [0, 1, 2, 3]


# a minimizer in fewer than C-1 dimensions


def test_the_rank_of_a_witness_bounds_no_minimizer() -> None:
    offending = json.loads((DATA / "mutants" / "minimizer-in-too-few-dimensions.json").read_text())
    assert offending["statement"]["d"] == 1
    assert verdict_of(offending) == ("rejected", "d is less than C-1, so that no minimizer is enclosed")
    offending["statement"]["d"] = 2
    assert verdict_of(offending)[0] == "accepted"
    # the minimum itself is that of one dimension
    offending["statement"]["d"] = 1
    del offending["statement"]["minimizer"]
    assert verdict_of(offending)[0] == "accepted"


def test_the_problem_of_a_grouped_certificate_counts_classes() -> None:
    problem = command.run(GROUPED.read_bytes()).problem
    assert (problem.C, problem.k, problem.d) == (3, 2, 2)
    assert problem.rho == ["19/20", "1/40", "1/40"]
