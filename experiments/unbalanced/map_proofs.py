"""The strongest cells of a map, proven: floats say where to look, certificates decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.unbalanced.grid import Cell
from experiments.unbalanced.map import VERSIONS, Definition, Profile
from experiments.unbalanced.map_summary import largest_rises
from experiments.unbalanced.prove import Finding, prove_rise
from verify.files import check_folder
from verify.supervised.options import shortened


@dataclass(frozen=True)
class Proven:
    """What became of the strongest cells.

    Attributes:
        folder: where the certificates are; each was accepted by the checker before its rise was called proven.
        findings: the proven rises, version by version, strongest first.
        unproven: those that could not be proven, in words.
    """

    folder: str
    findings: tuple[Finding, ...]
    unproven: tuple[str, ...]


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
    for i, version in enumerate(VERSIONS):
        weighting, classifier = version.split("_")
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
