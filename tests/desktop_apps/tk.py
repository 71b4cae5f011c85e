"""Tk, which has no accessibility: two entries, a password entry, a menu and a combo box. Arguments: title, class."""

import sys
import tkinter
from tkinter import ttk

from telling import acts, tell

title, name = sys.argv[1:3]
window = tkinter.Tk(className=name.title())
window.title(title)
bar = tkinter.Menu(window)
menu = tkinter.Menu(bar, tearoff=False)
for label in ("Open", "Save", "Export"):
    menu.add_command(label=label, command=lambda label=label: (acts.append(label), show()))
bar.add_cascade(label="File", menu=menu)
window.config(menu=bar)
elements = {
    "entry": tkinter.Entry(window, width=40),
    "password": tkinter.Entry(window, width=40, show="*"),
    "second": tkinter.Entry(window, width=40),
    "combo": ttk.Combobox(window, values=["Red", "Green", "Blue"], state="readonly"),
}
for element in elements.values():
    element.pack(padx=4, pady=4)


def show():
    # On the screen, as Tk's menu bar lies in a window around this one.
    boxes = {
        key: [e.winfo_rootx(), e.winfo_rooty(), e.winfo_width(), e.winfo_height()]
        for key, e in elements.items()
    }
    boxes["menu"] = [window.winfo_rootx(), window.winfo_rooty() - 22, 40, 20]
    values = {key: elements[key].get() for key in ("entry", "second", "combo")}
    values["password"] = len(elements["password"].get())
    focus = window.focus_displayof()
    tell(boxes, values, next((key for key, element in elements.items() if element is focus), None))


def again():
    show()
    window.after(20, again)


elements["entry"].focus_set()
window.after(20, again)
window.mainloop()
