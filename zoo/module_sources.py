"""Read the sources that determine the revision of an external model: its module and the local modules it imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

# Packages whose source is not part of an external model.
EXCLUDED = ("zoo", "benchmarks", "slurm", "torch", "builtins", "abc", "typing", "collections")

# Module -> digest of its source when this process first read it.
DIGESTS: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()


def module_sources(module: str) -> dict[str, bytes]:
    """Name -> source of an imported module and of all modules in its folder that it imports, sorted by name.

    It searches import statements, not `sys.modules`. Modules that another model has imported must not count, because a
    worker process may not have imported them. Imports with a computed name are not found.
    (The standard library's ModuleFinder fails for packages without an __init__.py.)

    Raises:
        OSError, TypeError: the source of the module cannot be read.
        ValueError: a file has changed since it was imported, so the loaded code differs from the file.
    """
    root = folder(module)
    sources: dict[str, bytes] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        top = name.split(".")[0]
        path = _file(name, root)
        # The folder of an installed package also holds unrelated packages.
        if path is None or name in sources or top in EXCLUDED or (is_installed(root) and top != module.split(".")[0]):
            continue
        sources[name] = path.read_bytes()
        pending += _imports(name, path, sources[name])
    if module not in sources:  # imported by a custom loader
        sources[module] = inspect.getsource(sys.modules[module]).encode()
    for name, text in sources.items():
        if (loaded := sys.modules.get(name)) is not None:
            digest = hashlib.sha256(text).hexdigest()
            if DIGESTS.setdefault(loaded, digest) != digest:
                raise ValueError(f"the module {name} has changed since it was imported: start Python again")
    return dict(sorted(sources.items()))


def class_sources(model_class: type) -> dict[str, bytes]:
    """Name -> source of the modules of an external class and of its base classes.

    Raises the errors of `module_sources`.
    """
    modules = (part.__module__ for part in model_class.__mro__ if part.__module__.split(".")[0] not in EXCLUDED)
    sources: dict[str, bytes] = {}
    for name in dict.fromkeys(modules):
        sources |= module_sources(name)
    return dict(sorted(sources.items()))


def folder(module: str) -> Path:
    """The folder on the Python path that a module was imported from. Symbolic links are not followed.

    Raises:
        TypeError: the module has no file.
    """
    path = Path(os.path.abspath(inspect.getfile(sys.modules[module])))
    return path.parents[module.count(".") + (path.name == "__init__.py")]


def is_installed(root: Path) -> bool:
    """Whether a folder is one where Python or its packages are installed."""
    python = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return root in python or bool({"site-packages", "dist-packages"} & {*root.parts})


def _file(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    return next((path for path in (base / "__init__.py", base.with_name(f"{base.name}.py")) if path.is_file()), None)


def _imports(name: str, path: Path, text: bytes) -> Iterator[str]:
    """Dotted names that a source may import, and their packages. Some of them are not modules."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    try:
        nodes = [*ast.walk(ast.parse(text))]
    except (SyntaxError, ValueError):  # not imported yet; its import will report the error
        return
    for node in nodes:
        dotted_names: list[str] = []
        if isinstance(node, ast.Import):
            dotted_names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            except ImportError:  # a relative import beyond the top-level package
                continue
            dotted_names = [f"{base}.{alias.name}" for alias in node.names]
        for dotted_name in dotted_names:
            parts = dotted_name.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))
