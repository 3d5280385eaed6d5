"""The command line as the shell sees it: files, columns, exit codes."""

import csv
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from comparing import PROMISED

from graphsel.cli.main import main
from graphsel.datasets.simulate import simulated_screen
from graphsel.genes.symbols import make_aliases
from graphsel.selection.strategies import STRATEGIES, ranked, strategy


def run(*args):
    "What a command does; texts are taken apart at blanks, as a shell does."
    words = [w for a in args for w in (a.split() if isinstance(a, str) else [str(a)])]
    r = CliRunner().invoke(main, words)
    assert r.exception is None or isinstance(r.exception, SystemExit), r.exc_info
    return r


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim")
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    return {**sim.write(folder), "names": list(sim.screen.obs_names)}


def on(files):
    "The screen and a graph of the simulation."
    return ["--screen", files["screen"], "--graph", files["edges"]]


@pytest.fixture
def no_figures(monkeypatch):
    "For tests of what is computed: drawing takes longer than a small comparison."
    monkeypatch.setattr("graphsel.plotting.curves.save_figures", lambda *args: None)


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(
        "source,target,weight\n"
        + "\n".join(
            f"{a},{b},{w}"
            for a, b, w in [
                ("A", "B", 3),
                ("A", "C", 1),
                ("A", "D", 2),
                ("D", "E", 1),
                ("E", "F", 5),
            ]
        )
    )
    return path


def test_select_prints_the_object_and_writes_the_picks(net, tmp_path):
    reach = ["--criterion graphreach --set covers=targets"]
    files = ["--graph", net, "--out", tmp_path / "picks.csv"]
    r = run("select", *files, *reach, "--budget 2 --json")
    plan = json.loads(r.stdout)
    assert r.exit_code == 0 and set(plan) == {
        "criterion",
        "budget",
        "value",
        "upper_bound",
        "certificate",
        "n_candidates",
        "n_targets",
        "missing",
        "seconds",
        "picks",
    }
    rows = list(csv.DictReader((tmp_path / "picks.csv").open()))
    assert list(rows[0])[:4] == ["rank", "gene", "gain", "value"]
    assert (
        [o["gene"] for o in rows] == [o["gene"] for o in plan["picks"]] == ["A", "F"]
    )  # E reaches as many new genes; F reaches them more strongly
    assert plan["value"] == 6 and plan["certificate"] == 1 and float(rows[1]["value"]) == 6


def test_string_value_can_be_recomputed_by_anyone(shared_data, tmp_path):
    "GraphReach on whole STRING: the value is the number of genes in reach, counted from the raw file."
    r = run(
        "select --graph",
        shared_data / "string_v12.tsv.gz",
        "--budget 100 --criterion graphreach --set covers=targets --out",
        tmp_path / "picks.csv",
        "--json",
    )
    plan = json.loads(r.stdout)
    picks = {o["gene"] for o in plan["picks"]}
    covered = set(picks)
    with gzip.open(shared_data / "string_v12.tsv.gz", "rt") as f:
        next(f)
        for line in f:
            a, b = line.split("\t")[:2]
            if a in picks:
                covered.add(b)
            if b in picks:
                covered.add(a)
    assert len(picks) == 100 and plan["n_candidates"] == 17288
    assert plan["value"] == len(covered) <= plan["upper_bound"] and 0.75 < plan["certificate"] <= 1
    assert [float(o["value"]) for o in csv.DictReader((tmp_path / "picks.csv").open())][-1] == len(
        covered
    )


@pytest.mark.parametrize(
    "criterion",
    [
        "random",
        "degree",
        "pagerank",
        "kcenter",
        "kmeans",
        "typiclust",
        "facility",
        "graphreach",
        "softreach",
        "maxspec",
        "variance",
    ],
)
def test_every_one_shot_strategy_by_name(files, criterion):
    r = run(
        "select --graph",
        files["edges"],
        "--graph",
        files["gene_sets"],
        "--budget 5 --criterion",
        criterion,
        "--hops 2 --json",
    )
    plan = json.loads(r.stdout)
    assert len({o["gene"] for o in plan["picks"]}) == 5 and plan["criterion"] == criterion
    assert (plan["certificate"] is None) == (
        criterion in ("random", "degree", "pagerank", "kcenter", "kmeans", "typiclust", "variance")
    )


def test_lists_costs_and_priors(files, tmp_path):
    names = files["names"]
    for file, genes in {
        "candidates": names[:40],
        "measured": names[:3],
        "exclude": names[3:6],
        "targets": names[20:],
    }.items():
        (tmp_path / f"{file}.txt").write_text("# list\n" + "\n".join(genes) + "\nNOSUCH\n")
    (tmp_path / "costs.csv").write_text(
        "gene,cost\n" + "\n".join(f"{g},{1 + i % 2}" for i, g in enumerate(names))
    )
    embedding = pd.DataFrame(
        np.random.default_rng(0).normal(size=(50, 4)), index=pd.Index(names[:50], name="gene")
    )
    embedding.reset_index().to_csv(tmp_path / "embedding.csv", index=False)
    lists = [
        o
        for k in ["candidates", "measured", "exclude", "targets"]
        for o in (f"--{k}", tmp_path / f"{k}.txt")
    ]
    r = run(
        "select --graph",
        files["edges"],
        *lists,
        "--costs",
        tmp_path / "costs.csv",
        "--budget 7 --criterion variance --prior",
        tmp_path / "embedding.csv",
        "--json",
    )
    plan = json.loads(r.stdout)
    picks = [o["gene"] for o in plan["picks"]]
    assert set(picks) <= set(names[6:40]) and sum(o["cost"] for o in plan["picks"]) <= 7
    assert "NOSUCH" in plan["missing"] and "NOSUCH" in r.stderr and "embedding.csv" in r.stderr


@pytest.fixture
def bad_files(tmp_path, net):
    (tmp_path / "broken.tsv.gz").write_bytes(b"not a gzip file at all")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "measured.txt").write_text("A\nXIST\n")
    (tmp_path / "empty.csv").write_text("")
    return tmp_path


ERRORS = {
    "missing graph": (
        ["select --graph {d}/nothing.tsv --budget 2 --out {d}/out.csv"],
        "nothing.tsv",
    ),
    "a gz that is none": (
        ["select --graph {d}/broken.tsv.gz --budget 2 --out {d}/out.csv"],
        "broken.tsv.gz",
    ),
    "binary graph": (
        ["select --graph {d}/binary.csv --budget 2 --out {d}/out.csv"],
        "binary.csv",
    ),
    "empty graph": (
        ["select --graph {d}/empty.csv --budget 2 --out {d}/out.csv"],
        "empty.csv",
    ),
    "unknown measured gene": (
        [
            "select --graph {d}/net.csv --budget 2 --measured {d}/measured.txt --missing error --out {d}/out.csv"
        ],
        "XIST",
    ),
    "budget 0": (
        ["select --graph {d}/net.csv --budget 0 --out {d}/out.csv"],
        "budget is 0",
    ),
    "budget -3": (
        ["select --graph {d}/net.csv --budget -3 --out {d}/out.csv"],
        "budget is -3",
    ),
    "budget 2.5": (
        ["select --graph {d}/net.csv --budget 2.5 --out {d}/out.csv"],
        "whole number",
    ),
    "budget inf": (
        ["select --graph {d}/net.csv --budget inf --out {d}/out.csv"],
        "whole number",
    ),
    "budget nan": (
        ["select --graph {d}/net.csv --budget nan --out {d}/out.csv"],
        "whole number",
    ),
    "budget too large": (
        ["select --graph {d}/net.csv --budget 7 --out {d}/out.csv"],
        "only 6 candidates",
    ),
    "unknown strategy": (
        ["select --graph {d}/net.csv --budget 2 --criterion graphreech --out {d}/out.csv"],
        "did you mean 'graphreach'",
    ),
    "active in select": (
        ["select --graph {d}/net.csv --budget 2 --criterion active:bald --out {d}/out.csv"],
        "active:bald",
    ),
    "unknown strategy in compare": (
        [
            "compare --screen {d}/s.csv --graph {d}/net.csv --strategies random,varianze --budgets 5 --out {d}/out"
        ],
        "did you mean 'variance'",
    ),
    "missing screen": (
        [
            "compare --screen {d}/s.csv --graph {d}/net.csv --strategies random --budgets 5 --out {d}/out"
        ],
        "s.csv",
    ),
    "budgets that are words": (
        [
            "compare --screen {d}/s.csv --graph {d}/net.csv --strategies random --budgets 5,ten --out {d}/out"
        ],
        "ten",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_wrong_input_is_one_line_and_leaves_nothing(bad_files, case):
    args, named = ERRORS[case]
    before = sorted(p.name for p in bad_files.rglob("*"))
    r = run(*[a.format(d=bad_files) for a in args])
    lines = r.stderr.strip().splitlines()
    assert (
        r.exit_code == 1
        and r.stdout == ""
        and all(re.search(": edges source – target|: 2 genes", line) for line in lines[:-1])
        and named in lines[-1]
        and "Traceback" not in r.stderr
    ), r.stderr
    assert sorted(p.name for p in bad_files.rglob("*")) == before


def test_the_shell_sees_the_same(bad_files):
    "The installed program, in a process of its own."
    r = subprocess.run(
        [
            sys.executable,
            "-c",
            "from graphsel.cli.main import main; main()",
            "select",
            "--graph",
            str(bad_files / "net.csv"),
            "--budget",
            "99",
        ],
        capture_output=True,
        text=True,
    )
    assert (
        r.returncode == 1
        and r.stdout == ""
        and "graphsel: budget is 99" in r.stderr
        and "Traceback" not in r.stderr
    )
    r = subprocess.run(
        [
            sys.executable,
            "-c",
            "from graphsel.cli.main import main; main()",
            "select",
            "--budgets",
            "99",
        ],
        capture_output=True,
        text=True,
    )
    assert r.returncode == 2 and "No such option" in r.stderr


def test_compare_writes_everything(files, tmp_path):
    out = tmp_path / "out"
    ask = [
        "compare --screen",
        files["cells"],
        "--graph",
        files["edges"],
        "--graph",
        files["gene_sets"],
        "--strategies random,variance,active:bald --budgets 6,12 --seeds 2 --model gp --standardize --jobs 1 --out",
        out,
    ]
    r = run(*ask)
    assert r.exit_code == 0, r.stderr
    assert {p.name for p in out.iterdir()} == {
        "results.parquet",
        "results.csv",
        "summary.csv",
        "learning_curves.png",
        "differences.png",
        "laboratory_time.png",
        "overlap.png",
        "run.json",
        "tasks",
    }
    summary = pd.read_csv(out / "summary.csv")
    assert set(PROMISED) <= set(summary.columns)
    assert {"mse", "mse_de", "pearson_delta", "mse_area"} <= set(summary["metric"])
    assert r.stderr.count("2 splits: intervals rest on 2 values") == 1
    run_file = json.loads((out / "run.json").read_text())
    assert (
        set(run_file["inputs"]) == {"cells.h5ad", "edges.tsv", "gene_sets.gmt"}
        and run_file["machine"]["torch"]
    )
    again = run(*ask)
    assert again.exit_code == 1 and "--resume" in again.stderr
    before = (out / "results.csv").read_bytes()
    assert run(*ask, "--resume").exit_code == 0 and (out / "results.csv").read_bytes() == before


def test_compare_with_noise_parameters_and_repeats(files, tmp_path):
    ask = [
        "compare",
        *on(files),
        "--strategies random,variance,kmeans --budgets 6,12 --seeds 2 --jobs 1",
    ]
    r = run(
        *ask,
        "--model gp --noise 0,1 --noise-kind deleted,permuted --noise-on selector --repeats 2",
        "--random-draws 3 --set gp.tune=true --set variance.noise=0.5 --set kmeans.hops=1",
        "--initial 6 --out",
        tmp_path / "out",
    )
    assert r.exit_code == 0, r.stderr
    results, plan = (
        pd.read_csv(tmp_path / "out" / "results.csv"),
        json.loads((tmp_path / "out" / "run.json").read_text())["protocol"],
    )
    assert (
        len(results) == 2 * 2 * (3 + 2 + 2) * (1 + 2 * 1)
        and set(results["noise_kind"]) == {"none", "deleted", "permuted"}
        and set(results["noise_on"]) == {"selector"}
    )
    assert (
        plan["model_params"] == {"gp": {"tune": True}}
        and plan["params"] == {"variance": {"noise": 0.5}, "kmeans": {"hops": 1}}
        and plan["initial"] == 6
    )
    assert (
        (tmp_path / "out" / "noise.png").exists()
        and "ratio_low" in r.stderr
        and "permuted" in r.stderr
    )
    risk, stability = (pd.read_csv(tmp_path / "out" / f"{n}.csv") for n in ("risk", "stability"))
    assert (risk.query("strategy == 'variance'")["jaccard"] == 1).all() and set(
        stability["noise"]
    ) == {0, 1}


COMPARE = "compare --strategies variance --budgets 6 --jobs 1"


@pytest.mark.parametrize(
    "command,args,message",
    [
        (COMPARE, "--model transfer", "nothing to transfer from"),
        (COMPARE, "--model gp --set gp.tuned=true", "did you mean 'tune'"),
        (COMPARE, "--model gp --set tune", "NAME.PARAMETER=VALUE"),
        (COMPARE, "--model gp --set ridge.alphas=1", "unknown strategy with parameters 'ridge'"),
        (COMPARE, "--model gp --set variance.sigma=1", "sigma"),
        (COMPARE, "--model gp --noise-kind bent", "kind of noise"),
        (COMPARE, "--model gp --repeats 0", "repeats is 0"),
        (COMPARE, "--model gp --noise 2", "between 0 and 1"),
        ("fit --model gp", "--set gp.tuned=true", "did you mean 'tune'"),
        ("fit --model gp", "--set tune", "NAME.PARAMETER=VALUE"),
        ("fit --model gp", "--set ridge.alphas=1", "unknown model with parameters 'ridge'"),
        ("fit --model gp", "--set noise=-1", "noise is -1"),
        ("fit --model gp", "--set gp.hops=[]", "hops is []"),
    ],
)
def test_what_cannot_be_is_refused_at_once(files, tmp_path, command, args, message):
    r = run(command, *on(files), args, "--out", tmp_path / "out")
    assert r.exit_code == 1 and message in r.stderr and "Traceback" not in r.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("strategies", ["broken", "broken,random"])
def test_failed_rows_end_with_exit_code_1_until_a_resume_mends_them(
    files, tmp_path, strategies, no_figures
):
    "All of the rows, or some: what was measured is written; the end says how many failed, why, and what to do."

    def broken(problem, budget, rng):
        if not mended:
            raise RuntimeError("no such instrument")
        return ranked(problem, sorted(problem.candidates)[:budget], "broken")

    broken.__module__ = "__main__"  # code of your own
    mended, out, names = [], tmp_path / "out", strategies.split(",")
    ask = [
        "compare",
        *on(files),
        "--strategies",
        strategies,
        "--budgets 6,12 --seeds 2 --model gp --jobs 1 --out",
        out,
    ]
    strategy("broken")(broken)
    try:
        first = run(*ask)
        found = pd.read_csv(out / "results.csv")
        status = found.groupby("strategy")["status"].unique().map(list).to_dict()
        mended.append("yes")
        second = run(*ask, "--resume")
    finally:
        del STRATEGIES["broken"]
    n = int((found["strategy"] == "broken").sum())
    assert n == 4 and status == {k: ["failed"] if k == "broken" else ["ok"] for k in names}
    assert (
        first.exit_code == 1
        and f"{n} of {len(found)} rows failed, the first: RuntimeError: no such instrument"
        in first.stderr
        and "with --resume" in first.stderr
        and "Traceback" not in first.stderr
    )
    assert second.exit_code == 0, second.stderr
    assert (
        len(again := pd.read_csv(out / "results.csv")) == len(found)
        and (again["status"] == "ok").all()
    )


def test_transfer_with_a_prior_is_compared(files, tmp_path):
    r = run(
        "compare",
        *on(files),
        "--prior",
        _as_table(files, tmp_path),
        "--strategies random --budgets 6 --seeds 1 --model transfer --jobs 1 --out",
        tmp_path / "out",
    )
    assert r.exit_code == 0, r.stderr
    assert (pd.read_csv(tmp_path / "out" / "results.csv")["status"] == "ok").all()


def _as_table(files, folder):
    import anndata as ad

    path = folder / "elsewhere.csv"
    ad.read_h5ad(files["screen"]).to_df().rename_axis("perturbation").to_csv(path)
    return path


def test_fit_predicts_unmeasured_genes(files, tmp_path):
    (tmp_path / "next.txt").write_text("\n".join(files["names"][:4]) + "\nNOSUCH\n")
    r = run(
        "fit",
        *on(files),
        "--model gp --genes",
        tmp_path / "next.txt",
        "--out",
        tmp_path / "out",
    )
    assert r.exit_code == 0, r.stderr
    predicted, uncertainty = (
        pd.read_csv(tmp_path / "out" / f"{n}.csv", index_col="gene")
        for n in ["predicted", "uncertainty"]
    )
    assert predicted.shape == uncertainty.shape == (4, 40) and (uncertainty > 0).all().all()
    assert "NOSUCH" in (tmp_path / "out" / "missing.csv").read_text()


def test_fit_ranks_what_was_not_measured(files, tmp_path):
    some = files["names"][:10]
    (tmp_path / "some.txt").write_text("\n".join(some))
    import anndata as ad

    ad.read_h5ad(files["screen"])[files["names"][5:]].copy().write_h5ad(tmp_path / "part.h5ad")
    ask = [
        "fit --screen",
        tmp_path / "part.h5ad",
        "--graph",
        files["edges"],
        "--model gp --genes",
        tmp_path / "some.txt",
    ]
    r = run(*ask, "--set gp.tune=true --set hops=[1,2,3] --out", tmp_path / "out")
    assert r.exit_code == 0, r.stderr
    assert {f.name for f in (tmp_path / "out").iterdir()} == {
        "predictions.h5ad",
        "predicted.csv",
        "uncertainty.csv",
        "missing.csv",
        "ranked.csv",
        "measured.csv",
        "validation.csv",
        "validation.h5ad",
    }
    ranked, predicted = (
        pd.read_csv(tmp_path / "out" / "ranked.csv"),
        pd.read_csv(tmp_path / "out" / "predicted.csv", index_col="gene"),
    )
    assert (
        list(ranked.columns)[:5] == ["rank", "gene", "effect", "sd", "n_measured_neighbors"]
        and set(ranked["gene"]) == set(some[:5])
        and set(predicted.index) == set(some)
    )
    np.testing.assert_allclose(
        ranked["effect"], np.linalg.norm(predicted.loc[ranked["gene"]], axis=1), rtol=1e-5
    )
    assert (
        ranked["effect"].is_monotonic_decreasing
        and (ranked["sd"] > 0).all()
        and ranked["n_measured_neighbors"].sum() > 0
    )
    assert run(*ask, "--out", tmp_path / "plain").exit_code == 0
    assert (tmp_path / "plain" / "predicted.csv").read_bytes() != (
        tmp_path / "out" / "predicted.csv"
    ).read_bytes()


def test_list_names_what_the_design_names():
    text = {
        what: run("list", what).stdout for what in ["strategies", "criteria", "models", "datasets"]
    }
    baselines = ("random", "degree", "pagerank", "kcenter", "kmeans", "typiclust")
    criteria = ("facility", "graphreach", "softreach", "maxspec", "variance")
    for name in (*baselines, *criteria, "active:ensemble", "active:bald"):
        assert f"{name} " in text["strategies"]
    for name in ("gnn", "gp", "ridge", "mean", "nochange"):
        assert f"{name} " in text["models"]
    assert "simulated" in text["datasets"] and "maxspec" in text["criteria"]


def test_help_is_instant_and_complete():
    for command in ["select", "compare", "fit", "explore", "list", "demo"]:
        assert run(command, "--help").exit_code == 0
    code = (
        "import sys; from graphsel.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'pandas', 'anndata', 'scipy'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


# ---- limits of a plan ----


def picks(*args):
    r = run("select --json", *args)
    assert r.exit_code == 0, r.stderr
    return json.loads(r.stdout)


def test_must_groups_method_bound_and_plates(net, tmp_path):
    (tmp_path / "must.txt").write_text("F\n")
    (tmp_path / "groups.csv").write_text("gene,group\nA,left\nB,left\nC,left\nD,right\nE,right\n")
    plan = picks(
        "--graph",
        net,
        "--budget 3 --must",
        tmp_path / "must.txt",
        "--groups",
        tmp_path / "groups.csv",
        "--cap 1 --bound dual --criterion graphreach --plate-size 2 --method naive",
    )
    rows = plan["picks"]
    assert rows[0]["gene"] == "F" and sorted(o["group"] for o in rows) == ["", "left", "right"]
    assert sorted(o["plate"] for o in rows) == [1, 1, 2] and plan["upper_bound"] >= plan["value"]
    reach = ["--criterion graphreach --set covers=targets"]
    exact = picks("--graph", net, "--budget 2 --method exact", *reach)
    assert exact["value"] == exact["upper_bound"] == 6


@pytest.mark.parametrize(
    "text,message",
    [
        ("gene,group\nA,x\nA,y\n", "line 3: A stands twice"),
        ("gene,group\n,x\n", "line 2: no gene"),
        ("gene,colour\nA,x\n", "has the columns gene, colour"),
    ],
)
def test_bad_groups(net, tmp_path, text, message):
    (tmp_path / "g.csv").write_text(text)
    r = run("select --graph", net, "--budget 2 --groups", tmp_path / "g.csv", "--cap 1")
    assert r.exit_code == 1 and message in r.stderr


def test_limits_that_make_no_sense(net, tmp_path):
    (tmp_path / "g.csv").write_text("gene,group\n" + "".join(f"{c},x\n" for c in "ABCDEF"))
    for args, message in [
        (["--groups", tmp_path / "g.csv"], "belong together"),
        (["--cap 1"], "belong together"),
        (["--groups", tmp_path / "g.csv", "--cap 1"], "caps cannot be met"),
        (["--method magic"], "method is 'magic'"),
        (["--criterion degree --plate-size 1"], "no objective"),
        (["--criterion variance --bound dual"], "no dual bound"),
        (["--fallback", net], "backoff"),
    ]:
        r = run("select --graph", net, "--budget 2", *args)
        assert r.exit_code == 1 and message in r.stderr and "Traceback" not in r.stderr, (
            args,
            r.stderr,
        )


def test_aliases_and_fallback(net, tmp_path):
    (tmp_path / "c.txt").write_text("alpha\nB\nnew\n")
    (tmp_path / "a.csv").write_text("alias,symbol\nalpha,A\n")
    (tmp_path / "f.csv").write_text("source,target\nnew,B\n")
    given = ["--graph", net, "--candidates", tmp_path / "c.txt", "--aliases", tmp_path / "a.csv"]
    assert {o["gene"] for o in picks(*given, "--budget 2")["picks"]} == {"A", "B"}
    kept = run("select", *given, "--budget 3 --missing backoff --fallback", tmp_path / "f.csv")
    assert kept.exit_code == 0 and "new" in kept.stdout and "alpha = A" in kept.stderr


def test_a_mixture_on_the_command_line(net):
    plan = picks("--graph", net, "--budget 2 --criterion 0.5*graphreach+0.5*variance")
    assert (
        plan["criterion"] == "0.5*graphreach+0.5*variance"
        and plan["certificate"] is None
        and len(plan["picks"]) == 2
    )


# ---- screens of single cells ----


def test_cells_within_a_covariate_and_a_zarr_folder(files, tmp_path):
    import anndata as ad

    cells = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3).cells
    cells.obs["batch"] = np.where(np.arange(cells.n_obs) % 2, "one", "two")
    cells.write_zarr(tmp_path / "cells.zarr")
    args = [
        "--screen",
        tmp_path / "cells.zarr",
        "--graph",
        files["edges"],
        "--model mean --covariate batch --min-cells 2",
    ]
    r = run(
        "compare",
        *args,
        "--strategies random --budgets 10 --seeds 2 --jobs 1 --out",
        tmp_path / "c",
    )
    assert r.exit_code == 0, r.stderr
    assert set(json.loads((tmp_path / "c" / "run.json").read_text())["inputs"]) == {
        "cells.zarr",
        files["edges"].name,
    }
    assert (
        run("fit", *args, "--out", tmp_path / "f").exit_code == 0
        and ad.read_h5ad(tmp_path / "f" / "predictions.h5ad").n_obs > 0
    )


def test_cell_options_for_a_table(files, tmp_path):
    (tmp_path / "t.csv").write_text("perturbation,x\nA,1\nB,2\n")
    for option, message in [
        (["--covariate batch"], "no column batch"),
        (["--min-cells 2"], "--min-cells) has no meaning for this kind of file"),
    ]:
        r = run(
            "fit --screen",
            tmp_path / "t.csv",
            "--graph",
            files["edges"],
            *option,
            "--out",
            tmp_path / "f",
        )
        assert r.exit_code == 1 and message in r.stderr and "Traceback" not in r.stderr


# ---- on paper ----


def test_page_and_curve_of_a_plan(net, tmp_path):
    page, curve, out = tmp_path / "plan.html", tmp_path / "curve.csv", tmp_path / "picks.csv"
    run(
        "select --graph",
        net,
        "--budget 3 --page",
        page,
        "--lab",
        Path("guides=4, cells=80,controls=5,currency=USD"),
        "--curve",
        curve,
        "--out",
        out,
    )
    picked, table, html = pd.read_csv(out), pd.read_csv(curve), page.read_text(encoding="utf-8")
    assert all(f"<b>{g}</b>" in html for g in picked["gene"])
    assert "3 genes x 4 guides + 5 control slots = 17 guides" in html and "USD" in html
    assert table["budget"].tolist() == [1, 2, 3] and np.allclose(table["value"], picked["value"])


@pytest.mark.parametrize(
    "text,message",
    [
        ("guide=4", "did you mean 'guides'"),
        ("guides=many", "guides is 'many'"),
        ("cells", "cells is ''"),
        ("cells=-1", "cells is -1"),
        ("guides=0", "guides is 0; give a whole number of at least 1"),
        ("guides=2.5", "guides is 2.5; give a whole number"),
        ("cells=true", "cells is True"),
        ("guides=3,guides=4", "gives guides twice"),
    ],
)
def test_a_wrong_laboratory_is_refused_before_any_file(text, message, tmp_path):
    result = run(
        "select --graph nothing.tsv --budget 3 --lab", text, "--page", tmp_path / "plan.html"
    )
    assert result.exit_code == 1 and message in result.stderr and not list(tmp_path.iterdir())


def test_no_curve_for_a_plan_with_costs(net, tmp_path):
    (tmp_path / "costs.csv").write_text("gene,cost\n" + "".join(f"{g},1\n" for g in "ABCDEF"))
    result = run(
        "select --graph",
        net,
        "--budget 2 --costs",
        tmp_path / "costs.csv",
        "--curve",
        tmp_path / "curve.csv",
    )
    assert (
        result.exit_code == 1
        and "cost units" in result.stderr
        and not (tmp_path / "curve.csv").exists()
    )


# ---- lists as people have them ----


def test_lists_of_any_kind_give_one_plan(net, tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    for row in (("note", "Gene"), ("x", "A"), ("y", "E"), ("z", "F")):
        book.active.append(row)
    book.save(tmp_path / "mine.xlsx")
    for name, content in {
        "plain.txt": b"A\nE\nF\n",
        "excel.csv": b"\xef\xbb\xbfGene;note\r\nA;x\r\nE;y\r\nF;z\r\n",
        "line.txt": b"A, E, F",
        "comment.txt": b"gene\tcomment\nA\tthe first, the best\nE\t\nF\tx\n",
        "unicode.txt": "Gene\tnote\r\nA\tx\r\nE\ty\r\nF\tz\r\n".encode("utf-16"),
        "screen.csv": b"perturbation,r1,r2\nA,0.1,0.2\nE,1,2\nF,0,1\nctrl,0,0\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    for name in (
        "plain.txt",
        "excel.csv",
        "line.txt",
        "comment.txt",
        "unicode.txt",
        "screen.csv",
        "mine.xlsx",
    ):
        plan = picks("--graph", net, "--budget 2 --candidates", tmp_path / name)
        assert plan["n_candidates"] == 3 and sorted(o["gene"] for o in plan["picks"]) == [
            "A",
            "F",
        ], name


def test_other_case_is_resolved_and_told(net, tmp_path):
    (tmp_path / "c.txt").write_text("a\nB\nb\ne\nf\n")
    (tmp_path / "costs.csv").write_text("Gene;Cost\na;1,5\nB;1\nE;2\nF;1\n")
    r = run(
        "select --graph",
        net,
        "--budget 3 --candidates",
        tmp_path / "c.txt",
        "--costs",
        tmp_path / "costs.csv",
        "--json",
    )
    plan = json.loads(r.stdout)
    assert (
        r.exit_code == 0
        and {o["gene"]: o["cost"] for o in plan["picks"]}.items()
        <= {"A": 1.5, "B": 1.0, "E": 2.0, "F": 1.0}.items()
        and plan["missing"] == ["b"]
    ), "b is B only where nobody else is"
    told = [line for line in r.stderr.splitlines() if "other case" in line]
    assert (
        len(told) == 1
        and "candidates: 4 of 5 genes found: 3 in other case (a = A, e = E, f = F), 1 as written"
        in told[0]
    ), "the same names of the price list are not told again"
    (tmp_path / "mouse.csv").write_text("source,target\nTrp53,Myc\nMyc,myc\n")
    (tmp_path / "m.txt").write_text("Trp53\nMyc\nmyc\n")
    r = run(
        "select --graph",
        tmp_path / "mouse.csv",
        "--budget 3 --candidates",
        tmp_path / "m.txt",
        "--json",
    )
    assert {o["gene"] for o in json.loads(r.stdout)["picks"]} == {
        "Trp53",
        "Myc",
        "myc",
    } and "case" not in r.stderr
    (tmp_path / "odd.txt").write_text("MYC\nTRP53\n")
    assert json.loads(
        run(
            "select --graph",
            tmp_path / "mouse.csv",
            "--budget 1 --candidates",
            tmp_path / "odd.txt",
            "--json",
        ).stdout
    )["missing"] == ["MYC"], "two genes would fit"


def test_a_control_is_no_gene_of_that_name(tmp_path):
    (tmp_path / "net.csv").write_text("source,target\nCTRL,A\nA,B\n")
    (tmp_path / "c.csv").write_text("perturbation,x\nctrl,0\na+ctrl,1\nB,2\n")
    assert {
        o["gene"]
        for o in picks(
            "--graph", tmp_path / "net.csv", "--budget 2 --candidates", tmp_path / "c.csv"
        )["picks"]
    } == {"A", "B"}


@pytest.mark.parametrize(
    "names,says",
    [
        (
            ["ENSG00000141510.18", "ENSG00000136997", "ENSG00000133703"],
            "ENSG00000141510.18: an Ensembl identifier",
        ),
        (["7157", "4609", "3845"], "7157: an NCBI gene number"),
        (["p53", "c-myc", "HER2"], "3 of 5 genes are not"),
    ],
)
def test_many_unknown_names_get_a_hint(net, tmp_path, names, says):
    (tmp_path / "c.txt").write_text("\n".join(["A", "B", *names]))
    (tmp_path / "a.csv").write_text(
        "alias,symbol\n" + "".join(f"{n.split('.')[0]},{g}\n" for n, g in zip(names, "CDE"))
    )
    ask = ["select --graph", net, "--budget 2 --candidates", tmp_path / "c.txt"]
    r = run(*ask, "--targets", tmp_path / "c.txt")
    assert (
        r.exit_code == 0
        and says in r.stderr
        and r.stderr.count("--aliases hgnc") == 1
        and "graphsel list datasets" in r.stderr
    )
    assert "hgnc " in run("list", "datasets").stdout
    r = run(*ask, "--aliases", tmp_path / "a.csv")
    assert (
        "--aliases hgnc" not in r.stderr
        and "5 of 5 genes found" in r.stderr
        and "2 of 5 candidates" in r.stderr
    )


def test_aliases_from_the_registry(net, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "graphsel.datasets.load.load_names",
        lambda name: (asked.append(name), make_aliases([("alpha", "A")]))[1],
    )
    (tmp_path / "c.txt").write_text("alpha\nB\n")
    assert {
        o["gene"]
        for o in picks(
            "--graph", net, "--budget 2 --candidates", tmp_path / "c.txt", "--aliases hgnc"
        )["picks"]
    } == {"A", "B"} and asked == ["hgnc"]
    r = run("select --graph", net, "--budget 1 --aliases hgncc")
    assert r.exit_code == 1 and "no such file: hgncc" in r.stderr


def test_names_left_out_are_written_beside_the_picks(net, tmp_path):
    out, left = tmp_path / "picks.csv", tmp_path / "picks.missing.csv"
    (tmp_path / "c.txt").write_text("A\nB\nC\nXIST\n2-Sep\nE\n")
    (tmp_path / "x.txt").write_text("B\n")
    (tmp_path / "m.txt").write_text("C\n")
    plain = ["select --graph", net, "--budget 1"]
    ask = [*plain, "--out", out]
    r = run(
        *ask,
        "--candidates",
        tmp_path / "c.txt",
        "--exclude",
        tmp_path / "x.txt",
        "--measured",
        tmp_path / "m.txt",
    )
    assert (
        r.exit_code == 0
        and f"2 names left out, 1 excluded (see {left})" in r.stderr
        and "1 already measured" in r.stderr
    )
    rows = {o["gene"]: o["reason"] for o in csv.DictReader(left.open())}
    assert (
        rows
        == {
            "B": "excluded",
            "C": "already measured",
            "XIST": "candidates: not in the graph",
            "2-Sep": rows["2-Sep"],
        }
        and "a date that a spreadsheet made" in rows["2-Sep"]
    )
    assert run(*ask).exit_code == 0 and out.exists() and not left.exists(), (
        "an old file would tell of another plan"
    )
    r = run(*plain, "--candidates", tmp_path / "c.txt")
    assert "2 names left out (--out lists them)" in r.stderr and not left.exists()


def test_missing_costs_are_told_or_given(net, tmp_path):
    (tmp_path / "costs.csv").write_text("gene,cost\nA,2\nE,4\n")
    ask = ["select --graph", net, "--budget 4 --costs", tmp_path / "costs.csv"]
    r = run(*ask)
    assert (
        r.stderr.count(
            "4 of 6 candidates have no cost and are taken at 3, the median of the others"
        )
        == 1
        and "; cost " in r.stderr
        and " of 4" in r.stderr
    )
    r = run(*ask, "--default-cost 3 --json")
    rows = json.loads(r.stdout)["picks"]
    assert "have no cost" not in r.stderr and all(
        o["cost"] == {"A": 2, "E": 4}.get(o["gene"], 3) for o in rows
    )
    assert (
        f"; cost {sum(o['cost'] for o in rows):g} of 4" in r.stderr
        and "--default-cost" in run("select --help").stdout
    )
    r = run("select --graph", net, "--budget 2 --default-cost 3")
    assert (
        r.exit_code == 1
        and "default_cost is 3.0; it stands for candidates without a cost" in r.stderr
    )
    assert run(*ask, "--default-cost 0").exit_code == 2


def test_duplicates_are_one_line(net, tmp_path):
    (tmp_path / "c.txt").write_text("A\nB\nA\nB + C\nC+B\n")
    r = run("select --graph", net, "--budget 2 --candidates", tmp_path / "c.txt")
    assert (
        r.exit_code == 0
        and [line for line in r.stderr.splitlines() if "twice" in line]
        == [f"graphsel: {tmp_path / 'c.txt'}: 1 name stands twice; taken once: A"]
        and "2 of 3 candidates" in r.stderr
    )


def test_costs_of_two_names_of_one_gene(net, tmp_path):
    (tmp_path / "costs.csv").write_text("gene,cost\nB+A,2\nA+B,4\n")
    r = run("select --graph", net, "--budget 2 --costs", tmp_path / "costs.csv")
    assert (
        r.exit_code == 1 and "costs: several names of one gene: B+A, A+B; keep one line" in r.stderr
    )


# ---- what a new user meets ----


def test_both_standard_deviations_are_those_of_a_measurement(files, tmp_path):
    import anndata as ad

    screen = ad.read_h5ad(files["screen"])
    screen[files["names"][:40]].copy().write_h5ad(tmp_path / "part.h5ad")
    ask = ["fit --folds 0 --screen", tmp_path / "part.h5ad", "--graph", files["edges"]]
    for model, how in (("gp", ""), ("gnn", "--set gnn.steps=30"), ("mean", "")):
        assert run(*ask, "--model", model, how, "--out", tmp_path / model).exit_code == 0
        if model == "mean":
            assert not (tmp_path / "mean" / "uncertainty.csv").exists()
            continue
        ranked, sd = (
            pd.read_csv(tmp_path / model / f"{n}.csv").set_index("gene")
            for n in ("ranked", "uncertainty")
        )
        found = ad.read_h5ad(tmp_path / model / "predictions.h5ad")
        np.testing.assert_allclose(
            ranked["sd"], np.linalg.norm(sd.loc[ranked.index], axis=1), rtol=1e-5
        )
        np.testing.assert_allclose(
            sd.loc[found.obs_names] ** 2, found.layers["predictive_variance"], rtol=1e-4
        )
        assert (sd.loc[found.obs_names] ** 2 > found.layers["variance"]).all(axis=None)


@pytest.mark.parametrize("some", [False, True])
def test_fit_tells_its_steps_and_a_next_command_that_runs(files, tmp_path, some):
    import shlex

    import anndata as ad

    out, names = tmp_path / "with blank", files["names"]
    ad.read_h5ad(files["screen"])[names[5:]].copy().write_h5ad(tmp_path / "part.h5ad")
    (tmp_path / "some.txt").write_text("\n".join(names[:10]))  # five of them are measured
    r = run(
        "fit --screen",
        tmp_path / "part.h5ad",
        "--graph",
        files["edges"],
        "--graph",
        files["gene_sets"],
        "--top-k 5 --model gp",
        *(["--genes", tmp_path / "some.txt"] if some else []),
        "--out",
        out,
    )
    assert (
        f"training gp on {len(pd.read_csv(out / 'measured.csv'))} perturbations" in r.stderr
        and ("--genes FILE for others" in r.stderr) == (not some)
    )
    command = next(o for o in r.stderr.splitlines() if o.strip().startswith("graphsel select"))
    assert run(*map(Path, shlex.split(command)[1:])).exit_code == 0
    picks, measured = (
        pd.read_csv(out / "next.csv")["gene"],
        pd.read_csv(out / "measured.csv")["gene"],
    )
    assert len(picks) and not set(picks) & set(measured)


@pytest.mark.parametrize(
    "command",
    [
        ["fit --screen s.csv --graph g.csv"],
        ["compare --screen s.csv --graph g.csv --strategies random --budgets 5"],
    ],
)
def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path, command):
    (tmp_path / "file").write_text("in the way")
    r = run(*command, "--out", tmp_path / "file" / "out")
    assert (
        r.exit_code == 1
        and f"the folder {tmp_path / 'file' / 'out'} could not be made" in r.stderr
        and "s.csv" not in r.stderr
    )


@pytest.mark.parametrize("option", ["--out", "--page", "--curve"])
def test_select_refuses_such_a_file_before_the_work(tmp_path, option):
    (tmp_path / "file").write_text("in the way")
    r = run(
        "select --graph",
        tmp_path / "none.csv",
        "--budget 2",
        option,
        tmp_path / "file" / "deep" / ("page.html" if option == "--page" else "picks.csv"),
    )
    assert r.exit_code == 1 and "could not be made" in r.stderr and "none.csv" not in r.stderr


def test_messages_give_advice_that_works(files, net, tmp_path):
    (tmp_path / "list.txt").write_text("TP53\nMYC\n")
    (tmp_path / "list.csv").write_text("gene\nTP53\n")
    (tmp_path / "far.txt").write_text("TP53\nMYC\n")
    (tmp_path / "odd.csv").write_text("thing,r1\nA,1\nB,2\n")
    select, fit = (
        ["select --graph", net, "--budget 2"],
        ["fit --graph", net, "--model gp --out", tmp_path / "o", "--screen"],
    )
    for args, says, not_says in [
        ([*fit, tmp_path], "is a folder; give a file", "no such file"),
        ([*fit, tmp_path / "odd.csv"], "--perturbation-key", "Traceback"),
        (
            [*fit, tmp_path / "odd.csv", "--set tunee=true"],
            "'gp' has no parameter 'tunee'; did you mean 'tune'?",
            "unknown",
        ),
        (["select --graph", tmp_path / "list.txt", "--budget 2"], "--candidates", "Traceback"),
        (["select --graph", tmp_path / "list.csv", "--budget 2"], "--candidates", "Traceback"),
        ([*select, "--must", tmp_path / "far.txt"], "take them off the list", "missing='report'"),
        (
            [*select, "--candidates", tmp_path / "far.txt", "--missing error"],
            "take them off the list",
            "missing='report'",
        ),
        (
            [*select, "--candidates", tmp_path / "far.txt"],
            "the candidates are called TP53, MYC; the genes of the graph A, B, C",
            "Traceback",
        ),
        ([*select, "--criterion active:bald"], "for a comparison only", "unknown"),
        (
            [
                "compare --screen s --graph g --strategies random --budgets 20;40 --out",
                tmp_path / "o",
            ],
            "'20;40' is not a whole number; separate numbers by commas",
            "int()",
        ),
    ]:
        r = run(*args)
        assert (
            r.exit_code == 1 and says in r.stderr.splitlines()[-1] and not_says not in r.stderr
        ), r.stderr


def test_strategies_can_be_added_to_a_comparison(files, tmp_path, no_figures):
    def ask(strategies, *more):
        how = ["--budgets 6,12 --model gp --jobs 1", *more]
        return run("compare", *on(files), "--strategies", strategies, *how)

    twice = "--seeds 2 --random-draws 2"
    assert "4 tasks in 1 process" in ask("random", twice, "--out", tmp_path / "a").stderr
    r = ask("degree,random", twice, "--resume --out", tmp_path / "a")
    assert (
        r.exit_code == 0
        and "4 of 6 tasks are done already" in r.stderr
        and "2 tasks in 1 process" in r.stderr
    )
    three = "degree,random,variance"
    assert ask(three, twice, "--resume --out", tmp_path / "a").exit_code == 0
    assert ask(three, twice, "--out", tmp_path / "b").exit_code == 0
    one, other = (
        pd.read_csv(tmp_path / o / "results.csv").drop(columns=["select_seconds", "fit_seconds"])
        for o in "ab"
    )
    pd.testing.assert_frame_equal(one, other)
    for more, says in [
        (["--seeds 3 --random-draws 2"], "seeds is 2 there and 3 here"),
        ([twice, "--top-k 1"], "another graph"),
        ([twice, "--standardize"], "standardize is False there"),
    ]:
        r = ask(three, *more, "--resume --out", tmp_path / "a")
        assert r.exit_code == 1 and says in r.stderr
    r = ask("random", twice, "--resume --out", tmp_path / "a")
    assert "strategies is ['degree', 'random', 'variance'] there" in r.stderr


def test_interrupted_is_exit_code_130(files, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("graphsel.benchmark.compare.run_all", stop)
    r = run(
        "compare",
        *on(files),
        "--strategies random --budgets 6 --model gp --jobs 1 --out",
        tmp_path / "o",
    )
    assert (
        r.exit_code == 130
        and "Aborted" not in r.stderr
        and "nothing was done yet; go on with --resume" in r.stderr
        and "kept" not in r.stderr
    )


def complete(command, option, text):
    from click.shell_completion import ShellComplete

    return [
        o.value
        for o in ShellComplete(main, {}, "graphsel", "_GRAPHSEL_COMPLETE").get_completions(
            [command, option], text
        )
    ]


def test_values_are_completed():
    from graphsel.benchmark.protocol import NOISE_KINDS, PRESETS
    from graphsel.models.registry import MODELS
    from graphsel.selection.greedy import METHODS

    assert complete("select", "--criterion", "var") == ["variance"] and not complete(
        "select", "--criterion", "active"
    )
    assert complete("compare", "--strategies", "random,variance,active:ba") == [
        f"random,variance,active:{n}" for n in ("bald", "batchbald", "bait", "badge")
    ]
    assert complete("compare", "--strategies", "variance,var") == []
    assert complete("select", "--missing", "") == [
        "report",
        "error",
        "drop",
        "backoff",
    ] and complete("select", "--method", "") == list(METHODS)
    assert (
        set(complete("compare", "--model", ""))
        == set(complete("fit", "--model", ""))
        == set(MODELS)
    )
    assert complete("compare", "--strategies", "") == list(STRATEGIES)
    assert complete("compare", "--preset", "") == list(PRESETS) and complete(
        "compare", "--noise-kind", ""
    ) == list(NOISE_KINDS)


def test_the_summary_of_variance_is_a_share_and_picks_know_their_origin(net, tmp_path):
    ask = ["select --graph", net, "--budget 2 --criterion variance --out", tmp_path / "picks.csv"]
    r = run(*ask)
    value = pd.read_csv(tmp_path / "picks.csv")["value"].iloc[-1]
    assert f"; the value is {value / 6:.1%} of the targets' variance" in r.stderr
    first = (tmp_path / "picks.run.json").read_bytes()
    assert json.loads(first)["criterion"] == "variance" and set(json.loads(first)["inputs"]) == {
        "net.csv"
    }
    assert run(*ask).exit_code == 0 and (tmp_path / "picks.run.json").read_bytes() == first
    reach = ["--criterion graphreach"]
    r = run("select --graph", net, "--budget 2", *reach)
    assert "of the targets' variance" not in r.stderr
