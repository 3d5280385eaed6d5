"""The order of the pages, taken from the tree of notebooks: a sub-folder is a chapter, in the order of names."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

FIRST = ("tutorials", "apps")  # folders that stand before the chapters, where there are such


@dataclass
class Node:
    "A page with the pages below it; a folder without an overview page has a caption only."

    title: str
    path: Path | None = None  # the notebook
    below: list = field(default_factory=list)


def is_page(path):
    return not path.name.startswith((".", "_"))


def is_overview(path):
    return path.stem == "index" or re.match(r"0+_", path.stem) is not None


def caption_of(folder):
    return re.sub(r"^\d+[a-z]?_", "", folder.name).replace("_", " ").capitalize()


def title_and_lead(
    path: Path,  # a notebook
) -> tuple:  # title, and the text of the `>` line without links
    "What the first cell of a notebook says."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = next(("".join(o["source"]) for o in cells if o["cell_type"] == "markdown"), "")
    title = re.search(r"^# (.+)", first, re.MULTILINE)
    lead = re.search(r"^> (.+)", first, re.MULTILINE)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", lead[1]) if lead else ""
    return (title[1].strip() if title else path.stem), text


def page(path):
    return Node(title_and_lead(path)[0], path)


def chapter(folder: Path) -> Node:
    "A folder: its overview page (`index` or `00_…`) with the others, and its sub-folders, below it."
    notebooks = [o for o in sorted(folder.glob("*.ipynb")) if is_page(o)]
    overview = next((o for o in notebooks if o.stem == "index"), None)
    if overview is None and notebooks and is_overview(notebooks[0]):
        overview = notebooks[0]
    rest = sorted([*(o for o in notebooks if o != overview), *folders(folder)])
    below = [chapter(o) if o.is_dir() else page(o) for o in rest]
    return (
        Node(page(overview).title, overview, below)
        if overview
        else Node(caption_of(folder), None, below)
    )


def folders(folder):
    return [
        o for o in sorted(folder.iterdir()) if o.is_dir() and is_page(o) and any(o.rglob("*.ipynb"))
    ]


def rank(path):
    return FIRST.index(path.name) if path.name in FIRST else len(FIRST), path.is_dir(), path.name


def book(
    nbs: Path,  # the folder of the notebooks
) -> list:  # of `Node`, one per caption
    "The parts of the book: chapters with an overview page share one caption, other folders have their own."
    alone = [o for o in sorted(nbs.glob("*.ipynb")) if is_page(o) and o.stem != "index"]
    parts = []
    for o in sorted([*alone, *folders(nbs)], key=rank):
        node = chapter(o) if o.is_dir() else page(o)
        if node.path is None:
            parts.append(node)
        elif parts and parts[-1].title == "Chapters":
            parts[-1].below.append(node)
        else:
            parts.append(Node("Chapters", None, [node]))
    return parts


def pages(nodes):
    "All pages below, in reading order."
    for o in nodes:
        if o.path is not None:
            yield o
        yield from pages(o.below)
