"""Densities fitted to the latents of trained auto-encoders: one fit, its measurements, and its record.

A fit needs the weights of a finished run. Nothing here trains an auto-encoder, plans a command or builds a table.
"""
