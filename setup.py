"""Builds what is in C; everything else is in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["native/build.py:ffibuilder", "ledger/compiled/build.py:ffibuilder"])
