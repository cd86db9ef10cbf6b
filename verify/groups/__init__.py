"""Priors with groups of equal classes, solved in the number of groups."""
