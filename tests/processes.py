"""Whether a process is still there, as a test that waits for its end asks."""

from pathlib import Path


def runs(pid: int | str) -> bool:
    """Whether process *pid* runs; a zombie that its adopter hasn't reaped doesn't. Linux only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before the file was opened, or between that and reading it
        return False
