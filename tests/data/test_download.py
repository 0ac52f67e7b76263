"""Downloads: a target file always has the right checksum. All sources are file:// addresses."""

import hashlib
import io
import tarfile

import pytest
import torch

from benchmarks.data.datasets import DATASETS
from benchmarks.data.download import FETCH, FetchError, File, fetch, fetch_file
from benchmarks.evaluation.extractors import dinov2

CONTENT = b"weights and pixels"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture
def source(tmp_path):
    """A file that stands for a download."""
    path = tmp_path / "server" / "x.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def files_under(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def archive(path, members, unsafe=False):
    """A tar.gz with these members: name -> bytes."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            about = tarfile.TarInfo("../" + name if unsafe else name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return sha256(path.read_bytes())


KNOWN = "mnist, fashion, cifar10, celeba, inception, vgg16, dinov2-vits14, dinov2-vitb14, dinov2-vitl14"

# The table ---------------------------------------------------------------------------------------------------


def test_the_names_to_fetch_are_those_of_the_command_line():
    assert ", ".join(FETCH) == KNOWN


def test_every_file_has_an_address_and_a_checksum():
    for file in (file for files in FETCH.values() for file in files):
        kind, digits = file.checksum.split(":")
        assert len(digits) == {"md5": 32, "sha256": 64}[kind]
        assert file.urls
        assert all(url.startswith("http") and url.endswith(file.name) for url in file.urls)


@pytest.mark.parametrize(("name", "digits"), [("inception", "6726825d"), ("vgg16", "397923af")])
def test_names_of_weights_in_torch_hub_s_cache_contain_their_hash(name, digits):
    (file,) = FETCH[name]
    assert file.base == "hub"
    assert file.checksum.startswith(f"sha256:{digits}")
    assert file.path.endswith(f"-{digits}.pth")


@pytest.mark.parametrize("name", dinov2.ARCHITECTURES)
def test_weights_of_dinov2_are_downloaded_to_where_their_extractor_looks(name, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (file,) = FETCH[name]
    assert file.base == "hub"
    assert tmp_path / "checkpoints" / file.path == dinov2.hub_path(name)


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_idx_files_are_downloaded_to_the_paths_that_readers_use(name):
    assert {file.path for file in FETCH[name]} == {f"{path}.gz" for path in DATASETS[name].needs}


def test_unknown_name_lists_the_known_ones(root):
    done, problems = fetch(["minst"], root)
    assert done == []
    assert problems == [f"cannot fetch 'minst'. Known: {KNOWN} (benchmarks/data/download.py)"]


# One file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_file_with_the_right_checksum_is_downloaded(kind, source, root):
    lines = []
    checksum = f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}"
    message = fetch_file(File("x", (source.as_uri(),), checksum, "a/b/x.bin"), root, lines.append)
    assert (root / "a/b/x.bin").read_bytes() == CONTENT
    assert message == f"downloaded {root / 'a/b/x.bin'}"
    assert lines == [f"x: downloading {source.as_uri()}"]


def test_a_file_whose_checksum_only_begins_as_the_expected_one_is_discarded(source, root):
    for wrong in (sha256(CONTENT)[:15], sha256(CONTENT)[:15] + "0" * 56):
        with pytest.raises(FetchError, match="wrong checksum"):
            fetch_file(File("x", (source.as_uri(),), wrong, "x.bin"), root)
    assert files_under(root) == []


def test_wrong_checksum_discards_the_file_and_names_both(source, root):
    wrong = sha256(b"other")
    with pytest.raises(FetchError, match=f"^x: .*x.bin gave .*expected {wrong}, got {sha256(CONTENT)[7:]}"):
        fetch_file(File("x", (source.as_uri(),), wrong, "x.bin"), root)
    assert files_under(root) == []
    assert list(root.iterdir()) == []


def test_missing_source_is_named_and_leaves_nothing(source, root):
    url = source.with_name("gone").as_uri()
    with pytest.raises(FetchError, match=f"could not download {url}: .*No such file"):
        fetch_file(File("x", (url,), sha256(CONTENT), "x.bin"), root)
    assert list(root.iterdir()) == []


def test_next_mirror_is_tried(source, root):
    bad = source.with_name("bad")
    bad.write_bytes(b"<html>")
    urls = (source.with_name("gone").as_uri(), bad.as_uri(), "no address", source.as_uri())
    fetch_file(File("x", urls, sha256(CONTENT), "x.bin"), root)
    assert (root / "x.bin").read_bytes() == CONTENT


def test_an_existing_file_is_kept_without_a_download(source, root):
    root.mkdir()
    (root / "x.bin").write_bytes(CONTENT)
    source.unlink()
    message = fetch_file(File("x", (source.as_uri(),), sha256(CONTENT), "x.bin"), root)
    assert message.endswith("was already there")


def test_a_corrupt_file_is_replaced_only_by_a_valid_one(source, root):
    root.mkdir()
    (root / "x.bin").write_bytes(b"half")
    with pytest.raises(FetchError):
        fetch_file(File("x", (source.with_name("gone").as_uri(),), sha256(CONTENT), "x.bin"), root)
    assert (root / "x.bin").read_bytes() == b"half"
    fetch_file(File("x", (source.as_uri(),), sha256(CONTENT), "x.bin"), root)
    assert (root / "x.bin").read_bytes() == CONTENT


def test_weights_are_downloaded_to_torch_hub_s_cache(source, root, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    fetch_file(File("x", (source.as_uri(),), sha256(CONTENT), "x.pth", "hub"), root)
    assert files_under(tmp_path / "torch") == ["hub/checkpoints/x.pth"]


def test_folder_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FetchError, match=r"cannot write .*file/x\.bin"):
        fetch_file(File("x", (source.as_uri(),), sha256(CONTENT), "x.bin"), tmp_path / "file")


# Archives ----------------------------------------------------------------------------------------------------


def test_an_archive_is_unpacked_once(source, root):
    checksum = archive(source, {"set/a": b"1", "set/b": b"2"})
    members = (("set/a", sha256(b"1")), ("set/b", sha256(b"2")))
    file = File("x", (source.as_uri(),), checksum, "x.tar.gz", members=members)
    fetch_file(file, root)
    assert files_under(root) == ["set/a", "set/b", "x.tar.gz"]
    (root / "x.tar.gz").unlink()
    source.unlink()
    assert "already unpacked" in fetch_file(file, root)


def test_damaged_member_is_unpacked_again(source, root):
    checksum = archive(source, {"set/a": b"1"})
    file = File("x", (source.as_uri(),), checksum, "x.tar.gz", members=(("set/a", sha256(b"1")),))
    fetch_file(file, root)
    (root / "set/a").write_bytes(b"half")
    fetch_file(file, root)
    assert (root / "set/a").read_bytes() == b"1"


def test_archive_cannot_write_outside_the_data_root(source, root, tmp_path):
    checksum = archive(source, {"evil": b"1"}, unsafe=True)
    file = File("x", (source.as_uri(),), checksum, "x.tar.gz", members=(("evil", sha256(b"1")),))
    with pytest.raises(FetchError, match="cannot unpack"):
        fetch_file(file, root)
    assert not (tmp_path / "evil").exists()


def test_archive_without_a_member_is_an_error(source, root):
    checksum = archive(source, {"set/a": b"1"})
    file = File("x", (source.as_uri(),), checksum, "x.tar.gz", members=(("set/b", sha256(b"2")),))
    with pytest.raises(FetchError, match="missing or corrupt: set/b"):
        fetch_file(file, root)


# Several -----------------------------------------------------------------------------------------------------


def test_errors_are_collected_and_other_files_are_downloaded(source, root, monkeypatch):
    good = File("x", (source.as_uri(),), sha256(CONTENT), "x.bin")
    gone = File("y", (source.with_name("gone").as_uri(),), sha256(CONTENT), "y.bin")
    monkeypatch.setitem(FETCH, "mnist", [gone, good])
    done, problems = fetch(["mnist", "nothing"], root)
    assert done == [f"mnist: downloaded {root / 'x.bin'}"]
    assert len(problems) == 2
    assert problems[0].startswith("mnist: y: could not download file://")
