"""Training: one loop for every model, and the engines that run its steps.

`loop.train` yields after every epoch. `engine` selects how steps run, and `steps` runs them. The package does not
depend on model names, data sets or metrics.
"""
