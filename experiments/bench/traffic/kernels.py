"""Count the bytes that a compiled program moves to and from main memory, kernel by kernel, from its HLO text.

XLA's GPU compiler gives no count of its own. Its TPU compiler does, but counts what moves within the chip as well.
A kernel reads each of its operands once and writes each of its results: arrays that share memory count for both.
An array in another memory space (S(1) is a TPU's vector memory) counts for nothing.
"""

import re
from math import prod
from typing import NamedTuple

# Instructions that move nothing by themselves; the work of what ends in -done is its -start's.
FREE = {"parameter", "constant", "iota", "bitcast", "get-tuple-element", "tuple", "opt-barrier", "partition-id"}

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*?) ([a-z][a-z\-]*)\(([^)]*)\)(.*)$")
ARRAY = re.compile(r"\b([a-z]+)(\d*)\w*\[([\d,]*)\](?:\{[^}]*?(S\(\d+\))?\})?")
NAME = re.compile(r"%([\w.\-]+)")
CALLED = re.compile(r"(?:to_apply|calls|body)=%([\w.\-]+)")
BRANCHES = re.compile(r"(?:branch_computations=\{[^}]*\}|(?:true|false)_computation=%[\w.\-]+)")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Kernel(NamedTuple):
    """A kernel and the bytes it moves."""

    name: str
    bytes: int


class Traffic(NamedTuple):
    """What a program runs in every call, and the kernels of each branch, of which it may run one."""

    kernels: list[Kernel]
    branches: list[list[Kernel]]

    @property
    def bytes(self) -> int:
        """The bytes of what always runs."""
        return sum(kernel.bytes for kernel in self.kernels)

    @property
    def branch_bytes(self) -> int:
        """The bytes of the branch that moves most."""
        return max((sum(kernel.bytes for kernel in branch) for branch in self.branches), default=0)


Instruction = tuple[str, ...]  # name, shape, opcode, operands, and the rest of the line


def count(text: str) -> Traffic:
    """Count a program's traffic, given `compiled.as_text()`."""
    computations: dict[str, list[Instruction]] = {}
    entry = current = ""
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            current = head[2]
            computations[current] = []
            entry = current if head[1] else entry
        elif match := INSTRUCTION.match(line):
            computations[current].append(match.groups())
    return _count(computations, entry)


def _count(computations: dict[str, list[Instruction]], entry: str) -> Traffic:
    traffic, shapes = Traffic([], []), {}
    for name, shape, opcode, operands, rest in computations[entry]:
        shapes[name] = shape
        if opcode == "conditional":
            for branch in NAME.findall(" ".join(BRANCHES.findall(rest))):
                inner = _count(computations, branch)
                traffic.branches.extend([inner.kernels, *inner.branches])
        elif opcode in ("call", "while"):
            inner, trips = _count(computations, CALLED.search(rest)[1]), TRIPS.search(rest)
            traffic.kernels.extend(inner.kernels * (int(trips[1]) if trips else 1))
            traffic.branches.extend(inner.branches)
        elif moved := _bytes(shape, opcode, [shapes[operand] for operand in dict.fromkeys(NAME.findall(operands))]):
            traffic.kernels.append(Kernel(name, moved))
    return traffic


def _bytes(shape: str, opcode: str, operands: list[str]) -> int:
    if opcode in FREE or opcode.endswith("-done"):
        return 0
    if opcode in ("copy-start", "slice-start"):  # the result lists the source as well, and a flag
        size, written = arrays(shape)[opcode == "slice-start"]
        return size * (written + ("S(" not in operands[0]))
    return sum(size * main for of in (shape, *operands) for size, main in arrays(of))


def arrays(shape: str) -> list[tuple[int, bool]]:
    """Return bytes, and whether they lie in main memory, of f32[2,3]{1,0:T(8,128)S(1)} or of a tuple of such."""
    return [
        (prod(int(size) for size in sizes.split(",") if size) * max(1, int(bits or 8) // 8), not space)
        for _, bits, sizes, space in ARRAY.findall(shape)
    ]
