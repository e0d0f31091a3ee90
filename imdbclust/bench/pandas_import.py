"""The import of IMDb's dumps as one writes it with pandas, to compare ``import-imdb`` with."""

from pathlib import Path

import pandas as pd


def import_with_pandas(dumps: str, target: str) -> None:
    """Make the corpus that ``import-imdb`` makes with its defaults, by pandas alone."""
    options = {"sep": "\t", "quoting": 3, "na_values": ["\\N"], "keep_default_na": False}
    basics, principals, names, ratings = (
        pd.read_csv(Path(dumps) / f"{name}.tsv.gz", low_memory=False, **options)
        for name in ("title.basics", "title.principals", "name.basics", "title.ratings")
    )
    years = basics["startYear"].between(2000, 2022)
    movies = basics[years & (basics["titleType"] == "movie") & (basics["isAdult"] == 0)]
    casts = principals[principals["category"].isin(["actor", "actress"])]
    casts = casts[casts["tconst"].isin(movies["tconst"])].sort_values(["tconst", "ordering"])
    casts = casts.drop_duplicates(["tconst", "nconst"])
    casts = casts[casts.groupby("nconst")["tconst"].transform("size") >= 2]
    casts = casts.merge(names[["nconst", "primaryName"]], on="nconst", how="left")
    named = casts["primaryName"].fillna(casts["nconst"])
    casts["actors"] = list(zip(casts["nconst"], named, strict=True))
    movies = movies.sort_values("tconst").merge(ratings, on="tconst", how="left")
    movies = movies.join(casts.groupby("tconst")["actors"].agg(list), on="tconst", how="inner")
    movies["rating"] = [
        {} if pd.isna(mean) else {"avg": mean, "votes": int(votes)}
        for mean, votes in zip(movies["averageRating"], movies["numVotes"], strict=True)
    ]
    movies["genres"] = movies["genres"].fillna("").str.split(",")
    movies["year"] = movies["startYear"].astype(int)
    movies = movies.rename(columns={"tconst": "imdb_id", "primaryTitle": "title"})
    movies = movies[["imdb_id", "title", "genres", "actors", "year", "rating"]]
    movies.to_json(target, orient="records", lines=True, force_ascii=False)
