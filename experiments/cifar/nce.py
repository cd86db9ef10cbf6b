"""The NCE loss of a batch of embeddings: an estimate of the population loss `L_k` of `theory.population`."""

from __future__ import annotations

from jaxtyping import Float, PRNGKeyArray

from experiments.cifar.negatives import grouped, others
from theory.arrays import Scalar
from theory.float64 import jax, jnp


def nce_loss(
    anchors: Float[jax.Array, "B d"],
    positives: Float[jax.Array, "B d"],
    draws: Float[jax.Array, "E d"],
    *,
    k: int,
    beta: Scalar,
    negatives: str,
    key: PRNGKeyArray,
) -> Float[jax.Array, ""]:
    """Mean of `log(1 + sum_i exp(-beta f(x)^T (f(x+) - f(x-_i))))` over anchors and groups of negatives.

    Which images are negatives, and what the expectation is: `negatives`. Since `(x+, x)` has the law of `(x, x+)`, the
    positives serve as anchors too, against each other, and the mean over both is returned. All in float32; sums of
    exponentials by log-sum-exp.
    """
    forward, backward = jax.random.split(key)
    return 0.5 * (
        _one_way(anchors, positives, draws, k, beta, negatives, forward)
        + _one_way(positives, anchors, draws, k, beta, negatives, backward)
    )


def _one_way(
    anchors: Float[jax.Array, "B d"],
    positives: Float[jax.Array, "B d"],
    draws: Float[jax.Array, "E d"],
    k: int,
    beta: Scalar,
    negatives: str,
    key: PRNGKeyArray,
) -> Float[jax.Array, ""]:
    candidates = others(_products(anchors, anchors))
    if draws.shape[0]:
        candidates = jnp.concatenate([candidates, _products(anchors, draws)], axis=1)
    scores = grouped(candidates, k, negatives, key)
    positive = jnp.sum(anchors * positives, axis=1)[:, None]
    exponents = beta * (scores - positive[:, :, None])
    # one negative needs no inner log-sum-exp
    inner = exponents[:, :, 0] if k == 1 else jax.nn.logsumexp(exponents, axis=2)
    return jnp.mean(jnp.logaddexp(jnp.float32(0), inner))


def _products(x: Float[jax.Array, "n d"], y: Float[jax.Array, "m d"]) -> Float[jax.Array, "n m"]:
    # GPUs multiply float32 with 10 bits of mantissa unless told otherwise; the cosines are what this is all about
    return jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST)
