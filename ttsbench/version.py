"""The version of ttsbench."""

__version__ = "0.1.0"
