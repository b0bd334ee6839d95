"""Servers as they stand after ranges, defaults, groups and variables are resolved; called by `loader`.

Variables in Ansible's order, later over earlier: `vars` of groups (parents first), `group_vars/`, `vars` of the server,
`host_vars/`. Defaults: settings, then groups (parents first), then the server itself.
"""

from collections.abc import Iterable, Mapping
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.carriers import agent_of, carrier_of, laid_over
from controller.declaration.groups import Family, Groups
from controller.declaration.origins import Origins
from controller.declaration.ranges import RangeError, expand
from controller.declaration.renames import former
from controller.declaration.suggest import among
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Place
from controller.model.ids import HOST_NAME
from controller.model.inventory import Carrier, Check, Server, Ssh

MOST_SERVERS: Final = 200_000
MOST_JUMPS: Final = 8


class Servers:
    """Builds the declared servers of one declaration."""

    def __init__(self, wishes: Wishes, groups: Groups, files: Iterable[tuple[str, Block]]) -> None:
        """Prepare.

        Args:
            wishes: all blocks.
            groups: the graph of groups.
            files: (server, variables) of `host_vars/`, in the order in which they hold.
        """
        self._wishes = wishes
        self._groups = groups
        defaults = wishes.defaults.get("servers")
        self._defaults: Mapping[str, object] = defaults.data if defaults else {}
        self._files: dict[str, list[Block]] = {}
        for name, block in files:
            self._files.setdefault(name, []).append(block)
        self._bases: dict[int, dict[str, object]] = {}
        self._logins: dict[str, Ssh] = {}
        self._checks: dict[str, Check] = {}
        self._expanded = 0
        self._was: dict[str, str] = {}
        self.servers: dict[str, Server] = {}
        self.blocks: dict[str, Block] = {}

    def build(self) -> dict[str, Server]:
        """Give every declared server in order of name."""
        for block in self._wishes.of("servers").values():
            names = self._names(block)
            self._expanded += len(names)
            if self._expanded > MOST_SERVERS:
                self._wishes.findings.error(
                    "too-many-servers",
                    f"cannot declare more than {MOST_SERVERS} servers",
                    block.place,
                )
                break
            taken = next((name for name in names if name in self.blocks), None)
            if taken is not None:
                self._wishes.twice("servers", taken, self.blocks[taken].place, block.place)
                continue
            if "was" in block.own:
                self._was.update({name: was for was, name in former(block)})
            for name in names:
                self.blocks[name] = block
                self.servers[name] = self._server(name, block)
        self.servers = dict(sorted(self.servers.items()))
        self._check_jumps()
        return self.servers

    def _names(self, block: Block) -> tuple[str, ...]:
        if "[" not in block.name and "]" not in block.name:
            return (block.name,)
        try:
            names = expand(block.name)
        except RangeError as error:
            self._wishes.findings.error("bad-range", str(error), block.place)
            return ()
        if len(names) > 1 and "address" in block.data:
            self._wishes.findings.error(
                "address-of-range",
                f"cannot give {len(names)} servers one address",
                block.where("address"),
                "leave address out where the names resolve, or declare the servers one by one",
            )
        bad = next((name for name in names if not HOST_NAME.fullmatch(name)), None)
        if bad is not None:
            self._wishes.findings.error(
                "bad-name", f"cannot use {bad[:60]!r} as the name of a server", block.place
            )
            return ()
        return names

    def _server(self, name: str, block: Block) -> Server:
        own = block.data
        groups = own.get("groups")
        family = self._groups.family(tuple(cast("list[str]", groups)) if groups else ())
        base = self._base(family)
        data = laid_over(base, own) if base else own
        variables, origins = self._variables(name, block, family)
        labels = cast("dict[str, object]", data.get("labels", {}))
        return Server(
            name=name,
            address=cast("str", data.get("address", name)),
            carrier=carrier_of(self._wishes, name, data, block),
            ssh=self._ssh(block, data.get("ssh")),
            agent=agent_of(data.get("agent")),
            groups=family.groups,
            labels={
                key: value if type(value) is str else plain(value) for key, value in labels.items()
            },
            vars=variables,
            origins=origins,
            check=self._check(block, data.get("check")),
            concurrency=cast("int", data.get("concurrency", 1)),
            active=cast("bool", data.get("active", True)),
            was=self._was.get(name),
            place=block.place,
        )

    def _base(self, family: Family) -> dict[str, object]:
        known = self._bases.get(id(family))
        if known is None:
            known = self._bases[id(family)] = laid_over(self._defaults, family.defaults)
        return known

    def _variables(
        self, name: str, block: Block, family: Family
    ) -> tuple[dict[str, object], Mapping[str, Place]]:
        own = cast("dict[str, object]", block.data.get("vars", {}))
        files = self._files.get(name)
        if not own and not files:
            return family.vars, family.origins
        variables = {**family.vars, **own}
        if not files:
            return variables, Origins(family.origins, block)
        origins = {**family.origins, **block.places("vars")}
        for extra in files:
            variables.update(extra.data)
            origins.update(extra.places())
        return variables, origins

    def _ssh(self, block: Block, data: object) -> Ssh:
        key = repr(data)
        known = self._logins.get(key)
        if known is None:
            known = self._logins[key] = self._login(block, cast("dict[str, object]", data or {}))
        return known

    def _login(self, block: Block, data: dict[str, object]) -> Ssh:
        secret = cast("str | None", data.get("key"))
        if secret is not None:
            self._wishes.refer("secrets", secret, block.where("ssh", "key", value=True))
            if data.get("use_agent"):
                self._wishes.findings.error(
                    "two-logins",
                    "cannot log in by `key` and by `use_agent` at once",
                    block.where("ssh", "use_agent"),
                    "keep one of them",
                )
        keys = data.get("host_key", [])
        return Ssh(
            user=cast("str | None", data.get("user")),
            port=cast("int", data.get("port", 22)),
            key=secret,
            use_agent=cast("bool", data.get("use_agent", False)),
            host_keys=(keys,) if isinstance(keys, str) else tuple(cast("list[str]", keys)),
            jump=cast("str | None", data.get("jump")),
            sudo=cast("bool", data.get("sudo", False)),
        )

    def _check(self, block: Block, data: object) -> Check:
        """Build how often a server is looked at; what many servers share is judged at the first of them."""
        key = repr(data)
        known = self._checks.get(key)
        if known is None:
            given = cast("dict[str, object]", data or {})
            interval, delay = given.get("interval", "12h"), given.get("retry_delay", "5m")
            length = self._wishes.duration
            known = self._checks[key] = Check(
                interval=length(block, ("check", "interval"), interval, least="1m", most="366d"),
                retries=int(cast("int", given.get("retries", 3))),
                retry_delay=length(block, ("check", "retry_delay"), delay, least="1s", most="24h"),
            )
        return known

    def _check_jumps(self) -> None:
        """Refuse jump hosts that do not exist, circles, and ways that are too long to be meant."""
        for name, server in self.servers.items():
            jump = server.ssh.jump
            if jump is None or server.carrier is not Carrier.SSH:
                continue
            place = self.blocks[name].where("ssh", "jump", value=True)
            if jump in self.servers:
                self._follow(name, jump, place)
            elif self._wishes.all_servers_known:
                self._wishes.findings.error(
                    "unknown-server",
                    f"cannot find the server {jump}",
                    place,
                    self._wishes.now_called("servers", jump)
                    or among(jump, self.servers, what="server"),
                )

    def _follow(self, name: str, jump: str, place: Place) -> None:
        way = [name]
        following: str | None = jump
        while following in self.servers:
            way.append(following)
            if following in way[:-1]:
                message = f"cannot reach {name}: its jump hosts go in a circle: {' > '.join(way)}"
                self._wishes.findings.error("jump-cycle", message, place)
                return
            if len(way) > MOST_JUMPS:
                message = f"cannot reach {name}: more than {MOST_JUMPS} servers in a row"
                self._wishes.findings.error("too-many-jumps", message, place)
                return
            following = self.servers[following].ssh.jump


def plain(value: object) -> str:
    """Write a label or an environment value as text: true and false as YAML spells them."""
    return str(value).lower() if isinstance(value, bool) else str(value)
