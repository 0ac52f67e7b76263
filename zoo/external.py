"""External models: classes outside this package, named `package.module:Class`.

Only `zoo.adopt` imports such a class. Loading a file of weights or a record never does, as that could run any code.
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
    """Import a class from outside the registry and return its row.

    The label is the class attribute `label`, or the name of the class. The revision is a hash of the sources of its
    module, of its base classes' modules and of the modules that these import (`module_sources.module_sources`), and of
    the revisions of the zoo's models that it subclasses. So a change of the code gives new runs.

    Args:
        name: package.module:Class.
        registry: the zoo's models.
        like: the model whose protocol rows it borrows.
        folder: folder to search for the module before the Python path.

    Raises:
        ValueError: the class cannot be imported, is not a model, or has changed since this process imported it.
    """
    module, _, attribute = name.partition(":")
    try:
        model_class = getattr(import_module(module, folder), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(f"{name}: {error}; it must be in the current folder or on the Python path") from error
    except (Exception, SystemExit) as error:  # the module may raise anything
        raise ValueError(f"{name}: {in_one_line(error)}") from error
    if not isinstance(model_class, type):
        raise ValueError(f"{name} is not a class: it is of type {type(model_class).__name__}")
    if not issubclass(model_class, LatentModel):
        raise ValueError(f"{name} is not a subclass of zoo.LatentModel (docs/extending.md)")
    if missing_methods := sorted(model_class.__abstractmethods__):
        raise ValueError(f"{name} must define {' and '.join(missing_methods)} (docs/extending.md)")
    if not isinstance(getattr(model_class, "protocols", {}), Mapping):
        raise ValueError(
            f"{name}: its attribute `protocols` must be a dict from data set to benchmarks.protocols.Protocol"
        )
    try:
        revision, code = _revision(module, model_class, registry), str(module_sources.folder(module))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    except (OSError, TypeError) as error:
        raise ValueError(f"{name}: cannot read the source of its module, which determines its revision") from error
    row = Entry(model_class, str(getattr(model_class, "label", attribute)), revision, like=like, code=code)
    for parameter, value in defaults(row).items():
        if not isinstance(value, float | int | str | bool):
            raise ValueError(f"{name}: its hyper-parameter {parameter} needs a default that is a number, a string or a "
                             "bool; only image_shape, nz and k need none, as the data set gives them")  # fmt: skip
    return row


def in_one_line(error: BaseException) -> str:
    """Format an error of external code as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def import_module(name: str, folder: Path | None = None) -> ModuleType:
    """Import a user's module from a folder (by default the current one) or the Python path. Its code runs."""
    path = str(folder or Path.cwd())
    if path not in sys.path:
        ADDED_FOLDERS.add(path)
    if not module_sources.is_installed(Path(path)):
        # First on the path, as for python -m: an installed module of the same name must not shadow the user's.
        sys.path[:] = [path, *(other for other in sys.path if other != path)]
    elif path not in sys.path:
        sys.path.append(path)  # last: an installed package must not shadow a module of the standard library
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
    """An integer below 2**48, which JSON stores exactly."""
    sources = module_sources.class_sources(model_class) | module_sources.module_sources(
        module
    )  # a module may re-export a class
    # Identified by class, not by row: a new variant in the registry must not change the revision.
    own_revisions = {
        f"{row.model.__qualname__} {row.revision}" for row in registry.values() if row.model in model_class.__mro__
    }
    parts = [*(sources[name] for name in sorted(sources)), *(part.encode() for part in sorted(own_revisions))]
    return int(hashlib.sha256(b"\0".join(parts)).hexdigest()[:12], 16)
