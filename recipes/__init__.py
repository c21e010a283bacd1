"""fieldzoo's recipes: data, compile settings, training and reports for the models of `zoo`.

>>> import recipes
>>> run = recipes.Classification(epochs=50).fit("lenet5", "bundled:mnist-5k")
>>> run.evaluate()["accuracy"]

Names are imported when they are first asked for, so that the command line answers `--help` without TensorFlow.
"""

import importlib

WHERE = {
    # Data
    "Data": "recipes.data",
    "Examples": "recipes.data",
    "load": "recipes.data",
    "sources": "recipes.data",
    # One task a recipe
    "Classification": "recipes.classification",
    "FineTuning": "recipes.fine_tuning",
    "Regression": "recipes.regression",
    "Segmentation": "recipes.segmentation",
    "Restoration": "recipes.restoration",
    "Motion": "recipes.motion",
    "Forecasting": "recipes.forecasting",
    "Generation": "recipes.generation",
    "Translation": "recipes.translation",
    "more_examples": "recipes.made_examples",
    "gain_of_samples": "recipes.made_examples",
    "SeriesClassification": "recipes.series_classification",
    "NextFrame": "recipes.next_frame",
    "TextClassification": "recipes.text_classification",
    "LanguageModel": "recipes.language_model",
    "generate": "recipes.writing",
    "backtest": "recipes.forecasting",
    # Runs
    "Run": "recipes.run",
    "load_run": "recipes.run",
    "predict_raster": "recipes.mosaic",
    # Worked recipes
    "WORKED": "recipes.rows",
    "published": "recipes.papers",
    "train": "recipes.rows",
    "worked": "recipes.rows",
}
__all__ = list(WHERE)


def __getattr__(name):
    if name not in WHERE:
        from zoo.arguments import nearest

        raise AttributeError(f"recipes has no {name!r}.{nearest(name, WHERE)}")
    return getattr(importlib.import_module(WHERE[name]), name)


def __dir__():
    return __all__
