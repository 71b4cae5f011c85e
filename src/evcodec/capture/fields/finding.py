"""Finding the element that has the focus where no event told: when recording begins, when the bus came back."""

from __future__ import annotations

from collections.abc import Callable

from . import atspi
from .atspi import Element
from .bus import Body
from .looking import Looker

MOST_APPLICATIONS = 64
MOST_WINDOWS = 32  # of an application
MOST_CHILDREN = 200  # of an element
MOST_ASKED = 600  # elements in all
# Of Collection.GetMatches: all elements in a set of states, whatever their attributes, roles and interfaces.
RULE = "(aiia{ss}iaiiasib)"
ALL, CANONICAL = 1, 1


class Finder:
    """One search from the registry's root, or from a window, by at most `MOST_ASKED` questions."""

    def __init__(self, looker: Looker, on_found: Callable[[Element, int], None]) -> None:
        self._looker = looker
        self._on_found = on_found
        self._asked = 0
        self._is_over = False

    def stop(self) -> None:
        """Find nothing any more."""
        self._is_over = True

    def search_all(self) -> None:
        """Look into the active windows of all applications."""

        def on_applications(answer: object, now_t: int) -> None:
            for application in atspi.elements(answer, MOST_APPLICATIONS):
                self._children(application, MOST_WINDOWS, self._search_if_active)

        root = Element(atspi.REGISTRY, atspi.ROOT_PATH)
        self._looker.ask(root, atspi.ACCESSIBLE, "GetChildren", on_applications)

    def search_window(self, window: Element) -> None:
        """Look into one window."""
        wanted = atspi.FOCUSED
        rule: Body = ([wanted, 0], ALL, {}, ALL, [0, 0, 0, 0], ALL, [], ALL, False)

        def on_matches(answer: object, now_t: int) -> None:
            found = atspi.elements(answer, MOST_CHILDREN)
            if found:
                self._found(found[-1], now_t)
            elif not isinstance(answer, list):  # GTK 4 and Qt know no Collection
                self._children(window, MOST_CHILDREN, self._descend)

        self._looker.ask(
            window, atspi.COLLECTION, "GetMatches", on_matches, RULE + "uib", (rule, CANONICAL, 10, True)
        )

    def _search_if_active(self, window: Element) -> None:
        def on_states(answer: object, now_t: int) -> None:
            if (atspi.states(answer) or 0) & atspi.ACTIVE:
                self.search_window(window)

        self._looker.ask(window, atspi.ACCESSIBLE, "GetState", on_states)

    def _descend(self, element: Element) -> None:
        def on_states(answer: object, now_t: int) -> None:
            states = atspi.states(answer) or 0
            if states & atspi.FOCUSED:
                self._found(element, now_t)
            elif states & atspi.VISIBLE:
                self._children(element, MOST_CHILDREN, self._descend)

        self._looker.ask(element, atspi.ACCESSIBLE, "GetState", on_states)

    def _children(self, of: Element, most: int, then: Callable[[Element], None]) -> None:
        def on_children(answer: object, now_t: int) -> None:
            for child in atspi.elements(answer, most):
                self._asked += 1
                if self._asked <= MOST_ASKED and not self._is_over:
                    then(child)

        self._looker.ask(of, atspi.ACCESSIBLE, "GetChildren", on_children)

    def _found(self, element: Element, now_t: int) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_found(element, now_t)
