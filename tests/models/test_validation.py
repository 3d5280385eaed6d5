"""Cross-validation of a model: what is hidden stays hidden, the ratio and its interval, the three answers."""

import helpers
import numpy as np
import pandas as pd
import pytest
from conftest import data_folder
from sklearn.base import clone

from graphsel.core.errors import GraphselError
from graphsel.core.splits import half_width, ratio_interval
from graphsel.graphs.graph import combine
from graphsel.graphs.readers.read import read_graph
from graphsel.models.base import MODELS, ResponseModel, picked_rows, register_model
from graphsel.models.gp import GaussianProcess
from graphsel.models.registry import load_model
from graphsel.models.stacking import response_units, shrunken_mean
from graphsel.models.validation import (
    WORTHWHILE,
    Trial,
    Validation,
    changed_responses,
    cross_validated,
    draw_folds,
    perturbations_needed,
    perturbations_to_be_sure,
    validate,
)
from graphsel.screens.read import read_screen
from graphsel.screens.screen import make_screen


def errors(model, mean, folds=5):
    "A `Validation` with these errors over all responses."
    fold = np.arange(len(model)) % folds
    table = {k: np.stack([v, v], axis=1) for k, v in {"model": model, "mean": mean}.items()}
    return Validation("gp", [f"g{i}" for i in range(len(model))], fold, None, table)


def test_every_perturbation_is_hidden_once():
    for n, folds in [(10, 3), (11, 11), (40, 10)]:
        parts = draw_folds(n, folds, np.random.default_rng(0))
        assert sorted(np.concatenate(parts)) == list(range(n))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_errors_are_those_of_models_trained_without_the_fold():
    found = validate(
        "gp", helpers.SCREEN, helpers.GRAPH, perturbations=helpers.PICKS, folds=4, random_state=1
    )
    hidden = [n for n, f in zip(found.perturbations, found.fold, strict=True) if f == 2]
    train = [n for n in found.perturbations if n not in hidden]
    model = GaussianProcess().fit(helpers.SCREEN, helpers.GRAPH, perturbations=train)
    for key, guess in {
        "model": model.predict(hidden).X,
        "mean": helpers.SCREEN[train].X.mean(axis=0),
    }.items():
        expected = ((guess - helpers.SCREEN[hidden].X) ** 2).mean(axis=1)
        np.testing.assert_allclose(found.errors[key][found.fold == 2, 0], expected, rtol=1e-4)


def test_a_seed_repeats_it_and_the_order_of_names_does_not_matter():
    def ask(names, seed):
        return validate(
            "gp", helpers.SCREEN, helpers.GRAPH, perturbations=names, folds=4, random_state=seed
        )

    one, other = ask(helpers.PICKS, 3), ask(helpers.PICKS[::-1], 3)
    assert str(one) == str(other) and str(ask(helpers.PICKS, 4)) != str(one)


def test_the_interval_is_that_of_nadeau_and_bengio():
    rng = np.random.default_rng(0)
    mean = rng.gamma(4, size=40)
    found = errors(0.7 * mean + rng.normal(0, 0.1, 40), mean)
    ratio, low, high = found.ratio()
    assert low < ratio < high
    for r in (low, high):  # Fieller: there the mean of x - r m is just its half width from 0
        d = found.errors["model"][:, 0] - r * mean
        assert abs(d.mean()) == pytest.approx(half_width(40, 5 / 4 / 40) * d.std(ddof=1), rel=1e-6)


@pytest.mark.parametrize("factor,answer", [(0.5, "better"), (0.93, "unsure"), (1.1, "no better")])
def test_three_answers(factor, answer):
    rng = np.random.default_rng(0)
    mean = rng.gamma(4, size=60)
    found = errors(factor * mean * rng.uniform(0.5, 1.5, 60), mean)
    assert found.answer == answer
    assert ("no better than the mean of your 60" in str(found)) == (answer == "no better")


def test_the_mean_is_no_better_than_itself():
    found = validate("mean", helpers.SCREEN, helpers.GRAPH, folds=4, random_state=0)
    np.testing.assert_allclose(found.ratio(), 1.0, rtol=1e-6)
    assert found.answer == "no better"


def test_constant_responses_have_no_ratio():
    flat = make_screen(pd.DataFrame(np.ones((40, 5)), index=helpers.GENES, columns=list("abcde")))
    found = validate("gp", flat, helpers.GRAPH, folds=4, random_state=0)
    assert found.answer == "no better" and np.isnan(found.ratio()[0])


def test_pairs_are_compared_with_the_additive_model():
    singles = helpers.GENES[:12]
    pairs = [f"{a}+{b}" for a, b in zip(singles, singles[1:], strict=False)]
    Y = helpers.SCREEN[singles].X
    table = np.concatenate([Y, Y[:-1] + Y[1:]])
    screen = make_screen(pd.DataFrame(table, index=[*singles, *pairs], columns=list("abc")))
    found = validate("gp", screen, helpers.GRAPH, folds=5, random_state=0)
    assert "additive" in found.errors and "additive" in str(found)
    assert found.ratio("additive")[0] < 1


def test_changed_responses_are_the_largest_of_each_row():
    truth = np.random.default_rng(0).normal(size=(4, 50))
    chosen = changed_responses(truth)
    assert (chosen.sum(axis=1) == 10).all()
    for row, some in zip(np.abs(truth), chosen, strict=True):
        assert row[some].min() >= row[~some].max()
    assert not changed_responses(truth[:, :4]).any()


def test_the_table_and_the_page():
    found = validate("gp", helpers.SCREEN, helpers.GRAPH, folds=4, random_state=0)
    table = found.to_frame()
    assert list(table["model"]) == [
        "gp",
        "mean",
        "nearest neighbor",
    ]  # three responses: none "changed"
    assert "<table" in found._repr_html_()
    with pytest.raises(GraphselError, match="unknown error"):
        found.ratio("men")


def test_a_power_law_is_followed():
    n = np.array([10, 20, 40])
    curve = pd.DataFrame({"n_measured": n, "ratio": 1.5 * n**-0.1})
    assert perturbations_needed(curve) == pytest.approx((1.5 / 0.95) ** 10, abs=1)
    assert perturbations_needed(curve.assign(ratio=[1.0, 1.1, 1.2])) is None
    assert perturbations_needed(curve.assign(ratio=1.5 * n**-0.01)) is None  # too far
    assert perturbations_to_be_sure(20, 0.9, 0.7, 1.1) in (80, 81)
    assert perturbations_to_be_sure(20, 0.99, 0.7, 1.1) is None


def test_refusals():
    for screen_names, message in [(helpers.GENES[:3], "at least 4"), (["nobody"], "not in the")]:
        with pytest.raises(GraphselError, match=message):
            validate("gp", helpers.SCREEN, helpers.GRAPH, perturbations=screen_names)
    with pytest.raises(GraphselError, match="folds"):
        validate("gp", helpers.SCREEN, helpers.GRAPH, folds=1)
    with pytest.raises(GraphselError, match="did you mean 'gp'"):
        validate("gpp", helpers.SCREEN, helpers.GRAPH)


def test_a_model_of_ones_own_is_judged():
    @register_model
    class Zero(ResponseModel):
        name, centers = "zero", False

        def _fit(self, Y, rng):
            pass

        def _predict(self, names):
            return np.zeros((len(names), len(self.mean_))), {}

    try:
        assert str(validate("zero", helpers.SCREEN, helpers.GRAPH, folds=4)).startswith("zero is")
    finally:
        del MODELS["zero"]


def test_a_trained_model_keeps_its_report(tmp_path):
    model = GaussianProcess().fit(helpers.SCREEN, helpers.GRAPH, perturbations=helpers.PICKS)
    found = validate(model, helpers.SCREEN, folds=4, random_state=0)
    names = {"perturbations": helpers.PICKS}
    same = validate("gp", helpers.SCREEN, helpers.GRAPH, folds=4, random_state=0, **names)
    assert model.report_ is found and str(found) == str(same)
    assert str(load_model(model.save(tmp_path / "a.model")).report_) == str(found)
    model.fit(helpers.SCREEN, helpers.GRAPH, perturbations=helpers.PICKS[:8])
    assert not hasattr(model, "report_")
    with pytest.raises(GraphselError, match="graph"):
        validate("gp", helpers.SCREEN, folds=4)


def test_ratio_interval_needs_a_denominator():
    assert np.isnan(ratio_interval([1.0], [1.0], 0)[0])
    assert ratio_interval([1.0, 2.0], [1.0, -1.0], 0) == (-np.inf, np.inf)


# ---- how often the answer is right (see REFERENCE 13 for the screens) ----

HUMAN = ("string_v12.tsv.gz", "go_bp_2018.txt")
REAL = {
    "K562": "k562_essential_latent.tsv",
    "HepG2": "screens/hepg2_ternary_svd20.tsv",
    "DepMap": "screens/depmap_500.tsv",
    "T cells": "screens/tcell_facs.tsv",
}


def real_screen(folder, file):
    "A screen with columns of unit variance, and STRING and GO between its genes."
    screen = read_screen(folder / file)
    graph = combine([read_graph(folder / o, genes=sorted(screen.obs_names)) for o in HUMAN])
    screen = screen[[n for n in screen.obs_names if n in graph]].copy()
    screen.X = screen.X / screen.X.std(axis=0)
    return screen, graph


def closer_to_the_truth(model, screen, graph, share, splits):
    """For each split: the ratio of errors by folds, and three ways of coming closer to that on the rest.

    further: along the power law through the folds trained on half as many; left out: in closed form, by the model
    of all; both: the mean of folds and left out."""
    rng, (names, Y), rows = np.random.default_rng(0), picked_rows(screen), []
    for _ in range(splits):
        order, n = rng.permutation(len(names)), round(share * screen.n_obs)
        known, rest = np.sort(order[:n]), np.sort(order[n:])
        trial = Trial(model, screen, graph, [names[i] for i in known], Y[known])
        found = cross_validated(trial, draw_folds(n, 10, rng), False, rng)
        half = ratio_of_halves(trial, found, rng)
        slope = np.clip(np.log2(half / found.ratio()[0]), 0, 1)
        trained = clone(model).fit(screen, graph, perturbations=trial.names, random_state=rng)
        off, truth = np.asarray(trained.predict([names[i] for i in rest]).X) - Y[rest], Y[rest]
        row = {"folds": found.ratio()[0], "left out": left_out_ratio(trained, Y[known])}
        row |= {"further": row["folds"] * 0.9**slope, "both": (row["folds"] + row["left out"]) / 2}
        row["truth"] = (off**2).mean() / ((Y[known].mean(axis=0) - truth) ** 2).mean()
        rows.append(row | {"answer": found.answer})
    return pd.DataFrame(rows)


def ratio_of_halves(trial, found, rng):
    "The ratio of errors where each fold is trained on half of what it was trained on."
    error = np.zeros(2)
    for i in range(found.folds):
        hidden, others = np.flatnonzero(found.fold == i), np.flatnonzero(found.fold != i)
        some = np.sort(rng.permutation(others)[: max(2, len(others) // 2)])
        ours = trial.predict(trial.model, some, hidden, rng) - trial.Y[hidden]
        mean = trial.Y[some].mean(axis=0) - trial.Y[hidden]
        error += (ours**2).sum(), (mean**2).sum()
    return error[0] / error[1]


def left_out_ratio(model, Y):
    "The ratio of errors where each perturbation is told from all others, parameters as they are."
    reference = shrunken_mean(Y, response_units(Y))[1]
    ours = reference - model.trust_ * (reference - model._left_out(Y - model.mean_)[0])
    mean = (Y - Y.mean(axis=0)) * len(Y) / (len(Y) - 1)
    return (ours**2).mean() / (mean**2).mean()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_answer_is_right_on_real_screens():
    "A third measured, ten splits of four screens: the ratio as folds tell it, and as it is on the rest."
    if data_folder() is None:
        pytest.skip("no folder of real data")
    rows = []
    for name, file in REAL.items():
        screen, graph = real_screen(data_folder(), file)
        found = closer_to_the_truth(GaussianProcess(), screen, graph, 0.32, 10)
        rows.append(found.assign(screen=name))
    table = pd.concat(rows)
    told = table.groupby("screen").mean(numeric_only=True)
    print(told.div(told["truth"], axis=0).assign(truth=told["truth"]).round(3))
    true = table["truth"] >= WORTHWHILE
    for way in ("folds", "further", "left out", "both"):
        said = table[way] >= WORTHWHILE
        print(
            f"{way}: said {said[true].sum()} of {true.sum()}, wrongly {said[~true].sum()} of {(~true).sum()}"
        )
    assert (np.abs(told["folds"] / told["truth"] - 1) < 0.1).all()
    said = table["answer"] == "no better"
    assert said[true].mean() >= 0.9 and said[~true].mean() <= 0.1
