"""The measures of the house: long lines, functions and signatures, public names (`python tools/house.py`)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE, LONG_LINE, MOST_STATEMENTS, MOST_POSITIONAL = 120, 100, 25, 6


def modules(root: Path = ROOT) -> list[Path]:
    "What is exported, the index aside."
    return [o for o in sorted((root / "graphsel").rglob("*.py")) if o.name != "_modidx.py"]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    "All functions of a module, methods and inner ones among them."
    return (o for o in ast.walk(tree) if isinstance(o, ast.FunctionDef | ast.AsyncFunctionDef))


def statements(function: ast.AST) -> int:
    "Statements in the body of a function, however deep; docstrings and inner functions' bodies are counted elsewhere."
    found, todo = 0, list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        found += isinstance(node, ast.stmt)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            todo += [
                o
                for o in ast.iter_child_nodes(node)
                if isinstance(o, ast.stmt | ast.excepthandler | ast.match_case)
            ]
    return found


def positional(function: ast.FunctionDef) -> int:
    "Parameters that may be given by position, self aside."
    names = [o.arg for o in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (bool(names) and names[0] in ("self", "cls"))


def is_compiled(function: ast.FunctionDef) -> bool:
    "Numba's loops: arrays in, arrays out, no keyword arguments."
    return any("njit" in ast.unparse(o) for o in function.decorator_list)


def long_functions(root: Path = ROOT) -> list[str]:
    "path:line name, statements - of the functions that do too much."
    return [
        f"{path.relative_to(root)}:{f.lineno} {f.name}: {n} statements"
        for path in modules(root)
        for f in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (n := statements(f)) > MOST_STATEMENTS
    ]


def long_signatures(root: Path = ROOT) -> list[str]:
    "path:line name, parameters - of the functions that take too many by position."
    return [
        f"{path.relative_to(root)}:{f.lineno} {f.name}: {n} positional parameters"
        for path in modules(root)
        for f in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (n := positional(f)) > MOST_POSITIONAL and not is_compiled(f)
    ]


def lines(root: Path = ROOT) -> list[tuple[str, int]]:
    "(path:line, columns) of every line of the modules."
    return [
        (f"{path.relative_to(root)}:{i}", len(line))
        for path in modules(root)
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


def public_names(root: Path = ROOT) -> list[str]:
    "What the wings offer, by their stubs."
    found = set()
    for stub in (root / "graphsel").glob("*/__init__.pyi"):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if node.module:
                found |= {f"{stub.parent.name}.{o.name}" for o in node.names}
    return sorted(found)


def main() -> int:
    "Print the measures; 1 where one is not kept."
    every, functions_, signatures = lines(), long_functions(), long_signatures()
    over = [where for where, n in every if n > LONGEST_LINE]
    print(*over, *functions_, *signatures, sep="\n")
    share = sum(n > LONG_LINE for _, n in every) / len(every)
    print(
        f"lines: {len(every):,}; over {LONGEST_LINE} columns: {len(over)}; over {LONG_LINE}: {share:.1%}"
    )
    print(f"functions over {MOST_STATEMENTS} statements: {len(functions_)}")
    print(f"functions with over {MOST_POSITIONAL} positional parameters: {len(signatures)}")
    print(f"public names: {len(public_names())}")
    return bool(over or functions_ or signatures or share >= 0.05)


if __name__ == "__main__":
    sys.exit(main())
