"""Photos that may be copied, for models whose user brings none; CREDITS.md names the authors and licences."""

from pathlib import Path


def sample_photos() -> tuple[Path, ...]:
    """The sample photos, sorted by name."""
    return tuple(sorted(Path(__file__).parent.glob("*.jpg")))
