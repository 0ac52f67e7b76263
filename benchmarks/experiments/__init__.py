"""One run: the trial that says what to train, its checkpoint and log, and the record that it leaves behind.

`run_trial` trains, scores and records; `records` reads all records of a results folder as two frames.  Where runs take
place, and which ones a table needs, belongs to `execution`.
"""
