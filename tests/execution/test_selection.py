"""The extractors of data sets: a labelled folder has its own classifier, which is trained before its runs."""

import pytest
import torch
from labelled_images import write_shapes

from benchmarks.data.datasets import ImageFolder, load
from benchmarks.evaluation.extractors import ResidualExtractor, UntrainedClassifier, make_extractor
from benchmarks.execution.options import Options, UserErrors
from benchmarks.execution.planning import make_plan
from benchmarks.execution.selection import UntrainedClassifiers, has_own_classifier, job_features, train_classifiers
from benchmarks.run import main

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    make_extractor.cache_clear()


@pytest.fixture
def folder(tmp_path):
    return write_shapes(tmp_path / "shapes", 60, 30)


def plan_of(tmp_path, folder, like="digits", dry_run=False, **options):
    values = {"preset": "demo", "only": "vae", "on": f"folder:{folder}", "name": "shapes", "like": like,
              "results": str(tmp_path / "out"), "device": "cpu"} | options  # fmt: skip
    return make_plan(Options(**values), ["auto"], dry_run=dry_run)


def test_only_labelled_folders_have_their_own_classifier(folder, tmp_path):
    labelled = ImageFolder(folder, "shapes", "digits")
    flat = ImageFolder(folder / "train" / "bar", "bars", "digits")
    assert has_own_classifier("classifier", labelled)
    assert not has_own_classifier("classifier:digits", labelled)
    assert not has_own_classifier("pixels", labelled)
    assert not has_own_classifier("classifier", flat)  # that of digits
    assert not has_own_classifier("classifier", "digits")
    assert has_own_classifier("classifier", ImageFolder(folder / "train" / "bar", "bars", "celeba"))  # refused later


def test_a_plan_of_an_untrained_classifier_is_complete_and_starts_nothing(folder, tmp_path):
    plan = plan_of(tmp_path, folder, dry_run=True)
    assert [plan.state(job) for job in plan.jobs] == ["pending"] * 3
    assert "the classifier of shapes is not trained yet" in plan.missing[0]
    assert isinstance(plan.scorers["shapes"].extractor, UntrainedClassifier)
    with pytest.raises(UntrainedClassifiers) as caught:
        plan_of(tmp_path, folder)
    assert caught.value.sources == (ImageFolder(folder, "shapes", "digits"),)


def test_an_untrained_classifier_has_no_features():
    with pytest.raises(RuntimeError, match="is not trained yet"):
        UntrainedClassifier("x")(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))


def test_other_errors_are_found_before_a_classifier_is_trained(folder, tmp_path):
    with pytest.raises(UserErrors) as caught:
        plan_of(tmp_path, folder, set="batch=5000", seeds="3,3")
    assert not isinstance(caught.value, UntrainedClassifiers)
    assert any("lists seed 3" in error for error in caught.value.errors)


def test_jobs_name_the_file_of_a_trained_classifier(folder, tmp_path):
    with pytest.raises(UntrainedClassifiers) as caught:
        plan_of(tmp_path, folder)
    lines = []
    train_classifiers(caught.value, lines.append)
    plan = plan_of(tmp_path, folder)
    (features,) = {job.features for job in plan.jobs}
    extractor = plan.scorers["shapes"].extractor
    assert isinstance(extractor, ResidualExtractor)
    assert features == f"classifier:{extractor.path}" == job_features("classifier", extractor)
    assert extractor.name == f"classifier:shapes-{extractor.weights[:8]}"
    assert make_extractor(extractor.name, "digits", (1, 8, 8), CPU).weights == extractor.weights  # as records name it
    with pytest.raises(ValueError, match="no classifier for 'shapes-00000000'"):
        make_extractor("classifier:shapes-00000000", "digits", (1, 8, 8), CPU)
    assert plan.missing == ()
    protocol = plan.scorers["shapes"].base_protocol
    assert (protocol.metric, protocol.weights, protocol.dims) == ("fd_classifier", extractor.weights, 64)
    assert make_extractor("classifier:digits", "digits", (1, 8, 8), CPU).weights != extractor.weights


def test_a_folder_without_splits_whose_test_split_lacks_a_class_is_refused(tmp_path):
    """The split is made by digests, so that it is known after reading the images only."""
    write_shapes(tmp_path / "shapes", 40, 1)
    flat = tmp_path / "shapes" / "train"
    for path in sorted((flat / "dot").iterdir())[10:]:
        path.unlink()
    data = load(ImageFolder(flat, "flat", "digits"), None)
    counts = data.test.labels.bincount(minlength=3)
    with pytest.raises(UserErrors) as caught:
        plan_of(tmp_path, flat, allow_few=True)
    assert "'dot'" in caught.value.errors[0]
    assert counts[1] == 0 or data.train.labels.bincount()[1] < 10


def test_an_unlabelled_folder_without_a_default_is_refused_with_its_image(folder, tmp_path):
    with pytest.raises(UserErrors) as caught:
        plan_of(tmp_path, folder / "train" / "bar", like="celeba")
    assert any("has no labels to train a classifier on" in error for error in caught.value.errors)


def test_a_table_trains_the_classifier_first_and_scores_with_it(folder, tmp_path, capsys):
    words = ["table1", "--preset", "demo", "--only", "vae", "--seeds", "1", "--cluster", "inline", "--device", "cpu",
             "--on", f"folder:{folder}", "--name", "shapes", "--like", "digits", "--images", "90",
             "--results", str(tmp_path / "out")]  # fmt: skip
    assert main([*words, "--no-wait"]) == 2
    assert "--no-wait does not wait for it" in capsys.readouterr().err
    assert main([*words, "--dry-run"]) == 0
    assert "missing: the classifier of shapes is not trained yet" in capsys.readouterr().out
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.index("training a classifier of shapes") < out.index("test accuracy") < out.index("fd_classifier")
    assert main(words) == 0  # nothing is trained again
    assert "training a classifier" not in capsys.readouterr().out


def test_the_paper_budget_is_confirmed_before_a_classifier_is_trained(folder, tmp_path, capsys):
    words = ["table1", "--preset", "paper", "--only", "vae", "--on", f"folder:{folder}", "--name", "shapes", "--like",
             "digits", "--features", "classifier", "--results", str(tmp_path / "out"), "--device", "cpu"]  # fmt: skip
    assert main(words) == 2
    assert "Add --yes to start both" in capsys.readouterr().err
    assert not (tmp_path / "cache" / "classifiers").exists()
