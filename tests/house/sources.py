"""The project's source files, read as text and as syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Import package -> the folder that holds it.
PACKAGES = {
    "waypass_protocol": "protocol",
    "waypass_reader": "device",
    "waypass_server": "server",
    "waypass_simulator": "simulator",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One Python file of a package."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its path inside the checkout."""
        return self.path.relative_to(ROOT).as_posix()


def sources(package: str) -> list[Source]:
    """All modules of an import package."""
    folder = ROOT / PACKAGES[package] / package
    return [
        Source(path=path, tree=ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for path in sorted(folder.rglob("*.py"))
    ]


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that the tree imports, absolute, wherever the import stands; also by `import_module("...")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__", "run_module"}:
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def called(node: ast.Call) -> str:
    """The last name of what is called: `now` in `datetime.now()`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def root_of(module: str) -> str:
    """`waypass_server` of `waypass_server.models.person`."""
    return module.partition(".")[0]
