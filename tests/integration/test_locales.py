"""Every command works where the output is not UTF-8, and files are UTF-8 everywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from console_script import environment

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "results" / "measured" / "digits-demo"
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = [C_LOCALE, {"PYTHONIOENCODING": "cp437"}]  # tests of `benchmarks.printing` have more
# All in one process, because a start takes seconds
COMMANDS = """
import contextlib, pathlib, runpy, shutil, sys
from benchmarks.run import main
measured, out = sys.argv[1:]
demo = ["--preset", "demo", "--results", out]
shutil.copytree(pathlib.Path(measured, "records"), pathlib.Path(out, "records"))
for words in (["--help"], ["table1", "--help"], ["list"], ["protocols"], ["table1", *demo, "--dry-run"],
              ["table1", *demo], ["latents", *demo], ["table3", "--results", out],
              ["figure3", *demo, "--on", "digits", "--dry-run"], ["status", "--results", out],
              ["report", "--results", out]):
    with contextlib.suppress(SystemExit):
        print("exit code", main(words), *words)
for program in ("speed", "operators", "faults", "scale", "metric_cost"):
    sys.argv = [program, "--help"]
    with contextlib.suppress(SystemExit):
        runpy.run_module(f"benchmarks.perf.{program}", run_name="__main__")
sys.argv = ["records.py", out, "fd_classifier"]
runpy.run_path("examples/records.py", run_name="__main__")
"""


def run(words, locale, tmp_path, **options):
    """Standard output and standard error of a program, as bytes; its exit code is checked by the caller."""
    variables = {**environment(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    variables.pop("PYTHONIOENCODING", None)  # tox sets it
    variables |= locale
    return subprocess.run([sys.executable, *words], capture_output=True, env=variables, **options)


@pytest.mark.slow
@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: "-".join(locale.values()))
def test_every_command_works_where_the_output_is_not_utf_8(locale, tmp_path):
    done = run(["-c", COMMANDS, MEASURED, tmp_path / "out"], locale, tmp_path, cwd=ROOT)
    output = (done.stdout + done.stderr).decode(locale.get("PYTHONIOENCODING", "ascii"))
    assert done.returncode == 0, output[-2000:]
    assert "Traceback" not in output
    assert {line.split()[2] for line in output.splitlines() if line.startswith("exit code ")} == {"0"}
    assert "beta" in output
    assert "usage: python -m benchmarks.perf.speed" in output
    for name in ("table1.md", "table1.csv", "table1.tex"):
        written = (tmp_path / "out" / "tables" / name).read_bytes()
        assert written == (MEASURED / "tables" / name).read_bytes()


FAILING = """
import torch
from zoo import LatentModel, Stage, Update
from zoo.losses import sse
from zoo.nets import Decoder, Encoder


class Failing(LatentModel):
    def __init__(self, image_shape, nz):
        super().__init__(image_shape, nz)
        self.encoder, self.decoder = Encoder(image_shape, nz), Decoder(image_shape, nz)

    def loss(self, x):
        if len(x) < 40:  # the check before training
            return sse(x, self.decoder(self.encoder(x))), {}
        print("printed by a worker: \\x1b[31m \\u202e é \\ud800")
        raise RuntimeError("é ± \\x1b[2J \\u202e \\ud800\\nerror: forged")

    def stages(self, x):
        yield Stage("train", lambda: (x,), [Update(self.loss, {"ae": [*self.parameters()]})])

    def sample_latent(self, n, generator):
        return torch.randn(n, 8)
"""


@pytest.mark.slow
def test_a_worker_may_print_and_raise_any_text_in_any_locale(tmp_path):
    """In a folder whose name is UTF-8, which this locale cannot decode."""
    (tmp_path / "failing_model.py").write_text(FAILING, encoding="utf-8")
    results = os.fsencode(tmp_path / "ré\x1bsults")
    words = ["table1", "--preset", "demo", "--only", "failing_model:Failing", "--like", "rae-gmm", "--seeds", "1",
             "--cluster", "local", "--workers", "1", "--results", results]  # fmt: skip
    done = run(["-m", "benchmarks.run", *words], C_LOCALE, tmp_path)
    output = (done.stdout + done.stderr).decode("ascii")
    assert done.returncode == 1, output
    assert r"printed by a worker: \x1b[31m \u202e e \ud800" in output
    assert r"failed: RuntimeError: e +/- \x1b[2J \u202e \ud800\nerror: forged; traceback: " in output
    assert not {*output} & {*map(chr, range(32))} - {"\n"}
    # Another locale reads the launch and the record, too
    for locale in (C_LOCALE, {"LC_ALL": "C.utf8"}):
        status = run(["-m", "benchmarks.run", "status", "--results", results], locale, tmp_path)
        assert b"\nfailed: failing_model:Failing on digits, seed 0: " in status.stdout
        assert b"warning" not in status.stderr
    words = ["retry", "--dry-run", "--only", "failing_model:Failing", "--results", results]
    assert b"1 failed" in run(["-m", "benchmarks.run", *words], C_LOCALE, tmp_path).stdout


@pytest.mark.parametrize("word", [b"\xff\x1b[2J", "\u202eé\x9b".encode()])
def test_arguments_of_any_bytes_are_printed_escaped(word, tmp_path):
    for locale in (C_LOCALE, {"LC_ALL": "C.utf8"}):
        for words in ([word], ["status", b"--" + word], ["status", b"--results=" + bytes(tmp_path) + b"/" + word]):
            done = run(["-m", "benchmarks.run", *words], locale, tmp_path)
            output = (done.stdout + done.stderr).decode("utf-8")
            assert "Traceback" not in output
            is_valid = word != b"\xff\x1b[2J"  # a path must be UTF-8
            assert done.returncode == (0 if is_valid and "results" in str(words) else 2)
            assert not {c for c in output if c < " " or "\x7f" <= c < "\xa0" or c == "\u202e"} - {"\n"}
