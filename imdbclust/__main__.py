"""``python -m imdbclust`` is ``imdbclust``."""

from imdbclust.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
