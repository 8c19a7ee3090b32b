"""Effects by name: what is read and what is refused; their sound where pedalboard is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from glissando.audio import EFFECTS, Audio, Effect
from glissando.errors import AudioError

RATE = 16_000
CLICK = Audio(np.eye(1, RATE, 100, dtype=np.float32)[0] * 0.5, RATE)


def test_effects_are_read() -> None:
    assert Effect.read("Reverb") == Effect.read(" Reverb() ") == Effect("Reverb")
    found = Effect.read("Gain(gain_db=-6)")
    assert found == Effect("Gain", (("gain_db", -6.0),)) and Effect.read(str(found)) == found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Reverbb", "there is no effect 'Reverbb'; there are Bitcrush"),
        ("VST3Plugin(path='/tmp/x.vst3')", "there is no effect 'VST3Plugin'"),
        ("Convolution(mix=1)", "there is no effect 'Convolution'"),
        ("__import__('os').system('true')", "is no effect"),
        ("Reverb(0.8)", "is no effect; write it as Reverb(room_size=0.8)"),
        ("Reverb(room_size='big')", "arguments are numbers by name"),
        ("Reverb(room_size=True)", "arguments are numbers by name"),
        ("Reverb(room_size=1e999)", "arguments are numbers by name"),
        ("Reverb(**{})", "arguments are numbers by name"),
        ("Reverb(room_size=0.8", "is no effect"),
        ("Reverb(room_size=0.8)(mix=1)", "is no effect"),
        ("Reverb(" + "room_size=1," * 50 + ")", "is no effect"),
        ("", "is no effect"),
    ],
)
def test_what_is_no_effect_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(AudioError) as raised:
        Effect.read(text)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


def test_without_pedalboard_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    with pytest.raises(
        AudioError, match=r'in the extra "effects"; install it with: pip install "glissando\[effects\]"'
    ):
        Effect("Reverb").apply(CLICK)


class TestPedalboard:
    """Needs the extra ``effects``."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("pedalboard")

    @pytest.mark.parametrize("name", EFFECTS)
    def test_every_effect_gives_finite_sound_as_long(self, name: str) -> None:
        text = {"Resample": "Resample(target_sample_rate=8000)"}.get(name, name)
        made = Effect.read(text).apply(CLICK)
        assert made.samples.shape == CLICK.samples.shape and made.sample_rate == RATE
        assert np.isfinite(made.samples).all()

    def test_a_delay_is_where_it_was_asked_for(self) -> None:
        made = Effect.read("Delay(delay_seconds=0.25, mix=0.5)").apply(CLICK).samples
        assert np.argmax(np.abs(made[1000:])) + 1000 == pytest.approx(100 + RATE // 4, abs=2)
        assert np.abs(CLICK.samples[1000:]).max() == 0

    @pytest.mark.parametrize("text", ["Reverb(size=0.5)", "Reverb(room_size=7)", "Delay(delay_seconds=-1)"])
    def test_wrong_arguments_are_refused(self, text: str) -> None:
        with pytest.raises(AudioError, match="see pedalboard's documentation of"):
            Effect.read(text).apply(CLICK)
