"""Names of the instruments of General MIDI."""

from __future__ import annotations

PROGRAMS = (
    "acoustic grand piano, bright acoustic piano, electric grand piano, honky-tonk piano, electric piano 1, "
    "electric piano 2, harpsichord, clavinet, celesta, glockenspiel, music box, vibraphone, marimba, xylophone, "
    "tubular bells, dulcimer, drawbar organ, percussive organ, rock organ, church organ, reed organ, accordion, "
    "harmonica, tango accordion, nylon guitar, steel guitar, jazz guitar, clean guitar, muted guitar, "
    "overdriven guitar, distortion guitar, guitar harmonics, acoustic bass, fingered bass, picked bass, fretless bass, "
    "slap bass 1, slap bass 2, synth bass 1, synth bass 2, violin, viola, cello, contrabass, tremolo strings, "
    "pizzicato strings, orchestral harp, timpani, string ensemble 1, string ensemble 2, synth strings 1, "
    "synth strings 2, choir aahs, voice oohs, synth voice, orchestra hit, trumpet, trombone, tuba, muted trumpet, "
    "french horn, brass section, synth brass 1, synth brass 2, soprano sax, alto sax, tenor sax, baritone sax, oboe, "
    "english horn, bassoon, clarinet, piccolo, flute, recorder, pan flute, blown bottle, shakuhachi, whistle, ocarina, "
    "square lead, sawtooth lead, calliope lead, chiff lead, charang lead, voice lead, fifths lead, bass and lead, "
    "new age pad, warm pad, polysynth pad, choir pad, bowed pad, metallic pad, halo pad, sweep pad, rain, soundtrack, "
    "crystal, atmosphere, brightness, goblins, echoes, sci-fi, sitar, banjo, shamisen, koto, kalimba, bagpipe, fiddle, "
    "shanai, tinkle bell, agogo, steel drums, woodblock, taiko drum, melodic tom, synth drum, reverse cymbal, "
    "guitar fret noise, breath noise, seashore, bird tweet, telephone ring, helicopter, applause, gunshot"
).split(", ")


def program_name(label: str) -> str:
    """Name an instrument.

    Parameters
    ----------
    label : str
        Number of a program from 0 to 127, or any other name.

    Returns
    -------
    str
        Name of the program, or what was given.
    """
    return PROGRAMS[int(label)] if label.isdecimal() and int(label) < len(PROGRAMS) else label
