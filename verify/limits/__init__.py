"""The most that each part takes on, and why: every limit on the size of a problem stands here, and nowhere else.

The checker has limits of its own (`verify.checker.reading`), and what is limited by memory in one method is limited
there (`theory.expectation.enumeration`, `theory.losses.custom`). The largest k is that of `theory.problem`.
"""

from __future__ import annotations

from theory.errors import InputError
from theory.priors import Prior

#: Groups of equal classes, or of points, of the barrier method: the Hessian has a row for each pair of them.
BARRIER_GROUPS = 48

# Classes of a problem that is not one for the barrier method, or that are looked at one by one in any case:

#: `verify.optimum`: a dense dual slack of so many rows is factored in seconds.
OPTIMUM_CLASSES = 4000
#: `verify.downstream`: a classifier is a dense matrix of so many rows, and is searched for.
DOWNSTREAM_CLASSES = 1000
#: `verify.conjecture`: every k of the list is optimized, in as many unknowns as there are pairs of classes.
CONJECTURE_CLASSES = 256
#: `verify.bounds`: as `verify.downstream`.
BOUNDS_CLASSES = 1000
#: `verify.embeddings`: the C x C tables of its result.
LABEL_CLASSES = 1000
#: `verify.augmentation`: classes of a graph or of a prior, each with a threshold that is enclosed.
GRAPH_CLASSES = 256

# What is proved, and how it is given:

#: Rows of balls that are polished by Newton's method (`verify.certify.optimum`).
POLISHED_CLASSES = 256
#: Matrices of balls of this many rows fit in a few gigabytes (`verify.certify.bracket`).
BRACKETED_CLASSES = 1500
#: A rank of more rows takes longer than the minimum itself (`verify.certify.rank`).
RANK_ROWS = 64
#: Groups of a proof on a graph (`verify.graphs.proof`).
GRAPH_PROOF_GROUPS = 32
#: Points of trained embeddings whose loss is enclosed (`verify.trained.loss`).
ENCLOSED_POINTS = 2000
#: Classes that a certificate about the downstream loss lists one by one.
CERTIFICATE_CLASSES = 256
#: Classes whose cosines are given one by one, not in groups (`verify.certify.solution`).
GRAM_CLASSES = 256
#: Classes whose masses are listed one by one where some are equal (`verify.results`).
LISTED_CLASSES = 1000

# What is computed in double precision:

#: The error of the minimizer is estimated with some 300 products with the Hessian (`verify.optimize.probing`).
PROBED_CLASSES = 512
#: Dimensions of the column space of a linear encoder: the Hessian has a row for each pair (`verify.graphs.linear`).
ENCODER_RANK = 24
#: Points of a graph that are looked at one by one: for tasks and encoders, or where there are many groups.
GRAPH_POINTS = 2000


def check_classes(prior: Prior, most: int) -> None:
    """Refuse a prior of more classes.

    Raises:
        InputError: for such a prior.
    """
    if most < prior.C:
        raise InputError("rho", f"{prior.C} classes", f"accepted: at most {most} classes here")
