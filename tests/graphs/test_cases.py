"""Files in the exact form of public databases, small ones that were read wrongly, and hundreds of variants: each gives
the right graph, or a refusal that says what to do; none is wrong in silence."""

import gzip
import itertools
import random

import numpy as np
import pandas as pd
import pytest

from graphsel.core.errors import GraphselError
from graphsel.graphs.build import from_edges, from_gene_sets
from graphsel.graphs.readers.read import read_graph

# ---- the shared cases ----

WEIGHTED = 11  # edges of the small table that most cases hold


def edges_of(graph):
    "The edges as {frozenset of two names: weight}."
    A = graph.adjacency.tocoo()
    return {
        frozenset((str(graph.genes[i]), str(graph.genes[j]))): round(float(w), 4)
        for i, j, w in zip(A.row, A.col, A.data)
    }


@pytest.mark.parametrize(
    "file,n_edges,n_weights,says",
    [
        ("biogrid.tab3.txt", 11, 1, "Official Symbol Interactor A"),
        ("edges.txt", WEIGHTED, 5, "weight: weight"),
        ("huri.tsv", 3, 1, "column 1"),
        ("spo_weight.tsv", WEIGHTED, 5, "source – target, weight: weight"),
        ("pvalue.tsv", WEIGHTED, 5, "weight: correlation"),
        ("flag.csv", WEIGHTED, 5, "weight: correlation"),
    ],
)
def test_cases_of_edges(shared_data, file, n_edges, n_weights, says):
    graph = read_graph(shared_data / "cases" / file)
    assert len(edges_of(graph)) == n_edges
    assert len(set(edges_of(graph).values())) >= n_weights
    assert says in graph.source["reading"]


def test_cases_of_gene_sets(shared_data):
    bare = read_graph(shared_data / "cases" / "nodesc.gmt")
    assert set(bare.genes) == {"TP53", "MDM2", "MYC", "KLF1", "GATA1", "JUN", "FOS", "AHR"}
    listed = read_graph(shared_data / "cases" / "commas.gmt")
    assert set(listed.genes) == set(bare.genes) and listed.fingerprint == bare.fingerprint


@pytest.mark.parametrize(
    "file", ["hgnc_download.tsv", "bulk.csv", "replogle.csv", "row_numbers.csv"]
)
def test_cases_that_are_no_graphs(shared_data, file):
    with pytest.raises(GraphselError, match="no graph is found"):
        read_graph(shared_data / "cases" / file)


REAL = {
    "string_v12.tsv.gz": "9aeb62d559435faadac3155dd16f277e5a2adca7",
    "go_bp_2018.txt": "4b09ff36684c0e34fe424817e4807009d13c5a4e",
    "reactome_2023.gmt": "42b258e72fb1b0de0a178dbaea133de4e1d5ae81",
    "go_bp_similarity.tsv": "61dbd3bb5d364d30ca5d66198ebd89be0115adc4",
    "coessential.tsv": "3a4a6695ca73aa3eec179793abaae630aa7bbe27",
    "screens/yeast_string_actions.tsv.gz": "18b484168ec29e2009af07855c671122ffebc99c",
    "screens/yeast_go.gmt": "0edf282a36c1242cdf0162e40d20e35d2acee44a",
    "screens/fly_dpim.tsv": "cbdb185d6eb354bf5b185d597472430589104087",
    "screens/fly_go_bp.gmt": "275a17d678786a12f6fe51dbd6b2c734d1af89a9",
}


@pytest.mark.parametrize("file", REAL)
def test_real_graphs_bit_for_bit(shared_data, file):
    "Fingerprints taken before files were told by their content."
    assert read_graph(shared_data / file).fingerprint == REAL[file]


def under_some_endings(forms, endings):
    "Each form under two endings, in turn: an ending says nothing, so that all need not meet all."
    for i, form in enumerate(forms):
        yield form, endings[2 * i % len(endings)]
        yield form, endings[(2 * i + 1) % len(endings)]


# ---- databases, in the form they publish ----

PAIRS = [("TP53", "MDM2"), ("TP53", "MYC"), ("KLF1", "GATA1"), ("JUN", "FOS"), ("MDM2", "MYC")]
SCORES = [0.9, 0.75, 0.5, 1.0, 0.25]
PLAIN = from_edges(*zip(*PAIRS))
SCORED = from_edges(*zip(*PAIRS), SCORES)
ENTREZ = {
    "TP53": "7157",
    "MDM2": "4193",
    "MYC": "4609",
    "KLF1": "10661",
    "GATA1": "2623",
    "JUN": "3725",
    "FOS": "2353",
}
UNIPROT = {"TP53": "P04637", "MDM2": "Q00987", "MYC": "P01106", "KLF1": "Q13351", "GATA1": "P15976"}
UNIPROT |= {"JUN": "P05412", "FOS": "P01100"}


def lines(head, rows, separator="\t"):
    return "".join(separator.join(map(str, row)) + "\n" for row in ([head] if head else []) + rows)


def biogrid():
    head = (
        "#BioGRID Interaction ID|Entrez Gene Interactor A|Entrez Gene Interactor B|BioGRID ID Interactor A|"
        "BioGRID ID Interactor B|Systematic Name Interactor A|Systematic Name Interactor B|"
        "Official Symbol Interactor A|Official Symbol Interactor B|Synonyms Interactor A|Synonyms Interactor B|"
        "Experimental System|Experimental System Type|Author|Publication Source|Organism ID Interactor A|"
        "Organism ID Interactor B|Throughput|Score|Modification|Qualifications|Tags|Source Database"
    )
    rows = [
        [
            103 + i,
            ENTREZ[a],
            ENTREZ[b],
            112000 + i,
            108000 + i,
            "-",
            "-",
            a,
            b,
            "p53|LFS1",
            'HDMX|"hdm2"',
            "Two-hybrid",
        ]
        + [
            "physical",
            "Marti A (1997)",
            "PUBMED:9006895",
            9606,
            9606,
            "Low Throughput",
            "-",
            "-",
            "-",
            "-",
            "BIOGRID",
        ]
        for i, (a, b) in enumerate(PAIRS)
    ]
    return lines(head.split("|"), rows)


def mitab():
    head = (
        "#ID(s) interactor A|ID(s) interactor B|Alt. ID(s) interactor A|Alt. ID(s) interactor B|"
        "Alias(es) interactor A|Alias(es) interactor B|Interaction detection method(s)|"
        "Publication 1st author(s)|Publication Identifier(s)|Taxid interactor A|Taxid interactor B|"
        "Interaction type(s)|Source database(s)|Interaction identifier(s)|Confidence value(s)"
    )
    alias = "psi-mi:{0}_human(display_long)|uniprotkb:{1}(gene name)|psi-mi:{1}(display_short)"
    rows = [
        [
            f"uniprotkb:{UNIPROT[a]}",
            f"uniprotkb:{UNIPROT[b]}",
            "intact:EBI-366083",
            "intact:EBI-389668",
        ]
        + [
            alias.format(a.lower(), a),
            alias.format(b.lower(), b),
            'psi-mi:"MI:0018"(two hybrid)',
            "Doe (2001)",
        ]
        + [
            "pubmed:1",
            "taxid:9606(human)",
            "taxid:9606(human)",
            'psi-mi:"MI:0915"(physical association)',
        ]
        + ['psi-mi:"MI:0469"(IntAct)', f"intact:EBI-{i}", f"intact-miscore:{s}"]
        for i, ((a, b), s) in enumerate(zip(PAIRS, SCORES))
    ]
    return lines(head.split("|"), rows)


def biogrid_mitab():
    head = mitab().splitlines()[0].split("\t")
    side = "biogrid:{1}|entrez gene/locuslink:{0}"
    rows = [
        [
            f"entrez gene/locuslink:{ENTREZ[a]}",
            f"entrez gene/locuslink:{ENTREZ[b]}",
            side.format(a, 1),
            side.format(b, 2),
        ]
        + [
            "entrez gene/locuslink:X1(gene name synonym)",
            "-",
            'psi-mi:"MI:0018"(two hybrid)',
            '"Doe J (2001)"',
        ]
        + ["pubmed:1", "taxid:9606", "taxid:9606", 'psi-mi:"MI:0407"(direct interaction)']
        + ['psi-mi:"MI:0463"(biogrid)', f"biogrid:{i}", "-"]
        for i, (a, b) in enumerate(PAIRS)
    ]
    return lines(head, rows)


def hippie_mitab():
    text = mitab().splitlines()
    extra = ["Presence In Other Species\tGene Name Interactor A\tGene Name Interactor B"]
    extra += [f"\t{a}\t{b}" for a, b in PAIRS]
    head = text[0].lstrip("#").replace("Confidence value(s)", "Confidence Value")
    rows = [o.rpartition("\t")[0] + f"\t{s}" for o, s in zip(text[1:], SCORES)]
    return "".join(f"{a}\t{b}\n" for a, b in zip([head, *rows], extra))


def omnipath():
    head = (
        "source target source_genesymbol target_genesymbol is_directed is_stimulation is_inhibition"
    )
    head += " consensus_direction consensus_stimulation consensus_inhibition curation_effort references sources"
    rows = [
        [
            UNIPROT[a],
            UNIPROT[b],
            a,
            b,
            1,
            i % 2,
            0,
            1,
            i % 2,
            0,
            3 + i,
            "SIGNOR:1234;SPIKE:99",
            "SIGNOR;SPIKE",
        ]
        for i, (a, b) in enumerate(PAIRS)
    ]
    return lines(head.split(), rows)


def kgx():
    rows = [
        [f"uuid:{i}", a, "biolink:interacts_with", b, "biolink:Association", "infores:x"]
        for i, (a, b) in enumerate(PAIRS)
    ]
    return lines(
        ["id", "subject", "predicate", "object", "category", "primary_knowledge_source"], rows
    )


def primekg():
    head = "relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source"
    rows = [
        [
            "protein_protein",
            "ppi",
            i,
            ENTREZ[a],
            "gene/protein",
            a,
            "NCBI",
            8000 + i,
            ENTREZ[b],
            "gene/protein",
            b,
            "NCBI",
        ]
        for i, (a, b) in enumerate(PAIRS)
    ]
    rows.append(
        [
            "drug_protein",
            "target",
            9,
            "DB01",
            "drug",
            "Nutlin",
            "DrugBank",
            11,
            "4193",
            "gene/protein",
            "MDM2",
            "NCBI",
        ]
    )
    return lines(head.split(","), rows, ",")


def string_site():
    head = "#node1 node2 node1_string_id node2_string_id neighborhood_on_chromosome gene_fusion homology combined_score"
    rows = [
        [a, b, "9606.ENSP00000269305", "9606.ENSP00000258149", 0, 0, 0, s]
        for (a, b), s in zip(PAIRS, SCORES)
    ]
    return lines(head.split(), rows)


def string_api():
    head = "stringId_A stringId_B preferredName_A preferredName_B ncbiTaxonId score nscore fscore"
    rows = [
        ["9606.ENSP00000269305", "9606.ENSP00000258149", a, b, 9606, s, 0, 0]
        for (a, b), s in zip(PAIRS, SCORES)
    ]
    return lines(head.split(), rows)


def trrust():
    modes = ["Activation", "Repression", "Unknown", "Activation", "Unknown"]
    papers = ["20360387", "1;2", "15274057;19111882", "9", "10022617"]
    return lines(None, [[a, b, m, p] for (a, b), m, p in zip(PAIRS, modes, papers)])


def collectri():
    return lines(
        ["source", "target", "mor"], [[a, b, 1 if i else -1] for i, (a, b) in enumerate(PAIRS)], ","
    )


def wgcna():
    head = "fromNode toNode weight direction fromAltName toAltName"
    return lines(
        head.split(), [[a, b, s, "undirected", "NA", "NA"] for (a, b), s in zip(PAIRS, SCORES)]
    )


def netcomi():
    rows = [[a, b, -s, round(1 - s / 2, 3), s] for (a, b), s in zip(PAIRS, SCORES)]
    return lines(["v1", "v2", "asso", "diss", "adja"], rows, ",")


def correlations():
    rows = [[a, b, s, f"{10.0**-i:.0e}"] for i, ((a, b), s) in enumerate(zip(PAIRS, SCORES))]
    return lines(["row", "column", "cor", "p"], rows, ",")


def reactome_fi():
    rows = [[a, b, "activate; catalyze", "->", s] for (a, b), s in zip(PAIRS, SCORES)]
    return lines("Gene1 Gene2 Annotation Direction Score".split(), rows)


def pathway_commons():
    rows = [[a, "controls-expression-of", b] for a, b in PAIRS]
    return lines(None, rows)


def pathway_commons_extended():
    rows = [[a, "in-complex-with", b, "Reactome", "1234", "Some pathway"] for a, b in PAIRS]
    head = "PARTICIPANT_A INTERACTION_TYPE PARTICIPANT_B INTERACTION_DATA_SOURCE INTERACTION_PUBMED_ID PATHWAY_NAMES"
    return lines(head.split(), rows)


def hippie():
    rows = [
        [
            f"{a}_HUMAN",
            ENTREZ[a],
            f"{b}_HUMAN",
            ENTREZ[b],
            s,
            "experiments:in vivo;pmids:1,2;sources:HPRD",
        ]
        for (a, b), s in zip(PAIRS, SCORES)
    ]
    return lines(None, rows)


def named(graph):
    "The same graph under UniProt's entry names."
    genes = [f"{g}_HUMAN" for g in graph.genes]
    C = graph.adjacency.tocoo()
    return from_edges([genes[i] for i in C.col], [genes[i] for i in C.row], C.data, directed=True)


DATABASES = {
    "BioGRID tab3": (biogrid, PLAIN),
    "IntAct MITAB": (mitab, SCORED),
    "BioGRID MITAB": (biogrid_mitab, PLAIN),
    "HIPPIE MITAB": (hippie_mitab, SCORED),
    "HIPPIE": (hippie, named(SCORED)),
    "OmniPath": (omnipath, PLAIN),
    "KGX": (kgx, PLAIN),
    "PrimeKG": (primekg, PLAIN),
    "STRING, website": (string_site, SCORED),
    "STRING, API": (string_api, SCORED),
    "TRRUST": (trrust, PLAIN),
    "CollecTRI": (collectri, PLAIN),
    "WGCNA": (wgcna, SCORED),
    "NetCoMi": (netcomi, SCORED),
    "correlations": (correlations, SCORED),
    "Reactome FI": (reactome_fi, SCORED),
    "Pathway Commons": (pathway_commons, PLAIN),
    "Pathway Commons, extended": (pathway_commons_extended, PLAIN),
}


@pytest.mark.parametrize(
    "database,ending",
    [*under_some_endings(DATABASES, [".txt", ".tsv", ".csv", ".tab", ".gmt", ""])],
)
def test_databases_under_any_ending(database, ending, tmp_path):
    make, expected = DATABASES[database]
    path = tmp_path / f"network{ending}"
    path.write_text(make(), encoding="utf-8")
    graph = read_graph(path)
    assert edges_of(graph) == edges_of(expected), graph.source["reading"]
    assert graph.source["reading"]


def test_drugs_and_diseases_are_told(tmp_path):
    (tmp_path / "kg.csv").write_text(primekg())
    assert (
        "1 of 6 rows are not between two genes" in read_graph(tmp_path / "kg.csv").source["reading"]
    )


LINKS = (
    "protein1 protein2 combined_score\n9606.ENSP00000000001 9606.ENSP00000000002 900\n"
    "9606.ENSP00000000001 9606.ENSP00000000003 450\n"
)
INFO = (
    "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n9606.ENSP00000000003\tMYC\t439\tMyc.\n"
    "9606.ENSP00000000001\tTP53\t393\tTumor.\n9606.ENSP00000000002\tMDM2\t491\tLigase.\n"
)


@pytest.mark.parametrize(
    "links,info",
    [("net.csv", "my_info.tsv"), ("string.txt.gz", "info"), ("a", "protein.info.txt.gz")],
)
def test_string_under_any_name(links, info, tmp_path):
    for name, text in ((links, LINKS), (info, INFO)):
        data = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    graph = read_graph(tmp_path / links)
    assert list(graph.genes) == ["MDM2", "MYC", "TP53"] and graph.source["kind"] == "STRING"
    with pytest.raises(GraphselError, match="give the file of links"):
        read_graph(tmp_path / info)


def test_names_of_another_species_are_not_taken(tmp_path):
    (tmp_path / "net.txt").write_text(LINKS)
    (tmp_path / "info.txt").write_text(INFO.replace("9606", "10090"))
    assert read_graph(tmp_path / "net.txt").genes[0].startswith("9606.")


# ---- gene sets ----

SETS = {
    "DNA repair": ["TP53", "BRCA1", "RAD51"],
    "cell cycle": ["CDK1", "CCNB1", "TP53"],
    "growth": ["MYC", "MAX", "TP53", "JUN"],
}
ALIKE = from_gene_sets(SETS)


def gmt(description):
    return lines(None, [[t, description, *m] for t, m in SETS.items()])


def long_table(head, separator="\t", flip=False):
    rows = [[t, g][:: -1 if flip else 1] for t, m in SETS.items() for g in m]
    return lines(head, rows, separator)


def gene2go():
    head = "#tax_id GeneID GO_ID Evidence Qualifier GO_term PubMed Category".split()
    ids = {"DNA repair": "GO:0006281", "cell cycle": "GO:0007049", "growth": "GO:0040007"}
    rows = [
        [9606, g, ids[t], "IDA", "involved_in", t, "1|2", "Process"]
        for t, m in SETS.items()
        for g in m
    ]
    rows += [[9606, "MYC", "GO:0006281", "IDA", "NOT involved_in", "DNA repair", "1", "Process"]]
    rows += [[9606, "MYC", "GO:0005634", "IDA", "located_in", "nucleus", "1", "Component"]]
    return lines(head, rows)


SET_FILES = {
    "GMT": lambda: gmt("https://www.gsea-msigdb.org/x"),
    "Enrichr": lambda: gmt(""),
    "old Reactome": lambda: gmt("Reactome Pathway"),
    "SGD": lambda: gmt("SGD"),
    "na": lambda: gmt("na"),
    "no descriptions": lambda: lines(None, [[t, *m] for t, m in SETS.items()]),
    "own name again": lambda: lines(None, [[t, t, *m] for t, m in SETS.items()]),
    "commas": lambda: lines(None, [[t, "x", ",".join(m)] for t, m in SETS.items()]),
    "semicolons": lambda: lines(None, [[t, "x", "; ".join(m)] for t, m in SETS.items()]),
    "blanks": lambda: lines(None, [[t, "x", " ".join(m)] for t, m in SETS.items()]),
    "list without description": lambda: lines(None, [[t, ",".join(m)] for t, m in SETS.items()]),
    "weights": lambda: lines(None, [[t, "", *(f"{g},1.0" for g in m)] for t, m in SETS.items()]),
    "GO in parentheses": lambda: "".join(
        f"{t} (GO:1),{m[0]}\t" + "\t".join(m[1:]) + "\n" for t, m in SETS.items()
    ),
    "TERM2GENE": lambda: long_table(["term", "gene"]),
    "MSigDB": lambda: long_table(["gs_name", "gene_symbol"], ","),
    "gene first": lambda: long_table(["gene", "term"], flip=True),
    "pathway and symbol": lambda: long_table(["pathway", "symbol"], ";"),
    "long without names": lambda: long_table(None),
    "gene2go": gene2go,
}


@pytest.mark.parametrize(
    "form,ending", [*under_some_endings(SET_FILES, [".gmt", ".txt", ".tsv", ".csv", ""])]
)
def test_gene_sets_in_many_forms(form, ending, tmp_path):
    path = tmp_path / f"sets{ending}"
    path.write_text(SET_FILES[form](), encoding="utf-8")
    graph = read_graph(path)
    assert edges_of(graph) == edges_of(ALIKE), graph.source["reading"]
    assert "gene sets" in graph.source["reading"]


def test_a_second_field_that_could_be_both(tmp_path):
    path = tmp_path / "open.gmt"
    path.write_text("a\tGENE1\tTP53\tMYC\nb\tGENE2\tJUN\tFOS\n")
    with pytest.raises(GraphselError, match="--kind bare-sets"):
        read_graph(path)
    assert "GENE1" in read_graph(path, kind="bare-sets")
    with pytest.raises(GraphselError, match="--kind sets"):
        read_graph(path, kind="sets")


# ---- matrices ----


def test_square_matrices(tmp_path):
    genes = ["TP53", "MDM2", "MYC"]
    R = pd.DataFrame([[1, 0.8, 0.1], [0.8, 1, 0.2], [0.1, 0.2, 1]], index=genes, columns=genes)
    R.to_csv(tmp_path / "r.csv")
    graph = read_graph(tmp_path / "r.csv")
    assert edges_of(graph) == {
        frozenset(("TP53", "MDM2")): 0.8,
        frozenset(("TP53", "MYC")): 0.1,
        frozenset(("MDM2", "MYC")): 0.2,
    }
    R.loc["TP53", "MYC"] = R.loc["MYC", "TP53"] = -0.1
    R.to_csv(tmp_path / "s.tsv", sep="\t")
    with pytest.raises(GraphselError, match="abs"):
        read_graph(tmp_path / "s.tsv")
    assert edges_of(read_graph(tmp_path / "s.tsv", weight="abs(x)")) == edges_of(graph)


# ---- weights, and what is none ----


@pytest.mark.parametrize(
    "column", ["p_value", "pval", "padj", "FDR", "q-value", "p.adjust", "distance", "dissimilarity"]
)
def test_what_runs_the_wrong_way_is_refused_with_a_way_out(column, tmp_path):
    path = tmp_path / "e.tsv"
    path.write_text(
        lines(["gene1", "gene2", column], [[a, b, s / 2] for (a, b), s in zip(PAIRS, SCORES)])
    )
    with pytest.raises(GraphselError, match="no strengths.*--weight none") as e:
        read_graph(path)
    advice = str(e.value).rpartition("--weight ")[2].strip("'")
    assert column in advice and read_graph(path, weight=advice).n_edges == PLAIN.n_edges
    assert edges_of(read_graph(path, weight="none")) == edges_of(PLAIN)
    assert edges_of(read_graph(path, weight=column)) == edges_of(SCORED)


@pytest.mark.parametrize(
    "column", ["year", "pmid", "taxid", "is_directed", "id", "n_references", "direction"]
)
def test_what_is_no_weight(column, tmp_path):
    values = [1999, 2004, 0, 1, 7]
    path = tmp_path / "e.csv"
    path.write_text(
        lines(["gene1", "gene2", column], [[a, b, v] for (a, b), v in zip(PAIRS, values)], ",")
    )
    graph = read_graph(path)
    assert edges_of(graph) == edges_of(PLAIN) and "all count alike" in graph.source["reading"]


def test_weights_that_are_a_question(tmp_path):
    path = tmp_path / "e.csv"
    rows = [[a, b, s, 2 * s] for (a, b), s in zip(PAIRS, SCORES)]
    path.write_text(lines(["gene1", "gene2", "thing", "other"], rows, ","))
    with pytest.raises(GraphselError, match="thing, other.*--weight"):
        read_graph(path)
    assert edges_of(read_graph(path, weight="thing")) == edges_of(SCORED)
    assert edges_of(read_graph(path, columns="source=gene1,target=gene2,weight=other")) == edges_of(
        SCORED
    )
    assert edges_of(
        read_graph(path, columns={"source": "gene2", "target": "gene1"}, weight="none")
    ) == edges_of(PLAIN)


def test_genes_that_are_a_question(tmp_path):
    path = tmp_path / "e.csv"
    rows = [[a, b, b, a] for a, b in PAIRS]
    path.write_text(lines(["gene1", "gene2", "gene_a", "gene_b"], rows, ","))
    with pytest.raises(GraphselError, match="which columns are the genes"):
        read_graph(path)
    assert edges_of(read_graph(path, columns="source=gene_a,target=gene_b")) == edges_of(PLAIN)


@pytest.mark.parametrize(
    "wish", ["source=A", "from=A,to=B", "source=gene1,target=nobody", "source=gene1,target=gene1"]
)
def test_columns_that_are_none(wish, tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(lines(["gene1", "gene2"], [list(o) for o in PAIRS], ","))
    with pytest.raises(GraphselError):
        read_graph(path, columns=wish)


def test_negative_weights_are_refused_with_a_way_out(tmp_path):
    path = tmp_path / "e.csv"
    rows = [[a, b, -s if i % 2 else s] for i, ((a, b), s) in enumerate(zip(PAIRS, SCORES))]
    path.write_text(lines(["gene1", "gene2", "correlation"], rows, ","))
    with pytest.raises(GraphselError, match="abs"):
        read_graph(path)
    assert edges_of(read_graph(path, weight="abs(correlation)")) == edges_of(SCORED)


def test_numbers_as_names_are_told(tmp_path, caplog):
    path = tmp_path / "e.tsv"
    path.write_text(lines(["entrez_a", "entrez_b"], [[ENTREZ[a], ENTREZ[b]] for a, b in PAIRS]))
    graph = read_graph(path)
    assert set(graph.genes) == set(ENTREZ.values()) and "its genes are numbers" in caplog.text


def test_options_that_do_not_fit(tmp_path):
    path = tmp_path / "s.gmt"
    path.write_text(gmt("x"))
    for options, says in (
        ({"weight": "score"}, "no weights"),
        ({"min_score": 3}, "know no option 'min_score'"),
        ({"kind": "edge"}, "did you mean 'edges'"),
    ):
        with pytest.raises(GraphselError, match=says):
            read_graph(path, **options)


@pytest.mark.parametrize(
    "name,data,says",
    [
        ("a.csv", b"PK\x03\x04rest", "save the sheet as CSV"),
        ("a.txt", gzip.compress(b"a,b\nA,B\n", mtime=0), "rename it"),
        ("go.obo", b"format-version: 1.2\n\n[Term]\nid: GO:1\n", "ontology"),
        ("list.txt", b"TP53\nMYC\n", "--candidates"),
        ("groups.csv", b"gene,plate\nTP53,A\nMYC,A\nJUN,B\n", "no graph is found"),
        ("aliases.csv", b"alias,symbol\nP53,TP53\nHDMX,MDM2\n", "no graph is found"),
        ("words.txt", b"some words here\nand others as well\n", "two columns"),
        ("table.csv", b"gene,s1,s2\nTP53,1.5,2\nMYC,0.5,1\n", "no graph is found"),
    ],
)
def test_what_is_no_graph(name, data, says, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(GraphselError, match=says):
        read_graph(tmp_path / name)


# ---- variants ----

HEADS = [
    ("source", "target", "weight"),
    ("gene1", "gene2", "score"),
    ("GeneA", "GeneB", "correlation"),
    ("Gene_A", "Gene_B", "Weight"),
    ("protein1", "protein2", "combined_score"),
    ("from", "to", "importance"),
    ("TF", "target", "confidence"),
    ("node1", "node2", "similarity"),
    ("SymbolA", "SymbolB", "edge_weight"),
    ("ligand", "receptor", "strength"),
    None,
]
DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "blank": " "}
EXTRAS = {
    "nothing": [],
    "relation": ["relation", ["binds", "binds", "inhibits", "binds", "inhibits"]],
    "p value": ["p_value", ["1e-9", "0.04", "0.001", "0.5", "0.02"]],
    "flag": ["is_directed", ["0", "1", "0", "1", "1"]],
    "year": ["year", ["1999", "2004", "2010", "1987", "2020"]],
    "row number": ["", ["0", "1", "2", "3", "4"]],
}
VARIANTS = list(itertools.product(range(len(HEADS)), DELIMITERS, EXTRAS))


def variant(head, delimiter, extra, rng):
    "A table of the five pairs, its columns in a random order, and what was put in."
    columns = {
        "source": [a for a, _ in PAIRS],
        "target": [b for _, b in PAIRS],
        "weight": list(map(str, SCORES)),
    }
    names = dict(zip(columns, head or ("", "", "")))
    if EXTRAS[extra]:
        names["extra"], columns["extra"] = EXTRAS[extra]
    order = list(columns)
    if head:
        rng.shuffle(order)
    if extra == "row number":
        order.remove("extra")
        order.insert(0, "extra")
    rows = [[columns[c][i] for c in order] for i in range(len(PAIRS))]
    return lines([names[c] for c in order] if head else None, rows, DELIMITERS[delimiter])


@pytest.mark.parametrize("head,delimiter,extra", VARIANTS)
def test_variants_are_right_or_refused(head, delimiter, extra, tmp_path):
    "Ten headers and none, five delimiters, six further columns, random orders and endings: none is wrong in silence."
    rng = random.Random(f"{head} {delimiter} {extra}")
    if extra == "row number" and delimiter == "blank":
        pytest.skip("an empty name cannot be seen between blanks")
    path = tmp_path / f"net{rng.choice(['.csv', '.tsv', '.txt', '.dat', ''])}"
    path.write_text(
        variant(HEADS[head], delimiter, extra, rng), encoding=rng.choice(["utf-8", "utf-8-sig"])
    )
    try:
        graph = read_graph(path)
    except GraphselError as e:
        assert HEADS[head] is None, f"a table with names is read: {e}"
        assert "--columns" in str(e) or "--weight" in str(e)
        return
    assert edges_of(graph) == edges_of(SCORED), graph.source["reading"]


def test_most_variants_without_names_are_read(tmp_path):
    read = 0
    cases = [
        o
        for o in VARIANTS
        if HEADS[o[0]] is None and not (o[1] == "blank" and o[2] == "row number")
    ]
    for n, (_, delimiter, extra) in enumerate(cases):
        path = tmp_path / f"{n}.txt"
        path.write_text(variant(None, delimiter, extra, random.Random(n)))
        try:
            read += edges_of(read_graph(path)) == edges_of(SCORED)
        except GraphselError:
            pass
    assert read >= 0.5 * len(cases)


def test_decimal_commas_and_quotes(tmp_path):
    text = "source;target;weight\n" + "".join(
        f"{a};{b};{str(s).replace('.', ',')}\n" for (a, b), s in zip(PAIRS, SCORES)
    )
    (tmp_path / "german.csv").write_text(text)
    assert edges_of(read_graph(tmp_path / "german.csv")) == edges_of(SCORED)
    frame = pd.DataFrame(
        [(a, b, s) for (a, b), s in zip(PAIRS, SCORES)], columns=["source", "target", "weight"]
    )
    frame.to_csv(tmp_path / "quoted.csv", index=False, quoting=2)
    frame.to_csv(tmp_path / "numbered.csv")
    frame.to_parquet(tmp_path / "table.parquet")
    frame.to_csv(tmp_path / "wide.tsv", sep="\t", encoding="utf-16", index=False)
    for name in ("quoted.csv", "numbered.csv", "table.parquet", "wide.tsv"):
        assert edges_of(read_graph(tmp_path / name)) == edges_of(SCORED), name


def test_the_first_edge_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    genes = [f"GENE{i}" for i in range(60)]
    pairs = rng.choice(genes, (300, 2))
    text = "".join(f"{a}\t{b}\n" for a, b in pairs)
    (tmp_path / "plain.txt").write_text(text)
    assert read_graph(tmp_path / "plain.txt").source["edges_read"] == 300
