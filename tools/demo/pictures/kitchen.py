"""What is drawn for things of the kitchen and the table."""

from tools.demo.pictures.colours import CREAM, DARK, GOLD
from tools.demo.pictures.sketch import Sketch, rectangle, ring, shade


def cake_stand(s: Sketch, colour: str) -> None:
    s.shadow(20, 80, 90)
    s.box(49, 8, 51, 86, GOLD)
    for y, half in ((82, 36), (57, 27), (33, 18)):
        s.oval(50 - half, y - 4, 50 + half, y + 6, shade(colour, -0.15))
        s.oval(50 - half, y - 6, 50 + half, y + 3, CREAM)
        for place in range(-1, 2):
            s.box(47 + place * half * 0.55, y - 11, 53 + place * half * 0.55, y - 2, colour, 2.5)
            s.disc(50 + place * half * 0.55, y - 11, 2.6, "#c23b34")
    s.disc(50, 8, 3, GOLD)


def teacup(s: Sketch, colour: str) -> None:
    s.shadow(15, 85, 82)
    s.oval(13, 68, 87, 86, shade(CREAM, -0.1))
    s.oval(13, 66, 87, 82, CREAM)
    s.arc(66, 40, 88, 64, (0, 360), CREAM, 4)
    s.within(rectangle(0, 40, 100, 78), lambda below: below.oval(24, 2, 76, 78, CREAM))
    s.oval(24, 33, 76, 47, shade(CREAM, -0.08))
    s.oval(28, 35, 72, 45, "#9a6238")
    for x, y in ((38, 60), (52, 66), (63, 57)):
        for px, py in ring(x, y, 3, 5):
            s.disc(px, py, 2.2, colour)
        s.disc(x, y, 1.8, GOLD)


def mugs(s: Sketch, colour: str) -> None:
    s.shadow(10, 92, 82)
    for x, y, tint in ((14, 36, "#4f9a94"), (52, 34, GOLD), (31, 46, colour)):
        s.arc(x + 24, y + 8, x + 40, y + 28, (270, 90), shade(tint, -0.1), 4)
        s.box(x, y, x + 31, y + 37, tint, 4)
        s.oval(x, y - 4, x + 31, y + 5, shade(tint, -0.3))
        s.box(x, y + 15, x + 31, y + 20, shade(tint, 0.45))


def glass(s: Sketch, colour: str) -> None:
    s.shadow(30, 70, 88)
    s.shape([(29, 18), (71, 18), (63, 86), (37, 86)], "#e8f0f3")
    s.shape([(31, 36), (69, 36), (62, 84), (38, 84)], "#c98a4b")
    for y in (26, 60, 74):
        for n in range(6):
            s.disc(34 + n * 6.4, y, 1.5, colour)
    s.oval(29, 14, 71, 22, "#f6fafb")
    s.shape([(36, 84), (64, 84), (66, 89), (34, 89)], colour)


def towels(s: Sketch, colour: str) -> None:
    for x, tint in ((16, "#f4ecdc"), (40, CREAM)):
        s.box(x, 16, x + 44, 86, shade(tint, -0.08), 2)
        s.box(x, 14, x + 43, 84, tint, 2)
        s.box(x, 74, x + 43, 78, colour)
        s.box(x, 20, x + 43, 23, colour)
    s.heart(61, 48, 22, colour)


def egg_cup(s: Sketch, colour: str) -> None:
    s.shadow(32, 68, 88)
    s.oval(34, 10, 66, 58, "#f5e3cd")
    s.shape([(28, 44), (72, 44), (62, 64), (38, 64)], colour)
    s.box(45, 62, 55, 80, shade(colour, -0.15))
    s.shape([(34, 88), (66, 88), (58, 78), (42, 78)], colour)
    s.box(28, 42, 72, 47, GOLD, 2)
    for x in (40, 50, 60):
        s.disc(x, 55, 1.8, GOLD)


def scales(s: Sketch, colour: str) -> None:
    s.shadow(18, 82, 90)
    s.oval(16, 14, 84, 30, shade("#a9b2ba", 0.3))
    s.oval(20, 16, 80, 27, "#8d979f")
    s.box(46, 26, 54, 40, "#8d979f")
    s.shape([(34, 36), (66, 36), (80, 90), (20, 90)], colour)
    s.disc(50, 63, 20, CREAM)
    for x, y in ring(50, 63, 16, 12):
        s.disc(x, y, 0.9, DARK)
    s.line([(50, 63), (59, 53)], "#c23b34", 1.6)


def tins(s: Sketch, colour: str) -> None:
    s.shadow(14, 86, 88)
    for y, half, tint in ((70, 34, colour), (50, 28, "#4f9a94"), (32, 22, "#c96f4a")):
        s.box(50 - half, y, 50 + half, y + 18, tint, 3)
        s.box(50 - half - 1.5, y - 3, 50 + half + 1.5, y + 4, shade(tint, -0.2), 2)
        s.box(40, y + 7, 60, y + 14, CREAM, 1.5)
    s.disc(50, 27, 3, GOLD)


def cake_cases(s: Sketch, colour: str) -> None:
    s.shadow(12, 88, 82)
    for x, y in ((12, 40), (54, 40), (33, 50)):
        outline = [(x, y), (x + 34, y), (x + 28, y + 28), (x + 6, y + 28)]
        s.oval(x - 1, y - 17, x + 35, y + 14, "#e8c39a")
        s.shape(outline, colour)
        s.spots(outline, CREAM, 6.5, 1.7)
        s.disc(x + 17, y - 16, 3, "#b8324a")


def gingerbread(s: Sketch, colour: str) -> None:
    s.disc(50, 27, 14, colour)
    s.line([(24, 48), (76, 48)], colour, 13)
    s.box(38, 36, 62, 66, colour, 8)
    s.line([(45, 62), (36, 84)], colour, 13)
    s.line([(55, 62), (64, 84)], colour, 13)
    for x, y in ((45, 25), (55, 25), (50, 47), (50, 57)):
        s.disc(x, y, 1.8, CREAM)
    s.arc(43, 24, 57, 35, (20, 160), CREAM, 1.4)
    for x in (25, 75):
        s.line([(x, 43), (x, 53)], CREAM, 1.3)
