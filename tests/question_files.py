"""Questions about small images in files, for tests: which of two colors fills an image, and how bright it is."""

import json

import numpy as np
from PIL import Image

COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def write_images(folder, count=12, side=8):
    """Writes count images IMAGE.png, red and blue in turn, each one different; returns their names."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True, parents=True)
    names = []
    for i in range(count):
        color = list(COLORS.values())[i % 2]
        pixels = np.clip(np.array(color) + rng.integers(-20, 20, (side, side, 3)), 0, 255).astype(np.uint8)
        names.append(f"{i}.png")
        Image.fromarray(pixels).save(folder / names[-1])
    return names


def question_rows(names):
    """Returns rows (image, question, answer, type) of images that `write_images` wrote."""
    rows = []
    for i, name in enumerate(names):
        color = list(COLORS)[i % 2]
        rows.append((name, "Is it red?", "yes" if color == "red" else "no", "presence"))
        rows.append((name, "What color is it?", color, "color"))
    return rows


def write_table(folder, rows=None, header="image,question,answer,type", name="questions.csv"):
    """Writes images and a table of questions; returns the table's path."""
    rows = question_rows(write_images(folder)) if rows is None else rows
    path = folder / name
    path.write_text("\n".join([header, *(",".join(f'"{value}"' for value in row) for row in rows)]) + "\n")
    return path


def write_rsvqa(folder, prefix="", ids=range(12), change=None):
    """Writes RSVQA's three files of the questions about the images `ids`; `change` edits their content."""
    rows = question_rows([f"{i}.png" for i in range(12)])
    images, questions, answers = [], [], []
    for i in range(12):
        active = i in ids
        numbers = [2 * i, 2 * i + 1]
        images.append({"id": i, "questions_ids": numbers, "active": active})
        for number in numbers:
            _, question, answer, kind = rows[number]
            entry = {"id": number, "img_id": i, "question": question, "type": kind, "answers_ids": [number]}
            questions.append({**entry, "active": active})
            answers.append({"id": number, "question_id": number, "answer": answer, "active": active})
    content = {"images": images, "questions": questions, "answers": answers}
    if change:
        change(content)
    for name, entries in content.items():
        (folder / f"{prefix}{name}.json").write_text(json.dumps({name: entries}))
    return folder
