"""The experiment: data sets, protocols, the training loop, metrics, records and tables."""
