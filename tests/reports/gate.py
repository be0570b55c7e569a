"""What the tests of `ttsbench compare` share: runs whose scores are changed by hand, and the command."""

from __future__ import annotations

import argparse

from ttsbench.commands import compare as command
from ttsbench.records import Score
from ttsbench.store import Run, write_lines

TEXTS = [f"{'one two three four five six seven eight nine ten'} {i}" for i in range(60)]


def change(path, metric, function, protocol="embedded"):
    """Rewrite one metric's scores of a run folder."""
    scores = Run.open(path).scores(protocol, metric)
    write_lines(path / "scores" / protocol / f"{metric}.jsonl", [function(i, score) for i, score in enumerate(scores)])


def add(amount):
    return lambda i, s: Score(s.sample, s.value + amount(i), s.weight, detail=s.detail)


def marks(found):
    return {row.metric.name: row.mark for row in found.rows}


def main(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def drawn(rng, words):
    """Scores of an unchanged system, drawn anew."""
    return {
        "wer": lambda i, s: Score(s.sample, float(rng.binomial(words[i], 0.1) / words[i]), float(words[i])),
        "sim_o": lambda i, s: Score(s.sample, float(rng.normal(0.6, 0.05))),
        "dnsmos": lambda i, s: Score(s.sample, float(rng.normal(3.5, 0.2))),
        "rtf": lambda i, s: Score(s.sample, float(rng.lognormal(-1, 0.2)), s.weight),
    }
