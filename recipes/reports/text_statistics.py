"""Lengths and repetitions of texts, and what is suspicious in them."""

import collections

import numpy as np

from recipes.data.examples import SPLITS

SHORT = 3  # characters below which a text says little
SHOWN = 5  # texts that a sentence lists


def text_facts(data):
    """Returns the statistics of the texts of all splits.

    Args:
        data: `Data` of kind text.
    Returns:
        Dict: characters and words, each with smallest, median and largest per text; distinct (texts); repeated (texts
        that equal an earlier one); contradictory (repeated texts of different classes); short (texts of less than
        `SHORT` characters); vocabulary (characters of a language model, or None).
    """
    texts = [str(text) for s in SPLITS for text in getattr(data, s).inputs]
    counts = collections.Counter(texts)
    targets = collections.defaultdict(set)
    if data.task == "classification":
        for s in SPLITS:
            for text, target in zip(getattr(data, s).inputs, getattr(data, s).targets, strict=True):
                targets[str(text)].add(int(target))
    is_language_model = data.task == "language_model"
    return {
        "characters": _range([len(text) for text in texts]),
        "words": _range([len(text.split()) for text in texts]),
        "distinct": len(counts),
        "repeated": len(texts) - len(counts),
        "contradictory": sum(len(t) > 1 for t in targets.values()),
        "short": sum(len(text.strip()) < SHORT for text in texts),
        "vocabulary": len(data.outputs) if is_language_model else None,
    }


def _range(values):
    return {"smallest": int(min(values)), "median": float(np.median(values)), "largest": int(max(values))}


def text_sentences(facts):
    """Returns sentences on repeated, contradictory and very short texts.

    Args:
        facts: as `text_facts` returns them.
    """
    sentences = []
    if facts["repeated"] and facts["vocabulary"] is None:
        sentences.append(f"texts that repeat another one: {facts['repeated']:,}")
    if facts["contradictory"]:
        sentences.append(f"texts that occur with different classes: {facts['contradictory']:,}")
    if facts["short"] and facts["vocabulary"] is None:
        sentences.append(f"texts of fewer than {SHORT} characters: {facts['short']:,}")
    return sentences
