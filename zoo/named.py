"""Models by name: rows of the registry, their variants, and classes that come from outside of it.

A class from outside is named `package.module:Class` and imported only where a user's command or program has said so
(`adopt`): no file of weights and no record can have a module imported.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo import sources
from zoo.base import LatentModel

Scalar = float | int | str | bool


def meant(name: str, known: Iterable[str]) -> str:
    """For a message about an unknown name: the known one that is like it, " (did you mean 'glf'?)", or nothing."""
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


SIZES = ("image_shape", "nz", "k")  # arguments that come from the data set


@dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Attributes:
        model: called with image_shape, nz, k (where its signature has it) and hyper-parameters.
        label: as tables print it.
        revision: raised when the model's mathematics changes, so that old records are not taken for new ones.
        hyper: what makes this row a variant of its class; JSON scalars.
        like: the model whose protocol rows it borrows; "" for its own.
        code: folder that its module was imported from; "" for ours.
    """

    model: Callable[..., LatentModel]
    label: str
    revision: int = 1
    hyper: Mapping[str, Scalar] = field(default_factory=dict)
    like: str = ""
    code: str = ""


def defaults(entry: Entry) -> dict[str, Any]:
    """Hyper-parameters of a row's class and their defaults."""
    parameters = inspect.signature(entry.model).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in SIZES}


def is_foreign(name: str) -> bool:
    """Whether a name is of the form package.module:Class, maybe with a loss: package.module:Class+bce."""
    return re.fullmatch(r"\w+(\.\w+)*:\w+(\+.*)?", name) is not None


def imported(name: str, registry: Mapping[str, Entry], like: str = "", folder: Path | None = None) -> Entry:
    """The row of a class from outside the registry.

    Its label is the class attribute `label`, or the class's name.  Its revision is made from the text of its module and
    of those of its base classes, of the modules beside these that they import (`sources.texts`), and from the revisions
    of those of our models that it is a subclass of: a change is a new training.

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
        revision, code = _revision(module, found, registry), str(sources.folder(module))
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
    if not sources.installed(Path(place)):
        # First, as python -m has it: an installed module of the same name must not stand in for the user's.
        sys.path[:] = [place, *(other for other in sys.path if other != place)]
    elif place not in sys.path:
        sys.path.append(place)  # last: what is installed must not stand in for the standard library
    return importlib.import_module(name)


def _revision(module: str, found: type, registry: Mapping[str, Entry]) -> int:
    """A whole number below 2**48, as records and JSON keep exactly."""
    texts = sources.of_class(found) | sources.texts(module)  # it may stand in another one than the one that names it
    # By class, not by row: another variant in the registry changes no model.
    ours = {f"{row.model.__qualname__} {row.revision}" for row in registry.values() if row.model in found.__mro__}
    parts = [*(texts[name] for name in sorted(texts)), *(part.encode() for part in sorted(ours))]
    return int(hashlib.sha256(b"\0".join(parts)).hexdigest()[:12], 16)
