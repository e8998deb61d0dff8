"""Who comes and goes: prints births, moves and deaths of actors, until it is interrupted.

python examples/watching.py "mr-*"
"""

import argparse
import sys

import stractory


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pattern", nargs="?", default="*", help="of their names, as in a shell")
    pattern = parser.parse_args().pattern
    with stractory.client() as strac:
        for change in strac.watch(pattern):
            why = f" ({change.reason})" if change.reason else f" on {change.actor.worker}"
            print(f"{change.name} {change.kind}{why}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except stractory.StractoryError as error:
        sys.exit(f"watching: {error}")
