"""GTK 4: two entries, a password entry, a menu button and a drop-down. Arguments: title, class of the window."""

import sys

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, Gtk  # noqa: E402
from telling import acts, tell  # noqa: E402

title, name = sys.argv[1:3]
GLib.set_prgname(name)
Gtk.init()
loop = GLib.MainLoop()
# Without a decoration of its own, the window is what is inside of it.
window = Gtk.Window(title=title, default_width=420, decorated=False)
column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
model = Gio.Menu()
actions = Gio.SimpleActionGroup()
for label in ("Open", "Save", "Export"):
    action = Gio.SimpleAction.new(label.lower(), None)
    action.connect("activate", lambda action, _: (acts.append(action.get_name().title()), show()))
    actions.add_action(action)
    model.append(label, f"app.{label.lower()}")
window.insert_action_group("app", actions)
elements = {
    "menu": Gtk.MenuButton(label="File", menu_model=model),
    "entry": Gtk.Entry(),
    "password": Gtk.PasswordEntry(),
    "second": Gtk.Entry(),
    "combo": Gtk.DropDown.new_from_strings(["Red", "Green", "Blue"]),
}
for element in elements.values():
    column.append(element)
window.set_child(column)


def show(*_):
    boxes = {}
    for key, element in elements.items():
        found, bounds = element.compute_bounds(window)
        if found:
            boxes[key] = [
                round(n) for n in (bounds.origin.x, bounds.origin.y, bounds.size.width, bounds.size.height)
            ]
    values = {key: elements[key].get_text() for key in ("entry", "second")}
    values["password"] = len(elements["password"].get_text())
    chosen = elements["combo"].get_selected_item()
    values["combo"] = chosen.get_string() if chosen else None
    focus = window.get_focus() if window.is_active() else None
    found = [
        key for key, element in elements.items() if focus and (focus is element or focus.is_ancestor(element))
    ]
    tell(boxes, values, found[0] if found else None, elements["menu"].get_popover().get_mapped())
    return True


for key in ("entry", "password", "second"):
    elements[key].connect("changed", show)
elements["combo"].connect("notify::selected", show)
window.connect("notify::focus-widget", show)
window.connect("notify::is-active", show)
window.connect("close-request", lambda *_: loop.quit())
window.present()
elements["entry"].grab_focus()
GLib.timeout_add(50, show)
loop.run()
