"""Drawn scenes that take one caption above and one below. All are our own drawings, 1080 by 1080."""

from services.jobs.engines.shapes import (
    INK,
    circle,
    cloud,
    ellipse,
    eyes,
    gradient,
    inked,
    moved,
    path,
    rect,
)
from services.jobs.engines.vector import svg


def midnight_raccoon() -> str:
    """A raccoon caught at two in the morning in the light of the open fridge."""
    defs = gradient("wall", "#1b2145", "#2c2a5c") + (
        '<linearGradient id="beam" x1="1" y1="0" x2="0" y2="0"><stop offset="0" stop-color="#fff3b8" '
        'stop-opacity=".85"/><stop offset="1" stop-color="#fff3b8" stop-opacity="0"/></linearGradient>'
    )
    window = rect(80, 250, 210, 240, "#0f1330", 14) + circle(215, 335, 42, "#f6efc8", 'stroke="none"')
    window += path("M185 250v240M80 370h210")
    body = rect(0, 0, 1080, 1080, "url(#wall)") + rect(0, 860, 1080, 220, "#40305e")
    body += inked(window, 7) + path("M700 190 L0 620 V1080 H760z", "url(#beam)")
    return svg(body + _fridge() + moved(_raccoon(), 390, 530, 0.98), defs=defs)


def _fridge() -> str:
    shelves = rect(690, 170, 330, 740, "#fdf6d8", 26) + path("M706 360h298M706 540h298M706 720h298")
    food = (
        rect(730, 272, 62, 84, "#e8553f", 8) + rect(806, 292, 92, 64, "#7cc36a", 10) + circle(948, 318, 38, "#f3a13c")
    )
    food += rect(724, 438, 120, 98, "#fff", 8) + path("M724 470h120", "none") + ellipse(926, 512, 62, 26, "#d98bb0")
    food += (
        rect(738, 610, 50, 106, "#59a6d8", 10) + rect(806, 628, 50, 88, "#a56cc1", 10) + circle(936, 676, 40, "#8fd06b")
    )
    food += path("M720 790h270v96H720z", "#e9e2f4")
    door = path("M1020 170 L1080 130 V950 L1020 910z", "#d9d4ea")
    return inked(shelves + food + door)


def _raccoon() -> str:
    tail = path("M110 330 C260 360 300 230 240 140 C330 200 330 420 120 430z", "#8b8798")
    tail += path("M214 356l34 44M256 310l52 22M268 250l54-10", more=f'stroke-width="26" stroke="{INK}"')
    feet = ellipse(-62, 418, 62, 28, "#4b4658") + ellipse(70, 418, 62, 28, "#4b4658")
    body = path("M-130 400 C-170 190 -90 90 0 90 C100 90 170 190 130 400z", "#9a96a8")
    belly = ellipse(0, 300, 78, 100, "#d8d4e0", 'stroke="none"')
    ears = path("M-150 -78 L-132 -178 L-52 -132z", "#6f6a7e") + path("M150 -78 L132 -178 L52 -132z", "#6f6a7e")
    head = path(
        "M-190 20 C-180 -120 -90 -150 0 -150 C90 -150 180 -120 190 20 C130 110 60 120 0 120 C-60 120 -130 110 -190 20z",
        "#aaa6b6",
    )
    mask = path(
        "M-176 10 C-150 -70 -60 -60 0 -16 C60 -60 150 -70 176 10 C110 70 50 50 0 26 C-50 50 -110 70 -176 10z", INK
    )
    face = (
        ellipse(0, 62, 58, 44, "#ece9f1", 'stroke="none"')
        + ellipse(0, 40, 20, 14, INK)
        + path("M0 54v18q-14 16-28 4M0 72q14 16 28 4")
    )
    slice_ = path("M-36 196 L128 150 L96 268z", "#ffd35c") + path(
        "M-44 190 q90 -70 176 -44", more='stroke="#c9783a" stroke-width="26"'
    )
    slice_ += circle(76, 206, 15, "#d8452f") + circle(44, 186, 11, "#d8452f")
    hands = ellipse(-56, 214, 34, 30, "#4b4658") + ellipse(118, 236, 34, 30, "#4b4658")
    drawn = tail + feet + body + belly + ears + head + mask + face + eyes(0, -8, 150, 38, (0.12, 0.1))
    return inked(drawn + moved(slice_ + hands, 0, 0))


def laptop_cat() -> str:
    """A cat that has chosen the keyboard, while the messages pile up."""
    defs = gradient("room", "#ffe3c2", "#ffc9b5")
    window = rect(90, 240, 260, 300, "#bfe6f2", 16) + cloud(230, 420, 0.6) + path("M220 240v300M90 390h260")
    body = rect(0, 0, 1080, 1080, "url(#room)") + inked(window, 7)
    body += inked(rect(-20, 800, 1120, 300, "#a9714b")) + path("M0 850h1080", more='stroke="#8d5b3a" stroke-width="8"')
    screen = path("M360 330 H850 L880 720 H330z", "#51587a") + path("M388 358 H822 L846 692 H362z", "#93d7e8")
    keys = path("M290 716 H920 L990 850 H220z", "#c8cbd9") + path(
        "M320 744h570M300 776h610M284 808h642", more='stroke-width="5"'
    )
    mug = (
        rect(90, 690, 120, 140, "#e2574c", 16)
        + path("M90 730 q-56 4 -50 44 q8 34 50 30")
        + path("M130 660q-14-30 6-54M170 660q-14-30 6-54")
    )
    body += inked(screen + keys + mug) + moved(_cat(), 600, 640, 1.05)
    return svg(body + _badge(790, 270, "99") + _badge(930, 400, "!") + _badge(310, 290, "7"), defs=defs)


def _badge(x: float, y: float, text: str) -> str:
    bubble = path(
        "M-70 -52 H70 a24 24 0 0 1 24 24 V28 a24 24 0 0 1 -24 24 H-10 L-46 92 L-44 52 H-70 a24 24 0 0 1 -24 -24 V-28 a24 24 0 0 1 24 -24z",
        "#fff",
    )
    lines = path("M-62 -18h124M-62 14h80", more='stroke="#c9c4d6" stroke-width="14"')
    marks = {
        "!": "M0 -18V6M0 20v1",
        "7": "M-11 -17H11L-3 20",
        "99": "M-9 18q9-8 8-24a9 9 0 1 0-9 9q9 0 9-9M13 18q9-8 8-24a9 9 0 1 0-9 9q9 0 9-9",
    }
    dot = circle(94, -52, 40, "#ef3e4a") + moved(path(marks[text], more='stroke="#fff" stroke-width="7"'), 92, -52)
    return inked(moved(bubble + lines + dot, x, y), 7)


def _cat() -> str:
    tail = path("M250 150 C380 150 380 20 300 10 C350 60 320 90 240 90z", "#e58a35")
    body = path("M-300 190 C-330 20 -180 -20 0 -20 C180 -20 320 20 300 190z", "#f4a24a")
    stripes = path("M60 -14l14 66M130 -6l10 62M196 14l6 56", more='stroke="#d9782a" stroke-width="20"')
    ears = path("M-282 -96 L-268 -208 L-180 -150z", "#f4a24a") + path("M-22 -96 L-36 -208 L-124 -150z", "#f4a24a")
    head = path(
        "M-300 -40 C-300 -140 -220 -164 -152 -164 C-84 -164 -4 -140 -4 -40 C-4 40 -70 72 -152 72 C-234 72 -300 40 -300 -40z",
        "#f7b05c",
    )
    marks = path("M-152 -158v44M-186 -152l6 36M-118 -152l-6 36", more='stroke="#d9782a" stroke-width="14"')
    lids = path("M-242 -50 q30 -34 62 0M-124 -50 q30 -34 62 0", more='stroke-width="10"')
    snout = (
        ellipse(-152, 2, 54, 36, "#fff1dc", 'stroke="none"')
        + path("M-166 -16h28l-14 16z", "#e8717d")
        + path("M-152 0v12q-14 18-32 6M-152 12q14 18 32 6")
    )
    whiskers = path("M-320 -14l70 10M-318 24l68-8M16 -14l-70 10M14 24l-68-8", more='stroke-width="5"')
    paws = ellipse(-200, 186, 62, 34, "#fff1dc") + ellipse(-70, 190, 62, 34, "#fff1dc")
    return inked(tail + body + stripes + ears + head + marks + lids + snout + whiskers + paws)


def snail_rocket() -> str:
    """A snail with a rocket strapped to its shell, and no idea how to steer."""
    defs = gradient("sky", "#58c7ee", "#d5f3f5") + gradient("flame", "#ffe066", "#ff6b35")
    body = rect(0, 0, 1080, 1080, "url(#sky)") + circle(900, 300, 90, "#ffe27a")
    body += inked(cloud(190, 330, 0.9) + cloud(640, 250, 0.65) + cloud(960, 470, 0.7), 6)
    body += path("M0 760 Q270 640 560 740 T1080 700 V1080 H0z", "#86cf6a") + path(
        "M0 860 Q400 800 1080 850 V1080 H0z", "#5fae56"
    )
    body += path("M0 900 H1080 V1000 H0z", "#675f78") + path(
        "M40 950h130M290 950h130M540 950h130M790 950h130", more='stroke="#f4e9b8" stroke-width="14"'
    )
    body += path(
        "M20 480h170M-10 560h240M30 640h130M0 720h200",
        more='stroke="#fff" stroke-width="12" stroke-linecap="round" opacity=".9"',
    )
    return svg(body + moved(_snail(), 560, 640, 1.15, -7), defs=defs)


def _snail() -> str:
    flames = path(
        "M-250 -100 C-380 -150 -380 -70 -470 -90 C-420 -50 -480 -20 -400 -10 C-350 0 -330 -20 -250 -30z", "url(#flame)"
    )
    rocket = rect(-250, -128, 300, 116, "#e9ecf5", 40) + path(
        "M30 -128 C130 -120 150 -80 152 -70 C150 -60 130 -20 30 -12z", "#ef4b4b"
    )
    rocket += path("M-250 -128 l-50 -60 h110 l40 60zM-250 -12 l-50 60 h110 l40 -60z", "#ef4b4b") + circle(
        -40, -70, 32, "#8fdcf0"
    )
    foot = path(
        "M-220 220 C-120 150 60 190 120 150 C160 110 150 -20 190 -60 C240 -100 330 -60 316 20 C300 130 260 230 150 236 H-190 C-240 236 -250 232 -220 220z",
        "#f6cf8b",
    )
    shell = circle(-20, 84, 142, "#c77dba") + path(
        "M-20 84 m0 0 c24 -10 40 22 14 42 c-40 26 -84 -16 -66 -62 c26 -56 110 -48 124 14 c14 78 -76 126 -140 82 c-60 -46 -48 -138 12 -170",
        more='stroke-width="12"',
    )
    straps = path("M-120 -16 L-96 206M60 -14 L54 196", more='stroke="#7a4a2b" stroke-width="18"')
    stalks = path("M222 -70 L206 -160M282 -62 L296 -156", more='stroke-width="14"')
    mouth = path("M236 40 q30 44 66 2 q-8 -14 -66 -2z", "#7c2a3b") + circle(206, 16, 16, "#f2a07e", 'stroke="none"')
    return inked(flames + foot + shell + rocket + straps + stalks + eyes(252, -176, 96, 40, (0.3, 0.05)) + mouth)


def listening_duck() -> str:
    """A rubber duck with glasses that has listened to the whole explanation."""
    defs = gradient("room", "#c9e4d6", "#e9f2dc")
    body = rect(0, 0, 1080, 1080, "url(#room)")
    body += "".join(rect(0, y, 1080, 2, "#b5d6c5") for y in range(90, 780, 90))
    body += inked(rect(-20, 820, 1120, 300, "#b98357")) + path("M0 866h1080", more='stroke="#9c6a43" stroke-width="8"')
    code = (
        (28, 150, "#7de2a5"),
        (60, 220, "#ffd479"),
        (60, 130, "#ff8fa0"),
        (92, 190, "#7cc7ff"),
        (60, 90, "#ffd479"),
        (28, 60, "#7de2a5"),
    )
    screen = (
        rect(60, 500, 390, 280, "#2c3150", 18)
        + path("M215 780 L200 850 H320 L300 780z", "#555b7d")
        + rect(150, 840, 220, 22, "#555b7d", 10)
    )
    lines = "".join(rect(80 + x, 528 + 40 * row, width, 16, colour, 8) for row, (x, width, colour) in enumerate(code))
    return svg(body + inked(screen) + lines + moved(_duck(), 770, 730, 1.02) + _bubbles(), defs=defs)


def _bubbles() -> str:
    first = path(
        "M74 70 H690 a40 40 0 0 1 40 40 V250 a40 40 0 0 1 -40 40 H210 L110 400 L130 290 H74 a40 40 0 0 1 -40 -40 V110 a40 40 0 0 1 40 -40z",
        "#fff",
    )
    second = path(
        "M560 330 H1006 a36 36 0 0 1 36 36 V420 a36 36 0 0 1 -36 36 H860 L780 548 L790 456 H560 a36 36 0 0 1 -36 -36 V366 a36 36 0 0 1 36 -36z",
        "#fff6c9",
    )
    return inked(first + second, 7)


def _duck() -> str:
    body = path(
        "M-190 60 C-240 150 -170 230 0 230 C170 230 230 150 220 40 C190 70 150 60 110 30 C60 -10 -90 -40 -190 60z",
        "#ffd23f",
    )
    wing = path("M-30 90 C60 60 140 80 150 130 C90 180 0 170 -30 90z", "#f7b92e")
    head = circle(-80, -60, 128, "#ffdd55")
    bill = path("M-196 -40 C-270 -60 -290 -20 -270 0 C-290 20 -250 40 -186 10z", "#ff8a3d") + path(
        "M-270 0 Q-226 2 -190 -12"
    )
    glasses = (
        circle(-150, -86, 48, "#ffffffcc")
        + circle(-36, -86, 48, "#ffffffcc")
        + path("M-102 -90q9-12 18 0M12 -92l36 -10")
    )
    pupils = (
        circle(-158, -84, 18, INK) + circle(-46, -84, 18, INK) + path("M-192 -142 q36 -24 76 -6M-72 -148 q40 -18 74 8")
    )
    return inked(body + wing + head + bill + glasses + pupils)
