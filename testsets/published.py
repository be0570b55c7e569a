"""The test sets that people compare on: where each lies on this machine, and how it is had.

They lie below one folder, `$TTSBENCH_DATA` (default `~/.cache/ttsbench/data`), each as its publisher packs it: a folder
that holds your `LibriSpeech` already will do. `ttsbench fetch NAME` puts them there. Then a set's bare name is enough.

Sizes and MD5 of the archives are those of openslr.org (md5sum.txt of SLR12; those of SLR60 as torchaudio up to 0.9 and
others quote them); recordings are counted as published.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ttsbench.testsets.evaluations import CV3_ROWS, MINIMAX, MINIMAX_ROWS

SUFFIXES = (".flac", ".wav")  # of the published recordings
SEED_ADDRESS = "https://drive.google.com/file/d/1GlSjVfSHkW3-leKKBlfrjuuTGqQ_xaLP/view"
SEED_FOLDER = "seedtts_testset"


@dataclass(frozen=True)
class Part:
    """Something to download. An archive holds `folder` with so many `recordings`; without `recordings` it is a list.

    `size` is in bytes; `unpacked` too, and a bit more than that. `digest`: kind ("md5", "sha256") and hex digits.
    """

    url: str
    size: int
    digest: tuple[str, str]
    folder: str
    licence: str
    recordings: int = 0
    unpacked: int = 0
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """A set by its bare name. `spec` is how it is loaded, `{}` standing for the folder of data.

    `parts` are names in PARTS that `ttsbench fetch` gets; none: by hand. `counted` is what is counted to see whether
    the set is whole: a list's lines, or a tree's recordings, and `count` is how many there must be.
    """

    spec: str
    parts: tuple[str, ...]
    counted: str
    count: int
    command: str
    about: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ("en",)
    source: str = ""

    @property
    def unit(self) -> str:
        """What `count` counts."""
        return "rows" if self.counted.endswith((".lst", "/text", ".txt")) else "recordings"

    @property
    def get(self) -> str:
        """The command that has it here, and how large it is."""
        size = sum(PARTS[part].size for part in self.parts)
        if size:
            return f"{self.command} ({size / 10**6:,.0f} MB)"
        return self.command if self.licence else f"{self.command} (1,200 MB, by hand)"


def _archive(number: int, name: str, size: int, md5: str, recordings: int, unpacked: int) -> Part:
    """An archive of openslr.org, with its two mirrors."""
    hosts = ("www.openslr.org", "us.openslr.org", "openslr.elda.org")
    url, *mirrors = (f"https://{host}/resources/{number}/{name}.tar.gz" for host in hosts)
    folder = ("LibriSpeech/" if number == 12 else "LibriTTS/") + name
    return Part(url, size, ("md5", md5), folder, "CC BY 4.0", recordings, unpacked, tuple(mirrors))


PC_LIST = "librispeech-pc-list"
PARTS = {
    "librispeech-test-clean": _archive(
        12, "test-clean", 346_663_984, "32fa31d27d2e1cad72775fee3f4849a9", 2620, 380 * 10**6
    ),
    "librispeech-test-other": _archive(
        12, "test-other", 328_757_843, "fb5a50374b501bb3bac4815ee91d3135", 2939, 360 * 10**6
    ),
    "librispeech-dev-clean": _archive(
        12, "dev-clean", 337_926_286, "42e2234ba48799c1f50f24a7926300a1", 2703, 370 * 10**6
    ),
    "libritts-test-clean": _archive(
        60, "test-clean", 1_230_670_113, "7bed3bdb047c4c197f1ad3bc412db59f", 4837, 1600 * 10**6
    ),
    PC_LIST: Part(
        "https://raw.githubusercontent.com/SWivid/F5-TTS/2ae2c9bd9b64dab2cb069c4b97e5e7673c521e01/data/"
        "librispeech_pc_test_clean_cross_sentence.lst",
        222_318,
        ("sha256", "09811d521effa4eeb1da655f7379de97343b2f5ea86d829ec7ccb8656758a10f"),
        "librispeech_pc_test_clean_cross_sentence.lst",
        "CC BY 4.0",
    ),
}


def _tree(name: str, spec: str) -> Published:
    """A set that is one archive."""
    part = PARTS[name]
    corpus, split = part.folder.split("/")
    about = f"{corpus} {split}: utterances of 4 to 10 s, each with the speaker's next of them as its prompt"
    return Published(spec, (name,), part.folder, part.recordings, f"ttsbench fetch {name}", about)


def _seed(spec: str, file: str, rows: int) -> Published:
    place = f"{SEED_FOLDER}/{file}"
    return Published(f"{spec}={{}}/{place}", (), place, rows, f"ttsbench fetch {spec}")


def _cv3(place: str) -> Published:
    """A leaf of CV3-Eval's data, in a clone of its repository."""
    task, language = place.split("/")
    name = "cv3-" + {"zero_shot": "zero-shot"}.get(task, "cross-lingual") + "-" + language.replace("_", "-")
    code = language.rpartition("_")[2]
    how = f"git clone https://{CV3_ADDRESS} {{}}/{CV3}"
    about = f"CV3-Eval {place}: prompts in the wild, by CosyVoice 3's authors"
    spec = f"cv3={{}}/{CV3}/data/{place},name={name}"
    return Published(
        spec, (), f"{CV3}/data/{place}/text", CV3_ROWS[place], how, about, LICENCES["cv3"], (code,), CV3_ADDRESS
    )


def _minimax(code: str) -> Published:
    """A language of MiniMax's set, fetched by the hub's own client."""
    place = f"minimax/text/{MINIMAX[code]}.txt"
    how = "hf download MiniMaxAI/TTS-Multilingual-Test-Set --repo-type dataset --local-dir {}/minimax"
    about = f"MiniMax multilingual test set, {MINIMAX[code]}: 100 sentences, two voices"
    spec = f"minimax={{}}/{place},name=minimax-{code}"
    return Published(spec, (), place, MINIMAX_ROWS, how, about, LICENCES["minimax"], (code,), MINIMAX_ADDRESS)


CV3, CV3_ADDRESS = "CV3-Eval", "github.com/FunAudioLLM/CV3-Eval"
MINIMAX_ADDRESS = "huggingface.co/datasets/MiniMaxAI/TTS-Multilingual-Test-Set"
LICENCES = {
    "cv3": "none given; the benchmark's users keep private copies",
    "minimax": "CC BY-SA 4.0; voices of Common Voice (CC0)",
}
_CROSS = "folder={{}}/{0},prompt=next,shortest=4,longest=10,name={1}"
PUBLISHED = {
    "seed-en": _seed("seed-en", "en/meta.lst", 1088),
    "seed-zh": _seed("seed-zh", "zh/meta.lst", 2020),
    "seed-hard": _seed("seed-hard", "zh/hardcase.lst", 400),
    "librispeech-pc": Published(
        f"librispeech-pc={{0}}/{PARTS[PC_LIST].folder},audio={{0}}/LibriSpeech/test-clean",
        (PC_LIST, "librispeech-test-clean"),
        PARTS[PC_LIST].folder,
        1127,
        "ttsbench fetch librispeech-pc",
    ),
    "librispeech-continuation": _tree("librispeech-test-clean", "librispeech-continuation={}/LibriSpeech/test-clean"),
    **{each.spec.partition("name=")[2]: each for each in [*map(_cv3, CV3_ROWS), *map(_minimax, MINIMAX)]},
    **{name: _tree(name, _CROSS.format(PARTS[name].folder, name)) for name in PARTS if name != PC_LIST},
}


def root() -> Path:
    """The folder that the published sets lie in."""
    return Path(os.environ.get("TTSBENCH_DATA") or Path.home() / ".cache" / "ttsbench" / "data").expanduser()


def spec_of(name: str) -> str:
    """How the published set `name` is loaded here."""
    return PUBLISHED[name].spec.format(root())


def here(name: str) -> str:
    """Where the set lies and how much of it, in words; "" where it is not here."""
    if lacking(name):
        return ""
    wanted, found = PUBLISHED[name], counted(name)
    whole = (
        f"{found} {wanted.unit}" if found == wanted.count else f"incomplete: {found} of {wanted.count} {wanted.unit}"
    )
    return f"{root() / wanted.counted} ({whole})"


def lacking(name: str) -> list[Path]:
    """What the set `name` needs and is not here."""
    found = PUBLISHED[name]
    needed = [found.counted, *(PARTS[part].folder for part in found.parts)]
    return [path for path in dict.fromkeys(root() / each for each in needed) if not path.exists()]


def counted(name: str) -> int:
    """Lines of the set's list, or recordings of its tree; 0 where it is not here."""
    return count(root() / PUBLISHED[name].counted)


def count(path: Path) -> int:
    """Lines of a list that are not blank, or recordings below a folder; 0 where there is none."""
    if path.is_dir():
        return sum(1 for each in path.rglob("*") if each.suffix in SUFFIXES)
    try:
        return sum(1 for line in path.read_bytes().split(b"\n") if line.strip())
    except OSError:
        return 0
