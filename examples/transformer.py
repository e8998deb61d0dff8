"""Words, transformed: an rpc actor with options, and a client of its own that makes it a plain function.

python examples/transformer.py beep steam "a queue"
"""

import argparse
import re
import sys

import stractory


def transformer(options):
    def transform(text):
        return re.sub("[aeiou]{2,}", options["replacement"], text).upper()

    return {"transform": transform}


@stractory.wrapper("transformer")  # by its name every program that has this code can use it
class Transformer:
    def __init__(self, actor, options):
        self.actor = actor
        self.replacement = options["replacement"]

    def __call__(self, text):
        return self.actor.transform(text)


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("text", nargs="*", default=["beep"])
    texts = usage.parse_args().text
    definition = stractory.rpc(transformer, options={"replacement": "oo"}, client="transformer")
    with stractory.client() as strac:
        strac.create("transformer", definition, if_exists="get")
        transform = strac.get("transformer")
        for text in texts:
            print(text, "->", transform(text))


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"transformer: {error}")
