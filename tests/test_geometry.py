"""The simplex ETF and Gram matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import balanced, geometry
from theory.errors import InputError
from theory.float64 import jax
from theory.losses import LOSSES
from theory.population import population_loss


@given(st.integers(2, 40), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 2**31)))
def test_simplex_etf_of_any_size_dimension_and_rotation(C, extra, seed):
    U = geometry.simplex_etf(C, C - 1 + extra, seed=seed)
    G = geometry.gram(U)
    assert geometry.max_cosine_error(G, balanced.target_cosine(C)) < 1e-13
    assert geometry.equiangularity(G) < 1e-13
    assert np.linalg.norm(U.sum(axis=0)) < 1e-12
    assert geometry.rank(G) == C - 1
    assert geometry.effective_rank(G) == pytest.approx(C - 1)


def test_no_simplex_etf_in_too_small_a_dimension():
    with pytest.raises(InputError, match="d >= 4"):
        geometry.simplex_etf(5, 3)


def test_effective_rank_of_collapsed_and_orthonormal_embeddings():
    assert geometry.effective_rank(np.ones((4, 4))) == pytest.approx(1.0)
    assert geometry.effective_rank(np.eye(4)) == pytest.approx(4.0)


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_rows_that_have_no_direction_are_refused(row):
    with pytest.raises(InputError):
        geometry.normalized(np.array([[1.0, 0.0], row]))


_population = jax.jit(population_loss, static_argnames="loss")


@settings(max_examples=12)
@pytest.mark.parametrize("name", LOSSES)
@given(C=st.sampled_from([2, 3, 10]), k=st.sampled_from([1, 8, 1000]), beta=st.sampled_from([0.2, 1.0, 5.0]))
def test_closed_form_is_the_loss_of_the_etf(name, C, k, beta):
    G = geometry.gram(geometry.simplex_etf(C))
    direct = float(_population(LOSSES[name], G, np.full(C, 1 / C), float(k), beta))
    assert balanced.nce_minimum(LOSSES[name], C, k, beta) == pytest.approx(direct, rel=1e-12, abs=1e-12)


def test_logistic_closed_forms_as_the_paper_writes_them():
    from scipy.stats import binom

    C, k = 7, 12
    m = np.arange(k + 1)
    expected = np.sum(binom.pmf(m, k, 1 / C) * np.log(1 + m + (k - m) * np.exp(-C / (C - 1))))
    assert balanced.nce_minimum(LOSSES["logistic"], C, k) == pytest.approx(expected, rel=1e-13)
    supervised = np.log(1 + (C - 1) * np.exp(-C / (C - 1)))
    assert balanced.downstream_minimum(LOSSES["logistic"], C) == pytest.approx(supervised, rel=1e-14)
