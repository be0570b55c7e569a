"""Makes the training corpus: real people, natural synthetic speech, and flite's voices with their phone ends.

What a corpus folder holds is said in `shards`. A shard that is there is not made again, so a killed build goes on where
it was; a folder of synthetic speech that has grown gives further shards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from ttsbench.audio import AudioError, read_at
from ttsbench.errors import UserError
from ttsbench.systems.corpus.align import align, plausible
from ttsbench.systems.corpus.clips import clips, test_only_readers
from ttsbench.systems.corpus.heard import Recognise, listen
from ttsbench.systems.corpus.natural import test_sentences
from ttsbench.systems.corpus.recordings import RATE, leveled, recorded
from ttsbench.systems.corpus.sentences import generated, quotations
from ttsbench.systems.corpus.shards import SYNTHETIC, Dropped, Spoken, collect, write_shard
from ttsbench.systems.corpus.spoken import rows_of, spoken
from ttsbench.systems.corpus.voices import VOICES, Voice, VoiceError, random_voice, speak
from ttsbench.systems.text.dictionary import dictionary
from ttsbench.systems.text.phones import canonical

SPEAKERS = 120
SIZE, ROWS = 250, 300  # clips of a shard of recordings, rows of one of synthetic speech
Task = tuple[Path, str, str, Callable[..., Iterator[Spoken | Dropped]], tuple[object, ...]]  # what `_make` takes


def synthetic(jobs: list[tuple[str, str, str, Voice]]) -> Iterator[Spoken | Dropped]:
    """Speak (id, split, text, voice) one after the other; what the synthesiser cannot say is left out."""
    for key, split, text, voice in jobs:
        try:
            samples, phones = speak(text, voice)
        except VoiceError:
            continue
        if all(_known(phone) for phone, _ in phones):
            yield Spoken(key, voice.name, split, text, samples, phones)


def plan(hours: float, seed: int) -> list[tuple[str, str, str, Voice]]:
    """What is to be spoken: (id, split, text, voice). Every 40th sentence is held out for 'dev' and 'test'."""
    rng = np.random.default_rng(seed)
    texts = quotations(frozenset(dictionary())) + generated(rng, 2500)
    order = rng.permutation(len(texts))
    held = [texts[i] for i in order if i % 40 == 0]
    kept = [texts[i] for i in order if i % 40]
    voices = [random_voice(rng, f"flite-{number:03d}") for number in range(SPEAKERS)]
    tested = [v for v in VOICES if v.test_only]
    jobs = [(f"dev-{n:05d}", "dev", text, voices[n % SPEAKERS]) for n, text in enumerate(held[:150])]
    jobs += [(f"test-{n:05d}", "test", text, tested[n % len(tested)]) for n, text in enumerate(held[150:230])]
    # 3.3 s is the mean length of these sentences
    jobs += [
        (f"syn-{n:05d}", "train", text, voices[n % SPEAKERS]) for n, text in enumerate(kept[: int(hours * 3600 / 3.3)])
    ]
    return jobs


def transcribed(folder: Path) -> list[tuple[Path, str]]:
    """(recording, text) of a LibriTTS-like folder: X.wav or X.flac with X.normalized.txt or X.txt beside it.

    ValueError where there is none.
    """
    pairs = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".wav", ".flac", ".opus"}):
        for text in (path.with_suffix(".normalized.txt"), path.with_suffix(".txt")):
            if text.is_file():
                pairs.append((path, " ".join(text.read_text(encoding="utf-8").split())))
                break
    if not pairs:
        raise UserError(f"{folder}: no recording with X.normalized.txt or X.txt beside it")
    return pairs


def transcripts(pairs: list[tuple[Path, str]]) -> Iterator[Spoken | Dropped]:
    """Read and align recordings; the speaker is the part of the name before '_' or '-'; every 50th is 'dev'.

    A file that cannot be used is named on standard error and left out.
    """
    for number, (path, text) in enumerate(pairs):
        try:
            samples = leveled(read_at(path, RATE), path.stem)
        except AudioError as fault:
            print(f"left out: {fault}", file=sys.stderr, flush=True)  # noqa: T201
            yield Dropped("libritts", "unreadable")
            continue
        speaker, found = path.stem.replace("-", "_").split("_")[0], align(samples, text)
        split = "dev" if number % 50 == 0 else "train"
        yield Spoken(
            path.stem, f"tts-{speaker}", split, text, samples, found.phones if found and plausible(found.phones) else []
        )


def _known(phone: str) -> bool:
    try:
        canonical(phone)
    except KeyError:
        return False
    return True


def _make(task: Task) -> tuple[str, int]:
    folder, name, source, say, arguments = task
    return name, write_shard(folder, name, source, say(*arguments))


def of_people(folder: Path, data: Path, recognise: Recognise, say: Callable[[str], None]) -> list[Task]:
    """Shards of the recordings below `data`; each is checked against what `recognise` hears, kept in heard.jsonl.

    UserError where a reader is one of `test-only-readers.txt`.
    """
    found = clips(data)
    kept = sorted({clip.speaker for clip in found} & test_only_readers())
    if kept:
        raise UserError(f"{data}: {', '.join(kept)}: kept for testing (systems/corpus/test-only-readers.txt)")
    heard, refused = listen(found, folder / "heard.jsonl", recognise, say), test_sentences()
    tasks: list[Task] = []
    for source in dict.fromkeys(clip.source for clip in found):
        own = [clip for clip in found if clip.source == source]
        for n in range(0, len(own), SIZE):
            part = own[n : n + SIZE]
            said = {clip.id: heard[clip.id] for clip in part if clip.id in heard}
            tasks.append((folder, f"{source}-{n // SIZE:02d}", source, recorded, (part, said, refused)))
    return tasks


def of_synthesisers(folder: Path, folders: tuple[Path, ...]) -> list[Task]:
    """Shards of folders of synthetic speech. The last one, if it was not full and the folder has grown, anew."""
    tasks: list[Task] = []
    refused = test_sentences()
    for given in folders:
        if given.name not in SYNTHETIC:
            raise UserError(f"{given}: name the folder after who speaks in it: {', '.join(SYNTHETIC)}")
        rows = rows_of(given)
        for n in range(0, len(rows), ROWS):
            part = rows[n : n + ROWS]
            name = f"{given.name}-{n // ROWS:03d}"
            made = [*folder.glob(f"shard-{name}.of*"), *folder.glob(f"dropped-{name}.of*")]
            for path in made:
                if f".of{len(part)}." not in path.name:
                    path.unlink()
            tasks.append((folder, f"{name}.of{len(part)}", given.name, spoken, (given, part, refused)))
    return tasks


def build(
    folder: Path,
    hours: float = 7.5,
    real: Path | None = None,
    libritts: Path | None = None,
    workers: int = 2,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    recognise: Recognise | None = None,
    synthesised: tuple[Path, ...] = (),
) -> int:
    """Make the corpus under `folder`; `real` holds the folders of `clips.SOURCES`, `synthesised` are those of
    `spoken`, `libritts` is any folder of recordings with texts, see `transcribed`. `hours`: of flite; 0 for none.

    Returns the number of utterances. Raises VoiceError where flite is missing, UserError where `real` lacks a folder.
    """
    if hours <= 0 and real is None and libritts is None and not synthesised:
        raise UserError("nothing to make a corpus of: give hours above 0, or folders of recordings")
    if hours > 0:
        speak("Is flite here?", VOICES[0])
    folder.mkdir(parents=True, exist_ok=True)
    tasks: list[Task] = of_synthesisers(folder, synthesised)
    if real is not None:
        if recognise is None:
            raise UserError("real speech is checked by a recogniser, and none was given")
        tasks += of_people(folder, real, recognise, progress)
    pairs = transcribed(libritts) if libritts is not None else []
    for n in range(0, len(pairs), 700):
        tasks.append((folder, f"tts-{n // 700:02d}", "libritts", transcripts, (pairs[n : n + 700],)))
    jobs = plan(hours, seed) if hours > 0 else []
    for n in range(0, len(jobs), 700):
        tasks.append((folder, f"syn-{n // 700:02d}", "flite", synthetic, (jobs[n : n + 700],)))
    tasks = [task for task in tasks if not (folder / f"shard-{task[1]}.jsonl").is_file()]
    with ProcessPoolExecutor(workers) as pool:
        for name, count in pool.map(_make, tasks):
            progress(f"shard {name}: {count} utterances")
    return collect(folder)
