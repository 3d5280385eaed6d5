"""Cells of several lines in one file: `fit` refuses to pool them, and compares within each where it is told to."""

import shlex
from dataclasses import asdict

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from graphsel.cli.main import main
from graphsel.cli.options import GraphFiles, ScreenFile, as_options
from graphsel.cli.select import select_command

GENES = [f"P{i:02d}" for i in range(24)]
LINES = {"A549": 0.0, "K562": 5.0}  # what the control cells of a line have more


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    "Cells of two lines, the perturbed ones unevenly; a ring of genes; the truth."
    folder, rng = tmp_path_factory.mktemp("lines"), np.random.default_rng(0)
    truth = pd.DataFrame(rng.normal(size=(len(GENES), 6)), GENES, list("abcdef"))
    obs, X = [], []
    for i, gene in enumerate(["control", *GENES]):
        effect = truth.loc[gene].to_numpy() if gene in truth.index else np.zeros(6)
        for line, level in LINES.items():
            n = 20 if gene == "control" else (2 if (i + (line == "K562")) % 2 else 14)
            obs += [(gene, line)] * n
            X.append(level + effect + rng.normal(scale=0.3, size=(n, 6)))
    index = [f"cell{i}" for i in range(len(obs))]
    table = pd.DataFrame(obs, index, ["perturbation", "cell_line"])
    values = np.concatenate(X).astype(np.float32)
    cells = ad.AnnData(values, table, pd.DataFrame(index=truth.columns))
    cells.write_h5ad(folder / "cells.h5ad")
    names = [*GENES, "NEXT"]
    ring = [f"{a}\t{b}" for a, b in zip(names, names[1:] + names[:1], strict=True)]
    (folder / "ring.tsv").write_text("source\ttarget\n" + "\n".join(ring))
    alone = [o for o in ring if "NEXT" not in o]
    (folder / "alone.tsv").write_text("source\ttarget\n" + "\n".join(alone))
    return folder, truth


def run(job, out, *more, graph="ring.tsv"):
    files = ["--screen", job[0] / "cells.h5ad", "--graph", job[0] / graph, "--model", "gp"]
    return CliRunner().invoke(main, [str(o) for o in ("fit", *files, *more, "--out", out)])


def test_lines_are_not_pooled_unless_told(job, tmp_path):
    r = run(job, tmp_path / "out")
    assert r.exit_code == 1 and not (tmp_path / "out" / "ranked.csv").exists()
    for option in ("--covariate cell_line", "--where", "--pool cell_line", "A549, K562"):
        assert option in r.stderr


@pytest.mark.parametrize(
    "option,right",
    [("--covariate", True), ("--where", True), ("--pool", False)],
)
def test_each_cell_is_compared_with_the_controls_of_its_line(job, tmp_path, option, right):
    value = "cell_line=A549" if option == "--where" else "cell_line"
    r = run(job, tmp_path, option, value, "--folds", 4)
    assert r.exit_code == 0, r.output
    hidden = ad.read_h5ad(tmp_path / "validation.h5ad")
    measured = pd.DataFrame(hidden.layers["measured"], hidden.obs_names, hidden.var_names)
    _, truth = job
    found = np.corrcoef(measured.to_numpy().ravel(), truth.loc[measured.index].to_numpy().ravel())
    assert (found[0, 1] > 0.9) == right


def test_the_suggested_command_reads_the_screen_as_fit_did(job, tmp_path):
    r = run(job, tmp_path / "out", "--covariate", "cell_line", "--folds", 0, "--seed", 3)
    ask = shlex.split(r.stderr.partition("is a plan:\n")[2].splitlines()[0])
    assert ask[:2] == ["graphsel", "select"]
    assert "--covariate cell_line" in " ".join(ask) and "--seed 3" in " ".join(ask)
    r = CliRunner().invoke(main, ask[1:])
    assert r.exit_code == 0, r.stderr
    assert list(pd.read_csv(tmp_path / "out" / "next.csv")["gene"]) == ["NEXT"]


def test_every_option_comes_back():
    sources = GraphFiles(
        *(("a.csv", "b.csv"), ("p.csv",), 5, True, ("a.csv:source=A,target=B",), ("none",)),
        *(("a.csv:edges",), ("9606",)),
    )
    text = dict.fromkeys(("perturbation_key", "control", "separator", "covariate", "pool"), "x")
    text |= {"layer": "y", "labels": "z", "where": ("a=1", "b!=2"), "min_cells": 3}
    screen = ScreenFile("s.h5ad", **text, use_raw=True, transpose=True, normalize=True)
    words = [*as_options(screen), *as_options(sources), "--budget", "5"]
    read = select_command.make_context("select", words).params
    given = asdict(sources) | asdict(screen)
    assert given.pop("guides") is None  # it is another thing in select
    assert all(given.values()) and {k: read[k] for k in given} == given


def test_a_graph_of_measured_genes_only_leaves_nothing_to_predict(job, tmp_path):
    r = run(job, tmp_path / "out", "--where", "cell_line=A549", graph="alone.tsv")
    assert r.exit_code == 1 and "every gene of the graph was perturbed" in r.stderr
