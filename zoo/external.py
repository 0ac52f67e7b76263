"""External models: classes outside this package, named `package.module:Class`.

Only a command or a program can import such a class, by `zoo.adopt`. A file of weights or a record cannot.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from zoo import module_sources
from zoo.base import LatentModel
from zoo.registry import Entry, defaults

ADDED_FOLDERS: set[str] = set()  # those that `import_module` has put on `sys.path`


def import_external(name: str, registry: Mapping[str, Entry], like: str = "", folder: Path | None = None) -> Entry:
    """The row of a class from outside the registry.

    Its label is the class attribute `label`, or the class's name.  Its revision is a hash of the
    sources of its module, of its base classes' modules and of what these import (`module_sources.module_sources`), and
    of the revisions of the models of this package that it subclasses. So after a change its runs are new runs.

    Args:
        name: package.module:Class.
        registry: our models.
        like: the model whose protocol rows it borrows.
        folder: where to look for the module before the Python path.

    Raises:
        ValueError: it cannot be imported, is no model, or has changed since this process imported it; says why.
    """
    module, _, attribute = name.partition(":")
    try:
        model_class = getattr(import_module(module, folder), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(f"{name}: {error}; it must be in the current folder or on the Python path") from error
    except (Exception, SystemExit) as error:  # the module may raise anything
        raise ValueError(f"{name}: {in_one_line(error)}") from error
    if not isinstance(model_class, type):
        raise ValueError(f"{name} is no class but of type {type(model_class).__name__}")
    if not issubclass(model_class, LatentModel):
        raise ValueError(f"{name} is no subclass of zoo.LatentModel (zoo/README.md)")
    if missing_methods := sorted(model_class.__abstractmethods__):
        raise ValueError(f"{name} lacks {' and '.join(missing_methods)}, which every model has (zoo/README.md)")
    if not isinstance(getattr(model_class, "protocols", {}), Mapping):
        raise ValueError(f"{name}: its attribute protocols must map data sets to benchmarks.protocols.Protocol")
    try:
        revision, code = _revision(module, model_class, registry), str(module_sources.folder(module))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    except (OSError, TypeError) as error:
        raise ValueError(f"{name}: the source of its module, which identifies its version, cannot be read") from error
    row = Entry(model_class, str(getattr(model_class, "label", attribute)), revision, like=like, code=code)
    for parameter, value in defaults(row).items():
        if not isinstance(value, float | int | str | bool):
            raise ValueError(f"{name}: its hyper-parameter {parameter} needs a default that is a number, a text or a "
                             "truth value; image_shape, nz and k alone come from the data set")  # fmt: skip
    return row


def in_one_line(error: BaseException) -> str:
    """An error of external code as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def import_module(name: str, folder: Path | None = None) -> ModuleType:
    """A module of the user's, from a folder (by default the current one) or the Python path; its code runs."""
    path = str(folder or Path.cwd())
    if path not in sys.path:
        ADDED_FOLDERS.add(path)
    if not module_sources.is_installed(Path(path)):
        # First, as for python -m: an installed module of the same name must not replace the user's.
        sys.path[:] = [path, *(other for other in sys.path if other != path)]
    elif path not in sys.path:
        sys.path.append(path)  # last: an installed package must not replace a module of the standard library
    return importlib.import_module(name)


@contextlib.contextmanager
def user_folders_off_path() -> Iterator[None]:
    """Take the folders that `import_module` has put on `sys.path` off it in the block.

    Worker processes start with the path of this process. They must find this package and its siblings before a folder
    of the user's that has the same name; then they import the user's modules as this process did.
    """
    before = [*sys.path]
    sys.path[:] = [path for path in sys.path if path not in ADDED_FOLDERS]
    try:
        yield
    finally:
        sys.path[:] = [*(path for path in sys.path if path not in before), *before]


def _revision(module: str, model_class: type, registry: Mapping[str, Entry]) -> int:
    """A whole number below 2**48, as records and JSON keep exactly."""
    sources = module_sources.class_sources(model_class) | module_sources.module_sources(
        module
    )  # a module may re-export a class
    # By class, not by row: a new variant in the registry does not change a model.
    own_revisions = {
        f"{row.model.__qualname__} {row.revision}" for row in registry.values() if row.model in model_class.__mro__
    }
    parts = [*(sources[name] for name in sorted(sources)), *(part.encode() for part in sorted(own_revisions))]
    return int(hashlib.sha256(b"\0".join(parts)).hexdigest()[:12], 16)
