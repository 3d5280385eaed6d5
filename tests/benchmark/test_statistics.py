"""What is said about a comparison: against direct computation and other libraries."""

import numpy as np
import pandas as pd
import pytest
from comparing import PROMISED

from graphsel.benchmark.compare import compare
from graphsel.benchmark.metrics import budget_saved
from graphsel.benchmark.reliability import (
    initial_risk,
    jaccard,
    laboratory_time,
    noise_stability,
    pick_overlap,
)
from graphsel.benchmark.statistics import (
    OVERLAP,
    SUMMARY_COLUMNS,
    bootstrap_interval,
    bootstrap_weights,
    by_split,
    corrected_p,
    few_splits,
    half_width,
    holm,
    interval,
    mean_interval,
    overlap_of,
    ratio_interval,
    saved_in_draws,
    split_differences,
    summarize,
    tail,
    weighted_means,
    widened,
)
from graphsel.core.errors import GraphselError
from graphsel.datasets.simulate import simulated_screen


def made_up(levels, splits=12, budgets=(10, 20), seed=0, draws=1, scatter=0.1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            dict(
                strategy=s,
                model="gp",
                graph="g",
                noise=0.0,
                noise_kind="none",
                targets="all",
                seed=k + splits * r,
                split=k,
                round=0,
                budget=b,
                mse=level - b / 100 + scatter * rng.normal(),
                picks="A B",
                status="ok",
            )
            for s, level in levels.items()
            for k in range(splits)
            for r in range(draws if s == "random" else 1)
            for b in budgets
        ]
    )


LEVELS = {"random": 1.0, "a": 0.9, "b": 1.2, "c": 1.0}


def t_test(d, overlap=OVERLAP):
    "p-value of a paired t test whose variance is that of splits that overlap; the plain one from the library."
    from scipy.stats import t, ttest_1samp

    n = len(d)
    return 2 * t.sf(abs(ttest_1samp(d, 0).statistic) / np.sqrt(1 + n * overlap), n - 1)


def test_summary_by_hand():
    "Means, ratio, tests and Holm against direct computation; the statistics library is the oracle."
    from scipy.stats import wilcoxon
    from statsmodels.stats.multitest import multipletests

    table = made_up(LEVELS)
    summary = summarize(table, ["mse"])
    assert list(summary.columns) == SUMMARY_COLUMNS
    assert list(summary.columns)[: len(PROMISED)] == PROMISED
    summary = summary.query("metric == 'mse'").set_index(["strategy", "budget"])
    wide = table.pivot(index="split", columns=["strategy", "budget"], values="mse")
    for b in (10, 20):
        d = {s: wide[s, b] - wide["random", b] for s in "abc"}
        np.testing.assert_allclose(
            [summary.loc[(s, b), "p_value"] for s in "abc"], [t_test(v) for v in d.values()]
        )
        np.testing.assert_allclose(
            [summary.loc[(s, b), "p_value_naive"] for s in "abc"],
            [wilcoxon(v).pvalue for v in d.values()],
        )
        np.testing.assert_allclose(
            [summary.loc[(s, b), "difference"] for s in "abc"], [v.mean() for v in d.values()]
        )
        np.testing.assert_allclose(
            summary.loc[("a", b), "ratio_to_random"], wide["a", b].mean() / wide["random", b].mean()
        )
        np.testing.assert_allclose(
            summary.loc[("a", b), ["mean", "sd", "n"]].astype(float),
            [wide["a", b].mean(), wide["a", b].std(), 12],
        )
        assert (
            summary.loc[("a", b), "ci_low"] < wide["a", b].mean() < summary.loc[("a", b), "ci_high"]
        )
        saved, bound = budget_saved([10, 20], wide["a"].mean(), wide["random"].mean(), b)
        np.testing.assert_allclose(summary.loc[("a", b), "budget_saved"], saved)
        assert (
            summary.loc[("a", b), "saved_at_least"] == bound
            and summary.loc[("a", b), "saved_low"] <= saved <= summary.loc[("a", b), "saved_high"]
        )
    both = [(s, b) for s in "abc" for b in (10, 20)]
    np.testing.assert_allclose(
        summary.loc[both, "p_holm"], multipletests(summary.loc[both, "p_value"], method="holm")[1]
    )
    np.testing.assert_allclose(
        summary.loc[("a", 10), "mean_ratio"],
        np.mean([summary.loc[("a", b), "ratio_to_random"] for b in (10, 20)]),
    )
    assert (
        summary.loc[("a", 10), "mean_ratio_low"]
        < summary.loc[("a", 10), "mean_ratio"]
        < summary.loc[("a", 10), "mean_ratio_high"]
    )
    assert (summary.loc["random", ["ratio_to_random", "ratio_low", "ratio_high"]] == 1).all().all()


def test_a_table_of_strategies_and_budgets_is_one_family():
    "Corrected over all of it; curves of another model, graph or level of noise change nothing."
    from statsmodels.stats.multitest import multipletests

    table, budgets = made_up(LEVELS, budgets=(10, 20, 40)), [10, 20, 40]
    others = [
        made_up(LEVELS, budgets=budgets, seed=k).assign(**{c: v})
        for k, (c, v) in enumerate([("model", "gnn"), ("graph", "h"), ("noise", 0.1)], 1)
    ]
    alone, among = (summarize(t, ["mse"]) for t in (table, pd.concat([table, *others])))
    family = alone.query("metric == 'mse' and strategy != 'random'")
    assert len(family) == 9
    np.testing.assert_allclose(family["p_holm"], multipletests(family["p_value"], method="holm")[1])
    once = family.drop_duplicates("strategy")
    np.testing.assert_allclose(
        once["mean_p_holm"], multipletests(once["mean_p_value"], method="holm")[1]
    )
    assert alone.query("strategy == 'random'")[["p_holm", "mean_p_holm"]].isna().all(axis=None)
    same = among.query("model == 'gp' and graph == 'g' and noise == 0").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, same)
    assert len(among) == 4 * len(alone)


def test_intervals_of_splits_that_overlap():
    "By the formula of Nadeau and Bengio; the ratio of test to training perturbations is that of the table."
    from scipy.stats import t, ttest_rel

    table = made_up(LEVELS)
    told = {
        o: summarize(table.assign(n_test=o[0], n_pool=o[1]), ["mse"])
        .query("metric == 'mse' and budget == 10")
        .set_index("strategy")
        for o in ((20, 80), (10, 90), (0, 1))
    }
    plain = (
        summarize(table, ["mse"]).query("metric == 'mse' and budget == 10").set_index("strategy")
    )
    pd.testing.assert_frame_equal(plain, told[20, 80])  # what a table does not say
    wide = table.query("budget == 10").pivot(index="split", columns="strategy", values="mse")
    for (test, pool), s in told.items():
        half = t.ppf(0.975, 11) * np.sqrt(1 / 12 + test / pool)
        assert (s["overlap"] == test / pool).all()
        np.testing.assert_allclose(s["ci_high"], wide.mean() + half * wide.std())
        np.testing.assert_allclose(s["ci_low"], wide.mean() - half * wide.std())
        np.testing.assert_allclose(
            s.loc["a", "difference_low"],
            wide.eval("a - random").mean() - half * wide.eval("a - random").std(),
        )
        np.testing.assert_allclose(
            s[["ci_low_naive", "ci_high_naive"]].to_numpy().T, bootstrap_interval(wide)
        )
        pd.testing.assert_frame_equal(s.filter(like="naive"), plain.filter(like="naive"))
    independent = told[0, 1]
    assert independent.loc["a", "p_value"] == pytest.approx(
        ttest_rel(wide["a"], wide["random"]).pvalue
    )
    for k in (
        "ci",
        "ratio",
        "mean_ratio",
    ):  # wider than if splits were independent, by about the factor of the variance
        width = lambda s, end="", k=k: s.loc["a", f"{k}_high{end}"] - s.loc["a", f"{k}_low{end}"]
        assert width(plain) / width(independent) == pytest.approx(
            np.sqrt((1 / 12 + 0.25) * 12), rel=0.05
        )
        assert width(plain) / width(plain, "_naive") == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_test_and_interval_say_the_same(seed):
    "p < 0.05 exactly where the interval of the ratio excludes 1 and that of the difference 0."
    levels = {"random": 1.0} | {f"s{i}": 1 - 0.02 * i for i in range(12)}
    s = summarize(
        made_up(levels, splits=4 + 2 * seed, budgets=(10, 20, 40), seed=seed), ["mse"]
    ).query("strategy != 'random'")
    assert np.isfinite(s[["ratio_low", "ratio_high"]]).all(axis=None)
    sure = s["p_value"] < 0.05
    np.testing.assert_array_equal(sure, (s["ratio_low"] > 1) | (s["ratio_high"] < 1))
    np.testing.assert_array_equal(sure, (s["difference_low"] > 0) | (s["difference_high"] < 0))
    np.testing.assert_array_equal(
        s["mean_p_value"] < 0.05, (s["mean_ratio_low"] > 1) | (s["mean_ratio_high"] < 1)
    )
    assert seed < 3 or 0 < sure.mean() < 1


def test_ratio_interval_holds_what_the_test_does_not_reject():
    "Against a search for the ratios at which the p-value is 0.05."
    from scipy.optimize import brentq

    rng = np.random.default_rng(0)
    for overlap in (0.0, 0.25):
        hard = 1 + 0.2 * rng.normal(size=9)
        x, m = 0.9 * hard + 0.03 * rng.normal(size=9), hard
        at, r = lambda q, x=x, m=m, o=overlap: t_test(x - q * m, o) - 0.05, x.mean() / m.mean()
        np.testing.assert_allclose(
            ratio_interval(x, m, overlap), [brentq(at, r - 1, r), brentq(at, r, r + 1)]
        )
    assert (
        ratio_interval(x, m - m.mean()) == (-np.inf, np.inf)
        and np.isnan(ratio_interval(x[:1], m[:1])).all()
    )


def test_corrected_intervals_cover_and_naive_ones_do_not():
    "Splits of one screen, drawn anew many times: the truth is that of all perturbations there could be."
    rng, inside, wrong = np.random.default_rng(0), [], []
    for _ in range(600):
        a, b = rng.gamma(4.0, size=(2, 100))
        parts = [rng.permutation(100)[:20] for _ in range(12)]
        x, m = (np.array([o[p].mean() for p in parts]) for o in (a, b))
        low, high = mean_interval(pd.DataFrame({"mse": x}))
        naive = bootstrap_interval(pd.DataFrame({"mse": x}))
        inside.append([low[0] <= 4 <= high[0], naive[0, 0] <= 4 <= naive[1, 0]])
        wrong.append([corrected_p(x - m) < 0.05, corrected_p(x - m, 0) < 0.05])
    (corrected, naive), (few, many) = np.mean(inside, axis=0), np.mean(wrong, axis=0)
    assert 0.91 <= corrected <= 0.99 and naive < 0.8
    assert few <= 0.08 and many > 0.2


def test_one_split_with_several_seeds_says_nothing_about_splits():
    "Their scatter is that of the draws: `initial_risk`."
    table = made_up(LEVELS, splits=1, draws=5).assign(split=0)
    s = summarize(table, ["mse"])
    assert (s["n"] == 1).all() and s[
        ["ci_low", "ratio_low", "difference_low", "p_value", "mean_p_value", "p_holm"]
    ].isna().all(axis=None)
    assert s["ratio_to_random"].notna().all()


def test_overlap_of_a_table():
    table = made_up(LEVELS)
    assert (
        overlap_of(table) == OVERLAP == 0.25
        and overlap_of(table.assign(n_test=np.nan, n_pool=np.nan)) == 0.25
    )
    some = table.assign(
        n_test=np.where(table["split"] > 3, 10.0, np.nan),
        n_pool=np.where(table["split"] > 3, 40.0, np.nan),
    )
    assert (
        overlap_of(some) == 0.25
        and overlap_of(some.assign(n_pool=90)) == pytest.approx(1 / 9)
        and overlap_of(some.assign(n_test=0, n_pool=0)) == 0.25
    )
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    results = compare(
        sim.screen,
        sim.graph,
        ["random", "degree"],
        [5, 10],
        models=("gp",),
        seeds=2,
        test_fraction=0.1,
    )
    n = results["n_pool"] + results["n_test"]
    assert (n == n.iloc[0]).all() and (results["n_test"] == round(0.1 * n.iloc[0])).all()
    assert (
        summarize(results, ["mse"])["overlap"]
        .eq(results["n_test"].iloc[0] / results["n_pool"].iloc[0])
        .all()
    )


def test_no_interval_without_scatter_or_splits():
    assert (
        np.isnan(half_width(1))
        and np.isnan(corrected_p([1.0]))
        and np.isnan(corrected_p([0.0, 0.0]))
        and np.isnan(corrected_p([1.0, np.nan]))
    )
    assert corrected_p([1.0, 1.0, 1.0]) == 0
    draws = np.random.default_rng(0).normal(size=(500, 3))
    wide = widened(np.array([1.0, 2, 3]), draws, 10)
    np.testing.assert_allclose(wide.std(axis=0), draws.std(axis=0) * np.sqrt(1 + 2.5))


@pytest.mark.parametrize("budgets", [(10,), (10, 20, 40)])
def test_each_split_has_its_part_in_the_mean_ratio(budgets):
    "The parts average to it, and are what is tested; with one budget, test and interval are those of that budget."
    from scipy.stats import wilcoxon

    table = made_up(LEVELS, budgets=budgets, draws=2)
    summary = summarize(table, ["mse"]).query("metric == 'mse'").groupby("strategy").first()
    wide = (
        table.groupby(["split", "strategy", "budget"])["mse"].mean().unstack(["strategy", "budget"])
    )
    parts = {s: split_differences(wide[s].to_numpy(), wide["random"].to_numpy()) for s in "abc"}
    for s, d in parts.items():
        assert d.mean() == pytest.approx(summary.loc[s, "mean_ratio"] - 1) and summary.loc[
            s, "mean_p_value"
        ] == pytest.approx(t_test(d))
        assert summary.loc[s, "mean_p_value_naive"] == pytest.approx(wilcoxon(d).pvalue)
        if len(budgets) == 1:
            assert summary.loc[s, "mean_p_value"] == pytest.approx(
                summary.loc[s, "p_value"]
            ) and summary.loc[s, "mean_ratio_low"] == pytest.approx(summary.loc[s, "ratio_low"])
    np.testing.assert_allclose(
        summary.loc[list("abc"), "mean_p_holm"], holm(np.array([t_test(parts[s]) for s in "abc"]))
    )
    assert np.isnan(summary.loc["random", "mean_p_value"])


def test_parts_with_gaps():
    "A split counts with the budgets it has; one without any has no part; nothing to compare is no error."
    X, R = np.array([[1.0, np.nan], [2, 3], [np.nan, np.nan]]), np.array([[2.0, 2], [2, 4], [1, 1]])
    np.testing.assert_allclose(split_differences(X, R), [-1 / 2, (0 - 1 / 4) / 2, np.nan])
    assert np.isnan(split_differences(X * np.nan, R)).all()


def test_bands_are_the_intervals_of_the_summary():
    table = made_up(LEVELS, draws=3)
    table = table[~((table["strategy"] == "a") & (table["split"] == 0))]  # a failed split
    summary = summarize(table, ["mse"]).query("metric == 'mse'").set_index(["strategy", "budget"])
    wide = (
        table.groupby(["split", "strategy", "budget"])["mse"].mean().unstack(["strategy", "budget"])
    )
    for s in LEVELS:
        np.testing.assert_allclose(
            mean_interval(wide[s].dropna(how="all")),
            summary.loc[s, ["ci_low", "ci_high"]].to_numpy(float).T,
        )


@pytest.mark.parametrize(
    "n, says",
    [
        (1, "1 split: there are no intervals"),
        (3, "3 splits: intervals rest on 3 values"),
        (5, "5 splits"),
        (6, ""),
    ],
)
def test_few_splits_are_told(n, says):
    "Draws count for nothing here."
    note = few_splits(made_up(LEVELS, splits=n, draws=4))
    assert note.startswith(says) and bool(note) == bool(says)


def test_random_is_averaged_in_its_split_before_pairs_are_made():
    "Draws in a split are no further evidence about splits: n counts splits."
    table = made_up(LEVELS, draws=5)
    mean = (
        table.groupby(["strategy", "split", "budget"], as_index=False)["mse"]
        .mean()
        .assign(
            seed=lambda t: t["split"],
            model="gp",
            graph="g",
            noise=0.0,
            noise_kind="none",
            targets="all",
            status="ok",
        )
    )
    pd.testing.assert_frame_equal(summarize(table, ["mse"]), summarize(mean, ["mse"]))
    assert (summarize(table, ["mse"])["n"] == 12).all()


def test_area_is_that_of_each_splits_curve():
    table = made_up(LEVELS, budgets=(10, 20, 40))
    areas = (
        by_split(table, ["mse"])
        .query("metric == 'mse_area' and strategy == 'a' and split == 3")["value"]
        .item()
    )
    y = table.query("strategy == 'a' and split == 3").sort_values("budget")["mse"].to_numpy()
    assert areas == pytest.approx(((y[0] + y[1]) / 2 * 10 + (y[1] + y[2]) / 2 * 20) / 30)


def test_pairs_without_a_partner_are_left_out():
    "A failed split of one strategy costs that pair, no other, and no NaN appears."
    table = made_up(LEVELS)
    hurt = table.assign(
        status=np.where((table["strategy"] == "a") & (table["split"] == 0), "failed", "ok")
    )
    whole, rest = (
        summarize(t, ["mse"]).query("metric == 'mse'").set_index(["strategy", "budget"])
        for t in (table, hurt)
    )
    pd.testing.assert_frame_equal(
        whole.loc[["b", "c", "random"]].drop(columns=["p_holm", "mean_p_holm"]),
        rest.loc[["b", "c", "random"]].drop(columns=["p_holm", "mean_p_holm"]),
    )
    wide = table.query("split > 0").pivot(
        index="split", columns=["strategy", "budget"], values="mse"
    )
    assert rest.loc[("a", 10), "n"] == 11 and rest.loc[
        ("a", 10), "ratio_to_random"
    ] == pytest.approx(wide["a", 10].mean() / wide["random", 10].mean())
    assert (
        np.isfinite(rest.loc["a"][["ratio_low", "ratio_high", "p_holm"]].astype(float)).all().all()
    )


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_few_splits_are_no_error(n):
    summary = summarize(made_up(LEVELS, splits=n), ["mse"])
    assert summary["mean"].notna().all() and summary["ratio_to_random"].notna().all()
    assert summary["ratio_low"].isna().all() if n == 1 else summary["ratio_low"].notna().all()


def test_a_comparison_without_random_has_no_ratio():
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    summary = summarize(
        compare(sim.screen, sim.graph, ["degree"], [5, 10], models=("gp",), seeds=2)
    )
    assert (
        summary["ratio_to_random"].isna().all()
        and summary["budget_saved"].isna().all()
        and summary["mean"].notna().all()
    )
    assert (
        len(
            summarize(
                compare(sim.screen, sim.graph, ["degree"], [5], models=("gp",), seeds=1)
                .assign(status="failed")
                .iloc[:0]
            )
        )
        == 0
    )


def test_holm_is_holm():
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(0)
    for n in (1, 2, 9, 30):
        p = rng.random(n) ** 3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_bootstrap_against_a_plain_loop():
    "Weights count draws with replacement; weighted means are the means of the draws, whatever is missing."
    W = bootstrap_weights(7)
    assert (W.sum(axis=1) == 7).all() and np.allclose(W.mean(axis=0), 1, atol=0.1)
    X = np.random.default_rng(0).normal(size=(7, 3))
    X[2, 1] = np.nan
    means = weighted_means(W, X)
    for d in range(50):
        rows = np.repeat(np.arange(7), W[d].astype(int))
        np.testing.assert_allclose(means[d], np.nanmean(X[rows], axis=0))
    assert tail(1000) == pytest.approx(0.025, rel=0.02) and tail(5) < 0.01


def test_interval_covers():
    "95 % intervals of a ratio of means of paired values, ten splits: the truth is inside 92 to 97 % of the time."
    rng, W, inside = np.random.default_rng(0), bootstrap_weights(10), 0
    for _ in range(1000):
        hard = rng.gamma(20, size=10) / 20
        a, b = 0.9 * hard + 0.05 * rng.normal(size=10), hard + 0.05 * rng.normal(size=10)
        low, high = interval((W @ a) / (W @ b), 10)
        inside += low <= 0.9 <= high
    assert 920 <= inside <= 970


def test_saved_in_draws_is_budget_saved():
    rng, b = np.random.default_rng(0), np.array([5.0, 10, 20, 40])
    C, R = (np.sort(rng.random((300, 4)), axis=1)[:, ::-1] for _ in range(2))
    for i in range(4):
        each = [budget_saved(b, c, r, b[i])[0] for c, r in zip(C, R)]
        np.testing.assert_allclose(
            saved_in_draws(b, C, R, i), np.where(np.isnan(each), -np.inf, each)
        )
    assert saved_in_draws(b[:1], C[:, :1], R[:, :1], 0).tolist() == [
        0.0 if c <= r else -np.inf for c, r in zip(C[:, 0], R[:, 0])
    ]


def with_picks(names):
    rows = [
        dict(strategy=s, seed=k + 2 * r, split=k, budget=b, mse=m, picks=p)
        for s, each in names.items()
        for k in range(2)
        for r, (m, p) in enumerate(each)
        for b in (1, 2)
    ]
    return pd.DataFrame(rows)


def test_initial_risk_by_hand():
    table = with_picks(
        {"active:x": [(1.0, "A B"), (3.0, "B C"), (2.0, "A B")], "variance": [(2.0, "A B")] * 3}
    )
    risk = initial_risk(table).set_index("strategy")
    assert (
        risk.loc["active:x", "sd_within"] == pytest.approx(1.0)
        and risk.loc["active:x", "best_to_worst"] == 2
        and risk.loc["active:x", "jaccard"] == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    )
    assert (
        risk.loc["variance", ["sd_within", "jaccard"]].tolist() == [0, 1]
        and (risk["repeats"] == 3).all()
        and (risk["splits"] == 2).all()
        and (risk["budget"] == 2).all()
    )
    with pytest.raises(GraphselError, match="repeats"):
        initial_risk(table.query("seed < 2"))
    with pytest.raises(GraphselError, match="budget 7"):
        initial_risk(table, budget=7)


def test_learners_depend_on_their_start_and_plans_do_not():
    "The quantity the paper warns of, on a simulated screen."
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    results = compare(
        sim.screen,
        sim.graph,
        ["variance", "active:bald"],
        [6, 12, 18],
        models=("gp",),
        seeds=2,
        initial=6,
        repeats=4,
    )
    risk = initial_risk(results).set_index("strategy")
    assert risk.loc["variance", "jaccard"] == 1 and risk.loc["variance", "sd_within"] == 0
    assert risk.loc["active:bald", "jaccard"] < 0.9 and risk.loc["active:bald", "sd_within"] > 0


def test_overlap_of_picks():
    table = with_picks({"a": [(1, "A B"), (1, "C D")], "b": [(1, "A B")]})
    overlap = pick_overlap(table)
    assert (
        overlap.loc["a", "a"] == 0
        and overlap.loc["a", "b"] == 0.5 == overlap.loc["b", "a"]
        and np.isnan(overlap.loc["b", "b"])
    )
    assert jaccard(set(), set()) == 1
    with pytest.raises(GraphselError, match="several values of 'model'"):
        pick_overlap(pd.concat([table.assign(model="gp"), table.assign(model="gnn")]))


def test_stability_by_hand():
    table = with_picks({"a": [(1.0, "A B")], "b": [(2.0, "A B")]})
    worse = table.assign(
        noise=0.1,
        noise_kind="added",
        mse=table["mse"] * np.where(table["strategy"] == "a", 1.5, 1.0),
        picks="A C",
    )
    told = noise_stability(
        pd.concat([table.assign(noise=0.0, noise_kind="none"), worse])
    ).set_index(["strategy", "noise"])
    assert (
        told.loc[("a", 0.1), "ratio_to_clean"] == pytest.approx(1.5)
        and told.loc[("b", 0.1), "ratio_to_clean"] == 1
        and told.loc[("a", 0.1), "picks_kept"] == pytest.approx(1 / 3)
    )
    with pytest.raises(GraphselError, match="undisturbed"):
        noise_stability(worse)


def test_stability_has_the_interval_of_splits_that_overlap():
    table = made_up(LEVELS)
    worse = table.assign(
        noise=0.1,
        noise_kind="added",
        mse=1.5 * table["mse"] + 0.1 * np.random.default_rng(3).normal(size=len(table)),
    )
    told = (
        noise_stability(pd.concat([table, worse])).set_index(["strategy", "noise"]).loc[("a", 0.1)]
    )
    x, m = (
        t.query("strategy == 'a' and budget == 20").sort_values("split")["mse"].to_numpy()
        for t in (worse, table)
    )
    np.testing.assert_allclose(
        told[["ratio_low", "ratio_high"]].astype(float), ratio_interval(x, m)
    )
    assert told["overlap"] == 0.25 and told["ratio_high"] - told["ratio_low"] > 1.5 * (
        told["ratio_high_naive"] - told["ratio_low_naive"]
    )


def test_months_in_the_laboratory():
    table = pd.DataFrame(
        {
            "strategy": ["random", "active:bald", "active:bald"],
            "seed": 0,
            "budget": [40, 20, 40],
            "round": [0, 0, 3],
            "mse": 1.0,
        }
    )
    timed = laboratory_time(table, weeks_per_round=5, set_up_weeks=2)
    assert (
        timed["weeks"].tolist() == [7, 7, 22]
        and timed["campaigns"].tolist() == [1, 1, 4]
        and timed["months"].iloc[0] == pytest.approx(7 * 12 / 52.18)
    )
    with pytest.raises(GraphselError, match="not below 0"):
        laboratory_time(table, weeks_per_round=-1)
    with pytest.raises(GraphselError, match="no column"):
        laboratory_time(table.drop(columns="budget"))
