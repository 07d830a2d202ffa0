"""authority.py - certificates of every kind, by openssl: short keys, odd curves, any dates, old digests."""

import datetime
import functools
import subprocess

KEYS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "secp256k1": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "ed25519": ["-algorithm", "ED25519"],
}

CONFIG = """\
[ca]
default_ca = here
[here]
database = index.txt
rand_serial = yes
default_md = sha256
unique_subject = no
new_certs_dir = .
policy = any
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
"""

CA = "basicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n"
SERVER = "basicConstraints = critical, CA:false\nextendedKeyUsage = serverAuth\nauthorityKeyIdentifier = keyid\n"


class Authority:
    """A root and an intermediate; issue() makes certificates in files of their own."""

    def __init__(self, directory):
        self.directory = directory
        (directory / "ca.cnf").write_text(CONFIG)
        (directory / "index.txt").touch()
        self.root = self.issue("root", extensions=CA, by=None)
        self.intermediate = self.issue("intermediate", extensions=CA, by="root")

    def openssl(self, *argv):
        subprocess.run(["openssl", *argv], cwd=self.directory, check=True, capture_output=True)

    @functools.cache
    def make_dsa_parameters(self):
        self.openssl("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:2048",
                     "-out", "dsa.pem")

    def make_key(self, name, kind):
        if kind == "dsa":
            self.make_dsa_parameters()
            self.openssl("genpkey", "-paramfile", "dsa.pem", "-out", f"{name}.key")
        else:
            self.openssl("genpkey", *KEYS[kind], "-out", f"{name}.key")
        (self.directory / f"{name}.key").chmod(0o600)

    def issue(self, name, key="ecdsa", names=None, days=(-1, 30), digest="sha256", extensions=None, by="intermediate"):
        """The file of the certificate. `names` as in "DNS:a,IP:::1", `days` from now; the key is in NAME.key."""
        if not (self.directory / f"{name}.key").exists():
            self.make_key(name, key)
        alternative = f"subjectAltName = {names}\n" if names else ""
        (self.directory / f"{name}.ext").write_text(extensions or SERVER + alternative)
        self.openssl("req", "-new", "-config", "ca.cnf", "-key", f"{name}.key", "-subj", f"/CN={name}",
                     "-out", f"{name}.csr")
        signer = ["-cert", f"{by}.pem", "-keyfile", f"{by}.key"] if by else ["-selfsign", "-keyfile", f"{name}.key"]
        start, end = (f"{datetime.datetime.utcnow() + datetime.timedelta(days=day):%Y%m%d%H%M%SZ}" for day in days)
        self.openssl("ca", "-batch", "-notext", "-config", "ca.cnf", *signer, "-md", digest, "-startdate", start,
                     "-enddate", end, "-extfile", f"{name}.ext", "-in", f"{name}.csr", "-out", f"{name}.pem")
        return self.directory / f"{name}.pem"

    def key_of(self, name):
        return self.directory / f"{name}.key"

    def chain_of(self, name, *others):
        """NAME.chain: the certificate and those named, by default intermediate and root."""
        files = [name, *(others or ("intermediate", "root"))]
        path = self.directory / f"{name}.chain"
        path.write_text("".join((self.directory / f"{file}.pem").read_text() for file in files))
        return path
