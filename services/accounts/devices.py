"""What a user agent calls itself, short enough for a list of devices."""

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
LONGEST_LABEL = 60


def label_of(user_agent: str) -> str:
    """`Chrome on Windows`, or the program's own name (`curl/8.5`). Order matters: many browsers claim to be others."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser:
        return f"{browser} on {system}" if system else browser
    words = "".join(letter for letter in user_agent if letter.isprintable()).split()
    return words[0][:LONGEST_LABEL] if words else "Unknown device"
