"""The table of a suite's runs, as text for people; the same figures go to target/faults/ as JSON."""

COLUMNS = ("scenario", "delivery", "runs", "records", "in flight", "lost", "doubled in/out", "out of order", "wrong score",
           "recovery s", "peak MiB", "verdict")


def spread(values, form="{:.1f}"):
    """Median and highest."""
    if not values:
        return "-"
    ordered = sorted(values)
    return f"{form.format(ordered[len(ordered) // 2])} / {form.format(ordered[-1])}"


def row(result):
    figures = result["figures"]
    if not figures:
        return [result["scenario"], result["delivery"], str(result["faults"]), *["-"] * 8, result["verdict"]]
    return [
        result["scenario"], result["delivery"], str(result["faults"]), str(figures["records"]),
        str(min(result["in_flight"], default=0)), str(figures["lost"]),
        f"{figures['doubled_inside']} / {figures['doubled_outside']}", str(figures["out_of_order"]),
        f"{figures['wrong_score']} of {figures['checked_scores']}", spread(result["recoveries_s"]),
        f"{result['peak_bytes'] / (1 << 20):.0f}", result["verdict"],
    ]


FAULTS_MD = ("scenario", "delivery", "seed", "faults", "records", "in flight, least", "lost", "doubled in / out",
             "out of order", "wrong scores", "recovery, s", "peak MiB", "verdict")


def side_by_side(results, names):
    """The table of tests/FAULTS.md from raw figures: scenarios in the order of `names`, at-least-once above exactly-once."""
    modes = ("at_least_once", "exactly_once")
    lines = ["| " + " | ".join(FAULTS_MD) + " |", "|" + "---|" * len(FAULTS_MD)]
    for result in sorted(results, key=lambda one: (names.index(one["scenario"]), modes.index(one["delivery"]),
                                                   one["faults"], one["seed"])):
        name, delivery, faults, *rest = row(result)
        records = f"{int(rest[0]):,}" if rest[0].isdigit() else rest[0]
        cells = [name, delivery.replace("_", "-"), str(result["seed"]), faults, records, *rest[1:]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def text(results):
    rows = [list(COLUMNS)] + [row(result) for result in results]
    widths = [max(len(line[index]) for line in rows) for index in range(len(COLUMNS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
