"""Load and call every code of the file named on the command line; print name -> "" or traceback, as JSON."""

import json
import sys
import traceback

import msgpack

from stractory.actors.code import load
from stractory.wire.shipping import Code


def outcome(fields):
    try:
        load(Code.from_wire(fields))()
    except BaseException:
        return traceback.format_exc()
    return ""


with open(sys.argv[1], "rb") as file:
    codes = msgpack.unpackb(file.read())
print(json.dumps({name: outcome(fields) for name, fields in codes.items()}))
