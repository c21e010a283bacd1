"""Documents for a language model of characters: cut into windows, with whole documents in each split."""

import hashlib
from pathlib import Path

import numpy as np

from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions
from zoo.arguments import Count, FilePath, Fraction, Whole, checked, suggestion

RUN_WORDS = 10  # length of the runs of words by which documents are compared
MAX_REPEATED_FRACTION = 0.1  # of a document that may stand in a longer one; above it the document is left out
SUFFIXES = (".txt", ".md", ".rst")
PAD, UNKNOWN = "", "[UNK]"  # the first two entries of every vocabulary, as in TextVectorization


@checked
def read_text(
    path: FilePath,
    *,
    window: Count = 128,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads documents for a language model of characters.

    Args:
        path: of a text file, or of a folder of them (.txt, .md, .rst), one document each.
        window: characters of an example.
        validation, test: fractions of the characters, 0 to 1.
        seed: not used; the splits follow the order of the documents.
    Returns:
        `Data` of the task language_model; see `from_documents`.
    Raises:
        ValueError: if there is no such file, it is no UTF-8 text, or as `from_documents` documents.
    """
    arguments = dict(locals())
    path = Path(path)
    if not path.exists():
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"there is no file or folder {path}.{nearest}")
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise ValueError(f"{path} must contain texts ({', '.join(SUFFIXES)}), got none.")
    documents = {}
    for file in files:
        try:
            documents[str(file.relative_to(path)) if path.is_dir() else path.name] = file.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} must be a text in UTF-8, got an invalid byte at {error.start}.") from None
    split_options = SplitOptions(validation, test, seed)
    data = from_documents(documents, split_options, window=window, name=path.stem, source=str(path))
    return with_source_spec(data, "text", arguments)


def from_documents(documents, split_options, *, window, name, notes=(), **facts):
    """Returns `Data` for a language model: each example is a window of characters and, as target, the next characters.

    Every character but a document's first is a target exactly once, predicted from those before it in its window. The
    splits follow the documents' order and share no document; one or two documents are cut at the end of a paragraph. A
    document of which a tenth stands in a longer one is left out, as it would leak into the other splits.

    Args:
        documents: dict from name to text, in order.
        split_options: `SplitOptions`.
        window: characters of an example.
        name: of the data set.
        notes: sentences of the reader.
        **facts: source, license, description, as `Data` has them.
    Returns:
        `Data` whose inputs and targets are (N,) arrays of str. `outputs` are the characters of the training split,
        after two entries for padding and unknown characters.
    Raises:
        ValueError: if there is no text, or too little for a split.
    """
    notes = list(notes)
    empty = [n for n, text in documents.items() if not text.strip()]
    documents = {n: text for n, text in documents.items() if text.strip()}
    if not documents:
        raise ValueError(f"{name} must contain text, got none.")
    notes += [f"left out {len(empty)} empty documents"] * bool(empty)
    if len(documents) > 2:
        documents, repeated = without_repeats(documents)
        if repeated:
            notes.append(
                f"left out {len(repeated)} documents of which a tenth or more stands in a longer one: "
                f"{', '.join(repeated)}"
            )
    validation, test = split_options.fractions
    splits = _split_documents(documents, (1 - validation - test, validation, test), name)
    characters = sorted(set("".join(splits["train"].values())))
    examples = {split: _windows(texts, window) for split, texts in splits.items()}
    for split, fraction in zip(SPLITS, (1, validation, test), strict=True):
        if fraction and not len(examples[split]):
            raise ValueError(f"{name} must have two characters or more for each split, got none for {split}.")
    for split in SPLITS[1:]:
        text = "".join(splits[split].values())
        unknown = sum(c not in set(characters) for c in text)
        repeated = _repeated_fraction(text, splits["train"].values())
        notes += [f"{unknown} characters of the {split} split are unknown to training"] * bool(unknown)
        if repeated >= 5e-4:
            notes.append(f"{repeated:.1%} of the runs of {RUN_WORDS} words of the {split} split are in training too")
    sizes = ", ".join(f"{sum(map(len, texts.values())):,} {split}" for split, texts in splits.items())
    return Data(
        name=name, task="language_model", kind="text", shape=(), dtype="string", classes=(),
        outputs=(PAD, UNKNOWN, *characters), notes=tuple(notes), **examples,
        split_description=f"{sizes} characters in the documents' order, none of them in two splits", **facts,
    )  # fmt: skip


def documents_sha256(documents):
    """Returns the sha256 of documents with their names, as a hexadecimal string."""
    return hashlib.sha256("\0".join(f"{n}\0{text}" for n, text in documents.items()).encode()).hexdigest()


def without_repeats(documents):
    """Returns (documents to use, names of the others): the longest first, each compared with those before."""
    runs, selected = set(), set()
    for name in sorted(documents, key=lambda n: -len(documents[n])):
        document_runs = _word_runs(documents[name])
        if len(document_runs & runs) < MAX_REPEATED_FRACTION * len(document_runs):
            selected.add(name)
            runs |= document_runs
    return {n: t for n, t in documents.items() if n in selected}, [n for n in documents if n not in selected]


def _word_runs(text):
    """Returns the set of hashes of every run of `RUN_WORDS` words."""
    words = text.split()
    return {hash(tuple(words[i : i + RUN_WORDS])) for i in range(max(1, len(words) - RUN_WORDS + 1))}


def _repeated_fraction(text, others):
    """Returns the fraction of a text's runs of words that stand in others too."""
    runs = _word_runs(text)
    return len(runs & set().union(*map(_word_runs, others))) / len(runs)


def _split_documents(documents, fractions, name):
    """Returns split -> documents, in order, by each document's middle; one or two are cut where a split ends."""
    if fractions[0] <= 1e-9:
        raise ValueError(f"`validation` + `test` must be below 1, got {fractions[1]:g} + {fractions[2]:g}.")
    ends = np.cumsum(fractions)
    if len(documents) < 3:
        text = "\n\n".join(documents.values())
        cuts = [0, *(_paragraph_end(text, round(e * len(text))) for e in ends[:2]), len(text)]
        stretches = {split: text[a:b] for split, a, b in zip(SPLITS, cuts[:-1], cuts[1:], strict=True)}
        return {split: {name: stretch} if stretch else {} for split, stretch in stretches.items()}
    total, before, splits = sum(map(len, documents.values())), 0, {split: {} for split in SPLITS}
    for n, text in documents.items():
        middle = (before + len(text) / 2) / total
        splits[SPLITS[min(2, int(np.searchsorted(ends, middle)))]][n] = text
        before += len(text)
    return splits


def _paragraph_end(text, index):
    """Returns the next end of a paragraph, of a line or of a word from `index` on, whichever is nearby."""
    for mark in ("\n\n", "\n", " "):
        position = text.find(mark, index, index + 2000)
        if position >= 0:
            return position + len(mark)
    return index


def _windows(documents, window):
    """Returns `Examples` of strings; the last window of a document may be shorter."""
    inputs, targets, names = [], [], []
    for name, text in documents.items():
        for i in range(0, len(text) - 1, window):
            inputs.append(text[i : min(i + window, len(text) - 1)])
            targets.append(text[i + 1 : i + window + 1])
            names.append(f"{name} {i}")
    texts = np.empty((2, len(inputs)), object)
    texts[0], texts[1] = inputs, targets
    return Examples(texts[0], texts[1], np.array(names, dtype=str))
