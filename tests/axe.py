"""The accessibility checker axe-core: fetched by npm once, verified, kept beside the tests.

``python tests/axe.py`` fetches it, so that tests need no network.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.14.1"
INTEGRITY = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
ARCHIVE = Path(__file__).parent / ".cache" / f"axe-core-{VERSION}.tgz"


class NoAxe(RuntimeError):
    """The checker is not here and cannot be had; the message says why."""


def fetch() -> Path:
    """Return the package's archive, fetched if it is not here yet.

    Raises
    ------
    NoAxe
        npm is missing, cannot reach the package, or returns a package with another hash.
    """
    if not ARCHIVE.is_file():
        npm = shutil.which("npm")
        if not npm:
            raise NoAxe("axe-core is missing, and so is npm, which would fetch it")
        with tempfile.TemporaryDirectory() as folder:
            command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--fetch-retries=0"]
            try:
                subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
            except subprocess.SubprocessError as error:
                raise NoAxe(f"npm cannot fetch axe-core: {error}") from None
            ARCHIVE.parent.mkdir(exist_ok=True)
            shutil.copyfile(Path(folder) / ARCHIVE.name, ARCHIVE)
    digest = hashlib.sha512(ARCHIVE.read_bytes()).digest()
    if base64.b64encode(digest).decode("ascii") != INTEGRITY:
        ARCHIVE.unlink()
        raise NoAxe(f"axe-core {VERSION} is not the package that we know")
    return ARCHIVE


def script() -> str:
    """Return the checker's source. Raises as :func:`fetch` does."""
    with tarfile.open(fetch()) as archive:
        return archive.extractfile("package/axe.min.js").read().decode("utf-8")


if __name__ == "__main__":
    try:
        print(fetch())
    except NoAxe as error:
        sys.exit(str(error))
