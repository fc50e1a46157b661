"""The demo's catalogue: real products of the data set in `tools/data` (see its README) with the prices they were
sold at in December 2010, in pence, put into words for people. Their SKUs differ from the file's stock codes, so that a
replay finds its own products."""

from typing import NamedTuple

CURRENCY = "GBP"
# Whoever takes so many pieces pays so many percent of the price.
TIERS = {12: 90, 100: 80}

# Category → the one that it stands under.
CATEGORIES = {
    "Home": None,
    "Candles & lights": "Home",
    "Clocks & frames": "Home",
    "Keeping warm": "Home",
    "Kitchen & table": None,
    "Baking": "Kitchen & table",
    "Tea & table": "Kitchen & table",
    "Bags & storage": None,
    "Gifts & play": None,
    "Christmas": None,
}

LONDON, MANCHESTER = "LON-1", "MAN-1"


class DemoProduct(NamedTuple):
    """`stock`: pieces by warehouse."""

    sku: str
    category: str
    name: str
    price: int
    description: str
    stock: dict[str, int]


def _product(code: str, category: str, name: str, price: int, description: str, **stock: int) -> DemoProduct:
    places = {"london": LONDON, "manchester": MANCHESTER}
    return DemoProduct(f"OM-{code}", category, name, price, description, {places[at]: n for at, n in stock.items()})


PRODUCTS = (
    _product("85123A", "Candles & lights", "White hanging heart T-light holder", 295,
             "Painted metal with a glass cup, for one tealight; hangs from a ribbon.", london=480, manchester=240),
    _product("21733", "Candles & lights", "Red hanging heart T-light holder", 295,
             "The red sister of our best-selling heart.", london=300),
    _product("79321", "Candles & lights", "Chilli lights", 495,
             "A string of twenty small lights that look like red chillies.", london=140),
    _product("22969", "Candles & lights", "Homemade jam scented candles", 145,
             "In a jam jar with a gingham lid; smells of strawberries.", manchester=360),
    _product("84347", "Candles & lights", "Rotating silver angels T-light holder", 255,
             "The warmth of the candle makes the angels turn.", london=200),
    _product("21731", "Candles & lights", "Red toadstool LED night light", 165,
             "Changes colour, and switches itself off.", london=260, manchester=60),
    _product("22727", "Clocks & frames", "Bakelike alarm clock, red", 375,
             "Twin bells and a face that glows in the dark.", london=150),
    _product("22726", "Clocks & frames", "Bakelike alarm clock, green", 375,
             "Twin bells and a face that glows in the dark.", london=150),
    _product("82494L", "Clocks & frames", "Wooden frame, antique white", 295,
             "For a photograph of 10 by 15 cm.", manchester=220),
    _product("22457", "Clocks & frames", "Natural slate heart chalkboard", 295,
             "Slate on a jute string, with a piece of chalk.", manchester=260),
    _product("22470", "Clocks & frames", "Heart of wicker, large", 295,
             "Woven by hand; hangs on a door or a wall.", london=240),
    _product("21754", "Clocks & frames", "Home building block word", 595,
             "Four wooden letters that stand by themselves.", london=90),
    _product("22111", "Keeping warm", "Scottie dog hot water bottle", 495,
             "A knitted cover with a Scottie; holds one litre.", london=180),
    _product("22112", "Keeping warm", "Chocolate hot water bottle", 495,
             "A soft brown cover; holds one litre.", london=180),
    _product("84029G", "Keeping warm", "Knitted Union Flag hot water bottle", 375,
             "A knitted cover in red, white and blue.", london=160, manchester=40),
    _product("21485", "Keeping warm", "Retrospot heart hot water bottle", 495,
             "Small, heart-shaped, spotted.", manchester=120),
    _product("22834", "Keeping warm", "Babushka hand warmer", 210,
             "Click the disc and it is warm for half an hour; boil it and use it again.", london=420),
    _product("22633", "Keeping warm", "Union Jack hand warmer", 210,
             "Click the disc and it is warm for half an hour; boil it and use it again.", london=420),
    _product("22423", "Tea & table", "Regency cakestand, three tiers", 1275,
             "Bone china with roses, 38 cm high.", london=60, manchester=24),
    _product("22699", "Tea & table", "Roses Regency teacup and saucer", 295,
             "Bone china, 200 ml.", london=144),
    _product("37370", "Tea & table", "Retro coffee mugs, assorted", 1613,
             "A box of twelve in six colours.", manchester=48),
    _product("84946", "Tea & table", "Antique silver tea glass, etched", 125,
             "For tea, or for a tealight.", london=320),
    _product("22900", "Tea & table", "Two tea towels, I love London", 295,
             "Cotton, 50 by 70 cm.", manchester=200),
    _product("22988", "Tea & table", "Soldiers egg cup", 125,
             "Stands guard over a boiled egg.", london=280),
    _product("22961", "Baking", "Jam making set, printed", 145,
             "Labels, lids and ties for twelve jars.", london=360),
    _product("22960", "Baking", "Jam making set with jars", 425,
             "Six jars, labels and a recipe.", london=130),
    _product("22625", "Baking", "Red kitchen scales", 850,
             "Weighs up to 5 kg, in grams and ounces.", manchester=64),
    _product("22720", "Baking", "Three cake tins, pantry design", 495,
             "They stand in one another.", london=110),
    _product("21212", "Baking", "Seventy-two retrospot cake cases", 55,
             "Paper, for cakes of 5 cm.", london=900, manchester=300),
    _product("22966", "Baking", "Gingerbread man cookie cutter", 125,
             "Tin; a recipe is on the card.", london=240),
    _product("85099B", "Bags & storage", "Jumbo bag, red retrospot", 195,
             "Holds 45 litres; made of recycled bottles.", london=520, manchester=260),
    _product("20725", "Bags & storage", "Lunch bag, red retrospot", 165,
             "Insulated, with a zip.", london=300),
    _product("22629", "Bags & storage", "Spaceboy lunch box", 195,
             "For a sandwich and an apple on the way to Mars.", manchester=210),
    _product("22666", "Bags & storage", "Recipe box, pantry yellow", 295,
             "Tin, with dividers and fifty cards.", london=100),
    _product("22752", "Gifts & play", "Seven Babushka nesting boxes", 850,
             "Each in the next; the smallest holds a ring.", london=80),
    _product("84879", "Gifts & play", "Bird ornament, assorted colours", 169,
             "Of felt; sits on a branch or a shelf.", london=640),
    _product("22749", "Gifts & play", "Feltcraft Princess Charlotte doll", 375,
             "A kit: felt, thread, and a pattern that a child can follow.", manchester=150),
    _product("21915", "Gifts & play", "Red harmonica in a box", 125,
             "Ten holes, in C.", london=190),
    _product("21889", "Gifts & play", "Wooden box of dominoes", 125,
             "Twenty-eight stones and a lid that slides.", london=5),
    _product("22086", "Christmas", "Paper chain kit, fifties Christmas", 295,
             "For six metres; no glue needed.", london=340),
    _product("22910", "Christmas", "Paper chain kit, vintage Christmas", 295,
             "For six metres; no glue needed.", london=340),
    _product("22943", "Christmas", "Ten vintage bauble lights", 495,
             "A string of glass baubles for the tree.", london=0),
)  # fmt: skip

WAREHOUSES = {
    LONDON: {
        "name": "London East",
        "address": {"line1": "4 Dock Road", "city": "London", "postal_code": "E16 1AA", "country": "GB"},
    },
    MANCHESTER: {
        "name": "Manchester",
        "address": {"line1": "17 Mill Lane", "city": "Manchester", "postal_code": "M4 5AD", "country": "GB"},
    },
}
# The first one delivers to London, the second to Manchester.
SUPPLIERS = {
    LONDON: {"name": "Hanford Ceramics", "email": "orders@hanford.example", "phone": "+44 20 7946 0000"},
    MANCHESTER: {"name": "Northern Gift Company", "email": "sales@northern-gift.example", "phone": "+44 161 496 0000"},
}
