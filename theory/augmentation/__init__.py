"""Positives from an augmentation graph instead of independent draws from the class.

Points `i = 1..n` have a symmetric joint law `W` of positive pairs `(x, x+)` (HaoChen et al. 2021); the negatives are
iid from its marginal. The paper's setting is `W_ij = rho_c D_c(i) D_c(j)` within classes, the class-level problem of
`theory.population` is `W = Diag(rho)`.

- `graph`        the law, in exact rationals, with exchangeable points taken together
- `families`     blocks, pairs across classes, a hierarchy, nearest neighbours
- `chains`       the chain of each class: components and spectral gaps
- `expectation`  the loss of one anchor with its derivatives, at a cost that does not grow with `k`
- `loss`         the population loss, its gradient and Hessian; enumeration and sampling as references
- `thresholds`   Lemma 1 for augmentations: the overlap from which on classes collapse
- `block`        more negatives necessarily hurt: the theorem on equal classes
"""
