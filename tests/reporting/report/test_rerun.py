"""The commands that rerun a cell, and those that complete it."""

from report_pages import cell_text, remove_runs, report_html, results_folder


def test_the_command_of_a_cell_makes_as_many_runs_as_the_cell_has(tmp_path):
    """In the same folder and with the preset's number of seeds, it would train missing runs."""
    results = results_folder(tmp_path, "digits-demo")
    removed = {("glf", 2), ("vae", 0), ("wae-gan", 1), ("wae-gan", 2)}
    remove_runs(results, lambda model, seed: (model, seed) in removed)
    html = report_html(results)
    glf, vae, gan, uninterrupted = (cell_text(html, f"demo-digits-{m}") for m in ("glf", "vae", "wae-gan", "rae-gmm"))
    assert "--only glf --seeds 2 --results results/again" in glf
    assert "GLF on digits: 2 runs (the preset: 3)" in glf
    assert "This command adds the other 1 to these records:" in glf
    assert "--only glf --seeds 3 --results results" in glf
    assert "--only vae --seeds 1,2 --results results/again" in vae
    assert "WAE-GAN on digits: 1 run (the preset: 3)" in gan
    assert "RAE + GMM on digits: 3 runs" in uninterrupted
    assert "the preset" not in uninterrupted
    assert "adds the" not in uninterrupted
