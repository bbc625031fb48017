"""Pictures of the page for the docs: `python -m tests.fronts.control_http.pictures docs/pictures`, to be looked at."""

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from tests.control_twin import BRAKE, TwinService, lived_in
from tests.fronts.control_http.chromium import Tab, browsing
from tests.fronts.control_http.rig import opened

from homestow.wire.control import ChangeSettings, Settings

WIDE, NARROW = (1280, 800), (400, 820)


def landscape(path: Path, sky: tuple[int, int, int]) -> None:
    """Mountains under a sky of some colour."""
    picture = Image.new("RGB", (900, 600))
    pen = ImageDraw.Draw(picture)
    for y in range(600):
        pen.line((0, y, 900, y), fill=tuple(max(0, min(255, int(value + (y - 300) * 0.2))) for value in sky))
    pen.polygon([(0, 600), (250, 260), (430, 470), (600, 200), (900, 600)], fill=tuple(value // 2 for value in sky))
    pen.ellipse((680, 60, 790, 170), fill=(255, 240, 200))
    picture.save(path)


def shoot(tab: Tab, target: Path, view: str, name: str, ready: str, narrow: bool = False) -> None:
    """One view in both looks."""
    tab.run(f"location.hash = '#/{view}'")
    tab.wait(ready)
    for look in ("light", "dark"):
        tab.look(look)
        tab.size(*(NARROW if narrow else WIDE))
        tab.run(
            "document.activeElement.blur(); new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        tab.shoot(target / f"page-{name}-{look}.png")
    tab.size(*WIDE)


def main(target: Path) -> None:
    """All of them, into a folder."""
    with tempfile.TemporaryDirectory() as made, browsing(Path(made) / "profile") as browser:
        folder = Path(made)
        with opened(folder) as site:
            tab = browser.tab()
            tab.look("light")
            tab.go(site.page.open())
            jobs = "document.querySelectorAll('article.card').length === 3"
            tab.wait(jobs)
            shoot(tab, target, "jobs", "folders", jobs)
            shoot(tab, target, "jobs", "narrow", jobs, narrow=True)
            shoot(tab, target, "activity", "activity", "document.querySelectorAll('.event').length > 10")
            shoot(tab, target, "problems", "problems", "document.querySelector('.problem')")
            shoot(tab, target, "settings", "settings", "document.querySelector('dl div')")
            shoot(tab, target, "job/photos", "editor", "document.querySelector('form')")
            shoot(tab, target, "add", "wizard", "document.querySelector('.picks button')")
            site.twin.move("documents", state="asking", brake=BRAKE)
            shoot(tab, target, "jobs", "asking", "document.querySelector('.banner')")
            site.twin.do(ChangeSettings(settings=Settings(language="zh")))
            tab.wait("document.documentElement.lang === 'zh'")
            shoot(tab, target, "jobs", "folders-zh", jobs)
        twin = TwinService(jobs=False)
        lived_in(twin, str(folder))
        (folder / "Pictures").mkdir()
        landscape(folder / "Pictures" / "lake.jpg", (220, 150, 80))
        landscape(folder / "Pictures" / "lake (conflict ben-laptop 2026-09-21 b81c44).jpg", (80, 140, 210))
        twin._conflicts.clear()
        twin.clash("photos", "lake.jpg", "lake (conflict ben-laptop 2026-09-21 b81c44).jpg")
        twin.clash("documents", "plan.md", "plan (conflict ben-laptop 2026-09-21 0f3a9c).md")
        with opened(folder, twin) as site:
            tab = browser.tab()
            tab.go(site.page.open())
            tab.wait(jobs)
            shown = "[...document.querySelectorAll('img')].filter(each => each.naturalWidth === 900).length === 2"
            shoot(tab, target, "conflicts", "conflicts", shown)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
