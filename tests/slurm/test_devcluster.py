"""What slurm/devcluster.sh creates, ends and removes. The daemons here are harmless programs of the same names."""

import contextlib
import functools
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "devcluster.sh"
MARKER = "ae-bench-devcluster.marker"
DAEMONS = ("munged", "slurmctld", "slurmd")


@pytest.fixture
def folder():
    """A path for a cluster that does not exist yet; pytest's own are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="devcluster-test-") as parent:
        yield Path(parent).resolve() / "cluster"


@pytest.fixture
def programs(tmp_path):
    """A folder of programs named like SLURM's, which do nothing, and report two idle nodes."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in DAEMONS:
        program(programs / name, "")
    program(programs / "sinfo", "echo idle; echo idle")
    return programs


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def devcluster(folder, *arguments, programs=None, **variables):
    path = f"{programs}:{os.environ['PATH']}" if programs else os.environ["PATH"]
    environment = {**os.environ, "AE_BENCH_DEVCLUSTER": str(folder), "PATH": path, **variables}
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def start(folder, programs):
    return devcluster(folder, "start", "--no-accounting", programs=programs)


def marked(folder):
    folder.mkdir(mode=0o700)
    (folder / MARKER).write_text("made\n")


def content(folder):
    return sorted((path.name, path.is_file() and path.read_text()) for path in folder.iterdir())


def test_start_makes_a_private_folder_and_stop_removes_it(folder, programs):
    done = start(folder, programs)
    assert (done.returncode, done.stdout) == (0, f"export SLURM_CONF={folder}/slurm.conf\n"), done.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert devcluster(folder, "stop", programs=programs).returncode == 0
    assert not folder.exists()
    assert devcluster(folder, "stop", programs=programs).returncode == 0, "nothing to stop"


def test_all_files_are_private_from_their_first_byte(folder, programs, tmp_path):
    """When a program has written its file, nothing has changed the mode yet."""
    seen = tmp_path / "seen"
    program(programs / "dd", f'{shutil.which("dd")} "$@"; stat -c "%a %n" {folder}/* {folder} >>{seen}')
    for name in DAEMONS:
        program(programs / name, f'find {folder} -printf "%m %p\\n" >>{seen}')
    assert start(folder, programs).returncode == 0
    modes = dict(reversed(line.split(" ", 1)) for line in seen.read_text().splitlines())
    assert {f"{folder}/munge.key", f"{folder}/slurm.conf", str(folder)} <= modes.keys()
    assert all(mode.endswith("00") for mode in modes.values()), modes


@pytest.mark.parametrize("kind", ["files", "empty", "readable by others", "marker is a link", "link to a cluster"])
def test_stop_leaves_a_folder_that_start_did_not_make(folder, programs, tmp_path, kind):
    marked(folder)
    (folder / "precious").write_text("data")
    if kind in ("files", "empty"):
        (folder / MARKER).unlink()
    if kind == "empty":
        (folder / "precious").unlink()
    if kind == "readable by others":
        folder.chmod(0o755)
    if kind == "marker is a link":
        (folder / MARKER).rename(tmp_path / "marker")
        (folder / MARKER).symlink_to(tmp_path / "marker")
    target = folder
    if kind == "link to a cluster":
        target = folder.with_name("link")
        target.symlink_to(folder)
    before = content(folder)
    for name in (target, f"{target}/"):
        done = devcluster(name, "stop", programs=programs)
        assert done.returncode == 1
        assert "was not made by" in done.stderr or "is a link" in done.stderr
    assert content(folder) == before


@pytest.mark.parametrize("kind", ["files", "readable by others", "link", "file", "files that look like a cluster"])
def test_start_leaves_a_folder_with_files_of_others(folder, programs, tmp_path, kind):
    if kind == "file":
        folder.write_text("data")
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(mode=0o755 if kind == "readable by others" else 0o700)
        if kind != "readable by others":
            (folder / ("slurm.conf" if "cluster" in kind else "precious")).write_text("data")
    before = folder.read_text() if kind == "file" else content(folder)
    for command in (["start", "--no-accounting"], ["stop"]):
        done = devcluster(folder, *command, programs=programs)
        assert done.returncode == 1
        assert str(folder) in done.stderr
    assert (folder.read_text() if kind == "file" else content(folder)) == before


@pytest.mark.parametrize("existed", [False, True])
def test_a_failed_start_removes_what_it_made_and_nothing_else(folder, programs, existed):
    program(programs / "slurmctld", "echo broken >&2; exit 1")
    neighbour = folder.with_name("neighbour")
    neighbour.write_text("data")
    if existed:
        folder.mkdir(mode=0o700)
    done = start(folder, programs)
    assert done.returncode == 1
    assert "broken" in done.stderr
    assert neighbour.read_text() == "data"
    assert folder.exists() == existed
    assert not existed or content(folder) == []


def test_start_replaces_a_cluster_that_has_ended_but_not_one_that_runs(folder, programs):
    assert start(folder, programs).returncode == 0
    (folder / "old.log").touch()
    assert start(folder, programs).returncode == 0
    assert not (folder / "old.log").exists()
    with named_process(folder, "munged", f"{folder}/slurm.conf") as process:
        done = start(folder, programs)
        assert done.returncode == 1
        assert f"a cluster runs in {folder} already" in done.stderr
        assert process.poll() is None


@contextlib.contextmanager
def named_process(folder, name, slurm_conf):
    """A sleeping process of this name, which the folder's munged.pid names."""
    shutil.copy(shutil.which("sleep"), folder.with_name(name))
    environment = {"SLURM_CONF": str(slurm_conf)} if slurm_conf else {}
    process = subprocess.Popen([folder.with_name(name), "60"], env=environment)
    (folder / "munged.pid").write_text(f"{process.pid}\n")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("name", "configuration", "is_ended"),
    [("munged", "slurm.conf", True), ("munged", "other.conf", False), ("munged", None, False),
     ("sleep", "slurm.conf", False), ("mariadbd", "slurm.conf", True), ("slurmd", "other.conf", False)],
)  # fmt: skip
def test_stop_ends_only_daemons_of_its_own_folder(folder, programs, name, configuration, is_ended):
    """It knows them by their name and environment. A pid file may be wrong: another process may have the number now."""
    marked(folder)
    with named_process(folder, name, configuration and folder / configuration) as process:
        assert devcluster(folder, "stop", programs=programs).returncode == 0
        assert (process.poll() is not None) == is_ended


@pytest.mark.parametrize("text", ["", "-1", "0", "1", "x", "$(touch precious)", "1 1", "9" * 30, "\0"])
def test_stop_ends_nothing_for_a_pid_file_without_the_pid_of_a_daemon(folder, programs, text):
    marked(folder)
    (folder / "slurmctld.pid").write_text(text)
    assert devcluster(folder, "stop", programs=programs).returncode == 0
    assert not folder.exists()


def test_stop_does_not_follow_links_in_its_folder(folder, programs, tmp_path):
    marked(folder)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (folder / "link").symlink_to(tmp_path / "precious")
    assert devcluster(folder, "stop", programs=programs).returncode == 0
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize("name", ["a b", "a\nb", "a;id", "$(id)", "a'b", 'a"b', "a#b", "a%b", "é", "x" * 90, ""])
def test_a_path_that_configuration_files_or_shells_would_change_is_refused(folder, programs, name):
    """`start` prints a line for the shell to evaluate."""
    path = folder.with_name(name) if name else " "
    for command in (["start", "--no-accounting"], ["stop"]):
        done = devcluster(path, *command, programs=programs)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
    assert [*folder.parent.iterdir()] == []


def test_a_folder_that_every_user_can_rename_is_refused(folder, programs):
    folder.parent.chmod(0o777)
    assert "every user may rename" in start(folder, programs).stderr
    folder.parent.chmod(0o1777)
    assert start(folder, programs).returncode == 0


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs a folder of another user")
def test_a_folder_of_another_user_is_refused(folder, programs):
    """Another user may have made the default folder first."""
    default = {"AE_BENCH_DEVCLUSTER": "", "TMPDIR": str(folder.parent)}
    theirs = folder.with_name("ae-bench-devcluster-0")
    marked(theirs)
    os.chown(theirs, 65534, 65534)
    for command in (["start", "--no-accounting"], ["stop"]):
        done = devcluster("", *command, programs=programs, **default)
        assert done.returncode == 1
        assert str(theirs) in done.stderr
    assert content(theirs) == [(MARKER, "made\n")]


@pytest.mark.parametrize(
    "arguments",
    [["--max-array-size"], ["--max-array-size", "x"], ["--max-submit-jobs", "-1"], ["--fast"],
     ["--no-accounting", "--max-submit-jobs", "3"]],
)  # fmt: skip
def test_an_invalid_option_starts_nothing(folder, programs, arguments):
    for daemon in ("slurmdbd", "mariadbd"):
        program(programs / daemon, "")
    assert devcluster(folder, "start", *arguments, programs=programs).returncode == 1
    assert not folder.exists()


@pytest.mark.slurm
def test_the_database_of_a_cluster_is_reached_through_its_private_folder_only(cluster):
    if not (cluster / "db.sock").exists():
        pytest.skip("the cluster was not made by slurm/devcluster.sh, or has no accounting")
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o700
    words = ["mariadb", "--no-defaults", "-N", f"--socket={cluster / 'db.sock'}", "-e", "select @@skip_networking"]
    assert subprocess.run(words, capture_output=True, text=True).stdout.strip() == "1"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_start_removes_what_it_made(folder, programs, how):
    """`timeout` sends SIGTERM."""
    program(programs / "sinfo", f"touch {folder}/waiting; sleep 0.1")
    environment = {**os.environ, "AE_BENCH_DEVCLUSTER": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"}
    restore = functools.partial(signal.signal, how, signal.SIG_DFL)  # a shell's background job ignores SIGINT
    process = subprocess.Popen([SCRIPT, "start", "--no-accounting"], env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=restore)  # fmt: skip
    while not (folder / "waiting").exists():
        time.sleep(0.02)
    os.killpg(process.pid, how)
    assert process.wait(timeout=20) != 0
    assert not folder.exists()
