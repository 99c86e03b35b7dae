"""Draws the order state machine from its table, as Mermaid text: ``python -m runtime.diagram``."""

from domain.lifecycle import LIVE, TERMINAL, TRANSITIONS
from domain.messages import OrderStatus


def mermaid() -> str:
    """The diagram. Transitions that lead back to the same status, and late fills of ended orders, are left out."""
    labels: dict[tuple[OrderStatus, OrderStatus], list[str]] = {}
    for (source, trigger), target in TRANSITIONS.items():
        if source is not target and source not in TERMINAL:
            labels.setdefault((source, target), []).append(str(trigger))
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {OrderStatus.NEW}"]
    lines += [f"    {source} --> {target}: {' / '.join(names)}" for (source, target), names in labels.items()]
    lines += [f"    {status} --> [*]" for status in OrderStatus if status not in LIVE and status in TERMINAL]
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())  # noqa: T201  # the output is the purpose
