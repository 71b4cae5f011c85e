"""The notice as text in a window: the same in the consent window and behind "What is recorded" of the indicator."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk

from .notice import Notice
from .toolkit import Scale


def sections(notice: Notice) -> list[tuple[str, list[str]]]:
    """Return headings with their lines."""
    applications = []
    for one in notice.applications:
        applications.append(f"{one.name}\n    keys: {one.keys}; titles: {one.titles}")
        applications[-1] += "".join(f"\n    {remark}" for remark in one.remarks)
    until = f", until {notice.retention_until}" if notice.retention_until else ""
    return [
        ("What for", [notice.purpose]),
        ("Who gets it", list(notice.recipients) or ["the policy names nobody"]),
        ("What is recorded", list(notice.columns)),
        (
            "Where: in these applications, nowhere else",
            applications or ["in none: the policy lists no application"],
        ),
        ("How long it is kept", [f"{notice.retention}{until}"]),
        (
            "Pausing",
            [
                f"{notice.hotkey}, or Pause on the bar at the top of the screen. No reason is needed or asked for. "
                "While paused, nothing is recorded. Stop ends the recording."
            ],
        ),
        *([("Also", list(notice.remarks))] if notice.remarks else []),
        (
            "Papers",
            [
                f"File: {notice.file}",
                f"Notice: {notice.notice_id}",
                f"Policy: {notice.policy_digest}",
            ],
        ),
    ]


def show(parent: tk.Misc, notice: Notice, scale: Scale) -> tk.Text:
    """Return a text, in a frame that scrolls, that is packed into ``parent`` and takes the keys that scroll."""
    holder = tk.Frame(parent, bg="white", highlightthickness=scale(1), highlightbackground="#9a9aa4")
    bar = ttk.Scrollbar(holder, orient="vertical", takefocus=False)
    text = tk.Text(
        holder,
        wrap="word",
        font=scale.font(15),
        bg="white",
        fg="#101014",
        relief="flat",
        padx=scale(16),
        pady=scale(10),
        width=10,
        height=4,
        yscrollcommand=bar.set,
        highlightthickness=scale(2),
        highlightbackground="white",
        highlightcolor="#2a62c9",
        cursor="arrow",
    )
    bar.configure(command=text.yview)
    text.tag_configure("heading", font=scale.font(15, bold=True), spacing1=scale(8), spacing3=scale(2))
    indent = scale(18)
    text.tag_configure("line", lmargin1=indent, lmargin2=2 * indent, spacing3=scale(2))
    for heading, lines in sections(notice):
        text.insert("end", f"{heading}\n", "heading")
        for line in lines:
            text.insert("end", f"{line}\n", "line")
    text.delete("end - 1 char")
    text.configure(state="disabled")
    # A disabled text has keys that scroll, and lets Tab pass only when told to.
    for key, count in (("<Up>", -1), ("<Down>", 1)):
        text.bind(key, lambda _event, n=count: text.yview_scroll(n, "units") or "break")  # type: ignore[misc]
    for key, count in (("<Prior>", -1), ("<Next>", 1)):
        text.bind(key, lambda _event, n=count: text.yview_scroll(n, "pages") or "break")  # type: ignore[misc]
    text.bind("<Home>", lambda _event: text.yview_moveto(0) or "break")  # type: ignore[func-returns-value]
    text.bind("<End>", lambda _event: text.yview_moveto(1) or "break")  # type: ignore[func-returns-value]
    bar.pack(side="right", fill="y")
    text.pack(side="left", fill="both", expand=True)
    holder.pack(side="top", fill="both", expand=True)
    return text
