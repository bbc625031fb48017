"""Make the pictures of the window for the guides: `python scripts/make_pictures.py [NAME…]` writes docs/pictures/.

Everything in them is made up: a family's folders in a `TwinService`, photos painted by this script. Each look and language is
drawn by a process of its own, without a screen.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "src")]

PICTURES = REPOSITORY / "docs" / "pictures"
SCALE = 2
MOST_BYTES = 200_000
RUNS = (("light", "en"), ("dark", "en"), ("light", "zh"))
IN_CHINESE = ("folders", "conflicts-picture")


SCREENS = {
    "folders": "Folders",
    "asking": "Folders that need an answer, or wait",
    "away": "The service is away",
    "activity": "Activity",
    "problems": "Problems",
    "conflicts-picture": "A conflict of two pictures",
    "conflicts-text": "A conflict of two texts",
    "settings": "Settings",
    "editor": "The settings of one folder",
    "share": "A link that was made",
    "wizard-server": "The wizard: which server",
    "wizard-unencrypted": "The wizard: a server whose way is not encrypted",
    "wizard-login": "The wizard: who",
    "wizard-workspace": "The wizard: what of the server",
    "wizard-folder": "The wizard: where on this computer",
    "wizard-options": "The wizard: how",
    "wizard-summary": "The wizard: everything once more",
}


# --- photos -----------------------------------------------------------------------------------------------------------


def landscape(path: Path, *, evening: bool, size: tuple[int, int] = (1500, 1000)) -> None:
    """Paint a lake between mountains, by day or in the evening."""
    wide, high = size
    chance = np.random.default_rng(7)
    top, low = ((44, 52, 96), (255, 160, 92)) if evening else ((88, 158, 222), (228, 240, 246))
    rise = np.linspace(0, 1, high)[:, None, None] ** 1.3
    sky = (np.array(top) * (1 - rise) + np.array(low) * rise) * np.ones((1, wide, 1))
    picture = Image.fromarray(sky.astype(np.uint8))
    sun = Image.new("L", size, 0)
    at = (wide * 0.7, high * 0.47) if evening else (wide * 0.22, high * 0.18)
    ImageDraw.Draw(sun).ellipse([at[0] - 70, at[1] - 70, at[0] + 70, at[1] + 70], fill=255)
    glow = Image.blend(sun, sun.filter(ImageFilter.GaussianBlur(90)), 0.6)
    picture.paste((255, 226, 168) if evening else (255, 252, 232), mask=glow)
    drawn = ImageDraw.Draw(picture)
    far = (118, 92, 128) if evening else (138, 168, 196)
    near = (26, 30, 44) if evening else (44, 84, 72)
    steps = np.arange(0, wide + 4, 4)
    for layer in range(4):
        share = layer / 3
        color = tuple(int(a * (1 - share) + b * share) for a, b in zip(far, near, strict=True))
        base = high * (0.46 + 0.075 * layer)
        ridge = sum(
            np.sin(steps / wide * np.pi * freq + chance.uniform(0, 6)) * high * 0.1 / freq**0.9
            for freq in (2.2, 4.1, 7.7, 15.0, 31.0)
        )
        line = [(int(x), int(base - y)) for x, y in zip(steps, np.asarray(ridge), strict=True)]
        drawn.polygon([*line, (wide, high), (0, high)], fill=color)
    shore = int(high * 0.72)
    mirrored = picture.crop((0, 2 * shore - high, wide, shore)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = Image.blend(mirrored, Image.new("RGB", mirrored.size, top), 0.28)
    rows = np.asarray(water).copy()
    for row in range(rows.shape[0]):
        rows[row] = np.roll(rows[row], int(np.sin(row / 5.0) * row / 26), axis=0)
    picture.paste(Image.fromarray(rows), (0, shore))
    drawn = ImageDraw.Draw(picture)
    boat = (wide * 0.44, shore + high * 0.1)
    dark = (30, 24, 30)
    drawn.polygon([(boat[0] - 66, boat[1]), (boat[0] + 66, boat[1]), (boat[0] + 44, boat[1] + 24), (boat[0] - 46, boat[1] + 24)],
                  fill=dark)  # fmt: skip
    drawn.polygon([(boat[0] - 4, boat[1] - 6), (boat[0] - 4, boat[1] - 128), (boat[0] + 58, boat[1] - 6)],
                  fill=(250, 214, 170) if evening else (252, 252, 250))  # fmt: skip
    picture.filter(ImageFilter.GaussianBlur(0.7)).save(path, quality=90)


# --- a family's service -----------------------------------------------------------------------------------------------


def family(files: Path) -> Any:
    """A service with what a family has; `files` gets the conflicts' contents."""
    from tests.control_twin import TwinService

    from homestow.wire.control import Conflict, Filters, JobConfig, Problem, Settings, Side, StartTime, Transfer

    twin = TwinService(jobs=False)
    now = time.time_ns()
    minute = 60 * 10**9
    server = "https://home.example.org"

    def job(ident: str, label: str, workspace: str, directory: str, state: str, **more: Any) -> None:
        facts = {name: more.pop(name) for name in ("paused", "synced_at_ns", "next_at_ns") if name in more}
        config = JobConfig(
            id=ident,
            label=label,
            server=server,
            user="anna",
            workspace=workspace,
            directory=f"/home/anna/{directory}",
            **more,
        )
        twin.add(config, state=state, **facts)

    job("documents", "Documents", "anna", "Documents", "left", synced_at_ns=now - 2 * minute,
        filters=Filters(excludes=("*.tmp", "~$*")))  # fmt: skip
    job("photos", "Family photos", "Photos", "Pictures/Family", "syncing")
    job("music", "Music", "anna", "Music", "paused", paused=True, remote_folder="Music")
    tonight = (datetime.now().astimezone() + timedelta(days=1)).replace(hour=3, minute=0, second=0)
    job("manuals", "Manuals", "Manuals", "Manuals", "scheduled", direction="down", frequency="time",
        start_time=StartTime(h=3), next_at_ns=int(tonight.timestamp() * 1e9), synced_at_ns=now - 400 * minute)  # fmt: skip

    def happen(ago: float, where: str, kind: str, path: str, **more: Any) -> None:
        twin.happen(where, kind, path, at_ns=now - int(ago * minute), **more)

    happen(1500, "documents", "mkdir", "House", side="there", folder=True)
    happen(1490, "documents", "upload", "House/Insurance 2026.pdf", side="there", size=812_000)
    happen(190, "documents", "move", "letter.odt", to="Letters/To grandma.odt", side="there")
    happen(160, "documents", "delete", "old shopping list.txt", side="here")
    happen(75, "music", "pause", "")
    happen(44, "documents", "upload", "Taxes/2025.ods", side="there", size=48_213)
    chance = np.random.default_rng(3)
    happen(21, "photos", "mkdir", "2026/Summer at the lake", side="here", folder=True)
    for number in range(1, 13):
        happen(20 - number * 1.4, "photos", "download", f"2026/Summer at the lake/IMG_{4410 + number}.jpg", side="here",
               size=int(chance.integers(2_400_000, 6_900_000)))  # fmt: skip
    happen(3.1, "documents", "conflict", "Recipes/Apple pie.md", to="Recipes/Apple pie (conflict kitchen-tablet).md")
    happen(3, "documents", "download", "Recipes/Apple pie.md", side="here", size=2_104)
    happen(2, "documents", "problem", "Budget.xlsx", code="local-trouble",
           message="Budget.xlsx: another program is writing it.")  # fmt: skip
    for path, code, message, left in (
        ("Budget.xlsx", "local-trouble", "Budget.xlsx: another program is writing it.", True),
        ("Plans: garden?.odt", "bad-name", "'Plans: garden?.odt' cannot be a name on every computer.", True),
        ("Desktop/printer", "link", "A symbolic link; links are not synced.", False),
    ):
        twin.trouble(Problem(job="documents", path=path, code=code, message=message, left=left))
    twin.trouble(
        Problem(job="photos", path="2026/Holiday film.mov", code="quota-exceeded", left=True,
                message="The quota of Photos would be passed by 2.1 GB.")
    )  # fmt: skip

    def side(job_id: str, path: str, file: Path, ago: float) -> Side:
        return Side(path=path, file=str(file), size=file.stat().st_size, mtime_ns=now - int(ago * minute))

    def clash(job_id: str, path: str, device: str, contents: tuple[Path, Path], ready: bool = True) -> None:
        stem, dot, end = path.rpartition(".")
        copy = f"{stem} (conflict {device} {datetime.now():%Y-%m-%d} 4f1c9e){dot}{end}"
        made: Conflict = twin.clash(job_id, path, copy, device, ready=ready)
        twin._conflicts[-1] = msgspec.structs.replace(
            made,
            at_ns=now - 9 * minute,
            original=side(job_id, path, contents[0], 34),
            copy=side(job_id, copy, contents[1], 12),
        )

    day, evening = files / "day.jpg", files / "evening.jpg"
    landscape(day, evening=False)
    landscape(evening, evening=True)
    one, two = files / "pie.md", files / "pie-2.md"
    one.write_text(RECIPE)
    two.write_text(RECIPE.replace("3 apples", "4 apples").replace("180 °C", "170 °C, fan on") + "- vanilla ice cream\n")
    clash("photos", "2026/Summer at the lake/cover.jpg", "ben-laptop", (day, evening))
    clash("documents", "Recipes/Apple pie.md", "kitchen-tablet", (one, two))
    clash("documents", "Letters/To the school.odt", "ben-laptop", (one, two), ready=False)
    twin._events = [event for event in twin._events if event.kind != "conflict" or event.at_ns > now - 4 * minute]
    twin.progress(
        "photos", files_done=212, files_total=388, bytes_done=912_000_000, bytes_total=1_640_000_000, scanned=4_210,
        rate=11_400_000.0, left_s=64.0, current="2026/Summer at the lake/IMG_4423.jpg",
        transfers=(Transfer(path="2026/Summer at the lake/Swimming.mov", up=True, done_bytes=310_000_000, size_bytes=620_000_000),),
    )  # fmt: skip
    twin.settings = Settings(up_kbytes=2000, autostart=True)
    return twin


RECIPE = """# Apple pie

For a form of 26 cm.

- 250 g flour
- 125 g butter
- 3 apples
- 1 lemon
- cinnamon

Knead, let rest for half an hour in the fridge.
Bake at 180 °C for 45 minutes.

Good with:

- whipped cream
"""


# --- pictures ---------------------------------------------------------------------------------------------------------


def draw(look: str, language: str, wanted: list[str]) -> None:
    """Draw all pictures of one look and language."""
    from PySide6.QtWidgets import QWidget
    from tests.journeys.window_rig import DirectLine, Rig

    from homestow.client.apps.qt.app import Wishes
    from homestow.client.control.service import ServiceAway

    with tempfile.TemporaryDirectory() as place:
        os.environ["HOME"] = "/home/anna"
        twin = family(Path(place))
        there = [DirectLine(twin)]
        rig = Rig(
            lambda: there[0] if there else None,
            lambda: None,
            Wishes(look=look, language=language, tray=False),  # type: ignore[arg-type]
        )
        rig.window.resize(1060, 720)

        def take(name: str, widget: QWidget | None = None, make: Callable[[], Any] | None = None) -> None:
            if (wanted and name not in wanted) or (language == "zh" and name not in IN_CHINESE):
                return
            shown = make() if make is not None else widget
            rig.breathe(0.5)
            ending = "" if language == "en" else f"-{language}"
            save((shown or rig.window).grab(), PICTURES / f"{name}-{look}{ending}.png")

        of_pages(rig, twin, take)
        if language == "en":
            of_dialogs(rig, twin, take)

        def nobody(_: object) -> None:
            raise ServiceAway("The sync service does not run.")

        def away() -> None:
            window: Any = rig.window
            window.go("folders")
            twin.before = nobody
            there.clear()
            twin.end()
            rig.until(lambda: not rig.model.connected, "the end")

        take("away", make=away)
        rig.app.close()


def of_pages(rig: Any, twin: Any, take: Callable[..., None]) -> None:
    """The pages of the window."""
    from tests.control_twin import BRAKE

    from homestow.client.apps.qt.conflicts import ConflictsPage

    def go(name: str) -> Callable[[], None]:
        def going() -> None:
            rig.window.go(name)
            rig.breathe(0.6)

        return going

    def conflict(row: int) -> Callable[[], None]:
        def choosing() -> None:
            go("conflicts")()
            page = rig.until(lambda: rig.window.findChild(ConflictsPage), "the page")
            rig.until(lambda: page.list.count() == 3, "the conflicts")
            page.list.setCurrentRow(row)
            rig.breathe(0.8)

        return choosing

    take("folders", make=go("folders"))
    take("activity", make=go("activity"))
    take("problems", make=go("problems"))
    take("conflicts-picture", make=conflict(0))
    take("conflicts-text", make=conflict(1))
    take("settings", make=go("settings"))

    def asking() -> None:
        twin.move("documents", state="asking", brake=BRAKE, problems=0, conflicts=0)
        twin.move("photos", state="waiting", code="unreachable", why="https://home.example.org does not answer.")
        go("folders")()

    take("asking", make=asking)
    twin.move("documents", state="left", brake=None)
    twin.move("photos", state="syncing", code="", why="")


def of_dialogs(rig: Any, twin: Any, take: Callable[..., None]) -> None:
    """Wizard, sharing, and a job's settings."""
    from homestow.client.apps.qt.editor import JobEditor
    from homestow.client.apps.qt.share import ShareDialog
    from homestow.client.apps.qt.wizard import Wizard

    texts, model = rig.app._texts, rig.model
    wizard = Wizard(model, texts, rig.window)
    wizard.open()
    steps: Any = wizard.steps
    rig.until(steps[0].found.count, "the server")
    take("wizard-server", wizard)
    steps[0].address.setText("http://192.168.1.20:5000")
    take("wizard-unencrypted", wizard)
    steps[0].address.setText("https://home.example.org")
    wizard.next.click()
    rig.until(lambda: wizard.step is steps[1], "the login")
    steps[1].password.setText("correct horse battery")
    take("wizard-login", wizard)
    wizard.next.click()
    rig.until(lambda: wizard.step is steps[2], "the workspaces")
    steps[2].spaces.setCurrentRow(1)
    rig.breathe(0.5)
    top = steps[2].tree.topLevelItem(0)
    steps[2].tree.setCurrentItem(top.child(1))
    top.child(1).setExpanded(True)
    rig.breathe(0.4)
    take("wizard-workspace", wizard)
    wizard.next.click()
    rig.until(lambda: wizard.step is steps[3], "the folder")
    take("wizard-folder", wizard)
    wizard.next.click()
    rig.until(lambda: wizard.step is steps[4], "the options")
    take("wizard-options", wizard)
    wizard.next.click()
    rig.until(lambda: wizard.step is steps[5], "the summary")
    take("wizard-summary", wizard)
    wizard.reject()
    share = ShareDialog(model, texts, "photos", "2026/Summer at the lake", rig.window)
    share.open()
    rig.breathe(0.2)
    share.make.click()
    rig.until(lambda: share.made, "the link")
    take("share", share)
    share.reject()
    editor = JobEditor(model, texts, model.job("documents").config, rig.window)
    editor.open()
    take("editor", editor)
    editor.reject()


def save(grabbed: Any, path: Path) -> None:
    """Write a picture, small enough: with 256 colours of its own, and of fewer pixels where that is not enough."""
    from PySide6.QtCore import QBuffer, QIODevice

    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    grabbed.save(buffer, "PNG")
    import io

    picture = Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB")
    path.parent.mkdir(exist_ok=True)
    while True:
        made = io.BytesIO()
        picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG).save(
            made, "PNG", optimize=True
        )
        if made.tell() <= MOST_BYTES:
            break
        picture = picture.resize((picture.width * 9 // 10, picture.height * 9 // 10), Image.Resampling.LANCZOS)
    path.write_bytes(made.getvalue())
    print(f"{path.relative_to(REPOSITORY)}: {picture.width} x {picture.height}, {made.tell() / 1000:.0f} kB")


def gallery() -> None:
    """Write the page that shows all of them."""
    lines = ["# Every screen of the window", "", "Made by `scripts/make_pictures.py`; what is in them is made up.", ""]
    lines += ["| | Light | Dark |", "|---|---|---|"]
    for name, words in SCREENS.items():
        both = " | ".join(f"![{words}, {look}]({name}-{look}.png)" for look in ("light", "dark"))
        lines.append(f"| {words} | {both} |")
    lines += ["", "## In Chinese", ""]
    for name in IN_CHINESE:
        lines += [f"![{SCREENS[name]}, in Chinese]({name}-light-zh.png)", ""]
    (PICTURES / "README.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")


def main() -> None:
    """Draw what is asked for; without names, all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as folders or wizard-server; none: all")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        draw(asked.run[0], asked.run[1], asked.names)
        return
    for look, language in RUNS:
        subprocess.run(
            [sys.executable, __file__, "--run", look, language, *asked.names],
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": str(SCALE), "HOMESTOW_REDUCED_MOTION": "1"},
            check=True,
        )  # fmt: skip
    gallery()


if __name__ == "__main__":
    main()
