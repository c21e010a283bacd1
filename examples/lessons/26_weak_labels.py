"""
Labels of many people
=====================

Five volunteers name the species in the same photos and do not agree. Counting their votes treats the expert like the
beginner. Dawid and Skene's model estimates from the votes alone who confuses what, and weighs them.

Dawid and Skene (1979), *Maximum likelihood estimation of observer error-rates using the EM algorithm*,
https://doi.org/10.2307/2346806; Lee (2013), *Pseudo-label*.
"""

# %%
# Five volunteers
# ---------------
# Two experts are right in 92 of 100 photos. Three beginners take larches for pines most of the time, and guess often.
# They all make mistakes independently of each other.
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import recipes

rng = np.random.default_rng(1)
SPECIES = np.array(["larch", "pine", "spruce"])
PHOTOS = 600
truth = rng.integers(0, 3, PHOTOS)
expert = np.array([[0.92, 0.04, 0.04], [0.04, 0.92, 0.04], [0.04, 0.04, 0.92]])
beginner = np.array([[0.20, 0.65, 0.15], [0.15, 0.65, 0.20], [0.20, 0.20, 0.60]])
confusion = {"Ada": expert, "Bo": expert, "Cleo": beginner, "Dan": beginner, "Eve": beginner}
votes = pd.DataFrame({"photo": [f"{i}.jpg" for i in range(PHOTOS)]})
for name, rows in confusion.items():
    votes[name] = [SPECIES[rng.choice(3, p=rows[k])] for k in truth]
print(votes.head(4).to_string(index=False))

# %%
# Majority against Dawid and Skene
# --------------------------------
# :func:`recipes.combine_labels` takes the table as it is: a row per photo and a column per person.
accuracy = {}
for method in ("majority", "dawid_skene"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the notes are printed here
        combined = recipes.combine_labels(votes, method=method)
    accuracy[method] = float((combined.labels["label"].to_numpy() == SPECIES[truth]).mean())
    print(f"{method}: {accuracy[method]:.3f} of the photos have the right species", *combined.notes, sep="\n  ")

# %%
# The model estimates how good each person is, without the truth.
people = combined.annotators.set_index("annotator")
people["true accuracy"] = [(votes[name].to_numpy() == SPECIES[truth]).mean() for name in people.index]
largest_error = float((people["accuracy"] - people["true accuracy"]).abs().max())
print(people[["accuracy", "true accuracy"]].round(2).to_string())
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
people[["accuracy", "true accuracy"]].plot.bar(ax=left, rot=0, xlabel="", ylabel="accuracy", ylim=(0, 1.25))
left.legend(("estimated from votes", "true"))
right.bar(["majority", "Dawid, Skene"], list(accuracy.values()), color=["tab:gray", "tab:blue"])
right.set(ylabel="right labels, fraction", ylim=(0.5, 1))
plt.show()

# %%
# The method by hand
# ------------------
# Expectation maximization repeats two steps. Estimate each person's confusion matrix from the probable labels; then
# compute the probable labels by Bayes' rule from the votes and these matrices.
codes = np.stack([np.searchsorted(SPECIES, votes[name]) for name in confusion], axis=1)  # (photos, people)
one_hot = np.eye(3)[codes]  # (photos, people, class)
probable = one_hot.mean(axis=1)
for _ in range(300):
    matrices = np.einsum("ik,ipc->pkc", probable, one_hot)
    matrices /= matrices.sum(axis=-1, keepdims=True)
    likelihood = np.einsum("ipc,pkc->ik", one_hot, np.log(matrices + 1e-10)) + np.log(probable.mean(axis=0))
    probable = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    probable /= probable.sum(axis=1, keepdims=True)
same = float((probable.argmax(axis=1) == np.searchsorted(SPECIES, combined.labels["label"])).mean())
print(f"By hand and by recipes the same label for {same:.3f} of the photos")

# %%
# Photos without any label
# ------------------------
# A classifier that was trained on few labels can label the rest itself. Only predictions that it is sure of are taken
# as labels. Here 8 x 8 digits, four labels of each kind, and a logistic regression.
digits, kinds = load_digits(return_X_y=True)
order = rng.permutation(len(digits))
digits, kinds = digits[order] / 16, kinds[order]
labelled = np.concatenate([np.flatnonzero(kinds[:600] == k)[:4] for k in range(10)])
unlabelled = np.setdiff1d(np.arange(600), labelled)
test, test_kinds = digits[600:], kinds[600:]
few = LogisticRegression(max_iter=200).fit(digits[labelled], kinds[labelled])


def add_pseudo_labels(model, fraction):
    """Trains again with the pseudo-labels of the surest predictions, that fraction of the unlabelled digits."""
    probabilities = model.predict_proba(digits[unlabelled])
    surest = np.argsort(-probabilities.max(axis=1))[: int(fraction * len(unlabelled))]
    pseudo = probabilities.argmax(axis=1)[surest]
    right = float((pseudo == kinds[unlabelled][surest]).mean())
    x = np.concatenate([digits[labelled], digits[unlabelled][surest]])
    return LogisticRegression(max_iter=200).fit(x, np.concatenate([kinds[labelled], pseudo])), right


few_accuracy = float(few.score(test, test_kinds))
second, right_third = add_pseudo_labels(few, 1 / 3)
pseudo_accuracy = float(second.score(test, test_kinds))
print(f"Accuracy with 40 labels {few_accuracy:.3f}; {right_third:.0%} of the surest third of the others are right, "
      f"and training with them gives {pseudo_accuracy:.3f}")  # fmt: skip

# %%
# Exercise
# --------
# What is the price of taking more pseudo-labels? Compute which fraction of them is right for the surest tenth, half and
# all of the unlabelled digits, and the accuracy after training with them.

# %%
# Solution
# --------
# The more are taken, the more of them are wrong. Whether the additional right ones outweigh them, only the accuracy on
# other digits shows.
right_by_fraction = {}
for fraction in (0.1, 0.5, 1.0):
    trained, right_by_fraction[fraction] = add_pseudo_labels(few, fraction)
    print(f"{fraction:.0%} of the digits: {right_by_fraction[fraction]:.2f} of the labels right, "
          f"accuracy {trained.score(test, test_kinds):.3f}")  # fmt: skip
