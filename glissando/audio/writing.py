"""Write audio files."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from ..errors import AudioError
from .reading import Audio, as_mono
from .resampling import resample

PAGE_RATE, FADE = 22_050, 0.02  # of sounds in pages: Hz, seconds
BLOCK = 65_536  # samples; libsndfile's Vorbis encoder crashes on a minute at once


def write(path: str | Path, audio: Audio) -> None:
    """Write audio; the ending chooses the format (wav, flac, ogg, opus, mp3).

    Parameters
    ----------
    path : str or Path
        File to write.
    audio : Audio
        What to write; samples beyond -1..1 are clipped.

    Raises
    ------
    AudioError
        If it holds NaN, or the format can't be written.
    """
    import soundfile

    path = Path(path)
    if not np.isfinite(audio.samples).all():
        raise AudioError(f"{path}: not written, the audio holds NaN or infinite samples")
    options = {".opus": {"format": "OGG", "subtype": "OPUS"}}.get(path.suffix.lower(), {})
    try:
        samples = np.clip(np.atleast_2d(audio.samples), -1, 1).T
        with soundfile.SoundFile(path, "w", audio.sample_rate, samples.shape[1], **options) as out:
            for first in range(0, len(samples), BLOCK):
                out.write(samples[first : first + BLOCK])
    except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
        raise AudioError(f"{path}: can't be written as {path.suffix or 'a file without ending'} ({error})") from error


def as_data_uri(audio: Audio) -> str:
    """Put a sound into a page.

    Parameters
    ----------
    audio : Audio
        Channels are averaged.

    Returns
    -------
    str
        MP3 at 22,050 Hz in a ``data:`` URI, faded in and out; softer where it would clip.
    """
    import soundfile

    samples = resample(as_mono(audio.samples, audio.sample_rate), audio.sample_rate, PAGE_RATE)
    fade = np.minimum(1, np.arange(len(samples)) / (FADE * PAGE_RATE))
    samples = samples * fade * fade[::-1]
    buffer = io.BytesIO()
    peak = float(np.abs(samples).max())
    soundfile.write(buffer, samples / max(1.0, peak), PAGE_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
