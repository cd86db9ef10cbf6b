"""Random command lines: options of a command with values that are good, bad, huge, tiny, hostile, or missing."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from importlib import import_module
from unittest import mock

from verify import cli
from verify.commands import COMMANDS

#: Of any type, and seldom accepted.
HOSTILE = (
    "", "0", "-1", "1", "2", "3", "nan", "inf", "-inf", "1e400", "1e-400", "1e5000", "-1e-5000", "10**18",
    "1000000000000000000", "9" * 4400, "1/0", "0.5.5", "a", "a\nb", "\x1b[31mred", "é", "\udcff", "None", "*",
    "--json", "x" * 5000, "1,2", "1:5", "5:1", ",", "3x", "/", "/dev/null", "/dev/full", ".", "..", "~",
)  # fmt: skip

#: What options of these names accept, or nearly; sizes are small, so that what is accepted ends soon.
LIKELY: dict[str, tuple[str, ...]] = {
    "C": ("2", "3", "4", "7", "1", "100000000", "5000000"),
    "k": ("1", "2", "5", "inf", "1000000", "1,4", "1:3", "0", "10000000000"),
    "d": ("1", "2", "3", "9", "1000000"),
    "rho": (
        "uniform", "0.5,0.3,0.2", "1/2,1/2", "zipf:1", "zipf:100", "longtail:10", "longtail:1e5000",
        "groups:1x0.9,9x0.1",
        "0.5,0.4", "1e-330,1", "-1e-5000,1", "1e-13,1e400", "0.5,0.5,0",
        "groups:1x0.5,1000000000000x0.5", "1,1", "zipf",
    ),
    "temperature": ("1", "0.5", "1/3", "0", "1e-5000", "1e9"),
    "loss": ("logistic", "hinge", "exponential", "separable", "decoupled", "squared", "os:getcwd", "sys:exit",
        "nowhere:x"),
    "starts": ("1", "2", "1000000000"),
    "trials": ("1", "4"),
    "points": ("1", "2", "100000000"),
    "minutes": ("0", "-1", "1e9"),
    "weighting": ("weighted", "balanced"),
    "classifier": ("optimal", "mean"),
    "resolution": ("1", "2", "100000", "2000000000"),
    "levels": ("0", "1", "21"),
    "slice": ("0.5,*,*", "1e-5000,*,*,*", "*,9x*", "0.5,0.6,*", "*" + ",*" * 80),
    "groups": ("1,9", "1,4,20", "0,1", "1000000000,1"),
    "family": ("zipf", "longtail"),
    "largest": ("2", "1e5000", "0"),
    "imbalance": ("2", "1e5000", "0.5", "x"),
    "jobs": ("1",),
    "step": ("mean-margin", "none"),
    "only": ("none",),
    "epochs": ("1",),
    "certificate": ("c.json", "nowhere/c.json", "/dev/null", "file/below", "n" * 300, "link"),
    "out": ("out", "file/below", "/proc/nowhere", "n" * 300),
    "store": ("store", "file", "folder", "/dev/null", "nowhere/store"),
    "export": ("map.csv", "map.txt", "nowhere/map.csv"),
    "embeddings": ("file", "folder", "huge.npy", "cut.npy"),
    "folder": ("folder", "file", "cut.tar.gz"),
    "scheduler": ("tcp://127.0.0.1:1", "nonsense"),
    "seed": ("0", "1", "-1", "1000000000000000000000"),
}  # fmt: skip

#: Of commands that would work for long at their defaults: what makes them short.
SHORT: dict[str, tuple[str, ...]] = {
    "collapse": ("--trials", "2", "--starts", "1"),
    "claims": ("--only", "uniqueness"),
    "symbolic": ("--step", "mean-margin"),
    "unbalanced search": ("--minutes", "0", "--keep", "0"),
    "unbalanced map": ("--resolution", "2", "--levels", "0", "--k", "1,4", "--jobs", "1"),
    "cifar train": ("--minutes", "0", "--per-class", "2", "--classes", "2", "--size", "8", "--epochs", "1"),
    "cifar throughput": ("--classes", "nothing"),
    "cifar reproduce": ("--minutes", "0"),
    "certificates": ("--certificates", "folder", "--count", "1"),
    "graphs": ("--trials", "1"),
    "benchmarks": ("--show",),
    "scale": ("--C", "3", "--products", "2", "--method", "convex-program"),
    "cold": ("--runs", "none"),
    "faults": ("--seed", "none"),
    "figures": ("--list",),
}


#: Commands that share no parser with the others.
ALONE = ("checker",)

#: Options that are about something else, or work for minutes, or ask a server.
LONG = ("version", "download", "search_loss", "recompute", "quick", "recheck")


class _Parser(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of a command, taken from it as it begins."""

    def take(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Parser(parser)

    module, _, function = COMMANDS[name].start.partition(":")
    command: Callable[[list[str]], object] = getattr(import_module(module), function)
    with mock.patch.object(cli, "main", take):
        try:
            command([])
        except _Parser as found:
            return found.parser
    raise ValueError(f"{name} does not begin with its parser")


def line(seed: int) -> list[str]:
    """The words of command line number `seed`, without the program."""
    draw = random.Random(seed)
    name = draw.choice(list(COMMANDS))
    if draw.random() < 0.02:
        return [draw.choice(HOSTILE) for _ in range(draw.randrange(3))]
    if name in ALONE:
        return [
            name,
            *(draw.choice((*HOSTILE, "file", "folder", "huge.npy", "link")) for _ in range(draw.randrange(4))),
        ]
    actions = [action for action in parser(name)._actions if action.option_strings != ["-h", "--help"]]
    words: list[str] = []
    for action in actions:
        chance = 0.9 if action.required or not action.option_strings else 0.25
        if draw.random() > chance or action.dest in LONG:
            continue
        words += action.option_strings[-1:]
        if action.nargs != 0:
            words.append(_value(draw, action))
    if draw.random() < 0.02:
        words.append(draw.choice(("--help", "--version", "--no-such-option", "--")))
    if draw.random() < 0.1:
        words.insert(draw.randrange(len(words) + 1), draw.choice(HOSTILE))
    return [*name.split(), *words, *SHORT.get(name, ())]


def _value(draw: random.Random, action: argparse.Action) -> str:
    likely = tuple(map(str, action.choices or ())) or LIKELY.get(action.dest, ("1", "2", "file", "folder", "none"))
    return draw.choice(likely if draw.random() < 0.8 else HOSTILE)
