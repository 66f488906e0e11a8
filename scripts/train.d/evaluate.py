"""Thresholds by stated cost, and the figures of the model card."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

# The stated cost, in the currency of the amounts. A missed fraud costs its amount.
REVIEW_COST = 4.0  # a person looks at the payment; fraud is then caught
WRONG_DECLINE_COST = 30.0  # margin lost, a call to support, a customer who pays with another card


def cost(scores, part, review, decline):
    """Mean cost of a transaction under two thresholds: what is reviewed is decided rightly."""
    fraud = part.labels == 1
    declined = scores >= decline
    reviewed = (scores >= review) & ~declined
    missed = part.amounts[fraud & ~declined & ~reviewed].sum()
    return (missed + REVIEW_COST * reviewed.sum() + WRONG_DECLINE_COST * (declined & ~fraud).sum()) / len(scores)


def choose_thresholds(scores, part):
    candidates = np.round(np.concatenate([np.arange(0.01, 0.2, 0.01), np.arange(0.2, 1.0, 0.02)]), 2)
    pairs = [(r, d) for r in candidates for d in candidates if r < d]
    review, decline = min(pairs, key=lambda pair: cost(scores, part, *pair))
    return float(review), float(decline)


def band(scores, part, low, high):
    inside = (scores >= low) & (scores < high)
    fraud = inside & (part.labels == 1)
    return {
        "transactions": int(inside.sum()),
        "share": float(inside.mean()),
        "frauds": int(fraud.sum()),
        "fraud_amount": float(part.amounts[fraud].sum()),
    }


def alert_figures(scores, labels, threshold):
    alerts = scores >= threshold
    hits = (alerts & (labels == 1)).sum()
    return {"precision": float(hits / max(alerts.sum(), 1)), "recall": float(hits / (labels == 1).sum())}


def figures(scores, part, review, decline):
    labels, fraud = part.labels, part.labels == 1
    return {
        "transactions": len(labels),
        "frauds": int(fraud.sum()),
        "fraud_share": float(fraud.mean()),
        "fraud_amount": float(part.amounts[fraud].sum()),
        "auc": float(roc_auc_score(labels, scores)),
        "pr_auc": float(average_precision_score(labels, scores)),
        "baseline_auc": float(roc_auc_score(labels, part.amounts)),
        "at": {str(t): alert_figures(scores, labels, t) for t in sorted({0.05, 0.1, 0.3, 0.5, 0.9, review, decline})},
        "approve": band(scores, part, -1.0, review),
        "review": band(scores, part, review, decline),
        "decline": band(scores, part, decline, 2.0),
        "cost": float(cost(scores, part, review, decline)),
        "cost_approve_all": float(cost(scores, part, 2.0, 3.0)),
    }
