"""The experiments beside `verify.embeddings`: what it costs."""

from fractions import Fraction

from experiments.trained import cost


def test_cost_is_measured():
    found = cost.measure(300, 8, 5, 16, Fraction(1, 2))
    assert found.loss_seconds > 0 and found.degrees == 64 and found.peak_gigabytes > 0.05
    assert "times" in cost.report(found)
