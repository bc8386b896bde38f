"""Compiles the allocation, where AMPYARD_COMPILE=1 asks for it; all else about the package stands in setup.cfg.

The sources are the same: mypyc translates them to C. Only a wheel is ever compiled (`pip install .` makes one too),
never an editable install, where a compiled module would hide its source.
"""

import os
import sys

from setuptools import setup

MYPY = "mypy>=2.4,<2.5"
MODULES = ("request", "admission", "swaps", "filling", "rounding", "sharing", "urgency")


def main() -> None:
    if os.environ.get("AMPYARD_COMPILE") != "1":
        setup()
    elif "bdist_wheel" not in sys.argv:
        setup(setup_requires=[MYPY])
    else:
        from mypyc.build import mypycify  # there only for a build that asks for it

        paths = [f"controller/allocation/{name}.py" for name in MODULES]
        options = ["--config-file=", "--explicit-package-bases", "--follow-imports=silent", "--cache-dir=/dev/null"]
        modules = mypycify([*options, *paths], opt_level="3", group_name="ampyard")
        for module in modules:
            module.extra_compile_args.append("-fvisibility=hidden")  # calls within the library are direct: 5 %
        setup(ext_modules=modules)


main()
