"""Speech that exists already: copied into the run folder, never timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ttsbench import audio, systems
from ttsbench.copies import copy_note
from ttsbench.files import StoreError
from ttsbench.outcome import Progress, Say, Spoken, begun, told, unheard
from ttsbench.records import Recorded, Sample, Synthesis
from ttsbench.speaking import explain
from ttsbench.store import Run, file_digest, file_name, write_atomically
from ttsbench.systems.adapters.recorded import Folder


def collect(run: Run, spec: str, *, progress: Progress, say: Say = unheard) -> Spoken:
    """Copy recordings into the run folder. A recording that changed since the last time is taken again.

    A file of the test set itself is never an output, but for the anchors; one equal to its recording gets a note.
    """
    system = systems.load(spec)
    assert isinstance(system, Recorded)
    known, samples = run.syntheses, run.samples
    own = {path.resolve(): path for sample in samples for path in (sample.truth, sample.prompt) if path}
    anchor = spec in systems.ANCHORS
    kept = 0
    for count, sample in enumerate(samples, 1):
        row = _recording(run, system, sample, known.get(sample.id), {} if anchor else own)
        if row != known.get(sample.id):
            run.add_synthesis(row)
        elif not row.error:
            kept += 1
        progress(count, len(samples), "collecting")
    result = Spoken(len(samples), kept, 0, begun(run) if kept else "")
    if result.kept_note:
        say(result.kept_note)
    return told(run, result, say)


def check(spec: str, samples: Sequence[Sample]) -> None:
    """Raise StoreError where a folder's files are named like no id of the test set, or are the test set's own."""
    system = systems.load(spec)
    if not isinstance(system, Folder) or any(system.found(sample)[1] for sample in samples):
        return
    own = {path.resolve() for sample in samples for path in (sample.truth, sample.prompt) if path}
    files = [path for paths in system.files.values() for path in paths]
    if any(path.resolve() in own for path in files):
        raise StoreError(
            f"{system.folder} holds the test set's own recordings and no output; to score those: "
            "ttsbench run --system ground-truth"
        )
    shown = ", ".join(path.name for path in files[:3])
    ids = ", ".join(sample.id for sample in samples[:3])
    if system.folder.is_file():
        some = ", ".join(list(system.files)[:3])
        raise StoreError(
            f"{system.folder}: none of its {len(files)} ids ({some}, ...) is one of the test set ({ids}, ...); "
            "name the column of the ids with --map id=COLUMN"
        )
    raise StoreError(
        f"{system.folder}: none of its {len(files)} files ({shown}, ...) is named like an id of the test set "
        f"({ids}, ...); rename them, or give a card with adapter = \"recorded\" and a pattern such as 'output-{{id}}'"
    )


def _recording(
    run: Run, system: Recorded, sample: Sample, known: Synthesis | None, own: Mapping[Path, Path]
) -> Synthesis:
    """The row of one recording. `own`: the test set's recordings, none of which is an output (none for anchors)."""
    try:
        source = system.recording(sample)
        if source is None:
            return Synthesis(sample.id, error="no output: there is no file for this id")
        if source.resolve() in own:
            return Synthesis(sample.id, error=f"no output: {source} is a recording of the test set itself")
        digest = file_digest(source)
        if known and known.digest == digest and not known.error and (run.path / known.audio).exists():
            return known
        target = run.path / "audio" / (file_name(sample.id) + source.suffix.lower())
        sound = audio.load(source)
        unusual = audio.peculiarities(sound.samples, sound.rate, sound.notes)
        notes = [unusual, copy_note(sample, sound.samples, sound.rate) if own else ""]
        data = source.read_bytes()
    except Exception as fault:  # one bad file, or what a class of recordings throws, costs one row
        return Synthesis(sample.id, error=explain(fault))
    write_atomically(target, data)
    name = target.relative_to(run.path).as_posix()
    seconds = sound.samples.size / sound.rate - (sample.prompt_seconds if sample.task == "continuation" else 0.0)
    note = "; ".join(note for note in notes if note)
    return Synthesis(sample.id, name, digest, sound.rate, round(seconds, 6), seed=0, note=note)
