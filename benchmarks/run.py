"""The command line: `python -m benchmarks.run WHAT [options]`.

It checks everything first (exit code 2 with all problems), runs what is missing, writes the table, and prints
its path last.  It defines no function that a job runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.execution import status
from slurm import CLUSTERS, choose, cluster, listed

if __name__ == "__main__" and (folder := status.asked(sys.argv[1:])):
    sys.exit(status.show(folder, listed, cluster))  # before torch is imported, which takes longer than the answer

import pandas as pd
from rich.console import Console
from rich.table import Table as Sheet

import zoo
from benchmarks import protocols
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.verdicts import SPREADS
from benchmarks.cli.commands import COMMANDS, DONE, FAILED, INTERRUPTED, WRONG, Command
from benchmarks.evaluation import extractors, image_grid, metrics
from benchmarks.execution import launcher
from benchmarks.execution import launches as ledger
from benchmarks.execution.grid import MARGIN
from benchmarks.execution.options import Options, Problems, names
from benchmarks.execution.plan import Plan, plan, seconds_per_step, settings
from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import forced
from benchmarks.reporting import figures, formats, gallery, speed_records, tables
from benchmarks.reporting.registry import REQUIREMENTS
from benchmarks.reporting.style import TableStyle
from zoo.losses import RECON, SPELLINGS
from zoo.named import meant

STATES = ("done", "diverged", "failed", "pending", "unusable", "lacking")
CURVED = [name for name, kind in figures.FIGURES.items() if kind.panels]
TABLE_OPTIONS = frozenset({*Options.__dataclass_fields__, "dry_run", "yes", "force", "no_wait"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 some trials failed, 2 a mistake in the command, 130 interrupted.
    """
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    try:
        return _main(sys.argv[1:] if arguments is None else list(arguments))
    except Problems as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output has gone: no complaint at exit
        return FAILED
    except OSError as error:  # a full disk: what was finished is written
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted: finished trainings are kept; the same command goes on with the rest", file=sys.stderr)
        return INTERRUPTED


def _main(arguments: list[str]) -> int:
    parser = _parser()
    given, unknown = parser.parse_known_args(arguments)
    root = given.data_root or os.environ.get("AE_BENCH_DATA") or None
    command = ALL.get(given.what)
    if command is None or not command.names:
        unknown = [*unknown, *given.names]
    wrong = [f"unknown option or argument {text!r}; see --help" for text in unknown]
    heeds = TABLE_OPTIONS if command is None else command.heeds
    named = {name for name, value in vars(given).items() if value != parser.get_default(name)}
    useless = sorted(named - heeds - {"what", "names", "results"})
    wrong += [f"{given.what} takes no --{name.replace('_', '-')}" for name in useless]
    if command is not None:
        if wrong:
            raise Problems(wrong)
        return command.call(given, Path(root) if root else None)
    if given.what not in (*REQUIREMENTS, "all"):
        what = [*REQUIREMENTS, "all", *ALL]
        wrong.insert(0, f"cannot run {given.what!r}{meant(given.what, what)}. Known: {', '.join(what)}")
        if named <= {"what", "names", "results"}:  # the rest of the command says nothing that could be wrong, too
            raise Problems(wrong)
    known = {n: v for n, v in vars(given).items() if n in Options.__dataclass_fields__ and v is not None}
    options = Options(**{**known, "data_root": root, "cluster": choose(given.cluster)})
    if given.what == "all" and options.keep != "weights":
        wrong.append("all --keep logs would train the same models for one table after the other: keep the weights, and "
                     "delete RESULTS/runs when all is measured")  # fmt: skip
    plans: dict[str, Plan] = {}
    name = given.what if given.what in REQUIREMENTS else "table1"
    wanted = _everything(options) if given.what == "all" else {name: options}
    style = TableStyle.of(options, wrong)
    for name, asked in wanted.items():
        try:
            plans[name] = launcher.placed(plan(asked, CLUSTERS, REQUIREMENTS[name], name, wrong), options.device)
            _refuse_to_replace(name, plans[name])
        except Problems as error:
            wrong += error.problems
    if wrong:
        raise Problems([*dict.fromkeys(wrong)])
    found = plans[next(iter(plans))]
    if given.no_wait and found.cluster != "slurm" and not given.dry_run:
        if found.preset == "paper" and not given.yes and (pending := found.pending()):
            raise Problems([f"{len(pending)} trainings at the paper's budget: say --yes to start them"])
        return launcher.detach([word for word in arguments if word != "--no-wait"], found.results)
    again = {name: {"what": name, "options": asdict(replace(wanted[name], cluster=given.cluster))} for name in plans}
    word = _word(next(iter(again.values())), [*plans.values()]) if given.force else ""
    codes = [DONE]
    for name, found in plans.items():
        if given.dry_run and len(plans) > 1:
            print(name)
        codes.append(_table(name, _anew(found, word), again[name] | {"force": word}, style,
                            dry=given.dry_run, yes=given.yes, wait=not given.no_wait))  # fmt: skip
    if given.what == "all" and not given.dry_run:
        codes.append(ALL["table3"].call(given, None))
    return max(codes)


def _word(command: dict[str, Any], plans: Sequence[Plan]) -> str:
    """A word for the wish to train anew, one for all of the tables that are asked for: each training once."""
    word = ledger.last_force(plans[0].results, command)
    # One that was cut off is brought to its end: what it has trained is not trained anew once more.
    if word is not None and any(forced(job.work, word) for one in plans for job in one.jobs):
        return word
    return uuid.uuid4().hex


def _anew(found: Plan, word: str) -> Plan:
    """The plan with all of its trainings to be trained anew, once for each word; "" for no such wish."""
    return replace(found, jobs=tuple(replace(job, force=word) for job in found.jobs))


def _everything(options: Options) -> dict[str, Options]:
    """What `all` writes, and how: the paper's tables, and its figures, of those of their models that are asked for.

    Figures with curves come first: a training that was made without one would have to be made again.
    """
    asked = None if options.only is None else names(options.only)
    found = {}
    for name in sorted(REQUIREMENTS, key=lambda name: name not in CURVED):
        if name in tables.TABLES and name.startswith("table"):
            found[name] = options
        elif name in figures.FIGURES:
            models = [model for model in figures.FIGURES[name].known if asked is None or model in asked]
            if models:  # not named where the command names none: what cannot run here leaves the others alone
                found[name] = options if asked is None else replace(options, only=",".join(models))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Train what is missing, measure it, and write the paper's tables.",
        epilog="exit codes: 0 done, 1 some trials failed (the table is written all the same), "
        "2 a mistake in the command (nothing started), 130 interrupted (finished trainings are kept)",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("what", metavar="WHAT", help=f"{', '.join(REQUIREMENTS)}: train what is missing, write the table or figure; "
        "all: "
        "every table and figure of the paper; table3: the architecture; report: one HTML page of what is there; "
        "status, retry, cancel: of what was launched; "
        f"{', '.join(gallery.KINDS)} MODEL DATASET: a picture from a finished training; evaluate: "
        "the metrics on any images; fetch "
        "NAME...: download data sets and weights; list: models, data sets, features, presets; protocols: how "
        "everything is trained")  # fmt: skip
    add("names", nargs="*", metavar="NAME", help="MODEL DATASET, or what to fetch (fetch alone lists it)")
    add("--preset", help=f"the budget: {', '.join(protocols.PRESETS)} (default: paper)")
    add("--only", metavar="A,B", help="models, or package.module:Class of your own (default: the preset's); "
        "retry: those classes that may be imported for launches that name them")  # fmt: skip
    add("--on", metavar="X,Y", help="data sets, or folder:PATH (default: the preset's)")
    add("--name", help="of a folder, as records call it")
    add("--like", metavar="NAME", help="a data set, whose size and protocols a folder uses; a model, whose protocol "
        "rows a class of your own borrows; or DATASET,MODEL")  # fmt: skip
    add("--recon", metavar="LOSS", help="a reconstruction loss for models that have a choice: "
        f"{', '.join([*RECON, *SPELLINGS])}")  # fmt: skip
    add("--seeds", metavar="N", help="trainings per cell (default: the preset's)")
    add("--draws", metavar="D", help="sample sets per training (default: the preset's)")
    add("--features", help=f"{', '.join(extractors.FORMS)} (default: the preset's)")
    add("--metrics", metavar="A,B", help=f"{', '.join(metrics.METRICS)} (default: fd, the Fréchet "
        "distance; evaluate: all)")  # fmt: skip
    add("--images", metavar="N", help="images of each kind in a metric, at most (default: 10000; evaluate: all)")
    add("--allow-few", action="store_true", help="accept no more images than features: a biased distance")
    add("--progress", metavar="E", help="measure the Fréchet distance every E epochs of training, too (default: the "
        "preset's for figure3 and figure4, else not at all); a training without such a curve is repeated")  # fmt: skip
    add("--format", metavar="A,B", help=f"{', '.join(formats.FORMATS)} (default: all)")
    add("--decimals", metavar="N", help="digits behind the point (default: as many as a table's numbers need)")
    add("--margin", metavar="SHARE", help="of the paper's number, within which ours counts as equal (default: "
        f"{MARGIN}; never less than {SPREADS} of the paper's standard deviations)")  # fmt: skip
    add("--real", metavar="WHAT", help="evaluate: a data set (its test part; NAME:train for the other), a folder, an "
        ".npz file of images, or one of moments as pytorch-fid saves them")  # fmt: skip
    add("--fake", metavar="WHAT", help="evaluate: the generated images, likewise")
    add("--data-root", metavar="DIR", help="where data lies (default: AE_BENCH_DATA, or a user cache folder)")
    add("--results", metavar="DIR", default="results/local", help="where everything is written (%(default)s)")
    add("--keep", default="weights", help="what stays of a training that this command finishes, beside its record and "
        "grid of samples: weights (53 MB on MNIST, 270 on CelebA), or its logs alone: every further metric, table or "
        "picture then trains again (default: %(default)s)")  # fmt: skip
    add(
        "--cluster",
        default="auto",
        help="auto, inline (this process), local (worker processes) or slurm; auto: slurm where it answers, else local",
    )
    add("--workers", metavar="K", help="worker processes (default: one per CPU core, one on a GPU)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="fp32", help="fp32; on a GPU tf32 or bf16 (default: %(default)s)")
    add("--engine", default="auto", help="how steps are taken: eager, compiled, graph (on a GPU) or auto; the same "
        "training within float tolerance (default: auto, which is graph on a GPU and eager elsewhere)")  # fmt: skip
    add("--no-wait", action="store_true", help="submit, or start in the background, and return")
    add("--force", action="store_true", help="train anew although there is a record, which stays until then; "
        "one that was cut off goes on")  # fmt: skip
    add("--dry-run", action="store_true", help="show states and settings; start nothing")
    add("--yes", action="store_true", help="do not ask before an expensive run")
    parser.error = _error  # type: ignore[method-assign, assignment]
    return parser


def _error(message: str) -> None:
    raise Problems([f"{message}; see --help"])


# --- tables


def _table(
    name: str,
    found: Plan,
    command: dict[str, Any],
    style: TableStyle,
    *,
    dry: bool,
    yes: bool,
    wait: bool = True,
) -> int:
    console = Console()
    pending = found.pending()
    if dry:
        _describe(found, console)
        for line in launcher.what_slurm_gets(pending) if found.cluster == "slurm" else ():
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        return DONE
    if pending and found.preset == "paper" and not yes:
        _describe(found, console)
        if not sys.stdin.isatty():
            raise Problems([f"{len(pending)} trainings at the paper's budget: say --yes to start them"])
        if input(f"Train {len(pending)} models at the paper's budget? [y/N] ").strip().lower() not in ("y", "yes"):
            print("nothing started")
            return DONE
    launcher.run(found, pending, console, command, wait)
    if pending and not wait:
        return DONE
    return _write(name, found, style, console)


def _status(given: argparse.Namespace, root: Path | None) -> int:
    print(status.report(Path(given.results), listed, cluster))
    return DONE


def _cancel(given: argparse.Namespace, root: Path | None) -> int:
    return launcher.end_launches(Path(given.results))


def _retry(given: argparse.Namespace, root: Path | None) -> int:
    """Run every command again that was launched into this results folder: what failed, is missing or was lost.

    A launch that names classes of the user's own has their modules imported.  Whoever can write into the folder can
    write such a name, so each must stand on this command line, too.
    """
    codes = [DONE]
    launches = {json.dumps(launch["command"]): launch["command"]
                for launch in ledger.launches(Path(given.results)).values()}  # fmt: skip
    trusted = _foreign(vars(given))
    named = set().union(*(_foreign(command["options"]) for command in launches.values()))
    asked = {("--only", name) for name in names(given.only or "") if name}
    asked |= {("--features", given.features)} if given.features else set()
    if wrong := sorted(asked - named):
        raise Problems([f"retry {' '.join(pair)}: no launch in {given.results} names such a class of your own; retry "
                        "takes these options to allow what is imported, not to choose" for pair in wrong])  # fmt: skip
    for command in launches.values():
        if strange := sorted(_foreign(command["options"]) - trusted):
            print(f"error: {command['what']}: its launch file would have this code imported: "
                  f"{', '.join(name for _, name in strange)}. If it is yours, allow it by: run retry "
                  f"{_as_options(strange)}", file=sys.stderr)  # fmt: skip
            codes.append(WRONG)
            continue
        cluster = choose(command["options"]["cluster"] if given.cluster == "auto" else given.cluster)
        known = {name: value for name, value in command["options"].items() if name in Options.__dataclass_fields__}
        options = Options(**{**known, "results": given.results, "cluster": cluster})
        try:
            errors: list[str] = []
            style = TableStyle.of(options, errors)
            planned = plan(options, CLUSTERS, REQUIREMENTS[command["what"]], command["what"], errors)
            found = launcher.placed(planned, options.device)
            _refuse_to_replace(command["what"], found)
        except Problems as error:  # the other commands go on
            for problem in error.problems:
                print(f"error: {command['what']}: {problem}", file=sys.stderr)
            codes.append(WRONG)
            continue
        found = _anew(found, command.get("force", ""))
        if found.pending():
            wait = not given.no_wait or cluster != "slurm"
            codes.append(_table(command["what"], found, command, style, dry=given.dry_run, yes=True, wait=wait))
    if len(codes) == 1:
        print("nothing to retry: every training that was launched is there")
    return max(codes)


def _foreign(options: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The classes from outside that options would have imported, each with the option that names it."""
    bases = {name.partition("+")[0] for name in names(str(options.get("only") or ""))}
    features_ = str(options.get("features") or "")
    found = {("--only", base) for base in bases if zoo.is_foreign(base)}
    return found | ({("--features", features_)} if extractors.is_foreign(features_) else set())


def _as_options(classes: Sequence[tuple[str, str]]) -> str:
    """Classes as they stand on a command line."""
    by_option: dict[str, list[str]] = {}
    for option, name in classes:
        by_option.setdefault(option, []).append(name)
    return " ".join(f"{option} {','.join(listed)}" for option, listed in by_option.items())


LAUNCHED = {
    "status": Command(_status),
    "retry": Command(_retry, frozenset({"cluster", "dry_run", "no_wait", "only", "features"})),
    "cancel": Command(_cancel),
}
ALL = {**COMMANDS, **LAUNCHED}


def _refuse_to_replace(name: str, found: Plan) -> None:
    """A table or figure of the paper's setting is not overwritten by one of a shortened preset."""
    figure = name in figures.FIGURES
    path = found.results / (f"figures/{name}.md" if figure else f"tables/{name}-tidy.csv")
    if found.preset == "paper" or not path.is_file():
        return
    if "Preset paper;" in path.read_text(encoding="utf-8") if figure else "paper" in set(pd.read_csv(path)["preset"]):
        raise Problems([f"{path} is of preset paper: write that of preset {found.preset} to another --results"])


def _describe(found: Plan, console: Console) -> None:
    """Print the grid with its states, the settings of each row, and what is left to do."""
    if found.fixed is not None:
        console.print("nothing to run: what benchmarks.perf.speed has measured fills it, no training", soft_wrap=True)
        return
    sheet = Sheet("model", "data set", "trainings", "steps each", "left", title=f"preset {found.preset}")
    cost, known = seconds_per_step(found.results), True
    hours = 0.0
    for model, dataset, jobs in found.cells():
        states = [found.state(job) for job in jobs]
        left = states.count("pending") + states.count("failed")
        counts = ", ".join(f"{states.count(s)} {s}" for s in STATES if s in states)
        trial = jobs[0].trial
        for stage, schedule in trial.protocol.stages.items():
            seconds = cost.get((model, dataset, stage))
            known = known and (seconds is not None or not left)
            hours += left * schedule.total(trial.images) * (seconds or 0) / 3600
        sheet.add_row(model, dataset, counts, f"{trial.steps:,}", str(left))
    console.print(sheet)
    for model, dataset, jobs in found.cells():
        head = f"{model} on {dataset}: {jobs[0].trial.images:,} images"
        console.print(head, style="bold", highlight=False, markup=False)
        for line in settings(jobs[0].trial):
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    grid = found.grid()
    for note in (*grid.protocols, *grid.notes):
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    total = len(found.pending())
    if total and known:
        device = "GPU-hours" if found.jobs[0].device != "cpu" else "core-hours"
        console.print(f"{total} trainings to run, about {hours:.2g} {device} by this folder's records", soft_wrap=True)
    elif total:
        console.print(f"{total} trainings to run; no record of all their stages yet to tell how long", soft_wrap=True)
    else:
        absent = sum(found.state(job) in ("lacking", "unusable") for job in found.jobs)
        console.print(
            "nothing to run: "
            + (f"{absent} trainings cannot be made here, the others are there" if absent else "every training is there")
        )


def _write(name: str, found: Plan, style: TableStyle, console: Console) -> int:
    """Build the table or figure from the records and write it and its pictures; the last line is its path."""
    if name in figures.FIGURES:
        paths, shown = _figure(name, found, console), []
    else:
        grid = replace(found.grid(), decimals=style.decimals, margin=style.margin)
        table = tables.build(name, _frames(found.results, tables.TABLES[name].reads), grid)
        paths = formats.write(table, found.results, style.formats)
        shown = _grids(found) if tables.TABLES[name].pictures else []
        console.print(formats.to_markdown(table), highlight=False, markup=False, soft_wrap=True)
    states = [found.state(job) for job in found.jobs]
    for job, state in zip(found.jobs, states, strict=True):
        where = f"{job.trial.model} on {job.trial.dataset}, seed {job.trial.seed}"
        if state == "unusable":
            console.print(f"{state}: {where}: the warning above says why", markup=False, soft_wrap=True)
        elif state in ("failed", "diverged") and (record := records.find(found.results, job.trial.key)):
            console.print(f"{state}: {where}: {record['error']['message']}", markup=False, soft_wrap=True)
    for path in [*paths[1:], *shown, paths[0]]:
        print(path)
    return FAILED if {*states} & {"failed", "pending", "unusable"} else DONE


def _figure(name: str, found: Plan, console: Console) -> list[Path]:
    """Draw a figure of the plan's own trainings, and print its caption."""
    grid, (runs, epochs) = found.grid(), records.read(found.results)
    keys = {job.trial.key for job in found.jobs}
    evidence = Evidence(runs[runs["key"].isin(keys)], epochs[epochs["key"].isin(keys)], found.preset)
    paths = figures.write(name, evidence, grid.models, grid.datasets, found.results)
    console.print(paths[2].read_text(encoding="utf-8").strip(), highlight=False, markup=False, soft_wrap=True)
    return paths


def _frames(folder: Path, wanted: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The frames that a table reads; epochs only where it does, as they take longest."""
    if "epochs" in wanted:
        return dict(zip(("runs", "epochs"), records.read(folder), strict=True))
    if "speed" in wanted:
        return {"runs": records.runs(folder), "speed": speed_records.read(folder / "speed")}
    return {"runs": records.runs(folder)}


def _grids(found: Plan) -> list[Path]:
    """Copy one sample grid per cell, of its first finished training, and put each column's side by side."""
    folder, shown = found.results / "figures", []
    columns: dict[str, dict[str, Path]] = {}
    for model, dataset, jobs in found.cells():
        target = folder / image_grid.name_of("samples", dataset, model)
        source = next((p for job in jobs if (p := job.work / "samples.png").is_file()), None)
        if source is not None:
            folder.mkdir(parents=True, exist_ok=True)
            temporary = target.with_suffix(".tmp")
            temporary.write_bytes(source.read_bytes())
            temporary.replace(target)
            columns.setdefault(dataset, {})[zoo.entry(model).label] = target
    for dataset, grids in columns.items():
        shown.append(image_grid.side_by_side(grids, folder / f"samples-{dataset}.png"))
    return shown


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: workers save before they end
    sys.exit(main())
