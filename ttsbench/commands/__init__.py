"""The commands of `ttsbench`, one file each, found by being here.

A file offers `add_arguments(parser)` and `run(options)`, which returns the exit status; the first line of its
docstring is its help. Imports that take long stand inside `run`, so that help answers at once.
"""
