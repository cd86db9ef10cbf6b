r"""The population loss of labelled points, enclosed: `theory.points.row_moments` with bounds on every error.

1. *Cosines.* Embeddings are the directions of the rows given. The loss is Lipschitz: the slopes of `log(1 + sum
   exp(-v_i))` sum to less than 1, so cosines that are off by at most `eta` change it by at most `2 beta eta`; at class
   level, where the diagonal is 1 exactly, by `beta eta`. (`verify.trained.rounding` bounds eta.)
2. *Moments* are computed in floating point, each off by at most delta (`verify.trained.rounding`).
3. *The defects* `q = 1 - phi(t)`, and the same of psi, are `sum_n c_n(t) m_n`: off by at most `delta sum_n |c_n(t)|`,
   by the rounding of that sum, and by the error of the interpolant, `min over R of 4 R^{-N} / (R-1) min(t M, 2) (e^{tM}
   unless beta B <= pi/2)`. As `X` is between its least value x and 1, they lie between `1 - e^{-tx}` and `1 - e^{-t}`.
   The c_n come from balls.
4. *The integrand* is `f = e^{-t} - psi phi^k = d - (1 - e^{-t})`, `d = 1 - psi phi^k` made of defects by `a, b -> 1 -
   (1-a)(1-b) = a + b (1-a)` alone. That is increasing in both, and where both are off by a factor within `1 +- e`, so
   is the result (for l >= 1, `l (a+b) - l^2 a b <= l (a + b - a b)`; for l <= 1 it is at least that): each of these
   steps adds its three roundings to the relative error and nothing else. Both ends of q give both ends of d.
5. *At small t* the integrand is nearly linear. With Y the sum of the k + 1 values X, `psi phi^k = E e^{-tY}` and

       (E Y - 1) t - (k+1) E Y t^2/2 <= f <= (E Y - 1) t + t^2/2,     q/t <= E X <= q/t + t/2,

   as `Y <= k+1` and `X <= 1`: one node that is computed serves all that are left of it.
6. *The integral* is the sum over nodes, with the bounds of `theory.expectation.positives` on what it leaves out
   (`verify.certify.rows.trapezoid_rule` with k + 2 for K).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx
from jaxtyping import Float, Shaped

from theory.expectation.cosine_moments import interpolation_error
from verify.certify.balls import Ball, ball
from verify.certify.rows import trapezoid_rule
from verify.trained.rounding import WIDE, U

#: Of the rule; balls are narrower, and so is what is computed in the type `WIDE`.
_BITS, _WORKING = 50, 128

#: Nodes with `(k+1) t` below this are taken together (step 5): its square is below 2^-_BITS.
_LINEAR = 2.0**-27

#: Numbers, and bounds on their errors.
Rounded = tuple[Shaped[np.ndarray, " b"], Float[np.ndarray, " b"]]

#: Above every rounding of sums in double precision, which bounds on errors are.
_UP = 1 + 2.0**-40

#: What `float` may lose of numbers that are nearly 0.
_TINY = 1e-300


class RowLosses:
    """The losses of rows of cosines, for one problem, from moments of one number.

    Args:
        degree: of the last of the moments.
        least_cosine: a lower bound on all cosines, as computed.
    """

    def __init__(self, degree: int, k: int, beta: Fraction, *, least_cosine: float) -> None:
        with ctx.workprec(_WORKING):
            self._k, self._beta = k, ball(beta)
            least = (self._beta * (arb(max(-1.0, least_cosine)) - 1)).exp()
            self._rule = trapezoid_rule(k + 2, k, arb(1).min((k + 1) * least), _BITS)
            self._near = [t for t in self._rule.nodes if (k + 1) * t < _LINEAR]
            self._nodes = self._rule.nodes[len(self._near) :]
            self._ends = _rounded([-(-t).expm1() for t in self._nodes])
            self._interpolants = _Interpolants(self._nodes, self._ends, degree, self._beta, least)

    def mean(
        self,
        negatives: Float[np.ndarray, "n degrees"],
        positives: Float[np.ndarray, "n degrees"],
        masses: Sequence[Fraction],
        errors: tuple[float, float],
    ) -> Ball:
        """`sum_i masses_i E log(1 + T / X_P)` for anchors with these moments, of negatives and of positives, which are
        off by so much at most; masses are exact."""
        k, rule, near, t = self._k, self._rule, self._near, self._nodes[0]
        with ctx.workprec(_WORKING):
            laws = zip((negatives, positives), errors, strict=True)
            q, p = (self._interpolants.defects(moments, error) for moments, error in laws)
            low, high = _sums(q, p, k, self._ends)
            first, second = sum(near, arb(0)), sum((s * s for s in near), arb(0))
            # a few roundings are far less than this factor
            lower, upper = 1 - 2.0**-50, 1 + 2.0**-50
            of_Y = [(k * a[:, 0] + b[:, 0]).astype(float) for a, b in zip(q, p, strict=True)]
            total = arb(0)
            for i, mass in enumerate(masses):
                Y = (lower * arb(of_Y[0][i]) / t).union(upper * arb(of_Y[1][i]) / t + (k + 1) * t / 2)
                curved = (-(k + 1) * Y / 2).union(arb(0.5)) * second
                row = rule.step * (arb(low[i]).union(arb(high[i])) + (Y - 1) * first + curved) + rule.error
                total += ball(mass) * (row + self._beta * (1 - arb(float(positives[i, 1]), errors[1])))
            return total


class _Interpolants:
    """The Chebyshev coefficients of the interpolants of `1 - e^{-tX}`, a node t a column, `ends` where X is 1."""

    def __init__(self, nodes: Sequence[Ball], ends: Rounded, degree: int, beta: Ball, least: Ball) -> None:
        points = degree + 1
        table = [(arb.pi() * j / (2 * points)).cos() for j in range(4 * points)]
        X = [(beta * (table[2 * i + 1] - 1)).exp() for i in range(points)]
        transform = [
            table[n * (2 * i + 1) % (4 * points)] * (2 if n else 1) / points
            for n in range(points)
            for i in range(points)
        ]
        values = [-(-t * x).expm1() for x in X for t in nodes]
        coefficients = (arb_mat(points, points, transform) * arb_mat(points, len(nodes), values)).entries()
        shape = (points, len(nodes))
        self._matrix, rounded = (array.reshape(shape) for array in _rounded(coefficients))
        moduli = np.sum(np.abs(self._matrix).astype(float) + rounded, axis=0)
        self._moduli = _UP * moduli
        interpolation = interpolation_error([float(t) for t in nodes], degree, float(beta))
        self._error = _UP * (np.sum(rounded, axis=0) + (points + 4) * U * moduli + interpolation)
        starts, below = _rounded([-(-t * least.lower()).expm1() for t in nodes])
        self._least, self._most = starts - below, ends[0] + ends[1]

    def defects(
        self, moments: Float[np.ndarray, "n degrees"], error: float
    ) -> tuple[Shaped[np.ndarray, "n t"], Shaped[np.ndarray, "n t"]]:
        """Lower and upper bounds for rows with these moments, which are off by so much at most."""
        one = np.concatenate([np.ones((len(moments), 1)), moments[:, 1:]], axis=1).astype(WIDE)
        middle = one @ self._matrix
        # the moments are at most 1 + error; and the ends are rounded once more
        radius = (1 + error) * self._error + _UP * error * self._moduli
        radius = radius + 4 * U * (self._most.astype(float) + radius)
        return np.maximum(middle - radius, self._least), np.minimum(middle + radius, self._most)


def _sums(
    q: Sequence[Shaped[np.ndarray, "n t"]], p: Sequence[Shaped[np.ndarray, "n t"]], k: int, ends: Rounded
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Bounds on the sums of the integrand over the nodes, from those on the defects; `ends` has `1 - e^{-t}`."""
    low, high = (_joined(_power(a, k), b) for a, b in zip(q, p, strict=True))
    # three roundings each of at most 2 log2(k) + 1 steps, one of a difference, and those of the sum
    roundings = _UP * (3 * (2 * k.bit_length() + 1) + 1 + high.shape[1]) * U
    slack = roundings * np.sum(high + ends[0], axis=1) + _UP * float(np.sum(ends[1]))
    below, above = np.sum(low - ends[0], axis=1) - slack, np.sum(high - ends[0], axis=1) + slack
    return np.nextafter(below.astype(float), -np.inf), np.nextafter(above.astype(float), np.inf)


def _joined(a: Shaped[np.ndarray, "n t"], b: Shaped[np.ndarray, "n t"]) -> Shaped[np.ndarray, "n t"]:
    """`1 - (1-a)(1-b)`."""
    return a + b * (1 - a)


def _power(q: Shaped[np.ndarray, "n t"], k: int) -> Shaped[np.ndarray, "n t"]:
    """`1 - (1-q)^k`, by squares."""
    found = None
    while k:
        if k & 1:
            found = q if found is None else _joined(found, q)
        k >>= 1
        if k:
            q = _joined(q, q)
    assert found is not None
    return found


def _rounded(balls: Sequence[Ball]) -> Rounded:
    """Numbers of the type `WIDE`, and how far from what is in each ball they are at most, with one rounding more."""
    heads = np.array([float(x.mid()) for x in balls])
    tails = np.array([float(x.mid() - head) for x, head in zip(balls, heads.tolist(), strict=True)])
    radii = np.array([float(x.rad()) for x in balls])
    return heads.astype(WIDE) + tails.astype(WIDE), _UP * (radii + 3 * U * np.abs(heads)) + _TINY
