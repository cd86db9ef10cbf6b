"""Boxes of priors in which total collapse is proved or excluded."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.unbalanced.regions import decide, exceeding, prove_regions
from theory.collapse_threshold import collapse_margin, collapse_threshold
from theory.losses import get_loss
from verify.supervised.batched import solve

KS = (1, 4, 64)
REGIONS = prove_regions(KS, depth=10)


def test_shares_match_the_thresholds():
    assert REGIONS.collapsed + REGIONS.separated + REGIONS.mixed + REGIONS.open == 1
    first, last = collapse_threshold(1), collapse_threshold(64)
    # no more than the truth, and short of it by what is open
    for share, truth in ((REGIONS.collapsed, 3 * (1 - last) ** 2), (REGIONS.separated, 1 - 3 * (1 - first) ** 2)):
        assert share <= truth
        assert share >= truth - REGIONS.open
    assert REGIONS.open < 0.01


def test_intervals_cover_everything_once():
    assert REGIONS.intervals[0].lo == Fraction(1, 3)
    assert REGIONS.intervals[-1].hi == 1
    assert all(a.hi == b.lo and a.kind != b.kind for a, b in pairwise(REGIONS.intervals))
    for kind in ("collapsed", "separated", "mixed", "open"):
        shares = (exceeding(i.lo) - exceeding(i.hi) for i in REGIONS.intervals if i.kind == kind)
        assert sum(shares, Fraction(0)) == getattr(REGIONS, kind)


@settings(max_examples=40)
@given(st.integers(334, 999), st.integers(0, 400), st.sampled_from((1, 2, 5, 33)), st.sampled_from(("1", "1/2", "3")))
def test_a_decided_box_is_right_at_every_prior_in_it(start, width, k, temperature):
    lo, hi = Fraction(start, 1000), Fraction(min(1000, start + width), 1000)
    verdict = decide(lo, hi, k, Fraction(temperature))
    margins = [
        collapse_margin(float(p), k, 1 / float(Fraction(temperature)))
        for p in np.linspace(float(lo), float(hi), 9)
        if p < 1
    ]
    if verdict is True:
        assert min(margins) >= -1e-12
    elif verdict is False:
        assert max(margins) <= 1e-12
    else:
        # what is open is near a change of sign, or wide
        assert hi > lo or abs(margins[0]) < 1e-9


def test_the_solver_collapses_where_it_is_proved():
    rng = np.random.default_rng(0)
    rho = rng.dirichlet((4, 0.3, 0.3), size=64)
    cells = solve(get_loss("logistic"), rho, (4,))
    verdicts = [decide(Fraction(float(r.max())), Fraction(float(r.max())), 4) for r in rho]
    assert {True, False} <= set(verdicts)
    for points, verdict in zip(cells.points[:, 0], verdicts, strict=True):
        assert (points == 2) == verdict


def test_the_share_beyond_a_mass_is_counted_right():
    rho = np.random.default_rng(0).dirichlet(np.ones(3), size=200_000).max(axis=1)
    for p in ("1/3", "2/5", "1/2", "3/4", "1"):
        assert np.mean(rho > float(Fraction(p))) == pytest.approx(float(exceeding(Fraction(p))), abs=5e-3)
