"""The command of the run that the fixture `finished_run` holds."""

COMMAND = ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "1", "--cluster", "inline"]
