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


# ---- orthologs ----

ORTHOLOGS = {
    "two.tsv": "mouse\thuman\nTrp53\tTP53\nMdm2\tMDM2\nCdkn2a\tCDKN2A\nCdkn2a\tCDKN2B\n",
    "genes.csv": "Mouse gene,Human gene\nTrp53,TP53\nMdm2,MDM2\nCdkn2a,CDKN2A\nCdkn2a,CDKN2B\n",
    "hcop.txt": "human_entrez_gene\thuman_name\thuman_symbol\tmouse_entrez_gene\tmouse_name\tmouse_symbol\n"
    "7157\ttumor protein\tTP53\t22059\ttransformation related\tTrp53\n"
    "4193\tproto-oncogene\tMDM2\t17246\ttransformed\tMdm2\n"
    "1029\tinhibitor\tCDKN2A\t12578\tinhibitor\tCdkn2a\n"
    "1030\tinhibitor\tCDKN2B\t12578\tinhibitor\tCdkn2a\n"
    "999\tcadherin\tCDH1\t-\t-\t-\n",
    "mart.tsv": "Gene stable ID\tGene name\tHuman gene name\nENSMUSG1\tTrp53\tTP53\n"
    "ENSMUSG2\tMdm2\tMDM2\nENSMUSG3\tCdkn2a\tCDKN2A\nENSMUSG3\tCdkn2a\tCDKN2B\nENSMUSG4\tOr1\t\n",
    "HOM_MouseHumanSequence.rpt": "DB Class Key\tCommon Organism Name\tNCBI Taxon ID\tSymbol\n"
    "1\tmouse, laboratory\t10090\tTrp53\n1\thuman\t9606\tTP53\n2\thuman\t9606\tMDM2\n"
    "2\tmouse, laboratory\t10090\tMdm2\n3\tmouse, laboratory\t10090\tCdkn2a\n3\thuman\t9606\tCDKN2A\n"
    "3\thuman\t9606\tCDKN2B\n4\tmouse, laboratory\t10090\tOr1\n",
    "hcop15.txt": "ortholog_species\thuman_symbol\tortholog_species_symbol\n10090\tTP53\tTrp53\n"
    "10090\tMDM2\tMdm2\n10090\tCDKN2A\tCdkn2a\n10090\tCDKN2B\tCdkn2a\n",
}


@pytest.mark.parametrize("name", ORTHOLOGS)
def test_tables_of_orthologs(name, tmp_path, caplog):
    path = tmp_path / name
    path.write_text(ORTHOLOGS[name])
    table = read_aliases(path)
    assert table.to == {"Trp53": "TP53", "Mdm2": "MDM2"}
    assert "several human orthologs are not translated: 1 (Cdkn2a (CDKN2A, CDKN2B))" in caplog.text
    known = ["TP53", "MDM2", "CDKN2A", "CDKN2B"]
    found = resolve(["Trp53", "Mdm2", "Cdkn2a"], known, table)
    assert found.mapping == {"Trp53": "TP53", "Mdm2": "MDM2"}
    assert found.missing == {"Cdkn2a": "ambiguous alias: CDKN2A, CDKN2B"}  # nor by its letters


def test_orthologs_of_several_species_are_refused(tmp_path):
    path = tmp_path / "hcop15.txt"
    path.write_text(ORTHOLOGS["hcop15.txt"] + "10116\tTP53\tTp53\n")
    with pytest.raises(GraphselError, match="orthologs of 2 species .* keep the lines of one"):
        read_aliases(path)


def test_a_table_of_orthologs_without_pairs(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("mouse,human\nTrp53,\n")
    with pytest.raises(GraphselError, match="no pair of orthologs"):
        read_aliases(path)


def test_genes_of_the_mouse_are_not_taken_for_human_ones_without_a_word():
    found = resolve(["Mdm2", "Kras", "Tp53"], ["MDM2", "KRAS", "TP53", "MYC"])
    assert len(found.mapping) == 3
    assert "written as genes of the mouse or rat" in str(found) and "mouse,human" in str(found)
    assert "mouse" not in str(resolve(["mdm2", "KRAS"], ["MDM2", "KRAS"]))
    assert "mouse" not in str(resolve(["MDM2"], ["Mdm2"]))
    assert "mouse" not in str(resolve(["C1orf43", "MDM2"], ["C1ORF43", "MDM2"]))
