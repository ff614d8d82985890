"""House rules that no linter knows, read from the syntax tree of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "raytrain"
MODULES = sorted(PACKAGE.rglob("*.py"))
PART_FOLDERS = ("augment", "callbacks", "losses", "models", "objectives", "optim", "tfr")
TABLES = [table for folder in PART_FOLDERS if (table := PACKAGE / folder / "build.py").is_file()]
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 80
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "misc", "tools", "util", "utils"}


def exported(tree: ast.Module) -> list[str] | None:
    """Return the names in `__all__`, or None where it is missing."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=names):
                return list(ast.literal_eval(names))
    return None


def export_faults(tree: ast.Module) -> Iterator[str]:
    """Yield what is wrong with `__all__` and what it names."""
    names = exported(tree)
    if names is None:
        yield "has no __all__"
        return
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, definitions) and node.name in names and not ast.get_docstring(node):
            yield f"{node.name} is public and has no docstring"


def node_faults(node: ast.AST, path: Path) -> Iterator[str]:
    """Yield what is wrong with one node of a module's tree."""
    match node:
        case ast.ImportFrom(level=level) if level > 0:
            yield f"line {node.lineno}: a relative import"
        case ast.Call(func=ast.Name(id="print")) if path.parts[0] != "cli":
            yield f"line {node.lineno}: prints; only cli may"
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            # From the docstring on: a command's signature is its list of options.
            lines = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{node.name} has {lines} lines, the limit is {MAX_FUNCTION_LINES}"


def faults(path: Path, source: str) -> list[str]:
    """Return what is wrong with the module at `path`, relative to the package."""
    tree = ast.parse(source)
    lines = len(source.splitlines())
    found = [fault for node in ast.walk(tree) for fault in node_faults(node, path)]
    if not ast.get_docstring(tree):
        found.append("has no docstring")
    if path.stem not in {"__init__", "__main__"}:
        found.extend(export_faults(tree))
    if lines > MAX_FILE_LINES:
        found.append(f"has {lines} lines, the limit is {MAX_FILE_LINES}")
    if path.stem in VAGUE_NAMES or path.stem.endswith("_v2"):
        found.append("is not named by its concept")
    return found


def siblings_named(source: str, folder: str) -> set[str]:
    """Return the modules of `raytrain.<folder>` that a module of it imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module)) if module == f"raytrain.{folder}":
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)) if module.startswith(f"raytrain.{folder}."):
                names.add(module.split(".")[2])
    return names


def unreachable(sources: dict[str, str], folder: str) -> set[str]:
    """Return the modules of a folder, name -> source, that its `build` does not lead to."""
    reached, ahead = {"__init__"}, {"build"}
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead |= (siblings_named(sources[name], folder) & sources.keys()) - reached
    return sources.keys() - reached


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_keeps_the_house_rules(path: Path) -> None:
    assert faults(path.relative_to(PACKAGE), path.read_text("utf-8")) == []


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.parent.name)
def test_every_part_is_in_its_table(table: Path) -> None:
    sources = {path.stem: path.read_text("utf-8") for path in table.parent.glob("*.py")}
    assert unreachable(sources, table.parent.name) == set()


def test_tables_are_found() -> None:
    assert {"losses", "models", "optim"} <= {table.parent.name for table in TABLES}


GOOD = '"""Doc."""\n\n__all__ = ["public"]\n\n\ndef public() -> None:\n    """Do."""\n'


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("data/a.py", GOOD.replace('"""Doc."""', ""), "has no docstring"),
        ("data/__init__.py", "", "has no docstring"),
        ("data/a.py", '"""Doc."""\n', "has no __all__"),
        ("data/a.py", GOOD.replace('"""Do."""', "return"), "public is public and has no docstring"),
        ("data/a.py", GOOD + "from . import b\n", "line 8: a relative import"),
        ("data/a.py", GOOD + "print()\n", "line 8: prints; only cli may"),
        ("data/a.py", GOOD + "    pass\n" * 80, "public has 81 lines, the limit is 80"),
        ("data/a.py", GOOD + "# more\n" * 300, "has 307 lines, the limit is 300"),
        ("data/utils.py", GOOD, "is not named by its concept"),
    ],
)
def test_a_broken_rule_is_found(path: str, source: str, fault: str) -> None:
    assert faults(Path(path), source) == [fault]


@pytest.mark.parametrize("path", ["data/windows.py", "cli/main.py"])
def test_a_good_module_has_no_faults(path: str) -> None:
    printing = "print()\n" if path.startswith("cli") else ""
    assert faults(Path(path), GOOD + printing) == []


def test_a_part_outside_its_table_is_found() -> None:
    sources = {
        "__init__": "",
        "build": "from raytrain.models.wdcnn import WDCNN\nfrom raytrain.models import cnn1d",
        "wdcnn": "from raytrain.models.blocks import Block",
        "cnn1d": "from raytrain.losses.focal import Focal",
        "blocks": "",
        "forgotten": "from raytrain.models.wdcnn import WDCNN",
    }
    assert unreachable(sources, "models") == {"forgotten"}
