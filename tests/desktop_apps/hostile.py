"""A peer on the accessibility bus that says it has the focus, and answers as its argument says."""

import os
import sys
import threading
import time

from jeepney import (
    DBusAddress,
    HeaderFields,
    MessageType,
    new_error,
    new_method_call,
    new_method_return,
    new_signal,
)
from jeepney.io.blocking import open_dbus_connection

what = sys.argv[1]
session = open_dbus_connection(bus=os.environ["DBUS_SESSION_BUS_ADDRESS"])
place = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
address = session.send_and_get_reply(new_method_call(place, "GetAddress")).body[0]
bus = open_dbus_connection(bus=address)
PATH = "/hostile/1"
ENTRY = [1 << 7 | 1 << 12 | 1 << 25 | 1 << 30, 0]  # editable, focused, showing, visible


def focus(path=PATH, on=1, detail="focused"):
    event = DBusAddress(path, interface="org.a11y.atspi.Event.Object")
    bus.send(
        new_signal(event, "StateChanged", "siiv(so)", (detail, on, 0, ("i", 0), (bus.unique_name, path)))
    )


def answer(message):
    fields = message.header.fields
    member, path = fields[HeaderFields.member], fields[HeaderFields.path]
    if what == "silence":
        return None
    if what == "garbage":
        return new_method_return(message, "a{sv}", ({"x": ("as", ["y"])},))
    if what == "huge":
        return new_method_return(message, "s", ("x" * (9 << 20),))
    if member == "GetRole":
        return new_method_return(message, "u", (61,))
    if member == "GetState":
        return new_method_return(message, "au", (ENTRY,))
    if member == "Get" and message.body[1] == "Parent":
        number = int(path.rpartition("/")[2]) if path[-1].isdigit() else 1
        above = f"/hostile/{number + 1 if what == 'endless' else 3 - number}"
        return new_method_return(message, "v", (("(so)", (bus.unique_name, above)),))
    if member == "Get":
        return new_method_return(message, "v", (("s", "name " * 1000),))
    return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod")


def serve():
    while True:
        message = bus.receive()
        if message.header.message_type is MessageType.method_call:
            reply = answer(message)
            if reply is not None:
                bus.send(reply)


focus()
if what == "flood":
    for event in range(10**9):
        focus(f"/hostile/{event}")
        focus(f"/hostile/{event}", detail="checked" * 100)
threading.Thread(target=serve, daemon=True).start()
while os.getppid() != 1:
    time.sleep(0.2)
