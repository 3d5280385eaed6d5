"""`graphsel fit`: sizes are said, genes are chosen, formats are asked for, the last line says how good it is."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from graphsel.core.identity import layer_names
from graphsel.cli import fit
from graphsel.cli.main import main
from graphsel.datasets.simulate import simulated_screen
from graphsel.models import predictions


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    "Half of a simulated screen, and its graph."
    folder = tmp_path_factory.mktemp("job")
    sim = simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)
    files = sim.write(folder)
    half = ad.read_h5ad(files["screen"])[::2].copy()
    half.write_h5ad(folder / "half.h5ad")
    return ["--screen", folder / "half.h5ad", "--graph", files["edges"], "--model", "gp"], half


def run(job, out, *more):
    r = CliRunner().invoke(main, [str(o) for o in ("fit", *job[0], "--out", out, *more)])
    assert r.exit_code == 0, r.output
    return r.stderr, {o.name for o in out.iterdir()}


def test_it_says_how_good_it_is(job, tmp_path):
    told, files = run(job, tmp_path / "out", "--folds", 5)
    assert "of your 28 perturbations" in told or "your 28 perturbations do not tell" in told
    table = pd.read_csv(tmp_path / "out" / "validation.csv")
    assert list(table["model"][:3]) == ["gp", "mean", "nearest neighbor"]
    hidden = ad.read_h5ad(tmp_path / "out" / "validation.h5ad")
    truth = job[1][hidden.obs_names].X
    np.testing.assert_allclose(hidden.layers["measured"], truth, rtol=1e-4, atol=1e-6)
    error = ((hidden.X - truth) ** 2).mean()
    assert table["error"][0] == pytest.approx(error, rel=1e-4)


def test_no_folds_no_judgement(job, tmp_path):
    told, files = run(job, tmp_path / "out", "--folds", 0)
    assert "mean of your" not in told and not {"validation.csv", "validation.h5ad"} & files


@pytest.mark.parametrize(
    "form,beside",
    [("h5ad", set()), ("parquet", {"parquet"}), ("csv", {"csv"}), ("auto", {"csv"})],
)
def test_formats(job, tmp_path, form, beside):
    _, files = run(job, tmp_path / "out", "--format", form, "--folds", 0)
    tables = {f"{name}.{end}" for name in ("predicted", "uncertainty") for end in beside}
    assert files == {"predictions.h5ad", "ranked.csv", "measured.csv", "missing.csv"} | tables


def test_large_tables_are_not_written_as_text_unless_asked(job, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "_SMALL", 100)
    _, files = run(job, tmp_path / "out", "--folds", 0)
    assert "predicted.csv" not in files
    assert layer_names(ad.read_h5ad(tmp_path / "out" / "predictions.h5ad")) == [
        "predictive_variance"
    ]
    _, files = run(job, tmp_path / "out", "--folds", 0, "--format", "csv")
    assert {"predicted.csv", "uncertainty.csv"} <= files
    _, files = run(job, tmp_path / "out", "--folds", 0)
    assert "predicted.csv" not in files  # those of the run before are of other numbers


def test_the_size_is_said_and_the_nearest_genes_are_taken(job, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions.genes_worth_asking, "__defaults__", (12,))
    told, _ = run(job, tmp_path / "out", "--folds", 0)
    assert "predicting 12 genes x 40 responses, about" in told and "--genes all" in told
    ranked = pd.read_csv(tmp_path / "out" / "ranked.csv")
    assert (
        len(ranked) == 12 and (ranked["similarity"] > 0).all() and ranked["nearest"].notna().all()
    )
    told, _ = run(job, tmp_path / "all", "--folds", 0, "--genes", "all")
    assert len(pd.read_csv(tmp_path / "all" / "ranked.csv")) > 12
