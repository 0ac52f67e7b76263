"""The preset "demo" with a few steps of training, so that a run takes a second or two.

`python -m short_demo COMMAND ...` is `python -m benchmarks.run COMMAND ...` with that preset.  Worker processes and
SLURM jobs train the same few steps, because their jobs contain the schedule.
"""

import os
import runpy
from dataclasses import replace

from benchmarks.presets import PRESETS

# Of each stage: three epochs of batches of 64 digits
STEPS = int(os.environ.get("SHORT_DEMO_STEPS", "60"))
SHORT_DEMO = replace(PRESETS["demo"], steps=STEPS)

if __name__ == "__main__":
    PRESETS["demo"] = SHORT_DEMO
    runpy.run_module("benchmarks.run", run_name="__main__")
