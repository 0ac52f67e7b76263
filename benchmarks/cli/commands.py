"""Every command: its summary, its options, an example, and the function that runs it."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.cli.options import ALL_OPTIONS, DENSITY_OPTIONS, FIGURE_OPTIONS, OPTIONS, TABLE_OPTIONS

DONE, FAILED, USER_ERROR, INTERNAL_ERROR, INTERRUPTED = 0, 1, 2, 70, 130  # exit codes; 70 is EX_SOFTWARE of sysexits.h


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        summary: one line for the list of commands.
        function: "module:function" below benchmarks.cli, imported when the command runs; it takes the parsed options
            and returns an exit code.
        options: keys of `options.OPTIONS`.
        arguments: what may follow the command's name; "" for nothing.
        example: a whole command line, without the program.
        help: option -> its help, where it means something of its own here.
        collects_errors: whether the function has checks of its own, and reports `args.errors` with what they find.
    """

    summary: str
    function: str
    options: tuple[str, ...] = ()
    arguments: str = ""
    example: str = ""
    help: Mapping[str, str] = field(default_factory=dict)
    collects_errors: bool = False

    @property
    def computes(self) -> bool:
        """Whether the command trains models or computes metrics."""
        return bool({"cluster", "device"} & {*self.options})

    def load(self) -> Callable[[Namespace], int]:
        """Import the command's function, which takes the parsed options and returns the exit code."""
        module, _, name = self.function.partition(":")
        function: Callable[[Namespace], int] = getattr(importlib.import_module(f"benchmarks.cli.{module}"), name)
        return function


def _table(summary: str, example: str) -> Command:
    return Command(summary, "tables:run", TABLE_OPTIONS, example=example, collects_errors=True)


def _figure(summary: str, example: str) -> Command:
    return Command(summary, "tables:run", FIGURE_OPTIONS, example=example, collects_errors=True)


FOLDER_LIKE = "data set whose settings the folder uses"


def _picture(summary: str, example: str) -> Command:
    options = ("name", "like", "preset", "data-root", "results")
    help_texts = {"name": "name of the images in records, if DATASET is folder:PATH", "like": FOLDER_LIKE}
    return Command(summary, "report:draw_picture", options, "MODEL DATASET", example, help_texts, True)


# Title of a group in --help -> its commands.
GROUPS: dict[str, dict[str, Command]] = {
    "tables: run what is missing, then write the table": {
        "table1": _table("sample quality of every model", "table1 --preset demo"),
        "table2": _table("epochs that GLF and the Two-Stage VAE need", "table2 --preset quick --on mnist"),
        "table3": Command("the network architecture", "report:write_table3", ("results",), example="table3"),
        "table4": _table("Table 1 with the GANs that the paper cites", "table4 --preset quick --on mnist"),
        "table5": Command("seconds per epoch, from speed records", "tables:run", ALL_OPTIONS,
                          example="table5 --results results/measured", collects_errors=True),
        "table6": _table("precision and recall of GLF", "table6 --preset quick --on mnist"),
        "criteria": _table("how much distance is the decoder's, how much the prior's", "criteria --preset demo"),
        "latents": _table("how well latents match their density", "latents --preset demo"),
        "sensitivity": _table("the same samples under other metric protocols", "sensitivity --preset demo"),
        "densities": Command("fit several densities to the latents of each auto-encoder", "densities.command:run",
                             DENSITY_OPTIONS, example="densities --preset demo --density gmm:10,flow",
                             collects_errors=True),
        "all": Command("every table and figure of the paper", "tables:run_all", ALL_OPTIONS,
                       example="all --preset demo --on digits", collects_errors=True),
    },
    "figures: run what is missing, then draw the figure": {
        "figure2": _figure("samples and interpolations of GLF", "figure2 --preset quick --on mnist"),
        "figure3": _figure("learning curves of VAEs with a flow prior, by β", "figure3 --preset quick --on mnist"),
        "figure4": _figure("learning curves of regularized GLF, by β", "figure4 --preset quick --on mnist"),
        "figure5": _figure("samples of GLF, squared error or perceptual loss", "figure5 --preset quick --on mnist"),
        "figure6": _figure("samples of GLF with perceptual loss", "figure6 --preset quick --on celeba-hq"),
        "figure7": _figure("interpolations of GLF with perceptual loss", "figure7 --preset quick --on celeba"),
    },
    "runs that were launched": {
        "status": Command("what is done, running, pending and failed", "jobs:status", ("results",), example="status"),
        "retry": Command("run again what failed, is missing or was lost", "jobs:retry",
                         ("only", "features", "results", "cluster", "no-wait", "dry-run"), example="retry",
                         help={"only": "classes of your own that may be imported again",
                               "features": "the extractor of your own that may be imported again"}),
        "cancel": Command("stop all running jobs", "jobs:cancel", ("results",), example="cancel"),
    },
    "tables made in several sessions, on several machines": {
        "campaign": Command("run the commands of a file for a limited time; pack the results", "campaign:run",
                            ("minutes", "archive", "archive-mb", "states", "results", "data-root", "cluster",
                             "workers", "runs-per-gpu", "device", "precision", "engine", "nondeterministic", "dry-run",
                             "yes"), "FILE",
                            "campaign examples/campaigns/mnist.toml --minutes 15",
                            {"dry-run": "print the missing runs of each step, and their time; start nothing",
                             "yes": "run at the paper's budget without --minutes, until all is done"}),
        "import": Command("merge archives of campaigns into a results folder", "campaign:run_import", ("results",),
                          "ARCHIVE...", "import campaign.zip --results results/local"),
    },
    "results": {
        "report": Command("one HTML page of all results", "report:write_report", ("results",), example="report"),
        "budget": Command("compare two models at several training budgets", "report:write_budget",
                          ("only", "results"), "DIR...",
                          "budget results/measured/mnist-quick results/measured/mnist-paper",
                          {"only": "the two models to compare (default: glf,rae-gmm)",
                           "results": "folder for figures/ and tables/ (default: results/local)"}, True),
        "tensorboard": Command("event files for TensorBoard, of runs that have none yet", "report:write_tensorboard",
                               ("results", "out"), example="tensorboard --results results/measured/digits-demo",
                               collects_errors=True),
        "sample": _picture("draw samples of a finished run", "sample glf mnist"),
        "interpolate": _picture("draw interpolations between samples", "interpolate glf mnist"),
        "reconstruct": _picture("draw test images beside their reconstructions", "reconstruct glf mnist"),
        "memorization": Command("check whether samples of a finished run copy training images",
                                "report:check_memorization",
                                ("name", "like", "preset", "features", "images", "results", "data-root", "device"),
                                "MODEL DATASET", "memorization glf mnist",
                                {"preset": "preset of the run (default: the longest one that has a run)",
                                 "features": f"{OPTIONS['features'].help} (default: the run's)",
                                 "like": FOLDER_LIKE,
                                 "images": "samples and test images (default: all test images, at most 10000)"},
                                collects_errors=True),
        "evaluate": Command("the metrics on any two sets of images", "evaluate:run",
                            ("real", "fake", "resize", "background", "bit-depth", "layout", "features", "metrics",
                             "images", "allow-few", "json", "data-root", "device"),
                            example="evaluate --real mnist --fake samples/ --features classifier:mnist",
                            help={"features": f"{OPTIONS['features'].help} (default: inception)",
                                  "metrics": "fd, prd, kid, neighbours (default: all)",
                                  "images": "a random N of each side, if it has more (default: all)"},
                            collects_errors=True),
    },
    "data and settings": {
        "classifier": Command("train a classifier on labelled images, for --features classifier",
                              "data:train_classifier",
                              ("name", "like", "out", "data-root", "device", "precision"), "DATASET|folder:PATH",
                              "classifier folder:flowers --name flowers --like cifar10 --out flowers.pt",
                              {"out": "also write the weights to this file, such as flowers.pt",
                               "like": "data set with the same image size as the folder",
                               "precision": "fp32 or bf16; on a GPU also tf32 (default: fp32)"},
                              collects_errors=True),
        "fetch": Command("download data sets and weights", "data:fetch", ("data-root",), "NAME...",
                         "fetch mnist inception"),
        "list": Command("models, data sets, presets, metrics, features", "data:show_names", example="list"),
        "protocols": Command("how every model is trained on every data set", "data:show_protocols",
                             example="protocols"),
    },
}  # fmt: skip
COMMANDS: dict[str, Command] = {name: command for group in GROUPS.values() for name, command in group.items()}
