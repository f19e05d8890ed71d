"""The terminal: `lienthong COMMAND`. Each command is a module of its own, imported only when it is called."""

import sys
from dataclasses import dataclass
from importlib import import_module

import typer

from gateway.cli import saying
from observability.imports import leave_pandas_out


@dataclass(frozen=True)
class Entry:
    """Where a command lives: a module with `command` (one) or `app` (several), and what it is for."""

    module: str
    vi: str
    en: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("gateway.cli.demo", "Chạy thử toàn bộ", "Run the whole house with made-up people"),
    "serve": Entry("gateway.cli.serve", "Chạy cổng", "Run the gateway"),
    "push": Entry("gateway.cli.push", "Gửi tệp của một nguồn", "Push the files of a source"),
    "submit": Entry("gateway.cli.submit", "Gửi một bản ghi", "Submit one record of an online system"),
    "agent": Entry("gateway.cli.agent", "Tác tử tại tỉnh", "The agent of a province"),
    "pull": Entry("gateway.cli.pull", "Nhận thay đổi cho một cơ sở dữ liệu quốc gia", "Pull a registry's changes"),
    "replay": Entry("gateway.cli.replay", "Đã nhận đến đâu, và nhận lại", "How far registries are; set one back"),
    "outcomes": Entry("gateway.cli.outcomes", "Báo kết quả áp dụng thay đổi", "Report what became of changes"),
    "report": Entry("gateway.cli.report", "Báo cáo tuần", "The weekly report"),
    "balance": Entry("gateway.cli.balance", "Cân đối của một tỉnh", "What is accounted for, and what is lost"),
    "status": Entry("gateway.cli.status", "Tra trạng thái một cập nhật", "Ask where an update is"),
    "units": Entry("gateway.cli.units", "Tra mã đơn vị hành chính", "Ask what a unit code means"),
    "queue": Entry("gateway.cli.queue", "Hàng đợi của cán bộ", "Decide the stewards' cases"),
    "link": Entry("gateway.cli.link", "Vì sao là một người hay không", "Why two records are one person or not"),
    "job": Entry("gateway.cli.job", "Chạy một việc định kỳ", "Run a scheduled job now"),
    "model": Entry("gateway.cli.model", "Mô hình liên kết hồ sơ", "Export, import and compare linkage models"),
    "sources": Entry("gateway.cli.sources", "Các tỉnh và hệ thống", "List provinces, systems and dialects"),
    "source": Entry("gateway.cli.source", "Khai báo một nguồn mới", "Declare a new source from a sample"),
    "feed": Entry("gateway.cli.feed", "Các kỳ của dòng thay đổi", "The feed's epochs"),
    "grants": Entry("gateway.cli.grants", "Ai được gửi gì", "Who may send what about whom"),
    "portals": Entry("gateway.cli.portals", "Cổng nào được tra trạng thái", "Which portals may ask where updates are"),
    "stewards": Entry("gateway.cli.stewards", "Cán bộ nào được quyết định", "Which stewards may decide by certificate"),
    "console": Entry("gateway.cli.console", "Chạy trang của cán bộ", "Run the stewards' console"),
    "users": Entry("gateway.cli.users", "Ai được đăng nhập", "Who may sign in to the console"),
    "check": Entry("gateway.cli.check", "Kiểm tra tệp trước khi gửi", "Check a file before sending it"),
    "conformance": Entry("gateway.cli.conformance", "Kiểm tra sự phù hợp của một hệ thống", "Score a system"),
    "migrate": Entry("gateway.cli.migrate", "Cập nhật cơ sở dữ liệu", "Bring the database to this release"),
    "pki": Entry("gateway.cli.pki", "Cấp và thu hồi chứng thư", "Issue and revoke certificates"),
    "doctor": Entry("gateway.cli.doctor", "Kiểm tra hệ thống", "Check what the gateway needs"),
}


def application(called: str | None) -> typer.Typer:
    """The terminal's commands; only the one that is called has its module imported, the others just their names."""
    app = typer.Typer(
        name="lienthong",
        help="Liên Thông: cổng nối hệ thống các tỉnh với cơ sở dữ liệu quốc gia. "
        "The gateway between the provinces' systems and the national registries.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # a traceback would show the values of people's records
    )
    app.callback()(_nothing)  # keeps `lienthong NAME` a name even while one command is known
    for name, entry in COMMANDS.items():
        summary = f"{entry.vi} · {entry.en}"
        if name != called:
            app.command(name, help=summary)(_nothing)
            continue
        module = import_module(entry.module)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=summary)
        else:
            app.command(name, help=summary)(module.command)
    return app


def _nothing() -> None:
    pass


def main() -> None:
    """Run the command that the arguments name. Exit codes: 0 done, 1 failed, 2 called wrongly."""
    leave_pandas_out()
    called = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    with saying.failures():
        application(called)()
