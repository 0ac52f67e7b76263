"""Speed reports: numbers that are computed from measured seconds."""

import json
from pathlib import Path

import pytest
from PIL import Image
from speed_cases import record, row

from benchmarks.perf import speed, speed_report
from benchmarks.perf.baselines import Case
from benchmarks.presets import TABLE1
from benchmarks.reporting import speed_records


def test_ratios_and_shares_are_computed_per_round():
    (found,) = speed_report.summary(record())
    assert found["epochs"] == pytest.approx([1.5, 1.0, 2.0])  # ten steps of the processes' mean
    assert found["epoch"] == pytest.approx(1.5)
    assert found["plain"] == pytest.approx([2.0, 4.0, 2.0])
    assert found["mfu"] == pytest.approx([2 / 40 / 0.15, 2 / 50 / 0.1, 2 / 40 / 0.2])
    assert found["images"] == pytest.approx(2 * 100 / 0.15)
    assert "eager" not in found


def test_read_gives_one_row_per_stage(tmp_path):
    two = [row("ours", n, [s], stage=stage) for n in (0, 1) for stage, s in (("first", 0.4), ("second", 0.2))]
    other = record(model="two-stage-vae", batch={"first": 100, "second": 50}, rows=two, processes=1, exclusive=False)
    side = record(purpose="side")
    for number, value in enumerate([record(), other, side, {"what": "cost"}]):
        (tmp_path / f"{number}.json").write_text(json.dumps(value))
    found = speed_records.read_epoch_seconds(tmp_path)
    assert [*found.columns] == [*speed_records.COLUMNS]
    assert found[["model", "stage", "processes", "rounds"]].values.tolist() == [
        ["glf", "train", 2, 3], ["two-stage-vae", "first", 1, 2], ["two-stage-vae", "second", 1, 2]
    ]  # fmt: skip
    assert found["seconds_per_epoch"].tolist() == pytest.approx([1.5, 1.0, 1.0])
    assert found["min"].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found["max"].tolist() == pytest.approx([2.0, 1.0, 1.0])
    assert found["engine"].tolist() == ["eager"] * 3
    assert found["purpose"].tolist() == ["table"] * 3
    assert found["channels_last"].tolist() == [False] * 3
    assert found["exclusive"].tolist() == [True, False, False]
    assert speed_records.read_epoch_seconds(tmp_path / "absent").empty


def test_the_engines_of_all_stages_of_a_run_are_joined(tmp_path):
    """A stage that fell back to eager steps does not split the rows of a run."""
    rows = [row("ours", 0, [0.1], stage="first", how="graph"), row("ours", 0, [0.1], stage="second", how="eager: no")]
    value = record(rows=rows, batch={"first": 100, "second": 100}, channels_last=True)
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert (
        speed_records.read_epoch_seconds(tmp_path)[["engine", "channels_last"]].values.tolist()
        == [["eager: no, graph", True]] * 2
    )


def test_the_fit_finds_the_fixed_cost_per_step():
    assert speed_report.fit([(f, 2 + 3 * f) for f in (0.1, 1.0, 10.0, 100.0)]) == pytest.approx((2, 3))
    assert speed_report.fit([(1, 1), (2, 3)])[0] == 0  # not below zero


def test_hours_of_a_run_are_the_sum_over_its_stages():
    """Two-Stage VAE on MNIST: 400 epochs and 800 of 600 steps (B.4)."""
    rows = [row("ours", 0, [s], stage=stage, steps=1) for stage, s in (("first", 0.01), ("second", 0.001))]
    value = record(model="two-stage-vae", images=60_000, batch={"first": 100, "second": 100}, rows=rows)
    assert speed_report.column_hours(value) == pytest.approx(600 * (400 * 0.01 + 800 * 0.001) / 3600)


def test_the_time_of_a_column_is_the_sum_over_models_and_runs():
    values = []
    for model in TABLE1:
        stages = Case(model, "mnist", 1, 1, Path()).schedules()
        values.append(record(model=model, images=60_000, processes=1, batch={n: s.batch for n, s in stages.items()},
                             rows=[row("ours", 0, [0.001], stage=name, steps=1) for name in stages]))  # fmt: skip
    hours = sum(map(speed_report.column_hours, values))
    (line, _) = speed_report._column(values)
    assert f"10 runs of 7 models at the paper's epochs take {600 * hours:.0f} minutes one after the other." in line
    others = [{**value, "rows": [row("ours", 0, [9.0], stage=n, steps=1) for n in value["batch"]], **other}
              for value in values for other in ({"processes": 4}, {"engine": "eager"}, {"channels_last": True},
                                                {"precision": "tf32"}, {"dataset": "fashion"})]  # fmt: skip
    assert line in [*speed_report._column([*values, *others[:-1]])]
    assert [*speed_report._column([value for value in others if value["processes"] == 4])] == []
    assert [*speed_report._column(values[1:])] == []


def test_the_report_contains_every_purpose_and_device():
    values = [
        record(),
        record(processes=1, provenance={"device": "cuda: Fast"}),
        *(record(purpose="images", images_used=n, processes=1,
                 rows=[row("ours", 0, [n / 1000], steps=n // 100)]) for n in (400, 800)),
        *(record(purpose="side", shape=[1, s, s], flops={"train": s * 1e9},
                 rows=[row("ours", 0, [1 + s], steps=1)]) for s in (8, 28)),
    ]  # fmt: skip
    text = speed_report.report(values)
    assert "| glf | mnist | train | fp32 | 2 | 1.5 (1–2) | 1,333 |" in text
    assert "| — | 2 (2–4) | — |" in text
    assert "glf, train, mnist, fp32: timed over 4 steps, plain loop 2; fetching the first batch" in text
    assert "differ by at most 0.0% from those at 800 images" in text
    assert "Fitted: 1e+03 ms per step and 1 GFLOP/s beyond it" in text
    assert text.index("## Abacus") < text.index("## Fast")


def test_table_csv_and_plot_depend_on_records_only(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(record()))
    assert speed.main(["--report", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "speed.csv").read_text().count("\n") == 1 + 9 * 2
    assert Image.open(tmp_path / "speed.png").size[0] > 500
    assert (tmp_path / "speed.pdf").read_bytes().startswith(b"%PDF")
    before = (tmp_path / "speed.md").read_bytes(), (tmp_path / "speed.csv").read_bytes()
    speed.main(["--report", "--out", str(tmp_path)])
    assert before == ((tmp_path / "speed.md").read_bytes(), (tmp_path / "speed.csv").read_bytes())
