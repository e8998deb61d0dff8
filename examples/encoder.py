"""A live encoder: one child process encodes the sound that anybody plays, and all who listen get its output.

In some terminals   python examples/encoder.py listen > heard.mp3
in another          arecord -t raw -f S16_LE -r 8000 | python examples/encoder.py play

It is ffmpeg or sox where there is one (apt-get install ffmpeg), else gzip; a last word chooses: listen gzip
"""

import argparse
import shutil
import sys
import threading
from contextlib import suppress

import stractory

ENCODERS = {  # for a shell
    "ffmpeg": "exec ffmpeg -v error -f s16le -ar 8000 -ac 1 -i - -flush_packets 1 -f mp3 -",
    "sox": "exec sox --buffer 1024 -t raw -e signed -b 16 -c 1 -r 8000 - -t au -e mu-law -",
    # Each second of sound is a gzip file of its own; such files in a row are one too, whenever they begin.
    "gzip": "while head -c 16000 | gzip; do :; done",
}


def listen(encoder):
    print("Listening.", file=sys.stderr)
    for data in encoder:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def play(encoder):
    threading.Thread(target=discard, args=[encoder], daemon=True).start()
    while sound := sys.stdin.buffer.read1():
        encoder.sendall(sound)


def discard(encoder):
    """A client gets the output, want it or not; one that takes nothing is given up."""
    with suppress(OSError):  # it ends with the connection
        for _data in encoder:
            pass


def main():
    uses = {"listen": listen, "play": play}
    found = next((name for name in ENCODERS if shutil.which(name)), "gzip")
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("use", choices=uses)
    usage.add_argument("program", choices=ENCODERS, nargs="?", default=found)
    given = usage.parse_args()
    definition = stractory.spawn("sh", ["-c", ENCODERS[given.program]])
    with stractory.client(background=True) as strac:
        strac.create(f"encoder.{given.program}", definition, if_exists="get")
        uses[given.use](strac.get(f"encoder.{given.program}"))


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"encoder: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
