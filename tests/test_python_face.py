"""What functions take from Python: arrays, counts of labels, numbers of NumPy, and a callable for a loss."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.errors import InputError
from theory.float64 import jnp
from theory.priors import from_masses, parse
from verify import bounds, conjecture, downstream, etf, optimum
from verify.files.priors import read_prior


def squares(v):
    """A convex loss of one's own, for k = 1 that of its one margin."""
    return jnp.sum(jnp.maximum(0.0, 3.0 - v) ** 2, axis=-1)


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=6))
def test_whole_numbers_are_counts_of_labels(counts):
    expected = from_masses([Fraction(n, sum(counts)) for n in counts])
    labels = {f"class {i}": n for i, n in enumerate(counts)}
    for given_as in (counts, tuple(counts), np.array(counts), labels):
        assert read_prior(given_as) == expected


@given(st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=6))
def test_doubles_are_taken_for_what_they_are(masses):
    exact = [Fraction(m) for m in masses]
    shares = tuple(m / sum(exact) for m in exact)
    for given_as in (masses, np.array(masses), dict(enumerate(masses))):
        assert read_prior(given_as, normalize=True).rho == shares
        if sum(exact) != 1:
            with pytest.raises(InputError, match="sum to 1"):
                read_prior(given_as)


def test_counts_from_files(tmp_path):
    expected = from_masses([Fraction(5, 10), Fraction(3, 10), Fraction(2, 10)])
    np.save(tmp_path / "n.npy", np.array([5, 3, 2]))
    (tmp_path / "n.json").write_text(json.dumps({"cat": 5, "dog": 3, "eel": 2}))
    (tmp_path / "n.csv").write_text("class,count\ncat,5\ndog,3\n\neel,2  # rare\n")
    (tmp_path / "n.txt").write_text("5\n3\n2\n")
    for name in ("n.npy", "n.json", "n.csv", "n.txt"):
        assert read_prior(f"counts:{tmp_path / name}") == expected
        assert read_prior(f"counts:{tmp_path / name}", 3) == expected
    with pytest.raises(InputError, match="3 classes"):
        read_prior(f"counts:{tmp_path / 'n.txt'}", 4)


@pytest.mark.parametrize("text", ["5\nthree\n2\n", "5\n0\n2\n", "", "cat 5\ndog 3.5\n"])
def test_files_that_hold_no_counts_are_refused(tmp_path, text):
    (tmp_path / "n.txt").write_text(text)
    with pytest.raises(InputError):
        read_prior(f"counts:{tmp_path / 'n.txt'}")


NO_PRIORS = ([0.5, True], [0.5, np.nan], [0.5, np.inf], np.eye(2), [[0.5], [0.5]], 3, [0.5, None], [1], [3, -1])


@pytest.mark.parametrize("rho", NO_PRIORS)
def test_what_is_no_prior_is_refused(rho):
    with pytest.raises(InputError):
        read_prior(rho)


def test_missing_file_is_said():
    with pytest.raises(InputError, match="cannot be read"):
        read_prior("counts:/no/such/file")


def test_commands_take_arrays_and_numbers_of_numpy():
    text = optimum.run("1/2,1/4,1/4", 16)
    array = optimum.run(np.array([0.5, 0.25, 0.25]), np.int64(16), temperature=np.float64(1.0), d=np.int64(3))
    assert array.problem == text.problem
    assert (array.status, array.nce.lower, array.nce.upper) == (text.status, text.nce.lower, text.nce.upper)
    assert downstream.run([2, 1, 1], 4).problem == downstream.run("1/2,1/4,1/4", 4).problem
    assert conjecture.run([2, 1, 1], np.array([1, 16])).problem.k == (1, 16)
    assert bounds.run({"a": 2, "b": 1, "c": 1}, np.float32(4)).problem.k == 4


@pytest.mark.parametrize("k", [np.int64(0), "16", True, None, np.nan])
def test_what_is_no_number_of_negatives_is_refused(k):
    with pytest.raises(InputError):
        optimum.run("0.5,0.5", k)


def test_a_callable_is_a_loss():
    found = optimum.run(parse("0.6,0.4"), 1, loss=squares)
    assert found.problem.loss == f"{__name__}:squares"
    assert found.status.value == "numerical"
    # one negative: it collides, or the classes are opposite
    assert found.nce.found == pytest.approx(9 * (0.36 + 0.16) + 2 * 0.24 * 1.0, rel=1e-9)
    assert etf.run(2, 1, loss=squares, starts=2).status.value == "numerical"
    with pytest.raises(InputError, match="losses of shape"):
        optimum.run("0.5,0.5", 1, loss=lambda v: v)


@pytest.mark.parametrize("module", [optimum, downstream, bounds])
def test_several_k_are_a_series(module, capsys):
    with pytest.raises(SystemExit) as ended:
        module.main(["--rho", "0.5,0.3,0.2", "--k", "4,inf", "--json"])
    made = json.loads(capsys.readouterr().out)
    single = module.run("0.5,0.3,0.2", 4).to_dict()
    assert [entry["k"] for entry in made["series"]] == made["problem"]["k"] == [4, "inf"]
    assert made["series"][0].keys() - {"k"} == single.keys() - {"claim", "problem", "versions"}
    # the limit is not proved: the weakest word is that of the series
    assert made["status"] == made["series"][1]["status"] == "numerical" and ended.value.code == 0


def test_arrays_out(tmp_path, capsys):
    result = optimum.run("0.5,0.3,0.2", 4, d=2)
    U = result.embeddings
    assert U is not None and U.shape == (3, 2)
    np.testing.assert_allclose(U @ U.T, result.gram, atol=1e-15)
    assert "status=proved" in repr(result) and len(repr(result)) < 200
    for suffix in ("npz", "npy"):
        with pytest.raises(SystemExit) as ended:
            optimum.main(["--rho", "0.5,0.3,0.2", "--k", "4", "--save", str(tmp_path / f"a.{suffix}")])
        assert ended.value.code == 0
    alone = np.load(tmp_path / "a.npy")
    with np.load(tmp_path / "a.npz") as file:
        saved = dict(file)
    np.testing.assert_array_equal(saved["embeddings"], alone)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose(alone @ alone.T, saved["gram"], atol=1e-15)
    assert saved["rho"].tolist() == ["1/2", "3/10", "1/5"]
    capsys.readouterr()
