"""Random priors are proven, and the proofs are right (`experiments.certificates.random_priors`)."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.certificates import random_priors


def judge(result: dict[str, Any], least: float) -> None:
    assert result["wrong"] == []
    assert result["proved_fraction"] >= least, result["not_proved"]
    assert result["largest_relative_width"] <= 1e-15


def test_a_sample_of_priors() -> None:
    judge(random_priors.run(10, 5), 0.9)


@pytest.mark.slow
def test_two_hundred_priors() -> None:
    judge(random_priors.run(200, 20220717), 0.98)
