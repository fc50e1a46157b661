"""Colours of things, by words of their names."""

COLOURS = {
    "chilli": "#c8372d", "jam": "#b8324a", "red": "#c23b34", "green": "#5d8a66", "yellow": "#e2b33c",
    "silver": "#a9b2ba", "white": "#faf7f0", "slate": "#4d565c", "wicker": "#b98d5a", "chocolate": "#6b4430",
    "scottie": "#3d4650", "union": "#2f4b7c", "babushka": "#c94f6d", "roses": "#d98a94", "love london": "#c23b34",
    "soldiers": "#b93a32", "gingerbread": "#b0713c", "spaceboy": "#4f7fa8", "princess": "#d88ab0", "bird": "#5b8fb0",
    "wooden": "#b98d5a", "home": "#b98d5a", "retro": "#d9674a", "fifties": "#4f9a94", "vintage": "#b5493f",
    "pantry": "#d9c27a", "bauble": "#b8324a",
}  # fmt: skip
CREAM, DARK, WOOD, GOLD = "#fbf5e9", "#3b3430", "#b98d5a", "#d9a441"


def colour_of(name: str) -> str:
    """The first colour that the name says, or that its thing usually has."""
    return next((colour for word, colour in COLOURS.items() if word in name), "#c96f4a")
