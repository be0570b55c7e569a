"""ttsbench: how good, how fast and how costly is a text-to-speech system."""

__version__ = "0.1.0"
