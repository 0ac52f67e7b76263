"""Records of the measurements of a GPU, with times that are easy to compute with."""

import msgspec

from benchmarks.files.gpu_speed import Images, Memory, Origin, StageTimes
from benchmarks.perf.gpu.items import Item
from benchmarks.perf.gpu.worker import new_record
from benchmarks.protocols import protocol

GPU = Origin(device="cuda: Fast", torch="2.0", python="3.11", cudnn=90100, commit="abc", dirty=False, exclusive=True)
COUNTS = {"mnist": 60_000}


def stage(name, seconds, batch=100, steps=10, **more):
    """A stage with blocks of 10 steps."""
    return StageTimes(
        stage=name,
        batch=batch,
        steps=steps,
        seconds=seconds,
        setup_seconds=[3.0],
        engine_used=more.pop("engine_used", "graph"),
        **more,
    )


def measured(kind="steps", model="glf", step=0.001, engine="graph", runs=1, origin=GPU, **more):
    """A record in which all steps of each run take `step` seconds."""
    item = Item(kind, model, engine=engine, runs=runs)
    stages = [
        stage(name, [10 * runs * step] * 3, schedule.batch, engine_used=engine)
        for name, schedule in protocol(model, item.dataset, "paper", COUNTS[item.dataset]).stages.items()
    ]
    fields = {
        "stages": stages,
        "memory": Memory(peak=2 * 10**9, device=3 * 10**9),
        "images": Images(count=1000, fingerprint="0" * 64, synthetic=False),
        "seconds": 2.0,
        **more,
    }
    return msgspec.structs.replace(new_record(item, origin, "measured"), **fields)
