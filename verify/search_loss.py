"""A search for a loss that breaks the averaging step of [1, Lemma 1], and the proof that it does.

The step claims `E_x*[L(f_x*)] <= L(f)` for every strictly convex, symmetric, coordinatewise decreasing loss
(`theory.points.averaging` holds the argument, and where it needs submodularity). The search moves everything at once
(points, weights, prior, and the parameters of the loss, `theory.points.mixture`) by L-BFGS from random starts, in
floats; what it finds is rounded to rationals and then enclosed with exact margins and ball arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from theory.arrays import Array
from theory.float64 import jax, jnp
from theory.losses import Custom
from theory.points.averaging import averaging_margins
from theory.points.loss import points_loss
from theory.points.mixture import Mixture, mixture
from theory.points.representation import Representation, representation
from verify.certify.document import document, down, ratio, up

if TYPE_CHECKING:
    from flint import arb

# Wide enough for any geometry, and narrow enough for exponentials of moderate size.
_POINT_BOUND, _LOGIT_BOUND, _RATE_BOUNDS = 2.0, 2.0, (-1.5, 1.1)
_MIN_RELATIVE_EXCESS = 1e-6
_PRECISION = 256
# Bounds are rounded outwards to so many decimals, far below any excess that is reported.
_EXCESS_DIGITS = 20


@dataclass(frozen=True)
class Candidate:
    """An exact problem: everything rational, every embedding exactly of length 1.

    Attributes:
        loss: the loss, a member of the family.
        k: the number of negatives.
        rho: the prior.
        weights: C x N.
        embeddings: C x N x d.
        collapsed: the class `c*` that the step collapses.
    """

    loss: Mixture
    k: int
    rho: tuple[Fraction, ...]
    weights: tuple[tuple[Fraction, ...], ...]
    embeddings: tuple[tuple[tuple[Fraction, ...], ...], ...]
    collapsed: int = 0

    def as_floats(self) -> Representation:
        """The representation in double precision."""
        return representation(*(np.array(x, dtype=float) for x in (self.embeddings, self.weights, self.rho)))


@dataclass(frozen=True)
class Counterexample:
    """A loss and a representation on which the averaging step fails, by at least `excess_lower > 0`.

    Attributes:
        candidate: the exact problem.
        excess_lower: rational lower bound of `E_x*[L(f_x*)] - L(f)`.
        excess_upper: rational upper bound.
        value: `L(f)`, a float.
        best_margin: `L(f) - min_x* L(f_x*)`, a float: positive where the best single point still improves.
        starts: random starts that were tried.
        seconds: time of the search and the proof.
    """

    candidate: Candidate
    excess_lower: Fraction
    excess_upper: Fraction
    value: float
    best_margin: float
    starts: int
    seconds: float

    def certificate(self) -> dict[str, Any]:
        """The certificate `averaging-step-refuted`, complete in its statement."""
        c = self.candidate
        return document(
            {
                "kind": "averaging-step-refuted",
                "loss": {name: ratio(value) for name, value in vars(c.loss).items()},
                "k": c.k,
                "temperature": "1/1",
                "rho": [ratio(x) for x in c.rho],
                "d": len(c.embeddings[0][0]),
                "weights": [[ratio(x) for x in row] for row in c.weights],
                "embeddings": [[ratio(x) for x in point] for row in c.embeddings for point in row],
                "class": c.collapsed,
                "excess_lower": ratio(self.excess_lower),
            },
            {},
        )


def search(
    *,
    C: int = 2,
    k: int = 2,
    points: int = 2,
    d: int = 2,
    seed: int = 0,
    minutes: float = 5.0,
    progress: Callable[[str], None] | None = None,
) -> Counterexample | None:
    """Search until a counterexample is proved, or the time is up (None).

    `progress` is called after every start with a line of text.
    """
    begin = time.perf_counter()
    for number, (candidate, excess) in enumerate(candidates(C=C, k=k, points=points, d=d, seed=seed), start=1):
        if progress is not None:
            progress(f"start {number}: relative excess {excess:.2g}")
        if excess > _MIN_RELATIVE_EXCESS:
            lower, upper = enclose_excess(candidate)
            if lower > 0:
                value, _, best = margins(candidate)
                return Counterexample(candidate, lower, upper, value, best, number, time.perf_counter() - begin)
        if time.perf_counter() - begin > 60 * minutes:
            return None
    return None


def candidates(*, C: int, k: int, points: int, d: int, seed: int) -> Iterator[tuple[Candidate, float]]:
    """An endless stream of local optima of the relative excess, rounded, with their excess after rounding."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    shape = (C, points, d, k)
    n_points, n_logits = C * points * (d - 1), C * points + C + 3
    bounds = [(-_POINT_BOUND, _POINT_BOUND)] * n_points + [(-_LOGIT_BOUND, _LOGIT_BOUND)] * n_logits
    bounds += [_RATE_BOUNDS] * 2

    def objective(z: Float[np.ndarray, " n"]) -> tuple[float, Float[np.ndarray, " n"]]:
        value, gradient = _value_and_gradient(z, shape)
        return float(value), np.asarray(gradient)

    low, high = np.array(bounds).T
    while True:
        start = rng.uniform(low, high)
        result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        candidate = _rounded(np.asarray(result.x), shape)
        value, margin, _ = margins(candidate)
        yield candidate, -margin / value


def margins(candidate: Candidate) -> tuple[float, float, float]:
    """`L(f)`, the step's margin `L(f) - E_x*[L(f_x*)]` and `L(f) - min_x* L(f_x*)`, in floats."""
    f, loss, c = candidate.as_floats(), Custom(candidate.loss), candidate.collapsed
    step = averaging_margins(loss, f, float(candidate.k))
    return float(points_loss(loss, f, float(candidate.k))), float(step.margin[c]), float(step.best[c])


def enclose_excess(candidate: Candidate) -> tuple[Fraction, Fraction]:
    """Rational bounds of `E_x*[L(f_x*)] - L(f)`, by plain enumeration of all draws at exact margins."""
    from flint import arb, ctx, fmpq

    def number(q: Fraction) -> arb:
        return arb(fmpq(q.numerator, q.denominator))

    @cache
    def exponential(q: Fraction) -> arb:
        return number(q).exp()

    @cache
    def loss(v: tuple[Fraction, ...]) -> arb:
        m = candidate.loss
        separable = sum((exponential(-m.separable_rate * x) for x in v), arb(0))
        odds = sum((exponential(-x) for x in v), arb(1))
        joint = exponential(-m.joint_rate * sum(v, Fraction(0)))
        return number(m.separable) * separable + number(m.joint) * joint + number(m.logistic) * odds.log()

    def expected(F: tuple[tuple[tuple[Fraction, ...], ...], ...]) -> arb:
        atoms = [(c, candidate.weights[c][i], point) for c, row in enumerate(F) for i, point in enumerate(row)]
        total = arb(0)
        for c, weight, anchor in atoms:
            for other, positive_weight, positive in atoms:
                if other != c:
                    continue
                pair = candidate.rho[c] * weight * positive_weight
                differences = [_dot(anchor, positive) - _dot(anchor, point) for _, _, point in atoms]
                masses = [candidate.rho[e] * w for e, w, _ in atoms]
                for draw in product(range(len(atoms)), repeat=candidate.k):
                    probability = pair
                    for n in draw:
                        probability *= masses[n]
                    total += number(probability) * loss(tuple(sorted(differences[n] for n in draw)))
        return total

    with ctx.workprec(_PRECISION):
        c, F = candidate.collapsed, candidate.embeddings
        excess = -expected(F)
        for weight, point in zip(candidate.weights[c], F[c], strict=True):
            excess += number(weight) * expected((*F[:c], (point,) * len(F[c]), *F[c + 1 :]))
        lower, upper = _rational(excess.lower()), _rational(excess.upper())
    return down(lower, _EXCESS_DIGITS), up(upper, _EXCESS_DIGITS)


def _rational(ball: arb) -> Fraction:
    """An exact dyadic ball as a fraction."""
    mantissa, exponent = ball.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _dot(x: tuple[Fraction, ...], y: tuple[Fraction, ...]) -> Fraction:
    return sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0))


def _split(z: Any, shape: tuple[int, int, int, int]) -> tuple[Any, Any, Any, Any, Any]:
    """Stereographic coordinates, logits of weights, of the prior, of coefficients, and logarithms of rates."""
    C, N, d, _ = shape
    ends = np.cumsum([C * N * (d - 1), C * N, C, 3])
    y, weights, rho, coefficients, rates = np.split(z, ends) if isinstance(z, np.ndarray) else jnp.split(z, ends)
    return y.reshape(C, N, d - 1), weights.reshape(C, N), rho, coefficients, rates


@partial(jax.jit, static_argnums=1)
@partial(jax.value_and_grad)
def _value_and_gradient(z: Float[Array, " n"], shape: tuple[int, int, int, int]) -> Float[Array, ""]:
    """`-log(E_x*[L(f_x*)] / L(f))`: negative where the step fails."""
    y, weights, rho, coefficients, rates = _split(z, shape)
    square = jnp.sum(y * y, axis=-1, keepdims=True)
    F = jnp.concatenate([2 * y, 1 - square], axis=-1) / (1 + square)
    f = Representation(F, jax.nn.softmax(weights, axis=-1), jax.nn.softmax(rho))
    loss = Custom(partial(mixture, coefficients=jax.nn.softmax(coefficients), rates=jnp.exp(rates)))
    value = points_loss(loss, f, float(shape[-1]))
    return -jnp.log1p(-averaging_margins(loss, f, float(shape[-1])).margin[0] / value)


def _rounded(z: Float[np.ndarray, " n"], shape: tuple[int, int, int, int]) -> Candidate:
    y, weights, rho, coefficients, rates = _split(z, shape)
    s, a, g = _distribution(coefficients)
    b, c = (Fraction(round(8 * float(np.exp(rate))), 8) or Fraction(1, 8) for rate in rates)
    return Candidate(
        Mixture(s, b, a, c, g),
        shape[-1],
        _distribution(rho),
        tuple(_distribution(row) for row in weights),
        tuple(tuple(_on_sphere([Fraction(round(16 * float(x)), 16) for x in point]) for point in row) for row in y),
    )


def _distribution(logits: Float[np.ndarray, " n"]) -> tuple[Fraction, ...]:
    """The softmax, rounded to multiples of 1/64 that are positive and sum to 1."""
    softmax = np.exp(logits - np.max(logits))
    parts = [max(1, round(64 * float(x))) for x in softmax / np.sum(softmax)]
    parts[parts.index(max(parts))] += 64 - sum(parts)
    return tuple(Fraction(part, 64) for part in parts)


def _on_sphere(y: list[Fraction]) -> tuple[Fraction, ...]:
    """Inverse stereographic projection: `(2y, 1 - |y|^2) / (1 + |y|^2)`, rational and of length exactly 1."""
    square = sum((x * x for x in y), Fraction(0))
    return (*(2 * x / (1 + square) for x in y), (1 - square) / (1 + square))
