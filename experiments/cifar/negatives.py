"""Which images are an anchor's negatives, and whether they are `k` independent draws from the marginal, as in [1].

A step draws `B` anchors iid from the training set (with replacement, so that their classes are iid from the prior),
and one positive for each. Further images, iid from the training set, are drawn only if `k > B - 1`.

*"marginal"*, the estimator of the theory. The negatives of anchor `i` are the anchors `i+1, i+2, ...` (cyclically) of
the other pairs, and then the further images: `T = max(k, B - 1)` images, cut into `T // k` disjoint groups of
`k`. The estimate is the mean over anchors and groups of `l(beta f(x_i)^T (f(x_i+) - f(x-_1..k)))`.

    Unbiased [derived]. Fix `i` and a group. The images of the group have indices different from `i` and from each
    other, so they are iid from the marginal, and independent of `(x_i, x_i+)`, which was drawn without looking at
    them. So each term has the law of the loss in [1], and every term has expectation `L_k(f)`, collisions included: a
    negative has the anchor's class with probability `rho_c`. Terms share images, and so are dependent; the
    expectation of a mean does not ask for independence. QED

*"batch"*: `k` draws with replacement from those `T` images, for any `k`, without further images (`T = B - 1`). The
images are iid from the marginal, but the negatives are a resample: repeats are likely once `k^2 > T`.

    Biased downwards [derived]. Given the `T` images the negatives are iid from their empirical law `r`, whose mean is
    the marginal `rho`. With `phi_r(t) = sum_j r_j exp(-t X_j)`, linear in `r`, the expected loss is
    `int (1 - phi_r(t)^k) e^(-t) dt/t`. `phi -> phi^k` is convex for `phi >= 0`, so `E phi_r^k >= phi_rho^k` by
    Jensen, and the expected loss is at most `L_k`; equal for `k = 1`. QED

What is drawn is a place in the training set, and images that are taken as they are need not be embedded twice: where a
step draws at least as many as there are, each is embedded once (`step`), and the estimate is the same.

All is said of a network that maps every image by itself. Batch normalization lets the embedding of an image depend
on the other images of the batch while it trains; the images are as stated, the embeddings then only nearly.
"""

from __future__ import annotations

from jaxtyping import Float, PRNGKeyArray

from theory.float64 import jax, jnp

#: What is recorded of each mode beside the results.
STATEMENTS = {
    "marginal": "k negatives iid from the marginal, collisions included",
    "batch": "k negatives resampled with replacement from the other anchors of the batch (biased downwards for k > 1)",
}


def further_images(k: int, batch: int, negatives: str) -> int:
    """How many further images a step needs."""
    return 0 if negatives == "batch" else max(0, k - (batch - 1))


def others(scores: Float[jax.Array, "B B"]) -> Float[jax.Array, "B B-1"]:
    """Row `i` holds `scores[i, i+1], scores[i, i+2], ...`, cyclically, without `scores[i, i]`."""
    B = scores.shape[0]
    # entry (i, i+1+j) of [scores, scores] is at i (2B+1) + 1 + j of its flat form: a reshape instead of a gather
    flat = jnp.concatenate([scores, scores], axis=1).reshape(-1)
    padded = jnp.concatenate([flat[1:], jnp.zeros(B + 1, scores.dtype)])
    return padded.reshape(B, 2 * B + 1)[:, : B - 1]


def grouped(
    candidates: Float[jax.Array, "B T"], k: int, negatives: str, key: PRNGKeyArray
) -> Float[jax.Array, "B groups k"]:
    """The scores of the negatives, from those of all `T` candidates of each anchor."""
    B, T = candidates.shape
    if negatives == "batch":
        chosen = jax.random.randint(key, (B, k), 0, T, dtype=jnp.int32)
        return jnp.take_along_axis(candidates, chosen, axis=1)[:, None, :]
    groups = T // k
    return candidates[:, : groups * k].reshape(B, groups, k)
