"""A trial: its record, its reproducibility, and that no work is lost or repeated."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from trials import DIGITS, job, numbers, trial, with_learning_rate

from benchmarks.data.datasets import ImageFolder, load
from benchmarks.evaluation.sources import CRITERIA_SOURCES
from benchmarks.execution.options import Options
from benchmarks.execution.planning import make_plan
from benchmarks.experiments import records
from benchmarks.experiments.new_record import record_failure
from benchmarks.experiments.run_trial import run_trial
from benchmarks.experiments.trial import Trial


def test_the_same_trial_is_not_run_twice(done):
    folder, record = done
    files = [folder / "records" / f"{record['key']}.json", folder / "runs" / record["key"] / "weights.pt"]
    before = [(f.stat().st_mtime_ns, f.read_bytes()) for f in files]
    assert run_trial(job(folder, trial())) == record
    assert before == [(f.stat().st_mtime_ns, f.read_bytes()) for f in files]


def test_more_sample_sets_need_no_training(done):
    folder, record = done
    weights = folder / "runs" / record["key"] / "weights.pt"
    before = weights.stat().st_mtime_ns
    more = run_trial(job(folder, trial(), draws=3))
    samples = [e for e in more["evaluations"] if e["source"] == "prior"]
    assert [e["draw"] for e in samples] == [0, 1, 2]
    assert more["evaluations"][: len(record["evaluations"])] == record["evaluations"]
    assert len({e["values"]["fd_classifier"] for e in samples}) == 3
    assert weights.stat().st_mtime_ns == before
    other = run_trial(job(folder, trial(), features="pixels"))  # another extractor needs none either
    assert len(other["evaluations"]) == len(more["evaluations"]) + 1 + len(CRITERIA_SOURCES)
    assert other["epochs"] == record["epochs"]
    assert weights.stat().st_mtime_ns == before


def test_a_trial_repeated_in_another_folder_gives_the_same_numbers(done, tmp_path):
    _, record = done
    torch.randn(5)
    assert numbers(run_trial(job(tmp_path, trial()))) == (numbers(record)[0], *numbers(record)[1:])


def test_the_order_of_files_changes_nothing(tmp_path, monkeypatch):
    """The names of the image files are reversed; the record is the same."""
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    parts = {"train": DIGITS.train.images[:192], "test": DIGITS.test.images[:64]}
    found = []
    for name, step in (("forth", 1), ("back", -1)):
        for half, images in parts.items():
            (tmp_path / name / half).mkdir(parents=True)
            for number, image in enumerate(images.numpy()[::step]):
                Image.fromarray(image[0]).save(tmp_path / name / half / f"{number:03d}.png")
        source = ImageFolder(tmp_path / name, name, "digits")
        made = Trial.for_cell("rae-gmm", load(source, None), "demo", 0)
        stages = {"train": replace(made.protocol.stages["train"], epochs=10, steps=None)}
        made = replace(made, protocol=replace(made.protocol, stages=stages))
        found.append(run_trial(replace(job(tmp_path / f"{name}-out", made), dataset=source)))
    assert found[0]["key"] == found[1]["key"]
    assert found[0]["status"] == "done"
    assert numbers(found[0]) == numbers(found[1])


def test_a_diverged_run_is_recorded_as_diverged(tmp_path):
    made = with_learning_rate(trial("two-stage-vae", epochs=3), 1e4)
    record = run_trial(job(tmp_path, made))
    assert record["status"] == "diverged"
    assert record["error"]["stage"] == "first"
    assert record["error"]["part"] in ("nll", "kl")
    assert record["error"]["epoch"] == record["epochs"][-1]["epoch"]
    assert record["evaluations"] == []
    path = tmp_path / "records" / f"{made.key}.json"
    before = path.stat().st_mtime_ns
    assert run_trial(job(tmp_path, made))["status"] == "diverged"
    assert path.stat().st_mtime_ns == before


def test_a_failure_is_recorded_and_tried_again(tmp_path):
    """Eight latents cannot carry a mixture of ten."""
    base = trial(epochs=1, images=8)
    stages = {"train": replace(base.protocol.stages["train"], batch=4)}
    made = replace(base, protocol=replace(base.protocol, stages=stages))
    record = run_trial(job(tmp_path, made))
    assert record["status"] == "failed"
    assert record["error"]["message"] == "InvalidLatents: 8 latents are too few: the density needs at least 10"
    assert "in train_model" in record["error"]["traceback"]
    assert str(Path(__file__).resolve().parents[2]) not in json.dumps(record)
    log = tmp_path / "runs" / made.key / "log.txt"
    log.unlink()
    assert run_trial(job(tmp_path, made))["status"] == "failed"
    assert log.is_file()


def test_a_failures_message_holds_no_path(tmp_path):
    made = trial(epochs=1)
    blocked = tmp_path / "runs" / made.key / "samples.png"
    blocked.mkdir(parents=True)
    record = run_trial(job(tmp_path, made))
    assert record["status"] == "failed"
    assert "<results>" in record["error"]["message"]
    assert str(tmp_path) not in json.dumps(record)


def test_a_trial_restores_the_settings_of_the_process(tmp_path):
    torch.set_num_threads(2)
    run_trial(job(tmp_path, trial(epochs=1)))
    assert torch.get_num_threads() == 2
    tiny = torch.tensor([1e-40])
    assert (tiny + tiny).item() > 0  # denormals are numbers again


def test_a_trial_killed_between_evaluations_makes_the_missing_ones(tmp_path):
    """The trial was killed after its samples were scored. The table has its number, but the record is incomplete."""
    one = run_trial(job(tmp_path, trial(epochs=1)))
    for there in range(1, len(one["evaluations"])):
        records.write(tmp_path, one | {"evaluations": one["evaluations"][:there]})
        two = run_trial(job(tmp_path, trial(epochs=1)))
        assert numbers(two) == numbers(one)
        assert two["epochs"] == one["epochs"]  # seconds too: nothing was trained again
    cut = one | {"evaluations": one["evaluations"][:1]}
    records.write(tmp_path, cut)
    (tmp_path / "runs" / one["key"] / "weights.pt").unlink()
    assert run_trial(job(tmp_path, trial(epochs=1))) == cut  # nothing was requested that needs training


def test_a_repeated_run_with_the_same_losses_keeps_its_evaluations(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1), features="pixels"))
    (tmp_path / "runs" / one["key"] / "weights.pt").unlink()
    two = run_trial(job(tmp_path, trial(epochs=1)))
    assert two["evaluations"][0] == one["evaluations"][0]
    every = 1 + len(CRITERIA_SOURCES)
    assert [e["metric"] for e in two["evaluations"]] == ["fd_pixels"] * every + ["fd_classifier"] * every


def test_diagnostics_that_an_older_record_lacks_are_measured_without_training(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    older = {**one, "diagnostics": {"recon_sse": 1.0, "latent_std": 1.0, "latent_mean": 0.0}}
    records.write(tmp_path, older)
    assert run_trial(job(tmp_path, trial(epochs=1))) == older  # a table that does not show them does not ask
    two = run_trial(replace(job(tmp_path, trial(epochs=1)), diagnostics=("prior_cov",)))
    assert two["diagnostics"] == one["diagnostics"]
    assert two["epochs"] == one["epochs"]
    assert two["evaluations"] == one["evaluations"]


def test_a_repeated_run_that_fails_leaves_the_record_as_it_is(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    weights = tmp_path / "runs" / one["key"] / "weights.pt"
    path = tmp_path / "records" / f"{one['key']}.json"
    before = path.read_bytes()
    weights.unlink()
    (weights.parent / "samples.png").unlink()
    (weights.parent / "samples.png").mkdir()  # a picture cannot be written there
    assert run_trial(job(tmp_path, trial(epochs=1), draws=2))["status"] == "failed"
    assert path.read_bytes() == before
    assert record_failure(job(tmp_path, trial(epochs=1), draws=2), "killed") == one
    assert path.read_bytes() == before


def test_a_failure_keeps_its_traceback(tmp_path):
    made = trial()
    record = record_failure(job(tmp_path, made), "Traceback (most recent call last):\n  File x\nValueError: no")
    assert record["error"]["message"] == "ValueError: no"
    assert record["error"]["traceback"].startswith("Traceback")


def test_a_finished_run_can_keep_only_its_logs(tmp_path):
    (requested,) = make_plan(Options("demo", only="glf", on="digits", seeds="1", keep="logs"), ["auto"]).jobs
    assert requested.keep == "logs"
    made = trial(epochs=1)
    light = replace(job(tmp_path, made), keep="logs")
    record = run_trial(light)
    assert record["status"] == "done"
    assert {path.name for path in light.run_folder.iterdir()} >= {"log.txt", "samples.png"}
    assert not [*light.run_folder.glob("*.pt")]
    assert run_trial(light) == record, "seconds and all: nothing was trained again"
    assert numbers(record) == numbers(run_trial(job(tmp_path / "other", made)))
    assert (tmp_path / "other" / "runs" / made.key / "weights.pt").is_file()
