#!/usr/bin/env python3
"""Runs a command on a terminal of its own and goes through steps, as a person would.

    terminal.py [--size ROWSxCOLS] STEP... -- COMMAND...

    expect=REGEX     until the output that was not looked at yet has it (the match is consumed)
    send=TEXT        typed; Python's escapes: \\r \\x03
    size=ROWSxCOLS   the window changes its size
    raw | cooked     until the terminal is in that mode
    kill=NAME        sends the command a signal
    hangup           closes the terminal, as a window that is closed; the command's end is waited for
    exit=N           until the command ends; its exit code must be N
    restored         the terminal's settings must be those of the beginning

Each step has 10 seconds. Prints the whole output; what went wrong is on standard error, exit code 1.
"""
import fcntl
import os
import pty as pseudo_terminal
import re
import select
import signal
import struct
import sys
import termios
import time

STEP_SECONDS = 10


class Failure(Exception):
    pass


class Terminal:
    def __init__(self, command, size):
        # The command waits until the terminal has its size.
        gate_out, gate_in = os.pipe()
        self.pid, self.master = pseudo_terminal.fork()
        if self.pid == 0:
            os.read(gate_out, 1)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvp(command[0], command)
        self.resize(size)
        self.before = termios.tcgetattr(self.master)
        os.write(gate_in, b".")
        os.close(gate_in)
        os.close(gate_out)
        self.seen, self.all, self.status = b"", b"", None

    def resize(self, size):
        rows, columns = map(int, size.split("x"))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Takes what is there; False at the end."""
        if self.master < 0 or not select.select([self.master], [], [], seconds)[0]:
            return self.master >= 0
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the last one closed the other side
            return False
        self.seen += data
        self.all += data
        return bool(data)

    def until(self, what, is_done):
        end = time.monotonic() + STEP_SECONDS
        while not is_done():
            if time.monotonic() > end:
                raise Failure("%s: not within %d s; not looked at yet: %r" % (what, STEP_SECONDS, self.seen))
            if not self.read(0.02) and self.has_ended():
                if is_done():
                    return
                raise Failure("%s: the command ended (%s) before; not looked at yet: %r"
                              % (what, self.status, self.seen))

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.005)
        return self.status is not None

    def expect(self, regex):
        found = []

        def look():
            m = re.search(regex.encode(), self.seen)
            if m:
                found.append(m)
            return bool(m)

        self.until("expect=" + regex, look)
        self.seen = self.seen[found[0].end():]

    def is_raw(self):
        return not termios.tcgetattr(self.master)[3] & (termios.ICANON | termios.ECHO)

    def finish(self):
        """Waits for the end; what is still written is kept."""
        self.until("the end", self.has_ended)
        while self.read(0) and select.select([self.master], [], [], 0)[0]:
            pass

    def step(self, step):
        name, _, value = step.partition("=")
        if name == "expect":
            self.expect(value)
        elif name == "send":
            os.write(self.master, value.encode().decode("unicode_escape").encode("latin-1"))
        elif name == "size":
            self.resize(value)
        elif name in ("raw", "cooked"):
            self.until(name, lambda: self.is_raw() == (name == "raw"))
        elif name == "kill":
            os.kill(self.pid, getattr(signal, "SIG" + value))
        elif name == "hangup":
            os.close(self.master)
            self.master = -1
            self.until("the end after hangup", self.has_ended)
        elif name == "exit":
            self.finish()
            if self.status != int(value):
                raise Failure("exit code %s instead of %s" % (self.status, value))
        elif name == "restored":
            if termios.tcgetattr(self.master) != self.before:
                raise Failure("the terminal's settings are not restored")
        else:
            raise Failure("no step '%s'" % step)


def main():
    args, size = sys.argv[1:], "24x80"
    if args[0] == "--size":
        size, args = args[1], args[2:]
    at = args.index("--")
    t, code = Terminal(args[at + 1:], size), 0
    try:
        for step in args[:at]:
            t.step(step)
    except Failure as e:
        print("terminal.py: %s" % e, file=sys.stderr)
        code = 1
    if t.status is None:
        os.kill(t.pid, signal.SIGKILL)
        os.waitpid(t.pid, 0)
    sys.stdout.flush()
    sys.stdout.buffer.write(t.all)
    return code


sys.exit(main())
