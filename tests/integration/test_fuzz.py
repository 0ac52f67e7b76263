"""Random command lines: each ends with a documented exit code, without a traceback, and writes only where it was told.

The options are those of all commands; their values are right, unusual or hostile. Commands that train get --dry-run.
"""

import contextlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.cli.commands import COMMANDS
from benchmarks.cli.options import OPTIONS
from benchmarks.run import main

# Values that are right, or nearly so
VALUES = {
    "only": ["glf", "vae,glf", "glf+bce", "glf,", "glff", "glf[beta=4]", "no.such:Thing", "rae-gmm", "glann-mse"],
    "on": [
        "digits",
        "digits,digits",
        "mnist",
        "minst",
        "folder:empty",
        "folder:file",
        "digits,folder:empty",
        "folder:",
    ],
    "name": ["letters", "digits", "a b", "../x", ".", "-x", "a/b", "x" * 64, "x" * 65],
    "like": ["digits", "glf", "digits,glf", "glf,vae", "minst"],
    "recon": ["sse", "half-sse", "bce", "perceptual", "l2"],
    "seeds": ["1", "2", "7,", "3,7", "3,3", "0,", "1001", "1000000"],
    "set": [
        "lr=1e-3",
        "beta=4",
        "beta=nan",
        "lr=1e999",
        "blocks=1000000",
        "batch=1",
        "epochs=0",
        "lr=1,lr=2",
        "=",
        "a=b",
    ],
    "preset": ["demo", "demo", "demo", "quick", "paper", "Demo"],
    "features": ["pixels", "classifier", "classifier:digits", "classifier:x", "inception", "inception:file", "os:path"],
    "metrics": ["fd", "fd,kid", "prd", "neighbours", "is"],
    "draws": ["1", "3", "0", "1001"],
    "images": ["100", "500", "33", "32", "1", "1000001"],
    "eval-every": ["1", "5", "0", "1000001"],
    "results": ["out", "out", "out/deep/er", "file", "file/x", "dangling", "circle", "/dev/null", "/dev/full", "empty"],
    "out": ["out/tb", "file", "dangling/x", "/dev/null"],
    "json": ["out/x.json", "no/folder/x.json", "file", "empty", "digits", "/dev/full"],
    "format": ["csv", "latex,html", "pdf", "csv,"],
    "decimals": ["0", "9", "10", "-1"],
    "notes": ["none", "short", "full", "all"],
    "margin": ["0.05", "0", "1", "nan", "inf", "-1", "1e-300"],
    "keep": ["weights", "logs", "all"],
    "data-root": ["empty", "file", "none", "dangling"],
    "cluster": ["auto", "inline", "local", "slurm", "moon"],
    "workers": ["1", "8", "0", "1025"],
    "runs-per-gpu": ["1", "8", "0", "25"],
    "autoencoder": ["glf", "glf,rae-gmm", "glann-mse", "glff", "vae"],
    "density": [
        "gmm:2",
        "gmm:auto",
        "flow",
        "own",
        "kde:0.1",
        "gmm:x",
        "gmm:5000",
        "nsf",
        "maf:transforms=6",
        "flow:k=0",
    ],
    "device": ["auto", "cpu", "cuda", "cuda:0", "cuda:99", "cuda:", "cuda:²", "tpu"],
    "precision": ["fp32", "tf32", "bf16", "fp8"],
    "engine": ["auto", "eager", "compiled", "graph", "fast"],
    "real": ["digits", "digits:train", "digits:test", "digits:x", "mnist", "empty", "file", "none", "x.npz", "bad.npz"],
    "resize": ["8", "32", "0", "-1", "1e9", "99999"],
    "background": ["white", "#000", "none", "rgb(1,2,3)"],
    "bit-depth": ["8", "16", "0", "99"],
    "layout": ["NCHW", "NHWC", "NHW", "CHW"],
    "budget": ["0.5", "2", "0", "nan", "inf", "1e-300", "-1"],
    "minutes": ["1", "0", "-1", "nan", "1e999"],
    "archive": ["out/x.zip", "file", "empty", "no/folder/x.zip", "dangling"],
    "archive-mb": ["16", "0", "-1", "nan", "1e30"],
    "fake": ["digits", "digits:train", "empty", "images", "file", "circle", "bad.npz"],
}
# Without a slash at the beginning, so that no path leaves the current folder
HOSTILE = [
    "", " ", "-", "--", "=", ",", ",,", ":", "+", "*", "~", ".", "%s%n", "{}", "[bold]", "'", '"', "\\", "$(id)", "-h",
    "`id`", "-1", "1e999", "nan", "NaN", "inf", "None", "true", "0x10", "1_000", "²", "١", "½", "9" * 30, "9" * 5000,
    "--help", "--force", "\x00", "\x1b[2J", "\x9b2J", "a\nb", "a\tb", "\r", "\ud800", "\udcff", "\u202e", "🙂", "é",
    "x" * 300, "x/" * 2500, "x" * 5000, "a/../b", "folder:", "os:system", "a.b:C+", "glf[", "]",
]  # fmt: skip
NAMES = {
    "sample": ["glf", "digits", "mnist", "glf[beta=4]", "no.such:Thing"],
    "campaign": ["file", "empty", "none.toml"],
    "import": ["file", "empty", "none.zip", "bad.npz"],
    "fetch": ["mnits", "imagenet", ""],  # none that exists: nothing is downloaded
}
NAMES |= dict.fromkeys(("interpolate", "reconstruct", "memorization"), NAMES["sample"])
NAMES["budget"] = ["empty", "file", "none", "out"]
TRAINS = {name for name, row in COMMANDS.items() if "dry-run" in row.options}
LETTERS = st.characters(exclude_characters="/")


# What a command needs to come past its first checks
RIGHT = {"evaluate": ["--real=digits", "--fake=digits:train", "--features=pixels", "--images=100"]}
RIGHT |= {name: ["glf", "digits"] for name in NAMES} | {"fetch": ["mnits"], "campaign": ["file"], "import": ["bad.npz"]}
RIGHT |= {name: ["--preset=demo", "--on=digits", "--only=glf"] for name in TRAINS - {"retry", "campaign"}}


@st.composite
def option(draw, name):
    """An option with a value that is mostly right, in one or in two words."""
    if not OPTIONS[name].metavar:
        return [f"--{name}" + draw(st.sampled_from(["", "", "", "", "", "=1", "=--"]))]
    right = st.sampled_from(VALUES[name])
    hostile = st.one_of(st.sampled_from(HOSTILE), st.text(LETTERS, max_size=8))
    value = draw(st.one_of(right, right, right, hostile))
    return [f"--{name}={value}"] if draw(st.booleans()) else [f"--{name}", value]


@st.composite
def command_lines(draw):
    """A command line: a command that is mostly known, with options of its own, and seldom those of others."""
    command = draw(st.sampled_from([*COMMANDS, *COMMANDS, "evaluate", "table1", "evaluate", "table1", "tabel1"]))
    row = COMMANDS.get(command)
    words = [command, *(RIGHT.get(command, []) if draw(st.booleans()) else [])]
    names = draw(st.lists(st.sampled_from(row.options), unique=True, max_size=4)) if row and row.options else []
    if draw(st.integers(0, 7)) == 0:
        names.append(draw(st.sampled_from([*OPTIONS])))
    for name in names:
        words += draw(option(name))
    if command in NAMES or draw(st.integers(0, 7)) == 0:
        known = st.sampled_from(NAMES.get(command, HOSTILE))
        words += draw(st.lists(known | st.sampled_from(HOSTILE), max_size=2))
    return words + (["--dry-run"] if command in TRAINS or row is None else [])


def test_there_are_values_for_every_option():
    assert {*VALUES} == {name for name, row in OPTIONS.items() if row.metavar}


def entries(folder):
    """All that lies below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A current folder with a file, an empty folder, a folder of one image, and links that lead nowhere."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "file").write_text("a file")
    (folder / "bad.npz").write_bytes(b"PK\3\4")
    (folder / "empty").mkdir()
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(b"no image")
    os.symlink("nowhere", folder / "dangling")
    os.symlink("circle", folder / "circle")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("AE_BENCH_DATA", raising=False)
        patch.setenv("AE_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_CACHE_HOME", str(folder / "user"))
        yield folder


def run(words):
    """Run a command in this process; returns its exit code, output and errors."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:  # after --help
            code = ended.code
    return code, *(stream.buffer.getvalue().decode() for stream in (out, err))


def check(home, words):
    """Run a command line, and check what holds for every one of them."""
    before, content = entries(home), (home / "file").read_bytes()
    code, out, err = run(words)
    assert "Traceback" not in out + err
    assert code in (0, 1, 2), err
    lines = err.splitlines()
    if code == 2:
        assert any(line.startswith("error: ") for line in lines)
    if code == 0:
        assert not any(line.startswith("error: ") for line in lines)
    assert (home / "file").read_bytes() == content
    made = entries(home) - before
    if code == 2 or "--dry-run" in words:
        assert not made
        return
    given = {"results/local"}
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.partition("=")[0] in ("--results", "--out", "--json", "--archive"):
            given.add(word.partition("=")[2] if "=" in word else after)
    roots = {Path(text).parts[0] for text in given if text and Path(text).parts}
    assert {Path(path).parts[0] for path in made} <= roots
    for path in sorted(made, reverse=True):
        (home / path).rmdir() if (home / path).is_dir() else (home / path).unlink()


@pytest.mark.slow
@given(command_lines())
@example(["table1", "--preset", "demo", "--seeds", "1000000", "--dry-run"])
@example(["evaluate", "--real=--", "--fake", "digits"])
@settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
def test_a_random_command_line_ends_as_documented(home, words):
    check(home, words)


@pytest.mark.slow
@pytest.mark.full
@given(command_lines())
@settings(max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
def test_many_random_command_lines_end_as_documented(home, words):
    check(home, words)
