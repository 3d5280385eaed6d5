"""README.md from nbs/index.ipynb: prose, code, text outputs; hidden cells, directives and images by code are left out.

usage: python tools/render_readme.py [NOTEBOOK [README]]
"""

import configparser
import posixpath
import re
import sys
from pathlib import Path

import heavy

ROOT = Path(__file__).resolve().parent.parent
NOTE = (
    "<!-- Rendered from nbs/index.ipynb by `make readme`: edit the notebook, not this file. -->\n\n"
)
KEPT = "text/markdown", "text/plain"  # the first that an output has is the one shown
LINK = re.compile(
    r"""(\]\(|(?:src|href)=["'])(?![a-z][a-z0-9+.-]*:|[/#])([^)\s"']+)""", re.IGNORECASE
)


def split_directives(source):
    "The `#|` lines that open a cell, as {name: value}, and the rest of the cell."
    lines, found = source.split("\n"), {}
    while lines and (lines[0].startswith("#|") or (found and not lines[0].strip())):
        name, _, value = lines.pop(0)[2:].strip().partition(" ")
        if name:
            found[name.rstrip(":")] = value.strip()
    return found, "\n".join(lines)


def relocate(text, folder):
    "Relative links of a page in `folder`, as seen from the project's root. Fenced code is left alone."
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    moved = [
        LINK.sub(lambda m: m[1] + posixpath.normpath(posixpath.join(folder, m[2])), o)
        for o in parts[::2]
    ]
    parts[::2] = moved
    return "".join(parts)


def text_output(output):
    "`output` reduced to its text, or None where there is none (a figure, progress on stderr)."
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    mime = next((o for o in KEPT if o in output.get("data", {})), None)
    if mime is None or any(o.startswith("image/") for o in output.data):
        return None
    return heavy.nbformat.v4.new_output("display_data", data={mime: output.data[mime]})


def visible(cell, folder):
    "The cell as README shows it, or None."
    found, source = split_directives(cell.source)
    if cell.cell_type == "raw" or "hide" in found or found.get("include") == "false":
        return None
    if cell.cell_type == "markdown":
        return heavy.nbformat.v4.new_markdown_cell(relocate(source, folder))
    if found.get("echo") == "false":
        source = ""
    shown = (
        []
        if found.get("output") == "false"
        else [o for o in map(text_output, cell.outputs) if o is not None]
    )
    return (
        heavy.nbformat.v4.new_code_cell(source, outputs=shown) if source.strip() or shown else None
    )


def repository(settings=ROOT / "settings.ini"):
    "owner/name on GitHub, or an empty string while it is not known."
    parser = configparser.ConfigParser(delimiters=["="])
    parser.read(settings, encoding="utf-8")
    return parser["DEFAULT"].get("repository", "").strip()


def badges(name, where):
    "(text, image, address) of services that open the notebook `name` of the repository `where`; none without one."
    if not where:
        return []
    return [
        (
            "Open in Binder",
            "https://mybinder.org/badge_logo.svg",
            f"https://mybinder.org/v2/gh/{where}/HEAD?labpath={name}",
        ),
        (
            "Open in Colab",
            "https://colab.research.google.com/assets/colab-badge.svg",
            f"https://colab.research.google.com/github/{where}/blob/main/{name}",
        ),
    ]


def with_badges(text, where):
    "The badges of the first tutorial below the `>` line."
    shown = " ".join(
        f"[![{t}]({image})]({url})"
        for t, image, url in badges("nbs/tutorials/01_plan_a_screen.ipynb", where)
    )
    return (
        re.sub(r"(\n> [^\n]*\n)", lambda m: f"{m[1]}\n{shown}\n", text, count=1) if shown else text
    )


def render(notebook=ROOT / "nbs/index.ipynb", folder="nbs"):
    "The text of README.md for `notebook`, whose relative links start from `folder`."
    nb = heavy.nbformat.read(notebook, as_version=4)
    cells = [o for o in (visible(c, folder) for c in nb.cells) if o is not None]
    page = heavy.nbformat.v4.new_notebook(
        cells=cells, metadata={"language_info": {"name": "python"}}
    )
    body, _ = heavy.nbconvert.MarkdownExporter().from_notebook_node(page)
    body = re.sub(r"```python\s*```\n", "", body)  # code that is not shown, only what it made
    lines = [o.rstrip() for o in body.strip().split("\n")]
    return NOTE + with_badges(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)), repository()) + "\n"


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "nbs/index.ipynb"
    readme = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "README.md"
    readme.write_text(render(source), encoding="utf-8", newline="\n")
    print(f"{readme} rendered from {source}")
