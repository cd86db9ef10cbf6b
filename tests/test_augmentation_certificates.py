"""Certificates about augmentation graphs: accepted as made, not accepted once they are false."""

import copy
from fractions import Fraction

import numpy as np
import pytest

from theory import priors
from theory.augmentation.families import block, mixed_across
from theory.augmentation.graph import from_pairs
from theory.problem import Problem
from verify.checker import check
from verify.graphs.certificates import downstream, indistinguishability, minimum, refuted
from verify.graphs.series import Setting, settle


def setting(graph, loss="logistic"):
    return Setting(Problem(graph, 1, loss=loss), {"classes": graph.task(graph.labels)})


def irregular():
    labels = np.array([0, 0, 0, 1, 1, 1])
    pairs = np.array([[2.0, 1, 0], [1, 3, 0.5], [0, 0.5, 1]])
    zero = np.zeros((3, 3))
    return from_pairs(np.block([[pairs, zero], [zero, pairs[::-1, ::-1] * 2 + 1]]), labels)


@pytest.fixture(scope="module")
def certificates():
    """One of each kind, of each kind of minimizer."""
    uniform = setting(block(priors.uniform(3), 4, Fraction(1, 10)))
    low, high = (settle(uniform.at(k)) for k in (1, 16))
    above = setting(block(priors.uniform(3), 4, Fraction(8, 10)))
    plain = setting(irregular(), "separable")
    crossing = setting(mixed_across(block(priors.parse("0.6,0.4"), 2, Fraction(1, 4)), Fraction(1, 20)), "exponential")
    return {
        "holds": indistinguishability(above, settle(above.at(16))),
        "fails": indistinguishability(uniform, high),
        "fails-vector": indistinguishability(plain, settle(plain.at(3))),
        "minimum": minimum(plain, settle(plain.at(3))),
        "minimum-logistic": minimum(uniform, low),
        "downstream-uniform": downstream(uniform, high, "classes"),
        "downstream-collapsed": downstream(above, settle(above.at(4)), "classes"),
        "downstream-means": downstream(plain, settle(plain.at(3)), "classes"),
        "downstream-crossing": downstream(crossing, settle(crossing.at(3)), "classes"),
        "refuted": refuted(uniform, low, high, "classes"),
    }


def changed(certificate, *path, to):
    made = copy.deepcopy(certificate)
    part = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to(part[path[-1]])
    return made


def plus(amount):
    def move(text):
        value = Fraction(text) + amount
        return f"{value.numerator}/{value.denominator}"

    return move


def test_all_are_accepted(certificates):
    verdicts = {name: check(certificate) for name, certificate in certificates.items()}
    assert {name: v.reason for name, v in verdicts.items() if v.verdict != "accepted"} == {}


@pytest.mark.parametrize(
    ("name", "path", "to"),
    [
        ("holds", ("statement", "verdict"), lambda _: "fails"),
        ("fails", ("statement", "verdict"), lambda _: "holds"),
        ("fails-vector", ("witness", "vector"), lambda v: ["1/1"] * len(v)),
        ("minimum", ("statement", "lower"), plus(Fraction(1, 1000))),
        ("minimum", ("statement", "upper"), plus(Fraction(-1, 1000))),
        ("minimum", ("statement", "k"), lambda k: k + 1),
        ("minimum", ("witness", "multipliers", 0), plus(Fraction(1, 100))),
        ("minimum-logistic", ("statement", "lower"), plus(Fraction(1, 10**6))),
        ("minimum-logistic", ("statement", "temperature"), lambda _: "2/1"),
        ("minimum-logistic", ("statement", "d"), lambda _: 3),
        ("downstream-uniform", ("statement", "lower"), plus(Fraction(1, 10**6))),
        ("downstream-uniform", ("witness", "within"), plus(Fraction(1, 10**6))),
        ("downstream-collapsed", ("statement", "upper"), plus(Fraction(-1, 10**6))),
        ("downstream-collapsed", ("statement", "graph", "same", 0), plus(Fraction(1, 100))),
        ("downstream-means", ("statement", "lower"), plus(Fraction(1, 10))),
        ("downstream-crossing", ("statement", "d"), lambda d: d - 1),
        ("refuted", ("statement", "increase"), plus(Fraction(1, 1000))),
        ("refuted", ("statement", "points"), lambda points: points[::-1]),
        ("refuted", ("statement", "points", 1, "k"), lambda _: 1),
    ],
)
def test_what_is_false_is_not_accepted(certificates, name, path, to):
    assert check(changed(certificates[name], *path, to=to)).verdict != "accepted"


def test_a_raised_overlap_is_not_collapsed_by_hearsay(certificates):
    # the statement's graph decides: with less overlap the same witness does not prove collapse
    graph = block(priors.uniform(3), 4, Fraction(5, 10))
    from verify.graphs.proof import graph_fields

    other = changed(certificates["holds"], "statement", "graph", to=lambda _: graph_fields(graph))
    assert check(other).verdict != "accepted"


def test_sizes_are_limited(certificates):
    many = changed(certificates["minimum"], "statement", "graph", "counts", to=lambda _: [1] * 65)
    assert check(many).verdict == "unreadable"
