"""Citations in prose, as "Nemhauser, Wolsey & Fisher 1978" or "Ash et al. (2020)", and the works they name."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from pybtex.database import parse_file

BIB = Path(__file__).resolve().parents[2] / "nbs/references.bib"
NAME = r"(?:(?:van|de|von) )?[A-ZÀ-Þ][\w'’-]+"
CITATION = re.compile(
    rf"(?P<names>{NAME}(?:(?:, | )(?={NAME}){NAME})*(?: (?:&|and) {NAME})?)(?: et al\.)?,? \(?"
    r"(?P<year>(?:18|19|20)\d\d)\b(?!-\d)"
)
NOT_NAMES = set(
    "In Of Until Since Before After From Version Release January February March April May June July August "
    "September October November December".split()
)
CODE = re.compile(
    r"^```.*?^```|^~~~.*?^~~~|`+[^`\n]*`+|\$\$.*?\$\$|\]\([^)]*\)", re.MULTILINE | re.DOTALL
)


def plain(
    text: str,  # a name, possibly with braces of BibTeX
) -> str:  # lower case without accents
    "How names are compared."
    letters = unicodedata.normalize("NFKD", re.sub(r"[{}]", "", text))
    return "".join(c for c in letters if not unicodedata.combining(c)).lower().replace("’", "'")


@dataclass(frozen=True)
class Work:
    "An entry of the list."

    key: str
    authors: tuple  # last names, as `plain` has them
    year: str
    shorttitle: str  # as `plain` has it; may be empty
    journal: str

    def named(self, names, year):
        "Whether a citation means this work: all authors, or the first, or its short title."
        if self.year != year:
            return False
        said = [plain(o) for o in re.split(r", | & | and ", names)]
        if len(said) in (1, len(self.authors)) and said == list(self.authors[: len(said)]):
            return True
        if self.shorttitle and plain(names).endswith(self.shorttitle):
            return True
        return len(said) == 1 and self.authors[0].split()[-1] == said[0]


def read_works(
    path: Path = BIB,  # a BibTeX file
) -> list:  # of `Work`
    "The works of a BibTeX file."
    works = []
    for key, entry in parse_file(str(path), bib_format="bibtex").entries.items():
        people = entry.persons.get("author", [])
        last = tuple(plain(" ".join([*o.prelast_names, *o.last_names])) for o in people)
        fields = entry.fields
        works.append(
            Work(
                key,
                last,
                fields["year"],
                plain(fields.get("shorttitle", "")),
                fields.get("journal", ""),
            )
        )
    return works


@dataclass(frozen=True)
class Found:
    "A citation in a text."

    text: str  # from the names to the year
    year_at: int  # where the year stands
    keys: tuple  # of the works it may mean


def citations(
    text: str,  # prose
    works: list,  # of `Work`
    named: list
    | None = None,  # works cited before on this page, the last at the end; those of the text are added
):  # an iterator of `Found`
    """Citations in a text, in order; code, links and formulas are passed over.

    Of several works with the same first author and year, the one last named in full is meant.
    """
    named = [] if named is None else named
    text = CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    text = text.replace("\n", " ")
    journals = {o.journal for o in works}
    for m in CITATION.finditer(text):
        names, year = m["names"], m["year"]
        if re.split("[, ]", names)[0] in NOT_NAMES or names in journals:
            continue
        found, names = meant(names, year, works)
        if len(found) > 1:
            found = [o for o in reversed(named) if o in found][:1] or found
        if len(found) == 1:
            named.append(found[0])
        start = m.start() + len(m["names"]) - len(names)
        yield Found(text[start : m.end()], m.start("year"), tuple(o.key for o in found))


def meant(names, year, works):
    "The works meant, and the names without words before them that are none: See Ash 2020; GCN, Kipf & Welling 2017."
    rest = names
    while True:
        found = [o for o in works if o.named(rest, year)]
        if found:
            return found, rest
        cut = re.match(r"[^ ,]+[ ,]+(?:(?:&|and) )?", rest)
        if cut is None:
            return [], names
        rest = rest[cut.end() :]


def cite(
    text: str,  # prose
    works: list,  # of `Work`
    role: str = "{cite:year}`%s`",  # what a year becomes, with the key for `%s`
    named: list | None = None,  # as `citations` has it
) -> str:
    "The text with the year of each known citation turned into a role of sphinxcontrib-bibtex; the words stay."
    out, at = [], 0
    for o in citations(text, works, named):
        if len(o.keys) != 1:
            continue
        out += [text[at : o.year_at], role % o.keys[0]]
        at = o.year_at + 4
    return "".join([*out, text[at:]])


def unlisted(text, works):
    "Citations that name no work, or more than one."
    return [o.text for o in citations(text, works) if len(o.keys) != 1]
