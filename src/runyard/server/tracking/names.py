"""Generated run names: an adjective, a noun and a number, such as `brisk-falcon-412`."""

from __future__ import annotations

ADJECTIVES = ["able", "agile", "amber", "ample", "azure", "bold", "brave", "bright", "brisk", "calm", "candid", "clear", "clever", "cosmic", "crisp", "curious", "daring", "deft", "eager", "early", "earnest", "fair", "fast", "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy", "honest", "humble", "ideal", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "rapid", "ready", "robust", "rustic", "serene", "sharp", "silent", "silver", "sincere", "sleek", "smart", "smooth", "solid", "sound", "spry", "stately", "steady", "sturdy", "subtle", "sunny", "supple", "swift", "tidy", "tranquil", "trusty", "upbeat", "valiant", "vast", "vivid", "warm", "wise", "witty", "zesty"]
NOUNS = ["acorn", "alder", "antler", "aspen", "aurora", "badger", "basin", "beacon", "birch", "bison", "brook", "canyon", "cedar", "cliff", "cloud", "clover", "comet", "coral", "cove", "crane", "creek", "crow", "delta", "dove", "dune", "eagle", "ember", "falcon", "fern", "finch", "fjord", "flint", "fox", "garnet", "glacier", "glade", "grove", "gull", "harbor", "hare", "hawk", "hazel", "heron", "hill", "iris", "island", "ivy", "jay", "juniper", "kelp", "kestrel", "lagoon", "lake", "lark", "laurel", "linden", "lynx", "maple", "marsh", "meadow", "mesa", "moose", "moss", "moth", "oak", "orchid", "osprey", "otter", "owl", "peak", "pebble", "pine", "plover", "pond", "poplar", "puffin", "quail", "quartz", "raven", "reed", "reef", "ridge", "river", "robin", "rook", "sage", "seal", "shore", "sparrow", "spruce", "stag", "starling", "stork", "stream", "swan", "tern", "thistle", "thrush", "trout", "tulip", "valley", "walnut", "willow", "wren", "yew"]
NUMBERS = 1000
COMBINATIONS = len(ADJECTIVES) * len(NOUNS) * NUMBERS


def run_name(number: int) -> str:
    """The name that a number in [0, COMBINATIONS) stands for."""
    rest, digits = divmod(number, NUMBERS)
    noun, adjective = rest % len(NOUNS), rest // len(NOUNS)
    return f"{ADJECTIVES[adjective]}-{NOUNS[noun]}-{digits}"
