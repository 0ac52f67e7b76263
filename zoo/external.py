"""Classes from outside this package, named `package.module:Class`.

Such a class is imported only where a user's command or program says so (`zoo.adopt`): no file of weights and no record
can have a module imported.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from zoo import module_sources
from zoo.base import LatentModel
from zoo.registry import Entry, defaults


def import_external(name: str, registry: Mapping[str, Entry], like: str = "", folder: Path | None = None) -> Entry:
    """The row of a class from outside the registry.

    Its label is the class attribute `label`, or the class's name.  Its revision is a hash of the source
    of its module, of its base classes' modules, of the modules beside these that they import (`module_sources.texts`),
    and of the revisions of those of our models that it subclasses: after a change, runs are new ones.

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
        found = getattr(import_module(module, folder), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(f"{name}: {error}; it must be in the current folder or on the Python path") from error
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        raise ValueError(f"{name}: {in_one_line(error)}") from error
    if not isinstance(found, type):
        raise ValueError(f"{name} is no class but of type {type(found).__name__}")
    if not issubclass(found, LatentModel):
        raise ValueError(f"{name} is no subclass of zoo.LatentModel (zoo/README.md)")
    if lacking := sorted(found.__abstractmethods__):
        raise ValueError(f"{name} lacks {' and '.join(lacking)}, which every model has (zoo/README.md)")
    if not isinstance(getattr(found, "protocols", {}), Mapping):
        raise ValueError(f"{name}: its attribute protocols must map data sets to benchmarks.protocols.Protocol")
    try:
        revision, code = _revision(module, found, registry), str(module_sources.folder(module))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    except (OSError, TypeError) as error:
        raise ValueError(f"{name}: its module's text cannot be read, which tells one version from another") from error
    row = Entry(found, str(getattr(found, "label", attribute)), revision, like=like, code=code)
    for parameter, value in defaults(row).items():
        if not isinstance(value, float | int | str | bool):
            raise ValueError(f"{name}: its hyper-parameter {parameter} needs a default that is a number, a text or a "
                             "truth value; image_shape, nz and k alone come from the data set")  # fmt: skip
    return row


def in_one_line(error: BaseException) -> str:
    """What an error of somebody else's code says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def import_module(name: str, folder: Path | None = None) -> ModuleType:
    """A module of the user's, from a folder (by default the current one) or the Python path; its code runs."""
    place = str(folder or Path.cwd())
    if not module_sources.installed(Path(place)):
        # First, as python -m has it: an installed module of the same name must not stand in for the user's.
        sys.path[:] = [place, *(other for other in sys.path if other != place)]
    elif place not in sys.path:
        sys.path.append(place)  # last: what is installed must not stand in for the standard library
    return importlib.import_module(name)


def _revision(module: str, found: type, registry: Mapping[str, Entry]) -> int:
    """A whole number below 2**48, as records and JSON keep exactly."""
    texts = module_sources.of_class(found) | module_sources.texts(
        module
    )  # it may stand in another one than the one that names it
    # By class, not by row: another variant in the registry changes no model.
    ours = {f"{row.model.__qualname__} {row.revision}" for row in registry.values() if row.model in found.__mro__}
    parts = [*(texts[name] for name in sorted(texts)), *(part.encode() for part in sorted(ours))]
    return int(hashlib.sha256(b"\0".join(parts)).hexdigest()[:12], 16)
