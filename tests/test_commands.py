"""The help of every command is complete, and the command line is light."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imdbclust.commands import cli

PARSERS = cli._parser()._subparsers._group_actions[0].choices


NO_DEFAULT = ("-p", "--actor", "--genre", "--file")
"""Options that are simply absent by default."""


@pytest.fixture(params=PARSERS)
def command(request):
    return PARSERS[request.param]


def test_every_option_is_explained_with_its_default(command):
    _, _, manual = command.format_help().partition("\n\n")
    listed = manual.partition("\noptions:\n")[2]
    for action in command._actions:
        if action.dest == "help":
            continue
        if not action.option_strings:
            assert re.search(rf"\b{re.escape(action.metavar)}\b", manual), action.metavar
            continue
        [option] = action.option_strings
        about = re.search(rf"^  {option} .*\n(?:   +.*\n)*", listed, re.MULTILINE)
        assert about, option
        about = " ".join(about[0].split())
        if action.choices and option != "--engine":  # its choices are explained in a sentence
            assert all(choice in about for choice in action.choices)
        if action.required:
            assert "(required)" in about
        elif action.nargs != 0 and option not in NO_DEFAULT and action.metavar != "COLUMN":
            named = action.default not in (None, []) and option != "--engine"
            assert f"default: {str(action.default).removesuffix('.0') if named else ''}" in about
    options = {action.option_strings[0] for action in command._actions if action.option_strings}
    assert set(re.findall(r"^  (--?[a-z-]+)", listed, re.MULTILINE)) == options - {"-h"}


def test_the_help_fits_a_terminal(command):
    if not command.prog.endswith(" run"):  # the notebooks' own helps are longer
        assert max(map(len, command.format_help().splitlines())) <= 84


def test_the_list_of_commands_has_a_line_for_each(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name, module in cli.COMMANDS.items():
        summary = module.__doc__.splitlines()[0]
        assert summary.endswith(".")
        assert f" {name} {summary[0].lower()}{summary[1:-1]}" in said


def test_help_and_import_load_nothing_heavy():
    code = (
        "import sys, contextlib\n"
        "from imdbclust.commands import cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['--help'])\n"
        "heavy = {'numpy', 'pandas', 'sklearn', 'matplotlib', 'papermill', 'msgspec', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (("run", "--dataset", "wikipdia"), "did you mean wikipedia?"),
        (("run", "--preset", "recomended"), "did you mean recommended?"),
        (("run", "--preset", "xyz"), "choose seed or recommended or nested"),
        (("sweep", "notebooks/small.yml", "--dataset", "Sampel"), "did you mean sample?"),
        (("sweep", "smal.yml"), "No such file or directory; did you mean small.yml?"),
        (("run", "--setting", "smal/1"), "did you mean small?"),
        (("open", "SMAL"), "did you mean small?"),
        (("diff", "smal", "small"), "did you mean small?"),
        (("assign", "smal", "--genre", "Drama"), "did you mean small?"),
        (("fetch", "wikpedia"), "did you mean wikipedia?"),
    ],
)
def test_a_misspelt_name_is_answered_at_once(call, hint, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "manifest.json").write_text("{}")
    code = (
        "import sys; from imdbclust.commands import cli\n"
        "code = cli.main(sys.argv[1:])\n"
        "heavy = {'numpy', 'pandas', 'papermill', 'pyarrow', 'sklearn'} & set(sys.modules)\n"
        "print(code, sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *call],
        env=os.environ | {"IMDBCLUST_REPORTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 []\n"
    assert hint in done.stderr


def test_a_message_names_a_few_of_many_runs(tmp_path, capsys):
    for number in range(5_000):
        (tmp_path / f"run-{number}").mkdir()
        (tmp_path / f"run-{number}" / "manifest.json").touch()
    assert cli.main(["open", "xyz", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "or one of 4,993 others" in said
    assert len(said) < 400


def test_one_movie_is_assigned_without_what_it_does_not_need(finished_run):
    code = (
        "import sys; from imdbclust.commands import cli\n"
        "code = cli.main(sys.argv[1:])\n"
        "unneeded = {'papermill', 'sklearn', 'imdbclust.datasets.reading', 'matplotlib',"
        " 'scipy.stats', 'scipy.sparse.csgraph', 'imdbclust.evaluation'} & set(sys.modules)\n"
        "print(code, sorted(unneeded))"
    )
    call = ["assign", str(finished_run), "--genre", "Drama"]
    done = subprocess.run(
        [sys.executable, "-c", code, *call], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n0 []\n")


def answer(capsys, *call):
    """Return the exit code of a call and what it printed, read as JSON."""
    code = cli.main([*call, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_programs_read_the_list_of_runs(finished_run, capsys):
    code, listed = answer(capsys, "runs", "--out", str(finished_run.parent))
    assert code == cli.DONE
    [run] = [one for one in listed if one["name"] == "small"]
    assert (run["preset"], run["folder"]) == ("seed", str(finished_run))
    assert run["bytes"] > 10_000
    assert run["finding"]


def test_programs_read_an_assignment(finished_run, tmp_path, capsys):
    call = ("assign", str(finished_run), "--genre", "drama")
    code, found = answer(capsys, *call)
    assert code == cli.DONE
    assert found["given"] == ["Drama"]
    assert sum(one["probability"] for one in found["clusters"]) == pytest.approx(1)
    likeliest = max(found["clusters"], key=lambda one: one["probability"])
    assert found["cluster"] == likeliest["cluster"]
    assert cli.main([*call]) == cli.DONE
    assert f"cluster: #{found['cluster']} {likeliest['name']}," in capsys.readouterr().out
    (tmp_path / "new.csv").write_text("title,actor\nA\\x,No One\n")
    code, rows = answer(capsys, "assign", str(finished_run), "--file", str(tmp_path / "new.csv"))
    assert [(row["known_actors"], row["unknown"]) for row in rows] == [(0, "No One")]


def test_programs_read_a_comparison_and_a_check(finished_run, films, capsys):
    run = str(finished_run)
    assert answer(capsys, "diff", run, run) == (cli.DONE, {"differences": []})
    code, report = answer(capsys, "check", str(films))
    assert code in (0, 1)
    assert report["movies"] == 300


def test_a_parameter_is_given_as_a_pair_or_as_two_words(capsys):
    for call in (["-p", "n_clusters=0"], ["-p", "n_clusters", "0"]):
        assert cli.main(["run", "--dataset", "sample", *call]) == cli.WRONG
        assert "n_clusters must be at least 1, not 0" in capsys.readouterr().err
    assert cli._pairs(["-p", 'names={"1": "a=b"}', "x=1"]) == ["-p", "names", '{"1": "a=b"}', "x=1"]
    assert cli._pairs(["-p", "names", "a=b"]) == ["-p", "names", "a=b"]


def test_a_run_ends_with_its_findings_and_how_to_open_it(finished_run, capsys):
    folder = str(finished_run.parent)
    from imdbclust.commands import common

    call = common.Call(quiet=False, out=Path(folder))
    common.finished(finished_run, call)
    *said, how, report = capsys.readouterr().out.splitlines()
    questions = [text.partition("? ")[0] for text in said]
    assert questions[:3] == ["How many groups", "What are they", "Can they be trusted"]
    assert len(said) <= common.MAX_FINDINGS
    assert all(text.endswith(".") for text in said)
    assert report == f"report: {finished_run / 'index.html'}"
    assert how == f"open it with: imdbclust open small --out {folder}"
    call.quiet = True
    with common.quietly(True):
        print("not shown", file=sys.stderr)
        common.finished(finished_run, call)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (f"{finished_run / 'index.html'}\n", "")


COMPLETED = [("imdbclust di", "diff"), ("imdbclust run --pre", "--preset"),
             ("imdbclust check film", "films.csv"), ("imdbclust nope --", "")]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), COMPLETED)
def test_a_shell_completes_commands_options_and_files(line, expected, tmp_path, capsys):
    assert cli.main(["completion"]) == cli.DONE
    script = capsys.readouterr().out
    (tmp_path / "films.csv").touch()
    words = line.split()
    asked = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _imdbclust"
    code = f'{script}{asked}; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
