"""The results as one self-contained page."""

from html import escape

import charts
import stats
import table
import targets

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1200px; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
p.note, .small { color: #555; font-size: .92rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 11rem; }
th { font-weight: 600; border-bottom-color: #999; }
.range { color: #777; font-size: .86em; }
.yes { color: #00704a; font-weight: 600; } .no { color: #b3261e; font-weight: 600; } .none { color: #888; }
.alarm { background: #fdecea; border-left: 4px solid #b3261e; padding: .5rem .9rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 0 1.6rem; align-items: flex-start; }
svg { display: block; margin: .8rem 0; max-width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg .title { font-weight: 600; font-size: 13px; } svg .label { text-anchor: end; }
svg .tick { text-anchor: middle; fill: #666; } svg .grid { stroke: #e2e2e2; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .85rem; }
"""


def render(results):
    parts = [head(results), verdicts(results)]
    for model in results["models"]:
        for cell in results["cells"]:
            if table.cell_runs(results, model["name"], cell["key"]):
                parts.append(section(results, model["name"], cell))
    parts += [memory(results), conditions(results)]
    return (f"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>scorewire bench</title>"
            f"<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>"
            + "\n".join(parts) + "</body></html>\n")


def head(results):
    machine, settings = results["machine"], results["settings"]
    memory_gib = machine["memory_bytes"] / 2**30
    text = (f"<h1>scorewire beside its rivals</h1><p>{escape(results['started'])}, commit "
            f"<code>{escape(results['commit'])}</code>, {escape(machine['cpu'])}, {machine['cores']} cores, "
            f"{memory_gib:.0f} GiB, Linux {escape(machine['kernel'])}</p>"
            f"<p class=\"note\">Medians of {settings['rounds']} interleaved rounds with the lowest and the highest. "
            "The broker, the load generator and the system under test share the machine: read ratios, not absolutes. "
            "A ratio is the median of the rounds' pairs. Latency counts from the time a record was due.</p>")
    if results.get("failure"):
        text += f"<p class=\"alarm\">The bench did not finish: {escape(results['failure'])}</p>"
    for left_out in results["left_out"]:
        text += f"<p class=\"alarm\">Left out: {escape(left_out)}</p>"
    return text


def html_table(header, rows):
    """Cells are HTML already."""
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "<div class=\"scroll\"><table>" + "\n".join(lines) + "</table></div>"


def with_range(text):
    """`1.2 [1.0..1.4]` with its range set back."""
    middle, bracket, rest = escape(text).partition(" [")
    return f"{middle} <span class=\"range\">[{rest}</span>" if bracket else middle


def verdicts(results):
    rows = []
    for verdict in targets.judge_all(results):
        text, limit, found, word = table.target_row(verdict)
        mark = {True: "yes", False: "no", None: "none"}[verdict.reached]
        rows.append([escape(text), escape(limit), with_range(found), f"<span class=\"{mark}\">{word.lower()}</span>"])
    rows += [[escape(text), "", "", f"<span class=\"none\">by <code>{escape(command)}</code></span>"]
             for text, command in targets.ELSEWHERE]
    first = escape(results["models"][0]["name"]) if results["models"] else ""
    return (f"<h2>Targets</h2><p class=\"note\">scorewire inline, model {first}; the median decides.</p>"
            + html_table(["", "target", "found", ""], rows))


def section(results, model, cell):
    rate = f" = {cell['rate']:,.0f}/s" if cell.get("share") and cell.get("rate") else ""
    plain, ratios = table.cell_tables(results, model, cell)
    parts = [f"<h2>{escape(model)}, {escape(cell['title'])}{rate}</h2>",
             "<div class=\"pictures\">" + "\n".join(pictures(results, model, cell)) + "</div>"]
    for header, rows in (plain, ratios):
        parts.append(html_table([escape(word) for word in header],
                                [[escape(row[0]), *(with_range(text) for text in row[1:])] for row in rows]))
    noise = table.noise_line(results, model, cell).strip()
    return "\n".join([*parts, f"<p class=\"small\">{escape(noise)}</p>" if noise else ""])


def pictures(results, model, cell):
    runs = table.cell_runs(results, model, cell["key"])
    colours = charts.colours(results["systems"])

    def rows(metric):
        return [(system["title"], list(stats.figures(runs, cell["key"], system["name"], metric).values()),
                 colours[system["name"]]) for system in results["systems"]]

    if cell["key"] == "drain":
        return [charts.ranges("records per second: more is better", rows("drain_per_s"), log=False),
                charts.ranges("CPU of the system under test, microseconds per record", rows("cpu_us"), log=False)]
    return [charts.ranges("p50, milliseconds", rows("p50_ms")), charts.ranges("p99, milliseconds", rows("p99_ms")),
            charts.ranges("CPU of the system under test, microseconds per record", rows("cpu_us"), log=False),
            charts.curves("latency by percentile, milliseconds, medians over rounds",
                          curve_rows(results, runs, cell["key"], colours))]


def curve_rows(results, runs, cell_key, colours):
    rows = []
    for system in results["systems"]:
        middles = {metric: stats.spread(stats.figures(runs, cell_key, system["name"], metric).values())
                   for metric, _, _ in charts.PERCENTILES}
        points = {metric: found.median for metric, found in middles.items() if found}
        rows.append((system["title"], points, colours[system["name"]]))
    return rows


def memory(results):
    rows = [[escape(title), before, after] for title, before, after in table.memory_rows(results)]
    text = "<h2>Resident memory</h2><p class=\"note\">MiB, the highest over rounds.</p>" \
        + html_table(["", "before a run", "after it"], rows) if rows else ""
    found = results.get("long")
    if found:
        text += (f"<p>Over {found['records']:,} records at {found['rate']:,.0f}/s resident memory went from "
                 f"{found['rss_start'] / 2**20:,.1f} to {found['rss_end'] / 2**20:,.1f} MiB "
                 f"({found['rss_growth_percent']:+.2f} %).</p>")
    return text


def conditions(results):
    """What the figures stand on: how quiet the machine was, settings, versions."""
    lines = [escape(table.mood(results))]
    if results.get("maximum"):
        lines.append(f"The maximum that scorewire inline keeps: {results['maximum']['rate'] or 0:,.0f}/s.")
    told = {**results["versions"], **{name: value for name, value in results["settings"].items() if name != "systems"}}
    facts = "\n".join(f"{name}: {value}" for name, value in told.items())
    systems = "\n".join(f"{name}: {shown}" for name, shown in results["settings"]["systems"].items())
    return (f"<h2>Conditions</h2><p>{' '.join(lines)}</p><pre>{escape(' '.join(results['command']))}\n\n{escape(facts)}"
            f"\n\n{escape(systems)}</pre>")
