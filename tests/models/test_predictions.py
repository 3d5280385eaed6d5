"""Predictions in blocks: what is written is what `predict` says, whatever the size of the blocks."""

import anndata as ad
import helpers
import numpy as np
import pandas as pd
import pytest

from graphsel.core.errors import GraphselError
from graphsel.core.identity import layer_names
from graphsel.models import predictions
from graphsel.models.predictions import (
    genes_worth_asking,
    leaned_on,
    nearest_measured,
    predicted_bytes,
    size_text,
    write_predictions,
)
from graphsel.models.registry import rank_unmeasured


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(predictions, "BLOCK", 7)


@pytest.mark.parametrize("name", ["gp", "mean", "knn"])
@pytest.mark.parametrize("tables", [None, "csv", "parquet"])
def test_blocks_are_the_whole(name, tables, tmp_path, small_blocks):
    model = helpers.fitted(name)
    whole = model.predict(helpers.REST)
    ranked = write_predictions(model, helpers.REST, tmp_path, tables=tables)
    found = ad.read_h5ad(tmp_path / "predictions.h5ad")
    np.testing.assert_allclose(found.X, whole.X, rtol=1e-5, atol=1e-6)
    assert list(found.obs_names) == helpers.REST and found.uns["graphsel"] == whole.uns["graphsel"]
    assert set(found.layers) == set(whole.layers)
    for layer in whole.layers:
        np.testing.assert_allclose(found.layers[layer], whole.layers[layer], rtol=1e-4)
    expected = rank_unmeasured(model, whole)
    pd.testing.assert_frame_equal(ranked[expected.columns], expected, rtol=1e-4)
    files = {"predictions.h5ad"}
    if tables:
        read = pd.read_csv if tables == "csv" else pd.read_parquet
        table = read(tmp_path / f"predicted.{tables}").set_index("gene")
        np.testing.assert_allclose(table, whole.X, rtol=1e-5, atol=1e-6)
        files |= {f"predicted.{tables}"} | (
            {f"uncertainty.{tables}"} if layer_names(whole) else set()
        )
    assert {o.name for o in tmp_path.iterdir()} == files


def test_one_variance_where_space_counts(tmp_path):
    write_predictions(helpers.fitted("gp"), helpers.REST, tmp_path, every_layer=False)
    assert layer_names(ad.read_h5ad(tmp_path / "predictions.h5ad")) == ["predictive_variance"]


def test_nothing_half_written_stays(tmp_path, small_blocks, monkeypatch):
    model, calls = helpers.fitted("gp"), []
    answer = model._answer

    def fails_later(names):
        calls.append(names)
        if len(calls) > 1:
            raise MemoryError
        return answer(names)

    monkeypatch.setattr(model, "_answer", fails_later)
    with pytest.raises(MemoryError):
        write_predictions(model, helpers.REST, tmp_path, tables="csv")
    assert not list(tmp_path.iterdir())


def test_the_nearest_by_the_kernel(small_blocks):
    measured = helpers.PICKS
    table = nearest_measured(helpers.GRAPH, helpers.REST, measured)
    K = helpers.dense_kernel(helpers.GRAPH, (1, 2))
    at, own = helpers.GRAPH.index(measured), helpers.GRAPH.index(helpers.REST)
    expected = K[np.ix_(own, at)]
    np.testing.assert_allclose(table["similarity"], expected.max(axis=1), atol=1e-5)
    first = [names.split()[0] for names in table["nearest"]]
    for name, row in zip(first, expected, strict=True):
        assert row[measured.index(name)] == pytest.approx(row.max(), abs=1e-5)


@pytest.mark.parametrize("name", ["gp", "ridge", "gnn"])
def test_a_prediction_leans_on_what_weighs_most_in_it(name):
    model = helpers.fitted(name)
    names = [*helpers.REST[:9], "nobody"]
    Y = helpers.SCREEN[model.perturbations_].X.astype(float)
    W = model._weights(names)
    np.testing.assert_allclose(W @ Y, model._predict(names)[0], atol=1e-4)
    table = leaned_on(model, names)
    for named, row in zip(table["nearest"], W, strict=True):
        size = np.abs(row)[[model.perturbations_.index(n) for n in named.split()]]
        np.testing.assert_allclose(size, np.sort(np.abs(row))[::-1][: len(size)], atol=1e-8)
    first = [n.split()[0] for n in table["nearest"][:9]]
    K = helpers.dense_kernel(helpers.GRAPH, (1, 2))
    near = K[helpers.GRAPH.index(names[:9]), helpers.GRAPH.index(first)]
    np.testing.assert_allclose(table["similarity"][:9], near, atol=1e-5)


def test_without_weights_the_nearest_are_named():
    found = leaned_on(helpers.fitted("knn"), helpers.REST)
    pd.testing.assert_frame_equal(
        found, nearest_measured(helpers.GRAPH, helpers.REST, helpers.PICKS)
    )


def test_more_hops_of_a_model_do_not_change_what_is_near():
    names, measured = helpers.REST, helpers.PICKS
    expected = nearest_measured(helpers.GRAPH, names, measured)
    for hops in [(1, 2, 3), (3, 1, 2), (3,)]:
        found = nearest_measured(helpers.GRAPH, names, measured, hops=hops)
        pd.testing.assert_frame_equal(found, expected)


def test_genes_worth_asking_are_the_nearest():
    measured = helpers.GENES[:8]  # one module of the toy
    chosen = genes_worth_asking(helpers.GRAPH, measured, 10)
    others = [g for g in helpers.GENES if g not in measured]
    best = nearest_measured(helpers.GRAPH, others, measured, k=1).set_index("gene")["similarity"]
    assert len(chosen) == 10 and not set(chosen) & set(measured)
    assert best[chosen].min() >= best.drop(chosen).max() - 1e-9
    assert genes_worth_asking(helpers.GRAPH, measured, 99) == others


def test_sizes_and_refusals(tmp_path):
    assert predicted_bytes(2000, 8000) == 128_000_000 and size_text(128_000_000) == "128 MB"
    with pytest.raises(GraphselError, match="csv or parquet"):
        write_predictions(helpers.fitted("gp"), helpers.REST, tmp_path, tables="xls")
