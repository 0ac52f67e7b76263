import inspect
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_records import KEY, OTHER, evaluation, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.evaluation.metrics import METRICS
from benchmarks.experiments import records


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = records.write(tmp_path, record())
    assert path == tmp_path / "records" / f"{KEY}.json"
    assert records.find(tmp_path, KEY) == record()
    assert records.find(tmp_path, OTHER) is None


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc é", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_settings_are_read_as_they_were_written(tmp_path: Path, value: Any) -> None:
    records.write(tmp_path, record(settings={"hyper": {"value": value}, "images": 9}))
    found = records.find(tmp_path, KEY)
    assert found is not None
    assert found["settings"] == {"hyper": {"value": value}, "images": 9}


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    rows = [{"stage": "train", "epoch": 0, "objective": math.nan, "parts": [math.inf, -math.inf, 1.0]}]
    path = records.write(tmp_path, record(epochs=rows))
    text = path.read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["epochs"][0] == {
        "stage": "train",
        "epoch": 0,
        "objective": None,
        "parts": [None, None, 1.0],
    }


def test_writing_leaves_nothing_but_the_record(tmp_path: Path) -> None:
    path = records.write(tmp_path, record(seed=0))
    records.write(tmp_path, record(seed=1))
    assert [*path.parent.iterdir()] == [path]
    found = records.find(tmp_path, KEY)
    assert found is not None
    assert found["seed"] == 1


def test_a_failed_write_keeps_the_old_record(tmp_path: Path) -> None:
    path = records.write(tmp_path, record())
    with pytest.raises(TypeError, match="not JSON serializable"):
        records.write(tmp_path, record(settings=object()))
    assert [*path.parent.iterdir()] == [path]
    assert records.find(tmp_path, KEY) == record()


def test_a_records_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = records.write(tmp_path, record())
    finally:
        os.umask(before)
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "text",
    ["", '{"schema": 1, "key": "a', "[]", "{}", "null", '{"schema": 1, "key": "a"}', '{"schema": null, "key": "a"}'],
)
def test_a_broken_file_is_absent_and_named(tmp_path: Path, text: str) -> None:
    path = records.write(tmp_path, record())
    records.write(tmp_path, record(OTHER))
    path.write_text(text)
    with pytest.warns(UserWarning, match=path.name):
        assert records.find(tmp_path, KEY) is None
    with pytest.warns(UserWarning, match=path.name):
        runs, _ = records.read(tmp_path)
    assert set(runs["key"]) == {OTHER}


def test_a_file_that_is_not_text_is_absent(tmp_path: Path) -> None:
    path = records.write(tmp_path, record())
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.warns(UserWarning, match=path.name):
        assert records.find(tmp_path, KEY) is None


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    records.write(tmp_path, record(schema=99))
    with pytest.raises(ValueError, match=rf"{KEY}\.json: written by a newer version \(schema 99"):
        records.find(tmp_path, KEY)
    records.write(tmp_path, record(OTHER))
    with pytest.warns(UserWarning, match="written by a newer version"):
        assert {*records.read(tmp_path)[0]["key"]} == {OTHER}


def test_a_record_that_cannot_be_opened_is_neither_absent_nor_replaced(tmp_path: Path) -> None:
    """A temporary file system error must not cost a run its record. A folder at its path causes such an error."""
    records.write(tmp_path, record(OTHER))
    (tmp_path / "records" / f"{KEY}.json").mkdir()
    with pytest.raises(records.RecordError, match=rf"{KEY}\.json: cannot be read .*neither used nor repeated"):
        records.find(tmp_path, KEY)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert {*records.read(tmp_path)[0]["key"]} == {OTHER}


def test_a_record_under_another_name_is_refused(tmp_path: Path) -> None:
    path = records.write(tmp_path, record())
    path.rename(path.with_name(f"{OTHER}.json"))
    with pytest.raises(ValueError, match=rf"{OTHER}\.json: holds the record of {KEY}"):
        records.find(tmp_path, OTHER)


def test_read_gives_a_row_per_evaluation_and_per_epoch(tmp_path: Path) -> None:
    # Written in the other order: the file names decide
    records.write(tmp_path, record(OTHER, seed=1, evaluations=[], status="diverged", error={"message": "recon is NaN"}))
    records.write(tmp_path, record())
    runs, epochs = records.read(tmp_path)

    assert [*runs.columns] == [
        *(
            "key",
            "model",
            "label",
            "revision",
            "dataset",
            "protocol_row",
            "preset",
            "seed",
            "precision",
            "status",
            "error",
        ),
        *("source", "draw", "metric", "protocol_id", "n", "n_real", "n_fake", "extractor"),
        *("split", "real_transform", "fake_transform", "quantization", "dims", "input", "crop", "resize"),
        *("weights", "backend", "estimator", "fd_classifier"),
        *("recon_sse", "latent_std", "latent_mean", "prior_mean", "prior_cov", "latent_nll", "posterior_var"),
        *("train_fingerprint", "test_fingerprint", "device", "torch", "engine", "runs_at_once", "commit", "dirty"),
    ]
    assert [*runs["key"]] == [KEY, KEY, OTHER]
    assert [*runs["fd_classifier"][:2]] == [12.5, 13.5]
    assert [*runs["draw"][:2]] == [0, 1]
    first, last = runs.iloc[0], runs.iloc[2]
    assert (first["n_real"], first["n_fake"], first["extractor"]) == (100, 90, "classifier:digits")
    assert (first["train_fingerprint"], first["device"], first["commit"], first["dirty"]) == (
        "f1",
        "cpu: Xeon",
        "abc",
        False,
    )
    assert pd.isna(first["error"])
    assert (last["status"], last["error"], last["seed"]) == ("diverged", "recon is NaN", 1)
    assert last[["draw", "metric", "protocol_id", "n_real", "fd_classifier"]].isna().all()

    assert [*epochs.columns] == [
        *("key", "model", "dataset", "preset", "seed", "stage", "epoch", "protocol_id"),
        *("seconds", "steps", "objective", "recon"),
    ]
    assert [*epochs["epoch"]] == [0, 1, 0, 1]
    assert [*epochs["recon"]] == [90.0, 80.0, 90.0, 80.0]


def test_the_engine_of_a_run_has_no_reason_and_the_number_of_runs_at_once_is_read(tmp_path: Path) -> None:
    engine = {"requested": "auto", "stages": {"train": "graph: compiling saves about 3 s"}, "runs_at_once": 4}
    records.write(tmp_path, record(provenance={"device": "cuda: H100", "engine": engine}))
    records.write(tmp_path, record(OTHER, provenance={"device": "cpu: Xeon"}))
    runs = records.read(tmp_path)[0].drop_duplicates("key").set_index("key")
    assert (runs.loc[KEY, "engine"], runs.loc[KEY, "runs_at_once"]) == ("graph", 4)
    assert runs.loc[OTHER, ["engine", "runs_at_once"]].isna().all()


def test_each_metric_of_a_draw_has_its_own_column(tmp_path: Path) -> None:
    prd = evaluation(0, prd_f8=0.9, prd_f1_8=0.8) | {"metric": "prd"}
    records.write(tmp_path, record(evaluations=[evaluation(0, fd_classifier=math.nan), prd]))
    runs, _ = records.read(tmp_path)
    assert [*runs.columns[30:33]] == ["fd_classifier", "prd_f1_8", "prd_f8"]
    assert runs["fd_classifier"].isna().all()
    assert runs["fd_classifier"].dtype == float
    assert [*runs["prd_f8"][1:]] == [0.9]


@pytest.mark.parametrize("made", [True, False])
def test_an_empty_folder_gives_empty_frames_with_columns(tmp_path: Path, made: bool) -> None:
    if made:
        (tmp_path / "records").mkdir()
    runs, epochs = records.read(tmp_path)
    assert len(runs) == len(epochs) == 0
    assert {"key", "status", "draw", "metric", "protocol_id", "extractor", "dirty"} <= {*runs.columns}
    assert [*epochs.columns] == ["key", "model", "dataset", "preset", "seed", "stage", "epoch", "protocol_id"]


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    path = records.write(tmp_path, record())
    path.with_name(f"._{KEY}.json").write_bytes(b"\x00\x05\x16\x07")
    path.with_name(f".{KEY}.json.123.tmp").write_text("{")
    runs, _ = records.read(tmp_path)
    assert len(runs) == 2


def test_a_folder_may_be_a_string(tmp_path: Path) -> None:
    records.write(str(tmp_path), record())
    assert len(records.read(str(tmp_path))[0]) == len(records.read(tmp_path)[0]) > 0
    assert records.find(str(tmp_path), KEY) == records.find(tmp_path, KEY)


def documented_columns(frame: str) -> set[str]:
    """The columns of a frame that the docstring of `read` lists; those named after "such as" depend on the records."""
    text = inspect.getdoc(records.read) or ""
    (block,) = re.findall(rf"^Columns of `{frame}`.*\n((?: {{4,}}.*\n)+)", text, re.M)
    lines = [line for line in re.sub(r"\n {8}", " ", block).splitlines() if "one column for each" not in line]
    return {name.strip() for line in lines for name in line.rpartition(":")[2].split(",")}


@pytest.mark.parametrize("position", [0, 1])
def test_the_documented_columns_are_those_of_the_frames(tmp_path: Path, position: int) -> None:
    empty = records.read(tmp_path)[position]
    assert documented_columns(records.FRAMES[position]) == {*empty.columns}
    values = {"fd_classifier", "seconds", "steps", "objective", "recon"}
    records.write(tmp_path, record())
    assert {*records.read(tmp_path)[position].columns} - {*empty.columns} <= values


def test_the_columns_that_the_documentation_gives_as_examples_exist() -> None:
    measured = Path(__file__).resolve().parents[2] / "results" / "measured" / "digits-demo"
    epochs = records.read(measured)[1]
    assert {"seconds", "steps", "objective"} <= {*epochs.columns}
    metrics = {column for metric in METRICS.values() for column in metric.columns}
    text = inspect.getdoc(records.read) or ""
    (examples,) = re.findall(r"metrics: .* such as (.*)", text)
    distances = {"fid", "fd_classifier"}  # named after their features
    assert distances < {*examples.split(", ")} <= distances | metrics
    assert "fd_classifier" in records.read(measured)[0]
