"""Which fits share a SLURM job."""

import pytest
from fit_plans import plan_of, specs_of
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.execution.densities.placement import describe_fit_arrays, place_fits
from benchmarks.execution.densities.planning import make_fit_plan
from slurm import group_items


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Eighteen fits: three densities on three runs of two models."""
    plan = plan_of(tmp_path_factory.mktemp("results"), seeds="3")
    return make_fit_plan(plan, specs_of("gaussian,gmm:10,kde")).fits


@pytest.fixture(scope="module", params=[1, 2])
def seeds(request, tmp_path_factory):
    """The number of runs that a job takes, as a file of resources says it."""
    path = tmp_path_factory.mktemp("resources") / "resources.toml"
    path.write_text(f'["*/*"]\nseeds = {request.param}\n["*/digits"]\nseeds = {request.param}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AE_BENCH_RESOURCES", str(path))
        yield request.param


@given(data=st.data())
def test_a_run_is_never_split_and_a_job_has_the_fits_to_as_many_runs_as_it_may_train(fits, seeds, data):
    pending = [fit for fit in fits if data.draw(st.booleans())]
    placed = place_fits(pending)
    jobs = [{pending[index].job.trial.key for index in job}
            for _, job in group_items(pending, placed.group_key, placed.resources_of)]  # fmt: skip
    runs = [run for job in jobs for run in job]
    assert len(runs) == len({*runs}) == len({fit.job.trial.key for fit in pending})
    assert all(len(job) <= seeds for job in jobs)
    counts = {model: len({fit.job.trial.key for fit in pending if fit.job.trial.model == model})
              for model in ("glf", "vae")}  # fmt: skip
    assert len(jobs) == sum(-(-count // seeds) for count in counts.values())


@pytest.mark.usefixtures("seeds")
def test_a_job_of_fits_requests_what_a_job_of_their_run_requests(fits):
    (line,) = describe_fit_arrays(fits[:3])
    assert line == ("SLURM: 1 jobs with 3 fits, at most 64 jobs at a time; each: partition by default, 60 min, 0 GPUs, "
                    "1 CPUs, 2 GB")  # fmt: skip
