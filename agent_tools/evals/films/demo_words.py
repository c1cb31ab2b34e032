"""The words that the demo's grammar draws from. No real person, thing or lecture is meant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A lecture's subject: its things, what they do, and what they are like."""

    name: str
    things: tuple[str, ...]
    does: tuple[str, ...]
    kinds: tuple[str, ...]


def _topic(name: str, things: str, does: str, kinds: str) -> Topic:
    return Topic(name, tuple(things.split(", ")), tuple(does.split(", ")), tuple(kinds.split(", ")))


TOPICS = (
    _topic("Tides", "harbour wall, ebb, spring tide, estuary, sandbank, moon, current, gauge",
           "rises, turns, slows down, floods the flats", "shallow, regular, northern, strong"),
    _topic("Bread", "sourdough, oven, crust, yeast, rye flour, dough, proving basket, crumb",
           "rests, swells, browns, gives off steam", "sour, dense, warm, slow"),
    _topic("Bridges", "arch, cable, pier, deck, truss, keystone, bearing, river bank",
           "carries the load, bends, expands in summer, sways", "iron, narrow, suspended, stone"),
    _topic("Bees", "hive, queen, drone, comb, nectar, swarm, waggle dance, meadow",
           "gathers, moves out, keeps warm, finds the way back", "wild, busy, golden, winter"),
    _topic("Glaciers", "moraine, crevasse, ice core, meltwater, valley, snow line, boulder, tongue",
           "creeps downhill, retreats, grinds the rock, calves", "blue, ancient, slow, frozen"),
    _topic("Looms", "warp, weft, shuttle, pattern card, thread, heddle, spindle, cloth",
           "lifts, crosses, tears, repeats", "woollen, fine, coloured, loose"),
    _topic("Lenses", "prism, focus, mirror, aperture, beam, telescope, edge, coating",
           "bends the light, blurs, reflects, splits colours", "curved, polished, thin, wide"),
    _topic("Salt", "brine, pan, crystal, mine, evaporation, trade road, barrel, crust",
           "dries, dissolves, preserves fish, travels inland", "coarse, white, grey, costly"),
    _topic("Volcanoes", "magma, crater, ash cloud, lava field, vent, basalt, tremor, slope",
           "erupts, cools, shakes the ground, buries the soil", "dormant, steep, black, young"),
    _topic("Clocks", "pendulum, escapement, spring, gear, dial, minute hand, tower, chime",
           "ticks, loses a second, swings, strikes", "brass, precise, loud, medieval"),
    _topic("Mosses", "spore, forest floor, cushion, peat, rain, bark, stem, bog",
           "drinks, spreads, dries out, turns green", "soft, tiny, damp, old"),
    _topic("Kites", "frame, tail, string, wind, silk, reel, knot, beach",
           "climbs, dives, hums, pulls hard", "light, painted, square, paper"),
)  # fmt: skip

SENTENCES = (
    "Notice how the {one} {does} long before the {two} does.",
    "A {kind} {one} is rarely found next to a {two}.",
    "In the old days people thought that the {one} {does} because of the {two}.",
    "We measured the {one} {number} times and the {two} only once.",
    "If the {one} {does}, the {two} will follow within {number} minutes.",
    "Ask yourself why the {two} needs a {kind} {one} at all.",
    "My teacher in {place} kept a {kind} {one} on the window sill.",
    "There is a drawing of the {two} in the library of {place}.",
    "What matters here is not the {one} but the {kind} {two}.",
    "About {number} percent of what we know comes from the {one}.",
    "So the {one} {does}, and nobody can say for how long.",
    "Compare the {one} on the left with the {two} on the right.",
    "It took {number} years until someone explained the {kind} {one}.",
    "You will hear that the {two} {does}, which is only half true.",
    "Every {one} I have seen was {kind}, except for one near {place}.",
    "Let me come back to the {two} when we have understood the {one}.",
    "The {kind} {one} and the {two} belong together.",
    "Please write down that a {one} {does} when it is left alone.",
    "Some of you asked whether the {one} can replace the {two}.",
    "With {number} of them side by side the {two} becomes {kind}.",
    "I would not trust a {one} that never {does}.",
    "First comes the {one}, then the {two}, and then a long pause.",
)
OPENINGS = (
    "Welcome back, the next part is about {topic}.",
    "Let us turn to {topic} now.",
    "The following minutes belong to {topic}.",
)
BULLETS = (
    "The {one} {does}",
    "A {kind} {two}",
    "{number} samples of {one}",
    "From {one} to {two}",
    "Why the {two} {does}",
    "{one} without {two}",
)
PEOPLE = (
    "Mara Okafor", "Tomas Veld", "Ines Carrow", "Jonas Brandt", "Priya Nolan", "Aldo Ferrant", "Saskia Lund",
    "Emil Torres", "Ruth Calder", "Victor Amsel", "Noor Haddon", "Greta Osborn", "Felix Marant", "Hanna Stroud",
)  # fmt: skip
ITEMS = (
    "brass compass", "glass heron", "copper lantern", "ivory comb", "silver thimble", "walnut chess set", "jade turtle",
    "velvet ledger", "pewter flask", "marble owl", "leather globe", "bronze whistle", "amber pipe", "porcelain fox",
)  # fmt: skip
PLACES = (
    "Lindholm", "Carmond", "Ostmark", "Dunmore", "Felsberg", "Harwick", "Montrose", "Norvalla", "Pellworm", "Quimper",
    "Rosslare", "Sandvik", "Tarbert", "Wexmoor",
)  # fmt: skip
