"""A call measures what is missing, keeps its limit, and loses no record if it is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from gpu_records import GPU, measured

from benchmarks.files.writing import write_json
from benchmarks.perf import speed
from benchmarks.perf.gpu.items import cpu_items, gpu_items
from benchmarks.perf.gpu.reading import read_records
from benchmarks.perf.gpu.session import OutOfTime, Worker, is_same_code
from benchmarks.perf.gpu.worker import Settings

ROOT = Path(__file__).resolve().parents[3]
ITEM = replace(next(cpu_items()), model="rae-gmm")


def command(folder, *options):
    return [sys.executable, "-m", "benchmarks.perf.speed", "--gpu", "--device", "cpu", "--out", str(folder), *options]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def archived(folder):
    with zipfile.ZipFile(folder / "speed-gpu.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".json")}


def children(pid):
    """Processes whose parent is a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.kill
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_call_keeps_its_records_and_the_next_one_goes_on(tmp_path):
    started = subprocess.Popen(command(tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(contents(tmp_path)) >= 2)
    workers = children(started.pid)
    started.kill()
    started.wait()
    wait_until(lambda: not any(map(is_alive, workers)), 60)
    before = contents(tmp_path)
    assert {record.status for record in read_records(tmp_path)} == {"measured"}

    limited = subprocess.run(command(tmp_path, "--limit", "0.1"), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "the limit of 0.1 s is reached" in limited.stdout
    assert contents(tmp_path) == archived(tmp_path) == before

    started = subprocess.Popen(command(tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: len(contents(tmp_path)) > len(before))
    started.send_signal(signal.SIGTERM)
    output, _ = started.communicate(timeout=60)
    assert started.returncode == 130
    assert output.count("already measured: ") == len(before)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before, "nothing is measured again"
    assert archived(tmp_path) == after
    assert (tmp_path / "speed_gpu.md").read_text().count("\n| glf | digits |") >= 1


@pytest.mark.full
@pytest.mark.slow
def test_all_items_are_measured_on_a_cpu_and_those_of_a_gpu_are_skipped(tmp_path):
    done = subprocess.run(command(tmp_path, "--limit", "600"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    records = read_records(tmp_path)
    by_status = {status: [r for r in records if r.status == status] for status in ("measured", "skipped", "failed")}
    assert {status: len(found) for status, found in by_status.items()} == {
        "measured": len([*cpu_items()]),
        "skipped": len({*gpu_items()}),
        "failed": 0,
    }
    assert all("GPU" in record.reason for record in by_status["skipped"])
    comparisons = [part for record in records for part in record.comparisons]
    assert {part.equal for part in comparisons if part.name != "graph and eager"} == {True}
    assert sorted(record.runs for record in records if record.kind == "runs" and record.status == "measured") == [
        1, 2, 4, 8, 16,
    ]  # fmt: skip
    text = (tmp_path / "speed_gpu.md").read_text()
    assert "- All models, one at a time: " in text
    assert "without" not in text.partition("- All models, one at a time: ")[2].partition("\n")[0]
    assert archived(tmp_path) == contents(tmp_path)
    assert (tmp_path / "speed-gpu.zip").stat().st_size < 2**20
    again = subprocess.run(command(tmp_path), cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout.count("already ") == len(records)


@pytest.mark.slow
@pytest.mark.kill
def test_a_process_that_ends_or_hangs_fails_one_item_only(tmp_path):
    settings = Settings("cpu", tmp_path, str(tmp_path))
    with Worker(settings, time.monotonic() + 600) as worker:
        worker.start()
        killer = threading.Timer(0.05, lambda: os.kill(worker.process.pid, signal.SIGKILL))
        killer.start()
        record = worker.measure(ITEM)
        assert (record.status, record.reason[:17]) == ("failed", "the process ended")
        assert worker.measure(ITEM).status == "measured"
        worker.item_limit = 0.01
        record = worker.measure(ITEM)
        assert (record.status, record.reason) == ("failed", "no result in 0.01 s")
        worker.item_limit = 100.0
        worker.deadline = time.monotonic() + 0.1
        with pytest.raises(OutOfTime):
            worker.measure(ITEM)


def test_records_of_other_code_devices_or_versions_are_measured_again():
    others = ({"device": "cuda: Slow"}, {"torch": "2.1"}, {"commit": "abd"}, {"dirty": True})
    for change in others:
        assert not is_same_code(GPU, msgspec.structs.replace(GPU, **change))
    assert is_same_code(GPU, msgspec.structs.replace(GPU, exclusive=False))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_message_says_how_to_try_it():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.perf.speed", "--gpu"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--gpu needs a GPU, but there is none here. To try the program on a CPU, add --device cpu" in done.stderr


def test_tables_are_written_again_from_records_without_a_gpu(tmp_path, capsys):
    record = measured()
    write_json(tmp_path / "a.json", msgspec.to_builtins(record))
    assert speed.main(["--gpu", "--report", "--out", str(tmp_path)]) == 0
    assert "## Fast" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.json", "speed_gpu.md", "blocks.csv", "setup.csv", "column.csv", "speed-gpu.zip",
    }  # fmt: skip
