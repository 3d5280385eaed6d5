"""The second round in the shell: `select --screen`, `--pending`, learners, and `fit --next`."""

from html import escape

import anndata as ad
import pandas as pd
import pytest
from click.testing import CliRunner

from graphsel.cli.main import main
from graphsel.datasets.simulate import simulated_screen
from graphsel.graphs.readers.read import read_graph
from graphsel.models.validation import validate


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    "A third of a simulated screen, and its graph."
    folder = tmp_path_factory.mktemp("rounds")
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    files = sim.write(folder)
    first = ad.read_h5ad(files["screen"])[::3].copy()
    first.write_h5ad(folder / "round1.h5ad")
    (folder / "pending.txt").write_text("\n".join(sim.screen.obs_names[1:4]))
    return folder, files["edges"], set(first.obs_names), set(sim.screen.obs_names[1:4])


def run(*args):
    return CliRunner().invoke(main, [str(o) for o in args])


@pytest.mark.parametrize("criterion", ["variance", "graphreach", "active:bait"])
def test_the_next_round(job, tmp_path, criterion):
    folder, edges, first, pending = job
    ask = ["select", "--graph", edges, "--screen", folder / "round1.h5ad", "--budget", 5]
    ask += ["--pending", folder / "pending.txt", "--criterion", criterion]
    r = run(*ask, "--out", tmp_path / "round2.csv")
    assert r.exit_code == 0, r.output
    picks = pd.read_csv(tmp_path / "round2.csv")["gene"]
    assert len(picks) == 5 and not set(picks) & (first | pending)
    if criterion == "variance":
        assert "learned from" in r.stderr


def test_the_page_says_how_good_a_model_of_the_results_is(job, tmp_path):
    ask = ["select", "--graph", job[1], "--screen", job[0] / "round1.h5ad", "--budget", 5]
    r = run(*ask, "--page", tmp_path / "page.html")
    assert r.exit_code == 0, r.output
    screen, graph = ad.read_h5ad(job[0] / "round1.h5ad"), read_graph(job[1])
    told = str(validate("gp", screen, graph, random_state=0))
    assert f"graphsel: {told}\n" in r.stderr
    assert escape(told) in (tmp_path / "page.html").read_text()
    first = screen[:3].copy()
    first.write_h5ad(tmp_path / "three.h5ad")
    ask[4] = tmp_path / "three.h5ad"
    r = run(*ask, "--page", tmp_path / "page.html")
    assert r.exit_code == 0 and "3 perturbations are too few to judge a model" in r.stderr


def test_a_learner_needs_a_screen(job):
    r = run("select", "--graph", job[1], "--budget", 5, "--criterion", "active:bait")
    assert r.exit_code == 1 and "--screen" in r.stderr


def test_the_screen_is_not_overwritten(job, tmp_path):
    folder, edges, *_ = job
    screen = folder / "round1.h5ad"
    before = screen.read_bytes()
    (tmp_path / "round1.csv").symlink_to(screen)
    ask = ["select", "--graph", edges, "--screen", screen, "--budget", 5]
    r = run(*ask, "--out", tmp_path / "round1.csv")
    assert r.exit_code == 1 and "same file" in r.stderr and screen.read_bytes() == before


def test_fit_plans_the_next_round(job, tmp_path):
    folder, edges, first, _ = job
    ask = ["fit", "--screen", folder / "round1.h5ad", "--graph", edges, "--model", "gp"]
    r = run(*ask, "--next", 6, "--folds", 4, "--out", tmp_path / "out")
    assert r.exit_code == 0, r.output
    assert "of your 20 perturbations" in r.stderr
    picks = pd.read_csv(tmp_path / "out" / "next.csv")
    assert list(picks.columns[:4]) == ["rank", "gene", "gain", "value"]
    assert len(picks) == 6 and not set(picks["gene"]) & first
    same = run(
        *("select", "--graph", edges, "--screen", folder / "round1.h5ad", "--budget", 6),
        *("--out", tmp_path / "same.csv"),
    )
    assert same.exit_code == 0
    assert list(pd.read_csv(tmp_path / "same.csv")["gene"]) == list(picks["gene"])


def test_what_is_under_way_is_not_planned_by_fit(job, tmp_path):
    folder, edges, first, pending = job
    ask = ["fit", "--screen", folder / "round1.h5ad", "--graph", edges, "--model", "gp"]
    ask += ["--folds", 0, "--pending", folder / "pending.txt", "--out", tmp_path / "out"]
    r = run(*ask)
    assert r.exit_code == 2 and "--next" in r.stderr
    r = run(*ask, "--next", 6)
    assert r.exit_code == 0, r.output
    picks = pd.read_csv(tmp_path / "out" / "next.csv")["gene"]
    assert len(picks) == 6 and not set(picks) & (first | pending)
