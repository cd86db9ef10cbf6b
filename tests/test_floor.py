"""What value a training loss can have: at chance, of the simplex ETF, and never below the minimum."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from theory import priors
from theory.balanced import nce_minimum
from theory.float64 import jnp
from theory.geometry import gram, simplex_etf
from theory.losses import get_loss
from theory.population import population_loss
from theory.problem import Problem
from verify import optimum
from verify.optimize.floor import floor


@pytest.mark.parametrize(("loss", "k"), [("logistic", 16), ("logistic", math.inf)])
def test_values_are_those_of_the_gram_matrices(loss, k):
    prior, T = priors.parse("groups:2x0.6,3x0.4"), Fraction(1, 2)
    found = floor(Problem(prior, k, 5, loss, T))

    def value(G):
        return float(population_loss(get_loss(loss), jnp.asarray(G), prior.as_array(), k, 2.0))

    assert found.chance == pytest.approx(value(np.ones((5, 5))), abs=1e-13)
    assert found.etf == pytest.approx(value(gram(simplex_etf(5))), abs=1e-13)
    assert floor(Problem(prior, k, 3, loss, T)).etf is None


def test_a_million_classes():
    found = floor(Problem(priors.parse("uniform", 10**6), 4096))
    assert found.chance == pytest.approx(math.log(4097), rel=1e-14)
    assert found.etf == pytest.approx(nce_minimum(get_loss("logistic"), 10**6, 4096), rel=1e-13)


def test_the_command_has_them_beside_the_minimum(capsys):
    with pytest.raises(SystemExit) as stop:
        optimum.main(["--rho", "0.6,0.2,0.2", "--k", "16", "--floor", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0 and printed["status"] == "proved"
    assert printed["floor"]["chance"] == pytest.approx(math.log(17), rel=1e-14)
    assert printed["floor"]["etf"] - printed["nce"]["upper"] > 1e-3
    result = optimum.run("1/2,1/2", 16)
    assert result.floor is None and "chance" not in optimum.report(result)
