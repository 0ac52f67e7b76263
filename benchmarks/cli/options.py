"""Every option of the command line, once, and the sets of options that commands share.

Values are text here: a command checks them all and reports all errors at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.data.preprocessing import LAYOUTS
from benchmarks.presets import PRESETS
from benchmarks.program import DEFAULT_RESULTS
from benchmarks.reporting.registry import NOTE_DETAILS


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        help: one line.
        metavar: of its value; "" for a flag.
        default: where the command line does not name it.
        choices: values that shell completion offers; they are checked by the command, with better messages.
        is_list: whether it may be given several times, which is the same as one list with commas.
    """

    help: str
    metavar: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    is_list: bool = False


PRECISIONS = ("fp32", "tf32", "bf16")
ENGINES = ("auto", "eager", "compiled", "graph")
CLUSTERS = ("auto", "inline", "local", "slurm")

# Title of a group in --help -> its options.
GROUPS: dict[str, dict[str, Option]] = {
    "what to run": {
        "only": Option("models, or package.module:Class (default: the preset's)", "A,B"),
        "autoencoder": Option("models whose auto-encoders are used (default: glf,rae-gmm,vae)", "A,B", is_list=True),
        "density": Option(
            "own, gaussian, gmm:K, gmm:auto, flow, flow:long, nsf, maf, second-stage, kde "
            "(default: own,gmm:10,gmm:auto,flow,flow:long,nsf,maf,kde)",
            "A,B",
            is_list=True,
        ),
        "on": Option("data sets, or folder:PATH (default: the preset's)", "X,Y"),
        "name": Option("name of a folder's images in records", "NAME"),
        "like": Option("take settings of a data set (folder) or a model (class)", "A,B"),
        "recon": Option("reconstruction loss: half-sse, sse, bce, perceptual", "LOSS"),
        "seeds": Option("number of runs per cell, or seeds such as 3,7 (one seed: 7,) (default: the preset's)", "N"),
        "set": Option("change settings of the models, such as lr=1e-3,beta=4", "NAME=VALUE", is_list=True),
        "force": Option("train again; the old record stays until the new one is done"),
    },
    "budget": {
        "preset": Option("paper, quick or demo (default: paper)", "PRESET", choices=tuple(PRESETS)),
        "budget": Option("multiply the epochs of every stage by F; the same as --set budget=F", "F"),
    },
    "evaluation": {
        "features": Option(
            "inception[:FILE], classifier[:NAME or FILE], pixels, clean-inception[:FILE], dinov2[:FILE], "
            "dinov2-vits14[:FILE], dinov2-vitb14[:FILE], dinov2-vitl14[:FILE], package.module:Class",
            "NAME",
        ),
        "metrics": Option("fd, prd, kid, neighbours (default: fd)", "A,B"),
        "draws": Option("sample sets per run (default: the preset's)", "D"),
        "images": Option("images compared on each side (default: 10000)", "N"),
        "allow-few": Option("allow too few images for the features (biased distance)"),
        "eval-every": Option("also measure the distance every E epochs", "E"),
    },
    "output": {
        "results": Option("results folder (default: results/local)", "DIR", DEFAULT_RESULTS),
        "out": Option("folder of the event files (default: RESULTS/tensorboard)", "PATH"),
        "format": Option("csv, latex, markdown, html (default: all)", "A,B"),
        "decimals": Option("digits after the point (default: as needed)", "N"),
        "notes": Option(
            "notes of a table: none, short or full (default: short in LaTeX)", "DETAIL", choices=NOTE_DETAILS
        ),
        "margin": Option("share of the paper's number that counts as equal (0.05)", "SHARE"),
        "json": Option("also write the result into this file, as JSON", "FILE"),
        "keep": Option(
            "keep weights, or only logs, of each run (default: weights)", "WHAT", "weights", ("weights", "logs")
        ),
    },
    "where it runs": {
        "data-root": Option("data folder (default: $AE_BENCH_DATA, or a user cache)", "DIR"),
        "cluster": Option("auto, inline, local or slurm (default: auto)", "WHERE", "auto", CLUSTERS),
        "workers": Option("worker processes (default: 1 per core, 1 per GPU)", "K"),
        "runs-per-gpu": Option("runs trained at once on a GPU (default: 8 up to 32x32, else 1)", "K"),
        "device": Option("auto, cpu, cuda or cuda:N (default: auto)", "DEVICE", "auto"),
        "precision": Option("fp32; on a GPU also tf32 or bf16 (default: fp32)", "P", "fp32", PRECISIONS),
        "engine": Option("auto, eager, compiled, graph (default: auto)", "ENGINE", "auto", ENGINES),
        "nondeterministic": Option("faster algorithms on a GPU, whose bits differ from run to run"),
        "no-wait": Option("submit, or start in the background, and return"),
        "existing": Option("write the table from the finished runs; train nothing"),
        "dry-run": Option("print the plan, the settings and the cost; start nothing"),
        "yes": Option("start a paper-budget run without asking"),
    },
    "campaign": {
        "minutes": Option("stop training and write the archive within this time (default: no limit)", "M"),
        "archive": Option("archive of the new results (default: RESULTS/archives/campaign-DATE.zip)", "FILE"),
        "archive-mb": Option("largest size of an archive in MiB; if needed, write several (default: 16)", "MB"),
        "states": Option("also pack the states of unfinished runs, so that another machine can continue them"),
    },
    "images to compare": {
        "real": Option("data set (its test split, or NAME:train), folder, .npy, .npz", "WHAT"),
        "fake": Option("the generated images, in one of the same forms", "WHAT"),
        "resize": Option("resize all images to N x N (antialiased bicubic)", "N"),
        "background": Option("color to put transparent images on, such as white", "COLOR"),
        "bit-depth": Option("bits per channel, 9 to 16, of images to scale to 8 bits", "BITS"),
        "layout": Option(
            "order of dimensions of arrays: NCHW, NHWC or NHW (default: from the shape)",
            "ORDER",
            choices=tuple(LAYOUTS),
        ),
    },
}
OPTIONS: dict[str, Option] = {name: option for group in GROUPS.values() for name, option in group.items()}


def parameter(name: str) -> str:
    """The name of an option's value in Python: "dry-run" -> "dry_run"."""
    return name.replace("-", "_")


FIGURE_OPTIONS = (
    "only", "on", "name", "like", "recon", "seeds", "force", "preset", "features", "metrics", "draws", "images",
    "allow-few", "eval-every", "results", "keep", "data-root", "cluster", "workers", "runs-per-gpu", "device",
    "precision", "engine", "nondeterministic", "no-wait", "existing", "dry-run", "yes",
)  # fmt: skip
ALL_OPTIONS = (*FIGURE_OPTIONS, "format", "decimals", "notes", "margin")
TABLE_OPTIONS = (*ALL_OPTIONS, "set", "budget")
DENSITY_OPTIONS = (
    "autoencoder", "density", "on", "name", "like", "seeds", "set", "preset", "budget", "features", "draws", "images",
    "allow-few", "results", "format", "decimals", "notes", "data-root", "cluster", "workers", "device", "precision",
    "engine", "existing", "dry-run", "yes",
)  # fmt: skip
