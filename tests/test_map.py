"""The map: a picture, and a page that plays in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from glissando import Library
from glissando.audio import read
from glissando.cli.map import write_map
from glissando.errors import GlissandoError
from glissando.latent import project

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture
def page(library: Library, tmp_path: Path) -> Path:
    out = tmp_path / "map.html"
    write_map(library, out)
    return out


def test_page_is_self_contained_and_carries_the_sound(page: Path, folder: Path) -> None:
    text = page.read_text()
    assert not re.search(r"""(src|href)=["']?https?:""", text)
    rows = json.loads(re.search(r"const tracks = (\[.*\]);", text)[1])
    assert len(rows) == 6
    assert {Path(row["path"]).name for row in rows} >= {"a80.wav", "f160.wav"}
    sound = base64.b64decode(rows[0]["sound"].split(",")[1])
    excerpt = page.parent / "excerpt.mp3"
    excerpt.write_bytes(sound)
    audio = read(excerpt)
    assert 11.5 < audio.duration < 12.7
    assert 0.05 < np.abs(audio.samples).max() <= 1.05
    picture = page.with_suffix(".png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 10_000


def test_names_can_not_break_the_page(library: Library, folder: Path, tmp_path: Path) -> None:
    evil = folder / "<_script><script>alert(1)<_script>.flac"
    shutil.copy(folder / "b100.flac", evil)
    with soundfile.SoundFile(folder / "evil.flac", "w", 8_000, 1) as out:
        out.title = "</script><script>alert(1)</script>"
        out.write(np.random.default_rng(0).normal(size=80_000).astype(np.float32) * 0.1)
    library.add(folder)
    write_map(library, tmp_path / "m.html", method="pca")
    text = (tmp_path / "m.html").read_text()
    assert text.count("</script>") == 1
    assert len(json.loads(re.search(r"const tracks = (\[.*\]);", text)[1])) == 8


def test_an_empty_library_has_no_map(tmp_path: Path) -> None:
    library = Library.open(tmp_path / "empty", blocks={"rhythm": "rhythm"})
    with pytest.raises(GlissandoError, match="a map needs at least two"):
        write_map(library, tmp_path / "m.html")


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_projection_keeps_neighbours_and_is_repeatable(method: str) -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 10), 20, axis=0) * 5
    vectors = (centres + 0.2 * rng.normal(size=centres.shape)).astype(np.float32)
    points = project(vectors, method=method)
    assert points.shape == (60, 2) and points.min() >= 0 and points.max() <= 1
    assert np.array_equal(points, project(vectors, method=method))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    groups = np.repeat(np.arange(3), 20)
    assert (groups[apart.argmin(1)] == groups).mean() > 0.95


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver")
def test_click_plays_in_a_real_browser(page: Path, tmp_path: Path) -> None:
    from selenium import webdriver
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    flags = (
        "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
        "disable-component-update disable-sync autoplay-policy=no-user-gesture-required window-size=1200,800"
    )
    for flag in (*flags.split(), f"user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(f"--{flag}")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        browser.get(page.as_uri())
        dots = browser.find_elements(By.TAG_NAME, "circle")
        assert len(dots) == 6
        dots[2].click()
        name = browser.find_element(By.ID, "now").text
        assert name in {"a80", "b100", "c115", "d120", "e138", "f160"}
        deadline = time.monotonic() + 20
        state = (
            "const p = document.getElementById('player'); return [p.paused, p.currentTime, p.error && p.error.message]"
        )
        while time.monotonic() < deadline:
            paused, position, error = browser.execute_script(state)
            if position > 0.3:
                break
            time.sleep(0.2)
        assert (paused, error) == (False, None) and position > 0.3, "the excerpt must really play"
        search = browser.find_element(By.ID, "find")
        search.send_keys("c115")
        assert len(browser.find_elements(By.CSS_SELECTOR, "circle.faded")) == 5
        assert browser.get_log("browser") == []
        browser.save_screenshot(str(tmp_path / "page.png"))
    finally:
        browser.quit()
