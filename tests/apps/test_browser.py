"""The explorers in a real browser: JupyterLab and voila, driven as a person would.

Skipped where chromium or playwright is absent.

`GRAPHSEL_SCREENSHOTS=folder` keeps pictures of what the browser showed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import ROOT

from graphsel.apps.page import plan_page
from graphsel.cli.main import main
from graphsel.datasets.simulate import simulated_screen
from graphsel.selection.plan import Selection

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SCRIPTS = Path(sys.executable).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SLOW = 60_000  # milliseconds a machine may take at most

if CHROMIUM is None:
    pytest.skip("no chromium on this machine: apt-get install chromium", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: it comes with the dev extra"
)
for tool in ("voila", "jupyterlab"):  # they run in processes of their own: looked for, not imported
    if find_spec(tool) is None:
        pytest.skip(
            f"{tool} is not installed: it comes with the dev extra", allow_module_level=True
        )
expect = playwright.expect
expect.set_options(timeout=SLOW)


@pytest.fixture(scope="module")
def page():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, accept_downloads=True
        )
        context.set_default_timeout(SLOW)
        yield context.new_page()
        browser.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    "Copies of the notebooks, a folder of graphs, a folder of results: nothing is written into the tree."
    top = tmp_path_factory.mktemp("browser")
    for o in ("apps/plan.ipynb", "apps/results.ipynb", "tutorials/01_plan_a_screen.ipynb"):
        (top / "nbs" / o).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "nbs" / o, top / "nbs" / o)
    simulated_screen(random_state=0).write(top / "data")
    make_results(top / "nbs" / "apps" / "results")
    return top


def make_results(folder):
    "A comparison as it might have been written: three strategies, six splits."
    rng, rows = np.random.default_rng(0), []
    for seed, hard in enumerate(rng.normal(size=6) * 0.1):
        for name, level in (("random", 4), ("graphreach", 3.8), ("variance", 3.6)):
            for b in (25, 50, 100):
                rows.append(
                    dict(
                        strategy=name,
                        model="gp",
                        noise=0.0,
                        seed=seed,
                        budget=b,
                        status="ok",
                        mse=level / b**0.3 + 0.3 * hard + 0.03 * rng.normal(),
                    )
                )
    folder.mkdir()
    table = pd.DataFrame(rows)
    table.to_parquet(folder / "results.parquet")
    mean = (
        table.groupby(["strategy", "model", "noise", "budget"], as_index=False)["mse"]
        .mean()
        .rename(columns={"mse": "mean"})
    )
    saved = {"random": 0.0, "graphreach": 0.15, "variance": 0.3}
    mean.assign(
        metric="mse",
        ci_low=mean["mean"] - 0.05,
        ci_high=mean["mean"] + 0.05,
        budget_saved=mean["strategy"].map(saved),
        saved_at_least=mean["budget"] == 25,
    ).to_csv(folder / "summary.csv", index=False)


@contextmanager
def server(place, name, *args):
    "A server in the folder of notebooks, on a free port; ended afterwards, kernels included."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    own = place / f"{name}-{port}"
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "IPYTHONDIR": str(own / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "GRAPHSEL_DATA": str(place / "data"),
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
    }
    env.pop("MPLBACKEND", None)
    quiet = own / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    with open(own / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", name, *args, f"--port={port}", "--no-browser"],
            cwd=place / "nbs",
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, own / "log")
        yield url
    finally:
        end(process)


def wait_for(url, process, log):
    "Until the server answers."
    for _ in range(SLOW // 100):
        assert process.poll() is None, f"the server ended:\n{log.read_text()[-3000:]}"
        try:
            return urllib.request.urlopen(url + "/api/status", timeout=5)
        except urllib.error.HTTPError:
            return None  # it answers, if only that there is no such page
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no server at {url}:\n{log.read_text()[-3000:]}")


def end(process):
    "End a server and the kernels it started."
    for sign, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            pass
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    assert process.poll() is not None


def keep(page, name, tall=False):
    "A small picture of the page, where one is wanted."
    folder = os.environ.get("GRAPHSEL_SCREENSHOTS")
    if not folder:
        return
    from PIL import Image

    path = Path(folder) / f"{name}.png"
    page.set_viewport_size(
        {"width": 1280, "height": 1350 if tall else 900}
    )  # the pages scroll inside
    if page.locator(".gs-budget").count():
        page.locator(".gs-budget").evaluate("e => e.scrollIntoView()")
    page.screenshot(path=path)
    page.set_viewport_size({"width": 1280, "height": 900})
    Image.open(path).quantize(64, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def genes(page):
    "The picks that the table shows."
    return (
        page.locator(".gs-table table").first.locator("tbody tr td:nth-child(2)").all_inner_texts()
        if page.locator(".gs-table").count()
        else []
    )


def picks(*args):
    "picks.csv of the command line."
    out = Path(args[0]) / "picks.csv"
    done = CliRunner().invoke(main, ["select", *map(str, args[1:]), "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    return out.read_bytes()


def until(page, first, n):
    "Wait until the table holds `n` picks that begin with these."
    expect(page.locator(".gs-table").first.locator("tbody tr")).to_have_count(n)
    expect(page.locator(".gs-table").first.locator("tbody tr").first).to_contain_text(first)


def tab(page, name):
    page.locator(".lm-TabBar-tabLabel", has_text=re.compile(f"^{name}$")).click()


def drive(page, place, tmp_path):
    "Choose a graph, move the slider, change the criterion, add a must-have, make a slip, save."
    data, table = place / "data", page.locator(".gs-table").first
    expect(table.locator("tbody tr")).to_have_count(20, timeout=SLOW)
    tab(page, "Graph")
    page.locator(".gs-graphs select").select_option("edges.tsv")
    plan = lambda *args: picks(tmp_path, "--graph", data / "edges.tsv", *args)
    first = lambda csv: csv.decode().splitlines()[1].split(",")[1]
    until(page, first(plan("--budget", 20)), 20)
    expect(page.locator(".gs-says")).to_contain_text("variance removed")

    page.locator(".gs-budget .noUi-handle").press("ArrowRight")  # the slider moves
    until(page, first(plan("--budget", 21)), 21)
    number = page.locator(".gs-number input")
    number.fill("35")
    number.press("Enter")
    until(page, first(plan("--budget", 35)), 35)

    tab(page, "Criterion")
    page.locator(".gs-criterion select").select_option("graphreach")
    until(page, first(plan("--budget", 35, "--criterion", "graphreach")), 35)
    expect(page.locator(".gs-says")).to_contain_text("at least")
    page.locator(".gs-criterion select").select_option("variance")
    until(page, first(plan("--budget", 35, "--criterion", "variance")), 35)
    page.locator(".gs-other select").select_option("graphreach")
    must = tmp_path / "must.txt"
    must.write_text("G0117\nG0040\n")
    tab(page, "Limits")
    page.locator(".gs-must textarea").fill("G0117\nG0040")
    page.locator(".gs-must textarea").blur()
    wanted = plan("--budget", 35, "--criterion", "variance", "--must", must)
    until(page, first(wanted), 35)
    assert genes(page) == [row.split(",")[1] for row in wanted.decode().splitlines()[1:]]

    page.locator(".gs-exclude textarea").fill("G0117")  # a slip: must-have and excluded
    page.locator(".gs-exclude textarea").blur()
    expect(page.locator(".gs-says.wrong")).to_contain_text("take them off one list")
    assert genes(page) == [row.split(",")[1] for row in wanted.decode().splitlines()[1:]], (
        "a slip must not lose the plan"
    )
    page.locator(".gs-exclude textarea").fill("")
    page.locator(".gs-exclude textarea").blur()
    expect(page.locator(".gs-says")).to_contain_text("variance removed")

    assert save(page, "picks.csv") == wanted
    return save(page, "plan.html").decode()


def save(page, name):
    "The bytes of a file that the page offers."
    with page.expect_download() as download:
        page.locator(f"a.gs-download[download='{name}']").click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_bytes()


LAB = [
    "--allow-root",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--LabApp.expose_app_in_browser=True",
    "--ServerApp.disable_check_xsrf=True",
]


def run_all(page, url, name):
    "Open a notebook in JupyterLab, run all cells, return the errors it shows."
    page.goto(f"{url}/lab/tree/{name}?reset")
    page.wait_for_function(
        """name => {
        const w = window.jupyterapp?.shell?.currentWidget;
        const open = w?.context?.path === name && w.context.isReady;
        return open && w.sessionContext?.session?.kernel?.status === 'idle' }""",
        arg=name,
        timeout=SLOW,
    )
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        """() => { const w = window.jupyterapp.shell.currentWidget;
        const code = c => c.type === 'code' && c.sharedModel.source.trim();
        const done = c => c.executionCount !== null && c.executionState !== 'running';
        const all = [...w.content.model.cells].filter(code).every(done);
        return all && w.sessionContext.session.kernel.status === 'idle' }""",
        timeout=SLOW,
    )
    return page.evaluate(
        """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
        .filter(c => c.type === 'code').flatMap(c => c.outputs.toJSON())
        .filter(o => o.output_type === 'error').map(o => o.evalue)"""
    )


def test_jupyterlab(page, place, tmp_path):
    with server(place, "jupyterlab", *LAB) as url:
        assert run_all(page, url, "tutorials/01_plan_a_screen.ipynb") == []
        keep(page, "tutorial_lab")
        assert run_all(page, url, "apps/plan.ipynb") == []
        drive(page, place, tmp_path)
        keep(page, "explorer_lab", tall=True)


def test_voila(page, place, tmp_path):
    with server(place, "voila", "apps/plan.ipynb") as url:
        page.goto(url)
        html = drive(page, place, tmp_path)
        keep(page, "explorer", tall=True)
        tab(page, "Genes")
        with page.expect_file_chooser() as chooser:
            page.locator(".gs-genes_file").click()
        chooser.value.set_files(
            {
                "name": "mine.txt",
                "mimeType": "text/plain",
                "buffer": b"G0117\nG0040\nG0001\nG0002 # a comment\nNOBODY\n",
            }
        )
        until(page, "G0040", 4)
        expect(page.locator(".gs-says")).to_contain_text("Not in the graph: NOBODY")
        expect(page.locator(".gs-missing")).to_contain_text("NOBODY")
        tab(page, "Rounds")
        with page.expect_file_chooser() as chooser:
            page.locator(".gs-screen_file").click()
        results = simulated_screen(random_state=0).screen[:24].to_df()
        table = results.rename_axis("perturbation").to_csv().encode()
        file = {"name": "round1.csv", "mimeType": "text/csv", "buffer": table}
        chooser.value.set_files(file)
        expect(page.locator(".gs-model")).to_contain_text("(cross-validated error")
        keep(page, "rounds", tall=True)
        assert "perturbations (cross-validated error" in save(page, "plan.html").decode()
    assert "35 genes x 3 guides + 30 control slots = 135 guides" in html
    page.set_content(html)
    keep(page, "plan_page")
    assert pages(page) == 1


STRING = {
    "9606.protein.info.v12.0.txt": b"#string_protein_id\tpreferred_name\n9606.E1\tTP53\n"
    b"9606.E2\tMDM2\n9606.E3\tMYC\n",
    "9606.protein.links.v12.0.txt": b"protein1 protein2 combined_score\n9606.E1 9606.E2 999\n"
    b"9606.E2 9606.E1 999\n9606.E1 9606.E3 900\n9606.E3 9606.E1 900\n",
}


def colors(page, selector):
    "(letters, paper) of an element, each as brightness from 0 to 1; the paper of its parents where it has none."
    code = """e => { const of = c => c.match(/[\\d.]+/g).map(Number);
        const ink = of(getComputedStyle(e).color);
        let paper = [0, 0, 0, 0];
        for (let o = e; o && paper[3] === 0; o = o.parentElement) {
            const c = of(getComputedStyle(o).backgroundColor);
            paper = c.length === 3 ? [...c, 1] : c;
        }
        return [ink, paper].map(c => (0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2]) / 255) }"""
    return page.locator(selector).first.evaluate(code)


def test_the_command_serves_the_page_and_ends_it(page, place, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    code = "from graphsel.cli.main import main; main()"
    command = [sys.executable, "-c", code, "explore", "--no-browser", f"--port={port}"]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stderr=log, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{port}", process, tmp_path / "log")
            page.goto(f"http://127.0.0.1:{port}")
            until(page, "G", 20)
            tab(page, "Graph")  # a file beyond what servers take unless they are told to
            with page.expect_file_chooser() as chooser:
                page.locator(".gs-graph_files").click()
            (tmp_path / "big.csv").write_text("source,target\n" + "TP53,MDM2\n" * 1_200_000)
            chooser.value.set_files(tmp_path / "big.csv")
            expect(page.locator(".gs-told")).to_contain_text("big.csv: no gene in common")
            process.terminate()  # the command alone, not its group
            assert process.wait(30) == 128 + signal.SIGTERM, (tmp_path / "log").read_text()
        finally:
            end(process)
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5)


def test_in_the_dark_on_a_phone_with_money_and_the_files_of_string(page, place):
    with server(place, "voila", "apps/plan.ipynb", "--theme=dark") as url:
        page.goto(url)
        until(page, "G", 20)
        assert page.locator("text=Error displaying widget").count() == 0
        for part in (".gs-says", ".gs-table th", ".gs-table td", ".gs-note", "a.gs-download"):
            ink, paper = colors(page, part)
            assert ink - paper > 0.35 and paper < 0.4, (part, ink, paper)
        curve = page.locator("img.gs-curve").evaluate("e => getComputedStyle(e).filter")
        assert "invert" in curve, curve  # figures are drawn on white
        keep(page, "explorer_dark", tall=True)

        page.locator(".gs-unit select").select_option("money")
        number = page.locator(".gs-number input")
        number.fill("3000")
        number.press("Enter")
        expect(page.locator(".gs-says")).to_contain_text("genes cost")
        page.locator(".gs-unit select").select_option("genes")
        number.fill("390")
        number.press("Enter")
        until(page, "G", 390)

        tab(page, "Graph")
        with page.expect_file_chooser() as chooser:
            page.locator(".gs-graph_files").click()
        files = [{"name": n, "mimeType": "text/plain", "buffer": b} for n, b in STRING.items()]
        chooser.value.set_files(files)
        expect(page.locator(".gs-told")).to_contain_text("no gene in common")
        page.locator(".gs-graphs select").select_option([])
        until(page, "TP53", 3)

        page.set_viewport_size({"width": 390, "height": 844})
        table = page.locator(".gs-table").first
        box = table.bounding_box()
        last = table.locator("thead th").last.bounding_box()
        assert last["x"] + last["width"] <= box["x"] + box["width"] + 1 <= 391
        if os.environ.get("GRAPHSEL_SCREENSHOTS"):
            table.evaluate("e => e.scrollIntoView()")
            page.screenshot(path=Path(os.environ["GRAPHSEL_SCREENSHOTS"]) / "explorer_phone.png")
        page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("n", [1, 60, 140, 300, 500, 1000])
def test_a_plan_is_one_page(page, n):
    plan = Selection(
        [f"GENE{i:04}L" for i in range(n)],
        [1 / 3] * n,
        list(np.arange(1, n + 1) / 3),
        "graphreach",
        n,
        upper_bound=n,
        n_candidates=20_000,
        n_targets=20_000,
        graph="0" * 40,
    )
    page.set_content(plan_page(plan, graph="string.tsv.gz, go_terms.gmt", must=plan.genes[:3]))
    assert pages(page) == 1


def test_a_laboratory_sheet_is_one_page(page):
    "Two plates of 96 wells with their genes, places, guides and prices; nothing is cut off."
    n = 96
    genes = [f"GENE{i:03}" for i in range(n)]
    wells = [f"{row}{column:02}" for row in "ABCDEFGH" for column in range(1, 7)]
    columns = {"plate": [1] * 48 + [2] * 48, "well": wells * 2, "guides": [3] * n}
    plan = Selection(genes, [1.0] * n, list(np.arange(n) + 1.0), "variance", n, columns=columns)
    plan.columns["cost"] = [61.5] * n
    plan.params.update(max_cost=6000, wells={"size": 96, "controls": ["A10", "H12"]})
    page.set_content(plan_page(plan, graph="string.tsv.gz"))
    assert pages(page) == 1
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 704, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= 704
    page.emulate_media(media="screen")


def pages(page):
    "How many pages the browser would print."
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def test_results(page, place):
    with server(place, "voila", "apps/results.ipynb") as url:
        page.goto(url)
        box = page.locator(".gs-folder input")
        box.fill("nowhere")
        box.press("Enter")
        expect(page.locator(".gs-says.wrong")).to_contain_text("no such folder")
        box.fill("results")
        box.press("Enter")
        rows = page.locator(".gs-saved tbody tr")
        expect(rows).to_have_count(9)
        page.locator(".gs-strategies select").select_option(["random", "variance"])
        expect(rows).to_have_count(6)
        expect(page.locator(".gs-says")).to_contain_text("2 strategies")
        page.wait_for_function("document.querySelector('img.gs-figures').naturalWidth > 500")
        keep(page, "results")
