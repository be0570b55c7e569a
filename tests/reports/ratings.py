"""What the tests of rating sheets share: the rated runs, the command, filled workbooks."""

from __future__ import annotations

import argparse

import openpyxl

from ttsbench.commands import ratings as command

CRITERIA = {
    name: {"looks_at": f"how {name} sound", "1": "fails", "2": "in part", "3": "right"}
    for name in ("Questions", "Emotions")
}
TEXTS = ["=1+1", "+cmd|' /C calc'!A0", "-2 degrees", "@SUM(A1)", *[f"sentence {i} to be rated" for i in range(20)]]
SYSTEMS = {"best": 0.6, "middle": 0.0, "worst": -0.7}


def main(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def fill(path, answer, target=None):
    """Fill the answer cells of a workbook: `answer(item id)` gives the text."""
    book = openpyxl.load_workbook(path)
    sheet = book["Ratings"]
    heads = [cell.value for cell in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        row[heads.index("Answer")].value = answer(row[heads.index("Item")].value)
    book.save(target or path)


def rated(make_run, root):
    """One run folder of each of SYSTEMS."""
    return [make_run(root, name, texts=TEXTS, criteria=CRITERIA) for name in SYSTEMS]
