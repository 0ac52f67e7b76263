"""Each invalid input gives one clear error, and nothing is started."""

import re

import pytest
import torch

from benchmarks.run import main

pytestmark = pytest.mark.usefixtures("empty_home")


def errors_of(capsys, tmp_path, *arguments):
    """Run a command that must be refused before it starts anything, and return its errors."""
    before = {*tmp_path.iterdir()}
    assert main([*arguments]) == 2
    printed = capsys.readouterr()
    assert {*tmp_path.iterdir()} - {tmp_path / "cache"} == before, "something was started"
    assert "Traceback" not in printed.err + printed.out
    lines = printed.err.strip().splitlines()
    assert all(line.startswith("error: ") for line in lines)
    return lines


ERRORS = {
    ("tableX",): r"unknown command 'tableX' .*. Known: table1, ",
    ("table1", "--only", "glff"): r"unknown model 'glff' .*. Known: vae, .*zoo/registry.py",
    ("table1", "--on", "minst"): r"unknown data set 'minst' .*. Known: digits, mnist, .*folder:PATH",
    ("table1", "--preset", "fast"): r"unknown preset 'fast'. Known: paper, quick, demo",
    ("table1", "--device", "tpu"): r"unknown device 'tpu'. Known: auto, cpu, cuda, cuda:N",
    ("table1", "--device", "cuda:99"): r"there is no device 'cuda:99' here: torch sees \d+ GPU",
    ("table1", "--data-root", "/no/such/folder"): r"the data root /no/such/folder is not a folder",
    ("table1", "--seeds", "0"): r"--seeds must be a number of runs \(3: seeds 0, 1, 2\) or a list of seeds .*, got '0'",
    ("table1", "--seeds", "two"): r"--seeds must be a number of runs .* or a list of seeds \(3,7; one seed: 7,\), got ",
    ("table1", "--seeds", "3,3"): r"--seeds 3,3 lists seed 3 more than once; list each seed once",
    (
        "table1",
        "--only",
        "glf",
        "--set",
        "betta=4",
    ): r"glf has no setting 'betta' \(did you mean 'beta'\?\). Known: beta, ",
    ("table1", "--only", "glf", "--set", "beta"): r"--set takes NAME=VALUE, got 'beta'. Example: --set lr=1e-3,beta=4",
    ("table5", "--set", "lr=1"): r"table5 has no option --set",
    ("all", "--set", "lr=1"): r"all has no option --set",
    ("table1", "--draws", "-1"): r"--draws must be a positive integer",
    ("table1", "--workers", "0"): r"--workers must be a positive integer",
    ("table1", "--features", "vgg"): r"unknown features 'vgg'. Known: inception, inception:PATH, classifier",
    ("table1", "--features", "no.such:Thing"): r"--features no.such:Thing: No module named 'no'; it must be on the",
    ("table1", "--metrics", "fd,is"): r"unknown metric 'is'. Known: fd, prd, kid, neighbours",
    ("table1", "--eval-every", "0"): r"--eval-every must be a positive integer",
    ("table1", "--format", "csv,pdf"): r"unknown format 'pdf'. Known: csv, latex, markdown, html",
    ("table1", "--decimals", "12"): r"--decimals must be a digit from 0 to 9, got '12'",
    ("table1", "--margin", "5%"): r"--margin must be a share of the paper's number between 0 and 1, got '5%'",
    ("table1", "--margin", "nan"): r"--margin must be a share of the paper's number between 0 and 1, got 'nan'",
    ("all", "--only", "glff"): r"unknown model 'glff' \(did you mean 'glf'\?\). Known: vae, ",
    ("tabel1",): r"unknown command 'tabel1' \(did you mean 'table1'\?\). Known: table1, ",
    ("table1", "--preset", "quik"): r"unknown preset 'quik' \(did you mean 'quick'\?\). Known: paper, quick, demo",
    ("table1", "--images", "0"): r"--images must be a positive integer",
    (
        "table1",
        "--images",
        "32",
        "--on",
        "digits",
    ): r"digits has 32 reference images, but classifier:digits has 32 features",
    ("sensitivity", "--only", "glff"): r"unknown model 'glff'",
    (
        "all",
        "--keep",
        "logs",
        "--preset",
        "demo",
        "--on",
        "digits",
    ): r"would train each model again for each table",
    ("table1", "--keep", "log"): r"unknown --keep 'log' \(did you mean 'logs'\?\). Known: weights, logs",
    ("table1", "--precision", "fp8"): r"unknown precision 'fp8'. Known: fp32, tf32",
    ("table1", "--precision", "tf32", "--device", "cpu"): r"tf32 needs a GPU",
    ("table1", "--precision", "bf16", "--device", "cpu"): r"bf16 needs a GPU: many CPUs are ten times slower",
    ("table1", "--only", "vae-bce", "--on", "digits", "--precision", "bf16", "--cluster", "slurm"): (
        r"vae-bce cannot be trained at --precision bf16: its reconstruction loss, bce, needs fp32 or tf32"
    ),
    ("table1", "--engine", "fast"): r"unknown engine 'fast'. Known: auto, eager, compiled, graph",
    ("table1", "--engine", "graph", "--device", "cpu"): r"--engine graph needs a GPU",
    ("table1", "--cluster", "moon"): r"unknown cluster 'moon'. Known: auto, inline, local",
    ("table1", "--bogus"): r"table1 has no option '--bogus'",
    ("table1", "extra"): r"table1 has no argument 'extra'",
    ("table1", "--name", "x"): r"--name belongs to --on folder:PATH",
    ("table1", "--on", "folder:/none"): r"needs --name NAME and --like LIKE",
    ("table1", "--on", "folder:/none", "--name", "a", "--like", "mnist"): r"/none",
    ("table1", "--on", "folder:/none", "--name", "mnist", "--like", "mnist"): r"belongs to a published data set",
    ("table1", "--on", "mnist"): (
        r"the data set mnist is not in /.*: MNIST/raw/train-images-idx3-ubyte and 3 more are missing. "
        r"Get it: .*fetch mnist"
    ),
    ("table1", "--only", "vae", "--on", "celeba-hq"): r"no protocol for 'vae' on 'celeba-hq'\. Data sets with one: ",
    ("table1", "--features", "pixels", "--on", "celeba"): (
        r"the data set celeba is not in /.*: celeba/list_eval_partition.txt and 1 more are missing"
    ),
    ("fetch", "mnits"): r"cannot fetch 'mnits' \(did you mean 'mnist'\?\)",
    ("table1", "--metrics", "neighbors"): r"unknown metric 'neighbors' \(did you mean 'neighbours'\?\)",
    ("table1", "--format", "latx"): r"unknown format 'latx' \(did you mean 'latex'\?\)",
    ("table1", "--on", "digits", "--features", "clasifier"): r"unknown features .*did you mean 'classifier'\?",
    ("fetch", "imagenet"): r"cannot fetch 'imagenet'. Known: mnist, fashion, cifar10, celeba, inception, vgg16",
    ("fetch",): r"nothing to fetch. Known: mnist",
    ("status", "--seeds", "1"): r"status has no option --seeds",
    ("sample", "glf"): r"sample needs a model and a data set, got glf",
    ("sample", "glf", "digits"): r"no finished glf on 'digits' with weights in .*: finished runs: none",
}


@pytest.mark.parametrize("arguments", ERRORS, ids=" ".join)
def test_an_error_has_a_clear_message(capsys, tmp_path, arguments):
    more = [] if "--preset" in arguments or arguments[0] not in ("table1", "sensitivity") else ["--preset", "demo"]
    lines = errors_of(capsys, tmp_path, *arguments, *more)
    assert any(re.search(ERRORS[arguments], line) for line in lines), lines


def test_status_of_a_file_is_an_error(capsys):
    assert main(["status", "--results", __file__]) == 2
    assert f"--results {__file__} is a file, expected a folder" in capsys.readouterr().err


def test_consequences_of_an_error_are_not_reported(capsys, tmp_path):
    """Consequences of an unknown name, and defaults, are not reported."""
    assert len(errors_of(capsys, tmp_path, "tabel1")) == 1
    assert len(errors_of(capsys, tmp_path, "table1", "--preset", "quik")) == 1


def test_all_errors_are_reported_at_once(capsys, tmp_path):
    lines = errors_of(capsys, tmp_path, "table9", "--only", "glff,vaee", "--on", "minst", "--preset", "x",
                    "--device", "tpu", "--seeds", "0", "--data-root", "/no/such/folder", "--what")  # fmt: skip
    for text in ("table9", "glff", "vaee", "minst", "'x'", "tpu", "--seeds", "/no/such/folder", "--what"):
        assert any(text in line for line in lines), text


def test_a_missing_option_value_is_an_error(capsys, tmp_path):
    assert main(["table1", "--seeds"]) == 2
    assert "expected one argument" in capsys.readouterr().err


def test_a_file_in_place_of_the_results_folder_is_an_error(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["table1", "--preset", "demo", "--results", str(tmp_path / "file")]) == 2
    assert "is a file, expected a folder" in capsys.readouterr().err


def test_list_reports_an_unknown_option_alone(capsys, tmp_path):
    assert errors_of(capsys, tmp_path, "list", "--nope") == [
        "error: list has no option '--nope'. See python -m benchmarks.run list --help"
    ]


def test_options_that_a_command_does_not_use_are_errors(capsys, tmp_path):
    for arguments, word in [
        (["table3", "--dry-run"], "table3 has no option --dry-run"),
        (["list", "--seeds", "0"], "list has no option --seeds"),
        (["fetch", "mnist", "--dry-run"], "fetch has no option --dry-run"),
        (["protocols", "--preset", "x"], "protocols has no option --preset"),
        (["table1", "--preset", "demo", "--real", "x"], "table1 has no option --real"),
    ]:
        assert main(arguments) == 2
        assert word in capsys.readouterr().err


def test_the_papers_budget_needs_yes(capsys, tmp_path):
    lines = errors_of(capsys, tmp_path, "table1", "--on", "digits", "--features", "classifier", "--only", "glf")
    assert lines == ["error: 10 runs at the paper's budget need confirmation. Add --yes to start them"]


def test_errors_of_the_command_are_reported_without_missing_data_and_weights(capsys, tmp_path):
    (line,) = errors_of(capsys, tmp_path, "table1", "--only", "glff")
    assert "unknown model 'glff'" in line
    lines = errors_of(capsys, tmp_path, "table1", "--on", "minst,cifar10", "--seeds", "0", "--format", "pdf")
    assert len(lines) == 3
    assert not any("cifar10 is not in" in line for line in lines)
    lines = errors_of(capsys, tmp_path, "all", "--only", "glff")
    assert len(lines) == 1


def test_missing_data_is_one_message_for_each_data_set_with_the_folder_and_the_fix(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    root = tmp_path / "my data"
    root.mkdir()
    lines = errors_of(capsys, tmp_path, "table1", "--only", "glf", "--data-root", "my data")
    assert len(lines) == 5
    for name, line in zip(("mnist", "fashion", "cifar10", "celeba"), lines, strict=False):
        assert line.startswith(f"error: the data set {name} is not in {root}: ")
        assert f"Get it: python -m benchmarks.run fetch {name} --data-root '{root}'; or" in line
    assert lines[4].startswith(f"error: no Inception weights in {tmp_path}/hub/checkpoints/")


def test_a_gpu_that_is_not_here_is_reported_after_the_errors_of_the_command(capsys, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    lines = errors_of(capsys, tmp_path, "table1", "--preset", "demo", "--precision", "tf32", "--only", "glff")
    assert "unknown model 'glff'" in lines[0]
    assert lines[1:] == ["error: --precision tf32 needs a GPU"]


def test_the_request_to_confirm_the_papers_budget_estimates_the_time(capsys, tmp_path):
    assert main(["table1", "--on", "digits", "--features", "classifier", "--only", "glf"]) == 2
    assert re.search(r"10 runs to do: (about .* of training .*; measured on |no estimate of the time)",
                     capsys.readouterr().out)  # fmt: skip
