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

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx

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
    """`lower <= L_sup <= upper`, proven, and what a checker needs to see it (empty for the mean classifier)."""

    lower: Fraction
    upper: Fraction
    witness: dict[str, Any]


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
            return None if value is None else outward(*value, {})
        found, coefficients = sums.optimal()
    witness = {"classifier": [[ratio(a) for a in row] for row in zip(*coefficients, strict=True)]}
    return None if found is None else outward(*found, witness if max(minimizer.counts) == 1 else {})


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


def unit_exponents(enclosing: Enclosing, minimizer: Minimizer, weighting: str) -> list[list[Ball]]:
    """By how much a rival's score exceeds the own one with the bracket's classifier; mates on the diagonal."""
    return _Sums(enclosing, minimizer, weighting).classify()[0]


def outward(low: Fraction, high: Fraction, witness: dict[str, Any]) -> Bracket:
    """Rounded outward, with room for a checker's own errors."""
    room = max((high - low) / 8, _ROOM)
    digits = len(str((4 / room).__ceil__()))
    return Bracket(down(low - room, digits), up(high + room, digits), witness)


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

    def classify(self) -> tuple[list[list[Ball]], list[list[Ball]], list[Ball], list[list[Fraction]]]:
        """The classifier that is best in double precision, cut to length: the scores of the rivals less the own one
        (mates on the diagonal), the scores of all groups with the classifier of each, its spread, and its coefficients,
        a row a classifier."""
        coefficients, spreads = self._coefficients()
        a, z = [[ball(x) for x in row] for row in coefficients], [ball(x) for x in spreads]
        cross, norms = [], []
        for g in range(self.m):
            column = [_dot(row, a[g]) for row in self.B]
            squared = _dot(a[g], column) + z[g] * z[g]
            # in the unit ball, whose missing length can be put where no embedding sees it, or on the sphere
            if self.enclosing.problem.d > self.minimizer.rank:
                norm = (
                    arb(1) if squared < 1 else squared.sqrt() if squared > 1 else arb(1).union(squared.upper().sqrt())
                )
            else:
                norm = squared.sqrt()
            cross.append([x / norm for x in column])
            norms.append(norm)
        z = [x / norm for x, norm in zip(z, norms, strict=True)]
        spread = [q * x for q, x in zip(self.q, z, strict=True)]
        exponents = [[cross[h][g] - cross[g][g] - spread[g] for h in range(self.m)] for g in range(self.m)]
        for g, N in enumerate(self.counts):
            exponents[g][g] = -spread[g] * N / max(N - 1, 1)
        return exponents, cross, z, coefficients

    def optimal(self) -> tuple[tuple[Fraction, Fraction] | None, list[list[Fraction]]]:
        """Bounds from the classifier of `classify`, and its coefficients."""
        exponents, cross, z, coefficients = self.classify()
        value, slopes = self._loss(exponents)
        below = value
        for g, N in enumerate(self.counts):
            own, mates = -sum(slopes[g], arb(0)), slopes[g][g]
            c = [slopes[h][g] if h != g else own + mates for h in range(self.m)]
            y = self.q[g] * (own - mates / max(N - 1, 1)) if N > 1 else arb(0)
            length = (_dot(c, [_dot(row, c) for row in self.B]) + y * y).upper()
            below -= (arb(length).sqrt() if length > 0 else arb(0)) + _dot(c, cross[g]) + y * z[g]
        if not (value.is_finite() and below.is_finite()):
            return None, coefficients
        return (bounds(below)[0], bounds(value)[1]), coefficients

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

    def _coefficients(self) -> tuple[list[list[Fraction]], list[Fraction]]:
        """A good classifier: rows of coefficients on the means, and z.

        At the optimum w_g is parallel to its own gradient wherever that is not 0 (then `|w_g| = 1`): so minus the
        slopes, a little too long, serve as coefficients and are cut to unit length exactly. Elsewhere the least
        coefficients are taken.
        """
        head = head_at(self.enclosing, self.minimizer, self.weighting)
        lengths = np.sqrt(np.sum(head.pull_x**2, axis=1) + head.pull_z**2)
        norms = np.sqrt(np.sum(head.x**2, axis=1) + head.z**2)
        least = np.linalg.lstsq(head.U.T, head.x.T, rcond=None)[0]
        rows, z = [], []
        for g in range(self.m):
            active = lengths[g] > 1e-6 * np.abs(head.slopes[:, g]).max() and norms[g] > 1 - 1e-6
            scale = 1.001 / lengths[g] if active else 1.0
            row = -head.slopes[:, g] * scale if active else least[:, g]
            rows.append([Fraction(round(x * 2.0**60), 1 << 60) for x in row.tolist()])
            value = float(-head.pull_z[g] * scale if active else head.z[g])
            z.append(Fraction(round(value * 2.0**60), 1 << 60))
        return rows, z


def _dot(x: list[Ball], y: list[Ball]) -> Ball:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
