"""The site: what is ours beside Sphinx, a small site built whole, citations, parameters that can be injected."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import api
import citations
import contents
import heavy
import notebooks
import pytest
import render_readme
from conftest import ROOT

from graphsel.core.docs import described

NBS = ROOT / "nbs"
WORKS = citations.read_works()
PAGES = [o.path for o in contents.pages([contents.chapter(NBS)])]
DOT = (  # a picture of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def name_of(path):
    return path.relative_to(NBS).as_posix()


def prose(path):
    return "\n\n".join(
        o.source for o in heavy.nbformat.read(path, as_version=4).cells if o.cell_type == "markdown"
    )


def code(source, *outputs):
    return heavy.nbformat.v4.new_code_cell(source, outputs=list(outputs))


def printed(text, name="stdout"):
    return heavy.nbformat.v4.new_output("stream", name=name, text=text)


def drawn():
    return heavy.nbformat.v4.new_output(
        "display_data", {"image/png": DOT, "text/plain": "<Figure>"}
    )


def shown(*cells):
    return notebooks.shown_cells(heavy.nbformat.v4.new_notebook(cells=list(cells)))


# ---- nbdev's directives ----


def test_every_notebook_is_a_page_once():
    found = [
        o
        for o in NBS.rglob("*.ipynb")
        if not any(p.startswith((".", "_")) for p in o.relative_to(NBS).parts)
    ]
    assert sorted(PAGES) == sorted(found)


@pytest.mark.parametrize(
    "line", ["hide", "default_exp core", "include: false", "hide_input", "echo: false"]
)
def test_cells_that_are_not_shown(line):
    assert shown(code(f"#| {line}\nx = 1")) == []


def test_cells_for_the_author_are_not_shown():
    heading, note = (
        heavy.nbformat.v4.new_markdown_cell("## Tests -"),
        heavy.nbformat.v4.new_markdown_cell("#| hide\nnote"),
    )
    assert shown(heading, note, heavy.nbformat.v4.new_raw_cell("---")) == []


@pytest.mark.parametrize(
    "line,tags",
    [
        ("hide_input", ["remove-input"]),
        ("echo: false", ["remove-input"]),
        ("hide_output", ["remove-output"]),
        ("output: false", ["remove-output"]),
        ("code-fold: true", ["hide-input"]),
        ("code-fold: show", []),
        ("export", ["export"]),
        ("exporti", ["export"]),
        ("exports", ["export"]),
        ("eval: false", []),
        ("slow", []),
        ("notest", []),
    ],
)
def test_directives_as_tags(line, tags):
    (cell,) = shown(code(f"#| {line}\nx = 1", printed("1\n")))
    assert (
        cell.source == "x = 1" and cell.metadata["tags"] == tags and cell.outputs[0].text == "1\n"
    )


def test_several_directives_and_lines_left_out():
    (cell,) = shown(code("#| export\n#| hide_output\n\nx = 1\nsecret() #| hide_line\ny = 2"))
    assert cell.source == "x = 1\ny = 2" and cell.metadata["tags"] == ["remove-output", "export"]


def test_exported_imports_are_folded():
    (cell,) = shown(code("#| export\nimport re\nfrom pathlib import Path"))
    assert cell.metadata["tags"] == ["hide-input", "export"]
    assert cell.metadata["mystnb"]["code_prompt_show"] == "Imports"


def test_tags_of_the_cell_stay():
    cell = code("budget = 20")
    cell.metadata["tags"] = ["parameters"]
    assert shown(cell)[0].metadata["tags"] == ["parameters"]


def test_outputs_without_progress_and_widgets():
    widget = heavy.nbformat.v4.new_output(
        "display_data", {notebooks.WIDGET: {}, "text/plain": "IntSlider()"}
    )
    outputs = printed("3%", "stderr"), widget, printed("Warning: no\nyes\n")
    (cell,) = shown(code("#| filter_stream Warning\nrun()", *outputs))
    assert [o.text for o in cell.outputs] == ["yes\n"]


def test_output_as_it_is():
    (cell,) = shown(code("#| output: asis\nprint('**a**')", printed("**a**")))
    assert cell.outputs[0].data == {"text/markdown": "**a**"}


def test_no_directive_of_ours_is_unknown_to_the_page():
    "A directive line never reaches a page, whatever it says and wherever it stands."
    for path in PAGES:
        for cell in notebooks.shown_cells(
            notebooks.read_notebook(path.read_text(encoding="utf-8"))
        ):
            assert not re.search(r"^#\| ?\w", cell.source, re.MULTILINE), (
                name_of(path),
                cell.source,
            )


def test_figures_have_captions():
    said = "# T\n\nNot this.\n\nSome genes, like `A`, have [many](x.md) neighbors and most have few. No more is said."
    (cell,) = shown(heavy.nbformat.v4.new_markdown_cell(said), code("plot()", drawn()))[1:]
    assert (
        cell.metadata["mystnb"]["image"]["alt"]
        == "Some genes, like A, have many neighbors and most have few."
    )


def test_uncleaned_notebook():
    output = {"output_type": "stream", "name": "stdout", "text": ["1\n", "2"]}
    cell = {
        "cell_type": "code",
        "id": "a",
        "execution_count": 3,
        "source": ["x\n", "y"],
        "outputs": [output],
    }
    cell["metadata"] = {"scrolled": True, "tags": ["t"]}
    raw = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (cell,) = notebooks.read_notebook(raw).cells
    assert (
        cell.source == "x\ny"
        and cell.metadata == {"tags": ["t"]}
        and cell.outputs[0].text == "1\n2"
    )


# ---- docments as parameters ----


def documented(
    genes: list,  # what may be picked
    budget: int | None = None,  # how many
    *names,
    seed: random.Random = "x",
    **more,  # passed on
) -> dict:  # gene to gain
    """Pick.

    Second paragraph.
    """


def bare(a, b=1):
    "No comments."


@dataclass
class Fields:
    "A row."

    name: str  # of the gene
    values: list = field(default_factory=list)  # one per round

    def method(self, n: int = 2):  # rounds
        "Do it."


def written_out(a: int):  # not used
    """Sections of its own.

    Parameters
    ----------
    a : int
        Kept.
    """


def test_parameters_from_docments():
    assert (
        described(documented)
        == """Pick.

Second paragraph.

Parameters
----------
genes : list
    what may be picked
budget : int | None, default None
    how many
*names
seed : Random, default 'x'
**more
    passed on

Returns
-------
dict
    gene to gain"""
    )


def test_parameters_only_where_there_are_comments():
    assert described(bare) == "No comments."
    assert (
        described(written_out).endswith("    Kept.")
        and described(written_out).count("Parameters") == 1
    )
    assert described(lambda x: x) == ""


def test_parameters_of_a_class_are_its_fields():
    text = described(Fields)
    assert text.startswith("A row.\n\nParameters\n") and "name : str\n    of the gene" in text
    assert "values : list, default list()\n    one per round" in text and "Returns" not in text
    assert "self" not in described(Fields.method)


@pytest.mark.parametrize(
    "text,found",
    [
        ("The *screen*: `x`", "The *screen*: ``x``"),
        ("a*b and *args", r"a\*b and \*args"),
        ("`name`s of a_", r"``name``\ s of a\_"),
        ("**bold** | x", r"**bold** \| x"),
    ],
)
def test_docstrings_as_restructured_text(text, found):
    assert api.escaped(text) == found


def test_citations_in_docstrings():
    section = ["Parameters", "----------", "name_ : list, default None", "    how *many*"]
    lines = api.restructured("\n".join(["As Ash et al. 2020.", "", *section]), WORKS)
    assert lines == ["As Ash et al. :cite:year:`ash2020`.", "", *section]


def test_contributing_sends_to_rooms_that_exist():
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where does it go?")[2]
    rows = [o for o in table.partition("\n## ")[0].splitlines() if o.startswith("|")]
    named = re.findall(r"`((?:nbs/|tests/)?\d*_?\w+/[\w/]+)`", "".join(rows))
    places = [ROOT / o if o.startswith(("nbs/", "tests/")) else NBS / o for o in named]
    assert len(places) > 15
    lost = [o for o in places if not (o.is_dir() or o.with_suffix(".ipynb").exists())]
    assert not lost


def test_readme_is_short_and_its_figure_is_that_of_the_atlas():
    from PIL import Image

    from graphsel.core.identity import file_sha1

    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1300
    drawn_from = Image.open(NBS / "images/atlas.png").info["Source"]
    says = "run nbs/index.ipynb with its slow cells: its figure is of another table"
    assert drawn_from == file_sha1(NBS / "benchmarks/atlas.parquet"), says


def test_every_public_function_says_what_it_does():
    silent = []
    for module in filter(None, map(api.module_of, PAGES)):
        names = [name for name, kind, _ in api.members(module) if kind == "autofunction"]
        things = {name: getattr(sys.modules[module], name) for name in names}
        silent += [f"{module}.{name}" for name, o in things.items() if not described(o).strip()]
    assert not silent


# ---- contents and front door ----


def page_at(path, title="A page", *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    heavy.nbformat.write(
        heavy.nbformat.v4.new_notebook(
            cells=[heavy.nbformat.v4.new_markdown_cell(f"# {title}\n\n> About {title}."), *cells]
        ),
        path,
    )


@pytest.fixture
def tree(tmp_path):
    "Chapters as folders, a folder without an overview, and pages beside them."
    names = """index 02_models/00_models 02_models/01_ridge 01_graphs/index 01_graphs/b 01_graphs/a 03_extra
        benchmarks/speed 01_graphs/readers/00_readers 01_graphs/readers/01_gmt
        tutorials/01_first _drafts/x .ipynb_checkpoints/index"""
    for name in names.split():
        page_at(tmp_path / f"{name}.ipynb", name.rsplit("/", 1)[-1])
    return tmp_path


def outline(nodes):
    return [(o.title, outline(o.below)) if o.below else o.title for o in nodes]


def test_contents_follow_the_folders(tree):
    graphs = ("index", ["a", "b", ("00_readers", ["01_gmt"])])
    chapters = ["03_extra", graphs, ("00_models", ["01_ridge"])]
    parts = [("Tutorials", ["01_first"]), ("Chapters", chapters), ("Benchmarks", ["speed"])]
    assert outline(contents.book(tree)) == parts


def test_an_overview_lists_its_chapter(tree):
    chapter = contents.chapter(tree / "02_models")
    names = {
        o.path: o.path.relative_to(tree).with_suffix("").as_posix()
        for o in contents.pages([chapter])
    }
    assert "* [01_ridge](/02_models/01_ridge.ipynb): About 01_ridge." in notebooks.chapter_list(
        chapter.below, names
    )
    toctree = notebooks.toctree(chapter.below, names)
    assert toctree.split("\n") == ["```{toctree}", ":hidden:", "/02_models/01_ridge", "```"]


def test_front_door_by_task():
    names = {"select": "toy.selection.select", "read": "toy.graphs.read", "odd": "toy.extra.odd"}
    titles = {"graphs": "Read", "selection": "Choose"}
    assert api.front_door(names, titles) == [
        ("Read", ["~toy.graphs.read.read"]),
        ("Choose", ["~toy.selection.select.select"]),
        ("Extra", ["~toy.extra.odd.odd"]),
    ]


def test_what_stubs_offer_is_in_the_api():
    assert api.offered("graphsel")["select"] == "graphsel.selection.select"
    names = [name for name, _, _ in api.members("graphsel.selection.select")]
    assert "select" in names and api.offered("graphsel.graphs")["read_graph"]


def test_code_in_prose_names_the_api():
    import book_site  # here, as it brings Sphinx

    def entry(kind, anchor):
        return SimpleNamespace(objtype=kind, docname="api", node_id=anchor)

    names = {
        "as_seed": [("graphsel.core.randomness.as_seed", entry("function", "seed"))],
        "select": [("graphsel.selection.select.select", entry("function", "pick"))],
        "save": [
            ("graphsel.a.P.save", entry("method", "P")),
            ("graphsel.b.Q.save", entry("method", "Q")),
        ],
    }
    expected = {
        "as_seed": "seed",
        "core.as_seed": "seed",
        "graphsel.core.randomness.as_seed": "seed",
        "other.as_seed": None,
        "select": None,
        "select(graph, 20)": "pick",
        "gs.select": "pick",
        "save": None,
        "P.save": "P",
        "x + y": None,
    }
    assert {o: getattr(book_site.entry_of(o, names), "node_id", None) for o in expected} == expected


# ---- a site ----


def a_site(folder, link="../index.ipynb"):
    "Sources of a small site: a start page, and a chapter with one module of the package."
    shutil.copytree(
        ROOT / "docs",
        folder / "docs",
        ignore=shutil.ignore_patterns("api", "gallery", "__pycache__"),
    )
    (folder / "tools").mkdir()
    for o in ("settings.ini", "tools/render_readme.py", "tools/heavy.py"):
        shutil.copy(ROOT / o, folder / o)
    module = "graphsel.selection.budget"
    exported = code(f"#| default_exp {module.split('.', 1)[1]}")
    page_at(folder / "nbs/index.ipynb", "Start", code("plot()", drawn()))
    shutil.copy(NBS / "references.bib", folder / "nbs")
    page_at(folder / "nbs/01_chapter/00_overview.ipynb", "Chapter", code("#| hide\nsecret()"))
    said = heavy.nbformat.v4.new_markdown_cell(
        f"As Ash et al. 2020 say, $x^2$. Back to the [start]({link})."
    )
    page_at(
        folder / "nbs/01_chapter/01_page.ipynb",
        "Page",
        exported,
        said,
        code("#| echo: false\nplot(hidden)", drawn()),
        code("#| export\ndef f(): pass"),
    )
    return module


def build(folder):
    "Build it, not nitpicky: the package names things of modules that this site leaves out."
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-D",
        "nitpicky=0",
        "-c",
        "docs",
        ".",
    ]
    return subprocess.run(
        [*command, "_docs/html"],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    module = a_site(folder)
    done = build(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "_docs/html", module


def test_pages(built):
    out, _ = built
    page, overview = (
        (out / f"nbs/01_chapter/{o}.html").read_text() for o in ("01_page", "00_overview")
    )
    assert "#|" not in page and "plot(hidden)" not in page and "tag_export" in page
    script = re.search(r'src="([^"?]*mathjax[^"?]*)', page)
    assert (
        r"\(x^2\)" in page
        and (out / "nbs/01_chapter" / script[1]).is_file()
        and "mathjax/tex" not in overview
    )
    assert (
        "secret" not in overview and 'href="01_page.html"' in overview and "About Page." in overview
    )
    assert "nbs/index.html" in (out / "index.html").read_text()


def test_citation_leads_to_the_list(built):
    out, _ = built
    page = (out / "nbs/01_chapter/01_page.html").read_text()
    link = re.search(
        r'Ash et al. <span [^>]*><a [^>]*href="../../docs/references.html#([^"]+)"[^>]*>2020</a>',
        page,
    )
    assert link and f'id="{link[1]}"' in (out / "docs/references.html").read_text()


def test_api_page(built):
    out, module = built
    page = (out / f"docs/api/{module}.html").read_text()
    names = [name for name, _, _ in api.members(module)]
    assert names and all(f'id="{module}.{o}"' in page for o in names)
    assert (
        "Parameters" in page
        and 'class="classifier"' in page
        and 'href="../../nbs/01_chapter/01_page.html"' in page
    )


def test_gallery_leads_to_its_cells(built):
    out, _ = built
    links = re.findall(
        r'href="\.\./\.\./(nbs/[^"#]+)#(figure-[^"]+)"',
        (out / "docs/gallery/index.html").read_text(),
    )
    assert {o for o, _ in links} == {"nbs/index.html", "nbs/01_chapter/01_page.html"}
    assert all(f'id="{anchor}"' in (out / page).read_text() for page, anchor in links)


def test_no_page_asks_another_server(built):
    out, _ = built
    for path in out.rglob("*.html"):
        tags = re.findall(
            r"<(?:script|link|img)\b[^>]*(?:src|href)=[\"'](https?://[^\"']+)", path.read_text()
        )
        assert not tags, (path.name, tags)


def test_a_broken_link_fails_the_build(tmp_path):
    a_site(tmp_path, link="../gone.ipynb")
    done = build(tmp_path)
    assert done.returncode != 0 and "gone.ipynb" in done.stderr and "01_page" in done.stderr


def test_links_of_all_notebooks():
    "Every relative link in prose leads to a file of the project."
    bad = []
    for path in PAGES:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", prose(path), flags=re.DOTALL)
        links = [m[2] for m in render_readme.LINK.finditer(text)]
        bad += [
            f"{name_of(path)}: {o}" for o in links if not (path.parent / o.split("#")[0]).exists()
        ]
    assert not bad, f"links that lead nowhere: {bad}"


def test_badges_need_an_address():
    name, page = "nbs/tutorials/01_plan_a_screen.ipynb", "# graphsel\n\n> You.\n\nText.\n"
    assert render_readme.badges(name, "") == [] and render_readme.with_badges(page, "") == page
    assert [o[2] for o in render_readme.badges(name, "a/b")] == [
        f"https://mybinder.org/v2/gh/a/b/HEAD?labpath={name}",
        f"https://colab.research.google.com/github/a/b/blob/main/{name}",
    ]
    shown = render_readme.with_badges(page, "a/b").split("\n")
    assert (
        shown[2] == "> You." and shown[4].startswith("[![Open in Binder]") and shown[6] == "Text."
    )
    assert (ROOT / "binder/environment.yml").is_file() and "pip install" in (
        ROOT / "binder/postBuild"
    ).read_text()


# ---- citations ----


def test_reading_citations():
    text = (
        "See Nemhauser, Wolsey & Fisher 1978; Ash et al. (2020), Ash 2021 and GRAIN, Zhang et al. 2021. "
        "Kirsch, van Amersfoort & Gal 2019 too. In 2020 nothing. "
        "Krause, Singh & Guestrin (2008) first, then Krause et al. 2008. Nobody et al. 2001."
    )
    found = list(citations.citations(text, WORKS))
    keys = "nemhauser1978 ash2020 ash2021 zhang2021 kirsch2019 krause2008sensor krause2008sensor"
    assert [o.keys for o in found] == [*((o,) for o in keys.split()), ()]
    assert found[1].text == "Ash et al. (2020" and text[found[1].year_at :][:4] == "2020"
    assert len(next(citations.citations("Krause et al. 2008", WORKS)).keys) == 2


def test_citing_changes_the_year_only():
    text = "Ash et al. (2020), and `Ash 2021`; [there](x.md#Ash 2021)"
    assert citations.cite(text, WORKS) == text.replace("(2020", "({cite:year}`ash2020`")
    assert (
        citations.cite("Nobody et al. 2001, Krause et al. 2008.", WORKS)
        == "Nobody et al. 2001, Krause et al. 2008."
    )


def test_a_work_named_in_full_is_meant_further_down():
    cells = [
        heavy.nbformat.v4.new_markdown_cell(f"{o} 2008.")
        for o in ("Krause, Singh & Guestrin", "Krause et al.")
    ]
    text = notebooks.as_page(
        heavy.nbformat.writes(heavy.nbformat.v4.new_notebook(cells=cells)), "x", WORKS
    )
    page = heavy.nbformat.reads(text, as_version=4)
    assert page.cells[1].source == "Krause et al. {cite:year}`krause2008sensor`."


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_citations_are_listed(path):
    missing = citations.unlisted(prose(path), WORKS)
    assert not missing, (
        f"{name_of(path)} cites works that nbs/references.bib lacks, or that it has twice: {missing}"
    )


def test_works_say_where_they_are():
    places = {"journal", "booktitle", "publisher", "institution", "howpublished", "eprint", "url"}
    for key, entry in citations.parse_file(str(citations.BIB), bib_format="bibtex").entries.items():
        assert (
            entry.persons.get("author") and entry.fields.get("title") and entry.fields.get("year")
        ), key
        assert any(o in entry.fields for o in places), key
        assert entry.fields.get("doi", "10.").startswith("10."), key


# ---- recipes ----


def test_recipes_of_contributing_work(tmp_path):
    "Typed one after the other, as they stand."
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(recipes) > 5
    code = "\n".join(recipes)
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    env = os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


# ---- reruns ----

RERUN = [
    o
    for o in PAGES
    if o.relative_to(NBS).parts[0] in ("tutorials", "benchmarks")
    and '"cell_type": "code"' in o.read_text()
]


@pytest.mark.parametrize("path", RERUN, ids=name_of)
def test_parameters_in_one_cell(path):
    tagged = [
        c
        for c in heavy.nbformat.read(path, as_version=4).cells
        if "parameters" in c.metadata.get("tags", [])
    ]
    assert len(tagged) == 1 and tagged[0].cell_type == "code", (
        "keep what a reader may change in one cell with the tag `parameters`"
    )


def test_papermill_injects_a_parameter(tmp_path):
    out = tmp_path / "mine.ipynb"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            str(NBS / "tutorials/01_plan_a_screen.ipynb"),
            str(out),
            "-p",
            "budget",
            "7",
            "-k",
            "python3",
            "--no-progress-bar",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "no plan of 7 genes reaches more" in out.read_text()


# ---- types ----


def test_types_are_shipped():
    assert (ROOT / "graphsel/py.typed").is_file() and "py.typed" in (ROOT / "setup.py").read_text()


# ---- what newcomers tried, and what they were told ----


def test_a_newcomer_is_told_what_to_write_instead():
    import graphsel as gs

    sim = gs.simulated_screen(60, 20, random_state=0)
    asked = sim.screen, sim.graph, ["random"], [10]
    for ask, says in [
        (lambda: gs.compare(*asked, n_jobs=2), "did you mean 'jobs'"),
        (lambda: gs.compare(*asked, model="gp"), "did you mean 'models'"),
        (lambda: gs.models.register_model(random.Random), "gs.models.ResponseModel"),
        (lambda: gs.make_model(random.Random()), "gs.models.register_model"),
    ]:
        with pytest.raises(gs.GraphselError, match=re.escape(says)):
            ask()


def test_cells_are_no_list_of_genes(tmp_path):
    import graphsel as gs

    cells = tmp_path / "cells.h5ad"
    cells.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(gs.GraphselError, match="--screen.*one name a line"):
        gs.genes.read_gene_list(cells)


def test_a_graph_of_the_registry_is_a_graph_of_the_shell(tmp_path):
    from click.testing import CliRunner

    from graphsel.cli.main import main

    out = tmp_path / "picks.csv"
    call = ["select", "--graph", "simulated", "--budget", "3", "--out", str(out)]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.stderr
    assert len(out.read_text().splitlines()) == 4


def test_a_range_in_a_table_is_not_broken_behind_its_dash():
    data = {
        "text/html": "<td>1.02 (0.97–1.09)</td><td>3–2–0</td><td>a – b</td>",
        "text/plain": "3–2",
    }
    notebooks.keep_ranges_whole(data)
    joined = "–\N{WORD JOINER}"
    assert data["text/html"] == (
        f"<td>1.02 (0.97{joined}1.09)</td><td>3{joined}2{joined}0</td><td>a – b</td>"
    )
    assert data["text/plain"] == "3–2"
