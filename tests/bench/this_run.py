"""On what a measurement is made: the lines that benches of log and index print first."""

import os
import platform
import sqlite3
import sys

import sqlalchemy

from web.cli.machine import describe_machine


def print_run() -> None:
    """Machine, versions and command."""
    machine = describe_machine()
    print(f"machine: {machine.processor}, {machine.cores} CPUs, load {os.getloadavg()[0]:.1f}, {machine.system}")
    print(f"versions: Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, ", end="")
    print(f"SQLite {sqlite3.sqlite_version}")
    print(f"command: python {' '.join(sys.argv)}", flush=True)
