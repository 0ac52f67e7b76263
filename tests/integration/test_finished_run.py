"""The files of a finished run, and the commands that use them."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_run import COMMAND
from PIL import Image
from short_demo import SHORT_DEMO
from sklearn.datasets import load_digits

from benchmarks.experiments import records
from benchmarks.presets import PRESETS
from benchmarks.run import main

pytestmark = pytest.mark.usefixtures("empty_home", "short_demo")


def tables(folder):
    """The files of the last table, without the copies that are named by their selection."""
    paths = sorted((folder / "tables").iterdir())
    return {path.name: path.read_bytes() for path in paths if "--" not in path.name}


def test_a_run_ends_with_tables_and_grids(finished_run):
    names = ["table1-alone.tex", "table1-tidy.csv", "table1.csv", "table1.html", "table1.md", "table1.tex"]
    assert [*tables(finished_run)] == names
    runs, epochs = records.read(finished_run)
    value = runs[runs["source"] == "prior"]["fd_classifier"].item()
    assert f"RAE + GMM,{value:.1f}" in (finished_run / "tables" / "table1.csv").read_text()
    assert len(epochs) == 3
    text = (finished_run / "tables" / "table1.md").read_text()
    assert text.count("FID") == text.count("not FID") == 1
    for part in ("fd_classifier", "Preset demo", "10,000 generated images against 500", "γ / 11", "Metric protocol"):
        assert part in text
    assert {p.name for p in (finished_run / "figures").iterdir()} == {
        "samples-digits-rae-gmm.png",
        "samples-digits.png",
    }
    assert not [*finished_run.rglob("*.tmp")]


def test_the_same_command_again_trains_nothing(finished_run, capsys):
    (weights,) = finished_run.glob("runs/*/weights.pt")
    before = tables(finished_run), weights.stat().st_mtime_ns
    assert main([*COMMAND, "--results", str(finished_run)]) == 0
    out = capsys.readouterr().out
    assert "runs to do" not in out
    assert out.strip().splitlines()[-1] == str(finished_run / "tables" / "table1.csv")
    assert (tables(finished_run), weights.stat().st_mtime_ns) == before


def test_tables_are_rebuilt_from_the_records_alone(finished_run, tmp_path):
    (tmp_path / "records").mkdir()
    for path in (finished_run / "records").iterdir():
        (tmp_path / "records" / path.name).write_bytes(path.read_bytes())
    assert main([*COMMAND, "--results", str(tmp_path)]) == 0
    assert tables(tmp_path) == tables(finished_run)
    assert not (tmp_path / "runs").exists()


def test_a_plan_counts_finished_and_pending_runs(finished_run, capsys):
    assert main([*COMMAND, "--seeds", "2", "--dry-run", "--results", str(finished_run)]) == 0
    assert "1 done, 1 pending" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["sample", "interpolate", "reconstruct"])
def test_image_commands_draw_from_a_finished_run(finished_run, capsys, kind):
    assert main([kind, "rae-gmm", "digits", "--results", str(finished_run)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert Image.open(path).size == (8 * 36 + 4, 8 * 36 + 4)
    assert main([kind, "vae", "digits", "--results", str(finished_run)]) == 2
    assert "finished runs: rae-gmm digits" in capsys.readouterr().err


def test_broken_weights_are_a_clear_error(finished_run, tmp_path, capsys):
    (path,) = (finished_run / "records").iterdir()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "runs" / path.stem).mkdir(parents=True)
    (tmp_path / "runs" / path.stem / "weights.pt").write_bytes(b"half")
    assert main(["sample", "rae-gmm", "digits", "--results", str(tmp_path)]) == 2
    assert "are broken" in capsys.readouterr().err


def test_a_newer_record_is_reported_and_neither_used_nor_replaced(finished_run, tmp_path, capsys):
    (path,) = (finished_run / "records").iterdir()
    for name, key in (("whole", path.stem), ("more", "0" * 64)):
        out = tmp_path / name
        (out / "records").mkdir(parents=True)
        newer = path.read_text().replace(f'"schema": {records.SCHEMA}', '"schema": 99').replace(path.stem, key)
        (out / "records" / f"{key}.json").write_text(newer)
        if name == "more":  # of a run that this table does not need
            (out / "records" / path.name).write_bytes(path.read_bytes())
        assert main([*COMMAND, "--results", str(out)]) == (1 if name == "whole" else 0)
        printed = capsys.readouterr()
        assert "written by a newer version" in printed.err
        assert "Traceback" not in printed.err
        assert ("unreadable: rae-gmm on digits, seed 0" in printed.out) == (name == "whole")
        assert (out / "records" / f"{key}.json").read_text() == newer
        assert not (out / "runs").exists()
        cell = "—" if name == "whole" else "RAE + GMM,"
        assert cell in (out / "tables" / "table1.csv").read_text()


def test_a_shorter_table_does_not_replace_one_of_the_papers_setting(finished_run, tmp_path):
    shutil.copytree(finished_run / "records", tmp_path / "records")
    (tmp_path / "tables").mkdir()
    paper = tmp_path / "tables" / "table1--paper-digits-fd_classifier-rae-gmm-1x1.csv"
    paper.write_text("of preset paper")
    assert main([*COMMAND, "--results", str(tmp_path)]) == 0
    assert paper.read_text() == "of preset paper"
    own = tmp_path / "tables" / "table1--demo-digits-fd_classifier-rae-gmm-1x1.csv"
    assert own.read_text() == (tmp_path / "tables" / "table1.csv").read_text()


def test_a_table_of_existing_runs_trains_nothing(finished_run, tmp_path, capsys):
    shutil.copytree(finished_run / "records", tmp_path / "records")
    command = [*COMMAND, "--seeds", "3", "--results", str(tmp_path)]
    assert main([*command, "--existing"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 3 runs are there." in printed
    assert "runs to do" not in printed
    assert " (1/3)" in (tmp_path / "tables" / "table1.csv").read_text()
    assert not (tmp_path / "runs").exists()


def test_a_table_of_existing_runs_needs_no_gpu_and_replaces_no_table_by_an_empty_one(finished_run, tmp_path, capsys):
    shutil.copytree(finished_run / "records", tmp_path / "records")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "table1.csv").write_text("of tf32 runs")
    assert main([*COMMAND, "--precision", "tf32", "--existing", "--results", str(tmp_path)]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert error.endswith("Records there: 1 of preset demo with --precision fp32")
    assert (tmp_path / "tables" / "table1.csv").read_text() == "of tf32 runs"


def test_formats_and_decimals_can_be_chosen(finished_run, tmp_path):
    shutil.copytree(finished_run / "records", tmp_path / "records")
    assert main([*COMMAND, "--results", str(tmp_path), "--format", "latex", "--decimals", "4"]) == 0
    assert [*tables(tmp_path)] == ["table1-alone.tex", "table1-tidy.csv", "table1.tex"]
    assert re.search(r"RAE \+ GMM & \d\.\d{4} ", (tmp_path / "tables" / "table1.tex").read_text())


def test_all_writes_every_table_and_evaluates_what_they_need(finished_run, tmp_path, capsys):
    shutil.copytree(finished_run, tmp_path / "out")
    assert main(["table2", *COMMAND[1:], "--results", str(tmp_path / "out")]) == 0  # measures the learning curve
    (before,) = (record.read_text() for record in (tmp_path / "out" / "records").iterdir())
    command = ["all", *COMMAND[1:], "--format", "csv", "--results", str(tmp_path / "out")]
    assert main(command) == 0
    assert {*tables(tmp_path / "out")} >= {f"table{n}.csv" for n in range(1, 7)}
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "out" / "records").iterdir())
    assert record["provenance"]["started"] == json.loads(before)["provenance"]["started"], "it was trained anew"
    values = record["evaluations"][0]["values"]
    assert f"({values['prd_f8']:.3f}, {values['prd_f1_8']:.3f})" in (tmp_path / "out/tables/table6.csv").read_text()
    # The mixture is fitted to a copy of the model at each point of the curve
    assert "RAE + GMM,3,3" in (tmp_path / "out/tables/table2.csv").read_text()
    assert "Missing: 0 of 1 cells are there." in capsys.readouterr().out


def test_force_retrains_and_replaces_the_record_at_the_end(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "out")
    (record,) = (tmp_path / "out" / "records").iterdir()
    before = json.loads(record.read_text())
    assert main([*COMMAND, "--force", "--results", str(tmp_path / "out")]) == 0
    after = json.loads(record.read_text())
    assert after["provenance"]["started"] >= before["provenance"]["started"]  # full seconds
    (attempts,) = tmp_path.glob("out/runs/*/attempts.txt")
    assert attempts.read_text().count(" train ") == 2
    assert [e["values"] for e in after["evaluations"]] == [e["values"] for e in before["evaluations"]]
    assert main([*COMMAND, "--results", str(tmp_path / "out")]) == 0
    assert json.loads(record.read_text()) == after


def test_status_and_retry_report_a_launch(finished_run, tmp_path, capsys):
    assert main(["status", "--results", str(tmp_path / "none")]) == 0
    assert "nothing was launched" in capsys.readouterr().out
    shutil.copytree(finished_run, tmp_path / "out")
    command = ["status", "--results", str(tmp_path / "out")]
    assert main(command) == 0
    assert re.search(r"demo +rae-gmm +digits +1 +\. +\. +\. +\. *$", capsys.readouterr().out, re.M)
    assert main(["cancel", *command[1:]]) == 0
    assert "nothing is running" in capsys.readouterr().out
    (record,) = (tmp_path / "out" / "records").iterdir()
    before = json.loads(record.read_text())
    record.unlink()
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "1 pending runs have neither a job nor a launcher" in out
    assert main(["retry", *command[1:]]) == 0
    again = json.loads(record.read_text())
    assert [e["values"] for e in again["evaluations"]] == [e["values"] for e in before["evaluations"]]
    capsys.readouterr()
    assert main(["retry", *command[1:]]) == 0
    assert "nothing to retry" in capsys.readouterr().out


def test_retry_leaves_finished_launches_alone_if_settings_have_changed(finished_run, tmp_path, monkeypatch, capsys):
    """Changed settings give other keys, but the launched runs are finished."""
    out = shutil.copytree(finished_run, tmp_path / "out")
    monkeypatch.setitem(PRESETS, "demo", replace(SHORT_DEMO, steps=20))
    assert main(["retry", "--results", str(out)]) == 0
    assert capsys.readouterr().out == "nothing to retry: every run that was launched is done\n"
    assert len([*(out / "records").iterdir()]) == 1
    next((out / "records").iterdir()).unlink()
    assert main(["retry", "--dry-run", "--results", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.match(r"retry table1, launched \d{4}-\d\d-\d\d \d\d:\d\d: 1 pending\n", printed)
    assert "1 run to do" in printed


def test_retry_leaves_a_finished_force_alone_if_its_run_folder_was_removed(finished_run, tmp_path, capsys):
    out = shutil.copytree(finished_run, tmp_path / "out")
    assert main([*COMMAND, "--force", "--results", str(out)]) == 0
    shutil.rmtree(out / "runs")
    capsys.readouterr()
    assert main(["retry", "--results", str(out)]) == 0
    assert "nothing to retry" in capsys.readouterr().out
    assert not (out / "runs").exists()


def test_retry_of_a_finished_launch_needs_no_data(finished_run, tmp_path, capsys):
    out = shutil.copytree(finished_run, tmp_path / "out")
    (path,) = (out / "jobs").glob("*.launch")
    launch = json.loads(path.read_text())
    launch["command"]["options"]["data_root"] = str(tmp_path / "removed")
    path.write_text(json.dumps(launch))
    assert main(["retry", "--results", str(out)]) == 0
    printed = capsys.readouterr()
    assert "nothing to retry" in printed.out
    assert printed.err == ""


def test_every_message_about_a_failed_run_names_its_traceback(finished_run, tmp_path, capsys):
    out = shutil.copytree(finished_run, tmp_path / "out")
    (run,) = (out / "runs").iterdir()
    shutil.rmtree(run)
    (run / "samples.png").mkdir(parents=True)  # a picture cannot be written there
    next((out / "records").iterdir()).unlink()
    assert main([*COMMAND, "--results", str(out)]) == 1
    where = f"; traceback: {run / 'log.txt'}"
    lines = [line for line in capsys.readouterr().out.splitlines() if line.endswith(where)]
    assert lines[0].startswith("[1/1 ")
    assert lines[1].startswith("failed: rae-gmm on digits, seed 0: ")
    assert "Traceback (most recent call last)" in (run / "log.txt").read_text()
    assert main(["status", "--results", str(out)]) == 0
    status = capsys.readouterr().out.splitlines()
    assert any(line.startswith("failed: rae-gmm on digits, seed 0: ") and line.endswith(where) for line in status)
    shutil.rmtree(out / "runs")
    assert main(["status", "--results", str(out)]) == 0
    assert f"; traceback: {out / 'records' / run.name}.json" in capsys.readouterr().out


def test_an_image_folder_is_trained_on_and_its_path_is_not_written(tmp_path, capsys):
    """Classes and splits are read from subfolders; no file names the path."""
    source = tmp_path / "secret-place, with a comma"
    digits = load_digits()
    for i, (image, label) in enumerate(zip(digits.images[:400], digits.target[:400], strict=True)):
        folder = source / ("train" if i < 300 else "test") / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image * 255 / 16).astype(np.uint8)).save(folder / f"{i}.png")
    out = tmp_path / "out"
    command = ["table1", "--preset", "demo", "--only", "vae", "--seeds", "1", "--cluster", "inline",
               "--on", f"folder:{source}", "--name", "mine", "--like", "digits", "--results", str(out)]  # fmt: skip
    assert main(command) == 0
    (record,) = (out / "records").iterdir()
    assert '"dataset": "mine"' in record.read_text()
    assert '"n_train": 300' in record.read_text()
    written = [p for p in out.rglob("*") if p.suffix in (".json", ".csv", ".tex", ".md", ".txt")]
    assert len(written) > 5
    assert not [p for p in written if "secret-place" in p.read_text()]
    assert main(["sample", "vae", "mine", "--results", str(out)]) == 0
    assert main(["reconstruct", "vae", "mine", "--results", str(out)]) == 2
    assert "'mine', which was a folder: name it as folder:PATH --name mine --like NAME" in capsys.readouterr().err
    folder = [f"folder:{source}", "--name", "mine", "--like", "digits", "--results", str(out)]
    assert main(["reconstruct", "vae", *folder]) == 0
    assert Image.open(capsys.readouterr().out.strip()).size == (8 * 36 + 4, 8 * 36 + 4)
    other = shutil.copytree(source, tmp_path / "other")
    next((other / "test").rglob("*.png")).unlink()
    assert main(["reconstruct", "vae", f"folder:{other}", *folder[1:]]) == 2
    assert "these are not the images of 'mine' that the run was scored with" in capsys.readouterr().err
