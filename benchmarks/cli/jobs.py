"""Commands on runs that were launched: status, retry, cancel."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cli.commands import DONE, USER_ERROR
from benchmarks.cli.parser import program
from benchmarks.execution.options import Options, UserErrors, names
from slurm import CLUSTERS, cluster_name, list_jobs, resolve_cluster

# Options of launch files that older versions wrote -> their names today.
RENAMED = {"progress": "eval_every"}


def status(args: Namespace) -> int:
    """Print what is done, running, pending and failed."""
    from benchmarks.execution.status import report

    print(report(Path(args.results), list_jobs, cluster_name))
    return DONE


def cancel(args: Namespace) -> int:
    """Stop everything that runs for a results folder; 1 where SLURM did not answer."""
    from benchmarks.execution.cancel import cancel_launches

    return cancel_launches(Path(args.results))


def retry(args: Namespace) -> int:
    """Run every command again that was launched into a results folder: what failed, is missing or was lost.

    A launch that names classes of the user's own has their modules imported.  Whoever can write into the folder can
    write such a name, so this command line must name each of them, too.

    Raises:
        Problems: it names a class that no launch names.
    """
    from benchmarks.execution.launches import launches

    commands = {json.dumps(launch["command"]): launch["command"] for launch in launches(Path(args.results)).values()}
    allowed = _external_classes(vars(args))
    launched = set().union(*(_external_classes(command["options"]) for command in commands.values()))
    named = {("--only", name) for name in names(args.only or "") if name}
    named |= {("--features", args.features)} if args.features else set()
    if errors := sorted(named - launched):
        raise UserErrors([f"retry {' '.join(pair)}: no launch in {args.results} names such a class of your own; retry "
                        "takes these options to allow what is imported, not to choose" for pair in errors])  # fmt: skip
    codes = [DONE]
    for command in commands.values():
        if refused := sorted(_external_classes(command["options"]) - allowed):
            _print_errors(command, [f"its launch file would have this code imported: "
                                    f"{', '.join(name for _, name in refused)}. If it is yours, allow it by: "
                                    f"{program()} retry {_as_options(refused)}"])  # fmt: skip
            codes.append(USER_ERROR)
            continue
        code = _retry(args, command)
        codes += [] if code is None else [code]
    if len(codes) == 1:
        print("nothing to retry: every run that was launched is done")
    return max(codes)


def _retry(args: Namespace, command: dict[str, Any]) -> int | None:
    """Run one launched command again; its exit code, or None where nothing is left to do."""
    from benchmarks.cli import output
    from benchmarks.cli.tables import execute, with_force
    from benchmarks.execution import placement
    from benchmarks.execution.planning import make_plan
    from benchmarks.reporting.registry import REQUIREMENTS
    from benchmarks.reporting.style import TableStyle

    name = command["what"]
    where = resolve_cluster(command["options"]["cluster"] if args.cluster == "auto" else args.cluster)
    given = {RENAMED.get(option, option): value for option, value in command["options"].items()}
    known = {option: value for option, value in given.items() if option in Options.__dataclass_fields__}
    options = Options(**{**known, "results": args.results, "cluster": where})
    errors: list[str] = []
    style = TableStyle.from_options(options, errors)
    try:
        found = placement.place_on_slurm(make_plan(options, CLUSTERS, REQUIREMENTS[name], name, errors), options.device)
        output.refuse_to_replace(name, found)
    except UserErrors as error:  # the other commands go on
        _print_errors(command, error.errors)
        return USER_ERROR
    found = with_force(found, command.get("force", ""))
    if not found.pending():
        return None
    wait = not args.no_wait or where != "slurm"
    return execute(name, found, command, style, dry_run=args.dry_run, yes=True, wait=wait)


def _print_errors(command: Mapping[str, Any], errors: Sequence[str]) -> None:
    for error in errors:
        print(f"error: {command['what']}: {error}", file=sys.stderr)


def _external_classes(options: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The classes from outside that options would have imported, each with the option that names it."""
    import zoo
    from benchmarks.evaluation import names as feature_names

    models = {name.partition("+")[0] for name in names(str(options.get("only") or ""))}
    features = str(options.get("features") or "")
    found = {("--only", model) for model in models if zoo.is_external(model)}
    return found | ({("--features", features)} if feature_names.is_external(features) else set())


def _as_options(classes: Sequence[tuple[str, str]]) -> str:
    """Classes as a command line names them."""
    by_option: dict[str, list[str]] = {}
    for option, name in classes:
        by_option.setdefault(option, []).append(name)
    return " ".join(f"{option} {','.join(listed)}" for option, listed in by_option.items())
