"""`python -m experiments.faults`: random command lines over every command, each judged by how it ends."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from verify import cli, commands, files
from verify.results import Status


@dataclass(frozen=True)
class Counted:
    """What was tried; refuted if a command ended as none may.

    Attributes:
        tried: command lines, by command.
        statuses: how often each exit status was seen.
        faults: the first words of each line that ended as none may, with what is wrong.
    """

    claim: str
    status: Status
    seed: int
    lines: int
    tried: dict[str, int]
    statuses: dict[str, int]
    longest_seconds: float
    most_gigabytes: float
    faults: tuple[dict[str, Any], ...]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.faults`."""
    parser = cli.parser(
        "experiments.faults",
        "Random command lines over every command: exit status in {0, 1, 2, 3, 130, 141}, 2 always one line with\n"
        "nothing left behind, no more than 4 GB, and no minute without a word.",
        "  python -m experiments.faults --count 100 --seed 1",
    )
    parser.add_argument("--count", type=cli.integer(1), default=5000, metavar="N", help="command lines (default: 5000)")
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="number of the first (default: 0)")
    parser.add_argument(
        "--limit", type=cli.integer(1), default=120, metavar="S", help="seconds for each (default: 120)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON object here too, after each fault")
    cli.main(parser, _execute, report, argv)


def _execute(arguments: argparse.Namespace, progress: cli.Progress) -> Counted:
    from experiments.faults import judge, runner, words

    if arguments.out is not None:
        files.check_output("out", arguments.out)
    # compiled functions are shared by all forks; nothing of a test is in what they compute
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path.home() / ".cache" / "nce-verifier-faults"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    runner.warm()
    tried: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    longest = most = 0.0
    for number in range(arguments.count):
        progress(f"{number} of {arguments.count} command lines, {len(found)} faults")
        ran = runner.run(words.line(arguments.seed + number), commands.main, judge.prepare, arguments.limit)
        tried[" ".join(ran.words[: 2 if ran.words[:1] in (["unbalanced"], ["cifar"]) else 1])[:20]] += 1
        statuses["stopped" if ran.status is None else str(ran.status)] += 1
        longest, most = max(longest, ran.seconds), max(most, ran.gigabytes)
        if wrong := judge.faults(ran):
            words_shown = [word[:60] for word in ran.words]
            found.append({"seed": arguments.seed + number, "words": words_shown, "wrong": wrong, "err": ran.err[-600:]})
            if arguments.out is not None:
                files.write(arguments.out, _text(found))
    counted = Counted(
        claim="ends-of-commands",
        status=Status.REFUTED if found else Status.NUMERICAL,
        seed=arguments.seed,
        lines=arguments.count,
        tried=dict(sorted(tried.items())),
        statuses=dict(sorted(statuses.items())),
        longest_seconds=round(longest, 1),
        most_gigabytes=round(most, 2),
        faults=tuple(found),
    )
    if arguments.out is not None:
        files.write(arguments.out, _text(cli.payload(counted)))
    return counted


def _text(found: Any) -> bytes:
    import json

    return (json.dumps(found, indent=1) + "\n").encode()


def report(counted: Counted) -> str:
    """The readable report."""
    lines = [
        f"{counted.lines} command lines: statuses {counted.statuses}; at most {counted.longest_seconds} s and "
        f"{counted.most_gigabytes} GB; {len(counted.faults)} faults"
    ]
    lines += [
        f"  {one['seed']}: {' '.join(map(repr, one['words']))}: {'; '.join(one['wrong'])}" for one in counted.faults
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
