"""How a job starts Python, and which texts reach its script."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from slurm import Resources, SlurmOptions, find_path_error
from slurm.sbatch import RefusedError, _python_command, submit_array


@pytest.mark.parametrize("is_on_path", [True, False])
def test_a_job_searches_the_current_folder_for_modules_only_if_this_process_does(tmp_path, monkeypatch, is_on_path):
    (tmp_path / "slurm.py").write_text("print('the one in the current folder')")
    (tmp_path / "site" / "slurm").mkdir(parents=True)
    (tmp_path / "site" / "slurm" / "__init__.py").write_text("print('the installed one')")
    (tmp_path / "site" / "job.py").write_text("import slurm")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    elsewhere = [path for path in sys.path if path not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *elsewhere] if is_on_path else elsewhere)
    words = [*shlex.split(_python_command()), "-m", "job"]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert output == f"the {'one in the current folder' if is_on_path else 'installed one'}\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A sbatch that keeps the script, and a srun that prints its arguments."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"sbatch": f'cp "$1" {tmp_path}/script && echo "Submitted batch job 7"',
                       "srun": r'printf "%s\0" "$@"'}.items():  # fmt: skip
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def task() -> None:
    """What the jobs here would call."""


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXTS)
def test_the_script_of_a_job_has_no_command_of_a_path(programs, name):
    """Every path is refused, or the script has the lines of a plain path and passes the path on as it is."""
    folder = programs / "results" / name
    assume(name not in (".", "..") and len(os.fsencode(name)) < 200)
    if find_path_error(folder):
        with pytest.raises(ValueError, match="SLURM jobs cannot use the path"):
            SlurmOptions(folder, None, None, None, None, None, {})
        return
    lengths = []
    for path in (programs / "results" / "plain", folder):
        assert submit_array([task], Resources(), path, {"SOME": "a b'c"}) == ["7"]
        lengths.append(len((programs / "script").read_bytes().split(b"\n")))
    assert lengths[0] == lengths[1]
    done = subprocess.run(["bash", programs / "script"], cwd=programs, capture_output=True, text=True, check=True)
    words = done.stdout.split("\0")
    (array,) = (path for path in folder.glob(f"slurm-{os.getuid()}/*") if (path / "7_submission.sh").exists())
    assert done.stderr == ""
    assert words[words.index("--output") + 1] == f"{array}/%j_%t_log.out"
    assert words[-2] == str(array)
    for made in array.iterdir():
        made.unlink()
    array.rmdir()


@pytest.mark.parametrize("character", [*map(chr, [*range(1, 32), 127, 0x85, 0x9B]), "%", "\\", "\udce9"])
def test_a_path_with_a_character_that_changes_the_script_is_refused(character):
    error = find_path_error(Path(f"/results/a{character}b/jobs"))
    assert error.isprintable()
    assert error.isascii()


def test_tasks_are_written_to_a_folder_that_only_the_submitter_can_open(programs, tmp_path):
    jobs = tmp_path / "jobs"
    (jobs / f"slurm-{os.getuid()}").mkdir(parents=True, mode=0o755)
    assert submit_array([task], Resources(), jobs, {}) == ["7"]
    (private,) = jobs.iterdir()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert [path.name for path in private.glob("*/*.pkl")] == ["7_submitted.pkl"]


@pytest.mark.parametrize("kind", ["link", "file", "another user's"])
def test_tasks_are_not_written_to_a_folder_that_others_may_have_made(programs, tmp_path, kind):
    """Whoever can write there runs code as the submitter."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (tmp_path / "elsewhere").mkdir()
    private = jobs / f"slurm-{os.getuid()}"
    if kind == "link":
        private.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        private.touch()
    elif os.getuid() == 0:
        private.mkdir()
        os.chown(private, 65534, 65534)
    else:
        pytest.skip("needs a folder of another user")
    with pytest.raises(RefusedError):
        submit_array([task], Resources(), jobs, {})
    assert not [*(tmp_path / "elsewhere").iterdir()]
    assert not (tmp_path / "script").exists()


def test_a_refused_array_leaves_no_files(programs, tmp_path):
    (tmp_path / "programs" / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: no\nsbatch: error: never' >&2; exit 1\n"
    )
    with pytest.raises(RefusedError, match="no never"):
        submit_array([task, task], Resources(), tmp_path / "jobs", {})
    assert not [*tmp_path.glob("jobs/*/*")]
