"""Imported by the launchers in bin/ before all else: importing it has gevent patch the process."""

from __future__ import annotations

from gevent import events, monkey

# For each module that gevent patches it would look through all installed packages for plugins of its own,
# of which we know none: that took longer than all else in a start.
events.notify_and_call_entry_points = events.notify  # type: ignore[attr-defined]  # the stubs lack both

monkey.patch_all()
