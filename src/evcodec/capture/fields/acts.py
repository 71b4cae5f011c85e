"""What was done with menus and choices, from what applications tell of their elements.

| act | from | how certain |
|---|---|---|
| MENU_OPEN | a menu of a menu bar is selected, an element is expanded, or an item is the first that is hovered | told |
| ITEM_HOVER | an item of a menu or dropdown is selected or has the focus | told |
| ITEM_SELECT of a menu | the menu goes away while an item is hovered, and the person's last deed was Return or Space, or the release of a button over that item | inferred: no toolkit tells it; Escape and a click elsewhere give none, nor does an item of GTK 4 that was clicked, as GTK 4 tells no place |
| ITEM_SELECT of a tab or row | it becomes selected, shortly after a key or a click | told |
| VALUE_COMMIT | a check box, radio button or switch is set; a dropdown has another choice; a slider or spin button stands still at another value; shortly after a key or a click | told |

The value of a dropdown is the name of the item; Qt names a combo box that can be typed into by its text, so that is left out.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable

from ..model import ElementAct, ElementActed, Observation
from . import atspi
from .atspi import Element
from .deeds import Deeds
from .focus import Focus
from .looking import Look, Looker

ITEMS = frozenset({"menu item", "check menu item", "radio menu item", "menu"})
ROWS = frozenset({"list item", "tree item", "table row", "table cell", "icon", "page tab"})
LISTS = frozenset({"list box", "list", "tree", "tree table", "table", "icon"})
SWITCHES = frozenset({"check box", "radio button", "toggle button", "switch"})
SCALES = frozenset({"slider", "spin button", "dial"})
INSIDE = frozenset({"list", "list box", "menu bar", "popup menu"})  # of a menu or dropdown that is open
OPENERS = frozenset({"combo box", "menu", "menu item", "push button", "push button menu", "toggle button"})

JUDGED_NS = 60_000_000  # after a menu went away: what else is told of it has come by then
GONE_NS = 200_000_000  # after an item was left for no other
STILL_NS = 250_000_000  # of a slider
MOST_WAITING = 64


class Acts:
    """Menus and choices of one connection.

    Parameters
    ----------
    looker : Looker
    focus : Focus
        Which knows where the focus is.
    deeds : Deeds
        What the person does.
    tell : callable
        Takes what was observed.
    """

    def __init__(
        self, looker: Looker, focus: Focus, deeds: Deeds, tell: Callable[[Observation], None]
    ) -> None:
        self._looker = looker
        self._focus = focus
        self._deeds = deeds
        self._tell = tell
        self._item: tuple[Look, int] | None = None  # hovered, since
        self._is_open = self._is_dropdown = False
        self._ends_t: int | None = None
        self._waiting: list[tuple[int, Callable[[int], None]]] = []
        self._still: dict[Element, int] = {}
        self._looks = 0
        focus.on_known = self._on_focus

    def next_t(self) -> int | None:
        """Return when `settle` wants to be called."""
        times = [t for t, _ in self._waiting] + list(self._still.values())
        return min(times if self._ends_t is None else [*times, self._ends_t], default=None)

    def heard(self, what: str, element: Element, on: int, now_t: int) -> None:
        """Take in an event: ``selected``, ``checked``, ``expanded``, ``value`` or ``selection``."""
        if what == "value":
            if element in self._still or len(self._still) < MOST_WAITING:
                self._still[element] = now_t + STILL_NS
        elif what == "selected" and not on:
            if self._item is not None and element == self._item[0].element:
                self._ends_t = now_t + GONE_NS
        elif self._looks < MOST_WAITING:
            self._looks += 1
            self._looker.look(element, self._on_look(what, on, now_t), with_document=False)

    def settle(self, now_t: int) -> None:
        """Judge what has been waited for."""
        if self._ends_t is not None and self._ends_t <= now_t:
            self._close_menu(now_t)
        due = [then for t, then in self._waiting if t <= now_t]
        self._waiting = [(t, then) for t, then in self._waiting if t > now_t]
        for then in due:
            then(now_t)
        for element in [element for element, t in self._still.items() if t <= now_t]:
            del self._still[element]
            self._looker.look(element, self._on_look("value", 1, now_t), with_document=False)

    def _on_look(self, what: str, on: int, t: int) -> Callable[[Look, int], None]:
        react = {
            "selected": self._selected,
            "checked": self._checked,
            "expanded": self._expanded,
            "selection": self._selection_changed,
            "value": self._valued,
        }[what]

        def on_look(look: Look, now_t: int) -> None:
            if look.is_complete:
                self._looks = max(0, self._looks - (what != "value"))
                if look.role is not None and look.states is not None:
                    react(look, on, t)

        return on_look

    # ---- menus

    def _on_focus(self, look: Look, now_t: int) -> None:
        was_dropdown, self._is_dropdown = self._is_dropdown, look.role == "combo box"
        is_choice = look.role in ("list", "list item") and was_dropdown and self._deeds.opened(now_t)
        if look.role == "list" and is_choice and not self._is_open:  # of Qt, which tells nothing else
            self._is_open = True
            self._act(ElementAct.MENU_OPEN, look, now_t)
        elif look.role in ITEMS or (look.role == "list item" and (self._is_open or is_choice)):
            self._hover(look, now_t)
        elif self._is_open and look.role not in INSIDE:
            self._ends_t = now_t + JUDGED_NS

    def _selected(self, look: Look, on: int, t: int) -> None:
        states = look.states or 0
        if look.role in ITEMS and (states & atspi.FOCUSED or look.toolkit != "Chromium"):
            if look.role == "menu" and not states & atspi.SELECTED:
                return
            self._hover(look, t)
        elif look.role in ITEMS or look.role == "list item":
            self._wait(t, lambda now_t: self._chosen_in_dropdown(look, t))
        elif look.role in ROWS and states & atspi.SELECTED and self._deeds.is_recent(t):
            self._act(ElementAct.ITEM_SELECT, look, t)

    def _hover(self, look: Look, t: int) -> None:
        self._ends_t = None
        if self._item is not None and self._item[0].element == look.element:
            return
        if look.role == "menu":
            if self._item is None or not self._is_open:
                self._act(ElementAct.MENU_OPEN, look, t)
            else:
                self._act(ElementAct.ITEM_HOVER, look, t)
            self._is_open = True
            self._item = (look, t)
            return
        self._item = (look, t)
        if self._is_open:
            self._act(ElementAct.ITEM_HOVER, look, t)
        else:
            self._is_open = True
            self._look_above(look, t)

    def _look_above(self, item: Look, t: int) -> None:
        """Tell of a menu whose first item is hovered; of Qt that may be an item of the menu bar, whose menu opens."""

        def on_menu(menu: Look, now_t: int) -> None:
            if not menu.is_complete:
                return
            if menu.role == "menu bar":
                self._act(ElementAct.MENU_OPEN, item, t)
                if self._item is not None and self._item[0] is item:
                    self._item = None
            else:
                self._act(ElementAct.MENU_OPEN, menu, t)
                self._act(ElementAct.ITEM_HOVER, item, t)

        def on_parent(answer: object, now_t: int) -> None:
            parent = atspi.element(atspi.variant(answer))
            if parent is not None:
                self._looker.look(parent, on_menu, with_document=False)

        self._looker.get(item.element, atspi.ACCESSIBLE, "Parent", on_parent)

    def _expanded(self, look: Look, on: int, t: int) -> None:
        if look.role not in OPENERS:
            return
        if not on:
            self._ends_t = t + JUDGED_NS
        elif not self._is_open:
            self._is_open = True
            self._act(ElementAct.MENU_OPEN, look, t)

    def _close_menu(self, now_t: int) -> None:
        item, self._item, self._ends_t, self._is_open = self._item, None, None, False
        if item is not None and item[0].role != "menu" and self._deeds.chose(item[0].bounds, item[1]):
            self._act(ElementAct.ITEM_SELECT, item[0], now_t)

    # ---- values

    def _checked(self, look: Look, on: int, t: int) -> None:
        is_nameless = look.role == "toggle button" and look.name is None  # part of a dropdown
        if look.role not in SWITCHES or is_nameless or (look.role == "radio button" and not on):
            return
        if self._deeds.is_recent(t):
            self._act(ElementAct.VALUE_COMMIT, look, t, value="on" if on else "off")

    def _selection_changed(self, look: Look, on: int, t: int) -> None:
        if look.role in LISTS:
            self._wait(t, lambda now_t: self._chosen_row(t))
        if look.role != "combo box" or not self._deeds.is_recent(t):
            return
        if look.toolkit == "Qt":

            def on_count(answer: object, now_t: int) -> None:
                has_entry = atspi.variant(answer) != 1  # beside its list
                self._commit_dropdown(look, None if has_entry else look.name, t)

            self._looker.get(look.element, atspi.ACCESSIBLE, "ChildCount", on_count)
        else:
            self._commit_dropdown(look, look.name if look.toolkit == "gtk" else None, t)

    def _commit_dropdown(self, look: Look, value: str | None, t: int) -> None:
        self._act(ElementAct.VALUE_COMMIT, look, t, value=value, is_named=False)

    def _chosen_in_dropdown(self, item: Look, t: int) -> None:
        """Commit an item that was selected while its dropdown, not the item, has the focus: as Chromium tells it."""
        field = self._focus.field
        is_its = self._focus.element is not None and self._focus.element.bus_name == item.element.bus_name
        if (
            field is None
            or not is_its
            or field.role != "combo box"
            or not (item.states or 0) & atspi.SELECTED
        ):
            return
        if self._deeds.is_recent(t):
            self._tell(
                ElementActed(
                    t=t, act=ElementAct.VALUE_COMMIT, element_id=field.id, role=field.role, pid=field.pid,
                    name=field.name, value=item.name, bounds=field.bounds,
                )
            )  # fmt: skip

    def _chosen_row(self, t: int) -> None:
        """Tell the row that has the focus, where a list only tells that another one is selected."""
        field = self._focus.field
        if field is not None and field.role in ROWS - {"page tab"} and self._deeds.is_recent(t):
            self._tell(
                ElementActed(
                    t=t, act=ElementAct.ITEM_SELECT, element_id=field.id, role=field.role, pid=field.pid,
                    name=field.name, bounds=field.bounds,
                )
            )  # fmt: skip

    def _valued(self, look: Look, on: int, t: int) -> None:
        if look.role not in SCALES or not self._deeds.is_recent(t - STILL_NS):
            return

        def on_value(answer: object, now_t: int) -> None:
            value = atspi.variant(answer)
            if isinstance(value, float | int):
                self._act(ElementAct.VALUE_COMMIT, look, t, value=f"{value:g}")

        self._looker.get(look.element, atspi.VALUE, "CurrentValue", on_value)

    # ---- telling

    def _wait(self, t: int, then: Callable[[int], None]) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((t + JUDGED_NS, then))

    def _act(
        self,
        act: ElementAct,
        look: Look,
        t: int,
        *,
        value: str | None = None,
        is_named: bool = True,
    ) -> None:
        role = look.role or "unknown"
        self._tell(
            ElementActed(
                t=t,
                act=act,
                element_id=self._focus.id_of(look.element),
                role=role,
                pid=look.pid,
                name=look.label if is_named else None,
                value=value,
                bounds=look.bounds,
            )
        )
