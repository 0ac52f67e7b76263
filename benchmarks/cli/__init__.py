"""The command line: the commands, their options, and what each command does.

Here live parsing, the dispatch to a command's function, and what is printed.  Planning and running belong to
`execution`, tables and figures to `reporting`.  A command's module is imported only when the command runs.
"""
