"""The data behind the figures: what theorems say of it, and parts of it computed again in another way."""

import itertools
import json
import math
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from paper_figs import simplex_data
from paper_figs.data import committed, load
from paper_figs.figures import collapse, family, geometry, lemma, simplex, unbalanced
from paper_figs.registry import FIGURES
from theory import bounds, priors
from theory.balanced import downstream_minimum, nce_minimum
from theory.losses import get_loss

LOGISTIC = get_loss("logistic")
# a part of each figure that is cheap to compute again
SAMPLE = {
    "coverage": "10 classes, long tail 100:1",
    "geometry": "3 classes, k = 1",
    "collapse": "threshold",
    "unbalanced": "(0.95, 0.03, 0.02); optimal",
}


def parts(name):
    return committed(name)["parts"]


def _agree(found, expected, where):
    """The same up to rounding."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        # where a bracket is open, its lower end depends on where the search happened to stop
        open_end = {"nce_lower"} if expected.get("status") == "undecided" else set()
        for key in expected.keys() - open_end:
            _agree(found[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            _agree(a, b, f"{where}/{i}")
    elif isinstance(expected, float):
        # margins that vanish up to rounding may do so in another way; gaps are not compared digit by digit
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9) or where.endswith(("gap", "radius")), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("name", SAMPLE)
def test_a_part_computed_again_is_the_committed_one(name):
    again = json.loads(json.dumps(FIGURES[name].module.compute(SAMPLE[name])))
    _agree(again, parts(name)[SAMPLE[name]], name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in FIGURES.items() if entry.seconds and name != "simplex"])
def test_all_parts_computed_again_are_the_committed_ones(name):
    for part, expected in parts(name).items():
        _agree(json.loads(json.dumps(FIGURES[name].module.compute(part))), expected, f"{name}/{part}")


def test_etf_cosines_and_minimizers():
    for data in parts("etf").values():
        U, C = np.array(data["etf"]), data["C"]
        assert U.shape == (C, C - 1)
        assert np.abs(U @ U.T - (np.eye(C) * C - 1) / (C - 1)).max() < 1e-11
        assert data["status"] == "proved"
        assert data["distance"] < 1e-8
        assert np.abs(np.array(data["minimizer"]) - U).max() <= data["distance"] * 1.001


def test_bounds_are_those_of_the_formulas_and_none_is_violated():
    rows = list(parts("bounds").values())
    assert {(row["C"], k) for row in rows for k in (1, 10**4)} <= {(row["C"], row["k"]) for row in rows}
    for row in rows:
        C, k, exact = row["C"], row["k"], row["exact"]
        assert row["status"] == "numerical"
        assert row["violated"] == []
        again = bounds.all_bounds(priors.uniform(C), k, exact["nce"])
        for name, bound in row["bounds"].items():
            assert (again[name].value is None) == (bound["value"] is None)
            if bound["value"] is not None:
                assert again[name].value == pytest.approx(bound["value"], rel=1e-9)
        # the theorem: the exact loss of the optimum does not depend on k
        assert exact["sup"] == pytest.approx(downstream_minimum(LOGISTIC, C), rel=1e-9)
        if k in (1, 9, 99, 10**4):
            assert exact["nce"] == pytest.approx(nce_minimum(LOGISTIC, C, k), rel=1e-12)


@pytest.mark.parametrize("C", [10, 100])
def test_bounds_explode_or_saturate(C):
    rows = [row for row in parts("bounds").values() if row["C"] == C]
    log = {name: np.array([row["bounds"][name]["log"] or np.nan for row in rows]) for name in rows[0]["bounds"]}
    k = np.array([row["k"] for row in rows])
    for name in ("saunshi2019", "ash2021"):
        # log alpha ~ k log(C / (C - 1)) at the end
        slope = (log[name][-1] - log[name][-2]) / (k[-1] - k[-2])
        assert slope == pytest.approx(math.log(C / (C - 1)), rel=0.05)
    upper = np.exp(log["bao2021_upper"])
    assert abs(upper[-1] - upper[-12]) < 1e-2
    nozawa = np.exp(log["nozawa_sato2021"])
    assert nozawa[-1] < 13


def test_collision_and_coverage_by_inclusion_and_exclusion():
    for C, name in ((10, "10 equal classes"), (100, "100 equal classes")):
        data = parts("coverage")[name]
        for i in range(0, len(data["k"]), 7):
            k = data["k"][i]
            signs = [(-1) ** j * math.comb(C - 1, j) for j in range(C)]
            met = sum(s * Fraction(C - j, C) ** k for j, s in enumerate(signs))
            both = sum(s * Fraction(C - 1 - j, C) ** k for j, s in enumerate(signs))
            assert data["collision"][i] == pytest.approx(float(1 - Fraction(C - 1, C) ** k), rel=1e-10)
            assert data["coverage"][i] == pytest.approx(float(met), rel=1e-9, abs=1e-300)
            assert data["both"][i] == pytest.approx(float(both), rel=1e-9, abs=1e-300)


def test_collision_and_coverage_grow_and_both_together_pass_a_peak():
    for data in parts("coverage").values():
        for name in ("collision", "coverage"):
            assert (np.diff(data[name]) >= -1e-12).all()
            assert min(data[name]) >= 0 and max(data[name]) <= 1
        both = np.array(data["both"])
        peak = int(both.argmax())
        assert (np.diff(both[: peak + 1]) >= 0).all()
        assert (np.diff(both[peak:]) <= 0).all()
        assert both[-1] < 1e-3 * both[peak]


def test_the_loop_never_raises_the_loss_and_stays_above_the_minimum():
    data = parts("lemma")["loop over classes"]
    path, C, k = np.array(data["loss"]), data["C"], data["k"]
    assert path.shape[1] == C + 1
    assert len(path) >= 30
    assert (np.diff(path, axis=1) <= 1e-12).all()
    minimum = sum(
        math.comb(k, m) * (C - 1) ** (k - m) / C**k * math.log1p(m + (k - m) * math.exp(-C / (C - 1)))
        for m in range(k + 1)
    )
    assert data["minimum"] == pytest.approx(minimum, rel=1e-10)
    assert path.min() >= minimum


def test_the_averaging_step_holds_for_the_family_and_fails_for_the_loss_found():
    found = parts("lemma")
    for loss in lemma._LOSSES:
        margin = np.array(found[loss]["margin"])
        assert (np.diff(margin) >= 0).all()
        assert margin.min() >= -1e-12
        assert margin.max() > 0.1
    searched = found["found by search"]
    assert searched["proven"]["checker"] == "accepted"
    assert searched["proven"]["excess_lower"] > 0
    assert np.mean(np.array(searched["margin"]) < -1e-6) > 0.02


def test_unbalanced_brackets_are_ordered_and_say_what_the_figure_says():
    for name, data in parts("unbalanced").items():
        series = data["series"]
        for entry in series:
            assert entry["sup_lower"] <= entry["sup_upper"] < entry["sup_lower"] + 1e-8
            assert entry["nce_lower"] <= entry["nce_upper"] < entry["nce_lower"] + 1e-8
        assert [entry["k"] for entry in series] == sorted(entry["k"] for entry in series)
        # L_k increases with k: one negative more adds to every logarithm
        for before, after in itertools.pairwise(series):
            assert before["nce_upper"] < after["nce_lower"]
        _, lower, upper = unbalanced.change(series)
        if name.startswith("refuted"):
            assert data["status"] == "refuted"
            witness = data["witness"]
            at = {entry["k"]: entry for entry in series}
            rise = at[witness["k2"]]["sup_lower"] - at[witness["k1"]]["sup_upper"]
            assert rise == pytest.approx(witness["increase_lower"], rel=1e-6)
            assert rise > (4.7e-5 if data["classifier"] == "optimal" else 1.3e-2)
            assert all(a <= b for a, b in itertools.pairwise(upper))
        else:
            assert data["status"] == "proved"
            assert data["witness"] is None
            constant = name.startswith(("5 equal", "(0.95"))
            assert all((abs(u) < 1e-12) if constant else (u < -1e-3) for u in upper[1:])
            assert all(a <= b for a, b in zip(lower, upper, strict=True))


def test_the_refuted_prior_is_that_of_the_certificate():
    folder = files("experiments.unbalanced") / "findings"
    certificate = json.loads((folder / "C3-weighted-optimal-1.json").read_text())["statement"]
    data = parts("unbalanced")["refuted; optimal"]
    assert data["rho"] == certificate["rho"] == list(unbalanced.refuted_prior())
    at = {entry["k"]: entry for entry in data["series"]}
    for point in certificate["points"]:
        lower, upper = Fraction(point["lower"]), Fraction(point["upper"])
        assert Fraction(at[point["k"]]["sup_lower"]) <= upper
        assert lower <= Fraction(at[point["k"]]["sup_upper"])


def test_balanced_classes_have_the_loss_of_the_theorem():
    (entry, *_) = parts("unbalanced")["5 equal classes; optimal"]["series"]
    assert entry["sup_lower"] <= math.log1p(4 * math.exp(-5 / 4)) + 1e-15
    assert entry["sup_upper"] >= math.log1p(4 * math.exp(-5 / 4)) - 1e-15


def _two_negatives(angles, rho):
    """`L_1` of unit vectors in the plane, `sum_cj rho_c rho_j log(1 + exp(G_cj - 1))`."""
    vectors = np.exp(1j * np.array([0.0, *angles]))
    G = np.real(vectors[:, None] * vectors.conj())
    return float(rho @ np.log1p(np.exp(G - 1)) @ rho), G


def test_optimal_gram_matrices_are_feasible_and_those_of_a_search_by_angles():
    for data in parts("geometry").values():
        G = np.array(data["gram"])
        assert (np.diag(G) == 1).all()
        # G is the true optimum up to the radius
        assert np.linalg.eigvalsh(G).min() > -len(G) * (data["radius"] or 1e-9)
        assert np.linalg.matrix_rank(G, tol=1e-6) <= len(G) - 1
        assert (data["status"], data["radius"] is None) == (
            ("numerical", True) if data["k"] == "inf" else ("proved", False)
        )
        assert (data["radius"] or 0) < 1e-6
    data = parts("geometry")["3 classes, k = 1"]
    rho = np.array([float(Fraction(mass)) for mass in data["rho"]])
    found = minimize(lambda a: _two_negatives(a, rho)[0], (2.0, -2.5), tol=1e-15)
    assert np.abs(_two_negatives(found.x, rho)[1] - np.array(data["gram"])).max() < 1e-5


def test_minorities_part_as_k_grows():
    for classes, pair in (("6 classes", (4, 5)), ("3 classes", (1, 2))):
        cosines = [parts("geometry")[f"{classes}, {k}"]["gram"][pair[0]][pair[1]] for k in geometry._KS]
        assert all(a > b for a, b in itertools.pairwise(cosines))


def test_collapse_threshold_and_cosines():
    found = parts("collapse")
    threshold = found["threshold"]
    assert threshold["k"][0] == 1
    assert threshold["mass"][0] == pytest.approx((1 + math.e**2) / (3 + math.e**2), rel=1e-11)
    assert (np.diff(threshold["mass"]) > 0).all()
    assert threshold["mass"][-1] < threshold["limit"] < threshold["mass"][-1] + 1e-5
    for name in collapse._COSINE:
        data = found[name]
        mass, cosine = (np.array([row[key] for row in data["rows"]]) for key in ("mass", "cosine"))
        assert (np.diff(cosine) >= -1e-6).all()
        collapsed = mass >= data["threshold"]
        assert (cosine[collapsed] > 1 - 1e-6).all()
        assert (cosine[~collapsed] < 1 - 1e-4).all()
        assert {row["status"] for row in data["rows"]} == {"numerical" if data["k"] == "inf" else "proved"}


def _family(loss, temperature):
    return parts("family")[f"{loss}, T = {temperature}"]["rows"]


@pytest.mark.parametrize("temperature", family._TEMPERATURES)
def test_the_losses_of_the_family_are_ordered(temperature):
    """`log S <= log(1 + S) <= sum log(1 + x_i) <= S`, `S = sum x_i`: so are their minima."""
    order = ("decoupled", "logistic", "separable", "exponential")
    for rows in zip(*(_family(loss, temperature) for loss in order), strict=True):
        for small, large in itertools.pairwise(rows):
            assert small["nce_lower"] <= large["nce_upper"]
        for row in rows:
            assert row["nce_lower"] <= row["nce_upper"] <= row["nce_lower"] + 1e-9
            assert row.get("sup_lower", 0) <= row.get("sup_upper", 0) <= row.get("sup_lower", 0) + 1e-9


@pytest.mark.parametrize("temperature", family._TEMPERATURES)
def test_separable_losses_grow_linearly_and_with_the_temperature(temperature):
    for loss in ("separable", "exponential"):
        rows = _family(loss, temperature)
        for row in rows:
            assert row["nce_upper"] / row["k"] == pytest.approx(rows[0]["nce_upper"], rel=1e-9)
            assert row["sup_upper"] == pytest.approx(rows[0]["sup_upper"], rel=1e-6)
    hinge = _family("hinge", temperature)
    for row in hinge:
        # at k equal embeddings the hinge loss is 1
        assert 0 < row["nce_lower"] <= row["nce_upper"] <= 1 + 1e-12
    assert all(a["nce_lower"] <= b["nce_upper"] for a, b in itertools.pairwise(hinge))


def test_what_is_not_determined_is_not_drawn():
    for part, data in parts("family").items():
        for row in data["rows"]:
            assert ("sup_upper" in row) == (data["loss"] != "hinge" and (data["loss"], row["k"]) != ("decoupled", 1)), (
                part
            )


@pytest.fixture(scope="module")
def maps():
    return load(FIGURES["simplex"], Path("no folder")).parts


def test_the_map_is_that_of_the_findings(maps):
    table = json.loads((files("experiments.unbalanced") / "findings" / "map-C3.json").read_text())["map"]
    assert maps["regions"] == table["regions"]
    assert maps["proven"]["findings"] == table["proven"]["findings"]
    shares = {f"{v['weighting']}_{v['classifier']}": v["share"] for v in table["versions"]}
    for version in ("weighted_optimal", "weighted_mean"):
        rising = np.isfinite(simplex.rises(maps["map"], version))
        assert maps["map"].weight[rising].sum() == pytest.approx(shares[version], rel=1e-3)
        assert np.nanmax(simplex.rises(maps["map"], version)) > (4.7e-5 if version == "weighted_optimal" else 1.4e-2)


def test_the_proven_regions_agree_with_the_map_and_the_threshold(maps):
    from theory.collapse_threshold import collapse_threshold

    ks = [int(k) for k in maps["map"].ks]
    separated, collapsed = (simplex.boundary(maps["regions"], kind) for kind in ("separated", "collapsed"))
    assert collapse_threshold(ks[0]) - 1e-3 < separated <= collapse_threshold(ks[0])
    assert collapse_threshold(ks[-1]) <= collapsed < collapse_threshold(ks[-1]) + 1e-3
    largest = maps["map"].shares.max(axis=1)
    coincide = (maps["map"].points == 2).sum(axis=1)
    assert (coincide[largest > collapsed] == len(ks)).all()
    assert (coincide[largest < separated] == 0).all()
    # where all collapse at every k the loss is constant
    for version in ("weighted_optimal", "weighted_mean"):
        assert np.isnan(simplex.rises(maps["map"], version)[largest > collapsed]).all()


def test_boxes_with_a_proven_rise_agree_with_the_map_and_their_share(maps):
    boxes = maps["boxes"]
    centres = np.array(
        [[1 - sum(b.q) / 2, sum(b.q) / 2 * (1 - sum(b.s) / 2), sum(b.q) * sum(b.s) / 4] for b, _ in boxes.boxes]
    )
    assert simplex.in_boxes(boxes, centres.astype(float)[:, ::-1]).all()
    mean = simplex.rises(maps["map"], "weighted_mean")
    proved = simplex.in_boxes(boxes, maps["map"].shares)
    assert np.isfinite(mean[proved]).all()
    _, _, shares = simplex._pixels()
    inside = shares.min(axis=-1) >= 0
    settled = {(s["weighting"], s["classifier"]): s for s in maps["regions"]["settled"]}["weighted", "mean"]
    found = simplex.in_boxes(boxes, shares)[inside].mean()
    assert found == pytest.approx(float(Fraction(settled["fails"])), rel=0.02)
    assert not simplex.in_boxes(boxes, np.array([[0.4, 0.3, 0.3], [0.95, 0.03, 0.02], [0.85, 0.15, 0.0]])).any()


def test_the_corner_agrees_with_the_map_and_with_the_proven_series(maps):
    found = maps["corner"]
    rise = np.array(found["rise"], dtype=float)
    assert rise.shape == (len(found["smallest"]), len(found["largest"]))
    assert np.isfinite(rise).all()
    assert found["k"] == [int(k) for k in maps["map"].ks]
    # the largest rise is nearly that of the proven one, at the centre of the nearest cell
    row, column = np.unravel_index(rise.argmax(), rise.shape)
    refuted = [float(Fraction(mass)) for mass in unbalanced.refuted_prior()]
    assert found["largest"][column] == pytest.approx(refuted[0], abs=0.004)
    assert found["smallest"][row] == pytest.approx(refuted[2], abs=4e-4)
    assert rise.max() == pytest.approx(4.727e-5, rel=0.01)
    beyond = np.array(found["largest"]) > simplex.boundary(maps["regions"], "collapsed")
    assert (rise[:, beyond] <= 1e-8).all()


@pytest.mark.slow
def test_a_sweep_that_was_stopped_goes_on_and_is_drawn(tmp_path, monkeypatch):
    """The map's recomputation at a small size: interrupted, resumed, proven, and read back."""
    from contextlib import nullcontext

    from experiments.unbalanced import workers
    from paper_figs.style import paper

    asked = json.loads((simplex_data._FINDINGS / "map-C3.json").read_text())["map"]
    small = {"family": asked["family"], "temperature": asked["temperature"], "resolution": 30, "levels": 1}
    (tmp_path / "map-C3.json").write_text(json.dumps({"map": small | {"k": [1, 4, 64]}}))
    monkeypatch.setattr(simplex_data, "_FINDINGS", tmp_path)
    monkeypatch.setattr(simplex_data, "CORNER", {"largest": (0.8, 0.94, 7), "smallest": (0.0, 0.0075, 5)})
    monkeypatch.setattr(simplex_data, "_DEPTH", 6)
    monkeypatch.setattr(workers, "local", lambda jobs: nullcontext(workers.HERE))
    calls = []

    def progress(text):
        calls.append(text)
        if len(calls) == 2:  # after the first round, before the second
            raise KeyboardInterrupt

    folder = tmp_path / "data"
    (folder / "paper_figs").mkdir(parents=True)
    (folder / "paper_figs" / "simplex.unfinished.sqlite").write_text("not a store at all, but something else")
    with pytest.raises(KeyboardInterrupt):
        load(FIGURES["simplex"], folder, recompute=True, progress=progress)
    assert not (folder / "paper_figs" / "simplex.json").exists()
    found = load(FIGURES["simplex"], folder, recompute=True, progress=progress)
    assert found.source == str(folder / "paper_figs" / "simplex.json")
    assert not list((folder / "paper_figs").glob("*unfinished*"))
    assert found.parts["map"].weight.sum() == pytest.approx(1)
    assert np.array(found.parts["corner"]["rise"]).shape == (5, 7)
    assert [finding["classifier"] for finding in found.parts["proven"]["findings"]][-1] == "mean"
    with paper():
        assert len(FIGURES["simplex"].module.draw(found.parts).axes) >= 3
    assert load(FIGURES["simplex"], folder).source == found.source
