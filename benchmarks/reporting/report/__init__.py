"""The report: one HTML file that says which of the paper's claims hold here, on what evidence, and how to rerun it.

It trains nothing and asks nothing of a network: pictures are data URIs, there is no script, and the page's own content
policy forbids both.  Whatever is missing, failed or diverged is shown as such.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from importlib import resources
from pathlib import Path

import jinja2

from benchmarks.analysis.evidence import Evidence, presets
from benchmarks.experiments import records
from benchmarks.reporting.departures import collect
from benchmarks.reporting.report import listed
from benchmarks.reporting.report.again import named
from benchmarks.reporting.report.content import REMARKS, Section, section
from benchmarks.reporting.report.facts import effect
from benchmarks.reporting.report.words import duration, label, number

# Nothing is fetched, run, submitted or styled but what stands in the file
POLICY = "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"

PAPER = "https://arxiv.org/abs/1905.10485"  # a link: the page itself asks nothing of it

__all__ = ["files", "render", "write"]


def write(results: Path) -> Path:
    """Write all files of the report; returns the page's path."""
    return files(results)[-1]


def files(results: Path) -> list[Path]:
    """Write RESULTS/report.html, and what it shows as files of their own, below the same folder.

    Beside the page those are the claims, tables/claims.csv and claims.md, and the paper's figures of what is there,
    figures/figureN-PRESET.* (PNG, PDF, caption, and the numbers drawn of curves).

    Returns:
        All their paths, the page's last.
    """
    runs, epochs = records.read(results)
    sections = [section(Evidence(runs, epochs, preset), results) for preset in presets(runs)]
    beside = [*listed.write(sections, results), *(path for one in sections for path in one.files)]
    return [*beside, records.write_text(results / "report.html", render(sections, results))]


def render(sections: list[Section], results: Path) -> str:
    """The page."""
    here = resources.files("benchmarks.reporting.report")
    style = (here / "report.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)  # fmt: skip
    template = environment.from_string((here / "report.html").read_text(encoding="utf-8"))
    found = collect(Path(__file__).resolve().parents[3])
    # The cell to try first is the one of Table 1 that is made the soonest
    known = [(row.again.seconds, row, board) for section in sections for board in section.boards for row in board.rows
             if row.again.seconds is not None and row.usual]  # fmt: skip
    return template.render(
        style=style,
        policy=POLICY.format(_digest(style)),
        sections=sections,
        results=named(results),
        rewrite=shlex.join(["python", "-m", "benchmarks.run", "report", "--results", named(results)]),
        commits=sum((section.commits for section in sections), Counter()).most_common(),
        example=min(known, key=lambda one: one[0], default=None),
        paper=PAPER,
        departures=found,
        remarks=REMARKS,
        label=label,
        effect=effect,
        number=number,
        duration=duration,
    )


def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
