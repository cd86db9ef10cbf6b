"""The claims of the paper and of this project, each at a size that is settled within seconds.

A general statement is `proved` only by a general argument: symbolic steps, each reduced exactly, for all losses,
classes and negatives that it speaks of. What joins the steps is prose (in the docstrings of `theory.symbolic`), which
no machine checks. A run is a claim of its own, about what was run.

A claim of one's own is one more `Claim` (`theory.claims`): put several in a tuple and run them with
`python -m verify --claims package.module:NAME`.
"""

from __future__ import annotations

from theory.claims import Claim
from verify.claims import augmentation, balanced, lemma, unbalanced

#: Every claim, by what it is about.
CLAIMS: tuple[Claim, ...] = (*lemma.CLAIMS, *balanced.CLAIMS, *unbalanced.CLAIMS, *augmentation.CLAIMS)
