"""Count the operators of a training step of each model of Table 1.

    python -m benchmarks.perf.operators --out results/measured/operators

On a GPU, a step of these models on small images takes about as long as starting its operators. The counts are those of
a step on a CPU, of models on MNIST's shape with the paper's hyper-parameters. They do not depend on the images or on
the batch size. A step is counted with the flow layer by layer, as on a CPU, and fused (`zoo.flow_gradient`), as on a
GPU. A GPU may start several kernels for one operator.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pandas import DataFrame
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from benchmarks.data.datasets import DATASETS
from benchmarks.files.writing import write_text
from benchmarks.presets import TABLE1
from benchmarks.printing import prepare_output
from benchmarks.protocols import protocol
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.training.engine import Engine
from benchmarks.training.loop import train
from zoo.flows import Flow

DATASET, BATCH = "mnist", 16
FORWARD, BACKWARD, OPTIMIZER, REST = PARTS = ("flow, forward", "flow, backward", "optimizer", "rest")
FLOWS = {False: "layer by layer", True: "fused"}
# Operators that only allocate memory. Those that return a view are found by their schema.
ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"}


class OperatorCounter(TorchDispatchMode):
    """Count the operators in the block that compute something.

    Attributes:
        counts: part of the step -> number of operators.
    """

    def __init__(self, flows: Sequence[Flow]):
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.flows = flows
        self.is_in_flow = False
        self.nodes: list[range] = []  # numbers of the nodes of autograd that were created in a flow

    def __enter__(self) -> OperatorCounter:
        for flow in self.flows:
            flow.forward = self._in_flow(flow.forward)  # type: ignore[method-assign]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for flow in self.flows:
            del flow.forward  # restores the method of the class

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if computes(operator):
            self.counts[self._part(operator)] += 1
        return operator(*args, **(kwargs or {}))

    def _part(self, operator: Any) -> str:
        node = torch._C._current_autograd_node()
        if self.is_in_flow:
            return FORWARD
        if node is not None and any(node._sequence_nr() in numbers for numbers in self.nodes):
            return BACKWARD
        return OPTIMIZER if "adam" in operator.name() else REST

    def _in_flow(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any) -> Any:
            first = torch._C._autograd._get_sequence_nr()
            self.is_in_flow = True
            try:
                return forward(*inputs)
            finally:
                self.is_in_flow = False
                self.nodes.append(range(first, torch._C._autograd._get_sequence_nr()))

        return call


def computes(operator: Any) -> bool:
    """Whether an operator is a tensor operation that neither returns a view nor only allocates memory."""
    schema = operator._schema
    namespace, _, name = schema.name.partition("::")
    is_view = any(result.alias_info is not None and not result.alias_info.is_write for result in schema.returns)
    return namespace == "aten" and not is_view and name not in ALLOCATIONS


def count_steps(name: str, fused: bool, steps: int) -> dict[str, Counter[str]]:
    """Stage -> counts of an epoch of some steps."""
    row = DATASETS[DATASET]
    protocol_row = protocol(name, DATASET, "paper", row.counts[0] if row.counts else 0)
    model = zoo.build(name, image_shape=row.shape, nz=row.nz, k=row.k, **protocol_row.resolve(name).hyper)
    flows = [module for module in model.modules() if isinstance(module, Flow)]
    for flow in flows:
        flow.fused = fused
    schedules = {stage: replace(schedule, epochs=2, batch=BATCH, steps=None, factors={})
                 for stage, schedule in protocol_row.stages.items()}  # fmt: skip
    images = torch.randint(256, (steps * BATCH, *row.shape), dtype=torch.uint8)
    epochs = train(model, images, schedules, engine=Engine("eager"))
    counts = {}
    for stage in schedules:
        next(epochs)  # the first epoch also creates the state of the optimizer
        with OperatorCounter(flows) as counter:
            next(epochs)
        counts[stage] = counter.counts
    return counts


def count_model(name: str) -> Iterator[dict[str, Any]]:
    """A row per stage of a model, two if it has a flow. A step is the difference of epochs of two steps and of one."""
    for fused, label in FLOWS.items():
        one, two = (count_steps(name, fused, steps) for steps in (1, 2))
        for stage in one:
            counts = {part: two[stage][part] - one[stage][part] for part in PARTS}
            if counts[FORWARD] or not fused:
                flow = label if counts[FORWARD] else "none"
                yield {"model": name, "stage": stage, "flow": flow, "operators": sum(counts.values()), **counts,
                       "torch": torch_version()}  # fmt: skip


def torch_version() -> str:
    """The version of torch, which determines the counts, without its build."""
    return torch.__version__.partition("+")[0]


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The counts as a Markdown table."""
    columns = ("model", "stage", "flow", "operators", *PARTS)
    lines = ["| " + " | ".join(columns) + " |", "| --- | --- | --- |" + " ---: |" * (len(columns) - 3)]
    lines += ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows]
    versions = ", ".join(sorted({row["torch"] for row in rows}))
    return "\n".join(lines) + f"\n\nCounted on a CPU with torch {versions}. Views and allocations do not count.\n"


def main() -> None:
    """Count, print and write."""
    prepare_output()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/local/operators"))
    options = parser.parse_args()
    rows = [row for name in TABLE1 for row in count_model(name)]
    write_text(options.out / "operators.csv", frame_to_csv(DataFrame(rows)))
    print(report(rows))
    print(write_text(options.out / "operators.md", report(rows)))


if __name__ == "__main__":
    main()
