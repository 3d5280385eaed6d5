"""The comparison: nothing leaks, nothing measured is lost, and neither processes nor interruptions change a figure."""

import numpy as np
import pandas as pd
import pytest

from comparing import ASK, TASKS, finished, small_screen, without_times
from graphsel.benchmark.compare import compare
from graphsel.benchmark.metrics import LOWER_IS_BETTER
from graphsel.benchmark.protocol import NOISE_KINDS, PRESETS, Task, make_protocol, make_tasks
from graphsel.benchmark.setting import check_inputs, make_bench, picks_of, set_up
from graphsel.benchmark.statistics import overlap_of, summarize
from graphsel.benchmark.store import read_results
from graphsel.benchmark.tasks import KEY, run_task
from graphsel.core.errors import GraphselError
from graphsel.core.identity import layer_names
from graphsel.core.randomness import child_rng
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior
from graphsel.models.base import MeanModel
from graphsel.models.registry import MODELS
from graphsel.selection.strategies import STRATEGIES

ONE_SHOT = [n for n, s in STRATEGIES.items() if s.kind != "active"]
LEARNERS = [n for n, s in STRATEGIES.items() if s.kind == "active"]


@pytest.fixture(scope="module")
def sim():
    return small_screen()


@pytest.fixture(scope="module")
def reference():
    return finished()


def test_one_row_for_each_strategy_seed_and_budget(reference):
    assert len(reference) == TASKS * 3
    assert not reference.duplicated(KEY).any()
    assert (reference["status"] == "ok").all() and (
        reference["n_measured"] == reference["budget"]
    ).all()
    wanted = [
        "strategy",
        "kind",
        "model",
        "graph",
        "noise",
        "targets",
        "protocol",
        "seed",
        "split",
        "round",
        "budget",
        "n_measured",
        *LOWER_IS_BETTER,
        "select_seconds",
        "fit_seconds",
        "picks_sha1",
        "status",
        "error",
    ]
    assert list(reference.columns)[: len(wanted)] == wanted and set(
        reference.columns[len(wanted) :]
    ) == {"noise_kind", "noise_on", "judged", "picks", "n_pool", "n_test"}
    assert set(reference.query("strategy == 'active:bald'")["round"]) == {0, 1, 2}
    assert (reference["picks"].str.split().str.len() == reference["budget"]).all()


def test_every_strategy_and_every_model_runs(sim):
    results = compare(
        sim.screen,
        sim.graph,
        [n for n in STRATEGIES],
        [5, 10],
        models=("gp",),
        seeds=1,
        random_draws=1,
    )
    failed = results[results["status"] != "ok"]
    assert set(failed["strategy"]) <= {
        n for n in failed["strategy"] if failed["error"].str.contains("prior").all()
    }, failed["error"].unique()  # those that live by a prior say so
    results = compare(
        sim.screen,
        sim.graph,
        ["random", "graphreach+active:bald"],
        [8],
        models=tuple(m for m in MODELS if m not in ("mean", "nochange", "transfer")),
        seeds=1,
        random_draws=1,
    )
    assert (results["status"] == "ok").all(), results["error"].unique()


@pytest.mark.parametrize("jobs", [2])
def test_processes_change_nothing(sim, reference, jobs):
    pd.testing.assert_frame_equal(
        without_times(compare(sim.screen, sim.graph, jobs=jobs, **ASK)), without_times(reference)
    )


def test_leaving_a_strategy_out_changes_nothing_for_the_others(sim, reference):
    alone = compare(sim.screen, sim.graph, **{**ASK, "strategies": ["active:bald"]})
    pd.testing.assert_frame_equal(
        without_times(alone),
        without_times(reference.query("strategy == 'active:bald'").reset_index(drop=True)),
    )


def picked(bench, plan, task):
    problem, test, _ = set_up(plan, bench, task)
    found = {p.budget: p.names for p in picks_of(plan, bench, task, problem)}
    assert not set(test) & {n for names in found.values() for n in names}
    return found


@pytest.mark.parametrize("strategy", [*ONE_SHOT, *LEARNERS, "variance+active:bald"])
def test_no_pick_depends_on_an_outcome_that_was_not_revealed(sim, strategy):
    "Responses of test and never-picked perturbations become noise: every pick stays the same, to the byte."
    plan, bench = (
        make_protocol([strategy], [6, 12, 18], models=("gp",), seeds=1, initial=6),
        make_bench(sim.screen, sim.graph),
    )
    task = make_tasks(plan, bench.graphs)[0]
    try:
        names = picked(bench, plan, task)
    except GraphselError as e:
        assert "prior" in str(e)  # a learner that lives by a prior
        return
    spoiled = sim.screen.copy()
    unseen = ~np.isin(
        spoiled.obs_names, names[12] if "active:" in strategy else []
    )  # the last picks are made before their outcomes are seen
    spoiled.X[unseen] = (
        np.random.default_rng(0).normal(size=(int(unseen.sum()), spoiled.n_vars)) * 10
    )
    for layer in layer_names(spoiled):
        spoiled.layers[layer] = np.zeros_like(spoiled.layers[layer])
    after = picked(make_bench(spoiled, sim.graph), plan, task)
    assert "\n".join(after[18]).encode() == "\n".join(names[18]).encode() and after == names


def test_learners_and_random_start_from_the_same_draw(sim):
    "What differs later is what the learner asked for. Its own draws are those of its repeat."
    bench, plan = (
        make_bench(sim.screen, sim.graph),
        make_protocol(
            ["random", "active:bald", "active:ensemble"],
            [6, 18],
            models=("gp",),
            seeds=2,
            initial=6,
            repeats=2,
        ),
    )
    first = {}
    for t in make_tasks(plan, bench.graphs):
        first.setdefault((t.split, t.repeat), []).append(tuple(picked(bench, plan, t)[6]))
    shared = [v for k, v in first.items() if k[1] < 2]
    assert all(len(v) == 3 and len(set(v)) == 1 for v in shared) and len(
        {v[0] for v in first.values()}
    ) == len(first)


def test_a_learner_pays_a_fit_per_round_and_a_plan_one_per_budget(sim, monkeypatch):
    "Also where the model was found on the shelf: the seconds it borrowed are on its account."
    fits = []

    class Counted(MODELS["gp"]):
        name = "gp"

        def _fit(self, Y, rng):
            import time

            time.sleep(0.05)
            fits.append(len(Y))
            super()._fit(Y, rng)

    monkeypatch.setitem(MODELS, "gp", Counted)
    results = compare(
        sim.screen, sim.graph, ["variance"], [6, 12, 18], models=("gp",), seeds=1, initial=6
    )
    assert (
        fits == [6, 12, 18] and results["select_seconds"].nunique() == 1
    )  # no fit is on its account
    del fits[:]
    results = compare(
        sim.screen,
        sim.graph,
        ["random", "active:bald"],
        [6, 12, 18],
        models=("gp",),
        seeds=1,
        initial=6,
        random_draws=1,
    )
    assert fits == [6, 12, 18, 12, 18]  # the start is random's, trained once
    spent = (
        results.query("strategy == 'active:bald'")
        .sort_values("budget")["select_seconds"]
        .to_numpy()
    )
    assert (np.diff(spent) >= 0.05).all()  # a fit for each round
    assert (results["fit_seconds"] >= 0.05).all()


def test_several_models_share_the_picks(sim, monkeypatch):
    calls = []
    find = STRATEGIES["variance"].pick
    monkeypatch.setitem(
        STRATEGIES,
        "variance",
        STRATEGIES["variance"].__class__(
            "variance", lambda *a: calls.append(1) or find(*a), "criterion"
        ),
    )
    compare(sim.screen, sim.graph, ["variance"], [6, 12], models=("gp", "ridge", "mean"), seeds=2)
    assert len(calls) == 2  # one per split


def test_models_are_trained_on_the_picks_only(sim):
    bench, plan = (
        make_bench(sim.screen, sim.graph),
        make_protocol(["random"], [10], models=("gp", "gnn", "ridge"), seeds=1),
    )
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
    plan = make_protocol(["random"], [12], models=("nochange",), seeds=1, standardize=True)
    task = make_tasks(plan)[0]
    problem, test, revealed = set_up(plan, bench, task)
    scale = revealed.X.astype(float).std(axis=0)
    expected = ((bench.screen[test].X / scale) ** 2).mean()
    assert run_task(plan, bench, task)[0]["mse"] == pytest.approx(expected, rel=1e-5)


TOLD_OF = {
    "pool": lambda pool, test: pool,
    "library": lambda pool, test: pool | test,
    "heldout": lambda pool, test: test,
}


@pytest.mark.parametrize("targets", TOLD_OF)
def test_what_strategies_are_told_are_names_only(sim, targets):
    "Names of the pool, of the library, or of what is judged; every strategy the same, learners too."
    bench = make_bench(sim.screen, sim.graph)
    strategies = ["variance", "active:bait", "active:iterpert"]
    protocol = make_protocol(strategies, [5], models="gp", targets=targets)
    for name in strategies:
        problem, test, revealed = set_up(protocol, bench, Task(name, "gp", 0.0, 1))
        assert set(problem.targets) == TOLD_OF[targets](set(problem.candidates), set(test))
        assert not set(test) & {*problem.candidates, *revealed.obs_names}


def test_told_the_pool_is_what_select_does_by_default(sim):
    from graphsel.selection.select import select

    bench = make_bench(sim.screen, sim.graph)
    for name in ("variance", "facility", "graphreach"):
        protocol = make_protocol([name], [6, 12], models="gp")
        task = Task(name, "gp", 0.0, 0)
        problem, _, _ = set_up(protocol, bench, task)
        *_, last = picks_of(protocol, bench, task, problem)
        assert last.names == select(sim.graph, 12, name, candidates=problem.candidates).genes


def test_all_is_another_name_of_library():
    assert make_protocol(["random"], [5], targets="all").targets == "library"
    assert make_protocol(["random"], [5]).targets == "pool"
    with pytest.raises(GraphselError, match="'pool' or 'library' or 'heldout'"):
        make_protocol(["random"], [5], targets="everybody")
    with pytest.raises(GraphselError, match="use targets='library'"):
        make_protocol(["random"], [5], judged="rest", targets="heldout")


def test_judged_by_the_rest(sim):
    "Everything that was not picked is predicted: the hidden fifth, and what is left of the pool."
    ask = dict(models="gp", seeds=2, random_draws=1)
    rest = compare(sim.screen, sim.graph, ["random", "variance"], [6, 12], judged="rest", **ask)
    held = compare(sim.screen, sim.graph, ["random", "variance"], [6, 12], **ask)
    assert set(rest["judged"]) == {"rest"} and set(held["judged"]) == {"heldout"}
    n = len(make_bench(sim.screen, sim.graph).names)
    assert (rest["n_test"] == n - rest["budget"]).all()
    assert rest["picks_sha1"].equals(held["picks_sha1"]) and not rest["mse"].equals(held["mse"])
    assert overlap_of(rest) == pytest.approx(overlap_of(held))
    both = summarize(pd.concat([rest, held]), ["mse"])
    assert both.groupby("judged").size().tolist() == [len(both) // 2] * 2


def test_the_graph_stays_whole(sim):
    "Genes that nobody perturbed keep their place in the graph: two others may be alike through them."
    bench = make_bench(sim.screen, sim.graph)
    assert len(bench.graph) == len(sim.graph) > len(bench.names)


def test_a_strategy_that_raises_and_a_model_that_diverges_are_rows(sim, monkeypatch):
    def broken(problem, budget, rng):
        raise RuntimeError("no idea")

    class Diverging(MeanModel):
        def predict(self, names):
            p = super().predict(names)
            p.X[:] = np.nan
            return p

    monkeypatch.setitem(
        STRATEGIES, "random", STRATEGIES["random"].__class__("random", broken, "baseline")
    )
    monkeypatch.setitem(MODELS, "mean", Diverging)
    results = compare(
        sim.screen,
        sim.graph,
        ["random", "degree"],
        [5, 10],
        models=("gp", "mean"),
        seeds=1,
        random_draws=1,
    )
    failed = results[results["status"] == "failed"]
    assert len(results) == 8 and len(failed) == 6
    assert failed.query("strategy == 'random'")["error"].str.contains("RuntimeError: no idea").all()
    assert failed.query("strategy == 'degree'")["error"].str.contains("diverged").all()
    assert results.query("strategy == 'degree' and model == 'gp'")["mse"].notna().all()


def test_another_comparison_is_never_mixed_in(sim, tmp_path):
    compare(sim.screen, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path)
    with pytest.raises(GraphselError, match="--resume"):
        compare(sim.screen, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path)
    other = sim.screen.copy()
    other.X[0, 0] += 1
    with pytest.raises(GraphselError, match="another comparison"):
        compare(
            other, sim.graph, ["random"], [5], models=("gp",), seeds=1, out=tmp_path, resume=True
        )


def test_impossible_requests_are_refused_before_anything_runs(sim, tmp_path):
    for wrong, message in [
        (dict(strategies=["randon"]), "did you mean"),
        (dict(strategies=[]), "no strategy"),
        (dict(budgets=[0]), "budget"),
        (dict(budgets=[5000]), "pool has"),
        (dict(models=("gpp",)), "unknown model"),
        (dict(targets="some"), "targets"),
        (dict(noise=(1.5,)), "noise"),
        (dict(seeds=0), "seeds"),
        (dict(jobs=0), "jobs"),
        (dict(repeats=0), "repeats"),
        (dict(random_draws=0), "random_draws"),
        (dict(noise_kinds=("bent",)), "kind of noise"),
        (dict(noise_on="me"), "noise_on"),
        (dict(rounds=0), "rounds"),
        (dict(models=("transfer",)), "nothing to transfer from"),
        (dict(model_params={"gp": {"tuned": 1}}), "did you mean 'tune'"),
        (dict(model_params={"gnn": {}}), "unknown model"),
        (dict(params={"variance": {"sigma": 1}}), "sigma"),
        (dict(params={"degree": {"hops": 1}}), "unknown strategy"),
        (dict(sedes=3), "unknown option"),
    ]:
        with pytest.raises(GraphselError, match=message):
            compare(sim.screen, sim.graph, **{**ASK, **wrong}, out=tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(GraphselError, match="are in the graph"):
        compare(sim.screen[:3], sim.graph, ["random"], [1], models=("gp",))


def test_presets_keep_their_published_sizes():
    assert (
        make_protocol(["random"], preset="iterpert").budgets == (100, 200, 300, 400, 500, 600)
        and PRESETS["iterpert"]["initial"] == 100
    )
    assert make_protocol(["random"], preset="genome-wide").budgets[-1] == 1800
    assert make_protocol(["random"], [7], preset="small").budgets == (7,)


def test_graph_noise_belongs_to_the_split(sim):
    results = compare(
        sim.screen,
        sim.graph,
        ["degree", "graphreach"],
        [10],
        models=("gp",),
        seeds=1,
        noise=(0.0, 0.5),
    )
    assert set(results["noise"]) == {0.0, 0.5} and results["picks_sha1"].nunique() == 4


def test_every_kind_of_noise_is_an_axis(sim):
    "The undisturbed graph is there once; a selector alone may be misled, its models are then those of the right graph."
    ask = dict(models=("gp",), seeds=1, noise=(0.0, 0.3), noise_kinds=NOISE_KINDS)
    results = compare(sim.screen, sim.graph, ["degree", "random"], [10], random_draws=1, **ask)
    assert (
        results.groupby("strategy")["noise_kind"].apply(set).tolist()
        == [{"none", *NOISE_KINDS}] * 2
        and not results.duplicated(KEY).any()
    )
    random = results.query("strategy == 'random'").set_index("noise_kind")["mse"]
    assert random.nunique() == 5  # same picks, five models
    misled = compare(
        sim.screen,
        sim.graph,
        ["degree", "random"],
        [10],
        random_draws=1,
        noise_on="selector",
        **ask,
    )
    assert (
        misled.query("strategy == 'random'")["mse"].nunique() == 1
        and misled.query("strategy == 'degree'")["picks_sha1"].nunique() > 2
    )


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("directed", [False, True])
def test_disturbed_graphs_have_the_edges_they_should(share, directed):
    from graphsel.graphs.build import from_edges

    rng = np.random.default_rng(1)
    g = from_edges(
        rng.integers(80, size=600).astype(str),
        rng.integers(80, size=600).astype(str),
        rng.random(600) + 0.1,
        directed=directed,
    )
    each = {k: disturb(g, share, k, child_rng(0, k)) for k in NOISE_KINDS}
    unit, A = (1 if directed else 2), g.adjacency
    for k, d in each.items():
        assert (
            (d.adjacency.diagonal() == 0).all()
            and list(d.genes) == list(g.genes)
            and d.fingerprint != g.fingerprint
            and d.adjacency.dtype == A.dtype
        )
        if not directed:
            assert abs(d.adjacency - d.adjacency.T).max() == 0
        assert disturb(g, share, k, child_rng(0, k)).fingerprint == d.fingerprint
    n = A.nnz // unit
    assert (
        each["deleted"].n_edges == (n - round(share * n)) * unit
        and each["deleted"].adjacency.multiply(A != 0).nnz == each["deleted"].n_edges
    )
    assert (
        each["added"].n_edges == (n + round(share * n)) * unit
        and abs(each["added"].adjacency.multiply(A != 0) - A).max() == 0
    )
    assert set(np.round(each["added"].adjacency.data, 6)) <= set(np.round(A.data, 6))
    assert sorted(np.diff(each["permuted"].adjacency.indptr)) == sorted(
        np.diff(A.indptr)
    ) and np.isclose(each["permuted"].adjacency.sum(), A.sum())


def test_permuted_genes_take_their_priors_along():
    import pandas as pd

    from graphsel.graphs.build import from_edges
    from graphsel.graphs.graph import combine
    from graphsel.graphs.priors import make_prior

    g = from_edges(list("ABCD"), list("BCDE"))
    both = combine([g], [make_prior(pd.DataFrame(np.eye(4), index=list("ABCD")), "p")])
    d = disturb(both, 1.0, "permuted", child_rng(0, "x"))
    old, new = both.priors[0], d.priors[0]
    lone_before, lone_after = both.graphs[0].adjacency.toarray(), d.graphs[0].adjacency.toarray()
    order = [int(np.flatnonzero((old.features == row).all(axis=1))[0]) for row in new.features]
    assert sorted(order) == list(range(5)) and all(i != o for i, o in enumerate(order))
    np.testing.assert_array_equal(lone_after, lone_before[np.ix_(order, order)])
    assert [order[list(new.genes).index(m)] for m in new.missing] == [
        list(old.genes).index(m) for m in old.missing
    ]


def test_criteria_are_no_better_than_chance_on_a_permuted_graph(sim):
    "Models keep the right graph. The paired interval of every criterion includes 1: the graph's knowledge is gone."
    names = [n for n, s in STRATEGIES.items() if s.kind == "criterion"]
    wrong = compare(
        sim.screen,
        sim.graph,
        ["random", *names],
        [8, 16, 24],
        models=("gp",),
        seeds=16,
        standardize=True,
        noise=(1,),
        noise_kinds="permuted",
        noise_on="selector",
    )
    told = summarize(wrong, ["mse"]).query("metric == 'mse_area' and strategy != 'random'")
    assert len(told) == len(names) >= 5
    assert ((told["ratio_low"] <= 1) & (told["ratio_high"] >= 1)).all(), told[
        ["strategy", "ratio_low", "ratio_high"]
    ]


def test_several_graphs_are_an_axis(sim):
    graphs = {"edges": sim.graph.graphs[0], "both": sim.graph}
    results = compare(sim.screen, graphs, ["degree", "variance"], [8], models=("gp",), seeds=2)
    assert (
        set(results["graph"]) == set(graphs)
        and len(results) == 8
        and results.groupby("graph")["picks_sha1"].nunique().min() > 1
    )
    alone = compare(
        sim.screen, {"both": sim.graph}, ["degree", "variance"], [8], models=("gp",), seeds=2
    )
    pd.testing.assert_frame_equal(
        without_times(alone), without_times(results.query("graph == 'both'").reset_index(drop=True))
    )
    assert summarize(results, ["mse"])["graph"].nunique() == 2
    for wrong, message in [
        ([], "no graph"),
        ({"a": 3}, "is no graph"),
        ([sim.graph, sim.graph], "two graphs are called"),
    ]:
        with pytest.raises(GraphselError, match=message):
            compare(sim.screen, wrong, ["degree"], [8], models=("gp",))


def test_repeats_share_the_split_and_differ_in_their_draws(sim):
    results = compare(
        sim.screen,
        sim.graph,
        ["random", "variance", "active:bald"],
        [6, 12],
        models=("gp",),
        seeds=2,
        initial=6,
        repeats=3,
        random_draws=4,
    )
    assert results.groupby(["strategy", "split"])["seed"].nunique().to_dict() == {
        (s, k): 4 if s == "random" else 3
        for s in ("active:bald", "random", "variance")
        for k in (0, 1)
    }
    assert (results["seed"] % 2 == results["split"]).all()
    assert (
        results.query("strategy == 'variance'").groupby("split")["picks_sha1"].nunique().eq(2).all()
    )  # the same at each budget
    assert (
        results.query("strategy == 'active:bald' and budget == 12")
        .groupby("split")["picks_sha1"]
        .nunique()
        .eq(3)
        .all()
    )
    fewer = compare(
        sim.screen, sim.graph, ["random"], [6, 12], models=("gp",), seeds=2, random_draws=1
    )
    pd.testing.assert_frame_equal(
        without_times(fewer),
        without_times(
            results.query("strategy == 'random' and seed < 2").reset_index(drop=True)
        ).assign(seed=fewer["seed"]),
    )


def test_parameters_reach_whom_they_belong_to(sim):
    plain = compare(sim.screen, sim.graph, ["variance", "kmeans"], [8], models=("gp",), seeds=1)
    told = compare(
        sim.screen,
        sim.graph,
        ["variance", "kmeans"],
        [8],
        models=("gp",),
        seeds=1,
        params={"variance": {"hops": 1, "noise": 0.1}},
        model_params={"gp": {"noise": 2.0}},
    )
    a, b = (t.set_index("strategy") for t in (plain, told))
    assert (
        a.loc["variance", "picks_sha1"] != b.loc["variance", "picks_sha1"]
        and a.loc["kmeans", "picks_sha1"] == b.loc["kmeans", "picks_sha1"]
        and a.loc["kmeans", "mse"] != b.loc["kmeans", "mse"]
    )


def test_presets_exist_and_are_small_enough_to_see_the_saving():
    assert set(PRESETS) >= {"small", "paper", "iterpert", "genome-wide"}
    assert make_protocol(["random"], preset="paper").budgets[:2] == (10, 25)


def test_results_are_read_back(sim, reference, tmp_path):
    from graphsel.benchmark.store import write_results

    write_results(reference, tmp_path)
    for path in (tmp_path, tmp_path / "results.parquet"):
        pd.testing.assert_frame_equal(read_results(path), reference)
    read = read_results(tmp_path / "results.csv")
    pd.testing.assert_frame_equal(read, reference, check_dtype=False)
    (tmp_path / "results.parquet").write_bytes(b"PAR1")
    with pytest.raises(GraphselError, match="resume"):
        read_results(tmp_path)
    (tmp_path / "results.parquet").unlink()
    with pytest.raises(GraphselError, match="no such file"):
        read_results(tmp_path)


def test_models_are_compared_on_the_same_draws(sim):
    results = compare(
        sim.screen, sim.graph, ["random", "kmeans"], [8, 16], models=("gp", "ridge"), seeds=2
    )
    assert (results.groupby(["strategy", "seed", "budget"])["picks_sha1"].nunique() == 1).all()


@pytest.mark.parametrize("wrong", [dict(jobs=0), dict(dask="tcp://127.0.0.1:1")], ids=str)
def test_what_is_refused_leaves_no_folder(sim, tmp_path, wrong):
    if "dask" in wrong:
        pytest.importorskip("distributed", reason="dask is an extra")
    with pytest.raises(GraphselError):
        compare(
            sim.screen,
            sim.graph,
            ["random"],
            [5],
            models=("gp",),
            seeds=1,
            out=tmp_path / "out",
            **wrong,
        )
    assert not (tmp_path / "out").exists()


def test_a_learner_restricted_to_a_shortlist_takes_its_place_in_the_table(sim):
    names = ["random", "active:bald@variance:30", "variance+active:lcmd@degree:30"]
    found = compare(
        sim.screen,
        sim.graph,
        names,
        [8, 16],
        models=("gp",),
        seeds=2,
        params={"active:bald": {}, "degree": {}},
    )
    assert (found["status"] == "ok").all() and dict(zip(found["strategy"], found["kind"]))[
        "active:bald@variance:30"
    ] == "active"
    assert dict(zip(found["strategy"], found["kind"]))["variance+active:lcmd@degree:30"] == "hybrid"


def test_a_control_row_is_not_compared(sim):
    table = sim.screen.to_df()
    table.loc["control"] = 0.0
    from graphsel.screens.screen import make_screen

    assert "control" not in make_bench(make_screen(table), sim.graph).names


# ---- what cannot work is refused before it starts ----

WITHOUT = ("mean", "nochange")


def with_prior(sim, seed=0):
    return combine(
        [sim.graph],
        [
            make_prior(
                pd.DataFrame(
                    np.random.default_rng(seed).normal(size=(len(sim.graph), 5)),
                    index=sim.graph.genes,
                ),
                "elsewhere",
            )
        ],
    )


def test_every_pair_of_learner_and_model_works_or_is_refused(sim):
    "The two ways there are, for all pairs: no third one, rows that fail one by one."
    quick, prior = (
        {"gnn": {"steps": 2, "n_members": 1}, "gears": {"steps": 2, "n_members": 1}},
        with_prior(sim),
    )
    for model in [m for m in MODELS if m != "gears"]:
        for graph in (sim.graph, prior):
            refused, works = [], []
            plan = dict(
                budgets=(4, 8),
                models=(model,),
                seeds=1,
                initial=4,
                model_params={model: quick[model]} if model in quick else {},
            )
            for s in LEARNERS:
                try:
                    check_inputs(make_protocol([s], **plan), make_bench(sim.screen, graph))
                except GraphselError:
                    refused.append(s)
                else:
                    works.append(s)
            assert model != "transfer" or (works == [] if graph is sim.graph else works == LEARNERS)
            assert (model in WITHOUT) == (0 < len(refused) < len(LEARNERS)), (model, refused)
            if model in (*WITHOUT, "gp", "additive") and works:
                assert (compare(sim.screen, graph, works, **plan)["status"] == "ok").all()


IMPOSSIBLE = {
    "bald and mean": (
        dict(strategies=["active:bald"], models=("gp", "mean")),
        "looks at the features of a model, and 'mean' has none",
    ),
    "hybrid and mean": (
        dict(strategies=["variance+active:lcmd"], models=("nochange",)),
        "'nochange' has none",
    ),
    "additive on mean": (
        dict(
            strategies=["active:coreset"],
            models=("additive",),
            model_params={"additive": {"base": "mean"}},
        ),
        "'additive' has none",
    ),
    "transfer": (dict(models=("transfer",)), "nothing to transfer from"),
    "shortlist": (
        dict(strategies=["active:bald@variance:3"]),
        "a round of 6 does not fit a shortlist of 3",
    ),
    "nothing to see": (
        dict(strategies=["active:prior"], params={"active:prior": {"graphs": False}}),
        "nothing to look at",
    ),
    "model parameter": (dict(model_params={"gp": {"noise": -1}}), "noise is -1"),
    "of a network": (
        dict(models=("gnn",), model_params={"gnn": {"validation": 2}}),
        "validation is 2",
    ),
    "of gears": (dict(models=("gears",), model_params={"gears": {"start": "x"}}), "start"),
    "text": (dict(model_params={"gp": {"hops": "abc"}}), "hops"),
    "of a baseline": (
        dict(strategies=["kmeans"], params={"kmeans": {"hop": 1}}),
        "did you mean 'hops'",
    ),
    "of nobody": (
        dict(strategies=["random", "active:bald"], params={"noise": 1}),
        "no parameter 'noise'",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_work_is_refused_at_once(sim, tmp_path, case):
    wrong, says = IMPOSSIBLE[case]
    with pytest.raises(GraphselError, match=says):
        compare(sim.screen, sim.graph, **{**ASK, **wrong}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_screen_with_holes_is_refused(sim):
    screen = sim.screen.copy()
    screen.X[3, 2] = np.nan
    with pytest.raises(
        GraphselError, match=f"the response of {screen.obs_names[3]} is not a finite number"
    ):
        compare(screen, sim.graph, **ASK)
    with pytest.raises(GraphselError, match="no response column"):
        compare(sim.screen[:, :0].copy(), sim.graph, **ASK)
