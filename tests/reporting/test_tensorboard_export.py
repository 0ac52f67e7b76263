"""Event files hold the numbers of the records, and no existing file is changed."""

import json
import resource
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from fake_records import KEY, OTHER, evaluation, record
from shared import make_once
from trials import job, trial

from benchmarks.experiments import records
from benchmarks.experiments.run_trial import run_trial
from benchmarks.reporting import tensorboard_export
from benchmarks.reporting.tensorboard_export import export, folder_name
from benchmarks.run import main

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured" / "digits-demo"


@pytest.fixture
def events():
    """Reads the events of a folder; the test is skipped where TensorBoard is not installed."""
    reason = "TensorBoard is not installed: pip install 'ae-bench[tensorboard]'"
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)

    def read(folder):
        found = module.EventAccumulator(str(folder), size_guidance={module.SCALARS: 0})
        found.Reload()
        return found

    return read


@pytest.fixture
def with_curve(shared_folder, tmp_path):
    """A results folder with one real run that has a learning curve, and its record."""

    def make(folder):
        run_trial(replace(job(folder, trial("two-stage-vae", epochs=2)), eval_every=1))

    folder = shutil.copytree(make_once(shared_folder / "trial-with-curve", make), tmp_path / "results")
    return folder, records.find(folder, trial("two-stage-vae", epochs=2).key)


def scalars(found, tag):
    return [(event.step, event.value) for event in found.Scalars(tag)]


def files(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_losses_of_every_stage_are_those_of_the_record(with_curve, events, tmp_path):
    results, made = with_curve
    found = events(*export(results, tmp_path / "out").written)
    stages = {row["stage"] for row in made["epochs"]}
    assert len(stages) == 2
    metric = made["learning_curve"]["protocol"]["metric"]
    for stage in stages:
        rows = [row for row in made["epochs"] if row["stage"] == stage]
        names = {*rows[0]} - {"stage", "epoch", metric}
        assert {"objective", "seconds", "steps"} < names
        assert {tag for tag in found.Tags()["scalars"] if tag.startswith(f"{stage}/")} == {
            f"{stage}/{name}" for name in names
        }
        for name in names:
            expected = [(row["epoch"], pytest.approx(row[name])) for row in rows]
            assert scalars(found, f"{stage}/{name}") == expected


def test_the_learning_curve_has_its_metric_protocol_and_one_axis_of_epochs(with_curve, events, tmp_path):
    results, made = with_curve
    found = events(*export(results, tmp_path / "out").written)
    curve = made["learning_curve"]
    metric = curve["protocol"]["metric"]
    points = [(i, row[metric]) for i, row in enumerate(made["epochs"]) if row.get(metric) is not None]
    assert len(points) >= 2
    tag = f"learning_curve/{metric}/{curve['protocol_id']}"
    assert scalars(found, tag) == [(i, pytest.approx(value)) for i, value in points]


def test_times_are_the_start_of_the_run_and_the_seconds_of_its_epochs(with_curve, events, tmp_path):
    results, made = with_curve
    found = events(*export(results, tmp_path / "out").written)
    (first, second) = [event.wall_time for event in found.Scalars(f"{made['epochs'][0]['stage']}/objective")]
    assert second - first == pytest.approx(made["epochs"][1]["seconds"], abs=1e-5)


def test_results_are_means_over_sample_sets_of_one_metric_protocol(events, tmp_path):
    other = evaluation(0, fd_classifier=99.0) | {"protocol_id": "f" * 16}
    sets = [evaluation(0, fd_classifier=12.0), evaluation(1, fd_classifier=14.0), other]
    records.write(tmp_path, record(evaluations=sets, diagnostics={"recon_sse": 2.5, "latent_nll": None}))
    found = events(*export(tmp_path, tmp_path / "out").written)
    assert scalars(found, "evaluation/prior/fd_classifier/0123456789abcdef") == [(0, 13.0)]
    assert scalars(found, f"evaluation/prior/fd_classifier/{'f' * 16}") == [(0, 99.0)]
    assert scalars(found, "diagnostics/recon_sse") == [(0, 2.5)]
    assert "diagnostics/latent_nll" not in found.Tags()["scalars"]


def test_hyper_parameters_and_the_metrics_to_compare_are_in_the_event_file(with_curve, events, tmp_path):
    results, made = with_curve
    (folder,) = export(results, tmp_path / "out").written
    found = events(folder)
    from tensorboard.plugins.hparams import metadata

    def content(tag):
        return found.SummaryMetadata(tag).plugin_data.content

    values = metadata.parse_session_start_info_plugin_data(content(metadata.SESSION_START_INFO_TAG)).hparams
    assert values["model"].string_value == "two-stage-vae"
    assert values["seed"].number_value == 0
    assert values["status"].string_value == "done"
    first = made["epochs"][0]["stage"]
    assert values[f"settings/stages/{first}/batch"].number_value == made["settings"]["stages"][first]["batch"]
    compared = metadata.parse_experiment_plugin_data(content(metadata.EXPERIMENT_TAG)).metric_infos
    tags = {info.name.tag for info in compared}
    assert any(tag.startswith("evaluation/prior/") for tag in tags)
    assert tags <= {*found.Tags()["scalars"]}


def test_every_committed_run_has_one_folder_with_one_event_file(events, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(MEASURED / "records", results / "records")
    written = export(results, tmp_path / "out").written
    assert len(written) == len([*(results / "records").glob("*.json")]) == 15
    assert {*(tmp_path / "out").iterdir()} == {*written}
    made_records = [records.find(results, path.stem) for path in (results / "records").glob("*.json")]
    for folder in written:
        assert len([*folder.glob("*tfevents*")]) == 1
        found = events(folder)
        made = next(r for r in made_records if folder_name(r) == folder.name)
        for row in made["epochs"]:
            assert (row["epoch"], pytest.approx(row["objective"])) in scalars(found, f"{row['stage']}/objective")


def test_a_run_that_diverged_keeps_the_losses_that_were_finite(events, tmp_path):
    rows = [{"stage": "train", "epoch": 0, "steps": 9, "seconds": 1.0, "objective": 5.0},
            {"stage": "train", "epoch": 1, "steps": 9, "seconds": 1.0, "objective": None}]  # fmt: skip
    records.write(tmp_path, record(status="diverged", error={"message": "NaN"}, evaluations=[], epochs=rows))
    found = events(*export(tmp_path, tmp_path / "out").written)
    assert scalars(found, "train/objective") == [(0, 5.0)]


def test_a_second_call_adds_only_the_runs_that_are_new(events, tmp_path, capsys):
    records.write(tmp_path, record())
    command = ["tensorboard", "--results", str(tmp_path)]
    assert main(command) == 0
    out = tmp_path / "tensorboard"
    before = files(out)
    assert len(before) == 2
    records.write(tmp_path, record(OTHER, seed=1))
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == ["1 runs written, 1 already there, 0 outdated",
                                                    f"To see them: tensorboard --logdir {out}", str(out)]  # fmt: skip
    after = files(out)
    assert before.items() < after.items()
    assert len(after) == 4


def test_a_folder_of_another_record_is_named_and_left_alone(events, tmp_path, capsys):
    records.write(tmp_path, record())
    command = ["tensorboard", "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    records.write(tmp_path, record(evaluations=[evaluation(0, fd_classifier=1.0)]))
    foreign = tmp_path / "out" / folder_name(record(OTHER, seed=1))
    foreign.mkdir()
    (foreign / "mine.txt").write_text("mine")
    records.write(tmp_path, record(OTHER, seed=1))
    before = files(tmp_path / "out")
    capsys.readouterr()
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "0 runs written, 0 already there, 2 outdated" in printed.out
    for folder in (tmp_path / "out" / folder_name(record()), foreign):
        assert f"warning: {folder} was not written from the record as it is now" in printed.err
    assert files(tmp_path / "out") == before
    shutil.rmtree(tmp_path / "out" / folder_name(record()))
    assert len(export(tmp_path, tmp_path / "out").written) == 1


def test_names_cannot_leave_the_output_folder(events, tmp_path):
    for key, dataset, model in ((KEY, "up..", "package.module:Class+bce"), (OTHER, "a b'c|d", "vae+perceptual")):
        records.write(tmp_path / "results", record(key, dataset=dataset, model=model))
    written = export(tmp_path / "results", tmp_path / "out").written
    assert {path.parent for path in written} == {tmp_path / "out"}
    assert {*tmp_path.iterdir()} == {tmp_path / "results", tmp_path / "out"}
    assert not any(path.name.startswith(".") for path in written)


def test_an_error_while_writing_leaves_no_folder(events, tmp_path):
    records.write(tmp_path, record())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # no file may be longer
    try:
        with pytest.raises(OSError, match="File too large"):
            export(tmp_path, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*(tmp_path / "out").glob("*")]


def test_file_names_do_not_depend_on_this_machine(events, tmp_path):
    records.write(tmp_path, record())
    (folder,) = export(tmp_path, tmp_path / "out").written
    names = {path.name for path in folder.iterdir()}
    assert names == {tensorboard_export.STAMP, f"events.out.tfevents.{KEY[:12]}"}


def test_all_errors_are_reported_at_once_where_tensorboard_is_missing(tmp_path):
    """A module that is None in sys.modules cannot be imported."""
    (tmp_path / "file").touch()
    words = ["tensorboard", "--results", str(tmp_path / "absent"), "--out", str(tmp_path / "file")]
    code = "import json, sys; sys.modules['tensorboard'] = None; from benchmarks.run import main; " \
           "sys.exit(main(json.loads(sys.argv[1])))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, json.dumps(words)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"error: there are no records in {tmp_path / 'absent'}")
    assert "is a file, not a folder" in lines[1]
    assert lines[2].startswith("error: TensorBoard cannot be imported")
    assert lines[2].endswith("Install it: pip install 'ae-bench[tensorboard]'")
    assert "Traceback" not in done.stderr


def test_the_message_names_the_project_and_an_extra_that_it_has():
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    assert "tensorboard" in project["optional-dependencies"]
    expected = f"pip install '{project['name']}[tensorboard]'"
    assert expected == tensorboard_export.INSTALL
