"""The gate against what was really so on desks made up at random: what never passes, and what always does."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from evcodec import EventKind
from evcodec.capture.passed import PassedEvents
from gate_desk import EDITOR, MS
from gate_world import World, is_harmless

ACTS = (
    "type",
    "type",
    "type",
    "move",
    "move",
    "switch",
    "refocus",
    "refocus",
    "point",
    "grab",
    "pause",
    "hang",
    "stall",
    "blind",
)
steps = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 5, 15, 40, 90, 120, 200, 400, 1_500)),
        st.sampled_from(ACTS),
        st.integers(0, 255),
        st.integers(0, 255),
    ),
    max_size=60,
)


def lived(seed: int, acts: list[tuple[int, str, int, int]]) -> World:
    """Return a world in which all this was done."""
    world = World(seed)
    t = 300 * MS
    for wait, act, a, b in acts:
        t += wait * MS + 7
        world.at(t, lambda act=act, a=a, b=b: getattr(world, act)(a, b))
    world.run(t + 2_500 * MS)
    world.finish()
    return world


def check(world: World) -> tuple[int, int]:
    """Compare what passed with what was so; return how many keys had to pass, and how many did."""
    rows = [row for one in world.passed if isinstance(one, PassedEvents) for row in one.batch]
    by_t = {struck.t: code for code, struck in world.keys.items()}
    went_down = set()
    for row in rows:
        kind = row["kind"]
        if kind == EventKind.MOVE:
            assert world.moves[row["x"]], f"a motion at {row['t'] / MS} ms"
            assert row == {**row, "y": 6, "dx": 1, "source": 1, "os_time": row["t"] // MS}
            continue
        code = by_t[row["t"] - (kind == EventKind.KEY_UP)]
        struck = world.keys[code]
        if row["code"] or row["keysym"] or row["modifiers"] or row["layout"]:
            assert struck.may_be_full, f"key {code} at {struck.t / MS} ms: {struck}"
            assert (row["code"], row["keysym"], row["modifiers"], row["layout"]) == (code, 1000 + code, 1, 1)
        else:
            assert struck.may_have_class, f"class of key {code} at {struck.t / MS} ms: {struck}"
        assert (row["key_class"], row["source"], row["os_time"]) == (1, 2, row["t"] // MS)
        if kind == EventKind.KEY_DOWN:
            went_down.add(code)
        else:
            assert code in went_down
    times = [row["t"] for row in rows]
    assert times == sorted(times)
    must = {
        code
        for code, struck in world.keys.items()
        if struck.is_harmless and world.is_calm(struck) and is_harmless(struck.application, struck.element)
    }
    assert must <= went_down, f"lost: {[(code, world.keys[code]) for code in sorted(must - went_down)][:3]}"
    # What has passed has been moved away, and everything else is wiped.
    kept = {row["t"] for row in rows}
    for batch in world.given:
        left = {int(t) for t in batch.t if t}
        assert left <= kept
    return len(must), len(went_down)


@given(seed=st.integers(0, 1 << 30), acts=steps)
def test_nothing_secret_passes(seed, acts):
    check(lived(seed, acts))


def day(rng: random.Random) -> list[tuple[int, str, int, int]]:
    """Return acts as on a day: bursts of work, and now and then something that comes in between, often right then."""
    acts: list[tuple[int, str, int, int]] = []

    def act(wait: int, name: str, most: int = 255) -> None:
        acts.append((wait, name, rng.randrange(most + 1), rng.randrange(256)))

    for _ in range(rng.randrange(1, 12)):
        for _ in range(rng.randrange(25)):
            act(rng.choice((0, 1, 5, 15, 40, 90, 120, 200)), rng.choice(("type", "type", "move", "point")), 1)
        name = rng.choice(("switch", "refocus", "refocus", "grab", "pause", "hang", "stall", "blind"))
        act(rng.choice((0, 5, 40, 400)), name)
        which = acts[-1][2]
        for _ in range(rng.randrange(6)):
            act(rng.choice((0, 1, 5, 15, 40, 90, 120, 200, 400)), rng.choice(ACTS[:8]))
        if name in ("grab", "pause", "blind"):
            acts.append((rng.choice((0, 20, 300)), name, which, 0))
        if rng.random() < 0.7:  # and back to work
            acts.extend(
                ((300, "switch", 0, 0), (0, "point", 0, 0), (50, "refocus", 0, 0), (400, "move", 0, 0))
            )
    return acts


def test_long_days(tries, seed):
    """Also: that there is something to see in these worlds, secrets and harmless keys, that pass and that do not."""
    rng = random.Random(seed)
    must = passed = secret = 0
    for _ in range(tries(10, 3_000)):
        world = lived(rng.randrange(1 << 30), day(rng))
        found = check(world)
        must, passed = must + found[0], passed + found[1]
        secret += sum(not struck.is_harmless for struck in world.keys.values())
    assert min(must, secret) >= 20, (must, passed, secret)
    assert passed > must


def test_a_calm_day_loses_no_key():
    rng = random.Random(1)
    acts = [(rng.choice((30, 60, 150)), "type", 0, 0) for _ in range(120)]
    world = lived(1, [(0, "point", 0, 0), *acts])
    assert check(world) == (120, 120)
    assert world.front is EDITOR
