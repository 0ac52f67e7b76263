"""Compare the speed of training with that of other loops, in paired rounds.

    python -m benchmarks.perf.speed --models glf --on mnist --rounds 5 --out results/measured/speed
    python -m benchmarks.perf.speed --scaling --out results/measured/speed
    python -m benchmarks.perf.speed --gpu

In each round, the loops run one after the other. They take the same steps of the same stage, with the same number of
processes; on a CPU, one per core, with one thread each. Their order alternates. Each round gives a ratio; the table
shows the median and the range of the ratios. Times are synchronized with the device and exclude the warm-up. If a data
set is missing, random images of the same shape replace it, as the time does not depend on the images. The record then
says so.

Every measurement is one JSON file; `read_speed_records` reads them.

With `--gpu`, the program measures what only a GPU can tell, the most important items first: steps, kernels, several
runs in one process, equal bits, and the extrapolated time of a column of Table 1. Only `--device`, `--limit`,
`--report`, `--data-root` and `--out` apply. A repeated call measures only what is missing. `--device cpu` tries the
program with small items.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import environment
from benchmarks.execution.options import parse_device
from benchmarks.experiments import records
from benchmarks.perf.gpu.session import DEFAULT_LIMIT, measure_gpu
from benchmarks.perf.paired import LoopFailed
from benchmarks.perf.speed_measurement import file_name, measure
from benchmarks.perf.speed_report import draw, frame, report
from benchmarks.perf.speed_specs import BenchmarkSpec, find_errors, make_specs
from benchmarks.printing import prepare_output
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.speed_records import read_speed_records
from benchmarks.training import engine


def write(folder: Path) -> list[Path]:
    """Write CSV, Markdown table and plot of all records of a folder."""
    values = read_speed_records(folder)
    draw(values, folder / "speed.png")
    text = frame_to_csv(frame(values))
    return [records.write_text(folder / "speed.csv", text), records.write_text(folder / "speed.md", report(values))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write. Return 2 for a wrong command, 1 if a measurement failed, 130 if interrupted."""
    prepare_output()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = parser.add_argument
    add("--models", default="glf", metavar="A,B")
    add("--on", default="mnist", metavar="X,Y", help="data sets; random images replace missing ones")
    add("--loops", default="ours,eager,plain,pythae,ceiling", help="loops to measure (default: %(default)s)")
    add("--rounds", type=int, default=5)
    add("--steps", type=int, default=10, help="steps per measurement (default: %(default)s)")
    add("--processes", type=int, default=0, help="processes per loop (default: one per core; one on a GPU)")
    add("--device", default="auto")
    add("--precision", default="fp32", help=", ".join(engine.PRECISIONS))
    add("--engine", default="auto", help=", ".join(engine.ENGINES))
    add("--channels-last", action="store_true", help="memory format of images and convolutions")
    add("--scaling", action="store_true", help="measure seconds per epoch by images, and per step by FLOPs")
    add(
        "--gpu",
        action="store_true",
        help="measure all that only a GPU can tell (--device cpu: a trial with small items)",
    )
    add(
        "--limit",
        type=float,
        default=DEFAULT_LIMIT,
        metavar="SECONDS",
        help="time limit of --gpu; the next call goes on (default: %(default)s)",
    )
    add("--report", action="store_true", help="only write table and plot of existing records")
    add("--data-root", type=Path, default=environment.data_folder())
    add("--out", type=Path, help="(default: results/local/speed, with --gpu results/local/speed-gpu)")
    args = parser.parse_args(arguments)
    args.out = args.out or Path("results/local/speed-gpu" if args.gpu else "results/local/speed")
    errors: list[str] = []
    device = parse_device(args.device, errors)
    errors += find_errors(args, device)
    for problem in errors:
        print(f"error: {problem}", file=sys.stderr)
    if errors or device is None:
        return 2
    try:
        if args.gpu:
            return 1 if measure_gpu(device, args.out, args.data_root, args.limit, args.report) else 0
        failed = 0 if args.report else run_specs(args, device)
    except KeyboardInterrupt:
        print(f"interrupted; finished measurements are in {args.out}", file=sys.stderr)
        return 130
    paths = write(args.out)
    print(paths[-1].read_text(encoding="utf-8"))
    for path in paths:
        print(path)
    return 1 if failed else 0


def run_specs(args: argparse.Namespace, device: torch.device) -> int:
    """Make all measurements of a command, one file each, and return how many failed.

    A failure does not stop the other measurements. A baseline that fails is reported and omitted. Its measurement does
    not count as failed.
    """
    failed = 0
    for spec in make_specs(args, device):
        print(f"{spec.purpose}: {spec.case.model} on {spec.case.dataset}, {spec.case.precision}, {spec.processes} "
              f"processes, {spec.count} rounds of {spec.case.steps} steps", flush=True)  # fmt: skip
        try:
            record = _measure_without_failed_baselines(spec, Path(args.data_root) if args.data_root else None)
        except (RuntimeError, ValueError, OSError) as error:  # an error of a worker contains its traceback
            print(f"error: {spec.case.model} on {spec.case.dataset}: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        print(records.write_json(args.out / file_name(record), record), flush=True)
    return failed


def _measure_without_failed_baselines(spec: BenchmarkSpec, root: Path | None) -> dict[str, Any]:
    """Measure; if a baseline fails, omit it and measure again."""
    while True:
        try:
            return measure(spec, root)
        except LoopFailed as error:
            if error.loop == "ours":
                raise
            print(f"omitted from {spec.case.model} on {spec.case.dataset}: {error}", file=sys.stderr, flush=True)
            remaining = [loop for loop in spec.loops if loop != error.loop]
            spec = replace(spec, loops=remaining, failed_baselines=(*spec.failed_baselines, error.loop))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, so that temporary files are removed
    sys.exit(main())
