"""Files and other libraries: each published format written out here, hostile variants of it, and the real files;
other libraries there and back."""

import gzip
import logging

import anndata as ad
import heavy
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers import random_graph, write
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.genes.symbols import resolve
from graphsel.graphs.build import from_edges, from_gene_sets, from_matrix, rename_genes
from graphsel.graphs.convert import from_networkx, from_obsp, from_pyg, to_networkx, to_obsp, to_pyg
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior
from graphsel.graphs.readers.annotations import (
    EXPERIMENTAL,
    Ontology,
    parse_gene_sets,
    read_gaf,
    read_gaf_table,
    read_obo,
    read_reactome,
)
from graphsel.graphs.readers.coexpression import correlation_blocks, from_coexpression
from graphsel.graphs.readers.embedding import from_embedding
from graphsel.graphs.readers.read import read_graph
from graphsel.graphs.readers.string import read_string, read_string_aliases
from graphsel.screens.read import read_screen

SEEDS = st.integers(0, 2**32 - 1)


# ---- gene sets and edge lists ----


@pytest.mark.parametrize(
    "text,expected",
    [
        ("a\tlink\tA\tB\n", {"a": ["A", "B"]}),
        ("a\tlink\tA\tB\r\nb\t\tC\r\n", {"a": ["A", "B"], "b": ["C"]}),
        ("\n\n  \na\tx\tA\n\n", {"a": ["A"]}),
        ("a\tx\tA\t\tB\t \n", {"a": ["A", "B"]}),
        ("a\t\tA,1.0\tB,0.5\n", {"a": ["A", "B"]}),
        ("one, two (GO:1),A\tB\n", {"one, two (GO:1)": ["A", "B"]}),
        ("alone (GO:1),A", {"alone (GO:1)": ["A"]}),
        ("a\tx\tA", {"a": ["A"]}),
        (" a \tx\t A \n", {"a": ["A"]}),
        ("binding (ATP), slow\tlink\tA\tB\n", {"binding (ATP), slow": ["A", "B"]}),
    ],
    ids=str,
)
def test_gene_set_text(text, expected):
    assert parse_gene_sets(text) == expected


@pytest.mark.parametrize(
    "text,line",
    [
        ("just words", 1),
        ("a\tx\tA\nwords", 2),
        ("a\tx\tA\n\na\tx\tB", 3),
        ("a,b,c\n", 1),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_hostile_gene_set_text(text, line):
    with pytest.raises(GraphselError, match=f"f.gmt, line {line}" if line else "f.gmt"):
        parse_gene_sets(text, "f.gmt")


def test_gene_set_files_from_windows(tmp_path):
    path = write(tmp_path, "w.gmt", b"\xef\xbb\xbffirst\tlink\tA\tB\r\n\r\nsecond\tlink\tB\tC\r\n")
    assert parse_gene_sets(path.read_text(encoding="utf-8-sig")) == {
        "first": ["A", "B"],
        "second": ["B", "C"],
    }
    g = read_graph(path)
    assert list(g.genes) == ["A", "B", "C"] and g.source["sets"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "source,target\nA,B\nB,C\n",
        "source,target\r\nA,B\r\nB,C\r\n",
        "\ufeffsource,target\nA,B\nB,C\n",
        "source,target\n\nA,B\n\nB,C\n\n",
        "source,target\n A , B\nB,C \n",
        'source,target\n"A","B"\n"B","C"\n',
    ],
    ids=ascii,
)
def test_edge_files(text, tmp_path):
    expected = from_edges(["A", "B"], ["B", "C"]).fingerprint
    assert read_graph(write(tmp_path, "e.csv", text)).fingerprint == expected
    assert read_graph(write(tmp_path, "e.tsv", text.replace(",", "\t"))).fingerprint == expected
    assert (
        read_graph(write(tmp_path, "e.csv.gz", gzip.compress(text.encode()))).fingerprint
        == expected
    )


@pytest.mark.parametrize(
    "column", ["weight", "score", "importance", "combined_score", "Weight", "anything"]
)
def test_weight_columns(column, tmp_path):
    frame = pd.DataFrame({"a": ["A", "B"], "b": ["B", "C"], column: [1.0, 0.5]})
    frame.to_parquet(tmp_path / "e.parquet")
    path = write(tmp_path, "e.csv", frame.to_csv(index=False))
    expected = from_edges(["A", "B"], ["B", "C"], [1, 0.5]).fingerprint
    assert (
        read_graph(path).fingerprint == read_graph(tmp_path / "e.parquet").fingerprint == expected
    )
    frame.insert(2, "first", 7)
    if column != "anything":
        assert (
            read_graph(write(tmp_path, "f.csv", frame.to_csv(index=False))).fingerprint == expected
        )


def test_columns_of_one_name_and_further_columns(tmp_path):
    g = read_graph(write(tmp_path, "e.csv", "gene,gene,note,weight,more\nA,B,x,2,\nB,C,,1,y\n"))
    assert list(g.genes) == ["A", "B", "C"] and sorted(set(g.adjacency.data)) == [0.5, 1]


def test_genes_called_na_and_numbers(tmp_path):
    g = read_graph(write(tmp_path, "e.csv", "a,b\nNA,NAN\nNULL,None\n"))
    assert list(g.genes) == ["NA", "NAN", "NULL", "None"]
    assert list(read_graph(write(tmp_path, "i.csv", "a,b\n7157,672\n")).genes) == ["672", "7157"]


@pytest.mark.parametrize(
    "name,content,says",
    [
        ("one.csv", "gene\nA\nB\n", "two columns"),
        ("tabs.csv", "a\nA\tB\tC\n", "tabs.csv"),
        ("empty.csv", "", "empty.csv"),
        ("head.csv", "a,b\n", "no edge"),
        ("hole.csv", "a,b\nA,B\n,C\n", "edge 2"),
        ("text.csv", "a,b,weight\nA,B,high\n", "weight"),
        ("nan.csv", "a,b,weight\nA,B,1\nB,C,\n", "edge 2"),
        ("neg.csv", "a,b,weight\nA,B,-1\n", "edge 1"),
        ("loops.csv", "a,b\nA,A\n", "no edge"),
        ("long.csv", "a,b\nA,B,0.9\nB,C,0.8\n", "more fields"),
        ("odd.csv", "a,b,w\nA,B,1\nB,C,1,7\n", "line 3"),
        ("inf.csv", "a,b,weight\nA,B,1\nB,C,inf\n", "edge 2"),
        ("blank.csv", "a,b\nA,B\nB,   \n", "edge 2"),
        ("e.xlsx", "PK", ".xlsx"),
        ("bin.csv", bytes(range(256)) * 4, "bin.csv"),
        ("bin.gmt", bytes(range(256)), "bin.gmt"),
        ("cut.csv.gz", gzip.compress(b"a,b\nA,B\n" * 99, mtime=0)[:30], "cut.csv.gz"),
        ("mine.pdf", "?", r"no graph is read from \.pdf files; give a text \(\.csv.*\.h5ad"),
        ("pdf.csv", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", r"pdf\.csv.*a document; give a text \(\.csv"),
        ("nul.csv", b"\0\1\2", r"nul\.csv: it is no text.*give a text \(\.csv"),
        ("no.parquet", "PAR1 and nothing else", "no.parquet"),
        ("empty.gmt", "", "empty.gmt"),
        ("absent", None, "absent"),
    ],
    ids=lambda o: o if isinstance(o, str) and "." in o else "",
)
def test_hostile_graph_files(name, content, says, tmp_path):
    with pytest.raises(GraphselError, match=says):
        read_graph(tmp_path / name if content is None else write(tmp_path, name, content))


def test_a_missing_file_is_called_missing(tmp_path):
    for name in ("absent.csv", "absent.gmt", "absent.parquet"):
        with pytest.raises(GraphselError, match="no such file"):
            read_graph(tmp_path / name)


def test_a_table_saved_with_its_row_numbers(tmp_path):
    "The index that pandas writes is no gene."
    for weight in ({}, {"weight": [1.0, 0.5]}):
        path = write(
            tmp_path,
            "e.csv",
            pd.DataFrame({"source": ["A", "B"], "target": ["B", "C"], **weight}).to_csv(),
        )
        try:
            genes = list(read_graph(path).genes)
        except GraphselError:
            continue
        assert genes == ["A", "B", "C"]


def test_an_edge_file_without_a_header(tmp_path):
    "The first edge must not be taken for column names in silence."
    path = write(tmp_path, "e.csv", "A,B,0.9\nB,C,0.8\nC,D,0.7\n")
    try:
        genes = list(read_graph(path).genes)
    except GraphselError:
        return
    assert genes == ["A", "B", "C", "D"]


def test_whole_number_columns_of_pandas(tmp_path):
    pd.DataFrame(
        {
            "a": pd.Categorical(["A", "B"]),
            "b": ["B", "C"],
            "weight": pd.array([2, 1], dtype="Int64"),
        }
    ).to_parquet(tmp_path / "e.parquet")
    assert (
        read_graph(tmp_path / "e.parquet").fingerprint
        == from_edges(["A", "B"], ["B", "C"], [2, 1]).fingerprint
    )


def test_a_hole_in_a_parquet_edge_list(tmp_path):
    pd.DataFrame({"a": ["A", None], "b": ["B", "C"]}).to_parquet(tmp_path / "e.parquet")
    with pytest.raises(GraphselError, match="edge 2"):
        read_graph(tmp_path / "e.parquet")


def test_top_k_of_gene_sets_is_checked(tmp_path):
    path = write(tmp_path, "s.gmt", "a\tx\tA\tB\tC\n")
    for k in (0, -1):
        with pytest.raises(GraphselError, match="top_k"):
            read_graph(path, top_k=k)


def test_windows_line_ends_in_every_format(tmp_path):
    for name, text in (
        ("a.gmt", "a\tx\tA\tB\n"),
        ("e.csv", "s,t\nA,B\n"),
        ("g.gaf", GAF),
        ("o.obo", OBO),
        ("9606.protein.links.v12.0.txt", LINKS),
        ("Ensembl2Reactome.txt", REACTOME),
    ):
        unix, windows = (
            write(tmp_path, name, text),
            write(tmp_path / "w", name, text.replace("\n", "\r\n"))
            if (tmp_path / "w").mkdir(exist_ok=True) is None
            else None,
        )
        if name.endswith(".obo"):
            assert read_obo(unix).parents == read_obo(windows).parents
        else:
            assert read_graph(unix).fingerprint == read_graph(windows).fingerprint, name


@pytest.mark.parametrize(
    "name",
    [
        "a.gmt.gz",
        "e.csv.gz",
        "e.tsv.gz",
        "g.gaf.gz",
        "9606.protein.links.v12.0.txt.gz",
        "Ensembl2Reactome.txt.gz",
        "enrichr.txt.gz",
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        b"this is no gzip file\n",
        b"",
        gzip.compress(b"a\tb\tc\td\te\n" * 500)[:40],
        gzip.compress(b""),
    ],
    ids=["plain", "empty", "cut", "nothing inside"],
)
def test_gz_that_is_none(name, content, tmp_path):
    with pytest.raises(GraphselError, match=name.replace(".", r"\.").replace("(", "")):
        read_graph(write(tmp_path, name, content))


@pytest.mark.parametrize(
    "name",
    [
        "empty.gmt",
        "empty.txt",
        "empty.csv",
        "empty.tsv",
        "empty.parquet",
        "empty.gaf",
        "empty.h5ad",
        "9606.protein.links.v12.0.txt",
        "NCBI2Reactome.txt",
    ],
)
def test_empty_files(name, tmp_path):
    with pytest.raises(GraphselError, match=name.split(".")[0]):
        read_graph(write(tmp_path, name, b""))


def test_unicode_gene_names_in_files(tmp_path):
    assert list(read_graph(write(tmp_path, "e.csv", "s,t\nTNF-α,基因\n")).genes) == [
        "TNF-α",
        "基因",
    ]
    assert list(read_graph(write(tmp_path, "s.gmt", "a\tx\tTNF-α\t基因\n")).genes) == [
        "TNF-α",
        "基因",
    ]


@pytest.mark.slow
def test_ten_million_edges(tmp_path):
    "Repeated and reversed edges; `python -m pytest -m slow -s` prints seconds and the peak of memory."
    import resource
    import time

    rng = np.random.default_rng(0)
    names = np.array([f"GENE{i}" for i in range(20_000)])
    s, t = rng.integers(20_000, size=(2, 4_000_000))
    w = rng.integers(150, 1000, size=4_000_000)
    pd.DataFrame(
        {
            "source": names[np.r_[s, t, s[:2_000_000]]],
            "target": names[np.r_[t, s, t[:2_000_000]]],
            "score": np.r_[w, w, w[:2_000_000]],
        }
    ).to_csv(tmp_path / "big.tsv", sep="\t", index=False)
    started = time.perf_counter()
    g = read_graph(tmp_path / "big.tsv")
    print(
        f"{time.perf_counter() - started:.1f} s, peak of the process "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )
    assert (
        g.source["edges_read"]
        == 10_000_000
        == g.source["self_loops"] + g.source["repeated"] + g.n_edges // 2
    )
    assert g.n_edges == 2 * len(
        np.unique(np.minimum(s, t)[s != t] * 20_000 + np.maximum(s, t)[s != t])
    )


# ---- OBO ----

OBO = """format-version: 1.2
ontology: go

[Term]
id: GO:1
name: root
namespace: biological_process

[Term]
id: GO:2
name: two ! with a mark {and braces}
alt_id: GO:22
alt_id: GO:222
is_a: GO:1 ! root

[Term]
id: GO:3
name: three
is_a: GO:1 {source="GOC:x", comment="a ! b"} ! root

[Term]
id: GO:4
name: four
is_a: GO:2 ! two
relationship: part_of GO:3 ! three
relationship: regulates GO:5 ! five

[Term]
id: GO:5
name: five
is_a: GO:1

[Term]
id: GO:6
name: obsolete six
is_obsolete: true
replaced_by: GO:4

[Term]
id: GO:7
name: obsolete seven
is_obsolete: true
consider: GO:5

[Typedef]
id: part_of
name: part of
is_transitive: true
"""


def test_obo(tmp_path):
    for path in (
        write(tmp_path, "go.obo", OBO),
        write(tmp_path, "go.obo.gz", gzip.compress(OBO.encode())),
    ):
        o = read_obo(path)
        assert (
            set(o.names) == {f"GO:{i}" for i in range(1, 6)}
            and o.names["GO:2"] == "two ! with a mark {and braces}"
        )
        assert o.parents["GO:4"] == ["GO:2", "GO:3"] and o.ancestors("GO:4") == {
            "GO:1",
            "GO:2",
            "GO:3",
        }
        assert o.moved == {"GO:22": "GO:2", "GO:222": "GO:2", "GO:6": "GO:4"} and o.obsolete == {
            "GO:7"
        }
    assert read_obo(path, relations=["part_of", "regulates"]).ancestors("GO:4") == {
        "GO:1",
        "GO:2",
        "GO:3",
        "GO:5",
    }
    assert read_obo(path, relations=()).ancestors("GO:4") == {"GO:1", "GO:2"}
    with pytest.raises(GraphselError, match="GO:99"):
        o.ancestors("GO:99")


@given(seed=SEEDS)
@settings(max_examples=30)
def test_ancestors_against_networkx(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 15))
    parents = {f"t{i:02}": [f"t{j:02}" for j in range(i) if rng.random() < 0.3] for i in range(n)}
    o = Ontology(dict.fromkeys(parents, ""), parents)
    D = heavy.networkx.DiGraph([(t, p) for t, ps in parents.items() for p in ps])
    D.add_nodes_from(parents)
    for t in parents:
        assert o.ancestors(t) == heavy.networkx.descendants(D, t)


def test_circles_are_named(tmp_path):
    circle = OBO.replace("id: GO:1\nname: root", "id: GO:1\nname: root\nis_a: GO:4")
    with pytest.raises(
        GraphselError, match="go.obo: terms above themselves: GO:1, GO:2, GO:3, GO:4"
    ):
        read_obo(write(tmp_path, "go.obo", circle)).ancestors("GO:1")
    own = OBO.replace("id: GO:1\nname: root", "id: GO:1\nname: root\nis_a: GO:1")
    with pytest.raises(GraphselError, match="themselves: GO:1;"):
        read_gaf(write(tmp_path, "g.gaf", GAF), obo=write(tmp_path, "go.obo", own))


def test_parents_that_are_not_defined_are_kept_and_reported(tmp_path, caplog):
    o = read_obo(
        write(
            tmp_path, "part.obo", "[Term]\nid: GO:4\nis_a: GO:2\n\n[Term]\nid: GO:5\nis_a: GO:2\n"
        )
    )
    assert (
        o.undefined == ("GO:2",)
        and o.ancestors("GO:4") == {"GO:2"}
        and "GO:2" in caplog.text
        and o.names["GO:4"] == "GO:4"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no stanza\n",
        "[Typedef]\nid: part_of\n",
        "[Term]\nname: no id\n",
        "[Term]\nid: GO:1\nis_obsolete: true\n",
    ],
)
def test_hostile_obo(text, tmp_path):
    with pytest.raises(GraphselError, match=r"bad\.obo"):
        read_obo(write(tmp_path, "bad.obo", text))


# ---- GAF ----


def gaf_line(
    symbol, term, evidence="IDA", aspect="P", qualifier="involved_in", taxon="taxon:9606", id=None
):
    return "\t".join(
        [
            "UniProtKB",
            id or f"P_{symbol}",
            symbol,
            qualifier,
            term,
            "PMID:1",
            evidence,
            "",
            aspect,
            f"{symbol} protein!",
            f"{symbol}X|{symbol}Y",
            "protein",
            taxon,
            "20240101",
            "UniProt",
            "",
            "",
        ]
    )


GAF = (
    "!gaf-version: 2.2\n!\n!generated-by: GOC\n"
    + "\n".join(
        [
            gaf_line("A", "GO:4"),
            gaf_line("B", "GO:2"),
            gaf_line("C", "GO:5", "IEA"),
            gaf_line("D", "GO:222", "ISS"),
        ]
    )
    + "\n"
)


def test_gaf_with_ancestors(tmp_path):
    path, obo = write(tmp_path, "goa.gaf", GAF), write(tmp_path, "go.obo", OBO)
    g = read_gaf(path, obo=obo)
    sets = {"A": {1, 2, 3, 4}, "B": {1, 2}, "C": {1, 5}, "D": {1, 2}}
    for a in "ABCD":
        for b in "ABCD":
            if a != b:
                assert g.adjacency[g.index([a])[0], g.index([b])[0]] == pytest.approx(
                    len(sets[a] & sets[b]) / len(sets[a] | sets[b])
                )
    assert g.source["terms_moved"] == 1 and g.source["ancestors"] and g.source["lines"] == 4
    assert (
        read_graph(path, obo=obo).fingerprint
        == g.fingerprint
        == read_graph(
            write(tmp_path, "goa.gaf.gz", gzip.compress(GAF.encode())), obo=read_obo(obo)
        ).fingerprint
    )
    bare = read_gaf(path, obo=False)
    assert bare.n_edges == 0 and not bare.source["ancestors"]
    assert (
        read_gaf(path).fingerprint
        == read_graph(path).fingerprint
        == read_gaf(path, obo=True).fingerprint
        == g.fingerprint
    ), "go.obo lies beside it"
    (obo.parent / "alone").mkdir()
    alone = write(tmp_path / "alone", "goa.gaf", GAF)
    assert not read_gaf(alone).source["ancestors"]
    with pytest.raises(GraphselError, match="beside"):
        read_gaf(alone, obo=True)
    assert list(read_gaf(path, obo=obo, key="id").genes) == ["P_A", "P_B", "P_C", "P_D"]
    assert list(read_gaf(path, obo=obo, genes=["A", "B", "Z"]).genes) == ["A", "B"]
    assert read_gaf(path, obo=obo, max_size=3).source["sets_too_large"] == 1, "the root is left out"


def test_gaf_filters_count_every_line(tmp_path):
    more = [
        gaf_line("A", "GO:4", qualifier="NOT|involved_in"),
        gaf_line("B", "GO:5", aspect="F", qualifier="enables"),
        gaf_line("B", "GO:5", aspect="C"),
        gaf_line("C", "GO:2", "ND"),
        gaf_line("M", "GO:2", taxon="taxon:10090"),
        gaf_line("V", "GO:2", taxon="taxon:9606|taxon:1280"),
        gaf_line("E", "GO:3", "EXP", qualifier="not|involved_in"),
    ]
    path = write(tmp_path, "goa.gaf", GAF + "\n".join(more) + "\n")
    g = read_gaf(path, taxon=9606)
    assert {k: v for k, v in g.source.items() if k.startswith("lines")} == {
        "lines": 11,
        "lines_of_other_taxa": 1,
        "lines_of_other_aspects": 2,
        "lines_with_NOT": 2,
        "lines_of_other_evidence": 1,
        "lines_of_other_genes": 0,
    }
    assert list(g.genes) == ["A", "B", "C", "D", "V"]
    assert list(read_gaf(path, evidence=EXPERIMENTAL, taxon=9606).genes) == ["A", "B", "V"]
    assert list(read_gaf(path, evidence="IEA").genes) == ["C"]
    assert list(read_gaf(path, aspect="FC").genes) == ["B"]
    for bad, says in (
        ({"aspect": "BP"}, "aspect"),
        ({"aspect": ""}, "aspect"),
        ({"key": "name"}, "key"),
        ({"evidence": ["XXX"]}, "leave no annotation"),
        ({"taxon": 1}, "leave no"),
        ({"genes": ["nobody"]}, "leave no"),
    ):
        with pytest.raises(GraphselError, match=says):
            read_gaf(path, **bad)


def test_gaf_of_several_species_is_reported(tmp_path, caplog):
    read_gaf(write(tmp_path, "goa.gaf", GAF + gaf_line("M", "GO:2", taxon="taxon:10090")))
    assert "2 species" in caplog.text


def test_gaf_terms_the_ontology_lacks(tmp_path, caplog):
    path = write(
        tmp_path,
        "goa.gaf",
        GAF
        + "\n".join(
            [
                gaf_line("E", "GO:999"),
                gaf_line("F", "GO:999"),
                gaf_line("H", "GO:7"),
                gaf_line("A", "GO:6"),
            ]
        ),
    )
    g = read_gaf(path, obo=write(tmp_path, "go.obo", OBO))
    e, f, h = g.index(["E", "F", "H"])
    assert g.adjacency[e, f] == 1 and g.isolated[h], (
        "a strange term is used alone, an obsolete one is not used"
    )
    assert "GO:999" in caplog.text
    assert (
        g.source["terms_not_in_ontology"],
        g.source["terms_obsolete"],
        g.source["terms_moved"],
    ) == (1, 1, 2)


def test_gaf_without_header(tmp_path, caplog):
    body = "".join(line + "\n" for line in GAF.splitlines() if not line.startswith("!"))
    assert (
        read_gaf(write(tmp_path, "goa.gaf", body)).fingerprint
        == read_gaf(write(tmp_path, "h.gaf", GAF)).fingerprint
    )
    assert "no line '!gaf-version'" in caplog.text
    inside = body.split("\n")[0] + "\n!a comment in between\n" + "\n".join(body.split("\n")[1:])
    assert len(read_gaf_table(write(tmp_path, "c.gaf", "!gaf-version: 2.2\n" + inside))) == 4
    old = "\n".join(
        "\t".join(line.split("\t")[:15]) for line in body.splitlines()
    )  # version 1 had 15 columns
    assert len(read_gaf_table(write(tmp_path, "old.gaf", old))) == 4


@pytest.mark.parametrize(
    "spoil,line",
    [
        (lambda t: t.replace("\tP_B\tB\t", "\tP_B\t\t"), 5),
        (lambda t: t[: len(t) * 4 // 5], 7),
        (lambda t: "!gaf-version: 2.2\nA\tB\tC\n", 2),
        (lambda t: t.replace("GO:5", " "), 6),
        (lambda t: t.replace("\tIEA\t", "\t\t"), 6),
        (lambda t: t.replace("\t", ","), 4),
    ],
    ids=["no symbol", "cut", "three columns", "no term", "no evidence", "commas"],
)
def test_hostile_gaf(spoil, line, tmp_path):
    with pytest.raises(GraphselError, match=rf"bad\.gaf, line {line}"):
        read_gaf(write(tmp_path, "bad.gaf", spoil(GAF)))
    with pytest.raises(GraphselError, match="no annotation"):
        read_gaf(write(tmp_path, "none.gaf", "!gaf-version: 2.2\n"))


def overlaps(terms, names):
    "Jaccard index of the terms of each two genes, above a tenth, the best 20 of each row: as whole arrays say it."
    J = np.array(
        [
            [len(terms[a] & terms[b]) / len(terms[a] | terms[b]) if a != b else 0 for b in names]
            for a in names
        ]
    )
    J[J <= 0.1] = 0
    for row in J:
        row[sorted(range(len(names)), key=lambda j: (-row[j], j))[20:]] = 0
    return J


def test_jaccard_graph_of_300_genes_against_brute_force(tmp_path):
    "A made-up ontology and annotation file of realistic shape, through both parsers."
    rng = np.random.default_rng(0)
    parents = {
        i: sorted({int(p) for p in rng.integers(i, size=rng.integers(1, 3))}) if i else []
        for i in range(400)
    }
    obo = "".join(
        f"[Term]\nid: GO:{i:07}\nname: t{i}\n"
        + "".join(f"is_a: GO:{p:07} ! t{p}\n" for p in ps)
        + "\n"
        for i, ps in parents.items()
    )
    own = {
        f"G{g:03}": sorted(set(rng.integers(400, size=rng.integers(1, 9)).tolist()))
        for g in range(300)
    }
    gaf = "!gaf-version: 2.2\n" + "".join(
        gaf_line(g, f"GO:{t:07}") + "\n" for g, ts in own.items() for t in ts
    )
    found = read_gaf(write(tmp_path, "g.gaf", gaf), obo=write(tmp_path, "o.obo", obo), top_k=20)
    up = {}
    for i, ps in parents.items():
        up[i] = {i}.union(*(up[p] for p in ps))
    terms = {g: set().union(*(up[t] for t in ts)) for g, ts in own.items()}
    names = sorted(terms)
    J = overlaps(terms, names)
    assert list(found.genes) == names
    np.testing.assert_allclose(found.adjacency.toarray(), J, rtol=1e-6)


# ---- STRING ----

LINKS = (
    "protein1 protein2 combined_score\n"
    "9606.ENSP01 9606.ENSP02 900\n"
    "9606.ENSP02 9606.ENSP01 900\n"
    "9606.ENSP01 9606.ENSP03 450\n"
    "9606.ENSP03 9606.ENSP01 450\n"
    "9606.ENSP02 9606.ENSP03 399\n"
)
INFO = (
    "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n"
    '9606.ENSP01\tA\t100\tA "quoted, cut\n'
    "9606.ENSP02\tB\t200\tannotation not available\n"
    "9606.ENSP03\tC\t1\tC\n"
)
ALIASES = (
    "#string_protein_id\talias\tsource\n"
    "9606.ENSP01\tENSG00000000001\tEnsembl_gene\n"
    "9606.ENSP01\tA-old\tUniProt_GN_Synonyms\n"
    "9606.ENSP02\tA-old\tUniProt_GN_Synonyms\n"
    "9606.ENSP02\tC\tUniProt_GN_Synonyms\n"
    "9606.ENSP99\tzz\tx\n"
)


def string_files(folder, links="9606.protein.links.v12.0.txt", info=INFO):
    if info is not None:
        write(
            folder,
            links.replace("physical.", "")
            .replace("links.detailed", "links")
            .replace("links", "info"),
            info,
        )
    return write(folder, links, gzip.compress(LINKS.encode()) if links.endswith(".gz") else LINKS)


@pytest.mark.parametrize(
    "name",
    [
        "9606.protein.links.v12.0.txt",
        "10090.protein.links.detailed.v11.5.txt",
        "9606.protein.physical.links.v12.0.txt",
    ],
)
def test_string_files(name, tmp_path):
    g = read_graph(string_files(tmp_path, name))
    expected = from_edges(list("AA"), list("BC"), [900, 450])
    assert list(g.genes) == list("ABC") and g.fingerprint == expected.fingerprint
    assert (
        g.source["lines"],
        g.source["below_min_score"],
        g.source["repeated"],
        g.source["not_in_info"],
    ) == (5, 1, 2, 0)
    assert (
        read_graph(tmp_path / name, min_score=0).n_edges == 6
        and read_graph(tmp_path / name, genes=["A", "B"]).n_edges == 2
        and read_graph(tmp_path / name, top_k=1).n_edges == 3
    )


def test_string_gz_and_other_info(tmp_path):
    write(tmp_path, "9606.protein.info.v12.0.txt.gz", gzip.compress(INFO.encode()))
    links = write(tmp_path, "9606.protein.links.v12.0.txt.gz", gzip.compress(LINKS.encode()))
    assert list(read_graph(links).genes) == list("ABC")
    assert list(read_graph(write(tmp_path, "9606.protein.links.v12.0.txt", LINKS)).genes) == list(
        "ABC"
    ), "the info file may be gzipped though the links are not"
    other = write(tmp_path, "mine.txt", INFO.replace("\tA\t", "\tAAA\t"))
    assert list(read_string(links, info=other).genes) == ["AAA", "B", "C"]


def test_string_scores_of_one_channel(tmp_path):
    text = "protein1 protein2 neighborhood fusion cooccurence coexpression experimental database textmining "
    text += "combined_score\n"
    text += "9606.ENSP01 9606.ENSP02 0 0 0 70 800 0 900 950\n9606.ENSP01 9606.ENSP03 0 0 0 0 0 0 900 900\n"
    path = write(string_files(tmp_path).parent, "9606.protein.links.detailed.v12.0.txt", text)
    write(tmp_path, "9606.protein.info.v12.0.txt", INFO)
    assert read_string(path).n_edges == 4
    g = read_string(path, score="experimental", info=tmp_path / "9606.protein.info.v12.0.txt")
    assert list(g.genes) == ["A", "B"] and g.source["below_min_score"] == 1
    with pytest.raises(GraphselError, match="no column experiments"):
        read_string(path, score="experiments")


def test_string_proteins_without_a_name_keep_their_identifier(tmp_path, caplog):
    g = read_graph(string_files(tmp_path, info=INFO.replace("9606.ENSP03\tC\t1\tC\n", "")))
    assert (
        list(g.genes) == ["9606.ENSP03", "A", "B"]
        and g.source["not_in_info"] == 1
        and "9606.ENSP03" in caplog.text
    )
    caplog.clear()
    g = read_graph(
        string_files(tmp_path / "bare" if (tmp_path / "bare").mkdir() is None else None, info=None)
    )
    assert (
        list(g.genes) == ["9606.ENSP01", "9606.ENSP02", "9606.ENSP03"]
        and "no protein.info" in caplog.text
    )


def test_string_proteins_of_one_name_are_merged_and_counted(tmp_path):
    g = read_graph(string_files(tmp_path, info=INFO.replace("\tC\t", "\tB\t")))
    assert (
        list(g.genes) == ["A", "B"] and g.source["proteins_merged"] == 1 and g.adjacency.max() == 1
    )


@pytest.mark.parametrize(
    "spoil,says",
    [
        (lambda t: t.replace(" ", "\t"), "no column"),
        (lambda t: t.replace("900", "high"), "cannot read"),
        (lambda t: t.replace("900", "-900"), None),
        (lambda t: t.replace(" 900\n", "\n"), "not a number|cannot read"),
        (lambda t: t.replace("protein1", "p1"), "no column protein1"),
        (lambda t: t.split("\n")[0] + "\n", "no edge"),
        (
            lambda t: t.replace("900", "300").replace("450", "200"),
            "below 400, the highest 399; give a lower min_score",
        ),
    ],
    ids=["tabs", "text", "negative", "missing", "header", "none", "low"],
)
def test_hostile_string(spoil, says, tmp_path):
    path = write(string_files(tmp_path).parent, "9606.protein.links.v12.0.txt", spoil(LINKS))
    if says is None:
        assert read_graph(path).source["below_min_score"] == 3
    else:
        with pytest.raises(GraphselError, match=says):
            read_graph(path)
    with pytest.raises(GraphselError, match="min_score"):
        read_graph(path, min_score=4000)


def test_string_aliases(tmp_path, caplog):
    info = write(tmp_path, "info.txt", INFO)
    table = read_string_aliases(write(tmp_path, "9606.protein.aliases.v12.0.txt", ALIASES), info)
    assert (
        table.to == {"ENSG00000000001": "A"}
        and table.ambiguous == {"A-old": ("A", "B")}
        and table.owned == ("C",)
    )
    assert "1 aliases of proteins that are not in" in caplog.text
    assert resolve(["ENSG00000000001.3", "A-old"], ["A", "B"], table).mapping == {
        "ENSG00000000001.3": "A"
    }
    with pytest.raises(GraphselError, match="no column"):
        read_string_aliases(info, info)


# ---- Reactome ----

REACTOME = "".join(
    f"{g}\t{p}\thttps://reactome.org/PathwayBrowser/#/{p}\tName, of it\tIEA\t{s}\n"
    for g, p, s in [
        ("ENSG1", "R-HSA-1", "Homo sapiens"),
        ("ENSG2", "R-HSA-1", "Homo sapiens"),
        ("ENSG3", "R-HSA-2", "Homo sapiens"),
        ("ENSMUSG1", "R-MMU-1", "Mus musculus"),
    ]
)


@pytest.mark.parametrize(
    "name", ["Ensembl2Reactome.txt", "NCBI2Reactome_All_Levels.txt", "UniProt2Reactome.txt.gz"]
)
def test_reactome_files(name, tmp_path, caplog):
    path = write(
        tmp_path, name, gzip.compress(REACTOME.encode()) if name.endswith("gz") else REACTOME
    )
    g = read_graph(path, species="Homo sapiens")
    assert (
        list(g.genes) == ["ENSG1", "ENSG2", "ENSG3"]
        and g.n_edges == 2
        and "species" not in caplog.text
    )
    assert len(read_graph(path)) == 4 and "2 species" in caplog.text
    with pytest.raises(GraphselError, match="it holds Homo sapiens, Mus musculus"):
        read_reactome(path, species="Danio rerio")


def test_hostile_reactome(tmp_path):
    for text, line in (
        (REACTOME + "ENSG9\tR-HSA-1\n", 5),
        (REACTOME.replace("R-MMU-1\t", "MMU-1\t"), 4),
        ("ENSG1,R-HSA-1\n", 1),
    ):
        with pytest.raises(GraphselError, match=f"line {line}"):
            read_reactome(write(tmp_path, "Ensembl2Reactome.txt", text))


# ---- co-expression ----


def some_cells(rng, n=60, genes=9, control=40):
    X = rng.normal(size=(n, 3)) @ rng.normal(size=(3, genes)) + 0.3 * rng.normal(size=(n, genes))
    X[:, -1] = 1.0  # a constant gene
    return ad.AnnData(
        X.astype(np.float32),
        obs=pd.DataFrame(
            {"perturbation": ["control"] * control + ["g0"] * (n - control)},
            index=[f"c{i}" for i in range(n)],
        ),
        var=pd.DataFrame(index=[f"g{i}" for i in range(genes)][::-1]),
    )


@pytest.mark.parametrize(
    "kind", ["dense", "csr", "csc", "view", "file", "file csr", "file csc", "layer"]
)
def test_coexpression_against_numpy(kind, tmp_path):
    cells, options = some_cells(np.random.default_rng(0)), {}
    R = np.abs(
        np.corrcoef(
            cells.X[:40].T.astype(float)
            + np.r_[np.zeros((8, 40)), 1e-9 * np.random.default_rng(1).normal(size=(1, 40))]
        )
    )
    R[-1] = R[:, -1] = 0
    np.fill_diagonal(R, 0)
    order = np.argsort(cells.var_names)
    R = np.where(R > 0.4, R, 0)[order][:, order]
    for row in R:
        row[np.argsort(-row, kind="stable")[3:]] = 0
    if "csr" in kind:
        cells.X = sp.csr_matrix(cells.X)
    if "csc" in kind:
        cells.X = sp.csc_matrix(cells.X)
    if kind == "view":
        cells = cells[np.arange(60)[::-1]][::-1][:, :]
    if kind == "layer":
        cells.layers["log"], cells.X, options = (
            cells.X.copy(),
            np.zeros_like(cells.X),
            {"layer": "log"},
        )
    if kind.startswith("file"):
        cells.write_h5ad(tmp_path / "c.h5ad")
    for block in (2, 1024):
        g = from_coexpression(
            tmp_path / "c.h5ad" if kind.startswith("file") else cells,
            top_k=3,
            block=block,
            **options,
        )
        assert list(g.genes) == sorted(cells.var_names)
        np.testing.assert_allclose(g.adjacency.toarray(), R, atol=2e-6)
    assert g.source["cells"] == 40 and g.source["which"] == "control"


def test_coexpression_warns_of_leaks_and_counts(caplog):
    cells = some_cells(np.random.default_rng(0))
    g = from_coexpression(cells)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert from_coexpression(cells, which="all").source["cells"] == 60 and "outcomes" in caplog.text
    assert from_coexpression(cells, genes=["g1", "g2", "absent"]).genes.tolist() == ["g1", "g2"]
    assert g.isolated[g.index(["g0"])[0]], "a constant gene has no correlation"
    caplog.clear()
    cells.X = np.random.default_rng(0).poisson(5, cells.shape).astype(np.float32)
    from_coexpression(cells)
    assert "raw counts" in caplog.text


def test_hostile_coexpression(tmp_path):
    cells = some_cells(np.random.default_rng(0))
    few, twice, hole, screen = cells[30:].copy()[5:], cells.copy(), cells.copy(), cells.copy()
    twice.var_names = ["g1"] * 2 + list(cells.var_names[2:])
    hole.X[3, 2] = np.nan
    screen.uns["graphsel"], screen.obs["n_cells"] = {"kind": "screen"}, 1.0
    path = write(tmp_path, "cut.h5ad", b"\x89HDF\r\n\x1a\n" + bytes(100))
    for source, options, says in (
        (few, {}, "too few"),
        (cells[40:], {}, "no control cells"),
        (twice, {}, "twice: g1"),
        (hole, {}, "not finite"),
        (screen, {}, "is a screen"),
        (cells, {"which": "most"}, "which"),
        (cells, {"layer": "x"}, "no layer 'x'"),
        (cells, {"genes": ["nobody"]}, "spelling"),
        (cells, {"top_k": 0}, "top_k"),
        (cells, {"block": 0}, "block"),
        (path, {}, "cut.h5ad"),
        (tmp_path / "absent.h5ad", {}, "no such file"),
        ("absent.h5ad", {}, "no such file"),
        ([1], {}, "AnnData"),
        (cells, {"perturbation_key": "zz"}, "zz"),
    ):
        with pytest.raises(GraphselError, match=says):
            from_coexpression(source, **options)


def test_correlations_stay_within_their_bounds():
    X = np.tile(np.random.default_rng(0).normal(size=(30, 1)), (1, 4)) * [1, -1, 1e-3, 1e6]
    R = np.vstack([r for _, r in correlation_blocks(X, 2)])
    np.testing.assert_allclose(np.abs(R), 1, atol=1e-6)
    assert np.abs(R).max() <= 1


# ---- embeddings ----


@given(
    seed=SEEDS, k=st.integers(1, 6), metric=st.sampled_from(["cosine", "euclidean", "manhattan"])
)
@settings(max_examples=20)
def test_neighbors_against_brute_force(seed, k, metric):
    X = np.random.default_rng(seed).normal(size=(9, 4))
    names = [f"g{i}" for i in range(9)][::-1]
    g = from_embedding(pd.DataFrame(X, index=names), k=k, metric=metric)
    from scipy.spatial.distance import cdist

    D = cdist(X, X, "cityblock" if metric == "manhattan" else metric)
    np.fill_diagonal(D, np.inf)
    best = np.argsort(D, axis=1)[:, :k]
    scale = np.median(np.sort(D, axis=1)[:, k - 1])
    W = np.zeros((9, 9))
    for i, row in enumerate(best):
        W[i, row] = (
            np.clip(1 - D[i, row], 0, 1)
            if metric == "cosine"
            else np.exp(-((D[i, row] / scale) ** 2))
        )
    np.testing.assert_allclose(g.adjacency.toarray(), W[::-1, ::-1], atol=1e-5)


def test_embedding_files_and_equal_points(tmp_path):
    frame = pd.DataFrame({"gene": ["A", "B", "C", "NA"], "x": [1.0, 1, 1, 0], "y": [0.0, 0, 0, 1]})
    g = from_embedding(write(tmp_path, "e.csv", frame.to_csv(index=False)), k=1)
    assert (
        list(g.genes) == ["A", "B", "C", "NA"]
        and g.isolated[3]
        and all(g.adjacency[i].nnz == 1 for i in range(3))
    ), "equal points: no gene is its own neighbor"
    assert from_embedding(frame.set_index("gene"), k=99).n_edges == 6
    assert from_embedding(frame.set_index("gene"), genes=["A", "B"]).n_edges == 2
    own = frame.set_index("gene")
    for bad, says in (
        (own.replace(0.0, np.nan), "not finite"),
        (own.astype(object).replace(0.0, "x"), "not a number"),
        (pd.concat([own, own]), "twice"),
        (own[:1], "at least 2"),
        (tmp_path / "none.csv", "no such file"),
        (write(tmp_path, "f.csv", "name,x\nA,1\n"), "'gene'"),
    ):
        with pytest.raises(GraphselError, match=says):
            from_embedding(bad)
    with pytest.raises(GraphselError, match="k is 0"):
        from_embedding(own, k=0)


# ---- other libraries, there and back ----


@given(seed=SEEDS)
@settings(max_examples=25)
def test_there_and_back(seed):
    g = random_graph(np.random.default_rng(seed))
    top = g.adjacency.data.max()  # a graph made from an edge list has it at 1
    for back in (from_networkx(to_networkx(g)), from_pyg(to_pyg(g))):
        assert list(back.genes) == list(g.genes)
        np.testing.assert_allclose(
            back.adjacency.toarray(),
            g.adjacency.toarray() / (top if back.source["kind"] == "edges" else 1),
            rtol=1e-6,
        )
    order = np.random.default_rng(seed).permutation(len(g))
    holder = ad.AnnData(
        np.zeros((len(g), 1), np.float32), obs=pd.DataFrame(index=g.genes[order].astype(str))
    )
    assert to_obsp(g, holder, "net").missing == {}
    assert (
        from_obsp(holder, "net").fingerprint
        == g.fingerprint
        == from_matrix(holder.obs_names, holder.obsp["net"]).fingerprint
    )
    assert rename_genes(g, {}).fingerprint == g.fingerprint


def test_networkx_kinds():
    G = heavy.networkx.MultiGraph(
        [("A", "B", {"weight": 1.0}), ("B", "A", {"weight": 4.0}), ("A", "A")]
    )
    G.add_edge("B", "C")
    G.add_node("alone")
    g = from_networkx(G)
    assert (
        list(g.genes) == ["A", "B", "C", "alone"]
        and g.adjacency[0, 1] == 1
        and g.adjacency[1, 2] == 0.25
    ), "an edge without weight has 1"
    d = from_networkx(heavy.networkx.DiGraph([("A", "B")]))
    assert d.adjacency[1, 0] == 1 and d.adjacency[0, 1] == 0, "row = receiver"
    assert list(from_networkx(heavy.networkx.path_graph(3)).genes) == ["0", "1", "2"]
    assert from_networkx(heavy.networkx.path_graph(3), top_k=1).n_edges == 3
    for bad in (
        heavy.networkx.Graph(),
        heavy.networkx.Graph([("A", "B", {"weight": -1})]),
        heavy.networkx.Graph([("A", "B", {"weight": np.nan})]),
        heavy.networkx.Graph([("A", " ")]),
    ):
        with pytest.raises(GraphselError):
            from_networkx(bad)


def test_pyg_details():
    import torch
    from torch_geometric.data import Data

    d = Data(
        edge_index=torch.tensor([[0, 1, 1], [1, 2, 2]]),
        edge_weight=torch.tensor([1.0, 3, 2]),
        num_nodes=4,
    )
    g = from_pyg(d, genes=["D", "C", "B", "A"])
    assert g.adjacency[g.index(["B"])[0], g.index(["C"])[0]] == 1 and list(g.genes) == list(
        "ABCD"
    ), "row 0 sends; of repeated edges the largest counts"
    assert (
        from_pyg(Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2), genes=["A", "B"]).n_edges
        == 1
    )
    for bad, genes in ((d, None), (d, ["A"]), (d, ["A", "A", "B", "C"]), (d, ["A", "", "B", "C"])):
        with pytest.raises(GraphselError):
            from_pyg(bad, genes)
    d.edge_weight[0] = float("nan")
    with pytest.raises(GraphselError, match="negative or not a number"):
        from_pyg(d, genes=list("ABCD"))
    out = to_pyg(g)
    assert (
        out.edge_index.dtype == torch.int64
        and out.edge_weight.dtype == torch.float32
        and out.num_nodes == 4
    )


def test_a_set_of_graphs_is_converted_layer_by_layer():
    both = combine([from_edges(["A"], ["B"]), from_edges(["B"], ["C"])])
    for convert in (to_networkx, to_pyg, lambda g: to_obsp(g, None)):
        with pytest.raises(GraphselError, match="2 graphs"):
            convert(both)


def test_obsp_is_read_back_by_plain_anndata(tmp_path):
    g = random_graph(np.random.default_rng(0))
    holder = ad.AnnData(
        np.zeros((len(g), 1), np.float32), obs=pd.DataFrame(index=g.genes.astype(str))
    )
    to_obsp(g, holder)
    holder.write_h5ad(tmp_path / "s.h5ad")
    np.testing.assert_array_equal(
        ad.read_h5ad(tmp_path / "s.h5ad").obsp["graph"].toarray(), g.adjacency.toarray()
    )


def test_obsp_details():
    holder = ad.AnnData(np.zeros((3, 1), np.float32), obs=pd.DataFrame(index=["B", "X", "A"]))
    assert (
        list(to_obsp(from_edges(["A"], ["B"]), holder).missing) == ["X"]
        and holder.obsp["graph"].shape == (3, 3)
        and holder.obsp["graph"][1].nnz == 0
    )
    with pytest.raises(GraphselError, match="it has graph"):
        from_obsp(holder, "connectivities")
    holder.obsp["bad"] = np.full((3, 3), np.nan)
    with pytest.raises(GraphselError, match="negative or not a number"):
        from_obsp(holder, "bad")


@pytest.mark.parametrize(
    "genes,matrix",
    [
        (["A"], np.zeros((2, 2))),
        (["A", "A"], np.zeros((2, 2))),
        (["A", ""], np.zeros((2, 2))),
        (["A", "B"], [[0, -1], [0, 0]]),
        (["A", "B"], [[0, np.inf], [0, 0]]),
    ],
)
def test_hostile_matrices(genes, matrix):
    with pytest.raises(GraphselError):
        from_matrix(genes, matrix)


def test_renaming_merges_and_says_so():
    g = from_edges(["a", "b", "c"], ["b", "c", "d"], [1, 0.5, 0.25])
    r = rename_genes(g, {"a": "A", "b": "B", "c": "A"})
    assert list(r.genes) == ["A", "B", "d"] and r.source["merged"] == 1
    assert r.adjacency[0, 1] == 1 and r.adjacency[0, 2] == 0.25, (
        "of the edges a-b and b-c the larger counts"
    )
    assert rename_genes(g, {"a": "b"}).n_edges == 4, "an edge between merged genes is gone"
    both = rename_genes(combine([g, from_edges(["x"], ["a"])]), {"a": "A"})
    assert "A" in both and "a" not in both and len(both.graphs) == 2
    with pytest.raises(GraphselError, match="priors"):
        rename_genes(
            combine([g], [make_prior(pd.DataFrame({"x": [1.0, 2]}, index=["a", "b"]))]), {}
        )


# ---- the command line ----


def test_command_line_reads_annotations_and_cells(tmp_path):
    from click.testing import CliRunner

    from graphsel.cli.main import main

    gaf = write(
        tmp_path,
        "goa.gaf.gz",
        gzip.compress((GAF + gaf_line("A", "GO:2") + "\n" + gaf_line("E", "GO:4") + "\n").encode()),
    )
    some_cells(np.random.default_rng(0)).write_h5ad(tmp_path / "cells.h5ad")
    done = CliRunner().invoke(
        main,
        [
            "select",
            "--graph",
            str(gaf),
            "--graph",
            str(tmp_path / "cells.h5ad"),
            "--budget",
            "3",
            "--out",
            str(tmp_path / "picks.csv"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(tmp_path / "picks.csv")) == 3


def test_a_perturbation_in_no_graph(tmp_path):
    g = combine(
        [read_graph(write(tmp_path, "e.csv", "s,t\nA,B\nB,C\n")), from_gene_sets({"t": ["A", "D"]})]
    )
    aligned, report = g.align(
        ["A", "D", "XIST"], "backoff", from_coexpression(some_cells(np.random.default_rng(0)))
    )
    assert report.missing == {"XIST": "kept without edges (at the mean)"} and "XIST" in aligned


# ---- the real files ----


@pytest.fixture(scope="module")
def knockdowns(shared_data):
    return read_screen(shared_data / "k562_essential_latent.tsv")


def test_go_jaccard_of_300_genes_against_brute_force(shared_data):
    sets = parse_gene_sets((shared_data / "go_bp_2018.txt").read_text(encoding="utf-8"))
    names = sorted(
        np.random.default_rng(0)
        .choice(sorted(set().union(*sets.values())), 300, replace=False)
        .tolist()
    )
    terms = {g: {t for t, m in sets.items() if g in m} for g in names}
    J = overlaps(terms, names)
    g = read_graph(shared_data / "go_bp_2018.txt", genes=names)
    assert list(g.genes) == names
    np.testing.assert_allclose(g.adjacency.toarray(), J, rtol=1e-6)


def test_coexpression_of_real_control_cells(shared_data):
    path = shared_data / "norman_mcfaline_cells.h5ad"
    g = from_coexpression(path, threshold=0.2)
    cells = ad.read_h5ad(path)
    X = cells[cells.obs["perturbation"] == "control"].X
    with np.errstate(all="ignore"):
        R = np.abs(
            np.nan_to_num(np.corrcoef((X.toarray() if sp.issparse(X) else X).T.astype(float)))
        )
    np.fill_diagonal(R, 0)
    order = np.argsort(cells.var_names.to_numpy(dtype=str))
    R = R[order][:, order]
    assert list(g.genes) == sorted(cells.var_names) and 0 < g.n_edges <= 20 * len(g)
    C = g.adjacency.tocoo()
    np.testing.assert_allclose(C.data, R[C.row, C.col], atol=1e-5)
    for i in range(0, len(g), 25):
        assert g.adjacency[i].nnz == min(20, (R[i] > 0.2).sum())


def test_gene_ontology_and_reactome(shared_data, knockdowns):
    go = {
        t: set(m)
        for t, m in parse_gene_sets(
            (shared_data / "go_bp_2018.txt").read_text(encoding="utf-8")
        ).items()
    }
    assert len(go) == 5_103 and len(set().union(*go.values())) == 14_432
    reactome = parse_gene_sets((shared_data / "reactome_2023.gmt").read_text(encoding="utf-8"))
    assert len(reactome) == 1_692 and len(set().union(*reactome.values())) == 11_155
    g = read_graph(shared_data / "go_bp_2018.txt", genes=knockdowns.obs_names)
    assert (
        len(g) == 1_027 and np.diff(g.adjacency.indptr).max() <= 20 and g.adjacency.data.min() > 0.1
    )
    for i in np.random.default_rng(0).integers(len(g), size=5):
        own = {t for t, m in go.items() if g.genes[i] in m}
        for j, w in zip(g.adjacency[i].indices, g.adjacency[i].data):
            other = {t for t, m in go.items() if g.genes[j] in m}
            assert w == pytest.approx(len(own & other) / len(own | other), rel=1e-6)


@pytest.mark.parametrize(
    "name,genes,edges",
    [("go_bp_similarity.tsv", 8_793, 179_543), ("coessential.tsv", 3_483, 68_813)],
)
def test_edge_lists_account_for_every_row(shared_data, name, genes, edges):
    g = read_graph(shared_data / name)
    assert len(g) == genes and g.source["edges_read"] == edges
    assert g.n_edges // 2 + g.source["self_loops"] + g.source["repeated"] == edges
