"""README.md, CONTRIBUTING.md and docs/ are true: tables are the committed ones, files exist, commands and code run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import zoo
from benchmarks.cli.options import OPTIONS
from benchmarks.data import datasets, download
from benchmarks.presets import PRESETS
from benchmarks.protocols import Schedule
from benchmarks.reporting.registry import REQUIREMENTS
from benchmarks.run import main
from benchmarks.training.loop import train

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
ALL = "\n".join(PAGES.values())


def python_code(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)


(README_MODEL,) = python_code("README.md")
EXAMPLE_MODEL = python_code("docs/extending.md")[0]
SNIPPET = python_code("docs/results.md")[0]
# faults/ belongs to no table; benchmarks.perf.faults writes it
MEASURED = sorted(path for path in (ROOT / "results" / "measured").iterdir() if (path / "records").is_dir())

# The command that made the tables of each folder
DIGITS = "--preset demo"
OWN = "--preset paper --on digits --features classifier --seeds 10 --draws 3 --eval-every 10"
EVERY = ",".join((
    "vae,wae-gan,two-stage-vae,rae-gmm,vae-flow-prior,vae-flow-posterior,glf,wae-mmd,glf-two-stage",
    "glf-regularized-1,glf-regularized-10,glf-regularized-50,glf-regularized,glf-regularized-400",
    "vae-flow-prior-10,vae-flow-prior-50,vae-flow-prior-100,vae-flow-prior-400,vae-flow-prior-learned",
    "glf-4-couplings,glf-bn-eps",
))  # fmt: skip
BOTH = "--preset quick --on mnist,fashion --only glf,two-stage-vae --draws 3"
# Runs made on a GPU; --existing needs no GPU
PAPER = "--preset paper --on mnist --features classifier --precision tf32"
DENSITIES = "own,gaussian,gmm:10,gmm:auto,flow,flow:long,maf"
JPEG = (
    "--on folder:cifar10-jpeg --name cifar10-jpeg --like cifar10 --preset quick --features classifier:cifar10-jpeg "
    "--seeds 3 --existing --only vae,wae-gan,wae-mmd,two-stage-vae,rae-gmm,vae-flow-prior,vae-flow-prior-10,"
    "vae-flow-prior-50,vae-flow-prior-100,vae-flow-prior-400,vae-flow-posterior,glf,glf-regularized-1,"
    "glf-regularized-10,glf-regularized"
)
COMMANDS = {
    "cifar10-jpeg-quick": [f"table1 {JPEG}", f"criteria {JPEG}", "report"],
    "digits": [f"table1 {OWN}", f"table2 {OWN}", f"criteria {OWN} --only {EVERY}", f"latents {OWN} --only {EVERY}",
               f"sensitivity {OWN} --only glf,two-stage-vae", f"figure3 {OWN}", f"figure4 {OWN}", "report"],
    "digits-curves": ["table1 --preset paper --on digits --only glf,rae-gmm --features classifier --seeds 3 --draws 3 "
                      "--eval-every 5"],
    "digits-demo": [f"table1 {DIGITS}", f"criteria {DIGITS}", f"latents {DIGITS}",
                    f"sensitivity {DIGITS} --only glf,two-stage-vae"],
    "densities-digits": ["densities --preset demo --on digits --seeds 10 --autoencoder glf,rae-gmm --density "
                         f"{DENSITIES},nsf,kde --device cpu --existing", "report"],
    "densities-mnist-quick": ["densities --preset quick --on mnist --seeds 3 --autoencoder glf,rae-gmm,vae --density "
                              f"{DENSITIES},second-stage,kde --features classifier --device cpu --existing",
                              "report"],
    "fashion-quick": ["table1 --preset quick --on fashion"],
    "mnist-paper": [f"table1 {PAPER} --seeds 3 --existing --only vae,wae-gan,two-stage-vae,rae-gmm,vae-flow-prior,"
                    "vae-flow-posterior,glf",
                    f"criteria {PAPER} --seeds 3 --existing --only vae,wae-gan,two-stage-vae,rae-gmm,vae-flow-prior,"
                    "vae-flow-posterior,glf", "report"],
    "mnist-paper-curves": [f"table1 {PAPER} --seeds 3 --existing --only glf,rae-gmm --eval-every 10", "report"],
    "mnist-quick": ["table1 --preset quick --on mnist --seeds 3", "report"],
    "mnist-tenth": ["table1 --preset paper --budget 0.1 --on mnist --only glf,rae-gmm --features classifier --seeds 1"],
    "mnist-quick-variants": ["table1 --preset quick --on mnist --only wae-mmd,glf-two-stage,glf-regularized-1,"
                             "glf-regularized-10,glf-regularized,rae-l2-gmm,rae-sn-gmm,vae-flow-posterior-conditional,"
                             "vae-flow-prior-learned"],
    "sensitivity": [f"{table} {BOTH}" for table in ("table1", "criteria", "latents", "sensitivity")],
}  # fmt: skip
# Folder -> the commit that its records name, with uncommitted changes, and the commit that has these changes.
# The GPU machine had the files of the second commit, which changes only how pictures of finished runs are drawn.
UNCOMMITTED = dict.fromkeys(
    ("cifar10-jpeg-quick", "densities-mnist-quick"),
    ("f78c0d15732647659e4734fcf7300292dc726d17", "60bd99785be6935ac7166321c67d65df59f3e266"),
)


def grid(markdown):
    """The rows of the first pipe table in a text."""
    return re.search(r"(?:^\|.*\n?)+", markdown, re.M)[0].splitlines()


@pytest.mark.parametrize(("file", "body"), re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- /table -->", ALL, re.S))
def test_tables_of_the_pages_equal_the_committed_ones(file, body):
    """The README may leave out rows without any number."""
    text = (ROOT / file).read_text(encoding="utf-8")
    tables = [match[0].splitlines() for match in re.finditer(r"(?:^\|.*\n?)+", text, re.M)]
    committed = [table for table in tables if table[0] == grid(body)[0]]  # one, or one a device
    empty = [row for table in committed for row in table[2:]
             if {cell.strip() for cell in row.split("|")[2:-1]} == {"—"}]  # fmt: skip
    assert grid(body) in [[row for row in table if row in grid(body) or row not in empty] for table in committed]
    assert len(grid(body)) > 2


@pytest.mark.parametrize(("file", "body"), re.findall(r"<!-- claims: (\S+) -->\n(.*?)<!-- /claims -->", ALL, re.S))
def test_claims_have_the_committed_verdicts(file, body):
    claims = pd.read_csv(ROOT / file).drop_duplicates("claim")
    assert grid(body)[2:] == [f"| {c.claim} | {c.statement} | {c.verdict} |" for c in claims.itertuples()]


def test_the_faults_of_the_page_equal_the_committed_ones():
    body = re.search(r"<!-- faults -->\n(.*?)<!-- /faults -->", ALL, re.S)[1]
    rows = pd.read_csv(ROOT / "results" / "measured" / "faults" / "faults.csv")
    assert grid(body)[2:] == [
        f"| {row.fault} | {row.runs} | {row.attempts} | {row.records} | {row.lost} | {row.duplicated} | "
        f"{'yes' if row.table_equal and row.numbers_equal else 'no'} | {row.seconds:.0f} |"
        for row in rows.itertuples()
    ]
    assert not rows[["lost", "duplicated"]].any().any()


@pytest.mark.parametrize(("file", "body"), re.findall(r"<!-- order: (\S+) -->\n(.*?)<!-- /order -->", ALL, re.S))
def test_sentences_on_the_order_are_the_committed_ones(file, body):
    (order,) = re.findall(r"^- Order: (.*)$", (ROOT / file).read_text(encoding="utf-8"), re.M)
    assert " ".join(body.split()) in order
    assert body.count("turns between") == 1


def test_no_verdict_of_a_shortened_budget_stands_alone():
    """The front page has no verdict outside the table by budget; other pages label it with its budget."""
    front = re.sub(r"<!-- (table|order).*?<!-- /\1 -->", "", README, flags=re.S)
    assert not re.findall(r"contradicted|supported", front.replace("(#", ""))
    rows = [line for line in PAGES[ROOT / "docs" / "reproduction.md"].splitlines() if line.startswith("| claim ")]
    verdicts = [cell.strip() for row in rows for cell in row.split("|")[2:-1]]
    assert {*verdicts} <= {"not tested", "inconclusive", "contradicted at this budget", "supported at this budget"}
    assert len(verdicts) == 9


BUDGET_FOLDERS = (
    "mnist-quick",
    "mnist-tenth",
    "mnist-paper",
    "mnist-paper-curves",
    "digits-demo",
    "digits",
    "digits-curves",
)


def test_the_figure_of_distance_against_budget_is_made_from_the_records(tmp_path):
    """The numbers drawn, the captions and the table are equal byte for byte; no data is needed."""
    measured = ROOT / "results" / "measured"
    for name in BUDGET_FOLDERS:
        shutil.copytree(measured / name / "records", tmp_path / name / "records")
    assert main(["budget", *(str(tmp_path / name) for name in BUDGET_FOLDERS), "--results", str(tmp_path / "out")]) == 0
    made = {path.relative_to(tmp_path / "out"): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    there = {path.relative_to(measured / "budget") for path in (measured / "budget").rglob("*") if path.is_file()}
    assert {*made} == there
    for name in (name for name in made if name.suffix in (".csv", ".md")):  # a picture's bytes are Matplotlib's
        assert made[name].read_bytes() == (measured / "budget" / name).read_bytes(), name
    runs = pd.read_csv(tmp_path / "out" / "figures" / "budget.csv")
    assert {*runs["model"]} == {"glf", "rae-gmm"}
    assert runs.groupby("dataset")["protocol_id"].nunique().eq(1).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_linked_files_exist(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", PAGES[page]) if not link.startswith("http")]
    for link in links:
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        titles = re.findall(r"^#+ (.+)$", PAGES[target], re.M) if heading else []
        assert not heading or heading in {title.lower().replace(" ", "-") for title in titles}, link


def test_the_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_mentioned_options_exist(page):
    """Options of commands, of pip, tox and git, and of the package's other programs."""
    if page.name == "changes.md":
        return  # names what is gone
    others = {"--out", "--rounds", "--steps", "--scaling", "--gpu", "--models", "--loops", "--processes", "--check",
              "--help", "--version", "--limit", "--report"}  # fmt: skip
    named = {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGES[page])}
    assert named <= {f"--{name}" for name in OPTIONS} | others


def test_every_page_is_linked_from_another():
    for page in PAGES:
        linked = any(
            f"{page.name})" in text or f"{page.name}#" in text for other, text in PAGES.items() if other != page
        )
        assert linked or page.name == "README.md", page.name


def test_mentioned_files_exist():
    files = re.findall(r"`((?:zoo|benchmarks|slurm|docs|tests)/[\w/]+\.\w+)`", ALL)
    assert len(files) > 8
    assert not [f for f in files if not (ROOT / f).is_file()]


def test_presets_of_the_page_agree_with_the_code():
    page = PAGES[ROOT / "docs" / "getting-started.md"]
    rows = {cells[1].strip("` "): cells for line in page.splitlines() if (cells := line.split("|"))[1:2]
            and cells[1].strip("` ") in PRESETS}  # fmt: skip
    assert [*rows] == [*PRESETS]
    for name, preset in PRESETS.items():
        cells = [cell.strip() for cell in rows[name]]
        assert cells[4] == f"{preset.seeds} x {preset.draws}"
        assert cells[5].split() == [*preset.datasets]
        assert cells[6] == preset.features
        assert cells[2] == (f"at most {preset.images:,}" if preset.images else "all")


def commands():
    program = r"(?:python -m benchmarks\.run|(?:(?<=`)|(?<=^    ))ae-bench)"
    return sorted(set(re.findall(rf"{program} ([a-z][^`\n]*?)(?=`| --help|$)", ALL, re.M)))


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """An image folder as in the README: 1,200 gray images of 28x28, a tenth of which becomes the test split."""
    folder = tmp_path_factory.mktemp("letters")
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (1200, 28, 28), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with 1,200 color images of 32x32 in two classes."""
    folder = tmp_path_factory.mktemp("photos")
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (1200, 32, 32, 3), np.uint8)):
        path = folder / f"class{i % 2}" / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_pages_are_valid(command, tmp_path, capsys, monkeypatch, letters, photos):
    """They run as dry runs, with the model that the reader writes. The only allowed error is missing data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    (tmp_path / "gaussian_ae.py").write_text(EXAMPLE_MODEL, encoding="utf-8")
    (tmp_path / "my_file.py").write_text(README_MODEL, encoding="utf-8")
    (extractor,) = (code for code in python_code("docs/extending.md") if "(Extractor)" in code)
    (tmp_path / "my_features.py").write_text(extractor, encoding="utf-8")
    monkeypatch.delenv("AE_BENCH_DATA", raising=False)
    words = [word.replace("PATH", str(letters)) for word in shlex.split(command) if word != "--yes"]
    if words[0] == "fetch":
        assert set(words[1:]) <= set(download.FETCH)
        return
    is_planned = words[0] in (*REQUIREMENTS, "all", "campaign", "densities")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "cifar10-jpeg").symlink_to(photos)
    code = main([*words, *(["--dry-run"] if is_planned and "--dry-run" not in words else [])])
    problems = capsys.readouterr().err.strip().splitlines()
    allowed = (
        r"is missing|no Inception weights in|there are no records in|no finished glf|\.(zip|pt): No such file|"
        r"has no labels to train"
    )
    assert code == (2 if problems else 0)
    assert not (is_planned and problems)
    assert all(re.search(allowed, problem) for problem in problems), problems


def test_the_table_of_all_models_agrees_with_the_tidy_files():
    folders, body = re.search(r"<!-- all: (.*?) -->\n(.*?)<!-- /all -->", ALL, re.S).groups()
    tidy = pd.concat([pd.read_csv(ROOT / folder / "tables" / "table1-tidy.csv") for folder in folders.split()])
    labels = {name: entry.label for name, entry in zoo.MODELS.items()}
    rows = [
        f"| {labels[row.model]} | {'diverged' if row.runs_diverged else f'{row.mean:.1f}'} | "
        + " | ".join("—" if np.isnan(v) else f"{v:.{d}f}" for v, d in ((row.recon_sse, 1), (row.latent_std, 2)))
        + " |"
        for row in (SimpleNamespace(**r) for r in tidy.sort_values("mean", na_position="last").to_dict("records"))
    ]
    assert grid(body)[2:] == rows


@pytest.mark.parametrize(("code", "name"), [(README_MODEL, "MyModel"), (EXAMPLE_MODEL, "GaussianAE")])
def test_printed_models_train_and_sample(code, name):
    """The code runs as printed. Both models fit one Gaussian to the latents."""
    scope = {"__name__": "printed_model"}
    exec(code, scope)
    x = datasets.load("digits", None).train.canonical(256).images
    model = scope[name]((1, 8, 8), 8)
    with pytest.raises(zoo.NotFitted):
        model.sample(1, seed=0)
    rows = [e.row for e in train(model, x, {"train": Schedule(20, 64, 1e-3)})]
    assert rows[-1]["recon"] < 0.6 * rows[0]["recon"]
    z = model.sample_latent(20_000, torch.Generator().manual_seed(0))
    assert torch.allclose(z.T.cov(), model.encode(x).T.cov(), rtol=0.1, atol=0.1 * z.var().item())
    assert model.sample(4, seed=0).shape == (4, 1, 8, 8)


@pytest.mark.slow
def test_the_example_runs_as_printed(tmp_path):
    """The README's command runs in a new process, with one file in the current folder."""
    (tmp_path / "gaussian_ae.py").write_text(EXAMPLE_MODEL, encoding="utf-8")
    (command,) = (c for c in commands() if "gaussian_ae" in c)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", *shlex.split(command)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "results/local/tables/table1.csv"
    table = pd.read_csv(tmp_path / "results/local/tables/table1-tidy.csv").set_index("model")
    assert [*table.index] == ["gaussian_ae:GaussianAE"]
    assert 0 < table.loc["gaussian_ae:GaussianAE", "mean"] < 20
    record = next((tmp_path / "results/local/records").glob("*.json")).read_text(encoding="utf-8")
    assert '"label": "AE + Gaussian"' in record
    assert str(tmp_path) not in record


def test_the_snippet_loads_kept_weights(tmp_path, monkeypatch):
    measured = [json.loads(path.read_text()) for path in (ROOT / "results/measured/digits-demo/records").glob("*.json")]
    (key,) = (record["key"] for record in measured if (record["model"], record["seed"]) == ("glf", 0))
    results = tmp_path / "results" / "local"
    for folder in (results / "records", results / "runs" / key):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "results/measured/digits-demo/records" / f"{key}.json", results / "records")
    zoo.save(zoo.build("glf", image_shape=(1, 8, 8), nz=8, k=8), results / "runs" / key / "weights.pt")
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(SNIPPET, scope)
    assert scope["images"].shape == (64, 1, 8, 8)
    assert scope["lines"].shape == (8, 8, 1, 8, 8)


def last_tables(results):
    """The files of a folder's last tables, without the copies that are named by their selection."""
    return [path for path in (results / "tables").iterdir() if "--" not in path.name]


def test_table5_is_rebuilt_from_the_speed_records(tmp_path):
    """The files are equal byte for byte; no data is needed."""
    measured = ROOT / "results" / "measured"
    shutil.copytree(measured / "speed", tmp_path / "speed")
    command = ["table5", "--on", "mnist,cifar10,celeba", "--data-root", str(tmp_path / "none")]
    assert main([*command, "--results", str(tmp_path)]) == 0
    there = {path.name: path.read_bytes() for path in last_tables(measured)}
    assert {path.name: path.read_bytes() for path in last_tables(tmp_path)} == there
    assert "table5.tex" in there


@pytest.fixture(scope="module")
def cifar10_jpeg(tmp_path_factory):
    """The folder of CIFAR-10's images as JPEG files, from the archives in $AE_BENCH_DATA/cifar10-jpeg."""
    archives = Path(os.environ.get("AE_BENCH_DATA", "")) / "cifar10-jpeg"
    if not (archives / "train.tar.xz").is_file():
        pytest.skip("needs cifar10-jpeg/train.tar.xz and test.tar.xz in $AE_BENCH_DATA")
    folder = tmp_path_factory.mktemp("cifar10-jpeg")
    for name in ("train", "test"):
        with tarfile.open(archives / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize(("base", "changes"), sorted({*UNCOMMITTED.values()}))
def test_uncommitted_changes_of_measured_runs_do_not_concern_training(base, changes):
    command = ["git", "-C", str(ROOT), "diff", "--name-only", base, changes]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs the history of the repository")
    changed = {name for name in done.stdout.split() if not name.startswith("tests/")}
    assert changed == {"benchmarks/cli/commands.py", "benchmarks/cli/report.py", "benchmarks/reporting/gallery.py"}


def test_every_measured_folder_has_its_command():
    assert {path.name for path in MEASURED} == {*COMMANDS}


@pytest.mark.parametrize("folder", MEASURED, ids=lambda path: path.name)
def test_measured_tables_are_rebuilt_from_their_records(folder, tmp_path, request, capsys):
    """The files are equal byte for byte, and nothing is trained."""
    shutil.copytree(folder / "records", tmp_path / "records")
    if (folder / "densities").is_dir():
        shutil.copytree(folder / "densities", tmp_path / "densities")
    for command in COMMANDS[folder.name]:
        words = [*command.split(), "--results", str(tmp_path)]
        if "folder:cifar10-jpeg" in words:
            images = request.getfixturevalue("cifar10_jpeg")
            words = [word.replace("folder:cifar10-jpeg", f"folder:{images}") for word in words]
        if {"mnist", "fashion", "mnist,fashion"} & {*words}:
            words += ["--data-root", str(request.getfixturevalue("data_root"))]
        if words[0] in REQUIREMENTS:  # missing runs are reported at once, instead of being trained for hours
            assert main([*words, "--dry-run"]) == 0
            messages = capsys.readouterr().out
            assert "--existing" in words or "nothing to run: " in messages, command
            assert all("glf-perceptual" in line for line in messages.splitlines() if " missing weights" in line), (
                command
            )
        assert main(words) == 0
    assert not (tmp_path / "runs").exists()
    # The report command of the README also writes the claims beside the tables.
    made = {path.name for path in last_tables(tmp_path)}
    there = {path.name for path in last_tables(folder)} - ({"claims.csv", "claims.md"} - made)
    assert there == made
    for name in there:
        assert (tmp_path / "tables" / name).read_bytes() == (folder / "tables" / name).read_bytes(), name
    for path in [*(folder / "figures").glob("*.csv")]:  # the numbers drawn; a picture's bytes are Matplotlib's
        if path.name.startswith("memorization-"):
            continue  # it needs the weights of the run
        assert (tmp_path / "figures" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("folder", MEASURED, ids=lambda path: path.name)
def test_measured_records_have_their_provenance(folder):
    from benchmarks.experiments import records

    runs, epochs = records.read(folder)
    assert len(runs)
    assert runs[["seed", "preset", "train_fingerprint", "device", "torch", "commit", "dirty"]].notna().all().all()
    base, _ = UNCOMMITTED.get(folder.name, ("", ""))
    assert {*runs.loc[runs["dirty"], "commit"]} == ({base} if base else set()), "made from a clean checkout"
    assert len(epochs)
    for path in (folder / "densities").glob("*.json"):
        provenance = json.loads(path.read_text(encoding="utf-8"))["provenance"]
        assert provenance["dirty"] is bool(base), path.name
        assert provenance["commit"] in {*runs["commit"]}, path.name
