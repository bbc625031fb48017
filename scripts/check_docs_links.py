"""Check the documents: every relative link and anchor resolves, and no text tells of one particular machine.

Run from anywhere inside the repository: ``python scripts/check_docs_links.py``. Prints one line per fault.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?\1", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)

# Paths of the machine something was made on, and hosts packages were fetched from, say nothing to a reader elsewhere.
# Joined from pieces, so that this file does not hold what it looks for.
MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w/.-])/" + r"work/(?:main|shared)\b",
            r"(?<![\w/.-])/" + r"tmp/team\b",
            r"(?<![\w/.-])/" + r"root/\.",
            r"--(?:extra-)?" + r"index-url\s+\S",
            r"--find-" + r"links\s+\S",
            r"files\.python" + r"hosted\.org",
            r"pypi\." + r"org/simple",
            r"registry\." + r"npmjs\.org",
        ]
    )
)


def tracked(root: Path) -> list[Path]:
    """Every file git knows or would add, as absolute paths."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    paths = [root / name for name in listed.stdout.decode("utf-8", "surrogateescape").split("\0") if name]
    return [path for path in paths if path.is_file()]


def anchors(text: str) -> set[str]:
    """The anchors that the headings of a Markdown text get: lower case, words joined by '-', repeats numbered."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        base = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        name, number = base, 0
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found | set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))


def broken_links(page: Path, root: Path) -> Iterator[str]:
    """What is wrong with the links of one Markdown page."""
    text = page.read_text("utf-8")
    for match in LINK.finditer(CODE.sub("", FENCE.sub("", text))):
        link = match[1] or match[2]
        if ELSEWHERE.match(link):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.is_relative_to(root) or not target.exists():
            yield f"{page.relative_to(root)}: {link} leads nowhere"
        elif anchor and target.suffix == ".md" and anchor.lower() not in anchors(target.read_text("utf-8")):
            yield f"{page.relative_to(root)}: {link}: no such heading"


def machine_traces(path: Path, root: Path) -> Iterator[str]:
    """Lines of one text file that tell of one machine; binary files have none."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if found := MACHINE.search(line):
            yield f"{path.relative_to(root)}:{number}: tells of one machine: {found[0]}"


def main() -> int:
    """Print every fault; 0 when there is none."""
    root = Path(__file__).resolve().parents[1]
    files = tracked(root)
    faults = [fault for path in files if path.suffix == ".md" for fault in broken_links(path, root)]
    faults += [fault for path in files for fault in machine_traces(path, root)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
