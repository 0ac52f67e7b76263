"""What the suite writes for readers: tables, figures, image grids and the HTML report, built from records.

Only `registry` and `style` may be imported by the command line before a command runs: they stay free of heavy imports.
No training, no scoring and no statistics live here; see `execution`, `evaluation` and `analysis`.
"""
