"""The Sphinx extension of this site: notebooks, API and gallery joined. `conf.py` has what is merely set."""

import re
import shutil
from base64 import b64decode
from pathlib import Path

import api
import contents
import notebooks
from citations import read_works
from docutils import nodes
from sphinx.util.nodes import make_refnode

HOME = "nbs/index"
ALSO = ("docs/api/index", "docs/gallery/index", "docs/references", "CHANGELOG", "CONTRIBUTING")


def docname_of(app, path):
    return Path(path).relative_to(app.srcdir).with_suffix("").as_posix()


def prepare(app):
    "Before anything is read: the contents, and the pages that are made: API and gallery."
    for folder in ("api", "gallery"):
        shutil.rmtree(
            Path(app.srcdir) / "docs" / folder, ignore_errors=True
        )  # of what is gone by now
    app.book = contents.book(Path(app.srcdir) / "nbs")
    app.docnames = {o.path: docname_of(app, o.path) for o in contents.pages(app.book)}
    app.nodes = {app.docnames[o.path]: o for o in contents.pages(app.book)}
    app.config.bib_works = read_works(Path(app.srcdir) / "nbs/references.bib")
    modules = {api.module_of(o): app.docnames[o] for o in app.docnames}
    app.config.autosummary_context = {
        "pages": modules,
        "public": {o: api.members(o) for o in modules if o},
    }
    write(Path(app.srcdir) / "docs/api/index.rst", api.api_index(app.book))
    write_gallery(app)


def write(path, data):
    "A file in a folder that may be new."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


# ---- figures ----


def markdown_text(text):
    return re.sub(r"([\\`*_{}\[\]<>#$|])", r"\\\1", text)


def picture(figure):
    "The file of a figure, from the top of the project."
    return f"docs/gallery/{figure.anchor.removeprefix('figure-')}{figure.ending}"


def card(figure, title):
    "A figure as a card that leads to the code which drew it."
    link = f"{{ref}}`{title.replace('`', '')} <{figure.anchor}>`"
    lines = [
        ":::{grid-item-card}",
        f":img-top: /{picture(figure)}",
        f":img-alt: {figure.caption or title}",
        ":class-card: figure-card",
        "",
        link,
        "",
        markdown_text(figure.caption),
        ":::",
    ]
    return "\n".join(lines)


def grid(cards):
    return "\n".join(["::::{grid} 1 2 3 3", ":gutter: 3", "", *cards, "::::"]) if cards else ""


def write_gallery(app):
    "Every figure of the book by part; for the start page, the last one of each page that stands before the chapters."
    app.tiles, text = (
        [],
        [
            "# Gallery",
            "",
            "> Every figure of these pages. Each leads to the code that draws it.",
            "",
        ],
    )
    home = contents.Node("Start", None, [contents.page(Path(app.srcdir) / f"{HOME}.ipynb")])
    for part in [home, *app.book]:
        cards = []
        for page in contents.pages([part]):
            found = notebooks.figures(page.path, docname_of(app, page.path))
            for o in found:
                write(
                    Path(app.srcdir) / picture(o),
                    o.data.encode() if o.ending == ".svg" else b64decode(o.data),
                )
            cards += [card(o, page.title) for o in found]
            first = page.path.relative_to(Path(app.srcdir) / "nbs").parts[0] in contents.FIRST
            if first and found:
                app.tiles.append(card(found[-1], page.title))
        if cards:
            text += [f"## {part.title}", "", grid(cards), ""]
    write(Path(app.srcdir) / "docs/gallery/index.md", "\n".join(text))


# ---- notebooks ----


def read_source(app, docname, source):
    "A notebook as its page; the start page also has some figures and the contents, an overview those of its chapter."
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    after = []
    if docname == HOME:
        if app.tiles:
            more = "All are in the [gallery](/docs/gallery/index.md)."
            after.append("\n".join(["## Figures", "", grid(app.tiles), "", more]))
        after += [notebooks.toctree(o.below, app.docnames, o.title) for o in app.book]
        after.append(
            notebooks.toctree(
                [], app.docnames, "Reference", [o for o in ALSO if o in app.env.found_docs]
            )
        )
    elif (node := app.nodes.get(docname)) and node.below:
        after = [
            notebooks.chapter_list(node.below, app.docnames),
            notebooks.toctree(node.below, app.docnames),
        ]
    source[0] = notebooks.as_page(source[0], docname, app.config.bib_works, tuple(after))


# ---- names of the package in prose ----


def public_names(app):
    "{last part: entries} of all documented objects."
    names = {}
    for full, entry in app.env.get_domain("py").objects.items():
        if entry.objtype != "module" and full.startswith(f"{api.PACKAGE}."):
            names.setdefault(full.rsplit(".", 1)[1], []).append((full, entry))
    return names


def meant(full, prefix, name):
    "Whether `prefix` and `name` tell the object: the end of its full name, or its wing (`pl` is plotting)."
    wing = full.split(".")[1]
    short = "pl." if wing == "plotting" else f"{wing}."
    return f".{full}".endswith(f".{prefix}{name}") or prefix in (f"{wing}.", short)


def entry_of(text, names):
    "The object that code in prose means: `as_seed`, `core.as_seed`, `select(…)`. A plain lower-case word means none."
    m = re.fullmatch(rf"(?:(?:{api.PACKAGE}|gs)\.)?((?:\w+\.)*)(\w+)(\(.*\))?", text)
    if m is None:
        return None
    found = [(full, entry) for full, entry in names.get(m[2], []) if meant(full, m[1], m[2])]
    prefixed = bool(m[1] or m[3]) or text.startswith("gs.")
    if len(found) != 1 or (not prefixed and m[2].islower() and "_" not in m[2]):
        return None
    top = found[0][1].objtype in ("function", "class", "exception", "data")
    return found[0][1] if top or m[1] else None


def link_names(app, doctree, docname):
    "Code in prose that names something of the package becomes a link to it."
    names = public_names(app)
    for node in list(doctree.findall(nodes.literal)):
        above = node.parent, node.parent.parent
        if isinstance(above[0], nodes.reference) or any(isinstance(o, nodes.title) for o in above):
            continue
        entry = entry_of(node.astext(), names)
        if entry:
            node.replace_self(
                make_refnode(app.builder, docname, entry.docname, entry.node_id, node.deepcopy())
            )


def setup(app):
    app.add_config_value("bib_works", [], "")
    app.connect("builder-inited", prepare, priority=100)  # before autosummary looks for its pages
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", api.process_docstring, priority=100)  # before numpydoc
    app.connect("autodoc-process-signature", api.process_signature)
    app.connect("autodoc-skip-member", api.skip_member)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": False, "version": "1"}
