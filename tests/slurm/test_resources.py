"""Resources of jobs."""

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.run import main
from slurm import Resources, group_items, group_jobs, resources_for
from slurm.resources import RESOURCES, field_error


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
        ('["*/*"]\nminutes = "7"', r"minutes must be of type int, got a value of type str"),
        ('["*/*"]\nminutes = true', r"minutes must be of type int, got a value of type bool"),
        ('["*/*"]\nminutes = 0', r"minutes must be from 1 to 525600, got 0"),
        ('["*/*"]\nminutes = 99999999999999999999999', r"minutes must be from 1 to 525600, got a number of more"),
        ('["*/*"]\nminutes = 0x' + "f" * 5000, r"minutes must be from 1 to 525600, got a number of more"),
        ('["*/*"]\nmemory_gb = -1', r"memory_gb must be from 0 to 1000000, got -1"),
        ('["*/*"]\nqos = ["a"]', r"qos must be of type str, got a value of type list"),
        (
            '["*/*"]\npartition = "x\\ntouch y #"',
            r"partition must be a value that sbatch accepts for --partition.*'x\\ntouch",
        ),
        ('["a/b\\u001b"]\nqos = "-a"', r"row 'a/b\\x1b': qos must be a value that sbatch accepts"),
        ('"*/*" = 3', r"must be a table of fields"),
        ('partition = "gpu"', r"rows must be named MODEL/DATASET.*got 'partition'"),
        ("[", r"cannot be read"),
        ("a = " + "[" * 100_000, r"cannot be read"),
        ("#" * 2_000_000, r"cannot be read: it has more than 1,000,000 bytes"),
        ("\udc80", r"cannot be read: .*utf-8"),
    ],
    ids=range(16),
)
def test_an_invalid_file_is_reported_in_one_printable_line(tmp_path, monkeypatch, text, told):
    (tmp_path / "mine.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(tmp_path / "mine.toml"))
    with pytest.raises(ValueError, match=told) as raised:
        resources_for("glf", "digits")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


def test_all_errors_of_a_file_are_reported_at_once(tmp_path, monkeypatch):
    """Rows of other models count, too."""
    (tmp_path / "mine.toml").write_text('x = 1\n["*/*"]\ncpus = 0\nqos = "a b"\n["vae/*"]\nfast = true\n')
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(tmp_path / "mine.toml"))
    with pytest.raises(ValueError, match="MODEL/DATASET") as raised:
        resources_for("glf", "digits")
    assert len(str(raised.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("field", "text"),
    [("partition", "gpu,cpu-long_2"), ("account", "abc@v100"), ("account", "grp/sub.1"), ("qos", "qos_gpu-t3"),
     ("constraint", "[rack1*2&rack2*4]"), ("constraint", "(a&b)|c"), ("constraint", "gpu:a100=80"), ("partition", "")],
)  # fmt: skip
def test_what_clusters_use_is_accepted(tmp_path, monkeypatch, field, text):
    (tmp_path / "mine.toml").write_text(f'["*/*"]\n{field} = "{text}"\n')
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(tmp_path / "mine.toml"))
    assert getattr(resources_for("glf", "digits"), field) == text


@settings(max_examples=200)
@given(field=st.sampled_from(["partition", "account", "qos", "constraint"]), text=st.text(max_size=20))
def test_no_text_of_a_file_is_more_than_a_word_of_the_job_script(field, text):
    """Every text is refused, or has printable ASCII characters only, and neither spaces nor a dash at the beginning."""
    if field_error(field, text) is None:
        assert text.isascii()
        assert text.isprintable()
        assert not re.search(r"[\s'\"\\`$;<>#%]|^-", text)


@pytest.mark.parametrize("kind", ["missing", "FIFO", "folder", "device", "loop", "control characters"])
def test_a_path_that_is_no_file_is_reported_and_not_waited_for(tmp_path, monkeypatch, kind):
    path = tmp_path / ("a\n\x1bb" if kind == "control characters" else "mine.toml")
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(path))
    with pytest.raises(ValueError, match=r"AE_BENCH_RESOURCES names .*, which cannot be read: ") as raised:
        resources_for("glf", "digits")
    assert str(raised.value).isprintable()


def test_a_command_for_slurm_reports_the_file_the_path_and_its_options_together(tmp_path, monkeypatch, capsys):
    """Before data is read or SLURM is asked."""
    os.mkfifo(tmp_path / "mine.toml")
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(tmp_path / "mine.toml"))
    command = ["table1", "--preset", "demo", "--cluster", "slurm", "--seeds", "x"]
    assert main([*command, "--results", str(tmp_path / "50%\n")]) == 2
    errors = capsys.readouterr().err
    assert "AE_BENCH_RESOURCES names" in errors
    assert "it has a control character. Choose another --results" in errors
    assert "--seeds must be" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_jobs_group_items_of_one_key_and_arrays_group_jobs_of_equal_resources():
    rows = {"a": Resources(seeds=2), "b": Resources(seeds=2), "c": Resources(seeds=1, gpus=1)}
    items = ["a0", "b0", "c0", "a1", "b1", "c1", "a2"]
    jobs = group_items(items, lambda item: item[0], lambda item: rows[item[0]])
    assert [[items[i] for i in indices] for _, indices in jobs] == [["a0", "a1"], ["b0", "b1"], ["c0"], ["c1"], ["a2"]]
    assert [(needs.gpus, len(array)) for needs, array in group_jobs(jobs, 1000)] == [(0, 3), (1, 2)]
    assert [len(array) for _, array in group_jobs(jobs, 2)] == [2, 1, 2]
