"""The minimizer of `L_k` itself, enclosed: the Gram matrix that every downstream number depends on.

Where structure gives it, it is known exactly (derived, with [1]; strictly convex losses, `STRICT`):

- "two-classes": for `C = 2` the loss increases in the one cosine, so `G_12 = -1`;
- "uniform": for a uniform prior the simplex ETF is the only minimizer, for every `k` [1];
- "total-collapse": one class of mass `p`, the others (`q = 1 - p`) on the point opposite to it. With the
  symmetrised gradient `A_1c = rho_c alpha`, `A_cj = rho_c rho_j gamma` there (`c, j` minority classes), the dual slack
  is psd iff `alpha >= q gamma` (`theory.collapse_threshold`), which the enclosed gradient decides.

Elsewhere the gap between a feasible point and the dual bound encloses it (`verify.certify`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from theory.priors import Prior
from verify.certify import prove_optimum
from verify.certify.balls import ball, bounds
from verify.certify.enclosure import Point, Problem, enclose
from verify.certify.gram_radius import gram_radius
from verify.certify.optimum import MAX_CLASSES

#: The losses that are strictly convex in the cosines, so that the minimizer is one.
STRICT = ("logistic", "exponential", "separable")


@dataclass(frozen=True)
class Minimizer:
    """Every entry of the optimal Gram matrix is within `radius` of `gram`; its rank is at most `rank`.

    `structure` names the reason where it is known exactly (`radius` 0); `nce` bounds the minimum, where it was
    bounded; `witness` is what a checker needs to see all of it.
    """

    gram: tuple[tuple[Fraction, ...], ...]
    radius: Fraction
    rank: int
    structure: str | None
    nce: tuple[Fraction, Fraction] | None
    witness: dict[str, Any]


def exact_structure(prior: Prior, k: int, loss: str, temperature: Fraction) -> str | None:
    """The structure that determines the minimizer exactly, if one is proven to."""
    if loss not in STRICT or not 2 <= prior.C <= MAX_CLASSES:
        return None
    if prior.C == 2:
        return "two-classes"
    if prior.is_uniform:
        return "uniform"
    return "total-collapse" if is_collapsed(max(prior.masses), k, loss, temperature) else None


def exact_gram(prior: Prior, structure: str) -> tuple[tuple[Fraction, ...], ...]:
    """The optimal Gram matrix that the structure names."""
    C, rho = prior.C, prior.rho
    if structure == "uniform":
        return tuple(tuple(Fraction(1) if c == j else Fraction(-1, C - 1) for j in range(C)) for c in range(C))
    majority = rho.index(max(rho))
    sign = [1 if c == majority else -1 for c in range(C)]
    return tuple(tuple(Fraction(sign[c] * sign[j]) for j in range(C)) for c in range(C))


def is_collapsed(p: Fraction, k: int, loss: str, temperature: Fraction) -> bool | None:
    """Whether `alpha > q gamma` (True) or `alpha < q gamma` (False) at total collapse onto the antipode of the class of
    mass `p`, which is then the minimizer, or is not; None if the two are not told apart."""
    # three classes have the same alpha and gamma: they depend on the minorities through q only
    three = Problem(loss, k, 1 / temperature, (p, (1 - p) / 2, (1 - p) / 2))
    for bits in (64, 256):
        with ctx.workprec(bits):
            gradient = enclose(three, Point([[1], [-1], [-1]]), bits).gradient
            alpha = gradient[0][1] / ball(three.rho[1])
            gamma = gradient[1][2] / ball(three.rho[1] ** 2)
            difference = alpha - ball(1 - p) * gamma
            if difference > 0:
                return True
            if difference < 0:
                return False
    return None


def enclose_minimizer(
    prior: Prior,
    k: int,
    embeddings: Float[np.ndarray, "C d"] | None,
    *,
    loss: str,
    temperature: Fraction,
    d: int,
    radius: Fraction,
) -> Minimizer | str:
    """The minimizer, exactly by structure or within `radius` from the embeddings; else the reason why not."""
    structure = exact_structure(prior, k, loss, temperature)
    if structure is not None:
        rank = prior.C - 1 if structure == "uniform" else 1
        gram = exact_gram(prior, structure)
        return Minimizer(gram, Fraction(0), rank, structure, None, {"structure": structure})
    if loss not in STRICT:
        return f"the minimizer of the loss '{loss}' need not be unique, and is not enclosed"
    if embeddings is None:
        return "no embeddings were given"
    if prior.C > MAX_CLASSES:
        return f"proofs are made for at most {MAX_CLASSES} classes"
    problem = Problem(loss, k, 1 / temperature, prior.rho)
    unit = gram_radius(problem, Fraction(1))
    assert unit is not None  # the loss is one of STRICT
    # the radius goes with the root of the gap, and the gap is a quarter of the width
    gap = (radius / unit) ** 2 / 2
    width = min(4 * Fraction(1, 1 << (gap.denominator // gap.numerator).bit_length()), Fraction(1, 10**12))
    proof = prove_optimum(prior, k, embeddings, loss=loss, temperature=temperature, d=d, width=width)
    if proof.gram is None or proof.gram_radius is None or proof.lower is None or proof.upper is None:
        return proof.reason
    certificate = proof.certificate()
    witness = {key: certificate["witness"][key] for key in ("embeddings", "shift")}
    return Minimizer(proof.gram, proof.gram_radius, prior.C - 1, None, (proof.lower, proof.upper), witness)


def nce_bounds(
    minimizer: Minimizer, prior: Prior, k: int, loss: str, temperature: Fraction
) -> tuple[Fraction, Fraction]:
    """Bounds on the minimum of `L_k`: at an exactly known minimizer its enclosed value."""
    if minimizer.nce is not None:
        return minimizer.nce
    if minimizer.structure == "uniform":
        from verify.certify import prove_etf

        proof = prove_etf(prior.C, k, loss=loss, temperature=temperature)
        assert proof.lower is not None
        assert proof.upper is not None
        return proof.lower, proof.upper
    problem = Problem(loss, k, 1 / temperature, prior.rho)
    signs = [[1] if g == 1 else [-1] for g in minimizer.gram[prior.rho.index(max(prior.rho))]]
    return bounds(enclose(problem, Point(signs), 96).loss)


def ball_gram(minimizer: Minimizer) -> list[list[arb]]:
    """The enclosure as balls, the diagonal exactly 1."""
    error = arb(0, ball(minimizer.radius).upper()) if minimizer.radius else arb(0)
    return [[arb(1) if c == j else ball(g) + error for j, g in enumerate(row)] for c, row in enumerate(minimizer.gram)]
