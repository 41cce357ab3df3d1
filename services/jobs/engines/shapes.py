"""The few strokes every drawn scene shares, as SVG: one ink colour, round joins, big simple eyes."""

INK = "#2a2137"


def inked(body: str, width: float = 8) -> str:
    """Shapes with the house outline."""
    return f'<g stroke="{INK}" stroke-width="{width:g}" stroke-linejoin="round" stroke-linecap="round">{body}</g>'


def rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0, more: str = "") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" fill="{fill}" {more}/>'


def circle(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" {more}/>'


def ellipse(x: float, y: float, rx: float, ry: float, fill: str, more: str = "") -> str:
    return f'<ellipse cx="{x:g}" cy="{y:g}" rx="{rx:g}" ry="{ry:g}" fill="{fill}" {more}/>'


def path(d: str, fill: str = "none", more: str = "") -> str:
    return f'<path d="{d}" fill="{fill}" {more}/>'


def moved(body: str, x: float, y: float, scale: float = 1, turn: float = 0) -> str:
    return f'<g transform="translate({x:g} {y:g}) rotate({turn:g}) scale({scale:g})">{body}</g>'


def eyes(x: float, y: float, gap: float, radius: float, look: tuple[float, float] = (0, 0)) -> str:
    """Two round eyes around (x, y); `look` moves the pupils, in parts of the radius."""
    drawn = ""
    for side in (x - gap / 2, x + gap / 2):
        pupil_x, pupil_y = side + look[0] * radius, y + look[1] * radius
        drawn += circle(side, y, radius, "#fff") + circle(pupil_x, pupil_y, radius * 0.52, INK, 'stroke="none"')
        drawn += circle(pupil_x - radius * 0.18, pupil_y - radius * 0.2, radius * 0.17, "#fff", 'stroke="none"')
    return drawn


def gradient(name: str, top: str, bottom: str) -> str:
    return (
        f'<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
    )


def cloud(x: float, y: float, scale: float, fill: str = "#fff") -> str:
    return moved(path("M-90 30a45 45 0 0 1 12-88 62 62 0 0 1 116-16 52 52 0 0 1 62 104z", fill), x, y, scale)
