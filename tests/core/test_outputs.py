"""Outputs: their ending is their format, they replace nothing but files, and nothing in them is run."""

import csv
import gzip
import json
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from graphsel.benchmark.store import read_results, write_results
from graphsel.cli.main import main
from graphsel.core.errors import GraphselError
from graphsel.core.files import atomic_path, check_file, is_stream
from graphsel.core.outputs import (
    bare_cell,
    check_ending,
    check_outputs,
    safe_cell,
    safe_table,
    sealed,
    table_text,
    unsealed,
    write_table,
)
from graphsel.genes.lists import parse_genes, read_gene_list
from graphsel.graphs.build import from_edges
from graphsel.graphs.readers.read import read_graph
from graphsel.plotting.curves import save_panels
from graphsel.screens.read import read_screen
from graphsel.screens.tables import read_table
from graphsel.selection.plan import Selection
from graphsel.selection.select import select

HOSTILE = [
    "=1+1",
    "@SUM(A1)",
    "-2-x",
    "+3x",
    "\tcmd",
    "\rcmd",
    "'=x",
    "''@x",
    "＝1",
    "5'-end",
    "A#1",
    'say "x"',
    "TP53",
]
NAMES = [o for o in HOSTILE if "+" not in o]


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text("source,target\nA,B\nA,C\nA,D\nE,A\nE,F\nE,B\nF,B\nF,D\n")
    return path


def run(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def plan_of(names):
    return Selection(
        list(names),
        [-0.5] * len(names),
        list(np.arange(1.0, len(names) + 1)),
        "graphreach",
        len(names),
    )


# ---- the ending decides ----


def rows_of(path):
    if path.name.endswith(".xlsx"):
        return list(map(list, openpyxl.load_workbook(path).active.iter_rows(values_only=True)))
    if path.name.endswith(".json"):
        return [
            list(json.loads(path.read_text())[0]),
            *(list(o.values()) for o in json.loads(path.read_text())),
        ]
    if path.name.endswith(".parquet"):
        return [list(pd.read_parquet(path)), *pd.read_parquet(path).to_numpy().tolist()]
    text = gzip.open(path, "rt").read() if path.name.endswith(".gz") else path.read_text()
    return list(csv.reader(text.splitlines(), delimiter="\t" if ".tsv" in path.name else ","))


@pytest.mark.parametrize(
    "ending", [".csv", ".tsv", ".xlsx", ".json", ".parquet", ".csv.gz", ".tsv.gz", ".CSV", ".XLSX"]
)
def test_picks_are_what_their_ending_says(net, tmp_path, ending):
    r = run(
        "select",
        "--graph",
        net,
        "--budget",
        2,
        "--out",
        tmp_path / f"picks{ending}",
        "--curve",
        tmp_path / f"curve{ending}",
    )
    assert r.exit_code == 0, r.output
    for name, head in (("picks", ["rank", "gene", "gain", "value"]), ("curve", ["budget"])):
        lower = tmp_path / f"{name}{ending}"
        lower = lower.rename(tmp_path / f"{name}_{ending.lower()}")
        found = rows_of(lower)
        assert found[0][: len(head)] == head and len(found) == 3
        if name == "picks":
            assert found[1][1] in set("ABCDEF")
    assert (tmp_path / "picks.run.json").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".xlsx", ".json", ".parquet", ".tsv.gz"])
def test_a_plan_is_a_list_again(tmp_path, ending):
    "What is written as a plan is read as the measured genes of the next."
    path = plan_of(NAMES).to_csv(tmp_path / f"picks{ending}")
    assert read_gene_list(path) == NAMES


@pytest.mark.parametrize(
    "option,name,known",
    [
        ("--out", "picks.xls", ".csv .tsv .xlsx .json .parquet"),
        ("--out", "picks", "no ending"),
        ("--out", "picks.html", "end it in .csv"),
        ("--curve", "curve.png", "end it in .csv"),
        ("--page", "page.pdf", "end it in .html .htm"),
    ],
)
def test_an_unknown_ending_is_refused_first(tmp_path, option, name, known):
    r = run("select", "--graph", tmp_path / "none.csv", "--budget", 2, option, tmp_path / name)
    assert (
        r.exit_code == 1
        and known in r.stderr
        and "none.csv" not in r.stderr
        and not list(tmp_path.iterdir())
    )


def test_python_refuses_unknown_endings(tmp_path):
    s = plan_of(["A"])
    for write in (
        lambda: s.to_csv(tmp_path / "a.doc"),
        lambda: s.save(tmp_path / "a.csv"),
        lambda: save_panels(tmp_path / "a.csv", [], None),
        lambda: write_table(s.to_frame(), tmp_path / "a"),
    ):
        with pytest.raises(GraphselError, match="end it in"):
            write()
    assert not list(tmp_path.iterdir())


def test_numbers_survive_each_format(tmp_path):
    table = pd.DataFrame(
        {
            "x": [-0.5, np.nan, 1 / 3],
            "n": [1, 2, 3],
            "ok": [True, False, True],
            "t": ["-0.5", "", 'a,b\n"c"'],
        }
    )
    for ending in (".csv", ".tsv", ".xlsx", ".parquet"):
        back = read_table(write_table(table, tmp_path / f"t{ending}"))
        assert (
            back["x"].tolist()[::2] == [-0.5, 1 / 3]
            and np.isnan(back["x"][1])
            and back["n"].tolist() == [1, 2, 3]
            and back["t"][2] == 'a,b\n"c"'
        ), ending
    rows = json.loads(write_table(table, tmp_path / "t.json").read_text())
    assert rows[1]["x"] is None and rows[0] == {"x": -0.5, "n": 1, "ok": True, "t": "-0.5"}


def test_a_sheet_is_refused_rather_than_cut(tmp_path):
    for table in (pd.DataFrame({"t": ["x" * 40_000]}), pd.DataFrame(np.zeros((1, 16_385)))):
        with pytest.raises(GraphselError, match="more than an Excel sheet holds"):
            write_table(table, tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())


# ---- nothing is run by a spreadsheet ----


@given(st.text(st.sampled_from("'=+-@\t\r\nAx1.5 ＝"), max_size=6) | st.text())
def test_the_guard_can_be_undone(text):
    safe = safe_cell(text)
    assert bare_cell(safe) == text
    assert (
        safe[:1] not in tuple("=+-@\t\r\n＝")
        or safe == ""
        or pd.notna(pd.to_numeric(safe, errors="coerce"))
        or safe.lower().strip("+-") in ("nan", "inf")
    )


def test_only_text_is_guarded():
    table = pd.DataFrame(
        {"gene": ["=x", "-0.5"], "gain": [-0.5, -2.0], "group": pd.Categorical(["@a", "b"])}
    )
    assert safe_table(table).to_numpy().tolist() == [["'=x", -0.5, "'@a"], ["-0.5", -2.0, "b"]]
    assert table_text(table) == "gene,gain,group\n'=x,-0.5,'@a\n-0.5,-2.0,b\n"


def test_a_sheet_holds_text_not_formulas(tmp_path):
    sheet = openpyxl.load_workbook(plan_of(HOSTILE).to_csv(tmp_path / "p.xlsx")).active
    assert (
        [sheet.cell(i, 2).data_type for i in range(1, len(HOSTILE) + 2)]
        == ["s"] * (len(HOSTILE) + 1)
        and sheet["B2"].value == "=1+1"
        and sheet["C2"].value == -0.5
    )


@pytest.mark.parametrize("command", ["select", "stdout"])
def test_the_shell_guards_names(tmp_path, command):
    pd.DataFrame({"source": ["=1"] * 3, "target": ["@x", "-2-x", "B"]}).to_csv(
        tmp_path / "net.csv", index=False
    )
    r = run(
        "select",
        "--graph",
        tmp_path / "net.csv",
        "--budget",
        1,
        *(["--out", tmp_path / "p.csv"] if command == "select" else []),
    )
    text = (tmp_path / "p.csv").read_text() if command == "select" else r.stdout
    assert r.exit_code == 0 and "\n1,'=1," in text
    if command == "select":
        r = run(
            "select",
            "--graph",
            tmp_path / "net.csv",
            "--budget",
            1,
            "--measured",
            tmp_path / "p.csv",
            "--json",
        )
        assert json.loads(r.stdout)["missing"] == [] and json.loads(r.stdout)["n_candidates"] == 3


def test_screens_edges_and_results_come_back(tmp_path):
    names = ["=a", "@b", "-c-x", "ctrl"]
    screen = pd.DataFrame(
        {"perturbation": names, "=r": [1.0, 2.0, 3.0, 0.0], "r2": [-1.0, 2.0, 3.0, 0.0]}
    )
    back = read_screen(write_table(screen, tmp_path / "s.csv"))
    assert sorted(back.obs_names) == sorted(names[:3]) and list(back.var_names) == ["=r", "r2"]
    edges = pd.DataFrame({"source": names[:3], "target": ["x", "y", "=z"]})
    assert sorted(read_graph(write_table(edges, tmp_path / "e.tsv")).genes) == sorted(
        [*names[:3], "x", "y", "=z"]
    )
    row = dict(
        strategy="random",
        kind="baseline",
        model="gp",
        graph="@g",
        noise=0.0,
        noise_kind="none",
        targets="all",
        protocol="own",
        seed=0,
        split=0,
        round=0,
        budget=5,
        mse=1.0,
        picks="=a @b",
        picks_sha1="",
        status="ok",
        error="=cmd()",
        repeat=0,
    )
    write_results(pd.DataFrame([row]), tmp_path, summary=False)
    assert "'=cmd()" in (tmp_path / "results.csv").read_text()
    for name in ("results.csv", "results.parquet"):
        assert read_results(tmp_path / name)[["picks", "error", "graph"]].iloc[0].tolist() == [
            "=a @b",
            "=cmd()",
            "@g",
        ]


# ---- numbers that were names ----


@pytest.mark.parametrize(
    "text", ["gene\nA\n2.31E+13\n", "A\n2.31E+13\n", "gene,cost\nA,1\n2.31E+13,1\n", "2.31e+13 A"]
)
def test_a_number_in_scientific_notation_is_one_damaged_name(text, caplog):
    names = parse_genes(text)
    assert {n.upper() for n in names} == {"A", "2.31E+13"}
    assert (
        "1 damaged name; mend the file" in caplog.text
        and "a number that a spreadsheet made" in caplog.text
    )


def test_a_damaged_name_is_reported(net, tmp_path):
    (tmp_path / "c.txt").write_text("A\nB\n2.31E+13\n23100000000000\n")
    r = run(
        "select",
        "--graph",
        net,
        "--budget",
        1,
        "--candidates",
        tmp_path / "c.txt",
        "--out",
        tmp_path / "p.csv",
    )
    rows = {o["gene"]: o["reason"] for o in csv.DictReader((tmp_path / "p.missing.csv").open())}
    assert (
        r.exit_code == 0
        and set(rows) == {"2.31E+13", "23100000000000"}
        and all("a number that a spreadsheet made of a clone" in o for o in rows.values())
    )
    assert (
        run(
            "select",
            "--graph",
            net,
            "--budget",
            1,
            "--candidates",
            tmp_path / "c.txt",
            "--missing",
            "error",
        ).exit_code
        == 1
    )
    (tmp_path / "s.csv").write_text("perturbation,r\nA,1\n2.31E+13,2\nctrl,0\n")
    assert "2.31E+13" in read_screen(tmp_path / "s.csv").obs_names, (
        "no pair of the genes 2.31E and 13"
    )


# ---- what is at the path ----


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("old.csv", "new.csv"):  # the second does not exist yet
        link = tmp_path / f"link_{name}"
        link.symlink_to(Path("there") / name)
        if name == "old.csv":
            (tmp_path / "there" / name).write_text("old")
        with atomic_path(link) as t:
            assert t.parent == tmp_path / "there", "beside the file, so that it can be renamed"
            t.write_text("new")
        assert link.is_symlink() and (tmp_path / "there" / name).read_text() == "new"
    assert sorted(o.name for o in (tmp_path / "there").iterdir()) == ["new.csv", "old.csv"]


def test_a_circle_of_links_a_folder_and_a_locked_file_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "d").mkdir()
    (tmp_path / "locked").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")
    for name in ("a", "d", "locked"):
        with (
            pytest.raises(GraphselError, match=f"cannot write .*/{name}: "),
            atomic_path(tmp_path / name) as t,
        ):
            t.write_text("new")
        with pytest.raises(GraphselError, match=f"cannot write .*/{name}: "):
            check_outputs([("--out", tmp_path / name)])
    assert (
        (tmp_path / "a").is_symlink()
        and (tmp_path / "locked").read_text() == "old"
        and len(list(tmp_path.iterdir())) == 4
    )


def test_rights_stay(tmp_path):
    (tmp_path / "p").write_text("old")
    (tmp_path / "p").chmod(0o600)
    with atomic_path(tmp_path / "p") as t:
        t.write_text("new")
    assert stat.S_IMODE((tmp_path / "p").stat().st_mode) == 0o600


def reader(path):
    "What comes out of a pipe, in a list, once `join` has returned."
    found = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    thread.start()
    return found, thread


@pytest.mark.parametrize("name", ["pipe", "pipe.tsv", "link.csv"])
def test_a_pipe_is_written_into(net, tmp_path, name):
    pipe = tmp_path / ("pipe" if name == "link.csv" else name)
    os.mkfifo(pipe)
    if name == "link.csv":
        (tmp_path / name).symlink_to(pipe)
    found, thread = reader(pipe)
    r = run("select", "--graph", net, "--budget", 1, "--out", tmp_path / name)
    thread.join(30)
    assert r.exit_code == 0 and found[0].decode().startswith(
        "rank\tgene" if name == "pipe.tsv" else "rank,gene"
    )
    assert stat.S_ISFIFO(pipe.stat().st_mode) and {o.name for o in tmp_path.iterdir()} == {
        "net.csv",
        pipe.name,
        name,
    }, "nothing is written beside a pipe"


def test_a_device_stays_a_device(net, tmp_path):
    "The device is one of our own: /dev/null of the machine is not at risk."
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("devices cannot be made here")
    try:
        with open(device, "wb"):
            pass
    except OSError:
        pytest.skip("devices cannot be opened here")
    assert is_stream(device)
    r = run(
        "select",
        "--graph",
        net,
        "--budget",
        1,
        "--out",
        device,
        "--page",
        device,
        "--curve",
        device,
    )
    assert r.exit_code == 0 and stat.S_ISCHR(device.stat().st_mode), r.output
    assert {o.name for o in tmp_path.iterdir()} == {"net.csv", "null"}


@pytest.mark.parametrize("into", ["pipe", "file"])
def test_standard_output(net, tmp_path, into):
    code = "from graphsel.cli.main import main; main()"
    ask = [
        sys.executable,
        "-c",
        code,
        "select",
        "--graph",
        str(net),
        "--budget",
        "1",
        "--out",
        "/dev/stdout",
    ]
    if into == "pipe":
        text = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    else:
        with open(tmp_path / "all.txt", "w") as f:
            f.write("before\n")
            f.flush()
            subprocess.run(ask, stdout=f, stderr=subprocess.DEVNULL, check=True)
            f.write("after\n")
        text = (tmp_path / "all.txt").read_text()
        assert text.startswith("before\n") and text.endswith("after\n"), (
            "it is written into, not replaced"
        )
    assert "rank,gene,gain,value" in text and any(f"\n1,{gene}," in text for gene in "ABCDEF")


# ---- inputs and other outputs ----


def test_no_output_is_an_input(net, tmp_path):
    before = net.read_bytes()
    (tmp_path / "link.csv").symlink_to(net)
    os.link(net, tmp_path / "hard.csv")
    (tmp_path / "p.missing.csv").write_text("gene\nB\n")
    (tmp_path / "p.run.json").write_text("[]")
    ask = ["select", "--graph", net, "--budget", 1]
    for option in ("--out", "--curve"):
        for name in ("net.csv", "link.csv", "hard.csv"):
            r = run(*ask, option, tmp_path / name)
            assert (
                r.exit_code == 1
                and f"{option} {tmp_path / name} is the same file as --graph {net}" in r.stderr
            ), (option, name)
    for files in (
        ["--exclude", tmp_path / "p.missing.csv"],
        ["--measured", tmp_path / "p.run.json"],
    ):
        r = run(*ask, *files, "--out", tmp_path / "p.csv")
        assert r.exit_code == 1 and f"is the same file as {files[0]}" in r.stderr
    r = run(
        "select",
        "--graph",
        net,
        "--prior",
        f"{tmp_path / 'link.csv'}:a=b",
        "--budget",
        1,
        "--out",
        tmp_path / "link.csv",
    )
    assert r.exit_code == 1 and "is the same file as --" in r.stderr
    assert (
        net.read_bytes() == before
        and (tmp_path / "p.missing.csv").read_text() == "gene\nB\n"
        and (tmp_path / "link.csv").is_symlink()
    )


def test_no_output_is_another(net, tmp_path):
    (tmp_path / "link.html").symlink_to("x.csv")  # neither exists yet
    for outputs in (
        ["--out", "x.csv", "--curve", "x.csv"],
        ["--out", "x.csv", "--page", "link.html"],
        ["--out", "x.csv", "--curve", "x.missing.csv"],
        ["--out", "a/../x.csv", "--curve", "x.csv"],
    ):
        r = run(
            "select",
            "--graph",
            net,
            "--budget",
            1,
            *(o if o.startswith("--") else f"{tmp_path}/{o}" for o in outputs),
        )
        assert r.exit_code == 1 and "is the same file as" in r.stderr, outputs
    assert {o.name for o in tmp_path.iterdir()} == {"net.csv", "link.html"}


def test_folders_spare_inputs(net, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "predicted.csv").write_text("perturbation,r\nA,1\nB,2\nctrl,0\n")
    (out / "results.csv").symlink_to("predicted.csv")
    os.link(net, out / "run.json")
    for ask in (
        ["fit", "--screen", out / "predicted.csv", "--graph", net],
        ["fit", "--screen", tmp_path / "none.csv", "--graph", out / "predicted.csv"],
        [
            "compare",
            "--screen",
            out / "predicted.csv",
            "--graph",
            net,
            "--strategies",
            "random",
            "--budgets",
            2,
        ],
        [
            "compare",
            "--screen",
            tmp_path / "none.csv",
            "--graph",
            net,
            "--strategies",
            "random",
            "--budgets",
            2,
        ],
    ):
        r = run(*ask, "--out", out)
        assert r.exit_code == 1 and "is the same file as --" in r.stderr, ask
    (tmp_path / "s.zarr").mkdir()
    r = run(
        "fit",
        "--screen",
        tmp_path / "s.zarr",
        "--graph",
        net,
        "--out",
        tmp_path / "s.zarr" / "deep",
    )
    assert r.exit_code == 1 and "which is read" in r.stderr
    (out / "picks.csv").symlink_to("results.parquet")
    assert "is the same file as" in run("demo", "--out", out).stderr
    assert sorted(o.name for o in out.iterdir()) == [
        "picks.csv",
        "predicted.csv",
        "results.csv",
        "run.json",
    ]


def test_demo_spares_another_comparison(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"protocol": {"seed": 3}}))
    r = run("demo", "--seed", 4, "--out", tmp_path)
    assert (
        r.exit_code == 1
        and "with seed 3" in r.stderr
        and [o.name for o in tmp_path.iterdir()] == ["run.json"]
    )


def test_what_is_linked_beside_the_picks_stays(net, tmp_path):
    (tmp_path / "p.missing.csv").symlink_to("mine.csv")
    (tmp_path / "mine.csv").write_text("gene,reason\nXIST,old\n")
    assert run("select", "--graph", net, "--budget", 1, "--out", tmp_path / "p.csv").exit_code == 0
    assert (tmp_path / "p.missing.csv").is_symlink() and (
        tmp_path / "mine.csv"
    ).read_text() == "gene,reason\n"


# ---- changed files ----


def test_seals(tmp_path):
    f = tmp_path / "f"
    for body in (b"", b"x", bytes(range(256))):
        f.write_bytes(sealed(body))
        assert unsealed(f, "a thing") == body
    for data in (b"", b"x", sealed(b"x")[:-1], sealed(b"x") + b"\n"):
        f.write_bytes(data)
        with pytest.raises(GraphselError, match="no checksum|was changed"):
            unsealed(f, "a thing")


def test_a_plan_with_any_byte_changed_is_refused(tmp_path):
    path = select(
        from_edges(list("AAAE"), list("BCDF")), 2, "graphreach", targets=list("ABCDEF")
    ).save(tmp_path / "plan.json")
    data = path.read_bytes()
    for i in range(len(data)):
        for bit in (0, 5):
            path.write_bytes(data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1 :])
            with pytest.raises(GraphselError, match="plan.json"):
                Selection.load(path)
    path.write_bytes(data)
    assert len(Selection.load(path)) == 2


def test_check_ending_takes_dots():
    assert (
        check_ending("my.own.picks.csv") == ".csv" and check_ending("a.b/picks.TSV.GZ") == ".tsv.gz"
    )


# ---- nothing hostile becomes a page ----

EVIL = "<img/src=x/onerror=alert(1)>"  # no blank: a list of names would part it


def held(html):
    "Nothing but our own tags."
    assert "<img" not in html and "onerror=alert" in html, html[:300]
    assert "&lt;img" in html


@pytest.fixture(scope="module")
def evil():
    "A plan with hostile names everywhere, and its graph."
    graph = from_edges([EVIL, EVIL, "B", f"{EVIL}2"], ["B", "C", "C", "D"], name=EVIL)
    return select(
        graph, 2, "graphreach", measured=[f"{EVIL}2"], candidates=[EVIL, "B", "C", f"{EVIL}3"]
    ), graph


def test_plans_and_graphs_in_a_notebook_are_escaped(evil):
    plan, graph = evil
    for o in (plan, graph, graph.align([EVIL, f"{EVIL}9"])[1]):
        held(o._repr_html_())


def test_pages_are_escaped(evil):
    from graphsel.apps.page import Lab, html_table, plan_page, plan_table

    plan, _ = evil
    for html in (
        plan_page(plan, Lab(currency=EVIL), graph=EVIL, must=[EVIL], title=EVIL),
        plan_table(plan, [EVIL]),
        html_table([EVIL], [[EVIL]]),
    ):
        held(html)


def test_the_explorer_is_escaped(evil):
    from graphsel.apps.plan import PlanExplorer, missing_report
    from graphsel.apps.widgets import download_link

    plan, graph = evil
    held(missing_report(plan, graph))
    held(download_link(EVIL, "", EVIL))
    x = PlanExplorer(graph, [EVIL, "B", "C", f"{EVIL}3"], budget=2)
    held(x.outputs.table.value)
    held(x.outputs.missing.value)
    x.inputs.why.value = EVIL
    held(x.outputs.answer.value)
    x.inputs.other.value = "degree"
    x.inputs.graph_path.value = EVIL
    held(x.outputs.status.value)
    for box in vars(x.outputs).values():
        assert "<img" not in str(box.value)


def test_results_are_escaped(tmp_path):
    from graphsel.apps.results import ResultExplorer

    rows = [
        dict(
            strategy=s,
            kind="baseline",
            model=EVIL,
            graph=EVIL,
            noise=0.0,
            noise_kind="none",
            targets="all",
            seed=k,
            split=k,
            round=0,
            budget=b,
            mse=1.0 + k + b,
            picks="A",
            status="ok",
            error="",
            repeat=0,
        )
        for s in ("random", EVIL)
        for k in range(2)
        for b in (5, 10)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "results.parquet")
    (tmp_path / "run.json").write_text(json.dumps({"version": EVIL, "inputs": {EVIL: "1"}}))
    x = ResultExplorer(tmp_path)
    for name in ("facts", "stability"):
        held(getattr(x.outputs, name).value)
    held(x.outputs.status.value)
    for box in vars(x.outputs).values():
        assert "<img" not in str(box.value)


def test_a_name_is_no_formula_of_a_figure():
    "matplotlib takes what stands between two dollars for mathematics, and stops at what it cannot read."
    from graphsel.plotting.plans import draw_map, picture_of, plan_map

    graph = from_edges(["$\\bad{$"] * 6, list("BCDEFG"))
    plan = select(graph, 1, "graphreach", candidates=["$\\bad{$"])
    assert (
        picture_of(
            lambda fig: draw_map(plan_map(plan, graph), 1, fig.add_axes([0, 0, 1, 1])), 3, 3
        )[:4]
        == b"\x89PNG"
    )


# ---- what begins with a dot and is not ours ----


def test_a_comparison_clears_away_its_own_halves_only(tmp_path):
    from graphsel.benchmark.compare import compare
    from graphsel.datasets.simulate import simulated_screen

    sim = simulated_screen(random_state=0)
    kept, halves = (
        [".git-credentials", ".my-notes.csv", ".results-mine.csv"],
        [".results-ab12_cd9.csv", ".run-abcdefgh.json"],
    )
    for name in (*kept, *halves):
        (tmp_path / name).write_text("mine")
    (tmp_path / ".a-folder").mkdir()
    compare(
        sim.screen,
        sim.graph,
        ["random"],
        [5],
        models=("mean",),
        seeds=1,
        random_draws=1,
        out=tmp_path,
    )
    assert {o.name for o in tmp_path.glob(".*")} == {*kept, ".a-folder"}


def test_a_path_that_is_nearly_right(tmp_path):
    (tmp_path / "library.xlsx").touch()
    with pytest.raises(GraphselError, match="did you mean 'library.xlsx'?"):
        check_file(tmp_path / "libary.xlsx")
    with pytest.raises(GraphselError, match=f"no folder {re.escape(str(tmp_path / 'none'))}"):
        check_file(tmp_path / "none" / "library.xlsx")
