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
    "Classification": "recipes.tasks.classification",
    "FineTuning": "recipes.tasks.fine_tuning",
    "Regression": "recipes.tasks.regression",
    "Segmentation": "recipes.tasks.segmentation",
    "Restoration": "recipes.tasks.restoration",
    "Motion": "recipes.tasks.motion",
    "Forecasting": "recipes.tasks.forecasting",
    "Generation": "recipes.tasks.generation",
    "Translation": "recipes.tasks.translation",
    "generate_examples": "recipes.reference.generated_examples",
    "gain_from_generated": "recipes.reference.generated_examples",
    "SeriesClassification": "recipes.tasks.series_classification",
    "NextFrame": "recipes.tasks.next_frame",
    "TextClassification": "recipes.tasks.text_classification",
    "LanguageModel": "recipes.tasks.language_model",
    "generate": "recipes.runs.text_generation",
    "backtest": "recipes.tasks.forecasting",
    # Runs
    "Run": "recipes.training.run",
    "load_run": "recipes.training.run",
    "predict_raster": "recipes.raster.predict",
    # Worked recipes
    "REFERENCE": "recipes.reference.recipes",
    "published_settings": "recipes.reference.published_settings",
    "train": "recipes.reference.recipes",
    "reference_recipes": "recipes.reference.recipes",
}
__all__ = list(WHERE)


def __getattr__(name):
    if name not in WHERE:
        from zoo.arguments import suggestion

        raise AttributeError(f"recipes has no {name!r}.{suggestion(name, WHERE)}")
    return getattr(importlib.import_module(WHERE[name]), name)


def __dir__():
    return __all__
