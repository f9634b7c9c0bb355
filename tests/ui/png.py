"""Turn pictures of ``screenshots/`` into PNG, by hand: ``python -m tests.ui.png chat truncation-warning``.

Needs headless chromium and Debian's fonts-firacode, fonts-noto-cjk and fonts-noto-color-emoji:
other converters ignore the SVG's text lengths, so boxes do not close. Not compared by tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "screenshots"


def to_png(name: str) -> Path:
    """Draw ``screenshots/NAME.svg`` at its own size into ``screenshots/NAME.png``."""
    svg = FOLDER / f"{name}.svg"
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text())
    if box is None:
        raise SystemExit(f"{svg} has no viewBox")
    width, height = (round(float(side)) for side in box.groups())
    png = svg.with_suffix(".png")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={png}",
                svg.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
    return png


if __name__ == "__main__":
    for each in sys.argv[1:] or [path.stem for path in FOLDER.glob("*.svg")]:
        print(to_png(each))
