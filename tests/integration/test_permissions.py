"""Folders of somebody else: refused before the training, or ignored with a warning."""

import shutil
import tempfile
from pathlib import Path

import pytest
from finished_run import COMMAND
from unprivileged import without_privileges

# Imported here, because another user may not read this checkout.
from benchmarks.cli import jobs, report, tables  # noqa: F401
from benchmarks.execution import status  # noqa: F401
from benchmarks.reporting import gallery, tensorboard_export  # noqa: F401
from benchmarks.reporting.report import write_report
from benchmarks.run import main

pytestmark = pytest.mark.usefixtures("short_demo")
TABLE = ["table1", "--preset", "demo", "--results", "out"]


@pytest.fixture
def home(monkeypatch):
    """A current folder that another user than root can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AE_BENCH_CACHE", str(folder / "cache"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def finished(home, finished_run):
    """The results folder "out", with one finished run whose folder nobody may read."""
    shutil.copytree(finished_run, home / "out")
    write_report(home / "out")  # imports what it needs
    (key,) = (home / "out" / "runs").iterdir()
    key.chmod(0)
    yield key
    key.chmod(0o700)


def errors_of(home, capsys, *words):
    with without_privileges(home):
        assert main([*words]) == 2
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("words", [TABLE, ["table3", "--results", "out"], ["report", "--results", "out"],
                                   ["sample", "glf", "digits", "--results", "out"]], ids=" ".join)  # fmt: skip
def test_a_results_folder_that_cannot_be_written_is_refused(home, capsys, words):
    (home / "out").mkdir(mode=0o555)
    assert errors_of(home, capsys, *words) == ["error: --results out: no permission to write in out"]


def test_a_results_folder_that_cannot_be_made_is_refused(home, capsys):
    (home / "others").mkdir(mode=0o555)
    (line,) = errors_of(home, capsys, *TABLE[:-1], "others/out")
    assert line.startswith("error: --results others/out: no permission to write in ")


@pytest.mark.parametrize("name", ["records", "runs", "jobs", "tables", "figures"])
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_in_it_that_cannot_be_written_or_read_is_refused(home, capsys, name, mode):
    (home / "out" / name).mkdir(parents=True)
    (home / "out" / name).chmod(mode)
    (line,) = errors_of(home, capsys, *TABLE)
    assert line.startswith(f"error: out/{name}: no permission to read and write in this folder")


def test_a_folder_that_cannot_be_read_is_no_empty_folder(home, capsys):
    """Otherwise, `report` would replace a good page by one that says that there is no record."""
    (home / "out" / "records").mkdir(parents=True)
    (home / "out" / "records").chmod(0)
    for command in ("status", "report", "tensorboard"):
        (line,) = errors_of(home, capsys, command, "--results", "out")
        assert line.startswith("error: out/records: no permission to read")
    assert not (home / "out" / "report.html").exists()


def test_commands_that_only_read_need_no_permission_to_write(home, capsys):
    for folder in (home / "out" / "records", home / "out" / "jobs", home / "out"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o555)
    with without_privileges(home):
        assert main(["status", "--results", "out"]) == 0
    (home / "out").chmod(0o755)


@pytest.mark.parametrize("words", [["report", "--results", "out"], [*COMMAND, "--results", "out"],
                                   [*COMMAND, "--results", "out", "--existing"],
                                   ["status", "--results", "out"]], ids=" ".join)  # fmt: skip
def test_a_run_whose_folder_cannot_be_read_is_left_out_of_pictures_alone(home, finished, capsys, words):
    main(words)  # imports what it needs: another user may not read this Python
    capsys.readouterr()
    for path in ("report.html", "tables/table1.csv"):
        (home / "out" / path).unlink()
    with without_privileges(home):
        assert main(words) == 0
    warnings = capsys.readouterr().err.splitlines()
    if words[0] == "status":
        assert warnings == []
        return
    assert warnings
    assert all(line == f"warning: out/runs/{finished.name} cannot be read (Permission denied): its files are ignored"
               for line in warnings)  # fmt: skip
    made = home / "out" / ("report.html" if words[0] == "report" else "tables/table1.csv")
    assert finished.name[:8] in made.read_text() if words[0] == "report" else "RAE" in made.read_text()
