"""What valgrind's callgrind has counted, read from its profile."""

import re


def total(profile):
    """Instructions of everything that was collected; 0 where nothing was."""
    found = re.search(r"^totals: (\d+)", profile, re.M)
    return int(found.group(1)) if found else 0


def called(profile, name):
    """How often functions of this name were called, and the instructions within."""
    names, calls, instructions = {}, 0, 0
    lines = iter(profile.splitlines())
    is_it = False
    for line in lines:
        if found := re.match(r"c?fn=\((\d+)\)(?: (.*))?$", line):
            number, known = found.groups()
            names.setdefault(number, known or "")
            if line.startswith("c"):
                is_it = re.search(name, names[number]) is not None
        elif line.startswith("calls="):
            cost = int(next(lines).split()[1])
            if is_it:
                calls += int(line[len("calls="):].split()[0])
                instructions += cost
    return calls, instructions
