"""The comparison: nothing leaks, nothing measured is lost, and neither processes nor interruptions change a figure."""
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from graphsel.compare import KEY, PRESETS, Task, compare, holm, make_bench, make_plan, run_task, set_up, summarize, tasks
from graphsel.core import GraphselError
from graphsel.datasets import simulated_screen
from graphsel.metrics import LOWER_IS_BETTER
from graphsel.models import MODELS
from graphsel.select import STRATEGIES

TIMES = ["select_seconds", "fit_seconds"]
ASK = dict(strategies=["random", "variance", "active:bald"], budgets=[6, 12, 18], models=("gp",), seeds=2, initial=6)


@pytest.fixture(scope="module")
def sim(): return simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)


@pytest.fixture(scope="module")
def reference(sim): return compare(sim.screen, sim.graph, **ASK)


def without_times(table): return table.drop(columns=TIMES)


def test_one_row_for_each_strategy_seed_and_budget(reference):
    assert len(reference) == 3*2*3
    assert not reference.duplicated(KEY).any()
    assert (reference["status"] == "ok").all() and (reference["n_measured"] == reference["budget"]).all()
    wanted = ["strategy", "kind", "model", "graph", "noise", "targets", "protocol", "seed", "split", "round", "budget", "n_measured", *LOWER_IS_BETTER,
              "select_seconds", "fit_seconds", "picks_sha1", "status", "error"]
    assert list(reference.columns) == wanted
    assert set(reference.query("strategy == 'active:bald'")["round"]) == {0, 1, 2}


def test_every_strategy_and_every_model_runs(sim):
    results = compare(sim.screen, sim.graph, [n for n in STRATEGIES], [5, 10], models=("gp",), seeds=1)
    assert (results["status"] == "ok").all(), results["error"].unique()
    results = compare(sim.screen, sim.graph, ["random", "graphreach+active:bald"], [8], models=tuple(m for m in MODELS if m not in ("mean", "nochange", "transfer")), seeds=1)
    assert (results["status"] == "ok").all(), results["error"].unique()


@pytest.mark.parametrize("jobs", [2])
def test_processes_change_nothing(sim, reference, jobs):
    pd.testing.assert_frame_equal(without_times(compare(sim.screen, sim.graph, jobs=jobs, **ASK)), without_times(reference))


def test_a_dask_cluster_changes_nothing(sim, reference):
    distributed = pytest.importorskip("distributed", reason="dask is an extra")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        pd.testing.assert_frame_equal(without_times(compare(sim.screen, sim.graph, dask=cluster.scheduler_address, **ASK)), without_times(reference))


def test_leaving_a_strategy_out_changes_nothing_for_the_others(sim, reference):
    alone = compare(sim.screen, sim.graph, **{**ASK, "strategies": ["active:bald"]})
    pd.testing.assert_frame_equal(without_times(alone), without_times(reference.query("strategy == 'active:bald'").reset_index(drop=True)))


@pytest.mark.parametrize("strategy", ["random", "kmeans", "typiclust", "graphreach", "variance", "active:bald", "active:ensemble", "variance+active:bald"])
def test_no_pick_depends_on_an_outcome_that_was_not_revealed(sim, strategy):
    "Responses of test and of never-picked perturbations become noise: every pick stays the same."
    plan, bench = make_plan([strategy], [6, 12, 18], models=("gp",), seeds=1, initial=6), make_bench(sim.screen, sim.graph)
    task = Task(strategy, "gp", 0.0, 0)
    names = picked_names(plan, bench, task)
    spoiled = sim.screen.copy()
    unseen = ~np.isin(spoiled.obs_names, names[12] if "active:" in strategy else []) # the last picks are made before their outcomes are seen
    spoiled.X[unseen] = np.random.default_rng(0).normal(size=(int(unseen.sum()), spoiled.n_vars))*10
    assert picked_names(plan, make_bench(spoiled, sim.graph), task) == names


def picked_names(plan, bench, task):
    from graphsel.compare import active_picks, one_shot_picks
    from graphsel.core import child_rng
    problem, test, _ = set_up(plan, bench, task)
    rng = child_rng(0, "leak")
    picks = active_picks(problem, task.strategy, plan, rng) if "active:" in task.strategy else one_shot_picks(problem, task.strategy, plan.budgets, rng)
    found = {p.budget: p.names for p in picks}
    assert not set(test) & {n for names in found.values() for n in names}
    return found


def test_models_are_trained_on_the_picks_only(sim):
    bench, plan = make_bench(sim.screen, sim.graph), make_plan(["random"], [10], models=("gp", "gnn", "ridge"), seeds=1)
    for model in plan.models:
        problem, test, revealed = set_up(plan, bench, Task("random", model, 0.0, 0))
        names = problem.candidates[:10]
        before = problem.fit(names).predict(test).X
        spoiled = sim.screen.copy()
        spoiled.X[~np.isin(spoiled.obs_names, names)] = 7.0
        problem, _, _ = set_up(plan, make_bench(spoiled, sim.graph), Task("random", model, 0.0, 0))
        np.testing.assert_array_equal(problem.fit(names).predict(test).X, before)


def test_errors_in_units_of_the_pool(sim):
    "--standardize divides by the pool's standard deviation, whatever the test set is."
    bench = make_bench(sim.screen, sim.graph)
    plan = make_plan(["random"], [12], models=("nochange",), seeds=1, standardize=True)
    task = tasks(plan)[0]
    problem, test, revealed = set_up(plan, bench, task)
    scale = revealed.X.astype(float).std(axis=0)
    expected = ((bench.screen[test].X/scale)**2).mean()
    assert run_task(plan, bench, task)[0]["mse"] == pytest.approx(expected, rel=1e-5)


def test_heldout_targets_are_names_only(sim):
    bench = make_bench(sim.screen, sim.graph)
    for targets in ["all", "heldout"]:
        problem, test, _ = set_up(make_plan(["variance"], [5], models=("gp",), targets=targets), bench, Task("variance", "gp", 0.0, 1))
        assert set(problem.targets) == (set(test) if targets == "heldout" else set(bench.names))


def test_a_strategy_that_raises_and_a_model_that_diverges_are_rows(sim, monkeypatch):
    from graphsel.models import MeanModel
    def broken(problem, budget, rng): raise RuntimeError("no idea")
    class Diverging(MeanModel):
        def predict(self, names):
            p = super().predict(names)
            p.X[:] = np.nan
            return p
    monkeypatch.setitem(STRATEGIES, "random", STRATEGIES["random"].__class__("random", broken, "baseline"))
    monkeypatch.setitem(MODELS, "mean", Diverging)
    results = compare(sim.screen, sim.graph, ["random", "degree"], [5, 10], models=("gp", "mean"), seeds=1)
    failed = results[results["status"] == "failed"]
    assert len(results) == 8 and len(failed) == 6
    assert failed.query("strategy == 'random'")["error"].str.contains("RuntimeError: no idea").all()
    assert failed.query("strategy == 'degree'")["error"].str.contains("diverged").all()
    assert results.query("strategy == 'degree' and model == 'gp'")["mse"].notna().all()


SCRIPT = """
import sys
from graphsel.compare import compare
from graphsel.datasets import simulated_screen
sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
print("go", flush=True)
compare(sim.screen, sim.graph, ["random", "variance", "active:bald"], [6, 12, 18], models=("gp",), seeds=2, initial=6, out=sys.argv[1], resume=True)
"""


def test_killed_and_resumed_gives_the_identical_table(sim, reference, tmp_path):
    "SIGKILL at several moments; then a run to the end. The table is that of an undisturbed run."
    env = dict(os.environ, OMP_NUM_THREADS="1")
    for wait in [0.05, 0.15, 0.3]:
        p = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, env=env)
        p.stdout.readline()
        time.sleep(wait)
        p.send_signal(signal.SIGKILL)
        p.wait()
    done = len(list((tmp_path/"tasks").glob("[0-9a-f]*.json"))) if (tmp_path/"tasks").exists() else 0
    final = compare(sim.screen, sim.graph, out=tmp_path, resume=True, **ASK)
    assert done < len(tasks(make_plan(**{k: v for k, v in ASK.items()}))) or (tmp_path/"results.csv").exists()
    pd.testing.assert_frame_equal(without_times(final), without_times(reference))
    for kind in ["parquet", "csv"]:
        read = pd.read_parquet(tmp_path/"results.parquet") if kind == "parquet" else pd.read_csv(tmp_path/"results.csv", keep_default_na=False, na_values=["nan"])
        np.testing.assert_allclose(read["mse"], reference["mse"], rtol=1e-12)
    assert json.loads((tmp_path/"run.json").read_text())["plan"]["seeds"] == 2


def test_another_comparison_is_never_mixed_in(sim, tmp_path):
    compare(sim.screen, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path)
    with pytest.raises(GraphselError, match="--resume"): compare(sim.screen, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path)
    other = sim.screen.copy(); other.X[0, 0] += 1
    with pytest.raises(GraphselError, match="another comparison"): compare(other, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path, resume=True)


def test_impossible_requests_are_refused_before_anything_runs(sim, tmp_path):
    for wrong, message in [(dict(strategies=["randon"]), "did you mean"), (dict(strategies=[]), "no strategy"), (dict(budgets=[0]), "budget"), (dict(budgets=[5000]), "pool has"),
                           (dict(models=("gpp",)), "unknown model"), (dict(targets="some"), "targets"), (dict(noise=(1.5,)), "noise"), (dict(seeds=0), "seeds"), (dict(jobs=0), "jobs")]:
        with pytest.raises(GraphselError, match=message): compare(sim.screen, sim.graph, **{**ASK, **wrong}, out=tmp_path/"out")
        assert not (tmp_path/"out"/"results.csv").exists()
    with pytest.raises(GraphselError, match="are in the graph"): compare(sim.screen[:3], sim.graph, ["random"], [1], models=("gp",))


def test_presets_keep_their_published_sizes():
    assert make_plan(["random"], preset="iterpert").budgets == (100, 200, 300, 400, 500, 600) and PRESETS["iterpert"]["initial"] == 100
    assert make_plan(["random"], preset="genome-wide").budgets[-1] == 1800
    assert make_plan(["random"], [7], preset="small").budgets == (7,)


def test_graph_noise_belongs_to_the_seed(sim):
    results = compare(sim.screen, sim.graph, ["degree", "graphreach"], [10], models=("gp",), seeds=1, noise=(0.0, 0.5))
    assert set(results["noise"]) == {0.0, 0.5} and results["picks_sha1"].nunique() == 4


def test_summary_by_hand(reference):
    "Means, ratio, Wilcoxon and Holm against direct computation; the statistics library is the oracle."
    from scipy.stats import wilcoxon
    from statsmodels.stats.multitest import multipletests
    rng = np.random.default_rng(0)
    rows = [dict(reference.iloc[0]) | {"strategy": s, "seed": k, "budget": b, "mse": level - b/100 + 0.1*rng.normal()}
            for s, level in [("random", 1.0), ("a", 0.9), ("b", 1.2), ("c", 1.0)] for k in range(12) for b in (10, 20)]
    table = pd.DataFrame(rows)
    summary = summarize(table, ["mse"]).query("metric == 'mse'").set_index(["strategy", "budget"])
    wide = table.pivot(index="seed", columns=["strategy", "budget"], values="mse")
    for b in (10, 20):
        p = [wilcoxon(wide["a", b] - wide["random", b]).pvalue, wilcoxon(wide["b", b] - wide["random", b]).pvalue, wilcoxon(wide["c", b] - wide["random", b]).pvalue]
        corrected = multipletests(p, method="holm")[1]
        np.testing.assert_allclose([summary.loc[(s, b), "p_holm"] for s in "abc"], corrected)
        np.testing.assert_allclose(summary.loc[("a", b), "ratio_to_random"], wide["a", b].mean()/wide["random", b].mean())
        low, high = summary.loc[("a", b), ["ci_low", "ci_high"]]
        assert low < wide["a", b].mean() < high
    np.testing.assert_allclose(summary.loc[("a", 10), "mean_ratio"], np.mean([summary.loc[("a", b), "ratio_to_random"] for b in (10, 20)]))


def test_holm_is_holm():
    from statsmodels.stats.multitest import multipletests
    rng = np.random.default_rng(0)
    for n in (1, 2, 9, 30):
        p = rng.random(n)**3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_a_comparison_without_random_has_no_ratio(sim):
    summary = summarize(compare(sim.screen, sim.graph, ["degree"], [5, 10], models=("gp",), seeds=2))
    assert summary["ratio_to_random"].isna().all() and summary["budget_saved"].isna().all() and summary["mean"].notna().all()


def test_models_are_compared_on_the_same_draws(sim):
    results = compare(sim.screen, sim.graph, ["random", "kmeans"], [8, 16], models=("gp", "ridge"), seeds=2)
    assert (results.groupby(["strategy", "seed", "budget"])["picks_sha1"].nunique() == 1).all()


@pytest.mark.parametrize("wrong", [dict(jobs=0), dict(dask="tcp://127.0.0.1:1")], ids=str)
def test_what_is_refused_leaves_no_folder(sim, tmp_path, wrong):
    if "dask" in wrong: pytest.importorskip("distributed", reason="dask is an extra")
    with pytest.raises(GraphselError): compare(sim.screen, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path/"out", **wrong)
    assert not (tmp_path/"out").exists()
