"""The commands of `ttsbench`, one file each: `add_arguments(parser)`, and `run(options)`, which gives the status."""
