"""Provenance says whether the code of a run differs from its commit, and nothing else makes it say so."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.experiments.provenance import commit_of

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "zoo/glf.py",
    "benchmarks/experiments/provenance.py",
    "slurm/launch.py",
    "slurm/by_hand.sbatch",
    "pyproject.toml",
    "results/measured/x.json",
)


@pytest.fixture
def checkout(tmp_path):
    """A clean checkout with some files of this project, under its own .gitignore."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_clean_checkout_is_not_dirty(checkout):
    head = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert commit_of(checkout) == {"commit": head.stdout.strip(), "dirty": False}


@pytest.mark.parametrize("name", [
    "nohup.out", "ae-bench-12345.log", "gaussian_ae.py", "out/records/0123.json", "results/local/records/0123.json",
    "results/new.py", "tests/test_new.py", "zoo/notes.txt", "benchmarks/core.1234", "slurm/slurm-7.out",
    "zoo/__pycache__/glf.cpython-311.pyc", "zoo/__pycache__/odd.py",
])  # fmt: skip
def test_an_untracked_file_that_is_no_module_of_the_packages_does_not_count(checkout, name):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("x")
    assert commit_of(checkout)["dirty"] is False


@pytest.mark.parametrize("name", ["zoo/new.py", "benchmarks/new.py", "benchmarks/data/more/new.py", "slurm/new.py"])
def test_an_untracked_module_of_the_packages_counts(checkout, name):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("x")
    assert commit_of(checkout)["dirty"] is True


@pytest.mark.parametrize("is_staged", [False, True])
@pytest.mark.parametrize("name", ["zoo/glf.py", "slurm/by_hand.sbatch", "pyproject.toml"])
def test_a_changed_tracked_file_counts(checkout, name, is_staged):
    (checkout / name).write_text("changed")
    if is_staged:
        subprocess.run(["git", "-C", str(checkout), "add", name], check=True)
    assert commit_of(checkout)["dirty"] is True


def test_a_removed_tracked_file_counts(checkout):
    (checkout / "zoo/glf.py").unlink()
    assert commit_of(checkout)["dirty"] is True


def test_a_changed_result_does_not_count(checkout):
    (checkout / "results/measured/x.json").write_text("changed")
    assert commit_of(checkout)["dirty"] is False


def test_a_folder_without_a_checkout_has_no_commit(tmp_path):
    assert commit_of(tmp_path) == {"commit": None, "dirty": None}


def test_a_copy_inside_the_checkout_of_another_project_has_no_commit(checkout):
    copy = checkout / "vendor"
    (copy / "benchmarks/experiments").mkdir(parents=True)
    (copy / "benchmarks/experiments/provenance.py").write_text("")
    assert commit_of(copy) == {"commit": None, "dirty": None}


def test_the_log_of_the_job_script_is_ignored(checkout):
    script = (ROOT / "slurm/by_hand.sbatch").read_text(encoding="utf-8")
    (line,) = (line for line in script.splitlines() if line.startswith("#SBATCH --output="))
    log = line.partition("=")[2].replace("%j", "12345")
    done = subprocess.run(["git", "-C", str(checkout), "check-ignore", "-q", log])
    assert done.returncode == 0
