"""The window's colours can be read in both looks."""

import dataclasses
import itertools

import pytest

pytest.importorskip("PySide6", reason="the extra qt is not installed")

from homestow.client.apps.qt.theme import DARK, LIGHT, Look

LOOKS = pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
TONES = ("good", "busy", "warn", "bad", "idle", "accent")


def luminance(color: str) -> float:
    """Relative luminance of #RRGGBB, 0 to 1 (WCAG 2.2)."""
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_the_standard_does() -> None:
    """Known pairs give the known numbers."""
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@LOOKS
def test_words_stand_out_from_every_ground(look: Look) -> None:
    """Text and quiet text on each ground, and on chosen and touched rows: at least 4.5."""
    grounds = ("window", "side", "surface", "hover", "accent_soft", *(f"{tone}_soft" for tone in TONES[:-1]))
    for words, ground in itertools.product(("text", "muted"), grounds):
        assert contrast(getattr(look, words), getattr(look, ground)) >= 4.5, (words, ground)


@LOOKS
def test_tones_stand_out(look: Look) -> None:
    """Coloured words on window, cards and their own soft ground; words on what is filled with the accent; links touched."""
    for tone, ground in itertools.product(TONES, ("window", "surface")):
        assert contrast(getattr(look, tone), getattr(look, ground)) >= 4.5, (tone, ground)
    for tone in TONES:
        assert contrast(getattr(look, tone), getattr(look, f"{tone}_soft")) >= 4.5, tone
    for ground in ("accent", "accent_hover"):
        assert contrast(look.on_accent, getattr(look, ground)) >= 4.5, ground


@LOOKS
def test_edges_of_what_is_filled_in_are_seen(look: Look) -> None:
    """The edges of fields and boxes, and the ring of the focus, on every ground: at least 3."""
    for edge, ground in itertools.product(("strong", "accent"), ("window", "surface")):
        assert contrast(getattr(look, edge), getattr(look, ground)) >= 3, (edge, ground)


@LOOKS
def test_colours_are_whole(look: Look) -> None:
    """Each is #RRGGBB."""
    for field in dataclasses.fields(look):
        if field.name != "dark":
            color = getattr(look, field.name)
            assert len(color) == 7
            assert int(color[1:], 16) >= 0
