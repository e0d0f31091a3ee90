"""CSV files: text comes back as it was, and no cell is a formula."""

import csv
import io

import pandas as pd
import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from imdbclust.display.csv_files import guard, read_table, table_csv, unguard, write_table


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\r=x", "\n=x", "'=x"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["-5", "+1e-3", "-.5", "-1.", "a=b", "", "'tis", "O'Hara", "1-2"])
def test_numbers_and_other_text_stay_as_they_are(text):
    assert guard(text) == text == unguard(text)


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\nab1.,\"")))
def test_unguard_undoes_guard(text):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "@", "\t", "\r", "\n"))


def test_a_table_of_hostile_text_comes_back(tmp_path):
    frame = pd.DataFrame({"=title": HOSTILE, "-1": -1.5})
    frame.loc[0, "-1"] = None
    write_table(frame, tmp_path / "t.csv")
    again = read_table(tmp_path / "t.csv")
    assert list(again.columns) == ["=title", "-1"]
    assert list(again["=title"]) == list(HOSTILE)
    assert again["-1"].isna().sum() == 1
    assert (again["-1"].dropna() == -1.5).all()


def test_missing_and_empty_text_is_empty_and_na_is_text(tmp_path):
    write_table(pd.DataFrame({"a": ["", None, "NA", "nan"], "n": [1, 2, 3, 4]}), tmp_path / "t.csv")
    assert list(read_table(tmp_path / "t.csv")["a"]) == ["", "", "NA", "nan"]


def test_mixed_and_categorical_columns_are_guarded_and_the_table_is_not_changed():
    frame = pd.DataFrame({"mixed": ["=x", -3], "kind": pd.Categorical(["=a", "b"])})
    kept = frame.copy()
    rows = list(csv.reader(io.StringIO(table_csv(frame))))
    assert rows == [["mixed", "kind"], ["'=x", "'=a"], ["-3", "b"]]
    pd.testing.assert_frame_equal(frame, kept)


def test_numbers_have_twelve_digits_and_lines_end_alike():
    frame = pd.DataFrame({"x": [1 / 3, -2.0], "y": [1, -2]})
    assert table_csv(frame) == "x,y\n0.333333333333,1\n-2,-2\n"


def test_columns_of_one_name_are_kept_apart():
    frame = pd.DataFrame([["=a", "=b"]], columns=["x", "x"])
    assert table_csv(frame) == "x,x\n'=a,'=b\n"


@given(st.lists(st.floats() | st.sampled_from([0.1, -0.0, 1e-300, 123456789.123456])))
def test_numbers_are_written_as_pandas_writes_them(numbers):
    frame = pd.DataFrame({"a": pd.Series(numbers, dtype=float), "b": "x"})
    wanted = frame.to_csv(index=False, float_format="%.12g", lineterminator="\n")
    assert table_csv(frame) == wanted
    alone = frame[["a"]]
    assert table_csv(alone) == alone.to_csv(index=False, float_format="%.12g", lineterminator="\n")
