"""Check that the default tests notice bugs: `python tests/support/mutations.py [NAME ...]`.

Each mutation changes one line in a copy of the project and runs the default selection of the tests named beside it.
The exit code is 1 if the tests pass with a mutation, or if they fail without one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("benchmarks", "zoo", "slurm", "tests", "docs", "tox.ini", "pyproject.toml")


class Mutation(NamedTuple):
    """A bug: `old`, which occurs once in `file`, becomes `new`; one of `tests` must fail."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = {
    "sign-in-a-loss": Mutation(
        "zoo/losses.py",
        "logvar.exp() - 1 - logvar",
        "logvar.exp() - 1 + logvar",
        ("tests/zoo/test_losses.py",),
    ),
    "sign-of-the-log-determinant": Mutation(
        "zoo/flows.py",
        "return log_normal(eps) + logdet",
        "return log_normal(eps) - logdet",
        ("tests/zoo/test_flows.py",),
    ),
    "half-of-the-fused-gradient-of-the-scale": Mutation(
        "zoo/flow_gradient.py",
        "torch.addcmul(grad_logdet[:, None], of_z2[i], z2[i], out=of_s[i])",
        "torch.mul(of_z2[i], z2[i], out=of_s[i])",
        ("tests/zoo/test_flow_gradient.py",),
    ),
    "flow-gradient-reaches-the-encoder": Mutation(
        "zoo/glf.py",
        "z.detach() if self.stop_gradient else z)",
        "z if self.stop_gradient else z.detach())",
        ("tests/zoo/test_losses.py", "tests/zoo/test_models.py"),
    ),
    "wrong-axis-in-a-metric": Mutation(
        "benchmarks/evaluation/metrics/features.py",
        "np.cov(x, rowvar=False)",
        "np.cov(x.T[:, : x.shape[1]], rowvar=False)",
        ("tests/evaluation/metrics/test_frechet.py",),
    ),
    "f8-and-f1/8-swapped": Mutation(
        "benchmarks/evaluation/metrics/precision_recall.py",
        '{"f8": _f_beta(precision, recall, 8.0), "f1/8": _f_beta(precision, recall, 1 / 8)}',
        '{"f8": _f_beta(precision, recall, 1 / 8), "f1/8": _f_beta(precision, recall, 8.0)}',
        ("tests/evaluation/metrics/test_prd.py",),
    ),
    "schedule-one-epoch-late": Mutation(
        "benchmarks/protocols.py",
        "if epoch >= start)",
        "if epoch > start)",
        ("tests/test_protocols.py", "tests/training/test_loop.py"),
    ),
    "resumed-run-repeats-an-epoch": Mutation(
        "benchmarks/training/loop.py",
        'resume["epoch"] + 1, resume["steps"]',
        'resume["epoch"], resume["steps"]',
        ("tests/training/test_loop.py", "tests/zoo/test_contract.py"),
    ),
    "record-written-in-place": Mutation(
        "benchmarks/experiments/records.py",
        'temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")',
        "temporary = path",
        ("tests/experiments/test_records.py",),
    ),
    "key-without-the-images": Mutation(
        "benchmarks/experiments/trial.py",
        '"train": self.train_fingerprint',
        '"train": ""',
        ("tests/experiments",),
    ),
    "std-of-the-population": Mutation(
        "benchmarks/reporting/tables/aggregation.py",
        "std=stdev(means) if len(means) > 1",
        "std=__import__('statistics').pstdev(means) if len(means) > 1",
        ("tests/reporting/tables",),
    ),
    "diverged-run-not-shown": Mutation(
        "benchmarks/reporting/tables/aggregation.py",
        'wanted_statuses.count("diverged")',
        "0",
        ("tests/reporting/tables",),
    ),
    "lock-of-a-dead-owner-kept": Mutation(
        "benchmarks/execution/locks.py",
        "if path.exists() and not is_locked(path.parent):",
        "if False:",
        ("tests/execution/test_locks.py",),
    ),
}


def run_tests(project: Path, tests: tuple[str, ...]) -> bool:
    """Run the default selection of some tests in a copy of the project; whether all of them pass.

    Raises:
        RuntimeError: no test ran, or pytest could not run.
    """
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    # One process: with several, pytest -x has the same exit code for a failed test and for one that cannot be imported.
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main() -> int:
    """Try the mutations and print a line for each; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(MUTATIONS)}")
    names = parser.parse_args().names or [*MUTATIONS]
    if unknown := set(names) - set(MUTATIONS):
        parser.error(f"unknown mutation {', '.join(sorted(unknown))}. Known: {', '.join(MUTATIONS)}")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
        tests = tuple(sorted({test for name in names for test in MUTATIONS[name].tests}))
        if not run_tests(project, tests):
            print(f"the tests fail without a mutation: {' '.join(tests)}")
            return 1
        survivors = []
        for name in names:
            mutation, started = MUTATIONS[name], time.monotonic()
            path = project / mutation.file
            text = path.read_text(encoding="utf-8")
            if text.count(mutation.old) != 1:
                raise RuntimeError(f"{name}: {mutation.old!r} must occur once in {mutation.file}; update this file")
            path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
            survives = run_tests(project, mutation.tests)
            path.write_text(text, encoding="utf-8")
            survivors += [name] if survives else []
            print(f"{'survived' if survives else 'killed':8} {name} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(names) - len(survivors)} of {len(names)} mutations killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
