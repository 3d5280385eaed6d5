"""One gene, many names: what is found, by which rule, and what stays missing."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.genes.symbols import (
    AliasTable,
    make_aliases,
    plain,
    read_aliases,
    resolve,
    unversioned,
)

# The first columns of hgnc_complete_set.txt, as published: tab-separated, several values in quotes and split by |.
HGNC_COLUMNS = [
    "hgnc_id",
    "symbol",
    "name",
    "locus_group",
    "locus_type",
    "status",
    "location",
    "location_sortable",
    "alias_symbol",
    "alias_name",
    "prev_symbol",
    "prev_name",
    "gene_group",
    "gene_group_id",
    "date_approved_reserved",
    "date_symbol_changed",
    "date_name_changed",
    "date_modified",
    "entrez_id",
    "ensembl_gene_id",
    "vega_id",
    "ucsc_id",
    "ena",
    "refseq_accession",
    "ccds_id",
    "uniprot_ids",
]
HGNC = (
    "\n".join(
        "\t".join(str(row.get(c, "")) for c in HGNC_COLUMNS)
        for row in [
            dict(zip(HGNC_COLUMNS, HGNC_COLUMNS)),
            {
                "hgnc_id": "HGNC:5",
                "symbol": "A1BG",
                "name": "alpha-1-B glycoprotein",
                "status": "Approved",
                "entrez_id": 1,
                "ensembl_gene_id": "ENSG00000121410",
                "uniprot_ids": "P04217",
            },
            {
                "hgnc_id": "HGNC:37133",
                "symbol": "A1BG-AS1",
                "name": '"A1BG antisense RNA 1"',
                "status": "Approved",
                "alias_symbol": "FLJ23569",
                "prev_symbol": '"NCRNA00181|A1BGAS|A1BG-AS"',
                "ensembl_gene_id": "ENSG00000268895",
            },
            {
                "hgnc_id": "HGNC:7729",
                "symbol": "SEPTIN2",
                "status": "Approved",
                "alias_symbol": '"DIFF6|KIAA0158|hNedd5"',
                "prev_symbol": '"NEDD5|SEPT2"',
                "entrez_id": 4735,
            },
            {
                "hgnc_id": "HGNC:1",
                "symbol": "ONE",
                "status": "Approved",
                "alias_symbol": '"shared|OTHER"',
            },
            {"hgnc_id": "HGNC:2", "symbol": "TWO", "status": "Approved", "prev_symbol": "shared"},
            {"hgnc_id": "HGNC:3", "symbol": "OTHER", "status": "Approved"},
            {
                "hgnc_id": "HGNC:4",
                "symbol": "GONE",
                "status": "Entry Withdrawn",
                "alias_symbol": "gone1",
            },
        ]
    )
    + "\n"
)


def write(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


# ---- tables ----


@pytest.mark.parametrize(
    "name,content",
    [
        ("hgnc_complete_set.txt", HGNC.encode()),
        ("hgnc_complete_set.txt.gz", gzip.compress(HGNC.encode(), mtime=0)),
        ("w.txt", HGNC.replace("\n", "\r\n").encode()),
        ("bom.tsv", b"\xef\xbb\xbf" + HGNC.encode()),
    ],
    ids=lambda o: o if isinstance(o, str) else "",
)
def test_hgnc(name, content, tmp_path):
    t = read_aliases(write(tmp_path, name, content))
    assert t.symbols == {"A1BG", "A1BG-AS1", "SEPTIN2", "ONE", "TWO", "OTHER"}, (
        "withdrawn entries are passed over"
    )
    for spelling, symbol in {
        "A1BGAS": "A1BG-AS1",
        "NCRNA00181": "A1BG-AS1",
        "FLJ23569": "A1BG-AS1",
        "ENSG00000268895": "A1BG-AS1",
        "SEPT2": "SEPTIN2",
        "hNedd5": "SEPTIN2",
        "4735": "SEPTIN2",
        "HGNC:5": "A1BG",
        "P04217": "A1BG",
        "1": "A1BG",
    }.items():
        assert t(spelling) == symbol
    assert t.ambiguous == {"shared": ("ONE", "TWO")} and t.owned == ("OTHER",)
    assert t("OTHER") == "OTHER" and t("shared") == "shared" and t("gone1") == "gone1"


@pytest.mark.parametrize(
    "name,text",
    [
        ("a.csv", "alias,symbol\np53,TP53\nx,Y\n"),
        ("a.tsv", "symbol\tnote\talias\nTP53\t-\tp53\nY\t\tx\n"),
        ("a.csv", "alias,symbol\r\np53,TP53\r\nx,Y\r\n"),
        ("a.txt", "alias\tsymbol\np53\tTP53\nx\tY\n"),
        ("a.csv", "alias , symbol\n p53 , TP53 \nx,Y\nx,Y\n"),
    ],
)
def test_tables_of_the_user(name, text, tmp_path):
    assert read_aliases(write(tmp_path, name, text)).to == {"p53": "TP53", "x": "Y"}
    assert read_aliases(write(tmp_path, name + ".gz", gzip.compress(text.encode()))).to == {
        "p53": "TP53",
        "x": "Y",
    }


@pytest.mark.parametrize(
    "name,content,says",
    [
        ("a.csv", "alias,symbol\np53,\n", "line 2"),
        ("a.csv", "alias,symbol\nx,Y\n,TP53\n", "line 3"),
        ("a.csv", "alias,symbol\nx\n", "line 2"),
        ("a.csv", "", "a.csv"),
        ("a.csv", "alias,symbol\n", "no gene"),
        ("a.csv", bytes(range(128, 256)), "cannot read"),
        ("a.tsv", "from\tto\nA\tB\n", "columns alias and symbol"),
        ("cut.tsv.gz", gzip.compress(HGNC.encode(), mtime=0)[:60], "cannot read"),
        ("h.txt", HGNC.replace("\tSEPTIN2\t", "\t\t"), "no symbol"),
    ],
)
def test_hostile_tables(name, content, says, tmp_path):
    with pytest.raises(GraphselError, match=says):
        read_aliases(write(tmp_path, name, content))
    with pytest.raises(GraphselError, match="no such file"):
        read_aliases(tmp_path / "absent.csv")


def test_a_spelling_of_two_genes_is_of_none():
    t = make_aliases([("a", "A"), ("a", "B"), ("b", "B"), ("b", "B"), ("B", "C")])
    assert t.ambiguous == {"a": ("A", "B")} and t.to == {"b": "B"} and t.owned == ("B",)
    assert make_aliases([]).to == {} and "not used: 1 ambiguous, 1" in repr(t)
    assert AliasTable(frozenset({"X", "x1"}), {"Y1": "X", "y1": "x1"}, {}).any_case == {
        "x": "X",
        "x1": "x1",
    }, "what case alone tells apart is not used without it"


# ---- rules ----


@pytest.mark.parametrize(
    "name,bare",
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("ENSMUSG00000059552.14", "ENSMUSG00000059552"),
        ("ENSDARG00000035559.3", "ENSDARG00000035559"),
        ("ENST00000269305.9", "ENST00000269305"),
        ("ENSG00000002586.20_PAR_Y", "ENSG00000002586"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("AC004556.1", "AC004556.1"),
        ("ENSG1.2", "ENSG1.2"),
        ("Y48G1A.4", "Y48G1A.4"),
        ("FBgn0000490", "FBgn0000490"),
    ],
)
def test_versions(name, bare):
    assert unversioned(name) == bare


@pytest.mark.parametrize(
    "name,meant",
    [
        (" TP53\t", "TP53"),
        ("HLA\u2013A", "HLA-A"),
        ("HLA\u2011A", "HLA-A"),
        ("T\u200bP53", "TP53"),
        ("\ufeffTP53", "TP53"),
        ("TP53\u00a0", "TP53"),
        ("\uff34\uff30\uff15\uff13", "TP53"),
        ("TNF-α", "TNF-α"),
        ("基因", "基因"),
    ],
    ids=ascii,
)
def test_plain(name, meant):
    assert plain(name) == meant


@given(
    st.lists(
        st.text(min_size=1, max_size=6).filter(
            lambda s: (
                s.strip() and "+" not in s and s.strip() == s and s not in ("nan", "None", "<NA>")
            )
        ),
        unique=True,
        max_size=12,
    ),
    st.integers(0, 2**31),
)
@settings(max_examples=60)
def test_every_name_is_found_or_missing_and_known_names_stay(names, seed):
    known = [n for n in names if np.random.default_rng(seed + len(n)).random() < 0.6]
    r = resolve(names, known)
    assert set(r.mapping) | set(r.missing) == set(names) and not set(r.mapping) & set(r.missing)
    assert all(r.mapping[n] == n for n in known) and set(r.mapping.values()) <= set(known)
    assert set(r.how) == set(r.mapping) and len(r.to_frame()) == len(names)
    assert len(str(r)) > 0


def test_order_does_not_matter():
    known, names = (
        ["Trp53", "ENSG00000000001.2", "Abc"],
        ["TRP53", "ENSG00000000001", "ABC", "nobody"],
    )
    a, b = resolve(names, known), resolve(names[::-1], known[::-1])
    assert a.mapping == b.mapping and a.missing == b.missing and a.how == b.how


def test_case_is_ignored_only_when_nothing_else_fits():
    assert resolve(["TRP53"], ["Trp53"]).how == {"TRP53": "in other case"}
    assert (
        resolve(["TRP53"], ["Trp53", "trp53"])
        .missing["TRP53"]
        .startswith("ambiguous in other case: Trp53, trp53")
    )
    assert resolve(["dl", "Dl"], ["Dl"]).mapping == {"Dl": "Dl"}, "dl is another gene of the list"
    assert resolve(["dl", "DL"], ["Dl"]).mapping == {}, "two names cannot both be it"
    assert resolve(["dl"], ["dl", "Dl"]).mapping == {"dl": "dl"}
    assert resolve(["TRP53"], ["Trp53"], case=False).missing == {"TRP53": "unknown"}


def test_versions_on_either_side():
    assert resolve(["ENSG00000000001.2"], ["ENSG00000000001"]).mapping == {
        "ENSG00000000001.2": "ENSG00000000001"
    }
    assert resolve(["ENSG00000000001"], ["ENSG00000000001.2"]).mapping == {
        "ENSG00000000001": "ENSG00000000001.2"
    }
    assert resolve(["ENSG00000000001.7"], ["ENSG00000000001.2"]).mapping == {
        "ENSG00000000001.7": "ENSG00000000001.2"
    }
    assert (
        "ambiguous"
        in resolve(["ENSG00000000001.7"], ["ENSG00000000001.2", "ENSG00000000001.3"]).missing[
            "ENSG00000000001.7"
        ]
    )
    assert resolve(["ENSG00000000001.7"], ["ENSG00000000001.2", "ENSG00000000001"]).mapping == {
        "ENSG00000000001.7": "ENSG00000000001"
    }


def test_aliases_on_either_side():
    t = make_aliases(
        [
            ("SEPT2", "SEPTIN2"),
            ("NEDD5", "SEPTIN2"),
            ("ENSG00000168385", "SEPTIN2"),
            ("p33", "CDK2"),
            ("p33", "ING1"),
        ],
        symbols=["XIST"],
    )
    for known in ("SEPT2", "SEPTIN2", "NEDD5", "ENSG00000168385", "ENSG00000168385.18"):
        r = resolve(["SEPT2", "SEPTIN2", "NEDD5", "ENSG00000168385.18"], [known], t)
        assert set(r.mapping.values()) == {known} and not r.missing
        assert resolve(["sept2"], [known], t).mapping == {"sept2": known}
    assert resolve(["NEDD5"], ["SEPT2", "SEPTIN2"], t).mapping == {"NEDD5": "SEPTIN2"}, (
        "the approved symbol, where both are known"
    )
    assert (
        "ambiguous by alias" in resolve(["NEDD5"], ["SEPT2", "ENSG00000168385"], t).missing["NEDD5"]
    )
    r = resolve(["p33", "XIST", "SEPT2", "nobody", "2-Sep", "Mar-1"], ["CDK2"], t)
    assert r.missing == {
        "p33": "ambiguous alias: CDK2, ING1",
        "XIST": "the gene XIST is not known here",
        "SEPT2": "the gene SEPTIN2 is not known here",
        "nobody": "unknown",
        "2-Sep": r.missing["2-Sep"],
        "Mar-1": r.missing["2-Sep"],
    }
    assert "spreadsheet" in r.missing["2-Sep"]


def test_a_symbol_is_never_taken_for_another_gene():
    t = make_aliases([("MYC", "MYCBP")], symbols=["MYC"])
    assert resolve(["MYC"], ["MYCBP"], t).missing == {"MYC": "the gene MYC is not known here"}


def test_merged_names_and_pairs():
    t = make_aliases([("p53", "TP53")])
    r = resolve(["p53", "TP53", "p53+MYC", "ctrl"], ["TP53", "MYC"], t)
    assert (
        r.merged == {"TP53": ("p53", "TP53")}
        and r.changed == {"p53": "TP53"}
        and "TP53 (p53, TP53)" in str(r)
    )
    assert r.rename(["p53+MYC", "p53+ctrl", "MYC", "XIST"]) == [
        "MYC+TP53",
        "TP53+ctrl",
        "MYC",
        "XIST",
    ]


@pytest.mark.parametrize(
    "bad",
    [
        ["A", ""],
        ["A", "  "],
        ["A", None],
        ["A", float("nan")],
        ["A+"],
        pd.Series(["A", pd.NA], dtype="string"),
    ],
)
def test_empty_names(bad):
    with pytest.raises(GraphselError, match="empty .position 2"):
        resolve(bad, ["A"])


def test_a_text_is_no_list():
    with pytest.raises(GraphselError, match="give a list"):
        resolve("TP53", ["TP53"])


def test_nothing_asked_or_nothing_known():
    assert resolve([], ["A"]).mapping == {} and str(resolve([], [])).startswith("0 of 0")
    assert resolve(["A"], []).missing == {"A": "unknown"}


def test_real_screen_against_real_graph(shared_data):
    "27 knock-downs are not in STRING by their symbol; each stays missing, and is named."
    names = pd.read_csv(shared_data / "k562_essential_latent.tsv", sep="\t").iloc[:, 0]
    names = [n for n in names if n != "ctrl"]
    known = pd.read_csv(
        shared_data / "string_v12.tsv.gz",
        sep="\t",
        usecols=["source", "target"],
        keep_default_na=False,
    )
    r = resolve(names, sorted({*known["source"], *known["target"]}))
    assert (
        len(r.mapping) + len(r.missing) == 1_092
        and sum(h == "as written" for h in r.how.values()) == 1_065
    )
    renamed = {
        "AARS": "AARS1",
        "DARS": "DARS1",
        "EPRS": "EPRS1",
        "GARS": "GARS1",
        "HARS": "HARS1",
        "IARS": "IARS1",
        "KARS": "KARS1",
        "LARS": "LARS1",
        "MARS": "MARS1",
        "NARS": "NARS1",
        "QARS": "QARS1",
        "RARS": "RARS1",
        "SARS": "SARS1",
        "TARS": "TARS1",
        "VARS": "VARS1",
        "PHB": "PHB1",
        "TWISTNB": "POLR1F",
        "CD3EAP": "POLR1G",
        "ZNRD1": "POLR1H",
        "WDR61": "SKIC8",
        "CCDC84": "CENATAC",
        "C7orf26": "INTS15",
        "C12orf45": "NOPCHAP1",
    }  # previous symbols, as HGNC lists them
    again = resolve(
        names, sorted({*known["source"], *known["target"]}), make_aliases(renamed.items())
    )
    assert (
        len(again.mapping) - len(r.mapping)
        == sum(h.startswith("by alias") for h in again.how.values())
        > 15
    )
