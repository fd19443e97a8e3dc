"""Text from files and names of others as a terminal shows it: characters that steer a terminal are written out."""

from __future__ import annotations

import io
import os
import sys
import unicodedata

import click

LONGEST_MESSAGE = 2000  # bytes
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, direction and other formats, lone surrogates, line separators
HARMLESS = "\u00ad\u200c\u200d"  # soft hyphen, zero-width joiners: a part of words and of emoji


def printable(text: object) -> str:
    """On one line: control and bidirectional characters as `\\x1b` or `\\u202e`."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(_escaped(sign) if unicodedata.category(sign) in STEERING else sign for sign in text)


def printable_lines(text: str) -> str:
    """The same, but line breaks and tabs stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join("\t".join(printable(part) for part in line.split("\t")) for line in text.split("\n"))


def message(text: str) -> str:
    """A message of several lines with what it quotes escaped; of a very long one begin and end, where the remedy is."""
    content = printable_lines(text).encode("utf-8", "backslashreplace")
    if len(content) <= LONGEST_MESSAGE:
        return content.decode()
    begin, end = content[: LONGEST_MESSAGE * 2 // 3], content[-LONGEST_MESSAGE // 4 :]
    left_out = len(content) - len(begin) - len(end)
    return f"{begin.decode(errors='ignore')} ... ({left_out} bytes left out) ... {end.decode(errors='ignore')}"


def echo(text: str) -> None:
    """Print for people."""
    click.echo(printable_lines(text))


def echo_data(text: str) -> None:
    """Print for programs: exactly, unless it goes to a terminal."""
    click.echo(printable_lines(text) if sys.stdout.isatty() else text, nl=False)


def complain(text: str) -> None:
    """A message to standard error."""
    click.echo(f"mlphys: {message(text)}", err=True)


def open_streams() -> None:
    """Make standard input, output and error such that they can be used.

    A closed one becomes the null device: the next file that is opened would have its number, and get what is printed.
    Characters that an old terminal lacks are escaped.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest free number: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up(stream: object) -> None:
    """Let what is still to be written to a stream that takes nothing go nowhere: at exit it would fail again."""
    if isinstance(stream, io.TextIOWrapper):
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except OSError:  # a stream of a test, without a file
            return


def _escaped(sign: str) -> str:
    return sign if sign in HARMLESS else sign.encode("unicode_escape").decode()
