r"""Kind `etf-optimality`: balanced classes; the minimum lies in [lower, upper], at the simplex ETF.

The minimum is over all representations. Statement: loss, C, k, temperature, d >= C-1, lower, upper, optionally
objective. There is no witness: the minimum is known.

Proof, for every convex, symmetric, coordinatewise non-increasing loss l of the margins `beta f(x).(f(x+) -
f(x-_i))`. Let mu_c = E[f | c]. Given the set M of negatives that collide with the anchor's class (every other
negative is uniform on the other classes), the mean of margin i is 0 for i in M, as x+ and x-_i have one law, and
else beta (A - B), with A the mean of |mu_c|^2 and B that of mu_c.mu_j over pairs c != j. From |sum mu_c|^2 >= 0, B
>= -A/(C-1); and A <= 1: so A - B <= C/(C-1). Jensen, then monotonicity: E[l | M] >= l(0 on M, b elsewhere), b =
beta C/(C-1). At the simplex ETF all margins are these constants, so the minimum is L* = E l(0 m times, b k-m
times), m ~ Bin(k, 1/C): the row loss of X = 1 with mass 1/C and x = e^-b with mass 1 - 1/C, and for the hinge
max(0, 1 + max_i -v_i), with P = (1 - 1/C)^k the probability of no collision, 1 - P + P max(0, 1 - b). Where an
objective has no collisions M is empty, and what is said of it holds with mass 0 for 1/C.
"""

from __future__ import annotations

from fractions import Fraction

from verify.checker.dual import read_temperature
from verify.checker.global_optimum import bits_for, compare_interval
from verify.checker.intervals import Interval, context, enclose, exp, resolve
from verify.checker.losses import NAMES, LogSum, Sum, read_loss
from verify.checker.objectives import read_objective
from verify.checker.reading import MAX_K, Fields
from verify.checker.rows import row_losses
from verify.checker.verdict import Rejected


def check(statement: Fields, witness: Fields) -> str:
    is_hinge = statement.choice("loss", (*NAMES, "hinge")) == "hinge"
    loss, k = None if is_hinge else read_loss(statement), statement.integer("k", 1, MAX_K)
    C = statement.integer("C", 2, MAX_K)
    statement.integer("d", max(1, C - 1), MAX_K)
    collision = read_objective(statement).own(Fraction(1, C))
    b = Fraction(C, C - 1) / read_temperature(statement)
    lower, upper = statement.rational("lower"), statement.rational("upper")
    if lower >= upper:
        raise Rejected("the interval [lower, upper] has no interior")

    def attempt(bits: int) -> None:
        value = etf_loss(loss, collision, k, b, bits)
        compare_interval(lower, upper, value, value)

    resolve(bits_for(upper - lower), attempt)
    return "the closed form of the minimum lies in the interval"


def etf_loss(loss: Sum | LogSum | None, collision: Fraction, k: int, b: Fraction, bits: int) -> Interval:
    """L* of the proof above, a negative colliding with this probability; None stands for the hinge."""
    ctx = context(bits, k)
    others = 1 - collision
    if loss is None:
        none = enclose(ctx, others) ** k
        return 1 - none + none * enclose(ctx, max(Fraction(0), 1 - b))
    values = [ctx.mpf(1), exp(ctx, enclose(ctx, -b))]
    return row_losses(ctx, loss, k, values, [{0: collision, 1: others} if collision else {1: others}])[0][0]
