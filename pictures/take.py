"""Take the README's pictures of reports on the films from Wikipedia, or on made-up ones.

``make pictures`` makes the run and the sweep first if they are missing: of the films from Wikipedia
if they are on this machine. Their licence allows to show them; no other real films are shown.
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

from imdbclust.base.errors import UserError
from imdbclust.datasets.find import find_dataset

HERE = Path(__file__).parent
REPORTS = HERE.parent / "reports"
SWEEP = REPORTS / "sweep-grid"
SHOWN = "wikipedia"  # the real films that may be shown

MAX_BYTES = 200_000

WIDTH, HEIGHT, INDEX_HEIGHT = 1200, 800, 1150


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="folder of a run (default: one is made)")
    parser.add_argument("--sweep", type=Path, default=SWEEP, help="folder of a sweep")
    parser.add_argument("--to", type=Path, default=HERE, help="where the pictures go")
    call = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        print("pictures: Chromium is not installed", file=sys.stderr)
        return 1
    films = available_films()
    run = call.run or REPORTS / f"{films}-recommended"
    made_by = {SWEEP: ["sweep", str(HERE / "grid.yml"), "--dataset", films]}
    if not call.run:
        made_by[run] = ["run", "--preset", "recommended", "--dataset", films]
    for folder in (run, call.sweep):
        if folder in made_by and not folder.is_dir():
            command = ["-m", "imdbclust", *made_by[folder], "--out", str(REPORTS)]
            subprocess.run([sys.executable, *command], check=True)
        if not may_be_shown(folder):
            print(f"pictures: the films of {folder} must not be shown", file=sys.stderr)
            return 2
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shots = take(page, run, call.sweep)
        for name, shot in shots.items():
            path = call.to / f"{name}.webp"
            print(f"{path}: {save(shot, path) / 1000:.0f} kB")
        browser.close()
    return 0


def available_films() -> str:
    """Return the dataset to show: the films from Wikipedia, or made-up ones without them."""
    try:
        find_dataset(SHOWN, download=False)
    except UserError:
        return "sample"
    return SHOWN


def may_be_shown(folder: Path) -> bool:
    """Return whether a report is on made-up films, or on those of the dataset `SHOWN`."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    films = manifest["dataset"]
    return bool(films.get("synthetic")) or films.get("name") == SHOWN


def take(page: Page, run: Path, sweep: Path) -> dict[str, bytes]:
    """Return PNGs of the index, the map of movies, the explorer and the sweep."""
    shots = {}
    page.goto((run / "index.html").as_uri())
    page.set_viewport_size({"width": WIDTH, "height": INDEX_HEIGHT})
    shots["index"] = page.screenshot()
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto((run / "04_clustering.html").as_uri())
    shots["map"] = page.locator("#figure-clustering-cluster-map svg").screenshot()
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
