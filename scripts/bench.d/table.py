"""The results for a terminal."""

import stats
import targets

# Header, metric, digits; a ratio's base where it is one.
STEADY = (("p50 ms", "p50_ms", 2), ("p99 ms", "p99_ms", 2), ("CPU us/record", "cpu_us", 1), ("lane us", "lane_cpu_us", 2),
          ("broker us", "broker_cpu_us", 1))
DRAIN = (("records/s", "drain_per_s", 0), ("CPU us/record", "cpu_us", 2), ("lane us", "lane_cpu_us", 2),
         ("broker us", "broker_cpu_us", 1))
STEADY_RATIOS = (("p50/echo", "p50_ms", "echo"), ("p99/echo", "p99_ms", "echo"), ("p50/loop", "p50_ms", "loop"),
                 ("p99/loop", "p99_ms", "loop"), ("CPU/loop", "cpu_us", "loop"), ("p99/inline", "p99_ms", "inline"),
                 ("lane/inline", "lane_cpu_us", "inline"))
DRAIN_RATIOS = (("rec/s over echo", "drain_per_s", "echo"), ("CPU/echo", "cpu_us", "echo"),
                ("rec/s over loop", "drain_per_s", "loop"), ("CPU/loop", "cpu_us", "loop"),
                ("rec/s over inline", "drain_per_s", "inline"), ("lane/inline", "lane_cpu_us", "inline"))

# With more runs than this on a busy machine, not even ratios say much.
BUSY_SHARE_MAX = 0.25


def number(value, digits):
    return f"{value:,.{digits}f}"


def spread_text(found, digits):
    if found is None:
        return "-"
    middle = number(found.median, digits)
    if found.rounds == 1:
        return middle
    return f"{middle} [{number(found.low, digits)}..{number(found.high, digits)}]"


def grid(head, rows):
    """Columns as wide as they need to be; the first to the left."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        return "  " + "  ".join(cells).rstrip()

    return "\n".join(line(row) for row in [head, *rows])


def columns(cell_key):
    return (DRAIN, DRAIN_RATIOS) if cell_key == "drain" else (STEADY, STEADY_RATIOS)


def cell_runs(results, model, cell_key):
    return [run for run in results["runs"] if run["model"] == model and run["cell"] == cell_key]


def cell_tables(results, model, cell):
    """The figures of one cell, and their ratios."""
    runs = cell_runs(results, model, cell["key"])
    plain, ratios = columns(cell["key"])
    there = [system for system in results["systems"] if any(run["system"] == system["name"] for run in runs)]
    rows, ratio_rows = [], []
    for system in there:
        own = {metric: stats.figures(runs, cell["key"], system["name"], metric) for _, metric, _ in plain}
        failed = sum(1 for run in runs if run["system"] == system["name"] and not run["sustained"])
        mark = f" (rate not kept in {failed} of {rounds_of(runs, system['name'])})" if failed else ""
        rows.append([system["title"] + mark]
                    + [spread_text(stats.spread(own[metric].values()), digits) for _, metric, digits in plain])
        ratio_rows.append([system["title"]] + [
            spread_text(ratio_to(runs, cell["key"], system["name"], metric, base), 2) for _, metric, base in ratios])
    return (["", *(title for title, _, _ in plain)], rows), (["ratio", *(title for title, _, _ in ratios)], ratio_rows)


def rounds_of(runs, system):
    return sum(1 for run in runs if run["system"] == system)


def ratio_to(runs, cell_key, system, metric, base):
    """A system's ratio to a base; none to itself, and the control's runs are judged against each other elsewhere."""
    if system == base or (base == "echo" and system in stats.CONTROL_RUNS):
        return None
    return stats.ratio(stats.figures(runs, cell_key, system, metric), stats.figures(runs, cell_key, base, metric))


def noise_line(results, model, cell):
    runs = cell_runs(results, model, cell["key"])
    metrics = (("records/s", "drain_per_s"), ("CPU", "cpu_us")) if cell["key"] == "drain" else \
        (("p50", "p50_ms"), ("p99", "p99_ms"), ("CPU", "cpu_us"))
    parts = [f"{title} {spread_text(found, 2)}" for title, metric in metrics
             if (found := stats.noise(runs, cell["key"], metric))]
    return f"  noise, echo B over echo A: {', '.join(parts)}" if parts else ""


def challenger_lines(runs):
    """What challengers were asked, and left out, over all rounds."""
    found = {}
    for run in runs:
        for name, counts in run["figures"].get("challengers", {}).items():
            sums = found.setdefault((run["system"], name), {})
            for key, count in counts.items():
                sums[key] = sums.get(key, 0) + count
    return [f"  challenger {name} of {system}: sampled {sums['sampled']:,}, compared {sums['compared']:,}, left out "
            f"{sums['shed']:,}, other bits {sums['differing_bits']:,}" for (system, name), sums in found.items()]


def render(results):
    """All of it as text."""
    machine = results["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, commit {results['commit']}",
             "The broker, the load generator and the system under test share these cores: read ratios, not absolutes.",
             f"Medians of {results['settings']['rounds']} rounds [lowest..highest]; ratios are medians of pairs."]
    for model in results["models"]:
        for cell in results["cells"]:
            if not cell_runs(results, model["name"], cell["key"]):
                continue
            rate = f" = {cell['rate']:,.0f}/s" if cell.get("share") and cell.get("rate") else ""
            lines += ["", f"== {model['name']}, {cell['title']}{rate}"]
            figures, ratios = cell_tables(results, model["name"], cell)
            lines += [grid(*figures), "", grid(*ratios)]
            lines += [line for line in [noise_line(results, model["name"], cell)] if line]
            lines += challenger_lines(cell_runs(results, model["name"], cell["key"]))
    lines += extras(results)
    lines += ["", "== targets (scorewire inline, first model; medians decide)", targets_text(results)]
    lines += ["", mood(results)]
    if results["repeated"]:
        lines.append(f"\n*** {len(results['repeated'])} times a system's runs were repeated: see results.json")
    if results.get("failure"):
        lines.append(f"\n*** THE BENCH DID NOT FINISH: {results['failure']}")
    lines += [f"\n*** LEFT OUT: {text}" for text in results["left_out"]]
    return "\n".join(lines)


def extras(results):
    """What is measured once and not in rounds."""
    lines = []
    if results.get("maximum"):
        lines += ["", f"maximum that scorewire inline keeps: {results['maximum']['rate']:,.0f}/s"]
    memory = memory_rows(results)
    if memory:
        lines += ["", "== resident memory, MiB, highest over rounds", grid(["", "before", "after"], memory)]
    if results.get("long"):
        found = results["long"]
        start, end = (f"{found[name] / 2**20:,.1f}" for name in ("rss_start", "rss_end"))
        lines += ["", f"over {found['records']:,} records resident memory went from {start} to {end} MiB "
                      f"({found['rss_growth_percent']:+.2f} %)"]
    return lines


def mood(results):
    """How quiet the machine was."""
    runs = results["runs"]
    if not runs:
        return "No runs."
    busy = sum(1 for run in runs if not run["machine"]["before"]["quiet"])
    steal = stats.spread(100 * run["machine"]["steal"] for run in runs)
    others = stats.spread(run["machine"]["cores_used_by_others"] for run in runs)
    text = (f"{len(runs)} runs; before {busy} of them the machine did not become quiet in time. Stolen by neighbours: "
            f"{spread_text(steal, 1)} %. Cores used by other processes: {spread_text(others, 2)}.")
    return text + (" Too busy for figures to be quoted." if busy > len(runs) * BUSY_SHARE_MAX else "")


def memory_rows(results):
    rows = []
    for system in results["systems"]:
        runs = [run["figures"] for run in results["runs"] if run["system"] == system["name"]]
        peaks = [max((run[name] for run in runs if run.get(name)), default=0) for name in ("rss_before", "rss_after")]
        if any(peaks):
            rows.append([system["title"], *(number(peak / 2**20, 0) for peak in peaks)])
    return rows


def verdict_words(verdict):
    return {True: "reached", False: "NOT REACHED", None: "not measured"}[verdict.reached]


def target_row(verdict):
    target = verdict.target
    digits = 0 if target.unit == "/s" else 2
    sign = ">=" if target.at_least else "<" if target.strict else "<="
    limit = verdict.limit if verdict.limit is not None else target.limit
    return [target.text, f"{sign} {number(limit, digits)}{target.unit}",
            spread_text(verdict.found, digits), verdict_words(verdict)]


def targets_text(results):
    rows = [target_row(verdict) for verdict in targets.judge_all(results)]
    elsewhere = [f"  by {command}: {text}" for text, command in targets.ELSEWHERE]
    return "\n".join([grid(["", "target", "found", ""], rows), *elsewhere])
