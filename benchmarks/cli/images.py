"""Pictures of a finished run: samples, interpolations, reconstructions."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from benchmarks.cli.commands import DONE
from benchmarks.cli.data import data_root
from benchmarks.execution.options import UserErrors


def draw(args: Namespace) -> int:
    """Draw a picture from a finished run and print its path.

    Raises:
        UserErrors: there is no such run, or its weights were removed.
    """
    if len(args.names) != 2:
        raise UserErrors([f"{args.command} needs a model and a data set, got {' '.join(args.names) or 'nothing'}"])
    from benchmarks.reporting import gallery

    model, dataset = args.names
    try:
        print(gallery.draw_image_grid(args.command, model, dataset, Path(args.results), data_root(args), args.preset))
    except ValueError as error:
        raise UserErrors([str(error)]) from None
    return DONE
