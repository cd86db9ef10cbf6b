"""Statements that nothing here decides yet, each with the reason."""

from __future__ import annotations

from theory.literature.statement import Statement, undecided

STATEMENTS = (
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
        "kukleva2023-temperature",
        "Kukleva, Boehle, Schiele, Kuehne, Rupprecht 2023, arXiv 2303.13664",
        "second hand",
        "on long-tailed data a large temperature groups classes and a small one tells instances apart",
        ("about training, not about a minimum",),
        (),
        undecided("no statement on a minimum was read"),
    ),
)
