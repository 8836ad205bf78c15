"""What `waypass_protocol` may not do: reach outside, look at a clock, draw random bytes, or keep state in a module."""

import ast
import sys
from collections.abc import Iterator

from tests.house.sources import called, imports, root_of

LIBRARIES = {"base45", "cbor2", "cryptography"}
# The standard library's doors to the outside, to clocks, to chance and to shared state.
OUTSIDE = {
    *("asyncio", "concurrent", "contextvars", "ctypes", "datetime", "fcntl", "ftplib", "glob", "http", "importlib"),
    *("io", "logging", "mmap", "multiprocessing", "os", "pathlib", "pickle", "queue", "random", "sched", "secrets"),
    *("select", "selectors", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "warnings", "weakref"),
}
BUILTINS = {"open", "print", "input", "exec", "eval", "compile", "breakpoint", "globals", "__import__"}
METHODS = {"now", "utcnow", "today", "urandom", "read_text", "read_bytes", "write_text", "write_bytes"}
CACHES = {"lru_cache", "cache", "cached_property"}
CONTAINERS = {"dict", "list", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter", "ChainMap"}
MUTATORS = {
    *("append", "extend", "insert", "pop", "popitem", "remove", "clear", "update", "setdefault", "add", "discard"),
    *("sort", "reverse"),
}


def impurities(tree: ast.Module) -> Iterator[str]:
    """What is impure in a module, in words."""
    for module in imports(tree):
        root = root_of(module)
        known = root in sys.stdlib_module_names or root in LIBRARIES or root == "waypass_protocol"
        if root in OUTSIDE or not known:
            yield f"imports {root}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield f"{type(node).__name__.lower()} {', '.join(node.names)}"
        elif isinstance(node, ast.Call) and called(node) in (BUILTINS if isinstance(node.func, ast.Name) else METHODS):
            yield f"calls {called(node)}"
        elif isinstance(node, ast.Name | ast.Attribute) and _last(node) in CACHES:
            yield f"caches with {_last(node)}"
    yield from _module_state(tree)


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _module_state(tree: ast.Module) -> Iterator[str]:
    """Containers of a module that wait to be filled, or are written into. A table that nobody writes is constant."""
    tables = set()
    for statement in tree.body:
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if value is None or not names:
            continue
        if _is_empty_container(value):
            yield f"keeps state in {', '.join(sorted(names))}"
        tables |= names
    for node in ast.walk(tree):
        if name := _written(node) & tables:
            yield f"writes into {', '.join(name)}"


def _is_empty_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List):
        return not value.elts
    return isinstance(value, ast.Call) and called(value) in CONTAINERS


def _written(node: ast.AST) -> set[str]:
    """The plain names whose content a node changes."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return {node.value.id} if isinstance(node.value, ast.Name) else set()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        return {node.func.value.id} if isinstance(node.func.value, ast.Name) else set()
    return set()
