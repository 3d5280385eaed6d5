"""The site: links that are checked, citations that resolve, parameters that can be injected."""
import json
import re
import subprocess
import sys

import api_pages
import build_docs
import citations
import nbformat
import pytest
import render_readme
from conftest import ROOT

NBS = ROOT / "nbs"
WORKS = citations.read_works()
PAGES = build_docs.notebooks()


def name_of(path): return path.relative_to(NBS).as_posix()


# ---- the site ----

@pytest.fixture(scope="module")
def built(tmp_path_factory):
    "A part of the site: links to pages that are not in it stay as they are."
    out = tmp_path_factory.mktemp("docs")
    return out, build_docs.build(out, only=["index.ipynb", "00_core.ipynb", "04c_coverage.ipynb", "tutorials/01_plan_a_screen.ipynb"], modules=["core", "coverage", "selection"])


def test_pages(built):
    out, site = built
    for o in ("index.html", "00_core.html", "tutorials/01_plan_a_screen.html", "tutorials/index.html", "api/core.html", "gallery.html", "references.html",
              "changelog.html", "contributing.html", "search.js", "site.css", "00_core.ipynb"): assert (out / o).is_file(), o
    page = (out / "tutorials/01_plan_a_screen.html").read_text()
    assert "You can afford 20 perturbations" in page and "../figures/tutorials_01_plan_a_screen" in page and "data:image/png" not in page
    assert 'href="../04e_criteria.html"' not in page  # that page is not in this part
    for o in ("#|", "default_exp", "fastcore"): assert o not in (out / "00_core.html").read_text()


def test_formulas_citations_names(built):
    out, site = built
    page = (out / "04c_coverage.html").read_text()
    assert "<math" in page and "$$" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)
    assert re.search(r'<a class="cite" href="references.html#nemhauser1978" title="[^"]+">Nemhauser, Wolsey &amp; Fisher 1978</a>', page)
    assert '<li id="nemhauser1978">' in (out / "references.html").read_text()
    assert '<a class="name" href="api/core.html#as_seed"><code>as_seed</code></a>' in (out / "00_core.html").read_text()


def test_api(built):
    out, site = built
    page = (out / "api/selection.html").read_text()
    assert 'id="Selection"' in page and 'id="Selection.to_csv"' in page and "perturbations, best first" in page
    core = (out / "api/core.html").read_text()
    assert "<td><code>random_state</code></td>" in core and '<tr class="returns">' in core
    undocumented = [o.title for o in site.pages if o.group == "api" and not o.lead]
    assert not undocumented


def test_gallery_leads_to_its_cells(built):
    out, site = built
    links = [o for o in build_docs.Links((out / "gallery.html").read_text()).links if "#cell-" in o]
    assert links and all(o.split("#")[1] in build_docs.Links((out / o.split("#")[0]).read_text()).anchors for o in links)


def test_search_index(built):
    rows = json.loads((built[0] / "search.js").read_text().removeprefix("window.SEARCH = ").replace("<\\/", "</"))
    assert {"index.html", "api/core.html"} <= {o[0] for o in rows}


def test_links_between_these_pages(built):
    "What is broken in the part leads to a page of the whole."
    whole = {name_of(o) for o in PAGES} | {f"{build_docs.posixpath.splitext(name_of(o))[0]}.html" for o in PAGES} | {f"api/{o}.html" for o in api_pages.documented_modules()}
    for bad in build_docs.broken_links(built[0]):
        page, link = re.match(r"(.+?): (.+) \(", bad).groups()
        target = build_docs.posixpath.normpath(build_docs.posixpath.join(build_docs.posixpath.dirname(page), link.split("#")[0]))
        assert target in whole, bad


def test_links_of_all_notebooks():
    "Every relative link in prose leads to a file of the project."
    bad = []
    for path in PAGES:
        text = "\n".join(re.sub(r"```.*?```|`[^`\n]*`", "", c.source, flags=re.DOTALL) for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
        bad += [f"{name_of(path)}: {m[2]}" for m in render_readme.LINK.finditer(text) if not (path.parent / m[2].split("#")[0]).exists()]
    assert not bad, f"links that lead nowhere: {bad}"


# ---- the check itself ----

def test_broken_links_are_found(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text('<h2 id="one">1</h2><a href="sub/b.html#two">b</a><a href="#one">1</a><a href="https://no.where/x">x</a><img src="data:image/png;base64,AA">')
    (tmp_path / "sub/b.html").write_text('<h2 id="two">2</h2><a href="../a.html">a</a>')
    assert build_docs.broken_links(tmp_path) == []
    (tmp_path / "a.html").write_text('<a href="sub/b.html#three">b</a><a href="c.html">c</a><img src="d.png"><a href="#four">4</a><a href="../out.html">out</a>')
    assert build_docs.broken_links(tmp_path) == ["a.html: sub/b.html#three (no such anchor)", "a.html: c.html (no such page)", "a.html: d.png (no such page)",
                                                 "a.html: #four (no such anchor)", "a.html: ../out.html (no such page)"]


def test_a_broken_link_fails_the_build(tmp_path, monkeypatch, capsys):
    def small(out):
        out.mkdir()
        (out / "a.html").write_text('<a href="gone.html">gone</a>')
        return build_docs.Site(out, {}, set())
    monkeypatch.setattr(build_docs, "build", small)
    assert build_docs.main(["--out", str(tmp_path / "docs")]) == 1
    assert "a.html: gone.html" in capsys.readouterr().err


@pytest.mark.parametrize("link,page,found", [("b.html", "a.html", "b.html"), ("b.html#x", "t/a.html", "../b.html#x"), ("a.html#x", "a.html", "#x"), ("t/b.html", "t/a.html", "b.html")])
def test_relative(link, page, found): assert build_docs.relative(link, page) == found


def test_anchors_of_headings():
    assert build_docs.slug("How <em>fast</em>?") == "how-fast"
    assert build_docs.slug("Plates", {"plates"}) == "plates-1"


def test_badges_need_an_address():
    name, page = "nbs/tutorials/01_plan_a_screen.ipynb", "# graphsel\n\n> You.\n\nText.\n"
    assert render_readme.badges(name, "") == [] and render_readme.with_badges(page, "") == page
    assert [o[2] for o in render_readme.badges(name, "a/b")] == [f"https://mybinder.org/v2/gh/a/b/HEAD?labpath={name}", f"https://colab.research.google.com/github/a/b/blob/main/{name}"]
    shown = render_readme.with_badges(page, "a/b").split("\n")
    assert shown[2] == "> You." and shown[4].startswith("[![Open in Binder]") and shown[6] == "Text."
    assert (ROOT / "binder/environment.yml").is_file() and "pip install" in (ROOT / "binder/postBuild").read_text()


def test_quarto_lists_every_notebook():
    text = build_docs.quarto_sidebar()
    assert all(f"- {name_of(o)}\n" in text for o in PAGES)


# ---- citations ----

def test_reading_citations():
    text = ("See Nemhauser, Wolsey & Fisher 1978; Ash et al. (2020), Ash 2021 and GRAIN, Zhang et al. 2021. Kirsch, van Amersfoort & Gal 2019 too. In 2020 nothing. "
            "Krause, Singh & Guestrin (2008) first, then Krause et al. 2008. Nobody et al. 2001.")
    found = list(citations.citations(text, WORKS))
    assert [[w.key for w in o.works] for o in found] == [["nemhauser1978"], ["ash2020"], ["ash2021"], ["zhang2021"], ["kirsch2019"], ["krause2008sensor"], ["krause2008sensor"], []]
    assert all(text[o.start:o.end] == o.text for o in found) and found[1].text == "Ash et al. (2020)"
    assert len(list(citations.citations("Krause et al. 2008", WORKS))[0].works) == 2


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_citations_are_listed(path):
    missing = citations.unlisted(path, WORKS)
    assert not missing, f"{name_of(path)} cites works that nbs/references.bib lacks, or that it has twice: {missing}"


def test_works_say_where_they_are():
    for work in WORKS.values():
        assert work.fields.get("title") and work.authors and work.venue().endswith(work.year), work.key
        assert not re.search(r"[{}\\]", work.html()), work.key
        if "doi" in work.fields: assert work.fields["doi"].startswith("10."), work.key


# ---- reruns ----

RERUN = [o for o in PAGES if o.relative_to(NBS).parts[0] in ("tutorials", "benchmarks")]


@pytest.mark.parametrize("path", RERUN, ids=name_of)
def test_parameters_in_one_cell(path):
    tagged = [c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1 and tagged[0].cell_type == "code", "keep what a reader may change in one cell with the tag `parameters`"


def test_papermill_injects_a_parameter(tmp_path):
    out = tmp_path / "mine.ipynb"
    done = subprocess.run([sys.executable, "-m", "papermill", str(NBS / "tutorials/01_plan_a_screen.ipynb"), str(out), "-p", "budget", "7", "-k", "python3", "--no-progress-bar"],
                          cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "no plan of 7 genes reaches more" in out.read_text()


# ---- types ----

def test_types_are_shipped(): assert (ROOT / "graphsel/py.typed").is_file() and "py.typed" in (ROOT / "setup.py").read_text()
