"""What every member of the loss family can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, is_numpy, promoting
from theory.expectation.expansion import Expansion

#: What is done to `L_k` so that it has a limit as `k -> inf`.
NORMALIZATIONS = {"none": "L_k", "subtract_log_k": "L_k - log k", "divide_by_k": "L_k / k"}

#: So many margins are held at once where every positive is taken by itself.
_TOGETHER = 1 << 20
#: The methods that compute.
_COMPUTING = {
    "__call__",
    "expansion",
    "expected",
    "expected_expansion",
    "expected_nonnegative",
    "expected_expansion_nonnegative",
    "expected_over_positives",
    "specialized",
    "resolved",
    "limit",
    "limit_expansion",
}


class Loss(ABC):
    """A loss `l` of margins `v = (v_1, ..., v_k)`: symmetric, and non-increasing in each margin.

    Of the loss itself, of its expectation over negatives and of the limit of that there are a value and an expansion,
    which has first and second derivatives too (`theory.expectation.expansion`); both in NumPy for arrays of NumPy, and
    in JAX for those of JAX.

    Subclasses are frozen dataclasses, hence hashable: they are passed to `jax.jit` as static arguments.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """How results name the loss."""

    #: Key of `NORMALIZATIONS`.
    normalization: ClassVar[str]
    #: `l` is known to be convex, by proof and not by sampling.
    convex: ClassVar[bool] = True
    #: `l` is differentiable, so that Newton's method applies.
    smooth: ClassVar[bool] = True
    #: `l` is a sum over its margins: `L_k = k L_1`, and no minimizer depends on `k`.
    additive: ClassVar[bool] = False
    #: `l` is given as JAX-traceable code: nothing about it can be computed without JAX.
    traced: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in _COMPUTING & vars(cls).keys():
            setattr(cls, name, promoting(vars(cls)[name]))

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        """`l(v)` over the last axis."""
        return self.expansion(v).value

    @abstractmethod
    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        """`l` at each row of `v`; with `counts`, of the margins in which `v_j` occurs `counts_j` times."""

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Float[Array, "*b"]:
        """`E l(v_{J_1}, ..., v_{J_k})`, `J_i` iid with these weights, over the last axis of `margins`."""
        return self.expected_expansion(margins, weights, k).value

    @abstractmethod
    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        """`expected` as a function of each row of margins."""

    def expected_nonnegative(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
    ) -> Float[Array, "*b"]:
        """The same as `expected` where no margin is negative, as for embeddings that are constant on classes."""
        return self.expected(margins, weights, k)

    def expected_expansion_nonnegative(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
    ) -> Expansion:
        """The same as `expected_expansion` where no margin is negative."""
        return self.expected_expansion(margins, weights, k)

    @promoting
    def expected_over_positives(
        self,
        cosines: Float[Array, "rows n"],
        positives: Float[Array, "rows n"],
        negatives: Float[Array, " n"],
        k: Scalar,
        beta: Scalar,
    ) -> Float[Array, " rows"]:
        """`E l(beta (g_P - g_{J_1}), ..., beta (g_P - g_{J_k}))` for each row of cosines g; the positive P has a law of
        its own in each row, the negatives J_i iid have one law. As it stands, one `expected` for each positive."""

        rows, n = cosines.shape
        step = max(1, _TOGETHER // n**2)
        if is_numpy(cosines, positives, negatives) and not self.traced:
            return np.concatenate(
                [
                    np.sum(law * self.expected(beta * (g[:, :, None] - g[:, None, :]), negatives, k), axis=-1)
                    for g, law in ((cosines[i : i + step], positives[i : i + step]) for i in range(0, rows, step))
                ]
            )
        from theory.float64 import jax

        def row(of: tuple[Float[Array, " n"], Float[Array, " n"]]) -> Float[Array, ""]:
            g, law = of
            return law @ self.expected(beta * (g[:, None] - g), negatives, k)

        if rows <= step:
            return jax.vmap(row)((cosines, positives))
        return jax.lax.map(row, (cosines, positives), batch_size=step)

    def specialized(self, k: int | float, beta: int | float) -> Loss:
        """The same loss, prepared for this `k` and margins in `[0, 2 beta]`: as accurate, and faster where few nodes
        suffice. What is returned is one of a few, so that few functions are compiled."""
        del k, beta
        return self

    def resolved(self, k: int | float, beta: int | float) -> Loss:
        """The same loss, its `expected_over_positives` accurate for this `k` and `beta` too (as it stands: below
        beta = 13)."""
        del k, beta
        return self

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Float[Array, "*b"]:
        """The limit of the normalized `expected` as `k -> inf` (`normalization`)."""
        return self.limit_expansion(margins, weights).value

    @abstractmethod
    def ambiguity(self, k: int | float, beta: int | float) -> str:
        """Why Gram matrices other than the simplex ETF may attain the minimum of equal classes; empty where the loss is
        strictly convex in the cosines, which makes it the only one."""

    @abstractmethod
    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        """`limit` as a function of each row of margins."""

    def effort(self, n: int, k: int | float) -> str:
        """What one expectation over `n` values costs, where that grows with `k`; empty where it does not."""
        del n, k
        return ""

    def is_exact(self, n: int, k: int | float) -> bool:
        """Whether `expected` is exact for `n` values and this `k`, and not a sample mean."""
        del n, k
        return True
