"""Check every row before any work starts, and take the digest of what was checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from ttsbench.names import composed, folded, id_problem
from ttsbench.records import Sample, TestSet
from ttsbench.testsets.faults import Draft, Fault, Row, TestSetError

# ISO 639-1, all two-letter codes; and Cantonese and Mandarin of ISO 639-3
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv
    ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne
    ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st
    su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    cmn yue
"""
LANGUAGES = frozenset(_CODES.split())
ABSENT = "no such audio file"
DECODED_WHOLE = 4096  # files up to this many bytes are decoded, the others' headers read


def finish(draft: Draft, name: str, licence: str, source: str, about: str = "", some: bool = False) -> TestSet:
    """The checked test set with its digest; raises TestSetError with every fault of `draft` and of its rows.

    `some`: files that are not there are no faults of the set, if any is; what needs them fails for its row alone.
    """
    draft = replace(draft, rows=[_composed(row) for row in draft.rows])
    faults = draft.faults + [fault for row in draft.rows for fault in row_faults(row)] + _duplicates(draft.rows)
    name_problem = id_problem(name)
    if name_problem:
        faults.append(Fault(name, 0, name, f"the test set's name {name_problem}", "give another with name=..."))
    audio = {path: audio_problem(path) for path in dict.fromkeys(p for row in draft.rows for p in _files(row.sample))}
    for row in draft.rows:
        for path in dict.fromkeys(_files(row.sample)):
            if audio[path] and not (some and audio[path] == ABSENT and any(map(Path.is_file, audio))):
                remedy = (
                    "put the file there, correct the list, or give audio=some (rows without their audio become errors) "
                    "or audio=none (the texts alone)"
                )
                faults.append(Fault(str(row.file), row.line, str(path), audio[path], remedy))
    if not draft.rows and not faults:
        faults.append(Fault(source, 0, source, "no utterances", "give a list or a folder that holds some"))
    if faults:
        raise TestSetError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    samples = tuple(row.sample for row in draft.rows)
    return TestSet(name, samples, licence, source, about, digest(samples))


def _composed(row: Row) -> Row:
    """The row with its id in composed form."""
    name = composed(row.sample.id)
    return row if name == row.sample.id else replace(row, sample=replace(row.sample, id=name))


def row_faults(row: Row) -> list[Fault]:
    """What is wrong with the fields of one row, audio left aside."""
    sample, faults = row.sample, []

    def fault(value: str, problem: str, remedy: str) -> None:
        faults.append(Fault(str(row.file), row.line, value, problem, remedy))

    problem = id_problem(sample.id)
    if problem:
        fault(sample.id, f"the id {problem}", "an id is a plain file name without folders, e.g. utt-0001")
    if not sample.text.strip():
        fault(sample.text, "the text is empty", "write what is to be spoken or remove the row")
    for text in (sample.text, sample.prompt_text):
        if any(ord(char) < 32 and char not in "\t\n\r" for char in text):
            fault(text, "a control character in the text", "remove it")
    for text in (sample.text, sample.prompt_text, sample.speaker, sample.category):
        if any("\ud800" <= char <= "\udfff" for char in text):
            fault(text, "half a character (a lone surrogate)", "save the list with whole characters")
    if sample.language not in LANGUAGES:
        fault(sample.language, "unknown language", "give an ISO 639-1 code such as en or zh")
    if sample.task not in ("zero-shot", "continuation", "resynthesis"):
        fault(sample.task, "unknown task", "give zero-shot, continuation or resynthesis")
    if sample.task == "continuation" and not (sample.prompt and sample.truth and sample.prompt_seconds > 0):
        fault(sample.id, "a continuation without prompt", "name prompt, truth and the prompt_seconds to cut off")
    if sample.task == "resynthesis" and not sample.truth:
        fault(sample.id, "nothing to resynthesise", "name the recording as truth")
    return faults


def audio_problem(path: Path) -> str:
    """Why `path` is no usable audio, or "".

    A header that can be true is believed, so that thousands of files take a second; else the file is decoded.
    """
    import soundfile

    from ttsbench.audio import MAX_SECONDS, AudioError, load  # numpy, which a list of test sets does not need

    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        return ABSENT
    if not path.is_file():
        return "not an audio file but a folder"
    if size == 0:
        return "the audio file is empty (0 bytes)"
    try:
        header = soundfile.info(str(path))
        long = header.frames > MAX_SECONDS * header.samplerate
        if long and header.format.startswith(("WAV", "RF64")):  # libsndfile counts what is there
            return f"the audio is longer than {MAX_SECONDS:.0f} s"
        if size > DECODED_WHOLE and header.frames and not long:
            return ""
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        pass  # a header that was never finished, or no audio: decoding tells
    try:
        load(path)
    except AudioError as fault:
        return str(fault).removeprefix(f"{path}: ")
    return ""


def digest(samples: tuple[Sample, ...]) -> str:
    """SHA-256 over every field and every audio file's bytes, first 32 hex digits. Where the files lie is left out."""
    from ttsbench.audio import digest as audio_digest  # numpy

    files = dict.fromkeys(path for sample in samples for path in _files(sample))
    known = {path: audio_digest(path) if path.is_file() else ABSENT for path in files}
    total = hashlib.sha256()
    for sample in samples:
        fields = vars(replace(sample, prompt=None, truth=None)) | {
            "prompt": known[sample.prompt] if sample.prompt else "",
            "truth": known[sample.truth] if sample.truth else "",
        }
        total.update(json.dumps(fields, sort_keys=True).encode() + b"\n")
    return total.hexdigest()[:32]


def _files(sample: Sample) -> list[Path]:
    return [path for path in (sample.prompt, sample.truth) if path is not None]


def _duplicates(rows: list[Row]) -> list[Fault]:
    first: dict[str, Row] = {}
    faults = []
    for row in rows:
        before = first.setdefault(folded(row.sample.id), row)
        if before is not row:
            where = f"line {before.line}" if before.line else str(before.file)
            problem = f"the id stands there already ({where})"
            if row.sample.id != before.sample.id:
                problem = f"the id differs from '{before.sample.id}' ({where}) in upper and lower case only"
            faults.append(Fault(str(row.file), row.line, row.sample.id, problem, "give every row an id of its own"))
    return faults
