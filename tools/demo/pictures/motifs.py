"""What is drawn for a product, by words of its name."""

from collections.abc import Callable
from math import cos, pi, sin

from tools.demo.pictures import kitchen
from tools.demo.pictures.colours import CREAM, DARK, GOLD, WOOD
from tools.demo.pictures.sketch import Point, Sketch, rectangle, ring, shade

Motif = Callable[[Sketch, str], None]


def hanging_heart(s: Sketch, colour: str) -> None:
    s.line([(50, 8), (50, 27)], WOOD, 1)
    s.disc(50, 28, 2, GOLD)
    s.heart(50, 54, 58, shade(colour, -0.12))
    s.heart(50, 53, 55, colour)
    s.heart(50, 52, 38, shade(colour, -0.18))
    s.box(43, 48, 57, 62, CREAM, 1.5)
    s.oval(47.5, 36, 52.5, 47, GOLD)
    s.oval(48.7, 40, 51.3, 46.5, "#fff1c4")


def flat_heart(s: Sketch, colour: str) -> None:
    s.line([(36, 33), (50, 9), (64, 33)], WOOD, 1.2)
    s.heart(50, 55, 66, shade(colour, -0.3))
    s.heart(50, 54, 62, colour)
    for row in range(4):
        s.line([(35 + row * 2, 46 + row * 6), (65 - row * 2, 46 + row * 6)], shade(colour, 0.35), 1)


def light_chain(s: Sketch, colour: str) -> None:
    points = [(6 + n * 4.4, 26 + 13 * sin(n / 20 * pi * 2)) for n in range(21)]
    s.line(points, DARK, 0.9)
    for number, (x, y) in enumerate(points[1::3]):
        s.box(x - 1.6, y, x + 1.6, y + 5, "#4d6b4f", 1)
        s.oval(x - 5, y + 4, x + 5, y + 26 + number % 2 * 6, colour)
        s.oval(x - 2.5, y + 8, x - 0.5, y + 18, shade(colour, 0.55))


def baubles(s: Sketch, colour: str) -> None:
    points = [(4 + n * 4.6, 20 + 14 * sin(n / 20 * pi)) for n in range(21)]
    s.line(points, DARK, 0.9)
    for number, (x, y) in enumerate(points[1::3]):
        tint, drop = (colour, GOLD, "#5d8a66")[number % 3], y + 14 + number % 2 * 22
        s.line([(x, y), (x, drop - 8)], DARK, 0.7)
        s.box(x - 2, drop - 10, x + 2, drop - 6, GOLD, 1)
        s.disc(x, drop, 8, tint)
        s.disc(x - 2.6, drop - 2.6, 2.2, shade(tint, 0.55))


def jar(s: Sketch, colour: str) -> None:
    s.shadow(25, 75, 85)
    s.box(29, 33, 71, 85, "#eef3f2", 8)
    s.box(32, 42, 68, 82, colour, 6)
    s.box(28, 20, 72, 36, shade(colour, 0.25), 4)
    s.spots(rectangle(28, 20, 72, 36), CREAM, 6, 1.5)
    s.box(36, 52, 64, 70, CREAM, 2)
    s.heart(50, 61, 11, colour)


def carousel(s: Sketch, colour: str) -> None:
    s.shadow(25, 75, 88)
    s.box(49, 22, 51, 84, shade(colour, -0.2))
    s.oval(26, 80, 74, 90, shade(colour, -0.1))
    for angle in range(0, 360, 60):
        x = 50 + 30 * cos(angle * pi / 180)
        s.line([(50, 24), (x, 34)], shade(colour, -0.2), 0.8)
        s.shape([(x, 36), (x - 5, 54), (x + 5, 54)], colour)
        s.disc(x, 36, 3, shade(colour, 0.4))
    s.box(43, 66, 57, 82, CREAM, 2)
    s.oval(47.5, 54, 52.5, 66, GOLD)


def toadstool(s: Sketch, colour: str) -> None:
    s.shadow(28, 72, 86)
    s.box(40, 50, 60, 86, CREAM, 8)
    s.within(rectangle(0, 0, 100, 56), lambda above: above.oval(18, 18, 82, 94, colour))
    s.oval(18, 50, 82, 62, shade(colour, -0.2))
    for x, y, radius in ((36, 34, 6), (56, 28, 7), (70, 44, 5), (28, 48, 4), (48, 47, 5)):
        s.disc(x, y, radius, CREAM)


def clock(s: Sketch, colour: str) -> None:
    s.shadow(22, 78, 88)
    for x, tilt in ((31.0, -5), (69.0, 5)):
        s.line([(x, 78), (x + tilt, 88)], DARK, 4)
        s.oval(x - 13, 13, x + 13, 33, shade(colour, -0.15))
    s.disc(50, 52, 35, shade(colour, -0.2))
    s.disc(50, 52, 33, colour)
    s.disc(50, 52, 25, CREAM)
    for x, y in ring(50, 52, 21, 12):
        s.disc(x, y, 1.1, DARK)
    s.line([(50, 52), (50, 36)], DARK, 1.8)
    s.line([(50, 52), (61, 58)], DARK, 1.8)
    s.disc(50, 52, 2.2, colour)


def frame(s: Sketch, colour: str) -> None:
    s.box(20, 12, 80, 88, shade(colour, -0.12), 2)
    s.box(22, 14, 78, 86, colour, 2)
    s.box(30, 22, 70, 78, shade(colour, -0.2))
    s.box(32, 24, 68, 76, "#cfe0e8")
    s.shape([(32, 76), (32, 62), (46, 50), (58, 62), (68, 54), (68, 76)], "#87a489")
    s.disc(59, 36, 5, GOLD)


def blocks(s: Sketch, colour: str) -> None:
    s.shadow(10, 90, 72)
    for place, (tint, mark) in enumerate(zip(("#c96f4a", "#5d8a66", "#4f7fa8", "#d9a441"), "HOME", strict=True)):
        x = 9 + place * 21
        s.box(x, 48, x + 19, 70, shade(colour, -0.25), 2)
        s.box(x, 46, x + 19, 67, colour, 2)
        _letter(s, mark, x + 5, 50, tint)


def _letter(s: Sketch, mark: str, x: float, y: float, colour: str) -> None:
    lines: dict[str, list[list[Point]]] = {
        "H": [[(0, 0), (0, 12)], [(9, 0), (9, 12)], [(0, 6), (9, 6)]],
        "M": [[(0, 12), (0, 0), (4.5, 7), (9, 0), (9, 12)]],
        "E": [[(8, 0), (0, 0), (0, 12), (8, 12)], [(0, 6), (6, 6)]],
    }
    if mark == "O":
        s.arc(x, y, x + 9, y + 12, (0, 360), colour, 2.2)
    for each in lines.get(mark, []):
        s.line([(x + dx, y + dy) for dx, dy in each], colour, 2.2)


def hot_water_bottle(s: Sketch, colour: str) -> None:
    s.shadow(28, 72, 90)
    s.box(44, 8, 56, 20, DARK, 2)
    s.box(40, 16, 60, 32, shade(colour, -0.1), 4)
    s.box(26, 26, 74, 90, colour, 14)
    for row in range(5):
        s.line([(31, 38 + row * 11), (69, 38 + row * 11)], shade(colour, 0.22), 1.4)
    s.heart(50, 60, 24, CREAM)


def hand_warmer(s: Sketch, colour: str) -> None:
    s.shadow(22, 78, 80)
    s.box(20, 26, 80, 80, shade(colour, -0.15), 16)
    s.box(20, 23, 80, 77, colour, 16)
    s.line([(26, 29), (74, 71)], CREAM, 5)
    s.line([(74, 29), (26, 71)], CREAM, 5)
    s.disc(50, 50, 14, CREAM)
    s.heart(50, 51, 17, "#c23b34")


def bag(s: Sketch, colour: str) -> None:
    s.shadow(18, 82, 90)
    for x in (30, 52):
        s.arc(x, 10, x + 18, 54, (180, 360), shade(colour, -0.3), 3)
    outline = [(20, 32), (80, 32), (85, 90), (15, 90)]
    s.shape(outline, colour)
    s.spots(outline, CREAM)
    s.box(20, 30, 80, 36, shade(colour, -0.25), 1)


def lunch_box(s: Sketch, colour: str) -> None:
    s.shadow(14, 86, 84)
    s.arc(36, 14, 64, 46, (180, 360), DARK, 3.5)
    s.box(14, 30, 86, 84, shade(colour, -0.2), 7)
    s.box(14, 28, 86, 81, colour, 7)
    s.disc(50, 54, 17, CREAM)
    s.disc(50, 52, 11, shade(colour, 0.5))
    s.box(45, 49, 55, 55, DARK, 2.5)
    for x, y in ((24, 38), (76, 40), (26, 72), (74, 70), (36, 44)):
        s.disc(x, y, 1.6, GOLD)


def recipe_box(s: Sketch, colour: str) -> None:
    s.shadow(16, 84, 86)
    for x, tint in ((28, CREAM), (33, "#f3e2c0"), (38, CREAM)):
        s.box(x, 22, x + 36, 56, tint, 1.5)
    s.box(18, 42, 82, 86, colour, 4)
    s.box(18, 42, 82, 50, shade(colour, -0.15), 3)
    s.box(36, 58, 64, 74, CREAM, 2)
    for y in (63, 68):
        s.line([(41, y), (59, y)], DARK, 0.9)


def nesting_dolls(s: Sketch, colour: str) -> None:
    s.shadow(8, 92, 86)
    for x, size, tint in ((24, 1.0, colour), (53, 0.78, "#4f9a94"), (74, 0.58, GOLD), (89, 0.4, "#4f7fa8")):
        base = 84
        s.oval(x - 18 * size, base - 48 * size, x + 18 * size, base, tint)
        s.disc(x, base - 54 * size, 13 * size, tint)
        s.disc(x, base - 53 * size, 9 * size, "#f5dcc4")
        for side in (-3.4, 3.4):
            s.disc(x + side * size, base - 54 * size, 1.1 * size, DARK)
        s.oval(x - 10 * size, base - 36 * size, x + 10 * size, base - 8 * size, CREAM)
        s.heart(x, base - 22 * size, 12 * size, tint)


def bird(s: Sketch, colour: str) -> None:
    s.line([(50, 4), (50, 30)], WOOD, 0.9)
    s.oval(26, 30, 76, 72, colour)
    s.disc(70, 36, 14, colour)
    s.shape([(82, 32), (92, 37), (82, 41)], GOLD)
    s.disc(73, 33, 2, DARK)
    s.shape([(30, 52), (6, 40), (10, 62)], shade(colour, -0.2))
    s.oval(34, 42, 62, 66, shade(colour, 0.35))
    for x in (46, 56):
        s.line([(x, 71), (x, 84)], DARK, 1.3)


def doll(s: Sketch, colour: str) -> None:
    s.shadow(28, 72, 92)
    s.disc(50, 28, 17, "#8a5a3a")
    s.disc(50, 30, 13, "#f5dcc4")
    s.shape([(38, 20), (42, 8), (50, 15), (58, 8), (62, 20)], GOLD)
    s.shape([(42, 44), (58, 44), (76, 90), (24, 90)], colour)
    s.line([(42, 48), (28, 64)], "#f5dcc4", 4)
    s.line([(58, 48), (72, 64)], "#f5dcc4", 4)
    for x in (45, 55):
        s.disc(x, 30, 1.4, DARK)
    s.arc(45, 30, 55, 37, (20, 160), "#c23b34", 1.2)
    s.heart(50, 66, 12, CREAM)


def harmonica(s: Sketch, colour: str) -> None:
    s.shadow(10, 90, 72)
    s.box(10, 36, 90, 68, colour, 5)
    s.box(10, 33, 90, 44, "#c8cfd4", 4)
    s.box(10, 60, 90, 71, "#c8cfd4", 4)
    for n in range(10):
        s.box(15 + n * 7.2, 47, 19.5 + n * 7.2, 57, DARK, 1)


def dominoes(s: Sketch, colour: str) -> None:
    s.shadow(12, 88, 86)
    s.box(12, 52, 88, 86, shade(colour, -0.15), 3)
    s.box(12, 50, 88, 58, colour, 2)
    for x, dots in ((20, ((0, 0), (1, 1))), (41, ((0, 0), (1, 0), (0, 1), (1, 1))), (62, ((0, 1), (1, 0)))):
        s.box(x, 14, x + 18, 52, CREAM, 2.5)
        s.line([(x + 3, 33), (x + 15, 33)], DARK, 0.8)
        for dx, dy in dots:
            s.disc(x + 5.5 + dx * 7, 20 + dy * 7, 1.7, DARK)
            s.disc(x + 5.5 + dy * 7, 39 + dx * 7, 1.7, DARK)
    s.box(12, 56, 88, 86, colour, 3)


def paper_chain(s: Sketch, colour: str) -> None:
    tints = (colour, CREAM, GOLD, "#5d8a66")
    for number in range(8):
        x, y = 6 + number * 11.4, 34 + 18 * sin(number / 7 * pi)
        s.arc(x, y, x + 17, y + 22, (0, 360), shade(tints[number % 4], -0.08), 3.6)
    for number in range(6):
        x, y = 16 + number * 12, 62 + 12 * sin(number / 5 * pi)
        s.arc(x, y, x + 17, y + 20, (0, 360), tints[(number + 2) % 4], 3.6)


MOTIFS: tuple[tuple[tuple[str, ...], Motif], ...] = (
    (("angels",), carousel),
    (("t-light holder",), hanging_heart),
    (("chilli lights",), light_chain),
    (("bauble lights",), baubles),
    (("candles", "jam making"), jar),
    (("toadstool",), toadstool),
    (("clock",), clock),
    (("frame",), frame),
    (("chalkboard", "wicker"), flat_heart),
    (("block word",), blocks),
    (("hot water bottle",), hot_water_bottle),
    (("hand warmer",), hand_warmer),
    (("cakestand",), kitchen.cake_stand),
    (("teacup",), kitchen.teacup),
    (("mugs",), kitchen.mugs),
    (("glass",), kitchen.glass),
    (("towels",), kitchen.towels),
    (("egg cup",), kitchen.egg_cup),
    (("scales",), kitchen.scales),
    (("tins",), kitchen.tins),
    (("cake cases",), kitchen.cake_cases),
    (("gingerbread",), kitchen.gingerbread),
    (("lunch box",), lunch_box),
    (("bag",), bag),
    (("recipe box",), recipe_box),
    (("nesting",), nesting_dolls),
    (("bird",), bird),
    (("doll",), doll),
    (("harmonica",), harmonica),
    (("dominoes",), dominoes),
    (("paper chain",), paper_chain),
)
"""The first of them with a word of the name is drawn."""
