"""The mathematical objects and statements of contrastive-learning theory, as pure functions.

Start with `theory.priors` (class priors), `theory.losses` (the family of losses), `theory.population`
(the exact population NCE loss) and `theory.geometry` (the simplex ETF and Gram matrices). `theory.points` has
representations on points, `theory.bounds` the prior bounds (one paper a file), `theory.downstream` the downstream loss,
`theory.collapse_threshold` when minority classes collapse, `theory.symbolic` the derivations.

Importing this package imports nothing heavy.

References used in docstrings:

[1] P. Awasthi, N. Dikkala, P. Kamath. Do More Negative Samples Necessarily Hurt in Contrastive Learning?
    ICML 2022, arXiv:2205.01789.
[2] L. N. Trefethen, J. A. C. Weideman. The Exponentially Convergent Trapezoidal Rule. SIAM Review 56 (2014).
[3] V. Papyan, X. Y. Han, D. L. Donoho. Prevalence of neural collapse during the terminal phase of deep
    learning training. PNAS 117 (2020).

"derived" marks what was worked out for this project; its proof stands in the docstring.
"""
