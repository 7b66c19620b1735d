"""golive in a terminal: types keys, reads the screen as a terminal would show it."""
import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

COLUMNS, ROWS = 120, 36
PATIENCE = 120
SEQUENCE = re.compile(r"\x1b\[([?>=!]*)([0-9;]*)([ -/]*[@-~])|\x1b\].*?(?:\x07|\x1b\\)|\x1b[^\[\]]", re.S)


class Terminal:
    """A program in a pseudo-terminal, with just enough of a screen to find words on it."""

    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""
        self.usage = None

    def text(self):
        return "\n".join("".join(row) for row in self.cells)

    def pump(self, seconds):
        """Takes in what comes within `seconds`; whether something came."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            data = b""
        if not data:
            raise EOFError("golive has ended:\n" + self.text())
        self.feed(self.rest + self.decoder.decode(data))
        return True

    def feed(self, text):
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                match = SEQUENCE.match(text, at)
                if not match:
                    break  # The rest of it has not come yet.
                self.control(match)
                at = match.end()
                continue
            at += 1
            if char == "\r":
                self.column = 0
            elif char == "\n":
                self.row = min(self.row + 1, ROWS - 1)
            elif char >= " " and self.column < COLUMNS:
                self.cells[self.row][self.column] = char
                self.column += 1
        self.rest = text[at:]

    def control(self, match):
        end = match[3]
        if end is None or match[1]:
            return
        numbers = [int(number or 0) for number in match[2].split(";")] + [0]
        count = max(1, numbers[0])
        if end == "H":
            self.row = min(count, ROWS) - 1
            self.column = min(max(1, numbers[1]), COLUMNS) - 1
        elif end in "ABCD":
            down, right = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[end]
            self.row = min(max(0, self.row + down * count), ROWS - 1)
            self.column = min(max(0, self.column + right * count), COLUMNS - 1)
        elif end == "J":
            self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        elif end == "K":
            self.cells[self.row][self.column:] = [" "] * (COLUMNS - self.column)
        elif end == "n":
            os.write(self.fd, b"\x1b[%d;%dR" % (self.row + 1, self.column + 1))

    def keys(self, keys):
        os.write(self.fd, keys.encode())

    def until(self, word, seconds=PATIENCE):
        """Seconds until `word` is on screen; None if it is not in time."""
        began = time.monotonic()
        while word not in self.text():
            left = seconds - (time.monotonic() - began)
            if left <= 0:
                return None
            self.pump(min(left, 1))
        return time.monotonic() - began

    def press_until(self, key, word):
        """Types until `word` is on screen: keys are dead for a moment after a dialog opens."""
        for _ in range(PATIENCE):
            self.keys(key)
            if self.until(word, 0.7) is not None:
                return
        raise SystemExit(f"{key!r} never led to {word!r}:\n{self.text()}")

    def end(self):
        """Waits for the end; gives back the exit code and the most memory it ever had, in MB."""
        try:
            while True:
                self.pump(1)
        except EOFError:
            pass
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024
