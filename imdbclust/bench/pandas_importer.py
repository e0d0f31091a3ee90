"""What the part ``import`` is compared with: the dumps read whole and joined by pandas.

``python -m imdbclust.bench.pandas_importer DIR FILE``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd


def main(folder: Path, target: Path) -> None:
    """Make the corpus that ``import-imdb`` makes with its defaults."""
    options = {"sep": "\t", "quoting": 3, "na_values": ["\\N"], "keep_default_na": False}
    basics, principals, names, ratings = (
        pd.read_csv(folder / f"{name}.tsv.gz", low_memory=False, **options)
        for name in ("title.basics", "title.principals", "name.basics", "title.ratings")
    )
    movies = basics[
        (basics["titleType"] == "movie")
        & (basics["isAdult"] == 0)
        & basics["startYear"].between(2000, 2022)
    ]
    casts = principals[
        principals["category"].isin(["actor", "actress"])
        & principals["tconst"].isin(movies["tconst"])
    ]
    casts = casts.sort_values(["tconst", "ordering"]).drop_duplicates(["tconst", "nconst"])
    per_actor = casts["nconst"].value_counts()
    casts = casts[casts["nconst"].isin(per_actor.index[per_actor >= 2])]
    casts = casts.merge(names[["nconst", "primaryName"]], on="nconst", how="left")
    casts["primaryName"] = casts["primaryName"].fillna(casts["nconst"])
    casts["actor"] = list(zip(casts["nconst"], casts["primaryName"], strict=True))
    by_movie = casts.groupby("tconst")["actor"].agg(list)
    movies = movies[movies["tconst"].isin(by_movie.index)].sort_values("tconst")
    movies = movies.merge(ratings, on="tconst", how="left")
    with target.open("w", encoding="utf-8") as file:
        for _, movie in movies.iterrows():
            rated = not pd.isna(movie["averageRating"])
            record = {
                "imdb_id": movie["tconst"],
                "title": movie["primaryTitle"],
                "genres": [] if pd.isna(movie["genres"]) else movie["genres"].split(","),
                "actors": by_movie[movie["tconst"]],
                "year": int(movie["startYear"]),
                "rating": {"avg": movie["averageRating"], "votes": int(movie["numVotes"])}
                if rated
                else {},
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
