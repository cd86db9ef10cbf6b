r"""The population loss of labelled points, enclosed: `theory.points.row_moments` with bounds on every error.

1. *Cosines.* Embeddings are the directions of the rows given. The loss is Lipschitz: the slopes of `log(1 + sum
   exp(-v_i))` sum to less than 1, so cosines that are off by at most `eta` change it by at most `2 beta eta`; at class
   level, where the diagonal is 1 exactly, by `beta eta`. (`verify.trained.rounding` bounds eta.)
2. *Moments* are computed in double precision, each off by at most delta (`verify.trained.rounding`).
3. *phi and psi* at a node t are `1 - sum_n c_n(t) m_n`, off by at most `delta sum_n |c_n(t)|` and by the error of the
   interpolant, `min over R of 4 R^{-N} / (R-1) min(t M, 2) (e^{tM} unless beta B <= pi/2)`. They lie between 0 and
   `e^{-t x}`, x the least `X`.
4. *The integral* is a sum over nodes in balls, with the bounds of `theory.expectation.positives` on what it leaves out
   (`verify.certify.rows.trapezoid_rule` with k + 2 for K).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx
from jaxtyping import Float

from theory.expectation.cosine_moments import interpolation_error
from verify.certify.balls import Ball, ball
from verify.certify.rows import Rule, trapezoid_rule

#: Of the rule; the working precision is higher, since `1 - phi` is as small as the first node.
_BITS = 50
_WORKING = 192

#: Rows that are integrated at once.
_ROWS = 256


def enclose_rows(
    negatives: Float[np.ndarray, "n degrees"],
    positives: Float[np.ndarray, "n degrees"],
    masses: Sequence[Fraction],
    k: int,
    beta: Fraction,
    *,
    least_cosine: float,
    errors: tuple[float, float],
) -> Ball:
    """`sum_i masses_i E log(1 + T / X_P)` for anchors with these moments.

    Args:
        masses: exact; rows of equal masses and moments need not be together.
        least_cosine: a lower bound on all cosines, as computed.
        errors: bounds on the errors of the moments of negatives and of positives.
    """
    with ctx.workprec(_WORKING):
        exact_beta = ball(beta)
        least = (exact_beta * (arb(max(-1.0, least_cosine)) - 1)).exp()
        rule = trapezoid_rule(k + 2, k, arb(1).min((k + 1) * least), _BITS)
        matrices = _complements(rule, negatives.shape[1] - 1, exact_beta, errors)
        caps = [arb(0).union((-t * least).exp()) for t in rule.nodes]
        ends = [(-t).exp() for t in rule.nodes]
        total, weights = arb(0), [ball(m) for m in masses]
        for start in range(0, len(weights), _ROWS):
            rows = slice(start, min(start + _ROWS, len(weights)))
            phi, psi = (
                _laws(moments[rows], matrix, caps)
                for moments, matrix in zip((negatives, positives), matrices, strict=True)
            )
            for i, weight in enumerate(weights[rows]):
                at = slice(i * len(ends), (i + 1) * len(ends))
                integrand = (e - q * p**k for e, p, q in zip(ends, phi[at], psi[at], strict=True))
                mean_cosine = arb(float(positives[start + i, 1]), errors[1])
                row = sum(integrand, arb(0)) * rule.step + rule.error + exact_beta * (1 - mean_cosine)
                total += weight * row
        return total


def _laws(moments: Float[np.ndarray, "rows degrees"], matrix: arb_mat, caps: list[Ball]) -> list[Ball]:
    """phi at every node of every row, row after row."""
    one = np.concatenate([np.ones((len(moments), 1)), moments], axis=1)
    phi = (arb_mat(*one.shape, [arb(m) for m in one.ravel().tolist()]) * matrix).entries()
    return [x.intersection(caps[j % len(caps)]) for j, x in enumerate(phi)]


def _complements(rule: Rule, degree: int, beta: Ball, errors: tuple[float, float]) -> list[arb_mat]:
    """For moments that are off by so much, the matrix that takes 1 and the moments to phi, a node a column: under 1
    and its own error the Chebyshev coefficients of the interpolant of `1 - e^{-tX}`, negative."""
    points, nodes = degree + 1, len(rule.nodes)
    angles = [arb.pi() * (2 * i + 1) / (2 * points) for i in range(points)]
    X = [(beta * (angle.cos() - 1)).exp() for angle in angles]
    transform = arb_mat(
        points, points, [(n * angle).cos() * (2 if n else 1) / points for n in range(points) for angle in angles]
    )
    values = arb_mat(points, nodes, [(-t * x).expm1() for x in X for t in rule.nodes])
    entries = (transform * values).entries()
    truncation = interpolation_error([float(t) for t in rule.nodes], degree, float(beta)).tolist()
    made = []
    for error in errors:
        first = []
        for j, left_out in enumerate(truncation):
            moduli = sum((entries[n * nodes + j].abs_upper() for n in range(points)), arb(0))
            first.append(1 + arb(0, (moduli * error + left_out).upper()))
        made.append(arb_mat(points + 1, nodes, first + entries))
    return made
