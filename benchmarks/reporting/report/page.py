"""Write the report: the page, the table of claims, and the paper's figures.

The page is one file without scripts.  Its images are data URIs; its content policy forbids requests and scripts.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2

from benchmarks.analysis.evidence import Evidence, presets_with_runs
from benchmarks.analysis.learning_curves import is_epoch_column
from benchmarks.evaluation.names import image_file_name
from benchmarks.experiments import records
from benchmarks.experiments.densities.records import read_densities
from benchmarks.files.names import file_name
from benchmarks.printing import escape_terminal
from benchmarks.reporting.departures import collect_departures
from benchmarks.reporting.report.claim_summary import describe_effect
from benchmarks.reporting.report.claims_table import write_claims
from benchmarks.reporting.report.dataset_section import data_uri
from benchmarks.reporting.report.number_format import dataset_label, format_duration
from benchmarks.reporting.report.rerun import display_path
from benchmarks.reporting.report.sections import NLL_NOTES, PresetSection, preset_section

# The page may load nothing and run nothing; only images in the file and its one style sheet are allowed
CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
PICTURES = {
    "reconstruct": "Test images, each with its reconstruction to its right",
    "interpolate": "Interpolations between samples",
}  # command -> what its picture shows
PAPER_URL = "https://arxiv.org/abs/1905.10485"


def write_report(results: Path) -> list[Path]:
    """Write RESULTS/report.html and the files that it shows.

    These are the claims, tables/claims.csv and claims.md, the figures of the paper that have runs,
    figures/figureN-PRESET.* (PNG, PDF, caption, and the numbers drawn), and the pictures of fitted densities,
    figures/densities-PRESET-DATASET.*.

    Returns:
        the paths of all files; the page's is the last.
    """
    evaluations, epochs = records.read_columns(results, is_epoch_column, categories=True)
    densities = read_densities(results)
    sections = [
        preset_section(Evidence(evaluations, epochs, preset), results, densities)
        for preset in presets_with_runs(evaluations)
    ]
    files = [*write_claims(sections, results), *(path for section in sections for path in section.figure_files)]
    return [*files, records.write_text(results / "report.html", render_page(sections, results))]


def render_page(sections: Sequence[PresetSection], results: Path) -> str:
    """The HTML of the page."""
    package = resources.files("benchmarks.reporting.report")
    style = (package / "report.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)  # fmt: skip
    template = environment.from_string((package / "report.html").read_text(encoding="utf-8"))
    # The example to rerun is the cell of Table 1 that takes the least time
    examples = [(row.rerun.total_seconds, row, dataset) for section in sections for dataset in section.datasets
                for row in dataset.rows if row.rerun.total_seconds is not None and row.is_in_preset]  # fmt: skip
    path = display_path(results)
    page = template.render(
        style=style,
        content_policy=CONTENT_POLICY.format(_style_digest(style)),
        sections=sections,
        results=path,
        report_command=shlex.join(["python", "-m", "benchmarks.run", "report", "--results", path]),
        commits=sum((section.commits for section in sections), Counter()).most_common(),
        example=min(examples, key=lambda example: example[0], default=None),
        paper_url=PAPER_URL,
        departures=collect_departures(Path(__file__).resolve().parents[3]),
        nll_notes=NLL_NOTES,
        pictures=run_pictures(sections, results),
        dataset_label=dataset_label,
        describe_effect=describe_effect,
        format_duration=format_duration,
    )
    return escape_terminal(page)  # the template escapes what is special in HTML, but no control characters


def run_pictures(sections: Sequence[PresetSection], results: Path) -> list[tuple[str, str]]:
    """The pictures of single runs in RESULTS/figures: what each shows, and its data URI.

    The commands reconstruct, interpolate and memorization draw them.
    """
    pictures: dict[Path, str] = {}
    for dataset in (dataset for section in sections for dataset in section.datasets):
        copies = f"memorization-{file_name(dataset.extractor)}"
        kinds = PICTURES | {copies: "Samples, and below them test images, closest to a training image"}
        for kind, text in kinds.items():
            for row in dataset.rows:
                path = results / "figures" / image_file_name(kind, dataset.dataset, row.model)
                if path.is_file():
                    pictures[path] = f"{text}: {row.label} on {dataset.label}"
    return [(text, data_uri(path)) for path, text in pictures.items()]


def _style_digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
