"""Killed, damaged, full, in one process or many: the table is the same, and nothing measured is lost."""

import contextlib
import dataclasses
import errno
import json
import multiprocessing
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from comparing import ASK, TASKS, finished, same, small_screen
from graphsel.benchmark.compare import compare
from graphsel.benchmark.execute import Remaining, run_all, watch
from graphsel.benchmark.protocol import Task, make_protocol, make_tasks
from graphsel.benchmark.setting import make_bench
from graphsel.benchmark.store import identity, open_folder, read_results
from graphsel.benchmark.store import claimed
from graphsel.core.errors import GraphselError
from graphsel.core.files import atomic_path, signature
from graphsel.datasets.simulate import simulated_screen
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior
from graphsel.models.base import MeanModel
from graphsel.models.registry import MODELS
from graphsel.selection.strategies import STRATEGIES, ranked, strategy


@pytest.fixture(scope="module")
def sim():
    return small_screen()


@pytest.fixture(scope="module")
def reference():
    return finished()


def task_files(folder):
    return sorted((folder / "tasks").glob("[0-9a-f]*.json"))


@pytest.fixture(scope="module")
def folder(sim, tmp_path_factory):
    "The folder of a finished comparison, for copies."
    out = tmp_path_factory.mktemp("finished") / "c"
    compare(sim.screen, sim.graph, out=out, **ASK)
    return out


@pytest.fixture
def done(folder, tmp_path):
    "A copy of it, to be damaged."
    return shutil.copytree(folder, tmp_path / "c")


# ---- damage ----


def test_a_finished_comparison_runs_nothing_again(sim, reference, done, monkeypatch):
    before = {f.name: f.stat().st_mtime_ns for f in task_files(done)}
    monkeypatch.setattr(
        "graphsel.benchmark.execute.run_task", lambda *a: pytest.fail("was run again")
    )
    same(compare(sim.screen, sim.graph, out=done, resume=True, **ASK), reference)
    assert {f.name: f.stat().st_mtime_ns for f in task_files(done)} == before


@pytest.mark.parametrize("damage", ["half", "empty", "not json", "edited", "binary", "other kind"])
def test_a_damaged_task_file_is_set_aside_and_run_again(sim, reference, done, caplog, damage):
    file = task_files(done)[1]
    text = file.read_text()
    if damage == "binary":
        file.write_bytes(bytes(range(256)))
    else:
        file.write_text(
            {
                "half": text[: len(text) // 2],
                "empty": "",
                "not json": "hello",
                "edited": text.replace('"mse": 0.', '"mse": 9.', 1),
                "other kind": "[1, 2]",
            }[damage]
        )
    assert damage != "edited" or file.read_text() != text
    same(compare(sim.screen, sim.graph, out=done, resume=True, **ASK), reference)
    assert f"{file.name} is damaged" in caplog.text and "run again" in caplog.text
    assert (done / "tasks" / f"{file.name}.damaged").exists() and json.loads(file.read_text())[
        "rows"
    ]  # kept for whoever wants to look


@pytest.mark.parametrize("name", ["results.csv", "results.parquet", "summary.csv", "run.json"])
def test_a_deleted_file_is_written_anew(sim, reference, done, name):
    before = (done / name).read_bytes()
    (done / name).unlink()
    same(compare(sim.screen, sim.graph, out=done, resume=True, **ASK), reference)
    assert name == "run.json" or (done / name).read_bytes() == before
    same(read_results(done), reference)


def test_a_damaged_run_file_is_written_anew(sim, reference, done, caplog):
    (done / "run.json").write_text('{"identity": "12')
    same(compare(sim.screen, sim.graph, out=done, resume=True, **ASK), reference)
    assert (
        "run.json is damaged" in caplog.text
        and json.loads((done / "run.json").read_text())["protocol"]["seeds"] == 3
    )


def test_task_files_of_another_comparison_are_refused_even_without_run_file(sim, done):
    (done / "run.json").unlink()
    with pytest.raises(GraphselError, match="--resume"):
        compare(sim.screen, sim.graph, out=done, **ASK)
    with pytest.raises(GraphselError, match="another comparison"):
        compare(sim.screen, sim.graph, out=done, resume=True, **{**ASK, "seeds": 2})
    assert len(task_files(done)) == TASKS


def test_lost_task_files_are_measured_again(sim, reference, done):
    shutil.rmtree(done / "tasks")
    same(compare(sim.screen, sim.graph, out=done, resume=True, **ASK), reference)
    assert len(task_files(done)) == TASKS


def test_what_failed_is_tried_again(sim, reference, tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        m.setitem(
            STRATEGIES,
            "variance",
            STRATEGIES["variance"].__class__("variance", lambda *a: 1 / 0, "criterion"),
        )
        first = compare(sim.screen, sim.graph, out=tmp_path / "c", **ASK)
    failed = first[first["status"] == "failed"]
    assert (
        set(failed["strategy"]) == {"variance"}
        and failed["error"].str.startswith("ZeroDivisionError").all()
        and len(failed) == 9
    )
    same(
        first[first["status"] == "ok"].reset_index(drop=True),
        reference.query("strategy != 'variance'").reset_index(drop=True),
    )
    same(compare(sim.screen, sim.graph, out=tmp_path / "c", resume=True, **ASK), reference)


def test_a_model_that_diverges_at_one_budget_spoils_that_row_only(sim, monkeypatch):
    "A learner, whose next picks would rest on it, ends there."

    class Fragile(MODELS["gp"]):
        name = "gp"

        def _predict(self, names):
            mean, layers = super()._predict(names)
            return (mean * np.nan if len(self.perturbations_) == 12 else mean), layers

    monkeypatch.setitem(MODELS, "gp", Fragile)
    results = compare(sim.screen, sim.graph, **{**ASK, "seeds": 1})
    bad = results[results["status"] == "failed"]
    assert sorted(zip(bad["strategy"], bad["budget"])) == [
        ("active:bald", 12),
        ("active:bald", 18),
        ("random", 12),
        ("random", 12),
        ("variance", 12),
    ]
    assert (
        bad["error"].str.contains("diverged").all()
        and results.query("status == 'ok'")["mse"].notna().all()
    )


# ---- no room ----


def small_disk(folder, size):
    "A file system of `size` kilobytes at `folder`; False where that is not permitted."
    folder.mkdir()
    return (
        shutil.which("mount")
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)],
            capture_output=True,
        ).returncode
        == 0
    )


def test_a_full_disk_is_said_and_costs_nothing_that_was_measured(sim, reference, tmp_path):
    folder = tmp_path / "disk"
    if not small_disk(folder, 40):
        pytest.skip(
            "mounting a small file system is not permitted here; the next test does without"
        )
    try:
        with pytest.raises(GraphselError, match="No space left"):
            compare(sim.screen, sim.graph, out=folder / "c", **ASK)
        kept = [json.loads(f.read_text())["rows"] for f in task_files(folder / "c")]
        assert (
            0 < len(kept) < 12
            and all(r["status"] == "ok" for rows in kept for r in rows)
            and not list((folder / "c").rglob(".*"))
        )
        shutil.copytree(folder / "c", tmp_path / "c")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    stamps = {f.name: f.read_bytes() for f in task_files(tmp_path / "c")}
    same(compare(sim.screen, sim.graph, out=tmp_path / "c", resume=True, **ASK), reference)
    assert all((tmp_path / "c" / "tasks" / n).read_bytes() == b for n, b in stamps.items())


@pytest.mark.parametrize("what", ["task", "table"])
def test_a_write_that_fails_is_said_and_resumed(sim, reference, tmp_path, monkeypatch, what):
    "The same wherever mounting is not permitted: the fifth task, or the table at the end, finds no room."
    writes, write = [], pathlib.Path.write_text

    def no_room(*a, **k):
        raise OSError(errno.ENOSPC, "No space left on device")

    def sometimes(self, text, *a, **k):
        writes.append(self)
        return no_room() if len(writes) == 6 else write(self, text, *a, **k)

    with monkeypatch.context() as m:
        if what == "task":
            m.setattr(pathlib.Path, "write_text", sometimes)
        else:
            m.setattr(pd.DataFrame, "to_parquet", no_room)
        with pytest.raises(GraphselError, match="No space left"):
            compare(sim.screen, sim.graph, out=tmp_path / "c", **ASK)
    assert len(task_files(tmp_path / "c")) == (4 if what == "task" else 12) and not list(
        (tmp_path / "c").rglob(".*")
    )
    same(compare(sim.screen, sim.graph, out=tmp_path / "c", resume=True, **ASK), reference)


def test_tables_are_written_as_it_goes(sim, reference, tmp_path, monkeypatch):
    "Whoever looks in between, or whose machine goes down, finds a whole table of what is done so far."
    seen = []

    def looking(found, todo, jobs):
        for i, one in enumerate(found):
            if i > 1:
                seen.append(len(read_results(tmp_path / "c" / "results.csv")))
            yield one

    monkeypatch.setattr("graphsel.benchmark.compare.TABLES_EVERY", 0.0)
    monkeypatch.setattr("graphsel.benchmark.compare.watch", looking)
    compare(sim.screen, sim.graph, out=tmp_path / "c", **ASK)
    assert seen == [3 * i for i in range(2, 12)]


# ---- killed ----


def child(go, folder, jobs):
    "What is killed: a process of its own session."
    os.setsid()
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    go.set()
    compare(sim.screen, sim.graph, out=folder, resume=True, jobs=jobs, **ASK)


def kill_at(moments, folder, jobs=1):
    "Start, kill with SIGKILL after so many seconds, again and again; how many task files there were after each."
    context, counts = (
        multiprocessing.get_context("forkserver"),
        [],
    )  # forked from one that has imported everything
    context.set_forkserver_preload(["graphsel.benchmark.compare", "graphsel.datasets.simulate"])
    for wait in moments:
        go = context.Event()
        p = context.Process(target=child, args=(go, folder, jobs))
        p.start()
        assert go.wait(60)
        time.sleep(wait)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)  # with its worker processes
        p.join()
        counts.append(len(task_files(folder)))
    return counts


def finished_after(moments, sim, reference, folder, jobs=1):
    counts = kill_at(moments, folder, jobs)
    assert counts == sorted(counts)  # nothing measured is lost
    same(compare(sim.screen, sim.graph, out=folder, resume=True, **ASK), reference)
    same(read_results(folder), reference)
    assert (
        not [o for o in folder.rglob("*") if o.name.startswith(".")]
        and len(task_files(folder)) == 12
    )
    return counts


def test_killed_and_resumed_gives_the_identical_table(sim, reference, tmp_path):
    "SIGKILL at five random moments; then a run to the end."
    finished_after(np.random.default_rng(0).uniform(0, 0.2, size=5), sim, reference, tmp_path)


@pytest.mark.slow
def test_killed_twenty_times(sim, reference, tmp_path):
    counts = finished_after(
        np.random.default_rng(1).uniform(0, 0.12, size=20), sim, reference, tmp_path
    )
    print("task files after each kill:", counts)


@pytest.mark.slow
def test_killed_with_two_processes(sim, reference, tmp_path):
    finished_after(np.random.default_rng(2).uniform(0, 8, size=4), sim, reference, tmp_path, jobs=2)


def test_interrupted_says_how_to_go_on(sim, reference, tmp_path, monkeypatch, caplog):
    "Ctrl-C."

    def interrupted(found, todo, jobs):
        for i, one in enumerate(found):
            yield one
            if i == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr("graphsel.benchmark.compare.watch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compare(sim.screen, sim.graph, out=tmp_path, resume=True, **ASK)
    assert "--resume" in caplog.text and len(task_files(tmp_path)) == 4
    same(compare(sim.screen, sim.graph, out=tmp_path, resume=True, **ASK), reference)


# ---- other processes ----


def test_one_process_two_and_a_cluster_agree_with_things_of_your_own(sim, tmp_path):
    "A strategy and a model that only this process has registered travel along; so do failures."
    distributed = pytest.importorskip("distributed", reason="dask is an extra")

    class Halfway(MeanModel):
        "Half of the mean."

        name = "halfway"

        def _predict(self, names):
            return np.repeat(-self.mean_[None] / 2, len(names), axis=0), {}

    def backwards(problem, budget, rng):
        "The last names."
        if len(problem.candidates) == budget:
            raise RuntimeError("nothing to choose")
        return ranked(problem, sorted(problem.candidates)[::-1][:budget], "backwards")

    Halfway.__module__ = backwards.__module__ = "__main__"  # as in a notebook
    MODELS["halfway"] = Halfway
    strategy("backwards")(backwards)
    try:
        ask = dict(
            strategies=["random", "backwards", "variance", "active:kmeans"],
            budgets=[6, 48],
            models=("gp", "halfway"),
            seeds=2,
            initial=6,
            random_draws=2,
        )
        alone = compare(sim.screen, sim.graph, **ask)
        assert (
            set(alone.query("status == 'failed'")["strategy"]) == {"backwards"}
            and len(alone) == 2 * 2 * 2 * 5
        )
        same(compare(sim.screen, sim.graph, jobs=2, out=tmp_path / "two", **ask), alone)
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster:
            same(
                compare(
                    sim.screen,
                    sim.graph,
                    dask=cluster.scheduler_address,
                    out=tmp_path / "dask",
                    **ask,
                ),
                alone,
            )
        assert len(task_files(tmp_path / "two")) == len(task_files(tmp_path / "dask")) == 2 * 2 * 5
    finally:
        del MODELS["halfway"], STRATEGIES["backwards"]


def test_a_killed_worker_is_said_in_one_sentence(sim, tmp_path):
    def dies(problem, budget, rng):
        os.kill(os.getpid(), signal.SIGKILL)

    dies.__module__ = "__main__"
    strategy("dies")(dies)
    try:
        with pytest.raises(GraphselError, match="a process was killed.*--resume"):
            compare(
                sim.screen,
                sim.graph,
                ["degree", "dies"],
                [5],
                models=("gp",),
                seeds=1,
                jobs=2,
                out=tmp_path,
            )
    finally:
        del STRATEGIES["dies"]


def test_workers_may_grow_as_long_as_joblib_keeps_its_bound_there():
    "It has no public setting; where a newer joblib reads another name, growing workers would be replaced again."
    from joblib.externals.loky import process_executor

    assert "_MAX_MEMORY_LEAK_SIZE" in process_executor._process_worker.__code__.co_names
    assert process_executor._MAX_MEMORY_LEAK_SIZE > 0


def test_the_bench_is_sent_once_not_with_every_task(sim):
    "What travels with a task is its name; screen and graphs lie in one file."
    import pickle

    from graphsel.benchmark.execute import _numbered
    from graphsel.benchmark.execute import registered_elsewhere

    bench, plan = (
        make_bench(sim.screen, sim.graph),
        make_protocol(**{**ASK, "strategies": ASK["strategies"]}),
    )
    list(run_all(plan, bench, make_tasks(plan, bench.graphs)[:2]))
    assert (
        bench.shelves and not pickle.loads(pickle.dumps(bench)).shelves
    )  # what was computed stays behind
    assert (
        len(
            pickle.dumps(
                (_numbered, 0, "/x", make_tasks(plan, bench.graphs)[0], registered_elsewhere())
            )
        )
        < 1000
    )


# ---- the time that is left ----


def promises(todo, seconds, jobs=1, once=0.0, lost=1.0):
    "(promise / truth, whether it is sure) after each task, the last ones aside; `once`: what the first of a kind adds."
    rest, clock, seen, ends = Remaining(todo, jobs), 0.0, set(), []
    took = []
    for t in todo:
        kind = (t.strategy, t.model)
        took.append(seconds(t) + (0.0 if kind in seen else once))
        seen.add(kind)
        clock += took[-1] / jobs * lost
        ends.append(clock)
    told = []
    for t, s, at in zip(todo, took, ends):
        rest.finish(t, s, at)
        told.append((rest.seconds()[0] / max(clock - at, 1e-9), rest.seconds()[1]))
    return told[: -max(2, len(todo) // 10)]


FITS = {"gp": 1.0, "ridge": 1.1, "gnn": 12.0}
CHOICES = {
    "random": 1.0,
    "graphreach": 1.0,
    "variance": 1.3,
    "active:bald": 2.4,
    "active:lcmd": 1.9,
}


def in_turn(seeds=10):
    "Tasks as a comparison has them: each kind once in every split."
    return [Task(s, m, 0.0, k) for k in range(seeds) for s in CHOICES for m in FITS]


@pytest.mark.parametrize("unit", [0.05, 20.0])
@pytest.mark.parametrize("once", [0.0, 1.0])
@pytest.mark.parametrize("jobs", [1, 4])
def test_promises_are_kept_within_a_factor_of_two(unit, once, jobs):
    "From the fourth task on, when most kinds have not been seen; what the first tasks hold else nobody can know."
    rng = np.random.default_rng(0)
    noise = {t.key: rng.lognormal(0, 0.25) for t in in_turn()}
    seconds = lambda t: unit * CHOICES[t.strategy] * FITS[t.model] * noise[t.key]  # noqa: E731
    told = promises(in_turn(), seconds, jobs, once * unit)
    said = np.array([ratio for ratio, _ in told])
    assert np.isnan(said[0]) == (unit * (1 + once) < 30)
    assert not np.isnan(said[4 * jobs :]).any()
    said = said[3:]
    assert np.nanmax(said) < 2 and np.nanmin(said) > 0.5, (np.nanmin(said), np.nanmax(said))
    sure = [i for i, (_, known) in enumerate(told) if known]
    assert sure[0] == len(CHOICES) * len(FITS) - 1  # once each kind was seen


def test_two_that_get_in_each_others_way_promise_more():
    assert promises(in_turn(), lambda t: 5.0, 2, lost=2.0)[-1][0] == pytest.approx(1.0, rel=0.05)


def test_what_happens_once_is_not_expected_again():
    "Loading a network with the first task of its model, and caches that the second split finds."
    todo = in_turn(4)
    seconds = lambda t: FITS[t.model] * CHOICES[t.strategy] * (3.0 if t.seed == 0 else 1.0)  # noqa: E731
    told = promises(todo, seconds)
    after = len(CHOICES) * len(FITS) + 3
    assert all(0.8 < ratio < 1.6 for ratio, _ in told[after:])
    rest = Remaining(todo)
    rest.finish(todo[0], 1.0, 1.0)
    assert "load and compile" in str(rest)
    rest = Remaining(todo)
    rest.finish(todo[0], 40.0, 40.0)
    assert not rest.seconds()[1] and "a guess" in str(rest)


def test_a_log_gets_a_line_now_and_then(caplog):
    caplog.set_level("INFO", logger="graphsel")
    todo = [Task("random", "gp", 0.0, k) for k in range(4)]
    assert [
        len(list(watch(((t, [], 0.1) for t in todo), todo, 1, every=e))) for e in (0.0, 1e9)
    ] == [4, 4]
    told = [r.getMessage() for r in caplog.records]
    assert [line[:12] for line in told] == [f"{i} of 4 tasks" for i in (1, 2, 3, 4)]
    assert "load and compile" in told[0] and "left" in told[1]


def test_folders_know_their_comparison(sim, tmp_path):
    bench, plan = make_bench(sim.screen, sim.graph), make_protocol(**ASK)
    assert identity(plan, bench) == identity(
        make_protocol(**ASK), make_bench(sim.screen.copy(), sim.graph)
    )
    assert (
        len(
            {
                identity(make_protocol(**{**ASK, **o}), bench)
                for o in (
                    {},
                    {"repeats": 2},
                    {"noise": (0.1,)},
                    {"params": {"hops": 1}},
                    {"model_params": {"gp": {"noise": 1.0}}},
                    {"params": {"hops": np.array([1, 2])}},
                )
            }
        )
        == 6
    )
    open_folder(tmp_path, plan, bench, False, {"note": 1})
    assert json.loads((tmp_path / "run.json").read_text())["note"] == 1


# ---- told apart by all of it ----


def other_prior(sim, seed):
    "A screen of the same shape, names and looks: only its numbers differ."
    found = sim.screen.copy()
    found.X = np.random.default_rng(seed).normal(size=found.shape).astype(np.float32)
    return found


def as_table(sim, seed):
    return pd.DataFrame(other_prior(sim, seed).X, index=sim.screen.obs_names)


def kernel(sim, seed):
    Z = np.random.default_rng(seed).normal(size=(len(sim.graph), 30))
    return Z @ Z.T


def test_the_results_of_another_prior_are_not_those_of_this_one(sim, tmp_path):
    "Twice the screen itself (nearly) as the prior, then noise of its shape: the error of the first is next to nothing."
    nearly = sim.screen.copy()
    nearly.X = nearly.X + np.float32(0.1) * other_prior(sim, 1).X
    ask = dict(
        strategies=["random"],
        budgets=[20],
        models=("transfer",),
        seeds=1,
        random_draws=1,
        out=tmp_path,
    )
    first = compare(sim.screen, sim.graph, **ask, model_params={"transfer": {"prior": nearly}})
    again = compare(
        sim.screen,
        sim.graph,
        **ask,
        model_params={"transfer": {"prior": nearly.copy()}},
        resume=True,
    )
    same(again, first)
    with pytest.raises(GraphselError, match="model_params is .* there and"):
        compare(
            sim.screen,
            sim.graph,
            **ask,
            model_params={"transfer": {"prior": other_prior(sim, 0)}},
            resume=True,
        )
    fresh = compare(
        sim.screen,
        sim.graph,
        **{**ask, "out": None},
        model_params={"transfer": {"prior": other_prior(sim, 0)}},
    )
    assert fresh["mse"].iloc[0] > 5 * first["mse"].iloc[0]


INPUTS = {
    "prior screen": lambda sim, i: dict(
        model_params={"transfer": {"prior": other_prior(sim, i)}}, models=("transfer",)
    ),
    "prior table": lambda sim, i: dict(
        model_params={"transfer": {"prior": make_prior(as_table(sim, i))}}, models=("transfer",)
    ),
    "dense kernel": lambda sim, i: dict(params={"variance": {"kernel": kernel(sim, i)}}),
    "sparse kernel": lambda sim, i: dict(
        params={"variance": {"kernel": sp.csr_matrix(kernel(sim, i))}}
    ),
    "objects": lambda sim, i: dict(params={"variance": {"kernel": kernel(sim, i).astype(object)}}),
    "kernels": lambda sim, i: dict(
        params={"variance": {"kernel": ["heat", kernel(sim, i), make_prior(as_table(sim, i))]}}
    ),
    "weights": lambda sim, i: dict(
        params={
            "variance": {"weights": dict(zip(sim.screen.obs_names, 1 + np.arange(60.0) ** (i + 1)))}
        }
    ),
    "base": lambda sim, i: dict(
        model_params={"additive": {"base": MODELS["gp"](noise=0.1 * (i + 1))}}, models=("additive",)
    ),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_parameters_of_any_kind_are_told_apart(sim, tmp_path, kind):
    ask = lambda i: (
        dict(strategies=["variance"], budgets=[6], models=("gp",), seeds=1) | INPUTS[kind](sim, i)
    )
    bench = make_bench(sim.screen, sim.graph)
    assert (
        identity(make_protocol(**ask(0)), bench)
        == identity(make_protocol(**ask(0)), bench)
        != identity(make_protocol(**ask(1)), bench)
    )
    compare(sim.screen, sim.graph, **ask(0), out=tmp_path)
    compare(sim.screen, sim.graph, **ask(0), out=tmp_path, resume=True)
    with pytest.raises(GraphselError, match="params is .* there and"):
        compare(sim.screen, sim.graph, **ask(1), out=tmp_path, resume=True)
    json.loads((tmp_path / "run.json").read_text())


@pytest.mark.parametrize("what", ["layer", "names", "uns", "graph", "prior of the graph"])
def test_screens_and_graphs_count_as_a_whole(sim, tmp_path, what):
    def inputs(i):
        screen, graph = sim.screen.copy(), sim.graph
        if what == "layer":
            screen.layers["top_de"] = (
                np.arange(screen.n_obs * screen.n_vars).reshape(screen.shape) % (i + 2) == 0
            )
        elif what == "names":
            screen.var_names = [f"r{j + i}" for j in range(screen.n_vars)]
        elif what == "uns":
            screen.uns["table"] = np.arange(5000.0) * (i + 1)
        elif what == "graph":
            graph = graph.map(
                lambda g: dataclasses.replace(g, adjacency=g.adjacency * np.float32(1 - i / 2))
            )
        else:
            graph = combine([graph], [make_prior(as_table(sim, i))])
        return screen, graph

    ask = dict(
        strategies=["random"], budgets=[6], models=("gp",), seeds=1, random_draws=1, out=tmp_path
    )
    compare(*inputs(0), **ask)
    compare(*inputs(0), **ask, resume=True)
    with pytest.raises(
        GraphselError, match="another graph" if "graph" in what else "another screen"
    ):
        compare(*inputs(1), **ask, resume=True)


def test_what_cannot_be_told_apart_is_refused_before_anything_runs(sim, tmp_path):
    class Opaque:
        def __call__(self, x):
            return x

    for params, says in [
        (
            {"variance": {"weights": Opaque()}},
            r"params\[variance\]\[weights\] is a .*Opaque.*attribute `fingerprint`",
        ),
        ({"variance": {"weights": np.random.default_rng(0)}}, "random generator"),
    ]:
        with pytest.raises(GraphselError, match=says):
            compare(
                sim.screen,
                sim.graph,
                ["variance"],
                [6],
                models=("gp",),
                seeds=1,
                params=params,
                out=tmp_path / "c",
            )
    assert not (tmp_path / "c").exists()


def test_code_of_your_own_is_part_of_what_was_measured(sim, tmp_path):
    "Changed, its results are refused; what had failed is run anew, and other strategies may be added."

    def mine(step, fails=False):
        def pick(problem, budget, rng):
            "Every other name."
            if fails:
                raise RuntimeError("not yet")
            return ranked(problem, sorted(problem.candidates)[step : step + budget], "mine")

        pick.__module__ = "__main__"
        return pick

    ask = dict(budgets=[6], models=("gp",), seeds=2, random_draws=1)
    go = lambda f, names=("mine", "random"), **more: (
        strategy("mine")(f),
        compare(sim.screen, sim.graph, names, out=tmp_path / "c", **ask, **more),
    )[1]
    try:
        assert (go(mine(1, fails=True)).query("strategy == 'mine'")["status"] == "failed").all()
        first = go(mine(1), resume=True)
        assert (first["status"] == "ok").all()
        same(go(mine(1), resume=True), first)
        with pytest.raises(GraphselError, match="the code of 'mine' or 'gp'.*another name"):
            go(mine(2), resume=True)
        assert len(go(mine(1), ("mine", "random", "degree"), resume=True)) == 6
    finally:
        del STRATEGIES["mine"]


def test_processes_keep_nothing_of_an_earlier_comparison(sim):
    "Worker processes serve one comparison after the other; a strategy replaced for one is itself again in the next."
    ask = dict(strategies=["degree"], budgets=[6], models=("gp",), seeds=2, jobs=2)
    usual, before = compare(sim.screen, sim.graph, **ask), STRATEGIES["degree"]

    def last(problem, budget, rng):
        return ranked(problem, sorted(problem.candidates)[-budget:], "degree")

    last.__module__ = "__main__"
    try:
        strategy("degree")(last)
        changed = compare(sim.screen, sim.graph, **ask)
    finally:
        STRATEGIES["degree"] = before
    assert (
        list(changed["picks"])
        != list(usual["picks"])
        == list(compare(sim.screen, sim.graph, **ask)["picks"])
    )


def test_a_folder_of_an_older_version_says_so(sim, done, caplog):
    run = json.loads((done / "run.json").read_text())
    (done / "run.json").write_text(json.dumps(run | {"version": "0.0.1"}))
    compare(sim.screen, sim.graph, out=done, resume=True, **ASK)
    assert "begun by version 0.0.1" in caplog.text
    del run["parts"]
    (done / "run.json").write_text(json.dumps(run | {"identity": "0" * 40, "version": "0.0.1"}))
    with pytest.raises(
        GraphselError, match="version 0.0.1, which told comparisons apart in another way"
    ):
        compare(sim.screen, sim.graph, out=done, resume=True, **ASK)


# ---- one process at a time ----

HOLDER = """
import sys, time
from graphsel.benchmark.store import claimed
with claimed(sys.argv[1]):
    open(sys.argv[1] + "/.run-abcd1234.json", "w").write("half") # what it is writing
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def holder(done):
    "A process that works in the folder of a finished comparison."
    p = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(done)], stdout=subprocess.PIPE, text=True
    )
    assert p.stdout.readline() == "held\n"
    yield p
    p.kill()
    p.wait()


def test_a_second_process_is_refused_and_takes_nothing_away(sim, done, holder):
    with pytest.raises(
        GraphselError, match=f"in use by process {holder.pid} on {platform.node()}.*another folder"
    ):
        compare(sim.screen, sim.graph, out=done, resume=True, **ASK)
    assert (done / ".run-abcd1234.json").exists() and json.loads(
        (done / ".running.json").read_text()
    )["process"] == holder.pid


def test_the_lock_of_a_dead_process_is_none(sim, reference, done, holder, caplog):
    holder.kill()
    holder.wait()
    assert (done / ".lock").exists()
    same(compare(sim.screen, sim.graph, out=done, resume=True, **ASK), reference)
    assert (
        f"process {holder.pid} on" in caplog.text
        and "ended before it was done" in caplog.text
        and not list(done.rglob(".*"))
    )


def test_a_claim_leaves_nothing(tmp_path):
    with (
        claimed(tmp_path / "new"),
        pytest.raises(GraphselError, match=f"process {os.getpid()} on"),
        claimed(tmp_path / "new"),
    ):
        pass
    assert not (tmp_path / "new").exists()
    with claimed(None), claimed(None):
        pass


# ---- what the dead leave behind ----


def dead():
    "The number of a process that has ended."
    p = subprocess.Popen([sys.executable, "-c", ""])
    p.wait()
    return p.pid


def test_leftovers_of_dead_processes_are_removed_and_no_others(tmp_path):
    me = signature().partition(".")[2]
    names = {
        f".picks-{dead()}.{me}abc.csv": False,
        f".picks-{os.getpid()}.{me}abc.csv": True,
        f".picks-{dead()}.00000000-abc.csv": True,
        f".other-{dead()}.{me}abc.csv": True,
        ".picks-mine.csv": True,
    }
    for n in names:
        (tmp_path / n).write_text("half")
    with atomic_path(tmp_path / "picks.csv") as t:
        t.write_text("whole")
    assert {n: (tmp_path / n).exists() for n in names} == names and (
        tmp_path / "picks.csv"
    ).read_text() == "whole"


def workers_of(pid):
    "Child processes, and theirs."
    found = [
        int(p.name)
        for p in pathlib.Path("/proc").glob("[0-9]*")
        if (p / "stat").exists()
        and int((p / "stat").read_text().rpartition(")")[2].split()[1]) == pid
    ]
    return [*found, *(c for f in found for c in workers_of(f))]


def runs(pid):
    "A process that is more than a name in the table."
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def within(seconds, ask):
    "Wait until something holds."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ask():
            return found
        time.sleep(0.05)
    return ask()


SLEEPERS = """
import time
from graphsel.cli.main import main
from graphsel.selection.strategies import ranked, strategy
@strategy("sleeper")
def sleeper(problem, budget, rng):
    time.sleep(600)
main()
"""


@pytest.mark.skipif(
    not pathlib.Path("/proc/self/stat").exists(), reason="processes are counted in /proc"
)
@pytest.mark.parametrize(
    "number,code",
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
    ids=lambda o: getattr(o, "name", str(o)),
)
def test_a_signal_ends_the_workers_and_removes_what_is_temporary(sim, tmp_path, number, code):
    files, temporary = sim.write(tmp_path / "data"), tmp_path / "tmp"
    temporary.mkdir()
    ask = [
        "compare",
        "--screen",
        files["screen"],
        "--graph",
        files["edges"],
        "--strategies",
        "sleeper",
        "--budgets",
        "6",
        "--model",
        "gp",
        "--seeds",
        "4",
        "--jobs",
        "2",
        "--out",
        tmp_path / "out",
    ]
    p = subprocess.Popen(
        [sys.executable, "-c", SLEEPERS, *map(str, ask)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    asleep = lambda: (
        len([o for o in temporary.glob("graphsel-*/bench.joblib")]) and len(workers_of(p.pid)) >= 3
    )
    assert within(60, asleep)
    time.sleep(2)  # they have begun
    workers = workers_of(p.pid)
    p.send_signal(number)
    told = p.communicate(timeout=60)[1]
    assert p.returncode == code
    assert within(15, lambda: not any(map(runs, workers))), [w for w in workers if runs(w)]
    if number != signal.SIGKILL:
        assert (
            not list(temporary.glob("graphsel-*"))
            and not list((tmp_path / "out").rglob(".*"))
            and "Traceback"
            not in told.split("graphsel: stopped")[0].split("graphsel: interrupted")[0]
        )
        assert (
            "--resume" in told
            and ("stopped by " + number.name if code != 130 else "interrupted") in told
        )
    else:
        left = list(temporary.glob("graphsel-*"))
        assert left  # nobody could
        with pytest.MonkeyPatch.context() as m:
            m.setattr(tempfile, "tempdir", str(temporary))
            compare(
                sim.screen,
                sim.graph,
                ["random"],
                [6],
                models=("gp",),
                seeds=2,
                random_draws=1,
                jobs=2,
            )
        assert not any(o.exists() for o in left)


HALF = """
import time
from graphsel.cli.main import main
from graphsel.models.predictions import TextBlocks
def half(self, table):
    self.file.write("half of it")
    self.file.flush()
    time.sleep(600)
TextBlocks.add = half
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    "number,code",
    [(signal.SIGTERM, 143), (signal.SIGKILL, -9)],  # what can be heeded, and what cannot
    ids=lambda o: getattr(o, "name", str(o)),
)
def test_fit_stopped_while_it_writes_leaves_no_half(sim, tmp_path, number, code):
    files, out = sim.write(tmp_path / "data"), tmp_path / "out"
    ask = [
        str(o)
        for o in (
            "fit",
            "--screen",
            files["screen"],
            "--graph",
            files["edges"],
            "--genes",
            files["library"],
            "--model",
            "mean",
            "--out",
            out,
        )
    ]
    p = subprocess.Popen([sys.executable, "-c", HALF, *ask], stderr=subprocess.PIPE, text=True)
    assert within(60, lambda: [o for o in out.glob(".predicted-*") if o.stat().st_size])
    assert list(out.glob(".predictions-*"))  # which grows beside it
    p.send_signal(number)
    told = p.communicate(timeout=60)[1]
    assert p.returncode == code and "Traceback" not in told
    if number != signal.SIGKILL:
        assert not out.exists() or not list(out.iterdir())
    else:
        assert all(o.name.startswith(".") for o in out.iterdir()) and list(out.iterdir())
    subprocess.run(
        [sys.executable, "-c", "from graphsel.cli.main import main; main()", *ask],
        check=True,
        capture_output=True,
    )
    assert not list(out.glob(".*"))
    assert (out / "predictions.h5ad").exists() and (out / "predicted.csv").exists()


def test_ignored_signals_stay_ignored():
    "nohup."
    code = """import os, signal, threading
from graphsel.cli.main import stoppable
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with stoppable(): os.kill(os.getpid(), signal.SIGHUP)
print('went on', signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"""
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        == "went on True\n"
    )


# ---- a cluster that is lost ----


def test_a_lost_scheduler_is_a_reason_and_is_resumed(sim, reference, tmp_path):
    pytest.importorskip("distributed", reason="dask is an extra")
    port = tmp_path / "scheduler.json"
    run = lambda *a: subprocess.Popen(
        [sys.executable, "-m", *a], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    scheduler = run(
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(port),
    )
    worker = run(
        "distributed.cli.dask_worker",
        "--scheduler-file",
        str(port),
        "--nworkers",
        "1",
        "--nthreads",
        "1",
        "--no-dashboard",
        "--death-timeout",
        "20",
    )

    def kill(problem, budget, rng):
        os.kill(number, signal.SIGKILL)
        time.sleep(600)

    number, kill.__module__ = scheduler.pid, "__main__"
    strategy("kill")(kill)
    try:
        address = within(60, lambda: port.exists() and json.loads(port.read_text())["address"])
        found = compare(
            sim.screen,
            sim.graph,
            ["degree", "kill"],
            [6],
            models=("gp",),
            seeds=3,
            dask=address,
            out=tmp_path / "c",
        )
    finally:
        del STRATEGIES["kill"]
        for p in (worker, scheduler):
            p.kill()
            p.wait()
    failed = found[found["status"] == "failed"]
    assert (
        len(failed) >= 3
        and failed["error"]
        .str.contains("ConnectionError: the dask scheduler at tcp://.* was lost.*--resume")
        .all()
    ), failed["error"].unique()
    assert len(read_results(tmp_path / "c")) == len(found) == 6
