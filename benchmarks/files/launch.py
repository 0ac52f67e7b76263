"""The launch files, RESULTS/jobs/*.launch, and the files of runs in progress, RESULTS/runs/KEY."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from benchmarks.files.types import Count, FileStruct, Key, Name, Seconds

Job = Annotated[str, Meta(pattern=r"^[0-9]+(_[0-9]+)?$(?!\n)", description="id of a SLURM job")]


class Owner(FileStruct, kw_only=True, frozen=True):
    """A process, as `benchmarks.experiments.process.process_identity` describes it."""

    host: str
    space: str
    pid: Annotated[int, Meta(ge=1, le=2**31)]
    born: str | None
    job: str | None = None
    restart: Count = 0


class Claim(Owner, kw_only=True, frozen=True):
    """The lock of a run, runs/KEY/claim.json: which process works in the folder. Its heartbeat is the file's time."""

    token: str
    since: float


class Progress(FileStruct, kw_only=True, frozen=True):
    """How far a run is, runs/KEY/progress.json, in steps of all stages."""

    done: Count
    total: Count
    run: Count
    seconds: Seconds


class Cell(FileStruct, kw_only=True, frozen=True):
    """A run that a launch asks for."""

    model: Name
    dataset: Name
    preset: Name
    seed: Count
    steps: Count
    draws: Annotated[int, Meta(ge=0, le=10**6)] = 0


class Command(FileStruct, kw_only=True, frozen=True):
    """The command of a launch; `options` are those of `benchmarks.execution.options.Options`."""

    what: Name
    options: dict[str, str | bool | None]
    force: str = ""


class Launch(FileStruct, kw_only=True, frozen=True):
    """One launch: a command, its runs and its SLURM jobs."""

    cluster: str
    command: Command
    owner: Owner
    at: Annotated[float, Meta(ge=0, le=1e11, description="seconds since 1970")]
    cells: dict[Key, Cell]
    jobs: dict[Job, list[Key]]
    ended: bool
    scheduler: str | None = None
