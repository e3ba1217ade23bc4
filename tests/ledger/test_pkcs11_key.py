"""A log whose key is in a token: addresses, SoftHSM2, and any other signer of one's own."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger import cose_receipt
from ledger.checkpoint import open_checkpoint
from ledger.errors import LedgerError, NotFound, ParseError, StoreError
from ledger.keys import NoteSigner, SigningKey, VerifyKey
from ledger.log import Log
from ledger.pkcs11_key import KeyAddress, Pkcs11Key
from ledger.statement import sign_statement
from tests.ledger.log_samples import Run
from tests.ledger.soft_token import MODULE, PIN, soft_token

NAME = "rail.example/token"
GOOD = f"pkcs11:token=rail;object=log-key?module-path={MODULE}"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (GOOD, KeyAddress(str(MODULE), "rail", "log-key", None, None)),
        (
            "pkcs11:id=%01%ff;token=my%20token?module-path=/m.so&pin-source=file:/run/pin",
            KeyAddress("/m.so", "my token", None, b"\x01\xff", Path("/run/pin")),
        ),
        ("pkcs11:token=t;object=%C3%A9;id=a?module-path=/m", KeyAddress("/m", "t", "é", b"a", None)),
    ],
)
def test_addresses(uri: str, expected: KeyAddress) -> None:
    assert KeyAddress.parse(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/home/keys/log.key",
        "pkcs11:",
        "pkcs11:token=rail?module-path=/m.so",
        "pkcs11:object=log-key?module-path=/m.so",
        "pkcs11:token=rail;object=log-key",
        f"{GOOD}&pin-value=1234",
        f"{GOOD}&pin-source=relative",
        f"{GOOD}&pin-source=|program",
        f"{GOOD}&module-path=/again",
        GOOD.replace("rail", ""),
        GOOD.replace("rail", "r%zz"),
        GOOD.replace("object", "serial"),
        GOOD.replace("log-key", "%ff"),
        "pkcs11:token=" + "t" * 3000,
    ],
)
def test_other_addresses_are_refused_without_repeating_them(uri: str) -> None:
    with pytest.raises(ParseError) as refused:
        KeyAddress.parse(uri)
    assert refused.value.code == "key_uri"
    assert "1234" not in str(refused.value)


@dataclass
class Elsewhere:
    """A signer of somebody's own, such as a client of a key service: what `NoteSigner` asks for, and no more."""

    inner: SigningKey
    signed: int = 0

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def algorithm(self) -> int:
        return self.inner.algorithm

    @property
    def public(self) -> bytes:
        return self.inner.public

    @property
    def key_id(self) -> bytes:
        return self.inner.key_id

    @property
    def verify_key(self) -> VerifyKey:
        return self.inner.verify_key

    @property
    def vkey(self) -> str:
        return self.inner.vkey

    def sign(self, message: bytes) -> bytes:
        self.signed += 1
        return self.inner.sign(message)


def check_signs_a_log(signer: NoteSigner, database: Path) -> None:
    """Checkpoints and COSE receipts of a log by this signer hold under its public half, also once opened again."""
    url = f"sqlite:///{database}"
    run = Run()
    with Log.create(url, signer.name, signer) as log:
        log.submit(sign_statement(run.operator(), run.key))
    with Log.open(url, signer) as log:
        log.submit(sign_statement(run.model(), run.key))
        head = open_checkpoint(log.checkpoint(), VerifyKey.parse(signer.vkey))
        assert head.size == 2 and log.fsck().ok
        entry = log.entry(0)
        receipt = cose_receipt.issue(log.receipt(0, False).proof, entry.leaf_hash, signer)
        cose_receipt.check_cose_receipt(receipt, entry.statement, signer.verify_key)


def test_any_signer_may_sign_a_log(tmp_path: Path) -> None:
    signer = Elsewhere(SigningKey.generate(NAME))
    check_signs_a_log(signer, tmp_path / "log.db")
    assert signer.signed == 4  # checkpoints of size 0, 1 and 2; one receipt


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyAddress]:
    with soft_token(tmp_path_factory.mktemp("token")) as uri:
        yield KeyAddress.parse(uri)


def test_a_token_signs_a_log(address: KeyAddress, tmp_path: Path) -> None:
    key = Pkcs11Key(NAME, address)
    check_signs_a_log(key, tmp_path / "log.db")
    assert key.sign(b"twice the same") == key.sign(b"twice the same")  # one note for one root, as of any Ed25519 key
    assert Pkcs11Key(NAME, address).vkey == key.vkey
    assert PIN not in repr(vars(key))


def test_many_threads_sign_by_one_token(address: KeyAddress) -> None:
    key = Pkcs11Key(NAME, address)
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda n=n: made.append(key.sign(b"%d" % n))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16  # each was verified before it came back


def test_a_token_that_went_away_is_opened_again(address: KeyAddress) -> None:
    key = Pkcs11Key(NAME, address)
    key._key.session.close()
    with pytest.raises(StoreError) as failed:
        key.sign(b"a")
    assert failed.value.code == "key_device" and failed.value.retryable
    key.verify_key.verify(b"a", key.sign(b"a"))


@pytest.mark.parametrize(
    ("part", "other", "code"),
    [
        ("label", "no-such-key", "key_missing"),
        ("label", "twice", "key_missing"),
        ("token", "no-such-token", "key_missing"),
        ("pin_file", Path("/nowhere/pin"), "key_file_missing"),
        ("module", "/nowhere/module.so", "key_device"),
    ],
)
def test_what_is_missing_is_named(address: KeyAddress, part: str, other: object, code: str) -> None:
    with pytest.raises(LedgerError) as refused:
        Pkcs11Key(NAME, replace(address, **{part: other}))
    assert refused.value.code == code
    assert isinstance(refused.value, NotFound | StoreError)
    assert PIN not in str(refused.value)
