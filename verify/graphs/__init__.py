"""Augmentation graphs: the convex program, its proof, and the downstream loss of its minimizer."""
