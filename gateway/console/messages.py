"""What is said after something was done: the code in a link, and its words. No value of anybody's is in a link."""

from collections.abc import Mapping

from gateway.console.words import later

DONE: Mapping[str, str] = {
    "signed_out": later("Đã đăng xuất."),
    "expired": later("Phiên làm việc đã hết hạn. Những gì đang điền đã được giữ lại; đăng nhập để tiếp tục."),
    "language": later("Đã đổi ngôn ngữ."),
    "decided": later("Đã ghi quyết định. Đây là hồ sơ tiếp theo."),
    "stayed": later("Đã ghi. Đây vẫn là hồ sơ đó."),
    "all_laid_back": later("Đã đặt lại những hồ sơ bạn giữ mà chưa điền gì."),
    "none_left": later("Đã ghi. Không còn hồ sơ nào chưa ai giữ trong bộ lọc này."),
    "laid_back": later("Đã ghi. Đây là hồ sơ tiếp theo."),
    "undone": later("Đã hoàn tác; hồ sơ đang chờ như trước."),
    "approved": later("Đã duyệt; quyết định có hiệu lực."),
    "refused": later("Đã từ chối; hồ sơ mở lại."),
    "reversed": later("Đã đảo quyết định; hồ sơ mở lại."),
    "stepped_up": later("Đã xác nhận đúng là bạn. Gửi lại quyết định; những gì đã điền vẫn còn."),
    "user_added": later("Đã thêm người dùng."),
    "user_removed": later("Người dùng không còn đăng nhập được."),
    "roles_changed": later("Đã đổi quyền của người dùng."),
}
