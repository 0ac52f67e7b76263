"""The committed measurements of a GPU: their tables, and what they say about bits."""

import shutil
from pathlib import Path

from benchmarks.perf.gpu.reading import read_records
from benchmarks.perf.gpu.report import write_tables

MEASURED = Path(__file__).resolve().parents[3] / "results" / "measured" / "speed-gpu"


def test_the_tables_are_rebuilt_from_the_records(tmp_path):
    for path in MEASURED.glob("*.json"):
        shutil.copy(path, tmp_path)
    made = {path.name: path.read_bytes() for path in write_tables(tmp_path)}
    assert made == {path.name: path.read_bytes() for path in MEASURED.iterdir() if path.suffix != ".json"}


def test_runs_have_the_same_bits_alone_beside_others_resumed_and_without_graphs():
    compared = [part for record in read_records(MEASURED) for part in record.comparisons]
    assert {part.name for part in compared} == {
        "two runs", "resumed and uninterrupted", "graph and eager", "4 runs at once and one"
    }  # fmt: skip
    assert all(part.equal for part in compared)
