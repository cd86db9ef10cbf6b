"""The strongest cells of a map, proven: floats say where to look, certificates decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.unbalanced.columns import VERSIONS
from experiments.unbalanced.grid import Cell
from experiments.unbalanced.map import Definition, Profile
from experiments.unbalanced.map_summary import largest_rises
from experiments.unbalanced.prove import Proven, prove_rise
from verify.files import check_folder
from verify.results import shortened


def prove_strongest(
    definition: Definition,
    found: Mapping[Cell, Profile],
    count: int,
    folder: Path,
    progress: Callable[[str], None] = lambda text: None,
) -> Proven:
    """Prove the `count` largest rises of each version of the conjecture, between the two `k` where floats see them.

    Raises:
        InputError: if the folder cannot be written.
    """
    check_folder("certificates", folder)
    folder.mkdir(parents=True, exist_ok=True)
    findings, unproven = [], []
    for i, (weighting, classifier) in enumerate(VERSIONS.values()):
        for n, (cell, profile) in enumerate(largest_rises(found, i, count), start=1):
            ks = [definition.ks[j] for j in profile.pairs[i]]
            prior = definition.prior(cell)
            progress(f"proving {weighting}, {classifier} classifier: {n} of {count}")
            finding = prove_rise(
                prior,
                ks,
                weighting=weighting,
                classifier=classifier,
                temperature=definition.temperature,
                certificate=folder / f"{weighting}-{classifier}-{n}.json",
            )
            if finding is None:
                where = f"from k = {ks[0]} to {ks[1]} at {shortened(tuple(prior.as_strings()))}"
                unproven.append(f"{weighting}, {classifier} classifier, {profile.rises[i]:.4g} {where}")
            else:
                findings.append(finding)
    return Proven(str(folder), tuple(findings), tuple(unproven))
