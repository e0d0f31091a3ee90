"""Take the README's pictures of reports on made-up films, never of real ones.

``make pictures`` makes the run and the sweep first if they are missing.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
REPORTS = HERE.parent / "reports"
RUN, SWEEP = REPORTS / "sample-recommended", REPORTS / "sweep-grid"
MADE_BY = {
    RUN: ["run", "--preset", "recommended"],
    SWEEP: ["sweep", str(HERE / "grid.yml")],
}

MAX_BYTES = 200_000

WIDTH, HEIGHT = 1200, 800


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=RUN, help="folder of a run on made-up films")
    parser.add_argument("--sweep", type=Path, default=SWEEP, help="folder of a sweep of them")
    parser.add_argument("--to", type=Path, default=HERE, help="where the pictures go")
    call = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        print("pictures: Chromium is not installed", file=sys.stderr)
        return 1
    for folder in (call.run, call.sweep):
        if folder in MADE_BY and not folder.is_dir():
            command = ["-m", "imdbclust", *MADE_BY[folder], "--dataset", "sample"]
            subprocess.run([sys.executable, *command, "--out", str(REPORTS)], check=True)
        if not is_made_up(folder):
            print(f"pictures: {folder} is not a report on made-up films", file=sys.stderr)
            return 2
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shots = take(page, call.run, call.sweep)
        for name, shot in shots.items():
            path = call.to / f"{name}.webp"
            print(f"{path}: {save(shot, path) / 1000:.0f} kB")
        browser.close()
    return 0


def is_made_up(folder: Path) -> bool:
    """Return whether a report is on made-up films: rows of real films must not be published."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(manifest["dataset"].get("synthetic"))


def take(page: Page, run: Path, sweep: Path) -> dict[str, bytes]:
    """Return PNGs of the index, the map of movies, the explorer and the sweep."""
    shots = {}
    page.goto((run / "index.html").as_uri())
    shots["index"] = page.screenshot()
    page.goto((run / "04_clustering.html").as_uri())
    shots["map"] = page.locator("#figure-clustering-cluster-map img").screenshot()
    page.goto((run / "explore.html").as_uri() + "#cluster=0")
    page.wait_for_selector("html[data-ready]")
    page.locator("#found ul a").first.click()  # a typical movie of the largest cluster
    page.evaluate("scrollTo(0, 0)")
    shots["explorer"] = page.screenshot()
    page.goto((sweep / "index.html").as_uri())
    heat = page.get_by_role("heading", name="How do two axes interact?")
    heat.evaluate("heading => heading.scrollIntoView()")
    shots["sweep"] = page.screenshot()
    return shots


def save(shot: bytes, path: Path) -> int:
    """Write a picture as WebP, small enough to be committed; return its bytes."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    for quality in (90, 75, 60, 40):
        picture.save(path, "WEBP", quality=quality, method=6)
        if path.stat().st_size < MAX_BYTES:
            break
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
