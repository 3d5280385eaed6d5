"""Screens against oracles: all pairs of cells, scanpy, plain NumPy; hostile tables and files; splits."""

import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from graphsel.benchmark.setting import split_perturbations
from graphsel.core.errors import GraphselError
from graphsel.genes.perturbations import perturbation_name, perturbed_genes
from graphsel.screens.cells import difference_moments, raw_moments
from graphsel.screens.from_cells import screen_from_cells, top_de_genes
from graphsel.screens.from_tables import screen_from_table
from graphsel.screens.labels import find_controls
from graphsel.screens.read import read_screen, write_screen
from graphsel.screens.screen import check_screen, make_screen

SEEDS = st.integers(0, 2**32 - 1)


def counts(rng, cells=60, genes=30, zeros=0.5):
    "A log-like matrix in which many entries are zero and no two others are equal."
    return np.round(rng.gamma(1.5, size=(cells, genes)), 6) * (rng.random((cells, genes)) > zeros)


def cells(X, labels, key="condition", **obs):
    return ad.AnnData(
        X,
        obs=pd.DataFrame({key: list(labels), **obs}, index=[f"c{i}" for i in range(len(labels))]),
        var=pd.DataFrame(index=[f"g{i:03}" for i in range(X.shape[1])]),
    )


# ---- names ----


@given(
    st.lists(
        st.sampled_from(["A", "B", "TP53", "HLA-A", "ctrl", "control"]), min_size=1, max_size=4
    ),
    st.randoms(),
)
def test_one_spelling_for_each_perturbation(genes, random):
    shuffled = list(genes)
    random.shuffle(shuffled)
    name = perturbation_name("+".join(genes))
    assert name == perturbation_name(" + ".join(shuffled)) == perturbation_name(name)
    assert perturbed_genes(name) == tuple(sorted(set(genes) - {"ctrl", "control"}))


# ---- moments ----


@given(seed=SEEDS)
@settings(max_examples=25)
def test_moments_are_those_of_all_pairs_of_cells(seed):
    rng = np.random.default_rng(seed)
    y, x = counts(rng, rng.integers(1, 9), 4), counts(rng, rng.integers(1, 9), 4)
    difference = (y[:, None] - x[None]).reshape(-1, 4)
    expected = np.stack([(difference**k).mean(0) for k in (1, 2, 3, 4)])
    raw = [raw_moments(o, np.zeros(len(o), int), 1)[:, 0] for o in (y, x)]
    np.testing.assert_allclose(difference_moments(*raw), expected, rtol=1e-9, atol=1e-9)


@given(seed=SEEDS, chunk=st.integers(1, 70))
@settings(max_examples=25)
def test_raw_moments_do_not_depend_on_the_chunk_nor_on_the_storage(seed, chunk):
    rng = np.random.default_rng(seed)
    X, codes = counts(rng, 40, 5), np.r_[np.arange(3), rng.integers(3, size=37)]
    expected = np.stack([[(X[codes == g] ** k).mean(0) for g in range(3)] for k in (1, 2, 3, 4)])
    for kind in (
        np.asarray,
        np.asfortranarray,
        sp.csr_matrix,
        sp.csc_matrix,
        sp.csr_array,
    ):  # CSC and arrays too: AnnData hands out any of them
        np.testing.assert_allclose(
            raw_moments(kind(X), codes, 3, chunk), expected, rtol=1e-12, atol=1e-12
        )


def test_raw_moments_keep_integers_from_overflowing():
    X = np.full((3, 1), 60_000, dtype=np.int32)
    for kind in (np.asarray, sp.csr_matrix):
        np.testing.assert_allclose(
            raw_moments(kind(X), np.zeros(3, int), 1)[:, 0, 0], [6e4, 3.6e9, 2.16e14, 1.296e19]
        )


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(0)
    return cells(
        counts(rng, 300, 40).astype(np.float32),
        rng.permutation(
            ["ctrl"] * 100 + ["A+ctrl"] * 70 + ["A+B"] * 60 + ["ctrl+B"] * 50 + ["C"] * 20
        ),
    )


def assert_same_screen(a, b, rtol=1e-6):
    assert list(a.obs_names) == list(b.obs_names) and list(a.var_names) == list(b.var_names)
    np.testing.assert_allclose(a.X, b.X, rtol=rtol, atol=1e-6)
    for k in ("m2", "m3", "m4"):
        np.testing.assert_allclose(a.layers[k], b.layers[k], rtol=rtol, atol=1e-9)
    np.testing.assert_array_equal(a.layers["top_de"], b.layers["top_de"])
    np.testing.assert_array_equal(a.obs["n_cells"], b.obs["n_cells"])


@pytest.mark.parametrize(
    "storage", ["csr", "csc", "view", "shuffled", "backed", "backed csr", "backed view", "layer"]
)
def test_every_storage_gives_the_same_screen(population, storage, tmp_path):
    expected, layer = screen_from_cells(population), None
    assert list(expected.obs_names) == ["A", "A+B", "B", "C"]
    other = population.copy()
    if "csr" in storage:
        other.X = sp.csr_matrix(other.X)
    if storage == "csc":
        other.X = sp.csc_matrix(other.X)
    if storage == "view":
        doubled = ad.concat([other, other], index_unique="-")
        other = doubled[np.arange(doubled.n_obs) < other.n_obs]
        assert other.is_view
    if storage == "shuffled":
        other = other[np.random.default_rng(1).permutation(other.n_obs)]
    if storage == "layer":
        other.layers["log"], other.X, layer = other.X, np.zeros(other.shape), "log"
    if "backed" in storage:
        other.write_h5ad(tmp_path / "cells.h5ad")
        other = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        if "view" in storage:
            other = other[np.sort(np.random.default_rng(1).permutation(300))]
    assert_same_screen(screen_from_cells(other, layer=layer), expected)


def test_the_cells_are_left_alone(population):
    X, obs, uns = population.X.copy(), population.obs.copy(), dict(population.uns)
    screen_from_cells(population)
    np.testing.assert_array_equal(population.X, X)
    pd.testing.assert_frame_equal(population.obs, obs)
    assert dict(population.uns) == uns


def test_one_cell_per_perturbation():
    rng = np.random.default_rng(0)
    adata = cells(counts(rng, 12, 50, zeros=0.2), ["ctrl"] * 10 + ["A", "B"])
    screen = screen_from_cells(adata)
    assert np.isfinite(screen.X).all() and all(
        np.isfinite(screen.layers[f"m{k}"]).all() for k in (2, 3, 4)
    )
    assert (screen.layers["top_de"].sum(axis=1) == 20).all()
    np.testing.assert_allclose(
        screen["B"].layers["m3"][0], ((adata.X[11] - adata.X[:10]) ** 3).mean(0), atol=1e-9
    )


def test_empty_label_is_no_control_cell():
    "A cell nobody named must not become a control cell, nor a perturbation called 'nan'."
    X = counts(np.random.default_rng(0), 6, 3)
    for nothing in ("", "  ", np.nan, None):
        with pytest.raises(GraphselError, match="[Ww]ithout|empty|name"):
            screen_from_cells(cells(X, ["ctrl", "ctrl", "A", "A", nothing, nothing]))


@pytest.mark.parametrize(
    "broken", ["nan", "inf", "layer", "key", "control", "all control", "twice a gene"]
)
def test_hostile_cells(broken):
    X, labels, kwargs = (
        counts(np.random.default_rng(0), 6, 3),
        ["ctrl", "ctrl", "A", "A", "B", "B"],
        {},
    )
    if broken in ("nan", "inf"):
        X[3, 1] = float(broken)
    if broken == "layer":
        kwargs = {"layer": "nothing"}
    if broken == "key":
        kwargs = {"perturbation_key": "guide"}
    if broken == "control":
        kwargs = {"control": "NT"}
    if broken == "all control":
        labels = ["ctrl"] * 6
    adata = cells(X, labels)
    if broken == "twice a gene":
        adata.var_names = ["g", "g", "h"]
    says = {
        "nan": "cell 'c3', gene 'g001'",
        "inf": "cell 'c3', gene 'g001'",
        "layer": "nothing",
        "key": "guide",
        "control": "NT",
        "all control": "control cell",
        "twice a gene": "twice",
    }[broken]
    with pytest.raises(GraphselError, match=says):
        screen_from_cells(adata, **kwargs)


def test_spelling_of_categories():
    obs = pd.DataFrame({"perturbation": pd.Categorical(["control", "A", "A+B"])})
    assert find_controls(obs) == ("perturbation", ("control",))
    assert find_controls(obs, control="A") == ("perturbation", ("A",))


# ---- differentially expressed genes ----


def gears_top(adata, label, n_top=20):
    "GEARS' `top_non_dropout_de_20`, from scanpy's ranking."
    import scanpy as sc

    sc.tl.rank_genes_groups(
        adata,
        "condition",
        reference="ctrl",
        groups=[label],
        rankby_abs=True,
        n_genes=adata.n_vars,
        method="t-test",
        use_raw=False,
    )
    ranking = [str(r[0]) for r in adata.uns["rank_genes_groups"]["names"]]
    mean = {
        g: np.asarray(adata[(adata.obs["condition"] == g).to_numpy()].X.mean(axis=0)).ravel()
        for g in (label, "ctrl")
    }
    non_dropout = adata.var_names[(mean[label] != 0) | ((mean[label] == 0) & (mean["ctrl"] == 0))]
    return set([g for g in ranking if g in set(non_dropout)][:n_top])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.filterwarnings("ignore")
def test_top_de_genes_are_those_of_gears(seed):
    rng = np.random.default_rng(seed)
    X, labels = (
        counts(rng, 120, 60, zeros=0.4),
        np.array(["ctrl"] * 60 + ["A+ctrl"] * 40 + ["B+ctrl"] * 20),
    )
    X[labels == "A+ctrl", :4] = 0  # dropouts
    X[:, 5] = 0  # silent everywhere
    X[labels == "B+ctrl", 10:30] += 1
    adata = cells(X, labels)
    adata.obs["condition"] = adata.obs["condition"].astype("category")
    screen = screen_from_cells(adata)
    for name in ("A", "B"):
        ours = set(screen.var_names[screen[name].layers["top_de"].ravel()])
        assert ours == gears_top(adata, f"{name}+ctrl")
        assert len(ours) == 20 and not (name == "A" and ours & {"g000", "g001", "g002", "g003"})


@given(seed=SEEDS, n_top=st.integers(1, 12))
@settings(max_examples=15)
def test_top_de_genes_have_the_largest_t(seed, n_top):
    rng = np.random.default_rng(seed)
    y, x = counts(rng, 9, 10, zeros=0.2), counts(rng, 11, 10, zeros=0.2)
    ok = (y.mean(0) != 0) | (x.mean(0) == 0)
    t = np.where(ok, np.nan_to_num(np.abs(ttest_ind(y, x, equal_var=False).statistic)), -1)
    raw = [raw_moments(o, np.zeros(len(o), int), 1) for o in (y, x)]
    top = top_de_genes(raw[0], np.array([9]), raw[1][:, 0], 11, n_top)[0]
    assert top.sum() == min(n_top, ok.sum())
    assert t[top].min() >= np.sort(t)[::-1][:n_top].min() - 1e-6


@pytest.mark.filterwarnings("ignore")
def test_a_gene_that_switches_on_without_spread_leads():
    "A gene silent in the control and equal in all perturbed cells has an infinite t: scanpy ranks it first."
    rng = np.random.default_rng(0)
    X = counts(rng, 30, 40, zeros=0.1)
    X[:20, 7], X[20:, 7] = 0, 5
    adata = cells(X, pd.Categorical(["ctrl"] * 20 + ["A"] * 10))
    screen = screen_from_cells(adata)
    assert set(screen.var_names[screen.layers["top_de"][0]]) == gears_top(adata, "A")


# ---- tables ----


def table(**columns):
    return pd.DataFrame(
        {"perturbation": ["A", "B", "C"], "x": [1.0, 2, 3], "y": [0.0, 1, 0], **columns}
    )


@given(seed=SEEDS)
@settings(max_examples=25)
def test_control_row_is_subtracted_wherever_it_stands(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(5, 3))
    t = pd.DataFrame(values, columns=list("xyz")).assign(
        perturbation=["A", "B", "ctrl", "D", "C+A"], n_cells=rng.integers(1, 99, 5)
    )
    screen = screen_from_table(t.sample(frac=1, random_state=int(seed) % 1000))
    rows = [0, 1, 3, 4]
    for name, i in zip(["A", "B", "D", "A+C"], rows):
        np.testing.assert_allclose(screen[name].X[0], values[i] - values[2], rtol=1e-6, atol=1e-6)
        assert screen.obs.loc[name, "n_cells"] == t["n_cells"][i]
    np.testing.assert_allclose(screen.var["control_mean"], values[2])
    assert check_screen(screen) is screen


@pytest.mark.parametrize(
    "bad,says",
    [
        (dict(x=[1.0, np.nan, 3]), "row 'B', column 'x'"),
        (dict(x=[1.0, np.inf, 3]), "row 'B', column 'x'"),
        (dict(x=[1.0, -np.inf, 3]), "row 'B', column 'x'"),
        (dict(x=["1", "two", "3"]), "not numbers: x"),
        (dict(x=[True, False, True]), "x"),
        (dict(x=pd.to_datetime(["2020-01-01"] * 3)), "x"),
        (dict(x=[1 + 2j, 0, 0]), "x"),
        (dict(x=pd.Categorical(["a", "b", "c"])), "x"),
        (dict(x=pd.array(["a", "b", "c"], dtype="string")), "x"),
        (dict(perturbation=["ctrl"] * 3), "control"),
        (dict(perturbation=["A", "  ", "C"]), "name"),
        (dict(perturbation=["A", "", "C"]), "name"),
        (dict(perturbation=["A", None, "C"]), "name"),
        (dict(perturbation=["A", np.nan, "C"]), "name"),
        (dict(n_cells=[5, np.nan, 3]), "n_cells"),
        (dict(n_cells=[5, -2, 3]), "n_cells"),
        (dict(n_cells=[5, 0, 3]), "n_cells"),
        (dict(n_cells=["5", "x", "3"]), "n_cells"),
        (dict(x=[1e300, 0, 0]), "row 'A', column 'x'"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_hostile_tables(bad, says):
    with pytest.raises(GraphselError, match=says):
        screen_from_table(table(**bad), "t.csv")


def test_the_count_of_bad_values_is_right():
    with pytest.raises(GraphselError, match="1 values"):
        screen_from_table(table(x=[np.nan, 2, 3]))


def test_pandas_own_number_types_are_numbers():
    t = table(x=pd.array([1, 2, 3], dtype="Int64"), y=pd.array([0.5, 1, 2], dtype="Float64"))
    np.testing.assert_allclose(screen_from_table(t).X, [[1, 0.5], [2, 1], [3, 2]])


def test_a_column_named_twice():
    t = pd.concat([table(), table()[["x"]]], axis=1)
    with pytest.raises(GraphselError, match="twice: x"):
        screen_from_table(t)


@pytest.mark.parametrize(
    "t,says",
    [
        (table().drop(columns="perturbation"), "no column 'perturbation'"),
        (table()[["perturbation"]], "no perturbation or no response"),
        (table().iloc[:0], "perturbation"),
        (pd.DataFrame(), "perturbation"),
    ],
    ids=["no names", "no response", "no row", "nothing"],
)
def test_tables_that_hold_nothing(t, says):
    with pytest.raises(GraphselError, match=says):
        screen_from_table(t)


def test_a_file_without_columns_is_named(tmp_path):
    pd.DataFrame().to_parquet(tmp_path / "none.parquet")
    for options in ({}, {"transpose": True}, {"perturbation_key": "gene"}):
        with pytest.raises(GraphselError, match="none.parquet holds nothing"):
            read_screen(tmp_path / "none.parquet", **options)


def test_make_screen_refuses_text_and_wrong_lengths():
    frame = table().set_index("perturbation")
    with pytest.raises(GraphselError):
        make_screen(frame.assign(x=["a", "b", "c"]))
    with pytest.raises(GraphselError):
        make_screen(frame, n_cells=[1, 2])
    with pytest.raises(GraphselError):
        make_screen(frame, control_mean=[1, 2, 3])


# ---- files ----


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".h5ad"])
def test_files_give_the_same_screen(suffix, tmp_path):
    path, t = tmp_path / f"screen{suffix}", table(n_cells=[10, 20, 30])
    expected = screen_from_table(t)
    if suffix == ".parquet":
        t.to_parquet(path)
    elif suffix == ".h5ad":
        write_screen(expected, path)
    else:
        t.to_csv(path, index=False, sep="\t" if "tsv" in suffix else ",")
    back = read_screen(path)
    pd.testing.assert_frame_equal(back.to_df(), expected.to_df(), check_names=False)
    np.testing.assert_array_equal(back.obs["n_cells"], expected.obs["n_cells"])


def test_text_from_windows(tmp_path):
    (tmp_path / "w.csv").write_bytes(b"\xef\xbb\xbfperturbation,x\r\nA,1\r\n\r\nB,2\r\n")
    assert read_screen(tmp_path / "w.csv").X.ravel().tolist() == [1, 2]


def test_a_gene_called_na(tmp_path):
    (tmp_path / "n.csv").write_text("perturbation,x\nNA,1\nNAN,2\nNULL,3\n")
    assert list(read_screen(tmp_path / "n.csv").obs_names) == ["NA", "NAN", "NULL"]


def hostile_file(kind, folder, screen):
    "A file that is not what its name says."
    path = (
        folder
        / {
            "empty csv": "e.csv",
            "empty h5ad": "e.h5ad",
            "empty parquet": "e.parquet",
            "excel": "e.xlsx",
            "text as h5ad": "t.h5ad",
            "binary csv": "b.csv",
            "ragged": "r.csv",
            "cut h5ad": "c.h5ad",
            "cut gz": "c.csv.gz",
            "bad gz": "b.csv.gz",
            "folder": "d.csv",
            "absent": "a.csv",
            "header only": "h.csv",
            "latin": "l.csv",
        }[kind]
    )
    zipped = gzip.compress(
        b"perturbation,x\n" + b"".join(b"g%d,%d\n" % (i, i * i) for i in range(500))
    )
    write_screen(screen, folder / "whole.h5ad")
    whole = (folder / "whole.h5ad").read_bytes()
    content = {
        "text as h5ad": b"perturbation,x\nA,1\n",
        "excel": b"PK",
        "binary csv": bytes(range(256)) * 9,
        "ragged": b"perturbation,x\nA,1\nB,1,2,3\n",
        "cut h5ad": whole[: len(whole) // 2],
        "cut gz": zipped[: len(zipped) // 2],
        "bad gz": zipped[:200] + b"\xff" * 50 + zipped[250:],
        "header only": b"perturbation,x\n",
        "latin": "perturbation,x\nA\xe9,1\n".encode("latin-1"),
    }.get(kind, b"")
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "empty csv",
        "empty h5ad",
        "empty parquet",
        "excel",
        "text as h5ad",
        "binary csv",
        "ragged",
        "cut h5ad",
        "cut gz",
        "bad gz",
        "folder",
        "absent",
        "header only",
        "latin",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_hostile_files(kind, tmp_path):
    path = hostile_file(kind, tmp_path, screen_from_table(table()))
    with pytest.raises(GraphselError) as e:
        read_screen(path)
    assert path.name in str(e.value) and "; " in str(e.value), "says where, and how to mend it"


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    screen = screen_from_table(table())
    (tmp_path / "file").write_text("")
    with pytest.raises(GraphselError):
        write_screen(screen, tmp_path / "file" / "s.h5ad")
    with pytest.raises(GraphselError):
        write_screen(ad.AnnData(np.ones((2, 2))), tmp_path / "s.h5ad")
    with pytest.raises(GraphselError):
        write_screen(screen, tmp_path / "s.csv")  # it would not be read back
    assert [o.name for o in tmp_path.iterdir()] == ["file"]


def test_round_trip_of_a_slice(population, tmp_path):
    part = screen_from_cells(population)[["C", "A"], 5:15]
    back = read_screen(write_screen(part, tmp_path / "part.h5ad"))
    assert_same_screen(back, part)
    assert dict(back.uns["graphsel"]) == dict(part.uns["graphsel"])


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.csv.gz", "t", "t.xlsx"])
@pytest.mark.parametrize("kind", ["commas", "semicolons", "tabs", "parquet", "sheet", "zipped"])
def test_a_table_is_known_by_its_content(name, kind, tmp_path):
    frame = pd.DataFrame({"perturbation": ["ctrl", "TP53"], "x": [1.5, 2.5], "y": [0.25, 1.0]})
    path = tmp_path / name
    if kind == "parquet":
        frame.to_parquet(tmp_path / "p")
        (tmp_path / "p").rename(path)
    elif kind == "sheet":
        frame.to_excel(tmp_path / "s.xlsx", index=False)
        (tmp_path / "s.xlsx").rename(path)
    else:
        text = frame.to_csv(
            index=False,
            sep={"semicolons": ";", "tabs": "\t"}.get(kind, ","),
            decimal="," if kind == "semicolons" else ".",
        ).encode()
        path.write_bytes(gzip.compress(text) if kind == "zipped" else text)
    assert read_screen(path).X.tolist() == [[1.0, 0.75]]


# ---- splits ----


@given(n=st.integers(2, 80), fraction=st.floats(0.01, 0.99), seed=SEEDS, order=st.randoms())
@settings(max_examples=50)
def test_split_is_a_partition_that_order_does_not_change(n, fraction, seed, order):
    names = [f"g{i}" for i in range(n)]
    shuffled = names * 2
    order.shuffle(shuffled)
    if not 0 < round(fraction * n) < n:
        with pytest.raises(GraphselError):
            split_perturbations(names, fraction, seed)
        return
    pool, test = split_perturbations(names, fraction, seed)
    assert (pool, test) == split_perturbations(shuffled, fraction, seed)
    assert (
        pool == sorted(pool)
        and test == sorted(test)
        and sorted(pool + test) == sorted(names)
        and len(test) == round(fraction * n)
    )


def test_split_by_generator_goes_on_with_its_stream():
    names, rng = [f"g{i}" for i in range(30)], np.random.default_rng(1)
    first, second = (
        split_perturbations(names, random_state=rng),
        split_perturbations(names, random_state=rng),
    )
    assert first != second and first == split_perturbations(names, random_state=1)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan")])
def test_split_refuses_impossible_fractions(fraction):
    with pytest.raises(GraphselError):
        split_perturbations("ABCDE", fraction, 0)


# ---- real cells ----


def test_norman_mcfaline(shared_data):
    path = shared_data / "norman_mcfaline_cells.h5ad"
    with pytest.raises(GraphselError, match="cell_type.*pool="):
        read_screen(path)
    screen = read_screen(path, perturbation_key="perturbation", pool="cell_type")
    adata = ad.read_h5ad(path)
    label = adata.obs["perturbation"].map(perturbation_name).to_numpy().astype(str)
    assert screen.shape == (33, 500) and screen.obs["n_cells"].sum() == (label != "control").sum()
    X = adata.X.toarray().astype(np.float64)
    for name in screen.obs_names:
        np.testing.assert_allclose(
            screen[name].X[0], X[label == name].mean(0) - X[label == "control"].mean(0), atol=1e-6
        )
        assert screen.obs.loc[name, "n_cells"] == (label == name).sum()
    np.testing.assert_allclose(screen.var["control_mean"], X[label == "control"].mean(0), atol=1e-6)
    pairs = [n for n in screen.obs_names if len(perturbed_genes(n)) == 2]
    assert len(pairs) == sum("+" in n for n in set(label)) == 15 and all(
        len(perturbed_genes(n)) in (1, 2) for n in screen.obs_names
    )
    assert (screen.layers["top_de"].sum(axis=1) == 20).all()
    y, x = X[label == "KLF1+TGFBR2"], X[label == "control"]
    exact = np.mean([((y[:, 3] - o) ** 4).mean() for o in x[:, 3]])
    np.testing.assert_allclose(screen["KLF1+TGFBR2"].layers["m4"][0, 3], exact, rtol=1e-9)


def test_k562_table(shared_data):
    screen = read_screen(shared_data / "k562_essential_latent.tsv")
    assert (
        screen.shape == (1092, 9)
        and "control" not in screen.obs_names
        and screen.obs["n_cells"].min() > 0
    )


def test_the_only_column_of_text_is_named_in_the_hint():
    with pytest.raises(GraphselError, match="if 'Knocked' names them, say so: perturbation_key"):
        screen_from_table(table().rename(columns={"perturbation": "Knocked"}))


@pytest.mark.parametrize("column", ["line_id", "Cell line name", "cell_type_label"])
def test_conditions_under_longer_names(column):
    rows = pd.concat([table().assign(**{column: o}) for o in ("K562", "RPE1")], ignore_index=True)
    with pytest.raises(GraphselError, match="would be pooled"):
        screen_from_table(rows)
