"""The hours of a column of Table 1 follow from measured steps."""

import pytest
from gpu_records import measured

from benchmarks.perf.gpu.column import extrapolate
from benchmarks.presets import TABLE1

STEPS = 600 * (400 + 800)  # Two-Stage VAE on MNIST: 400 and 800 epochs of 600 steps (B.4)


def hours(records, model="two-stage-vae"):
    found = extrapolate(records, "mnist", "tf32")
    assert [row.model for row in found] == [*TABLE1]
    return next(row for row in found if row.model == model)


def test_hours_are_runs_times_steps_times_seconds():
    found = hours([measured(model="two-stage-vae", step=0.002)])
    assert found.steps == STEPS
    assert found.alone == pytest.approx(10 * STEPS * 0.002 / 3600)
    assert (found.engine, found.together, found.source) == ("graph", None, "")


def test_the_faster_engine_counts():
    records = [measured(model="two-stage-vae", step=step, engine=engine)
               for step, engine in ((0.002, "graph"), (0.001, "compiled"))]  # fmt: skip
    assert hours(records).alone == pytest.approx(10 * STEPS * 0.001 / 3600)
    assert hours(records).engine == "compiled"


def test_runs_at_once_are_measured_or_gain_as_glf_does():
    one = measured(model="two-stage-vae", step=0.002)
    glf = [measured(step=0.003), measured("runs", step=0.001, runs=8)]
    found = hours([one, *glf])
    assert found.together == pytest.approx(10 * STEPS * 0.002 / 3 / 3600)
    assert found.source == "graph, gain of glf (3.00)"
    many = measured("runs", model="two-stage-vae", step=0.0005, runs=8)
    found = hours([one, *glf, many])
    assert found.together == pytest.approx(10 * STEPS * 0.0005 / 3600)
    assert found.source == "measured, graph"


def test_other_counts_engines_and_cells_do_not_count():
    one = measured(model="two-stage-vae", step=0.002)
    assert hours([one, measured("runs", runs=4), measured()]).together is None
    assert hours([one, measured(engine="compiled"), measured("runs", runs=8)]).together is None
    assert extrapolate([one], "mnist", "fp32")[2].alone is None
    assert hours([measured(model="two-stage-vae", status="failed")]).alone is None
