"""What is declared and observed as documents: those of `reconcile.declared`; the rows of `kinds` name them."""

from controller.reconcile.declared import (
    group_document,
    inventory_document,
    notifier_document,
    repo_document,
    rollout_document,
    rule_document,
    secret_document,
    seen_document,
    server_document,
    target_document,
    task_document,
)

__all__ = [
    "group_document",
    "inventory_document",
    "notifier_document",
    "repo_document",
    "rollout_document",
    "rule_document",
    "secret_document",
    "seen_document",
    "server_document",
    "target_document",
    "task_document",
]
