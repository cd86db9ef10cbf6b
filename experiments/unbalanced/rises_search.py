"""Where `rises` may prove something: boxes, vectors and multipliers, all in floats, which decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import log2
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import root

from experiments.unbalanced.rises import PAIRS, Box, Witness, rises

#: `lambda` times the smallest mass: tried in turn.
_STRENGTHS = (2.0, 6.0, 20.0)
_STEP = 0.35
_COLLAPSED = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
#: Halvings that are skipped, for each factor of 2 that the gap is too large.
_PATIENCE = 0.7
_START = (3.05, -2.3)


class _Guess(NamedTuple):
    """A witness with what floats say of it over a box: least and largest gain `R(G) - R(collapse)`, and the gap."""

    witness: Witness
    least: float
    largest: float
    gap: float


def rising_boxes(
    k: int, within: Box, beta: Fraction, depth: int, progress: Callable[[str], None] = lambda text: None
) -> Iterator[tuple[Box, Witness]]:
    """Parts of a box on which `R` at the minimizer of `L_k` is proved to exceed that at total collapse.

    It is halved `depth` times at most. The gap is about halved with the box, so that the sizes at which it is
    hopeless are skipped.
    """
    pending = [(within, 0, depth // 2, _START)]
    tried = proved = 0
    while pending:
        box, level, next_try, start = pending.pop()
        if level >= next_try and box.masses[2][0] > 0:
            guess = _guess(k, box, float(beta), start)
            start, tried = guess.witness.angles, tried + 1
            if guess.gap < guess.least and rises(k, box, guess.witness, beta):
                proved += 1
                yield box, guess.witness
                continue
            if guess.largest < 0:
                continue
            if tried % 100 == 0:
                progress(f"proving over boxes: {proved} proved of {tried} tried")
            excess = log2(guess.gap / guess.least) if guess.least > 0 and np.isfinite(guess.gap) else 2.0
            next_try = min(depth, level + max(1, int(_PATIENCE * excess)))
        if level < depth:
            pending += [(half, level + 1, next_try, start) for half in _halves(box)]


def _halves(box: Box) -> tuple[Box, Box]:
    """Cut along the longer side; the gap is about as sensitive to `rho_2` as to twice `rho_3`."""
    (q0, q1), (s0, s1) = box.q, box.s
    if q1 - q0 > 2 * q1 * (s1 - s0):
        middle = (q0 + q1) / 2
        return Box((q0, middle), box.s), Box((middle, q1), box.s)
    middle = (s0 + s1) / 2
    return Box(box.q, (s0, middle)), Box(box.q, (middle, s1))


def _guess(k: int, box: Box, beta: float, start: tuple[float, float]) -> _Guess:
    """The first strength that will do, else the best."""
    q, s = float(sum(box.q)) / 2, float(sum(box.s)) / 2
    centre = np.array([1 - q, q * (1 - s), q * s])
    guesses = []
    for strength in _STRENGTHS:
        weight = strength / centre[2]
        start = _angles(k, centre, weight, beta, start)
        guesses.append(_seen(k, box, Witness(weight, start), beta))
        if guesses[-1].gap < guesses[-1].least:
            return guesses[-1]
    best = min(guesses, key=lambda guess: guess.gap / guess.least if guess.least > 0 else np.inf)
    return best._replace(largest=max(guess.largest for guess in guesses))


def _angles(
    k: int, rho: Float[np.ndarray, "3"], weight: float, beta: float, start: tuple[float, float]
) -> tuple[float, float]:
    """The planar minimizer of `R + weight L_k` at one prior, its first vector at angle 0."""
    rows = np.repeat(rho[None], 3, axis=0)

    def gradient(angles: Float[np.ndarray, "2"]) -> Float[np.ndarray, "2"]:
        a, b = float(angles[0]), float(angles[1])
        B = _slopes(k, rows, rho, _values((a, b), beta)[1], weight) / weight
        turn = B[1, 2] * np.sin(a - b)
        return np.array([-rho[0] * B[0, 1] * np.sin(a) - rho[2] * turn, -rho[0] * B[0, 2] * np.sin(b) + rho[1] * turn])

    found = root(gradient, start, method="hybr", options={"xtol": 1e-7})
    return float(found.x[0]), float(found.x[1])


def _seen(k: int, box: Box, witness: Witness, beta: float) -> _Guess:
    """What `rises` encloses, in floats."""
    U, X = _values(witness.angles, beta)
    gain = np.log(X.sum(axis=1)) - np.log(np.exp(beta * (_COLLAPSED - 1)).sum(axis=1))
    (q0, q1), (s0, s1) = ((float(x) for x in side) for side in (box.q, box.s))
    gains = [(1 - q) * gain[0] + q * (1 - s) * gain[1] + q * s * gain[2] for q in (q0, q1) for s in (s0, s1)]
    low, high = (np.array([float(m[i]) for m in box.masses]) for i in (0, 1))
    laws = np.zeros((2, 3, 3))
    for c in range(3):
        s_ends = (s0, s1) if X[c, 2] < X[c, 1] else (s1, s0)
        q_ends = (q0, q1) if c == 0 else (q1, q0)
        for i, (q, s) in enumerate(zip(q_ends, s_ends, strict=True)):
            laws[i, c] = 1 - q, q * (1 - s), q * s
    least = _slopes(k, laws[0], high, X, witness.strength)
    most = _slopes(k, laws[1], low, X, witness.strength)
    components = np.zeros((2, 2))
    for c, (i, j) in enumerate(reversed(PAIRS)):
        ends = np.array([low[c] / most[i, j], high[c] / least[i, j]])
        for axis in (0, 1):
            components[axis] += np.sort(ends * U[c, axis])
    length = float(np.sum(np.max(np.abs(components), axis=1) ** 2))
    gap = beta * float(most[0, 1] * most[0, 2] * most[1, 2]) * length
    return _Guess(witness, float(min(gains)), float(max(gains)), gap)


def _values(angles: tuple[float, float], beta: float) -> tuple[Float[np.ndarray, "3 2"], Float[np.ndarray, "3 3"]]:
    """The three vectors, and `X`."""
    a = np.array([0.0, *angles])
    U = np.stack([np.cos(a), np.sin(a)], axis=1)
    return U, np.exp(beta * (U @ U.T - 1))


def _slopes(
    k: int,
    laws: Float[np.ndarray, "3 3"],
    rho: Float[np.ndarray, "3"],
    X: Float[np.ndarray, "3 3"],
    weight: float,
) -> Float[np.ndarray, "3 3"]:
    """`B_cj` (`rises`): row `c` of `laws` is the prior at which row `c` of `I` is taken, `rho` that of the rest."""
    t = np.exp(np.arange(-np.log(k) - 16, 3.9, _STEP))
    E = np.exp(-t * X[:, :, None])
    missing = -np.einsum("cj,cjt->ct", laws, np.expm1(-t * X[:, :, None]))
    power = np.exp((k - 1) * np.log1p(-np.minimum(missing, 1 - 1e-16)))
    integrals = _STEP * np.einsum("ct,cjt->cj", k * power * np.exp(-t) * t, E)
    shares = X / X.sum(axis=1, keepdims=True) / rho
    return weight * X * (integrals + integrals.T) / 2 + (shares + shares.T) / 2
