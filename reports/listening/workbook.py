"""One XLSX sheet a rater: written with instructions, criteria, validation and protection; read back cell by cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsbench.reports.listening.plan import Design, Item, Study

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

SHEET = "Ratings"
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what XML 1.0 cannot hold
LONGEST = 32767  # characters in a cell


@dataclass
class Answers:
    """What one rater gave: value by item id; `problems` names sheet and cell of everything that cannot be used."""

    rater: str
    study: str
    values: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def instructions(design: Design, count: int) -> list[str]:
    """What a rater is told, a paragraph each."""
    scale = ", ".join(value if value == label else f"{value} = {label}" for value, label in design.scale)
    lines = [
        f"{count} item{'s' if count > 1 else ''}. {design.question}",
        f"Answers: {scale}.",
        "Use headphones in a quiet room and one volume throughout. Listen to the end, twice if in doubt, then answer.",
        "Judge each item on its own.",
    ]
    if design.pairs:
        lines.append("Hear A first, then B. Which system is A changes from item to item.")
    if design.reference:
        lines.append("Hear the reference first; it says other words in the voice to be matched.")
    if design.name == "category":
        lines.append("Beside each item stands what its category is about and what 1, 2 and 3 mean there.")
    return lines


def write(path: Path, study: Study, rater: str) -> None:
    """The workbook of one rater. Texts are stored as text, never as formulas; only answer and comment can be edited."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    items = study.sheets[rater]
    book = Workbook()
    intro = book.active
    intro.title = "Instructions"
    intro.column_dimensions["A"].width = 16
    intro.column_dimensions["B"].width = 100
    rows = [("Listening test", ""), ("Study", study.name), ("Rater", rater), ("", "")]
    rows += [("", line) for line in instructions(study.design, len(items))]
    rows.append(("", f'Write your answers into the white cells of the sheet "{SHEET}" and send the file back.'))
    for number, (left, right) in enumerate(rows, 1):
        _put(intro, number, 1, left).font = Font(bold=True, size=14 if number == 1 else 11)
        _put(intro, number, 2, right)
    intro.protection.sheet = True
    _ratings(book.create_sheet(SHEET), study, items)
    book.active = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def columns(design: Design) -> list[tuple[str, int]]:
    """(heading, width in characters) of the ratings sheet."""
    heard = [("Reference", 12)] if design.reference else []
    heard += [("A", 10), ("B", 10)] if design.pairs else [("Listen", 10)]
    criteria = [("About", 34), ("1", 30), ("2", 30), ("3", 30)] if design.name == "category" else []
    return [("Item", 8), ("Category", 20), ("Text", 60), *heard, *criteria, ("Answer", 12), ("Comment", 30)]


def _ratings(sheet: Worksheet, study: Study, items: Sequence[Item]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill, Protection
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    names = columns(study.design)
    for number, (name, width) in enumerate(names, 1):
        _put(sheet, 1, number, name).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(number)].width = width
    answer = [name for name, _ in names].index("Answer") + 1
    for row, item in enumerate(items, 2):
        for number, text in enumerate(_texts(study, item), 1):
            cell = _put(sheet, row, number, text)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.fill = PatternFill("solid", fgColor="FFF2F2EE")
            if text.startswith("audio/"):
                cell.value, cell.hyperlink, cell.style = "play", text, "Hyperlink"
        for number in (answer, answer + 1):
            cell = sheet.cell(row, number)
            cell.protection, cell.number_format = Protection(locked=False), "@"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    allowed = [value for value, _ in study.design.scale]
    check = DataValidation("list", formula1='"' + ",".join(allowed) + '"', allow_blank=True, showErrorMessage=True)
    check.error, check.errorTitle = "Please answer with " + ", ".join(allowed), "Not an answer"
    check.add(f"{get_column_letter(answer)}2:{get_column_letter(answer)}{len(items) + 1}")
    sheet.add_data_validation(check)
    sheet.freeze_panes = "B2"
    sheet.protection.sheet = True
    sheet.protection.formatColumns = sheet.protection.formatRows = False


def _texts(study: Study, item: Item) -> list[str]:
    """The cells of a row up to the answer."""
    heard = [f"audio/{code}.opus" for code in ((item.reference, *item.clips) if item.reference else item.clips)]
    criteria = study.criteria.get(item.category, {})
    told = [criteria.get(key, "") for key in ("looks_at", "1", "2", "3")] if study.design.name == "category" else []
    return [item.id, item.category, item.text, *heard, *told]


def _put(sheet: Worksheet, row: int, column: int, text: str) -> Any:
    """Write text that stays text: no formula, no control character, no cell too long."""
    cell = sheet.cell(row, column)
    cell.value = FORBIDDEN.sub("\ufffd", text)[:LONGEST]
    cell.data_type = "s"
    cell.quotePrefix = text[:1] in tuple("=+-@")
    cell.number_format = "@"
    return cell


def read(path: Path, design: Design) -> Answers:
    """Every answer of a workbook; wrong values, duplicates and foreign files are problems, not exceptions."""
    from openpyxl import load_workbook

    found = Answers("", "")
    try:
        book = load_workbook(path, read_only=False, data_only=True)
        sheet, intro = book[SHEET], book["Instructions"]
    except Exception as fault:  # openpyxl raises many kinds for files that are not workbooks
        found.problems.append(f"{path}: not a rating workbook ({type(fault).__name__}: {fault})")
        return found
    found.study, found.rater = str(intro["B2"].value or ""), str(intro["B3"].value or "")
    heads = [str(cell.value or "") for cell in sheet[1]]
    if "Item" not in heads or "Answer" not in heads:
        found.problems.append(f"{path}, sheet {SHEET}: the header row has lost its columns Item and Answer")
        return found
    places: dict[str, str] = {}
    for row in sheet.iter_rows(min_row=2):
        item, answer = row[heads.index("Item")], row[heads.index("Answer")]
        name, where = _number(item.value), f"{path}, sheet {SHEET}, cell {answer.coordinate}"
        if not name:
            continue
        if name in places:
            found.problems.append(f"{where}: item {name} stands already in cell {places[name]}; the first one counts")
            continue
        places[name] = answer.coordinate
        take(found, design, name, answer.value, where)
        comment = row[heads.index("Comment")].value if "Comment" in heads else None
        if comment:
            found.comments[name] = str(comment)
    return found


def _number(value: Any) -> str:
    """An item id as exported, even where a spreadsheet program made a number of it."""
    text = unicodedata.normalize("NFKC", str(value or "")).strip()
    return f"{int(float(text)):03d}" if re.fullmatch(r"\d+(\.0*)?", text, re.ASCII) else text


def take(found: Answers, design: Design, item: str, value: Any, where: str) -> None:
    """Keep one answer, or say what is wrong with it."""
    allowed = {value.lower(): value for value, _ in design.scale}
    if value is None or str(value).strip() == "":
        found.problems.append(f"{where}: item {item} has no answer")
        return
    text = unicodedata.normalize("NFKC", str(value)).strip().replace("\u2212", "-").lower()
    if text not in allowed and re.fullmatch(r"[+-]?\d+(\.0*)?", text, re.ASCII):  # as a spreadsheet means it
        text = str(int(float(text)))
    if text not in allowed:
        given = ", ".join(allowed.values())
        found.problems.append(f"{where}: item {item} is answered {str(value)[:40]!r}, allowed are {given}")
        return
    found.values[item] = allowed[text]
