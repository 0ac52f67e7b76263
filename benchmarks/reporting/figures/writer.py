"""Writing a figure: its images, its caption, and the numbers that it draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.learning_curves import curve_protocol
from benchmarks.analysis.paper_setting import own_settings_note
from benchmarks.experiments import records
from benchmarks.reporting.figures import curves, image_panels
from benchmarks.reporting.registry import FIGURES


def figure_caption(name: str, evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str]) -> str:
    """What a figure shows, over how many runs and by which metric protocols, and which models are missing."""
    spec = FIGURES[name]
    counts = {len(evidence.keys(model, dataset)) for model in models for dataset in datasets} or {0}
    short = "" if evidence.preset == "paper" else ", a shorter budget than the paper’s"
    each = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
    sentences = [spec.caption, f"Preset {evidence.preset}{short}; {each} training{'s' * (each != '1')} of each model."]
    for dataset, label in datasets.items() if spec.panels else ():
        protocol = curve_protocol(evidence, [*models], dataset)
        sentences.append(f"{label}: {protocol[0]}, metric protocol {protocol[1]}." if protocol
                         else f"{label}: no distance was measured during training (--eval-every).")  # fmt: skip
    for dataset, label in datasets.items():
        if note := own_settings_note(evidence, dataset, models):
            sentences.append(f"Settings on {label}: {note}.")
    missing = [f"{models[m]} on {datasets[d]}" for d in datasets for m in models if not evidence.keys(m, d)]
    return " ".join([*sentences, *([f"Not trained: {', '.join(missing)}."] if missing else [])])


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
    stem = stem or name
    spec, folder = FIGURES[name], results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    caption = figure_caption(name, evidence, models, datasets)
    paths = [folder / f"{stem}.png", folder / f"{stem}.pdf", folder / f"{stem}.md"]
    if spec.panels:
        panels = [curves.PANELS[panel] for panel in spec.panels]
        figure, frame = curves.draw_curves(evidence, models, datasets, panels)
        paths.append(records.write_text(folder / f"{stem}.csv", frame.to_csv(index=False, lineterminator="\n")))
    else:
        rows = image_panels.find_panels(spec.image_kinds, evidence, models, datasets, results)
        filled_rows = [row for row in rows if any(panel.path for panel in row)]
        figure = image_panels.draw_panels(filled_rows or rows)
        not_shown = [f"{panel.title}: {panel.reason}" for row in rows for panel in row if panel.path is None]
        caption += f" Not shown: {'; '.join(not_shown)}." if not_shown else ""
    records.write_text(paths[2], caption + "\n")
    for path in paths[:2]:
        temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
        # No date in the file: the same records give the same bytes
        figure.savefig(temporary, dpi=150, metadata={"CreationDate" if path.suffix == ".pdf" else "Software": None})
        temporary.replace(path)
    from matplotlib import pyplot

    pyplot.close(figure)
    return paths
