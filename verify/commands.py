"""`nce-verifier COMMAND ...`: every command by name. `nce-verifier etf` is `python -m verify.etf`.

Commands are started by the names of their modules, so that this package imports nothing to its right. As a program that
is installed, `nce-verifier` does not look into the folder that it is called in: nothing there can take the place of a
module, as it can with `python -m`.

Completion in a shell is argcomplete's (extra `completion`): `eval "$(register-python-argcomplete nce-verifier)"`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from theory.errors import one_line
from verify.cli.ending import CLOSED, UNTOLD, USAGE, Ended, conclude, open_streams, tell
from verify.results import versions


class Command(NamedTuple):
    """A function `module:function` of a list of arguments, which ends the process or returns its exit status, and what
    it is for."""

    start: str
    does: str


#: Every command; those of two words belong to a group.
COMMANDS = {
    "etf": Command("verify.etf:main", "balanced classes: is the simplex ETF optimal?"),
    "optimum": Command("verify.optimum:main", "any class prior: where is the global minimum?"),
    "collapse": Command("verify.collapse:main", "Lemma 1 and each step of its proofs; which step fails, and when?"),
    "downstream": Command("verify.downstream:main", "the downstream loss of the minimizer, bracketed"),
    "bounds": Command("verify.bounds:main", "four prior bounds beside the exact values"),
    "embeddings": Command("verify.embeddings:main", "trained embeddings: how far above the minimum, and why?"),
    "conjecture": Command("verify.conjecture:main", "is the downstream loss non-increasing over these k?"),
    "augmentation": Command("verify.augmentation:main", "positives from a graph: collapse, and do negatives hurt?"),
    "literature": Command("verify.literature:main", "published statements, and what became of them"),
    "symbolic": Command("verify.symbolic:main", "the derivations, reduced exactly for symbolic numbers"),
    "check": Command("verify.check:main", "does a certificate prove what it states?"),
    "checker": Command("verify.checker.__main__:main", "the checker alone, on any number of certificates"),
    "claims": Command("verify.__main__:main", "every claim at a default size (python -m verify)"),
    "unbalanced search": Command("experiments.unbalanced.command:search_main", "search for rises of the loss"),
    "unbalanced map": Command("experiments.unbalanced.map_command:map_main", "map a family of priors, resumable"),
    "unbalanced show": Command("experiments.unbalanced.command:show_main", "findings, and the store of a map"),
    "cifar data": Command("experiments.cifar.data_command:data_main", "fetch CIFAR, or say what a data set holds"),
    "cifar train": Command("experiments.cifar.train_command:train_main", "train a network with k negatives"),
    "cifar evaluate": Command("experiments.cifar.evaluate_command:evaluate_main", "measure trained networks"),
    "cifar embed": Command("experiments.cifar.embed_command:embed_main", "embeddings of a network, for embeddings"),
    "cifar summary": Command("experiments.cifar.summary_command:summary_main", "tables of evaluated networks"),
    "cifar throughput": Command("experiments.cifar.throughput_command:throughput_main", "time a training step"),
    "cifar reproduce": Command("experiments.cifar.reproduce_command:reproduce_main", "the whole study"),
    "trained cost": Command("experiments.trained.cost:cost_main", "the exact loss of many points beside F F^T"),
    "trained floors": Command("experiments.trained.floors:floors_main", "what value can a training loss have?"),
    "graphs": Command("experiments.augmentation.__main__:main", "measurements on augmentation graphs"),
    "certificates": Command("experiments.certificates.__main__:main", "random, tampered and large certificates"),
    "benchmarks": Command("experiments.benchmarks.__main__:main", "speed, scale and accuracy beside alternatives"),
    "scale": Command("experiments.benchmarks.scale:main", "gap against matrix products, for each method tried"),
    "cold": Command("experiments.benchmarks.cold:main", "how long commands take from nothing, beside an import"),
    "faults": Command("experiments.faults.__main__:main", "random command lines, judged by how they end"),
    "figures": Command("paper_figs.__main__:main", "every figure as PDF and PNG (python -m paper_figs)"),
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`nce-verifier`."""
    _dispatch("nce-verifier", COMMANDS, sys.argv[1:] if argv is None else argv)


def group(name: str, argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.NAME COMMAND ...`, for a group of commands."""
    _dispatch(f"python -m experiments.{name}", _members(name, COMMANDS), sys.argv[1:] if argv is None else argv)


def _members(name: str, commands: Mapping[str, Command]) -> dict[str, Command]:
    """The commands of a group, by their second words."""
    return {full.removeprefix(f"{name} "): one for full, one in commands.items() if full.startswith(f"{name} ")}


def _dispatch(prog: str, commands: Mapping[str, Command], words: Sequence[str], depth: int = 1) -> NoReturn:
    """Start the command that the first word names; `depth` words of the line are before it."""
    told = open_streams()

    def work() -> NoReturn:
        completing = "_ARGCOMPLETE" in os.environ
        # of a line that is being typed, the last word is not known yet
        known = _typed()[depth:-1] if completing else words
        if completing:
            os.environ["_ARGCOMPLETE"] = str(depth)
        if known and (command := commands.get(known[0])) is not None:
            if completing:
                os.environ["_ARGCOMPLETE"] = str(depth + 1)
            if not told:
                raise Ended(USAGE, UNTOLD)
            module, _, function = command.start.partition(":")
            raise Ended(getattr(import_module(module), function)(known[1:]))
        if known and (members := _members(known[0], commands)):
            _dispatch(f"{prog} {known[0]}", members, known[1:], depth + 1)
        if completing:
            _complete(commands)
        if known and known[0] in ("-h", "--help"):
            tell(_help(prog, commands), CLOSED)
            raise Ended(0)
        if known and known[0] == "--version":
            tell(f"nce-verifier {versions()['nce-verifier']}\n", CLOSED)
            raise Ended(0)
        given = f"got '{one_line(known[0], 40)}'; " if known else ""
        raise Ended(USAGE, f"{given}accepted: {', '.join(commands)} (--help says what each does)")

    conclude(prog, work)


def _typed() -> list[str]:
    """The words of the line that is to be completed, up to the cursor."""
    return os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])].split(" ")


def _help(prog: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    lines = [f"usage: {prog} COMMAND ...", "", "A command with --help says more, with an example.", ""]
    lines += [f"  {name:{width}}  {one.does}" for name, one in commands.items()]
    return "\n".join([*lines, ""])


def _complete(commands: Mapping[str, Command]) -> None:
    """Offer the first words of commands to the shell that asks for them."""
    import argcomplete

    parser = argparse.ArgumentParser()
    names = parser.add_subparsers()
    for name in dict.fromkeys(name.partition(" ")[0] for name in commands):
        names.add_parser(name)
    argcomplete.autocomplete(parser)
