"""Entry point of ``python -m imdbclust``."""

from imdbclust.commands.cli import program

if __name__ == "__main__":
    raise SystemExit(program())
