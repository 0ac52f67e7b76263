"""`--force`: runs that are restarted from scratch, noted in runs/KEY/force.txt."""

from __future__ import annotations

from pathlib import Path

from benchmarks.experiments.log import append_line
from benchmarks.files.reading import MAX_JSON_BYTES, InvalidFile, read_bytes

FORCE_LOG = "force.txt"  # in runs/KEY: each --force that has begun there, and whether it has ended


def is_forced(folder: Path, force_id: str) -> bool:
    """Whether a run still has to be restarted for the `--force` with this id."""
    return bool(force_id) and f"{force_id} done" not in _read_force_log(folder)


def begin_forced_run(folder: Path, force_id: str) -> None:
    """Remove weights and state, once for each `--force`: a requeued job is resumed."""
    if f"{force_id} begun" not in _read_force_log(folder):
        for name in ("weights.pt", "state.pt"):
            (folder / name).unlink(missing_ok=True)
        append_line(folder / FORCE_LOG, f"{force_id} begun")


def end_forced_run(folder: Path, force_id: str) -> None:
    """Note that a restarted run has been recorded."""
    if force_id:
        append_line(folder / FORCE_LOG, f"{force_id} done")


def _read_force_log(folder: Path) -> list[str]:
    try:
        return read_bytes(folder / FORCE_LOG, MAX_JSON_BYTES).decode(errors="replace").splitlines()
    except (OSError, InvalidFile):
        return []
