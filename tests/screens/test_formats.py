"""Cells in every format: the same screen as from memory."""

import gzip
import re
import shutil

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

from graphsel.core.errors import GraphselError
from graphsel.graphs.priors import read_prior
from graphsel.screens.formats import file_kind, open_cells
from graphsel.screens.from_cells import screen_from_cells
from graphsel.screens.read import read_screen

GENES = ["TP53", "MYC", "KLF1", "HBB"]
LABELS = np.array(["control", "TP53", "MYC"] * 20)


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    X = sp.csr_matrix(np.log1p(rng.poisson(1.5, (60, 4))).astype(np.float32))
    obs = pd.DataFrame({"perturbation": LABELS}, index=[f"AAAC{i:03}-1" for i in range(60)])
    adata = ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES))
    adata.layers["twice"] = X * 2
    return adata


def text(values):
    return np.array([str(o).encode() for o in values])


def write_10x(path, cells, version=3):
    X = sp.csc_matrix(cells.X.T)
    with h5py.File(path, "w") as f:
        group = f.create_group("matrix" if version == 3 else "GRCh38")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(X, name)
        group["shape"] = np.array(X.shape)
        group["barcodes"] = text(cells.obs_names)
        if version == 2:
            group["genes"], group["gene_names"] = text(f"ENSG{i}" for i in range(4)), text(GENES)
            return
        features = group.create_group("features")
        features["id"], features["name"] = text(f"ENSG{i}" for i in range(4)), text(GENES)
        features["feature_type"] = text(["Gene Expression"] * 4)


def write_folder(path, cells, zipped):
    path.mkdir()
    scipy.io.mmwrite(path / "matrix.mtx", sp.coo_matrix(cells.X.T))
    rows = "".join(f"ENSG{i}\t{g}\tGene Expression\n" for i, g in enumerate(GENES))
    (path / ("features.tsv" if zipped else "genes.tsv")).write_text(rows)
    (path / "barcodes.tsv").write_text("".join(f"{o}\n" for o in cells.obs_names))
    for o in list(path.iterdir()) if zipped else ():
        (path / f"{o.name}.gz").write_bytes(gzip.compress(o.read_bytes()))
        o.unlink()


def write_loom(path, cells):
    with h5py.File(path, "w") as f:
        f["matrix"] = cells.X.toarray().T
        f["layers/twice"] = cells.layers["twice"].toarray().T
        f["row_attrs/Gene"], f["col_attrs/CellID"] = text(GENES), text(cells.obs_names)
        f["col_attrs/perturbation"] = text(cells.obs["perturbation"])


def write_h5mu(path, cells):
    cells.write_h5ad(path.with_suffix(".tmp"))
    with h5py.File(path.with_suffix(".tmp")) as source, h5py.File(path, "w") as f:
        for part in ("rna", "prot"):
            f.create_group(f"mod/{part}")
            for k in source:
                source.copy(k, f[f"mod/{part}"])
        source.copy("obs", f)


def write_old(path, cells):
    "As anndata 0.6 wrote: tables as records, categories beside them, h5sparse."
    with h5py.File(path, "w") as f:
        obs = np.zeros(60, dtype=[("index", "S10"), ("perturbation", "i1")])
        obs["index"] = text(cells.obs_names)
        names, obs["perturbation"] = np.unique(LABELS, return_inverse=True)
        f["obs"] = obs
        f["var"] = np.array([(g.encode(),) for g in GENES], dtype=[("index", "S10")])
        f["uns/perturbation_categories"] = text(names)
        X = f.create_group("X")
        X.attrs["h5sparse_format"], X.attrs["h5sparse_shape"] = "csr", np.array(cells.shape)
        for name in ("data", "indices", "indptr"):
            X[name] = getattr(cells.X, name)


def written(kind, folder, cells):
    path = folder / {"10x": "c.h5", "10x v2": "c.h5", "loom": "c.loom", "h5mu": "c.h5mu"}.get(
        kind, "c.h5ad"
    )
    plain = ad.AnnData(cells.X, obs=cells.obs, var=cells.var, layers=dict(cells.layers))
    if kind.startswith("zarr"):
        ad.settings.zarr_write_format = int(kind[-1])
        plain.write_zarr(folder / "c.zarr")
        ad.settings.zarr_write_format = 2
        return folder / "c.zarr"
    if kind.startswith("10x folder"):
        write_folder(folder / "filtered", cells, "gz" in kind)
        return folder / "filtered"
    if kind == "float16":
        plain.X = plain.X.toarray().astype(np.float16)
    if kind in ("h5ad", "float16", "h5ad.gz", "h5ad as .dat"):
        plain.write_h5ad(path)
    if kind == "h5ad.gz":
        (folder / "c.h5ad.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return folder / "c.h5ad.gz"
    if kind == "h5ad as .dat":
        return path.rename(folder / "c.dat")
    writers = {"loom": write_loom, "h5mu": write_h5mu, "0.6": write_old, "10x": write_10x}
    if kind == "10x v2":
        write_10x(path, cells, 2)
    elif kind in writers:
        writers[kind](path, cells)
    return path


KINDS = [
    "h5ad", "h5ad.gz", "h5ad as .dat", "float16", "0.6", "zarr2", "zarr3", "h5mu", "loom", "10x", "10x v2",
    "10x folder", "10x folder gz",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_every_format_gives_the_same_screen(kind, cells, tmp_path):
    path = written(kind, tmp_path, cells)
    options = {}
    if kind.startswith("10x"):
        with pytest.raises(GraphselError, match="no control cells found|labels"):
            read_screen(path)
        table = pd.DataFrame({"cell_barcode": cells.obs_names, "perturbation": LABELS})
        table.to_csv(tmp_path / "labels.csv", index=False)
        options = {"labels": tmp_path / "labels.csv"}
    screen, expected = read_screen(path, **options), screen_from_cells(cells)
    assert list(screen.obs_names) == list(expected.obs_names)
    assert list(screen.var_names) == GENES
    np.testing.assert_allclose(screen.X, expected.X, atol=1e-3 if kind == "float16" else 1e-6)


def test_a_layer_of_a_loom(cells, tmp_path):
    write_loom(tmp_path / "c.loom", cells)
    screen = read_screen(tmp_path / "c.loom", layer="twice")
    np.testing.assert_allclose(screen.X, screen_from_cells(cells, layer="twice").X, atol=1e-6)
    with pytest.raises(GraphselError, match="no layer 'thrice'"):
        read_screen(tmp_path / "c.loom", layer="thrice")


def test_guides_among_the_features_are_left_out(cells, tmp_path):
    write_10x(tmp_path / "c.h5", cells)
    with h5py.File(tmp_path / "c.h5", "a") as f:
        del f["matrix/features/feature_type"]
        f["matrix/features/feature_type"] = text(["Gene Expression"] * 3 + ["CRISPR Guide Capture"])
    with open_cells(tmp_path / "c.h5") as adata:
        assert list(adata.var_names) == GENES[:3]


def test_calls_of_cell_ranger(cells, tmp_path):
    write_10x(tmp_path / "c.h5", cells)
    calls = pd.DataFrame(
        {"cell_barcode": cells.obs_names, "num_features": 1, "feature_call": LABELS}
    )
    calls.iloc[5:].to_csv(tmp_path / "protospacer_calls_per_cell.csv", index=False)
    screen = read_screen(tmp_path / "c.h5", labels=tmp_path / "protospacer_calls_per_cell.csv")
    assert screen.obs["n_cells"].sum() == (LABELS[5:] != "control").sum()


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"X\n\0\0", mtime=0), gzip.compress(b"RDX3\nX\n", mtime=0), b"RDX3\nX\n"],
    ids=["rds", "rdata", "rdata not packed"],
)
def test_files_of_r_are_told_how_to_export(content, tmp_path):
    (tmp_path / "cells.rds").write_bytes(content)
    with pytest.raises(GraphselError, match="file of R; write it in R, with zellkonverter"):
        read_screen(tmp_path / "cells.rds")


def test_compression_that_is_not_installed(cells, tmp_path, monkeypatch):
    cells.write_h5ad(tmp_path / "c.h5ad", compression="gzip")
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    with pytest.raises(GraphselError, match=r"pip install .graphsel\[cells\].*hdf5plugin"):
        read_screen(tmp_path / "c.h5ad")


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
def test_compression_that_a_plugin_brings(dense, cells, tmp_path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    stored = cells.copy()
    if dense:
        stored.X = cells.X.toarray()
    packed = hdf5plugin.Zstd()
    stored.write_h5ad(
        tmp_path / "c.h5ad",
        compression=packed.filter_id,
        compression_opts=packed.filter_options,
    )
    with h5py.File(tmp_path / "c.h5ad") as f:
        values = f["X"] if dense else f["X/data"]
        assert values.id.get_create_plist().get_nfilters()
    found = read_screen(tmp_path / "c.h5ad")
    np.testing.assert_array_equal(found.X, screen_from_cells(cells).X)


def test_a_file_without_labels_says_so(cells, tmp_path):
    shutil.copytree(written("10x folder", tmp_path, cells), tmp_path / "again")
    assert file_kind(tmp_path / "again") == "10x folder"
    (tmp_path / "again" / "barcodes.tsv").unlink()
    with pytest.raises(GraphselError, match=re.escape("lacks features.tsv or barcodes.tsv")):
        read_screen(tmp_path / "again")


@pytest.mark.parametrize("kind", ["h5ad", "loom", "h5mu"])
@pytest.mark.filterwarnings("ignore")
def test_a_prior_is_read_as_a_screen_is(kind, cells, tmp_path):
    prior = read_prior(written(kind, tmp_path, cells))
    screen = screen_from_cells(cells)
    assert list(prior.genes) == list(screen.obs_names)
    np.testing.assert_allclose(prior.features, screen.X - screen.X.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", ["gene", "Gene Symbol", ""])
def test_an_embedding_with_the_genes_in_its_index(name, tmp_path):
    table = pd.DataFrame(np.arange(6.0).reshape(3, 2), index=["TP53", "MYC", "KLF1"])
    table.to_csv(tmp_path / "e.csv", index_label=name)
    assert list(read_prior(tmp_path / "e.csv").genes) == ["KLF1", "MYC", "TP53"]
