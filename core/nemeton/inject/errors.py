"""What goes wrong with bindings."""


class InjectionError(RuntimeError):
    """The bindings of an injector do not fit together; the message names every fault and where it comes from."""

    def __init__(self, injector: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {number}) {problem}" for number, problem in enumerate(problems, 1))
        super().__init__(f"Injector [{injector}] cannot be made:\n{lines}")
