r"""Lemma 1 for augmentations: how much the augmentations of a class must overlap for the class to collapse.

Setting. A graph of positive pairs W of which none crosses classes, class masses rho, conditional laws `D_c(i) = pi_i /
rho_c`, and a loss `l` that is convex, differentiable and non-increasing in each margin (symmetry is not used). G* is
the Gram matrix of a class-level minimizer (same rho, k, beta; `theory.population`), U the embeddings that map each
point to its class's. Write `l_m = -dl/dv_m >= 0` at U, `c_m` for the class of negative m, A for the symmetrized
class-level gradient with zero diagonal, `Y = diag(A G*)`, and given an anchor of class c

    kappa_c = E sum_m l_m [c_m = c],     sigma_c = E sum_m l_m > 0.

**Theorem.** U minimizes L_k over *all* embeddings of the points (any Gram matrix) if and only if

    gap_c  >=  alpha*_c(k) = (kappa_c + Y_c / (beta rho_c)) / sigma_c     for every class c of two points or more,

gap_c the spectral gap of the chain `P_c(i, j) = W_ij / pi_i` of the class (`theory.augmentation.chains`).

Proof. (1) *The point-level gradient at U.* In G_ij, row i the anchor, with class c of i and c' of j: as a positive, j
has the derivative `-beta W_ij sigma_c`, since the margins at U do not depend on which point of class c the positive
is. As a negative it has `beta pi_j (sum_p W_ip) tau_cc' = beta pi_i pi_j tau_cc'`, `tau_cc' = sum_m E[l_m | c_m =
c']`, so `kappa_c = rho_c tau_cc`. Symmetrized, `A^pt = beta ( -sigma W + pi_i pi_j (tau_cc' + tau_c'c)/2 )`, W being
symmetric and within classes.
(2) *The multiplier.* The problem is convex, with the interior point G = I: G* (on points) is optimal if and only if
`S = A^pt - Diag(y)` is psd with `S G = 0` for some y. Then `diag(S G) = 0`, so `y_i = (A^pt G)_ii = beta pi_i
(-sigma_c + kappa_c + Y_c/(beta rho_c))`: there is no other choice. (The diagonal of A^pt does not matter: it cancels
in S.)
(3) *The slack splits.* For u constant on classes, `u^T S u = u^T (A - Diag(Y)) u`, the class-level slack, psd as G*
is a class-level minimizer, and S G = 0 likewise. For v on class c with `sum pi_i v_i = 0` the terms with pi_j vanish:

    v^T S v = beta [ (sigma_c - kappa_c - Y_c/(beta rho_c)) sum_i pi_i v_i^2  -  sigma_c v^T W v ].

Between v and u: `-sigma_c u_c sum_i pi_i v_i - sum_i y_i u_c v_i = 0`, both being multiples of `sum pi_i v_i`.
Between v of two classes: 0, for W does not cross. So S is psd iff `sigma_c (1 - lambda_2(P_c)) >= kappa_c + Y_c/(beta
rho_c)` for all c. []

*Dimension.* If every gap is large enough, U is optimal in every dimension that holds it, `d >= rank G*`. If not, some
v has `v^T S v < 0`, and `u_i -> (sqrt(1 - eps^2 v_i^2) u_i, eps v_i)` changes the loss by `eps^2 v^T S v + O(eps^4)`:
with one dimension more than rank G*, so certainly for `d >= C`, no collapsed embedding is optimal. For `d = rank G*`
that is *false*: for two classes on the line (d = 1) points can only flip, and U stays optimal at half of the
threshold.

*Which classes.* Where some gap is too small the theorem says that U is not optimal, not which classes spread: a class
with too small a gap may stay on one point where another one spreads (two equal classes, k = 4, alpha* = 0.6905, gaps
0.66 and 0.05; T = 1).

*Range.* `alpha*_c <= 1`: independent positives (`W = rho_c D_c D_c^T`, gap 1) collapse by Lemma 1. It may be <= 0:
then even a class that falls apart collapses, e.g. where the class-level optimum puts several classes on one point.

*In one matrix.* With `D_cj = rho_c E sum_m l_m [c_m = j]`, its diagonal included, and its symmetric part Ds,

    alpha*_c = (Ds G*)_cc / (D 1)_c.

**Uniform prior** (simplex ETF, `e = e^(-beta C/(C-1))`, `M ~ Bin(k, 1/C)` collisions, `S = M + (k - M) e`): with `a =
E[M/(1+S)]`, `b = E[(k-M) e/(1+S)]`, `alpha* = (a - b/(C-1)) / (a + b)` for the logistic loss; at k = 1 it is
`(1-e)/(1+(2C-1)e)`, its limit is `(1-e)/(1+(C-1)e)`; exponential `(1-e)/(1+(C-1)e)` and separable `(1-e)/(1+(2C-1)e)`
for every k; decoupled `E[(M - (k-M) e/(C-1))/S]`, which is 0 at k = 1.

*It increases strictly with k* (logistic). alpha* increases in a/b. With `phi(t) = (e^-t + (C-1) e^(-te))/C`, `a/b` is
a constant times `int phi^(k-1) e^(-2t) / int phi^(k-1) e^(-(1+e)t)`, the mean of `e^(-(1-e)t)` under the density
`mu_k ~ e^(-(1+e)t) phi^(k-1)`. The density ratio `mu_(k+1)/mu_k ~ phi` and the function `e^(-(1-e)t)` both decrease
strictly in t, so that the mean grows (Chebyshev's inequality for two decreasing functions). []

**Positives across classes.** Let `W_ij = pi_i pi_j w_cc'` between classes, and sigma_c that of anchors *and
positives* of class c. With the class-level joint law `W^C_cc'` and the class-level gradient A^C *with* its diagonal
(a class's own cosine is 1 but has a derivative), `Y^f = diag(A^C G*)`, the same computation gives: U is optimal iff
for every class

    max { v^T W v / sum pi v^2 : v on c, sum pi v = 0 }  <=  -Y^f_c / (beta rho_c sigma_c).

There even independent positives within classes need not collapse. Without crossing pairs `-Y^f_c/(beta rho_c sigma_c)
= 1 - alpha*_c`.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from theory.augmentation.expectation import LOSSES, expected
from theory.errors import InputError
from theory.losses import Loss


def negative_slopes(
    loss: Loss, gram: Float[np.ndarray, "C C"], rho: Float[np.ndarray, " C"], k: int | float, beta: int | float = 1.0
) -> Float[np.ndarray, "C C"]:
    """`D_cj = rho_c E sum_m l_m [c_m = j]` at class embeddings, the collisions `j = c` included (for `k = inf` of the
    normalized loss).

    Raises:
        InputError: for a loss that is not differentiable.
    """
    if not loss.smooth:
        raise InputError("loss", loss.name, "a threshold needs a differentiable loss")
    z = beta * (gram - 1)
    np.fill_diagonal(z, 0.0)
    C = len(rho)
    if loss.name in LOSSES:
        # the anchor's own class twice: as a negative, and as the positive
        wide, own = np.hstack([z, np.zeros((C, 1))]), np.zeros((C, C + 1))
        own[:, -1] = 1.0
        rows = expected(loss.name, k, wide, np.hstack([np.tile(rho, (C, 1)), np.zeros((C, 1))]), own)
        return rho[:, None] * rows.slopes[:, :-1]
    from theory.float64 import jax, jnp

    margins, weights = jnp.asarray(-z), jnp.asarray(rho)
    if math.isinf(k):
        slopes = jax.grad(lambda v: weights @ loss.limit(v, weights))(margins)
    else:
        slopes = jax.grad(lambda v: weights @ loss.expected(v, weights, k))(margins)
    return -np.asarray(slopes)


def collapse_thresholds(
    loss: Loss, gram: Float[np.ndarray, "C C"], rho: Float[np.ndarray, " C"], k: int | float, beta: int | float = 1.0
) -> Float[np.ndarray, " C"]:
    """`alpha*_c(k)` at the class-level minimizer `gram` for this prior (module docstring).

    For a subgradient selection of a loss with kinks the condition is sufficient; such losses are refused here.
    """
    D = negative_slopes(loss, gram, rho, k, beta)
    return np.sum((D + D.T) / 2 * gram, axis=1) / np.sum(D, axis=1)


def uniform_threshold(loss: Loss, C: int, k: int | float, beta: int | float = 1.0) -> float:
    """`alpha*(k)` for `C` equal classes: closed forms, and for the logistic and decoupled loss two integrals."""
    gram = np.full((2, 2), -1.0 / (C - 1))
    np.fill_diagonal(gram, 1.0)
    e, stretch = math.exp(-beta * C / (C - 1)), beta * C / (C - 1)
    one_less = -math.expm1(-stretch)  # 1 - e, exact for small beta
    if loss.name == "exponential" or (loss.name == "logistic" and math.isinf(k)):
        return one_less / (1 + (C - 1) * e)
    if loss.name == "separable":
        return one_less / (1 + (2 * C - 1) * e)
    if loss.name == "decoupled" and math.isinf(k):
        return one_less / (1 + (C - 1) * e)
    # own class, another class, and the positive: the anchor sees two values
    z = np.array([[0.0, -stretch, 0.0]])
    laws = np.array([[1 / C, 1 - 1 / C, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    if loss.name not in LOSSES:
        raise InputError("loss", loss.name, f"closed forms are known for {', '.join(LOSSES)}")
    a, b, _ = expected(loss.name, k, z, *laws).slopes[0]
    return float((a - b / (C - 1)) / (a + b))


def crossing_bounds(
    class_gradient: Float[np.ndarray, "C C"],
    sigma: Float[np.ndarray, " C"],
    gram: Float[np.ndarray, "C C"],
    rho: Float[np.ndarray, " C"],
    beta: int | float = 1.0,
) -> Float[np.ndarray, " C"]:
    """`-Y^f_c / (beta rho_c sigma_c)`: what `max v^T W v / sum pi v^2` may be for a class to collapse, with positives
    across classes (module docstring).

    Args:
        class_gradient: `dL/dG_cc'` of the class-level problem with the law `W^C`, its diagonal included.
        sigma: `E sum_m l_m` given an anchor and a positive of the class.
        gram: the class-level minimizer.
        rho: class masses.
        beta: 1 / temperature.
    """
    A = (class_gradient + class_gradient.T) / 2
    return -np.sum(A * gram, axis=1) / (beta * rho * sigma)
