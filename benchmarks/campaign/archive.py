"""Archives of results: the files of one machine, to be merged into the results folder of another.

An archive is a zip file with records, sample grids, logs and the states of unfinished runs, but no weights. An import
checks every file before it writes the first one, and it never replaces a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from benchmarks.data.fingerprint import digest
from benchmarks.experiments.schema import upgrade
from benchmarks.files import archive as archive_file
from benchmarks.files import reading
from benchmarks.files.record import SCHEMA, Head, Record
from benchmarks.files.writing import replacing

MANIFEST = "manifest.json"
MAX_MEMBER = 512 * 2**20  # bytes of one file; a state holds the weights and Adam's two moments
OVERHEAD = 400  # bytes of a member besides its content: its name, twice, and its line in the manifest
DATE = (1980, 1, 1, 0, 0, 0)  # of all members, so that the same files give the same bytes
RUN_FILES = ("samples.png", "log.txt")
STATE = "state.pt"
NOT_KEYED = ("source", "protocol_row")  # fields of a record's settings that its key does not hash
GROWING = ("evaluations", "diagnostics", "provenance")  # fields of a record that change while the run is scored
REPEATED = ("model", "revision", "seed", "precision")  # fields of a record that its settings, which are hashed, repeat


class ArchiveError(ValueError):
    """An archive that cannot be imported. `problems` says all that is wrong with it."""

    def __init__(self, path: Path, problems: Sequence[str]):
        self.problems = [*problems]
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))


@dataclass
class ImportResult:
    """What an import did, by the paths of files in the results folder.

    Attributes:
        added: written.
        extended: records that were replaced by records of the same run with the same numbers and more evaluations.
        equal: they existed, with the same content, or were records with more evaluations of the same run.
        kept: they existed, with another content, and were kept.
    """

    added: list[str] = field(default_factory=list)
    extended: list[str] = field(default_factory=list)
    equal: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def pack(results: Path, keys: Collection[str], target: Path, max_bytes: int, states: bool = False) -> list[Path]:
    """Write archives of some runs. One archive is written if it stays below the size limit, otherwise several.

    Records come first. Sample grids and logs follow, then states, as long as all of them fit.

    Args:
        results: results folder.
        keys: of the runs.
        target: path of the archive. Further ones are named TARGET-2.zip, TARGET-3.zip and so on; a name that is
            taken is passed over.
        max_bytes: of each archive.
        states: whether to add the states of runs that have no record.

    Returns:
        The archives; [] if these runs have no files.

    Raises:
        ValueError: a single record is larger than the limit.
    """
    parts: list[dict[str, bytes]] = [{}]
    sizes = [OVERHEAD]
    for name in _members(results, keys, states):
        try:
            content = reading.read_bytes(results / name, MAX_MEMBER)
        except (OSError, reading.InvalidFile):
            continue  # not there, or changed meanwhile
        size = len(zlib.compress(content)) + OVERHEAD
        is_record = name.startswith("records/")
        if sizes[-1] + size > max_bytes:
            if OVERHEAD + size > max_bytes and not is_record:
                continue
            if OVERHEAD + size > max_bytes:
                raise ValueError(f"{name} takes {size:,} bytes, more than the limit of an archive, {max_bytes:,}")
            parts.append({})
            sizes.append(OVERHEAD)
        parts[-1][name] = content
        sizes[-1] += size
    names = chain([target], (target.with_stem(f"{target.stem}-{number}") for number in count(2)))
    free = (path for path in names if not os.path.lexists(path))  # nothing is replaced
    written = []
    for path, files in zip(free, [part for part in parts if part], strict=False):
        _write(path, files)
        written.append(path)
    return written


def read_archive(path: Path) -> dict[str, bytes]:
    """The files of an archive, after all checks.

    Returns:
        path in the results folder -> content.

    Raises:
        ArchiveError: it is not an archive, is incomplete, or was made by a newer version; or a file does not match the
            manifest, or a record does not match its key.
        OSError: the file cannot be read.
    """
    reading.check_regular(path, os.stat(path))
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked_files(path, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as reason:
        raise ArchiveError(path, [f"it is not an archive, or it is truncated or damaged ({reason})"]) from None


def import_archives(paths: Sequence[Path], results: Path) -> ImportResult:
    """Merge archives into a results folder. All archives are checked before the first file is written.

    An existing file is kept, whatever its content, unless the archive has its record with more evaluations. A campaign
    that is cut while a run is scored packs such an incomplete record.

    Raises:
        ArchiveError, OSError: as `read_archive`; nothing was written.
    """
    archives = [read_archive(path) for path in paths]
    imported = ImportResult()
    for files in archives:
        for path, content in files.items():
            target = results / path
            if path.endswith(STATE) and (results / "records" / f"{target.parent.name}.json").exists():
                continue  # this run is finished here
            getattr(imported, _write_if_absent(target, content)).append(path)
    return imported


def _members(results: Path, keys: Collection[str], states: bool) -> list[str]:
    """The paths of the files of runs, in the order of their importance."""
    ordered = sorted(keys)
    members = [f"records/{key}.json" for key in ordered]
    members += [f"runs/{key}/{name}" for name in RUN_FILES for key in ordered]
    unfinished = [key for key in ordered if states and not (results / "records" / f"{key}.json").exists()]
    return [*members, *(f"runs/{key}/{STATE}" for key in unfinished)]


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    manifest = {
        "format": "ae-bench archive",
        "version": archive_file.VERSION,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in files.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, sync=True) as temporary, zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED) as file:
        for name, content in {MANIFEST: json.dumps(manifest).encode(), **files}.items():
            file.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)


def _checked_files(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    names = archive.namelist()
    if MANIFEST not in names:
        raise ArchiveError(path, [f"it has no {MANIFEST}; expected an archive that the command campaign has written"])
    try:
        manifest = reading.decode_json(_read(archive, MANIFEST, reading.MAX_JSON_BYTES))
        version = manifest.get("version") if isinstance(manifest, dict) else None
        if isinstance(version, int) and version > archive_file.VERSION:
            raise ArchiveError(path, [f"written by a newer version (version {version}, this one knows "
                                      f"{archive_file.VERSION}); update the package"])  # fmt: skip
        reading.check(manifest, archive_file.Manifest)
    except reading.InvalidFile as reason:
        raise ArchiveError(path, [f"its {MANIFEST} is not valid ({reason})"]) from None
    members: dict[str, dict[str, Any]] = manifest["files"]
    problems = [f"{name!r} is in the archive twice" for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [f"{name!r} is not listed in its {MANIFEST}" for name in names if name not in {MANIFEST, *members}]
    problems += [f"{name} is missing" for name in members if name not in names]
    if problems:
        raise ArchiveError(path, problems)
    files: dict[str, bytes] = {}
    for name, member in members.items():
        content = _read(archive, name, min(member["size"], MAX_MEMBER))
        if len(content) != member["size"] or hashlib.sha256(content).hexdigest() != member["sha256"]:
            problems.append(f"{name} is not the file that the {MANIFEST} describes")
        elif name.startswith("records/") and (problem := _record_problem(Path(name).stem, content)):
            problems.append(f"{name}: {problem}")
        files[name] = content
    if problems:
        raise ArchiveError(path, problems)
    return files


def _read(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """At most `max_bytes` + 1 bytes of a member, whatever size the archive declares."""
    with archive.open(name) as member:
        return member.read(max_bytes + 1)


def _record_problem(key: str, content: bytes) -> str:
    """What is wrong with a record; "" if nothing is."""
    try:
        value = reading.decode_json(content)
        reading.check(value, Head)
        if value["schema"] > SCHEMA:
            return (f"written by a newer version (schema {value['schema']}, this one knows {SCHEMA}); "
                    "update the package")  # fmt: skip
        record = upgrade(value)
        reading.check(record, Record)
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        return f"not a valid record ({reason})"
    if record["key"] != key:
        return f"it holds the record of {record['key']}"
    settings = {name: value for name, value in record["settings"].items() if name not in NOT_KEYED}
    if digest(settings) != key:
        return "its key is not the hash of its settings: it was changed by hand"
    for name in REPEATED:
        if name in settings and settings[name] != record[name]:
            return f"its {name} is not that of its settings: it was changed by hand"
    return ""


def _write_if_absent(path: Path, content: bytes) -> str:
    """Write a file, unless there is one; returns the name of the list of `ImportResult` that says what was done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, it never replaces a file that another process has just written
    except FileExistsError:
        if _has_content(path, content) or (path.suffix == ".json" and _extends(content, path)):
            return "equal"
        if path.suffix == ".json" and _extends(path, content):
            os.replace(temporary, path)
            return "extended"
        return "kept"
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return "added"


def _has_content(path: Path, content: bytes) -> bool:
    """Whether a file has this content; a record also if only its layout differs."""
    try:
        existing = reading.read_bytes(path, MAX_MEMBER)
        if existing == content or path.suffix != ".json":
            return existing == content
        one, other = (upgrade(reading.decode_json(text)) for text in (existing, content))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(one == other)


def _extends(less: Path | bytes, more: Path | bytes) -> bool:
    """Whether a record has all that another one of the same run has. Each is a file or the content of one."""
    try:
        contents = [reading.read_bytes(one, MAX_MEMBER) if isinstance(one, Path) else one for one in (less, more)]
        small, large = (upgrade(reading.decode_json(content)) for content in contents)
        return (
            {name: value for name, value in small.items() if name not in GROWING}
            == {name: value for name, value in large.items() if name not in GROWING}
            and small["provenance"]["started"] == large["provenance"]["started"]
            and small["diagnostics"].items() <= large["diagnostics"].items()
            and all(evaluation in large["evaluations"] for evaluation in small["evaluations"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
