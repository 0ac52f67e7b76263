"""How a job starts Python."""

import shlex
import subprocess
import sys

import pytest

from slurm.sbatch import _python_command


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
