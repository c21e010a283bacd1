"""The gallery: a page per family of architectures, made from the registry, the models' graphs and committed results."""

import json

from recipes.reference.document_tables import format_count, link, table
from recipes.reference.recipes import REFERENCE, RESULTS_FOLDER
from zoo.introspect.architecture_table import read_table
from zoo.published_weights import weight_names
from zoo.registry import TASKS, entry, names

CONFUSIONS = 3  # commonest ones that a page names
BYTES = 4  # of a weight in float32
STARTING_POINTS = {  # task of an architecture -> task of `zoo train`, and data in its form
    "tabular": ("classification", "table:plots.csv?target=species"),
    "classify": ("classification", "folder:photos"),
    "segment": ("segmentation", "masks:photos?labels=masks"),
    "detect": ("detection", "coco:boxes.json?images=photos"),
    "series": ("forecasting", "series:river.csv?time=day&target=flow"),
    "sound": ("sound_classification", "sound:recordings?seconds=3"),
    "question": ("question_answering", "questions:questions.csv"),
}
SPECIES = ("species_distribution", "species:points.csv?x=lon&y=lat&rasters=climate")
FAMILY_STARTING_POINTS = {  # families whose task or data differ; None where no command trains them
    **dict.fromkeys(("deepmaxent", "sinr"), SPECIES),
    "mask_rcnn": ("instance_segmentation", "coco:boxes.json?images=photos&masks=true"),
    **dict.fromkeys(("rcnn", "fast_rcnn", "cnn_lstm", "convlstm_keras", "tempcnn", "transformer")),
    **dict.fromkeys(("presto", "presto_autoencoder")),
}


def families():
    """Returns the families in the order of their tasks: name of each architecture -> names of it and its variants."""
    groups = {}
    for name in sorted(names(), key=lambda n: (TASKS.index(entry(n).task), entry(n).parent or n, n)):
        groups.setdefault(entry(name).parent or name, []).append(name)
    return groups


def measured_rows():
    """Returns {name: row of zoo/architectures.csv}, whose numbers are float or None."""
    return {name: row for (name, _), row in read_table().items()}


def family_page(name, variants, rows, recipes):
    """Returns the page of a family as Markdown; its drawing is the file `NAME.svg` beside it.

    Args:
        name: of the architecture.
        variants: names of it and its variants.
        rows: what `measured_rows` returns.
        recipes: what `reference_recipes` returns.
    """
    record, row = entry(name), rows[name]
    trained = [recipe for recipe in recipes if recipe["model"] in variants]
    size = f"{row['parameters']:,.0f} parameters"
    parts = [
        f"# {name}",
        _summary(name),
        f"Paper: {link(record.source)}. Task: {record.task}. Input of the paper: {row['input']}. {size}, "
        f"{format_count(row['macs'])} multiply-accumulates per input.",
        f"![{name}: layers by the size of their arrays, from the input on the left to the output]({name}.svg)",
        "## Variants",
        variant_table(variants, rows),
        "## Results",
        result_text(name, trained),
        "## Code",
        *code_blocks(name, trained),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(name):
    return entry(name).build.__doc__.strip().split("\n")[0].removeprefix(f"{name}: ")


def variant_table(variants, rows):
    """Returns the table of the sizes and costs of the names of a family."""
    return table(
        {
            "name": f"`{name}`",
            **({"what": _summary(name).rstrip(".") if entry(name).parent else ""} if len(variants) > 1 else {}),
            "input": rows[name]["input"],
            "parameters": rows[name]["parameters"],
            "MACs": format_count(rows[name]["macs"]),
            "weights, MiB": f"{rows[name]['parameters'] * BYTES / 2**20:,.1f}",
            "receptive field": rows[name]["receptive_field"],
            "published weights": len(weight_names(name)) or None,
        }
        for name in variants
    )


def result_text(name, trained):
    """Returns the results of the reference recipes of a family: table, cost, and what they get wrong."""
    if not trained:
        return (
            "No reference recipe trains this architecture, so that there is no measured result. "
            "`zoo.describe` and the tests hold its size and its equality with the paper."
        )
    lines = [table(_result_row(recipe) for recipe in trained)]
    for recipe in trained:
        lines += [f"- `{recipe['name']}`: {sentence}" for sentence in failures(recipe["name"])]
    lines.append(
        "\nResults are those of the test split. Time, electricity and CO2 are of one training on the machine that "
        "`card.md` of the recipe names."
    )
    return "\n".join([lines[0], "", *lines[1:]])


def _result_row(recipe):
    metrics = _metrics(recipe["name"])
    interval = metrics.get("test", {}).get(f"{recipe['metric']}_interval")
    energy = metrics.get("energy", {})
    return {
        "recipe": f"`{recipe['name']}`",
        "data": f"`{recipe['data']}`",
        "metric": recipe["metric"],
        "result": recipe["result"] + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""),
        "baseline": recipe["baseline"],
        "training": recipe["training"],
        "electricity, Wh": f"{1000 * energy['kWh']:.3g}" if energy.get("kWh") else "",
        "CO2eq, g": f"{1000 * energy['kg_CO2eq']:.2g}" if energy.get("kg_CO2eq") else "",
    }


def _results_data(recipe):
    """Returns the name of the data of the committed results."""
    source = REFERENCE[recipe["name"]].results_data or REFERENCE[recipe["name"]].data
    return source.removeprefix("bundled:").partition("?")[0]


def failures(recipe):
    """Returns sentences on what the committed model of a recipe gets wrong most often on the test split."""
    metrics = _metrics(recipe).get("test", {})
    confusion, classes = metrics.get("confusion"), _classes(recipe)
    if not confusion or len(classes) != len(confusion):
        return []
    pairs = sorted(
        ((count, i, j) for i, row in enumerate(confusion) for j, count in enumerate(row) if i != j and count),
        reverse=True,
    )
    return [
        f"{classes[i]} is predicted as {classes[j]} in {count:,} of {sum(confusion[i]):,} cases."
        for count, i, j in pairs[:CONFUSIONS]
    ] or ["no test example is wrong."]


def _metrics(recipe):
    path = RESULTS_FOLDER / recipe / "metrics.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _classes(recipe):
    path = RESULTS_FOLDER / recipe / "run.json"
    schema = json.loads(path.read_text("utf-8"))["input_schema"] if path.is_file() else {}
    return schema.get("classes") or ()


def code_blocks(name, trained):
    """Returns the Markdown of the code in Python, a shell and R that builds and trains a model of the family."""
    example = entry(name).example
    recipe = trained[0]["name"] if trained else None
    starting_point = FAMILY_STARTING_POINTS.get(name, STARTING_POINTS.get(entry(name).task))
    python, r = (
        [f"model = zoo.{name}({_arguments(example, _python)})"],
        [f"model <- zoo${name}({_arguments(example, _r)})"],
    )
    shell = [f"zoo describe {name} --draw {name}.svg"]
    imports, r_imports = ["import zoo"], ['zoo <- reticulate::import("zoo")']
    if recipe:
        imports.insert(0, "import recipes")
        r_imports.append('recipes <- reticulate::import("recipes")')
        python.append(f'run = recipes.train("{recipe}")')
        r.append(f'run <- recipes$train("{recipe}")')
        shell.append(f"zoo train {recipe} --out runs/{recipe}")
    elif starting_point:
        task, data = starting_point
        shell.append(f'zoo train {task} --model {name} --data "{data}" --out runs/{name}')
    return [
        "```python\n" + "\n".join([*imports, "", *python]) + "\n```",
        "```sh\n" + "\n".join(shell) + "\n```",
        "```r\n" + "\n".join([*r_imports, *r]) + "\n```",
    ]


def _arguments(example, text):
    return ", ".join(
        f"{key}={text(value)}" if text is _python else f"{key} = {text(value)}" for key, value in example.items()
    )


def _python(value):
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _r(value):
    """Formats a value of an example as R writes it: c(28L, 28L, 1L)."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return f"{value}L"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return f"list({', '.join(f'{key} = {_r(v)}' for key, v in value.items())})"
    if isinstance(value, list | tuple):
        nested = any(isinstance(v, list | tuple | dict) or v is None for v in value)
        return f"{'list' if nested else 'c'}({', '.join(_r(v) for v in value)})"
    return repr(value)


def overview(groups, rows, recipes):
    """Returns a dict per family: name, task, what it is, range of parameters, MACs, number of weights, and results."""
    lines = []
    for name, variants in groups.items():
        sizes = [rows[v]["parameters"] for v in variants]
        trained = [recipe for recipe in recipes if recipe["model"] in variants]
        lines.append(
            {
                "family": name,
                "task": entry(name).task,
                "what": _summary(name),
                "parameters": (min(sizes), max(sizes)),
                "macs": rows[name]["macs"],
                "weights": sum(len(weight_names(v)) for v in variants),
                "results": [f"{r['metric']} {r['result']} on {_results_data(r)}" for r in trained],
            }
        )
    return lines
