"""What a daemon runs at its start when this folder is on its PYTHONPATH: a look inside, and a clock to move.

``FAULTS_CLOCK`` names a file with the seconds by which the wall clock is wrong. SIGUSR1 has the number of
green threads written to a file PID.green in the folder ``FAULTS_GAUGES``.
"""

import os
import time

if clock := os.environ.get("FAULTS_CLOCK"):
    _real_time = time.time

    def _wrong_time() -> float:
        with open(clock) as file:
            return _real_time() + float(file.read())

    time.time = _wrong_time

if gauges := os.environ.get("FAULTS_GAUGES"):
    import signal

    def _write(number: int, frame: object) -> None:
        import gc

        from greenlet import greenlet

        count = sum(isinstance(each, greenlet) and not each.dead for each in gc.get_objects())
        with open(os.path.join(gauges, f"{os.getpid()}.green"), "w") as file:
            file.write(str(count))

    signal.signal(signal.SIGUSR1, _write)
