"""What the records mean: statistics, verdicts on published numbers, evidence for the paper's claims, learning curves.

Everything here is a function of data frames and settings.  It trains nothing, draws nothing and writes no file.
"""
