"""A headless Chromium, controlled through its debugging pipe, without a package or a port."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from select import select

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """The path of an installed browser, or None."""
    return next((path for name in BROWSER_NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page.  `events` holds the events it has sent so far, as (method, parameters)."""

    def __init__(self, program: str):
        self.folder = tempfile.mkdtemp()
        to_browser, from_browser = os.pipe(), os.pipe()  # to its descriptor 3, from its descriptor 4
        self.write_end, self.read_end = to_browser[1], from_browser[0]

        def set_descriptors() -> None:
            a, b = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={self.folder}"],
            preexec_fn=set_descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.call_id, self.buffer, self.session = 0, b"", None
        self.events: list[tuple[str, dict]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, **parameters: object) -> dict:
        """Call a method of the debugging protocol and wait for its result."""
        self.call_id += 1
        message = {"id": self.call_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read_message(60)
            if answer.get("id") == self.call_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append((answer["method"], answer["params"]))

    def _read_message(self, seconds: float) -> dict:
        deadline = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            if not select([self.read_end], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self.read_end, 1 << 20)
            if not part:
                raise EOFError("the browser has ended")
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path: Path, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a file in a window of a size, and wait until it has loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        deadline = time.monotonic() + 60
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            if time.monotonic() > deadline:
                raise TimeoutError("the page has not loaded")
            self.evaluate("0")
            time.sleep(0.05)

    def evaluate(self, expression: str) -> object:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def screenshot(self, path: Path, full_page: bool = False) -> None:
        """A screenshot: of the window, or of the whole page."""
        import base64

        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full_page)
        path.write_bytes(base64.b64decode(shot["data"]))

    def external_requests(self) -> list[str]:
        """Addresses that the page has requested, without files and data URIs."""
        urls = [params["request"]["url"] for method, params in self.events if method == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("file:", "data:"))]

    def console_messages(self) -> list[str]:
        """Errors, warnings and anything written to the console."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(params)[:500] for method, params in self.events if method in kinds]
