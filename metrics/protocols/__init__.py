"""Named, versioned protocols: a module each, whose `make()` puts the Protocol together.

To add one, put `its_name.py` here, or name a module of your own as an entry point of group `ttsbench.protocols`.
"""
