"""A live encoder: one child process encodes the sound that anybody plays, and all who listen get its output.

In some terminals   python examples/encoder.py listen > heard.mp3
in another          arecord -t raw -f S16_LE -r 8000 | python examples/encoder.py play

It is ffmpeg or sox where there is one (apt-get install ffmpeg), else gzip; a last word chooses: listen gzip
"""

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
    found = [name for name in ENCODERS if shutil.which(name)]
    match [*sys.argv[1:], *found]:
        case [use, program, *_] if use in uses and program in ENCODERS:
            definition = stractory.spawn("sh", ["-c", ENCODERS[program]])
        case _:
            sys.exit(__doc__)
    with stractory.client(background=True) as strac:
        strac.create(f"encoder.{program}", definition, if_exists="get")
        uses[use](strac.get(f"encoder.{program}"))


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"encoder: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
