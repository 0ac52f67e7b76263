"""The command `densities` as a user calls it."""

import shutil

import pytest
import torch

from benchmarks.experiments.densities.records import read_densities
from benchmarks.run import main

COMMAND = ["densities", "--preset", "demo", "--autoencoder", "rae-gmm", "--seeds", "1", "--cluster", "inline"]


@pytest.mark.slow
@pytest.mark.usefixtures("short_demo")
def test_a_run_that_is_there_is_reused_and_every_density_gets_a_row(finished_run, tmp_path, capsys):
    folder = shutil.copytree(finished_run, tmp_path / "results")
    weights = next((folder / "runs").glob("*/weights.pt"))
    before = weights.stat().st_mtime_ns
    command = [*COMMAND, "--density", "own,gmm:3,maf:epochs=2,kde", "--results", str(folder)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert weights.stat().st_mtime_ns == before
    for label in ("decoded training latents", "its own density", "GMM, 3 components", "kernel density"):
        assert f"RAE + GMM: {label}" in printed
    assert printed.strip().splitlines()[-1] == str(folder / "tables" / "densities.csv")
    names = {path.name for path in (folder / "tables").glob("densities*")}
    assert {"densities.csv", "densities.tex", "densities.md", "densities.html", "densities-tidy.csv"} <= names
    assert (folder / "figures" / "densities.png").stat().st_size > 5000
    assert len(read_densities(folder)) == 4
    written = (folder / "tables" / "densities-tidy.csv").read_bytes()
    shutil.rmtree(folder / "runs")  # the table needs the records alone
    assert main([*command, "--existing"]) == 0
    assert (folder / "tables" / "densities-tidy.csv").read_bytes() == written
    assert main([*command[:-4], "--density", "gmm:4", "--results", str(folder)]) == 2
    assert "were removed" in capsys.readouterr().err


def test_wrong_names_are_reported_together_before_anything_is_trained(tmp_path, capsys):
    command = ["densities", "--preset", "demo", "--autoencoder", "glff", "--density", "gmm:x,nfs", "--results"]
    assert main([*command, str(tmp_path / "r")]) == 2
    printed = capsys.readouterr().err
    for text in ("did you mean 'glf'", "components must be a whole number", "did you mean 'nsf'"):
        assert text in printed
    assert not (tmp_path / "r").exists()


def test_a_dry_run_lists_the_fits_and_their_settings(tmp_path, capsys):
    assert main([*COMMAND, "--density", "flow,gmm:3", "--dry-run", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "density flow: 1 pending" in printed
    assert "weight_decay 2e-05" in printed
    assert not [*tmp_path.iterdir()]


def test_a_dry_run_for_slurm_lists_the_jobs_of_the_fits(tmp_path, capsys):
    command = [*COMMAND[:-2], "--cluster", "slurm", "--density", "gaussian,gmm:3", "--dry-run"]
    assert main([*command, "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "SLURM: 1 jobs with 1 runs" in printed
    assert "SLURM: 1 jobs with 2 fits" in printed
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_slurm_jobs_cannot_use_is_reported_with_wrong_names(tmp_path, capsys):
    command = [*COMMAND[:-2], "--cluster", "slurm", "--density", "ownn", "--results", str(tmp_path / "100%")]
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert "SLURM jobs cannot use the path" in printed
    assert "did you mean 'own'" in printed
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("short_demo")
def test_retry_runs_what_a_launched_command_has_left(finished_run, tmp_path, capsys):
    folder = shutil.copytree(finished_run, tmp_path / "results")
    command = [*COMMAND, "--density", "gmm:3,gmm:4", "--results", str(folder)]
    where = ["--cluster", "inline", "--results", str(folder)]
    assert main(command) == 0
    capsys.readouterr()
    assert main(["retry", *where]) == 0
    assert "nothing to retry" in capsys.readouterr().out
    fits = read_densities(folder).set_index("density")["key"]
    (folder / "densities" / f"{fits['gmm:4']}.json").unlink()
    assert main(["retry", *where, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "0 runs, 1 fits" in printed
    assert "density gmm:4: 1 pending" in printed
    assert len(read_densities(folder)) == 1
    assert main(["retry", *where]) == 0
    assert "1 fits to do" in capsys.readouterr().out
    assert {*read_densities(folder)["density"]} == {"gmm:3", "gmm:4"}


@pytest.mark.usefixtures("short_demo")
def test_status_counts_fits_and_the_next_command_tries_failed_ones_again(finished_run, tmp_path, capsys):
    """The encoder's weights for one dimension are zero at first, so this dimension is constant."""
    folder = shutil.copytree(finished_run, tmp_path / "results")
    (weights,) = (folder / "runs").glob("*/weights.pt")
    content = weights.read_bytes()
    broken = torch.load(weights, weights_only=True)
    last = [name for name in broken["state"] if name.startswith("encoder.") and name.endswith(".weight")][-1]
    broken["state"][last][3] = 0
    torch.save(broken, weights)
    command = [*COMMAND, "--density", "own,gmm:3,gmm:4", "--results", str(folder)]
    assert main(command) == 1
    assert main(["status", "--results", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "density fits: gmm:3 1 failed; gmm:4 1 failed; own 1 done" in printed
    assert "Try the failed fits again: " in printed
    weights.write_bytes(content)
    assert main(command) == 0
    assert main(["status", "--results", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "density fits: gmm:3 1 done; gmm:4 1 done; own 1 done" in printed
    assert "failed fits" not in printed
