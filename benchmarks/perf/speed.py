"""How fast training is: seconds per epoch beside other loops, in paired rounds, every round kept.

    python -m benchmarks.perf.speed --models glf --on mnist --rounds 5 --out results/measured/speed
    python -m benchmarks.perf.speed --scaling --out results/measured/speed
    python -m benchmarks.perf.speed --gpu --out results/measured/speed

In a round every loop takes the same steps of the same stage after the others: so many processes of it at once as of
ours (on a CPU one per core, of one thread each), started together; in turns first.  A ratio is of a round, and the
table shows the median of the rounds and their range.  Times are of training alone, after warm-up, synchronised; an
epoch's seconds are those of its steps.  Images of data sets that are not there are random ones of the same shape, and
the record says so: no time depends on what they show.

Every measurement is one JSON file: `read` returns what they say of ours, one row per stage.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn.functional import interpolate

import zoo
from benchmarks.data import datasets
from benchmarks.execution.options import parse_device
from benchmarks.experiments import provenance, records
from benchmarks.perf import baselines
from benchmarks.perf.baselines import LOOPS, Case
from benchmarks.perf.paired import LoopFailed, rounds
from benchmarks.perf.speed_report import draw, frame, report
from benchmarks.protocols import TABLE1, protocol
from benchmarks.reporting.speed_records import SCHEMA, load
from benchmarks.training import engine
from benchmarks.training.device import device_name
from benchmarks.training.precision import loss_problems
from zoo.losses import PRETRAINED

MODEL, DATASET = "glf", "mnist"  # of which more is measured than seconds per epoch
WARM = 2  # laps of each stage that are not kept: libraries choose, graphs are captured
EPOCH = 234  # steps at most of a lap on a GPU: an epoch of MNIST; CelebA's, of 635, takes more time to make up images
SHARE = 0.05  # of the cores that others may use meanwhile before a machine is not called ours alone


@dataclass(frozen=True)
class Wish:
    """A measurement to be made: a case, the loops, how many processes and rounds, and what for.

    Attributes:
        purpose: "table"; "images" and "side": how cost grows; "processes": trainings on one device.
        fewer: steps of the plain loop's and pythae's laps, where ours are too many for them.
        lame: loops that were to be among them, and failed.
    """

    purpose: str
    case: Case
    loops: Sequence[str]
    processes: int
    count: int
    fewer: int | None = None
    lame: tuple[str, ...] = ()


# --- measuring


def measure(wish: Wish, root: Path | None) -> dict[str, Any]:
    """Carry out a measurement: the record."""
    case, device, settings = wish.case, torch.device(wish.case.device), about(wish)
    alone = idle(device)
    with tempfile.TemporaryDirectory(prefix="ae-bench-speed-") as name:
        folder = Path(name)
        images, synthetic = pixels(case, root)
        torch.save(images, folder / "images.pt")
        cases = {loop: replace(case, folder=folder) for loop in wish.loops}
        for loop in {"plain", "pythae"} & cases.keys() if wish.fewer else ():
            cases[loop] = replace(cases[loop], steps=min(case.steps, wish.fewer or case.steps))
        if "plain" in cases:
            baselines.write_png(images[: cases["plain"].images], folder / "png")
        del images
        rows = [*rounds(cases, wish.processes, wish.count, WARM)]
    foreign = [row["foreign"] for row in rows if isfinite(row["foreign"])]
    if device.type == "cpu":
        alone = bool(foreign) and median(foreign) <= SHARE
    schedules = case.schedules()
    return {
        "what": "speed",
        "schema": SCHEMA,
        **settings,
        "label": zoo.entry(case.model).label,
        "synthetic": synthetic,
        "images": case.total,  # of an epoch of the whole data set
        "batch": {name: s.batch for name, s in schedules.items()},
        "flops": baselines.flops(case),
        "loader_workers": case.workers,
        "warm": WARM,
        "lame": [*wish.lame],
        "exclusive": alone,
        "foreign": median(foreign) if foreign else None,
        "rows": rows,
        "provenance": {**provenance.describe(device), "threads": 1, "pythae": provenance.version("pythae")},
    }


def about(wish: Wish) -> dict[str, Any]:
    """What of a record is known before anything is measured: all that its file is named by."""
    case = wish.case
    return {
        "purpose": wish.purpose,
        "model": case.model,
        "dataset": case.dataset,
        "shape": list(case.image_shape),
        "images_used": case.images,
        "precision": case.precision,
        "engine": case.engine,
        "channels_last": case.channels_last,
        "processes": wish.processes,
        "provenance": {"device": device_name(torch.device(case.device))},
    }


def measured(wish: Wish, folder: Path) -> bool:
    """Whether a folder has a record of a measurement, on this device, of all its loops that work in as many rounds."""
    try:
        record = json.loads((folder / file_name(about(wish))).read_text(encoding="utf-8"))
        there = [(row["loop"], row["stage"]) for row in record["rows"]]
        stages = wish.case.schedules()
        loops = [loop for loop in wish.loops if loop not in record.get("lame", ())]
        return all(there.count((loop, stage)) >= wish.count for loop in loops for stage in stages)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def pixels(case: Case, root: Path | None) -> tuple[torch.Tensor, bool]:
    """Images of a case, and whether they are random ones."""
    found = None
    if case.shape is None:
        try:
            found = datasets.load(case.dataset, root).train.canonical(case.images).images
        except (ValueError, OSError):
            found = None
    if found is not None and len(found) >= case.images:
        return found, False
    return blots(case.images, case.image_shape), True


def blots(n: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Random images, (n, C, H, W) uint8, that are smooth: on white noise a flow can overflow within ten steps."""
    generator = torch.Generator().manual_seed(0)
    images = torch.empty(n, *shape, dtype=torch.uint8)
    for some in images.split(4096):
        coarse = torch.rand(len(some), shape[0], 4, 4, generator=generator)
        some.copy_(255 * interpolate(coarse, shape[1:], mode="bilinear", align_corners=True))
    return images


def idle(device: torch.device) -> bool:
    """Whether nobody else is on a GPU: less than 1 GB in use, no work in the last moment."""
    if device.type != "cuda":
        return True
    index = device.index or 0
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    card = identity(index, uuid, os.environ.get("CUDA_VISIBLE_DEVICES"))
    query = ["nvidia-smi", f"--id={card}", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
    if card is None:
        return False
    for pause in (1.5, 0.0):  # the first answer may still be of what this process's own workers did
        try:
            (line,) = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
            memory, work = (float(value) for value in line.split(","))
        except (OSError, subprocess.SubprocessError, ValueError):
            return False
        if memory < 1024 and work < 5:
            return True
        time.sleep(pause)
    return False


def identity(index: int, uuid: object, visible: str | None) -> str | None:
    """What nvidia-smi calls torch's GPU of an index, or None where that is not known.

    Args:
        index: torch's, which counts the visible GPUs alone.
        uuid: the GPU's, or None where torch does not tell it.
        visible: CUDA_VISIBLE_DEVICES.
    """
    if uuid is not None:
        return f"GPU-{str(uuid).removeprefix('GPU-')}"
    return str(index) if visible is None else None


def file_name(record: Mapping[str, Any]) -> str:
    """One file per measurement: the same one made again, on such a device and of as many images, replaces it."""
    device = slug(record["provenance"]["device"])
    parts = [record["purpose"], record["model"], record["dataset"], device, record["precision"], record["engine"]]
    parts += ["channels-last"] if record["channels_last"] else []
    parts += [f"{record['shape'][1]}px"] if record["purpose"] == "side" else []
    parts += [f"{record['images_used']}"]  # which the steps of a lap are of
    return "-".join([*parts, f"x{record['processes']}"]) + ".json"


def slug(device: str) -> str:
    """A device's name in a file name: what can be read of it, and a hash that tells it from all others."""
    readable = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")[:32].strip("-")
    return f"{readable}-{sha256(device.encode()).hexdigest()[:6]}"


# --- what records say


def write(folder: Path) -> list[Path]:
    """CSV, Markdown table and plot of all records of a folder."""
    found = load(folder)
    draw(found, folder / "speed.png")
    text = frame(found).to_csv(index=False, lineterminator="\n")
    return [records.write_text(folder / "speed.csv", text), records.write_text(folder / "speed.md", report(found))]


# --- what to measure


def wishes(given: argparse.Namespace, device: torch.device) -> Iterator[Wish]:
    """The measurements of a command."""
    gpu = device.type == "cuda"
    here = Path()
    base = {"folder": here, "device": str(device), "engine": given.engine, "laps": given.rounds + WARM,
            "channels_last": given.channels_last, "workers": min(8, os.cpu_count() or 1) if gpu else 0}  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = given.processes or (1 if gpu else cores)
    if given.gpu:
        yield from _gpu(given, base)
        return
    if given.scaling:
        for images in (5_000, 20_000, 60_000):
            case = Case(MODEL, DATASET, images // 256, **base, precision=given.precision)
            yield Wish("images", case, ["ours"], 1, given.rounds)
        for side in (8, 28, 32, 64):
            case = Case(MODEL, DATASET, given.steps, **base, precision=given.precision, shape=(1, side, side))
            yield Wish("side", case, ["ours"], 1, given.rounds)
        return
    for model in given.models.split(","):
        for dataset in given.on.split(","):
            case = Case(model, dataset, given.steps, **base, precision=given.precision)
            loops = [loop for loop in given.loops.split(",") if loop != "pythae" or baselines.pythae_can(case)]
            yield Wish("table", case, loops, count, given.rounds)


def _gpu(given: argparse.Namespace, base: Mapping[str, Any]) -> Iterator[Wish]:
    """All that is to be known of a GPU, in six minutes or so; what matters most comes first."""

    def beside(dataset: str, precision: str) -> Wish:
        case = Case(MODEL, dataset, 1, **base, precision=precision)
        case = replace(case, steps=min(case.total // 256, EPOCH))
        loops = ["ours", "eager", "plain", "ceiling"] + ["pythae"] * baselines.pythae_can(case)
        fewer = 20 if case.total // 256 > EPOCH else 40  # of so many images each takes longer
        return Wish("table", case, loops, 1, given.rounds, fewer=fewer)

    yield beside(DATASET, "tf32")
    for model in TABLE1:
        if model != MODEL:
            yield Wish("table", Case(model, DATASET, 200, **base, precision="tf32"), ["ours"], 1, given.rounds)
    for processes in (1, 2, 4, 8):
        case = Case(MODEL, DATASET, EPOCH, **base, precision="tf32")
        yield Wish("processes", case, ["ours"], processes, given.rounds)
    yield beside("cifar10", "tf32")
    yield beside("celeba", "tf32")
    case = Case(MODEL, "cifar10", 195, **{**base, "channels_last": True}, precision="tf32")
    yield Wish("table", case, ["ours"], 1, given.rounds)
    for dataset in (DATASET, "cifar10", "celeba"):
        yield beside(dataset, "fp32")


def problems(given: argparse.Namespace, device: torch.device | None) -> list[str]:
    """What is wrong with a command."""
    wrong = engine.problems(given.engine, given.precision, device) if device is not None else []
    lists: list[tuple[str, Iterable[str], str]] = [
        ("--models", zoo.MODELS, given.models),
        ("--loops", LOOPS, given.loops),
        ("--on", datasets.DATASETS, given.on),
    ]
    for option, known, names in lists:
        wrong += [f"{option}: unknown {n!r}. Known: {', '.join(known)}" for n in names.split(",") if n not in known]
    if "ours" not in given.loops.split(","):
        wrong.append("--loops: ours must be among them")
    wrong += [f"--{name} must be at least 1" for name in ("rounds", "steps") if getattr(given, name) < 1]
    if given.gpu and device is not None and device.type != "cuda":
        wrong.append("--gpu: there is no GPU here")
    if not wrong and not given.gpu and not given.scaling and not given.report:
        for model in given.models.split(","):
            for dataset in given.on.split(","):
                wrong += [said for said in _case_problems(model, dataset, given.precision) if said not in wrong]
    return wrong


def _case_problems(model: str, dataset: str, precision: str) -> list[str]:
    """Why a model cannot be measured on a data set."""
    counts = datasets.DATASETS[dataset].counts
    if counts is None:
        return [
            f"--on {dataset}: it has no fixed number of images, so an epoch has no length (benchmarks/data/datasets.py)"
        ]
    try:
        hyper = protocol(model, dataset, "paper", counts[0]).resolve(model).hyper
    except ValueError as error:
        return [str(error)]
    wrong = loss_problems(model, hyper.get("recon"), precision)
    weights = PRETRAINED.get(str(hyper.get("recon")))
    return wrong + ([f"{model} {weights.problem}"] if weights and weights.problem else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; 2 for a mistake in the command, 1 for a measurement that failed, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = parser.add_argument
    add("--models", default="glf", metavar="A,B")
    add("--on", default="mnist", metavar="X,Y", help="data sets, or their shapes where they are missing")
    add("--loops", default="ours,eager,plain,pythae,ceiling", help="which to measure (%(default)s)")
    add("--rounds", type=int, default=5)
    add("--steps", type=int, default=10, help="of each measurement (%(default)s)")
    add("--processes", type=int, default=0, help="of each loop at once (default: one per core; one on a GPU)")
    add("--device", default="auto")
    add("--precision", default="fp32", help=", ".join(engine.PRECISIONS))
    add("--engine", default="auto", help=", ".join(engine.ENGINES))
    add("--channels-last", action="store_true", help="memory format of images and convolutions")
    add("--scaling", action="store_true", help="seconds per epoch against images, seconds per step against FLOPs")
    add("--gpu", action="store_true", help="everything that is to be known of a GPU, in one call")
    add("--report", action="store_true", help="only table and plot of the records that are there")
    add("--data-root", type=Path, default=os.environ.get("AE_BENCH_DATA"))
    add("--out", type=Path, default=Path("results/local/speed"))
    given = parser.parse_args(arguments)
    wrong: list[str] = []
    device = parse_device(given.device, wrong)
    wrong += problems(given, device)
    for problem in wrong:
        print(f"error: {problem}", file=sys.stderr)
    if wrong or device is None:
        return 2
    try:
        failed = 0 if given.report else carry_out(given, device)
    except KeyboardInterrupt:
        print(f"interrupted: what has been measured is kept in {given.out}", file=sys.stderr)
        return 130
    paths = write(given.out)
    print(paths[-1].read_text(encoding="utf-8"))
    for path in paths:
        print(path)
    return 1 if failed else 0


def carry_out(given: argparse.Namespace, device: torch.device) -> int:
    """Make a command's measurements, one file each: how many have failed, which leave the others alone.

    A loop beside ours that fails is told and left out, and its measurement is none that failed.
    """
    failed = 0
    for wish in wishes(given, device):
        if given.gpu and measured(wish, given.out):
            print(f"there already: {given.out / file_name(about(wish))}", flush=True)
            continue
        print(f"{wish.purpose}: {wish.case.model} on {wish.case.dataset}, {wish.case.precision}, {wish.processes} "
              f"processes, {wish.count} rounds of {wish.case.steps} steps", flush=True)  # fmt: skip
        try:
            record = _without_lame(wish, Path(given.data_root) if given.data_root else None)
        except (RuntimeError, ValueError, OSError) as error:  # of a worker with its traceback
            print(f"error: {wish.case.model} on {wish.case.dataset}: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        print(records.write_json(given.out / file_name(record), record), flush=True)
    return failed


def _without_lame(wish: Wish, root: Path | None) -> dict[str, Any]:
    """A measurement, without those of the loops beside ours that fail."""
    while True:
        try:
            return measure(wish, root)
        except LoopFailed as error:
            if error.loop == "ours":
                raise
            print(f"left out of {wish.case.model} on {wish.case.dataset}: {error}", file=sys.stderr, flush=True)
            left = [loop for loop in wish.loops if loop != error.loop]
            wish = replace(wish, loops=left, lame=(*wish.lame, error.loop))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing temporary is left behind
    sys.exit(main())
