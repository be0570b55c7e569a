"""The run folder: one system on one test set, as files that survive a kill.

    run.json  samples.jsonl  synth.jsonl  audio/  features/<extractor>.jsonl  scores/<protocol>/<metric>.jsonl

JSON Lines files only grow; a torn last line is cut off on the next append and costs that one row. One process writes
a folder at a time (`locked`). A full disk is `DiskFull`, and leaves every file as it was.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ttsbench.digests import file_digest as file_digest
from ttsbench.files import StoreError, flock, room_for
from ttsbench.names import id_problem, parted
from ttsbench.records import Feature, Metric, Sample, Score, Synthesis

T = TypeVar("T")
FORMAT = 1


def _hook(kind: type, value: Any) -> Any:
    return kind(value)


def _encode(record: Any) -> bytes:
    return msgspec.json.encode(record, enc_hook=str)


def append(path: Path, record: Any) -> None:
    """Append one record as one line: whole or not at all. Raises DiskFull or OSError with the file unchanged."""
    line = _encode(record) + b"\n"
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            flock(handle)  # two writers append one after the other
            end = _whole_length(handle)
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            try:
                if os.write(handle, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)


def _whole_length(handle: int) -> int:
    """Bytes up to the end of the last whole line."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(handle, end - start, start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def read_lines(path: Path, kind: type[T], mend: str = "repair or delete that line and run again") -> Iterator[T]:
    """The records of a JSON Lines file; a torn last line is left out. Raises StoreError for a broken line inside.

    `mend`: what the message says to do about one.
    """
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(kind, dec_hook=_hook)
    data = path.read_bytes()
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is torn or empty
        if not line:
            continue
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as fault:
            raise StoreError(f"{path}, line {number}: {fault}; {mend}") from fault


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with room_for(path):
            part.write_bytes(data)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Replace `path` by one line a record."""
    write_atomically(path, b"".join(_encode(record) + b"\n" for record in records))


def file_name(sample_id: str) -> str:
    """The file name of a sample, without suffix: its id. Raises StoreError for an id that no test set may have."""
    problem = id_problem(parted(sample_id)[0])
    if problem:
        raise StoreError(f"the id {sample_id!r} {problem}, so it cannot name a file")
    return sample_id


class Run:
    """An open run folder. Everything is read from the files; nothing is kept that they do not hold."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info
        self._place = path.resolve()  # once: a page asks for the audio of 20,000 rows
        self._read: dict[str, tuple[tuple[int, int], list[Any]]] = {}

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """The run in an existing folder; StoreError where there is none."""
        path = Path(path)
        try:
            info = json.loads((path / "run.json").read_bytes())
        except FileNotFoundError as fault:
            raise StoreError(f"{path}: not a run folder (no run.json)") from fault
        except json.JSONDecodeError as fault:
            raise StoreError(f"{path / 'run.json'}, line {fault.lineno}: {fault.msg}") from fault
        if info.get("format") != FORMAT:
            raise StoreError(f"{path / 'run.json'}: format {info.get('format')!r}, this version reads {FORMAT}")
        return cls(path, info)

    @classmethod
    def create(cls, path: Path, info: dict[str, Any], samples: Iterable[Sample]) -> Run:
        """A new run folder. run.json is written last, so that a folder without it is not a run."""
        write_lines(path / "samples.jsonl", samples)
        run = cls(path, {"format": FORMAT, **info})
        run.save_info()
        return run

    def save_info(self) -> None:
        """Write run.json anew."""
        text = json.dumps(self.info, indent=1, ensure_ascii=False, default=str, allow_nan=False)
        write_atomically(self.path / "run.json", text.encode() + b"\n")

    @property
    def samples(self) -> list[Sample]:
        return self._lines("samples.jsonl", Sample)

    @property
    def syntheses(self) -> dict[str, Synthesis]:
        """By sample id; of several lines for one sample the last counts."""
        return {row.sample: row for row in self._lines("synth.jsonl", Synthesis)}

    def _lines(self, name: str, kind: type[T]) -> list[T]:
        """The records of a file, read again only after it changed."""
        path = self.path / name
        if not path.exists():
            return []
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if name not in self._read or self._read[name][0] != stamp:
            self._read[name] = (stamp, list(read_lines(path, kind)))
        return self._read[name][1]

    def add_synthesis(self, row: Synthesis) -> None:
        append(self.path / "synth.jsonl", row)

    def audio(self, synthesis: Synthesis) -> Path | None:
        """The absolute path of an output, or None where there is none."""
        return self._place / synthesis.audio if synthesis.audio and not synthesis.error else None

    def protocols(self) -> list[str]:
        """Names of the protocols this run has scores for."""
        return sorted(path.parent.name for path in self.path.glob("scores/*/protocol.json"))

    def protocol(self, name: str) -> dict[str, Any]:
        """name, version, title, explain, source of a protocol as it was when scored."""
        return json.loads((self.path / "scores" / name / "protocol.json").read_bytes())

    def metrics(self, protocol: str) -> list[Metric]:
        """Cards of the metrics scored under a protocol, in column order."""
        return [msgspec.convert(card, Metric) for card in self.protocol(protocol)["metrics"]]

    def scores(self, protocol: str, metric: str) -> list[Score]:
        """One score a sample, in the order of the test set. Raises StoreError where a row is missing or broken."""
        path = self.path / "scores" / protocol / f"{metric}.jsonl"
        again = f"score again: ttsbench score {self.path} --protocol {protocol}"
        found = list(read_lines(path, Score, again))
        if [row.sample for row in found] != [sample.id for sample in self.samples]:
            raise StoreError(f"{path}: {len(found)} rows that are not the run's {len(self.samples)}; {again}")
        return found

    def write_scores(self, protocol: dict[str, Any], scores: dict[str, list[Score]], cards: list[Metric]) -> None:
        """Replace the scores of one protocol; protocol.json is written last."""
        folder = self.path / "scores" / protocol["name"]
        for metric, rows in scores.items():
            write_lines(folder / f"{metric}.jsonl", rows)
        text = json.dumps({**protocol, "metrics": [asdict(card) for card in cards]}, indent=1, ensure_ascii=False)
        write_atomically(folder / "protocol.json", text.encode() + b"\n")


class FeatureStore:
    """Features by content: the key says which audio, which part, which model, which settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, dict[str, Feature]] = {}
        self._identities: dict[tuple[str, Settings], dict[str, Any]] = {}

    def get(self, extractor: str, key: str) -> Feature | None:
        if extractor not in self._known:
            rows = list(read_lines(self.folder / f"{extractor}.jsonl", _Row))
            self._known[extractor] = {row.key: Feature(row.value) for row in rows}
            self._identities |= {(extractor, _settings(row.about)): row.identity for row in rows if row.identity}
        return self._known[extractor].get(key)

    def identity(self, extractor: str, settings: Settings) -> dict[str, Any] | None:
        """What the extractor was when features here were computed: they serve where its weights are no more."""
        self.get(extractor, "")
        return self._identities.get((extractor, settings))

    def put(
        self, extractor: str, key: str, feature: Feature, about: dict[str, Any], identity: dict[str, Any] | None = None
    ) -> None:
        """Keep a feature on disk. Failures are kept for this process only, so that the next one tries again.

        `about`: the file and the extractor's settings; `identity` goes with the first feature that has it.
        """
        self.get(extractor, key)
        self._known[extractor][key] = feature
        if feature.error:
            return
        model = (extractor, _settings(about))
        new = identity if identity and self._identities.get(model) != identity else {}
        append(self.folder / f"{extractor}.jsonl", _Row(key, feature.value, about, new))
        if new:
            self._identities[model] = new


Settings = tuple[tuple[str, str], ...]


def _settings(about: dict[str, Any]) -> Settings:
    return tuple(sorted((name, str(value)) for name, value in about.items() if name != "file"))


class _Row(msgspec.Struct):
    key: str
    value: dict[str, Any]
    about: dict[str, Any] = {}
    identity: dict[str, Any] = {}


def feature_key(identity: dict[str, Any], audio: str, start: float, reference: str, reference_start: float) -> str:
    """The cache key: digests of the audio and reference files, the cuts, and the extractor's identity."""
    parts = [identity, audio, round(start, 4), reference, round(reference_start, 4)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
