"""The model card, written from the figures of the run that made the model."""

TITLES = {"card-fraud-gbdt": "the example model", "card-fraud-mlp": "the small neural network"}


def percent(share):
    return f"{100 * share:.2f} %"


def money(amount):
    return f"{amount:,.0f}"


def thresholds_table(held):
    lines = ["| alert at score | precision | recall |", "|---:|---:|---:|"]
    for threshold, at in held["at"].items():
        lines.append(f"| {float(threshold):.2f} | {percent(at['precision'])} | {percent(at['recall'])} |")
    return "\n".join(lines)


def bands_table(held):
    lines = ["| decision | transactions | share | frauds in it | their amount |", "|---|---:|---:|---:|---:|"]
    for name in ("approve", "review", "decline"):
        b = held[name]
        share = percent(b["share"])
        lines.append(f"| {name.upper()} | {b['transactions']:,} | {share} | {b['frauds']:,} | {money(b['fraud_amount'])} |")
    return "\n".join(lines)


def text(name, exported, settings, result):
    held, train, data = result["held_out"], result["train"], result["data"]
    total = sum(weight for _, weight in result["importance"])
    top = ", ".join(f"`{feature}` {weight / total:.0%}" for feature, weight in result["importance"][:8])
    return f"""# {name}: {TITLES.get(name, "a model for the benchmarks")}

**Synthetic.** Trained and measured on transactions that scorewire's own simulator made up. The figures below say that the
package is sound and the journey right; they say nothing about fraud in the real world. Do not decide about real
payments with it: train your own (`scripts/train` shows the steps) and put it in a package like this one.

| | |
|---|---|
| kind | {exported.kind} |
| input | `input`, float32 `[N, {len(result['importance'])}]`: the features of `model.toml` in order; NaN where a value is missing and the model knows how to do without |
| output | {exported.output} |
| data | {data['transactions']:,} transactions over {data['days']} days, seed {settings['seed']} |
| split by time | days 1-{settings['train_days']} train ({train['transactions']:,} transactions, {train['frauds']:,} frauds), {settings['gap_days']} days' gap (a fraud is known after a week), {settings['choose_days']} days to choose thresholds, the rest held out |

## Data

The simulator follows the one of the Fraud Detection Handbook (Le Borgne et al., ULB 2022): customers and terminals with
places and habits, and three kinds of fraud: very large amounts; terminals that are compromised for four weeks; cards
whose data leaked, spent for two weeks without the card present at five times the usual amount. Features are the
payment itself and the history of its customer and its terminal over 1, 7 and 30 days; the terminal's risk leaves out
the last 7 days, since nobody knows the labels yet. `transaction.avsc` describes every field.

## Held-out figures

{held['transactions']:,} transactions, {held['frauds']:,} frauds ({percent(held['fraud_share'])}) worth {money(held['fraud_amount'])}.

| | |
|---|---:|
| area under the ROC curve | {held['auc']:.4f} |
| area under the precision-recall curve (average precision) | {held['pr_auc']:.4f} |
| ROC area of the amount alone | {held['baseline_auc']:.4f} |

{thresholds_table(held)}

What the model looks at most, {exported.looks_at}: {top}.

{exported.notes}## Thresholds

Chosen on the {settings['choose_days']} days before the held-out ones, where they made the mean cost of a transaction smallest. Costs, in the
currency of the amounts: a missed fraud costs its amount, a review {settings['review_cost']:.2f} (and decides rightly), a wrongly declined
payment {settings['wrong_decline_cost']:.2f}. That gives REVIEW from {settings['review']:.2f} and DECLINE from {settings['decline']:.2f}. They are defaults: the configuration overrides
them without a new model.

{bands_table(held)}

Mean cost of a held-out transaction: {held['cost']:.3f}, against {held['cost_approve_all']:.3f} when everything is approved.

## Files

| file | what |
|---|---|
| `model.toml` | names, hash, contract (features from fields), thresholds |
| `model.onnx` | the model |
| `transaction.avsc` | the reader's schema |
| `golden.csv` | rows and the scores that ONNX Runtime 1.28.0 gives them with one thread; checked at every start |
| `golden_records.avro`, `golden_records.csv` | transactions as they arrive, with the features and scores that the training side computes of them; checked at every start |

Made by `scripts/train`, which gives the same files again.
"""
