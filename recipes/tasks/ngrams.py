"""Character n-grams: the baseline of a language model."""

import numpy as np

PAD = 0


class Ngrams:
    """Probability of a character after the ones before it, from counts that are smoothed with shorter contexts.

    P(c | context of n characters) = (count(context, c) + kinds * P(c | context without its first character)) /
    (count(context) + kinds), where `kinds` is the number of different characters that followed the context. P(c)
    without a context is mixed with a uniform distribution.

    Args:
        ids: (N,) whole numbers from 1, the training split's characters in a row.
        size: number of different ids, including 0.
        max_length: length of the longest n-gram, including the predicted character.

    Source: Witten and Bell 1991, https://doi.org/10.1109/18.87000, method C; interpolated as Chen and Goodman 1999,
        https://doi.org/10.1006/csla.1999.0128, section 2.3.
    """

    def __init__(self, ids, size, max_length):
        if max_length * np.log2(size) >= 63:
            limit = int(62 // np.log2(size))
            raise ValueError(f"`max_length` must be at most {limit} for {size} characters, got {max_length}.")
        self.size, self.max_length, self.tables = size, max_length, []
        ids = np.asarray(ids, np.int64)
        for n in range(1, max_length + 1):
            codes = self._codes(ids[None], n)[0, n - 1 :]
            ngrams, counts = np.unique(codes, return_counts=True)
            contexts, first, kinds = np.unique(ngrams // size, return_index=True, return_counts=True)
            totals = np.add.reduceat(counts, first)
            self.tables.append(((ngrams, counts), (contexts, totals), (contexts, kinds)))

    def _codes(self, ids, n):
        """(N, T) code of the n-gram that ends at each position; the first n - 1 are meaningless."""
        codes = np.zeros_like(ids)
        for lag in range(n):
            shifted = np.zeros_like(ids)
            shifted[:, lag:] = ids[:, : ids.shape[1] - lag]
            codes += shifted * self.size**lag
        return codes

    def probabilities(self, ids):
        """Returns (max_length, N, T): for every n-gram length, the probability of each character in its row.

        Args:
            ids: (N, T) whole numbers; 0 is padding.
        """
        ids = np.asarray(ids, np.int64)
        p, by_length = np.full(ids.shape, 1 / (self.size - 1)), []
        for n, (ngrams, contexts, kinds) in enumerate(self.tables, 1):
            codes = self._codes(ids, n)
            count, total, different = (
                _look_up(table, keys)
                for table, keys in ((ngrams, codes), (contexts, codes // self.size), (kinds, codes // self.size))
            )
            smoothed = (count + different * p) / np.maximum(total + different, 1)
            has_context = total > 0
            has_context[:, : n - 1] = False  # the row is not that long yet
            p = np.where(has_context, smoothed, p)
            by_length.append(p)
        return np.stack(by_length)


def _look_up(table, codes):
    """The value of each code in (sorted codes, values); 0 where it is not in the table."""
    keys, values = table
    indices = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    return np.where(keys[indices] == codes, values[indices], 0)
