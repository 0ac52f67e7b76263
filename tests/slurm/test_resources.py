"""Resources of jobs."""

import pytest

from slurm import Resources, group_items, group_jobs, resources_for
from slurm.resources import RESOURCES


def test_rows_override_each_other_field_by_field(monkeypatch):
    for row, changes in {"*/*": {"minutes": 1, "cpus": 2, "gpus": 3, "seeds": 4}, "*/b": {"cpus": 5, "gpus": 6},
                         "a/*": {"gpus": 7}, "a/b": {"seeds": 8}}.items():  # fmt: skip
        monkeypatch.setitem(RESOURCES, row, changes)
    assert resources_for("x", "y") == Resources(minutes=1, cpus=2, gpus=3, seeds=4)
    assert resources_for("x", "b") == Resources(minutes=1, cpus=5, gpus=6, seeds=4)
    assert resources_for("a", "b") == Resources(minutes=1, cpus=5, gpus=7, seeds=8)


def test_a_file_overrides_the_rows_of_the_code(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text('["*/*"]\npartition = "gpu"\n["glf/digits"]\nminutes = 7\n')
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(path))
    assert resources_for("glf", "digits").partition == "gpu"
    assert resources_for("glf", "digits").minutes == 7
    assert resources_for("vae", "digits").minutes == RESOURCES["*/digits"]["minutes"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('["*/*"]\npartitoin = "gpu"', r"mine.toml, row '\*/\*': unknown field 'partitoin'. Known: partition, account"),
        ('["*/*"]\nminutes = "7"', r"minutes must be of type int, got '7'"),
        ('["*/*"]\nminutes = 0', r"minutes must be at least 1, got 0"),
        ('"*/*" = 3', r"must be a table of fields"),
        ('partition = "gpu"', r"rows must be named MODEL/DATASET.*got 'partition'"),
        ("[", r"cannot be read"),
    ],
)
def test_an_invalid_row_is_reported(tmp_path, monkeypatch, text, told):
    (tmp_path / "mine.toml").write_text(text)
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(tmp_path / "mine.toml"))
    with pytest.raises(ValueError, match=told):
        resources_for("glf", "digits")


def test_a_missing_file_is_reported(monkeypatch):
    monkeypatch.setenv("AE_BENCH_RESOURCES", "/no/such.toml")
    with pytest.raises(ValueError, match=r"AE_BENCH_RESOURCES names /no/such\.toml"):
        resources_for("glf", "digits")


def test_jobs_group_items_of_one_key_and_arrays_group_jobs_of_equal_resources():
    rows = {"a": Resources(seeds=2), "b": Resources(seeds=2), "c": Resources(seeds=1, gpus=1)}
    items = ["a0", "b0", "c0", "a1", "b1", "c1", "a2"]
    jobs = group_items(items, lambda item: item[0], lambda item: rows[item[0]])
    assert [[items[i] for i in indices] for _, indices in jobs] == [["a0", "a1"], ["b0", "b1"], ["c0"], ["c1"], ["a2"]]
    assert [(needs.gpus, len(array)) for needs, array in group_jobs(jobs, 1000)] == [(0, 3), (1, 2)]
    assert [len(array) for _, array in group_jobs(jobs, 2)] == [2, 1, 2]
