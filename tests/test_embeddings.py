"""Trained embeddings beside the optimum: the loss enclosed, its two parts, what is reported, and what is refused."""

import json
import math
from fractions import Fraction
from html.parser import HTMLParser
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from theory.expectation import cosine_moments
from theory.float64 import jnp
from theory.geometry import from_gram, normalized, simplex_etf
from theory.problem import Problem
from verify import embeddings
from verify.certify.balls import bounds
from verify.supervised.minimizer import Enclosing
from verify.trained import loss as trained_loss
from verify.trained import rounding
from verify.trained.changes import changes
from verify.trained.enclosure import RowLosses
from verify.trained.geometry import class_means, cosines
from verify.trained.loss import lifted_gram, loss_of, moments
from verify.trained.optimum import optimum
from verify.trained.points import points, read_points
from verify.trained.result import report

SIZES = [(5, 3, 2), (4, 4), (1, 6, 2)]


def clouds(seed, sizes, d=4, noise=1.0):
    """Unit vectors around random centres, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return normalized(rng.normal(size=(len(sizes), d))[labels] + noise * rng.normal(size=(len(labels), d))), labels


def looked_at(F, labels, k, T, *, enclose=True, **options):
    given = points(F, labels, **options)
    problem = Problem(given.prior, k, temperature=T)
    best = optimum(problem)
    rows = moments(given, k, float(problem.beta), wide=enclose)
    return loss_of(given, rows, problem, (best.lower, best.upper), enclose=enclose)


def embedded(gram):
    return from_gram(gram, len(gram))


# the loss


def by_loops(F, labels, k, T, rho=None):
    """The definition in 40 digits, for the directions of the rows."""
    mp = mpmath.mp.clone()
    mp.dps = 40
    rows = [[mp.mpf(float(x)) for x in row] for row in F]
    rows = [[x / mp.sqrt(mp.fsum(y * y for y in row)) for x in row] for row in rows]
    n, counts = len(rows), np.bincount(labels).tolist()
    G = [[mp.fsum(x * y for x, y in zip(a, b, strict=True)) for b in rows] for a in rows]
    rho = [Fraction(c, n) for c in counts] if rho is None else rho
    mass = [mp.mpf(rho[c].numerator) / rho[c].denominator / counts[c] for c in labels]
    total = mp.mpf(0)
    for i, p in product(range(n), repeat=2):
        if labels[i] == labels[p]:
            X = [mp.exp((G[i][j] - G[i][p]) / mp.mpf(T)) for j in range(n)]
            for drawn in product(range(n), repeat=k):
                weight = mass[i] / counts[labels[p]]
                for j in drawn:
                    weight *= mass[j]
                total += weight * mp.log(1 + mp.fsum(X[j] for j in drawn))
    return total


@pytest.mark.parametrize(("sizes", "k", "T", "rho"), [((3, 2), 2, 0.5, None), ((2, 1, 2), 1, 0.125, "1/2,1/3,1/6")])
def test_the_enclosure_holds_the_loss_in_forty_digits(sizes, k, T, rho):
    F, labels = clouds(1, sizes, 3)
    F = F.astype(np.float32)
    exact = None if rho is None else [Fraction(x) for x in rho.split(",")]
    value = by_loops(F, labels, k, T, exact)
    found = looked_at(F, labels, k, Fraction(T), rho=rho)
    low, high = found.enclosed["value"]
    assert low <= value <= high
    assert high - low < 1e-11
    assert abs(found.value - float(value)) <= 1e-12


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.sampled_from(SIZES),
    k=st.sampled_from([1, 16, 4096]),
    T=st.sampled_from(["1/2", "1"]),
    noise=st.sampled_from([0.0, 1e-5, 1.0, 100.0]),
)
def test_the_two_parts(seed, sizes, k, T, noise):
    """Neither is negative, they sum to the excess, and floats are as far off as they say."""
    F, labels = clouds(seed, sizes, noise=noise)
    proven = looked_at(F, labels, k, T)
    plain = looked_at(F, labels, k, T, enclose=False)
    assert plain.excess == pytest.approx(plain.spread + plain.geometry, abs=1e-14)
    for name in ("value", "lifted", "excess", "spread", "geometry"):
        low, high = proven.enclosed[name]
        assert high >= low and high - low < 1e-11
        assert low - plain.error - 1e-12 <= getattr(plain, name) <= high + plain.error + 1e-12
    assert abs(plain.value - proven.value) <= plain.error < 1e-12
    assert proven.enclosed["spread"][1] >= 0 and proven.enclosed["geometry"][1] >= 0
    if noise >= 1:
        assert proven.enclosed["spread"][0] > 0
    if proven.distinct is not None:
        assert proven.distinct >= proven.enclosed["lifted"][0]
        assert proven.distinct >= proven.value - 1e-12


@pytest.mark.slow
def test_a_thousand_random_sets_of_points():
    rng = np.random.default_rng(0)
    for seed in range(1000):
        sizes = SIZES[seed % 3]
        F, labels = clouds(seed, sizes, d=int(rng.integers(2, 9)), noise=10 ** rng.uniform(-6, 2))
        found = looked_at(F, labels, int(rng.choice([1, 4, 64])), "1/2")
        assert found.enclosed["spread"][1] >= 0 and found.enclosed["geometry"][1] >= 0
        low, high = found.enclosed["excess"]
        assert low - 1e-11 <= found.spread + found.geometry <= high + 1e-11


@pytest.mark.parametrize("sizes", SIZES)
def test_nothing_is_lost_at_the_certified_optimum(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    prior = points(np.eye(len(labels)), labels).prior
    best = optimum(Problem(prior, 16, temperature="1/2"))
    found = looked_at(embedded(best.gram)[labels], labels, 16, "1/2")
    for name in ("excess", "spread", "geometry"):
        low, high = found.enclosed[name]
        assert low <= 1e-13 and high >= 0 and high - low < 1e-12
    assert found.share == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("k", "beta", "spread", "width"),
    [(1, 2, 1.0, 3e-14), (10**9, 5, 1.0, 3e-13), (16, 20, 1.0, 1e-12), (7, 1, 0.0, 3e-14)],
)
def test_rows_are_enclosed_at_every_temperature_and_k(k, beta, spread, width):
    """Against the integral with the laws themselves in 30 digits, by a rule that is twice as fine."""
    rng = np.random.default_rng(k)
    mp = mpmath.mp.clone()
    mp.dps = 30
    g = [mp.mpf(x) for x in (1 - spread * rng.uniform(0, 2, size=4)).tolist()]
    negative, positive = ([mp.mpf(x) / sum(law) for x in law] for law in rng.integers(1, 100, (2, 4)).tolist())
    X, exact, h = [mp.exp(beta * (x - 1)) for x in g], beta * (1 - mp.fdot(positive, g)), mp.mpf("0.13")
    for n in range(-int((45 + math.log(k)) / h), int((6 + 2 * beta) / h)):
        powers = [mp.exp(-mp.exp(n * h) * x) for x in (mp.mpf(1), *X)]
        exact += h * (powers[0] - mp.fdot(positive, powers[1:]) * mp.fdot(negative, powers[1:]) ** k)
    side = cosine_moments.side(k, float(beta))

    def moments_of(law):
        return np.array([[float(mp.fdot(law, [mp.cos(n * mp.acos(x)) for x in g])) for n in range(side**2)]])

    losses = RowLosses(side**2 - 1, k, Fraction(beta), least_cosine=float(min(g)))
    found = losses.mean(moments_of(negative), moments_of(positive), [Fraction(1)], (2.0**-53, 2.0**-53))
    low, high = (mp.mpf(x.numerator) / x.denominator for x in bounds(found))
    assert low <= exact <= high
    assert high - low < width


def test_the_lifting_has_the_same_geometry_and_no_spread():
    F, labels = clouds(2, (5, 3, 2))
    before = looked_at(F, labels, 16, "1/2")
    after = looked_at(embedded(lifted_gram(points(F, labels)))[labels], labels, 16, "1/2")
    assert after.spread == pytest.approx(0, abs=1e-13)
    assert after.geometry == pytest.approx(before.geometry, abs=1e-12)
    assert after.geometry > 0.01


def test_at_one_point_the_loss_is_that_of_chance():
    labels = np.repeat([0, 1], [4, 2])
    found = looked_at(np.tile([[1.0, 0, 0]], (6, 1)), labels, 16, "1/2")
    assert found.value == pytest.approx(math.log(17), abs=1e-14) == found.chance
    assert found.share == pytest.approx(0, abs=1e-14)


def test_error_bounds_of_moments_hold():
    """Against moments in 30 digits, in double precision, whose bounds are larger."""
    rng = np.random.default_rng(0)
    U = rounding.U
    for side, n in ((8, 60), (17, 20)):
        g, w = rng.uniform(-1, 1, n), rng.dirichlet(np.ones(n))
        g[:2] = 1.0, -1.0
        found = cosine_moments.moments(g[None], w, side)[0]
        mp = mpmath.mp.clone()
        mp.dps = 30
        angles = [mp.acos(mp.mpf(float(x))) for x in g]
        exact = [float(mp.fsum(mp.mpf(float(v)) * mp.cos(m * a) for v, a in zip(w, angles, strict=True)))
                 for m in range(0, side**2, 7)]  # fmt: skip
        worst = np.max(np.abs(found[::7] - exact))
        bound = (rounding.moment_error(side, n) - 2.0**-53) * 2.0**-53 / U
        assert 0 < worst <= bound


def test_many_points_are_not_enclosed_and_the_estimate_says_how_far_off(monkeypatch):
    monkeypatch.setattr(trained_loss, "_THREADED", 1)
    F, labels = clouds(3, (60, 30, 10), d=6)
    threads = looked_at(F, labels, 256, "1/2", enclose=False)
    proven = looked_at(F, labels, 256, "1/2")
    assert threads.enclosed is None
    assert proven.enclosed["value"][0] - threads.error <= threads.value <= proven.enclosed["value"][1] + threads.error


# geometry


def test_pairs_are_named_and_collapse_of_minorities_is_seen():
    labels = np.repeat([0, 1, 2], [180, 6, 5])
    prior = points(np.eye(191), labels).prior
    best = optimum(Problem(prior, 4))
    means = np.array([[1.0, 0], [-1, 0], [-1, 0.01]])
    found = cosines(means, best)
    assert found.coincide == ((1, 2),) and found.merged == (True,)
    apart = cosines(np.array([[1.0, 0], [-0.5, 0.8], [-0.5, -0.8]]), best)
    assert apart.merged == (False,)
    assert apart.largest[0].classes == (1, 2) and apart.max_error == pytest.approx(1 - apart.largest[0].found)
    nowhere = cosines(np.array([[1.0, 0], [0, 0], [0, 1]]), best)
    assert math.isnan(nowhere.found[1][0]) and nowhere.found[0][2] == 0


def test_class_means_are_those_of_the_points():
    F, labels = clouds(4, (5, 3, 2))
    expected = np.stack([F[labels == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(class_means(points(F, labels)), expected, atol=1e-15)


# what is given


def test_arrays_of_any_kind(tmp_path):
    F, labels = clouds(5, (4, 3, 2))
    np.save(tmp_path / "F.npy", F)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(F))
    np.save(tmp_path / "half.npy", F.astype(np.float16))
    np.save(tmp_path / "y.npy", labels.astype(np.uint8))
    np.savez(tmp_path / "both.npz", embeddings=F, labels=labels)
    plain = points(F, labels)
    for other in (
        points(np.asfortranarray(F), labels.tolist()),
        points(np.load(tmp_path / "F.npy", mmap_mode="r"), labels.astype(np.int16)),
        read_points(tmp_path / "F.npy", tmp_path / "y.npy"),
        read_points(tmp_path / "fortran.npy", tmp_path / "y.npy"),
        read_points(tmp_path / "both.npz", None),
        points(F * 7, labels, normalize=True),
        points(F * 1e-200, labels, normalize=True),
    ):
        np.testing.assert_allclose(other.embeddings, plain.embeddings, rtol=1e-15)
        assert other.prior == plain.prior and np.array_equal(other.labels, plain.labels)
    half = points(F.astype(np.float16), labels)
    assert 1e-5 < half.deviation < 1e-2
    assert read_points(tmp_path / "half.npy", tmp_path / "y.npy").deviation == half.deviation
    np.testing.assert_allclose(np.linalg.norm(half.embeddings, axis=1), 1, rtol=1e-15)
    assert points(F, labels, rho="0.5,0.3,0.2").prior.rho[1] == Fraction(3, 10)


def bad():
    F, y = clouds(6, (3, 2, 2))
    nan, zero = F.copy(), F.copy()
    nan[2, 1], zero[3] = np.nan, 0
    yield "embeddings", F[0], y, {}
    yield "embeddings", F[:0], y[:0], {}
    yield "embeddings", nan, y, {}
    yield "embeddings", nan, y, {"normalize": True}
    yield "embeddings", zero, y, {"normalize": True}
    yield "embeddings", F * 1.01, y, {}
    yield "embeddings", F.astype(complex), y, {}
    yield "embeddings", F.astype(str), y, {}
    yield "labels", F, y[:-1], {}
    yield "labels", F, y + 1, {}
    yield "labels", F, y - 1, {}
    yield "labels", F, y.astype(str), {}
    yield "labels", F, y.astype(float), {}
    yield "labels", F, 10**12 * y, {}
    yield "labels", F, np.zeros(7, int), {}
    yield "labels", F, y[:, None], {}
    yield "rho", F, y, {"rho": "0.5,0.5"}
    yield "rho", F, y, {"rho": "0.5,0.3,0.3"}


@pytest.mark.parametrize(("option", "F", "y", "options"), list(bad()))
def test_bad_arrays_are_refused_in_one_line(option, F, y, options):
    with pytest.raises(InputError) as refused:
        points(F, y, **options)
    assert refused.value.option == option
    assert "\n" not in str(refused.value)


def test_bad_files_are_refused_in_one_line(tmp_path, capsys):
    """The line names the argument as it stands on the command line, and the file."""
    F, y = clouds(6, (3, 2, 2))
    nan = np.where(np.arange(7)[:, None] == 2, np.nan, F)
    for name, array in {"F": F, "nan": nan, "long": 2 * F, "y": y, "off": y + 1, "text": y.astype(str)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "half.npz", embeddings=F)
    np.savez(tmp_path / "off.npz", embeddings=F, labels=y + 1)
    np.savez(tmp_path / "good.npz", embeddings=F, labels=y)
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04damaged")
    for argv, argument, file in (
        (["none.npy", "--labels", "none.npy"], "FILE", "none.npy"),
        (["F.npy"], "--labels", ""),
        (["half.npz"], "FILE", "half.npz"),
        (["damaged.npz"], "FILE", "damaged.npz"),
        (["off.npz"], "FILE", "'labels' in"),
        (["F.npy", "--labels", "F.npy"], "--labels", "F.npy"),
        (["F.npy", "--labels", "off.npy"], "--labels", "off.npy"),
        (["F.npy", "--labels", "text.npy"], "--labels", "text.npy"),
        (["nan.npy", "--labels", "y.npy"], "FILE", "nan.npy"),
        (["long.npy", "--labels", "y.npy"], "FILE", "long.npy"),
        (["good.npz", "off.npz", "--compare"], "FILE", "off.npz"),
        (["F.npy", "F.npy", "--labels", "F.npy"], "--compare", ""),
        (["F.npy", "--labels", "F.npy", "--temperature", "0"], "--temperature", ""),
        (["F.npy", "--labels", "y.npy", "--rho", "0.5,0.5"], "--rho", ""),
        (["F.npy", "--labels", "F.npy", "--save", "arrays.npy"], "--save", ""),
    ):
        files = [str(tmp_path / word) if word.endswith(("npy", "npz")) else word for word in argv]
        with pytest.raises(SystemExit) as stop:
            embeddings.main([*files, "--k", "4"])
        out, err = capsys.readouterr()
        assert stop.value.code == 2 and out == "" and err.count("\n") == 1
        assert f": argument {argument}: got '" in err and file in err


# the command


class Balanced(HTMLParser):
    """Counts what is drawn, and refuses anything loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def drawn(path):
    parser = Balanced()
    parser.feed(path.read_text())
    assert parser.open == []
    return parser.seen


def command(capsys, *argv):
    with pytest.raises(SystemExit) as stop:
        embeddings.main([str(word) for word in argv])
    return stop.value.code, capsys.readouterr().out


def test_everything_is_reported(capsys, tmp_path):
    labels = np.repeat([0, 1, 2], [5, 3, 2])
    F, _ = clouds(7, (5, 3, 2))
    rng = np.random.default_rng(0)
    F = normalized(np.hstack([simplex_etf(3), np.zeros((3, 2))])[labels] + 0.1 * rng.normal(size=(10, 4)))
    np.savez(tmp_path / "run.npz", embeddings=F, labels=labels)
    argv = [tmp_path / "run.npz", "--k", 16, "--temperature", "0.5", "--html", tmp_path / "page.html"]
    code, out = command(capsys, *argv, "--json", "--save", tmp_path / "arrays.npz")
    printed = json.loads(out)
    assert code == 0 and printed["status"] == "proved" and printed["claim"] == "embeddings"
    assert printed["problem"]["rho"] == ["1/2", "3/10", "1/5"] and printed["problem"]["temperature"] == "1/2"
    keys = {"value", "optimum_lower", "optimum_upper", "excess", "spread", "geometry", "chance", "share"}
    assert keys <= set(printed["loss"])
    assert {"found", "optimal", "max_error"} <= set(printed["cosines"])
    assert {"nc1", "nc2", "nc3", "nc4", "rank"} <= set(printed["collapse"])
    assert printed["sup"]["upper"] - printed["sup"]["lower"] < 1e-9
    assert printed["sup"]["lower"] <= printed["mean_classifier"]["upper"]
    assert printed["accuracy"] == 1 and printed["collapse"]["nc4"] == 0 and printed["collapse"]["nc1"] < 0.1
    bounds = printed["bounds"]
    assert bounds["bao2021_lower"]["value"] <= printed["mean_classifier"]["lower"] <= bounds["bao2021_upper"]["value"]
    changes = {(row["k"], row["temperature"]): row for row in printed["changes"]}
    assert set(changes) == {(1, "1/2"), (16, "1/2"), (256, "1/2"), ("inf", "1/2"), (16, "1/4"), (16, "1/1")}
    here = changes[16, "1/2"]
    assert here["value"] == pytest.approx(printed["loss"]["value"], abs=1e-12)
    assert here["optimum"] == pytest.approx(printed["loss"]["optimum_lower"], abs=1e-10)
    assert all(row["value"] is None or row["value"] >= row["optimum"] for row in changes.values())
    assert changes[16, "1/4"]["value"] is None and changes[256, "1/2"]["value"] is not None
    assert all(0 < gap <= 1 for gap in printed["spectral_gaps"])
    seen = drawn(tmp_path / "page.html")
    assert seen.count("svg") == 5 and seen.count("rect") > 18
    with np.load(tmp_path / "arrays.npz") as arrays:
        np.testing.assert_allclose(arrays["optimal"], printed["cosines"]["optimal"])
        assert arrays["loss_by_class"] @ arrays["rho"] == pytest.approx(printed["loss"]["value"], rel=1e-12)
    # the prior of training is another one: other masses, another minimum
    other = embeddings.measure(F, labels, 16, temperature=0.5, rho="1/3,1/3,1/3")
    same = embeddings.measure(F, labels, 16, temperature=0.5)
    assert same.value == pytest.approx(printed["loss"]["value"], abs=1e-12)
    assert abs(other.optimum_lower - same.optimum_lower) > 1e-3


def test_files_are_compared(capsys, tmp_path):
    labels = np.repeat([0, 1, 2], [5, 3, 2])
    np.save(tmp_path / "labels.npy", labels)
    for name, noise in (("early", 3.0), ("late", 0.1)):
        F, _ = clouds(8, (5, 3, 2))
        rng = np.random.default_rng(1)
        np.save(tmp_path / f"{name}.npy", normalized(simplex_etf(3)[labels] + noise * rng.normal(size=(10, 2))))
    files = [tmp_path / "early.npy", tmp_path / "late.npy", "--labels", tmp_path / "labels.npy"]
    argv = [*files, "--compare", "--k", 16, "--temperature", "0.5"]
    code, out = command(capsys, *argv, "--json", "--html", tmp_path / "page.html")
    early, late = json.loads(out)["series"]
    assert code == 0 and early["spread"] > late["spread"] > 0 and early["share"] < late["share"] < 1
    assert drawn(tmp_path / "page.html").count("circle") == 4
    code, out = command(capsys, *argv)
    assert code == 0 and "early.npy" in out and "geometry" in out
    np.save(tmp_path / "other.npy", labels[::-1] % 2)
    F, y = np.load(tmp_path / "late.npy"), labels % 2
    with pytest.raises(InputError, match="prior"):
        embeddings.compare([("a", F, labels), ("b", F, y)], 16)
    with pytest.raises(InputError, match="no files"):
        embeddings.compare([], 16)
    limit = embeddings.compare([("a", F, labels)], math.inf).to_dict()
    assert limit["problem"]["k"] == "inf" and limit["series"][0]["chance"] == 0


def test_too_few_dimensions_are_said():
    F, labels = clouds(9, (2, 2, 2, 2), d=2)
    assert "relaxation" in embeddings.compare([("x", F, labels)], 4).note


def test_anchors_are_drawn_where_asked_for_or_where_all_are_too_many(capsys, monkeypatch, tmp_path):
    F, labels = clouds(10, (60, 30, 10), d=6)
    np.savez(tmp_path / "run.npz", embeddings=F, labels=labels)
    whole = embeddings.measure(F, labels, 16, temperature="1/2")
    code, out = command(capsys, tmp_path / "run.npz", "--k", 16, "--temperature", "1/2", "--anchors", 50, "--json")
    printed = json.loads(out)
    assert code == 0 and printed["status"] == "numerical" and "50 anchors" in printed["note"]
    loss = printed["loss"]
    assert loss["enclosed"] is None and loss["anchors"] == 50 and whole.standard_error == 0
    assert 0 < abs(loss["value"] - whole.value) < 5 * loss["standard_error"] < 0.2
    assert loss["geometry"] == pytest.approx(whole.geometry, abs=1e-13)
    monkeypatch.setattr(trained_loss, "MAX_WORK", 50 * 100 * 64)
    fallen_back = embeddings.run(F, labels, 16, temperature="1/2")
    assert fallen_back.loss.anchors < 100 and "anchors" in report(fallen_back)
    with pytest.raises(InputError, match="anchors"):
        embeddings.measure(F, labels, 16, anchors=0)


def test_other_libraries_arrays():
    F, labels = clouds(11, (5, 3, 2))
    plain = embeddings.measure(F, labels, 16, temperature="1/2")
    traced = embeddings.measure(jnp.asarray(F), jnp.asarray(labels), 16, temperature="1/2", xp=jnp)
    assert traced.value == pytest.approx(plain.value, abs=1e-14) and traced.to_dict()["status"] == "proved"

    class OfAnotherDevice:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert device tensor to numpy\nuse cpu()")

    with pytest.raises(InputError, match="NumPy array") as refused:
        embeddings.measure(OfAnotherDevice(), labels, 16)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("T", "others"), [("1/100", ["1/50"]), ("1/2", ["1/4", "1/1"])])
def test_other_temperatures_are_those_that_a_problem_has(T, others):
    F, labels = clouds(4, [4, 3, 3])
    given = points(F, labels)
    problem = Problem(given.prior, math.inf, temperature=T)
    found = changes(problem, moments(given, math.inf, float(problem.beta)))
    assert [row.temperature for row in found if row.temperature != T] == others
    for row in found:
        assert row.optimum == Enclosing(Problem(given.prior, float(row.k), temperature=row.temperature)).solution.value
