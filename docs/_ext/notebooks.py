"""Notebooks as pages: nbdev's directives, citations, alternative texts, contents. They are read and never run."""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import heavy
from citations import cite
from contents import title_and_lead
from render_readme import split_directives

if TYPE_CHECKING:
    import nbformat

FIGURES = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpg"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def is_hidden(cell, found):
    "Cells that a reader never sees."
    if {"hide", "default_exp"} & found.keys() or found.get("include") == "false":
        return True
    heading = re.match(r"#+ .* -\s*$", cell.source)  # nbdev: for the author only
    return cell.cell_type == "raw" or (cell.cell_type == "markdown" and heading is not None)


def only_imports(source):
    "Whether code does nothing but import."
    try:
        return all(
            isinstance(o, (ast.Import, ast.ImportFrom, ast.If)) for o in ast.parse(source).body
        )
    except SyntaxError:
        return False  # a cell for IPython


def tags_of(found, source):
    "What the directives of a cell mean, in the tags of MyST-NB; `export` becomes a class for the style sheet."
    tags = []
    if "hide_input" in found or found.get("echo") == "false":
        tags.append("remove-input")
    elif found.get("code-fold") == "true" or ("export" in found and only_imports(source)):
        tags.append("hide-input")
    if "hide_output" in found or found.get("output") == "false":
        tags.append("remove-output")
    if found.keys() & {"export", "exports", "exporti"}:
        tags.append("export")
    return tags


def kept_outputs(cell, found):
    "Outputs without widgets, which need a kernel, and without progress on stderr."
    kept = [
        o for o in cell.outputs if WIDGET not in o.get("data", {}) and o.get("name") != "stderr"
    ]
    words = found.get("filter_stream", "").split()
    for o in kept:
        keep_ranges_whole(o.get("data", {}))
        if words and o.output_type == "stream":
            o.text = "".join(
                line for line in o.text.splitlines(True) if not any(w in line for w in words)
            )
    if found.get("output") != "asis":
        return kept
    return [as_markdown(o) if o.output_type == "stream" else o for o in kept]


def keep_ranges_whole(
    data: dict,  # of an output: kind -> content; changed
) -> None:
    "In tables no line ends behind the dash of 0.97–1.09 or 3–2–0."
    if "text/html" in data:
        data["text/html"] = re.sub("(?<=[\\w.])–(?=[\\w.])", "–\N{WORD JOINER}", data["text/html"])


def as_markdown(stream):
    return heavy.nbformat.v4.new_output("display_data", {"text/markdown": stream.text})


def code_cell(cell, found, source, caption):
    "A code cell without its directive lines, or None where nothing is left of it."
    lines = [o for o in source.split("\n") if not re.search(r"#\|\s*hide_line\s*$", o)]
    cell.source = "\n".join(lines).strip("\n")
    cell.outputs = kept_outputs(cell, found)
    tags = tags_of(found, cell.source)
    if not cell.source.strip():
        tags.append("remove-input")
    if {"remove-input"} & set(tags) and (not cell.outputs or "remove-output" in tags):
        return None
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), *tags]
    cell.metadata["mystnb"] = {"image": {"alt": caption}} if caption else {}
    if "hide-input" in tags:
        cell.metadata["mystnb"]["code_prompt_show"] = found.get("code-summary", "Imports").strip(
            '"'
        )
    return cell


def caption(
    prose: str,  # Markdown
) -> str:
    "The first sentence (two, if it is short) of the last paragraph before a figure, without markup."
    text = re.sub(r"```.*?```|\$\$.*?\$\$", "", prose, flags=re.DOTALL)
    blocks = [
        o
        for o in re.split(r"\n\s*\n", text)
        if o.strip() and not re.match(r"\s*(#|>|\||[-*] |\d\.)", o)
    ]
    last = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", blocks[-1]) if blocks else ""
    last = " ".join(re.sub(r"[`*$\\]", "", last).split())
    sentences, kept = re.split(r"(?<=[a-z)\]%][.?!:]) (?=[A-Z])", last), ""
    while sentences and len(kept) < 40:
        kept = f"{kept} {sentences.pop(0)}".strip()
    return kept.rstrip(":")


def shown_cells(nb: "nbformat.NotebookNode") -> list:
    "The cells of a notebook as a page shows them."
    prose, out = "", []
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            prose = cell.source
        found, source = split_directives(cell.source)
        if is_hidden(cell, found):
            continue
        if cell.cell_type == "code":
            cell = code_cell(cell, found, source, caption(prose))
        if cell is not None:
            out.append(cell)
    return out


def read_notebook(
    text: str,  # JSON
) -> "nbformat.NotebookNode":
    "A notebook, cleaned or not: what a run left in the metadata is dropped."
    nb = heavy.nbformat.from_dict(json.loads(text))
    for cell in nb.cells:
        cell.source = "".join(cell.source) if isinstance(cell.source, list) else cell.source
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        for o in cell.get("outputs", []):
            if isinstance(o.get("text"), list):
                o.text = "".join(o.text)
            o.get("data", {}).update(
                {k: "".join(v) for k, v in o.get("data", {}).items() if isinstance(v, list)}
            )
    return nb


def anchor(docname, number):
    return f"figure-{docname.replace('/', '-').lower()}-{number}"


@dataclass
class Figure:
    "A figure that a notebook saved."

    docname: str
    number: int  # among the figures of its page
    ending: str
    data: object
    caption: str

    @property
    def anchor(self):
        return anchor(self.docname, self.number)


def figure_of(cell):
    "(kind, data) of the first figure that a cell drew, or None."
    for o in cell.get("outputs", []):
        data = o.get("data", {})
        kind = next((k for k in FIGURES if k in data and "text/html" not in data), None)
        if kind:
            return kind, data[kind]
    return None


def is_figure(cell):
    shown = cell.cell_type == "code" and "remove-output" not in cell.metadata.get("tags", [])
    return shown and figure_of(cell) is not None


def figures(
    path: Path,  # the notebook
    docname: str,
) -> list:  # of `Figure`
    "The figures of a page, numbered as the page numbers them."
    out = []
    for cell in filter(is_figure, shown_cells(read_notebook(path.read_text(encoding="utf-8")))):
        kind, data = figure_of(cell)
        about = cell.metadata["mystnb"].get("image", {}).get("alt", "")
        out.append(Figure(docname, len(out) + 1, FIGURES[kind], data, about))
    return out


def with_anchors(cells, docname):
    "A target before each cell that draws a figure, to which the gallery leads."
    out, n = [], 0
    for cell in cells:
        if is_figure(cell):
            n += 1
            out.append(heavy.nbformat.v4.new_markdown_cell(f"({anchor(docname, n)})="))
        out.append(cell)
    return out


def chapter_list(nodes, docnames):
    "The pages of a chapter with what they say of themselves."
    if not nodes:
        return ""
    lines = ["## In this chapter", ""]
    for o in nodes:
        if o.path is None:
            continue
        title, lead = title_and_lead(o.path)
        lines.append(f"* [{title}](/{docnames[o.path]}.ipynb){': ' + lead if lead else ''}")
    return "\n".join(lines)


def toctree(nodes, docnames, caption="", more=()):
    "The toctree of pages, hidden: the sidebar shows it. A folder without an overview is replaced by its pages."
    entries = []
    for o in nodes:
        entries += [docnames[o.path]] if o.path else [docnames[p.path] for p in o.below if p.path]
    head = ["```{toctree}", ":hidden:"] + ([f":caption: {caption}"] if caption else [])
    return "\n".join([*head, *(f"/{o}" for o in [*entries, *more]), "```"])


def as_page(
    text: str,  # the notebook as JSON
    docname: str,
    works: list,  # for the citations
    after: tuple = (),  # Markdown cells at its end
) -> str:  # the notebook that Sphinx reads, as JSON
    "A notebook as its page: see `shown_cells`; with citations, targets and what comes `after`."
    nb = read_notebook(text)
    cells = with_anchors(shown_cells(nb), docname)
    named = []
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = cite(cell.source, works, named=named)
    nb.cells = [*cells, *(heavy.nbformat.v4.new_markdown_cell(o) for o in after if o)]
    nb.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return heavy.nbformat.writes(nb, version=4)
