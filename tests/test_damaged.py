"""Damaged and hostile files: read, or refused in one line that names them; nothing else is raised or waited for."""

import contextlib
import faulthandler
import gzip
import io
import itertools
import json
import logging
import shutil
import signal
import sys
import warnings
import zipfile

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from graphsel.benchmark.protocol import make_protocol
from graphsel.benchmark.statistics import summarize
from graphsel.benchmark.store import open_folder, read_comparison, read_results, read_task
from graphsel.core.errors import GraphselError
from graphsel.core.identity import sha1
from graphsel.genes.lists import read_costs, read_gene_list, read_pairs
from graphsel.genes.symbols import read_aliases
from graphsel.graphs.build import from_edges
from graphsel.graphs.priors import read_prior
from graphsel.graphs.readers.annotations import read_obo
from graphsel.graphs.readers.coexpression import from_coexpression
from graphsel.graphs.readers.embedding import from_embedding
from graphsel.graphs.readers.read import read_graph
from graphsel.graphs.readers.string import read_string_aliases
from graphsel.models.gears.training import read_checkpoint
from graphsel.models.registry import load_model, make_model
from graphsel.plotting.results import run_facts, saved_table
from graphsel.screens.formats import open_cells
from graphsel.screens.from_cells import screen_from_cells
from graphsel.screens.read import read_screen, write_screen
from graphsel.screens.screen import make_screen
from graphsel.selection.plan import Selection
from graphsel.selection.select import select

SECONDS = 20  # a file that takes longer hangs
FAST = 3  # damaged files of each format; the slow test makes one of each kind of damage
GENES = [f"GENE{i}" for i in range(1, 41)]


# --- one small valid file of each format, and what reads it ---


def edge_table():
    pairs = list(itertools.combinations(GENES[:12], 2))
    return pd.DataFrame(
        {
            "source": [a for a, _ in pairs],
            "target": [b for _, b in pairs],
            "weight": np.linspace(0.1, 1, len(pairs)),
        }
    )


def screen_table():
    values = np.random.default_rng(1).normal(size=(12, 6)).round(3)
    table = pd.DataFrame(values, columns=[f"R{i}" for i in range(6)])
    table.insert(0, "perturbation", ["control", *GENES[:11]])
    table.insert(1, "n_cells", range(20, 32))
    return table


def list_table():
    rows = [("K562", p, g, rank) for p in GENES[:4] for rank, g in enumerate(GENES[10:16], 1)]
    return pd.DataFrame(rows, columns=["line", "perturbed_gene", "gene", "rank"])


def cells(kind=np.asarray, dtype="float32"):
    values = np.random.default_rng(2).poisson(0.8, size=(60, 15)).astype(dtype)
    obs = pd.DataFrame(
        {"condition": ["ctrl"] * 20 + [f"{g}+ctrl" for g in GENES[:4] for _ in range(10)]},
        index=[f"cell{i}" for i in range(60)],
    )
    return ad.AnnData(
        kind(np.log1p(values).astype(dtype)), obs=obs, var=pd.DataFrame(index=GENES[:15])
    )


def small_screen():
    table = screen_table().drop(columns="n_cells").set_index("perturbation").drop("control")
    return make_screen(table, n_cells=10, source="test")


def small_graph():
    table = edge_table()
    return from_edges(table["source"], table["target"], table["weight"])


def result_table():
    rows = [
        {
            "strategy": s,
            "model": "ridge",
            "split": k,
            "noise": 0.0,
            "noise_kind": "rewire",
            "seed": k,
            "repeat": 0,
            "graph": "",
            "budget": b,
            "status": "ok",
            "error": "",
            "mse": 1 / (b + k),
            "pearson": 0.5,
            "picks": "GENE1 GENE2",
            "picks_sha1": "x",
        }
        for s in ("random", "variance")
        for k in range(3)
        for b in (4, 8)
    ]
    return pd.DataFrame(rows)


def text(content):
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def zipped(write, inner):
    "A writer of a gzipped file, from the writer of a plain one."

    def write_gz(path):
        plain = path.with_name(inner)
        write(plain)
        path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        plain.unlink()

    return write_gz


def table(make, **options):
    "A writer of a table, in the form that the ending says."

    def write(path):
        frame = make()
        if path.suffix == ".xlsx":
            frame.to_excel(path, index=False)
        elif path.suffix == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, sep="," if path.suffix == ".csv" else "\t", index=False, **options)

    return write


def joined(rows, separator="\t"):
    return "\n".join(separator.join(map(str, r)) for r in rows) + "\n"


GMT = joined([f"SET{k}", "http://x", *GENES[k : k + 8]] for k in range(8))
ENRICHR = joined([f"set {k} (GO:000{k}),{GENES[k]}", *GENES[k + 1 : k + 8]] for k in range(8))
OBO = "format-version: 1.2\n" + "".join(
    f"\n[Term]\nid: GO:{k}\nname: term {k}\n" + (f"is_a: GO:{k // 2} ! above\n" if k > 1 else "")
    for k in range(1, 12)
)
GAF = "!gaf-version: 2.2\n" + joined(
    [
        "UniProtKB",
        f"P{i}",
        GENES[i],
        "involved_in",
        f"GO:{1 + (i + j) % 11}",
        "PMID:1",
        "IDA",
        "",
        "P",
        "",
        "",
        "protein",
        "taxon:9606",
        "20200101",
        "UniProt",
        "",
        "",
    ]
    for i in range(12)
    for j in range(3)
)
REACTOME = joined(
    [GENES[i], f"R-HSA-{j}", "http://x", f"path {j}", "TAS", "Homo sapiens"]
    for i in range(12)
    for j in range(3)
    if (i + j) % 2
)
LINKS = joined(
    [
        ("protein1", "protein2", "combined_score"),
        *(
            (f"9606.P{a}", f"9606.P{b}", 400 + a * b)
            for a, b in itertools.combinations(range(12), 2)
        ),
    ],
    " ",
)
INFO = joined(
    [
        ("#string_protein_id", "preferred_name", "protein_size"),
        *((f"9606.P{i}", GENES[i], 100 + i) for i in range(12)),
    ]
)
ALIASES = joined(
    [
        ("#string_protein_id", "alias", "source"),
        *((f"9606.P{i}", f"OLD{i}", "test") for i in range(12)),
    ]
)
HGNC = joined(
    [
        ("hgnc_id", "symbol", "status", "alias_symbol", "prev_symbol"),
        *((f"HGNC:{i}", GENES[i], "Approved", f"A{i}|B{i}", f"C{i}") for i in range(12)),
    ]
)


def embedding():
    values = pd.DataFrame(
        np.random.default_rng(3).normal(size=(30, 4)).round(4), columns=list("abcd")
    )
    values.insert(0, "gene", GENES[:30])
    return values


def write_links(path):
    text(LINKS)(path)
    text(INFO)(path.with_name("9606.protein.info.v12.0.txt"))


def write_aliases(path):
    text(ALIASES)(path)
    text(INFO)(path.with_name("info.txt"))


def write_cells(**options):
    def write(path):
        adata = cells(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix == ".zarr":
                adata.write_zarr(path)
            else:
                adata.write_h5ad(path)

    return write


def write_gzipped_cells(path):
    cells(sparse.csr_matrix).write_h5ad(path, compression="gzip")


def write_screen_zarr(path):
    small_screen().write_zarr(path)


def write_half(path):
    "Sparse float16: anndata writes it, scipy cannot compute with it."
    import h5py

    write_cells(kind=sparse.csr_matrix)(path)
    with h5py.File(path, "r+") as f:
        values = f["X/data"][:].astype("float16")
        del f["X/data"]
        f["X/data"] = values


def read_backed(path):
    "What anndata itself cannot open is not ours; what HDF5 would never finish to open is refused before."
    with open_cells(path):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nor is what it says of pandas
            adata = ad.read_h5ad(path, backed="r")
    except Exception as e:
        raise GraphselError(f"{path}: not opened") from e
    try:
        return screen_from_cells(adata, source=path.name)
    finally:
        adata.file.close()


def write_plan(path):
    select(small_graph(), budget=5).save(path)


def write_model(path):
    screen = small_screen()
    make_model("ridge").fit(
        screen, small_graph(), perturbations=list(screen.obs_names), random_state=0
    ).save(path)


def use_model(path):
    return load_model(path).predict(GENES[:6])


def write_checkpoint(path):
    import torch

    torch.save(
        {"key": "key", "member": 0, "run": {"step": 1, "weights": torch.ones(50)}, "done": []}, path
    )


def write_comparison(path):
    path.mkdir()
    result_table().to_csv(path / "results.csv", index=False)
    summarize(result_table()).to_csv(path / "summary.csv", index=False)
    run = {
        "identity": "x",
        "earlier": [],
        "protocol": {"strategies": ["random"]},
        "version": "0.1.0",
        "machine": {"python": "3.12"},
        "inputs": {"screen": "abc"},
    }
    (path / "run.json").write_text(json.dumps(run, indent=1))


def use_comparison(path):
    found = read_comparison(path)
    one = found.results.iloc[0]  # damage may have made several graphs of one: a curve is of one
    choice = {"graph": one["graph"], "noise_kind": one["noise_kind"]}
    return (
        found.metrics,
        found.budgets,
        run_facts(found),
        saved_table(found, one["model"], one["noise"], ["random"], **choice),
    )


def write_task(path):
    rows = result_table().to_dict("records")
    path.write_text(
        json.dumps(
            {
                "comparison": "name",
                "task": {"seed": 1},
                "rows": rows,
                "sha1": sha1(json.dumps(rows)),
            },
            indent=1,
        )
    )


class Bench:
    "What `open_folder` asks of a bench."

    identity, graphs, left_out, parts = "bench", {"": small_graph()}, (), {"screen": "bench"}


PLAN = make_protocol(["random"], [4])


def write_run(path):
    with contextlib.suppress(GraphselError):
        open_folder(path, PLAN, Bench, False, {})


def resume(path):
    return open_folder(path, PLAN, Bench, True, {})[1]


def graph_of(path):
    graph = read_graph(path)
    return graph.fingerprint


def screen_of(path):
    return read_screen(path).X


FORMATS = {  # name of the file: (writer, reader)
    "edges.csv": (table(edge_table), graph_of),
    "edges.tsv": (table(edge_table), graph_of),
    "edges.parquet": (table(edge_table), graph_of),
    "edges.csv.gz": (zipped(table(edge_table), "edges.csv"), graph_of),
    "edges.tsv.gz": (zipped(table(edge_table), "edges.tsv"), graph_of),
    "sets.gmt": (text(GMT), graph_of),
    "sets.gmt.gz": (zipped(text(GMT), "sets.gmt"), graph_of),
    "enrichr.txt": (text(ENRICHR), graph_of),
    "go.gaf": (text(GAF), graph_of),
    "go.gaf.gz": (zipped(text(GAF), "go.gaf"), graph_of),
    "terms.obo": (text(OBO), lambda path: read_obo(path).above.nnz),
    "terms.obo.gz": (zipped(text(OBO), "terms.obo"), lambda path: read_obo(path).above.nnz),
    "Ensembl2Reactome.txt": (text(REACTOME), graph_of),
    "9606.protein.links.v12.0.txt": (write_links, graph_of),
    "9606.protein.links.v12.0.txt.gz": (zipped(write_links, "links.txt"), graph_of),
    "aliases.v12.0.txt": (
        write_aliases,
        lambda path: len(read_string_aliases(path, path.with_name("info.txt")).to),
    ),
    "coexpression.h5ad": (write_cells(), graph_of),
    "sparse-coexpression.h5ad": (write_cells(kind=sparse.csr_matrix), graph_of),
    "dense.h5ad": (write_cells(), screen_of),
    "csr.h5ad": (write_cells(kind=sparse.csr_matrix), screen_of),
    "csc.h5ad": (write_cells(kind=sparse.csc_matrix), screen_of),
    "gzipped.h5ad": (write_gzipped_cells, screen_of),
    "half.h5ad": (write_half, screen_of),
    "backed.h5ad": (write_cells(kind=sparse.csr_matrix), read_backed),
    "backed-dense.h5ad": (write_cells(), read_backed),
    "half-coexpression.h5ad": (write_half, graph_of),
    "screen.h5ad": (lambda path: write_screen(small_screen(), path), screen_of),
    "cells.zarr": (write_cells(), screen_of),
    "sparse.zarr": (write_cells(kind=sparse.csr_matrix), screen_of),
    "screen.zarr": (write_screen_zarr, screen_of),
    "screen.csv": (table(screen_table), screen_of),
    "screen.tsv": (table(screen_table), screen_of),
    "screen.parquet": (table(screen_table), screen_of),
    "screen.xlsx": (table(screen_table), screen_of),
    "screen.csv.gz": (zipped(table(screen_table), "screen.csv"), screen_of),
    "ranked.tsv": (table(list_table), screen_of),
    "ranked.csv": (table(list_table), lambda path: read_screen(f"{path}:line=K562").X),
    "ranked.xlsx": (table(list_table), lambda path: read_screen(f"{path}:line=K562").X),
    "prior.csv": (table(embedding), lambda path: read_prior(path).genes),
    "prior.xlsx": (table(embedding), lambda path: read_prior(path).genes),
    "embedding.parquet": (table(embedding), lambda path: from_embedding(path, k=3).fingerprint),
    "embedding.tsv": (table(embedding), lambda path: from_embedding(path, k=3).fingerprint),
    "embedding.xlsx": (table(embedding), lambda path: from_embedding(path, k=3).fingerprint),
    "genes.txt": (text(joined([g] for g in GENES)), read_gene_list),
    "genes.csv": (table(lambda: pd.DataFrame({"gene": GENES, "note": "x"})), read_gene_list),
    "genes.xlsx": (table(lambda: pd.DataFrame({"gene": GENES, "note": "x"})), read_gene_list),
    "genes.txt.gz": (zipped(text(joined([g] for g in GENES)), "genes.txt"), read_gene_list),
    "genes16.txt": (text(joined([g] for g in GENES).encode("utf-16")), read_gene_list),
    "costs.csv": (table(lambda: pd.DataFrame({"gene": GENES, "cost": 1.5})), read_costs),
    "costs.xlsx": (table(lambda: pd.DataFrame({"gene": GENES, "cost": 1.5})), read_costs),
    "groups.tsv": (
        table(lambda: pd.DataFrame({"gene": GENES, "group": "a"})),
        lambda path: read_pairs(path, "group"),
    ),
    "groups.xlsx": (
        table(lambda: pd.DataFrame({"gene": GENES, "group": "a"})),
        lambda path: read_pairs(path, "group"),
    ),
    "names.csv": (
        table(lambda: pd.DataFrame({"alias": [f"OLD{i}" for i in range(40)], "symbol": GENES})),
        lambda path: sorted(read_aliases(path).to),
    ),
    "names.tsv.gz": (
        zipped(
            table(lambda: pd.DataFrame({"alias": [f"OLD{i}" for i in range(40)], "symbol": GENES})),
            "names.tsv",
        ),
        lambda path: sorted(read_aliases(path).to),
    ),
    "hgnc_complete_set.txt": (text(HGNC), lambda path: sorted(read_aliases(path).to)),
    "plan.json": (write_plan, lambda path: vars(Selection.load(path))),
    "fitted.model": (write_model, use_model),
    "training.pt": (write_checkpoint, lambda path: read_checkpoint(path, "key")),
    "results.csv": (table(result_table), lambda path: summarize(read_results(path))),
    "results.parquet": (table(result_table), lambda path: summarize(read_results(path))),
    "comparison": (write_comparison, use_comparison),
    "0123abcd.json": (write_task, lambda path: read_task(path, {"name"})),
    "resumed": (write_run, resume),
}


# --- damage ---


def spot(data, rng, longest=64):
    "A random stretch of the bytes."
    start = int(rng.integers(len(data)))
    return start, min(len(data), start + 1 + int(rng.integers(longest)))


def cut(data, rng):
    return data[: int(rng.integers(len(data)))]


def cut_little(data, rng):
    return data[: -int(rng.integers(1, 20))]


def behead(data, rng):
    return data[int(rng.integers(1, 40)) :]


def flip(data, rng):
    out = bytearray(data)
    for at in rng.integers(len(out), size=int(rng.integers(1, 6))):
        out[at] ^= int(rng.integers(1, 256))
    return bytes(out)


def flip_head(data, rng):
    out = bytearray(data)
    for at in rng.integers(min(len(out), 200), size=3):
        out[at] ^= int(rng.integers(1, 256))
    return bytes(out)


def insert(data, rng):
    at, _ = spot(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:]


def zero(data, rng):
    start, stop = spot(data, rng, 600)
    return data[:start] + bytes(stop - start) + data[stop:]


def remove(data, rng):
    start, stop = spot(data, rng)
    return data[:start] + data[stop:]


def swap(data, rng):
    a, b, c = sorted(int(i) for i in rng.integers(len(data) + 1, size=3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def repeat(data, rng):
    start, stop = spot(data, rng, 500)
    return data[:stop] + data[start:stop] + data[stop:]


def empty(data, rng):
    return b""


def noise(data, rng):
    return rng.bytes(300)


def page(data, rng):
    return b"<!DOCTYPE html><html><body>Not found</body></html>"


def returns(data, rng):
    return b"\n".join(line + b"\r" * int(rng.integers(3)) for line in data.split(b"\n"))


def nul(data, rng):
    at, _ = spot(data, rng)
    return data[:at] + b"\0" + data[at:]


def fields(data, rng, value):
    "Another value in a few fields of a text."
    parts = data.replace(b",", b"\t").split(b"\t") if b"\t" in data else data.split(b",")
    for at in rng.integers(len(parts), size=2):
        parts[at] = value
    return (b"\t" if b"\t" in data else b",").join(parts)


def words(data, rng):
    return fields(data, rng, b"abc")


def huge(data, rng):
    return fields(
        data,
        rng,
        [b"1e999", b"9" * 400, b"-1e308", b"nan", b"inf", b"9" * 30, b"0x1f", b"1_0"][
            int(rng.integers(8))
        ],
    )


def quote(data, rng):
    return fields(data, rng, b'"abc')


def twice(data, rng):
    return fields(data.split(b"\n")[0], rng, data[:6]) + b"\n" + data


def deep(data, rng):
    return [b"[" * 100_000, b'{"a":' * 100_000, b"(" * 100_000, data.replace(b"[", b"[" * 5000, 1)][
        int(rng.integers(4))
    ]


def wide(data, rng):
    return data[: len(data) // 2] + b",\t" * 200_000 + data[len(data) // 2 :]


def values(data, rng):
    "Another kind of value at one place of a JSON text."
    try:
        found = json.loads(data)
    except ValueError:
        return flip(data, rng)
    if not isinstance(found, dict) or not found:
        return flip(data, rng)
    key = list(found)[int(rng.integers(len(found)))]
    other = [None, 1, -1.5, "abc", [], {}, [[1]], {"a": 1}, True, 1e300, [None], ["a", 1]][
        int(rng.integers(12))
    ]
    return json.dumps(found | {key: other} if rng.random() < 0.8 else other).encode()


DAMAGES = (
    cut,
    flip,
    insert,
    zero,
    remove,
    swap,
    repeat,
    empty,
    noise,
    page,
    cut_little,
    behead,
    flip_head,
    returns,
    nul,
    words,
    huge,
    quote,
    twice,
    deep,
    wide,
    values,
)
RAW = {
    cut,
    cut_little,
}  # what is done to a gzipped file as it is; otherwise its content is damaged in one of two cases


def damaged(path, damage, rng):
    "Damage a file, or one of the files of a folder; one of these may also go missing."
    files = sorted(o for o in path.rglob("*") if o.is_file()) if path.is_dir() else [path]
    file = files[int(rng.integers(len(files)))]
    if path.is_dir() and damage is empty and rng.random() < 0.5:
        return file.unlink()
    data = file.read_bytes()
    inside = file.suffix == ".gz" and damage not in RAW and rng.random() < 0.5
    if inside:
        data = gzip.decompress(data)
    data = damage(data, rng) if data else data
    file.write_bytes(gzip.compress(data) if inside else data)


def renamed(path, rng):
    "The file with the ending of another kind."
    other = path.with_name(
        "other"
        + [
            ".csv",
            ".tsv",
            ".parquet",
            ".xlsx",
            ".h5ad",
            ".zarr",
            ".gmt",
            ".gaf",
            ".txt",
            ".json",
            ".csv.gz",
            ".sif",
            "",
        ][int(rng.integers(13))]
    )
    path.rename(other)
    return other


# --- what comes of it ---


class Late(BaseException):
    "The file took too long."


@contextlib.contextmanager
def limited(seconds=SECONDS):
    "Raise `Late` after some seconds, where the system has such an alarm."
    if not hasattr(signal, "SIGALRM"):
        return (yield)

    def ring(number, frame):
        raise Late(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    faulthandler.dump_traceback_later(
        10 * seconds, exit=True, file=sys.__stderr__
    )  # compiled code hears no alarm
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault_of(read, path):
    "What is wrong with the way that a damaged file is read: a line, or nothing."
    shown = io.StringIO()
    with warnings.catch_warnings(record=True) as seen, contextlib.redirect_stderr(shown), limited():
        warnings.simplefilter("always")
        try:
            read(path)
        except GraphselError as e:
            if "\n" in str(e) or len(str(e)) > 1500:
                return f"not one line: {str(e)[:300]!r}"
            if path.name not in str(e):
                return f"does not name the file: {e}"
        except Late as e:
            return str(e)
        except Exception as e:
            return f"{type(e).__name__}: {e}"
    noise = [str(o.message) for o in seen] + shown.getvalue().splitlines()
    return f"noise: {noise[0]}" if noise else None


def faults(name, folder, numbers):
    "The faults found in some damaged files of a format, each with what makes it again."
    write, read = FORMATS[name]
    whole, found = folder / "whole", []
    whole.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(whole / name)
    for number in numbers:
        rng = np.random.default_rng([number, *name.encode()])
        copy = folder / str(number)
        shutil.copytree(whole, copy)
        path, damage = copy / name, DAMAGES[number % len(DAMAGES)]
        if number % (len(DAMAGES) + 1) == len(DAMAGES):
            path = renamed(path, rng)
        else:
            damaged(path, damage, rng)
        if fault := fault_of(read, path):
            found.append(f"{name}, number {number} ({damage.__name__}): {fault}")
        shutil.rmtree(copy)
    return found


@pytest.fixture(autouse=True)
def quiet(caplog):
    "What is told in the log while a damaged file is read is no fault."
    caplog.set_level(logging.CRITICAL, "graphsel")


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read(name, tmp_path):
    write, read = FORMATS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(tmp_path / name) is not None


KINDS = len(DAMAGES) + 1  # and the wrong ending


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused_in_one_line(name, tmp_path):
    first = FAST * list(FORMATS).index(name)  # every kind of damage comes to some format
    assert not faults(name, tmp_path, [(first + i) % KINDS for i in range(FAST)])


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_thousand_damaged_files(name, tmp_path):
    assert not faults(name, tmp_path, range(KINDS))
    assert KINDS * len(FORMATS) >= 1000


# --- files with a checksum ---

SEALED = {
    "plan.json": lambda path: repr(vars(Selection.load(path))),
    "fitted.model": lambda path: use_model(path).X.tobytes(),
    "0123abcd.json": lambda path: read_task(path, {"name"}),
}


@pytest.mark.parametrize("name", SEALED)
def test_no_answer_changes_in_silence(name, tmp_path):
    "A file that carries a checksum is refused (a task: set aside and run again), or says what it said before."
    FORMATS[name][0](tmp_path / name)
    data, read = (tmp_path / name).read_bytes(), SEALED[name]
    if b"sha1" not in data and b"sha256" not in data:
        pytest.skip("this format has no checksum")
    whole = read(tmp_path / name)
    for number in range(5 * len(DAMAGES)):
        rng, damage = np.random.default_rng([number, 7]), DAMAGES[number % len(DAMAGES)]
        copy = tmp_path / str(number) / name
        copy.parent.mkdir()
        copy.write_bytes(damage(data, rng))
        try:
            found = read(copy)
        except GraphselError:
            continue
        assert found is None or found == whole, f"number {number} ({damage.__name__})"


def test_a_changed_digit_of_a_task_is_seen(tmp_path):
    write_task(tmp_path / "0123abcd.json")
    text = (tmp_path / "0123abcd.json").read_text()
    (tmp_path / "0123abcd.json").write_text(text.replace('"pearson": 0.5', '"pearson": 0.6', 1))
    assert read_task(tmp_path / "0123abcd.json", {"name"}) is None
    assert (tmp_path / "0123abcd.json.damaged").exists()


# --- what is read later ---


def test_cells_damaged_after_they_were_opened_are_refused_by_name(tmp_path):
    import h5py

    path = tmp_path / "cells.h5ad"
    write_gzipped_cells(path)
    with h5py.File(path) as f:
        part = f["X/data"].id.get_chunk_info(0)
    with open_cells(path) as adata:
        with open(path, "r+b") as f:
            f.seek(part.byte_offset)
            f.write(b"\xff" * part.size)
        with pytest.raises(GraphselError, match=r"cells\.h5ad.*is the file complete"):
            screen_from_cells(adata, source="x")


def test_blocks_of_zarr_damaged_after_they_were_opened_are_refused_by_name(tmp_path):
    path = tmp_path / "cells.zarr"
    write_cells(kind=sparse.csr_matrix)(path)
    with open_cells(path) as adata:
        for file in (path / "X" / "data").rglob("*"):
            if file.is_file() and file.suffix != ".json" and not file.name.startswith(".z"):
                file.write_bytes(b"\xff" * 50)
        with pytest.raises(GraphselError, match=r"cells\.zarr.*is the file complete"):
            screen_from_cells(adata, source="x")


def test_cells_in_half_precision_are_read(tmp_path):
    write_half(tmp_path / "half.h5ad")
    write_cells(kind=sparse.csr_matrix)(tmp_path / "single.h5ad")
    np.testing.assert_allclose(
        screen_of(tmp_path / "half.h5ad"), screen_of(tmp_path / "single.h5ad"), atol=2e-3
    )
    assert len(from_coexpression(tmp_path / "half.h5ad").genes) == len(
        from_coexpression(tmp_path / "single.h5ad").genes
    )


def test_a_circle_in_the_lists_of_hdf5_is_refused(tmp_path):
    "HDF5 itself would follow it without end."
    path = tmp_path / "circle.h5ad"
    write_cells()(path)
    data = bytearray(path.read_bytes())
    heap = data.index(b"HEAP\0")
    names = int.from_bytes(data[heap + 24 : heap + 32], "little")
    data[heap + 16 : heap + 24] = data[names : names + 8] = bytes(
        8
    )  # the first free place is at 0, and so is the next
    path.write_bytes(data)
    with limited(), pytest.raises(GraphselError, match=r"circle\.h5ad.*runs in a circle"):
        read_screen(path)


def test_large_values_of_a_table_are_refused_without_noise(tmp_path):
    frame = screen_table()
    frame.loc[0, "R1"] = -1e308
    frame.to_csv(tmp_path / "large.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(GraphselError, match=r"large\.csv"):
            read_screen(tmp_path / "large.csv")


# --- results ---


def test_a_damaged_number_of_the_results_is_named(tmp_path):
    path = tmp_path / "results.csv"
    for column, value in (
        ("budget", "x"),
        ("budget", 4.5),
        ("budget", np.inf),
        ("seed", np.nan),
        ("noise", "low"),
        ("mse", "abc"),
        ("strategy", None),
    ):
        frame = result_table().astype({column: object})
        frame.loc[2, column] = value
        frame.to_csv(path, index=False)
        with pytest.raises(
            GraphselError,
            match="no strategy"
            if column == "strategy"
            else f"results.csv: column '{column}' holds '.*' in row 3",
        ):
            read_results(path)


def test_results_of_a_graph_without_a_name_are_summarized(tmp_path):
    result_table().to_csv(tmp_path / "results.csv", index=False)
    expected = summarize(result_table())
    pd.testing.assert_frame_equal(summarize(read_results(tmp_path / "results.csv")), expected)
    assert len(expected)


@pytest.mark.parametrize("run", ["[]", '{"machine": []}', '{"inputs": 1}', "[" * 100_000])
def test_notes_of_another_kind_are_refused(run, tmp_path):
    write_comparison(tmp_path / "comparison")
    (tmp_path / "comparison" / "run.json").write_text(run)
    with pytest.raises(GraphselError, match=r"run\.json"):
        read_comparison(tmp_path / "comparison")


@pytest.mark.parametrize(
    "run",
    [
        "[]",
        '{"protocol": []}',
        '{"earlier": [[1]]}',
        '{"protocol": {"strategies": 1}}',
        "[" * 100_000,
    ],
)
def test_a_comparison_with_damaged_notes_goes_on(run, tmp_path):
    write_run(tmp_path)
    (tmp_path / "run.json").write_text(run)
    assert resume(tmp_path) == {}
    assert json.loads((tmp_path / "run.json").read_text())["protocol"]["strategies"] == ["random"]


# --- hostile files ---


def write_bomb(path, megabytes, part="xl/worksheets/sheet1.xml"):
    "A true sheet in which one part inflates to some megabytes."
    plain = path.with_name("plain.xlsx")
    pd.DataFrame({"gene": GENES}).to_excel(plain, index=False)
    with (
        zipfile.ZipFile(plain) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name != part:
                new.writestr(name, data)
            else:
                with new.open(name, "w") as f:
                    f.write(data.replace(b"</worksheet>", b""))
                    for _ in range(megabytes):
                        f.write(b" " * 2**20)
                    f.write(b"</worksheet>")
    plain.unlink()


EXCEL = {
    "list": read_gene_list,
    "pairs": read_costs,
    "screen": read_screen,
    "embedding": lambda path: from_embedding(path, k=3),
    "prior": read_prior,
}


@pytest.mark.parametrize("kind", EXCEL)
def test_every_reader_of_excel_refuses_what_inflates_beyond_measure(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("graphsel.core.sheets.SHEET_BYTES", 2**22)
    write_bomb(tmp_path / "bomb.xlsx", 3)
    with pytest.raises(GraphselError, match=r"bomb\.xlsx.*inflate to"):
        EXCEL[kind](tmp_path / "bomb.xlsx")


@pytest.mark.slow
def test_a_bomb_of_excel_takes_no_memory(tmp_path):
    import tracemalloc

    write_bomb(tmp_path / "bomb.xlsx", 1200)
    tracemalloc.start()
    with limited(), pytest.raises(GraphselError, match="inflate to"):
        read_gene_list(tmp_path / "bomb.xlsx")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50e6


@pytest.mark.parametrize("kind", EXCEL)
def test_every_reader_of_excel_stops_at_too_many_cells(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("graphsel.core.sheets.SHEET_CELLS", 30)
    pd.DataFrame({"gene": GENES, "cost": 1.0}).to_excel(tmp_path / "many.xlsx", index=False)
    with pytest.raises(GraphselError, match=r"many\.xlsx.*more than 30 cells"):
        EXCEL[kind](tmp_path / "many.xlsx")


@pytest.mark.parametrize("kind", EXCEL)
def test_entities_in_excel_are_refused(kind, tmp_path):
    "A billion laughs: each entity holds ten of the one before."
    laughs = b"".join(
        b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10 if i else b"ha") for i in range(10)
    )
    pd.DataFrame({"gene": GENES}).to_excel(tmp_path / "plain.xlsx", index=False)
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as old,
        zipfile.ZipFile(tmp_path / "laughs.xlsx", "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("sheet1.xml"):
                head, mark, rest = data.partition(b"<worksheet")
                data = (
                    head
                    + b"<!DOCTYPE worksheet ["
                    + laughs
                    + b"]>"
                    + mark
                    + rest.replace(b"GENE1<", b"&a9;<")
                )
            new.writestr(name, data)
    with limited(), pytest.raises(GraphselError, match=r"laughs\.xlsx.*document type"):
        EXCEL[kind](tmp_path / "laughs.xlsx")


GZIPPED = {
    "genes.txt.gz": read_gene_list,
    "edges.csv.gz": read_graph,
    "sets.gmt.gz": read_graph,
    "go.gaf.gz": read_graph,
    "terms.obo.gz": read_obo,
    "screen.csv.gz": read_screen,
    "9606.protein.links.v12.0.txt.gz": read_graph,
    "names.csv.gz": read_aliases,
}


@pytest.mark.parametrize("name", GZIPPED)
def test_a_gzipped_file_does_not_inflate_without_end(name, tmp_path, monkeypatch):
    monkeypatch.setattr("graphsel.core.files.INFLATED", 2**20)
    (tmp_path / name).write_bytes(gzip.compress(b"source,target,weight\n" + b" " * 2**23))
    with pytest.raises(GraphselError, match=f"{name}.*inflate to more than"):
        GZIPPED[name](tmp_path / name)


def test_a_gzipped_file_of_usual_size_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("graphsel.core.files.INFLATED", 100)
    table(edge_table)(tmp_path / "edges.csv")
    zipped(table(edge_table), "edges.csv")(tmp_path / "edges.csv.gz")
    assert graph_of(tmp_path / "edges.csv.gz")


class Program:
    "A pickle that writes a file when it is read."

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_checkpoint_runs_no_program(tmp_path):
    import torch

    torch.save(
        {"key": "key", "member": 0, "run": Program(tmp_path / "run"), "done": []},
        tmp_path / "training.pt",
    )
    with pytest.raises(GraphselError, match=r"training\.pt.*delete it"):
        read_checkpoint(tmp_path / "training.pt", "key")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_values_of_zarr_that_are_pickles_are_refused(kind, tmp_path):
    path = tmp_path / "cells.zarr"
    write_cells(kind=kind)(path)
    notes = sorted(
        o
        for o in (path / "X").rglob("*")
        if o.name in (".zarray", "zarr.json") and "shape" in json.loads(o.read_text())
    )
    found = json.loads(notes[0].read_text())
    if "codecs" in found:
        found["codecs"].append({"name": "pickle"})
    else:
        found["filters"] = [{"id": "pickle"}]
    notes[0].write_text(json.dumps(found))
    with pytest.raises(GraphselError, match=r"cells\.zarr.*pickles"):
        read_screen(path)
