"""Drawn scenes whose captions are labels or rows: two or three things set against each other."""

from services.jobs.engines.shapes import INK, circle, cloud, ellipse, eyes, gradient, inked, moved, path, rect
from services.jobs.engines.vector import svg

_PAPER = "#fffaf0"


def first_hill() -> str:
    """Someone plants a flag on a molehill; the mountain stands right behind."""
    defs = gradient("dusk", "#ff9e7a", "#ffe3b3") + gradient("rock", "#5d5a8f", "#3f3d6b")
    body = rect(0, 0, 1080, 1080, "url(#dusk)") + circle(210, 230, 80, "#fff2c4")
    body += inked(cloud(180, 420, 0.7, "#fff4e2") + cloud(980, 300, 0.6, "#fff4e2"), 6)
    mountain = path("M120 1000 L420 430 L500 500 L690 120 L800 300 L860 260 L1180 1000z", "url(#rock)")
    snow = path("M690 120 L800 300 L760 360 L716 310 L660 380 L628 330 L596 308z", "#fff")
    body += inked(mountain + snow) + path("M0 930 Q300 820 1080 940 V1080 H0z", "#4f9e63")
    body += inked(path("M20 1000 Q200 760 400 1000z", "#7bc86c")) + moved(_climber(), 206, 800, 0.92)
    return svg(body, defs=defs)


def _climber() -> str:
    flag = path("M64 90 V-130", more='stroke-width="12"') + path("M64 -130 L180 -100 L64 -62z", "#ef4b4b")
    legs = path("M-22 50 L-40 100M20 50 L34 100", more='stroke-width="20"')
    coat = path("M-46 56 L-34 -36 H34 L46 56z", "#2f9bd8") + rect(-70, -30, 34, 76, "#8a5a3a", 12)
    arms = path("M-32 -20 L-84 -86M32 -14 L64 10", more='stroke-width="18"')
    head = (
        circle(0, -76, 42, "#f7c9a0")
        + path("M-44 -84 C-40 -132 40 -132 44 -84z", "#ffd23f")
        + path("M-14 -66q14 16 28 0")
    )
    return inked(legs + arms + coat + flag + head + circle(-14, -78, 4, INK) + circle(14, -78, 4, INK), 7)


def unfair_scale() -> str:
    """A feather outweighs an elephant."""
    defs = gradient("wall", "#cfd8ff", "#f3e9ff")
    body = rect(0, 0, 1080, 1080, "url(#wall)") + ellipse(540, 1010, 470, 46, "#b9b4dd")
    stand = (
        rect(516, 300, 48, 660, "#e0a93b", 14)
        + path("M380 1000 q160 -110 320 0z", "#e0a93b")
        + circle(540, 300, 46, "#f4c75b")
    )
    beam = path("M222 440 L858 160 L866 196 L232 476z", "#f4c75b")
    left = path("M227 458 L110 760M227 458 L344 760", more='stroke-width="6"') + path(
        "M70 760 H384 Q350 850 227 850 Q104 850 70 760z", "#d68f2b"
    )
    right = path("M862 178 L730 500M862 178 L994 500", more='stroke-width="6"') + path(
        "M690 500 H1034 Q1000 590 862 590 Q724 590 690 500z", "#d68f2b"
    )
    feather = moved(
        path("M-86 50 C-60 -40 40 -80 110 -70 C110 0 40 60 -50 46 L-110 84", "#fff")
        + path("M-86 66 Q0 10 80 -46", more='stroke-width="5"'),
        226,
        702,
    )
    return svg(body + inked(stand + beam + left + right + feather) + moved(_elephant(), 866, 386, 0.98), defs=defs)


def _elephant() -> str:
    legs = rect(-104, 40, 54, 76, "#8f9ab8", 14) + rect(34, 40, 54, 76, "#8f9ab8", 14)
    body = path("M-140 70 C-160 -70 -60 -110 20 -104 C110 -98 140 -30 120 70z", "#a4afcb") + path(
        "M118 -10 q40 20 26 64"
    )
    head = circle(-100, -60, 78, "#a4afcb") + path(
        "M-150 -20 C-190 20 -170 90 -206 96 C-236 92 -220 60 -224 50 M-150 -20 C-210 -20 -216 20 -222 50", "#a4afcb"
    )
    ear = path("M-70 -120 C10 -140 20 -20 -50 -6 C-90 -20 -96 -90 -70 -120z", "#c3cbe2")
    face = circle(-138, -78, 8, INK) + path("M-160 -104 q18 -18 38 -6")
    return inked(legs + body + head + ear + face, 7)


def calm_then_panic() -> str:
    """Two rows: a robot at ease, the same robot on fire. Captions on the right."""
    body = rect(0, 0, 1080, 1080, _PAPER) + rect(0, 0, 540, 540, "#9fdcd2") + rect(0, 540, 540, 540, "#ff8b6a")
    rays = "".join(
        f'<path d="M270 810 L{270 + dx} {810 + dy} L{270 + dx2} {810 + dy2}z"/>' for dx, dy, dx2, dy2 in _RAYS
    )
    body += f'<clipPath id="low"><rect y="540" width="540" height="540"/></clipPath><g clip-path="url(#low)" fill="#ffb199">{rays}</g>'
    body += f'<clipPath id="high"><rect width="540" height="540"/></clipPath><g clip-path="url(#high)">{moved(_robot(calm=True), 270, 308, 1.0)}</g>'
    body += moved(_robot(calm=False), 270, 840, 1.0, -6)
    return svg(body + inked(path("M540 0V1080M0 540H1080"), 10))


_RAYS = ((-400, -60, -400, 60), (400, -60, 400, 60), (-60, -400, 60, -400), (-60, 400, 60, 400), (-400, -400, -300, -400),
         (400, -400, 300, -400), (-400, 400, -300, 400), (400, 400, 300, 400))  # fmt: skip


def _robot(*, calm: bool) -> str:
    neck = rect(-26, 60, 52, 40, "#7b849e")
    body = path("M-120 100 H120 a30 30 0 0 1 30 30 V260 H-150 V130 a30 30 0 0 1 30 -30z", "#c5cbdb")
    panel = (
        rect(-70, 136, 140, 70, "#fff", 12) + circle(-36, 170, 14, "#49c774" if calm else "#ef3e4a") + path("M0 170h44")
    )
    head = (
        rect(-140, -110, 280, 180, "#dfe4ef", 44)
        + path("M0 -110V-160")
        + circle(0, -176, 20, "#ffd23f" if calm else "#ef3e4a")
    )
    if calm:
        face = path("M-84 -30 q26 -30 52 0M32 -30 q26 -30 52 0", more='stroke-width="11"') + path(
            "M-40 24 q40 34 80 0", more='stroke-width="10"'
        )
        extra = rect(108, 150, 84, 76, "#fff", 12) + path(
            "M192 166 q40 0 36 26 q-4 24 -36 20M132 134q-12-22 4-42M164 134q-12-22 4-42"
        )
    else:
        face = eyes(0, -28, 128, 40, (0, 0)) + path("M-56 50 Q-34 10 0 12 Q34 10 56 50 z", "#7c2a3b")
        extra = path(
            "M-120 -118 C-170 -190 -110 -200 -120 -250 C-70 -220 -60 -180 -70 -150 C-40 -170 -40 -200 -50 -220 C10 -190 0 -140 -20 -112z",
            "#ffd23f",
        )
        extra += path("M150 -60l60 -30M156 -10h66M-150 -60l-60 -30M-156 -10h-66", more='stroke-width="10"')
    return inked(neck + body + panel + head + face + extra)


def growing_plant() -> str:
    """Three rows: a sprout, a house plant, a jungle. Captions on the right."""
    body = rect(0, 0, 1080, 1350, _PAPER)
    for row, wall in enumerate(("#d6ecff", "#ffe6c7", "#d7f2c9")):
        body += rect(0, row * 450, 500, 450, wall) + rect(0, row * 450 + 390, 500, 60, "#b07a52")
    body += moved(_pot() + _leaves(1), 250, 400) + moved(_pot() + _leaves(3), 250, 850)
    body += f'<clipPath id="row"><rect y="900" width="500" height="450"/></clipPath><g clip-path="url(#row)">{moved(_pot() + _leaves(9), 250, 1300)}</g>'
    return svg(body + inked(path("M500 0V1350M0 450H1080M0 900H1080"), 10), 1080, 1350)


def _pot() -> str:
    face = circle(-22, -52, 6, INK) + circle(22, -52, 6, INK) + path("M-12 -36q12 12 24 0", more='stroke-width="5"')
    return inked(path("M-66 -90 H66 L50 0 H-50z", "#d9734e") + rect(-78, -112, 156, 34, "#e88a63", 8) + face, 7)


def _leaves(pairs: int) -> str:
    height = {1: 60, 3: 190, 9: 250}[pairs]
    drawn = path(f"M0 -110 V{-110 - height}", more='stroke="#3d7d45" stroke-width="12"')
    leaf = "M0 0 C30 -60 110 -60 130 -10 C90 40 30 40 0 0z"
    for index in range(pairs):
        y, scale = -130 - height * index / max(1, pairs), 0.72 if pairs < 9 else (1.5, 0.8, 1.2)[index % 3]
        tilt = (-32 + (index * 47) % 60) if pairs < 9 else -70 + (index * 53) % 110
        colour = ("#5cb85f", "#46a35a", "#7acb62")[index % 3]
        drawn += (
            moved(path(leaf, colour), 0, y, scale, tilt)
            + f'<g transform="scale(-1 1)">{moved(path(leaf, colour), 0, y, scale, tilt + 9)}</g>'
        )
    return inked(drawn + moved(path(leaf, "#8ad66b"), 0, -110 - height, 0.7, -90), 7)
