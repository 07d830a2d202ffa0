"""records.py - TLS records that no library would send, sealed with the keys of a client that has done its handshake.

The keys come from the secrets that Python's ssl module writes for the sake of debuggers (`keylog_filename`).
After the first forged record the client itself must send nothing any more.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
RANDOM_AT = 11  # in a hello: record header (5), message header (4), version (2)


def p_hash(secret, seed, count):
    """RFC 5246, 5, with SHA-256."""
    out, a = b"", seed
    while len(out) < count:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + seed, "sha256")
    return out[:count]


def expand_label(secret, label, count, digest):
    """HKDF-Expand-Label (RFC 8446, 7.1), for what fits into one block."""
    label = b"tls13 " + label
    info = struct.pack(">HB", count, len(label)) + label + b"\0\1"
    return hmac.digest(secret, info, digest)[:count]


class Forge:
    """Seals records of `client`, whose context was made by watched()."""

    def __init__(self, client, keylog):
        self.client = client
        name, bits, self.version = client.tls.cipher()[0], client.tls.cipher()[2], client.tls.version()
        digest = hashlib.sha384 if name.endswith("SHA384") else hashlib.sha256
        secrets = {(line.split()[0], line.split()[1]): bytes.fromhex(line.split()[2])
                   for line in keylog.read_text().splitlines() if not line.startswith("#")}
        random = client.sent[RANDOM_AT:RANDOM_AT + 32]
        if self.version == "TLSv1.3":
            secret = secrets["CLIENT_TRAFFIC_SECRET_0", random.hex()]
            key, self.iv = expand_label(secret, b"key", bits // 8, digest), expand_label(secret, b"iv", 12, digest)
            self.sequence = 0
        else:
            assert digest == hashlib.sha256
            seed = b"key expansion" + client.received[RANDOM_AT:RANDOM_AT + 32] + random
            block = p_hash(secrets["CLIENT_RANDOM", random.hex()], seed, 2 * bits // 8 + 8)
            key, self.iv = block[:bits // 8], block[2 * bits // 8:][:4]
            self.sequence = 1  # Finished was the first
        self.seal = AESGCM(key).encrypt

    def record(self, content_type, content):
        number = struct.pack(">Q", self.sequence)
        self.sequence += 1
        if self.version == "TLSv1.3":
            inner = content + bytes([content_type])
            header = struct.pack(">BHH", APPLICATION_DATA, 0x0303, len(inner) + 16)
            nonce = bytes(a ^ b for a, b in zip(self.iv, b"\0\0\0\0" + number))
            return header + self.seal(nonce, inner, header)
        sealed = self.seal(self.iv + number, content, number + struct.pack(">BHH", content_type, 0x0303, len(content)))
        return struct.pack(">BHH", content_type, 0x0303, len(number) + len(sealed)) + number + sealed


def watched(context, keylog):
    """Let a Forge read the keys of this context's clients."""
    context.keylog_filename = str(keylog)
    context.set_ciphers("ECDHE+AES128+AESGCM")  # TLS 1.2: with SHA-256
    return context
