"""The same words everywhere: one way of matching names, one source of messages, and advice that arrives."""

import ast
import html
import json
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import ROOT

import graphsel as gs
from graphsel.benchmark.compare import compare
from graphsel.cli.main import main
from graphsel.selection.select import select

GENES = ["SEPTIN2", "TP53", "MYC", "KRAS", "RPL3", "RPL5", "RPS6", "EGFR", "BRAF", "CDK1", "CDK2"]
OTHER = {"SEPTIN2": "2-Sep", "TP53": "p53", "MYC": "myc"}  # how people spell them
NUMBERS = np.random.default_rng(0).normal(size=(len(GENES), 3)).round(3)


def run(*args):
    r = CliRunner().invoke(main, [str(a) for a in args])
    assert r.exception is None or isinstance(r.exception, SystemExit), r.exc_info
    return r


def last(r):
    return r.stderr.strip().splitlines()[-1].removeprefix("graphsel: ")


@pytest.fixture
def here(tmp_path):
    "A graph, a screen that spells three of its genes otherwise, lists, and a table of aliases."
    edges = [f"{a},{b}" for i, a in enumerate(GENES) for b in GENES[i + 1 : i + 4]]
    names = [OTHER.get(g, g) for g in GENES[:9]] + ["XIST"]
    rows = [",".join(map(str, [n, *row])) for n, row in zip(names, NUMBERS)]
    for name, lines in {
        "net.csv": ["source,target", *edges],
        "screen.csv": ["perturbation,r1,r2,r3", *rows],
        "list.txt": [*OTHER.values(), "CDK1", "XIST"],
        "alias.csv": ["alias,symbol", "p53,TP53"],
    }.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


# ---- one way of matching names ----

FOUND = "1 from a date (2-Sep = SEPTIN2), 1 by alias (p53 = TP53), 1 in other case (myc = MYC)"
FIT = ["fit", "--model", "gp", "--folds", 0, "--out", "{d}/out"]
COMPARE = ["compare", "--model", "gp", "--strategies", "random", "--budgets", "2,3", "--seeds", 1]
COMMANDS = {
    "select": ["select", "--budget", 2, "--out", "{d}/out.csv"],
    "fit": FIT,
    "compare": [*COMPARE, "--jobs", 1, "--out", "{d}/out"],
}
REPORTS = {"select": "out.missing.csv", "fit": "out/missing.csv", "compare": "out/missing.csv"}


def ordered(text):
    "The names found, whatever the order of the rules."
    return {rule for rule in FOUND.split(", ") if rule in text}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_matches_the_names_of_a_screen(here, command):
    ask = [str(o).format(d=here) for o in COMMANDS[command]]
    files = ["--screen", here / "screen.csv", "--graph", here / "net.csv"]
    r = run(*ask, *files, "--aliases", here / "alias.csv")
    assert r.exit_code == 0, r.stderr
    told = [line for line in r.stderr.splitlines() if line.startswith("graphsel: screen: 9 of 10")]
    assert len(told) == 1 and len(ordered(told[0])) == 3 and "XIST" not in told[0], r.stderr
    assert r.stderr.count("screen: 1 of 10 are not in the graph and are left out: XIST") == 1
    left = pd.read_csv(here / REPORTS[command]).set_index("gene")["reason"]
    assert left["XIST"] == "screen: not in the graph"
    assert r.stderr.count("screen.csv: a screen of 10 perturbations and 3 responses") == 1
    assert r.stderr.count("net.csv: edges source – target") == 1


def test_python_matches_as_the_shell_does(here, caplog):
    caplog.set_level("INFO", "graphsel")
    graph = gs.read_graph(here / "net.csv")
    screen = gs.read_screen(here / "screen.csv")
    plan = select(graph, 2, screen=screen, aliases=here / "alias.csv")
    assert {"SEPTIN2", "TP53", "MYC"} <= set(plan.measured) and plan.unknown == ["XIST"]
    names = [*OTHER.values(), "CDK1", "XIST"]
    plan = select(graph, 4, candidates=names, must=["myc"], aliases=here / "alias.csv")
    assert sorted(plan.genes) == ["CDK1", "MYC", "SEPTIN2", "TP53"] and plan.genes[0] == "MYC"
    one = {"models": ("gp",), "seeds": 1}
    results = compare(screen, graph, ["random"], [2], aliases=str(here / "alias.csv"), **one)
    assert set(results["status"]) == {"ok"}
    told = [o.getMessage() for o in caplog.records if "from a date" in o.getMessage()]
    assert len(told) == 3 and all(len(ordered(o)) == 3 for o in told)
    with pytest.raises(gs.GraphselError, match="aliases is of type dict"):
        select(graph, 2, aliases={"p53": "TP53"})


def test_rows_that_turn_out_to_be_one_gene(here):
    screen = pd.DataFrame(NUMBERS[:4], index=["TP53", "p53", "KRAS", "EGFR"])
    screen.to_csv(here / "twice.csv", index_label="perturbation")
    ask = ["--graph", here / "net.csv", "--aliases", here / "alias.csv", "--out", here / "out"]
    r = run("fit", "--model", "gp", "--folds", 0, "--screen", here / "twice.csv", *ask)
    assert r.exit_code == 0, r.stderr
    left = pd.read_csv(here / "out" / "missing.csv").set_index("gene")["reason"]
    assert left["p53"] == "screen: another name of TP53, which has a row of its own"
    assert pd.read_csv(here / "out" / "measured.csv")["gene"].tolist() == ["EGFR", "KRAS", "TP53"]


def test_genes_to_predict_and_the_next_plan_are_matched(here):
    files = ["--screen", here / "screen.csv", "--graph", here / "net.csv"]
    r = run(
        *[str(o).format(d=here) for o in FIT], *files, "--genes", here / "list.txt", "--next", 1
    )
    assert r.exit_code == 0 and "genes: 3 of 5 genes found" in r.stderr, r.stderr
    predicted = pd.read_csv(here / "out" / "predicted.csv")["gene"]
    assert sorted(predicted) == ["CDK1", "MYC", "SEPTIN2"]
    left = pd.read_csv(here / "out" / "missing.csv").set_index("gene")["reason"]
    assert left["XIST"].startswith("genes: not in the graph") or "screen" in left["XIST"]
    assert pd.read_csv(here / "out" / "next.csv")["gene"].tolist() == ["CDK1"]


def test_a_date_of_two_genes_is_not_guessed(here):
    (here / "net.csv").write_text("source,target\nMARCHF1,MTARC1\nMTARC1,TP53\n")
    (here / "list.txt").write_text("1-Mar\nTP53\n")
    r = run("select", "--graph", here / "net.csv", "--budget", 1, "--candidates", here / "list.txt",
            "--out", here / "out.csv")  # fmt: skip
    why = pd.read_csv(here / "out.missing.csv")["reason"][0]
    assert r.exit_code == 0 and why.endswith("MARCHF1 or MTARC1; write which")


# ---- one rule for all lists ----

TABLE = """Approved symbol;Price (EUR);Library plate;Note
2-Sep;12,5;P 1;a name with blanks
TP53;1.250,75;P 1
myc;;P 2;
;3;P 2;no gene

RPL3;€2,50;;
KRAS;4 EUR;P 2;x
EGFR;5;P 3;y
"""


def test_one_table_is_every_list(here):
    "Headers with blanks, a delimiter that beats blanks, short rows, empty cells, dates, money."
    (here / "order.csv").write_text(TABLE)
    lists = ["--candidates", "--targets", "--measured", "--exclude", "--must"]
    for option in lists:
        r = run("select", "--graph", here / "net.csv", "--budget", 6, option, here / "order.csv")
        what = option.removeprefix("--")
        assert "order.csv: 6 genes, gene: Approved symbol" in r.stderr
        assert "1 row holds no gene, the first is line 5; passed over" in r.stderr
        assert f"{what}: 6 of 6 genes found" in r.stderr and "2-Sep = SEPTIN2" in r.stderr
    (here / "order.csv").write_text(TABLE.replace(";3;P 2;no gene\n", ""))
    ask = ["--candidates", here / "order.csv", "--costs", here / "order.csv", "--budget", 1300]
    groups = ["--groups", here / "order.csv", "--cap", 5]
    r = run("select", "--graph", here / "net.csv", *ask, *groups, "--default-cost", 2, "--json")
    assert r.exit_code == 0, r.stderr
    picks = {o["gene"]: (o["cost"], o["group"]) for o in json.loads(r.stdout)["picks"]}
    assert picks["SEPTIN2"] == (12.5, "P 1") and picks["RPL3"] == (2.5, "")
    assert picks["TP53"] == (1250.75, "P 1") and picks["MYC"] == (2, "P 2")
    for said in ("no cost for myc", "no group for RPL3", "cost: Price (EUR)", "group: Library"):
        assert said in r.stderr


@pytest.mark.parametrize("date", ["2-Sep", "2-SEP", "2024-09-02", "02.Sep.2024", "Sep-02"])
def test_dates_in_every_list(here, date):
    graph = gs.read_graph(here / "net.csv")
    names = {"candidates": [date, "TP53"], "must": [date], "costs": {date: 2.0}}
    assert select(graph, 2, **names).genes == ["SEPTIN2"]
    lists = {"exclude": [date], "measured": [date], "targets": [date], "pending": [date]}
    for what, given in lists.items():
        plan = select(graph, 2, **{what: given})
        assert not plan.unknown and (what == "targets" or "SEPTIN2" not in plan.genes)


def test_patterns_stand_for_what_fits(here):
    (here / "rpl.txt").write_text("RPL*\n")
    ask = ["select", "--graph", here / "net.csv", "--budget", 3, "--json"]
    for option, fits in (("--must", True), ("--exclude", False)):
        r = run(*ask, option, here / "rpl.txt")
        picks = {o["gene"] for o in json.loads(r.stdout)["picks"]}
        assert ({"RPL3", "RPL5"} <= picks) == fits and "'RPL*' stands for RPL3, RPL5" in r.stderr
        assert "not in the graph" not in r.stderr


# ---- explorer and shell ----

BAD = {
    "no such file": {"graph": "nothing.csv"},
    "no text": {"graph": "binary.csv"},
    "nothing in it": {"graph": "empty.csv"},
    "no candidate": {"candidates": "XIST\nHOTAIR\n"},
    "other identifiers": {"candidates": "ENSG00000141510\nENSG00000136997\n"},
    "no gene column": {"candidates": "one,two,three\na,1,x\nb,2,y\n"},
    "must unknown": {"must": "XIST\n"},
    "must is no candidate": {"candidates": "TP53\nMYC\n", "must": "KRAS\n"},
    "must is excluded": {"must": "TP53\n", "exclude": "TP53\n"},
    "pattern": {"exclude": "HOX*\n"},
    "no number": {"costs": "gene,cost\nTP53,dear\n"},
    "not positive": {"costs": "gene,cost\nTP53,-1\n"},
    "one gene twice": {"costs": "gene,cost\nTP53+MYC,1\nMYC+TP53,2\n"},
    "no column group": {"groups": "gene,colour\nTP53,x\n", "cap": 1},
    "no cap": {"groups": "gene,group\nTP53,x\n"},
    "nothing left": {"measured": "\n".join(GENES) + "\n"},
    "no target": {"targets": "XIST\n"},
}


def said_in_the_shell(folder, bad):
    ask = ["select", "--graph", folder / bad.get("graph", "net.csv"), "--budget", 2]
    lists = {k: v for k, v in bad.items() if k not in ("graph", "cap")}
    for what, text in lists.items():
        (folder / f"{what}.csv").write_text(text)
        ask += [f"--{what}", folder / f"{what}.csv"]
    r = run(*ask, *(["--cap", bad["cap"]] if "cap" in bad else []))
    assert r.exit_code == 1
    said = last(r)
    for what in lists:
        said = said.replace(str(folder / f"{what}.csv"), what)
    return said


def said_in_the_explorer(folder, bad):
    from graphsel.apps.plan import PlanExplorer

    page = PlanExplorer(gs.read_graph(folder / "net.csv"), budget=2)
    page.quiet = True
    if "graph" in bad:
        page.inputs.graphs.value = ()
        page.inputs.graph_path.value = str(folder / bad["graph"])
    for what, text in bad.items():
        if what != "graph":
            box = "genes" if what == "candidates" else what
            getattr(page.inputs, box).value = text
    page.quiet = False
    page.update()
    shown = html.unescape(re.sub("<[^>]+>", "", page.outputs.status.value))
    return shown.removesuffix(" The plan below is the last one that could be made.")


@pytest.mark.parametrize("case", BAD)
def test_the_explorer_says_what_the_shell_says(here, case):
    (here / "binary.csv").write_bytes(bytes(range(256)) * 4)
    (here / "empty.csv").write_text("")
    shell, page = (said(here, BAD[case]) for said in (said_in_the_shell, said_in_the_explorer))
    assert page.rstrip(".") == shell


# ---- advice arrives ----

LISTED = ["select", "--graph", "net.csv", "--budget", "1"]
READ = ["select", "--budget", "1", "--graph"]
TRAIN = ["fit", "--graph", "net.csv", "--model", "mean", "--folds", "0", "--out", "out", "--screen"]
RUN = [*map(str, COMPARE), "--graph", "net.csv", "--screen", "screen.csv", "--jobs", "1", "--out"]
ADVICE = {  # what is asked, what the message says, what it advises
    "must, kept": (
        [*LISTED, "--must", "xist.txt"],
        "--missing backoff",
        ["--missing", "backoff", "--fallback", "more.csv"],
    ),
    "must, translated": ([*LISTED, "--must", "p53.txt"], "--aliases", ["--aliases", "alias.csv"]),
    "no candidate": (
        [*LISTED, "--candidates", "p53.txt"],
        "--aliases",
        ["--aliases", "alias.csv"],
    ),
    "an error that was asked for": (
        [*LISTED, "--candidates", "list.txt", "--missing", "error"],
        "--missing backoff",
        ["--missing", "backoff"],
    ),
    "no lender without backoff": (
        [*LISTED, "--fallback", "more.csv"],
        "--missing backoff",
        ["--missing", "backoff"],
    ),
    "a list is no graph": ([*READ, "p53.txt"], "--candidates", None),
    "money without prices": (
        [*LISTED, "--max-cost", "3"],
        "--costs",
        ["--costs", "costs.csv"],
    ),
    "groups without a cap": ([*LISTED, "--groups", "groups.csv"], "--cap", ["--cap", "1"]),
    "a cap without groups": ([*LISTED, "--cap", "1"], "--groups", ["--groups", "groups.csv"]),
    "a learner": (
        [*LISTED, "--criterion", "active:coreset"],
        "--screen",
        ["--screen", "screen.csv", "--aliases", "alias.csv"],
    ),
    "two weights": ([*READ, "two.csv"], "--weight", ["--weight", "first"]),
    "p values": ([*READ, "p.csv"], "-log10", ["--weight", "-log10(pvalue)"]),
    "signs": ([*READ, "signs.csv"], "--weight", ["--weight", "abs(weight)"]),
    "where the genes are": (
        [*READ, "odd.csv"],
        "--columns",
        ["--columns", "source=1,target=2"],
    ),
    "whose rows": (
        [*TRAIN, "odd_screen.csv"],
        "--perturbation-key",
        ["--perturbation-key", "what"],
    ),
    "which control": ([*TRAIN, "screen.csv", "--control", "none"], "--control", None),
    "several lines": ([*TRAIN, "lines.h5ad"], "--where", ["--where", "cell_line=K562"]),
    "several lines, pooled": ([*TRAIN, "lines.h5ad"], "--pool", ["--pool", "cell_line"]),
    "several lines, apart": ([*TRAIN, "lines.h5ad"], "--covariate", ["--covariate", "cell_line"]),
    "the same in select": (
        [*LISTED, "--screen", "lines.h5ad"],
        "--where",
        ["--where", "cell_line=K562"],
    ),
    "how without what": ([*LISTED, "--control", "x"], "--screen", None),
    "an own plan of plates": (
        [*LISTED, "--criterion", "degree", "--plate-size", "1"],
        "criterion",
        ["--criterion", "variance"],
    ),
}


@pytest.fixture
def there(here, monkeypatch):
    "Further files, in the folder in which the commands run."
    monkeypatch.chdir(here)
    pairs = [(a, b) for i, a in enumerate(GENES) for b in GENES[i + 1 : i + 3]]
    rows = [(f"{a},{b}", i + 11) for i, (a, b) in enumerate(pairs)]
    for name, lines in {
        "xist.txt": ["XIST"],
        "p53.txt": ["p53"],
        "more.csv": ["source,target", "XIST,TP53"],
        "costs.csv": ["gene,cost", *(f"{g},1" for g in GENES)],
        "groups.csv": ["gene,group", *(f"{g},{g[:2]}" for g in GENES)],
        "two.csv": ["source,target,first,second", *(f"{o},0.{i},0.{i + 7}" for o, i in rows)],
        "p.csv": ["source,target,pvalue", *(f"{o},0.00{i}" for o, i in rows)],
        "signs.csv": ["source,target,weight", *(f"{o},{(-0.5, 0.7)[i % 2]}" for o, i in rows)],
        "odd.csv": ["one,two,three", *(f"{a},{b},{c}" for (a, b), (_, c) in zip(pairs, pairs[3:]))],
        "odd_screen.csv": ["what,r1,r2", *(f"{g},{i},2" for i, g in enumerate(GENES[1:6]))],
    }.items():
        (here / name).write_text("\n".join(lines) + "\n")
    labels = [g for g in (*GENES[1:5], "ctrl") for _ in range(8)]
    obs = pd.DataFrame({"perturbation": labels, "cell_line": ["K562", "RPE1"] * (len(labels) // 2)})
    X = np.random.default_rng(0).poisson(3.0, (len(labels), 4)).astype(np.float32)
    ad.AnnData(np.log1p(X), obs=obs.set_index(obs.index.astype(str))).write_h5ad("lines.h5ad")
    return here


@pytest.mark.parametrize("case", ADVICE)
def test_advice_arrives(there, case):
    ask, advises, mended = ADVICE[case]
    r = run(*ask)
    assert r.exit_code == 1 and advises in last(r), r.stderr
    if mended is not None:
        r = run(*ask, *mended)
        assert r.exit_code == 0, r.stderr


def test_a_comparison_that_is_there_goes_on(there):
    ask = [*RUN, "out", "--aliases", "alias.csv"]
    assert run(*ask).exit_code == 0
    r = run(*ask)
    assert r.exit_code == 1 and "--resume" in last(r)
    assert run(*ask, "--resume").exit_code == 0


def test_no_message_names_an_option_that_is_not_there():
    known = {"--help"}
    for command in main.commands.values():
        known |= {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    named = {}
    for path in (ROOT / "graphsel").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+\b(?![-\w])", node.value):
                    named.setdefault(option, path.name)
    odd = {o: where for o, where in named.items() if o not in known and not o.startswith("--jp-")}
    assert not odd, odd


def test_a_graph_that_is_neither_file_nor_name(here):
    r = run("select", "--budget", 2, "--graph", "string", "--candidates", here / "list.txt")
    assert (
        r.exit_code == 1
        and "unknown file or graph 'string'; did you mean 'string-human'?" in last(r)
    )


def test_parameters_of_one_part_of_a_mixture(tmp_path):
    (tmp_path / "e.csv").write_text("source,target\nA,B\nB,C\nC,D\nA,E\n")
    mixture = "0.7*variance+0.3*graphreach"
    call = ["select", "--graph", str(tmp_path / "e.csv"), "--budget", "2", "--criterion", mixture]
    run = lambda *more: CliRunner().invoke(main, [*call, *more])  # noqa: E731
    plain, noisy = run("--json"), run("--json", "--set", "variance.noise=5")
    assert noisy.exit_code == plain.exit_code == 0, noisy.stderr
    value = lambda done: json.loads(done.stdout)["value"]  # noqa: E731
    assert value(noisy) != value(plain)
    wrong = run("--set", "degree.noise=5")
    assert "known: 0.7*variance+0.3*graphreach, graphreach, variance" in wrong.stderr
    wrong = run("--set", "variance=5")
    assert "give its parameters as a dict" in wrong.stderr


def test_an_option_of_several_values_takes_commas_and_repetition():
    "Neither the first nor the last alone counts in silence."
    given = ["--strategies", "random,degree", "--strategies", "variance", "--model", "gp"]
    given += ["--model", "ridge", "--screen", __file__, "--graph", "x.csv", "--out", "o"]
    with main.commands["compare"].make_context("compare", given) as context:
        found = context.params
    assert found["strategies"] == "random,degree,variance" and found["model"] == "gp,ridge"
    assert found["budgets"] is None and found["noise"] == "0"
    said = CliRunner().invoke(main, ["compare", "--help"]).stdout
    assert re.search(r"--model TEXT[^-]*-?[^-]*\[default:\s+gnn\]", said)
    missing = CliRunner().invoke(main, ["compare", "--screen", __file__, "--graph", "x.csv"])
    assert missing.exit_code == 2 and "Missing option '--strategies'" in missing.stderr
