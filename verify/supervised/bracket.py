r"""The downstream loss of an enclosed minimizer, bracketed rigorously, in the number of groups of equal classes.

All that is used of the minimizer is an interval matrix that holds its cosines, and with them B, the Gram matrix of the
groups' means (`theory.groups`; B = G where every group is one class). Classifiers have the form that suffices
(`verify.supervised.head`): coefficients `x_g = sum_h a_hg mean_h` and a spread z_g, so that `|w_g|^2 = a_g^T B a_g +
z_g^2`; dividing by `max(1, |w_g|)` puts them in the unit ball (by `|w_g|`: on the unit sphere, which is needed where
`d` leaves no room beside the embeddings). All scores, norms and gradients are functions of B alone. Evaluated in balls
this is an upper bound on `L_sup`; the bound of `theory.downstream`,

    L_sup >= L - sum_g ( sqrt(c_g^T B c_g + y_g^2) + <c_g, B a_g> + y_g z_g ),

is the lower one, for any `B` in the enclosure, with c_hg the slope in the score of group h with the classifier of group
g (own and mates together for h = g), and y_g the slope in z_g. Both are of first order in the radius of the enclosure,
and of second order in the error of the classifier where `|w_g| = 1`.

For the mean classifier (`w_c = u_c`) the scores are the cosines themselves, and the loss is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from theory.downstream import checked_weighting
from theory.geometry import root
from theory.groups import mean_gram
from theory.priors import Prior
from verify.certify.balls import Ball, ball, bounds
from verify.certify.document import down, ratio, up
from verify.certify.losses import get
from verify.supervised.head import GroupedHead, Head
from verify.supervised.minimizer import Enclosing, Minimizer

_ROOM = Fraction(1, 10**28)
#: A bracket is this much wider than the enclosure of the Gram matrix, or less, in all but degenerate cases.
_SPREAD = 400


@dataclass(frozen=True)
class Bracket:
    """`lower <= L_sup <= upper`, proven.

    Attributes:
        witness: what a checker needs to see it (empty for the mean classifier).
        head: the best classifier at the middle of the enclosure, in double precision (none for the mean classifier).
        exponents: by how much a rival's score exceeds the own one with the bracket's classifier, a row for each group;
            mates on the diagonal.
    """

    lower: Fraction
    upper: Fraction
    witness: dict[str, Any] = field(default_factory=dict)
    head: Head | None = None
    exponents: list[list[Ball]] = field(default_factory=list)


def group_weights(groups: Prior, weighting: str) -> tuple[Fraction, ...]:
    """The test weight of each group.

    Raises:
        InputError: if `weighting` is neither "weighted" nor "balanced".
    """
    if checked_weighting(weighting) == "weighted":
        return groups.totals
    return tuple(Fraction(n, groups.C) for n in groups.counts)


def bracket(enclosing: Enclosing, minimizer: Minimizer, weighting: str, classifier: str) -> Bracket | None:
    """Bracket the downstream loss at the minimizer; None if the enclosure is too wide to say anything."""
    scale = minimizer.radius or Fraction(1, 1 << 200)
    with ctx.workprec(64 + (scale.denominator // scale.numerator).bit_length()):
        sums = _Sums(enclosing, minimizer, weighting)
        if classifier == "mean":
            value = sums.mean()
            return None if value is None else Bracket(*outward(*value))
        head = head_at(enclosing, minimizer, weighting)
        coefficients, spreads = coefficients_of(head)
        exponents, found = sums.optimal(coefficients, spreads)
    if found is None:
        return None
    witness = {"classifier": [[ratio(a) for a in row] for row in zip(*coefficients, strict=True)]}
    return Bracket(*outward(*found), witness if max(minimizer.counts) == 1 else {}, head, exponents)


def enclose_loss(
    enclosing: Enclosing, weighting: str, classifier: str, width: Fraction
) -> tuple[Minimizer, Bracket] | str:
    """Enclose the minimizer until its downstream loss is known to `width`; else the best bracket, or why there is none.

    A bracket is usually a few times as wide as the enclosure of the cosines. Where some classes coincide and the best
    classifier of another does not touch the unit sphere, it goes with the root of it: hence the second attempt.
    """
    best: tuple[Minimizer, Bracket] | str = "the enclosure of the minimizer is too wide for the downstream loss"
    radius = width / _SPREAD
    for _ in range(2):
        minimizer = enclosing.minimizer(radius)
        if isinstance(minimizer, str):
            return minimizer if isinstance(best, str) else best
        found = bracket(enclosing, minimizer, weighting, classifier)
        if found is not None:
            best = minimizer, found
            if found.upper - found.lower <= width or minimizer.radius == 0:
                break
        radius *= radius
    return best


def head_at(enclosing: Enclosing, minimizer: Minimizer, weighting: str) -> Head:
    """The best classifier at the middle of the enclosure, in double precision."""
    middles = np.array([[float(x) for x in row] for row in minimizer.cosines])
    U = root(mean_gram(middles, enclosing.groups), max(1e-12, 100 * float(minimizer.radius)))
    weights = np.array([float(w) for w in group_weights(enclosing.groups, weighting)])
    counts = np.array(minimizer.counts, dtype=float)
    return GroupedHead(enclosing.problem.loss_name, U, counts, weights, float(enclosing.problem.beta)).solve()


def coefficients_of(head: Head) -> tuple[list[list[Fraction]], list[Fraction]]:
    """A good classifier: rows of coefficients on the means, and the spreads z.

    At the optimum w_g is parallel to its own gradient wherever that is not 0 (then `|w_g| = 1`): so minus the slopes, a
    little too long, serve as coefficients and are cut to unit length exactly. Elsewhere the least coefficients are
    taken.
    """
    lengths = np.sqrt(np.sum(head.pull_x**2, axis=1) + head.pull_z**2)
    norms = np.sqrt(np.sum(head.x**2, axis=1) + head.z**2)
    active = (lengths > 1e-6 * np.abs(head.slopes).max(axis=0)) & (norms > 1 - 1e-6)
    scale = np.where(active, 1.001 / np.where(active, lengths, 1.0), 1.0)
    rows, z = -head.slopes.T * scale[:, None], np.where(active, -head.pull_z * scale, head.z)
    if not active.all():
        rows[~active] = np.linalg.lstsq(head.U.T, head.x.T, rcond=None)[0].T[~active]
    return [[_rounded(x) for x in row] for row in rows.tolist()], [_rounded(x) for x in z.tolist()]


def _rounded(x: float) -> Fraction:
    return Fraction(round(x * 2.0**60), 1 << 60)


def outward(low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Rounded outward, with room for a checker's own errors."""
    room = max((high - low) / 8, _ROOM)
    digits = len(str((4 / room).__ceil__()))
    return down(low - room, digits), up(high + room, digits)


class _Sums:
    """The bounds, in balls at the caller's precision."""

    def __init__(self, enclosing: Enclosing, minimizer: Minimizer, weighting: str) -> None:
        self.enclosing, self.minimizer, self.weighting = enclosing, minimizer, weighting
        self.B, self.counts = minimizer.means(), minimizer.counts
        self.m, self.beta = len(self.counts), ball(enclosing.problem.beta)
        self.totals = [ball(w) for w in group_weights(enclosing.groups, weighting)]
        self.q = [(1 - self.B[g][g]).max(0).sqrt() for g in range(self.m)]

    def mean(self) -> tuple[Fraction, Fraction] | None:
        """`w_c = u_c`: the scores are the cosines."""
        value, _ = self._loss([[x - 1 for x in row] for row in self.minimizer.balls()])
        return bounds(value) if value.is_finite() else None

    def optimal(
        self, coefficients: list[list[Fraction]], spreads: list[Fraction]
    ) -> tuple[list[list[Ball]], tuple[Fraction, Fraction] | None]:
        """From the classifier with these coefficients on the means and spreads, cut to length: the scores of the rivals
        less the own one (mates on the diagonal), and bounds."""
        a, z = arb_mat([[ball(x) for x in row] for row in coefficients]), [ball(x) for x in spreads]
        B, cross = arb_mat(self.B), []
        for g, (row, column) in enumerate(zip(a.tolist(), (a * B).tolist(), strict=True)):
            squared = _dot(row, column) + z[g] * z[g]
            # in the unit ball, whose missing length can be put where no embedding sees it, or on the sphere
            if self.enclosing.problem.d > self.minimizer.rank:
                norm = (
                    arb(1) if squared < 1 else squared.sqrt() if squared > 1 else arb(1).union(squared.upper().sqrt())
                )
            else:
                norm = squared.sqrt()
            cross.append([x / norm for x in column])
            z[g] /= norm
        spread = [q * x for q, x in zip(self.q, z, strict=True)]
        exponents = [[cross[h][g] - cross[g][g] - spread[g] for h in range(self.m)] for g in range(self.m)]
        for g, N in enumerate(self.counts):
            exponents[g][g] = -spread[g] * N / max(N - 1, 1)
        value, slopes = self._loss(exponents)
        below, c, y = value, [], []
        for g, N in enumerate(self.counts):
            own, mates = -sum(slopes[g], arb(0)), slopes[g][g]
            c.append([slopes[h][g] if h != g else own + mates for h in range(self.m)])
            y.append(self.q[g] * (own - mates / max(N - 1, 1)) if N > 1 else arb(0))
        for g, column in enumerate((arb_mat(c) * B).tolist()):
            length = (_dot(c[g], column) + y[g] * y[g]).upper()
            below -= (arb(length).sqrt() if length > 0 else arb(0)) + _dot(c[g], cross[g]) + y[g] * z[g]
        known = value.is_finite() and below.is_finite()
        return exponents, (bounds(below)[0], bounds(value)[1]) if known else None

    def _loss(self, exponents: list[list[Ball]]) -> tuple[Ball, list[list[Ball]]]:
        """The loss, from the scores of the rivals less the own one, and its slopes in them."""
        value, slopes, loss = arb(0), [], get(self.enclosing.problem.loss_name)
        for g, (total, row) in enumerate(zip(self.totals, exponents, strict=True)):
            rivals = [n - (h == g) for h, n in enumerate(self.counts)]
            e = [(self.beta * x).exp() if n else arb(0) for n, x in zip(rivals, row, strict=True)]
            of_row, steps = loss.at(e, rivals)
            value += total * of_row
            slopes.append([self.beta * total * step for step in steps])
        return value, slopes


def _dot(x: list[Ball], y: list[Ball]) -> Ball:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
