"""`--force`: which runs are to be made again, in runs/KEY/force.txt."""

from __future__ import annotations

from pathlib import Path

from benchmarks.experiments.log import append_line

FORCE = "force.txt"  # in runs/KEY: every --force that has begun there, and whether it has come to its end


def is_forced(folder: Path, word: str) -> bool:
    """Whether a trial is still to be trained anew, as the `--force` of this word wants it."""
    return bool(word) and f"{word} done" not in _read_force_log(folder)


def begin_forced_run(folder: Path, word: str) -> None:
    """Forget weights and state, once for each `--force`: a requeued job goes on where it was."""
    if f"{word} begun" not in _read_force_log(folder):
        for name in ("weights.pt", "state.pt"):
            (folder / name).unlink(missing_ok=True)
        append_line(folder / FORCE, f"{word} begun")


def end_forced_run(folder: Path, word: str) -> None:
    """Note that a forced training has been recorded."""
    if word:
        append_line(folder / FORCE, f"{word} done")


def _read_force_log(folder: Path) -> list[str]:
    try:
        return (folder / FORCE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
