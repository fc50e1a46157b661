"""A square canvas with coordinates from 0 to 100, on which shapes are drawn with smooth edges."""

from collections.abc import Callable, Sequence
from math import cos, pi, sin

from PIL import Image, ImageColor, ImageDraw, ImageFilter

SIZE = 900
"""The side of a picture in pixels."""
_SCALE = 2
"""It is drawn larger, and then reduced, which smooths the edges."""

Point = tuple[float, float]


class Sketch:
    def __init__(self, ground: str) -> None:
        self._side = SIZE * _SCALE
        self._image = Image.new("RGB", (self._side, self._side), ground)
        light = Image.radial_gradient("L").resize((self._side, self._side))
        darker = Image.new("RGB", self._image.size, shade(ground, -0.14))
        self._image.paste(darker, (0, 0), light.point(lambda value: max(0, value - 90)))

    def shadow(self, x0: float, x1: float, y: float) -> None:
        """A soft shadow on the ground below a thing."""
        mask = Image.new("L", self._image.size, 0)
        ImageDraw.Draw(mask).ellipse(self._box(x0, y - 3, x1, y + 3), fill=90)
        mask = mask.filter(ImageFilter.GaussianBlur(self._side / 60))
        self._image.paste(Image.new("RGB", self._image.size, "#3a2f2a"), (0, 0), mask)

    def oval(self, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
        self._pen.ellipse(self._box(x0, y0, x1, y1), fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        self.oval(x - radius, y - radius, x + radius, y + radius, colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: str, round_: float = 0) -> None:
        self._pen.rounded_rectangle(self._box(x0, y0, x1, y1), radius=self._pixels(round_), fill=colour)

    def shape(self, points: Sequence[Point], colour: str) -> None:
        self._pen.polygon([(self._pixels(x), self._pixels(y)) for x, y in points], fill=colour)

    def line(self, points: Sequence[Point], colour: str, width: float = 1) -> None:
        pixels = [(self._pixels(x), self._pixels(y)) for x, y in points]
        self._pen.line(pixels, fill=colour, width=round(self._pixels(width)), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)

    def arc(
        self, x0: float, y0: float, x1: float, y1: float, angles: tuple[float, float], colour: str, width: float
    ) -> None:
        self._pen.arc(self._box(x0, y0, x1, y1), *angles, fill=colour, width=round(self._pixels(width)))

    def heart(self, x: float, y: float, size: float, colour: str) -> None:
        self.shape(heart(x, y, size), colour)

    def within(self, outline: Sequence[Point], pattern: Callable[["Sketch"], None]) -> None:
        """Draws a pattern inside a polygon only."""
        before = self._image.copy()
        pattern(self)
        mask = Image.new("L", self._image.size, 0)
        ImageDraw.Draw(mask).polygon([(self._pixels(x), self._pixels(y)) for x, y in outline], fill=255)
        self._image = Image.composite(self._image, before, mask)

    def spots(self, outline: Sequence[Point], colour: str, every: float = 9, radius: float = 2.4) -> None:
        """Spots in staggered rows, inside a polygon."""

        def pattern(sketch: "Sketch") -> None:
            for row in range(int(100 / every) + 1):
                for column in range(int(100 / every) + 2):
                    sketch.disc((column - row % 2 / 2) * every, row * every, radius, colour)

        self.within(outline, pattern)

    def finished(self) -> Image.Image:
        return self._image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)

    @property
    def _pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self._image)

    def _pixels(self, length: float) -> float:
        return length * self._side / 100

    def _box(self, *corners: float) -> list[float]:
        return [self._pixels(each) for each in corners]


def heart(x: float, y: float, size: float) -> list[Point]:
    """The outline of a heart, centred, `size` wide."""
    unit = size / 32
    return [
        (
            x + unit * 16 * sin(t) ** 3,
            y - unit * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)),
        )
        for t in (2 * pi * step / 120 for step in range(120))
    ]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def ring(x: float, y: float, radius: float, count: int) -> list[Point]:
    """Points at equal distances on a circle."""
    return [(x + radius * cos(2 * pi * n / count), y + radius * sin(2 * pi * n / count)) for n in range(count)]


def shade(colour: str, by: float) -> str:
    """The colour made darker (`by` < 0) or lighter."""
    target = 255 if by > 0 else 0
    mixed = (round(part + (target - part) * abs(by)) for part in ImageColor.getrgb(colour)[:3])
    return "#{:02x}{:02x}{:02x}".format(*mixed)
