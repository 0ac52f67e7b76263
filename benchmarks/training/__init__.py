"""Training: one loop for every model, and how its steps are carried out.

`loop.train` yields after every epoch; `engine` says how steps are taken, `steps` takes them.  No model's name, no data
set and no metric belongs here.
"""
