"""A headless browser without a network, for tests that open a page as a reader would."""

import os
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser to open the page in: none of {', '.join(BROWSERS)} is installed"
)


def open_page(page: Path, profile: Path, *, width: int = 1000) -> tuple[str, str]:
    """The document after its scripts have run, and the browser's log; no name resolves, no proxy answers."""
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--proxy-server=127.0.0.1:9",
        "--enable-logging=stderr",
        f"--user-data-dir={profile}",
        f"--window-size={width},900",
        "--virtual-time-budget=3000",
        "--dump-dom",
        page.as_uri(),
    ]
    environment = {**os.environ, "HOME": str(profile)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
    return done.stdout, done.stderr


def with_reader(html: str, reader: str) -> str:
    """The page with a script of a test at its end, which its content policy is made to allow."""
    script = reader.split("<script>")[1].split("</script>")[0]
    own = b64encode(sha256(script.encode()).digest()).decode()
    allowed = re.sub("script-src (?:'none')?", f"script-src 'sha256-{own}' ", html, count=1)
    assert allowed != html, "the page has no policy for scripts"
    return allowed.replace("</body>", reader + "</body>")


def attribute(dom: str, name: str) -> str:
    """What the page noted of itself in `data-name` of its body."""
    found = re.search(rf'<body[^>]* data-{name}="([^"]*)"', dom)
    assert found, f"the page noted no {name}"
    return found[1]
