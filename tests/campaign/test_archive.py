"""An archive moves results between machines; whatever is wrong with it is found before a file is written."""

import contextlib
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from benchmarks.campaign.archive import MANIFEST, ArchiveError, import_archives, pack, read_archive
from benchmarks.experiments import records

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured" / "digits-demo"
LIMIT = 16 * 2**20


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def results(tmp_path):
    """A results folder with three records, a sample grid, a log, and the state of a run without a record."""
    folder = tmp_path / "results"
    (folder / "records").mkdir(parents=True)
    for path in sorted((MEASURED / "records").glob("*.json"))[:3]:
        shutil.copy(path, folder / "records")
    keys = [path.stem for path in sorted((folder / "records").iterdir())]
    for key, name in ((keys[0], "samples.png"), (keys[1], "log.txt"), ("0" * 64, "state.pt"), (keys[0], "weights.pt")):
        (folder / "runs" / key).mkdir(parents=True, exist_ok=True)
        (folder / "runs" / key / name).write_bytes(f"{name} of {key}".encode())
    return folder


def keys_of(results):
    return [path.name for path in (results / "runs").iterdir()] + [p.stem for p in (results / "records").iterdir()]


@pytest.fixture
def archive(results, tmp_path):
    (path,) = pack(results, {*keys_of(results)}, tmp_path / "out" / "a.zip", LIMIT, states=True)
    return path


def rewritten(archive, target, change):
    """A copy of an archive with changed members; `change` takes and returns name -> content."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(target, "w") as file:
        for name, content in change(members).items():
            file.writestr(name, content)
    return target


def with_manifest(members):
    """Members with a manifest that describes them: what somebody can make who knows the format."""
    files = {n: {"sha256": hashlib.sha256(c).hexdigest(), "size": len(c)} for n, c in members.items() if n != MANIFEST}
    manifest = {**json.loads(members[MANIFEST]), "files": files}
    return {**members, MANIFEST: json.dumps(manifest).encode()}


def test_a_results_folder_comes_back_without_weights(results, archive, tmp_path):
    imported = import_archives([archive], tmp_path / "new")
    assert {*imported.added} == {str(path) for path in contents(tmp_path / "new")}
    expected = {path: content for path, content in contents(results).items() if path.name != "weights.pt"}
    assert contents(tmp_path / "new") == expected
    assert len(records.read(tmp_path / "new")[0].drop_duplicates("key")) == 3


def test_the_same_files_give_the_same_bytes(results, archive, tmp_path):
    (again,) = pack(results, {*keys_of(results)}, tmp_path / "b.zip", LIMIT, states=True)
    assert again.read_bytes() == archive.read_bytes()


def test_an_archive_never_replaces_a_file(results, tmp_path):
    for name in ("a.zip", "a-2.zip"):
        (tmp_path / name).write_text("precious")
    assert pack(results, {*keys_of(results)}, tmp_path / "a.zip", LIMIT) == [tmp_path / "a-3.zip"]
    assert [(tmp_path / name).read_text() for name in ("a.zip", "a-2.zip")] == ["precious"] * 2


@pytest.mark.parametrize(
    "change", [{"seed": 77}, {"model": "vae-other"}, {"precision": "tf32"}, {"revision": 99}], ids=str
)
def test_a_record_that_claims_other_settings_than_its_hashed_ones_is_refused(archive, tmp_path, change):
    def relabel(members):
        name = next(name for name in members if name.startswith("records/"))
        return with_manifest({**members, name: json.dumps({**json.loads(members[name]), **change}).encode()})

    with pytest.raises(ArchiveError, match=f"its {next(iter(change))} is not that of its settings"):
        import_archives([rewritten(archive, tmp_path / "b.zip", relabel)], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_states_are_packed_only_if_they_are_asked_for(results, tmp_path):
    (path,) = pack(results, {*keys_of(results)}, tmp_path / "a.zip", LIMIT)
    assert not any(name.endswith("state.pt") for name in read_archive(path))


def test_a_second_import_changes_nothing(archive, tmp_path):
    import_archives([archive], tmp_path / "new")
    before = contents(tmp_path / "new")
    imported = import_archives([archive, archive], tmp_path / "new")
    assert not imported.added
    assert not imported.kept
    assert contents(tmp_path / "new") == before


def test_a_file_that_is_there_is_never_replaced(results, archive, tmp_path):
    target = tmp_path / "new"
    key = sorted(path.stem for path in (results / "records").iterdir())[0]
    other = json.loads((results / "records" / f"{key}.json").read_text()) | {"label": "mine"}
    records.write(target, other)
    imported = import_archives([archive], target)
    assert imported.kept == [f"records/{key}.json"]
    assert json.loads((target / "records" / f"{key}.json").read_text())["label"] == "mine"
    assert len(imported.added) == 5


@pytest.mark.parametrize("order", ["incomplete first", "complete first"])
def test_of_two_records_of_a_run_the_one_with_more_evaluations_is_kept(results, archive, tmp_path, order):
    """A campaign that is cut while a run is scored packs the first of them, and the next session the second."""
    complete = {path.name: path.read_bytes() for path in (results / "records").iterdir()}
    for path in (results / "records").iterdir():
        record = json.loads(path.read_text())
        record["evaluations"] = record["evaluations"][:-1]
        record["diagnostics"] = {}
        record["provenance"]["finished"] = "2026-01-01T00:00:00+00:00"
        records.write(results, record)
    (incomplete,) = pack(results, {*keys_of(results)}, tmp_path / "incomplete.zip", LIMIT)
    paths = [incomplete, archive] if order == "incomplete first" else [archive, incomplete]
    imported = import_archives(paths, tmp_path / "new")
    assert {path.name: path.read_bytes() for path in (tmp_path / "new" / "records").iterdir()} == complete
    assert len(imported.extended) == (len(complete) if order == "incomplete first" else 0)
    assert not imported.kept


def test_a_record_whose_evaluations_differ_is_not_replaced(results, archive, tmp_path):
    key = sorted(path.stem for path in (results / "records").iterdir())[0]
    other = json.loads((results / "records" / f"{key}.json").read_text())
    other["evaluations"] = other["evaluations"][:1]
    metric = other["evaluations"][0]["metric"]
    other["evaluations"][0]["values"][metric] += 1
    records.write(tmp_path / "new", other)
    imported = import_archives([archive], tmp_path / "new")
    assert imported.kept == [f"records/{key}.json"]
    assert not imported.extended


def test_a_record_with_another_layout_of_the_same_values_is_equal(results, archive, tmp_path):
    for path in (results / "records").iterdir():
        target = tmp_path / "new" / "records" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert not import_archives([archive], tmp_path / "new").kept


def test_the_state_of_a_run_that_is_finished_here_is_not_imported(results, archive, tmp_path):
    (tmp_path / "new" / "records").mkdir(parents=True)
    (tmp_path / "new" / "records" / f"{'0' * 64}.json").write_text("{}")
    import_archives([archive], tmp_path / "new")
    assert not (tmp_path / "new" / "runs" / ("0" * 64)).exists()


def test_an_archive_stays_below_its_limit_and_no_record_is_left_out(results, tmp_path):
    (whole,) = pack(results, {*keys_of(results)}, tmp_path / "whole.zip", LIMIT)
    limit = whole.stat().st_size * 2 // 3
    parts = pack(results, {*keys_of(results)}, tmp_path / "part.zip", limit)
    assert len(parts) > 1
    assert all(path.stat().st_size <= limit for path in parts)
    imported = import_archives(parts, tmp_path / "new")
    assert len([name for name in imported.added if name.startswith("records/")]) == 3
    with pytest.raises(ValueError, match="more than the limit"):
        pack(results, {*keys_of(results)}, tmp_path / "small.zip", 1000)
    assert pack(results, {"f" * 64}, tmp_path / "none.zip", LIMIT) == []


def first_record(members):
    return next(name for name in members if name.startswith("records/"))


def alter_record(members, **changes):
    name = first_record(members)
    record = json.loads(members[name]) | changes
    return with_manifest({**members, name: json.dumps(record).encode()})


def alter_number(members):
    """A better distance, with a manifest that fits: the key still fits, so this cannot be found."""
    name = first_record(members)
    return {**members, name: members[name].replace(b"fd_classifier", b"fd_classifieR", 1)}


def alter_settings(members):
    name = first_record(members)
    record = json.loads(members[name])
    record["settings"]["nz"] += 2
    return with_manifest({**members, name: json.dumps(record).encode()})


def add(members, name):
    return with_manifest({**members, name: b"x"})


BAD = {
    "a changed record": (alter_number, "is not the file that the manifest.json describes"),
    "changed settings": (alter_settings, "its key is not the hash of its settings"),
    "another record's name": (lambda m: alter_record(m, key="e" * 64), "it holds the record of e"),
    "a newer schema": (lambda m: alter_record(m, schema=99), r"written by a newer version \(schema 99"),
    "a field of another type": (lambda m: alter_record(m, seed="x"), "not a valid record"),
    "a path outside": (lambda m: add(m, "../../evil.txt"), "its manifest.json is not valid"),
    "an absolute path": (lambda m: add(m, "/tmp/evil.txt"), "its manifest.json is not valid"),
    "weights": (lambda m: add(m, f"runs/{'0' * 64}/weights.pt"), "its manifest.json is not valid"),
    "a path with a newline": (lambda m: add(m, f"records/{'0' * 64}.json\n"), "its manifest.json is not valid"),
    "a file that is not listed": (lambda m: {**m, "../evil": b"x"}, "is not listed in its manifest.json"),
    "a missing file": (lambda m: {n: c for n, c in m.items() if n != first_record(m)}, "is missing"),
    "no manifest": (lambda m: {n: c for n, c in m.items() if n != MANIFEST}, "it has no manifest.json"),
    "a newer version": (
        lambda m: {**m, MANIFEST: json.dumps({**json.loads(m[MANIFEST]), "version": 7}).encode()},
        "written by a newer version",
    ),
    "a manifest that is no JSON": (lambda m: {**m, MANIFEST: b"[" * 100_000}, "its manifest.json is not valid"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_archive_is_refused_and_nothing_is_written(archive, tmp_path, case):
    change, message = BAD[case]
    bad = rewritten(archive, tmp_path / "bad.zip", change)
    before = contents(tmp_path)
    with pytest.raises(ArchiveError, match=message):
        import_archives([archive, bad], tmp_path / "new")  # the first one is good, and is not written either
    assert contents(tmp_path) == before


def test_a_truncated_or_foreign_file_is_refused(archive, tmp_path):
    whole = archive.read_bytes()
    bad = tmp_path / "bad.zip"
    for content in (whole[: len(whole) // 2], whole[: len(whole) - 1], b"", b"text", bytes(1000)):
        bad.write_bytes(content)
        with pytest.raises(ArchiveError, match="not an archive"):
            read_archive(bad)
    for position in range(60, len(whole), max(1, len(whole) // 40)):  # every flipped bit is found
        bad.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with contextlib.suppress(ArchiveError):  # a bit of the zip's own fields, such as a date, changes no content
            assert read_archive(bad) == read_archive(archive)


def test_a_member_that_unpacks_to_more_than_it_declares_is_not_unpacked(archive, tmp_path):
    def bomb(members):
        name = first_record(members)
        changed = with_manifest(members)
        return {**changed, name: bytes(2**26)}

    with pytest.raises(ArchiveError, match="is not the file that the manifest"):
        read_archive(rewritten(archive, tmp_path / "bomb.zip", bomb))
