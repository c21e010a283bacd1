"""Texts: columns, arrays and documents; empty texts, and splits that share nothing."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.in_memory import is_texts
from recipes.data.split import SplitOptions
from recipes.data.text.documents import RUN_WORDS, from_documents, without_repeats

BIRDS, FISH = "a heron stood by the river", "the trout swam under the bridge"


def texts(n=40):
    return [f"{BIRDS if i % 2 else FISH} number {i}" for i in range(n)], ["bird" if i % 2 else "fish" for i in range(n)]


def sentences(seed, words=60):
    rng = np.random.default_rng(seed)
    return " ".join("".join(rng.choice(list("abcdefgh"), 5)) for _ in range(words)) + ".\n\n"


def test_a_column_of_a_table_and_an_array_are_the_same_texts(tmp_path):
    x, y = texts()
    pd.DataFrame({"note": x, "kind": y, "year": 1990}).to_csv(tmp_path / "notes.csv", index=False)
    table = recipes.load(f"table:{tmp_path / 'notes.csv'}?target=kind&text=note")
    assert (table.kind, table.shape, table.classes) == ("text", (), ("bird", "fish"))
    for source in ((x, y), (np.array(x), np.array(y)), (np.array(x, object), pd.Series(y, dtype="category"))):
        data = recipes.load(source)
        for split in ("train", "validation", "test"):
            one, other = getattr(table, split), getattr(data, split)
            assert one.inputs.tolist() == other.inputs.tolist()
            assert one.targets.tolist() == other.targets.tolist()


def test_given_splits_and_a_dataset_of_strings():
    import tensorflow as tf

    x, y = texts()
    data = recipes.load(((x[:30], y[:30]), (x[30:], y[30:])))
    assert data.test.inputs.tolist() == x[30:] and len(data.train) + len(data.validation) == 30
    stream = tf.data.Dataset.from_tensor_slices((x, [int(label == "bird") for label in y]))
    data = recipes.load(stream, classes=("fish", "bird"))
    assert data.kind == "text" and isinstance(data.train.inputs[0], str)
    assert all(("heron" in text) == (c == 1) for text, c in zip(data.test.inputs, data.test.targets, strict=True))


def test_equal_texts_are_in_one_split_and_groups_stay_whole():
    x, y = texts(20)
    data = recipes.load((x * 3, y * 3))
    inputs = [set(p.inputs) for p in (data.train, data.validation, data.test)]
    assert not inputs[0] & inputs[1] and not inputs[0] & inputs[2] and not inputs[1] & inputs[2]
    writers = np.repeat(np.arange(10), 2)
    data = recipes.load((x, y), group=writers, validation=0.2, test=0.2)
    labels = [set(writers[p.names]) for p in (data.train, data.validation, data.test)]
    assert not labels[0] & labels[1] and not labels[0] & labels[2]


def test_empty_texts_are_an_error_that_names_rows_unless_missing_is_drop():
    x, y = texts()
    x[3], x[7], y[9] = "  ", None, None
    with pytest.raises(ValueError, match="got empty or missing texts in row 4, row 8; missing='drop' leaves them out"):
        recipes.load((x, y))
    data = recipes.load((x, y), missing="drop")
    assert sum(map(len, (data.train, data.validation, data.test))) == 37
    assert "left out 3 of 40 texts" in data.notes[0]


def test_a_text_that_is_read_as_missing_is_named_with_the_line_of_the_file(tmp_path):
    x, y = texts()
    lines = [f"{text},{kind}" for text, kind in zip(x, y, strict=True)]
    lines[3] = "NA,fish"
    lines.insert(1, "")
    (tmp_path / "notes.csv").write_text("\n".join(["note,kind", *lines]))
    source = f"table:{tmp_path / 'notes.csv'}?target=kind&text=note"
    message = r"texts in row 4 \(line 6\) \(texts read as missing: `note` 'NA' \(1 rows\).*; missing='drop' leaves them"
    with pytest.raises(ValueError, match=message):
        recipes.load(source)
    data = recipes.load(f"{source}&keep_default_missing=false")
    assert "NA" in [text for p in (data.train, data.validation, data.test) for text in p.inputs]


def test_texts_that_look_the_same_are_the_same_text():
    x, y = texts()
    data = recipes.load(([text.replace(" ", "\u00a0").replace("o", "o\u00ad") for text in x], y))
    expected = recipes.load((x, y))
    assert data.train.inputs.tolist() == expected.train.inputs.tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: recipes.load({"note": x, "kind": y}, target="kind", text="notes"), "Did you mean `note`"),
        (lambda x, y: recipes.load({"note": list(range(40)), "kind": y}, target="kind", text="note"), "in row 1"),
        (lambda x, y: recipes.load((x, y), missing="impute"), "must be error or drop for texts"),
        (lambda x, y: recipes.load((x, y[:-1])), "as many texts as targets, got 40 and 39"),
        (lambda x, y: recipes.load((x, ["bird"] * 40)), "two classes or more, got only 'bird'"),
        (lambda x, y: recipes.load((x, y), block=("a", "b", 1)), "unknown argument `block`"),
        (lambda x, y: recipes.Classification().fit("lstm", (x, y), verbose=False), "`text_classification`"),
    ],
)
def test_unsuitable_texts_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make(*texts())


def test_is_texts():
    assert is_texts(["a"]) and is_texts(np.array([None, "a"], object)) and is_texts(pd.Series(["a"]))
    assert not is_texts("a") and not is_texts([1.0]) and not is_texts(np.ones((2, 2))) and not is_texts([])


def test_every_character_but_the_first_is_a_target_once(tmp_path):
    for i in range(8):
        (tmp_path / f"{i}.txt").write_text(sentences(i))
    data = recipes.load(f"text:{tmp_path}?window=16")
    assert data.task == "language_model"
    for split in (data.train, data.validation, data.test):
        for x, y in zip(split.inputs, split.targets, strict=True):
            assert x[1:] == y[:-1] and 1 <= len(x) <= 16
        first = [name for name in split.names if name.endswith(" 0")]
        assert sum(map(len, split.targets)) == sum(len(sentences(int(n[0]))) - 1 for n in first)
    assert data.train.names[-1][0] < data.validation.names[0][0] < data.test.names[0][0]
    assert data.outputs == ("", "[UNK]", *sorted(set("".join(data.train.inputs) + data.train.targets[-1])))


def test_one_document_is_cut_where_paragraphs_end(tmp_path):
    text = "".join(sentences(i, 12) for i in range(30))
    (tmp_path / "book.txt").write_text(text)
    data = recipes.load(f"text:{tmp_path / 'book.txt'}")
    stretches = [p.inputs[0][:1] + "".join(p.targets) for p in (data.train, data.validation, data.test)]
    assert "".join(stretches) == text
    assert all(stretch.endswith(".\n\n") for stretch in stretches)


def test_a_document_that_stands_in_a_longer_one_is_left_out():
    whole, other = sentences(0, 200), sentences(1)
    documents = {"part": whole[300:600], "whole": whole, "other": other, "mixed": other[:150] + sentences(2)}
    selected, repeated = without_repeats(documents)
    assert set(selected) == {"whole", "mixed"} and repeated == ["part", "other"]
    assert RUN_WORDS == 10
    data = from_documents(
        {**documents, "more": sentences(4), "last": sentences(5)}, SplitOptions(), window=128, name="some"
    )
    assert "left out 2 documents" in " ".join(data.notes) and "part 0" not in data.train.names


@pytest.mark.parametrize(
    ("documents", "options", "message"),
    [
        ({"a": " \n"}, {}, "must contain text, got none"),
        ({"a": "ab"}, {}, "two characters or more for each split"),
        ({"a": sentences(0)}, {"validation": 0.5, "test": 0.5}, "must be below 1"),
    ],
)
def test_too_little_text_is_refused(documents, options, message):
    with pytest.raises(ValueError, match=message):
        from_documents(documents, SplitOptions(**options), window=128, name="some")


def test_unsuitable_text_files_are_errors(tmp_path):
    (tmp_path / "book.txt").write_text("something")
    (tmp_path / "photo.txt").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="Did you mean `book.txt`"):
        recipes.load(f"text:{tmp_path / 'bok.txt'}")
    with pytest.raises(ValueError, match="must be a text in UTF-8"):
        recipes.load(f"text:{tmp_path / 'photo.txt'}")
    with pytest.raises(ValueError, match=r"must contain texts \(.txt, .md, .rst\)"):
        recipes.load(f"text:{tmp_path / 'empty'}")


def test_splits_of_python_topics_share_no_document_and_a_note_has_the_python_version():
    import platform

    data = recipes.load("bundled:python-topics?window=64")
    labels = [{n.split(" ")[0] for n in p.names} for p in (data.train, data.validation, data.test)]
    assert all(labels) and not labels[0] & labels[1] and not labels[0] & labels[2] and not labels[1] & labels[2]
    assert platform.python_version() in data.notes[0] and "other versions have other texts" in data.notes[0]
    if platform.python_version() == "3.11.7":
        assert "79 documents" in data.notes[0] and "464,970 characters" in data.notes[0]
    assert max(map(len, data.train.inputs)) == 64
