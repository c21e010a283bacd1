"""The commands `zoo explain` and `zoo digits`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.options import Files, RunFolder, parse_setting
from recipes.cli.output import print_note

MAX_EXAMPLES = 80  # in a figure, whose height is limited to 65,536 pixels
GRADIENTS = "integrated_gradients"
ROLLOUT = "attention_rollout"  # independent of the class, so it is not in `zoo.explain.methods`


def explain(
    run: RunFolder,
    files: Files,
    out: Annotated[Path, typer.Option(help="Figure to write: .png, .pdf, .svg, ...")] = Path("why.png"),
    method: Annotated[
        str | None,
        typer.Option(
            help="integrated_gradients, saliency, smoothgrad, gradient_input, guided_backprop, gradcam, "
            "guided_gradcam, occlusion, rise, lime or shap_values; for transformers attention_rollout. lime and "
            "shap_values need fieldzoo[shap]. Default integrated_gradients, for texts occlusion, "
            "for sound gradcam."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Class to explain; default the predicted class.")] = None,
    examples: Annotated[
        int, typer.Option(min=1, max=MAX_EXAMPLES, help="Files or rows to explain, from the first on.")
    ] = 20,
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of texts of a table; default that of the training.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Argument of the method: --set samples=500."),
    ] = None,
):
    """Plot which pixels, columns, words, or times and frequencies a prediction is based on.

    zoo explain runs/photos new/1.jpg --method occlusion --set patch=16 --set stride=8 --out why.png
    """
    arguments = dict(parse_setting(setting) for setting in settings or [])
    print(explain_files(run, files, out, method, target, examples=examples, text=text, **arguments))


def explain_files(run, files, out, method=None, target=None, *, examples=20, text=None, **arguments):
    """Writes a figure of the attributions of the predictions for `files` and returns its path.

    Args:
        run: the run's folder.
        files: images, texts, recordings, or one table.
        out: path of the figure, whose ending is one of Matplotlib's formats.
        method: one of `zoo.explain.methods(model)`, or attention_rollout; None for integrated_gradients, or occlusion
            where the model has no gradients, as of texts; for sound gradcam, of the spectrogram. Of texts occlusion
            replaces each word by the unknown one.
        target: name of the class to explain; default the predicted class.
        examples: number of files or rows to explain, from the first on; at most 80, which a figure can hold.
        text: column of texts of a table; None for that of the training.
        **arguments: of the method.
    Raises:
        ValueError: if the method is unknown or does not apply to the model, or there is no such class or folder.
    """
    import numpy as np
    import pandas as pd

    from recipes.cli.errors import naming_full_disk
    from recipes.data.preprocessing import feature_names
    from recipes.data.unlabelled import UNLABELLED
    from recipes.prediction.predict import predict_batch, preprocess_batch
    from recipes.reports.word_figures import UNKNOWN, word_figure
    from recipes.runs.load import load_run
    from recipes.runs.text_column import with_text_column
    from zoo import explain

    if not Path(out).expanduser().parent.is_dir():
        raise ValueError(f"`out` must be a file in a folder that exists, got {out}.")
    _verify_format(out)
    saved = load_run(run)
    if saved.data_record["task"] == UNLABELLED:
        raise ValueError(
            f"explain: the run must predict classes or numbers, got {type(saved.task).__name__}, whose features mean "
            "nothing by themselves; train fine_tuning or few_labels with weights=RUN, and explain that run."
        )
    output_shape = getattr(saved.model, "output_shape", (None, None))
    if not isinstance(output_shape, tuple) or len(output_shape) != 2:
        raise ValueError(
            f"explain: the run must predict classes or numbers for a whole input, got {type(saved.task).__name__} with "
            f"outputs of shape {output_shape}."
        )
    if saved.schema.kind not in ("image", "table", "text", "sound", "question"):
        raise ValueError(
            f"explain: the run must take images, a table, texts, sound or questions, got {type(saved.task).__name__} "
            f"of {saved.schema.kind} data. In Python, zoo.explain.{method or GRADIENTS}(run.model, "
            "run.preprocessing(x), target=0) explains the first output of such a run, "
            "for inputs x such as run.data.test.head(5)."
        )
    if saved.schema.kind == "sound":
        return explain_sounds(saved, files, out, method or "gradcam", target, examples, arguments)
    if saved.schema.kind == "question":
        return explain_questions(saved, files, out, method or GRADIENTS, target, examples, arguments)
    method = method or _default_method(saved.model)
    _verify_method(saved.model, method)
    _verify_target(saved.classes, method, target)
    saved = with_text_column(saved, text) if text else saved
    batches = _first_batches(saved, files, examples)
    names = [name for batch in batches for name in batch.names]
    preprocessed = np.concatenate([preprocess_batch(saved, batch.inputs) for batch in batches])
    predictions = np.concatenate([predict_batch(saved, batch.inputs) for batch in batches])
    targets = predictions.argmax(-1) if target is None else np.full(len(names), saved.classes.index(target))
    arguments = arguments if method == ROLLOUT else {"target": targets, **arguments}
    if saved.schema.kind == "text" and method == "occlusion":
        arguments = {"fill": (UNKNOWN,), **arguments}
    maps = getattr(explain, method)(saved.model, preprocessed, **arguments)
    titles = [
        f"{Path(name).name}\n{saved.classes[c]} {p[c]:.0%}" if saved.classes else Path(name).name
        for name, c, p in zip(names, targets, predictions, strict=True)
    ]
    if saved.schema.kind == "table":
        preprocessed = pd.DataFrame(preprocessed, columns=feature_names(saved.schema))
    with naming_full_disk(out):
        if saved.schema.kind == "text":
            word_figure(saved, preprocessed, maps, titles).savefig(out, dpi=120)
        else:
            explain.show(preprocessed, maps, path=str(out), titles=titles)
    return out


def explain_sounds(run, files, out, method, target, examples, arguments):
    """Writes a figure of the spectrograms of the clips in recordings and of what mattered, as `explain_files` does."""
    import numpy as np

    from recipes.cli.errors import naming_full_disk
    from recipes.prediction.predict import predict_batch
    from recipes.reports.sound_figures import explanation_figure
    from zoo.introspect.spectrogram import split_at_spectrogram

    parts = split_at_spectrogram(run.model)
    _verify_method(parts.classifier if parts else run.model, method)
    _verify_target(run.classes, method, target)
    batches = _first_batches(run, files, examples)
    names = [name for batch in batches for name in batch.names]
    clips = np.concatenate([batch.inputs for batch in batches])
    predictions = predict_batch(run, clips)
    targets = predictions.argmax(-1) if target is None else np.full(len(names), run.classes.index(target))
    titles = [
        f"{Path(name).name}\n{run.classes[c]} {p[c]:.0%}"
        for name, c, p in zip(names, targets, predictions, strict=True)
    ]
    figure, _ = explanation_figure(run, clips, targets, titles, (method,), arguments)
    with naming_full_disk(out):
        figure.savefig(out, dpi=120)
    return out


def explain_questions(run, files, out, method, target, examples, arguments):
    """Writes a figure of the images that questions are about and of the pixels that mattered, as `explain_files` does.

    Each question is explained by itself: a method sees the model of the image alone.
    """
    import numpy as np

    from recipes.cli.errors import naming_full_disk
    from recipes.prediction.predict import predict_batch
    from zoo import explain
    from zoo.question.model_parts import IMAGE, QUESTION, fixed_question

    _verify_target(run.classes, method, target)
    images, maps, titles = [], [], []
    for batch in _first_batches(run, files, examples):
        predictions = predict_batch(run, batch.inputs)
        for row, p in enumerate(predictions):
            inputs = run.preprocessing(batch.inputs.take([row]).head(1), training=False)
            model = fixed_question(run.model, np.asarray(inputs[QUESTION])[0])
            _verify_method(model, method)
            c = int(p.argmax()) if target is None else run.classes.index(target)
            images.append(np.asarray(inputs[IMAGE])[0])
            maps.append(getattr(explain, method)(model, images[-1][None], target=(c,), **arguments)[0])
            titles.append(f"{batch.inputs.questions[row]}\n{run.classes[c]} {p[c]:.0%}")
    with naming_full_disk(out):
        explain.show(np.stack(images), np.stack(maps), path=str(out), titles=tuple(titles))
    return out


def _first_batches(run, files, count):
    """Returns the batches of the first inputs, with a note where there are more."""
    from recipes.prediction.predict import readable_batches, warn

    batches = []
    for batch in readable_batches(run, files, caller="explain"):
        if count:
            inputs = batch.inputs
            if hasattr(inputs, "take") and not hasattr(inputs, "dtype"):  # questions
                first = inputs.take(slice(0, count))
            else:
                first = {c: v[:count] for c, v in inputs.items()} if isinstance(inputs, dict) else inputs[:count]
            batches.append(batch._replace(names=batch.names[:count], inputs=first))
        if len(batch.names) > count:
            explained = sum(len(b.names) for b in batches)
            warn([f"explained the first {explained} only; --examples explains more, up to {MAX_EXAMPLES}"])
            break
        count -= len(batch.names)
    return batches


def _verify_format(out):
    from matplotlib.backend_bases import FigureCanvasBase

    endings = sorted(FigureCanvasBase.get_supported_filetypes())
    if Path(out).suffix[1:].lower() not in endings:
        raise ValueError(f"`out` must end in one of .{', .'.join(endings)}, got {out}.")


def _default_method(model):
    """Returns integrated_gradients where the model has gradients, else occlusion."""
    from zoo import explain

    return "occlusion" if explain.methods(model)[GRADIENTS] else GRADIENTS


def _verify_method(model, method):
    from zoo import explain
    from zoo.arguments import suggestion

    reasons = explain.methods(model)  # method -> why it does not apply, "" if it does
    names = [*(name for name, reason in reasons.items() if not reason), ROLLOUT]
    if method not in names:
        reason = reasons.get(method)
        detail = f" ({reason})." if reason else f".{suggestion(method, [*reasons, ROLLOUT])}"
        raise ValueError(f"`method` must be one of {', '.join(names)}, got {method!r}{detail}")


def _verify_target(classes, method, target):
    from zoo.arguments import suggestion

    if target is not None and target not in classes:
        raise ValueError(f"`target` must be one of {', '.join(classes)}, got {target!r}.{suggestion(target, classes)}")
    if target is not None and method == ROLLOUT:
        raise ValueError(
            f"`target` must not be given for {ROLLOUT}, which is independent of the class, got {target!r}."
        )


def digits(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, or the name of a reference recipe with a model.")
    ],
    port: Annotated[int, typer.Option(help="Port of the page; 0 for any free one.")] = 0,
    layers: Annotated[
        str | None, typer.Option(help="Layers to show, such as c1,c3; default all with feature maps.")
    ] = None,
):
    """Draw in the browser and watch the feature maps and the prediction change; stop with ctrl-c.

    zoo digits runs/lenet5_mnist
    """
    with digits_page(run, port, tuple(layers.split(",")) if layers else None) as page:
        print(page.address, flush=True)
        print_note("open it in a browser; stop with ctrl-c")
        page.wait()


def digits_page(run, port=0, layers=None):
    """Serves a page for drawing inputs of a run's model.

    Args:
        run: the run's folder, or the name of a reference recipe whose model is in saved_models/.
        port: of the page; 0 for any free one.
        layers: names of the layers to show; default all with feature maps.
    Returns:
        a running `LocalPage`.
    Raises:
        ValueError: if there is no such run, or it is not a classification of images.
    """
    from recipes.runs.load import load_run
    from zoo import explain
    from zoo.weights import RESULTS_FOLDER

    run = Path(run)
    reference = RESULTS_FOLDER / run.name
    saved = load_run(reference if not run.exists() and (reference / "run.json").is_file() else run)
    if saved.schema.kind != "image" or not saved.classes:
        raise ValueError(
            f"digits: `run` must be a classification of images, got {saved.data_record['task']} of "
            f"{saved.schema.kind} data."
        )
    return explain.digit_page(
        saved.model,
        classes=saved.classes,
        layers=layers,
        preprocessing=lambda images: preprocess_drawings(saved, images),
        port=port,
    )


def preprocess_drawings(saved, images):
    """Resizes drawings (1, H, W, C) from 0 to 255 to the raw inputs' size and bands, and preprocesses them."""
    import numpy as np
    import tensorflow as tf

    height, width, bands = saved.preprocessing.input_shape[1:]
    images = np.asarray(images, "float32")[..., : bands or None]
    if None not in (height, width) and images.shape[1:3] != (height, width):
        images = tf.image.resize(images, (height, width), antialias=True).numpy()
    dtype = saved.preprocessing.inputs[0].dtype
    images = (images.round() if "int" in dtype else images).astype(dtype)
    return np.asarray(saved.preprocessing(images, training=False))
