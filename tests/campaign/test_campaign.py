"""A table made in several sessions equals the table made at once, and a campaign ends in time."""

import os
import re
import time
from pathlib import Path

import pytest
from image_files import write_image

from benchmarks.campaign.archive import read_archive
from benchmarks.execution import launcher
from benchmarks.execution.worker import run_job
from benchmarks.run import main

pytestmark = pytest.mark.usefixtures("short_demo")
ROOT = Path(__file__).resolve().parents[2]
ONLY = "table1 --preset demo --only rae-gmm,glf"


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    """The path of a campaign's file, in an otherwise empty current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "campaign.toml"
    path.write_text(f'steps = ["{ONLY} --seeds 1", "{ONLY} --seeds 2"]\n')
    return str(path)


@pytest.mark.slow
def test_two_machines_make_the_table_of_one(campaign, tmp_path, capsys):
    """One machine makes the first seed, another one the second; byte for byte, their table is that of one machine.

    Each machine runs its campaign with --minutes 1 until nothing is left, and writes an archive each time.
    """
    inline = ["--cluster", "inline"]
    assert main([*ONLY.split(), "--seeds", "2", "--results", "whole", *inline]) == 0
    first = tmp_path / "first.toml"
    first.write_text(f'steps = ["{ONLY} --seeds 1"]\n')
    second = tmp_path / "second.toml"
    second.write_text(f'steps = ["{ONLY} --seeds 1,", "table1 --preset demo --only glf --seeds 2"]\n')
    for name, file in (("one", first), ("two", second)):
        for session in range(20):
            command = ["campaign", str(file), "--minutes", "1", "--results", name, "--archive", f"{name}{session}.zip"]
            assert main([*command, *inline]) == 0
            if "runs left: 0" in capsys.readouterr().out:
                break
    archives = sorted(path.name for path in tmp_path.glob("*.zip"))
    assert len(archives) >= 2
    assert main(["import", *archives, "--results", "merged"]) == 0
    printed = capsys.readouterr().out
    assert "4 records added to merged, 0 were there already" in printed
    assert "the archive has another record of the same run" in printed  # GLF's first seed, by both machines
    assert main([*ONLY.split(), "--seeds", "2", "--results", "merged", "--existing"]) == 0
    tables = [{path.name: path.read_bytes() for path in (tmp_path / name / "tables").iterdir()}
              for name in ("whole", "merged")]  # fmt: skip
    assert tables[0] == tables[1]
    assert not [*(tmp_path / "merged").rglob("weights.pt")]


@pytest.mark.slow
def test_a_campaign_ends_in_time_and_goes_on_where_it_stopped(campaign, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AE_BENCH_SAVE_SECONDS", "0")
    started = time.monotonic()
    assert main(["campaign", campaign, "--minutes", "0.3", "--states", "--cluster", "inline", "--results", "a"]) == 0
    assert time.monotonic() - started < 60 * 0.3 + 10
    printed = capsys.readouterr().out
    assert main(["campaign", campaign, "--cluster", "inline", "--results", "a"]) == 0
    assert "runs left: 0" in capsys.readouterr().out
    if "the time is up" not in printed:
        pytest.skip("this machine finished all runs in 18 seconds")


def test_a_finished_campaign_packs_nothing(campaign, tmp_path, capsys):
    file = tmp_path / "small.toml"
    file.write_text('steps = ["table1 --preset demo --only rae-gmm --seeds 1"]\n')
    command = ["campaign", str(file), "--cluster", "inline", "--results", "a"]
    assert main(command) == 0
    (archive,) = (tmp_path / "a" / "archives").iterdir()
    assert sorted(Path(name).suffix for name in read_archive(archive)) == [".json", ".png", ".txt"]
    assert main(command) == 0
    assert "new records: 0; runs left: 0" in capsys.readouterr().out
    assert [*(tmp_path / "a" / "archives").iterdir()] == [archive]


def test_a_campaign_that_was_interrupted_packs_all_of_its_records_when_it_is_run_again(campaign, tmp_path, monkeypatch):
    """The signal of a kill arrives between two runs: the first one is recorded, and no archive is written."""
    runs = []

    def interrupt(job):
        runs.append(job)
        if len(runs) == 2:
            raise KeyboardInterrupt
        return run_job(job)

    with monkeypatch.context() as patch:
        patch.setattr(launcher, "run_job", interrupt)
        assert main(["campaign", campaign, "--cluster", "inline", "--results", "a"]) == 130
    assert len([*(tmp_path / "a" / "records").iterdir()]) == 1
    assert not (tmp_path / "a" / "archives").exists()
    assert main(["campaign", campaign, "--cluster", "inline", "--results", "a"]) == 0
    (archive,) = (tmp_path / "a" / "archives").iterdir()
    packed = {name for name in read_archive(archive) if name.startswith("records/")}
    assert packed == {f"records/{path.name}" for path in (tmp_path / "a" / "records").iterdir()}
    assert len(packed) == 4
    assert not (tmp_path / "a" / ".campaign.json").exists()


def test_a_dry_run_counts_each_run_once_and_starts_nothing(campaign, tmp_path, capsys):
    assert main(["campaign", campaign, "--dry-run", "--results", "a"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{ONLY} --seeds 1: 2 of 2 runs to do")
    assert lines[1].startswith(f"{ONLY} --seeds 2: 2 of 4 runs to do")
    assert not (tmp_path / "a").exists()


FILES = {
    "": "expected a TOML file with a list of commands",
    "steps = []": "length >= 1",
    'steps = "table1"': "Expected `array`, got `str`",
    "steps = [1]": "Expected `str`, got `int`",
    'steps = ["table1"]\nminutes = 3': "unknown field `minutes`",
    "steps = [": "Unclosed|Invalid|Expected",
    'steps = ["table1 \'x"]': "No closing quotation",
    'steps = ["report"]': r"step 1, 'report': a step writes a table or figure: table1, ",
    'steps = ["table9"]': r"step 1, 'table9': unknown command 'table9'",
    'steps = [""]': "step 1, '': unknown command",
    'steps = ["table1 --results b"]': "a step takes no --results; name it on the command line of campaign",
    'steps = ["table1 --force"]': "a step takes no --force$",
    'steps = ["table1 --preset demo", "table1 --preset demo --only glff"]': r"step 2, .* unknown model 'glff'",
    'steps = ["table1 --help"]': "a step takes no --help",
}


@pytest.mark.parametrize("text", FILES)
def test_what_is_wrong_with_a_campaign_is_said_before_anything_starts(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(text)
    assert main(["campaign", "c.toml", "--results", "a"]) == 2
    printed = capsys.readouterr()
    assert re.search(FILES[text], printed.err, re.M), printed.err
    assert "Traceback" not in printed.err
    assert not (tmp_path / "a").exists()


def test_all_errors_of_a_campaigns_command_are_reported_at_once(campaign, capsys):
    assert main(["campaign", "--minutes", "-1", "--archive-mb", "nan"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert main(["campaign", "absent.toml"]) == 2
    assert "absent.toml: No such file or directory" in capsys.readouterr().err
    assert main(["import"]) == 2
    assert main(["import", "absent.zip"]) == 2
    assert "absent.zip: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "folder", "fifo", "link", "below a file"])
def test_an_archive_path_that_is_taken_is_refused_before_anything_starts(campaign, tmp_path, capsys, kind):
    path = tmp_path / "a.zip"
    {"file": path.touch, "folder": path.mkdir, "fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to("b"),
     "below a file": path.touch}[kind]()  # fmt: skip
    before = path.lstat()
    named = str(path / "b.zip" if kind == "below a file" else path)
    assert main(["campaign", campaign, "--results", "a", "--archive", named]) == 2
    error = capsys.readouterr().err
    assert f"--archive {named}" in error
    assert error.rstrip().endswith(("name a new file", "name another file"))
    assert path.lstat() == before
    assert not (tmp_path / "a").exists()


def test_a_limit_that_no_record_fits_is_refused_before_anything_starts(campaign, tmp_path, capsys):
    assert main(["campaign", campaign, "--results", "a", "--archive-mb", "0.001"]) == 2
    assert "--archive-mb must be at least 1" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_time_that_is_up_at_once_is_no_interruption(campaign, capsys):
    assert main(["campaign", campaign, "--results", "a", "--minutes", "0.01", "--cluster", "inline"]) == 0
    assert "the time is up\nnew records: 0; runs left: 4" in capsys.readouterr().out


def test_the_papers_budget_needs_a_time_or_a_yes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text('steps = ["table1 --preset paper --on digits --only rae-gmm --features pixels"]')
    assert main(["campaign", "c.toml"]) == 2
    assert "needs --minutes, or --yes" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "campaigns").glob("*.toml")), ids=lambda path: path.name)
def test_the_committed_campaigns_are_right_where_the_data_is(path, capsys, monkeypatch):
    """Without the data, only what this machine lacks is reported; no step is wrong."""
    monkeypatch.chdir(ROOT)
    code = main(["campaign", str(path), "--dry-run"])
    assert "unknown" not in capsys.readouterr().err
    assert code in (0, 2)


JPEG = ROOT / "examples" / "campaigns" / "cifar10-jpeg.toml"


def test_a_campaign_on_a_folder_of_images_plans_its_runs(tmp_path, capsys, monkeypatch):
    """The path is relative to the current folder. Only the steps that need Inception lack something."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AE_BENCH_DATA", str(tmp_path))  # without weights
    for number in range(1100):  # the largest batch has 1,000 images, and a distance needs more images than 64 features
        half = "train" if number < 1000 else "test"
        write_image(tmp_path / "cifar10-jpeg" / half / f"{number}.jpg", number, (32, 32), "RGB")
    assert main(["campaign", str(JPEG), "--dry-run", "--results", "a"]) == 0
    printed = capsys.readouterr()
    steps = [line for line in printed.out.splitlines() if line.startswith("table1 --on folder:cifar10-jpeg ")]
    assert [re.search(r": (.*? runs to do)", line)[1] for line in steps if "--features classifier" in line] == [
        "2 of 2 runs to do", "5 of 5 runs to do", "14 of 21 runs to do", "49 of 70 runs to do"]  # fmt: skip
    assert sum("whose states are unknown" in line for line in steps if "--features inception" in line) == 4
    assert len(steps) == 8
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_missing_is_reported_once_with_the_place_where_it_is_looked_for(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["campaign", str(JPEG), "--minutes", "1", "--results", "a"]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "cifar10-jpeg is missing" in line]
    assert error.startswith("error: step 1, 'table1 --on folder:cifar10-jpeg ")
    assert "and 7 other steps: cifar10-jpeg is missing: it must be a folder of images" in error
    assert error.endswith(f"A relative path starts at the current folder, {tmp_path}")
    assert not (tmp_path / "a").exists()
