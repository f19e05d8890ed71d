"""What can go wrong at a province, grouped by what the engineer there should do."""

from pathlib import Path

from gateway.errors import GatewayError


class AgentError(GatewayError):
    """Base of all. The message names the place and the next step and holds no personal data."""


class RetryableSpoolFullError(AgentError):
    """The spool has no room: what was offered is not taken, what was taken before is safe. Offer it again later."""

    vi = "Bộ đệm hết chỗ, chưa nhận gì thêm. Giải phóng đĩa hoặc tăng quota_mib."

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(
            f"{folder}: {problem} Nothing was taken. "
            "Next: free space on that disk, or raise quota_mib in agent.toml; the agent goes on by itself."
        )


class RejectedFileError(AgentError):
    """One file or row set cannot become a batch; the others go on. `vi` and `en` say why and what to do."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi
        self.en = en


class FatalSpoolError(AgentError):
    """The spool cannot be used as it is: somebody else has it, or it is not a spool."""

    vi = "Không dùng được bộ đệm như hiện có; xem nguyên nhân và việc cần làm dưới đây."


class FatalAgentSettingError(AgentError):
    """agent.toml cannot be used."""

    vi = "Không dùng được agent.toml hoặc tệp mà nó nêu; sửa chỗ nêu dưới đây."

    def __init__(self, place: str, problem: str, *, next_step: str) -> None:
        super().__init__(f"{place}: {problem} Next: {next_step}")
