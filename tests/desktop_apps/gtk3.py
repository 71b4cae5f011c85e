"""GTK 3: two entries, a password entry, a menu and a combo box. Arguments: title, class of the window."""

import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402
from telling import acts, tell  # noqa: E402

title, name = sys.argv[1:3]
GLib.set_prgname(name)
window = Gtk.Window(title=title, default_width=420)
column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
bar = Gtk.MenuBar()
file_item = Gtk.MenuItem(label="File")
menu = Gtk.Menu()
for label in ("Open", "Save", "Export"):
    item = Gtk.MenuItem(label=label)
    item.connect("activate", lambda item: (acts.append(item.get_label()), show()))
    menu.append(item)
file_item.set_submenu(menu)
bar.append(file_item)
combo = Gtk.ComboBoxText()
for label in ("Red", "Green", "Blue"):
    combo.append_text(label)
elements = {
    "menu": file_item,
    "entry": Gtk.Entry(),
    "password": Gtk.Entry(visibility=False, input_purpose=Gtk.InputPurpose.PASSWORD),
    "second": Gtk.Entry(),
    "combo": combo,
}
for element in (bar, *list(elements.values())[1:]):
    column.pack_start(element, False, False, 0)
window.add(column)


def show(*_):
    boxes = {}
    for key, element in elements.items():
        corner = element.translate_coordinates(window, 0, 0)
        if corner:
            space = element.get_allocation()
            boxes[key] = [*corner, space.width, space.height]
    values = {key: elements[key].get_text() for key in ("entry", "second")}
    values["password"] = len(elements["password"].get_text())
    values["combo"] = combo.get_active_text()
    # The focused element may be inside of one: the button of the combo box.
    focus = window.get_focus() if window.is_active() else None
    found = [
        key for key, element in elements.items() if focus and (focus is element or focus.is_ancestor(element))
    ]
    tell(boxes, values, found[0] if found else None, menu.get_mapped())
    return True


for key in ("entry", "password", "second", "combo"):
    elements[key].connect("changed", show)
window.connect("set-focus", lambda *_: GLib.idle_add(lambda: show() and False))
window.connect("notify::is-active", show)


def on_key(_, event):
    if event.keyval == Gdk.KEY_F9:  # shows the password, or hides it
        elements["password"].set_visibility(not elements["password"].get_visibility())


window.connect("key-press-event", on_key)
window.connect("destroy", Gtk.main_quit)
window.show_all()
elements["entry"].grab_focus()
GLib.timeout_add(50, show)
Gtk.main()
