"""Files of tables: encodings, separators, headers, lines of unequal length, sheets, and errors that name the line."""

import gzip

import numpy as np
import pandas as pd
import pytest

from recipes.data.tables import csv_rows
from recipes.data.tables.table_files import read_frame, read_table_file, table_chunks
from recipes.data.tables.table_format import TableFormat

ROWS = [f"{i}.5,{i * 7 % 13},{'oak' if i % 3 else 'elm'}" for i in range(12)]
TABLE = "ph,alt,species\n" + "\n".join(ROWS) + "\n"
EXPECTED = {
    "ph": [i + 0.5 for i in range(12)], "alt": [i * 7 % 13 for i in range(12)],
    "species": ["oak" if i % 3 else "elm" for i in range(12)],
}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def read(content, name="t.csv", encoding="utf-8", **options):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        frame, notes = read_table_file(tmp_path / name, TableFormat(**options))
        return frame.to_dict("list"), "\n".join(notes)

    return read


@pytest.mark.parametrize(
    ("separator", "word"), [(",", None), (";", "';'"), ("\t", None), ("|", r"'\|'"), (" ", "space")]
)
def test_separators(read, separator, word):
    table, notes = read(TABLE.replace(",", separator), "t.txt")
    assert table == EXPECTED
    assert (f"columns separated by {word}".replace("\\", "") in notes) if word else not notes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines(read, end):
    assert read(TABLE.replace("\n", end) + end * 2)[0] == EXPECTED
    assert read(TABLE.replace("\n", end * 2))[0] == EXPECTED


def test_blanks_around_fields(read):
    assert read(TABLE.replace(",", ", "))[0] == EXPECTED
    assert read("\n".join("  " + line.replace(",", "    ") + " " for line in TABLE.splitlines()))[0] == EXPECTED
    late = "a,b\n" + "1,x\n" * 300 + '2, "x"\n'
    assert set(read(late)[0]["b"]) == {"x"}
    table, notes = read("ph alt species\n1,5 2 oak\n2,5 3 elm\n")
    assert table == {"ph": [1.5, 2.5], "alt": [2, 3], "species": ["oak", "elm"]} and "decimal commas" in notes
    table, notes = read('a, b\n1, "x, y"\n2, "z"\n')
    assert table == {"a": [1, 2], "b": ["x, y", "z"]} and not notes
    table, notes = read("a ,b\n1,x\n")
    assert list(table) == ["a", "b"] and "blanks around the names of columns are left out: 'a '" in notes


def test_texts_with_equal_numbers_of_words_are_one_column(read):
    table, _ = read("text\n" + "the fox sleeps\na bird sings\nthe deer runs\nan owl calls\n", "t.csv")
    assert list(table) == ["text"] and table["text"][0] == "the fox sleeps"


def test_quotes_may_hold_separators_quotes_and_line_ends(read):
    table, _ = read('a,"b, c"\n"x, y","line 1\nline 2"\n"say ""hi""",z\n5\' 3" tall,w\n')
    assert read('"ph\n(units)",b\n1.5,x\n2.5,y\n')[0] == {"ph\n(units)": [1.5, 2.5], "b": ["x", "y"]}
    assert table == {"a": ["x, y", 'say "hi"', "5' 3\" tall"], "b, c": ["line 1\nline 2", "z", "w"]}


@pytest.mark.parametrize("content", ['a,b\n1,x\n2,"y\n3,z\n4,w\n', 'a,b\n1,x\n2,"y\n3,z\n4,"w"\n5,"v"\n'])
def test_an_unclosed_quote_is_an_error(read, content):
    with pytest.raises(ValueError, match="the quote opened in line 3 must be closed"):
        read(content)


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", ""), ("utf-8-sig", ""), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"), ("cp1252", "read as cp1252, such as 'chêne'"), ("latin-1", "read as cp1252"),
    ],
)  # fmt: skip
def test_encodings(read, encoding, note):
    table, notes = read("a,essence\n1,chêne\n2,frêne\n3,orme\n", encoding=encoding)
    assert table == {"a": [1, 2, 3], "essence": ["chêne", "frêne", "orme"]} and note in notes
    assert bool(note) == bool(notes)


def test_an_encoding_may_be_set(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,дуб\n2,ель\n".encode("cp1251"))
    with pytest.raises(ValueError, match="must be text in the encoding 'utf-8', got other bytes; set `encoding`"):
        read_table_file(path, {"encoding": "utf-8"})
    assert read_table_file(path, {"encoding": "cp1251"})[0]["b"].tolist() == ["дуб", "ель"]
    with pytest.raises(ValueError, match="`encoding` must be an encoding such as utf-8, .*got 'utf-88'"):
        TableFormat(encoding="utf-88")


def test_bytes_after_the_head_decide_on_the_encoding_too(read):
    content = ("a,b\n" + "1,oak\n" * 60_000).encode() + "2,chêne\n".encode("cp1252")
    table, notes = read(content)
    assert table["b"][-1] == "chêne" and "read as cp1252" in notes


def test_gzip_is_read_whatever_the_name(read):
    for name in ("t.csv.gz", "t.csv"):
        assert read(gzip.compress(TABLE.encode()), name)[0] == EXPECTED


def test_excels_line_with_the_separator(read):
    for line in ("sep=;\n", '"sep=;"\r\n', "SEP=;\n"):
        assert read(line + TABLE.replace(",", ";"))[0] == EXPECTED


def test_comment_lines(read):
    table, notes = read("# station 12, 2020\n# by me\n" + TABLE)
    assert table == EXPECTED and "left out comment lines, which begin with '#', such as line 1" in notes
    middle = TABLE.replace("3.5,", "# checked, by me\n3.5,")
    assert read("# station\n" + middle)[0] == EXPECTED
    with pytest.raises(ValueError, match=r"line 5 must have 3 fields .*got 2. Lines that begin with # are left out by"):
        read(middle)
    assert read(middle, comment="#")[0] == EXPECTED
    assert read("#" + TABLE)[0] == EXPECTED  # the names themselves
    assert read('a,b\n#1,"x\n# y"\n', comment="")[0] == {"a": ["#1"], "b": ["x\n# y"]}


def test_title_lines_above_the_names(read):
    for title in ("Table 1. Plots\n", "Table 1. Plots\n\n", "Table 1. Plots,,\n,,\n", "Plots\nby me\n"):
        table, notes = read(title + TABLE)
        assert table == EXPECTED and "above the names of the columns, " in notes
    wide = "\n".join(line + f",{i}" for i, line in enumerate(TABLE.splitlines()))
    with pytest.raises(ValueError, match="line 1 must have the names of the columns, got 2 .* `header_row` sets"):
        read("Station 5, Oslo\n" + wide)
    with pytest.raises(ValueError, match="`header_row` sets the line with the names"):
        read("Station 5, Oslo\n" + TABLE)
    assert read("Station 5, Oslo\n" + TABLE, header_row=2)[0] == EXPECTED


def test_a_table_without_names_is_an_error(read):
    with pytest.raises(ValueError, match="line 1 must have the names of the columns, got values such as '0.5'"):
        read(TABLE.partition("\n")[2])
    assert list(read("plot,2019,2020\n1,5,6\n2,6,7\n")[0]) == ["plot", "2019", "2020"]


@pytest.mark.parametrize("lane", ["arrow", "csv"])
def test_surplus_separators_do_not_shift_columns(read, lane, monkeypatch):
    if lane == "csv":
        monkeypatch.setattr(csv_rows, "_arrow_blocks", refuse)
    lines = TABLE.splitlines()
    for header, rows, note in (
        (lines[0] + ",", [r + "," for r in lines[1:]], "the lines end in a separator"),
        (lines[0], [r + "," for r in lines[1:]], "the lines end in a separator"),
        (lines[0], [r + ",," for r in lines[1:]], "the lines end in a separator"),
        (lines[0] + ",,", lines[1:], ""),
        (lines[0], [r + "," * (i % 3) for i, r in enumerate(lines[1:])], "empty"),
    ):
        table, notes = read("\n".join([header, *rows]))
        assert table == EXPECTED and note in notes


def refuse(*args):
    raise csv_rows.UnusualCSV
    yield


def test_rows_without_values_are_left_out(read):
    table, notes = read(TABLE.replace("3.5,", ",,\n,,\n3.5,") + ",,\n")
    assert table == EXPECTED and "left out 3 rows whose fields are all empty" in notes


@pytest.mark.parametrize(
    ("old", "new", "line", "fields"),
    [
        ("elm\n4.5", "elm,\n4.5", None, 0), ("oak\n2.5", "oak,9\n2.5", 3, 4), ("4.5,2,oak", "4.5,2", 6, 2),
        ("elm\n", "elm, old\n", 2, 4), ("1.5,7,oak", "1,5,7,oak", 3, 4), ("1.5,7,oak", "1.5", 3, 1),
    ],
)  # fmt: skip
def test_lines_of_unequal_length_are_an_error_with_the_line(read, old, new, line, fields):
    assert old in TABLE
    content = TABLE.replace(old, new)
    if line is None:
        assert read(content)[0] == EXPECTED
        return
    with pytest.raises(ValueError, match=f"line {line} must have 3 fields separated by ',', .* got {fields}"):
        read(content)


def test_a_separator_in_every_text_is_no_name_of_rows(read):
    for content in (
        TABLE.replace("oak", "oak, old").replace("elm", "elm, young"),
        "id,ph,species\n1,5,9,oak\n2,6,2,elm\n3,7,5,oak\n",  # decimal commas
        "name,height\nSmith,John,4.5\nDoe,Jane,3.5\n",
    ):
        with pytest.raises(ValueError, match=r"line 2 must have . fields .*set row_names=true"):
            read(content)


@pytest.mark.parametrize("separator", [" ", ",", ";", "\t"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_rs_write_table(read, separator, quote):
    lines = [f"{i},{line}" if i else line for i, line in enumerate(TABLE.splitlines())]
    content = "\n".join(
        separator.join(
            f"{quote}{f}{quote}" if f.isalpha() or (i and not j) else f for j, f in enumerate(line.split(","))
        )
        for i, line in enumerate(lines)
    )
    table, notes = read(content, "t.txt")
    assert table == EXPECTED and "it is the name of the row, which the header does not name" in notes
    text = "mpg,cyl\nMazda,21,6\nDatsun,22.8,4\n"
    assert read(text, row_names=True)[0] == {"mpg": [21, 22.8], "cyl": [6, 4]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ph,ph,species\n1,2,oak\n", "distinct names of columns, got 'ph' for the columns 1 and 2"),
        ("ph, ph,species\n1,2,oak\n", "distinct names of columns, got 'ph'"),
        ("", "is empty: a table must have a line with the names"),
        ("\n \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00", "it is a PNG image"),
        (b"\xff\xd8\xff\xe0JFIF", "it is a JPEG image"),
        (b"PK\x03\x04\x00", "it is a ZIP archive"),
        ("<!DOCTYPE html><html><body>404 Not found</body></html>", "it is a web page"),
        ('[{"ph":1,"species":"oak"}]', "it is JSON"),
        ('{\n "type": "FeatureCollection", "features": []}', "it is JSON"),
        ('\n[\n {"ph": 1}\n]\n', "it is JSON"),
        ('<?xml version="1.0"?><kml></kml>', "it is an XML document"),
        (bytes(range(256)) * 9, "it is not text"),
    ],
)
def test_unsuitable_contents_are_one_clear_sentence(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


def test_unsuitable_paths(tmp_path, read):
    read(TABLE)
    with pytest.raises(ValueError, match=r"must be the file of a table, got a folder. It has t.csv"):
        read_table_file(tmp_path)
    with pytest.raises(ValueError, match=r"there is no file .*s.csv. Did you mean `t.csv`"):
        read_table_file(tmp_path / "s.csv")
    for name, message in (("t.xls", "an old Excel file"), ("t.ods", "OpenDocument"), ("t.rds", "an R data file")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ValueError, match=message):
            read_table_file(tmp_path / name)
    for name in ("t.xlsx", "t.parquet", "t.feather"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 broken")
        with pytest.raises(ValueError, match=f"{name} cannot be read as a"):
            read_table_file(tmp_path / name)


def test_only_names_are_a_table_without_rows(read):
    assert read("ph,alt,species\n")[0] == {"ph": [], "alt": [], "species": []}
    assert read("ph,alt,species")[0] == {"ph": [], "alt": [], "species": []}


def write_excel(path, **sheets):
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        for name, (frame, start) in sheets.items():
            frame.to_excel(book, sheet_name=name, index=False, startrow=start)


def test_excel_files(tmp_path):
    path, table = tmp_path / "t.xlsx", pd.DataFrame(EXPECTED)
    write_excel(path, Plots=(table, 0))
    frame, notes = read_table_file(path)
    assert frame.to_dict("list") == EXPECTED and notes == []
    write_excel(path, Notes=(table[["ph", "species"]], 0), Plots=(table, 2))
    frame, notes = read_table_file(path)
    assert list(frame) == ["ph", "species"]
    assert "read the sheet 'Notes' of 'Notes', 'Plots'; `sheet` sets another" in notes
    frame, facts, resolved = read_frame(path, {"sheet": "Plots"})
    assert frame.to_dict("list") == EXPECTED and facts["notes"] == []
    assert (resolved.sheet, resolved.header_row) == ("Plots", 3)
    with pytest.raises(ValueError, match="`sheet` must be a sheet of .*got 'Plot'"):
        read_table_file(path, {"sheet": "Plot"})


README = pd.DataFrame({"Plots of 2020": ["measured by me", "ph in water", "see the other sheet"]})
DICTIONARY = pd.DataFrame({"column": ["ph", "alt"], "meaning": ["acidity", "altitude"]})


@pytest.mark.parametrize("first", [README, DICTIONARY, pd.DataFrame()])
def test_the_sheet_that_is_a_table_is_read(tmp_path, first):
    path, table = tmp_path / "t.xlsx", pd.DataFrame(EXPECTED)
    write_excel(path, About=(first, 0), Plots=(table, 1), More=(table[["ph", "alt"]], 0))
    frame, facts, resolved = read_frame(path)
    assert frame.to_dict("list") == EXPECTED and resolved.sheet == "Plots"
    assert "read the sheet 'Plots' of 'About', 'Plots', 'More'; `sheet` sets another" in facts["notes"]


def test_a_sheet_of_texts_is_a_table_too(tmp_path):
    texts = pd.DataFrame({"habitat": ["wet", "dry"] * 10, "species": ["ant", "bee"] * 10})
    write_excel(tmp_path / "t.xlsx", Plots=(texts, 0), Limits=(pd.DataFrame({"low": [1], "high": [2]}), 0))
    assert read_frame(tmp_path / "t.xlsx")[2].sheet == "Plots"
    write_excel(tmp_path / "t.xlsx", About=(README, 0), Plots=(texts, 0))
    assert read_frame(tmp_path / "t.xlsx")[2].sheet == "Plots"


def logger_table(rows):
    """Returns the content of a TOA5 file of Campbell's loggers."""
    head = [
        '"TOA5","CR1000","CR1000","1234","CR1000.Std.31","CPU:prog.CR1","12345","Table1"',
        '"TIMESTAMP","RECORD","Batt_Avg","Air_Avg"',
        '"TS","RN","Volts","Deg C"',
        '"","","Avg","Avg"',
    ]
    lines = [
        f'"2020-01-01 {i:02}:00:00",{i},12.{i},{i - 3.5 if i != 5 else chr(34) + "NAN" + chr(34)}' for i in range(rows)
    ]
    return "\n".join(head + lines) + "\n"


@pytest.mark.parametrize("options", [{}, {"header_row": 2}])
def test_files_of_loggers_have_names_in_line_two_and_units_below(read, tmp_path, options):
    table, notes = read(logger_table(24), **options)
    assert list(table) == ["TIMESTAMP", "RECORD", "Batt_Avg", "Air_Avg"] and table["RECORD"] == list(range(24))
    assert table["Air_Avg"][4] == 0.5 and np.isnan(table["Air_Avg"][5])
    assert "a TOA5 file of a logger: the names of the columns are in line 2" in notes and "Deg C" in notes
    assert "`Air_Avg` 'NAN' (1 rows)" in notes
    assert [len(frame) for frame, _, _ in table_chunks(tmp_path / "t.csv", rows=10)] == [10, 10, 4]
    with pytest.raises(ValueError, match=r"'Batt_Avg' must have numbers.* got '1x.7' in line 12"):
        read(logger_table(24).replace("12.7", "1x.7"))


def test_a_title_and_a_numbered_first_column_as_loggers_of_hobo_write_them(read):
    names = '"#","Date Time, GMT+01:00","Temp, °C (LGR S/N: 123)","Host Connected (LGR S/N: 123)"'
    lines = [f"{i + 1},06/01/20 {i + 1:02}:00:00 AM,{i - 3.5},{'Logged' if i == 8 else ''}" for i in range(9)]
    table, notes = read("\n".join(['"Plot Title: site1"', names, *lines]))
    assert table["Temp, °C (LGR S/N: 123)"] == [i - 3.5 for i in range(9)]
    assert "left out line 1 above the names of the columns, 'Plot Title: site1'" in notes


def test_cells_of_excel_files_keep_their_types(tmp_path):
    path = tmp_path / "t.xlsx"
    frame = pd.DataFrame(
        {
            "day": pd.date_range("2020-01-01", periods=4), "n": [1, 2, None, 4], "wet": [True, False, True, True],
            "code": ["001", "002", "001", "003"], "name": ["a ", "b", None, "b"],
        }
    )  # fmt: skip
    write_excel(path, S=(frame, 0))
    read, notes = read_table_file(path)
    assert [d.kind for d in read.dtypes[:3]] == ["M", "f", "b"] and read["code"].tolist() == frame["code"].tolist()
    assert read["name"].fillna("").tolist() == ["a", "b", "", "b"] and "blanks around texts" in "\n".join(notes)
    frame["n"] = frame["n"].astype(object).where(frame["n"].notna(), "?")
    write_excel(path, S=(frame, 0))
    with pytest.raises(ValueError, match=r"the column 'n' must have numbers.*got '\?' in row 4"):
        read_table_file(path)
    read, _ = read_table_file(path, {"missing_values": ("?", 4)})
    np.testing.assert_array_equal(read["n"], [1, 2, np.nan, np.nan])


def test_parquet_and_feather(tmp_path):
    table = pd.DataFrame(EXPECTED)
    table.to_parquet(tmp_path / "t.parquet")
    table.to_feather(tmp_path / "t.feather")
    for name in ("t.parquet", "t.feather"):
        frame, notes = read_table_file(tmp_path / name)
        assert frame.to_dict("list") == EXPECTED and notes == []
        chunks = list(table_chunks(tmp_path / name, rows=5))
        assert [(len(f), first) for f, first, _ in chunks] == [(5, 0), (5, 5), (2, 10)]


@pytest.mark.parametrize("lane", ["arrow", "csv"])
def test_chunks_are_the_rows_of_the_file(tmp_path, lane, monkeypatch):
    if lane == "csv":
        monkeypatch.setattr(csv_rows, "_arrow_blocks", refuse)
    path = tmp_path / "t.csv"
    path.write_text("a;b;code\n" + "".join(f"{i},5;{i % 3} cm;0{i % 5}\n" for i in range(50)))
    chunks = list(table_chunks(path, rows=20))
    assert [first for _, first, _ in chunks] == [0, 20, 40]
    whole, _ = read_table_file(path)
    pd.testing.assert_frame_equal(pd.concat([f for f, _, _ in chunks], ignore_index=True), whole)
    assert whole["a"].tolist() == [i + 0.5 for i in range(50)] and whole["code"][3] == "03"


def test_a_later_chunk_that_differs_is_an_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1.5,x\n" * 30 + "?,x\n")
    with pytest.raises(ValueError, match=r"'a' must have numbers as in the rows before, got '\?' in line 32"):
        list(table_chunks(path, rows=10))
    path.write_text("a,b\n" + "1.5,x\n" * 30 + "5,x,7\n")
    with pytest.raises(ValueError, match="line 32 must have 2 fields"):
        list(table_chunks(path, rows=10))
