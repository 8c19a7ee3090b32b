"""Right answers or one clear sentence, for every kind of file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import song
from hypothesis import given, settings
from hypothesis import strategies as st

from glissando.audio import Audio, AudioStream, as_mono, pitch_shift, read, read_tags, resample, stretch, write
from glissando.audio.reading import check_audible
from glissando.errors import AudioError

FORMATS = {".wav": 1e-3, ".flac": 1e-3, ".ogg": 0.1, ".opus": 0.3, ".mp3": 0.1}


def tone(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def loudest(audio: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return float(spectrum.argmax() / audio.duration)


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats_keep_pitch_and_length(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone{suffix}"
    write(path, Audio(tone(440, 48_000, 2.0), 48_000))
    audio = read(path, sample_rate=16_000)
    assert loudest(audio) == pytest.approx(440, abs=1)
    assert audio.duration == pytest.approx(2.0, abs=FORMATS[suffix])


@pytest.mark.parametrize(
    ("suffix", "codec", "container"), [(".m4a", "aac", "mp4"), (".wma", "wmav2", "asf"), (".webm", "libopus", "webm")]
)
def test_formats_of_the_extra(tmp_path: Path, suffix: str, codec: str, container: str) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / f"tone{suffix}"
    samples = tone(440, 48_000, 2.0)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=48_000, layout="mono")
        stream.bit_rate = 96_000
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, "mono", 48_000, frame_size=context.frame_size or 960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    audio = read(path, sample_rate=16_000)
    assert loudest(audio) == pytest.approx(440, abs=1)
    assert audio.duration == pytest.approx(2.0, abs=0.15)
    part = read(path, start=0.5, end=1.0)
    assert part.duration == pytest.approx(0.5, abs=0.01)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=str(path)):
        read(path)


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "take3.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(64))
    with pytest.raises(AudioError, match=r'take3.m4a: can\'t be read here \(M4A needs the extra "formats"\)'):
        read(path)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (192_000, 2), (44_100, 6)])
def test_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone(440, rate)] * channels, 1), rate)
    audio = read(path, sample_rate=16_000)
    assert loudest(audio) == pytest.approx(440, abs=1)
    assert len(audio.samples) == pytest.approx(16_000, abs=2)
    assert np.abs(audio.samples).max() == pytest.approx(0.5, abs=0.02)
    both = read(path, mono=False)
    assert both.samples.shape == (channels, rate)
    assert both.sample_rate == rate


BROKEN = {
    "empty.wav": (b"", "is empty"),
    "text.mp3": (b"these are words, not sound, " * 40, "not audio|cut off|damaged|no sound"),
    "header.wav": (b"RIFF\xff\xff\xff\x7fWAVEfmt ", "not audio|damaged|no sound"),
    "zeros.flac": (bytes(4096), "not audio|damaged"),
    "random.ogg": (np.random.default_rng(0).bytes(5000), "not audio|damaged|no sound"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_get_one_sentence(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_truncated_files_are_not_passed_off_as_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    write(path, song(120, seconds=20))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        audio = read(path)
    except AudioError as error:
        assert "cut off" in str(error) or "damaged" in str(error)
    else:  # a format whose header promises no length: what is there is the right answer
        assert suffix == ".ogg"
        assert 5 < audio.duration < 15


def test_nan_samples(tmp_path: Path) -> None:
    samples = tone(440, 8_000)
    samples[100] = np.nan
    path = tmp_path / "nan.wav"
    soundfile.write(path, samples, 8_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan.wav: holds NaN"):
        read(path)
    with pytest.raises(AudioError, match="holds NaN"):
        as_mono(samples, 8_000)
    with pytest.raises(AudioError, match="NaN"):
        write(tmp_path / "out.wav", Audio(samples, 8_000))


def test_one_sample_reads_but_can_not_be_embedded(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    soundfile.write(path, np.array([0.5], np.float32), 16_000, subtype="FLOAT")
    assert read(path).samples.tolist() == [0.5]
    with pytest.raises(AudioError, match="too short"):
        check_audible("one.wav", read(path).samples, 1 / 16_000)


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_and_dc(tmp_path: Path, level: float) -> None:
    path = tmp_path / "flat.wav"
    soundfile.write(path, np.full(16_000, level, np.float32), 16_000, subtype="FLOAT")
    audio = read(path)
    assert np.allclose(audio.samples, level, atol=1e-4)
    with pytest.raises(AudioError, match="silent"):
        check_audible("flat.wav", audio.samples, 1.0)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        read(tmp_path / "nothing.wav")
    with pytest.raises(AudioError, match="is a folder"):
        read(tmp_path)


def test_range_equals_slice(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    audio = song(120, seconds=4)
    write(path, audio)
    part = read(path, start=1.0, end=2.5)
    whole = read(path)
    assert np.array_equal(part.samples, whole.samples[audio.sample_rate : int(2.5 * audio.sample_rate)])
    with pytest.raises(AudioError, match="no sound between 9 s"):
        read(path, start=9.0, end=10.0)


def test_arrays_need_a_sensible_shape_and_rate() -> None:
    assert as_mono(np.ones((2, 5), np.float32), 8_000).shape == (5,)
    assert as_mono(np.full(4, 2**15 - 1, np.int16), 8_000) == pytest.approx(1.0)
    for samples, rate in (
        (np.zeros((5, 2, 1)), 8_000),
        (np.zeros((5000, 2)), 8_000),
        (np.zeros(0), 8_000),
        (np.zeros(5), 0),
        (np.array(["a"]), 8_000),
    ):
        with pytest.raises(AudioError):
            as_mono(samples, rate)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=12), st.sampled_from([8_000, 16_000, 22_050, 44_100, 96_000])
)
def test_streamed_resampling_equals_whole(sizes: list[int], rate: int) -> None:
    from glissando.audio import StreamResampler

    samples = np.random.default_rng(1).normal(size=max(1, sum(sizes))).astype(np.float32)
    stream = StreamResampler(rate, 16_000)
    pieces = [stream.push(piece) for piece in np.split(samples, np.cumsum(sizes)[:-1])]
    streamed = np.concatenate([*pieces, stream.finish()])
    assert np.allclose(streamed, resample(samples, rate, 16_000), atol=1e-5)


def test_blocks_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(0).normal(size=8_000 * 65).astype(np.float32) * 0.1, 8_000)
    with AudioStream(path) as stream:
        sizes = [block.shape[1] for block in stream.blocks(seconds=30)]
    assert sizes == [240_000, 240_000, 40_000]


@pytest.mark.parametrize("ratio", [0.5, 0.8, 1.25, 2.0])
def test_stretch_changes_length_not_pitch(ratio: float) -> None:
    audio = stretch(Audio(tone(440, 44_100, 4.0), 44_100), ratio)
    assert audio.duration == pytest.approx(4 / ratio, rel=0.01)
    assert loudest(audio) == pytest.approx(440, abs=2)


def test_pitch_shift_changes_pitch_not_length() -> None:
    audio = pitch_shift(Audio(np.stack([tone(440, 44_100, 2.0)] * 2), 44_100), 12)
    assert audio.samples.shape == (2, 88_200)
    assert loudest(Audio(audio.samples[0], 44_100)) == pytest.approx(880, abs=3)


def test_impossible_changes() -> None:
    audio = Audio(tone(440, 8_000), 8_000)
    with pytest.raises(AudioError, match="tempo_ratio 9"):
        stretch(audio, 9)
    with pytest.raises(AudioError, match="semitones 40"):
        pitch_shift(audio, 40)
    with pytest.raises(AudioError, match="can't be written"):
        write("/tmp/nothing.xyz", audio)


def test_file_tags(tmp_path: Path) -> None:
    path = tmp_path / "tagged.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as out:
        out.artist, out.title, out.album, out.date = "Ann\x07a", "Tune", "Album", "1999-05-01"
        out.write(tone(440, 8_000))
    tags = read_tags(path)
    assert (tags.artist, tags.title, tags.album, tags.year) == ("Anna", "Tune", "Album", 1999)
    assert read_tags(tmp_path / "missing.mp3").title is None


def test_decoders_start_without_torch() -> None:
    code = "import sys, glissando.audio.worker; sys.exit('torch' in sys.modules or 'lancedb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
