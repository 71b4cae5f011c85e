"""Qt 5: two entries, a password entry, a menu and a combo box. Arguments: title, class of the window."""

import sys

from PyQt5.QtCore import QPoint, QTimer
from PyQt5.QtWidgets import QApplication, QComboBox, QLineEdit, QMainWindow, QVBoxLayout, QWidget
from telling import acts, tell

title, name = sys.argv[1:3]
application = QApplication([name])
window = QMainWindow()
window.setWindowTitle(title)
window.resize(420, 240)
menu = window.menuBar().addMenu("File")
for label in ("Open", "Save", "Export"):
    menu.addAction(label, lambda label=label: (acts.append(label), show()))
elements = {"entry": QLineEdit(), "password": QLineEdit(), "second": QLineEdit(), "combo": QComboBox()}
elements["password"].setEchoMode(QLineEdit.Password)
elements["combo"].addItems(["Red", "Green", "Blue"])
inside = QWidget()
column = QVBoxLayout(inside)
for element in elements.values():
    column.addWidget(element)
window.setCentralWidget(inside)


def show(*_):
    boxes = {}
    for key, element in elements.items():
        corner = element.mapTo(window, QPoint(0, 0))
        boxes[key] = [corner.x(), corner.y(), element.width(), element.height()]
    place = window.menuBar().actionGeometry(menu.menuAction())
    boxes["menu"] = [place.x(), place.y(), place.width(), place.height()]
    values = {key: elements[key].text() for key in ("entry", "second")}
    values["password"] = len(elements["password"].text())
    values["combo"] = elements["combo"].currentText()
    focus = application.focusWidget() if window.isActiveWindow() else None
    tell(
        boxes,
        values,
        next((key for key, element in elements.items() if element is focus), None),
        menu.isVisible(),
    )


for key in ("entry", "password", "second"):
    elements[key].textChanged.connect(show)
elements["combo"].currentTextChanged.connect(show)
application.focusChanged.connect(show)
window.show()
elements["entry"].setFocus()
timer = QTimer()
timer.timeout.connect(show)
timer.start(50)
sys.exit(application.exec_())
