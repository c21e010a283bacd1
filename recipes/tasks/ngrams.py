"""Counts of characters in a row: what a language model has to beat."""

import numpy as np

PAD = 0


class Ngrams:
    """The probability of a character after those before it, from counts, smoothed from short contexts to long ones.

    P(c | context of n characters) = (count(context, c) + kinds * P(c | context without its first character)) /
    (count(context) + kinds), where `kinds` is how many different characters followed the context; P(c) without any
    context is mixed with a uniform one.

    Args:
        ids: (N,) whole numbers from 1, the training part's characters in a row.
        size: how many numbers there are, with 0.
        longest: characters of the longest run that is counted, the foretold one among them.

    Source: Witten and Bell 1991, https://doi.org/10.1109/18.87000, method C; interpolated as Chen and Goodman 1999,
        https://doi.org/10.1006/csla.1999.0128, section 2.3.
    """

    def __init__(self, ids, size, longest):
        if longest * np.log2(size) >= 63:
            most = int(62 // np.log2(size))
            raise ValueError(f"`longest` must be at most {most} for {size} characters, got {longest}.")
        self.size, self.longest, self.tables = size, longest, []
        ids = np.asarray(ids, np.int64)
        for n in range(1, longest + 1):
            runs = self._codes(ids[None], n)[0, n - 1 :]
            known, count = np.unique(runs, return_counts=True)
            context, first, kinds = np.unique(known // size, return_index=True, return_counts=True)
            total = np.add.reduceat(count, first)
            self.tables.append(((known, count), (context, total), (context, kinds)))

    def _codes(self, ids, n):
        """(N, T): the number of the run of n characters that ends at each place; of no use at the first n - 1."""
        codes = np.zeros_like(ids)
        for back in range(n):
            moved = np.zeros_like(ids)
            moved[:, back:] = ids[:, : ids.shape[1] - back]
            codes += moved * self.size**back
        return codes

    def probabilities(self, ids):
        """(longest, N, T): for every longest run, the probability of each character after those before it in its row.

        Args:
            ids: (N, T) whole numbers; 0 is padding.
        """
        ids = np.asarray(ids, np.int64)
        p, found = np.full(ids.shape, 1 / (self.size - 1)), []
        for n, (runs, totals, kinds) in enumerate(self.tables, 1):
            codes = self._codes(ids, n)
            seen, total, different = (
                _looked_up(table, code)
                for table, code in ((runs, codes), (totals, codes // self.size), (kinds, codes // self.size))
            )
            longer = (seen + different * p) / np.maximum(total + different, 1)
            known = total > 0
            known[:, : n - 1] = False  # the row does not have so many characters yet
            p = np.where(known, longer, p)
            found.append(p)
        return np.stack(found)


def _looked_up(table, codes):
    """The value of each code in (sorted codes, values); 0 where it is not there."""
    known, values = table
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[places] == codes, values[places], 0)
