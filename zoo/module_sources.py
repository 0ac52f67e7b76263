"""What a module of the user's is made of: its text, and the texts of the modules of its own folder that it imports."""

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

# Whose text is no part of a stranger's model.
OURS = ("zoo", "benchmarks", "slurm", "torch", "builtins", "abc", "typing", "collections")

# Digest of the text that a module's code was made from, as far as this process has looked at it.
READ: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()


def texts(module: str) -> dict[str, bytes]:
    """Name -> text of an imported module, and of all modules of its folder that these import, sorted by name.

    By the import statements, not by `sys.modules`: what another model has imported here must not count, or a worker
    process would find another text than the plan did.  An import by a name that is made at run time is not seen.
    (ModuleFinder of the standard library fails at packages without an __init__.py.)

    Raises:
        OSError, TypeError: the module's own text cannot be read.
        ValueError: one of them has changed since it was imported: the code in memory is not the text on the disk.
    """
    place = folder(module)
    found: dict[str, bytes] = {}
    left = [module]
    while left:
        name = left.pop()
        top = name.split(".")[0]
        path = _file(name, place)
        # Around an installed package lie everybody's.
        if path is None or name in found or top in OURS or (installed(place) and top != module.split(".")[0]):
            continue
        found[name] = path.read_bytes()
        left += _imports(name, path, found[name])
    if module not in found:  # it has a loader of its own
        found[module] = inspect.getsource(sys.modules[module]).encode()
    for name, text in found.items():
        if (loaded := sys.modules.get(name)) is not None:
            digest = hashlib.sha256(text).hexdigest()
            if READ.setdefault(loaded, digest) != digest:
                raise ValueError(f"the module {name} has changed since it was imported: start Python anew")
    return dict(sorted(found.items()))


def of_class(found: type) -> dict[str, bytes]:
    """Name -> text of all that makes a class of the user's what it is: its module's, and those of its base classes.

    Raises as `texts`.
    """
    modules = (part.__module__ for part in found.__mro__ if part.__module__.split(".")[0] not in OURS)
    whole: dict[str, bytes] = {}
    for name in dict.fromkeys(modules):
        whole |= texts(name)
    return dict(sorted(whole.items()))


def folder(module: str) -> Path:
    """The folder on the Python path that a module was imported from; a link there is not followed, as it has the name.

    Raises:
        TypeError: it has no file.
    """
    path = Path(os.path.abspath(inspect.getfile(sys.modules[module])))
    return path.parents[module.count(".") + (path.name == "__init__.py")]


def installed(place: Path) -> bool:
    """Whether a folder is one of Python's own, where packages are installed."""
    python = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return place in python or bool({"site-packages", "dist-packages"} & {*place.parts})


def _file(name: str, place: Path) -> Path | None:
    base = place.joinpath(*name.split("."))
    return next((path for path in (base / "__init__.py", base.with_name(f"{base.name}.py")) if path.is_file()), None)


def _imports(name: str, path: Path, text: bytes) -> Iterator[str]:
    """Names of modules that a text may import, with the packages that they are in; some name no module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    try:
        nodes = [*ast.walk(ast.parse(text))]
    except (SyntaxError, ValueError):  # nobody has imported it yet: it will fail where it is
        return
    for node in nodes:
        dotted: list[str] = []
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            except ImportError:  # above the top
                continue
            dotted = [f"{base}.{alias.name}" for alias in node.names]
        for one in dotted:
            parts = one.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))
