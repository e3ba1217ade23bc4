"""Trust policies (C2SP tlog-policy): which logs and witnesses count, and how many cosignatures make a quorum.

    log rail.example/log1+7fd7bc70+AQOhB7/z... https://rail.example          URL optional
    witness w1 w1.example/witness+865f6a5a+BCms... https://w1.example        name here, vkey, URL optional
    group two-of-three 2 w1 w2 w3                                            or `any`, or `all`
    quorum two-of-three                                                      a witness, a group, or `none`

Blanks and tabs separate; empty lines and lines that begin with `#` are ignored; a name is used after its definition.
Names are opaque bytes: they are kept as text with undecodable bytes escaped, and compared as such.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ledger.checkpoint import OpenedCheckpoint, parse_checkpoint
from ledger.encoding import parse_decimal
from ledger.errors import ParseError, SignatureInvalid
from ledger.keys import COSIGNATURE_V1, ED25519, ML_DSA_44, VerifyKey
from ledger.note import verify_signatures

POLICY_BYTES_MAX = 512 * 1024
DEFINITIONS_MAX = 100  # logs, and as many witnesses, and as many groups: a note has no more signatures
NONE = "none"

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile("[ \t]+")


@dataclass(frozen=True, slots=True)
class Party:
    """A log or a witness: its key, and where to reach it (None: not said)."""

    key: VerifyKey
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Counts as a witness once `threshold` of its members do."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy. Every name that a group or the quorum uses is defined."""

    logs: tuple[Party, ...]
    witnesses: dict[str, Party]
    groups: dict[str, Group]
    quorum: str  # name of a witness or group, or NONE

    @property
    def witness_keys(self) -> list[VerifyKey]:
        return [party.key for party in self.witnesses.values()]

    def is_met(self, cosigners: Collection[VerifyKey]) -> bool:
        """Whether verified cosignatures by these keys make the quorum."""
        if self.quorum == NONE:
            return True
        met = {name: party.key in cosigners for name, party in self.witnesses.items()}
        for name, group in self.groups.items():  # in the file's order: members are before their group
            met[name] = sum(met[member] for member in group.members) >= group.threshold
        return met[self.quorum]

    def describe(self) -> str:
        """The quorum in a few words, for people."""
        group = self.groups.get(self.quorum)
        if group is None:
            return "no witness is required" if self.quorum == NONE else f"witness {self.quorum} is required"
        return f"{group.threshold} of {len(group.members)} in {self.quorum} are required"


def parse_policy(data: bytes) -> Policy:
    """Parse strictly; raises ParseError (`policy_*`, `vkey_*`), with the number of the line in the message."""
    if len(data) > POLICY_BYTES_MAX:
        raise ParseError("policy_size", f"the policy has {len(data)} bytes; the limit is {POLICY_BYTES_MAX}")
    if _FORBIDDEN.search(data):
        raise ParseError("policy_text", "the policy has a control character that is neither a tab nor a newline")
    if not data.endswith(b"\n"):
        raise ParseError("policy_text", "the policy's last line has no newline; part of it may be missing")
    reader = _Reader()
    for number, line in enumerate(data.decode("utf-8", "surrogateescape")[:-1].split("\n"), 1):
        items = [item for item in _BLANKS.split(line) if item]
        if not items or items[0].startswith("#"):
            continue
        try:
            reader.read(items)
        except ParseError as error:
            raise ParseError(error.code, f"policy line {number}: {error}") from None
    if reader.quorum is None:
        raise ParseError("policy_quorum", "the policy has no line 'quorum <name>'; 'quorum none' requires no witness")
    return Policy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum)


def open_by_policy(note: bytes, policy: Policy, log_key: VerifyKey | None = None) -> OpenedCheckpoint:
    """The checkpoint of these bytes, if a log of the policy (or `log_key`) signed it and the quorum cosigned it.

    Raises ParseError, and SignatureInvalid: `policy_log` (no such log), `checkpoint_unsigned`, `note_signature`,
    `policy_quorum`.
    """
    opened = open_counted(note, policy, log_key)
    if not policy.is_met([item.key for item in opened.cosignatures]):
        found = ", ".join(item.key.name for item in opened.cosignatures) or "nobody that the policy knows"
        raise SignatureInvalid("policy_quorum", f"too few witnesses: {policy.describe()}; cosigned by {found}")
    return opened


def open_counted(note: bytes, policy: Policy, log_key: VerifyKey | None = None) -> OpenedCheckpoint:
    """As `open_by_policy`, but a quorum that is not met is the caller's to judge (`Policy.is_met`)."""
    checkpoint, parsed = parse_checkpoint(note)
    logs = [party.key for party in policy.logs if party.key.name == checkpoint.origin]
    if log_key is not None and log_key.name == checkpoint.origin and log_key not in logs:
        logs.append(log_key)
    if not logs:
        raise SignatureInvalid("policy_log", f"the policy has no key of a log named {checkpoint.origin!r}")
    verified = verify_signatures(parsed, [*logs, *policy.witness_keys])
    if not any(item.key in logs for item in verified):
        raise SignatureInvalid(
            "checkpoint_unsigned", f"the checkpoint is signed by no key of {checkpoint.origin!r} that the policy names"
        )
    return OpenedCheckpoint(checkpoint, tuple(item for item in verified if item.key not in logs))


class _Reader:
    """The definitions so far."""

    def __init__(self) -> None:
        self.logs: list[Party] = []
        self.witnesses: dict[str, Party] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._members: set[str] = set()

    def read(self, items: list[str]) -> None:
        match items:
            case ["log", vkey, *url] if len(url) <= 1:
                party = _party(vkey, url, (ED25519, ML_DSA_44))
                self._check_new_key(party.key, [known.key for known in self.logs])
                self.logs.append(party)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._check_new_name(name)
                party = _party(vkey, url, (COSIGNATURE_V1, ML_DSA_44))
                self._check_new_key(party.key, [known.key for known in self.witnesses.values()])
                self.witnesses[name] = party
            case ["group", name, threshold, *members] if members:
                self._check_new_name(name)
                self._claim(members)
                self.groups[name] = Group(_threshold(threshold, len(members)), tuple(members))
            case ["quorum", name]:
                if self.quorum is not None:
                    raise ParseError("policy_quorum", "a second quorum; a policy has one")
                if name != NONE:
                    self._check_defined(name)
                self.quorum = name
            case _:
                raise ParseError(
                    "policy_line",
                    f"not 'log VKEY [URL]', 'witness NAME VKEY [URL]', 'group NAME K|any|all NAMES' or 'quorum NAME': "
                    f"{' '.join(items)[:80]!r}",
                )
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > DEFINITIONS_MAX:
            raise ParseError("policy_size", f"more than {DEFINITIONS_MAX} logs, witnesses or groups")

    def _check_new_name(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise ParseError("policy_name", f"the name {name[:80]!r} is taken")

    def _check_defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ParseError("policy_name", f"no witness or group {name[:80]!r} is defined above")

    def _check_new_key(self, key: VerifyKey, known: list[VerifyKey]) -> None:
        if any(key.public == other.public for other in known):
            raise ParseError("policy_key", f"the key of {key.name} is listed twice")

    def _claim(self, members: list[str]) -> None:
        """A name is a member once, so that nobody counts twice."""
        for name in members:
            self._check_defined(name)
            if name in self._members:
                raise ParseError("policy_member", f"{name[:80]!r} is a member twice")
            self._members.add(name)


def _party(vkey: str, url: list[str], algorithms: tuple[int, ...]) -> Party:
    key = VerifyKey.parse(vkey)
    if key.algorithm not in algorithms:
        raise ParseError(
            "policy_key", f"the key of {key.name} has algorithm 0x{key.algorithm:02x}, which is not for this use"
        )
    if not url:
        return Party(key, None)
    if not url[0].isprintable():
        raise ParseError("policy_url", "the URL is not UTF-8 text")
    return Party(key, url[0])


def _threshold(text: str, members: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else members
    threshold = parse_decimal(text, members, "policy_threshold", "the threshold of a group")
    if threshold == 0:
        raise ParseError("policy_threshold", "a threshold is at least 1")
    return threshold
