"""Names that lead where a test wants, and that change their mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Names:
    """A resolver (``legato.outbound.Resolver``) of these names and no others.

    ``known`` has, for each name, its answers in turn; the last one stays. ``asked`` has every name that was asked for.
    """

    def __init__(self, known: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._known = {name: list(answers) for name, answers in known.items()}
        self.asked: list[str] = []

    async def addresses(self, host: str) -> Sequence[str]:
        """The next answer for ``host``; OSError for a name that is not known."""
        self.asked.append(host)
        answers = self._known.get(host)
        if not answers:
            raise OSError("Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]
