"""Documents to be learnt character by character: cut into windows, whole documents to each part, in their order."""

import hashlib
from pathlib import Path

import numpy as np

from recipes.data.examples import Data, Examples
from zoo.arguments import suggestion

PARTS = ("train", "validation", "test")
WORDS = 10  # so many words in a row that stand in two documents are a repetition
REPEATED = 0.1  # share of a document that may stand in a longer one; above it is left out
WINDOW = 128
PAD, UNKNOWN = "", "[UNK]"  # the first two places of every vocabulary, as TextVectorization has them


def read_text(path, options):
    """`Data` from a text file, or from a folder of them (.txt, .md, .rst), one a document.

    Raises:
        ValueError: if there is no such file, it is no UTF-8 text, or as `from_documents` says.
    """
    path = Path(path).expanduser()
    if not path.exists():
        near = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"load: there is no file or folder {path}.{near}")
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".txt", ".md", ".rst") and p.is_file())
    if not files:
        raise ValueError(f"load: {path} must hold texts (.txt, .md, .rst), got none.")
    documents = {}
    for file in files:
        try:
            documents[str(file.relative_to(path)) if path.is_dir() else path.name] = file.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"load: {file} must be a text in UTF-8, got byte {error.start} of another kind.") from None
    return from_documents(documents, options, name=path.stem, source=str(path))


def from_documents(documents, options, *, name, notes=(), **told):
    """`Data` for a language model: each example is a window of characters and, as its target, the same one later.

    Every character but a document's first is foretold exactly once, from those before it in its window. The parts
    follow each other in the documents' order and share no document; a single one, or two, are cut where a paragraph
    ends. A document a tenth of which stands in a longer one is left out, as it would give the other parts away.

    Args:
        documents: dict from name to text, in order.
        options: `Options`; `window` is how many characters an example has, 128 if None.
        name: of the data set.
        notes: what the door has to say.
        **told: source, licence, description, as `Data` has them.
    Returns:
        `Data` whose inputs and targets are (N,) arrays of str. `outputs` are the characters that the training part has,
        after two that stand for padding and for unknown ones.
    Raises:
        ValueError: if there is no text, or too little for a part.
    """
    options.refuse_tables(name, "missing", "group")
    window, notes = options.window or WINDOW, list(notes)
    empty = [n for n, text in documents.items() if not text.strip()]
    documents = {n: text for n, text in documents.items() if text.strip()}
    if not documents:
        raise ValueError(f"load: {name} must hold text, got none.")
    notes += [f"left out {len(empty)} empty documents"] * bool(empty)
    if len(documents) > 2:
        documents, repeated = without_repeats(documents)
        if repeated:
            notes.append(
                f"left out {len(repeated)} documents of which a tenth or more stands in a longer one: "
                f"{', '.join(repeated)}"
            )
    parts = _parts(documents, (1 - options.validation - options.test, options.validation, options.test), name)
    symbols = sorted(set("".join(parts["train"].values())))
    examples = {part: _windows(texts, window) for part, texts in parts.items()}
    for part, share in zip(PARTS, (1, options.validation, options.test), strict=True):
        if share and not len(examples[part]):
            raise ValueError(f"load: {name} must have two characters or more for each part, got none for {part}.")
    for part in PARTS[1:]:
        text = "".join(parts[part].values())
        unknown, shared = sum(c not in set(symbols) for c in text), _share(text, parts["train"].values())
        notes += [f"{unknown} characters of the {part} part are unknown to training"] * bool(unknown)
        if shared >= 5e-4:
            notes.append(f"{shared:.1%} of the {part} part's {WORDS} words in a row stand in the training part too")
    sizes = ", ".join(f"{sum(map(len, texts.values())):,} {part}" for part, texts in parts.items())
    return Data(
        name=name, task="language_model", kind="text", shape=(), dtype="string", classes=(),
        outputs=(PAD, UNKNOWN, *symbols), columns={}, notes=tuple(notes), **examples,
        split=f"{sizes} characters in the documents' order, none of them in two parts",
        **{"source": "the user", "licence": "not stated", "description": "", **told},
    )  # fmt: skip


def digest(documents):
    """The sha256 of documents with their names, by which a figure says what text it is of."""
    return hashlib.sha256("\0".join(f"{n}\0{text}" for n, text in documents.items()).encode()).hexdigest()


def without_repeats(documents):
    """(those to keep, the names of the others): the longest first, each compared with what is kept already."""
    seen, kept = set(), set()
    for name in sorted(documents, key=lambda n: -len(documents[n])):
        own = _runs(documents[name])
        if len(own & seen) < REPEATED * len(own):
            kept.add(name)
            seen |= own
    return {n: t for n, t in documents.items() if n in kept}, [n for n in documents if n not in kept]


def _runs(text):
    """Every `WORDS` words in a row, hashed."""
    words = text.split()
    return {hash(tuple(words[i : i + WORDS])) for i in range(max(1, len(words) - WORDS + 1))}


def _share(text, others):
    """The share of a text's words in a row that stand in others too."""
    own = _runs(text)
    return len(own & set().union(*map(_runs, others))) / len(own)


def _parts(documents, shares, name):
    """Part -> documents, in order: a document belongs where its middle lies; one or two are cut where a part ends."""
    if shares[0] <= 1e-9:
        raise ValueError(f"load: `validation` + `test` must be below 1, got {shares[1]:g} + {shares[2]:g}.")
    ends = np.cumsum(shares)
    if len(documents) < 3:
        text = "\n\n".join(documents.values())
        cuts = [0, *(_paragraph_end(text, round(e * len(text))) for e in ends[:2]), len(text)]
        stretches = {part: text[a:b] for part, a, b in zip(PARTS, cuts[:-1], cuts[1:], strict=True)}
        return {part: {name: stretch} if stretch else {} for part, stretch in stretches.items()}
    total, before, parts = sum(map(len, documents.values())), 0, {part: {} for part in PARTS}
    for n, text in documents.items():
        middle = (before + len(text) / 2) / total
        parts[PARTS[min(2, int(np.searchsorted(ends, middle)))]][n] = text
        before += len(text)
    return parts


def _paragraph_end(text, place):
    """The next end of a paragraph, of a line or of a word from `place` on, whichever there is nearby."""
    for mark in ("\n\n", "\n", " "):
        found = text.find(mark, place, place + 2000)
        if found >= 0:
            return found + len(mark)
    return place


def _windows(documents, window):
    """`Examples` of strings; the last window of a document may be shorter."""
    inputs, targets, names = [], [], []
    for name, text in documents.items():
        for i in range(0, len(text) - 1, window):
            inputs.append(text[i : min(i + window, len(text) - 1)])
            targets.append(text[i + 1 : i + window + 1])
            names.append(f"{name} {i}")
    held = np.empty((2, len(inputs)), object)
    held[0], held[1] = inputs, targets
    return Examples(held[0], held[1], np.array(names, dtype=str))
