"""Submission within limits, with programs that stand in for SLURM's; tests/slurm/test_limits.py uses a real cluster."""

import os
from pathlib import Path

import pytest

from slurm import Resources, SlurmOptions, list_jobs
from slurm.scheduler import limit_reason, max_array_size
from slurm.submission import Submission

SBATCH = """#!/bin/sh
cd {folder}
count=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
count=$((${{count:-0}} + 1))
fail() {{ echo "sbatch: error: $1" >&2; echo "$1" >>refusals; exit 1; }}
[ -e down ] && fail "Batch job submission failed: Unable to contact slurm controller (connect failure)"
[ $count -le $(cat arrays) ] || fail "Batch job submission failed: Invalid job array specification"
[ $(($(ls queue | wc -l) + count)) -le $(cat limit) ] || fail "QOSMaxSubmitJobPerUserLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size ...)"
number=$(($(cat number) + 1))
echo $number >number
if [ $count = 1 ]; then touch queue/$number
else for index in $(seq 0 $((count - 1))); do touch queue/${{number}}_$index; done; fi
echo "Submitted batch job $number"
"""
SQUEUE = """#!/bin/sh
[ -e {folder}/down ] && exit 1
for job in $(ls {folder}/queue); do echo "$job|PENDING|Resources"; done
"""
SCONTROL = """#!/bin/sh
echo "MaxArraySize            = $(cat {folder}/said)"
"""


class Cluster:
    """A queue of jobs in a folder, with a limit of its length and of the arrays that it takes."""

    def __init__(self, folder: Path, limit: int, arrays: int, said: int | None = None):
        self.folder = folder
        (folder / "queue").mkdir(parents=True)
        (folder / "programs").mkdir()
        for name, number in {"limit": limit, "arrays": arrays, "said": said or arrays, "number": 0}.items():
            (folder / name).write_text(f"{number}\n")
        for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scontrol": SCONTROL, "srun": ""}.items():
            (folder / "programs" / name).write_text(text.format(folder=folder))
            (folder / "programs" / name).chmod(0o755)
        self.messages: list[str] = []
        self.taken: dict[str, list[int]] = {}

    def submission(self, items, resources_of=lambda item: Resources(), existing=None):
        options = SlurmOptions(
            self.folder / "jobs", lambda item: item, resources_of, lambda item: None, lambda item: False,
            self.taken.update, existing or {}, report=self.messages.append,
        )  # fmt: skip
        return Submission(print, items, options, {})

    def queue(self) -> list[str]:
        return sorted(os.listdir(self.folder / "queue"))

    def end(self, count: int) -> None:
        for job in self.queue()[:count]:
            (self.folder / "queue" / job).unlink()

    def refusals(self) -> int:
        path = self.folder / "refusals"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def cluster_of(tmp_path, monkeypatch):
    def make(limit, arrays, said=None):
        cluster = Cluster(tmp_path / "cluster", limit, arrays, said)
        monkeypatch.setenv("PATH", f"{cluster.folder / 'programs'}:{os.environ['PATH']}")
        return cluster

    return make


@pytest.mark.parametrize(
    ("count", "limit", "arrays", "ends"),
    [(12, 3, 4, 1), (12, 3, 4, 3), (12, 1, 1, 1), (7, 5, 2, 2), (9, 100, 100, 1), (9, 9, 4, 1), (1, 1, 1, 1),
     (13, 6, 1000, 4)],
)  # fmt: skip
def test_every_item_is_submitted_once_as_jobs_end(cluster_of, count, limit, arrays, ends):
    """After the limit is known, SLURM is asked only for what it can take."""
    cluster = cluster_of(limit, arrays)
    submission = cluster.submission([*range(count)])
    assert submission.submit() == {}
    assert len(cluster.queue()) == min(count, limit)
    refusals = cluster.refusals()
    while submission.waiting:
        cluster.end(ends)
        expected = min(limit, len(cluster.queue()) + len(submission.waiting))
        assert submission.submit(list_jobs()) == {}
        assert len(cluster.queue()) == expected
        assert submission.submit(list_jobs()) == {}, "nothing has ended meanwhile"
    assert cluster.refusals() == refusals
    assert sorted(item for items in cluster.taken.values() for item in items) == [*range(count)]
    assert {submission.jobs[item]: [item] for item in range(count)} == cluster.taken
    waiting = count - limit
    message = (f"SLURM takes no more jobs now (QOSMaxSubmitJobPerUserLimit): {waiting} of {count} runs wait until it "
               "takes more")  # fmt: skip
    assert cluster.messages == ([message] if waiting > 0 else [])


def test_jobs_of_an_earlier_launcher_count(cluster_of):
    cluster = cluster_of(3, 4)
    cluster.submission([*range(5)]).submit()
    jobs = dict(enumerate(cluster.queue()))
    submission = cluster.submission([*range(5)], existing=jobs)
    submission.submit()
    assert [*submission.waiting] == [3, 4]
    assert len(cluster.queue()) == 3


def test_places_that_others_leave_are_found(cluster_of, monkeypatch):
    """Only now and then is SLURM asked, and more is tried after each success."""
    cluster = cluster_of(3, 100)
    submission = cluster.submission([*range(20)])
    submission.submit()
    (cluster.folder / "limit").write_text("100\n")
    assert submission.submit(list_jobs()) == {}
    assert len(cluster.queue()) == 3, "not asked yet"
    monkeypatch.setattr("slurm.submission.PROBE_SECONDS", 0.0)
    lengths = []
    while submission.waiting:
        submission.submit(list_jobs())
        lengths.append(len(cluster.queue()))
    assert lengths == [4, 6, 10, 18, 20]


def test_without_jobs_in_the_queue_a_limit_is_a_refusal(cluster_of):
    """Waiting would not help."""
    cluster = cluster_of(0, 4)
    submission = cluster.submission([0, 1])
    refused = submission.submit()
    assert [*refused] == [0, 1]
    assert "QOSMaxSubmitJobPerUserLimit" in refused[0]
    assert not submission.waiting


def test_a_cluster_that_takes_shorter_arrays_than_it_says_gets_them(cluster_of):
    cluster = cluster_of(100, 3, said=1000)
    submission = cluster.submission([*range(10)])
    assert submission.submit() == {}
    assert not submission.waiting
    assert cluster.messages == []


def test_a_controller_that_stops_answering_is_asked_again_and_no_item_is_given_up(cluster_of, monkeypatch):
    monkeypatch.setattr("slurm.submission.PROBE_SECONDS", 0.0)
    cluster = cluster_of(2, 4)
    submission = cluster.submission([*range(4)])
    submission.submit()
    (cluster.folder / "down").touch()
    cluster.end(2)
    assert submission.submit([]) == {}
    assert len(submission.waiting) == 2
    (cluster.folder / "down").unlink()
    while submission.waiting:
        assert submission.submit(list_jobs()) == {}


def test_a_controller_that_does_not_answer_at_first_is_an_error(cluster_of):
    cluster = cluster_of(2, 4)
    (cluster.folder / "down").touch()
    assert "Unable to contact slurm controller" in cluster.submission([0]).submit()[0]


@pytest.mark.parametrize(
    ("config", "size"),
    [("MaxArraySize            = 1001", 1001), ("MaxArraySize = 0", 1), ("MaxArraySize = 1", 1), ("", 1000),
     ("MaxArraySize = 1001\nSchedulerParameters     = sched_interval=5,max_array_tasks=20", 20)],
)  # fmt: skip
def test_the_length_of_arrays_is_read_from_the_configuration(cluster_of, config, size):
    cluster = cluster_of(1, 1)
    (cluster.folder / "programs" / "scontrol").write_text(f"#!/bin/sh\ncat <<'END'\n{config}\nEND\n")
    assert max_array_size() == size


POLICY = ("Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time "
          "limits)")  # fmt: skip


@pytest.mark.parametrize(
    ("message", "limit"),
    [(f"QOSMaxSubmitJobPerUserLimit {POLICY}", "QOSMaxSubmitJobPerUserLimit"),
     (f"AssocMaxSubmitJobLimit {POLICY}", "AssocMaxSubmitJobLimit"),
     (f"AssocGrpSubmitJobsLimit {POLICY}", "AssocGrpSubmitJobsLimit"),
     (POLICY, "job submit limit"),
     (f"QOSMaxWallDurationPerJobLimit {POLICY}", None),
     ("Slurm temporarily unable to accept job, sleeping and retrying", "MaxJobCount"),
     ("invalid partition specified: nowhere", None)],
)  # fmt: skip
def test_limits_of_submitted_jobs_are_told_from_other_refusals(message, limit):
    assert limit_reason(message) == limit
