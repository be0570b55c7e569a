"""Systems that people know, each a class over its own package, one file each; their cards lie in adapters/cards.

To add one, add a file here and a card beside the others. A class imports its package where it is made, and keeps to
what the package's documentation says. Where two packages want different versions of a third, give each an environment
of its own with ttsbench in it: run folders of several environments are put together by `ttsbench report`.
"""
