"""Cells of every storage become the same screen: oracles are all pairs of cells, NumPy and scanpy."""

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.identity import layer_names
from graphsel.core.errors import GraphselError
from graphsel.genes.perturbations import perturbation_name
from graphsel.plotting.screens import plot_cells, plot_knockdown
from graphsel.screens.cells import cell_moments, group_sums
from graphsel.screens.formats import open_cells
from graphsel.screens.from_cells import screen_from_cells, screens_from_cells
from graphsel.screens.from_tables import screen_from_lists, screen_from_table
from graphsel.screens.labels import find_controls, read_labels, split_labels
from graphsel.screens.qc import (
    de_genes,
    expressed_candidates,
    knockdown,
    top_non_dropout,
    variable_genes,
)
from graphsel.screens.read import read_screen, write_screen
from graphsel.screens.screen import left_out, screen_report
from graphsel.screens.tables import as_numbers, average_replicates, ranked_responses, read_rows

SEEDS = st.integers(0, 2**32 - 1)
LABELS = ["ctrl"] * 60 + ["A+ctrl"] * 50 + ["A+B"] * 40 + ["ctrl+B"] * 30 + ["C"] * 20


def values(rng, cells=200, genes=23, zeros=0.6):
    return (
        np.round(rng.gamma(1.5, size=(cells, genes)), 6) * (rng.random((cells, genes)) > zeros)
    ).astype(np.float32)


def cells(X, labels, key="condition", **obs):
    return ad.AnnData(
        X,
        obs=pd.DataFrame({key: list(labels), **obs}, index=[f"c{i}" for i in range(len(labels))]),
        var=pd.DataFrame(index=[f"g{i:03}" for i in range(X.shape[1])]),
    )


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(0)
    adata = cells(
        values(rng),
        LABELS,
        batch=rng.choice(["1", "2", "3"], 200),
        donor=rng.choice(["k562", "rpe1"], 200),
    )
    return adata[rng.permutation(200)].copy()


def assert_same(a, b, rtol=1e-9):
    assert list(a.obs_names) == list(b.obs_names) and list(a.var_names) == list(b.var_names)
    np.testing.assert_allclose(a.X, b.X, rtol=1e-5, atol=1e-6)
    for k in ("m2", "m3", "m4", "de_score"):
        np.testing.assert_allclose(
            a.layers[k], b.layers[k], rtol=max(rtol, 1e-6 if k == "de_score" else 0), atol=1e-9
        )
    np.testing.assert_array_equal(a.layers["top_de"], b.layers["top_de"])
    pd.testing.assert_frame_equal(a.obs, b.obs)
    pd.testing.assert_frame_equal(a.var, b.var, rtol=rtol)


# ---- storage ----


def stored(adata, how, folder):
    "The same cells in another storage, and the options to read them."
    other, options = adata.copy(), {}
    if "csr" in how:
        other.X = sp.csr_matrix(other.X)
    if "csc" in how:
        other.X = sp.csc_matrix(other.X)
    if "layer" in how:
        other.layers["log"], other.X, options = (
            other.X,
            sp.csr_matrix(other.shape, dtype=np.float32),
            {"layer": "log"},
        )
    if "raw" in how:
        other.raw = other.copy()
        other, options = other[:, :3].copy(), {"use_raw": True}
    if "view" in how:
        other = ad.concat([other, other[:7]], index_unique="-", merge="same")
    if "disk" in how or "lazy" in how:
        path = folder / ("cells.zarr" if "zarr" in how else "cells.h5ad")
        other.write_zarr(path) if "zarr" in how else other.write_h5ad(path)
        if "file" in how:
            return path, options
        other = ad.experimental.read_lazy(path) if "lazy" in how else ad.read_h5ad(path, backed="r")
    if "view" in how:
        other = other[np.arange(len(other)) < adata.n_obs]
    return other, options


@pytest.mark.parametrize("covariate", [None, "batch"])
@pytest.mark.parametrize(
    "how",
    [
        "dense",
        "csr",
        "csc",
        "csr view",
        "csc view",
        "dense view",
        "csr layer",
        "csc layer",
        "csr raw",
        "disk dense",
        "disk csr",
        "disk csc",
        "disk csr view",
        "disk csc view",
        "disk dense view",
        "disk csr raw",
        "disk file csr",
        "disk file csc",
        "disk file csr layer",
        "disk file csr raw",
        "disk file zarr csr",
        "disk file zarr csc",
        "disk file zarr dense",
        "lazy csr",
        "lazy csc",
        "lazy dense",
        "lazy zarr csr",
        "lazy csr view",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_every_storage_gives_the_same_screen(population, how, covariate, tmp_path):
    if "lazy" in how:
        pytest.importorskip("xarray", reason="anndata's lazy reading needs dask and xarray")
    expected = screen_from_cells(population, covariate=covariate)
    other, options = stored(population, how, tmp_path)
    found = (
        read_screen(other, covariate=covariate, chunk=7, **options)
        if "file" in how
        else screen_from_cells(other, covariate=covariate, chunk=7, **options)
    )
    assert_same(found, expected)


@pytest.mark.parametrize("chunks", [(7, 23), (200, 4), (50, 9), (200, 23)], ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_dask_gives_the_same_screen(population, chunks, normalize):
    da = pytest.importorskip("dask.array", reason="dask is an extra")
    whole = population.copy()
    if normalize:
        whole.X = np.random.default_rng(0).poisson(2.0, whole.shape).astype(np.float32)
    for sparse in (False, True):
        lazy = whole.copy()
        lazy.X = da.from_array(whole.X, chunks=chunks)
        if sparse:
            lazy.X = lazy.X.map_blocks(sp.csr_matrix)
        for options in ({}, {"covariate": "batch"}, {"genes": ["g009", "g002"]}):
            assert_same(
                screen_from_cells(lazy, normalize=normalize, **options),
                screen_from_cells(whole, normalize=normalize, **options),
            )


@given(seed=SEEDS, chunk=st.integers(1, 250))
@settings(max_examples=15)
def test_the_chunk_changes_no_bit(seed, chunk):
    rng = np.random.default_rng(seed)
    X, codes = values(rng), rng.integers(-1, 4, size=200)
    expected = group_sums(X, codes, 4, n_counted=2)
    for kind in (np.asarray, sp.csr_matrix, sp.csc_matrix):
        found = group_sums(kind(X), codes, 4, n_counted=2, chunk=chunk)
        np.testing.assert_array_equal(found.powers, expected.powers)
        np.testing.assert_array_equal(found.positive, [(X[codes == g] != 0).sum(0) for g in (0, 1)])
        assert found.seen == expected.seen


def test_repeated_entries_of_a_sparse_matrix_are_added_first(population):
    other = population.copy()
    half = sp.coo_matrix(population.X / 2)
    other.X = _twice(half)
    assert_same(screen_from_cells(other), screen_from_cells(population))


def _twice(half):
    order = np.argsort(np.r_[half.row, half.row], kind="stable")
    row, col, data = (np.r_[o, o][order] for o in (half.row, half.col, half.data))
    return sp.csr_matrix(
        (data, col, np.searchsorted(row, np.arange(half.shape[0] + 1))), shape=half.shape
    )


def test_a_selection_that_repeats_cells(population):
    take = np.random.default_rng(1).integers(200, size=300)
    assert_same(screen_from_cells(population[take]), screen_from_cells(population[take].copy()))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_genes_by_name(population, kind):
    other = population.copy()
    other.X = kind(other.X)
    names = ["g020", "g003", "g011"]
    assert_same(
        screen_from_cells(other, genes=names, covariate="batch"),
        screen_from_cells(population[:, names].copy(), covariate="batch"),
    )
    assert_same(
        screen_from_cells(other[:, 5:], genes=["g020", "g011"]),
        screen_from_cells(population[:, ["g020", "g011"]].copy()),
    )
    with pytest.raises(GraphselError, match="not measured: TP53"):
        screen_from_cells(other, genes=["TP53"])


def test_a_bad_value_in_a_gene_nobody_wants(population):
    other = population.copy()
    other.X[5, 2] = np.nan
    assert_same(
        screen_from_cells(other, genes=["g001"]), screen_from_cells(population, genes=["g001"])
    )
    with pytest.raises(GraphselError, match=f"cell '{other.obs_names[5]}', gene 'g002'"):
        screen_from_cells(other, genes=["g002", "g001"])


# ---- covariates ----


@given(seed=SEEDS, n_batches=st.integers(1, 4))
@settings(max_examples=20)
def test_matched_moments_are_those_of_all_pairs_within_a_batch(seed, n_batches):
    rng = np.random.default_rng(seed)
    X, unit, batch = (
        values(rng, 60, 4),
        rng.integers(-1, 3, size=60),
        rng.integers(n_batches, size=60),
    )
    unit[:n_batches], batch[:n_batches] = -1, np.arange(n_batches)  # a control in each batch
    unit[-3:] = [0, 1, 2]
    m = cell_moments(sp.csr_matrix(X), unit, batch)
    X = X.astype(float)
    for u in range(3):
        for k in (1, 2, 3, 4):
            expected = np.mean(
                [
                    ((X[i] - X[(unit == -1) & (batch == batch[i])]) ** k).mean(0)
                    for i in np.flatnonzero(unit == u)
                ],
                axis=0,
            )
            np.testing.assert_allclose(m.difference[k - 1, u], expected, rtol=1e-9, atol=1e-9)
        centered = np.array(
            [
                X[i] - X[(unit == -1) & (batch == batch[i])].mean(0)
                for i in np.flatnonzero(unit == u)
            ]
        )
        np.testing.assert_allclose(m.variance[u], centered.var(0), atol=1e-9)
        np.testing.assert_allclose(m.mean[u], X[unit == u].mean(0), atol=1e-9)


def test_a_shift_of_a_batch_disappears(population):
    shifted = population.copy()
    shifted.X = shifted.X + 3 * (shifted.obs["batch"].to_numpy() == "2")[:, None].astype(np.float32)
    a, b = (
        screen_from_cells(shifted, covariate="batch"),
        screen_from_cells(population, covariate="batch"),
    )
    np.testing.assert_allclose(a.X, b.X, atol=1e-5)
    np.testing.assert_allclose(a.layers["m4"], b.layers["m4"], rtol=1e-4)
    assert a.uns["graphsel"]["covariate"] == "batch"


def test_two_covariates_are_their_combinations(population):
    both = population.copy()
    both.obs["both"] = both.obs["batch"] + both.obs["donor"]
    assert_same(
        screen_from_cells(both, covariate=["batch", "donor"]),
        screen_from_cells(both, covariate="both"),
    )


def test_a_batch_without_control(population):
    other = population.copy()
    name, control = (
        other.obs["condition"].map(perturbation_name).to_numpy(),
        (other.obs["condition"] == "ctrl").to_numpy(),
    )
    other.obs.loc[(other.obs["batch"] == "3") & control, "batch"] = "1"
    with pytest.raises(GraphselError, match="cells have no control cells of their own: . in 3"):
        screen_from_cells(other, covariate="batch")
    screen = screen_from_cells(other, covariate="batch", unmatched="drop")
    lost = (other.obs["batch"] == "3").to_numpy() & ~control
    assert (
        left_out(screen).set_index("perturbation")["n_cells"].to_dict()
        == pd.Series(name[lost]).value_counts().to_dict()
    )
    assert screen.obs["n_cells"].sum() == (~lost & ~control).sum()
    assert_same(screen, screen_from_cells(other[~lost].copy(), covariate="batch"))
    with pytest.raises(GraphselError, match="unmatched"):
        screen_from_cells(other, covariate="batch", unmatched="guess")
    with pytest.raises(GraphselError, match="no column lane"):
        screen_from_cells(other, covariate="lane")
    other.obs["batch"] = other.obs["batch"].where(np.arange(200) != 4, None)
    with pytest.raises(GraphselError, match=f"no batch, the first is {other.obs_names[4]}"):
        screen_from_cells(other, covariate="batch")


def test_a_screen_per_cell_type_is_that_of_its_cells(population):
    screens = screens_from_cells(population, by="donor", covariate="batch")
    assert list(screens) == ["k562", "rpe1"]
    for level, screen in screens.items():
        assert_same(
            screen,
            screen_from_cells(
                population[population.obs["donor"] == level].copy(), covariate="batch"
            ),
        )
        assert screen.uns["graphsel"]["level"] == level


def test_few_cells_are_left_out_and_reported(population, caplog):
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = screen_from_cells(population, min_cells=35)
    assert (
        list(screen.obs_names) == ["A", "A+B"]
        and "B (fewer than 35 cells), C (fewer than 35 cells)" in caplog.text
    )
    assert left_out(screen)["n_cells"].tolist() == [30, 20]
    assert_same(screen, screen_from_cells(population)[["A", "A+B"]].copy())
    with pytest.raises(GraphselError, match="no perturbation is left"):
        screen_from_cells(population, min_cells=1000)
    with pytest.raises(GraphselError, match="min_cells"):
        screen_from_cells(population, min_cells=0)


# ---- spellings ----


@pytest.mark.parametrize(
    "key,control,pair,more",
    [
        ("condition", "ctrl", "A+B", {}),
        ("perturbation", "control", "A_B", {}),
        ("perturbation", "control", "A_B", {"nperts": [0, 0, 1, 1, 2, 1]}),
        ("gene", "non-targeting", "A+B", {}),
        ("target_gene", "non-targeting", "A+B", {}),
    ],
    ids=str,
)
def test_spellings_are_recognized_and_recorded(key, control, pair, more, caplog):
    adata = cells(
        values(np.random.default_rng(0), 6),
        [control, control, "A", "B", pair, "HLA-A"],
        key,
        **more,
    )
    with caplog.at_level(logging.INFO, "graphsel"):
        screen = screen_from_cells(adata)
    assert list(screen.obs_names) == ["A", "A+B", "B", "HLA-A"]
    about = screen.uns["graphsel"]
    assert (about["perturbation_key"], about["control"], about["separator"]) == (
        key,
        control,
        pair[1],
    )
    assert f"perturbations read from obs['{key}'], control is '{control}'" in caplog.text
    assert {"perturbation_key", "control", "separator"} <= set(screen_report(screen)["what"])


@pytest.mark.parametrize(
    "labels,options,says",
    [
        (["control", "A", "HLA_A"], {}, "one gene or a pair. HLA_A.*separator='_'.*separator=.\\+"),
        (["control", "g001_g002", "g001_g002_x"], {}, "g001_g002_x"),
        (["control", "ctrl", "A"], {}, "several names of control cells: control, ctrl"),
        (["control", "ctrl", "A"], {"control": "ctrl"}, "also holds control"),
        (["LacZ", "A", "B"], {}, "perhaps perturbation_key='perturbation', control='LacZ'"),
        (["control", "A", "B"], {"control": ["control", "NT"]}, "no cell is called NT"),
        (["control", "control"], {}, "nothing was perturbed"),
    ],
    ids=str,
)
def test_what_cannot_be_told_is_asked(labels, options, says):
    with pytest.raises(GraphselError, match=says):
        screen_from_cells(
            cells(values(np.random.default_rng(0), len(labels)), labels, "perturbation"), **options
        )


def test_the_underscore_follows_the_evidence():
    adata = cells(
        values(np.random.default_rng(0), 4), ["control", "A", "HLA_A", "A_B"], "perturbation"
    )
    with pytest.raises(GraphselError, match="HLA_A, A_B"):
        screen_from_cells(adata)
    assert list(screen_from_cells(adata, separator="+").obs_names) == ["A", "A_B", "HLA_A"]
    assert list(screen_from_cells(adata, separator="_").obs_names) == ["A", "A+B", "A+HLA"]
    adata.var_names = ["HLA_A", "A", "B", *adata.var_names[3:]]
    assert list(screen_from_cells(adata).obs_names) == ["A", "A+B", "HLA_A"]
    assert split_labels(["A_B", "A", "B"], genes=["A_B"], n_genes={"A_B": 2})["A_B"] == ("A", "B")
    with pytest.raises(GraphselError):
        split_labels(["A_B", "A", "B"], genes=["A_B"])  # both are possible


def test_two_columns_that_disagree_or_agree():
    obs = pd.DataFrame(
        {"condition": ["ctrl", "A+ctrl", "A+B"], "perturbation": ["control", "A", "B_A"]}
    )
    assert find_controls(obs) == ("condition", ("ctrl",))
    with pytest.raises(
        GraphselError, match=r"differ: condition \(control ctrl\); perturbation \(control control\)"
    ):
        find_controls(obs.assign(perturbation=["control", "A", "C"]))
    assert find_controls(obs.assign(perturbation=["control", "A", "C"]), "perturbation") == (
        "perturbation",
        ("control",),
    )


def test_pooled_controls_and_a_gene_called_ctrl():
    obs = pd.DataFrame({"perturbation": ["control", "NT", "CTRL", "A+NT"]})
    code, names, *_ = read_labels(obs, control=["control", "NT"])
    assert list(names[code]) == ["control", "control", "CTRL", "A"]


def test_categories_with_unused_levels_and_unicode(population):
    other = population.copy()
    label = other.obs["condition"].replace({"C": "TNF-α", "A+ctrl": "日本+ctrl", "A+B": "日本+B"})
    other.obs["condition"] = pd.Categorical(
        label, categories=["never", "ctrl+never", *sorted(set(label))]
    )
    screen = screen_from_cells(other)
    assert list(screen.obs_names) == ["B", "B+日本", "TNF-α", "日本"]
    np.testing.assert_array_equal(screen["TNF-α"].X, screen_from_cells(population)["C"].X)
    # a subset of rows leaves levels unused too
    assert list(screen_from_cells(other[other.obs["condition"] != "TNF-α"]).obs_names) == [
        "B",
        "B+日本",
        "日本",
    ]


def test_names_that_are_numbers():
    adata = cells(values(np.random.default_rng(0), 4), [0, 1, 7157, 7157], "entrez")
    assert list(screen_from_cells(adata, perturbation_key="entrez", control="0").obs_names) == [
        "1",
        "7157",
    ]


# ---- values ----


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.filterwarnings("ignore")
def test_counts_are_normalized_as_scanpy_does(kind, caplog):
    import scanpy as sc

    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, size=(200, 1)) * rng.gamma(1, size=23)).astype(np.float32)
    counts[3] = 0  # an empty cell
    adata, whole = (
        cells(kind(counts), LABELS, batch=["1", "2"] * 100),
        cells(counts.copy(), LABELS, batch=["1", "2"] * 100),
    )
    with caplog.at_level(logging.WARNING, "graphsel"):
        raw = screen_from_cells(adata)
    assert (
        "look like raw counts" in caplog.text
        and "give normalize=True" in raw.uns["graphsel"]["notes"]
    )
    sc.pp.normalize_total(whole, target_sum=1e4)
    sc.pp.log1p(whole)
    for options in ({}, {"covariate": "batch"}):
        assert_same(
            screen_from_cells(adata, normalize=True, chunk=9, **options),
            screen_from_cells(whole, **options),
            rtol=1e-5,
        )
    assert_same(
        screen_from_cells(adata, normalize=True, genes=["g004"]),
        screen_from_cells(whole, genes=["g004"]),
        rtol=1e-5,
    )
    assert "10,000" in screen_from_cells(adata, normalize=True).uns["graphsel"]["normalized"]


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int64, np.float16, ">f4", "U5", object], ids=str
)
def test_numbers_of_any_type(dtype):
    X = np.random.default_rng(0).integers(0, 2, size=(200, 5))
    adata = cells(X.astype(np.float64), LABELS)
    adata.layers["other"] = X.astype(dtype) if dtype is not object else X.astype(str).astype(object)
    screen = screen_from_cells(adata, layer="other")
    assert_same(screen, screen_from_cells(adata))
    assert ("written as text" in screen.uns["graphsel"].get("notes", "")) == (
        dtype in ("U5", object)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e100])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize("covariate", [None, "batch"])
@pytest.mark.parametrize("where", ["ctrl", "A+B"])
def test_a_value_that_is_no_number(population, bad, kind, covariate, where):
    other = population.copy()
    X = other.X.astype(np.float64)
    at = int(np.flatnonzero(other.obs["condition"] == where)[3])
    X[at, 11] = bad
    other.X = kind(X)
    with pytest.raises(
        GraphselError,
        match="g011" if bad == 1e100 else f"cell '{other.obs_names[at]}', gene 'g011'",
    ):
        screen_from_cells(other, covariate=covariate, chunk=13)


def test_values_below_zero_are_said(population, caplog):
    other = population.copy()
    other.X[7, 2] = -3.5
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = screen_from_cells(other)
    assert (
        f"-3.5 in cell '{other.obs_names[7]}', gene 'g002'" in caplog.text
        and "below zero" in screen.uns["graphsel"]["notes"]
    )
    with pytest.raises(GraphselError, match="cannot be negative"):
        screen_from_cells(other, normalize=True)
    with pytest.raises(GraphselError, match="expects counts, but there are fractions"):
        screen_from_cells(population, normalize=True)


def test_values_on_a_linear_scale_are_said(population):
    other = population.copy()
    other.X = other.X * 1000
    assert "not on a log scale" in screen_from_cells(other).uns["graphsel"]["notes"]


def test_text_that_is_no_number(population):
    other = population.copy()
    other.layers["text"] = np.where(other.X > 2, "high", "1")
    with pytest.raises(GraphselError, match="not a number"):
        screen_from_cells(other, layer="text")


@pytest.mark.filterwarnings("ignore")
def test_names_that_occur_twice(population, caplog):
    other = population.copy()
    other.obs_names = ["same"] * 200
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = screen_from_cells(other)
    assert "199 cell names occur more than once" in caplog.text
    np.testing.assert_array_equal(screen.X, screen_from_cells(population).X)
    other.var_names = ["twice", "twice", *other.var_names[2:]]
    with pytest.raises(GraphselError, match="gene named twice: twice"):
        screen_from_cells(other)


def test_one_perturbation(population, caplog):
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = screen_from_cells(population[population.obs["condition"].isin(["ctrl", "C"])])
    assert (
        screen.n_obs == 1
        and "only one perturbation" in caplog.text
        and "only one perturbation" in screen.uns["graphsel"]["notes"]
    )


def test_no_cells_and_no_genes(population):
    for part in (population[:0], population[:, :0]):
        with pytest.raises(GraphselError):
            screen_from_cells(part)


# ---- files ----


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_files_that_are_not_whole(population, kind, tmp_path):
    path = tmp_path / f"cells.{kind}"
    population.write_h5ad(path) if kind == "h5ad" else population.write_zarr(path)
    with pytest.raises(GraphselError, match="no layers/counts .it has .*X"):
        read_screen(path, layer="counts")
    with pytest.raises(GraphselError, match="no raw/X"):
        read_screen(path, use_raw=True)
    with pytest.raises(GraphselError, match="no such file"):
        read_screen(tmp_path / f"nothing.{kind}")
    with pytest.raises(GraphselError, match="no cell with batch=9; the column holds 1, 2, 3"):
        read_screen(f"{path}:batch=9")
    if kind == "h5ad":
        whole = path.read_bytes()
        for part in (0, 100, len(whole) // 3, len(whole) - 100):
            path.write_bytes(whole[:part])
            with pytest.raises(GraphselError, match="cells.h5ad"):
                read_screen(path)
    else:
        # blocks of a dense matrix may be missing because they are zero; those of a sparse one may not
        sparse = population.copy()
        sparse.X = sp.csr_matrix(sparse.X)
        sparse.write_zarr(tmp_path / "sparse.zarr")
        read_screen(tmp_path / "sparse.zarr")
        next(
            o
            for o in (tmp_path / "sparse.zarr" / "X" / "data").rglob("*")
            if o.is_file() and not o.name.startswith(".z") and o.name != "zarr.json"
        ).unlink()
        with pytest.raises(GraphselError, match="sparse.zarr.*1 blocks of .*X/data are missing"):
            read_screen(tmp_path / "sparse.zarr")


def test_values_damaged_on_disk(population, tmp_path):
    "The header is whole, a compressed block of values is not."
    import h5py

    path = tmp_path / "cells.h5ad"
    population.write_h5ad(path, compression="gzip")
    with h5py.File(path) as f:
        at, size = (info := f["X"].id.get_chunk_info(0)).byte_offset, info.size
    damaged = bytearray(path.read_bytes())
    damaged[at + 20 : at + min(size, 200)] = b"\xff" * (min(size, 200) - 20)
    path.write_bytes(damaged)
    with pytest.raises(GraphselError, match="cannot read cells 0 to 200"):
        read_screen(path)


def test_only_what_is_asked_for_is_read(population, tmp_path):
    other = population.copy()
    other.layers["big"] = other.X
    other.write_h5ad(tmp_path / "c.h5ad")
    with open_cells(tmp_path / "c.h5ad") as adata:
        assert not layer_names(adata) and not isinstance(adata.X, np.ndarray)
    with pytest.raises(ZeroDivisionError), open_cells(tmp_path / "c.h5ad"):
        raise ZeroDivisionError  # errors of the caller pass through


@pytest.mark.parametrize("options", [{}, {"covariate": "batch"}, {"min_cells": 35}], ids=str)
def test_plain_anndata_reads_back_what_was_written(population, options, tmp_path):
    other = population.copy()
    other.X[0, 0] = -1  # a remark is kept too
    screen = screen_from_cells(other, **options)
    back = ad.read_h5ad(write_screen(screen, tmp_path / "s.h5ad"))
    np.testing.assert_array_equal(back.X, screen.X)
    pd.testing.assert_frame_equal(back.obs, screen.obs)
    pd.testing.assert_frame_equal(back.var, screen.var)
    assert set(back.layers) == set(screen.layers)
    for k in screen.layers:
        np.testing.assert_array_equal(back.layers[k], screen.layers[k])
    pd.testing.assert_frame_equal(
        left_out(back), left_out(screen), check_index_type=False, check_dtype=False
    )
    pd.testing.assert_frame_equal(screen_report(back), screen_report(screen))
    screen.to_df().to_csv(tmp_path / "s.csv", index_label="perturbation")
    np.testing.assert_allclose(read_screen(tmp_path / "s.csv").X, screen.X, rtol=1e-6)


def test_a_screen_in_a_zarr_folder(population, tmp_path):
    screen = screen_from_cells(population)
    screen.write_zarr(tmp_path / "s.zarr")
    assert_same(read_screen(tmp_path / "s.zarr"), screen)


# ---- tables ----


def table(**columns):
    return pd.DataFrame(
        {
            "perturbation": ["A", "B", "A", "ctrl", "ctrl"],
            "x": [1.0, 2, 3.5, 1, 0],
            "y": [0.0, 1, 0, 0.5, 0.5],
            **columns,
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_replicates_are_averaged(suffix, tmp_path, caplog):
    path = tmp_path / f"bulk{suffix}"
    {
        ".csv": lambda: table().to_csv(path, index=False),
        ".tsv": lambda: table().to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: table().to_parquet(path),
        ".xlsx": lambda: table().to_excel(path, index=False),
    }[suffix]()
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = read_screen(path)
    np.testing.assert_allclose(screen.X, [[1.75, -0.5], [1.5, 0.5]])
    np.testing.assert_allclose(
        screen.layers["variance"], [[np.var([1, 3.5], ddof=1), 0], [np.nan, np.nan]]
    )
    assert screen.obs["n_replicates"].tolist() == [2, 1] and screen.obs["n_cells"].tolist() == [
        2,
        1,
    ]
    assert screen.var["control_mean"].tolist() == [0.5, 0.5] and screen.var[
        "control_variance"
    ].tolist() == [0.5, 0]
    assert "replicates were averaged: 3 rows of 2 perturbations, 2 control rows" in caplog.text
    back = read_screen(write_screen(screen, tmp_path / "s.h5ad"))
    np.testing.assert_array_equal(back.layers["variance"], screen.layers["variance"])


@given(seed=SEEDS)
@settings(max_examples=20)
def test_averages_are_those_of_pandas(seed):
    rng = np.random.default_rng(seed)
    frame, names = (
        pd.DataFrame(rng.normal(size=(12, 3)) + 5, columns=list("xyz")),
        rng.choice(list("ABCD"), 12),
    )
    mean, variance, n = average_replicates(frame, names)
    by = frame.groupby(names, sort=False)
    pd.testing.assert_frame_equal(mean, by.mean(), check_names=False)
    pd.testing.assert_frame_equal(variance, by.var(), check_names=False)
    assert n.to_dict() == by.size().to_dict()
    weights = rng.integers(1, 9, 12)
    expected = [
        np.average(frame[names == o], axis=0, weights=weights[names == o]) for o in pd.unique(names)
    ]
    np.testing.assert_allclose(average_replicates(frame, names, weights)[0], expected)


def test_control_rows_of_the_same_batch(caplog):
    t = table(batch=["1", "2", "2", "1", "2"])
    screen = screen_from_table(t, covariate="batch")
    np.testing.assert_allclose(screen.X, [[(0 + 3.5) / 2, -0.5], [2, 0.5]])
    with pytest.raises(GraphselError, match="batches without a control row: 3"):
        screen_from_table(t.assign(batch=list("13212")), covariate="batch")


def test_integers_as_strings_are_mended_and_reported(tmp_path, caplog):
    t = table(x=["1", "2", " 4", "1", "0"])
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = screen_from_table(t, "t.csv")
    assert (
        screen.X[:, 0].tolist() == [2, 1.5]
        and "numbers written as text in x" in caplog.text
        and "numbers written as text" in screen.uns["graphsel"]["notes"]
    )
    with pytest.raises(GraphselError, match="x .row A: '1,5'"):
        screen_from_table(table(x=["1,5", "2", "4", "1", "0"]))
    mixed, _ = as_numbers(pd.DataFrame({"x": pd.Series([1, "2", 3.5], dtype=object)}))
    assert mixed["x"].tolist() == [1, 2, 3.5]


def test_counts_in_a_table():
    t = pd.DataFrame({"perturbation": ["A", "B", "ctrl"], "x": [10, 0, 7], "y": [90, 50, 13]})
    assert "raw counts" in screen_from_table(t).uns["graphsel"]["notes"]
    logs = np.log1p(t[["x", "y"]].div(t[["x", "y"]].sum(axis=1), axis=0) * 1e6).to_numpy()
    screen = screen_from_table(t, normalize=True)
    np.testing.assert_allclose(screen.X, logs[:2] - logs[2], rtol=1e-5)
    with pytest.raises(GraphselError, match="expects counts"):
        screen_from_table(table(), normalize=True)


def test_excel_turns_genes_into_dates(tmp_path):
    frame = pd.DataFrame(
        {"perturbation": ["A", pd.Timestamp("2024-03-01").to_pydatetime()], "x": [1.0, 2]}
    )
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(GraphselError, match="row 2 has a date"):
        read_screen(tmp_path / "t.xlsx")


def test_several_sheets_are_said(tmp_path, caplog):
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        (
            table().to_excel(book, sheet_name="one", index=False),
            table().to_excel(book, sheet_name="two", index=False),
        )
    with caplog.at_level(logging.WARNING, "graphsel"):
        read_screen(tmp_path / "t.xlsx")
    assert "2 sheets (one, two); the first is read" in caplog.text


LISTS = pd.DataFrame(
    {
        "perturbed_gene": ["A", "A", "B+ctrl", "B+ctrl"],
        "gene": ["x", "y", "y", "z"],
        "rank": [1, 2, 1, 300],
        "up": [1, 0, 0, 0],
        "line": ["k"] * 4,
    }
)


def test_ranked_lists(tmp_path):
    screen = screen_from_lists(LISTS)
    np.testing.assert_allclose(
        screen.to_df().loc[["A", "B"], ["x", "y", "z"]],
        [[np.exp(-0.01), np.exp(-0.02), 0], [0, np.exp(-0.01), np.exp(-3)]],
        rtol=1e-6,
    )
    marked = screen_from_lists(LISTS, decay=None, significant="up")
    assert (
        marked["A"].X.tolist() == [[1, 0, 0]]
        and "no listed gene is left for B" in marked.uns["graphsel"]["notes"]
    )
    both = pd.concat([LISTS, LISTS.assign(line="r", rank=[5, 6, 7, 8])])
    both.to_parquet(tmp_path / "l.parquet")
    with pytest.raises(GraphselError, match="stand twice.*FILE:line=k"):
        read_screen(tmp_path / "l.parquet")
    np.testing.assert_array_equal(read_screen(f"{tmp_path}/l.parquet:line=k").X, screen.X)


@pytest.mark.parametrize(
    "change,says",
    [
        ({"rank": [0, 1, 2, 3]}, "row 1 has no rank"),
        ({"rank": [1, None, 2, 3]}, "row 2 has no rank"),
        ({"rank": list("abcd")}, "not numbers"),
        ({"gene": ["x", None, "y", "z"]}, "row 2 has no gene"),
        ({"perturbed_gene": ["A", "A", None, "B"]}, "row 3"),
    ],
    ids=str,
)
def test_hostile_lists(change, says):
    with pytest.raises(GraphselError, match=says):
        screen_from_lists(LISTS.assign(**change))


@pytest.mark.parametrize(
    "options,says",
    [({"significant": "sig"}, "no column sig"), ({"significant": "line"}, "neither 0 nor 1")],
    ids=str,
)
def test_marks_that_are_none(options, says):
    with pytest.raises(GraphselError, match=says):
        ranked_responses(LISTS, **options)


# ---- quality ----


@pytest.fixture(scope="module")
def knocked():
    rng = np.random.default_rng(3)
    labels = np.array(
        ["non-targeting"] * 120 + ["g001"] * 50 + ["g002"] * 40 + ["g003"] * 30 + ["X"] * 20
    )
    X = rng.poisson(3.0, size=(260, 23)).astype(float)
    X[:, 3] = rng.random(260) < 0.01
    X[labels == "g001", 1] = rng.poisson(0.5, 50)
    return cells(np.log1p(X).astype(np.float32), labels, "gene")


def test_knockdown_is_welch_on_the_target(knocked):
    from scipy.stats import ttest_ind

    screen = screen_from_cells(knocked)
    found = knockdown(screen).set_index("perturbation")
    assert found["verdict"].to_dict() == {
        "g001": "down",
        "g002": "no clear change",
        "g003": "hardly expressed",
        "X": "not measured",
    }
    y, x = (
        knocked.X[(knocked.obs["gene"] == o).to_numpy(), 1].astype(float)
        for o in ("g001", "non-targeting")
    )
    np.testing.assert_allclose(
        screen["g001"].layers["de_score"][0, 1],
        ttest_ind(y, x, equal_var=False).statistic,
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        found.loc["g001", ["control_mean", "perturbed_mean"]].astype(float),
        [x.mean(), y.mean()],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        found.loc["g001", "remaining"], np.expm1(y.mean()) / np.expm1(x.mean()), rtol=1e-5
    )
    assert (
        knockdown(screen, direction="up").set_index("perturbation")["verdict"]["g001"]
        == "down, not up"
    )
    with pytest.raises(GraphselError, match="holds no cells"):
        knockdown(screen_from_table(table()))


def test_pictures_take_and_give_axes(knocked):
    from matplotlib import pyplot as plt

    screen, fig = screen_from_cells(knocked), plt.figure()
    for draw in (
        lambda ax: plot_cells(screen, ax=ax),
        lambda ax: plot_knockdown(knockdown(screen), ax=ax),
    ):
        ax = fig.add_subplot()
        assert draw(ax) is ax
    many = screen_from_table(
        pd.DataFrame(
            {"perturbation": [f"p{i}" for i in range(80)], "n_cells": np.arange(1, 81), "x": 0.5}
        )
    )
    assert plot_cells(many).get_xscale() == "log"
    plt.close("all")


@pytest.mark.filterwarnings("ignore")
def test_changed_genes_are_scanpys(knocked):
    screen, changed = screen_from_cells(knocked), de_genes(knocked)
    assert set(changed["perturbation"]) == {"g001", "g002", "g003", "X"} and len(changed) == 4 * 23
    for p in screen.obs_names:
        mine = changed[changed["perturbation"] == p].set_index("gene")
        np.testing.assert_allclose(
            mine["score"][screen.var_names], screen[p].layers["de_score"][0], rtol=1e-4, atol=1e-5
        )
        assert set(top_non_dropout(changed)["all", p]) == set(
            screen.var_names[screen[p].layers["top_de"][0]]
        )


@pytest.mark.filterwarnings("ignore")
def test_changed_genes_within_a_cell_type(population):
    changed = de_genes(population, within="donor", method="wilcoxon")
    assert set(changed["level"]) == {"k562", "rpe1"}
    alone = de_genes(population[population.obs["donor"] == "rpe1"].copy(), method="wilcoxon")
    pd.testing.assert_frame_equal(
        changed[changed["level"] == "rpe1"].drop(columns="level").reset_index(drop=True),
        alone.drop(columns="level"),
    )


@pytest.mark.filterwarnings("ignore")
def test_variable_genes_are_scanpys(population, tmp_path):
    import scanpy as sc

    table = sc.pp.highly_variable_genes(population, n_top_genes=7, inplace=False)
    names = variable_genes(population, 7)
    assert names == list(population.var_names[table["highly_variable"]])
    population.write_h5ad(tmp_path / "c.h5ad")
    backed = ad.read_h5ad(tmp_path / "c.h5ad", backed="r")
    assert variable_genes(backed, 7) == names
    assert variable_genes(backed, 7, max_cells=100) == variable_genes(population, 7, max_cells=100)
    with pytest.raises(GraphselError, match="only 23 genes"):
        variable_genes(population, 2000)


def test_expressed_candidates(knocked):
    screen = screen_from_cells(knocked)
    control = (knocked.obs["gene"] == "non-targeting").to_numpy()
    np.testing.assert_allclose(screen.var["control_expressed"], (knocked.X[control] > 0).mean(0))
    stay, report = expressed_candidates(screen, ["g001", "g003", "Y", "g001"])
    assert stay == ["g001", "Y"] and report["kept"].tolist() == [True, False, True]
    with pytest.raises(GraphselError, match="unmeasured"):
        expressed_candidates(screen, ["g001"], unmeasured="maybe")
    with pytest.raises(GraphselError, match="holds no cells"):
        expressed_candidates(screen_from_table(table()), ["A"])


# ---- real data ----


@pytest.mark.parametrize("backed", [False, True])
def test_norman_mcfaline_per_cell_type(shared_data, backed):
    path = shared_data / "norman_mcfaline_cells.h5ad"
    adata = ad.read_h5ad(path)
    screens = screens_from_cells(ad.read_h5ad(path, backed="r") if backed else adata)
    assert {k: s.n_obs for k, s in screens.items()} == {
        "A172": 9,
        "T98G": 9,
        "U87MG": 9,
        "k562": 33,
    }
    X, label, kind = (
        adata.X.toarray(),
        adata.obs["perturbation"].astype(str).to_numpy(),
        adata.obs["cell_type"].astype(str).to_numpy(),
    )
    for level, screen in screens.items():
        x = X[(kind == level) & (label == "control")]
        for p in screen.obs_names:
            y = X[(kind == level) & np.isin(label, [p, "+".join(reversed(p.split("+")))])]
            assert len(y) == screen.obs.loc[p, "n_cells"]
            np.testing.assert_allclose(screen[p].X[0], y.mean(0) - x.mean(0), atol=1e-6)
        pairs = y[:, None] - x[None]  # of the last perturbation
        for k in (2, 3, 4):
            np.testing.assert_allclose(
                screen[p].layers[f"m{k}"][0], (pairs**k).mean((0, 1)), rtol=1e-9, atol=1e-12
            )
    assert sum("+" in p for p in screens["k562"].obs_names) == 15 and not any(
        "+" in p for p in screens["T98G"].obs_names
    )
    matched = screen_from_cells(adata, covariate="cell_type")
    weighted = (
        sum(s.obs.loc["SGK1", "n_cells"] * s["SGK1"].X[0] for s in screens.values())
        / matched.obs.loc["SGK1", "n_cells"]
    )
    np.testing.assert_allclose(matched["SGK1"].X[0], weighted, atol=1e-6)


def test_ranked_genes_in_two_cell_lines(shared_data):
    path = shared_data / "k562_rpe1_ranked_genes.parquet"
    with pytest.raises(GraphselError, match="FILE:cell_line="):
        read_screen(path)
    k562, rpe1 = (read_screen(f"{path}:cell_line={o}") for o in ("k562", "rpe1"))
    assert k562.shape == rpe1.shape == (585, 7225) and list(k562.obs_names) == list(rpe1.obs_names)
    lists, _ = read_rows(f"{path}:cell_line=k562")
    first = lists[lists["rank"] == 1].set_index("perturbed_gene")["gene"]
    for p in ("UBL5", k562.obs_names[0]):
        assert k562.to_df().loc[p].idxmax() == first[p]
    np.testing.assert_allclose(
        np.sort(k562["UBL5"].X[0])[::-1][:1000], np.exp(-np.arange(1, 1001) / 100), rtol=1e-5
    )
    marked = read_screen(f"{path}:cell_line=rpe1", decay=None, significant="significant_up")
    lists, _ = read_rows(f"{path}:cell_line=rpe1")
    assert marked.X.sum() == lists["significant_up"].sum()
