"""The minimizer of `L_k` itself, enclosed: the cosines that every downstream number depends on.

Everything is in groups of equal classes (`theory.groups`); a class that equals no other, or that is wanted for itself
(`Enclosing.by_class`), is a group of one. Where structure gives the minimizer, it is known exactly (derived, with [1];
strictly convex losses):

- "two-classes": for `C = 2` the loss increases in the one cosine, so `G_12 = -1`;
- "uniform": for a uniform prior the simplex ETF is the only minimizer, for every `k` [1];
- "total-collapse": one class of mass `p`, the others (`q = 1 - p`) on the point opposite to it. With the
  symmetrised gradient `A_1c = rho_c alpha`, `A_cj = rho_c rho_j gamma` there (`c, j` minority classes), the dual slack
  is psd iff `alpha >= q gamma` (`theory.collapse_threshold`), which the enclosed gradient decides.

Elsewhere the gap between a feasible point and the dual bound encloses it (`verify.certify`), from where double
precision found it (`verify.optimize.solution`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb
from jaxtyping import Float

from theory.geometry import simplex_etf
from theory.objectives import NCE
from theory.priors import Prior
from theory.problem import Problem
from verify import limits
from verify.certify import prove_etf, prove_grouped
from verify.certify.balls import Ball, ball, bounds
from verify.certify.enclosure import Point, enclose
from verify.certify.gram_radius import gram_radius
from verify.certify.losses import is_strict
from verify.certify.rank import rank_bounds
from verify.certify.total_collapse import is_collapsed
from verify.optimize.solution import Solution, solve
from verify.optimize.starts import Start


@dataclass(frozen=True)
class Minimizer:
    """Every optimal cosine is within `radius` of `cosines` (within groups on the diagonal, 1 for a class alone).

    `structure` names the reason where they are known exactly (`radius` 0); `nce` bounds the minimum, where it was
    bounded; `rank` is at least that of the C x C Gram matrix; `witness` is what a checker needs to see all of it, where
    every group is one class.
    """

    counts: tuple[int, ...]
    cosines: tuple[tuple[Fraction, ...], ...]
    radius: Fraction
    rank: int
    structure: str | None
    nce: tuple[Fraction, Fraction] | None
    witness: dict[str, Any] = field(default_factory=dict)

    def balls(self) -> list[list[Ball]]:
        """The cosines in balls; 1 exactly for a class with itself."""
        error = arb(0, ball(self.radius).upper()) if self.radius else arb(0)
        made = [[ball(x) + error for x in row] for row in self.cosines]
        for g, N in enumerate(self.counts):
            made[g][g] = arb(1) if N == 1 else made[g][g].min(1)
        return made

    def means(self) -> list[list[Ball]]:
        """The Gram matrix of the groups' means in balls."""
        made = self.balls()
        for g, N in enumerate(self.counts):
            made[g][g] = ((1 + (N - 1) * made[g][g]) / N).max(0)
        return made


def exact_structure(problem: Problem) -> str | None:
    """The structure that determines the minimizer exactly, if one is proven to."""
    prior = problem.population
    if not isinstance(problem.k, int) or not is_strict(problem.loss_name):
        return None
    if prior.C == 2:
        return "two-classes"
    if prior.is_uniform:
        return "uniform"
    if problem.objective != NCE:  # whose slack at total collapse is of another form
        return None
    return "total-collapse" if is_collapsed(problem, max(prior.masses)) else None


def exact_cosines(groups: Prior, structure: str) -> tuple[tuple[Fraction, ...], ...]:
    """The optimal cosines that the structure names, on the diagonal those within groups."""
    counts, C = groups.counts, groups.C
    if structure == "uniform" or len(counts) == 1:
        apart = [[Fraction(-1, C - 1)] * len(counts) for _ in counts]
    else:
        largest = groups.masses.index(max(groups.masses))
        sign = [1 if g == largest else -1 for g in range(len(counts))]
        apart = [[Fraction(a * b) for b in sign] for a in sign]
    return tuple(
        tuple(Fraction(1) if g == h and n == 1 else x for h, (n, x) in enumerate(zip(counts, row, strict=True)))
        for g, row in enumerate(apart)
    )


class Enclosing:
    """A problem, whose minimizer is enclosed as closely as is asked for.

    Attributes:
        groups: the prior in the groups that are worked with: of equal classes, or of one class each if `by_class`.

    `near` is where double precision begins (`verify.optimize.solution.solve`).
    """

    def __init__(
        self,
        problem: Problem,
        *,
        by_class: bool = False,
        near: Solution | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.problem, self._by_class, self._near, self._progress = problem, by_class, near, progress
        self._found: dict[Fraction, Minimizer | str] = {}

    @cached_property
    def solution(self) -> Solution:
        """The minimizer in double precision; computed where structure does not give it."""
        return solve(self.problem, near=self._near, progress=self._progress)

    @cached_property
    def structure(self) -> str | None:
        """Why the minimizer is known exactly, if it is."""
        return exact_structure(self.problem)

    @cached_property
    def groups(self) -> Prior:
        if self._by_class:
            return self.problem.population.split()
        return self.problem.population.merged() if self.structure else self.solution.groups

    def minimizer(self, radius: Fraction) -> Minimizer | str:
        """Exactly by structure or within `radius`; else the reason why not."""
        if radius not in self._found:
            self._found[radius] = self._enclosed(radius)
        return self._found[radius]

    def _enclosed(self, radius: Fraction) -> Minimizer | str:
        loss, d = self.problem.loss_name, self.problem.d
        if not is_strict(loss):
            return f"the minimizer of the loss '{loss}' need not be unique, and is not enclosed"
        if not isinstance(self.problem.k, int):
            return "k is not an integer"
        counts, C = self.groups.counts, self.groups.C
        if self.structure is not None:
            rank = C - 1 if self.structure == "uniform" else 1
            if d < rank:
                return f"d = {d} dimensions do not hold the minimizer, of rank {rank}"
            exact = exact_cosines(self.groups, self.structure)
            return Minimizer(counts, exact, Fraction(0), rank, self.structure, None, {"structure": self.structure})
        if len(counts) > limits.POLISHED_CLASSES:
            return f"proofs are made for at most {limits.POLISHED_CLASSES} classes"
        unit = gram_radius(self._grouped, Fraction(1))
        assert unit is not None  # the loss is strict
        # the radius goes with the root of the gap, and the gap is a quarter of the width
        gap = (radius / unit) ** 2 / 2
        width = min(4 * Fraction(1, 1 << (gap.denominator // gap.numerator).bit_length()), Fraction(1, 10**12))
        proof = prove_grouped(self._grouped, self._starts(), width=width)
        if proof.gram is None or proof.gram_radius is None or proof.lower is None or proof.upper is None:
            return proof.reason
        witness = proof.certificate()["witness"] if max(counts) == 1 else {}
        witness = {key: witness[key] for key in ("embeddings", "shift") if key in witness}
        # the unit ball may stand for the sphere where d exceeds the rank, which is C-1 at most
        most = C - 1 if d >= C else rank_bounds(self._grouped, proof.gram, proof.gram_radius)[1]
        return Minimizer(counts, proof.gram, proof.gram_radius, most, None, (proof.lower, proof.upper), witness)

    def nce_bounds(self, minimizer: Minimizer) -> tuple[Fraction, Fraction]:
        """Bounds on the minimum of `L_k`: at an exactly known minimizer its enclosed value."""
        if minimizer.nce is not None:
            return minimizer.nce
        if self.structure == "uniform":
            proof = prove_etf(self.problem)
            assert proof.lower is not None
            assert proof.upper is not None
            return proof.lower, proof.upper
        largest = self.groups.masses.index(max(self.groups.masses))
        signs = [[1 if g == largest else -1] for g in range(len(self.groups.masses))]
        if len(signs) == 1:  # two equal classes
            both = replace(self.problem, population=self.problem.population.split())
            return bounds(enclose(both, Point([[1], [-1]]), 96).loss)
        return bounds(enclose(self._grouped, Point(signs), 96).loss)

    @cached_property
    def _grouped(self) -> Problem:
        return replace(self.problem, population=self.groups)

    def _starts(self) -> list[Start]:
        found = self.solution
        if found.groups.masses == self.groups.masses:
            return found.starts
        return [one_by_one(start, found.groups, self.problem.population) for start in found.starts]


def one_by_one(start: Start, groups: Prior, prior: Prior) -> Start:
    """The embeddings of all classes, in the order of the prior, where those of the groups have these means."""
    free = [g for g, is_free in enumerate(start.free.tolist()) if is_free]
    widths = [groups.counts[g] - 1 for g in free]
    U = np.zeros((prior.C, start.U.shape[1] + sum(widths)))
    first = {g: start.U.shape[1] + sum(widths[:n]) for n, g in enumerate(free)}
    number = {mass: g for g, mass in enumerate(groups.masses)}
    seen = dict.fromkeys(range(len(groups.masses)), 0)
    for c, mass in enumerate(prior.rho):
        g = number[mass]
        U[c, : start.U.shape[1]] = start.U[g]
        if g in first:
            N = groups.counts[g]
            spread: Float[np.ndarray, " n"] = simplex_etf(N)[seen[g]]
            U[c, first[g] : first[g] + N - 1] = np.sqrt(1 - start.U[g] @ start.U[g]) * spread
        seen[g] += 1
    return Start(U, np.zeros(prior.C, dtype=bool)).normalized()
