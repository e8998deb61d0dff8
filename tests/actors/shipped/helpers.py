"""A second module of the user's, imported by cases.py."""

import threading

LIMIT = 7
SHARED = {"people": []}
LOCK = threading.Lock()  # only a problem for those who use it

counter = 0


def double(number):
    return number * 2


def join(person):
    SHARED["people"].append(person)


def people():
    return SHARED["people"]


def bump():
    global counter
    counter += 1


def count():
    return counter


def locked():
    with LOCK:
        return LIMIT


class Base:
    def greet(self):
        return "base"
