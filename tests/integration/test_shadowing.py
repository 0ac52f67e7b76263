"""Files of the user that have the names of this program's packages."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from console_script import ROOT, environment, write_script
from external_models import MODEL

# As in an editable install: folders on the Python path come before it, also packages without __init__.py.
EDITABLE = f"""
import sys
from importlib.machinery import PathFinder

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name in ("benchmarks", "slurm", "zoo"):
            return PathFinder.find_spec(name, [{str(ROOT)!r}])
        if name.startswith("benchmarks."):
            return PathFinder.find_spec(name, [{str(ROOT / "benchmarks")!r}])

sys.meta_path.insert(sys.meta_path.index(PathFinder) + 1, Finder)
"""


@pytest.fixture
def home(tmp_path):
    """The user's current folder."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def editable(tmp_path):
    """The variables of a process in which this checkout is an editable install."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(EDITABLE)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "site")}


def run(home, variables, *words):
    return subprocess.run([sys.executable, *map(str, words)], cwd=home, env=variables, capture_output=True, text=True,
                          timeout=300)  # fmt: skip


def make(home: Path, name: str) -> None:
    """A module, a package, or a folder without __init__.py (its name ends in a slash)."""
    path = home / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text("raise RuntimeError('it was imported')\n")


@pytest.mark.parametrize("command", ["--help", "status"])
@pytest.mark.parametrize("name", ["slurm.py", "zoo.py", "zoo/__init__.py", "zoo/", "slurm/", "benchmarks/"])
def test_a_package_name_in_the_current_folder_is_an_error_with_a_fix(home, editable, name, command):
    make(home, name)
    done = run(home, editable, "-m", "benchmarks.run", command)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    found = name.removesuffix("/").removesuffix("/__init__.py")
    assert line.startswith(f"error: {home}: {found} here would be imported in place of this program's own")
    assert f"`ae-bench {command}`" in line


def test_all_names_are_reported_at_once(home, editable):
    for name in ("slurm.py", "zoo/"):
        make(home, name)
    done = run(home, editable, "-m", "benchmarks.run", "status")
    assert done.stderr.startswith(f"error: {home}: slurm.py and zoo here")
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_init_hides_no_installed_package(home):
    for name in ("zoo/", "slurm/", "benchmarks/"):
        make(home, name)
    assert run(home, environment(), "-m", "benchmarks.run", "status").returncode == 0


def test_a_folder_of_pythonpath_is_named_as_such(home, tmp_path):
    make(home, "slurm.py")
    done = run(tmp_path, environment(home), write_script(tmp_path), "status")
    assert done.returncode == 2
    assert done.stderr.endswith(f"or remove {home} from PYTHONPATH\n")


def test_a_checkout_behind_a_symbolic_link_is_accepted(tmp_path, home):
    (tmp_path / "link").symlink_to(ROOT)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path / "link")}
    assert run(home, variables, "-m", "benchmarks.run", "status").returncode == 0


def test_an_installation_of_symbolic_links_is_accepted(tmp_path, home):
    """Some installers make folders of links to files in a cache."""
    for path in (path for package in ("benchmarks", "slurm", "zoo") for path in (ROOT / package).rglob("*.py")):
        link = tmp_path / "site" / path.relative_to(ROOT)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    assert run(home, variables, "-m", "benchmarks.run", "status").returncode == 0


@pytest.mark.slow
def test_the_script_runs_a_users_model_beside_files_with_package_names(home, tmp_path, editable):
    """So do the launcher that --no-wait leaves behind, and its worker processes."""
    for name in ("slurm.py", "zoo/", "benchmarks/__init__.py"):
        make(home, name)
    (home / "my_file.py").write_text(MODEL)
    words = [write_script(tmp_path), "table1", "--preset", "demo", "--only", "my_file:Own", "--seeds", "1",
             "--cluster", "local", "--workers", "1", "--images", "200", "--no-wait"]  # fmt: skip
    started = run(home, editable, *words)
    log = started.stdout.partition("; its output goes to ")[2].strip()
    assert log, started.stderr + started.stdout
    deadline = time.monotonic() + 240
    while "tables/table1.csv" not in (output := (home / log).read_text()):
        assert time.monotonic() < deadline, output
        time.sleep(0.1)
    assert "1 at a time" in output
    assert "s of training)" in output
