"""The faces that ship in font wheels, which characters each one has, and the fallback order between them."""

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import ImageFont, features

DISPLAY = ("anton", "montserrat", "playfair", "playfair-italic", "grotesk")

_FILES = {
    "anton": ("fontpkg_anton", "files/Anton-Regular.ttf"),
    "montserrat": ("fontpkg_montserrat", "files/Montserrat[wght].ttf"),
    "playfair": ("fontpkg_playfair_display", "files/PlayfairDisplay[wght].ttf"),
    "playfair-italic": ("fontpkg_playfair_display", "files/PlayfairDisplay-Italic[wght].ttf"),
    "grotesk": ("fontpkg_space_grotesk", "files/SpaceGrotesk[wght].ttf"),
    "sans": ("manimgx_fonts", "NotoSans[wght].ttf"),
    "cjk": ("noto_cjk_sans_jp_bold", "NotoSansCJKjp-Bold.otf"),
    "symbols": ("manimgx_fonts", "NotoSansSymbols[wght].ttf"),
    "pictographs": ("manimgx_fonts", "NotoEmoji[wght].ttf"),
}
_SCRIPTS = [
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Thai",
    "Tamil",
    "Telugu",
    "Kannada",
    "Malayalam",
    "Gujarati",
    "Gurmukhi",
    "Oriya",
    "Sinhala",
    "Myanmar",
    "Khmer",
    "Lao",
    "Georgian",
    "Armenian",
    "Ethiopic",
]
_FILES |= {name.lower(): ("manimgx_fonts", f"NotoSans{name}[wght].ttf") for name in _SCRIPTS}

FALLBACK = ("sans", *(name.lower() for name in _SCRIPTS), "cjk", "symbols", "pictographs")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Face:
    """A font file and the characters it can draw; `axis` is its range of weights, if it has one."""

    path: Path
    characters: frozenset[int]
    axis: tuple[int, int] | None


@cache
def face(name: str) -> Face:
    package, inside = _FILES[name]
    path = Path(str(files(package) / inside))
    with TTFont(path, lazy=True) as opened:
        axes = opened["fvar"].axes if "fvar" in opened else []
        weights = [(int(axis.minValue), int(axis.maxValue)) for axis in axes if axis.axisTag == "wght"]
        return Face(path, frozenset(opened.getBestCmap()), weights[0] if weights else None)


@cache
def shapes() -> bool:
    """Whether Pillow can shape scripts itself, for which it looks for the system's FriBiDi library.

    Without it right-to-left text is joined and turned by us, and scripts that stack their letters look plainer.
    """
    return bool(features.check_feature("raqm"))


@lru_cache(maxsize=512)
def font(name: str, weight: int, size: int) -> ImageFont.FreeTypeFont:
    """A face at a pixel size. The object is shared: callers must not change its variation."""
    found = face(name)
    engine = ImageFont.Layout.RAQM if shapes() else ImageFont.Layout.BASIC
    made = ImageFont.truetype(found.path, size, layout_engine=engine)
    if found.axis:
        made.set_variation_by_axes([min(max(weight, found.axis[0]), found.axis[1])])
    return made


@lru_cache(maxsize=65536)
def face_for(characters: str, preferred: str) -> str | None:
    """The first face that has all of `characters`, else the first that has the leading one, else None."""
    codes = [ord(character) for character in characters]
    for wanted in (codes, codes[:1]):
        for name in (preferred, *FALLBACK):
            if face(name).characters.issuperset(wanted):
                return name
    return None


def warm() -> None:
    """Read every face's coverage now, in the parent, so that forked children share it."""
    for name in _FILES:
        face(name)
