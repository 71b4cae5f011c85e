"""GTK 3: a box to check, two radio buttons, a scale, a notebook and a list. Arguments: title, class of the window."""

import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GLib, Gtk  # noqa: E402
from telling import tell  # noqa: E402

title, name = sys.argv[1:3]
GLib.set_prgname(name)
window = Gtk.Window(title=title, default_width=300)
column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
one = Gtk.RadioButton(label="one")
book = Gtk.Notebook()
for label in ("first tab", "second tab"):
    book.append_page(Gtk.Label(label=label), Gtk.Label(label=label))
rows = Gtk.ListBox()
for label in ("first row", "second row"):
    row = Gtk.ListBoxRow()
    row.add(Gtk.Label(label=label))
    row.get_accessible().set_name(label)
    rows.add(row)
elements = {
    "check": Gtk.CheckButton(label="agree"),
    "one": one,
    "two": Gtk.RadioButton.new_with_label_from_widget(one, "two"),
    "scale": Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0, 10, 1),
    "book": book,
    "rows": rows,
}
for element in elements.values():
    column.pack_start(element, False, False, 4)
window.add(column)


def show(*_):
    boxes = {}
    for key, element in elements.items():
        corner = element.translate_coordinates(window, 0, 0)
        if corner:
            space = element.get_allocation()
            boxes[key] = [*corner, space.width, space.height]
    focus = window.get_focus() if window.is_active() else None
    found = [
        key for key, element in elements.items() if focus and (focus is element or focus.is_ancestor(element))
    ]
    tell(boxes, {"scale": elements["scale"].get_value()}, found[0] if found else None)
    return True


window.connect("destroy", Gtk.main_quit)
window.show_all()
elements["check"].grab_focus()
GLib.timeout_add(50, show)
Gtk.main()
