"""A PKCS#11 token in files, by SoftHSM2, with a new Ed25519 key `log-key` and two that share a label."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "tokenpin77"
ED25519_OID = "1.3.101.112"


@contextmanager
def soft_token(home: Path) -> Iterator[str]:
    """The address of `log-key`. RAIL_REQUIRE_TOOLS=1 makes a missing SoftHSM2 a failure instead of a skip."""
    if not (MODULE.exists() and shutil.which("softhsm2-util")):
        if os.environ.get("RAIL_REQUIRE_TOOLS") == "1":
            pytest.fail("softhsm2 is not installed")
        pytest.skip("needs Debian's softhsm2")
    pkcs11 = pytest.importorskip("pkcs11")
    (home / "tokens").mkdir()
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home / 'tokens'}\nlog.level = ERROR\n")
    (home / "pin").touch(0o600)
    (home / "pin").write_text(f"{PIN}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(home / "softhsm2.conf"))
        making = ["softhsm2-util", "--init-token", "--free", "--label", home.name, "--so-pin", "12345678", "--pin", PIN]
        subprocess.run(making, check=True, capture_output=True)
        pkcs11.unload(str(MODULE))  # which has read the configuration of an earlier token
        with pkcs11.lib(str(MODULE)).get_token(token_label=home.name).open(user_pin=PIN, rw=True) as session:
            curve = {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters(ED25519_OID)}
            domain = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, curve, local=True)
            for label in ("log-key", "twice", "twice"):
                domain.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, label=label, store=True)
        source = f"module-path={MODULE}&pin-source=file:{home / 'pin'}"
        yield f"pkcs11:token={home.name};object=log-key?{source}"
