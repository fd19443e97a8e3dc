"""Harnesses that open made-up input as a command does, and assert what the command promises."""
