"""What the runs of other projects' test suites share: a Crannog of their own, and a virtual environment."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def environment(folder: Path, packages: list[str]) -> Path:
    """The Python of a virtual environment with these packages; made once."""
    stamp = folder / ".packages"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        print(f"installing what the suite needs into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        stamp.write_text("\n".join(packages))
    return folder / "bin/python"


def clean_env(*prefixes: str) -> dict:
    """This process's environment without the names that could steer what is run."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CRANNOG_", *prefixes))}


def has_key(binary: Path, key: str) -> bool:
    """Whether this Crannog knows a configuration key, written section.name."""
    shown = subprocess.run([binary, "config", "show"], capture_output=True, text=True, timeout=30)
    section, name = key.split(".")
    return re.search(rf"\b{re.escape(name)}\b", shown.stdout) is not None and section in shown.stdout


class Server:
    """One `crannog serve` on loopback. `settings` are environment variables of its own."""

    def __init__(self, binary: Path, data: Path, log, settings: dict | None = None, port: int = 0):
        self.data, self.log = data, log
        self.process = subprocess.Popen(
            serve(binary, data, port),
            env=clean_env("AWS_") | (settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.lock = self.wait()
        self.admin = tomllib.loads((data / "secrets/admin.toml").read_text())

    def wait(self) -> dict:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                lock = json.loads((self.data / "lock").read_text())
                with urllib.request.urlopen(lock["http_url"] + "/readyz", timeout=5):
                    return lock
            except (OSError, ValueError, KeyError):
                time.sleep(0.02)
        raise SystemExit(f"crannog did not become ready: see {self.log.name}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def serve(binary: Path, data: Path, port: int = 0) -> list:
    return [
        *(binary, "serve", "--data-dir", data),
        *("--http-listen", f"127.0.0.1:{port}", "--s3-listen", "127.0.0.1:0"),
    ]
