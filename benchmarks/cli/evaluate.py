"""The metrics on any two sets of images."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from rich.table import Table as Sheet

from benchmarks.cli.commands import DONE
from benchmarks.cli.data import data_root
from benchmarks.execution.options import UserErrors, names, parse_count, parse_device


def run(args: Namespace) -> int:
    """Print the metrics of --fake against --real, as a table and, last, as one line of JSON.

    Raises:
        UserErrors: all errors.
    """
    from benchmarks.cli.output import wide_console
    from benchmarks.evaluation import compare
    from benchmarks.evaluation.metrics import METRICS

    errors = [f"evaluate needs --{side}" for side in ("real", "fake") if getattr(args, side) is None]
    device = parse_device(args.device, errors)
    images = parse_count("--images", args.images, 0, errors)
    if errors or device is None:
        raise UserErrors(errors)
    metrics = tuple(METRICS) if args.metrics is None else tuple(names(args.metrics))
    try:
        comparison = compare.compare(
            args.real, args.fake, args.features or "inception", data_root(args), device,
            metrics=metrics, images=images or None, allow_few=args.allow_few,
        )  # fmt: skip
    except ValueError as error:
        raise UserErrors([str(error)]) from None
    protocol = comparison.protocol
    title = " + ".join("moments of unknown images" if n is None else f"{n:,} images" for n in comparison.n)
    if protocol is not None:
        title += f", {protocol.extractor} ({protocol.dims}-d), metric protocol {protocol.id}"
    sheet = Sheet("metric", "value", "better", title=title)
    better = {column: direction for row in METRICS.values() for column, direction in row.columns.items()}
    for column, value in comparison.values.items():
        sheet.add_row(column, f"{value:.6g}", better.get(column, "lower"))
    wide_console().print(sheet)
    description: dict[str, Any] = {"n_real": comparison.n[0], "n_fake": comparison.n[1]}
    if protocol is not None:
        description |= {"extractor": protocol.extractor, "weights": protocol.weights}
        description |= {"protocol_id": protocol.id, "protocol": protocol.plain()}
    print(json.dumps({**description, **comparison.values}))
    return DONE
