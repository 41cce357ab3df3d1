"""One picture of everything both engines make: `python -m services.jobs.engines.contact_sheet OUT.png`.

For eyes: every template, every layout in different palettes and sizes, and the texts that are hard to set.
"""

import sys
import tempfile
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from PIL import Image, ImageDraw, ImageSequence

from services.jobs.engines import TOOLS, InputFile, warm
from services.jobs.engines.fonts import font
from services.jobs.engines.images.layouts import LAYOUTS
from services.jobs.engines.images.palettes import PALETTES
from services.jobs.engines.memes.motion import ANIMATIONS
from services.jobs.engines.memes.templates import TEMPLATES

_CELL, _GAP, _COLUMNS = (360, 450), 24, 6

_MEMES = {
    "midnight-raccoon": "nobody: | me at 2 am, just checking",
    "laptop-cat": "just one quick email | the cat: no",
    "snail-rocket": "me after one coffee | monday, 9:01",
    "listening-duck": "so I only changed one line and | quack 🦆",
    "first-hill": "finished the tutorial | the actual project",
    "unfair-scale": "one typo on slide 3 | six weeks of work",
    "calm-then-panic": "It works on my machine | It is Friday and it is live",
    "growing-plant": "One tab for research | A few more sources | I live here now 🌿",
}
_HARD_MEMES = (
    "当你说“马上就好”的时候 | 三个小时以后 😅",
    "عندما يقول المدير: اجتماع قصير | 3 ساعات لاحقاً ⏰",
    "👩‍🚀👍🏽🇫🇷3️⃣❤️‍🔥🏴‍☠️ | 👨‍👩‍👧‍👦 family plan 🎉🎉🎉",
    (
        "when the stakeholder says that it is only a very small change and that it should not take you longer than "
        "five minutes, right, because it is just a button | it was not just a button"
    ),
    "first | then | and then | finally",
    "Donaudampfschifffahrtsgesellschaftskapitänsmütze | ok",
)
_POSTERS = (
    "A poster for a summer jazz festival in Lisbon, 12 July, free entry",
    "Slow coffee, every morning from seven, Rua da Rosa 14",
    "Mountain marathon 2027: 42 km above the clouds, register now",
    'Make me a poster saying "Think smaller" for a design exhibition',
    "Opening sale: 30% off everything, this Friday only",
    "Stargazing night at the observatory, bring a blanket",
    "Hack the planet: AI workshop for beginners, Berlin",
    "Plant swap in the community garden 🌿, Sunday at ten",
    "Taco Tuesday 🌮, kitchen open till late",
    "Handmade pottery, autumn workshop, all levels welcome",
    "Winter term: data for the rest of us, enrol by 1 December",
    "La Traviata | one night at the velvet opera | 21 March, 20:00",
)
_HARD_POSTERS = (
    "夏日海边音乐节，七月十二日，免费入场",
    "秋の展覧会「静けさのかたち」十一月三日より",
    "مهرجان الموسيقى الصيفي، لشبونة، ١٢ يوليو",
    "🎉🎂🥳 Happy birthday Zoë! 🎈 Saturday 8 pm, bring cake 🍰",
    (
        "How to build a small company that respects its customers, pays its people well, answers every letter within "
        "a day, and still leaves you every evening free: a long talk about patience, with questions, soup and bread "
        "for everybody who stays"
    ),
    "Kraftfahrzeughaftpflichtversicherungsvertrag, leicht erklärt",
)


@dataclass
class _Run:
    workdir: Path
    seed: int = 11
    inputs: list[InputFile] = field(default_factory=list)

    def progress(self, percent: int, stage: str) -> None:
        del percent, stage


def _made(tool: str, prompt: str, folder: Path, **options: object) -> Image.Image:
    spec = TOOLS[tool]
    output = spec.run(_Run(Path(tempfile.mkdtemp(dir=folder))), prompt, spec.options(**options))
    return Image.open(output.files[0].path).convert("RGB")


def _strip(animation: str, folder: Path) -> Image.Image:
    """Nine moments of a meme that moves, three in a row."""
    chosen = {"template": "laptop-cat", "format": "gif", "animation": animation}
    spec = TOOLS["memes"]
    run = _Run(Path(tempfile.mkdtemp(dir=folder)))
    output = spec.run(run, _MEMES["laptop-cat"], spec.options(**chosen))
    with Image.open(output.files[0].path) as loop:
        frames = [frame.convert("RGB").resize((240, 240)) for frame in ImageSequence.Iterator(loop)]
    page = Image.new("RGB", (720, 720))
    for number in range(9):
        page.paste(frames[number * (len(frames) - 1) // 8], (number % 3 * 240, number // 3 * 240))
    return page


def _cells(folder: Path) -> list[tuple[str, Image.Image]]:
    cells = [(f"memes · {name}", _made("memes", _MEMES[name], folder, template=name)) for name in TEMPLATES]
    for index, prompt in enumerate(_HARD_MEMES):
        name = list(TEMPLATES)[index % 3]
        cells.append((f"memes · stress · {name}", _made("memes", prompt, folder, template=name)))
    bar = _made("memes", "the caption bar, above | and below", folder, template="snail-rocket", layout="caption-bar")
    cells.append(("memes · caption-bar", bar))
    cells += [(f"memes · {animation}", _strip(animation, folder)) for animation in ANIMATIONS]
    sizes = ("portrait", "square", "story", "portrait", "landscape", "portrait", "cover")
    layouts = list(LAYOUTS)
    for index, (prompt, palette) in enumerate(zip_longest(_POSTERS, PALETTES)):
        layout, size = layouts[index % len(layouts)], sizes[index % len(sizes)]
        made = _made("images", prompt, folder, layout=layout, palette=palette, size=size)
        cells.append((f"images · {layout} · {palette} · {size}", made))
    for index, prompt in enumerate(_HARD_POSTERS):
        cells.append((f"images · stress · {index + 1}", _made("images", prompt, folder)))
    long = _HARD_POSTERS[4]
    return cells + [(f"images · {layout} · long", _made("images", long, folder, layout=layout)) for layout in layouts]


def sheet(cells: list[tuple[str, Image.Image]]) -> Image.Image:
    """The pictures on a grid, each under its name."""
    rows = -(-len(cells) // _COLUMNS)
    width, height = _CELL[0] + _GAP, _CELL[1] + 2 * _GAP + 10
    page = Image.new("RGB", (_COLUMNS * width + _GAP, rows * height + _GAP), "#3a3842")
    pen = ImageDraw.Draw(page)
    for index, (name, picture) in enumerate(cells):
        x, y = _GAP + index % _COLUMNS * width, _GAP + index // _COLUMNS * height
        picture.thumbnail(_CELL, Image.Resampling.LANCZOS)
        pen.text((x, y), name, font=font("grotesk", 500, 17), fill="#f1eef7")
        page.paste(picture, (x, y + 26))
    return page


def main(out: str) -> None:
    warm()
    with tempfile.TemporaryDirectory() as folder:
        sheet(_cells(Path(folder))).save(out)


if __name__ == "__main__":
    main(sys.argv[1])
