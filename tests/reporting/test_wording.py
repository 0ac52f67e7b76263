"""Captions are short, notes have one line per label, and the text describes the numbers correctly."""

import re
from dataclasses import replace

import pytest
from table_cases import FRAMES, GRID, PAPER_TABLES, large_table, make_grid, note, paper_table, table_of_paper_size

from benchmarks.evaluation.protocol import MetricProtocol
from benchmarks.reporting import wording
from benchmarks.reporting.registry import TABLES
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.table import NOTE_LABELS, Note, merge_notes, select_notes

PROTOCOL = MetricProtocol(
    metric="fd_classifier", extractor="classifier:mnist", weights="3dc72724ff", dims=64, backend="ours",
    input="as given", split="test", real_fingerprint="f", n_real=9_000, n_fake=10_000, crop=None, resize=None,
)  # fmt: skip


def sentences(text):
    return [part for part in re.split(r"(?<=[.?!]) (?=[A-Z])", text) if part]


@pytest.mark.parametrize("make", [paper_table, large_table, table_of_paper_size])
@pytest.mark.parametrize("name", TABLES)
def test_a_caption_has_at_most_two_sentences_and_one_paragraph(name, make):
    caption = make(name).caption
    assert len(sentences(caption)) <= 2
    assert len(caption) <= 250
    assert caption.endswith(".")


@pytest.mark.parametrize("make", [paper_table, large_table])
@pytest.mark.parametrize("name", TABLES)
def test_notes_have_one_line_per_label_in_one_order(name, make):
    labels = [note.label for note in make(name).notes]
    assert labels == [label for label in NOTE_LABELS if label in labels]
    assert not any("\n" in note.text for note in make(name).notes)


def test_notes_of_one_label_are_joined():
    notes = [Note("Paper", "c."), Note("Data", "a.", ""), Note("Data", "b.", "B.")]
    assert merge_notes(notes) == (Note("Data", "a. b.", "B."), Note("Paper", "c.", "c."))


def test_an_unknown_label_is_an_error():
    with pytest.raises(KeyError):
        merge_notes([Note("Remarks", "a.")])


def test_notes_without_a_brief_text_are_left_out_of_short_notes():
    notes = [Note("Data", "a."), Note("Order", "b.", "")]
    assert select_notes(notes, "full") == [("Data", "a."), ("Order", "b.")]
    assert select_notes(notes, "short") == [("Data", "a.")]
    assert select_notes(notes, "none") == []


def test_only_the_column_fid_is_called_fid():
    assert wording.distance_caption(GRID, {3}).startswith("FID of samples, lower is better: mean ± standard deviation")
    other = wording.distance_caption(replace(GRID, metric="fd_inception_unknown"), {3})
    assert other.startswith("Fréchet distance on inception_unknown features (fd_inception_unknown, not FID) of samples")


@pytest.mark.parametrize(
    ("runs", "draws", "statistic"),
    [
        ({3}, 1, "mean ± standard deviation over 3 runs"),
        ({3, 10}, 1, "mean ± standard deviation over 3 to 10 runs"),
        ({1}, 1, "one run"),
        ({1}, 4, "mean over the 4 sample sets of one run"),
        (set(), 1, "no runs"),
    ],
)
def test_a_caption_says_what_each_number_is_over(runs, draws, statistic):
    assert f": {statistic}. Preset paper." in wording.distance_caption(replace(GRID, draws=draws), runs)


def test_a_caption_always_names_a_shorter_budget():
    for name in PAPER_TABLES:
        if name != "table5":  # its epochs are not shortened
            assert "a shorter budget than the paper's" in paper_table(name, preset="quick").caption


def test_notes_say_how_the_images_were_compared():
    grid = make_grid({}, metric_protocols={"mnist": PROTOCOL}, extractor_notes={"mnist": "test accuracy 0.9"})
    details = ("classifier:mnist", "64 dimensions", "weights 3dc72724", "images as given", "test accuracy 0.9")
    assert [*wording.measurement_notes(grid)] == [
        Note("Data", "MNIST: 10,000 generated images against 9,000 reference images of the test split."),
        Note("Features", f"MNIST: {', '.join(details)}.", "MNIST: classifier:mnist."),
        Note("Metric protocol", f"MNIST: {PROTOCOL.id} (round(255 x) to uint8).", ""),
    ]  # fmt: skip


def test_a_folder_of_images_is_said_to_be_no_data_set_of_the_paper():
    grid = make_grid({}, datasets={"mnist": "MNIST", "mine": "mine"}, folders={"mine": "CIFAR-10"},
                     metric_protocols={"mnist": PROTOCOL, "mine": PROTOCOL})  # fmt: skip
    (data, *_) = wording.measurement_notes(grid)
    assert data.text == (
        "MNIST: 10,000 generated images against 9,000 reference images of the test split. "
        "mine: 10,000 generated images against 9,000 reference images of the test split; "
        "it is a folder of images with the settings of CIFAR-10, not a data set of the paper."
    )


def test_data_sets_with_the_same_protocol_share_a_sentence():
    grid = make_grid({}, datasets={"mnist": "MNIST", "fashion": "Fashion"},
                     metric_protocols={"mnist": PROTOCOL, "fashion": PROTOCOL})  # fmt: skip
    (data, *_) = wording.measurement_notes(grid)
    assert data.text.startswith("MNIST and Fashion: 10,000 generated")


def test_own_settings_name_their_models_and_the_most_common_comes_last():
    models = {name: name.upper() for name in "abcde"}
    own = {(name, "mnist"): "ours: lr 1" for name in "abcd"} | {("e", "mnist"): "ours: lr 2"}
    grid = make_grid(dict.fromkeys(own, ("k",)), models=models, own_settings=own)
    (settings,) = (n for n in wording.budget_notes(grid) if n.label == "Settings of ours")
    assert settings.text == "E: lr 2. All other models: lr 1."
    assert settings.brief == "All 5 models on MNIST (the full notes list them)."
    partly = replace(grid, keys={**grid.keys, ("f", "mnist"): ("k",)})
    (settings,) = (n for n in wording.budget_notes(partly) if n.label == "Settings of ours")
    assert settings.text == "E: lr 2. A, B, C and D: lr 1."
    assert settings.brief == "5 of the 6 models on MNIST (the full notes list them)."


def test_missing_runs_are_named_first():
    table = build_table("table1", {"evaluations": FRAMES["evaluations"].iloc[1:]}, GRID)
    assert note(table, "Missing").startswith("11 of 12 runs are there. ")


def test_a_changed_number_of_epochs_is_no_schedule_of_full_length():
    models = {
        "vae": "VAE",
        "glf[budget=0.1]": "GLF [budget=0.1]",
        "glf[beta=2,first.epochs=3]": "B",
        "glf[beta=2]": "C",
    }
    grid = replace(make_grid({}), preset="paper", models=models)
    assert next(note.text for note in wording.budget_notes(grid)) == (
        "All training images, and schedules of full length, except GLF [budget=0.1] and B."
    )
