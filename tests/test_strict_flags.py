"""`theory` is offered as ordinary JAX: it works where a user has set JAX's strict rules of promotion."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import math
import numpy as np
from theory.float64 import jax, jnp
from theory.losses import LOSSES, Custom
from theory.points.averaging import averaging_margins
from theory.points.families import draw
from theory.points.loss import points_loss
from theory.population import GramExpansion, population_loss

assert (jax.config.jax_numpy_rank_promotion, jax.config.jax_numpy_dtype_promotion) == ("raise", "strict")
rho, G = jnp.array([0.5, 0.3, 0.2]), jnp.eye(3)
f = draw("generic", np.random.default_rng(0), (2, 2, 2))
# promotion is settled when a function is traced: nothing needs to be compiled
for loss in LOSSES.values():
    for k in (4, math.inf):
        of = lambda G: population_loss(loss, G, rho, k, 2.0)
        jax.eval_shape(jax.value_and_grad(of), G), jax.eval_shape(jax.hessian(of), G)
    jax.eval_shape(lambda G, k: population_loss(loss, G, rho, k), G, 4)
    jax.eval_shape(lambda F: points_loss(loss, f._replace(embeddings=F), 3), f.embeddings)
logistic, F = LOSSES["logistic"], jnp.asarray(f.embeddings)
jax.eval_shape(lambda F: averaging_margins(logistic, f._replace(embeddings=F), 3.0), F)
# values with derivatives to second order, of the losses that ship and of one's own
own = Custom(lambda v: jnp.sum(jnp.exp(-v), axis=-1), "own")
for loss in (*LOSSES.values(), own):
    for k in (4.0, math.inf) if loss is not own else (4.0,):
        def second_order(G):
            expansion = GramExpansion(loss, G, rho, k)
            return expansion.value, expansion.gradient, expansion.along(G)
        jax.eval_shape(second_order, jnp.stack([G, G]))
# and the user's own code is held to them
try:
    jnp.ones((2, 2)) + jnp.ones(2)
except ValueError:
    print("strict")
"""


def test_strict_promotion_is_no_hindrance():
    strict = {"JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_NUMPY_DTYPE_PROMOTION": "strict"}
    environment = os.environ | strict | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "strict\n"), done.stderr[-1000:]
