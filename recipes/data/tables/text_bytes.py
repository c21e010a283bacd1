"""A search for one character in all texts of a column, by the bytes of its buffers."""


def contains_character(texts, character):
    """Whether a text has an ASCII character; faster than `match_substring`, which makes an array of all texts.

    Args:
        texts: chunked array or array of strings of pyarrow.
        character: one ASCII character.
    """
    import numpy as np

    for chunk in getattr(texts, "chunks", [texts]):
        _, offsets, values = chunk.buffers()
        if values is None or not len(chunk):
            continue
        width = np.int64 if str(chunk.type) == "large_string" else np.int32
        first, last = np.frombuffer(offsets, width)[[chunk.offset, chunk.offset + len(chunk)]]
        if character.encode() in values.slice(int(first), int(last - first)).to_pybytes():
            return True
    return False
