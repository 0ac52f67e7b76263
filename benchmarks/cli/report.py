"""Commands that write the HTML report and Table 3; they train nothing."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from benchmarks.cli.commands import DONE
from benchmarks.execution.options import UserErrors
from benchmarks.program import suggest


def write_report(args: Namespace) -> int:
    """Write the HTML report of all records and print its files.

    Raises:
        UserErrors: there are no records.
    """
    results = Path(args.results)
    if not (results / "records").is_dir():
        make = suggest("table1 --preset demo", results)
        raise UserErrors([f"there are no records in {results}. Choose another folder with --results, or run {make}"])
    from benchmarks.reporting import report

    for path in report.write_report(results):
        print(path)
    return DONE


def write_table3(args: Namespace) -> int:
    """Print and write Table 3, the architecture, measured from the modules."""
    from rich.table import Table as Sheet

    from benchmarks.cli.output import wide_console
    from benchmarks.experiments import records
    from benchmarks.reporting import architecture

    frame = architecture.table3()
    sheet = Sheet(*frame.columns, title="Table 3, measured from the modules")
    for row in frame.itertuples(index=False):
        sheet.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    wide_console().print(sheet)
    path = Path(args.results) / "tables" / "table3.csv"
    print(records.write_text(path, frame.to_csv(index=False, lineterminator="\n")))
    return DONE
