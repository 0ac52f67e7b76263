"""File formats of a finished table: CSV, tidy CSV, LaTeX, Markdown and HTML.

One module per markup language; `writer` writes the files.  Nothing here computes a number.
The list of formats is `benchmarks.reporting.registry.FORMATS`.
"""
