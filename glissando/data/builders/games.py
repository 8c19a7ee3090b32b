"""Music of Debian's games: real recordings by many hands, with titles, composers, licences and estimated tempi."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...audio import read_tags
from ...paths import cache_dir
from ..building import Source, builder, labelled
from ..copyright import Copyright
from ..layouts import objects_of
from ..packages import Recording, entry_names, fetch, packages_in, recordings
from ..splits import FRACTIONS

TEST = (
    "wesnoth-1.16-music",
    "warzone2100-music",
    "supertuxkart-data",
    "hyperrogue-music",
    "drascula-music",
    "freedroidrpg-data",
    "xmoto-data",
)
VALID = ("pushover-data", "singularity-music", "colobot-common-sounds")
TRAIN = """
    0ad-data a7xpg-data adonthell-data amoebax-data ardentryst asc-music berusky2-data btanks-data caveexpress-data
    davegnukem-data enigma-data extremetuxracer-data fillets-ng-data flare-game freecol freedink-data freeorion-data
    fretsonfire-songs-muldjord fretsonfire-songs-sectoid frozen-bubble-data gigalomania-data glob2-data gunroar-data
    hedgewars-data hex-a-hop-data lincity-ng-data lordsawar-data lugaru-data marsshooter-data mazeofgalious-data
    megaglest-data mu-cade-data naev-data neverball-common nexuiz-music noiz2sa-data openarena-088-data parsec47-data
    pathological pax-britannica-data pink-pony-data planetblupi-music-ogg plee-the-bear-data powermanga-data
    raincat-data rrootage-data scorched3d-data starfighter-data supertux-data titanion-data torus-trooper-data
    trackballs-data tumiki-fighters-data ufoai-music unknown-horizons warmux-data widelands-data wizznic-data
    wordwarvi-sound zaz-data
""".split()
LONGEST = 150.0  # seconds, from the middle of a recording
AGREE = 0.04  # two estimates of a tempo
TEMPO = Path(__file__).with_name("game_tempo.json")
NO_MUSIC = {  # folders and files of sounds, and tracks of guitar that belong to a song
    *("sfx", "soundfx", "effects", "ambient", "animals", "tilesets", "voices", "speech", "wav"),
    *(
        "AMB_Intro_1.ogg",
        "DesertAmbient.ogg",
        "Wind.ogg",
        "atmo.ogg",
        "chapel.ogg",
        "guitar.ogg",
        "lumberjack_long.ogg",
    ),
    *("steamLocomotive.ogg", "wind_ambient.ogg"),
}
CREDITED = 3  # more holders than that made the game together, and not one piece
SAME = {  # pen names
    "0zone0ne": "maxfreeman",
    "krobonil": "chrisleutwyler",
    "ozoneone": "maxfreeman",
    "zhaymusiccom": "josephgtoscano",
    "zhaytee": "josephgtoscano",
}
NOBODY = re.compile(
    r"unknown|\.(com|de|net|org)\b|\b(team|projects?|developers?|contributors?|authors?|games?|entertainment|interactive|inc|ltd"
    r"|gmbh|public domain|various|others|artist)\b",
    re.IGNORECASE,
)
ASIDE = re.compile(
    r"<[^>]*>|\S+@\S+|https?://|\bwww\.|\([^)]*\)|\baka\b.*|©|\b(by|copyright)\b|\b(19|20)\d\d\b", re.IGNORECASE
)


def source_folder() -> Path:
    """Tell where the packages lie, fetching those that are missing.

    Returns
    -------
    Path
        A folder in the cache, with a folder per package.

    Raises
    ------
    RecipeError
        If packages are missing and this computer has no apt-get and dpkg-deb.
    """
    folder = cache_dir() / "data-sources" / "game-music"
    fetch((*TEST, *VALID, *TRAIN), folder)
    return folder


@builder(
    "game-music",
    "PACKAGE/usr/..., a folder per unpacked package; without --from, Debian's packages are fetched by apt-get",
    default=source_folder,
)
def game_music(folder: Path) -> Iterator[Source]:
    """List the music of games.

    Parameters
    ----------
    folder : Path
        With a folder per unpacked package.

    Yields
    ------
    Source
        Games of the test and the validation first; no content twice.
    """
    pieces = music_of(folder)
    makers = {part: {name for piece in pieces if piece.home == part for name in piece.makers} for part in FRACTIONS}
    estimates = objects_of(TEMPO)
    for piece in pieces:
        middle, half = piece.recording.duration / 2, LONGEST / 2
        part = piece.home
        if (makers["test"] & piece.makers and part != "test") or (makers["valid"] & piece.makers and part == "train"):
            part = "unused"
        labels = {**piece.labels, **_tempo(piece, estimates), "part": (part,), "split": (part,)}
        span = (max(0.0, middle - half), middle + half)
        yield Source(piece.key, labelled(labels), piece.recording.path, span=span)


def music_of(folder: Path) -> list[Piece]:
    """List the music in unpacked packages.

    Parameters
    ----------
    folder : Path
        With a folder per package.

    Returns
    -------
    list of Piece
        Games of the test and the validation first; no content twice.
    """
    held = (*TEST, *VALID)
    names = [*held, *(name for name in packages_in(folder) if name not in held)]
    found = [one for one in recordings(folder, names) if not NO_MUSIC & {*one.path.relative_to(folder).parts}]
    return [
        piece
        for package in names
        for piece in _pieces([one for one in found if one.package == package], folder / package)
    ]


@dataclass(frozen=True)
class Piece:
    """A recording of a game's music, and what is said of it.

    Parameters
    ----------
    key : str
        Its name in the data set.
    recording : Recording
        Its file.
    labels : dict
        Game, title, licence, and composer and artist where they are named.
    makers : frozenset of str
        Everyone who is named, in one spelling.
    """

    key: str
    recording: Recording
    labels: dict[str, tuple[str, ...]]
    makers: frozenset[str]

    @property
    def home(self) -> str:
        """The part of its game: train, valid or test."""
        package = self.recording.package
        return "test" if package in TEST else "valid" if package in VALID else "train"


def _pieces(found: list[Recording], folder: Path) -> Iterator[Piece]:
    """Name the recordings of one package, and read what is said of them."""
    paths = [one.path.relative_to(folder) for one in found]
    rights = Copyright.of_package(folder)
    for one, path, key in zip(found, paths, entry_names(paths), strict=True):
        stanza = rights.of(path.as_posix())
        tags = read_tags(one.path)
        lines = list(stanza.holders) if stanza is not None and stanza.musical else []
        tagged, holders = _people([tags.artist or ""]), _people(lines)
        labels: dict[str, tuple[str, ...]] = {
            "game": (one.package,),
            "title": (tags.title or _printable(one.path.stem),),
            "licence": (stanza.licence if stanza is not None else rights.otherwise,),
        }
        credited = tagged or (holders if len(holders) <= CREDITED else [])
        composers = tuple(name for name in credited if not NOBODY.search(name))
        if composers:
            labels["composer"] = labels["artist"] = composers
        yield Piece(f"{one.package}+++{key}", one, labels, _makers([tags.artist or "", *lines]))


def _people(lines: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for line in lines:
        bare = ASIDE.sub(" ", line)
        for name in re.split(r"\s*(?:[,;&/|]|\band\b|\bfeat\b\.?|\bwith\b)\s*", bare):
            name = _printable(name).strip(" -–.:;_*'\"")
            if len(_plain(name)) > 1:
                found.setdefault(_plain(name), name)
    return [*found.values()]


def _makers(lines: list[str]) -> frozenset[str]:
    """Give everyone who is named, by pen names too, in one spelling."""
    names = _people([*lines, *(re.sub(r"[()\"]|\baka\b", ",", line) for line in lines)])
    plain = {_plain(name) for name in names if not NOBODY.search(name)}
    return frozenset(plain | {_plain(name) for name in names if _plain(name) in SAME.values()})


def _plain(name: str) -> str:
    plain = "".join(character for character in name.casefold() if character.isalnum())
    return SAME.get(plain, plain)


def _printable(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _tempo(piece: Piece, estimates: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Take a tempo that two models agree on, where it was estimated from this very recording."""
    known = estimates.get(piece.key)
    if known is None or known["sha256"] != piece.recording.sha256[: len(known["sha256"])]:
        return {}
    return {"tempo": (f"{known['fcn']:g}",)} if abs(known["fcn"] / known["cnn"] - 1) <= AGREE else {}
