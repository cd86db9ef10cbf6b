"""Statements that nothing here decides yet, each with the reason."""

from __future__ import annotations

from theory.literature.statement import Statement, undecided

STATEMENTS = (
    Statement(
        "lu-steinerberger2022-cross-entropy",
        "Lu, Steinerberger 2022, arXiv 2012.08465",
        "second hand",
        "the cross-entropy of unit vectors, each class once, is minimized by the simplex ETF",
        ("equal classes", "features and classifier one set of unit vectors"),
        (),
        undecided("it draws each other class once: negatives without replacement, which no command has"),
    ),
    Statement(
        "fang2021-minority-collapse",
        "Fang, He, Long, Su 2021, arXiv 2101.12699",
        "second hand",
        "in the layer-peeled model the classifiers of minority classes coincide beyond a ratio of class sizes",
        ("norms bounded on average, features and classifiers apart",),
        (),
        undecided("norms are bounded on average there, and are 1 here: another program"),
    ),
    Statement(
        "cho2024-mini-batches",
        "Cho, Sreenivasan, Lee, et al. 2024, arXiv 2307.05906",
        "abstract",
        "optimizing mini-batches is equivalent to optimizing the full batch iff all of one size are selected",
        ("two towers, pairs distinct",),
        (),
        undecided("mini-batches are negatives without replacement, which no command has"),
    ),
    Statement(
        "kukleva2023-temperature",
        "Kukleva, Boehle, Schiele, Kuehne, Rupprecht 2023, arXiv 2303.13664",
        "second hand",
        "on long-tailed data a large temperature groups classes and a small one tells instances apart",
        ("about training, not about a minimum",),
        (),
        undecided("no statement on a minimum was read"),
    ),
)
