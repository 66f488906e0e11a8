"""Is the checker awake? Builds with a mistake planted (src/failpoint.rs) must be found out at several seeds, by the very
runs that the clean build passes."""

from dataclasses import dataclass

from checker.history import AT_LEAST_ONCE, EXACTLY_ONCE

SEEDS = 3
# A planted mistake may stall its job for good; what goes on at all is done long before.
SETTLE_S = 25.0
CLEAN_SETTLE_S = 120.0


@dataclass(frozen=True)
class Planted:
    bug: str
    # What it is shown with, and how many faults of it.
    scenario: str
    rounds: int
    # One of these must be among the findings.
    names: tuple
    delivery: str = AT_LEAST_ONCE


PLANTED = (
    Planted("commit_before_ack", "kill", 1, ("lost write (latent)", "lost write")),
    Planted("offset_off_by_one", "kill", 1, ("unexpected commit", "lost write (latent)")),
    Planted("drop_on_queue_full", "queue full", 1, ("lost write",)),
    Planted("commit_after_revoke", "rolling", 2, ("non-monotonic commit",)),
    Planted("handed_back_as_scored", "schema wait", 1, ("wrong count",)),
    Planted("fallback_as_model", "model outage", 1, ("wrong count",)),
    Planted("skip_without_letter", "skipped", 1, ("lost write", "lost write (skipped)")),
    Planted("missing_seek", "refused for a while", 1, ("lost write",), EXACTLY_ONCE),
    Planted("stale_group_metadata", "zombie", 4, ("duplicate", "non-monotonic commit"), EXACTLY_ONCE),
    Planted("reuse_after_lost_end", "lost end of transaction", 5, ("duplicate", "lost write"), EXACTLY_ONCE),
)


def run_planted(suite, first_seed, only, carry_out, say):
    """`only`: names of mistakes, or none for all. `carry_out(scenario, seed, rounds)` answers a result. Answers the lines of the table."""
    lines, clean = [], {}
    for planted in (one for one in PLANTED if not only or one.bug in only):
        for seed in range(first_seed, first_seed + SEEDS):
            suite.delivery = planted.delivery
            run = (planted.scenario, seed, planted.rounds)
            key = (planted.delivery, *run)
            if key not in clean:
                suite.environment, suite.settle_s = {}, CLEAN_SETTLE_S
                clean[key] = carry_out(*run)
                say(f"clean, {planted.scenario}, {planted.delivery}, seed {seed}: {clean[key]['verdict']}")
            suite.environment, suite.settle_s = {"SCOREWIRE_TEST_BUG": planted.bug}, SETTLE_S
            spoilt = carry_out(*run)
            found = {finding["name"]: finding["count"] for finding in spoilt["findings"]}
            caught = any(name in found for name in planted.names)
            say(f"{planted.bug}, seed {seed}: {'found' if caught else 'NOT FOUND'}: {found}")
            lines.append({"bug": planted.bug, "scenario": planted.scenario, "delivery": planted.delivery, "seed": seed,
                          "found": found,
                          "clean": clean[key]["verdict"], "ok": caught and clean[key]["verdict"] == "ok"})
    return lines


def text(lines):
    """As a table for people."""
    shown = ["| planted mistake | scenario | delivery | seed | clean build | found | verdict |",
             "|---|---|---|---|---|---|---|"]
    for line in lines:
        found = ", ".join(f"{count} x {name}" for name, count in sorted(line["found"].items())) or "nothing"
        shown.append(f"| {line['bug']} | {line['scenario']} | {line['delivery']} | {line['seed']} | {line['clean']} | {found} | "
                     f"{'ok' if line['ok'] else 'FAILED'} |")
    return "\n".join(shown)
