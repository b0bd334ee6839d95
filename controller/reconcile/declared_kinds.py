"""What is declared around the work as documents for programs: notifiers, rules of access, secrets, inventories of other tools.

Pure. Called by the faces; the same at the command line and over HTTP.
"""

from controller.reconcile.declared import World, where


def notifier_document(world: World, name: str) -> dict[str, object]:
    """Give a notifier: names of secrets, never what they hold."""
    notifier = world.declared.notifiers[name]
    smtp = notifier.smtp
    return {
        "kind": "notifier",
        "name": name,
        "url": notifier.url,
        "sign": notifier.sign,
        "smtp": None
        if smtp is None
        else {
            "host": smtp.host,
            "port": smtp.port,
            "security": smtp.security.value,
            "user": smtp.user,
            "password": smtp.password,
            "from": smtp.sender,
            "to": list(smtp.recipients),
        },
        "exec": None if notifier.exec is None else list(notifier.exec),
        "events": sorted(notifier.events),
        "repeat": notifier.repeat,
        "place": where(notifier.place),
        "targets": sorted(t.name for t in world.declared.targets.values() if name in t.notify),
    }


def rule_document(world: World, name: str) -> dict[str, object]:
    """Give a rule of `access`."""
    rule = world.declared.access.rules[name]
    return {
        "kind": "access",
        "name": name,
        "role": rule.role.value,
        "targets": rule.targets,
        "servers": rule.servers,
        "rights": sorted(rule.rights),
        "place": where(rule.place),
    }


def secret_document(world: World, name: str) -> dict[str, object]:
    """Give where a secret comes from, never its value."""
    secret = world.declared.secrets[name]
    return {
        "kind": "secret",
        "name": name,
        "source": {secret.kind.value: secret.source},
        "expires": secret.expires,
        "place": where(secret.place),
    }


def inventory_document(world: World, name: str) -> dict[str, object]:
    """Give an inventory of another tool, and the servers it gave."""
    inventory = world.declared.inventories[name]
    return {
        "kind": "inventory",
        "name": name,
        "tool": inventory.tool,
        "path": inventory.path,
        "servers": list(inventory.servers),
        "place": where(inventory.place),
    }
