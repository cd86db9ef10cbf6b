"""Boxes on which the mean classifier's loss is proved to rise: the inequality, the enclosures, and the verdicts."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf, quad

from experiments.unbalanced import command, region_file, regions
from experiments.unbalanced.regions import Rises
from experiments.unbalanced.rises import Box, Witness, _integrals, rises
from experiments.unbalanced.rises_search import _angles, rising_boxes
from theory.collapse_threshold import collapse_threshold
from theory.errors import InputError
from theory.losses import get_loss
from verify.certify.balls import bounds
from verify.supervised.batched import solve

K = 64
LARGEST_Q = Fraction(19, 100)
WITHIN = Box((LARGEST_Q * Fraction(5, 8), LARGEST_Q * Fraction(6, 8)), (Fraction(1, 16), Fraction(1, 8)))
COLLAPSED = np.log(np.array([1 + 2 * np.exp(-2), 2 + np.exp(-2), 2 + np.exp(-2)]))


@pytest.fixture(scope="module")
def proved():
    return tuple(rising_boxes(K, WITHIN, Fraction(1), 7))


def points(rng, count):
    U = rng.normal(size=(count, 3, 3))
    return U / np.linalg.norm(U, axis=2, keepdims=True)


def test_the_bound_of_a_linear_form_over_all_gram_matrices():
    rng = np.random.default_rng(0)
    for U in points(rng, 50):
        A = rng.uniform(0.05, 1.0, size=(3, 3))
        A = (A + A.T) / 2
        np.fill_diagonal(A, 0.0)
        v = np.array([np.sqrt(A[c, j] * A[c, m] / A[j, m]) for c, j, m in ((0, 1, 2), (1, 0, 2), (2, 0, 1))])
        gap = np.sum((U.T @ v) ** 2)
        assert np.sum(A * (U @ U.T)) == pytest.approx(gap - v @ v)
        others = points(rng, 200)
        values = np.einsum("cj,scj->s", A, others @ np.swapaxes(others, 1, 2))
        assert values.min() >= np.sum(A * (U @ U.T)) - gap - 1e-12


@st.composite
def boxes(draw, smallest=Fraction(1, 50)):
    q, s = (draw(st.fractions(smallest, top, max_denominator=1000)) for top in (Fraction(19, 100), Fraction(1, 2)))
    width = draw(st.sampled_from((Fraction(0), Fraction(1, 2000), Fraction(1, 200))))
    return Box((q, min(LARGEST_Q, q + width)), (s, min(Fraction(1, 2), s + 5 * width)))


@settings(max_examples=8)
@given(boxes(), st.integers(0, 4), st.integers(0, 4), st.sampled_from(((3.0, -2.2), (2.6, -2.5), (3.1, -1.9))))
def test_integrals_over_a_box_hold_those_of_every_prior_in_it(box, i, j, angles):
    from flint import arb

    exact = [0.0, *angles]
    X = [[arb(1) if c == m else ((arb(exact[c]) - arb(exact[m])).cos() - 1).exp() for m in range(3)] for c in range(3)]
    found = _integrals(5, box, X)
    if found is None:
        return
    q, s = (side[0] + (side[1] - side[0]) * Fraction(n, 4) for side, n in ((box.q, i), (box.s, j)))
    rho = [mpf(m.numerator) / m.denominator for m in (1 - q, q * (1 - s), q * s)]
    for c in range(3):
        row = [mp.exp(mp.cos(mpf(exact[c]) - mpf(exact[m])) - 1) for m in range(3)]
        for m in range(3):
            value = quad(
                lambda t, m=m, row=row: (
                    5 * sum(r * mp.exp(-t * x) for r, x in zip(rho, row, strict=True)) ** 4 * mp.exp(-t * (1 + row[m]))
                ),
                [0, 1, 4, 16, mp.inf],
            )
            low, high = bounds(found[c][m])
            assert float(low) - 1e-13 <= float(value) <= float(high) + 1e-13


def gains(rho, k):
    """`R` at the minimizer minus `R` at total collapse, by the batched solver."""
    cells = solve(get_loss("logistic"), rho, (k,))
    assert cells.converged.all()
    return cells.mean[:, 0, 0] - rho @ COLLAPSED


def test_the_loss_rises_all_over_the_proved_boxes(proved):
    assert len(proved) > 20
    rng = np.random.default_rng(0)
    priors = []
    for n in rng.integers(0, len(proved), size=64):
        box = proved[n][0]
        q, s = (float(lo) + rng.uniform() * float(hi - lo) for lo, hi in (box.q, box.s))
        priors.append((1 - q, q * (1 - s), q * s))
    assert gains(np.array(priors), K).min() > 0
    # and at k = 1 it is total collapse there
    assert 1 - float(LARGEST_Q) > collapse_threshold(1)


def test_boxes_do_not_overlap(proved):
    for i, (a, _) in enumerate(proved):
        for b, _ in proved[:i]:
            assert max(a.q[0], b.q[0]) >= min(a.q[1], b.q[1]) or max(a.s[0], b.s[0]) >= min(a.s[1], b.s[1])
    whole = Box((Fraction(0), LARGEST_Q), (Fraction(0), Fraction(1, 2)))
    assert whole.share == 3 * LARGEST_Q**2
    assert WITHIN.share / 2 < sum(box.share for box, _ in proved) <= WITHIN.share


@settings(max_examples=40)
@given(boxes(smallest=Fraction(1, 1000)), st.sampled_from((2.0, 20.0, 400.0)))
def test_a_proof_at_one_prior_is_never_against_the_solver(box, strength):
    point = Box((box.q[0], box.q[0]), (box.s[0], box.s[0]))
    q, s = float(box.q[0]), float(box.s[0])
    rho = np.array([1 - q, q * (1 - s), q * s])
    weight = strength / rho[2]
    witness = Witness(weight, _angles(K, rho, weight, 1.0, (3.0, -2.3)))
    gain = gains(rho[None], K)[0]
    settled = rises(K, point, witness, Fraction(1))
    if settled:
        assert gain > -1e-9
    # nothing but the multiplier's bias is lost at one prior
    if strength == 400.0 and gain > 1e-3:
        assert settled


def test_a_bad_witness_proves_nothing(proved):
    box, witness = proved[0]
    wide = Box((box.q[0] / 2, LARGEST_Q), (Fraction(1, 100), Fraction(1, 2)))
    assert rises(K, box, witness, Fraction(1))
    assert not rises(K, wide, witness, Fraction(1))
    assert not rises(K, box, Witness(witness.strength, (3.1, 3.1)), Fraction(1))
    assert not rises(K, box, Witness(witness.strength, (2.0, -2.0)), Fraction(1))
    # where the classes collapse totally at K too, nothing rises
    tiny = Box((Fraction(1, 100), Fraction(1, 100)), (Fraction(1, 4), Fraction(1, 4)))
    assert not rises(K, tiny, witness, Fraction(1))


def test_shares_of_each_version_and_the_file(proved, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(regions, "rising_boxes", lambda k, within, *_: asked.append((k, within)) or iter(proved))
    found = regions.settle((1, K))
    # boxes are looked for where the minimizer at k = 1 is total collapse
    ((k, whole),) = asked
    assert k == K
    assert 1 - whole.q[1] == pytest.approx(collapse_threshold(1), abs=1e-3)
    assert 1 - float(whole.q[1]) > collapse_threshold(1)
    for version in found.settled:
        assert version.holds + version.fails + version.open == 1
        assert version.holds == found.collapsed
        fails = sum(box.share for box, _ in proved)
        assert version.fails == (fails if (version.weighting, version.classifier) == ("weighted", "mean") else 0)
    found = replace(found, rises=Rises(1, K, Fraction(1), LARGEST_Q, 12, proved))
    region_file.write(found, tmp_path / "boxes.npz")
    assert region_file.read_rises(tmp_path / "boxes.npz") == found.rises
    corners = region_file.corners(found.rises)
    assert corners.shape == (len(proved), 4, 3)
    np.testing.assert_allclose(corners.sum(axis=2), 1)
    with pytest.raises(InputError, match="boxes"):
        region_file.write(found, tmp_path / "boxes.csv")
    with pytest.raises(InputError, match="boxes"):
        region_file.read_rises(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="multiple"):
        region_file.write(replace(found, rises=replace(found.rises, depth=4)), tmp_path / "boxes.npz")


#: In a box about this prior the loss falls from total collapse; `rises` once accepted it with the strength -1.
FALLS = Box((Fraction("0.1834"),) * 2, (Fraction("0.1647"),) * 2)
FALLS_ANGLES = (2.144778175706294, -2.676188836220078)


def test_a_negative_strength_proves_nothing():
    assert [round(float(lo), 4) for lo, _ in FALLS.masses] == [0.8166, 0.1532, 0.0302]
    assert gains(np.array([[float(lo) for lo, _ in FALLS.masses]]), 4096)[0] < -1e-4
    for strength in (-1.0, -1e-300, np.nan, np.inf):
        with pytest.raises(ValueError, match="strength"):
            Witness(strength, FALLS_ANGLES)
    for strength in (0.0, 1.0, 100.0):
        assert not rises(4096, FALLS, Witness(strength, FALLS_ANGLES), Fraction(1))


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("strength", lambda x: -x),
        ("strength", lambda x: x * np.nan),
        ("strength", lambda x: x[:-1]),
        ("strength", lambda x: x.astype(str)),
        ("angles", lambda x: x * np.inf),
        ("angles", lambda x: x[:, :1]),
        ("q", lambda x: -x),
        ("q", lambda x: x[:, ::-1]),
        ("q", lambda x: x * 1000),
        ("q", lambda x: x.astype(float) + 0.5),
        ("s", lambda x: x - 10**6),
        ("s", lambda x: np.zeros_like(x)[:, :, None]),
        ("depth", lambda x: -x),
        ("depth", lambda x: x + 1000),
        ("largest_q", lambda x: np.array("3/4")),
        ("largest_q", lambda x: np.array("1/0")),
        ("largest_q", lambda x: np.array("-1/4")),
        ("largest_q", lambda x: np.array("1/2")),
        ("temperature", lambda x: np.array("0")),
        ("temperature", lambda x: np.array("-1")),
        ("temperature", lambda x: np.array("1/2")),
        ("k1", lambda x: 0 * x),
        ("k1", lambda x: x + 10**6),
        ("k2", lambda x: x * 0 + 10**12),
        ("k2", lambda x: np.array([1, 2])),
    ],
)
def test_a_region_file_is_not_believed(field, change, tmp_path):
    with np.load(command.FINDINGS / "map-C3-boxes.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for name in ("q", "s", "strength", "angles"):
        arrays[name] = arrays[name][:5]
    np.savez(tmp_path / "good.npz", **arrays)
    assert len(region_file.read_rises(tmp_path / "good.npz").boxes) == 5
    arrays[field] = change(arrays[field])
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match="accepted: the boxes of a map"):
        region_file.read_rises(tmp_path / "bad.npz")


def test_boxes_that_are_counted_twice_are_refused(proved):
    found = Rises(1, K, Fraction(1), LARGEST_Q, 12, proved)
    found.check()
    with pytest.raises(ValueError, match="overlap"):
        replace(found, boxes=(*proved, proved[0])).check()


def test_a_sample_of_the_committed_boxes_is_proved_again():
    found = region_file.read_rises(command.FINDINGS / "map-C3-boxes.npz")
    assert len(found.boxes) > 1000
    assert 1 - float(found.largest_q) > collapse_threshold(found.k1)
    rng = np.random.default_rng(0)
    for n in rng.integers(0, len(found.boxes), size=40):
        assert rises(found.k2, *found.boxes[n], 1 / found.temperature)


@pytest.mark.slow
def test_all_committed_boxes_are_proved_again():
    found = region_file.read_rises(command.FINDINGS / "map-C3-boxes.npz")
    assert all(rises(found.k2, box, witness, 1 / found.temperature) for box, witness in found.boxes)
