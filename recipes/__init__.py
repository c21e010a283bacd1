"""fieldzoo's recipes: data, training, reports and prediction for the models of `zoo`.

>>> import recipes
>>> run = recipes.Classification(epochs=50).fit("lenet5", "bundled:mnist-5k")
>>> run.evaluate()["accuracy"]

Names are imported on first use, so that the command line prints `--help` without TensorFlow.
"""

import importlib

WHERE = {
    # Data
    "Data": "recipes.data",
    "DataSummary": "recipes.reports.data_check",
    "Examples": "recipes.data",
    "check_data": "recipes.reports.data_check",
    "load": "recipes.data",
    "reopen": "recipes.data",
    "show_batch": "recipes.reports.batch_figures",
    "sources": "recipes.data",
    "read_arrays": "recipes.data.arrays",
    "read_boxes": "recipes.data.boxes.box_table",
    "read_bundled": "recipes.data.bundled.sets",
    "read_cifar56eco": "recipes.data.bundled.cifar56eco",
    "read_coco": "recipes.data.boxes.coco",
    "read_folder": "recipes.data.images.folder",
    "read_image_table": "recipes.data.images.image_table",
    "read_labelled_text": "recipes.data.text.labelled_texts",
    "read_mask_arrays": "recipes.data.images.masks",
    "read_masks": "recipes.data.images.masks",
    "read_pairs": "recipes.data.images.pairs",
    "read_questions": "recipes.data.questions.questions",
    "read_raster": "recipes.data.rasters.raster",
    "read_series": "recipes.data.series.windows",
    "read_sound": "recipes.data.sound.sound",
    "read_species": "recipes.data.tables.species",
    "read_spoken_digits": "recipes.data.sound.spoken_digits",
    "read_table": "recipes.data.tables.table",
    "read_text": "recipes.data.text.documents",
    "read_tfds": "recipes.data.tfds",
    "read_voc": "recipes.data.boxes.voc",
    "read_yolo": "recipes.data.boxes.yolo",
    "read_instances": "recipes.data.boxes.instances",
    # Tasks
    "Classification": "recipes.tasks.classification",
    "Features": "recipes.tasks.features",
    "FineTuning": "recipes.tasks.fine_tuning",
    "FewLabels": "recipes.tasks.few_labels",
    "Contrastive": "recipes.tasks.contrastive",
    "MaskedImageModelling": "recipes.tasks.masked_image_modelling",
    "Regression": "recipes.tasks.regression",
    "Segmentation": "recipes.tasks.segmentation",
    "Detection": "recipes.tasks.detection",
    "InstanceSegmentation": "recipes.tasks.instance_segmentation",
    "Restoration": "recipes.tasks.restoration",
    "Motion": "recipes.tasks.motion",
    "Forecasting": "recipes.tasks.forecasting",
    "backtest": "recipes.tasks.forecasting",
    "Generation": "recipes.tasks.generation",
    "Translation": "recipes.tasks.translation",
    "SeriesClassification": "recipes.tasks.series_classification",
    "SoundClassification": "recipes.tasks.sound_classification",
    "SpeciesDistribution": "recipes.tasks.species_distribution",
    "cross_validate": "recipes.tasks.cross_validation",
    "NextFrame": "recipes.tasks.next_frame",
    "TextClassification": "recipes.tasks.text_classification",
    "QuestionAnswering": "recipes.tasks.question_answering",
    "LanguageModel": "recipes.tasks.language_model",
    # Training and runs
    "fit": "recipes.training.fit",
    "distribution": "recipes.training.distribute",
    "Run": "recipes.training.run",
    "load_run": "recipes.runs.load",
    "join_shards": "recipes.prediction.shards",
    "detect_files": "recipes.runs.detect_files",
    "generate": "recipes.runs.text_generation",
    "predict_raster": "recipes.raster.predict",
    "predict_species_map": "recipes.raster.species_map",
    # Search
    "search": "recipes.tuning.search",
    "nested_cross_validate": "recipes.tuning.nested",
    "find_learning_rate": "recipes.tuning.learning_rate",
    # Labels
    "combine_labels": "recipes.labels.combine",
    "apply_label_functions": "recipes.labels.combine",
    "find_label_errors": "recipes.labels.label_errors",
    "choose_to_label": "recipes.labels.active",
    "label_photos": "recipes.labels.label_page",
    # Reference recipes
    "REFERENCE": "recipes.reference.recipes",
    "reference_recipes": "recipes.reference.recipes",
    "train": "recipes.reference.recipes",
    "published_settings": "recipes.reference.published_settings",
    "generate_examples": "recipes.reference.generated_examples",
    "gain_from_generated": "recipes.reference.generated_examples",
}
__all__ = list(WHERE)


def __getattr__(name):
    if name not in WHERE:
        from zoo.arguments import suggestion

        raise AttributeError(f"recipes has no {name!r}.{suggestion(name, WHERE)}")
    return getattr(importlib.import_module(WHERE[name]), name)


def __dir__():
    return __all__
