"""The documentation as a plain HTML site: the notebooks, API pages, a gallery, references. No Quarto, no network.

usage: python tools/build_docs.py [--out _docs]      a broken link or anchor inside the site is an error
       python tools/build_docs.py --sidebar          write nbs/sidebar.yml, the same contents for the Quarto site
"""
import argparse
import ast
import html
import json
import posixpath
import re
import shutil
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import mistune
import nbformat
from citations import citations, read_works
from jinja2 import Environment, FileSystemLoader
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import ExtractOutputPreprocessor
from pygments.formatters import HtmlFormatter
from render_readme import badges, repository, split_directives
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
NBS, LIB, LOOKS = ROOT/"nbs", ROOT/"graphsel", Path(__file__).resolve().parent/"docs"
CHAPTERS = {"00": "Foundations", "01": "Screens", "02": "Graphs", "03": "Data sets", "04": "Criteria", "05": "Picking", "06": "Strategies", "07": "Models",
            "08": "Active learning", "09": "Metrics", "10": "Comparison", "11": "Figures", "12": "Explorers", "13": "Command line"}
GROUPS = {"tutorials": ("Tutorials", "In reading order. Each page runs from top to bottom in seconds."),
          "apps": ("Without code", "Two pages with sliders and buttons; as web pages of their own with `voila`."),
          "modules": ("Modules", "Each module of the package is a notebook: the method in words and formulas, then the code, then what it gives. In import order."),
          "api": ("API", "Every public name with its signature and parameters."),
          "benchmarks": ("Benchmarks", "Time, memory and accuracy beside other programs, all measured by the page itself."),
          "more": ("More", "")}
FIGURES = ("image/png", "image/svg+xml", "image/jpeg")
SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
TARGET = re.compile(r"""(<(?:a|img|link|script|source)\b[^>]*?\b(?:href|src)=["'])([^"']*)""")


@dataclass
class Page:
    "A page of the site."
    url: str # from the site's root, with slashes
    title: str
    lead: str = "" # the `>` line, HTML
    group: str = "more"
    chapter: str = "" # of a module
    body: str = "" # HTML
    contents: list = field(default_factory=list) # (level, text, anchor) of its headings
    source: Path|None = None # the notebook
    figures: list = field(default_factory=list) # (file from the site's root, anchor, caption)
    cited: list = field(default_factory=list) # keys of works

    def up(self, url): return relative(url, self.url)


def relative(url, page):
    "A link to `url` as seen from `page`, both from the site's root."
    target, _, anchor = url.partition("#")
    path = posixpath.relpath(target, posixpath.dirname(page) or ".") if target != page or not anchor else ""
    return path + (f"#{anchor}" if anchor else "")


def slug(text, taken=()):
    "The anchor of a heading: GitHub's rule."
    base = re.sub(r"[^\w\- ]", "", html.unescape(re.sub(r"<[^>]+>", "", text)).strip().lower()).replace(" ", "-") or "section"
    name, n = base, 0
    while name in taken: name, n = f"{base}-{n + 1}", n + 1
    return name


def text_of(markup): return " ".join(html.unescape(re.sub(r"<(math|style|script)\b.*?</\1>|<[^>]+>", " ", markup, flags=re.DOTALL)).split())


# ---- prose ----

@cache
def public_names():
    "{public name: module} of the package, read without importing it. A name of two modules is left out."
    found = {}
    for path in sorted(LIB.glob("[a-z]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                for name in ast.literal_eval(node.value): found.setdefault(name, []).append(path.stem)
    return {name: modules[0] for name, modules in found.items() if len(modules) == 1}


class Prose(IPythonRenderer):
    "Markdown to HTML: formulas as MathML, headings with anchors, names of the package and citations as links."

    def __init__(self, page, works, documented):
        super().__init__(escape=False)
        self.page, self.works, self.documented = page, works, documented

    def inline_math(self, body): return mathml(body)

    def block_math(self, body): return f'<div class="formula">{mathml(body, display="block")}</div>'

    def latex_environment(self, name, body): return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def heading(self, text, level, **attrs):
        anchor = slug(text, {o[2] for o in self.page.contents})
        self.page.contents.append((level, text_of(text), anchor))
        return f'<h{level} id="{anchor}">{text} <a class="anchor" href="#{anchor}" aria-label="link to this section">#</a></h{level}>\n'

    def text(self, text):
        out, at = [], 0
        for c in citations(text, self.works, [self.works[k] for k in self.page.cited]):
            if len(c.works) != 1: continue
            work = c.works[0]
            self.page.cited.append(work.key)
            out += [super().text(text[at:c.start]), f'<a class="cite" href="{self.page.up("references.html")}#{work.key}" title="{html.escape(text_of(work.html()))}">{html.escape(c.text)}</a>']
            at = c.end
        return "".join([*out, super().text(text[at:])])

    def link(self, text, url, title=None): return re.sub(r"""<a class="cite"[^>]*>(.*?)</a>""", r"\1", super().link(text, url, title)) if 'class="cite"' in text else super().link(text, url, title)

    def codespan(self, text):
        shown = f"<code>{html.escape(text, quote=False)}</code>"
        m = re.fullmatch(r"(?:(?:graphsel|gs)\.)?(?:(\w+)\.)?(\w+)(\(.*\))?", text)
        if m is None: return shown
        module, name = public_names().get(m[2]), m[2]
        plain_word = name.islower() and "_" not in name and not m[3] and m[1] != module
        if module not in self.documented or plain_word or (m[1] and m[1] != module): return shown
        return f'<a class="name" href="{self.page.up(f"api/{module}.html")}#{name}">{shown}</a>'


def markdown(source, page, site): return MarkdownWithMath(renderer=Prose(page, site.works, site.documented)).render(source)


def inline(source, page, site): return re.sub(r"^<p>|</p>\s*$", "", markdown(source, page, site).strip())


# ---- notebooks ----

class BookExporter(HTMLExporter):
    "nbconvert's exporter with our template and our prose."

    def __init__(self, page, site):
        config = Config({"NbConvertBase": {"display_data_priority": ["text/html", "text/markdown", *FIGURES, "text/plain"]}})
        super().__init__(config=config, template_name="book", extra_template_basedirs=[str(LOOKS)])
        self.page, self.site = page, site

    def markdown2html(self, source): return markdown(source, self.page, self.site)


def caption_of(prose):
    "The first sentence (two, if it is short) of the last paragraph of the prose before a figure, without markup."
    blocks = [o for o in re.split(r"\n\s*\n", re.sub(r"```.*?```|\$\$.*?\$\$", "", prose, flags=re.DOTALL)) if o.strip() and not re.match(r"\s*(#|>|\||[-*] |\d\.)", o)]
    text = text_of(mistune.html(re.sub(r"\$[^$]*\$", "", blocks[-1]))) if blocks else ""
    sentences, kept = re.split(r"(?<=[a-z)\]%][.?!:]) (?=[A-Z])", text), ""
    while sentences and len(kept) < 40: kept = f"{kept} {sentences.pop(0)}".strip()
    return kept.rstrip(":")


def only_imports(source):
    try: return all(isinstance(o, (ast.Import, ast.ImportFrom, ast.If)) for o in ast.parse(source).body)
    except SyntaxError: return False  # a cell for IPython


def shown_cells(nb):
    "The cells of a notebook as the site shows them: no hidden cells, directive lines, widgets or progress."
    prose, out = "", []
    for cell in nb.cells:
        if cell.cell_type == "markdown": prose = cell.source
        found, source = split_directives(cell.source) if cell.cell_type == "code" else ({}, cell.source)
        if cell.cell_type == "raw" or "hide" in found or "default_exp" in found or found.get("include") == "false": continue
        cell = nbformat.from_dict({**cell, "source": source, "metadata": dict(cell.metadata)})
        if cell.cell_type == "code":
            cell.metadata.update(caption=caption_of(prose), defines="export" in found)
            if "export" in found and only_imports(source): cell.metadata.folded = "Imports"
            if found.get("echo") == "false": cell.source = ""
            if "parameters" in cell.metadata.get("tags", []): cell.metadata.defines = False
            kept = [o for o in cell.outputs if not ("application/vnd.jupyter.widget-view+json" in o.get("data", {}) or o.get("name") == "stderr")]
            cell.outputs = [] if found.get("output") == "false" else kept
            if not cell.source.strip() and not cell.outputs: continue
        out.append(cell)
    return out


def title_and_lead(cells):
    "`# title` and the `>` line of a notebook's first cell, and the rest of the cell."
    m = re.match(r"# (.+?)\n+> (.+?)(?:\n(.*)|$)", cells[0].source, re.DOTALL)
    lead, _, rest = (m[2] + "\n" + (m[3] or "")).partition("\n")
    return m[1].strip(), lead.strip(), rest.strip()


def notebook_page(path, site):
    "The page of a notebook, and its figures written beside it."
    url = path.relative_to(NBS).with_suffix(".html").as_posix()
    folder = url.split("/")[0] if "/" in url else "modules"
    nb = nbformat.read(path, as_version=4)
    for c in nb.cells: c.metadata.pop("execution", None) # of a run that was not cleaned: no valid metadata
    cells = shown_cells(nb)
    title, lead, rest = title_and_lead(cells)
    page = Page(url, title, group="home" if url == "index.html" else folder if folder in GROUPS else "more", source=path,
                chapter=CHAPTERS.get(path.stem[:2], "") if folder == "modules" else "")
    page.lead = inline(lead, page, site)
    cells[0].source = rest
    nb.cells = cells
    nb.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    key = url.removesuffix(".html").replace("/", "_")
    extract = ExtractOutputPreprocessor(extract_output_types=set(FIGURES), output_filename_template="{unique_key}_{cell_index}_{index}{extension}")
    nb, resources = extract.preprocess(nb, {"unique_key": key, "output_files_dir": page.up("figures"), "outputs": {}})
    for name, data in resources["outputs"].items(): site.write(f"figures/{posixpath.basename(name)}", data)
    page.body, _ = BookExporter(page, site).from_notebook_node(nb)
    page.figures = figures_of(nb, page)
    return page


def figures_of(nb, page):
    "(file, anchor, caption) of each figure of a notebook."
    found = []
    for cell in nb.cells:
        for o in cell.get("outputs", []):
            name = next((n for mime, n in o.get("metadata", {}).get("filenames", {}).items() if mime in FIGURES and "text/html" not in o.data), None)
            if name: found.append((f"figures/{posixpath.basename(name)}", f"cell-{cell.id}", cell.metadata.get("caption", "")))
    return found


# ---- the site ----

@dataclass
class Site:
    "What is being built."
    out: Path
    works: dict
    documented: set # modules with an API page
    pages: list = field(default_factory=list)

    def write(self, url, data):
        path = self.out/url
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    def add(self, page):
        self.pages.append(page)
        return page

    def group(self, name): return [o for o in self.pages if o.group == name]


def notebooks():
    "All notebooks in reading order: index, tutorials, pages without code, modules, benchmarks."
    found = [o for o in sorted(NBS.rglob("*.ipynb")) if not any(p.startswith((".", "_")) for p in o.relative_to(NBS).parts)]
    rank = {"tutorials": 1, "apps": 2, "benchmarks": 4}
    return sorted(found, key=lambda o: (o.stem != "index" or o.parent != NBS, rank.get(o.relative_to(NBS).parts[0], 3), o.relative_to(NBS).as_posix()))


def markdown_page(path, url, site):
    "A page from a Markdown file of the project."
    source = path.read_text(encoding="utf-8")
    title, lead, rest = title_and_lead([nbformat.v4.new_markdown_cell(source)])
    page = Page(url, title, source=path)
    page.lead = inline(lead, page, site)
    page.body = f'<section class="prose">{markdown(rest, page, site)}</section>'
    return page


def relink(page, site, urls):
    "Links of a page that point at files of the project, turned into links inside the site; other files are copied along."
    home = posixpath.dirname(page.source.relative_to(ROOT).as_posix()) if page.source else None

    def turn(m):
        before, link = m.groups()
        if home is None or not link or SCHEME.match(link) or link.startswith("#"): return m[0]
        target, hash_, anchor = unquote(html.unescape(link)).partition("#")
        path = posixpath.normpath(posixpath.join(home, target))
        if path in urls: return before + relative(urls[path], page.url) + hash_ + anchor
        file = ROOT/path
        if path.startswith("..") or not file.is_file(): return m[0]  # inside the site already, or broken: the check will tell
        copy = path.removeprefix("nbs/") if path.startswith("nbs/") else f"files/{file.name}" + ("" if file.suffix else ".txt")
        site.write(copy, file.read_bytes())
        return before + relative(copy, page.url) + hash_ + anchor

    page.body, page.lead = TARGET.sub(turn, page.body), TARGET.sub(turn, page.lead)


def references_page(site):
    "The list of references, with the pages that cite each."
    page = Page("references.html", "References", "Works that the notebooks cite. The same list as BibTeX: <a href=\"references.bib\">references.bib</a>.")
    site.write("references.bib", (NBS/"references.bib").read_bytes())
    rows = []
    for work in site.works.values():
        citing = [o for o in site.pages if work.key in o.cited and o.group != "more"]
        where = ", ".join(f'<a href="{o.url}">{html.escape(o.title)}</a>' for o in citing)
        rows.append(f'<li id="{work.key}">{work.html()}{f" <span class=citing>Cited in {where}.</span>" if where else ""}</li>')
    page.body = '<ol class="works">' + "\n".join(rows) + "</ol>"
    return page


def gallery_page(site):
    "Every figure that a notebook saved, with a link to the cell that drew it."
    page = Page("gallery.html", "Gallery", "Every figure of these pages. Click one to see the code that draws it.")
    parts = []
    for group in ("home", "tutorials", "apps", "modules", "benchmarks"):
        shown = [(o, f) for o in site.group(group) for f in o.figures]
        if not shown: continue
        name = GROUPS[group][0] if group in GROUPS else "Start"
        page.contents.append((2, name, group))
        tiles = [f'<a class="tile" href="{o.url}#{anchor}"><img src="{file}" alt="{html.escape(caption)}" loading="lazy"><b>{html.escape(o.title)}</b><span>{html.escape(caption)}</span></a>'
                 for o, (file, anchor, caption) in shown]
        parts.append(f'<h2 id="{group}">{name}</h2><div class="tiles">{"".join(tiles)}</div>')
    page.body = "\n".join(parts)
    return page


def group_page(group, site):
    "The contents of a group: titles and `>` lines."
    title, lead = GROUPS[group]
    page = Page(f"{group}/index.html", title, group=f"{group}-contents")
    page.lead = inline(lead, page, site)
    parts, chapter = [], None
    for o in site.group(group):
        if o.chapter != chapter:
            chapter = o.chapter
            anchor = slug(chapter, {c[2] for c in page.contents})
            page.contents.append((2, chapter, anchor))
            parts.append(f'<h2 id="{anchor}">{html.escape(chapter)}</h2>')
        lead = re.sub(r"</?a\b[^>]*>", "", o.lead)
        parts.append(f'<a class="card" href="{page.up(o.url)}"><b>{html.escape(o.title)}</b><span>{lead}</span></a>')
    page.body = "\n".join(parts)
    return page


def reading_order(site): return [o for g in ("home", "tutorials", "apps", "modules", "benchmarks") for o in site.group(g)]


def search_index(site):
    "What the search box looks through: [url, title, group, headings, text] of each page."
    rows = []
    for o in site.pages:
        prose = " ".join(re.findall(r'<section class="prose">(.*?)</section>', o.body, flags=re.DOTALL)) or (o.body if o.group == "api" else "")
        rows.append([o.url, o.title, GROUPS.get(o.group, (o.group.title(),))[0], [[t, a] for _, t, a in o.contents], text_of(o.lead + " " + prose)[:2500]])
    return "window.SEARCH = " + json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


# ---- links ----

class Links(HTMLParser):
    "Anchors and links of a page."

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"): self.anchors.add(value)
            if (name == "href" and tag in ("a", "link")) or (name == "src" and tag in ("img", "script", "source", "iframe")): self.links.append(value or "")


def broken_links(folder):
    "`page: link (why)` for each link inside a built site that leads nowhere."
    pages = {o.relative_to(folder).as_posix(): Links(o.read_text(encoding="utf-8")) for o in sorted(Path(folder).rglob("*.html"))}
    bad = []
    for page, found in pages.items():
        for link in dict.fromkeys(found.links):
            if SCHEME.match(link): continue
            target, _, anchor = unquote(link).partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
            if path.startswith("..") or not (Path(folder)/path).is_file(): bad.append(f"{page}: {link} (no such page)")
            elif anchor and path in pages and anchor not in pages[path].anchors: bad.append(f"{page}: {link} (no such anchor)")
    return bad


# ---- all together ----

def build(out, only=None, modules=None):
    "The site in the folder `out`. `only`: notebooks, from nbs/; `modules`: those with an API page; None = all. Returns the site."
    from api_pages import api_page, documented_modules  # imports the package: seconds
    modules = documented_modules() if modules is None else list(modules)
    site = Site(Path(out), read_works(), set(modules))
    paths = [o for o in notebooks() if only is None or o.relative_to(NBS).as_posix() in only]
    for o in paths: site.add(notebook_page(o, site))
    for name in modules: site.add(api_page(name, site))
    for name, url in (("CHANGELOG.md", "changelog.html"), ("CONTRIBUTING.md", "contributing.html")): site.add(markdown_page(ROOT/name, url, site))
    site.add(gallery_page(site))
    site.add(references_page(site))
    for group in GROUPS:
        if group != "more": site.add(group_page(group, site))
    urls = {o.source.relative_to(ROOT).as_posix(): o.url for o in site.pages if o.source}
    for o in site.pages: relink(o, site, urls)
    write_pages(site)
    return site


def write_pages(site):
    "Each page in its frame, with the shared files."
    frame = Environment(loader=FileSystemLoader(LOOKS), autoescape=False, trim_blocks=True, lstrip_blocks=True).get_template("page.html")
    order = reading_order(site)
    chapters = {}
    for o in site.group("modules"): chapters.setdefault(o.chapter, []).append(o)
    for o in site.pages:
        at = order.index(o) if o in order else -1
        notebook = o.source if o.source and o.source.suffix == ".ipynb" else None
        if notebook: site.write(notebook.relative_to(NBS).as_posix(), notebook.read_bytes())
        site.write(o.url, frame.render(page=o, site=site, groups=GROUPS, chapters=chapters, notebook=notebook and notebook.name, badges=badges(notebook.relative_to(ROOT).as_posix(), repository()) if notebook else [],
                                       previous=order[at - 1] if at > 0 else None, following=order[at + 1] if 0 <= at < len(order) - 1 else None))
    light, dark = (HtmlFormatter(style=o).get_style_defs(".highlight") for o in ("default", "github-dark"))
    site.write("site.css", (LOOKS/"site.css").read_text(encoding="utf-8").replace("/* light code */", light).replace("/* dark code */", scoped(dark)))
    site.write("site.js", (LOOKS/"site.js").read_bytes())
    site.write("search.js", search_index(site))
    site.write(".nojekyll", "")


def scoped(css): return "\n".join(re.sub(r"^", ':root[data-theme="dark"] ', o) for o in css.split("\n") if o.startswith(".highlight"))


def quarto_sidebar():
    "nbs/sidebar.yml: the contents of the Quarto site in the same order."
    lines = ["website:", "  sidebar:", "    contents:", "      - index.ipynb"]
    last = None
    for o in notebooks()[1:]:
        folder = o.relative_to(NBS).parts[0] if o.parent != NBS else "modules"
        section = GROUPS.get(folder, (folder.title(),))[0]
        if section != last:
            lines += [f"      - section: {section}", "        contents:"]
            last = section
        lines.append(f"          - {o.relative_to(NBS).as_posix()}")
    return "\n".join(lines) + "\n"


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT/"_docs")
    parser.add_argument("--sidebar", action="store_true", help="write nbs/sidebar.yml for Quarto instead")
    options = parser.parse_args(args)
    if options.sidebar:
        (NBS/"sidebar.yml").write_text(quarto_sidebar(), encoding="utf-8")
        return 0
    shutil.rmtree(options.out, ignore_errors=True)
    site = build(options.out)
    if bad := broken_links(options.out):
        print("\n".join([f"{len(bad)} broken links in {options.out}:", *bad]), file=sys.stderr)
        return 1
    print(f"{len(site.pages)} pages in {options.out}: open {options.out/'index.html'}")
    return 0


if __name__ == "__main__":
    from build_docs import main as run  # under the name by which api_pages knows this module
    sys.exit(run())
