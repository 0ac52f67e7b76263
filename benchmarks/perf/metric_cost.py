"""Compare cost and numbers of our evaluation with those of reference implementations, in paired rounds.

    python -m benchmarks.perf.metric_cost --rounds 5 --out results/measured/metric-cost

Each round times both implementations, in alternating order, and gives a ratio. The table shows the median and the range
of the ratios. BLAS uses one thread. Features are random, with moments like those of a trained network: positive,
correlated, and with very different variances. Inception weights are random, too, as not every machine has the trained
ones. Neither changes the cost.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pandas import DataFrame
from pytorch_fid import inception as library
from scipy import linalg
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from benchmarks.data.split import Split
from benchmarks.evaluation import compare, image_input, metrics
from benchmarks.evaluation.extractors import InceptionExtractor
from benchmarks.evaluation.reference_cache import cached_features
from benchmarks.experiments import provenance, records
from benchmarks.printing import prepare_output
from benchmarks.reporting.formats.csv import frame_to_csv

N, D = 10_000, 2048
Array = NDArray[np.float64]


def features(seed: int, modes: NDArray[np.int64] | None = None, n: int = N, d: int = D) -> Array:
    """Positive, correlated features (n, d) from a mixture of ten modes; `modes` selects some of them (default: all)."""
    fixed, own = np.random.default_rng(0), np.random.default_rng(seed)
    centers = fixed.normal(size=(10, d))
    mix = fixed.normal(size=(d, d)) / np.sqrt(d) * np.geomspace(0.05, 1.5, d)
    chosen_modes = own.choice(np.arange(10) if modes is None else modes, size=n)
    noise = own.normal(size=(n, d)) @ mix
    return np.asarray(np.logaddexp(0, 0.5 * centers[chosen_modes] + noise))


def sqrtm_form(m1: Array, c1: Array, m2: Array, c2: Array) -> float:
    """The Fréchet distance as usually computed: by a matrix square root of the product of the covariances."""
    root = linalg.sqrtm(c1 @ c2)
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real)


def published_prd(real: Array, fake: Array, seed: int, batch: int = 1024) -> tuple[float, float]:
    """(F8, F1/8) by a second implementation of the published algorithm.

    The published code uses the default batch of scikit-learn's k-means: then 100, today 1024.
    """
    curves = []
    for run in range(10):
        means = MiniBatchKMeans(n_clusters=20, n_init=10, batch_size=batch, random_state=1000 * seed + run)
        labels = means.fit(np.vstack([fake, real])).labels_
        q, p = (np.histogram(part, bins=20, range=(0, 20), density=True)[0] for part in np.split(labels, [len(fake)]))
        slopes = np.tan(np.linspace(1e-10, np.pi / 2 - 1e-10, 1001))[:, None]
        precision = np.minimum(p * slopes, q).sum(1)
        curves.append((precision, precision / slopes[:, 0]))
    precision, recall = np.mean(curves, axis=0).clip(0, 1)
    return tuple(  # type: ignore[return-value]
        float(((1 + b * b) * precision * recall / (b * b * precision + recall + 1e-10)).max()) for b in (8, 1 / 8)
    )


def random_inception(path: Path, seed: int = 0) -> None:
    """Write random weights in the layout of pytorch-fid's file.

    The statistics of batch norm are those of noise images. With those of a new network, features would hardly depend on
    the image, and a comparison would not detect a wrong computation. Features are a few times larger than trained ones.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        original = library.load_state_dict_from_url
        try:
            library.load_state_dict_from_url = lambda *_, **__: _random_state()
            net = library.fid_inception_v3()
        finally:
            library.load_state_dict_from_url = original
        for norm in net.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = None  # the running statistics become those of the batch below
                norm.weight.data.uniform_(0.5, 1.5)
                norm.bias.data.normal_(0, 0.1)
        # Noise of different contrasts and scales: dark, bright, coarse and fine images.
        coarse = torch.rand(8, 3, 10, 10) * torch.linspace(0.2, 1, 8).reshape(8, 1, 1, 1)
        x = 2 * torch.nn.functional.interpolate(coarse, 139, mode="nearest") - 1
        x[::2] += 0.3 * torch.randn_like(x[::2])
        with torch.no_grad():
            for layer in [module for name, module in net.named_children() if name.startswith(("Conv", "Mixed"))]:
                x = layer.train()(x)
        for norm in net.modules():
            if isinstance(norm, torch.nn.BatchNorm2d) and norm.running_var is not None:
                norm.running_var.clamp_(min=norm.running_var.mean().item() / 4)  # for channels that are constant here
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)


def _random_state() -> dict[str, torch.Tensor]:
    net = library._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    net.Mixed_5b = library.FIDInceptionA(192, pool_features=32)
    net.Mixed_5c = library.FIDInceptionA(256, pool_features=64)
    net.Mixed_5d = library.FIDInceptionA(288, pool_features=64)
    net.Mixed_6b = library.FIDInceptionC(768, channels_7x7=128)
    net.Mixed_6c = library.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d = library.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6e = library.FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b = library.FIDInceptionE_1(1280)
    net.Mixed_7c = library.FIDInceptionE_2(2048)
    state: dict[str, torch.Tensor] = net.state_dict()
    return state


def reference_inception(path: Path) -> torch.nn.Module:
    """The network of pytorch-fid, as its command uses it."""
    original = library.load_state_dict_from_url
    try:
        library.load_state_dict_from_url = lambda *_, **__: torch.load(path, weights_only=True)
        net: torch.nn.Module = library.InceptionV3([library.InceptionV3.BLOCK_INDEX_BY_DIM[D]]).eval()
    finally:
        library.load_state_dict_from_url = original
    return net


# --- rounds


def paired(name: str, rounds: int, ours: Callable[[], Any], reference: Callable[[], Any]) -> list[dict[str, Any]]:
    """Time both in each round, in alternating order; return a row per round."""
    rows = []
    for number in range(rounds):
        seconds = {}
        for side, call in [("ours", ours), ("reference", reference)][:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            call()
            seconds[side] = time.perf_counter() - started
        rows.append({"what": name, "round": number, **seconds, "ratio": seconds["reference"] / seconds["ours"]})
        print(f"{name}, round {number}: {seconds['ours']:.2f} s against {seconds['reference']:.2f} s", flush=True)
    return rows


def measure(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Measure all rounds; return their rows, and facts that compare our numbers with the references."""
    real, fake = features(1), features(2)
    a, b = metrics.moments(real), metrics.moments(fake)
    value = metrics.frechet_from_moments(a.mean, a.cov, b.mean, b.cov)
    expected_value = sqrtm_form(a.mean, a.cov, b.mean, b.cov)
    facts = {"Fréchet distance, relative difference": abs(value - expected_value) / expected_value}
    rows = paired(
        "Fréchet distance from moments", rounds,
        lambda: metrics.frechet_from_moments(a.mean, a.cov, b.mean, b.cov),
        lambda: sqrtm_form(a.mean, a.cov, b.mean, b.cov),
    )  # fmt: skip
    # Both can cache the moments of the reference images.
    half = fake.astype(np.float32)

    def from_samples() -> float:
        m = metrics.moments(half)
        return metrics.frechet_from_moments(a.mean, a.cov, m.mean, m.cov)

    def from_samples_reference() -> float:
        x = half.astype(np.float64)
        return sqrtm_form(a.mean, a.cov, x.mean(0), np.cov(x, rowvar=False))

    name = "Fréchet distance from samples, reference moments cached"
    rows += paired(name, rounds, from_samples, from_samples_reference)

    unbalanced = features(3, np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]))  # some modes too frequent, one missing
    runs: dict[str, list[tuple[float, ...]]] = {
        "published": [published_prd(real, unbalanced, seed) for seed in range(rounds)],
        "published, batches of its day": [published_prd(real, unbalanced, seed, 100) for seed in range(rounds)],
        "ours": [tuple(metrics.prd(real=real, fake=unbalanced, seed=100 * seed).values()) for seed in range(rounds)],
        "PCA-64": [
            tuple(metrics.prd_pca64(real=real, fake=unbalanced, seed=100 * seed).values()) for seed in range(rounds)
        ],
    }
    published_mean = np.mean(runs["published"], axis=0)
    for name, values in runs.items():
        for i, label in enumerate(("F8", "F1/8")):
            facts[f"PRD {label}, {name}: mean"] = float(np.mean(values, axis=0)[i])
            facts[f"PRD {label}, {name}: standard deviation over runs"] = float(np.std(values, axis=0)[i])
            facts[f"PRD {label}, {name}: off the published one"] = float(np.mean(values, axis=0)[i] - published_mean[i])
    five = features(4, np.arange(5))
    for name, value in metrics.prd(real=real, fake=five).items():
        facts[f"PRD {name} of five of ten modes against all ten"] = value
    rows += paired("PRD as published", rounds, lambda: metrics.prd(real=real, fake=fake),
                   lambda: published_prd(real, fake, 0))  # fmt: skip
    rows += paired("PRD by PCA-64", rounds, lambda: metrics.prd_pca64(real=real, fake=fake),
                   lambda: metrics.prd(real=real, fake=fake))  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        random_inception(path)
        net, extractor = reference_inception(path), InceptionExtractor(torch.device("cpu"), path)
        images = torch.randint(256, (50, 3, 32, 32), dtype=torch.uint8)  # 50: pytorch-fid's batch
        images[:25] = images[:25, :1] // 2  # darker gray images, whose features differ

        def reference() -> torch.Tensor:
            with torch.no_grad():
                out: torch.Tensor = net(images.float() / 255)[0].flatten(1)
            return out

        expected = reference().numpy()
        exact = net.double()(images.double() / 255)[0].flatten(1).numpy()
        net.float()
        for name, value in {"ours against the reference": extractor(images) - expected,
                            "the reference against float64": expected - exact}.items():  # fmt: skip
            facts[f"Inception, {name}, relative norm"] = float(np.linalg.norm(value) / np.linalg.norm(expected))
            facts[f"Inception, {name}, largest difference"] = float(np.abs(value).max())
        facts["Inception, largest feature"] = float(expected.max())
        facts["Inception, standard deviation of a feature over images"] = float(reference().std(0).mean())
        rows += paired("Inception, 50 images", rounds, lambda: extractor(images), reference)
    return rows, facts


def memory() -> dict[str, float]:
    """Peak memory of `evaluate` for 10,000 samples and cached reference features. It takes half an hour on one core."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        random_inception(path)
        os.environ["AE_BENCH_CACHE"] = folder
        generator = np.random.default_rng(0)
        for name in ("reference", "samples"):
            np.savez(Path(folder) / name, generator.integers(0, 256, (N, 32, 32, 3), np.uint8))
        extractor = InceptionExtractor(torch.device("cpu"), path)
        reference = image_input.load_images(f"{folder}/reference.npz", None).content
        assert isinstance(reference, Split)
        image_key = compare.reference_key(reference.canonical(N), extractor)
        # Fill the cache, as an earlier command would do, but with random values.
        cached_features(image_key, extractor, lambda: generator.normal(size=(N, D)).astype(np.float32))
        before, started = _peak(), time.perf_counter()
        comparison = compare.compare(f"{folder}/reference.npz", f"{folder}/samples.npz", f"inception:{path}", None,
                                torch.device("cpu"), metrics=("fd",))  # fmt: skip
        seconds = time.perf_counter() - started
        assert {*comparison.values} == {"fd_inception_unknown"}
        return {"peak before, GB": before, "peak, GB": _peak(), "seconds": seconds, "images a second": N / seconds}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def report(rows: list[dict[str, Any]], facts: dict[str, float]) -> str:
    """Format the ratios and the facts as Markdown tables."""
    lines = ["| what | ours, s | reference, s | ratio | range |", "| --- | ---: | ---: | ---: | --- |"]
    for name in dict.fromkeys(row["what"] for row in rows):
        measured = [row for row in rows if row["what"] == name]
        a, b, r = (median(row[name] for row in measured) for name in ("ours", "reference", "ratio"))
        ratios = [row["ratio"] for row in measured]
        span = f"{min(ratios):.2f}–{max(ratios):.2f}, {len(measured)} rounds"
        lines.append(f"| {name} | {a:.2f} | {b:.2f} | {r:.2f} | {span} |")
    lines += ["", "| fact | value |", "| --- | ---: |", *(f"| {name} | {value:.4g} |" for name, value in facts.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    prepare_output()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure only peak memory; takes half an hour")
    parser.add_argument("--out", type=Path, default=Path("results/local/metric-cost"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows, facts = ([], memory()) if options.memory else measure(options.rounds)
    name = "memory" if options.memory else "cost"
    origin = provenance.describe(torch.device("cpu"))
    record = {
        "what": name,
        "seeds": "in the code",
        "n": N,
        "d": D,
        "facts": facts,
        "rounds": rows,
        "provenance": origin,
    }
    records.write_json(options.out / f"{name}.json", record)
    if rows:
        records.write_text(options.out / f"{name}.csv", frame_to_csv(DataFrame(rows)))
    print(report(rows, facts))
    print(records.write_text(options.out / f"{name}.md", report(rows, facts)))


if __name__ == "__main__":
    main()
