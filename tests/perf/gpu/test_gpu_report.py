"""The tables of the records of a GPU: what is measured, what failed, and what is missing."""

import msgspec
import pandas as pd
import torch
from gpu_records import GPU, measured, stage

from benchmarks.files.gpu_speed import Comparison, StageOperations
from benchmarks.files.writing import write_json
from benchmarks.perf.gpu.items import Item, items
from benchmarks.perf.gpu.report import report, report_line, write_tables
from benchmarks.perf.gpu.worker import new_record


def save(folder, *records):
    for record in records:
        item = Item(record.kind, record.model, record.dataset, record.precision, record.engine, record.runs)
        write_json(folder / item.record_name(record.provenance.device), msgspec.to_builtins(record))


def test_steps_are_medians_with_their_range():
    stages = [stage("train", [0.01, 0.02, 0.012], batch=256)]
    text = report([measured(stages=stages)])
    assert "| glf | mnist | tf32 | graph | graph | train | 256 | 1,200 (1,000–2,000) | 0.281 | 3 | — |" in text


def test_the_time_of_runs_at_once_is_that_of_one_step_of_one_run():
    text = report([measured("runs", step=0.0005, runs=8)])
    assert "| glf | mnist | tf32 | graph | train | 8 | 500 (500–500) | 2 | 3 |" in text


def test_the_cost_of_determinism_is_in_percent():
    stages = [stage("train", [s, s], deterministic=d) for s, d in ((0.011, True), (0.01, False), (0.01, False))]
    record = measured("determinism-cost", stages=stages)
    assert "| train | 1,100 | 1,000 | 10.0 |" in report([record])
    assert report_line(record) == "train 10.0 % slower (2 s)"


def test_comparisons_and_operations_are_shown():
    comparisons = [
        Comparison(name="two runs", equal=True),
        Comparison(name="graph and eager", equal=False, detail="the weights differ"),
        Comparison(name="resumed", equal=None, detail="no | reason"),
    ]
    operations = [StageOperations(stage="train", count=387.125, counted="kernels")]
    text = report([measured("reproducibility", stages=[], comparisons=comparisons),
                   measured("operations", stages=[], operations=operations)])  # fmt: skip
    assert "| two runs | equal | — |" in text
    assert "| graph and eager | different | the weights differ |" in text
    assert "| resumed | not compared | no / reason |" in text
    assert "| train | 387.1 | kernels |" in text


def test_failures_skipped_items_and_missing_items_are_listed():
    failed = new_record(Item("steps", engine="compiled"), GPU, "failed", "RuntimeError: no luck")
    skipped = new_record(Item("runs", runs=2), GPU, "skipped", "no room")
    text = report([measured(), failed, skipped])
    assert "- Failed:\n    - steps-glf-mnist-tf32-compiled: RuntimeError: no luck\n" in text
    assert "- Skipped:\n    - 1 item: no room\n" in text
    missing = text.partition("- Not measured yet:\n")[2].split()[1::2]
    present = {"steps-glf-mnist-tf32-graph", "steps-glf-mnist-tf32-compiled", "runs-glf-mnist-tf32-graph-x2"}
    assert missing == [item.name for item in items(torch.device("cuda")) if item.name not in present]
    # 100 epochs of 234 steps, ten runs, 1 ms a step
    assert "- All models, one at a time: 0.07 hours, without rae-gmm, two-stage-vae, vae," in text
    assert "- All models, 8 at once: not measured." in text


def test_origin_and_data_are_stated():
    other = msgspec.structs.replace(GPU, dirty=True, exclusive=False)
    text = report([measured(), measured(model="vae", origin=other)])
    assert "torch 2.0, Python 3.11." in text
    assert "- Commit: abc, abc with changes. Preset: paper." in text
    assert "Other processes may have used the device" in text
    assert "- Data: real images of mnist." in text


def test_tables_depend_on_records_only(tmp_path):
    save(tmp_path, measured(), measured("runs", runs=8, step=0.0004), measured(model="vae"))
    paths = write_tables(tmp_path)
    before = {path.name: path.read_bytes() for path in paths}
    assert {*before} == {"speed_gpu.md", "blocks.csv", "setup.csv", "column.csv"}
    assert {path.name: path.read_bytes() for path in write_tables(tmp_path)} == before
    blocks = pd.read_csv(tmp_path / "blocks.csv")
    assert [*blocks["kind"]] == ["steps"] * 3 + ["runs"] * 3 + ["steps"] * 3, "in the order of measurement"
    assert (blocks["seconds"] / blocks["steps"] / blocks["runs"]).round(9).unique().tolist() == [0.001, 0.0004]
    assert pd.read_csv(tmp_path / "column.csv").set_index("model")["together"]["vae"] > 0


def test_no_records_give_an_empty_report(tmp_path):
    (path,) = write_tables(tmp_path)
    assert path.read_text() == "\n"
