"""Citations in prose ("Nemhauser, Wolsey & Fisher 1978", "Ash et al. (2020)") and the works of nbs/references.bib that they name.

usage: python tools/citations.py      lists citations that name no work of the list, by notebook
"""
import re
import sys
import unicodedata
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parent.parent
WORD = r"[A-ZÀ-Þ][\w'’-]+"
NAME = rf"(?:(?:van|de|von) )?{WORD}"
CITATION = re.compile(rf"(?P<names>{NAME}(?:(?:, | )(?={NAME}){NAME})*(?: (?:&|and) {NAME})?)(?P<others> et al\.)?,? (?P<open>\()?(?P<year>(?:18|19|20)\d\d)\b(?!-\d)")
NOT_NAMES = {"In", "Of", "Until", "Since", "Before", "After", "From", "Version", "Release", "January", "February", "March", "April", "May", "June", "July",
             "August", "September", "October", "November", "December"}


def plain(text):
    "Lower case without accents: how names are compared."
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower().replace("’", "'")


@dataclass(frozen=True)
class Work:
    "One entry of the list."
    key: str
    authors: tuple # last names
    full: tuple # (first names, last names) of each
    year: str
    fields: dict

    @property
    def label(self):
        "How prose names it: Ash et al. 2020."
        known = [o for o in self.authors if o != "others"]
        if len(known) < len(self.authors) or len(known) > 3: return f"{known[0]} et al. {self.year}"
        return f"{', '.join(known[:-1])} & {known[-1]} {self.year}" if len(known) > 1 else f"{known[0]} {self.year}"

    @property
    def people(self):
        "All authors, as a bibliography writes them."
        names = ["others" if last == "others" else f"{first} {last}".strip() for first, last in self.full]
        if names[-1] == "others": return ", ".join(names[:-1]) + " and others"
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))

    def link(self):
        "(text, address) of where to read it, or None."
        if doi := self.fields.get("doi"): return f"doi {doi}", f"https://doi.org/{doi}"
        if arxiv := self.fields.get("eprint"): return f"arXiv {arxiv}", f"https://arxiv.org/abs/{arxiv}"
        if url := self.fields.get("url"): return re.sub(r"^https?://|/$", "", url), url
        return None

    def venue(self):
        "Where it appeared: journal, volume and pages."
        f = self.fields
        place = f.get("journal") or f.get("booktitle") or f.get("publisher") or f.get("institution") or f.get("howpublished") or ("arXiv preprint" if "eprint" in f else "")
        number = f"{f['volume']}({f['number']})" if "volume" in f and "number" in f else f.get("volume") or f.get("number", "")
        series = f"{f['series']} {number}" if "series" in f else number
        return ", ".join(filter(None, [f"{place} {series}".strip() if "series" not in f else f"{place}, {series}", f.get("pages", "").replace("--", "–"), self.year]))

    def html(self):
        "One line of the list of references."
        link = self.link()
        where = f'. <a href="{escape(link[1])}">{escape(link[0])}</a>' if link else ""
        return f"{escape(self.people)}. <em>{escape(self.fields['title'])}</em>. {escape(self.venue())}{where}."


def unbraced(text): return re.sub(r"[{}]", "", text).replace(" -- ", " – ")


def read_works(path=ROOT/"nbs/references.bib"):
    "The works of a BibTeX file, by key, in the order of their authors."
    works = {}
    for key, entry in parse_file(str(path), bib_format="bibtex").entries.items():
        people = entry.persons.get("author", [])
        full = tuple((" ".join([*p.first_names, *p.middle_names]), unbraced(" ".join([*p.prelast_names, *p.last_names]))) for p in people)
        fields = {k.lower(): v if k in ("doi", "url") else unbraced(v) for k, v in entry.fields.items()}
        works[key] = Work(key, tuple(last for _, last in full), full, fields["year"], fields)
    return dict(sorted(works.items(), key=lambda o: (plain(" ".join(o[1].authors)), o[1].year)))


def matching(works, names, year):
    "Works that `names` and `year` can mean: all names given are authors in order, or one name is the first author, or it is a short title."
    said = [plain(o) for o in re.split(r", | & | and ", names)]
    found = []
    for work in works.values():
        if work.year != year: continue
        last = [plain(o) for o in work.authors]
        short = plain(work.fields.get("shorttitle", ""))
        if (said == last[:len(said)] and len(said) in (1, len(last))) or (short and plain(names).endswith(short)): found.append(work)
        elif len(said) > 1 and said[0] in (short, "celf", "sgc", "gcn", "gears") and said[1:] == last[:len(said) - 1]: found.append(work)
        elif len(said) == 1 and last and last[0].split()[-1] == said[0]: found.append(work)
    return found


@dataclass(frozen=True)
class Found:
    "A citation in a text: where it stands, and the works it may mean."
    start: int
    end: int
    text: str
    works: tuple


def citations(text, works, before=()):
    "Citations in a text, in order. Of several works with the same first author and year, the one named in full in `before` or earlier here is meant."
    named, venues = list(before), {o.fields.get("journal") for o in works.values()}
    for m in CITATION.finditer(text):
        names, year = m["names"], m["year"]
        if names.split(",")[0].split(" ")[0] in NOT_NAMES or names in venues: continue
        found, start = matching(works, names, year), m.start()
        while not found and re.search(r"[ ,]", names):  # words before the names that are no names: "See Ash 2020"
            cut = re.match(r"[^ ,]+[ ,]+(?:(?:&|and) )?", names).end()
            names, start = names[cut:], start + cut
            found = matching(works, names, year)
        if len(found) > 1: found = [o for o in reversed(named) if o in found][:1] or found
        if len(found) == 1: named.append(found[0])
        end = m.end() + (1 if m["open"] and text[m.end():m.end() + 1] == ")" else 0)
        yield Found(start if found else m.start(), end, text[start if found else m.start():end], tuple(found))


def prose(path):
    "The prose of a notebook, code spans and fences left out."
    text = "\n\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    return re.sub(r"`[^`\n]*`", "``", re.sub(r"```.*?```", "", text, flags=re.DOTALL)).replace("\n", " ")


def unlisted(path, works):
    "Citations in the prose of a notebook that name no work of the list, or more than one."
    return [o.text for o in citations(prose(path), works) if len(o.works) != 1]


if __name__ == "__main__":
    works = read_works()
    pages = [o for o in sorted((ROOT/"nbs").rglob("*.ipynb")) if ".ipynb_checkpoints" not in o.parts]
    missing = {o.relative_to(ROOT).as_posix(): m for o in pages if (m := unlisted(o, works))}
    for page, found in missing.items(): print(f"{page}: {'; '.join(found)}")
    sys.exit(bool(missing))
