"""The manifest of an archive of results: manifest.json, which lists its files."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from benchmarks.files.types import Count, FileStruct

VERSION = 1
# The paths that an archive may hold. Nothing else is ever written by an import.
PATH = r"^(records/[0-9a-f]{64}\.json|runs/[0-9a-f]{64}/(samples\.png|log\.txt|state\.pt))$(?!\n)"
ArchivePath = Annotated[str, Meta(pattern=PATH)]


class Member(FileStruct, kw_only=True, frozen=True):
    """One file of an archive."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Count


class Manifest(FileStruct, kw_only=True, frozen=True):
    """All files of an archive, by their paths in the results folder."""

    format: Literal["ae-bench archive"]
    version: Annotated[int, Meta(ge=1)]
    files: dict[ArchivePath, Member]
