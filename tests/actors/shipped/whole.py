"""A module of the user's that is used as a whole: ``import whole``."""

import json

VALUES = [1, 2]
calls = 0


def call():
    global calls
    calls += 1
    return json.dumps(VALUES)
