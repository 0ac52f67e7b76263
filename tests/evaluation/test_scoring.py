"""Scoring: metric protocols, requests, and the values of the metrics."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import zoo
from benchmarks.data.datasets import Split, load
from benchmarks.data.preprocessing import CELEBA, Preprocessing
from benchmarks.evaluation import image_ops
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.metrics import METRICS, frechet_distance
from benchmarks.evaluation.protocol import BASE_VARIANT, VARIANTS
from benchmarks.evaluation.requests import EvaluationRequest, evaluation_key, evaluation_requests
from benchmarks.evaluation.scoring import NonFiniteImages, Scorer
from benchmarks.evaluation.sources import CRITERIA_SOURCES, SOURCES, stream_seed
from benchmarks.experiments import records

CPU = torch.device("cpu")
DIGITS = load("digits", None)
RECORD = {"key": "a" * 64, "seed": 0, "settings": {"images": 1000}, "evaluations": []}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))


def make_scorer(**changes):
    return Scorer(DIGITS, make_extractor("classifier", "digits", (1, 8, 8), CPU), **changes)


class Given(zoo.LatentModel):
    """A model whose samples are a random choice of given images."""

    def __init__(self, images):
        super().__init__((1, 8, 8), 2)
        self.images = torch.nn.Parameter(images)
        self.decoder = torch.nn.Identity()

    def stages(self, x):
        yield from ()

    def sample_latent(self, n, generator):
        return torch.zeros(n, 2)

    def sample(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        return self.images.detach()[torch.randperm(len(self.images), generator=g)[:n]]


FAKES = DIGITS.train.images[:600].float() / 255


def test_a_models_score_is_the_metric_of_its_samples():
    m = make_scorer(max_images=400)
    (entry,) = m.score_model(Given(FAKES), RECORD, [EvaluationRequest()], ["fd"])
    seed = stream_seed("draw", 0, 0)
    features = [m.extractor(image_ops.round_to_uint8(Given(FAKES).sample(400, seed))),
                m.extractor(DIGITS.test.canonical(400).images)]  # fmt: skip
    assert entry["values"] == {"fd_classifier": pytest.approx(frechet_distance(features[1], features[0]), rel=1e-9)}
    assert (entry["n"], entry["source"], entry["draw"]) == (400, "prior", 0)
    assert entry["protocol_id"] == m.base_protocol.id
    assert entry["key"] == evaluation_key(RECORD["key"], EvaluationRequest(), m.base_protocol)


def test_a_model_without_an_encoder_is_scored_on_its_samples_only():
    m = make_scorer(max_images=300)
    requested = evaluation_requests(1, ("prior", *CRITERIA_SOURCES))
    entries = {e["source"]: e for e in m.score_model(Given(FAKES), RECORD, requested, ["fd"])}
    assert entries["posterior"]["values"] == entries["reconstruction"]["values"] == {}
    assert "has no encoder" in entries["posterior"]["missing_reason"]
    assert entries["floor"]["values"]["fd_classifier"] > 0
    record = {**RECORD, "evaluations": [*entries.values()]}
    assert m.missing_requests(record, requested, ["fd"]) == []  # unavailable requests are not made again


def test_the_floor_is_the_distance_of_the_training_images():
    m = make_scorer()
    (entry,) = m.score_model(Given(FAKES), RECORD, [EvaluationRequest("floor")], ["fd"])
    expected = frechet_distance(m.extractor(DIGITS.test.images), m.extractor(DIGITS.train.images))
    assert entry["values"]["fd_classifier"] == pytest.approx(expected, rel=1e-9)
    assert entry["n"] == len(DIGITS.train) < m.base_protocol.n_fake


def test_criteria_of_a_model_that_encodes_and_decodes_without_loss():
    """Its reconstructions are the test images and its decoded posterior is the training images, so (a) costs 0."""
    torch.manual_seed(0)
    model = zoo.build("glf", image_shape=(1, 8, 8), nz=64, k=8)
    model.encoder = torch.nn.Flatten()
    model.decoder = torch.nn.Unflatten(1, (1, 8, 8))
    m = make_scorer()
    record = {**RECORD, "settings": {"images": len(DIGITS.train)}}
    values = {e["source"]: e["values"]["fd_classifier"] for e in
              m.score_model(model, record, evaluation_requests(1, CRITERIA_SOURCES), ["fd"])}  # fmt: skip
    assert values["reconstruction"] == pytest.approx(0, abs=1e-6)
    assert values["posterior"] == pytest.approx(values["floor"], rel=1e-9)
    assert values["floor"] > 0.01


def test_only_draws_that_lack_a_metric_are_requested():
    m = make_scorer(max_images=200)
    first = [*m.score_model(Given(FAKES), RECORD, evaluation_requests(2), ["fd"])]
    record = {**RECORD, "evaluations": first}
    assert m.missing_requests(record, evaluation_requests(2), ["fd"]) == []
    assert m.missing_requests(record, evaluation_requests(3), ["fd"]) == [EvaluationRequest(draw=2)]
    assert m.missing_requests(record, evaluation_requests(2), ["fd", "prd"]) == evaluation_requests(2)
    (entry, _) = m.score_model(Given(FAKES), RECORD, evaluation_requests(2), ["fd", "prd", "kid", "neighbours"])
    columns = {m.column_name(c) for metric in METRICS.values() for c in metric.columns}
    assert {*entry["values"]} == columns == {
        "fd_classifier", "prd_f8", "prd_f1_8", "kid_mean", "kid_std",
        "knn_precision", "knn_recall", "knn_density", "knn_coverage",
    }  # fmt: skip
    assert entry["values"]["fd_classifier"] == first[0]["values"]["fd_classifier"]


def test_a_value_with_other_metric_parameters_is_computed_again(monkeypatch):
    m = make_scorer(max_images=200)
    (first,) = m.score_model(Given(FAKES), RECORD, [EvaluationRequest()], ["fd", "prd"])
    first["provenance"] = {"device": "cpu: Abacus"}  # as a trial adds it
    record = {**RECORD, "evaluations": [first]}
    assert m.missing_requests(record, [EvaluationRequest()], ["fd", "prd"]) == []
    monkeypatch.setitem(METRICS, "prd", replace(METRICS["prd"], parameters="50 clusters"))
    assert m.missing_requests(record, [EvaluationRequest()], ["fd"]) == []
    assert m.missing_requests(record, [EvaluationRequest()], ["fd", "prd"]) == [EvaluationRequest()]
    later = {
        **first,
        "values": {**first["values"], "prd_f8": -1.0},
        "metric_parameters": m.metric_parameters(["fd", "prd"]),
        "fallbacks": 3,
    }
    records.put_evaluation(record, {**later, "values": later["values"] | {"fd_classifier": -1.0}})
    (merged,) = record["evaluations"]
    assert merged["values"] == {**first["values"], "prd_f8": -1.0}  # the distance stays what it was
    assert merged["metric_parameters"]["prd_f8"] == "50 clusters"
    assert (merged["fallbacks"], merged["provenance"]) == (first["fallbacks"], first["provenance"])
    assert merged["additions"] == [{"columns": ["prd_f8", "prd_f1_8"], "fallbacks": 3, "seconds": first["seconds"],
                                "provenance": first["provenance"]}]  # fmt: skip
    assert m.missing_requests(record, [EvaluationRequest()], ["fd", "prd"]) == []


def test_images_that_cannot_be_scored_do_not_affect_the_samples_distance():
    """With too few training images, or a decoder that fails on them, the distance of the samples is kept."""
    few = replace(DIGITS, train=DIGITS.train.canonical(30))
    m = replace(make_scorer(), data=few)
    assert m.error is None
    requested = evaluation_requests(1, ("prior", "floor"))
    entries = {e["source"]: e for e in m.score_model(Given(FAKES), RECORD, requested, ["fd"])}
    assert entries["prior"]["values"]["fd_classifier"] > 0
    assert entries["floor"]["missing_reason"] == "30 images are too few for 32 features"

    torch.manual_seed(0)
    model = zoo.build("glf", image_shape=(1, 8, 8), nz=8, k=8)
    model.encode = lambda x, generator=None: torch.full((len(x), 8), torch.nan)
    entries = {
        e["source"]: e
        for e in make_scorer().score_model(model, RECORD, evaluation_requests(1, ("prior", *CRITERIA_SOURCES)), ["fd"])
    }
    assert entries["prior"]["values"]["fd_classifier"] > 0
    assert "500 generated images are not finite" in entries["reconstruction"]["missing_reason"]


def test_the_floor_is_computed_once_for_all_runs(tmp_path):
    m = make_scorer()
    (one,) = m.score_model(Given(FAKES), RECORD, [EvaluationRequest("floor")], ["fd"])
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "features").iterdir()}
    (two,) = make_scorer().score_model(Given(FAKES), {**RECORD, "seed": 1}, [EvaluationRequest("floor")], ["fd"])
    assert one["values"] == two["values"]
    assert files == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "features").iterdir()}


def test_every_metric_says_which_way_is_better():
    assert {way for metric in METRICS.values() for way in metric.columns.values()} == {"lower", "higher", "spread"}


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), NonFiniteImages), (float("inf"), NonFiniteImages), (1.5, ValueError), (-0.01, ValueError)],
)
def test_invalid_samples_are_refused(value, error):
    images = FAKES.clone()
    images[3, 0, 0, 0] = value
    with pytest.raises(error, match=r"1 generated images are not finite|finite and in \[0, 1\]"):
        [*make_scorer(max_images=600).score_model(Given(images), RECORD, [EvaluationRequest()], ["fd"])]


def test_the_same_samples_are_scored_under_every_variant():
    m = make_scorer(max_images=500)
    names = [*m.protocols]
    assert names == ["base", "train", "jpeg95", "jpeg75", "stretched", "jpeg95-stretched", "jpeg75-stretched",
                     "jpeg75-both", "float", "truncated"]  # fmt: skip
    found = {e["protocol_id"]: e["values"]["fd_classifier"] for e in
             m.score_model(Given(FAKES), RECORD, evaluation_requests(1, variants=names), ["fd"])}  # fmt: skip
    values = {name: found[m.protocols[name].id] for name in names}
    fake = Given(FAKES).sample(500, stream_seed("draw", 0, 0))
    real = DIGITS.test.canonical(500).images
    expected = {
        "train": (DIGITS.train.canonical(500).images, image_ops.round_to_uint8(fake)),
        "jpeg75": (image_ops.compress_jpeg(real, 75), image_ops.round_to_uint8(fake)),
        "stretched": (real, image_ops.round_to_uint8(image_ops.stretch_contrast(fake))),
        "jpeg95-stretched": (
            image_ops.compress_jpeg(real, 95),
            image_ops.round_to_uint8(image_ops.stretch_contrast(fake)),
        ),
        "jpeg75-both": (image_ops.compress_jpeg(real, 75), image_ops.compress_jpeg(image_ops.round_to_uint8(fake), 75)),
        "float": (real, fake),
        "truncated": (real, image_ops.truncate_to_uint8(fake)),
    }
    for name, pair in expected.items():
        assert values[name] == pytest.approx(frechet_distance(*map(m.extractor, pair)), rel=1e-9), name
    assert len({*values.values()}) >= len(values) - 2  # rounding does not change samples that already have 8 bits


def test_5k_is_a_variant_if_there_are_more_images():
    train = Split(DIGITS.train.images.repeat(5, 1, 1, 1))
    m = replace(make_scorer(), data=replace(DIGITS, train=train, test=train))
    assert (m.protocols["5k"].n_real, m.protocols["5k"].n_fake) == (5000, 5000)
    assert "5k" in replace(make_scorer(), max_images=6000).protocols  # it has fewer generated images


def test_the_training_split_is_not_compared_with_itself():
    m = make_scorer()
    assert m.protocol_for(EvaluationRequest("floor", 0, "train")) is None
    assert m.protocol_for(EvaluationRequest("prior", 0, "train")).split == "train"
    assert m.missing_requests(RECORD, [EvaluationRequest("floor", 0, "train")], ["fd"]) == []


def test_crops_and_filters_are_variants_only_of_data_sets_that_have_them():
    spec = replace(DIGITS.spec, preprocessing=CELEBA, read_with=lambda root, preprocessing: (DIGITS.test, DIGITS.train))
    m = replace(make_scorer(), data=replace(DIGITS, spec=spec))
    assert {"crop128", "crop140", "resize-plain", "resize-bicubic"} <= {*m.protocols}
    assert m.protocols["crop128"].crop == 128
    assert m.protocols[BASE_VARIANT].crop == 160
    found = m.reference_features(m.protocols["crop128"])  # the crop changes these images a lot
    assert not np.array_equal(found.features, m.reference_features(m.base_protocol).features)
    with pytest.raises(ValueError, match="its images have one size"):
        DIGITS.split("test", Preprocessing(140))


@given(st.sampled_from([name for name in VARIANTS if name != BASE_VARIANT]))
def test_a_variant_has_a_fingerprint_of_its_own(name):
    base = make_scorer().base_protocol
    assert replace(base, **VARIANTS[name].changes).id != base.id


def test_the_protocol_id_depends_on_every_field():
    base = make_scorer().base_protocol
    for field, value in base.plain().items():
        other = value + 1 if isinstance(value, int) else f"{value}?"
        assert replace(base, **{field: other}).id != base.id, field


def test_only_samples_are_drawn_more_than_once():
    assert evaluation_requests(3, ("prior", "floor")) == [
        EvaluationRequest(draw=0),
        EvaluationRequest(draw=1),
        EvaluationRequest(draw=2),
        EvaluationRequest("floor"),
    ]
    assert [source for source in SOURCES if SOURCES[source].is_random] == ["prior"]


def test_keys_of_all_requests_differ():
    m = make_scorer()
    requested = evaluation_requests(3, tuple(SOURCES), tuple(m.protocols))
    keys = {evaluation_key(k, r, m.protocols[r.variant]) for k in ("a", "b") for r in requested}
    assert len(keys) == 2 * len(requested)


def test_more_features_than_images_are_refused_unless_allowed():
    assert "--allow-few" in make_scorer(max_images=32).error
    assert make_scorer(max_images=33).error is None
    assert make_scorer(max_images=32, allow_few=True).error is None
    scorer = make_scorer(max_images=20, allow_few=True)
    (entry,) = scorer.score_model(Given(FAKES), RECORD, [EvaluationRequest()], ["fd"])
    assert np.isfinite(entry["values"]["fd_classifier"])
