"""Statistics whose unit is the screen, against formulas and published tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from graphsel.benchmark.across import (
    average_ranks,
    cliques,
    own_start,
    pooled_ratios,
    screen_ratios,
)
from graphsel.benchmark.statistics import summarize
from graphsel.core.errors import GraphselError


def ratios_of(table):
    "screens x strategies as `screen_ratios` gives it."
    long = (
        pd.DataFrame(table).rename_axis("screen").reset_index().melt("screen", var_name="strategy")
    )
    return long.rename(columns={"value": "ratio"}).assign(verdict="open")


def results(factor, splits=8, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for split in range(splits):
        hard = 1 + 0.2 * rng.normal()
        for name, f in {"random": 1.0, **factor}.items():
            for budget in (10, 20):
                error = hard * f * budget**-0.3 + 0.005 * rng.normal()
                rows.append({"strategy": name, "seed": split, "budget": budget, "mse": error})
    return pd.DataFrame(rows)


def test_the_number_of_a_screen_is_that_of_its_summary():
    tables = {"a": results({"x": 0.8, "y": 1.2}), "b": results({"x": 1.0, "y": 1.3}, seed=1)}
    found = screen_ratios(tables).set_index(["screen", "strategy"])
    told = summarize(tables["a"], ["mse"]).query("metric == 'mse'").set_index("strategy")
    assert found.loc[("a", "x"), "ratio"] == told.loc["x", "mean_ratio"].iloc[0]
    assert found.loc[("a", "x"), "verdict"] == "better"
    assert found.loc[("b", "y"), "verdict"] == "worse"
    assert "random" not in found.index.get_level_values("strategy")


def test_the_worst_budget_is_named():
    table = results({"x": 0.8})
    table.loc[(table["strategy"] == "x") & (table["budget"] == 20), "mse"] *= 2
    found = screen_ratios({"a": table}).iloc[0]
    mean = table.groupby(["strategy", "budget"])["mse"].mean()
    assert found["at"] == 20
    assert found["highest"] == pytest.approx(mean["x", 20] / mean["random", 20])
    assert found["low"] < found["ratio"] < found["highest"]


def test_any_strategy_may_be_the_reference():
    "By hand: mean over budgets of mean error / the reference's, paired by split; random is one of the others."
    table = results({"x": 0.8, "y": 1.2})
    found = screen_ratios({"a": table}, reference="x").set_index("strategy")
    mean = table.groupby(["strategy", "budget"])["mse"].mean()
    assert set(found.index) == {"random", "y"}
    for name in found.index:
        assert found.loc[name, "ratio"] == pytest.approx((mean[name] / mean["x"]).mean())
    plain = screen_ratios({"a": table}).set_index("strategy")
    assert found.loc["random", "low"] == pytest.approx(1 / plain.loc["x", "high"], rel=0.02)
    with pytest.raises(GraphselError, match="z is not among"):
        screen_ratios({"a": table}, reference="z")


def test_pooled_by_hand():
    table = {"x": {"a": 0.5, "b": 2.0, "c": 0.9}, "y": {"a": 0.8, "b": 0.8, "c": 0.8}}
    found = pooled_ratios(ratios_of(table)).set_index("strategy")
    logs = np.log([0.5, 2.0, 0.9])
    assert found.loc["x", "ratio"] == pytest.approx((0.5 * 2 * 0.9) ** (1 / 3))
    half = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / np.sqrt(3)
    assert found.loc["x", "high"] == pytest.approx(np.exp(logs.mean() + half))
    assert found.loc["y", ["low", "high"]].tolist() == pytest.approx([0.8, 0.8])
    assert found.index[0] == "y" and found.loc["x", "worst"] == 2.0
    assert found.loc["x", ["wins", "ties", "losses"]].tolist() == [0, 3, 0]


def test_one_screen_has_no_interval():
    found = pooled_ratios(ratios_of({"x": {"a": 0.9}}))
    assert found["low"].isna().all() and found["p_value"].isna().all()


def test_critical_differences_of_the_published_table():
    "Demsar 2006, table 5 (a): q at .05 for 2 to 10 classifiers."
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    for k, q in zip(range(3, 11), published[1:], strict=True):
        rng = np.random.default_rng(k)
        table = {f"s{i}": dict(enumerate(rng.random(12))) for i in range(k - 1)}  # and random
        _, tests = average_ranks(ratios_of(table))
        assert tests["critical_difference"] == pytest.approx(
            q * np.sqrt(k * (k + 1) / 72), abs=2e-3
        )


def test_ranks_and_friedman_by_scipy():
    rng = np.random.default_rng(1)
    table = {name: dict(enumerate(rng.random(9))) for name in "xyz"}
    ranks, tests = average_ranks(ratios_of(table))
    wide = pd.DataFrame(table).assign(random=1.0)
    assert tests["friedman_p"] == pytest.approx(stats.friedmanchisquare(*wide.T.to_numpy()).pvalue)
    assert ranks.sum() == pytest.approx(1 + 2 + 3 + 4) and ranks.is_monotonic_increasing


def test_screens_without_a_strategy_are_left_out_of_the_ranks():
    table = {"x": {0: 0.9, 1: 0.8, 2: 0.7}, "y": {0: 0.9, 1: 1.2}}
    _, tests = average_ranks(ratios_of(table))
    assert tests["screens"] == 2
    with pytest.raises(GraphselError, match="ranks need two"):
        average_ranks(ratios_of({"x": {0: 0.9}, "y": {0: 0.8}}))


def test_cliques():
    ranks = pd.Series([1.0, 1.5, 2.4, 4.0], index=list("abcd"))
    assert cliques(ranks, 1.0) == [("a", "b"), ("b", "c")]
    assert cliques(ranks, 1.6) == [("a", "b", "c"), ("c", "d")]
    assert cliques(ranks, 0.1) == []


def test_what_cannot_be_pooled_is_refused():
    good = results({"x": 0.9})
    with pytest.raises(GraphselError, match="random is not among"):
        screen_ratios({"a": good[good["strategy"] != "random"]})
    two = pd.concat([good.assign(targets="pool"), good.assign(targets="library")])
    with pytest.raises(GraphselError, match="several values of 'targets'"):
        screen_ratios({"a": two})


def test_own_start_compares_with_the_same_draw():
    "Splits differ by a factor that draw and learner share: the ratio is exact, whatever the mean of the draws."
    rows = []
    for seed in range(8):
        split, luck = seed % 4, 1 + seed / 10
        for budget, turn in ((10, 0), (20, 1), (40, 2)):
            shared = {"seed": seed, "split": split, "budget": budget, "status": "ok"}
            level = luck / budget
            rows.append(
                shared | {"strategy": "random", "kind": "baseline", "round": 0, "mse": level}
            )
            asked = level * (0.9 if turn else 1.0)
            if seed < 4:
                rows.append(
                    shared | {"strategy": "active:x", "kind": "active", "round": turn, "mse": asked}
                )
    found = own_start(pd.DataFrame(rows)).iloc[0]
    assert found["ratio"] == pytest.approx(0.9) and found["splits"] == 4
    assert found["low"] == pytest.approx(0.9) and found["high"] == pytest.approx(0.9)
