"""Unbalanced priors: where does the downstream loss of the minimizer rise with the number of negatives?

`python -m experiments.unbalanced search` looks for priors against the conjecture of [1] and proves what it finds;
`show` prints the committed findings.
"""
