"""A model's row: missing runs and models, and why runs ended."""

import re

from report_pages import cell_text, edit_records, remove_runs, report_html, results_folder, section_html


def test_missing_runs_and_models_of_the_preset_are_named(tmp_path):
    results = results_folder(tmp_path, "digits-demo")
    remove_runs(results, lambda model, seed: model == "vae" or (model == "glf" and seed > 0))
    table = section_html(report_html(results), "demo-digits", "</table>")
    pattern = r'>([^<>]+)</a></td>.*?<td class="num">(\d of \d|\d|not trained)(?: <small>(.*?)</small>)?</td>'
    cells = {model: (n, preset_note) for model, n, preset_note in re.findall(pattern, table, re.S)}
    assert cells["GLF"] == ("1", "(the preset: 3)")
    assert cells["VAE"] == ("not trained", "")
    assert cells["WAE-GAN"] == ("3", "")


def test_epochs_count_from_one_in_messages_as_in_curves(tmp_path):
    """The run diverged in its second stage. Records count the epochs of each stage from 0."""
    results = results_folder(tmp_path, "digits-demo")
    last_epoch = 0

    def edit(i, record):
        nonlocal last_epoch
        if record["model"] == "two-stage-vae" and record["seed"] == 0:
            second = [row for row in record["epochs"] if row["stage"] == "second"][:4]
            record["epochs"] = [row for row in record["epochs"] if row["stage"] == "first"] + second
            record["status"], record["evaluations"] = "diverged", []
            record["error"] = {"stage": "second", "epoch": 3, "part": "recon",
                               "message": "recon is not finite in stage 'second', epoch 3"}  # fmt: skip
            last_epoch = len(record["epochs"])

    edit_records(results, edit)
    html = report_html(results)
    assert f"epoch {last_epoch}" in cell_text(html, "demo-digits-two-stage-vae")
    assert f"diverged, epoch {last_epoch}" in html, "in the legend of the curves"
