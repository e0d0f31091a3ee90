"""Small film files of every kind that people have, and what a right reader makes of each."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile

import pandas as pd

CAST_OF_TMDB = (
    '"[{""cast_id"": 1, ""character"": ""A"", ""id"": 11, ""name"": ""Ann Ames"", ""order"": 0}, '
    '{""cast_id"": 2, ""character"": ""B"", ""id"": 12, ""name"": ""Bob Burr"", ""order"": 1}]"'
)


def zipped(**members: str) -> bytes:
    """Return a zip archive with these members; __ in a name stands for a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


def parquet(**columns) -> bytes:
    """Return a parquet file with these columns."""
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def lines_of(*records) -> str:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def film(movie_id="tt1", title="Harbour", **more) -> dict:
    """Return a record of a corpus file."""
    record = {"imdb_id": movie_id, "title": title, "genres": ["Drama"]}
    return record | {"actors": [["nm1", "Ann Ames"]]} | more


RELATIONAL = {
    "genres.csv": "movie_id,genre\n1,Drama\n1,Crime\n2,Drama\n",
    "movies.csv": "id,title,year\n1,Harbour,2001\n2,Meadow,2002\n3,River,2003\n",
    "people.csv": "id,name,birth\n11,Ann Ames,1970\n12,Bob Burr,\n13,Cy Cole,1950\n",
    "stars.csv": "person_id,movie_id\n11,1\n12,1\n11,2\n13,3\n11,3\n",
}

TMDB = lines_of(
    {
        "adult": False,
        "id": 1,
        "imdb_id": "tt0000001",
        "title": "Harbour",
        "release_date": "2001-10-27",
        "genres": [{"id": 18, "name": "Drama"}],
        "vote_average": 7.7,
        "vote_count": 1810,
        "credits": {"cast": [{"id": 11, "name": "Ann Ames", "character": "A", "order": 0}]},
    },
    {
        "adult": False,
        "id": 2,
        "imdb_id": "tt0000002",
        "title": "Meadow",
        "release_date": "",
        "genres": [],
        "vote_average": 0,
        "vote_count": 0,
        "credits": {"cast": []},
    },
)

PANDAS = "\n".join(
    [
        '{"imdb_id": "tt1", "title": "Harbour", "genres": ["Drama"], '
        '"actors": [["nm1", "Ann Ames"]], "year": 2001.0}',
        '{"imdb_id": "tt2", "title": "Meadow", "genres": ["Drama"], '
        '"actors": [["nm1", "Ann Ames"]], "year": null}',
        '{"imdb_id": "tt3", "title": "River", "genres": ["Drama"], '
        '"actors": [["nm1", "Ann Ames"]], "year": "2003"}',
        '{"imdb_id": "tt4", "title": "Pond", "genres": ["Drama"], '
        '"actors": ["Ann Ames", "Bob Burr"], "year": 2003}',
        '{"imdb_id": "tt5", "title": "Lake", "genres": "Drama, Crime", '
        '"actors": [["nm1", "Ann Ames"]], "year": 2003}',
        '{"imdb_id": "tt6", "title": "Sea", "genres": ["Drama"], '
        '"actors": [["nm1", "Ann Ames"]], "year": 2003, "rating": 7.1}',
        '{"imdb_id": "tt7", "title": "Bay", "genres": ["Drama"], '
        '"actors": [{"id": "nm1", "name": "Ann Ames"}], "year": 2003}',
        '{"imdb_id": 8, "title": 1917, "genres": ["Drama"], '
        '"actors": [[1, "Ann Ames"]], "year": 2003}',
        "",
    ]
)

NAN = """\
{"imdb_id":"tt1","title":"Harbour","genres":["Drama"],"actors":[["nm1","Ann Ames"]],\
"year":NaN,"rating":{"avg":NaN,"votes":NaN}}
{"imdb_id":"tt2","title":"Meadow","genres":["Drama"],"actors":[["nm1","Ann Ames"]],"year":2002.0}
"""

WIDE = "title,year,actor\r\nHarbour,2001,Ann Ames\r\nMeadow,2002,Ann Ames\r\n"
TITLED = "title,actor,year"

FILES = {
    # name of the file: its content; movies with a cast, actors, credits; more that must hold
    "wide_comma.csv": (
        "Title,Year,Genre,Actors,Rating,Votes\n"
        'Harbour,2001,"Drama,Crime","Ann Ames, Bob Burr",7.1,100\n'
        'Meadow,2002,Drama,"Ann Ames, Cy Cole, Bob Burr",6.0,50\n'
        'River,2003,Comedy,"Cy Cole, Dee Dunn",5.5,20\n',
        (3, 4, 7),
        {
            "genres": [["Drama", "Crime"], ["Drama"], ["Comedy"]],
            "rating": [7.1, 6.0, 5.5],
            "votes": [100, 50, 20],
            "said": ["separated by commas"],
        },
    ),
    "wide_cast.csv": (
        "show_id,type,title,director,cast,release_year,rating,listed_in\n"
        's1,Movie,Harbour,Eve Ek,"Ann Ames, Bob Burr",2001,PG-13,"Dramas, Thrillers"\n'
        's2,Movie,Meadow,Eve Ek,"Ann Ames, Cy Cole",2002,TV-MA,Dramas\n'
        's3,Movie,River,Eve Ek,"Cy Cole, Dee Dunn",2003,R,Comedies\n',
        (3, 4, 6),
        {
            "ids": ["s1", "s2", "s3"],
            "year": [2001, 2002, 2003],
            "rating": [None] * 3,
            "genres": [["Dramas", "Thrillers"], ["Dramas"], ["Comedies"]],
            "said": ["PG-13", "not read as rating"],
        },
    ),
    "pipe_actors.csv": (
        "imdb_id,title,year,actors,genres\n"
        "tt1,Harbour,2001,Ann Ames|Bob Burr,Drama|Crime\n"
        "tt2,Meadow,2002,Ann Ames|Cy Cole,Drama\n",
        (2, 3, 4),
        {"ids": ["tt1", "tt2"], "genres": [["Drama", "Crime"], ["Drama"]]},
    ),
    "python_list.csv": (
        "title,year,actors,genres\n"
        "Harbour,2001,\"['Ann Ames', 'Bob Burr']\",\"['Drama', 'Crime']\"\n"
        "Meadow,2002,\"['Ann Ames']\",['Drama']\n",
        (2, 2, 3),
        {"genres": [["Drama", "Crime"], ["Drama"]], "casts": [["Ann Ames", "Bob Burr"]]},
    ),
    "list_cast.parquet": (
        parquet(
            title=["Harbour", "Meadow"],
            year=[2001, 2002],
            cast=[["Ann Ames", "Bob Burr"], ["Ann Ames"]],
            genres=[["Drama", "Crime"], ["Drama"]],
        ),
        (2, 2, 3),
        {"genres": [["Drama", "Crime"], ["Drama"]], "year": [2001, 2002]},
    ),
    "tmdb_credits.csv": (
        f"movie_id,title,cast,crew\n1,Harbour,{CAST_OF_TMDB},[]\n"
        '2,Meadow,"[{""cast_id"": 3, ""id"": 11, ""name"": ""Ann Ames"", ""order"": 0}]",[]\n',
        (2, 2, 3),
        {"actor_ids": ["11", "12"], "ids": ["1", "2"]},
    ),
    "tmdb.jsonl": (
        TMDB,
        (1, 1, 1),
        {
            "ids": ["tt0000001", "tt0000002"],
            "actor_ids": ["11"],
            "year": [2001, None],
            "rating": [7.7, None],
            "votes": [1810, 0],
            "genres": [["Drama"], []],
        },
    ),
    "stars2.csv": (
        "title,year,Star1,Star2\nHarbour,2001,Ann Ames,Bob Burr\nMeadow,2002,Ann Ames,Cy Cole\n",
        (2, 3, 4),
        {"casts": [["Ann Ames", "Bob Burr"], ["Ann Ames", "Cy Cole"]]},
    ),
    "star_columns.csv": (
        "Series_Title,Released_Year,Genre,IMDB_Rating,Star1,Star2,Star3,Star4,No_of_Votes\n"
        'Harbour,2001,"Drama, Crime",7.1,Ann Ames,Bob Burr,Cy Cole,Dee Dunn,100\n'
        "Meadow,2002,Drama,6.0,Ann Ames,Cy Cole,Fay Fox,Gus Gray,50\n",
        (2, 6, 8),
        {
            "titles": ["Harbour", "Meadow"],
            "year": [2001, 2002],
            "rating": [7.1, 6.0],
            "votes": [100, 50],
            "genres": [["Drama", "Crime"], ["Drama"]],
        },
    ),
    "india_shape.csv": (
        "Name,Year,Genre,Rating,Votes,Actor 1,Actor 2,Actor 3\n"
        'Harbour,-2019,"Drama, Crime",7.1,"1,086",Ann Ames,Bob Burr,Cy Cole\n'
        "Meadow,(2020),Drama,,,Ann Ames,Dee Dunn,\n",
        (2, 4, 5),
        {"titles": ["Harbour", "Meadow"], "year": [2019, 2020], "votes": [1086, None]},
    ),
    "array.json": (
        json.dumps([film(year=2001), film("tt2", "Meadow", year=2002)], indent=1),
        (2, 1, 2),
        {"ids": ["tt1", "tt2"], "actor_ids": ["nm1"], "year": [2001, 2002]},
    ),
    "wikipedia_shape.json": (
        json.dumps(
            [
                {
                    "title": "Harbour",
                    "year": 1951,
                    "cast": ["Ann Ames", "Bob Burr"],
                    "genres": ["Drama"],
                    "href": "Harbour",
                    "extract": "x",
                }
            ]
        ),
        (1, 2, 2),
        {"year": [1951], "genres": [["Drama"]]},
    ),
    "pandas.jsonl": (
        PANDAS,
        (8, 4, 9),
        {
            "ids": ["tt1", "tt2", "tt3", "tt4", "tt5", "tt6", "tt7", "8"],
            "titles": ["Harbour", "Meadow", "River", "Pond", "Lake", "Sea", "Bay", "1917"],
            "year": [2001, None, 2003, 2003, 2003, 2003, 2003, 2003],
            "genres": [["Drama"]] * 4 + [["Drama", "Crime"]] + [["Drama"]] * 3,
            "rating": [None] * 5 + [7.1, None, None],
            "votes": [None] * 8,
            "actor_ids": ["nm1", "Ann Ames", "Bob Burr", "1"],
            "said": ["stand for"],
        },
    ),
    "nan.jsonl": (NAN, (2, 1, 2), {"year": [None, 2002], "rating": [None, None]}),
    "float_year.parquet": (
        parquet(
            title=["Harbour", "Meadow"],
            year=[2001.0, None],
            actor=["Ann Ames", "Ann Ames"],
            rating=[7.5, None],
        ),
        (2, 1, 2),
        {"year": [2001, None], "rating": [7.5, None]},
    ),
    "long_rating.csv": (
        "title,actor,release_year,rating\nHarbour,Ann Ames,2001,PG-13\n"
        "Harbour,Bob Burr,2001,PG-13\nMeadow,Ann Ames,2002,R\nPond,Ann Ames,2003,\n",
        (3, 2, 4),
        {"rating": [None] * 3, "year": [2001, 2002, 2003], "said": ["PG-13"]},
    ),
    "thousands.csv": (
        'title,actor,year,rating,votes\nHarbour,Ann Ames,2001,7.5,"1,234"\n'
        'Meadow,Ann Ames,2002,7.0,"12,345"\n',
        (2, 1, 2),
        {"rating": [7.5, 7.0], "votes": [1234, 12345]},
    ),
    "release_date.csv": (
        "title,actor,release_date,vote_average,vote_count\n"
        "Harbour,Ann Ames,2001-05-06,7.5,12\nMeadow,Ann Ames,2002-01-01,6,10\n",
        (2, 1, 2),
        {"year": [2001, 2002], "rating": [7.5, 6], "votes": [12, 10]},
    ),
    "rating_variants.csv": (
        "title,actor,year,rating,votes\n"
        'Harbour,Ann Ames,2001-05-06,7.5/10,"1,234"\nMeadow,Ann Ames,(2002),75%,1.2K\n'
        'River,Bob Burr,I 2003,8,"12 345"\nPond,Bob Burr,2004–2006,6,10\n',
        (4, 2, 4),
        {
            "year": [2001, 2002, 2003, 2004],
            "rating": [7.5, 7.5, 8, 6],
            "votes": [1234, 1200, 12345, 10],
        },
    ),
    "quote.tsv": (
        'tconst\tprimaryTitle\tstartYear\tnconst\tprimaryName\ntt1\t"Swing it" magistern\t1940\t'
        'nm1\tAnn Ames\ntt2\tHarbour\t2001\tnm1\tAnn Ames\ntt3\t"Meadow\t2002\tnm2\tBob Burr\n'
        "tt4\tRiver\t2003\tnm2\tBob Burr\n",
        (4, 2, 4),
        {"titles": ['"Swing it" magistern', "Harbour", '"Meadow', "River"]},
    ),
    "nogenre_words.csv": (
        "title,year,actor,genre\nHarbour,2001,Ann Ames,(no genres listed)\n"
        "Meadow,2002,Ann Ames,N/A\nRiver,2003,Unknown,unknown\nPond,2004,N/A,\n"
        "Lake,2005,-,none\n",
        (2, 1, 2),
        {"titles": ["Harbour", "Meadow", "River", "Pond", "Lake"], "genres": [[]] * 5,
         "said": ["placeholders", "7"]},
    ),
    "null_names.csv": (
        f"{TITLED}\nNA,Christopher Null,2001\nNone,NULL,2002\nnull,Nan,2003\nNaN,NA,n/a\n"
        "True,Inf,2004\n",
        (5, 5, 5),
        {
            "titles": ["NA", "None", "null", "NaN", "True"],
            "casts": [["Christopher Null"], ["NULL"], ["Nan"], ["NA"], ["Inf"]],
            "year": [2001, 2002, 2003, None, 2004],
        },
    ),
    "nfc.csv": (
        "title,year,actor\nHarbour,2001,Penélope Éclair\n"
        "Meadow,2002,Pene\u0301lope E\u0301clair\nRiver,2003,Penélope  Éclair\n"
        "Pond,2004,penélope éclair\nLake,2005,Penélope\u00a0Éclair\n"
        "Bay,2006,Penélope Éclair\u200b\n",
        (6, 2, 6),
        {"actor_ids": ["Penélope Éclair", "penélope éclair"], "said": ["alike", "folded"]},
    ),
    "excel_index.csv": (
        ",title,year,actor\n0,Harbour,2001,Ann Ames\n1,Meadow,2002,Ann Ames\n",
        (2, 1, 2),
        {"ids": ["Harbour (2001)", "Meadow (2002)"]},
    ),
    "crlf.csv.bz2": (bz2.compress(WIDE.encode()), (2, 1, 2), {"year": [2001, 2002]}),
    "crlf.csv.xz": (lzma.compress(WIDE.encode()), (2, 1, 2), {"year": [2001, 2002]}),
    "crlf.csv.gz": (gzip.compress(WIDE.encode()), (2, 1, 2), {"year": [2001, 2002]}),
    "archive.zip": (
        zipped(films__csv="title,year,actor\nHarbour,2001,Ann Ames\n"),
        (1, 1, 1),
        {"year": [2001]},
    ),
    "relational.zip": (
        zipped(**{name.replace(".", "__"): text for name, text in RELATIONAL.items()}),
        (3, 3, 5),
        {"titles": ["Harbour", "Meadow", "River"]},
    ),
    # named in words only
    "slashes.txt": (
        "Film (2001)/Ames, Ann/Burr, Bob\nCafé (1999)/Ames, Ann/Côle, Cy\n".encode("latin-1"),
        (2, 3, 4),
        {
            "titles": ["Film", "Café"],
            "year": [2001, 1999],
            "casts": [["Ames, Ann", "Burr, Bob"], ["Ames, Ann", "Côle, Cy"]],
        },
    ),
    "omdb.json": (
        json.dumps(
            [
                {
                    "Title": "Harbour",
                    "Year": "2001–2003",
                    "Rated": "PG-13",
                    "Genre": "Drama, Crime",
                    "Actors": "Ann Ames, Bob Burr",
                    "imdbRating": "7.1",
                    "imdbVotes": "1,086",
                    "imdbID": "tt1",
                },
                {
                    "Title": "Meadow",
                    "Year": "N/A",
                    "Genre": "N/A",
                    "Actors": "N/A",
                    "imdbRating": "N/A",
                    "imdbVotes": "N/A",
                    "imdbID": "tt2",
                },
            ]
        ),
        (1, 2, 2),
        {
            "ids": ["tt1", "tt2"],
            "year": [2001, None],
            "rating": [7.1, None],
            "votes": [1086, None],
            "genres": [["Drama", "Crime"], []],
        },
    ),
    "semicolons.csv": (
        "title,year,cast\nHarbour,2001,Ames, Ann; Burr, Bob\n".replace(
            "Ames, Ann; Burr, Bob", '"Ames, Ann; Burr, Bob"'
        )
        + 'Meadow,2002,"Ames, Ann"\n',
        (2, 2, 3),
        {"casts": [["Ames, Ann", "Burr, Bob"], ["Ames, Ann"]]},
    ),
    "last_first.csv": (
        'title,year,actor\nHarbour,2001,"Ames, Ann"\nHarbour,2001,"Burr, Bob"\n'
        'Meadow,2002,"Ames, Ann"\n',
        (2, 2, 3),
        {"casts": [["Ames, Ann", "Burr, Bob"], ["Ames, Ann"]]},
    ),
    "junior.csv": (
        'title,year,cast\nHarbour,2001,"Ann Ames, Bob Burr, Jr., Cy Cole"\n'
        'Meadow,2002,"Bob Burr, Jr., Dee Dunn"\n',
        (2, 4, 5),
        {"casts": [["Ann Ames", "Bob Burr, Jr.", "Cy Cole"], ["Bob Burr, Jr.", "Dee Dunn"]]},
    ),
    "people5000.csv": (
        "director_name,actor_2_name,genres,actor_1_name,movie_title,num_voted_users,"
        "actor_1_facebook_likes,actor_3_name,title_year,imdb_score\n"
        "Eve Ek,Bob Burr,Action|Drama,Ann Ames,Harbour\u00a0,1086,900,Cy Cole,2001.0,7.1\n"
        "Eve Ek,Cy Cole,Drama,Ann Ames,Meadow\u00a0,50,900,,2002.0,6.0\n",
        (2, 3, 5),
        {
            "titles": ["Harbour", "Meadow"],
            "casts": [["Ann Ames", "Bob Burr", "Cy Cole"], ["Ann Ames", "Cy Cole"]],
            "year": [2001, 2002],
            "votes": [1086, 50],
            "rating": [7.1, 6.0],
        },
    ),
    "principals.tsv": (
        "tconst\ttitle\tnconst\tname\tcategory\ntt1\tHarbour\tnm1\tAnn Ames\tactress\n"
        "tt1\tHarbour\tnm9\tEve Ek\tdirector\ntt2\tMeadow\tnm1\tAnn Ames\tself\n"
        "tt2\tMeadow\tnm2\tBob Burr\tactor\n",
        (2, 2, 2),
        {"actor_ids": ["nm1", "nm2"], "said": ["director"]},
    ),
    "columns.json": (
        json.dumps(
            {
                "title": {"0": "Harbour", "1": "Meadow"},
                "year": {"0": 2001.0, "1": None},
                "actors": {"0": ["Ann Ames", "Bob Burr"], "1": ["Ann Ames"]},
            }
        ),
        (2, 2, 3),
        {"year": [2001, None]},
    ),
    "mongo.jsonl": (
        lines_of(
            {
                "_id": {"$oid": "573a1390f29313caabcd4135"},
                "title": "Harbour",
                "cast": ["Ann Ames", "Bob Burr"],
                "genres": ["Drama"],
                "year": 2001,
                "imdb": {"rating": 7.1, "votes": 1086, "id": 5},
            }
        ),
        (1, 2, 2),
        {"ids": ["5"], "rating": [7.1], "votes": [1086]},
    ),
    "edges.csv": (
        "Source,Target\nHarbour,Ann Ames\nHarbour,Bob Burr\nMeadow,Ann Ames\n",
        (2, 2, 3),
        {},
    ),
    "backslash.csv": (
        'title,year,actor\n"Say \\"Hi\\"",2001,Ann Ames\n"Meadow",2002,Ann Ames\n',
        (2, 1, 2),
        {"titles": ['Say "Hi"', "Meadow"]},
    ),
    "nationality.csv": (
        "movie_name,year,star,star_id\n"
        'Harbour,2001,"Ann Ames, \nBob Burr","/name/nm1/,/name/nm2/"\n'
        "Meadow,2002,Ann Ames,/name/nm1/\n",
        (2, 2, 3),
        {"titles": ["Harbour", "Meadow"], "actor_ids": ["/name/nm1/", "/name/nm2/"]},
    ),
}  # fmt: skip

SETS = {
    # several files read together
    "relational": (
        RELATIONAL,
        (3, 3, 5),
        {
            "titles": ["Harbour", "Meadow", "River"],
            "genres": [["Drama", "Crime"], ["Drama"], []],
            "year": [2001, 2002, 2003],
            "casts": [["Ann Ames", "Bob Burr"], ["Ann Ames"], ["Cy Cole", "Ann Ames"]],
            "actor_ids": ["11", "12", "13"],
        },
    ),
    "ratings and directors": (
        RELATIONAL
        | {
            "directors.csv": "person_id,movie_id\n13,1\n13,2\n12,3\n",
            "ratings.csv": "movie_id,rating,votes\n1,7.1,100\n3,5.5,20\n",
        },
        (3, 3, 5),
        {"rating": [7.1, None, 5.5], "votes": [100, None, 20]},
    ),
    "first and last names": (
        {
            "actors.csv": "id,first_name,last_name,gender\n11,Ann,Ames,F\n12,Bob,Burr,M\n",
            "movies.csv": "id,name,year,rank\n1,Harbour,2001,6.1\n2,Meadow,2002,5.0\n",
            "roles.csv": "actor_id,movie_id,role\n11,1,Anna\n12,1,Bobby\n11,2,Anna\n",
            "movies_genres.csv": "movie_id,genre\n1,Drama\n2,War\n",
        },
        (2, 2, 3),
        {
            "titles": ["Harbour", "Meadow"],
            "casts": [["Ann Ames", "Bob Burr"], ["Ann Ames"]],
            "genres": [["Drama"], ["War"]],
        },
    ),
    "names of genres": (
        {
            "film.csv": "film_id,title,release_year,rating\n1,Harbour,2006,PG\n2,Meadow,2006,R\n",
            "actor.csv": "actor_id,first_name,last_name\n11,ANN,AMES\n12,BOB,BURR\n",
            "film_actor.csv": "actor_id,film_id,last_update\n11,1,x\n12,1,x\n11,2,x\n",
            "category.csv": "category_id,name\n1,Drama\n2,War\n",
            "film_category.csv": "film_id,category_id\n1,2\n2,1\n",
            "customer.csv": "customer_id,first_name,last_name\n1,Eve,Ek\n2,Bob,Burr\n",
        },
        (2, 2, 3),
        {"genres": [["War"], ["Drama"]], "casts": [["ANN AMES", "BOB BURR"], ["ANN AMES"]]},
    ),
    "movies and casts": (
        {
            "movies.csv": "id,title,genres,release_date,vote_average,vote_count\n"
            '1,Harbour,"[{""id"": 18, ""name"": ""Drama""}]",2001-05-06,7.1,100\n'
            '2,Meadow,"[]",2002-05-06,6.0,50\n',
            "credits.csv": f"movie_id,title,cast,crew\n1,Harbour,{CAST_OF_TMDB},[]\n"
            '2,Meadow,"[{""id"": 11, ""name"": ""Ann Ames""}]",[]\n',
        },
        (2, 2, 3),
        {"genres": [["Drama"], []], "year": [2001, 2002], "votes": [100, 50]},
    ),
    "nodes and edges": (
        {
            "nodes.csv": "Id,Label,type,year\n1,Harbour,movie,2001\n2,Meadow,movie,2002\n"
            "11,Ann Ames,actor,\n12,Bob Burr,actor,\n",
            "edges.csv": "Source,Target,Type\n11,1,Undirected\n12,1,Undirected\n2,11,Undirected\n",
        },
        (2, 2, 3),
        {
            "titles": ["Harbour", "Meadow"],
            "casts": [["Ann Ames", "Bob Burr"], ["Ann Ames"]],
            "year": [2001, 2002],
        },
    ),
}

MOVIES_NAME = "id,name,year,rank\n1,Harbour,2001,6.1\n2,Meadow,2002,5.0\n3,River,2003,\n"

REFUSED = {
    # name of a file: content, and what is said
    "movies_name.csv": (MOVIES_NAME, ["no cast", "credits", "imdbclust import"]),
    "people.csv": ("id,name\n11,Ann Ames\n12,Bob Burr\n", ["no cast", "imdbclust import"]),
    "star_rating.csv": (
        "film,star,year\nHarbour,4.5,2001\nMeadow,3,2002\n",
        ["no cast", "star", "numbers"],
    ),
    "open_quote.csv": (
        'title,year,actor\nHarbour,2001,Ann Ames\nMeadow,2002,"Bob ""Bud"" Burr\n'
        "River,2003,Ann Ames\nPond,2004,Cy Cole\nLake,2005,Cy Cole\n",
        ["open_quote.csv:3", "swallows 3 lines", "--quote none"],
    ),
    "lfs_pointer.csv": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 438094\n",
        ["Git LFS", "git lfs pull"],
    ),
    "page.csv": ("<!DOCTYPE html>\n<html><body>404</body></html>", ["HTML"]),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + b"x" * 99, ["a picture"]),
    "nested.json": (
        json.dumps({"shelf": [{"box": [{"called": "Harbour", "cast": ["Ann Ames"]}]}]}),
        ["not of films", "shelf[].box[].cast"],
    ),
    "graph.graphml": (
        '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns"/>',
        ["GraphML"],
    ),
}


def write_database(path, tables: dict[str, str] = RELATIONAL) -> None:
    """Write CSV texts as tables of a SQLite database, or of DuckDB if the name ends so."""
    frames = {
        name.removesuffix(".csv"): pd.read_csv(io.StringIO(text)) for name, text in tables.items()
    }
    if path.suffix == ".duckdb":
        import duckdb

        with duckdb.connect(str(path)) as base:
            for name, frame in frames.items():
                base.register("frame", frame)
                base.execute(f'CREATE TABLE "{name}" AS SELECT * FROM frame')
                base.unregister("frame")
        return
    base = sqlite3.connect(path)
    for name, frame in frames.items():
        frame.to_sql(name, base, index=False)
    base.commit()
    base.close()
