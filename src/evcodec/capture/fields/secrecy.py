"""Whether a field holds a secret: decided from what its application tells, and closed where that is not enough.

| what has the focus | secrecy | why |
|---|---|---|
| role ``password text`` | SECURE | said so |
| any element that was SECURE once | SECURE | "show password" makes a plain entry of it, with the same secret in it |
| attribute ``text-input-type`` is ``password`` | SECURE | browsers tell the type beside the role |
| what can be edited, with a label that speaks of a password, a PIN, ... | SECURE | pages mask plain entries themselves |
| the role or the states are not known, the element is gone, or says that it has no focus | UNKNOWN | |
| ``text``, ``entry``, ``spin button`` and the like | PLAIN | |
| ``text``, ``entry`` of one line in GTK 4 or of no known toolkit | UNKNOWN | GTK 4 tells a GtkPasswordEntry, no other |
| ``terminal`` | UNKNOWN | a question for a password looks like any other |
| text that can be edited in a page (``section``, ``paragraph``, ...) | PLAIN | |
| an editable element of another role | UNKNOWN | |
| buttons, boxes to check, menus, lists, tabs, sliders, links, cells | PLAIN | keys are commands there, or find an item |
| documents, windows, panels, canvases, all other roles | UNKNOWN | a script or the application itself may take the keys |

What this cannot see: an entry that a page masks by a style of its own, with a label that does not say so.
"""

from __future__ import annotations

import re

from ..model import Secrecy
from . import atspi

ENTRIES = frozenset({"text", "entry", "autocomplete", "editbar", "spin button", "date editor", "combo box"})
# Of pages: what a document holds may be made editable as it is.
PROSE = frozenset(
    """article, block quote, caption, comment, definition, description term, description value, document email,
    document frame, document text, document web, footnote, form, grouping, heading, html container, label, landmark,
    list item, panel, paragraph, section, static, table cell, tree item""".replace("\n   ", "").split(", ")
)
COMMANDS = frozenset(
    """check box, check menu item, color chooser, column header, desktop icon, dial, icon, link, list, list box, list item,
    menu, menu bar, menu item, page tab, page tab list, popup menu, push button, push button menu, radio button,
    radio menu item, rating, row header, scroll bar, separator, slider, split pane, switch, table, table cell,
    table column header, table row, table row header, tearoff menu item, toggle button, tool bar, tree, tree item,
    tree table""".replace("\n   ", "").split(", ")
)
SECRET_WORDS = re.compile(
    r"passw|passphrase|passcode|pass phrase|kennwort|mot de passe|contrase|senha|parola|wachtwoord|lösenord|hasł|парол"
    r"|密码|パスワード|암호|(?<![a-z])(?:secret|pin|cvv|cvc|cvc2|otp|tan)(?![a-z])",
    re.IGNORECASE,
)


# Of these GTK 3 says that they have the focus, and gives them the state "selected" instead.
SELECTABLE = frozenset({"menu", "menu item", "check menu item", "radio menu item", "page tab"})


def has_focus(role: str | None, states: int | None) -> bool:
    """Tell whether these states are those of an element that has the focus."""
    wanted = atspi.FOCUSED | (atspi.SELECTED if role in SELECTABLE else 0)
    return states is not None and bool(states & wanted)


def secrecy_of(
    role: str,
    states: int | None,
    *,
    toolkit: str = "",
    input_type: str | None = None,
    label: str | None = None,
    was_secure: bool = False,
) -> Secrecy:
    """Return what is known of an element, by the table above.

    Parameters
    ----------
    role : str
        AT-SPI's name of it.
    states : int or None
        The bits of its states.
    toolkit : str
        As the application names what it is made with: ``gtk`` (3), ``GTK`` (4), ``Qt``, ``Chromium``, ...; empty: not told.
    input_type : str, optional
        The attribute ``text-input-type``.
    label : str, optional
        Its name.
    was_secure : bool
        Whether it was SECURE before.

    Returns
    -------
    Secrecy
        SECURE and PLAIN only where the application has told so.
    """
    if was_secure or role == "password text" or input_type == "password":
        return Secrecy.SECURE
    if states is None or states & atspi.DEFUNCT or not has_focus(role, states):
        return Secrecy.UNKNOWN
    is_editable = bool(states & atspi.EDITABLE)
    if (is_editable or role in ENTRIES) and label is not None and SECRET_WORDS.search(label):
        return Secrecy.SECURE
    if role in ENTRIES:
        can_hide = role in ("text", "entry") and not states & atspi.MULTI_LINE
        return Secrecy.UNKNOWN if can_hide and toolkit in ("", "GTK") else Secrecy.PLAIN
    if is_editable:
        return Secrecy.PLAIN if role in PROSE else Secrecy.UNKNOWN
    return Secrecy.PLAIN if role in COMMANDS else Secrecy.UNKNOWN
