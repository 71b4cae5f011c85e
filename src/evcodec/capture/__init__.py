"""The visible recorder: capture from a real desktop, of what a policy lists, while a person sees that it runs.

Needs the extra ``capture``. Data flows one way: sources (``x11``, ``evdev``, ``fields``, ...) observe and decide
nothing; the gate decides, before anything is queued or written; the recorder moves what has passed into a `Writer`.
"""
