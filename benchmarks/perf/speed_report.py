"""What records of speed say: seconds per epoch, ratios of rounds, how cost grows; tables, CSV and plot of them.

Pure functions of records: nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from pandas import DataFrame

from benchmarks.presets import PRESETS, TABLE1
from benchmarks.protocols import protocol
from benchmarks.reporting.speed_records import step_seconds, steps_per_epoch

NAMES = {"ours": "ours", "eager": "eager, resident", "plain": "plain loop", "pythae": "pythae"}


def summary(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per stage: medians over rounds; ratios and shares are of rounds, then their median and range."""
    rows = []
    for stage, loops in step_seconds(record).items():
        mine = loops["ours"]
        epoch = [seconds * steps_per_epoch(record, stage) for seconds in mine.values()]
        row: dict[str, Any] = {
            "model": record["model"], "dataset": record["dataset"], "stage": stage, "precision": record["precision"],
            "processes": record["processes"], "epoch": median(epoch), "epochs": epoch,
            "images": record["processes"] * record["batch"][stage] / median(mine.values()),
        }  # fmt: skip
        if "ceiling" in loops:
            work = record["flops"][stage] / 1e9
            row["mfu"] = [work * loops["ceiling"][n] / seconds for n, seconds in mine.items()]
        for loop in NAMES:
            if loop in loops and loop != "ours":
                row[loop] = [loops[loop][n] / seconds for n, seconds in mine.items()]
        rows.append(row)
    return rows


def report(found: Sequence[Mapping[str, Any]]) -> str:
    """All tables, Markdown."""
    lines: list[str] = []
    for device in dict.fromkeys(record["provenance"]["device"] for record in found):
        mine = [record for record in found if record["provenance"]["device"] == device]
        lines += [f"## {device.partition(': ')[2]}", ""]
        lines += [*_table(mine), *_processes(mine), *_images(mine), *_sides(mine), *_column(mine)]
    return "\n".join(lines) + "\n"


def _table(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    mine = [record for record in found if record["purpose"] == "table"]
    if not mine:
        return
    others = " | ".join(f"× {name}" for loop, name in NAMES.items() if loop != "ours")
    yield f"| model | data set | stage | precision | processes | s/epoch | images/s | of sgemm | {others} |"
    yield "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for record in mine:
        precision = record["precision"] + (", channels last" if record["channels_last"] else "")
        for row in summary(record):
            loops = [_spread(row.get(loop)) for loop in NAMES if loop != "ours"]
            cells = [row["model"], row["dataset"] + (" (random)" if record["synthetic"] else ""), row["stage"],
                     precision, str(row["processes"]), _spread(row["epochs"]), f"{row['images']:,.0f}",
                     _spread(row.get("mfu")), *loops]  # fmt: skip
            yield f"| {' | '.join(cells)} |"
    yield ""
    few = {len(row["epochs"]) for record in mine for row in summary(record)}
    crowded = [record["foreign"] for record in mine if not record["exclusive"]]
    yield f"Medians of {' or '.join(map(str, sorted(few)))} paired rounds, their range in brackets."
    yield from _laps(mine)
    if crowded:
        yield f"{len(crowded)} of {len(mine)} measurements shared the machine with others."
    yield ""


def _laps(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where loops are timed over fewer steps than ours, which the start of an epoch then weighs more upon."""
    said: dict[str, None] = {}
    for record in found:
        for stage in step_seconds(record):
            taken = {loop: {r["steps"] for r in record["rows"] if (r["loop"], r["stage"]) == (loop, stage)}
                     for loop in NAMES}  # fmt: skip
            fewer = {loop: min(taken[loop]) for loop in NAMES if taken[loop] and taken[loop] != taken["ours"]}
            if fewer:
                each = ", ".join(f"{NAMES[loop]} {count}" for loop, count in fewer.items())
                said[f"{record['model']}, {stage}, {record['dataset']}, {record['precision']}: timed over "
                     f"{max(taken['ours'])} steps, {each}; fetching the first batch is among them."] = None  # fmt: skip
    yield from said


def _processes(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    mine = [record for record in found if record["purpose"] == "processes"]
    if not mine:
        return
    yield "| model | data set | precision | trainings at once | trial-epochs/s | × one |"
    yield "| --- | --- | --- | ---: | ---: | ---: |"
    ones: dict[tuple[str, ...], float] = {}
    for record in sorted(mine, key=lambda r: r["processes"]):
        rate = throughput(record)
        cell = (record["model"], record["dataset"], record["precision"])
        one = ones.setdefault(cell, rate)
        yield f"| {' | '.join(cell)} | {record['processes']} | {rate:.3g} | {rate / one:.2f} |"
    yield ""


def throughput(record: Mapping[str, Any]) -> float:
    """Epochs of all stages together per second, of all processes together; median over the rounds."""
    each = [
        [s * steps_per_epoch(record, stage) for s in loops["ours"].values()]
        for stage, loops in step_seconds(record).items()
    ]
    return float(median(record["processes"] / sum(parts) for parts in zip(*each, strict=True)))


def _images(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Seconds per epoch against N, and how far from proportional."""
    mine = sorted((r for r in found if r["purpose"] == "images"), key=lambda r: r["images_used"])
    if not mine:
        return
    yield "| images | s/epoch | µs per image | peak memory, GB |"
    yield "| ---: | ---: | ---: | ---: |"
    each = []
    for record in mine:
        seconds = median(mean(r["seconds"]) for r in record["rows"])
        trained = record["rows"][0]["steps"] * next(iter(record["batch"].values()))  # whole batches
        each.append(seconds / trained)
        yield f"| {record['images_used']:,} | {seconds:.3g} | {each[-1] * 1e6:.1f} | {_memory(record):.2f} |"
    far = max(abs(value / each[-1] - 1) for value in each)
    yield ""
    yield f"Seconds per image differ by at most {far:.1%} from those at {mine[-1]['images_used']:,} images."
    yield ""


def _sides(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Seconds per step against its FLOPs, and the fitted fixed cost."""
    mine = sorted((r for r in found if r["purpose"] == "side"), key=lambda r: r["shape"][1])
    if not mine:
        return
    yield "| side | GFLOP per step | ms per step | peak memory, GB |"
    yield "| ---: | ---: | ---: | ---: |"
    points = []
    for record in mine:
        ((stage, loops),) = step_seconds(record).items()
        points.append((record["flops"][stage] / 1e9, median(loops["ours"].values())))
        yield f"| {record['shape'][1]} | {points[-1][0]:.4g} | {points[-1][1] * 1e3:.4g} | {_memory(record):.2f} |"
    yield ""
    if len(points) > 1:
        fixed, slope = fit(points)
        yield f"Fitted: {fixed * 1e3:.3g} ms per step and {1 / slope:,.0f} GFLOP/s beyond it."
        yield ""


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fixed cost and slope of seconds against work, by least squares of relative errors; neither below zero."""
    from scipy.optimize import nnls

    rows = np.array([[1 / t, work / t] for work, t in points])
    (fixed, slope), _ = nnls(rows, np.ones(len(points)))
    return float(fixed), float(slope)


def _column(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Minutes of a data set's column of Table 1, from stages of all its models, each measured alone by one engine."""
    usual = [record for record in found if not record["channels_last"]]
    tables = [record for record in usual if record["purpose"] == "table" and record["processes"] == 1]
    tables.sort(key=lambda record: record["images_used"])
    for cell in dict.fromkeys(map(_alike, tables)):
        dataset, precision, engine = cell
        mine = {r["model"]: r for r in tables if _alike(r) == cell}  # of several that with the longest laps
        if not {*TABLE1} <= mine.keys():
            continue
        hours = {model: column_hours(mine[model]) for model in TABLE1}
        trainings = PRESETS["paper"].seeds
        total = trainings * sum(hours.values())
        said = (
            f"Table 1's column {dataset} in {precision}, engine {engine}, extrapolated: {trainings} trainings "
            f"of {len(hours)} models at the paper's epochs take {total * 60:.0f} minutes one after the other"
        )
        for model in hours:
            rates = {r["processes"]: throughput(r) for r in usual
                     if r["purpose"] == "processes" and r["model"] == model and _alike(r) == cell}  # fmt: skip
            if len(rates) > 1 and 1 in rates:
                at = max(rates, key=lambda count: rates[count])
                gain = rates[at] / rates[1]
                said += (f"; {total / gain * 60:.0f} minutes at {at} at once if all gain as {model} does "
                         f"(by a factor of {gain:.2f})")  # fmt: skip
        yield f"{said}."
        yield ""


def _alike(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """What measurements of a column have in common, on one device."""
    return record["dataset"], record["precision"], record["engine"]


def column_hours(record: Mapping[str, Any]) -> float:
    """Hours of one training at the paper's epochs."""
    stages = protocol(record["model"], record["dataset"], "paper", record["images"]).stages
    each = step_seconds(record)
    return sum(s.total(record["images"]) * median(each[name]["ours"].values()) for name, s in stages.items()) / 3600


def _memory(record: Mapping[str, Any]) -> float:
    return float(max(max(row["memory"]) for row in record["rows"] if row["loop"] == "ours") / 1e9)


def _spread(values: Sequence[float] | None) -> str:
    """Median and range."""
    if not values:
        return "—"
    return f"{median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def frame(found: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Every round of every loop, as CSV has them: one row per process."""
    names = ("purpose", "model", "dataset", "precision", "engine", "processes", "exclusive", "synthetic")
    of_row = ("round", "stage", "loop", "steps", "how", "foreign")
    return DataFrame([
        {**{name: record[name] for name in names}, "device": record["provenance"]["device"],
         "side": record["shape"][1], **{name: row[name] for name in of_row},
         "process": number, "seconds": row["seconds"][number], "cpu": row["cpu"][number]}
        for record in found for row in record["rows"] for number in range(len(row["seconds"]))
    ])  # fmt: skip


def draw(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """An epoch's time of the loops measured beside ours over that of ours, all rounds, PNG and PDF."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cells = [(r, stage, loops) for r in found if r["purpose"] == "table" for stage, loops in step_seconds(r).items()
             if {*NAMES} & {*loops} > {"ours"}]  # fmt: skip
    if not cells:
        return
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.55 * len(cells)), layout="constrained")
    labels = []
    for place, (record, stage, loops) in enumerate(reversed(cells)):
        for number, loop in enumerate(NAMES):
            if loop in loops:
                values = [seconds / loops["ours"][n] for n, seconds in loops[loop].items()]
                at = place + 0.3 - 0.2 * number
                new = NAMES[loop] not in axes.get_legend_handles_labels()[1]
                axes.barh(at, median(values), 0.17, color=f"C{number}", label=NAMES[loop] if new else None)
                axes.plot(values, [at] * len(values), ".", color="black", markersize=3)
        seconds = median(loops["ours"].values()) * steps_per_epoch(record, stage)
        where = f"{record['provenance']['device'].split(':')[0]}, {record['precision']}"
        labels.append(f"{record['model']}, {stage}, {record['dataset']}\n{where}: {seconds:.3g} s")
    axes.set_yticks(range(len(cells)), labels, fontsize=8)
    if axes.get_xlim()[1] > 10:
        axes.set_xscale("log")
        axes.set_xlim(left=0.5)
    axes.set_xlabel("time of an epoch over ours of the same round: median; dots: rounds")
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, ncols=len(NAMES), loc="outside upper center")
    for suffix in (".png", ".pdf"):
        figure.savefig(path.with_suffix(suffix), dpi=150, metadata={"CreationDate": None} if suffix == ".pdf" else None)
    plt.close(figure)
