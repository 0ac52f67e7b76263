"""External models: how they are named, checked before training, and imported in other processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from external_models import MODEL
from PIL import Image

import zoo
from benchmarks import protocols
from benchmarks.execution import launches
from benchmarks.experiments import records
from benchmarks.run import main
from zoo import registry
from zoo.external import user_folders_off_path

ROOT = Path(__file__).resolve().parents[2]


def refused(capsys, *words):
    """Run a command that must fail before anything starts; return its error messages."""
    assert main(["table1", "--preset", "demo", *words]) == 2
    assert not Path("results").exists()
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.strip().splitlines()


MISTAKES = {
    "nowhere_at_all:Model": "nowhere_at_all:Model: No module named 'nowhere_at_all'; it must be in the current folder",
    "M:Absent": "has no attribute 'Absent'",
    "M:function": "is not a class: it is of type function",
    "M:Nothing": r"is not a subclass of zoo.LatentModel \(docs/extending.md\)",
    "M:Lonely": "must define stages",
    "M:Vague": "its hyper-parameter weight needs a default that is a number",
    "M:Refusing": r"does not work on images of \(1, 8, 8\): RuntimeError: not today",
    "M:OtherStage": "its protocol row has no schedule for stage 'fit'. It has: train",
    "M:Unfinished": r"does not work on images of \(1, 8, 8\): ValueError: expected",
    "M:OddRows": "its attribute `protocols` must be a dict from data set to benchmarks.protocols.Protocol",
    "M:NoRows": "its attribute `protocols` must be a dict from data set to benchmarks.protocols.Protocol",
    "broken:Model": "broken:Model: SyntaxError",
    "leaving:Model": "leaving:Model: SystemExit: bye",
    "M:Own+l1": "unknown reconstruction loss 'l1'. Known: half-sse, sse, bce, perceptual",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_user_error_is_one_clear_message_before_training(module, capsys, name):
    Path("broken.py").write_text("def")
    Path("leaving.py").write_text("raise SystemExit('bye')")
    like = [] if "Rows" in name else ["--like", "rae-gmm"]
    (line,) = refused(capsys, "--only", name.replace("M:", f"{module}:"), *like)
    assert re.search(MISTAKES[name], line), line


def test_the_error_for_a_missing_protocol_row_says_how_to_add_one(module, capsys):
    (line,) = refused(capsys, "--only", f"{module}:Plain")
    assert line.endswith("Add one to its class attribute protocols, or borrow another model's by --like MODEL")


def test_all_errors_are_reported_at_once(module, capsys):
    only = f"{module}:Nothing,{module}:Refusing,{module}:OtherStage,glff"
    lines = refused(capsys, "--only", only, "--like", "rae-gmm")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--like", "glf"], "--like glf needs a model of your own"),
     (["--only", "M:Plain", "--like", "glf,vae"], "--like takes a data set, a model, or one of each"),
     (["--only", "M:Plain", "--like", "glff"], "--like glff: there is neither such a data set"),
     (["--only", "M:Plain", "--like", "glf", "--on", "folder:x", "--name", "n"], "needs --like LIKE")],
)  # fmt: skip
def test_invalid_values_of_like_are_rejected(module, capsys, words, said):
    lines = refused(capsys, *(word.replace("M:", f"{module}:") for word in words))
    assert any(said in line for line in lines), lines


def test_no_model_and_no_data_set_share_a_name():
    from benchmarks.data.datasets import DATASETS

    assert not {*zoo.MODELS} & {*DATASETS}


@pytest.mark.slow
def test_an_external_model_runs_with_its_own_protocol_in_worker_processes(module, tmp_path):
    """It runs as for a user: in another process, which starts worker processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["table1", "--preset", "demo", "--only", f"{module}:Own", "--seeds", "1", "--cluster", "local",
             "--workers", "1", "--images", "200"]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "benchmarks.run", *words], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    found = [json.loads(path.read_text()) for path in (tmp_path / "results/local/records").glob("*.json")]
    assert {record["status"] for record in found} == {"done"}
    assert found[0]["settings"]["hyper"] == {"recon": "half-sse", "weight": 2.0}
    assert found[0]["label"] == "Plain & simple"
    assert records.read_evaluations(tmp_path / "results/local")["revision"].nunique() == 1
    table = (tmp_path / "results/local/tables/table1.md").read_text()
    assert "Settings of ours: Plain & simple: mine." in table
    assert (tmp_path / f"results/local/figures/samples-digits-{module}.Own.png").is_file()


def test_a_table_combines_an_external_model_folder_and_extractor(module, tmp_path, capsys):
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (900, 8, 8), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    (tmp_path / f"{module}_features.py").write_text(
        "import torch\nfrom benchmarks.evaluation.extractors import Extractor\n"
        "class Means(Extractor):\n    name, weights, dims = 'means', 'none', 2\n"
        "    def __init__(self, image_shape, device):\n        self.device = device\n"
        "    def features(self, x):\n        return torch.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1)\n"
    )
    words = ["table1", "--preset", "demo", "--only", f"{module}:Plain,rae-gmm", "--on", f"folder:{tmp_path}", "--name",
             "noise", "--like", "digits,rae-gmm", "--features", f"{module}_features:Means", "--seeds", "1"]  # fmt: skip
    assert main([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "Plain & simple: borrowed from rae-gmm; ours: MNIST's epochs" in out
    assert f"{module}_features:Means, 2 dimensions" in out


def test_a_borrowed_protocol_omits_hyper_parameters_that_the_class_lacks(module):
    name = f"{module}:Plain"
    zoo.adopt(name, like="rae-gmm")
    borrowed = protocols.protocol(name, "digits", "demo", 1297)
    assert borrowed.stages == protocols.protocol("rae-gmm", "digits", "demo", 1297).stages
    assert borrowed.resolve(name).hyper == {"recon": "half-sse", "weight": 1.0}
    zoo.adopt(name, like="two-stage-vae")  # presets for the lender apply, too
    quick = protocols.protocol(name, "mnist", "quick", 10_000)
    assert quick.stages == protocols.protocol("two-stage-vae", "mnist", "quick", 10_000).stages


def test_loading_weights_does_not_import_an_external_module(module, tmp_path):
    name = f"{module}:Plain"
    with pytest.raises(ValueError, match=r"has not been imported: call zoo\.adopt"):
        zoo.build(name, image_shape=(1, 8, 8), nz=8)
    zoo.adopt(name)
    zoo.save(zoo.build(name, image_shape=(1, 8, 8), nz=8), tmp_path / "w.pt")
    assert zoo.load(tmp_path / "w.pt").sample(2, seed=0).shape == (2, 1, 8, 8)
    registry.ADOPTED.clear()
    sys.modules.pop(module)
    with pytest.raises(ValueError, match="if you trust its code"):
        zoo.load(tmp_path / "w.pt")
    assert module not in sys.modules


def launched(**options):
    """Write a launch file into the results folder, which might also come from someone else."""
    command = {"what": "table1", "force": "", "options": {"preset": "demo", "cluster": "inline", **options}}
    with launches.record_launch(Path("results/local"), "inline", None, command, {}):
        pass


def test_retry_imports_only_what_its_own_command_line_names(module, tmp_path, capsys):
    Path(f"{module}_features.py").write_text("open('imported', 'w')\n")
    launched(only=f"{module}:Own+sse,rae-gmm")
    launched(only="rae-gmm", features=f"{module}_features:Means")
    launched(only="rae-gmm", seeds="1")
    assert main(["retry", "--dry-run"]) == 2
    out, err = capsys.readouterr()
    errors = err.strip().splitlines()
    assert len(errors) == 2
    assert all("table1: its launch file would import this code: " in line for line in errors)
    assert errors[0].endswith(f"If it is yours, allow it by: python -m benchmarks.run retry --only {module}:Own")
    assert errors[1].endswith(f"retry --features {module}_features:Means")
    assert out.count("rae-gmm on digits") == 1  # only the launch that names no external code
    assert module not in sys.modules
    assert not Path("imported").exists()
    assert main(["retry", "--dry-run", "--only", f"{module}:Own"]) == 2
    assert f"{module}:Own+sse on digits" in capsys.readouterr().out
    assert module in sys.modules
    assert not Path("imported").exists()


@pytest.mark.parametrize("words", [["--only", "other:Class"], ["--only", "rae-gmm"], ["--features", "pixels"]])
def test_retry_rejects_classes_that_no_launch_names(module, capsys, words):
    launched(only="rae-gmm")
    assert main(["retry", *words]) == 2
    assert f"retry {words[0]} {words[1]}: no launch in results/local names such a class" in capsys.readouterr().err


def test_a_job_imports_the_planned_version_of_a_model_or_fails(module, tmp_path, monkeypatch):
    """A job on another node has another current folder."""
    from benchmarks.execution.options import Options
    from benchmarks.execution.planning import make_plan
    from benchmarks.experiments.run_trial import import_model

    job = make_plan(Options("demo", only=f"{module}:Own"), ["auto"]).jobs[0]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def forget():
        registry.ADOPTED.clear()
        sys.modules.pop(module)
        sys.path.remove(str(tmp_path))

    forget()
    import_model(job)
    assert zoo.entry(job.trial.model).revision == job.trial.revision
    forget()
    (tmp_path / f"{module}.py").write_text(MODEL + "# another")
    with pytest.raises(ValueError, match="changed on disk since the run was planned"):
        import_model(job)


def test_worker_processes_start_without_the_folders_of_the_users_modules(module, tmp_path):
    """Else a folder of the user's that is named as a package of ours would replace it there."""
    before = [*sys.path]
    zoo.adopt(f"{module}:Plain")
    assert sys.path == [str(tmp_path), *before]
    with user_folders_off_path():
        assert str(tmp_path) not in sys.path
        sys.path.insert(0, "added in the block")
    assert sys.path == ["added in the block", str(tmp_path), *before]


def test_a_folder_that_was_on_the_path_stays_on_that_of_worker_processes(module, tmp_path):
    sys.path.append(str(tmp_path))
    zoo.adopt(f"{module}:Plain")
    with user_folders_off_path():
        assert sys.path[0] == str(tmp_path)
