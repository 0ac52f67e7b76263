"""Writing a figure: its images, its caption, and the numbers that it draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.learning_curves import curve_protocol
from benchmarks.analysis.paper_setting import own_settings_note
from benchmarks.experiments import records
from benchmarks.files.names import file_name
from benchmarks.files.writing import replacing
from benchmarks.protocols import OURS
from benchmarks.reporting import wording
from benchmarks.reporting.figures import curves, image_panels
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.formats.markdown import escape_markdown, unescape_markdown
from benchmarks.reporting.registry import FIGURES
from benchmarks.reporting.tables.table import Note, merge_notes

CURVES_TEXT = (
    "Lines are means over runs, bands go from the lowest to the highest run, and a cross marks where a run diverged. "
    "Epochs whose samples are not finite have no point."
)


def figure_caption(name: str, evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str]) -> str:
    """What a figure shows, over how many runs, and the preset."""
    counts = {len(evidence.keys(model, dataset)) for model in models for dataset in datasets} or {0}
    each, spec = wording.format_range(counts), FIGURES[name]
    lead = "" if each == "1" else "means over " if spec.panels else "the first finished one of "
    statistic = f"{lead}{each} run{'s' * (each != '1')} of each model"
    return f"{spec.caption}: {statistic}. {wording.budget(evidence.preset)}"


def figure_notes(
    name: str, evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str]
) -> tuple[Note, ...]:
    """Notes on a figure: its metric protocols, settings that are not the paper's, and models without runs."""
    spec, notes = FIGURES[name], []
    if spec.panels:
        notes.append(Note("Statistics", CURVES_TEXT))
    for dataset, label in datasets.items() if spec.panels else ():
        protocol = curve_protocol(evidence, [*models], dataset)
        notes.append(
            Note("Metric protocol", f"{label}: {protocol[1]} ({protocol[0]}).")
            if protocol
            else Note("Missing", f"{label}: no distance was measured during training (--eval-every E measures it).")
        )
    for dataset, label in datasets.items():
        if note := own_settings_note(evidence, dataset, models):
            notes.append(Note("Settings of ours", f"{label}: {note.removeprefix(OURS).lstrip(': ')}."))
    missing = [f"{models[m]} on {datasets[d]}" for d in datasets for m in models if not evidence.keys(m, d)]
    if missing:
        notes.append(Note("Missing", f"No runs: {', '.join(missing)}."))
    return merge_notes(notes)


def read_caption(path: Path) -> tuple[str, list[Note]]:
    """The caption and the notes of a figure, from the file that `write_figure` wrote."""
    caption, *lines = path.read_text(encoding="utf-8").strip().splitlines()
    notes = [unescape_markdown(line.removeprefix("- ")) for line in lines if line.startswith("- ")]
    return unescape_markdown(caption), [Note(*note.split(": ", 1)) for note in notes]


def write_figure(
    name: str,
    evidence: Evidence,
    models: Mapping[str, str],
    datasets: Mapping[str, str],
    results: Path,
    stem: str | None = None,
) -> list[Path]:
    """Write a figure into RESULTS/figures: PNG, PDF, caption (.md) and, for learning curves, the numbers (.csv).

    Args:
        name: a key of `FIGURES`.
        evidence: the records at one preset.
        models: name -> label.
        datasets: name -> label.
        results: results folder.
        stem: of the files' names; the figure's name by default.

    Returns:
        the paths written; the PNG comes first.
    """
    stem = file_name(stem or name)
    spec, folder = FIGURES[name], results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    caption = figure_caption(name, evidence, models, datasets)
    notes = [*figure_notes(name, evidence, models, datasets)]
    paths = [folder / f"{stem}.png", folder / f"{stem}.pdf", folder / f"{stem}.md"]
    if spec.panels:
        panels = [curves.PANELS[panel] for panel in spec.panels]
        figure, frame = curves.draw_curves(evidence, models, datasets, panels)
        paths.append(records.write_text(folder / f"{stem}.csv", frame_to_csv(frame)))
    else:
        rows = image_panels.find_panels(spec.image_kinds, evidence, models, datasets, results)
        filled_rows = [row for row in rows if any(panel.path for panel in row)]
        figure = image_panels.draw_panels(filled_rows or rows)
        not_shown = [f"{panel.title}: {panel.reason}" for row in rows for panel in row if panel.path is None]
        notes += [Note("Missing", f"Not shown: {'; '.join(not_shown)}.")] if not_shown else []
    lines = ["- " + escape_markdown(f"{note.label}: {note.text}") for note in merge_notes(notes)]
    records.write_text(paths[2], "\n".join([escape_markdown(caption), *(["", *lines] if lines else [])]) + "\n")
    for path in paths[:2]:
        with replacing(path, suffix=path.suffix) as temporary:
            # No date in the file: the same records give the same bytes
            figure.savefig(temporary, dpi=150, metadata={"CreationDate" if path.suffix == ".pdf" else "Software": None})
    from matplotlib import pyplot

    pyplot.close(figure)
    return paths
