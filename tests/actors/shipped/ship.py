"""Ship everything in cases.py and here into the file named on the command line: name -> code."""

import sys

import cases
import msgpack

from stractory.actors.code import ship

GREETING = "hello"
total = 0


class Main:
    def greet(self):
        return GREETING


def add(number):
    global total
    total += number


def main_script():
    add(2)
    add(3)
    assert total == 5 and Main().greet() == "hello" and __name__ == "__main__"


class Callable:
    def __call__(self):
        assert Main().greet() == "hello"


executed = {"__name__": "never_imported"}
program = "base = 4\ndef power(n): return base ** n\ndef run(): assert power(2) == 16"
exec(program, executed)  # noqa: S102  # code of no module is what travels here


def shipments():
    for name, function in vars(cases).items():
        if name.startswith("case_"):
            yield name, function
    yield "main_script", main_script
    yield "main_instance", Callable()
    yield "main_lambda", lambda: main_script()
    yield "exec", executed["run"]


if __name__ == "__main__":
    codes = {name: ship(function, "init").to_wire() for name, function in shipments()}
    assert codes["main_script"] == ship(main_script, "init").to_wire()
    with open(sys.argv[1], "wb") as out:
        out.write(msgpack.packb(codes))
