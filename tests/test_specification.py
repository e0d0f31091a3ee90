"""Specifications of sweeps: what they expand to, and what is refused with file, line and key."""

import pytest

from imdbclust.running.specification import SpecificationError, read_specification


def read(tmp_path, text, **more):
    path = tmp_path / "sweep.yml"
    path.write_text(text, encoding="utf-8")
    return read_specification(path, **more)


def test_a_grid_is_every_combination_in_the_order_of_the_file(tmp_path):
    text = """
    dataset: sample
    preset: recommended
    parameters: {n_init: 3}
    grid:
      n_components: [4, 8]
      n_clusters: [2, 3]
      random_state: {repeats: 2}
    """
    found = read(tmp_path, text)
    assert found.dataset == "sample"
    assert found.axes == ("n_components", "n_clusters", "random_state")
    points = [tuple(one.axes.values()) for one in found.settings]
    assert points[:3] == [(4, 2, 31337), (4, 2, 31338), (4, 3, 31337)]
    assert len(points) == 8
    for one in found.settings:
        assert one.preset == "recommended"
        assert one.parameters["n_init"] == 3
        assert one.parameters["weighting"] == "degree"
        assert all(one.parameters[name] == value for name, value in one.axes.items())


def test_repeats_begin_at_the_seed_that_is_given(tmp_path):
    text = "parameters: {random_state: 7}\ngrid: {random_state: {repeats: 3}}"
    assert [one.axes["random_state"] for one in read(tmp_path, text).settings] == [7, 8, 9]


def test_presets_can_be_an_axis(tmp_path):
    found = read(tmp_path, "grid: {preset: [seed, recommended], n_clusters: [4]}")
    assert [one.preset for one in found.settings] == ["seed", "recommended"]
    assert [one.parameters["algorithm"] for one in found.settings] == ["MiniBatchKMeans", "KMeans"]


def test_listed_settings_stand_beside_a_grid_and_none_twice(tmp_path):
    text = """
    grid: {n_clusters: [4, 8]}
    settings:
      - {n_clusters: 8}
      - {n_clusters: 16, n_components: 4, preset: recommended}
    """
    found = read(tmp_path, text)
    assert [one.axes for one in found.settings] == [
        {"n_clusters": 4},
        {"n_clusters": 8},
        {"n_clusters": 16, "n_components": 4, "preset": "recommended"},
    ]


@pytest.mark.parametrize(
    ("text", "reports", "by_default"),
    [
        ("grid: {random_state: {repeats: 50}}", "all", True),
        ("grid: {random_state: {repeats: 51}}", "best", True),
        ("grid: {random_state: {repeats: 51}}\nreports: all", "all", False),
        ("grid: {random_state: {repeats: 2}}\nreports: none", "none", False),
    ],
)
def test_a_large_sweep_reports_the_best_setting_unless_the_file_says_otherwise(
    text, reports, by_default, tmp_path
):
    found = read(tmp_path, text)
    assert (found.reports, found.by_default) == (reports, by_default)


def test_an_unknown_choice_of_reports_is_refused(tmp_path):
    text = "grid: {n_clusters: [4]}\nreports: bests"
    with pytest.raises(SpecificationError, match=r"yml:2: reports: unknown .*did you mean best\?"):
        read(tmp_path, text)
    with pytest.raises(SpecificationError, match="choose all, best, none"):
        read(tmp_path, text.replace("bests", "7"))


def test_what_the_command_line_gives_goes_before_the_file(tmp_path):
    text = "dataset: imdb\nparameters: {n_init: 3}\ngrid: {n_clusters: [4]}"
    found = read(tmp_path, text, dataset="sample", given={"n_init": 5})
    assert found.dataset == "sample"
    assert found.settings[0].parameters["n_init"] == 5


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", None, "is empty"),
        ("grid: {}", 1, "grid: is empty"),
        ("dataset: sample", 1, "nothing varies"),
        ("grid:\n  n_cluster: [4]", 2, "did you mean n_clusters?"),
        ("gird: {n_clusters: [4]}", 1, "did you mean grid?"),
        ("grid:\n  n_clusters: [4, many]", 2, "n_clusters must be a whole number, not 'many'"),
        ("grid:\n  n_clusters: [0]", 2, "at least 1"),
        ("grid:\n  n_clusters: []", 2, "is an empty list"),
        ("grid:\n  n_clusters: 4", 2, "must be a list of values"),
        ("grid:\n  n_clusters: [4, 4]", 2, "has a duplicate value"),
        ("grid:\n  n_clusters: [4]\n  n_clusters: [8]", 3, "duplicate key n_clusters"),
        ("grid:\n  tol: [.inf]", 2, "is not finite"),
        ("grid:\n  tol: [.nan]", 2, "is not finite"),
        ("grid:\n  n_clusters: [[4]]", 2, "must be one value"),
        ("grid:\n  n_clusters: [null]", 2, "must be a number"),
        ("grid:\n  random_state: {repeats: 0}", 2, "must be 1 to 10000, not"),
        ("grid:\n  random_state: {repeat: 3}", 2, "did you mean repeats?"),
        ("grid:\n  random_state: {repeats: 100000}", 2, "must be 1 to 10000, not"),
        ("grid:\n  preset: [sed]", 2, "unknown preset 'sed'; did you mean seed?"),
        ("grid:\n  dataset: [imdb]", 2, "a sweep has one dataset; set it at the top level"),
        ("preset: 3\ngrid: {n_clusters: [4]}", 1, "preset: unknown preset 3"),
        ("parameters: {from_run: x}\ngrid: {n_clusters: [4]}", 1, "unknown parameter 'from_run'"),
        ("settings: []", 1, "at least one setting"),
        ("settings:\n - {}", 2, "is empty"),
        ("settings:\n - 4", 2, "must be a mapping"),
        ("grid: [", None, "invalid YAML"),
        ("- 1\n- 2", 1, "must be a mapping"),
        ("grid: !!python/object/apply:os.system [x]", 1, "must be a mapping"),
        ("grid: {n_clusters: ['!!python/name:os.system']}", 1, "must be a whole number"),
        ("? [1, 2]\n: 3", 1, "a name must be a text"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(text, line, sentence, tmp_path):
    with pytest.raises(SpecificationError) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert sentence in said
    assert "sweep.yml" in said
    if line:
        assert f"sweep.yml:{line}: " in said


def test_a_grid_without_end_is_refused_before_it_is_made(tmp_path):
    values = ", ".join(map(str, range(1, 400)))
    text = f"grid:\n  n_clusters: [{values}]\n  n_components: [{values}]"
    with pytest.raises(SpecificationError, match="159,201 settings, more than 10,000"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(SpecificationError, match="cannot be read"):
        read_specification(tmp_path / "nowhere.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecificationError, match="not UTF-8 text"):
        read_specification(tmp_path / "binary.yml")
    (tmp_path / "deep.yml").write_text("[" * 5000)
    with pytest.raises(SpecificationError, match="invalid YAML"):
        read_specification(tmp_path / "deep.yml")
