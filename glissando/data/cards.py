"""Cards of data sets: what they are, where they come from, under which licence, and how to split them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import RecipeError


@dataclass(frozen=True)
class Card:
    """The short description of a data set.

    Parameters
    ----------
    name : str
        As recipes call it.
    title : str
        In full.
    task : str
        What it is used for.
    source : str
        Whom to get it from.
    licence : str
        As stated by its publishers; "unchecked" where it was written from memory.
    size : str
        Entries and hours of the full set.
    split : str
        How to split it without a leak.
    sample_rate : int
        Rate in Hz at which it is kept; 0 for features and notes without audio.
    synthetic : str
        What of it is rendered and not played; empty if nothing is.
    """

    name: str
    title: str
    task: str
    source: str
    licence: str
    size: str
    split: str
    sample_rate: int
    synthetic: str = ""


_SOUNDFONTS = "the soundfont each is labelled with (FluidR3 and MuseScore General: MIT; TimGM6mb: GPL-2.0)"

_CARDS = [
    Card(
        "bach10",
        "Bach10 v1.1: four-part chorales, one instrument a voice",
        "multi-pitch",
        "Zhiyao Duan, University of Rochester",
        "research use, to be cited; unchecked",
        "10 pieces, 5.5 minutes, each with four stems",
        "by piece",
        22_050,
    ),
    Card(
        "chorales",
        "Bach's four-part chorales, played by FluidSynth, one instrument a voice",
        "multi-pitch",
        "the scores of the package music21, and soundfonts of Debian",
        f"scores: as music21 ships them (BSD, some parts with permission); renderings follow {_SOUNDFONTS}",
        "the four-part chorales of the corpus, each with four stems",
        "by piece",
        22_050,
        "all",
    ),
    Card(
        "pop909-renders",
        "POP909 played by FluidSynth: 30 s of every song, many instruments and rooms",
        "multi-pitch",
        "POP909 (music-x-lab), and soundfonts of Debian",
        f"MIT (the compositions are third-party pop songs); renderings follow {_SOUNDFONTS}",
        "909 excerpts, 7.5 hours",
        "by piece",
        22_050,
        "all",
    ),
    Card(
        "tempo-renders",
        "POP909 played by FluidSynth at exact tempi: 26 s of every song with every soundfont, by bands that are drawn",
        "tempo, beats, chords",
        "POP909 (music-x-lab), and soundfonts of Debian",
        f"MIT (the compositions are third-party pop songs); renderings follow {_SOUNDFONTS}",
        "909 excerpts a soundfont, and as many for a further take of the MIT ones; 33 hours, 50 to 200 BPM",
        "by piece",
        16_000,
        "all",
    ),
    Card(
        "midi-renders",
        "MIDI files of Debian's packages, played by FluidSynth at exact tempi: 26 s of every file with every soundfont",
        "tempo, beats",
        "Debian's archive, as packages of games and music software, fetched where apt-get is; soundfonts of Debian",
        "by file, from the packages' copyright files: GPL, Artistic and others, all free for Debian; renderings follow "
        f"{_SOUNDFONTS}",
        "121 files of 9 packages, and as many again for a further take of the MIT soundfonts; 4.4 hours, 50 to 200 BPM",
        "official: no package on two sides, and none that is in the test of game-music",
        16_000,
        "all",
    ),
    Card(
        "game-music",
        "Music of Debian's games: up to 150 s from the middle of every recording over 40 s, with composers where named",
        "tempo, tags, pretraining of encoders",
        "Debian's archive, as packages of games and of their music; fetched where apt-get is",
        "by file, from the packages' copyright files: GPL, CC BY, CC BY-SA, CC0 and others, all free for Debian",
        "821 recordings of 70 packages, 27.6 hours",
        "official: neither games nor named composers on two sides, what would be is unused. Tempi are estimates, not "
        "annotations: tempocnn's, of the middle 30 s, where two of its models agree within 4 %",
        16_000,
    ),
    Card(
        "maps",
        "MAPS (MUS): piano music with notes",
        "multi-pitch, transcription",
        "Telecom Paris (Emiya and others)",
        "CC BY-NC-SA; unchecked",
        "270 recordings of 160 pieces, 18 hours",
        "official: train on the synthesised pianos without the pieces of the test, test on the Disklavier (ENSTDk); "
        "else by piece",
        22_050,
        "all pianos but ENSTDkAm and ENSTDkCl",
    ),
    Card(
        "maestro",
        "MAESTRO: virtuoso piano on Disklaviers",
        "multi-pitch, transcription",
        "Google Magenta",
        "CC BY-NC-SA 4.0",
        "1,276 performances, 199 hours (v3)",
        "official; else by piece",
        22_050,
    ),
    Card(
        "musicnet",
        "MusicNet: classical recordings with aligned notes",
        "multi-pitch",
        "University of Washington (Zenodo)",
        "CC BY 4.0",
        "330 recordings, 34 hours",
        "official; the notes are aligned by machine",
        22_050,
    ),
    Card(
        "asap",
        "ASAP: performances with beats and scores",
        "beats, versions, alignment",
        "Foscarin and others, ISMIR 2020",
        "CC BY-NC-SA 4.0",
        "1,067 performances of 222 pieces",
        "by piece; no audio until rendered or joined to MAESTRO",
        0,
        "all, once rendered",
    ),
    Card(
        "pop909",
        "POP909: arrangements of pop songs with chords, beats, keys",
        "chords, beats, versions",
        "Music X Lab, ISMIR 2020",
        "MIT (the songs are others')",
        "909 songs, 1,989 further versions",
        "by clique; no audio until rendered",
        0,
        "all, once rendered",
    ),
    Card(
        "gtzan",
        "GTZAN: genres",
        "tags",
        "Tzanetakis and Cook",
        "none stated; unchecked",
        "1,000 clips of 30 s, 10 genres",
        "official where the fault-filtered lists lie beside it; artists and recordings repeat, and none are named",
        22_050,
    ),
    Card(
        "magnatagatune",
        "MagnaTagATune: clips with tags",
        "tags",
        "MIRG, City University London",
        "CC BY-NC-SA (Magnatune); unchecked",
        "25,863 clips of 29 s, 188 tags",
        "official: folders 0-b, c, d-f; name the protocol. It parts artists: by artist is stricter",
        16_000,
    ),
    Card(
        "rwc-pop-chord",
        "RWC Popular Music with chords",
        "chords",
        "AIST; chords by Cho and Bello",
        "research licence of AIST; unchecked",
        "100 songs, 6.8 hours",
        "by piece",
        22_050,
    ),
    Card(
        "cover1000",
        "Covers1000: cover songs",
        "covers",
        "Chris Tralie",
        "none stated; unchecked",
        "996 performances of 395 works",
        "by clique",
        22_050,
    ),
    Card(
        "da-tacos",
        "Da-TACOS: cover songs as CREMA features",
        "covers",
        "MTG, Universitat Pompeu Fabra",
        "CC BY-NC-SA 4.0",
        "15,000 performances in the benchmark, 10,000 in the analysis",
        "by clique; the benchmark is for tests",
        0,
    ),
    Card(
        "cover80",
        "covers80: pairs of cover songs",
        "covers",
        "LabROSA, Columbia University",
        "research use; unchecked",
        "160 songs, 80 works",
        "by clique; too small to train on",
        16_000,
    ),
    Card(
        "nsynth",
        "NSynth: single notes, each held for 3 s, of eleven families of instruments",
        "notes, generation, pitch",
        "Google Magenta (magenta.tensorflow.org/datasets/nsynth), as archives jsonwav",
        "CC BY 4.0",
        "305,979 notes of 4 s, 340 hours, 1,006 instruments; with --where family=guitar 35,423 notes, 39 hours",
        "official, with group: recording (the instrument): instruments that test are not in the training set; notes to "
        "validate by whose instruments test, too, are in no part, and training instruments take their place",
        16_000,
        "the sources electronic and synthetic",
    ),
    Card(
        "musdb18",
        "MUSDB18 (and HQ): songs with their stems",
        "separation",
        "SigSep (Zenodo)",
        "mixed, non-commercial in part",
        "150 songs, 10 hours, 4 stems",
        "official; else by piece",
        44_100,
    ),
    Card(
        "fsd50k",
        "FSD50K: sound events",
        "sounds",
        "MTG, Universitat Pompeu Fabra (Zenodo)",
        "CC0, CC BY, CC BY-NC and Sampling+, by clip",
        "51,197 clips, 108 hours, 200 classes",
        "official; uploaders of the test are not in the training set",
        22_050,
    ),
    Card(
        "esc50",
        "ESC-50: environmental sounds",
        "sounds",
        "Karol Piczak",
        "CC BY-NC 3.0",
        "2,000 clips of 5 s, 50 classes",
        "official folds",
        44_100,
    ),
    Card(
        "esc10",
        "ESC-10: the ten classes of ESC-50 that are free",
        "sounds",
        "Karol Piczak",
        "CC BY 3.0",
        "400 clips of 5 s, 10 classes",
        "official folds",
        44_100,
    ),
    Card(
        "urbansound8k",
        "UrbanSound8K: urban sounds",
        "sounds",
        "New York University (Salamon and others)",
        "CC BY-NC; unchecked",
        "8,732 clips of up to 4 s, 10 classes",
        "official folds, never drawn anew",
        22_050,
    ),
    Card(
        "guitar-notes",
        "Guitar notes and playing noises",
        "notes, generation",
        "Karoryfer Lecolds and FreePats",
        "CC0 1.0",
        "371 clips of two guitars",
        "none measures other guitars; by recording (pitch and dynamic)",
        22_050,
    ),
    Card(
        "soundfont-notes",
        "Notes of 112 General MIDI instruments over five octaves, each pitch at one velocity, played by FluidSynth",
        "notes, codecs, generation",
        "soundfonts of Debian",
        f"renderings follow {_SOUNDFONTS}",
        "1,708 notes a soundfont at most, 71 minutes",
        "by clique: the family of an instrument, within which soundfonts share samples; by album: the soundfont",
        22_050,
        "all",
    ),
    Card(
        "instruments",
        "Instrument clips",
        "sounds",
        "seth814/Audio-Classification",
        "none stated for the audio",
        "300 clips, 10 classes",
        "at random; the sources of the clips are unknown, so a leak can't be excluded",
        22_050,
    ),
    Card(
        "instrument-mixtures",
        "Two or three instrument clips at random levels and times, mixed here, with who plays when",
        "tags, instruments over time",
        "the clips of the data set instruments (seth814/Audio-Classification)",
        "none stated for the audio",
        "480 mixtures of 6 s, 10 instruments",
        "official: no clip on two sides; the sources of the clips are unknown, so a leak can't be excluded",
        22_050,
        "the mixing, not the sounds",
    ),
    Card(
        "urban-mixtures",
        "Two or three urban sounds of one fold at random levels and times, mixed here, with what sounds when",
        "tags, sounds over time",
        "the clips of UrbanSound8K (New York University, Salamon and others)",
        "CC BY-NC; unchecked",
        "150 mixtures of 6 s a fold, 10 classes",
        "the official folds of the clips, never drawn anew",
        22_050,
        "the mixing, not the sounds",
    ),
]
CARDS = {card.name: card for card in _CARDS}


def names() -> list[str]:
    """List the data sets that can be built.

    Returns
    -------
    list of str
        In the order of the tasks.
    """
    return [*CARDS]


def card(name: str) -> Card:
    """Describe a data set.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Card
        Its card.

    Raises
    ------
    RecipeError
        If there is none of that name.
    """
    if name not in CARDS:
        near = get_close_matches(name, CARDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(CARDS)}"
        raise RecipeError(f"there is no data set {name!r}; {hint}")
    return CARDS[name]
