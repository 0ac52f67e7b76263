"""The command line, as users meet it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.evaluation.scoring import CRITERIA
from benchmarks.experiments import records
from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No data, no results of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AE_BENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def refused(capsys, tmp_path, *arguments):
    """Run a command that must be refused, and return its problems."""
    assert main([*arguments, "--results", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert not (tmp_path / "out").exists(), "something was started"
    assert "Traceback" not in printed.err + printed.out
    lines = printed.err.strip().splitlines()
    assert all(line.startswith("error: ") for line in lines)
    return lines


MISTAKES = {
    ("tableX",): r"cannot run 'tableX' .*. Known: table1, ",
    ("table1", "--only", "glff"): r"unknown model 'glff' .*. Known: vae, .*zoo/__init__.py",
    ("table1", "--on", "minst"): r"unknown data set 'minst' .*. Known: digits, mnist, .*folder:PATH",
    ("table1", "--preset", "fast"): r"unknown preset 'fast'. Known: paper, quick, demo",
    ("table1", "--device", "tpu"): r"unknown device 'tpu'. Known: auto, cpu, cuda, cuda:N",
    ("table1", "--device", "cuda:99"): r"there is no device 'cuda:99' here: torch sees \d+ GPU",
    ("table1", "--data-root", "/no/such/folder"): r"the data root /no/such/folder is not a folder",
    ("table1", "--seeds", "0"): r"--seeds must be a whole number from 1 on, got '0'",
    ("table1", "--seeds", "two"): r"--seeds must be a whole number from 1 on, got 'two'",
    ("table1", "--draws", "-1"): r"--draws must be a whole number",
    ("table1", "--workers", "0"): r"--workers must be a whole number",
    ("table1", "--features", "vgg"): r"unknown features 'vgg'. Known: inception, inception:PATH, classifier",
    ("table1", "--features", "no.such:Thing"): r"--features no.such:Thing: No module named 'no'; it must be on the",
    ("table1", "--metrics", "fd,is"): r"unknown metric 'is'. Known: fd, prd, kid, neighbours",
    ("table1", "--progress", "0"): r"--progress must be a whole number from 1 on",
    ("table1", "--format", "csv,pdf"): r"unknown format 'pdf'. Known: csv, latex, markdown, html",
    ("table1", "--decimals", "12"): r"--decimals must be a digit from 0 to 9, got '12'",
    ("table1", "--margin", "5%"): r"--margin must be a share of the paper's number between 0 and 1, got '5%'",
    ("table1", "--margin", "nan"): r"--margin must be a share of the paper's number between 0 and 1, got 'nan'",
    ("all", "--only", "glff"): r"unknown model 'glff' \(did you mean 'glf'\?\). Known: vae, ",
    ("tabel1",): r"cannot run 'tabel1' \(did you mean 'table1'\?\). Known: table1, ",
    ("table1", "--preset", "quik"): r"unknown preset 'quik' \(did you mean 'quick'\?\). Known: paper, quick, demo",
    ("table1", "--images", "0"): r"--images must be a whole number from 1 on",
    ("table1", "--images", "32", "--on", "digits"): r"digits has 32 real images to compare .* classifier:digits 32",
    ("sensitivity", "--only", "glff"): r"unknown model 'glff'",
    ("all", "--keep", "logs", "--preset", "demo", "--on", "digits"): r"train the same models for one table after the",
    ("table1", "--keep", "log"): r"--keep log: unknown \(did you mean 'logs'\?\). Known: weights, logs",
    ("table1", "--precision", "fp8"): r"unknown precision 'fp8'. Known: fp32, tf32",
    ("table1", "--precision", "tf32", "--device", "cpu"): r"tf32 needs a GPU",
    ("table1", "--precision", "bf16", "--device", "cpu"): r"bf16 needs a GPU: many CPUs are ten times slower",
    ("table1", "--only", "vae-bce", "--on", "digits", "--precision", "bf16", "--cluster", "slurm"): (
        r"vae-bce cannot be trained at --precision bf16: its reconstruction loss, bce, needs fp32 or tf32"
    ),
    ("table1", "--engine", "fast"): r"unknown engine 'fast'. Known: auto, eager, compiled, graph",
    ("table1", "--engine", "graph", "--device", "cpu"): r"--engine graph needs a GPU",
    ("table1", "--cluster", "moon"): r"unknown cluster 'moon'. Known: auto, inline, local",
    ("table1", "--bogus"): r"unknown option or argument '--bogus'",
    ("table1", "extra"): r"unknown option or argument 'extra'",
    ("table1", "--name", "x"): r"--name belongs to --on folder:PATH",
    ("table1", "--on", "folder:/none"): r"needs --name NAME and --like LIKE",
    ("table1", "--on", "folder:/none", "--name", "a", "--like", "mnist"): r"/none",
    ("table1", "--on", "folder:/none", "--name", "mnist", "--like", "mnist"): r"belongs to a published data set",
    ("table1", "--on", "mnist"): r"MNIST/raw/train-images-idx3-ubyte is missing. Get it: .*fetch mnist",
    ("table1", "--only", "vae", "--on", "celeba-hq"): r"no protocol for 'vae' on 'celeba-hq'; rows: ",
    ("table1", "--features", "pixels", "--on", "celeba"): r"celeba/img_align_celeba is missing",
    ("fetch", "imagenet"): r"cannot fetch 'imagenet'. Known: mnist, fashion, cifar10, celeba, inception, vgg16",
    ("fetch",): r"nothing to fetch. Known: mnist",
    ("status", "--seeds", "1"): r"status takes no --seeds",
    ("sample", "glf"): r"sample takes MODEL DATASET, got glf",
    ("sample", "glf", "digits"): r"no finished glf on 'digits' with weights in .*: trainings there: none",
}


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_clear_error(capsys, tmp_path, arguments):
    more = [] if "--preset" in arguments or arguments[0] not in ("table1", "sensitivity") else ["--preset", "demo"]
    lines = refused(capsys, tmp_path, *arguments, *more)
    assert any(re.search(MISTAKES[arguments], line) for line in lines), lines


def test_a_mistake_makes_no_other_ones(capsys, tmp_path):
    """What follows from a name that is not known, or from a default, is not told."""
    assert len(refused(capsys, tmp_path, "tabel1")) == 1
    assert len(refused(capsys, tmp_path, "table1", "--preset", "quik")) == 1


def test_all_mistakes_are_told_at_once(capsys, tmp_path):
    lines = refused(capsys, tmp_path, "table9", "--only", "glff,vaee", "--on", "minst", "--preset", "x",
                    "--device", "tpu", "--seeds", "0", "--data-root", "/no/such/folder", "--what")  # fmt: skip
    for word in ("table9", "glff", "vaee", "minst", "'x'", "tpu", "--seeds", "/no/such/folder", "--what"):
        assert any(word in line for line in lines), word


def test_a_missing_option_value_is_a_mistake(capsys, tmp_path):
    assert main(["table1", "--seeds"]) == 2
    assert "expected one argument" in capsys.readouterr().err


def test_a_file_where_results_should_be(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["table1", "--preset", "demo", "--results", str(tmp_path / "file")]) == 2
    assert "there is a file of that name" in capsys.readouterr().err


def test_everything_is_planned_where_a_model_cannot_run(capsys, tmp_path, monkeypatch):
    """Without VGG-16's weights: nobody has named the model that needs them."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    assert main(["all", "--preset", "demo", "--on", "digits", "--dry-run", "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "figure6" in out
    assert "python -m benchmarks.run fetch vgg16" in out


def test_dry_run_shows_the_plan_and_starts_nothing(capsys, tmp_path):
    assert main(["table1", "--preset", "demo", "--dry-run", "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    for text in ("3 pending", "15 trainings to run", "vae on digits: 1,297 images", "lr 0.001", "β x 11"):
        assert text in out


def test_the_papers_budget_asks_first(capsys, tmp_path):
    lines = refused(capsys, tmp_path, "table1", "--on", "digits", "--features", "classifier", "--only", "glf")
    assert lines == ["error: 10 trainings at the paper's budget: say --yes to start them"]


@pytest.mark.parametrize("what", ["list", "protocols"])
def test_lists_name_every_model(capsys, what):
    import zoo

    assert main([what]) == 0
    out = capsys.readouterr().out
    assert all(f" {name} " in out for name in zoo.MODELS)


def test_a_table_that_no_training_is_of_needs_no_data(capsys, tmp_path):
    """Nor weights, nor records; its rows and columns are checked all the same."""
    command = ["table5", "--results", str(tmp_path), "--data-root", str(tmp_path / "missing")]
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("nothing to run: what benchmarks.perf.speed has measured fills it")
    assert not [*tmp_path.iterdir()]
    assert main(command) == 0
    tidy = pd.read_csv(tmp_path / "tables" / "table5-tidy.csv")
    assert {*tidy["dataset"]} == {"mnist", "fashion", "cifar10", "celeba"}
    assert "Incomplete: 0 of 16 cells" in (tmp_path / "tables" / "table5.md").read_text()
    assert main([*command, "--on", "mnits", "--only", "glf"]) == 2
    assert "did you mean 'mnist'" in capsys.readouterr().err


def test_table3_is_measured_and_written(capsys, tmp_path):
    assert main(["table3", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(tmp_path / "tables" / "table3.csv")
    assert "6578644" in (tmp_path / "tables" / "table3.csv").read_text()


ONE = ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "1", "--cluster", "inline"]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Results of one finished training."""
    folder = tmp_path_factory.mktemp("one")
    assert main([*ONE, "--results", str(folder)]) == 0
    return folder


def tables(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "tables").iterdir())}


def test_a_run_ends_with_tables_and_grids(one):
    names = ["table1-alone.tex", "table1-tidy.csv", "table1.csv", "table1.html", "table1.md", "table1.tex"]
    assert [*tables(one)] == names
    runs, epochs = records.read(one)
    value = runs[runs["source"] == "prior"]["fd_classifier"].item()
    assert f"RAE + GMM,{value:.1f}" in (one / "tables" / "table1.csv").read_text()
    assert len(epochs) == 25
    text = (one / "tables" / "table1.md").read_text()
    assert "FID" not in text
    for part in ("fd_classifier", "Preset demo", "10,000 generated images against 500", "γ / 11", "metric protocol"):
        assert part in text
    assert {p.name for p in (one / "figures").iterdir()} == {"samples-digits-rae-gmm.png", "samples-digits.png"}
    assert not [*one.rglob("*.tmp")]


def test_the_same_command_again_trains_nothing(one, capsys):
    (weights,) = one.glob("runs/*/weights.pt")
    before = tables(one), weights.stat().st_mtime_ns
    assert main([*ONE, "--results", str(one)]) == 0
    out = capsys.readouterr().out
    assert "trainings to run" not in out
    assert out.strip().splitlines()[-1] == str(one / "tables" / "table1.csv")
    assert (tables(one), weights.stat().st_mtime_ns) == before


def test_tables_come_back_from_the_records_alone(one, tmp_path):
    (tmp_path / "records").mkdir()
    for path in (one / "records").iterdir():
        (tmp_path / "records" / path.name).write_bytes(path.read_bytes())
    assert main([*ONE, "--results", str(tmp_path)]) == 0
    assert tables(tmp_path) == tables(one)
    assert not (tmp_path / "runs").exists()


def test_a_plan_tells_done_from_pending(one, capsys):
    """In the plan, without running."""
    assert main([*ONE, "--seeds", "2", "--dry-run", "--results", str(one)]) == 0
    assert "1 done, 1 pending" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["sample", "interpolate", "reconstruct"])
def test_pictures_of_a_finished_training(one, capsys, kind):
    assert main([kind, "rae-gmm", "digits", "--results", str(one)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert Image.open(path).size == (8 * 36 + 4, 8 * 36 + 4)
    assert main([kind, "vae", "digits", "--results", str(one)]) == 2
    assert "trainings there: rae-gmm digits" in capsys.readouterr().err


def test_a_folder_of_images(tmp_path, capsys):
    """Classes and parts are read from subfolders; the path gets into no file."""
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
    assert "'mine' is a folder's name" in capsys.readouterr().err


def heed_sigint():
    """Python ignores SIGINT where its parent did, as a shell's background jobs do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def two_workers(tmp_path):
    """A run in a process group of its own, with both workers at work."""
    command = [sys.executable, "-m", "benchmarks.run", "table1", "--preset", "demo", "--only", "rae-gmm,vae,glf",
               "--seeds", "1", "--workers", "2", "--results", str(tmp_path / "out")]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, preexec_fn=heed_sigint)  # fmt: skip
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def members(group):
    """Processes of a group."""
    if not Path("/proc/self/stat").is_file():
        pytest.skip("processes are found by /proc")
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                yield int(entry.name)
        except ProcessLookupError:
            continue


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def group_is_empty(pgid):
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(two_workers, tmp_path, capsys):
    out = tmp_path / "out"

    def finished():
        """Trainings with all that is measured of each; a record is there when its samples have been."""
        texts = {path.name: path.read_bytes() for path in out.glob("records/*.json")}
        return {name: text for name, text in texts.items() if len(json.loads(text)["evaluations"]) == 1 + len(CRITERIA)}

    wait_for(finished)
    os.killpg(two_workers.pid, signal.SIGINT)  # as a terminal does: to everybody
    _, errors = two_workers.communicate(timeout=30)
    assert two_workers.returncode == 130
    assert "Traceback" not in errors
    assert "finished trainings are kept" in errors
    wait_for(lambda: group_is_empty(two_workers.pid), 20)
    kept = finished()
    assert 1 <= len(kept) < 3
    again = ["table1", "--preset", "demo", "--only", "rae-gmm,vae,glf", "--seeds", "1", "--results", str(out)]
    assert main(again) == 0
    assert f"{3 - len(kept)} trainings to run, {len(kept)} there already" in capsys.readouterr().out
    assert len([*out.glob("records/*.json")]) == 3
    assert all((out / "records" / name).read_bytes() == content for name, content in kept.items())


@pytest.mark.slow
def test_told_to_end_a_launcher_lets_its_workers_save(two_workers, tmp_path):
    """As `kill` does, and SLURM at the end of a job."""
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/progress.json")]) == 2)
    two_workers.terminate()
    _, errors = two_workers.communicate(timeout=60)
    assert two_workers.returncode == 130
    assert "finished trainings are kept" in errors
    wait_for(lambda: group_is_empty(two_workers.pid), 20)
    assert [*out.glob("runs/*/state.pt")]


@pytest.mark.slow
def test_a_worker_killed_once_costs_nothing(two_workers, tmp_path):
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/log.txt")]) == 2)
    workers = [pid for pid in members(two_workers.pid) if "spawn_main" in command_of(pid)]
    os.kill(workers[0], signal.SIGKILL)
    printed, errors = two_workers.communicate(timeout=180)
    assert two_workers.returncode == 0, errors
    assert printed.strip().splitlines()[-1] == str(out / "tables" / "table1.csv")
    runs, _ = records.read(out)
    assert [*runs.drop_duplicates("key")["status"]] == ["done"] * 3


@pytest.mark.slow
def test_a_worker_killed_twice_fails_its_trial_only(two_workers, tmp_path):
    """The trial goes again once, at the end of the queue: its second worker is the one that has its claim."""
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/log.txt")]) == 2)
    claims = {json.loads(path.read_text())["pid"]: path for path in out.glob("runs/*/claim.json")}
    pid, claim = next(iter(claims.items()))
    os.kill(pid, signal.SIGKILL)

    def taken_over():
        try:
            return json.loads(claim.read_text())["pid"] != pid
        except (OSError, ValueError):
            return False

    wait_for(taken_over)
    os.kill(json.loads(claim.read_text())["pid"], signal.SIGKILL)
    printed, errors = two_workers.communicate(timeout=180)
    assert two_workers.returncode == 1, errors
    assert "signal 9" in printed
    assert "[1 failed]" in printed
    runs, _ = records.read(out)
    assert sorted(runs.drop_duplicates("key")["status"]) == ["done", "done", "failed"]


def test_a_list_with_a_mistake_tells_that_mistake_alone(capsys, tmp_path):
    assert refused(capsys, tmp_path, "list", "--nope") == ["error: unknown option or argument '--nope'; see --help"]


def test_a_newer_record_is_told_and_neither_used_nor_replaced_and_the_rest_goes_on(one, tmp_path, capsys):
    (path,) = (one / "records").iterdir()
    for name, key in (("whole", path.stem), ("more", "0" * 64)):
        out = tmp_path / name
        (out / "records").mkdir(parents=True)
        newer = path.read_text().replace('"schema": 2', '"schema": 99').replace(path.stem, key)
        (out / "records" / f"{key}.json").write_text(newer)
        if name == "more":  # of a training that this table does not want
            (out / "records" / path.name).write_bytes(path.read_bytes())
        assert main([*ONE, "--results", str(out)]) == (1 if name == "whole" else 0)
        printed = capsys.readouterr()
        assert "written by a newer version" in printed.err
        assert "Traceback" not in printed.err
        assert ("unusable: rae-gmm on digits, seed 0" in printed.out) == (name == "whole")
        assert (out / "records" / f"{key}.json").read_text() == newer
        assert not (out / "runs").exists()
        cell = "—" if name == "whole" else "RAE + GMM,"
        assert cell in (out / "tables" / "table1.csv").read_text()


def test_broken_weights_are_one_clear_error_for_pictures(one, tmp_path, capsys):
    (path,) = (one / "records").iterdir()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "runs" / path.stem).mkdir(parents=True)
    (tmp_path / "runs" / path.stem / "weights.pt").write_bytes(b"half")
    assert main(["sample", "rae-gmm", "digits", "--results", str(tmp_path)]) == 2
    assert "are broken" in capsys.readouterr().err


def test_options_that_a_command_would_pass_over_are_mistakes(capsys, tmp_path):
    for arguments, word in [
        (["table3", "--dry-run"], "table3 takes no --dry-run"),
        (["list", "--seeds", "0"], "list takes no --seeds"),
        (["fetch", "mnist", "--dry-run"], "fetch takes no --dry-run"),
        (["protocols", "--preset", "x"], "protocols takes no --preset"),
        (["table1", "--preset", "demo", "--real", "x"], "table1 takes no --real"),
    ]:
        assert main(arguments) == 2
        assert word in capsys.readouterr().err


def test_a_table_of_the_papers_setting_is_not_replaced_by_a_shorter_one(one, tmp_path, capsys):
    (tmp_path / "tables").mkdir()
    tidy = (one / "tables" / "table1-tidy.csv").read_text().replace(",demo,", ",paper,")
    (tmp_path / "tables" / "table1-tidy.csv").write_text(tidy)
    assert main([*ONE, "--results", str(tmp_path)]) == 2
    assert "is of preset paper: write that of preset demo to another --results" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == ["tables"]


def test_formats_and_decimals_are_a_choice(one, tmp_path):
    shutil.copytree(one / "records", tmp_path / "records")
    assert main([*ONE, "--results", str(tmp_path), "--format", "latex", "--decimals", "4"]) == 0
    assert [*tables(tmp_path)] == ["table1-alone.tex", "table1-tidy.csv", "table1.tex"]
    assert re.search(r"RAE \+ GMM & \d\.\d{4} ", (tmp_path / "tables" / "table1.tex").read_text())


def test_all_writes_every_table_and_measures_what_they_need(one, tmp_path, capsys):
    shutil.copytree(one, tmp_path / "out")
    (before,) = (record.read_text() for record in (tmp_path / "out" / "records").iterdir())
    command = ["all", *ONE[1:], "--format", "csv", "--results", str(tmp_path / "out")]
    assert main(command) == 0
    assert {*tables(tmp_path / "out")} >= {f"table{n}.csv" for n in range(1, 7)}
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "out" / "records").iterdir())
    assert record["provenance"]["started"] == json.loads(before)["provenance"]["started"], "it was trained anew"
    values = record["evaluations"][0]["values"]
    assert f"({values['prd_f8']:.3f}, {values['prd_f1_8']:.3f})" in (tmp_path / "out/tables/table6.csv").read_text()
    assert "RAE + GMM,25,—" in (tmp_path / "out/tables/table2.csv").read_text()
    assert "Incomplete: 0 of 1 cells are measured." in capsys.readouterr().out
    # a table of the paper's setting stops all of them, before anything is written
    paper = (tmp_path / "out/tables/table6-tidy.csv").read_text().replace(",demo,", ",paper,")
    (tmp_path / "out/tables/table6-tidy.csv").write_text(paper)
    assert main(command) == 2
    assert "trainings to run" not in capsys.readouterr().out


def test_force_trains_anew_and_keeps_the_record_until_then(one, tmp_path):
    shutil.copytree(one, tmp_path / "out")
    (record,) = (tmp_path / "out" / "records").iterdir()
    before = json.loads(record.read_text())
    assert main([*ONE, "--force", "--results", str(tmp_path / "out")]) == 0
    after = json.loads(record.read_text())
    assert after["provenance"]["started"] > before["provenance"]["started"]
    assert [e["values"] for e in after["evaluations"]] == [e["values"] for e in before["evaluations"]]
    assert main([*ONE, "--results", str(tmp_path / "out")]) == 0
    assert json.loads(record.read_text()) == after


def test_status_and_retry_of_what_was_launched(one, tmp_path, capsys):
    assert main(["status", "--results", str(tmp_path / "none")]) == 0
    assert "nothing was launched" in capsys.readouterr().out
    shutil.copytree(one, tmp_path / "out")
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
    assert "1 pending trainings have neither a job nor a launcher" in out
    assert main(["retry", *command[1:]]) == 0
    again = json.loads(record.read_text())
    assert [e["values"] for e in again["evaluations"]] == [e["values"] for e in before["evaluations"]]
    capsys.readouterr()
    assert main(["retry", *command[1:]]) == 0
    assert "nothing to retry" in capsys.readouterr().out


def test_cancel_stops_a_launcher_from_any_process(two_workers, tmp_path, capsys):
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/log.txt")]) == 2)
    assert main(["status", "--results", str(out)]) == 0
    assert re.search(r"rae-gmm +digits +\. +1", capsys.readouterr().out)
    assert main(["cancel", "--results", str(out)]) == 0
    assert "told to stop: the launcher on" in capsys.readouterr().out
    two_workers.communicate(timeout=60)
    assert two_workers.returncode == 130


def test_no_wait_goes_on_in_the_background(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "1", "--cluster", "local", "--no-wait"]
    assert main([*command, "--results", str(out)]) == 0
    assert "started as process" in capsys.readouterr().out
    wait_for(lambda: (out / "tables" / "table1.csv").is_file())


def test_a_command_imports_what_it_needs():
    """Each of these takes a second or so to import, in every command and in every worker."""
    code = "import sys, benchmarks.run; print({'torchvision', 'sklearn', 'matplotlib', 'pytorch_fid'} & {*sys.modules})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.strip() == "set()"
