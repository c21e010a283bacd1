"""Fits elapid's Maxent to the folds that species_distribution.py wrote; runs in a Python that has elapid 1.0.4.

    python benchmarks/species_elapid.py FOLDER

Reads FOLDER/*_train.csv and *_test.csv, and writes the predictions for the test rows to *_elapid.csv, and to
versions.json the version of elapid. Settings are elapid's defaults.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import elapid
import pandas as pd


def main(folder):
    for path in sorted(Path(folder).glob("*_train.csv")):
        train, test = pd.read_csv(path), pd.read_csv(str(path).replace("_train", "_test"))
        categories = [c for c in train if c.startswith("category_")]
        for column in categories:
            levels = sorted(set(train[column]) | set(test[column]))
            for frame in (train, test):
                frame[column] = pd.Categorical(frame[column], categories=levels)
        model = elapid.MaxentModel(random_state=0)
        model.fit(train.drop(columns="presence"), train["presence"])
        predictions = model.predict(test.drop(columns="presence"))
        pd.DataFrame({"prediction": predictions}).to_csv(str(path).replace("_train", "_elapid"), index=False)
    version = importlib.metadata.version("elapid")
    (Path(folder) / "versions.json").write_text(json.dumps({"elapid": version}))


if __name__ == "__main__":
    main(sys.argv[1])
