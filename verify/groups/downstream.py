r"""The downstream loss of the minimizer for groups of equal classes, bracketed rigorously in the number of groups.

As in `verify.supervised.bracket`, with classifiers of the form that suffices (`verify.groups.classifier`): coefficients
`x_g = sum_h a_hg mean_h` and z_g, divided by `max(1, |w_g|)`, `|w_g|^2 = a_g^T B a_g + z_g^2`. All scores, norms and
gradients are functions of B alone, so they are enclosed wherever B is. The lower bound of `theory.downstream` becomes

    L_sup >= L - sum_g ( sqrt(c_g^T B c_g + y_g^2) + <c_g, B a_g> + y_g z_g )

with c_hg the slope in the score of group h with the classifier of group g (own and mates together for h = g), and y_g
the slope in z_g.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from theory.groups import cosines, mean_gram
from theory.priors import Prior
from verify.certify.balls import ball, bounds
from verify.certify.enclosure import Problem
from verify.certify.gram_radius import gram_radius
from verify.certify.optimum import prove_grouped
from verify.certify.rank import rank_bounds
from verify.groups.barrier import Barrier
from verify.groups.classifier import GroupedHead, Head, factor
from verify.groups.solve import rank
from verify.supervised.bracket import Bracket, outward
from verify.supervised.minimizer import STRICT, is_collapsed

Ball = Any
_SPREAD = 400


@dataclass(frozen=True)
class GroupedMinimizer:
    """Every optimal cosine is within `radius` of `cosines` (within groups on the diagonal); the rank is at most `rank`.

    `structure` names the reason where they are known exactly; `nce` bounds the minimum where it was bounded.
    """

    groups: Prior
    cosines: tuple[tuple[Fraction, ...], ...]
    radius: Fraction
    rank: int
    structure: str | None
    nce: tuple[Fraction, Fraction] | None

    def balls(self) -> list[list[Ball]]:
        """The cosines in balls; 1 exactly for a class with itself."""
        error = arb(0, ball(self.radius).upper()) if self.radius else arb(0)
        made = [[ball(x) + error for x in row] for row in self.cosines]
        for g, N in enumerate(self.groups.counts):
            made[g][g] = arb(1) if N == 1 else made[g][g].min(1)
        return made

    def means(self) -> list[list[Ball]]:
        """B in balls."""
        made = self.balls()
        for g, N in enumerate(self.groups.counts):
            made[g][g] = ((1 + (N - 1) * made[g][g]) / N).max(0)
        return made


class GroupedDownstream:
    """One prior, `k` and loss: encloses the minimizer as closely as a bracket asks for."""

    def __init__(self, prior: Prior, k: int | float, *, loss: str, temperature: Fraction, d: int) -> None:
        self.groups, self.k, self.loss, self.temperature, self.d = prior.merged(), k, loss, temperature, d
        barrier = Barrier(self.groups, loss, k, float(1 / temperature))
        self.found = barrier.solve()
        self.starts = barrier.starts(self.found)
        self.rank = rank(self.groups, self.starts)

    def weights(self, weighting: str) -> tuple[Fraction, ...]:
        """The test weight of each group."""
        if weighting == "weighted":
            return tuple(n * r for n, r in zip(self.groups.counts, self.groups.masses, strict=True))
        return tuple(Fraction(n, self.groups.C) for n in self.groups.counts)

    def head(self, weighting: str, means: Float[np.ndarray, "m m"] | None = None) -> Head:
        """The best classifier in double precision, at the minimizer found or at another B."""
        return self._at(weighting, self.found.means if means is None else means).solve()

    def value(self, weighting: str, classifier: str) -> float:
        """The downstream loss at the minimizer found, in double precision."""
        return self.head(weighting).value if classifier == "optimal" else self.mean_loss(weighting)

    def nce_bounds(self) -> tuple[Fraction, Fraction] | None:
        """Proven bounds on the minimum of `L_k`, if there are any."""
        assert isinstance(self.k, int)
        proof = prove_grouped(self.groups, self.k, self.starts, loss=self.loss, temperature=self.temperature, d=self.d)
        return None if proof.lower is None or proof.upper is None else (proof.lower, proof.upper)

    def mean_loss(self, weighting: str) -> float:
        """The loss of the mean classifier at the minimizer found, in double precision."""
        return self._at(weighting, self.found.means).loss_of(cosines(self.found.means, self.groups) - 1)

    def _at(self, weighting: str, means: Float[np.ndarray, "m m"]) -> GroupedHead:
        counts = np.array(self.groups.counts, dtype=float)
        totals = np.array([float(w) for w in self.weights(weighting)])
        return GroupedHead(self.loss, factor(means), counts, totals, float(1 / self.temperature))

    def enclose(self, radius: Fraction) -> GroupedMinimizer | str:
        """The minimizer, exactly by structure or within `radius`; else the reason why not."""
        if self.loss not in STRICT:
            return f"the minimizer of the loss '{self.loss}' need not be unique, and is not enclosed"
        if not isinstance(self.k, int):
            return "k is not an integer"
        exact = self._exact(self.k)
        if exact is not None:
            return exact
        problem = Problem(self.loss, self.k, 1 / self.temperature, self.groups.masses, self.groups.counts)
        unit = gram_radius(problem, Fraction(1))
        assert unit is not None
        gap = (radius / unit) ** 2 / 2
        width = min(4 * Fraction(1, 1 << (gap.denominator // gap.numerator).bit_length()), Fraction(1, 10**12))
        proof = prove_grouped(
            self.groups, self.k, self.starts, loss=self.loss, temperature=self.temperature, d=self.d, width=width
        )
        if proof.gram is None or proof.gram_radius is None or proof.lower is None or proof.upper is None:
            return proof.reason
        # the unit ball may stand for the sphere where d exceeds the rank, which is C-1 at most
        C = self.groups.C
        most = C - 1 if self.d >= C else rank_bounds(problem, proof.gram, proof.gram_radius)[1]
        return GroupedMinimizer(self.groups, proof.gram, proof.gram_radius, most, None, (proof.lower, proof.upper))

    def _exact(self, k: int) -> GroupedMinimizer | None:
        """The minimizer where structure gives it (`verify.supervised.minimizer`)."""
        masses, counts = self.groups.masses, self.groups.counts
        C, largest = self.groups.C, masses.index(max(masses))
        if len(masses) == 1:
            name = "two-classes" if C == 2 else "uniform"
            return GroupedMinimizer(self.groups, ((Fraction(-1, C - 1),),), Fraction(0), C - 1, name, None)
        if counts[largest] == 1 and is_collapsed(masses[largest], k, self.loss, self.temperature):
            sign = [1 if g == largest else -1 for g in range(len(masses))]
            signs = tuple(tuple(Fraction(a * b) for b in sign) for a in sign)
            return GroupedMinimizer(self.groups, signs, Fraction(0), 1, "total-collapse", None)
        return None

    def bracket(self, minimizer: GroupedMinimizer, weighting: str, classifier: str) -> Bracket | None:
        """The downstream loss at the minimizer; None if the enclosure is too wide to say anything."""
        scale = minimizer.radius or Fraction(1, 1 << 200)
        with ctx.workprec(64 + (scale.denominator // scale.numerator).bit_length()):
            sums = _Sums(self, minimizer, weighting)
            found = sums.mean() if classifier == "mean" else sums.optimal()
        return None if found is None else outward(*found, {})

    def best(self, weighting: str, classifier: str, width: Fraction) -> tuple[GroupedMinimizer, Bracket] | str:
        """Enclose the minimizer until its downstream loss is known to `width`; else the best bracket, or why not."""
        best: tuple[GroupedMinimizer, Bracket] | str = "the enclosure of the minimizer is too wide"
        radius = width / _SPREAD
        for _ in range(2):
            minimizer = self.enclose(radius)
            if isinstance(minimizer, str):
                return minimizer if isinstance(best, str) else best
            found = self.bracket(minimizer, weighting, classifier)
            if found is not None:
                best = minimizer, found
                if found.upper - found.lower <= width or minimizer.radius == 0:
                    break
            radius *= radius
        return best


class _Sums:
    """The bounds, in balls at the caller's precision."""

    def __init__(self, problem: GroupedDownstream, minimizer: GroupedMinimizer, weighting: str) -> None:
        self.problem, self.minimizer, self.weighting = problem, minimizer, weighting
        self.B, self.counts = minimizer.means(), problem.groups.counts
        self.m, self.beta = len(self.counts), ball(1 / problem.temperature)
        self.totals = [ball(w) for w in problem.weights(weighting)]
        self.q = [(1 - self.B[g][g]).max(0).sqrt() for g in range(self.m)]

    def mean(self) -> tuple[Fraction, Fraction] | None:
        """`w_c = u_c`: the scores are the cosines."""
        value, _ = self._loss([[x - 1 for x in row] for row in self.minimizer.balls()])
        return bounds(value) if value.is_finite() else None

    def optimal(self) -> tuple[Fraction, Fraction] | None:
        """Bounds from the classifier that is best in double precision."""
        a, z = self._coefficients()
        cross, norms = [], []  # cross[g]: scores of all groups with the classifier of group g
        for g in range(self.m):
            column = [_dot(row, a[g]) for row in self.B]
            squared = _dot(a[g], column) + z[g] * z[g]
            if self.problem.d > self.minimizer.rank:
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
        value, slopes = self._loss(exponents)
        below = value
        for g, N in enumerate(self.counts):
            own, mates = -sum(slopes[g], arb(0)), slopes[g][g]
            c = [slopes[h][g] if h != g else own + mates for h in range(self.m)]
            y = self.q[g] * (own - mates / max(N - 1, 1)) if N > 1 else arb(0)
            length = (_dot(c, [_dot(row, c) for row in self.B]) + y * y).upper()
            below -= (arb(length).sqrt() if length > 0 else arb(0)) + _dot(c, cross[g]) + y * z[g]
        if not (value.is_finite() and below.is_finite()):
            return None
        return bounds(below)[0], bounds(value)[1]

    def _loss(self, exponents: list[list[Ball]]) -> tuple[Ball, list[list[Ball]]]:
        """The loss, from the scores of the rivals less the own one, and its slopes in them."""
        value, slopes, loss = arb(0), [], self.problem.loss
        for g, (total, row) in enumerate(zip(self.totals, exponents, strict=True)):
            rivals = [n - (h == g) for h, n in enumerate(self.counts)]
            e = [(self.beta * x).exp() if n else arb(0) for n, x in zip(rivals, row, strict=True)]
            everything = 1 + sum((n * x for n, x in zip(rivals, e, strict=True)), arb(0))
            if loss == "logistic":
                value += total * everything.log()
                steps = [n * x / everything for n, x in zip(rivals, e, strict=True)]
            elif loss == "exponential":
                value += total * (everything - 1)
                steps = [n * x for n, x in zip(rivals, e, strict=True)]
            else:
                value += total * sum((n * (1 + x).log() for n, x in zip(rivals, e, strict=True)), arb(0))
                steps = [n * x / (1 + x) for n, x in zip(rivals, e, strict=True)]
            slopes.append([self.beta * total * step for step in steps])
        return value, slopes

    def _coefficients(self) -> tuple[list[list[Ball]], list[Ball]]:
        """A good classifier: rows of coefficients on the means, and z, exact numbers.

        Where it touches the unit sphere it is parallel to its own gradient, and cut to length later; elsewhere the
        least coefficients are taken.
        """
        middles = np.array([[float(x) for x in row] for row in self.minimizer.cosines])
        B = mean_gram(middles, self.problem.groups)
        head = self.problem.head(self.weighting, B)
        lengths = np.sqrt(np.sum(head.pull_x**2, axis=1) + head.pull_z**2)
        norms = np.sqrt(np.sum(head.x**2, axis=1) + head.z**2)
        least = np.linalg.lstsq(factor(B).T, head.x.T, rcond=None)[0]
        rows, z = [], []
        for g in range(self.m):
            active = lengths[g] > 1e-6 * np.abs(head.slopes[:, g]).max() and norms[g] > 1 - 1e-6
            scale = 1.001 / lengths[g] if active else 1.0
            row = -head.slopes[:, g] * scale if active else least[:, g]
            rows.append([ball(Fraction(round(x * 2.0**60), 1 << 60)) for x in row.tolist()])
            value = float(-head.pull_z[g] * scale if active else head.z[g])
            z.append(ball(Fraction(round(value * 2.0**60), 1 << 60)))
        return rows, z


def _dot(x: list[Ball], y: list[Ball]) -> Ball:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
