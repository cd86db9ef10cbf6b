"""Augmentation graphs: the convex program, its proof, and the downstream loss of its minimizer."""

#: The most classes of a graph or a prior.
MAX_CLASSES = 256
