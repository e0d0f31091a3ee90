"""What differs between runs: asked for, given, and come of it."""

import json
import shutil

import pytest

from imdbclust.commands import cli
from imdbclust.running.diff import _results, describe_difference


@pytest.fixture
def copy(finished_run, tmp_path):
    """Return a copy of the finished run that may be changed."""
    return shutil.copytree(finished_run, tmp_path / "copy")


def change(folder, **changed):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_a_run_does_not_differ_from_its_copy(finished_run, copy, capsys):
    change(copy, name="copy", started="later", seconds=1e6)
    assert cli.main(["diff", str(finished_run), str(copy)]) == cli.DONE
    assert capsys.readouterr().out == "nothing differs\n"


def test_presets_parameters_clusters_and_tables_are_reported(finished_run, recommended_run, capsys):
    call = ["diff", finished_run.name, recommended_run.name, "--out", str(finished_run.parent)]
    assert cli.main(call) == cli.FAILED
    said = capsys.readouterr().out
    assert "preset: 'seed' and 'recommended'" in said
    assert "parameter weighting: 'none' and 'degree'" in said
    assert "n_clusters" not in said  # the same in both
    assert "clusters: adjusted Rand index 0." in said
    assert "table cluster_sizes: " in said


def test_other_films_versions_and_commits_are_reported(finished_run, copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    change(
        copy,
        dataset=manifest["dataset"] | {"sha256": "0" * 64, "title": "other films"},
        versions=manifest["versions"] | {"numpy": "0.1"},
        commit="1" * 40,
        status="failed",
    )
    said = describe_difference(str(finished_run), str(copy))
    assert f"version numpy: '{manifest['versions']['numpy']}' and '0.1'" in said
    assert any(line.startswith("films: ") and "other films (000000000000)" in line for line in said)
    assert any(line.startswith("commit: ") and line.endswith("111111111111") for line in said)
    assert "status: done and failed" in said


def test_one_movie_in_another_cluster_and_one_that_is_gone(finished_run, copy):
    path = copy / "movie_to_cluster.csv"
    header, _, second, *others = path.read_text().splitlines()
    movie, cluster = second.rsplit(",", 1)
    path.write_text("\n".join([header, f"{movie},{int(cluster) + 1}", *others]) + "\n")
    movies, clusters = describe_difference(str(finished_run), str(copy))
    assert movies == "movies: 300 and 299; 299 are in both"
    assert "1 of 299 movies have another number" in clusters
    assert float(clusters.split("index ")[1].split(";")[0]) > 0.95


def test_tables_are_compared_by_columns_rows_and_numbers(finished_run, copy):
    tables = copy / "tables"
    (tables / "cluster_sizes.csv").unlink()
    sizes = (tables / "p_cluster.csv").read_text().splitlines()
    (tables / "p_cluster.csv").write_text("\n".join(sizes[:-1]) + "\n")
    lines = (tables / "stability.csv").read_text().splitlines()
    name, pairs, *others = lines[1].split(",")
    (tables / "stability.csv").write_text(
        "\n".join([lines[0], ",".join([name, str(int(pairs) + 3), *others]), *lines[2:]]) + "\n"
    )
    said = describe_difference(str(finished_run), str(copy))
    assert "table cluster_sizes: only in the first" in said
    assert f"table p_cluster: {len(sizes) - 1} and {len(sizes) - 2} rows" in said
    assert "table stability: numbers differ by at most 3, 0 texts differ" in said


@pytest.mark.parametrize("broken", ["", "[]", "{}", "no json"])
def test_what_is_not_a_run_is_refused(finished_run, tmp_path, broken, capsys):
    assert cli.main(["diff", str(finished_run), "nowhere"]) == cli.WRONG
    assert "no run called 'nowhere' in" in capsys.readouterr().err
    misspelt = ["diff", str(finished_run), "smal", "--out", str(finished_run.parent)]
    assert cli.main(misspelt) == cli.WRONG
    assert "did you mean small?" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text(broken)
    assert cli.main(["diff", str(finished_run), str(tmp_path)]) == cli.WRONG
    assert "is not a valid manifest of a run" in capsys.readouterr().err


def test_rows_of_two_sweeps_are_compared_but_not_what_they_took(tmp_path):
    rows = "setting,ari,error,seconds_04,key_04\na,0.5,,1,x\nb,0.25,,2,y\n"
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.csv").write_text(rows)

    def said():
        return list(_results(tmp_path / "one", tmp_path / "other"))

    other = tmp_path / "other" / "results.csv"
    other.write_text(rows.replace("1,x", "9,z"))
    assert said() == []
    other.write_text(rows.replace("0.25", "0.75"))
    assert said() == ["results: ari differs in 1 of 2 settings"]
    other.write_text(rows + "c,1,,3,z\n")
    assert said() == ["results: 2 settings with 3 columns and 3 settings with 3 columns"]
