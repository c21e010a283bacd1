"""The commands that look into a trained model: `zoo explain` and `zoo digits`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

ROLLOUT = "attention_rollout"  # of no class, so it is no entry of `zoo.explain.methods`


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `zoo train --out` wrote.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Photos; or one CSV or Parquet table.")],
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("why.png"),
    method: Annotated[
        str,
        typer.Option(
            help="integrated_gradients, saliency, smoothgrad, gradient_input, guided_backprop, gradcam, "
            "guided_gradcam, occlusion, rise, lime or shap_values; of transformers attention_rollout. lime and "
            "shap_values need fieldzoo[shap]."
        ),
    ] = "integrated_gradients",
    target: Annotated[str | None, typer.Option(help="The class to explain; the predicted one else.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A number of the method, as in --set samples=500.")
    ] = None,
):
    """Show which pixels (or columns) an answer rests on.

    zoo explain runs/photos new/1.jpg --method occlusion --set patch=16 --set stride=8 --out why.png
    """
    from recipes.cli.main import numbers

    print(explain_files(run, files, out, method, target, **dict(numbers(item) for item in set_ or [])))


def explain_files(run, files, out, method="integrated_gradients", target=None, **arguments):
    """Writes a picture of what the answers to `files` rest on, and returns its path.

    Args:
        run: the run's folder.
        files: photos, or one table.
        out: the picture.
        method: one of `zoo.explain.methods(model)`, or attention_rollout.
        target: name of the class that is explained; None for the predicted one.
        **arguments: of the method.
    Raises:
        ValueError: if the method does not apply or is not known, or there is no such class; the nearest is offered.
    """
    import numpy as np

    from recipes.runs.predict_files import answer, read_inputs
    from recipes.training.run import load_run
    from zoo import explain
    from zoo.arguments import suggestion

    saved = load_run(run)
    applicable = explain.methods(saved.model)
    known = [*(m for m, reason in applicable.items() if not reason), ROLLOUT]
    if method not in known:
        why = applicable.get(method)
        reason = f" ({why})" if why else ""
        near = "" if why else suggestion(method, [*applicable, ROLLOUT])
        raise ValueError(f"`method` must be one of {', '.join(known)}, got {method!r}{reason}.{near}")
    if target is not None and target not in saved.classes:
        raise ValueError(
            f"`target` must be one of {', '.join(saved.classes)}, got {target!r}.{suggestion(target, saved.classes)}"
        )
    if target is not None and method == ROLLOUT:
        raise ValueError(f"`target` must not be given for {ROLLOUT}, which says nothing about a class, got {target!r}.")
    inputs = read_inputs(saved, files)
    prepared = np.concatenate([np.asarray(saved.preprocessing(batch, training=False)) for _, batch in inputs])
    answers = np.concatenate([answer(saved, batch) for _, batch in inputs])
    chosen = answers.argmax(-1) if target is None else np.full(len(inputs), saved.classes.index(target))
    given = arguments if method == ROLLOUT else {"target": chosen, **arguments}
    maps = getattr(explain, method)(saved.model, prepared, **given)
    titles = [
        f"{Path(name).name}\n{saved.classes[c]} {p[c]:.0%}" if saved.classes else Path(name).name
        for (name, _), c, p in zip(inputs, chosen, answers, strict=True)
    ]
    explain.show(prepared, maps, path=str(out), titles=titles)
    return out


def digits(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or the name of a model on the shelf.")],
    port: Annotated[int, typer.Option(help="The page's port; 0 for any that is free.")] = 0,
    layers: Annotated[str | None, typer.Option(help="Layers to show, as in c1,c3; all that answer maps else.")] = None,
):
    """Draw in the browser and see the maps of every layer and the answer, stroke by stroke; stop it with ctrl-c.

    zoo digits runs/lenet5_mnist
    """
    with digits_page(run, port, tuple(layers.split(",")) if layers else None) as page:
        print(page.address, flush=True)
        print("open it in a browser; stop it with ctrl-c", file=sys.stderr, flush=True)
        page.wait()


def digits_page(run, port=0, layers=None):
    """The page in which one draws for a run's model, which gets the drawing as it gets any raw image.

    Args:
        run: the run's folder, or a name on the shelf.
        port: of the page; 0 for any that is free.
        layers: names of those to show; None for all that answer maps.
    Returns:
        `zoo.explain.DigitPage`, running.
    Raises:
        ValueError: if there is no such run, or it is not on images of a size of its own with classes.
    """
    from recipes.training.run import load_run
    from zoo import explain
    from zoo.weights import RESULTS_FOLDER

    run = Path(run)
    saved = load_run(
        run if run.exists() or not (RESULTS_FOLDER / run.name / "run.json").is_file() else RESULTS_FOLDER / run.name
    )
    if saved.told["data"]["kind"] != "image" or not saved.classes:
        told = f"{saved.told['data']['kind']} data for {saved.told['data']['task']}"
        raise ValueError(f"digits: `run` must be of images with classes, got one on {told}.")
    return explain.digit_page(
        saved.model, classes=saved.classes, layers=layers, preprocessing=lambda images: as_raw(saved, images), port=port
    )


def as_raw(saved, images):
    """The model's inputs for drawings (1, H, W, C) of 0 to 255, brought to the size and bands of the raw images."""
    import numpy as np
    import tensorflow as tf

    height, width, bands = saved.preprocessing.input_shape[1:]
    images = np.asarray(images, "float32")[..., : bands or None]
    if None not in (height, width) and images.shape[1:3] != (height, width):
        images = tf.image.resize(images, (height, width), antialias=True).numpy()
    kind = saved.preprocessing.inputs[0].dtype
    return np.asarray(saved.preprocessing((images.round() if "int" in kind else images).astype(kind), training=False))
