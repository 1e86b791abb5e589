"""The numbers of units, each with the unit's name: nobody else can reach their sockets."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

_OURS = "xiaoq_model_"
"""Those of the process itself (memory, files) would clash with the ones of this process."""


def label_numbers(texts: Mapping[str, str]) -> list[Metric]:
    """Put together what units say on `/metrics`, by their names; nonsense is left out."""
    families: dict[str, Metric] = {}
    for unit, text in texts.items():
        for family in _parse(text):
            known = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            known.samples += [
                sample._replace(labels={**sample.labels, "unit": unit}) for sample in family.samples
            ]
    return list(families.values())


class Relay:
    """A collector that says what it was given last."""

    def __init__(self) -> None:
        self.families: Iterable[Metric] = ()

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        yield from self.families


def _parse(text: str) -> list[Metric]:
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return []
    return [family for family in families if family.name.startswith(_OURS)]
